"""Rates against the level they had: spikes, slips of unit, and zeros that stand for nothing. Refuses a jump that nothing bears
out; keeps, marked, one that the borrow side and the utilisation bear out.

Every row is judged by itself and by accepted rows before it, never by later ones, so a live run would have judged alike. A level
is the running geometric mean of accepted rows, an eighth of the newest. What bears a jump out is the rule of every lending pool,
supply rate = borrow rate x utilisation x (1 - reserve factor), as Aave's ReserveLogic and Compound's getSupplyRate have it: the
supply rate must follow from the other two as it did before, and the borrow rate may only have jumped where utilisation moved with
it, as on a curve. Of a source without utilisation the share of the two rates stands for it."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np

from backtest.checking.cells import found
from backtest.checking.marks import Finding, Mark, marks_of, refusing
from backtest.checking.record import Record

NEWEST: Final = 1 / 8  # weight of the newest accepted row in a level
FLOOR_APR: Final = 1e-4  # what is below counts as this in a level: dust has no level
DUST_APR: Final = 1e-3  # paid by borrowers: below it the share of it is rounding
HIGH_APR: Final = 0.20  # always asks for what bears it out
JUMP: Final = 3.0  # times the level, and further than
STEP_APR: Final = 0.02
POWERS: Final = (2, 3, 4, 6)  # slips of unit: percent, milli, basis points, micro
NEAR: Final = 0.15  # of a decade around such a power: what rates do besides
SHARE_APART: Final = 2.5  # how far the supply rate's share of (borrow x utilisation) may wander: below JUMP
COVER: Final = 1.02  # snapshots round
MOVED: Final = 0.004  # of utilisation: what a curve's steep part needs for a jump
STEEPEST: Final = 75.0  # of the rate at the kink to the rate at full use: 4 % to 300 %, as governance has set them
STARTED_APR: Final = 5e-4  # from a level above this nothing falls to exactly zero by itself
HOLDS: Final = 12  # rows after which a level that nothing contradicts counts as the new one


class Verdict(Enum):
    """What a row's rate is."""

    PLAIN = 0
    SPIKE = 1
    REAL = 2
    UNIT = 3
    ZERO = 4


@dataclass(slots=True)
class _Level:
    """What was accepted so far: rates, utilisation and the supply rate's share of what borrowers pay; NaN before the first."""

    supply: float = math.nan
    borrow: float = math.nan
    use: float = math.nan
    share: float = math.nan
    held_supply: float = math.nan  # a level that is refused so far
    held_rows: int = 0
    slipped: float = math.nan  # the last rate that was off by a power of ten


def judge_levels(record: Record, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Every row's verdict as findings. `before` is what is known already: refused rows set no level."""
    refused = refusing(marks_of(before, len(record))).tolist()
    level, verdicts = _Level(), np.zeros(len(record), dtype=np.int64)
    columns = (record.supply_apr.tolist(), record.borrow_apr.tolist(), record.utilisation.tolist())
    for row, (supply, borrow, use, skipped) in enumerate(zip(*columns, refused, strict=True)):
        if not skipped:
            verdict = _judged(level, supply, borrow, use)
            verdicts[row] = verdict.value
            if verdict in (Verdict.PLAIN, Verdict.REAL) and supply > 0:
                _accept(level, supply, borrow, use)
    return (
        *found(record, verdicts == Verdict.SPIKE.value, Mark.SPIKE, "a jump that nothing bears out: left unsaid"),
        *found(record, verdicts == Verdict.REAL.value, Mark.REAL_SPIKE, "borne out by utilisation and borrow side: kept"),
        *found(record, verdicts == Verdict.UNIT.value, Mark.UNIT, "off by a power of ten from the rows before: left unsaid"),
        *found(record, verdicts == Verdict.ZERO.value, Mark.ZERO_FOR_MISSING, "zero for nothing said: left unsaid"),
    )


def _judged(level: _Level, supply: float, borrow: float, use: float) -> Verdict:
    if supply == 0:
        return _judged_zero(level, borrow, use)
    started = not math.isnan(level.supply)
    base = max(level.supply, FLOOR_APR) if started else supply
    up = supply > HIGH_APR or (supply > JUMP * base and supply > base + STEP_APR)
    slip = started and max(supply, level.supply) >= STARTED_APR and _is_slip(level, supply, base)
    if (not up and not slip) or _borne_out(level, supply, borrow, use):
        level.held_rows, level.slipped = 0, math.nan
        return Verdict.REAL if up else Verdict.PLAIN
    if slip:
        level.slipped = supply
        return Verdict.UNIT
    return Verdict.REAL if math.isnan(borrow) and _holds(level, supply) else Verdict.SPIKE


def _judged_zero(level: _Level, borrow: float, use: float) -> Verdict:
    """Zero before a market ever paid is no rate; afterwards it is one where borrowers pay nothing, or where rates were dust."""
    if math.isnan(level.supply):
        return Verdict.ZERO
    paid = borrow * (use if not math.isnan(use) else 1.0)
    if not math.isnan(paid) and paid > 0:
        return Verdict.ZERO if paid > FLOOR_APR else Verdict.PLAIN
    return Verdict.ZERO if level.supply >= STARTED_APR else Verdict.PLAIN


def _is_slip(level: _Level, supply: float, base: float) -> bool:
    """Off by a power of ten, or still where the last such row was and not back where rates were."""
    decades = abs(math.log10(supply / base))
    near = any(abs(decades - power) <= NEAR for power in POWERS)
    return near or (1 / JUMP <= supply / level.slipped <= JUMP and decades > math.log10(JUMP))


def _borne_out(level: _Level, supply: float, borrow: float, use: float) -> bool:
    """Whether the supply rate follows from the borrow side, and the borrow side from where it was."""
    if math.isnan(borrow) or borrow <= 0:
        return False
    known = not math.isnan(use)
    paid = borrow * (min(use, 1.0) if known else 1.0)
    if supply > paid * COVER + FLOOR_APR:
        return False
    if math.isnan(level.supply):
        return True
    share = supply / max(paid, FLOOR_APR) / level.share
    if known and (share > SHARE_APART or (supply < level.supply and share < 1 / SHARE_APART)):
        return False
    return _on_curve(level, borrow, use if known else supply / borrow)


def _on_curve(level: _Level, borrow: float, use: float) -> bool:
    """A borrow rate that jumped needs a utilisation that moved its way, and far enough for a curve of two slopes."""
    base = max(level.borrow, FLOOR_APR)
    if borrow > JUMP * base and borrow > base + STEP_APR:
        return _reaches(level.use, use, borrow / base)
    if borrow < base / JUMP:
        return _reaches(use, level.use, base / borrow)
    return True


def _reaches(low: float, high: float, factor: float) -> bool:
    """Whether a curve can grow by a factor from a lower to a higher utilisation: in proportion below its kink, and above it by
    so much for each part of what was left that is used up."""
    if high <= low + MOVED:
        return False
    steep = factor / (high / max(low, MOVED)) - JUMP
    return steep <= STEEPEST * (high - low) / max(1 - low, MOVED)


def _holds(level: _Level, supply: float) -> bool:
    """Whether a refused level has stood so long that it is the rate: only where no borrow side could contradict it."""
    alike = level.held_rows > 0 and 0.5 <= supply / level.held_supply <= 2
    level.held_rows = level.held_rows + 1 if alike else 1
    level.held_supply = supply
    return level.held_rows > HOLDS


def _accept(level: _Level, supply: float, borrow: float, use: float) -> None:
    level.supply = _moved(level.supply, max(supply, FLOOR_APR))
    if math.isnan(borrow) or borrow <= 0:
        return
    level.borrow = _moved(level.borrow, max(borrow, FLOOR_APR))
    known = not math.isnan(use)
    here = use if known else supply / borrow
    level.use = here if math.isnan(level.use) else level.use + (here - level.use) * NEWEST
    if known and borrow * use > DUST_APR:
        level.share = _moved(level.share, supply / (borrow * min(use, 1.0)))


def _moved(level: float, value: float) -> float:
    """A geometric mean, an eighth of the newest."""
    return value if math.isnan(level) else level * (value / level) ** NEWEST

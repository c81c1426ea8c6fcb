"""Which recorded share prices of a vault can be believed, row by row, from what was known by then. Refuses prices that no vault
has, jumps that nothing explains, and falls that neither the vault's assets nor the following day confirm.

The price believed last is compared with the next one said. A fall is a loss at once where the recorded assets per share (or,
without shares, the assets) fell with it. Any other fall, and a rise above what a year's doubling allows plus 2 %, is refused
until every price said for a day, and at least three, agrees with it; a rise of more than a tenth is never believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.terms import Terms
from strategies.domain import Address, Asset
from strategies.tape import Floats, Ints
from strategies.units import RAY, SECONDS_PER_DAY, SECONDS_PER_YEAR

LEAST_RAY: Final = RAY // 10_000  # a share below a ten-thousandth of its asset, or above ten thousand, has lost its decimals
MOST_RAY: Final = RAY * 10_000
STEP_RAY: Final = RAY * 2 // 100  # what may come at once: a harvest, a week's interest
LEAP_RAY: Final = RAY // 10  # what never comes at once
GROWTH_APR: Final = 1  # and beside it, a year's doubling spread over the time that passed
HOLD_SECONDS: Final = SECONDS_PER_DAY
HOLD_ROWS: Final = 3
AGREE_RAY: Final = STEP_RAY  # prices within this of each other say the same level
_ROUNDING: Final = 1e-6  # sources round prices to six decimals


class Belief(IntEnum):
    """What became of a row's price."""

    UNSAID = 0
    BELIEVED = 1
    LOSS = 2  # believed: a fall that is confirmed
    RISE = 3  # believed: a large rise that held
    DECIMALS = 4  # refused
    BACKWARDS = 5  # refused: falls, and nothing confirms it
    SPIKE = 6  # refused: rises, and nothing explains it


BELIEVED: Final = (Belief.BELIEVED, Belief.LOSS, Belief.RISE)
MARKS: Final = {
    Belief.LOSS: Mark.LOSS,
    Belief.RISE: Mark.REAL_SPIKE,
    Belief.DECIMALS: Mark.DECIMALS,
    Belief.BACKWARDS: Mark.BACKWARDS,
    Belief.SPIKE: Mark.SPIKE,
}
_SAYS: Final = {
    Belief.LOSS: ("kept, marked", "the assets or a day of prices confirm that the share price fell"),
    Belief.RISE: ("kept, marked", "the share price jumped and held for a day"),
    Belief.DECIMALS: ("left unsaid", "a share price below 0.0001 or above 10,000 has lost its decimals"),
    Belief.BACKWARDS: ("left unsaid", "the share price falls and neither the assets nor a day of prices confirm it"),
    Belief.SPIKE: ("left unsaid", "the share price jumps and does not hold for a day, or jumps by more than a tenth"),
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Vault:
    """One vault as its source recorded it, strictly later row by row."""

    id: str
    address: Address
    asset: Asset
    file: str
    timestamp: Ints  # when each row became known
    block: Ints  # 0: not recorded
    price_ray: tuple[int, ...]  # asset per share, exactly as recorded; 0: not said
    assets: Floats  # what the vault holds, whole units; NaN: not recorded, as in the next two
    supply: Floats  # shares
    liquidity: Floats  # what can leave it now, whole units; NaN: not recorded, so not limited
    asset_usd: Floats  # price of the asset by the same source
    terms: Terms
    findings: tuple[Finding, ...]  # of the reading itself


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Rows refused since the last believed one that say one level."""

    first: int
    last: int
    count: int


def beliefs(vault: Vault) -> list[Belief]:
    """What became of each row's price, from that row and those before it."""
    made: list[Belief] = []
    known = -1  # the row believed last
    doubt: _Doubt | None = None
    for row, price in enumerate(vault.price_ray):
        belief = _judged(vault, known, row, doubt)
        if belief in BELIEVED:
            known, doubt = row, None
        elif belief in (Belief.BACKWARDS, Belief.SPIKE):
            agrees = doubt is not None and _agree(vault.price_ray[doubt.last], price)
            doubt = _Doubt(doubt.first, row, doubt.count + 1) if doubt is not None and agrees else _Doubt(row, row, 1)
        made.append(belief)
    return made


def belief_findings(vault: Vault, made: Sequence[Belief]) -> tuple[Finding, ...]:
    """The beliefs worth naming, as findings about the vault's own rows."""
    findings = []
    for belief, (treatment, detail) in _SAYS.items():
        rows = tuple(row for row, one in enumerate(made) if one is belief)
        if rows:
            first = int(vault.timestamp[rows[0]])
            what = {"treatment": treatment, "detail": detail}
            findings.append(Finding(mark=MARKS[belief], subject=vault.id, count=len(rows), first=first, rows=rows, **what))
    return tuple(findings)


def trailing_apr(vault: Vault, made: Sequence[Belief], *, window_seconds: int, least_seconds: int) -> Floats:
    """What a share has earned, a year: its growth from the last believed price at least a window old (or the first one, if that
    is at least `least_seconds` old) to the row's own, spread evenly. NaN before there is such a price or where the row's is not
    believed; a trailing loss is negative. Nothing later than the row is looked at."""
    apr = np.full(len(made), np.nan)
    rows = [row for row, belief in enumerate(made) if belief in BELIEVED]
    times = vault.timestamp[rows]
    bases = np.searchsorted(times, times - window_seconds, side="right") - 1
    for at, base in enumerate(np.maximum(bases, 0).tolist()):
        elapsed = int(times[at] - times[base])
        if elapsed >= least_seconds:
            now, then = vault.price_ray[rows[at]], vault.price_ray[rows[base]]
            apr[rows[at]] = (now - then) * SECONDS_PER_YEAR / (then * elapsed)
    return apr


def _judged(vault: Vault, known: int, row: int, doubt: _Doubt | None) -> Belief:
    price = vault.price_ray[row]
    if price == 0:
        return Belief.UNSAID
    if not LEAST_RAY <= price <= MOST_RAY:
        return Belief.DECIMALS
    if known < 0:
        return Belief.BELIEVED
    last = vault.price_ray[known]
    if price < last:
        confirmed = _assets_fell(vault, known, row) or _held(vault, row, doubt)
        return Belief.LOSS if confirmed else Belief.BACKWARDS
    elapsed = int(vault.timestamp[row] - vault.timestamp[known])
    grown_ray = RAY + RAY * GROWTH_APR * elapsed // SECONDS_PER_YEAR
    if price * RAY <= last * (grown_ray + STEP_RAY):
        return Belief.BELIEVED
    possible = price * RAY <= last * (grown_ray + LEAP_RAY)
    return Belief.RISE if possible and _held(vault, row, doubt) else Belief.SPIKE


def _held(vault: Vault, row: int, doubt: _Doubt | None) -> bool:
    """Whether the rows doubted until now say the row's level, for long enough."""
    if doubt is None or doubt.count + 1 < HOLD_ROWS or not _agree(vault.price_ray[doubt.last], vault.price_ray[row]):
        return False
    return bool(vault.timestamp[row] - vault.timestamp[doubt.first] >= HOLD_SECONDS)


def _agree(one_ray: int, other_ray: int) -> bool:
    return abs(one_ray - other_ray) * RAY <= min(one_ray, other_ray) * AGREE_RAY


def _assets_fell(vault: Vault, known: int, row: int) -> bool:
    """Whether what the vault holds fell with the price: per share to within a tenth of the fall, or as a whole by at least it."""
    fall = 1 - vault.price_ray[row] / vault.price_ray[known]
    held = vault.assets[row] / vault.assets[known] if vault.assets[known] > 0 else np.nan
    shares = vault.supply[row] / vault.supply[known] if vault.supply[known] > 0 else np.nan
    if np.isfinite(shares) and shares > 0:
        return bool(abs(1 - held / shares - fall) <= fall / 10 + _ROUNDING)
    return bool(1 - held >= fall - _ROUNDING)

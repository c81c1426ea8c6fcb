"""One quantity over time with the moment each value became known, and how it joins a tape. Refuses values that are no numbers,
rows that contradict each other and a join in another unit; a row of a tape never sees a value that became known after it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.dataset import Rates
from backtest.numerals import moment
from strategies.errors import BadTape
from strategies.tape import Bools, Floats, Ints
from strategies.units import GWEI, USD_E8

USD: Final = "USD"
GWEI_UNIT: Final = "gwei"
FRACTION: Final = "fraction a year"

_EARLIEST: Final = 1_230_768_000  # 2009-01-01: no chain is older; milliseconds read as seconds lie beyond the latest
_LATEST: Final = 4_102_444_800  # 2100-01-01


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A quantity as it became known, oldest first, strictly later row by row."""

    name: str
    unit: str
    timestamp: Ints  # when each value became known, which may be later than the time it speaks of
    value: Floats
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()  # what holds for every value

    def known_at(self, timestamp: Ints, *, within_seconds: int) -> Floats:
        """The last value known at each time and not older than so many seconds; NaN where there is none."""
        if not len(self.timestamp):
            return np.full(len(timestamp), np.nan)
        at = np.searchsorted(self.timestamp, timestamp, side="right") - 1
        held = np.maximum(at, 0)
        usable = (at >= 0) & (timestamp - self.timestamp[held] <= within_seconds)
        return np.where(usable, self.value[held], np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """Values as a file gave them, in its order, before anything was refused; what they may be, and how often they come."""

    name: str
    unit: str
    timestamp: Ints
    value: Floats
    least: float
    most: float
    step_seconds: int
    refused: Bools | None = None  # rows that the importer refuses itself, with a finding of its own


def series_of(raw: Raw, *, notes: Sequence[str] = (), findings: Sequence[Finding] = ()) -> Series:
    """What is left of a file after its defects are named; those its importer found come first. Raises BadTape for a file of which
    nothing is left, or whose times are no Unix seconds."""
    in_seconds(raw.name, raw.timestamp)
    asked = np.ones(len(raw.value), dtype=np.bool_) if raw.refused is None else ~raw.refused
    possible, outside = _possible(raw, asked)
    said = asked & ~np.isnan(raw.value)
    keep, disordered = kept(raw.name, raw.timestamp, np.where(possible, raw.value, np.nan), said=said)
    every = (*findings, *_unsaid(raw, asked), *outside, *disordered)
    if not keep.any():
        why = "; ".join(sentence(finding) for finding in every)
        raise BadTape(f"{raw.name}: none of its {len(keep)} rows can be used ({why or 'it has none'})")
    timestamp, value = raw.timestamp[keep], raw.value[keep]
    return Series(raw.name, raw.unit, timestamp, value, (*every, *gaps(raw.name, timestamp, raw.step_seconds)), tuple(notes))


def in_seconds(name: str, timestamp: Ints) -> None:
    """Refuse times that are no Unix seconds of this century. Raises BadTape."""
    if len(timestamp) and not (timestamp.min() >= _EARLIEST and timestamp.max() <= _LATEST):
        raise BadTape(f"{name}: its times run from {timestamp.min()} to {timestamp.max()}, which are no Unix seconds")


def kept(subject: str, timestamp: Ints, value: Floats, *, said: Bools) -> tuple[Bools, tuple[Finding, ...]]:
    """Rows to keep: said, in order, once; a value of NaN is not kept. A row that goes back is refused, not sorted in: it was not
    known at its place. Of rows that repeat, one is kept where they agree and none where they do not."""
    latest = np.maximum.accumulate(np.where(said, timestamp, np.iinfo(np.int64).min)) if len(said) else timestamp
    back = said & (timestamp < latest)
    repeated, disagreeing = _repeats(timestamp, value, said & ~back)
    findings = (
        *found(Mark.DISORDER, subject, back, timestamp, ("refused", "it stands after a later row")),
        *found(Mark.REPEATED, subject, repeated, timestamp, ("kept once", "both rows say the same")),
        *found(Mark.REPEATED, subject, disagreeing, timestamp, ("all of them refused", "nothing says which is right")),
    )
    return said & ~np.isnan(value) & ~back & ~repeated & ~disagreeing, findings


def found(mark: Mark, subject: str, rows: Bools, timestamp: Ints, says: tuple[str, str]) -> tuple[Finding, ...]:
    """A finding, if any row has the defect; `says` is what was done and why."""
    at = np.flatnonzero(rows)
    if not len(at):
        return ()
    first = int(timestamp[at[0]])
    return (Finding(mark=mark, subject=subject, count=len(at), first=first, treatment=says[0], detail=says[1]),)


def sentence(finding: Finding) -> str:
    """A finding as a person reads it in one line."""
    name = str(finding.mark.name).lower().replace("_", " ")
    detail = f" ({finding.detail})" if finding.detail else ""
    return f"{name}: {finding.count} from {moment(finding.first)}, {finding.treatment}{detail}"


def gaps(subject: str, timestamp: Ints, step_seconds: int) -> tuple[Finding, ...]:
    """The rows that come more than a step and a half after the row before."""
    steps = np.diff(timestamp, prepend=timestamp[:1])
    detail = f"the longest lasts {steps.max(initial=0) / 3_600:.4g} h"
    return found(Mark.AFTER_GAP, subject, steps * 2 > step_seconds * 3, timestamp, ("left as a gap in time", detail))


def with_prices(rates: Rates, prices: Series, symbol: str, *, within_seconds: int) -> Rates:
    """The same rates with an asset priced by a series in USD, as last known at each row; unpriced where that is older than so
    many seconds. To the nearest of eight decimals. Raises BadTape."""
    if prices.unit != USD:
        raise BadTape(f"{prices.name} is in {prices.unit}: a price of {symbol} has to be in {USD}")
    at = next((at for at, asset in enumerate(rates.deployment.assets) if asset.symbol == symbol), None)
    if at is None:
        known = ", ".join(asset.symbol for asset in rates.deployment.assets)
        raise BadTape(f"no asset {symbol!r} to price; the tape has {known}")
    column = rates.price_usd_e8.copy()
    usd = prices.known_at(rates.timestamp, within_seconds=within_seconds)
    column[:, at] = np.nan_to_num(np.rint(usd * USD_E8)).astype(np.int64)
    return replace(rates, price_usd_e8=column)


def with_base_fee(rates: Rates, base_fee: Series, *, within_seconds: int) -> Rates:
    """The same rates with a base fee as last known at each row, rounded up to the wei. Raises BadTape where none is known."""
    if base_fee.unit != GWEI_UNIT:
        raise BadTape(f"{base_fee.name} is in {base_fee.unit}: a base fee has to be in {GWEI_UNIT}")
    gwei = base_fee.known_at(rates.timestamp, within_seconds=within_seconds)
    if np.isnan(gwei).any():
        row = int(np.flatnonzero(np.isnan(gwei))[0])
        raise BadTape(f"{base_fee.name} says no base fee at {moment(int(rates.timestamp[row]))}: choose a window that it covers")
    return replace(rates, base_fee_wei=np.ceil(np.round(gwei * GWEI, 3)).astype(np.int64))


def _unsaid(raw: Raw, asked: Bools) -> tuple[Finding, ...]:
    return found(
        Mark.NOT_A_NUMBER, raw.name, asked & np.isnan(raw.value), raw.timestamp, ("left out", "the source says nothing there")
    )


def _possible(raw: Raw, asked: Bools) -> tuple[Bools, tuple[Finding, ...]]:
    """The rows whose value can be what it claims; the others by what is wrong with them."""
    value, said = raw.value, asked & ~np.isnan(raw.value)
    possible = (value >= raw.least) & (value <= raw.most)
    zero = said & ~possible & (value == 0)
    negative = said & ~possible & (value < 0) & np.isfinite(value)
    infinite = said & np.isinf(value)
    far = said & ~possible & ~zero & ~negative & ~infinite
    span = f"{raw.name} lies between {raw.least:g} and {raw.most:g} {raw.unit}"
    kinds = ((Mark.ZERO_FOR_MISSING, zero), (Mark.NEGATIVE, negative), (Mark.NOT_A_NUMBER, infinite), (Mark.UNIT, far))
    return possible, tuple(f for mark, rows in kinds for f in found(mark, raw.name, rows, raw.timestamp, ("refused", span)))


def _repeats(timestamp: Ints, value: Floats, keep: Bools) -> tuple[Bools, Bools]:
    """Among kept rows of one time: the later ones that agree with the first; all of those that do not all agree."""
    repeated, disagreeing = np.zeros(len(keep), dtype=np.bool_), np.zeros(len(keep), dtype=np.bool_)
    rows = np.flatnonzero(keep)
    same = np.diff(timestamp[rows]) == 0
    if not same.any():
        return repeated, disagreeing
    for group in np.split(rows, np.flatnonzero(~same) + 1):
        if len(group) > 1:
            agree = np.all(value[group] == value[group[0]])
            (repeated if agree else disagreeing)[group[1:] if agree else group] = True
    return repeated, disagreeing

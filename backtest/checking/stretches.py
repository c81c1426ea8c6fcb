"""What only a stretch of rows shows: gaps in time, what a source repeats instead of reading it again, and amounts that slip by
their decimals. Refuses only the last; a repeated row is kept and is not fresh."""

import math
from itertools import pairwise
from typing import Final

import numpy as np

from backtest.checking.cells import found
from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record
from backtest.numerals import moment
from strategies.tape import Bools, Floats
from strategies.units import SECONDS_PER_DAY

ALIKE_SECONDS: Final = SECONDS_PER_DAY  # a rate that nobody posts does not stand still for longer
ALIKE_ROWS: Final = 3
LATE_SECONDS: Final = 7_200
SLIP: Final = 500.0  # an amount that is so many times the one before, or so small a part, and near a power of ten
NEAR: Final = 0.1
NAMES: Final = ("supply_apr", "borrow_apr", "utilisation", "available")


def gaps(record: Record) -> tuple[Finding, ...]:
    """Rows that come late by more than half a step, or two hours."""
    steps = np.diff(record.timestamp, prepend=record.timestamp[:1])
    late = steps > record.step_seconds + min(record.step_seconds // 2, LATE_SECONDS)
    if not late.any():
        return ()
    widest = int(np.argmax(steps))
    detail = f"the widest {steps[widest] / 3_600:g} h, until {moment(int(record.timestamp[widest]))}"
    return found(record, late, Mark.AFTER_GAP, "rows are missing before it: left as a gap in time", detail)


def carried(record: Record) -> tuple[Finding, ...]:
    """Rows that repeat what was said before: by the source's own word where it gives one, else by standing still too long."""
    again = _standing(record) if record.told_at is None else np.diff(record.told_at, prepend=record.told_at[:1] - 1) == 0
    if not again.any():
        return ()
    edges = np.flatnonzero(np.diff(np.concatenate(([False], again, [False]))))
    runs = edges[1::2] - edges[::2]
    longest = int(np.argmax(runs))
    since = moment(int(record.timestamp[edges[::2][longest]]))
    detail = f"the longest stretch {runs[longest]} rows from {since}; {int((runs > 24).sum())} of more than 24 rows"
    return found(record, again, Mark.CARRIED, "repeats the row before it: kept, not fresh", detail)


def slipped_amounts(record: Record) -> tuple[Finding, ...]:
    """An available amount off by a power of ten from the accepted one before it."""
    slipped, level = np.zeros(len(record), dtype=np.bool_), math.nan
    for row, amount in enumerate(record.available.tolist()):
        if not amount > 0 or math.isinf(amount):
            continue
        decades = 0.0 if math.isnan(level) else math.log10(amount / level)
        if abs(decades) >= math.log10(SLIP) and abs(decades - round(decades)) <= NEAR and not _used_up(record, row, decades):
            slipped[row] = True
        else:
            level = amount
    return found(record, slipped, Mark.DECIMALS, "an amount off by a power of ten: left unsaid")


def _used_up(record: Record, row: int, decades: float) -> bool:
    """An amount that fell because nearly all is lent out, or rose from there."""
    use = record.utilisation[max(row - 1, 0) : row + 1]
    with np.errstate(invalid="ignore"):
        return bool(np.any(use > 0.99)) if decades else False


def _standing(record: Record) -> Bools:
    """Rows from which on nothing has changed for a day and three rows."""
    if record.posted or not len(record):
        return np.zeros(len(record), dtype=np.bool_)
    same = np.ones(len(record), dtype=np.bool_)
    for name in NAMES:
        same &= _unchanged(getattr(record, name))
    if record.index_ray:
        same &= np.array([False, *(before == after for before, after in pairwise(record.index_ray))])
    same &= ~np.isnan(record.supply_apr)
    since = np.maximum.accumulate(np.where(same, 0, np.arange(len(record))))
    long = record.timestamp - record.timestamp[since] > ALIKE_SECONDS
    standing: Bools = same & long & (np.arange(len(record)) - since >= ALIKE_ROWS)
    return standing


def _unchanged(column: Floats) -> Bools:
    same = np.zeros(len(column), dtype=np.bool_)
    same[1:] = (column[1:] == column[:-1]) | (np.isnan(column[1:]) & np.isnan(column[:-1]))
    return same

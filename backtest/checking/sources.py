"""Two records of one market by two sources: where they disagree, neither is believed. Refuses to compare records that never speak
within a step of each other."""

from typing import Final

import numpy as np

from backtest.checking.cells import found
from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record
from strategies.errors import BadTape

APART: Final = 0.10  # of the larger rate
AND_APR: Final = 0.0025  # and a quarter of a point: small rates differ by rounding


def compare(record: Record, other: Record) -> tuple[Finding, ...]:
    """Rows of the first whose supply rate the second, as known then and not older than a step, does not confirm. Raises
    BadTape."""
    step = max(record.step_seconds, other.step_seconds)
    at = np.searchsorted(other.timestamp, record.timestamp, side="right") - 1
    held = np.maximum(at, 0)
    near = (at >= 0) & (record.timestamp - other.timestamp[held] <= step)
    theirs = np.where(near, other.supply_apr[held], np.nan)
    both = ~np.isnan(theirs) & ~np.isnan(record.supply_apr)
    if not both.any():
        raise BadTape(f"{record.source} and {other.source} never speak of {record.market} within {step} s of each other")
    gap = np.abs(theirs - record.supply_apr)
    apart = both & (gap > APART * np.fmax(theirs, record.supply_apr)) & (gap > AND_APR)
    ratio = float(np.median(theirs[both & (record.supply_apr > 0)] / record.supply_apr[both & (record.supply_apr > 0)]))
    detail = f"of {int(both.sum())} rows that both have; {other.source} says {ratio:.3g} times as much in the middle"
    return found(record, apart, Mark.SOURCES_APART, f"{other.source} says otherwise: left unsaid", detail)

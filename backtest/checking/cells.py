"""What one row says by itself: numbers that are none, below zero, beyond their column, or that contradict each other. Refuses no
row whose utilisation is a little above one: that happens, and nothing can be withdrawn then."""

from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record
from strategies.tape import Bools

MAX_APR: Final = 100.0  # 10,000 % a year, as dataset.MAX_APR
MAX_UTILISATION: Final = 1.5  # bad debt and rounding stay below it; percent do not
DRAINED: Final = 0.9995
NAMES: Final = ("supply_apr", "borrow_apr", "utilisation", "available")


def not_numbers(record: Record) -> tuple[Finding, ...]:
    """Infinite anywhere, or no rate at all."""
    infinite = np.any([np.isinf(getattr(record, name)) for name in NAMES], axis=0)
    missing = np.isnan(record.supply_apr) & ~infinite
    return (
        *found(record, infinite, Mark.NOT_A_NUMBER, "infinite: left unsaid"),
        *found(record, missing, Mark.NOT_A_NUMBER, "no rate: left unsaid"),
        *found(record, _half_said(record) & ~missing & ~infinite, Mark.NOT_A_NUMBER, "half a row: left unsaid"),
    )


def negatives(record: Record) -> tuple[Finding, ...]:
    """Below zero: no rate, amount or share of a lending market is."""
    below = np.any([np.nan_to_num(getattr(record, name)) < 0 for name in NAMES], axis=0)
    return found(record, below, Mark.NEGATIVE, "below zero: left unsaid")


def out_of_range(record: Record) -> tuple[Finding, ...]:
    """Beyond 10,000 % a year, or a utilisation that is a percentage."""
    with np.errstate(invalid="ignore"):
        rates = np.isfinite(record.supply_apr) & (record.supply_apr > MAX_APR)
        rates |= np.isfinite(record.borrow_apr) & (record.borrow_apr > MAX_APR)
        shares = np.isfinite(record.utilisation) & (record.utilisation > MAX_UTILISATION)
    return (
        *found(record, rates, Mark.OVERFLOW, f"above {MAX_APR:.0%} a year: left unsaid"),
        *found(
            record, shares & ~rates, Mark.UNIT, f"a utilisation above {MAX_UTILISATION:.0%}, as percent would be: left unsaid"
        ),
    )


def over_lent(record: Record) -> tuple[Finding, ...]:
    """More lent than supplied, or all of it."""
    with np.errstate(invalid="ignore"):
        over = (record.utilisation > 1) & (record.utilisation <= MAX_UTILISATION)
        drained = (record.utilisation >= DRAINED) & (record.utilisation <= 1)
    return (
        *found(record, over, Mark.OVER_LENT, "more is lent than supplied: kept, nothing can be withdrawn"),
        *found(record, drained, Mark.DRAINED, "all is lent out: kept, nothing can be withdrawn"),
    )


def found(record: Record, rows: Bools, mark: Mark, treatment: str, detail: str = "") -> tuple[Finding, ...]:
    """The marked rows of a record as one finding; nothing where there are none."""
    at = tuple(np.flatnonzero(rows).tolist())
    if not at:
        return ()
    first = int(record.timestamp[at[0]])
    finding = Finding(mark=mark, subject=record.market, count=len(at), first=first, treatment=treatment, detail=detail, rows=at)
    return (finding,)


def _half_said(record: Record) -> Bools:
    """A row without the borrow side or the utilisation that the source says elsewhere."""
    half = np.zeros(len(record), dtype=np.bool_)
    for name in ("borrow_apr", "utilisation"):
        missing = np.isnan(getattr(record, name))
        if not missing.all():
            half |= missing
    return half

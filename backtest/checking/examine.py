"""Everything that can be found in one record, in one list of detectors. Refuses a record of which nothing is left, and one that
is in another unit as a whole.

Each detector is a function from a record to findings; a row's marks depend on that row and on earlier ones only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backtest.checking.cells import negatives, not_numbers, out_of_range, over_lent
from backtest.checking.indices import judge_index
from backtest.checking.levels import judge_levels
from backtest.checking.marks import Finding, Mark, marks_of, refusing
from backtest.checking.order import put_in_order
from backtest.checking.record import Record
from backtest.checking.stretches import carried, gaps, slipped_amounts
from strategies.errors import BadTape
from strategies.tape import Bools, Ints

MOST_MEDIAN_APR: Final = 2.0  # above it a source is not in the unit it is read in

Detector = Callable[[Record], tuple[Finding, ...]]

DETECTORS: Final[tuple[Detector, ...]] = (not_numbers, negatives, out_of_range, over_lent, slipped_amounts, gaps, carried)


@dataclass(frozen=True, slots=True)
class Examined:
    """A record in the order of time with a bit set a row, and all that was found."""

    record: Record
    marks: Ints
    findings: tuple[Finding, ...]

    def fresh(self) -> Bools:
        """Rows that say something new and believable."""
        says = ~np.isnan(self.record.supply_apr) & ~refusing(self.marks)
        fresh: Bools = says & ((self.marks & int(Mark.CARRIED)) == 0)
        return fresh


def examine(record: Record) -> Examined:
    """One record through every detector. Raises BadTape."""
    ordered, _ = put_in_order(record)
    if not len(ordered):
        raise BadTape(f"{record.source}: no row of {record.market} can be placed in time")
    findings = ordered.findings
    for detector in DETECTORS:
        findings = (*findings, *detector(ordered))
    findings = (*findings, *judge_levels(ordered, findings))
    known = frozenset(np.flatnonzero(refusing(marks_of(findings, len(ordered)))).tolist())
    findings = (*findings, *judge_index(ordered, known))
    _in_unit(ordered)
    clean = replace(ordered, findings=findings)
    return Examined(clean, marks_of(findings, len(ordered)), findings)


def marked(examined: Examined, more: Sequence[Finding]) -> Examined:
    """The same with findings that only a comparison shows."""
    findings = (*examined.findings, *more)
    return Examined(replace(examined.record, findings=findings), marks_of(findings, len(examined.record)), findings)


def _in_unit(record: Record) -> None:
    """A source in percent, basis points or rays betrays itself by its median."""
    paying = record.supply_apr[np.isfinite(record.supply_apr) & (record.supply_apr > 0)]
    if len(paying) and not float(np.median(paying)) <= MOST_MEDIAN_APR:
        raise BadTape(
            f"{record.source}: the median supply rate of {record.market} is {float(np.median(paying)):.4%} a year; "
            "is the file in another unit?"
        )

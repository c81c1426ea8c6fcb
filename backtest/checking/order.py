"""Rows in the order of time, each time once. Refuses, row by row: a time that is none, a row that stands after a later one (it
was not known at its place), and rows of one time that contradict each other."""

from dataclasses import replace
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.checking.record import EARLIEST, LATEST, Record, rows_of
from strategies.tape import Bools

COLUMNS: Final = ("supply_apr", "borrow_apr", "utilisation", "available")


def put_in_order(record: Record) -> tuple[Record, tuple[Finding, ...]]:
    """The rows that can be placed in time, and what was wrong with the others. Rows that contradict each other stay as one
    row that is marked."""
    strange = (record.timestamp < EARLIEST) | (record.timestamp > LATEST)
    latest = np.maximum.accumulate(np.where(strange, np.iinfo(np.int64).min, record.timestamp))
    late = ~strange & (record.timestamp < latest)
    keep = ~strange & ~late
    again, contradicting = _repeats(record, keep)
    findings = (
        *_left_out(record, strange, Mark.UNIT, "a time that is no Unix second of this century (milliseconds?): left out"),
        *_left_out(record, late, Mark.DISORDER, "stands after a later row, so it was not known at its time: left out"),
        *_left_out(record, again, Mark.REPEATED, "the same row again: one is kept"),
    )
    at = np.flatnonzero(keep & ~again)
    kept = rows_of(record, at.tolist())
    rows = tuple(np.flatnonzero(contradicting[at]).tolist())
    if rows:
        what = "several rows of one time that say different things: none is believed"
        first = int(kept.timestamp[rows[0]])
        contradiction = Finding(
            mark=Mark.REPEATED, subject=record.market, count=len(rows), first=first, treatment=what, rows=rows
        )
        findings = (*findings, contradiction)
    return replace(kept, findings=(*kept.findings, *findings)), findings


def _repeats(record: Record, keep: Bools) -> tuple[Bools, Bools]:
    """Among the kept: later rows of a time already said; and the first of those that do not all say the same."""
    again, contradicting = np.zeros(len(keep), dtype=np.bool_), np.zeros(len(keep), dtype=np.bool_)
    rows = np.flatnonzero(keep)
    same_time = np.flatnonzero(np.diff(record.timestamp[rows]) == 0) + 1
    first = -1
    for at in same_time.tolist():
        row, before = int(rows[at]), int(rows[at - 1])
        if not again[before]:
            first = before
        again[row] = True
        contradicting[first] |= not _alike(record, first, row)
    return again, contradicting


def _alike(record: Record, one: int, other: int) -> bool:
    values = [(float(getattr(record, name)[one]), float(getattr(record, name)[other])) for name in COLUMNS]
    indices_agree = not record.index_ray or record.index_ray[one] == record.index_ray[other]
    return indices_agree and all(a == b or (a != a and b != b) for a, b in values)  # noqa: PLR0124  # NaN is not itself


def _left_out(record: Record, rows: Bools, mark: Mark, treatment: str) -> tuple[Finding, ...]:
    if not rows.any():
        return ()
    first = int(record.timestamp[np.flatnonzero(rows)[0]])
    return (Finding(mark=mark, subject=record.market, count=int(rows.sum()), first=first, treatment=treatment),)

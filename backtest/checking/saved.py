"""What is wrong with a tape that is already made: its marks counted, and every detector over its cells again. Refuses
nothing: a tape of exact states has no marks and no index of one number, so only its cells are looked at."""

from collections.abc import Iterator

import numpy as np

from backtest.checking.examine import examine
from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record
from backtest.index_columns import IndexColumns, index_columns
from strategies.tape import Tape


def check_tape(tape: Tape) -> tuple[Finding, ...]:
    """What was marked when it was made, then what the detectors say of the cells that are left."""
    return tuple(finding for market in range(len(tape.deployment.markets)) for finding in _of_market(tape, market))


def _of_market(tape: Tape, market: int) -> Iterator[Finding]:
    name = tape.deployment.markets[market].id
    recorded = isinstance(tape.states, IndexColumns)
    marks = index_columns(tape).marks()[:, market] if recorded else np.zeros(len(tape), dtype=np.int64)
    for mark in Mark:
        rows = tuple(np.flatnonzero(marks & int(mark)).tolist())
        if rows:
            first = int(tape.timestamp[rows[0]])
            what = "marked when it was made"
            yield Finding(mark=mark, subject=name, count=len(rows), first=first, treatment=what, rows=rows)
    said = np.flatnonzero(~np.isnan(tape.supply_apr[:, market]))
    if not len(said):
        return
    for finding in examine(_record(tape, market, said.tolist())).findings:
        if not finding.rows or any(not marks[said[row]] & int(finding.mark) for row in finding.rows):
            yield finding


def _record(tape: Tape, market: int, rows: list[int]) -> Record:
    timestamp = tape.timestamp[rows]
    steps = np.diff(timestamp)
    return Record(
        market=tape.deployment.markets[market].id,
        source=tape.deployment.name,
        step_seconds=int(np.median(steps)) if len(steps) else 1,
        timestamp=timestamp,
        supply_apr=tape.supply_apr[rows, market],
        borrow_apr=tape.borrow_apr[rows, market],
        utilisation=tape.utilisation[rows, market],
        available=tape.available[rows, market],
        index_ray=tuple(tape.states.index_ray(row, market) for row in rows) if isinstance(tape.states, IndexColumns) else (),
    )

"""A tape as a world that plans execute in: its rows as readings, its beats, when a plan decided at one row is due, and what keeps
it from executing there besides the markets themselves.

Refuses nothing itself: a plan may be due beyond the tape's end."""

from collections.abc import Sequence

import numpy as np

from backtest.index_columns import IndexColumns
from backtest.runs import RunSettings
from backtest.terms import closed_entry, closed_exit, delay_seconds
from strategies.domain import Quote
from strategies.tape import AskedFor, Ints, Reading, Tape
from strategies.units import GWEI


class TapeWorld:
    """The world of a paper wallet that lives on a tape: whatever the current row says. Our own moves leave no trace in it."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._read: Reading | None = None
        self._row = 0

    @property
    def row(self) -> int:
        return self._row

    @row.setter
    def row(self, row: int) -> None:
        if row != self._row:
            self._row, self._read = row, None

    def reading(self) -> Reading:
        if self._read is None:
            self._read = reading_at(self._tape, self._row)
        return self._read

    def settle(self, after: Reading) -> None:
        """A tape was recorded without us."""


def decision_rows(tape: Tape, cadence_seconds: int) -> Ints:
    """The first row at or after each beat, counted from the tape's first row."""
    beats = np.arange(int(tape.timestamp[0]), int(tape.timestamp[-1]) + 1, cadence_seconds)
    rows: Ints = np.unique(np.searchsorted(tape.timestamp, beats))  # several beats may fall into one gap
    return rows


def due_row(tape: Tape, row: int, *, latency_rows: int, latency_seconds: int) -> int:
    """The first row that is both so many rows and so many seconds later; beyond the tape where it ends before."""
    due = row + latency_rows
    if latency_seconds:
        due = max(due, int(np.searchsorted(tape.timestamp, tape.timestamp[row] + latency_seconds)))
    return due


def due_row_of(tape: Tape, row: int, settings: RunSettings, left: Sequence[str]) -> int:
    """When a plan decided at a row executes: after the run's latency, and after the delay of every market it leaves."""
    wait_seconds = (
        max(settings.latency_seconds, delay_seconds(settings.terms, left)) if settings.terms else settings.latency_seconds
    )
    return due_row(tape, row, latency_rows=settings.latency_rows, latency_seconds=wait_seconds)


def hindrance(tape: Tape, settings: RunSettings, due: int, *, left: Sequence[str], entered: Sequence[str]) -> str:
    """Why a plan that leaves and enters these markets is not executed at its row; empty where it is.

    Live, a transaction's fee cap is at most the policy's max_fee_gwei, and no block whose base fee is above it takes it; what
    supplies also waits for a base fee under the gate's ceiling, as when it was decided. Leaving alone passes the gate."""
    gate, base_fee_wei = settings.decide.gate, int(tape.base_fee_wei[due])
    if entered and base_fee_wei > gate.max_base_fee_gwei * GWEI:
        return f"base fee {base_fee_wei / GWEI:.3g} gwei is above the gate's {gate.max_base_fee_gwei} gwei when it is due"
    if settings.policy is not None and base_fee_wei > settings.policy.max_fee_gwei * GWEI:
        return f"base fee {base_fee_wei / GWEI:.3g} gwei is above max_fee_gwei {settings.policy.max_fee_gwei}: no block takes it"
    if not settings.terms:
        return ""
    timestamp = int(tape.timestamp[due])
    return closed_exit(settings.terms, timestamp, left) or closed_entry(settings.terms, timestamp, entered)


def reading_at(tape: Tape, row: int) -> Reading:
    """One row as the reading it was, or would have been. A state is made when it is asked for; a cell that is no number raises
    then."""
    timestamp, block = int(tape.timestamp[row]), int(tape.block[row])
    prices = tape.price_usd_e8[row].tolist()
    return Reading(
        block=block,
        block_hash=f"row {row} of {tape.digest}",
        timestamp=timestamp,
        base_fee_wei=int(tape.base_fee_wei[row]),
        states=_states_at(tape, row),
        quotes=tuple(
            [Quote(asset, price, "tape", timestamp) for asset, price in zip(tape.deployment.assets, prices, strict=True) if price]
        ),
    )


def _states_at(tape: Tape, row: int) -> AskedFor:
    oracles_usd_e8 = tape.states.oracles_usd_e8(row) if isinstance(tape.states, IndexColumns) else None
    return AskedFor(lambda market: tape.states.state(row, market), len(tape.deployment.markets), oracles_usd_e8)

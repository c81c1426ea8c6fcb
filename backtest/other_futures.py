"""Tapes that are one tape up to a row and something else after it, and fresh copies all through: what an honest strategy cannot
tell apart at that row. Refuses a row with no later one to change.

A changed future is made to be noticed, not to be likely: its states may not fit its rates. An index never goes backwards in one,
because no code needs to survive that."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.index_columns import IndexColumns
from backtest.index_growth import said_rows
from strategies.errors import BadTape
from strategies.protocols.registry import MarketState
from strategies.tape import Ints, States, Tape

RATES: Final = ("supply_apr", "borrow_apr", "utilisation", "available")
SAID: Final = (*RATES, "fresh", "price_usd_e8")  # what the rows of a tape say, besides their times and the gas
BY_MARKET: Final = frozenset({"index_low", "index_high", "said_row"})
MOST_APR: Final = 50.0
TIMES_MORE: Final = 10.0

Columns = dict[str, npt.NDArray[Any]]


class Change(StrEnum):
    """What becomes of the rows after one."""

    CUT = "the future cut off"
    SHUFFLED = "another order of what follows"
    RAISED = "other rates from here on"
    UNSAID = "silence from here on"


class Rearranged:
    """Another tape's states under other row numbers."""

    __slots__ = ("_rows", "_states")

    def __init__(self, states: States, rows: Sequence[int]) -> None:
        self._states: Final = states
        self._rows: Final = tuple(rows)

    def state(self, row: int, market: int) -> MarketState | None:
        """The market at a row. Raises BadTape beyond the last."""
        if not 0 <= row < len(self._rows):
            raise BadTape(f"row {row} of {len(self._rows)}")
        return self._states.state(self._rows[row], market)


def cut(tape: Tape, row: int) -> Tape:
    """The tape up to and including a row, and nothing behind it in memory."""
    rows = np.arange(row + 1)
    return _tape(tape, rows, {name: getattr(tape, name)[rows] for name in (*SAID, "timestamp", "block", "base_fee_wei")})


def shuffled(tape: Tape, row: int, seed: int) -> Tape:
    """Later rows in another order, at other times."""
    later = _later(tape, row)
    rng = np.random.default_rng([seed, row])
    order = np.concatenate([np.arange(row + 1), rng.permutation(later)])
    columns = {name: getattr(tape, name)[order] for name in (*SAID, "base_fee_wei")}
    steps = rng.permutation(len(later))
    for name in ("timestamp", "block"):
        clock = getattr(tape, name)
        columns[name] = np.concatenate([clock[: row + 1], clock[row] + np.cumsum(np.diff(clock[row:])[steps])])
    onward = np.sort(rng.integers(row, len(tape), len(later)))
    return _tape(tape, np.concatenate([np.arange(row + 1), onward]), columns)


def raised(tape: Tape, row: int, seed: int) -> Tape:
    """Later rates ten times as high in every other market and a tenth in the rest, prices halved, gas dearer."""
    later = _later(tape, row)
    columns = _copied(tape)
    up = np.random.default_rng([seed, row]).permutation(len(tape.deployment.markets)) % 2 == 0
    factor = np.where(up, TIMES_MORE, 1 / TIMES_MORE)
    for name in ("supply_apr", "borrow_apr"):
        columns[name][later] = np.minimum(columns[name][later] * factor, MOST_APR)
    columns["utilisation"][later] = 1 - (1 - columns["utilisation"][later]) / TIMES_MORE
    columns["available"][later] /= TIMES_MORE
    columns["price_usd_e8"][later] //= 2
    columns["base_fee_wei"][later] *= int(TIMES_MORE)
    return _tape(tape, np.arange(len(tape)), columns)


def unsaid(tape: Tape, row: int) -> Tape:
    """Nobody says anything after a row."""
    later = _later(tape, row)
    columns = _copied(tape)
    for name in RATES:
        columns[name][later] = np.nan
    columns["fresh"][later] = False
    columns["price_usd_e8"][later] = 0
    return _tape(tape, np.minimum(np.arange(len(tape)), row), columns)


def changed(tape: Tape, row: int, change: Change, *, seed: int) -> Tape:
    """The tape with another future. Raises BadTape."""
    _later(tape, row)
    match change:
        case Change.CUT:
            return cut(tape, row)
        case Change.SHUFFLED:
            return shuffled(tape, row, seed)
        case Change.RAISED:
            return raised(tape, row, seed)
        case Change.UNSAID:
            return unsaid(tape, row)


def _later(tape: Tape, row: int) -> Ints:
    if not 0 <= row < len(tape) - 1:
        raise BadTape(f"row {row} of {len(tape)} has no later row to change")
    return np.arange(row + 1, len(tape))


def _copied(tape: Tape) -> Columns:
    return {name: np.array(getattr(tape, name)) for name in (*SAID, "timestamp", "block", "base_fee_wei")}


def _tape(tape: Tape, rows: Ints, columns: Columns) -> Tape:
    """The columns as a tape whose states are those of other rows."""
    digest = f"{tape.digest} changed after row {int(rows[-1])}"
    if not isinstance(tape.states, IndexColumns):
        return Tape(deployment=tape.deployment, **columns, states=Rearranged(tape.states, rows.tolist()), digest=digest)
    exact: Columns = {
        name: column[:, rows] if name in BY_MARKET else column[rows] for name, column in tape.states.exact().items()
    }
    exact["said_row"] = said_rows(columns["supply_apr"])
    states = IndexColumns(tape.deployment.markets, columns | exact)
    return Tape(deployment=tape.deployment, **columns, states=states, digest=digest)

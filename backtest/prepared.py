"""What runs over one tape share: decision rows, forecasts and signals, each worked out once. Refuses nothing itself."""

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from backtest.impact import Impact, OwnSize
from backtest.index_columns import IndexColumns, index_columns
from backtest.world import decision_rows
from strategies.assess import History
from strategies.catalogue import Signalled
from strategies.domain import Asset
from strategies.tape import Floats, Ints, Tape
from strategies.units import SECONDS_PER_DAY


class Prepared:
    """A tape with what has been asked of it."""

    def __init__(self, tape: Tape) -> None:
        self.tape: Final = tape
        self._history: Final = History(tape)
        self._rows: Final[dict[int, Ints]] = {}
        self._said: Final[dict[int, Said]] = {}
        self._signals: Final[dict[Hashable, Sequence[Any]]] = {}
        self._sizes: Final[dict[tuple[Asset, Impact], OwnSize]] = {}

    def rows(self, cadence_seconds: int) -> Ints:
        """The decision rows of a cadence."""
        if cadence_seconds not in self._rows:
            self._rows[cadence_seconds] = decision_rows(self.tape, cadence_seconds)
        return self._rows[cadence_seconds]

    def said_at(self, row: int) -> "Said":
        """What recorded markets say at a row, by column. Raises BadTape for any other tape."""
        if row not in self._said:
            self._said[row] = Said(index_columns(self.tape), row)
        return self._said[row]

    def own_size(self, asset: Asset, impact: Impact) -> OwnSize:
        """What claims in an asset's markets lose to their own size. Raises BadTape where a tape does not say how much is lent."""
        key = (asset, impact)
        if key not in self._sizes:
            self._sizes[key] = OwnSize(self.tape, asset, impact)
        return self._sizes[key]

    @cached_property
    def day_ends(self) -> list[int]:
        """The last row of each UTC day that has one."""
        days = self.tape.timestamp // SECONDS_PER_DAY
        ends: list[int] = [*np.flatnonzero(np.diff(days)).tolist(), len(days) - 1]
        return ends

    def forecast(self, cadence_seconds: int, lookback_seconds: int) -> Floats:
        """Each market's trailing mean rate at each decision row."""
        return self._history.trailing_means_apr(self.rows(cadence_seconds), lookback_seconds)

    def signals(self, strategy: Signalled) -> Sequence[Any]:
        """A strategy's signals at its decision rows, shared by all whose signals depend on the same terms."""
        key = (type(strategy), strategy.cadence_seconds, strategy.signal_terms)
        if key not in self._signals:
            self._signals[key] = strategy.signals(self._history, self.rows(strategy.cadence_seconds))
        return self._signals[key]


class Said(dict[int, tuple[int, int]]):
    """Of each recorded market that is asked for: its exact index at a row, and what can be taken out of it."""

    def __init__(self, states: IndexColumns, row: int) -> None:
        super().__init__()
        self._states: Final = states
        self._row: Final = row

    def __missing__(self, market: int) -> tuple[int, int]:
        found = self[market] = self._states.index_ray(self._row, market), self._states.withdrawable_raw(self._row, market)
        return found

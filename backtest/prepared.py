"""What runs over one tape share: decision rows, forecasts and signals, each worked out once. Refuses nothing itself."""

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from backtest.impact import Impact, OwnSize
from backtest.index_columns import index_columns
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
        self._said: Final[dict[tuple[int, int], tuple[int, int]]] = {}
        self._signals: Final[dict[Hashable, Sequence[Any]]] = {}
        self._sizes: Final[dict[tuple[Asset, Impact], OwnSize]] = {}

    def rows(self, cadence_seconds: int) -> Ints:
        """The decision rows of a cadence."""
        if cadence_seconds not in self._rows:
            self._rows[cadence_seconds] = decision_rows(self.tape, cadence_seconds)
        return self._rows[cadence_seconds]

    def said(self, row: int, market: int) -> tuple[int, int]:
        """The exact index of a recorded market at a row, and what can be taken out of it. Raises BadTape for any other tape."""
        key = (row, market)
        if key not in self._said:
            states = index_columns(self.tape)
            self._said[key] = states.index_ray(row, market), states.withdrawable_raw(row, market)
        return self._said[key]

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

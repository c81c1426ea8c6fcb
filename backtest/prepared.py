"""What runs over one tape share: decision rows, forecasts and signals, each worked out once. Refuses nothing itself."""

from collections.abc import Hashable, Sequence
from typing import Any, Final

from backtest.world import decision_rows
from strategies.assess import History
from strategies.catalogue import Signalled
from strategies.tape import Floats, Ints, Tape


class Prepared:
    """A tape with what has been asked of it."""

    def __init__(self, tape: Tape) -> None:
        self.tape: Final = tape
        self._history: Final = History(tape)
        self._rows: Final[dict[int, Ints]] = {}
        self._signals: Final[dict[Hashable, Sequence[Any]]] = {}

    def rows(self, cadence_seconds: int) -> Ints:
        """The decision rows of a cadence."""
        if cadence_seconds not in self._rows:
            self._rows[cadence_seconds] = decision_rows(self.tape, cadence_seconds)
        return self._rows[cadence_seconds]

    def forecast(self, cadence_seconds: int, lookback_seconds: int) -> Floats:
        """Each market's trailing mean rate at each decision row."""
        return self._history.trailing_means_apr(self.rows(cadence_seconds), lookback_seconds)

    def signals(self, strategy: Signalled) -> Sequence[Any]:
        """A strategy's signals at its decision rows, shared by all whose signals depend on the same terms."""
        key = (type(strategy), strategy.cadence_seconds, strategy.signal_terms)
        if key not in self._signals:
            self._signals[key] = strategy.signals(self._history, self.rows(strategy.cadence_seconds))
        return self._signals[key]

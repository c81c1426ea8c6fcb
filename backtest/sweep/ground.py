"""What every parameter set on one tape shares: the tape's days, prices, and the signals of strategies that see
the same. Refuses to price gas without a native coin."""

from collections.abc import Hashable
from typing import Final

import numpy as np

from backtest.metrics import prices_usd, share_values
from backtest.prepared import Prepared
from strategies.catalogue import Strategy, is_signalled
from strategies.domain import Asset, Market
from strategies.errors import BadTape
from strategies.tape import Floats, Ints, Tape
from strategies.units import SECONDS_PER_DAY

MOST_SIGNALS: Final = 16  # kinds of signals kept at a time: more would grow with the sets


def shares_with(strategy: Strategy) -> Hashable:
    """Strategies with equal keys share signals; None for one that shares nothing."""
    return (type(strategy).__name__, strategy.cadence_seconds, strategy.signal_terms) if is_signalled(strategy) else None


class Ground:
    """A tape with all that is computed from it once. What is kept grows with the markets that are held, never with the sets."""

    def __init__(self, tape: Tape) -> None:
        self.tape: Final = tape
        self.day_rows: Final[Ints] = last_rows_of_days(tape.timestamp)
        self._values: Final[dict[str, Floats]] = {}
        self._prices: Final[dict[Asset, Floats]] = {}
        self._prepared = Prepared(tape)
        self._kept: Final[set[Hashable]] = set()

    def share_values(self, market: Market) -> Floats:
        """What one share is worth at each row."""
        if market.id not in self._values:
            self._values[market.id] = share_values(self.tape, market)
        return self._values[market.id]

    def prices_usd(self, asset: Asset) -> Floats:
        """The asset's price at each row. Raises BadTape."""
        if asset not in self._prices:
            self._prices[asset] = prices_usd(self.tape, asset)
        return self._prices[asset]

    def ether_usd(self) -> Floats:
        """The price of what gas is paid in. Raises BadTape."""
        ether = self.tape.deployment.native
        if ether is None:
            raise BadTape("it has no native coin to price gas in")
        return self.prices_usd(ether)

    def prepared(self, strategy: Strategy) -> Prepared:
        """What the runs over this tape share, with room for this strategy's signals."""
        key = shares_with(strategy)
        if key not in self._kept:
            if len(self._kept) == MOST_SIGNALS:
                self._prepared = Prepared(self.tape)
                self._kept.clear()
            self._kept.add(key)
        return self._prepared


def last_rows_of_days(timestamp: Ints) -> Ints:
    """The last row of each UTC day that has one."""
    days = timestamp // SECONDS_PER_DAY
    return np.append(np.flatnonzero(np.diff(days)), len(days) - 1)


def daily_returns(values: Floats) -> Floats:
    """Each day's growth from values [day] or [day, set]; NaN where a day begins with nothing."""
    before = values[:-1]
    grown: Floats = np.divide(values[1:], before, out=np.full(before.shape, np.nan), where=before > 0) - 1.0
    return grown

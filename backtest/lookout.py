"""Which decision rows need a look. A strategy that says in two steps what it wants, and overlays that say what they leave alone,
let the engine pass over a row without valuing anything exactly; any doubt, a float's rounding included, is a closer look.

Refuses to pass over a row where something is idle, owed or too small to be plainly held."""

from typing import Final

from backtest.index_columns import IndexColumns
from backtest.prepared import Prepared
from strategies.assess import DUST_BPS
from strategies.catalogue import Signalled
from strategies.decide import DecideSettings
from strategies.domain import Keep, Portfolio, Target
from strategies.risk import ROUNDING, watch
from strategies.tape import Observation
from strategies.units import BPS


class Lookout:
    """Over the decision rows of one run. `signals` may be shared by runs whose strategies say the same of the same rows."""

    def __init__(self, prepared: Prepared, states: IndexColumns, strategy: Signalled, settings: DecideSettings) -> None:
        tape, rows = prepared.tape, prepared.rows(strategy.cadence_seconds)
        self._tape: Final = tape
        self._rows: Final = rows
        self._states: Final = states
        self._strategy: Final = strategy
        self._signals: Final = prepared.signals(strategy)
        overlays = settings.menu.overlays(settings.menu.stances[0])
        quiet = watch(overlays, tape, rows) if overlays else None
        self._most_raw: Final = None if quiet is None else quiet.most_raw.tolist()
        self._most_bps: Final = BPS if quiet is None else quiet.most_bps
        self._values: Final[dict[int, list[float]]] = {}
        self._idle = 0
        self._held: tuple[int, ...] = ()
        self._claims: list[tuple[int, int, list[float]]] = []
        self._is_plain = False

    def hold(self, portfolio: Portfolio) -> None:
        """What is held from now on."""
        ours = [held for held in portfolio.positions if held.market.asset == self._strategy.asset]
        self._held = tuple([self._tape.market_index(held.market) for held in ours])
        self._idle = portfolio.idle_raw(self._strategy.asset)
        self._claims = [(at, held.shares_raw, self._value(at)) for at, held in zip(self._held, ours, strict=True)]
        self._is_plain = bool(ours) and not any(held.debt_raw or held.collateral or held.requests for held in ours)

    def target(self, at: int, seen: Observation) -> Target | Keep:
        """The strategy's word at a decision row, looked at closely."""
        return self._strategy.target_given(seen, self._signals[at])

    def look(self, at: int) -> tuple[int, ...] | Keep | None:
        """What a decision row asks for without a closer look: to keep what is held and why, or which columns to hold in equal
        parts, with nothing of it restrained. None where that cannot be said from here."""
        if not self._is_plain:
            return None
        values = [(market, shares_raw * value[at]) for market, shares_raw, value in self._claims]
        total = self._idle + sum([value for _, value in values])
        if self._idle * BPS > total * DUST_BPS * ROUNDING:
            return None
        for market, value in values:
            if value * BPS * ROUNDING <= total * DUST_BPS:
                return None
            if self._is_spoken_of(at, market, value, total):
                return None
        chosen = self._strategy.choose(self._signals[at], self._held)
        return chosen if isinstance(chosen, Keep) or self._most_raw is None else None

    def _is_spoken_of(self, at: int, market: int, value: float, total: float) -> bool:
        """Whether an overlay may have something to say of a claim."""
        if self._most_raw is None:
            return False
        too_large = value > self._most_raw[at][market] * ROUNDING
        return too_large or (self._most_bps < BPS and value * BPS > self._most_bps * total * ROUNDING)

    def _value(self, market: int) -> list[float]:
        """What a share is worth at each decision row."""
        if market not in self._values:
            self._values[market] = self._states.index_floats(market, self._rows).tolist()
        return self._values[market]


def lookout_of(prepared: Prepared, settings: DecideSettings) -> Lookout | None:
    """A lookout where the run has one strategy that says its word in two steps, and shares are indexed; else none."""
    strategy = settings.menu.strategies[0][1]
    if len(settings.menu.strategies) != 1 or not isinstance(strategy, Signalled):
        return None
    if not isinstance(prepared.tape.states, IndexColumns):
        return None
    return Lookout(prepared, prepared.tape.states, strategy, settings)

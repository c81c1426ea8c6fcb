"""Which decision rows need a look. A strategy that says in two steps what it wants, and overlays that say what they leave alone,
let the engine pass over a row without valuing anything exactly; any doubt, a float's rounding included, is a closer look.

Refuses to pass over a row where something is idle, owed or too small to be plainly held."""

from typing import Any, Final

from backtest.impact import Thinned
from backtest.index_columns import IndexColumns
from backtest.prepared import Prepared
from strategies.assess import DUST_BPS
from strategies.catalogue import Signalled, is_signalled
from strategies.decide import DecideSettings
from strategies.domain import Keep, Portfolio, Target
from strategies.risk import ROUNDING, watch
from strategies.tape import Bools, Floats, Observation
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
        self._quiet_claims: Final = watch(overlays, tape, rows) if overlays else None
        self._values: Final[dict[int, Floats]] = {}
        self._held: tuple[int, ...] = ()
        self._shares: tuple[float, ...] = ()
        self._idle = 0.0
        self._thinned: Thinned | None = None
        self._first = 0
        self._quiet: Bools | None = None  # from the first row on: plainly held, and kept; worked out where a row is passed over
        self._looked: tuple[int, tuple[int, ...] | Keep | None] = (-1, None)

    def hold(self, portfolio: Portfolio, first: int, thinned: Thinned | None) -> None:
        """What is held from a decision row on, and how its own size thins it."""
        ours = [held for held in portfolio.positions if held.market.asset == self._strategy.asset]
        owes = any(held.debt_raw or held.collateral or held.requests for held in ours)
        self._held = () if owes else tuple([self._tape.deployment.places[held.market.id] for held in ours])
        self._shares = tuple([float(held.shares_raw) for held in ours])
        self._idle, self._thinned = float(portfolio.idle_raw(self._strategy.asset)), thinned
        self._first, self._quiet, self._looked = first, None, (-1, None)

    def next_look(self, at: int) -> int:
        """The first decision row from one on that is not plainly kept; beyond the last where all are."""
        if self._quiet is None:
            if at >= len(self._rows) or not isinstance(self.look(at), Keep):
                return at
            self._quiet = self._are_plain(slice(self._first, None)) & self._strategy.keeps(self._signals, self._held, self._first)
        rest = self._quiet[at - self._first :]
        return at + int(rest.argmin()) if not rest.all() else len(self._rows)

    def look(self, at: int) -> tuple[int, ...] | Keep | None:
        """What a decision row asks for without a closer look: to keep what is held and why, or which columns to hold in equal
        parts, with nothing of it restrained. None where that cannot be said from here."""
        if self._looked[0] != at:
            self._looked = at, self._look(at)
        return self._looked[1]

    def _look(self, at: int) -> tuple[int, ...] | Keep | None:
        if not self._held or not self._is_plain(at):
            return None
        chosen = self._strategy.choose(self._signals[at], self._held)
        return chosen if isinstance(chosen, Keep) or self._quiet_claims is None else None

    def target(self, at: int, seen: Observation) -> Target | Keep:
        """The strategy's word at a decision row, looked at closely."""
        return self._strategy.target_given(seen, self._signals[at])

    def _is_plain(self, at: int) -> bool:
        """No claim is dust, nothing that matters is idle, and no overlay has a word to say."""
        return bool(self._are_plain(at))

    def _are_plain(self, places: int | slice) -> Any:
        """The same at one decision row, or at many."""
        if len(self._held) == 1 and not self._idle and self._quiet_claims is None:
            return True  # all of it in one market
        values = [shares * self._value_at(market, places) for market, shares in zip(self._held, self._shares, strict=True)]
        total = sum(values, self._idle)
        plain = self._idle * BPS <= total * (DUST_BPS * ROUNDING)
        for market, value in zip(self._held, values, strict=True):
            plain = plain & (value * (BPS * ROUNDING) > total * DUST_BPS)
            if self._quiet_claims is not None:
                most_raw, most_bps = self._quiet_claims
                plain = plain & (value <= most_raw[places, market] * ROUNDING)
                if most_bps < BPS:
                    plain = plain & (value * BPS <= total * (most_bps * ROUNDING))
        return plain

    def _value_at(self, market: int, places: int | slice) -> Any:
        value = self._value(market)[places]
        return value if self._thinned is None else value - self._thinned.lost(market, self._rows[places])

    def _value(self, market: int) -> Floats:
        """What a share is worth at each decision row."""
        if market not in self._values:
            self._values[market] = self._states.index_floats(market, self._rows)
        return self._values[market]


def lookout_of(prepared: Prepared, settings: DecideSettings) -> Lookout | None:
    """A lookout where the run has one strategy that says its word in two steps, and shares are indexed; else none."""
    strategy = settings.menu.strategies[0][1]
    if len(settings.menu.strategies) != 1 or not is_signalled(strategy):
        return None
    if not isinstance(prepared.tape.states, IndexColumns):
        return None
    return Lookout(prepared, prepared.tape.states, strategy, settings)

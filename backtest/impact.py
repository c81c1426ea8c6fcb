"""Our own size on recorded tapes. A tape was recorded without us: with our claim among the lenders, more of them share the same
interest, so a rate becomes rate × S / (S + ours), S being all that was lent there; where the borrow curve is known, the same debt
is a smaller part and borrowers pay less too. Refuses a tape that does not say how much is lent, and exact states, whose interest
this file could not thin in the contracts' own integers.

S is available / (1 - utilisation), as last said with both; before a market first says it, all interest is others'. A claim's
shares shrink at events only: what was lost is rounded up, the shares that are left are rounded down."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from backtest.index_columns import IndexColumns, nearest
from strategies.domain import Asset, Portfolio, Position
from strategies.errors import BadTape
from strategies.protocols.recorded_index import Kinked, RecordedIndex, shares_bought_down, value_down
from strategies.tape import Bools, Floats, Ints, Tape
from strategies.units import RAY, mul_div_up


@dataclass(frozen=True, slots=True)
class Impact:
    """That our own size is counted; and the borrow curves that are known, by market id."""

    curves: tuple[tuple[str, Kinked], ...] = ()


THINNED: Final = Impact()  # the least that our own size does: no curve is known
NO_IMPACT: Final = None  # said where a run takes every rate as if we were not there


class OwnSize:
    """What our claims in the markets of one asset lose to their own size, at any row of one tape."""

    def __init__(self, tape: Tape, asset: Asset, impact: Impact) -> None:
        self._tape: Final = tape
        self._states: Final = _indices(tape)
        self._curves: Final = dict(impact.curves)
        self._supplied: Final[dict[int, Floats]] = {}
        self._indexed: Final[dict[int, tuple[Floats, Floats]]] = {}
        self._one: Final = 10.0**asset.decimals
        self.asset: Final = asset
        _refuse_unsized(tape, asset)
        answering = Answering(self._states, self, tape)
        self.tape: Final = replace(tape, states=answering)  # what a decision sees: rates that answer to a deposit

    def supplied(self, at: int) -> Floats:
        """What all others lend in a market at each row, whole units; 0 before it is first known."""
        if at not in self._supplied:
            available, utilisation = self._tape.available[:, at], self._tape.utilisation[:, at]
            known = _is_sized(available, utilisation)
            with np.errstate(divide="ignore", invalid="ignore"):
                supplied = np.where(known, available / (1 - utilisation), 0.0)
            self._supplied[at] = _carried(supplied, known, 0.0)
        return self._supplied[at]

    def curve(self, at: int) -> Kinked | None:
        """A market's borrow curve, where it is known."""
        return self._curves.get(self._tape.deployment.markets[at].id)

    def lost(self, at: int, shares_raw: int, rows: slice) -> Floats:
        """What each share of a claim has lost since the first of some rows, in index units. A loss of the market's is no less."""
        index, grown = self._index(at)
        others, ours = self.supplied(at)[rows][:-1], index[rows][:-1] * (shares_raw / self._one)
        thinned = ours / (others + ours)
        curve = self.curve(at)
        if curve is not None:
            thinned = 1 - (1 - thinned) * self._paid(at, curve, rows, 1 - thinned)
        lost = np.zeros(len(thinned) + 1)
        np.cumsum(grown[rows][:-1] * thinned, out=lost[1:])
        return lost

    def _index(self, at: int) -> tuple[Floats, Floats]:
        """A held market's index at each row, and how much it grows until the next."""
        if at not in self._indexed:
            index = self._states.index_floats(at)
            self._indexed[at] = index, np.maximum(np.diff(index, append=index[-1:]), 0.0)
        return self._indexed[at]

    def index_ray(self, row: int, at: int) -> int:
        """The tape's exact index."""
        return self._states.index_ray(row, at)

    def _paid(self, at: int, curve: Kinked, rows: slice, others: Floats) -> Floats:
        """What borrowers pay with us there, as a part of what they pay without."""
        said = self._tape.utilisation[:, at]
        usage = _carried(said, ~np.isnan(said), 0.0)[rows][:-1]
        before, after = _borrow(curve, usage), _borrow(curve, usage * others)
        return np.divide(after, before, out=np.ones_like(before), where=before > 0)


class Answering:
    """Exact states that know what others lend, so that `apply` thins the rate of what is supplied."""

    def __init__(self, states: IndexColumns, sizes: OwnSize, tape: Tape) -> None:
        self._states: Final = states
        self._sizes: Final = sizes
        self._markets: Final = tape.deployment.markets

    def state(self, row: int, market: int) -> RecordedIndex | None:
        """The market at a row; None before it first spoke. Markets of other assets do not answer."""
        state = self._states.state(row, market)
        if state is None or self._markets[market].asset != self._sizes.asset:
            return state
        supplied_raw = nearest(float(self._sizes.supplied(market)[row]), 10**self._sizes.asset.decimals)
        return replace(state, supplied_raw=supplied_raw, curve=self._sizes.curve(market))


class Thinned:
    """A portfolio from one row on, its claims less what their own size cost them. A claim counts as what it would be without it,
    which is a little more than it is."""

    def __init__(self, sizes: OwnSize, portfolio: Portfolio, row: int) -> None:
        self._sizes: Final = sizes
        self._portfolio: Final = portfolio
        self._row: Final = row
        self._claims: Final = tuple([self._taken(claim) for claim in portfolio.positions if self._is_ours(claim)])

    def at(self, row: int) -> Portfolio:
        """What is held at a row."""
        if row == self._row or not self._claims:
            return self._portfolio
        left = {claim.market.id: self._left_raw(at, claim, lost, row) for at, claim, lost in self._claims}
        claims = [
            Position(claim.market, left[claim.market.id]) if claim.market.id in left else claim
            for claim in self._portfolio.positions
        ]
        return Portfolio(self._portfolio.idle, tuple([claim for claim in claims if not claim.is_empty]))

    def spent_raw(self, row: int) -> int:
        """What our own size has cost up to a row, in base units."""
        spent_raw = 0
        for at, claim, lost in self._claims:
            index_ray = self._sizes.index_ray(row, at)
            spent_raw += value_down(claim.shares_raw, index_ray) - value_down(self._left_raw(at, claim, lost, row), index_ray)
        return spent_raw

    def lost(self, market: int, rows: Ints) -> Floats:
        """What a share of a held claim has lost at rows, in index units; nothing at earlier ones."""
        lost = next(lost for at, _, lost in self._claims if at == market)
        return lost[np.maximum(rows - self._row, 0)]

    def _is_ours(self, claim: Position) -> bool:
        return claim.market.asset == self._sizes.asset and claim.shares_raw > 0

    def _taken(self, claim: Position) -> tuple[int, Position, Floats]:
        at = self._sizes.tape.market_index(claim.market)
        return at, claim, self._sizes.lost(at, claim.shares_raw, slice(self._row, None))

    def _left_raw(self, at: int, claim: Position, lost: Floats, row: int) -> int:
        """The shares that are left: of what was lost the whole of a started unit, of shares whole ones."""
        each = float(lost[row - self._row])
        if not each:
            return claim.shares_raw
        lost_raw = mul_div_up(claim.shares_raw, nearest(each, RAY) + 1, RAY)
        index_ray = self._sizes.index_ray(row, at)
        return shares_bought_down(max(0, value_down(claim.shares_raw, index_ray) - lost_raw), index_ray)


def settled(sizes: OwnSize, portfolio: Portfolio, from_row: int, to_row: int) -> Portfolio:
    """What a portfolio taken at one row has become at a later one."""
    return Thinned(sizes, portfolio, from_row).at(to_row)


def _indices(tape: Tape) -> IndexColumns:
    if not isinstance(tape.states, IndexColumns):
        raise BadTape("our own size is counted on recorded rates alone; on exact states ask for a run without it")
    return tape.states


def _refuse_unsized(tape: Tape, asset: Asset) -> None:
    """Looks only for a row that says enough, in all markets at once: what is lent costs more, and few of many are ever held."""
    unsized = ~_is_sized(tape.available, tape.utilisation).any(axis=0)
    for at in np.flatnonzero(unsized).tolist():
        market = tape.deployment.markets[at]
        if market.asset == asset and not np.isnan(tape.supply_apr[:, at]).all():
            why = "never says both what is available and how much of it is lent"
            raise BadTape(f"{market.id} {why}: what our own size does there is unknown; ask for a run without it")


def _is_sized(available: Floats, utilisation: Floats) -> Bools:
    """Where what is lent follows from what is said."""
    return (utilisation < 1) & (available > 0)


def _carried(values: Floats, known: Bools, before: float) -> Floats:
    """Each row's value as last known; another before the first."""
    at = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    carried: Floats = np.where(at >= 0, values[at], before)
    return carried


def _borrow(curve: Kinked, usage: Floats) -> Floats:
    """`Kinked.borrow_ray` in floats, a year."""
    optimal = curve.optimal_ray / RAY
    below = curve.base_ray + curve.slope1_ray * np.minimum(usage, optimal) / optimal
    above: Floats = (below + curve.slope2_ray * np.maximum(usage - optimal, 0.0) / (1 - optimal)) / RAY
    return above

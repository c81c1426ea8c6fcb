"""Names: strategies, stances, and the rule that chooses among them without a model. Refuses names that are not listed."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol, TypeGuard, runtime_checkable

from strategies.assess import History, held_raw, value_raw
from strategies.domain import Assessment, Asset, Choice, Keep, Target
from strategies.errors import UnknownName
from strategies.risk import CapMarket, ExitCover, Overlay, UtilisationCeiling
from strategies.tape import Bools, Ints, Observation
from strategies.units import WAD


class Strategy(Protocol):
    """Says what to hold. Never how, and never how much of a token."""

    @property
    def cadence_seconds(self) -> int: ...

    def target(self, seen: Observation) -> Target | Keep: ...


@runtime_checkable
class Signalled(Strategy, Protocol):
    """A strategy that says in two steps what `target` says in one: what the tape alone says at a row, and what follows from it
    for the markets held. What is held counts, never how much. The engine asks for every row's signal at once and looks closely
    only where the choice is not to keep; that both ways move alike is each such strategy's own law, and is tested."""

    @property
    def asset(self) -> Asset: ...

    @property
    def signal_terms(self) -> Hashable:
        """The parameters that signals depend on: runs that share them share their signals."""

    def signals(self, history: History, rows: Ints) -> Sequence[Any]:
        """Each row's signal, from that row and earlier ones alone."""

    def choose(self, signal: Any, held: tuple[int, ...]) -> tuple[int, ...] | Keep:
        """The columns to hold, in equal parts, given those that are held."""

    def keeps(self, signals: Any, held: tuple[int, ...], first: int) -> Bools:
        """From a place in the signals on, where `choose` says to keep."""

    def target_given(self, seen: Observation, signal: Any) -> Target | Keep:
        """`target` at a row whose signal is known."""


_SIGNALLED: Final[dict[type, bool]] = {}  # of the kinds that were asked about


def is_signalled(strategy: Strategy) -> TypeGuard[Signalled]:
    """Whether a strategy says its word in two steps. Asked once of a kind: a protocol takes longer to ask than a set's plan."""
    kind = type(strategy)
    if kind not in _SIGNALLED:
        _SIGNALLED[kind] = isinstance(strategy, Signalled)
    return _SIGNALLED[kind]


STANCES: Final[Mapping[str, tuple[Overlay, ...]]] = {
    "conservative": (
        CapMarket(cap_bps=6_000),
        UtilisationCeiling(ceiling_bps=9_500),
        ExitCover(enter_bps=50_000, leave_bps=30_000),
    ),
    "balanced": (UtilisationCeiling(ceiling_bps=9_900), ExitCover(enter_bps=15_000, leave_bps=11_000)),
    "unrestrained": (),
}


@dataclass(frozen=True)  # without slots, so that its only choice is made once
class Menu:
    """What may be chosen in a run: strategies by name, with their parameters, and stances, in the order a person prefers."""

    strategies: tuple[tuple[str, Strategy], ...]
    stances: tuple[str, ...]

    def __post_init__(self) -> None:
        for stance in self.stances:
            if stance not in STANCES:
                raise UnknownName(kind="stance", name=stance, known=tuple(STANCES))

    @cached_property
    def only_choice(self) -> Choice | None:
        """What is chosen where there is nothing to choose; None where there is."""
        if len(self.strategies) > 1:
            return None
        return Choice(self.strategies[0][0], self.stances[0], "the only strategy of this run")

    def strategy(self, name: str) -> Strategy:
        """The strategy of that name. Raises UnknownName."""
        known = dict(self.strategies)
        if name not in known:
            raise UnknownName(kind="strategy", name=name, known=tuple(known))
        return known[name]

    def overlays(self, stance: str) -> tuple[Overlay, ...]:
        """The stance of that name. Raises UnknownName."""
        if stance not in self.stances:
            raise UnknownName(kind="stance", name=stance, known=self.stances)
        return STANCES[stance]


def choose_by_score(seen: Observation, menu: Menu, assessments: Sequence[Assessment]) -> Choice:
    """The strategy whose target the assessments value highest, in the preferred stance; ties to the first. No model."""
    if menu.only_choice is not None:
        return menu.only_choice
    scores = [(_score(seen, strategy.target(seen), assessments), name) for name, strategy in menu.strategies]
    best, name = max(scores, key=lambda scored: scored[0])
    return Choice(name, menu.stances[0], f"its target is valued at {best:.2%} a year, net")


def _score(seen: Observation, target: Target | Keep, assessments: Sequence[Assessment]) -> float:
    """A target as the assessed net rate of its legs, keeping as that of what is held; what is refused or idle earns nothing."""
    net = {a.market.id: a.net_apr for a in assessments if not a.reasons}
    if isinstance(target, Keep):
        held = [(claim.market.id, value_raw(seen, claim)) for claim in seen.portfolio.positions if claim.market.id in net]
        total_raw = sum(held_raw(seen, asset) for asset in {a.market.asset for a in assessments})
        return sum(net[market_id] * raw for market_id, raw in held) / total_raw if total_raw else 0.0
    return sum(net.get(leg.market.id, 0.0) * leg.weight_wad / WAD for leg in target.legs if leg.market is not None)

"""The step: choice, target, overlays, plan. The same function in backtest, paper and live. Refuses names outside the menu."""

from dataclasses import dataclass

from strategies import rebalance
from strategies.assess import value_raw
from strategies.catalogue import Menu
from strategies.domain import Asset, Choice, Keep, Leg, Plan, Target
from strategies.rebalance import Gate
from strategies.tape import Observation
from strategies.units import WAD, mul_div_down


@dataclass(frozen=True, slots=True)
class DecideSettings:
    """What a run decides with."""

    asset: Asset
    menu: Menu
    gate: Gate


@dataclass(frozen=True, slots=True)
class Decision:
    """What was chosen and what follows from it; `plan` None is a decision too, and `reason` says why."""

    choice: Choice
    target: Target | Keep
    plan: Plan | None
    reason: str


def decide(seen: Observation, choice: Choice, settings: DecideSettings) -> Decision:
    """From a choice to a plan or a reason. Raises UnknownName."""
    return decided(seen, choice, settings.menu.strategy(choice.strategy).target(seen), settings)


def decided(seen: Observation, choice: Choice, wanted: Target | Keep, settings: DecideSettings) -> Decision:
    """The same where the strategy's word is known already. A strategy that keeps is still restrained. Raises UnknownName."""
    overlays = settings.menu.overlays(choice.stance)
    if isinstance(wanted, Keep) and not overlays:
        return Decision(choice, wanted, None, wanted.reason)
    target = _as_held(seen, settings.asset, wanted.reason) if isinstance(wanted, Keep) else wanted
    restrained = target
    for overlay in overlays:
        restrained = overlay.restrain(seen, restrained)
    if isinstance(wanted, Keep) and restrained == target:
        return Decision(choice, wanted, None, wanted.reason)
    planned = rebalance.plan(seen, restrained, settings.gate)
    if isinstance(planned, Keep):
        return Decision(choice, restrained, None, planned.reason)
    return Decision(choice, restrained, planned, planned.reason)


def _as_held(seen: Observation, asset: Asset, reason: str) -> Target:
    """What is held now, as a target, so that a stance can restrain it."""
    values = [(held.market, value_raw(seen, held)) for held in seen.portfolio.positions if held.market.asset == asset]
    total_raw = seen.portfolio.idle_raw(asset) + sum(raw for _, raw in values)
    legs = tuple(Leg(market, mul_div_down(raw, WAD, total_raw)) for market, raw in values if raw)
    return Target(asset, (*legs, Leg(None, WAD - sum(leg.weight_wad for leg in legs))), reason)

"""What the simulation shows must be what the models say, less at most a named rounding bound."""

from dataclasses import replace

import pytest

from strategies.domain import (
    ALL,
    Withdraw,
)
from tests.wallets.cases import (
    STRANGER,
    case,
)
from tests.wallets.test_checks import HELD, SUPPLY, rules
from tests.worlds import ONE, USDC
from wallets import checks
from wallets.wallet import Change


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("at", [0, 1])
def test_what_the_simulation_shows_equals_the_intent_to_the_unit(at: int, by: int) -> None:
    made = case(SUPPLY)
    assert made.effects is not None
    changes = list(made.effects.changes)
    changes[at] = replace(changes[at], delta_raw=changes[at].delta_raw + by)
    assert rules(checks.as_intended, replace(made, effects=replace(made.effects, changes=tuple(changes)))) == ["effects"]


def test_a_change_that_nobody_meant_and_one_that_is_missing_are_refused() -> None:
    made = case(SUPPLY)
    assert made.effects is not None
    extra = (*made.effects.changes, Change(STRANGER, "AIR", 5))
    assert rules(checks.as_intended, replace(made, effects=replace(made.effects, changes=extra))) == ["effects"]
    assert rules(checks.as_intended, replace(made, effects=replace(made.effects, changes=extra[:1]))) == ["effects"]


class Rounding:
    """An adapter's only part that this rule asks for."""

    arrival_bound_raw = 2


@pytest.mark.parametrize(("less", "refused"), [(0, False), (2, False), (3, True), (-1, True)])
def test_what_arrives_may_lack_the_named_bound_and_no_more(less: int, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made = case((Withdraw(ONE, ALL),), portfolio=HELD)
    assert made.effects is not None
    monkeypatch.setattr(checks, "adapter_of", lambda market: Rounding())
    short = tuple(
        replace(change, delta_raw=change.delta_raw - less) if change.unit == USDC.address else change
        for change in made.effects.changes
    )
    assert bool(checks.as_intended(replace(made, effects=replace(made.effects, changes=short)))) == refused

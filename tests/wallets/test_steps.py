"""A plan call by call: what each call finds and leaves, and what a case works out once of it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import pytest

from strategies.domain import Action, Portfolio, Position, Supply, Withdraw
from strategies.errors import IncompleteRead, UnknownCall, UnknownMarket
from strategies.protocols.registry import MarketState, adapter_of, beside
from strategies.tape import AskedFor
from tests import worlds as small
from tests.strategies.protocols.specimens import SPECIMENS
from tests.wallets.cases import AAVE_USDC, LENDING, case, lending_reading, usdc
from tests.wallets.test_expected import model
from tests.worlds import ONE, TWO
from wallets.case import Case, native_usd_e8, price_usd_e8, state_in, state_of, supplied_raw
from wallets.expected import touched_states
from wallets.steps import worlds

HELD = Portfolio((usdc(50_000),), (Position(ONE, 10**12),))
STATES: tuple[MarketState, ...] = tuple({specimen.market.id: specimen.state for specimen in SPECIMENS}.values())
ROTATION: tuple[Action, ...] = (Withdraw(ONE, usdc(1_000)), Supply(AAVE_USDC, usdc(1_000)))


def rotation() -> Case:
    return case(ROTATION, seen=lending_reading(), deployment=LENDING, portfolio=HELD)


def test_each_call_finds_what_the_one_before_it_left() -> None:
    made = rotation()
    found = list(worlds(made))
    assert [action for action, _, _ in found] == list(made.actions)
    assert found[0][1] == (made.reading.states, made.portfolio)
    assert found[-1][2] == made.after
    for (_, _, left), (_, before, _) in pairwise(found):
        assert before == left  # nothing accrues between calls of one time


def test_a_later_call_finds_its_market_accrued_so_that_interest_hides_no_loss() -> None:
    steps = model([Withdraw(ONE, usdc(1_000))], portfolio=HELD, after=small.HOUR).steps
    at = LENDING.markets.index(ONE)
    before, found, after = lending_reading().states[at], steps[0].found[at], steps[0].states[at]
    assert before is not None and found is not None and after is not None
    value_raw = adapter_of(ONE).value_raw
    assert value_raw(found, HELD.position(ONE)) > value_raw(before, HELD.position(ONE))
    assert value_raw(found, HELD.position(ONE)) - value_raw(after, steps[0].portfolio.position(ONE)) - usdc(1_000).raw in (0, 1)


def test_what_the_models_refuse_and_what_nobody_read_has_no_steps() -> None:
    made = rotation()
    with pytest.raises(UnknownCall, match="the models say nothing"):
        list(worlds(replace(made, steps=None)))
    with pytest.raises(UnknownCall, match="read by no adapter"):
        list(worlds(replace(made, actions=(None, *made.actions[1:]))))
    assert replace(made, steps=None).after is None


def test_steps_of_other_calls_are_no_steps_of_these() -> None:
    made = rotation()
    with pytest.raises(ValueError, match="shorter"):
        list(worlds(replace(made, actions=(*made.actions, made.actions[0]))))


def test_a_plan_of_nothing_leaves_what_there_was() -> None:
    made = case((), seen=lending_reading(), deployment=LENDING, portfolio=HELD)
    assert made.after == (made.reading.states, made.portfolio)


def test_a_market_is_found_in_each_world_and_an_unread_or_unknown_one_in_none() -> None:
    made = rotation()
    assert made.after is not None
    assert state_in(made, made.after, AAVE_USDC) != state_of(made, AAVE_USDC)
    with pytest.raises(UnknownMarket):
        state_of(made, TWO)
    with pytest.raises(IncompleteRead):
        state_of(replace(made, reading=replace(made.reading, states=(None,) * len(made.reading.states))), AAVE_USDC)
    with pytest.raises(UnknownMarket):
        state_of(replace(made, reading=replace(made.reading, states=made.reading.states[:-1])), AAVE_USDC)


def test_what_is_owed_lessens_nothing_of_what_is_supplied() -> None:
    state = state_of(rotation(), AAVE_USDC)
    assert supplied_raw(state, Position(AAVE_USDC, 10**9, 10**8)) == supplied_raw(state, Position(AAVE_USDC, 10**9)) > 0


@pytest.mark.parametrize("at", range(len(STATES)), ids=lambda at: STATES[at].market.id)
def test_a_touch_reaches_only_vaults_and_what_they_lend_to(at: int) -> None:
    later = adapter_of(STATES[at].market).accrue(STATES[at], 60)
    everywhere = replace(LENDING, markets=tuple(state.market for state in STATES))
    found = touched_states(STATES, at, later, everywhere)
    lazily = touched_states(AskedFor(lambda index: STATES[index], len(STATES)), at, later, everywhere)
    assert lazily == found and everywhere.has_vaults
    assert found == tuple(later if index == at else beside(state, later) for index, state in enumerate(STATES))


def test_no_kind_of_action_has_another_beneath_it() -> None:
    """A case tells kinds by their exact types."""
    assert not [kind for kind in get_args(Action) if kind.__subclasses__()]
    made = rotation()
    assert made.kinds == {type(action) for action in made.actions}
    assert type(None) in replace(made, actions=(None,)).kinds


@pytest.mark.parametrize("said", [None, 0, -1])
def test_an_oracle_that_says_nothing_or_less_gives_no_price(said: int | None) -> None:
    made = rotation()
    states = tuple(replace(state, price_usd_e8=said) for state in made.reading.states)  # type: ignore[type-var]
    dark = replace(made, reading=replace(made.reading, states=states, quotes=()))
    assert price_usd_e8(made, AAVE_USDC.asset) is not None
    assert price_usd_e8(dark, AAVE_USDC.asset) is None
    assert native_usd_e8(dark) is None
    assert native_usd_e8(made) is not None


def test_a_coin_that_the_deployment_does_not_name_has_no_price() -> None:
    made = rotation()
    coinless = replace(made.deployment, assets=tuple(asset for asset in made.deployment.assets if asset != made.native))
    assert native_usd_e8(replace(made, deployment=coinless)) is None


def test_however_many_markets_a_plan_touches_the_others_are_still_found_at_once() -> None:
    """A step that held on to the one before it would end at the interpreter's recursion limit."""
    read = lending_reading().states
    states: Sequence[MarketState | None] = AskedFor(lambda at: read[at], len(read), [0] * len(read))
    first = read[0]
    assert first is not None and not LENDING.has_vaults
    for _ in range(5_000):
        states = touched_states(states, 0, first, LENDING)
    assert tuple(states) == tuple(read)
    assert isinstance(states, AskedFor) and states.oracles_usd_e8 is None  # they were of the row, not of what we left
    later = adapter_of(first.market).accrue(first, 60)
    assert (
        tuple(touched_states(states, 0, later, LENDING)) == tuple(touched_states(read, 0, later, LENDING)) == (later, *read[1:])
    )

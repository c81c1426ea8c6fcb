"""Everything out of every market: in the order debts need, in as few plans as limits allow, with a name for what stays."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Asset, Market, Portfolio, Position, Range, Repay, Revoke, Supply, Ticks, Withdraw
from strategies.protocols.registry import adapter_of
from strategies.tape import Observation, tape_of
from strategies.units import WAD
from strategies.unwind import GROWTH_SECONDS, Step, Unwinding, actions_of, plans, unwinding
from tests import worlds
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, LENDING, USD, lending_reading
from tests.worlds import ACCOUNT, DEPLOYMENT, ETHER, MILLION_RAW, ONE, TWO, USDC, Said, look, tape

OWED_RAW = 1_000 * USD


def seen(portfolio: Portfolio, *said: Said | None) -> Observation:
    return look(tape([said or (Said(0.03), Said(0.05))]), portfolio)


def lending(*positions: Position, idle_usdc: int) -> Observation:
    idle = (Amount(USDC, idle_usdc), Amount(AAVE_WETH.asset, 0), Amount(ETHER, WAD))
    return Observation(tape_of(LENDING, (lending_reading(),)), 0, ACCOUNT, Portfolio(idle, positions))


def borrowed() -> tuple[Position, Position]:
    """A debt of about a thousand dollars over ten ether."""
    return Position(AAVE_USDC, 0, OWED_RAW), Position(AAVE_WETH, 10 * WAD)


def held(*markets: Market) -> Portfolio:
    return Portfolio(worlds.idle(0).idle, tuple(Position(market, MILLION_RAW) for market in markets))


def test_everything_is_withdrawn_from_every_market_in_the_protocols_own_word() -> None:
    found = unwinding(seen(held(TWO, ONE)))
    assert actions_of(found.steps) == (Withdraw(ONE, ALL), Withdraw(TWO, ALL))
    assert found.left == ()


def test_who_holds_nothing_has_nothing_to_do() -> None:
    assert unwinding(seen(worlds.idle())) == Unwinding((), ())


def test_a_market_that_could_not_be_read_stays_by_name_and_keeps_no_other() -> None:
    found = unwinding(seen(held(ONE, TWO), None, Said(0.05)))
    assert actions_of(found.steps) == (Withdraw(TWO, ALL),)
    assert found.left == ("one:USDC stays: it could not be read",)


def test_a_market_that_can_pay_only_a_part_pays_that_and_the_rest_is_named() -> None:
    found = unwinding(seen(held(ONE), Said(0.03, available_raw=7 * USD), Said(0.05)))
    assert actions_of(found.steps) == (Withdraw(ONE, Amount(USDC, 7 * USD)),)
    assert found.left == ("one:USDC can pay 7 USDC now: the rest stays",)
    drained = unwinding(seen(held(ONE), Said(0.03, available_raw=0), Said(0.05)))
    assert (drained.steps, drained.left) == ((), ("one:USDC can pay 0 USDC now: the rest stays",))


def test_a_range_or_a_place_in_a_queue_is_named_and_not_touched() -> None:
    position = Position(ONE, 0, range=Range(7, Ticks(-1, 1), (0, 0), (0, 0)))
    found = unwinding(seen(Portfolio(worlds.idle().idle, (position,))))
    assert (found.steps, len(found.left)) == ((), 1)
    assert "one:USDC stays" in found.left[0]


def test_a_debt_is_paid_with_a_days_interest_its_rest_revoked_and_then_what_backed_it_leaves() -> None:
    found = unwinding(lending(*borrowed(), idle_usdc=50_000 * USD))
    repay, revoke, withdraw = actions_of(found.steps)
    adapter, state = adapter_of(AAVE_USDC), lending_reading().states[0]
    assert state is not None
    later = adapter.accrue(state, GROWTH_SECONDS + 1)
    assert repay == Repay(AAVE_USDC, Amount(USDC, -adapter.value_raw(later, Position(AAVE_USDC, 0, OWED_RAW))))
    assert revoke == Revoke(USDC, AAVE_USDC.address)
    assert withdraw == Withdraw(AAVE_WETH, ALL)
    assert [step.calls for step in found.steps] == [3, 1]
    assert found.left == ()


def test_a_debt_that_idle_does_not_pay_is_paid_in_part_and_what_backs_it_stays() -> None:
    found = unwinding(lending(*borrowed(), idle_usdc=10 * USD))
    assert actions_of(found.steps) == (Repay(AAVE_USDC, Amount(USDC, 10 * USD)), Revoke(USDC, AAVE_USDC.address))
    assert len(found.left) == 2
    assert "aave:USDC is owed 1,03" in found.left[0]
    assert found.left[1] == "aave:WETH stays: it may back a debt that is not paid yet"


def test_a_debt_with_nothing_idle_has_no_step_at_all() -> None:
    assert unwinding(lending(*borrowed(), idle_usdc=0)).steps == ()


def test_what_is_lent_elsewhere_comes_first_and_pays_the_debt() -> None:
    found = unwinding(lending(*borrowed(), Position(ONE, MILLION_RAW), idle_usdc=0))
    kinds = [type(action) for action in actions_of(found.steps)]
    assert kinds == [Withdraw, Repay, Revoke, Withdraw]
    assert found.left == ()


def test_nothing_is_ever_put_in() -> None:
    found = unwinding(lending(*borrowed(), Position(ONE, MILLION_RAW), idle_usdc=5_000 * USD))
    assert not any(isinstance(action, Supply) for action in actions_of(found.steps))


def test_a_native_coin_and_other_assets_stay_as_they_are() -> None:
    dai = Asset(worlds.CHAIN, "0x" + "da" * 20, "DAI", 18)
    portfolio = replace(held(ONE), idle=(*worlds.idle().idle, Amount(dai, 5)))
    assert actions_of(unwinding(seen(portfolio)).steps) == (Withdraw(ONE, ALL),)
    assert DEPLOYMENT.markets == (ONE, TWO)


@given(st.lists(st.integers(1, 4), max_size=20), st.integers(1, 8))
def test_steps_are_packed_in_order_none_lost_and_no_plan_longer_than_it_must_be(sizes: list[int], max_calls: int) -> None:
    steps = [Step(ONE, (Withdraw(ONE, Amount(USDC, at + 1)),), size) for at, size in enumerate(sizes)]
    packed = plans(steps, max_calls)
    assert [step for plan in packed for step in plan] == steps
    for plan in packed:
        assert sum(step.calls for step in plan) <= max_calls or len(plan) == 1
    for plan, following in pairwise(packed):
        assert sum(step.calls for step in plan) + following[0].calls > max_calls

"""How often, and whose yes: limits over what the wallet did before, each with a case that passes and one that does not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    ALL,
    Action,
    Amount,
    Market,
    Revoke,
    SetCollateral,
    Supply,
    Transfer,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.protocols.wrapped_native import Wrapping
from strategies.units import USD_E8, WAD
from tests.wallets.cases import AAVE_USDC, STRANGER, TREASURY, WETH, case, policy, usdc
from tests.wallets.trades import ETHER_POOL, FUNDED, TRADING, back, holding, swap, trading
from tests.worlds import ETHER, ONE, USDC
from wallets.case import Case, calls_digest
from wallets.pace import paced
from wallets.people import moves_of, people_needed
from wallets.wallet import Move

TIGHT = {"pace": {"max_plans_hour": 3, "reversal_seconds": 600, "repeat_seconds": 60}}
SUPPLY = Supply(AAVE_USDC, usdc(1_000))


def moved(of: Case, *, ago_seconds: int, place: str = AAVE_USDC.id, way: str = "in", **changes: object) -> Move:
    move = Move("earlier", place, way, 1_000 * USD_E8, 0, "other", of.now - ago_seconds)
    return replace(move, **changes)  # type: ignore[arg-type]


def after(of: Case, *moves: Move) -> list[str]:
    return [reason.rule for reason in paced(replace(of, past=moves))]


def test_so_many_plans_an_hour_and_no_more() -> None:
    made = trading(SUPPLY, tables=TIGHT)
    plans = [moved(made, ago_seconds=3_000, place="x", intent=f"plan {at}") for at in range(3)]
    assert after(made, *plans[:2]) == []
    assert after(made, *plans) == ["pace"]
    assert after(made, *[replace(plan, at=plan.at - 600) for plan in plans]) == []  # an hour ago
    assert after(made, *plans[:2], replace(plans[0], place="y")) == []  # one plan may do much


@pytest.mark.parametrize(("ago_seconds", "refused"), [(0, True), (599, True), (600, False)])
def test_what_left_a_market_does_not_go_back_at_once(ago_seconds: int, refused: bool) -> None:
    made = trading(SUPPLY, tables=TIGHT)
    assert after(made, moved(made, ago_seconds=ago_seconds, way="out")) == ["pace"] * refused
    assert after(made, moved(made, ago_seconds=ago_seconds, way="out", place=ONE.id)) == []


def test_what_just_came_is_not_sent_on_but_may_come_home() -> None:
    held = holding(AAVE_USDC, 5_000 * 10**6)
    on = trading(Withdraw(AAVE_USDC, usdc(100)), Supply(ONE, usdc(100)), tables=TIGHT, portfolio=held)
    home = trading(Withdraw(AAVE_USDC, ALL), tables=TIGHT, portfolio=held)
    assert after(on, moved(on, ago_seconds=10)) == ["pace"]
    assert after(home, moved(home, ago_seconds=10)) == []
    assert after(trading(Revoke(USDC, STRANGER), tables=TIGHT), *[moved(home, ago_seconds=1)] * 9) == []


def test_a_trade_is_not_turned_back_at_once() -> None:
    made = trading(back(WAD, 2_990 * 10**6), tables=TIGHT)
    there = moved(made, ago_seconds=300, place=ETHER_POOL.id, way="trade", pair="USDC>WETH")
    assert after(made, there) == ["pace"]
    assert after(made, replace(there, pair="WETH>USDC")) == []
    assert after(made, replace(there, at=made.now - 600)) == []


def test_the_same_calls_are_not_made_again_at_once() -> None:
    made = trading(SUPPLY, tables=TIGHT)
    same = moved(made, ago_seconds=59, calls=calls_digest(made.calls))
    assert after(made, same) == ["pace"]
    assert after(made, replace(same, at=made.now - 60)) == []
    assert after(made, replace(same, intent=made.intent)) == []  # itself, judged again midway


def needed(*actions: Action, past: tuple[Move, ...] = (), two: int | None = 10_000, free: int = 5_000) -> int:
    tables = {"people": {"max_unattended_usd": free, "two_people_above_usd": two}}
    return people_needed(trading(*actions, tables=tables, past=past))


@pytest.mark.parametrize(("whole", "people"), [(5_000, 0), (5_001, 1), (10_000, 1), (10_001, 2)])
def test_small_plans_need_nobody_larger_ones_one_and_large_ones_two(whole: int, people: int) -> None:
    assert needed(Supply(AAVE_USDC, usdc(whole))) == people
    assert needed(Supply(AAVE_USDC, usdc(whole)), free=0) == max(people, 1)
    assert needed(Supply(AAVE_USDC, usdc(whole)), two=None) == min(people, 1)


def test_what_leaves_for_good_needs_one_at_least_and_what_comes_home_none() -> None:
    assert needed(Transfer(usdc(1), TREASURY)) == 1
    assert needed(Transfer(usdc(10_001), TREASURY)) == 2
    assert needed(Withdraw(AAVE_USDC, ALL)) == 0
    assert needed(Revoke(USDC, STRANGER)) == 0
    assert needed(swap(3_000, WAD * 996 // 1_000)) == 0


def test_a_plan_gains_nothing_by_being_cut_into_small_ones() -> None:
    made = trading(SUPPLY)
    early = moved(made, ago_seconds=599, usd_e8=4_001 * USD_E8)
    assert needed(SUPPLY, past=(early,)) == 1
    assert needed(SUPPLY, past=(replace(early, usd_e8=4_000 * USD_E8),)) == 0
    assert needed(SUPPLY, past=(replace(early, at=made.now - 600),)) == 0
    assert needed(SUPPLY, past=(replace(early, place=ONE.id),)) == 0
    assert needed(SUPPLY, past=(early, replace(early, usd_e8=6_000 * USD_E8, intent="third"))) == 2


@given(st.lists(st.integers(0, 20_000), max_size=5), st.integers(1, 20_000))
def test_nobody_is_asked_less_for_what_was_done_before(earlier: list[int], whole: int) -> None:
    made = trading(Supply(AAVE_USDC, usdc(whole)))
    past = tuple(moved(made, ago_seconds=5, usd_e8=usd * USD_E8, intent=str(usd)) for usd in earlier)
    assert needed(Supply(AAVE_USDC, usdc(whole)), past=past) >= needed(Supply(AAVE_USDC, usdc(whole)))


WRAPPING = Market("wrap:ETH", "wrapped_native", WETH.address, WETH, (), (ETHER,))


def wrapping(*actions: Action, **people: object) -> Case:
    """A case in a world where the native coin can be wrapped too."""
    made = trading()
    seen, markets = made.reading, (*TRADING.markets, WRAPPING)
    return case(
        actions,
        deployment=replace(TRADING, markets=markets),
        seen=replace(seen, states=(*seen.states, Wrapping(WRAPPING, seen.timestamp, 10**24))),
        portfolio=FUNDED,
        policy=policy(markets=tuple(market.id for market in markets), people=people),
    )


def test_what_earns_and_trades_nothing_is_remembered_too() -> None:
    coin, wrapped = Amount(ETHER, WAD // 2), Amount(WETH, WAD // 2)
    made = wrapping(Wrap(WRAPPING, coin), Unwrap(WRAPPING, wrapped), SetCollateral(AAVE_USDC, True))
    assert [(move.place, move.way, move.usd_e8) for move in moves_of(made)] == [
        (WRAPPING.id, "tended", 1_500 * USD_E8),
        (WRAPPING.id, "tended", 0),
        (AAVE_USDC.id, "tended", 0),
    ]
    assert list(moves_of(trading(Revoke(USDC, STRANGER)))) == []


@pytest.mark.parametrize(("free_usd", "people"), [(1_500, 0), (1_499, 1)])
def test_a_wrapped_coin_counts_towards_what_needs_a_person(free_usd: int, people: int) -> None:
    made = wrapping(Wrap(WRAPPING, Amount(ETHER, WAD // 2)), max_unattended_usd=free_usd)
    assert people_needed(made) == people

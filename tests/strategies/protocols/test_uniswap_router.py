"""Trades through the router: what is read, what is promised, and every refusal by name."""

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    ALL,
    Amount,
    Approve,
    Asset,
    Market,
    Payout,
    Position,
    Revoke,
    Shares,
    Supply,
    Swap,
    SwapFor,
    Withdraw,
)
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256
from strategies.protocols.uniswap_router import PoolPrice, Trade, mid_raw, most_out_raw
from strategies.units import MAX_UINT256, WAD
from tests.strategies.protocols.cases import ACCOUNT, CHAIN, DAI, NOW, STRANGER, USDC
from tests.strategies.protocols.uniswap_router_case import (
    ADAPTER,
    DAI_POOL,
    ETHER,
    ETHER_POOL,
    LATER,
    POOLS,
    PRICE_X96,
    ROLES,
    STATE,
    WETH,
    dai,
    ether,
    trades,
    usdc,
    weth,
)

HELD = Position(ETHER_POOL, 0)
JUNK = Asset(CHAIN, "0x" + "99" * 20, "JUNK", 18)


def answers(
    *, factory: str = "5f", wrapped: str = "e7", pool: str = "50", price_x96: int = PRICE_X96, unlocked: int = 1
) -> list[bytes]:
    """What the router, its factory and the pool say."""
    addresses = [ADDRESS.pack("0x" + each * 20) for each in (factory, wrapped, pool)]
    slot0 = b"".join([UINT256.pack(word) for word in (price_x96, 196_256, 0, 1, 1, 0, unlocked)])
    return [*addresses, slot0, UINT256.pack(10**18)]


def test_decodes_what_the_pool_says_of_its_price() -> None:
    assert len(ADAPTER.reads(ETHER_POOL)) == len(answers())
    assert ADAPTER.decode(ETHER_POOL, answers(), NOW) == STATE


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answers(factory="66"), "another factory"),
        (answers(pool="66"), "another pool"),
        (answers(wrapped="66"), "as another token"),
        (answers(price_x96=0), "not initialised"),
        (answers(unlocked=0), "in the middle of a call"),
    ],
)
def test_refuses_another_router_or_pool_and_one_that_is_not_open(said: list[bytes], why: str) -> None:
    with pytest.raises(UnsupportedState, match=why):
        ADAPTER.decode(ETHER_POOL, said, NOW)


def test_a_pool_without_the_native_coin_pins_no_wrapped_one() -> None:
    without = replace(ETHER_POOL, contracts=ROLES[:2], others=(WETH,))
    assert ADAPTER.decode(without, answers(wrapped="66"), NOW) == replace(STATE, market=without)


@pytest.mark.parametrize("said", [answers()[:-1], [*answers(), bytes(32)], [bytes(31), *answers()[1:]]])
def test_refuses_an_answer_missing_or_of_another_length(said: list[bytes]) -> None:
    with pytest.raises(IncompleteRead):
        ADAPTER.decode(ETHER_POOL, said, NOW)


def test_holds_nothing_and_is_no_place_to_earn() -> None:
    assert ADAPTER.holding_reads(ETHER_POOL, ACCOUNT) == ()
    assert ADAPTER.holding(ETHER_POOL, ()) == HELD
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(ETHER_POOL, (bytes(32),))
    columns, solvency = ADAPTER.columns(STATE), ADAPTER.solvency(STATE, HELD)
    assert math.isnan(columns.supply_apr)
    assert math.isnan(columns.borrow_apr)
    assert (columns.supplied, columns.available) == (0.0, 0.0)
    assert (solvency.collateral_usd_e8, solvency.debt_usd_e8) == (0, 0)
    assert ADAPTER.value_raw(STATE, HELD) == ADAPTER.withdrawable_raw(STATE) == ADAPTER.arrival_bound_raw == 0
    assert ADAPTER.price_usd_e8(STATE) is None
    assert ADAPTER.everything(HELD) == Shares(0)
    assert ADAPTER.units(ETHER_POOL) == (ETHER_POOL.contract("pool"), None)


def test_says_what_an_amount_is_worth_at_the_price_rounded_down() -> None:
    assert mid_raw(STATE, weth(WAD)) == 2_999_957_191
    assert mid_raw(STATE, ether(WAD)) == 2_999_957_191  # as its wrapped token
    assert mid_raw(STATE, usdc(3_000 * 10**6)) == math.floor(3_000 * 10**6 * Fraction(PRICE_X96, 2**96) ** 2)
    assert mid_raw(STATE, weth(1)) == 0
    with pytest.raises(UnknownCall, match="JUNK is no token of"):
        mid_raw(STATE, Amount(JUNK, 1))


@given(price_x96=st.integers(2**64, 2**128), raw=st.integers(1, 2**96), is_first=st.booleans())
def test_there_and_back_at_the_price_is_never_more(price_x96: int, raw: int, is_first: bool) -> None:
    state = replace(STATE, sqrt_price_x96=price_x96)
    given = usdc(raw) if is_first else weth(raw)
    there = mid_raw(state, given)
    assert mid_raw(state, weth(there) if is_first else usdc(there)) <= raw
    assert most_out_raw(state, given) <= there


@pytest.mark.parametrize(
    ("trade", "moved"),
    [
        (Swap(ETHER_POOL, usdc(1_500), weth(7), LATER), {USDC: -1_500, WETH: 7}),
        (Swap(ETHER_POOL, usdc(1_500), weth(0), LATER), {USDC: -1_500}),
        (Swap(ETHER_POOL, ether(WAD), usdc(2_990), LATER), {ETHER: -WAD, USDC: 2_990}),
        (SwapFor(ETHER_POOL, usdc(1_500), ether(7), LATER), {USDC: -1_500, ETHER: 7}),
        (
            Swap(ETHER_POOL, weth(5), dai(10**40), LATER, (DAI_POOL,)),
            {WETH: -5, DAI: 10**40},
        ),  # the price of two is not known here
    ],
)
def test_gives_what_is_asked_for_at_most_and_gets_the_least(trade: Trade, moved: dict[Asset, int]) -> None:
    done = ADAPTER.apply(STATE, HELD, trade)
    assert {amount.asset: amount.raw for amount in done.moved} == moved
    assert (done.state, done.held) == (STATE, HELD)


def test_pays_the_most_that_its_price_allows_after_the_fee_and_refuses_a_unit_more() -> None:
    most_raw = most_out_raw(STATE, usdc(10**9))
    assert most_raw == mid_raw(STATE, usdc(10**9 - 10**9 * 500 // 10**6))
    for kind in (Swap, SwapFor):
        ADAPTER.apply(STATE, HELD, kind(ETHER_POOL, usdc(10**9), weth(most_raw), LATER))
        with pytest.raises(ActionRefused, match=f"it can pay {most_raw}"):
            ADAPTER.apply(STATE, HELD, kind(ETHER_POOL, usdc(10**9), weth(most_raw + 1), LATER))


def test_refuses_a_deadline_that_has_passed_and_takes_one_of_this_second() -> None:
    for kind in (Swap, SwapFor):
        ADAPTER.apply(STATE, HELD, kind(ETHER_POOL, usdc(10**9), weth(1), NOW))
        with pytest.raises(ActionRefused, match="too old"):
            ADAPTER.apply(STATE, HELD, kind(ETHER_POOL, usdc(10**9), weth(1), NOW - 1))


def test_refuses_a_pool_without_liquidity_whose_price_means_nothing() -> None:
    with pytest.raises(ActionRefused, match="no liquidity"):
        ADAPTER.apply(replace(STATE, liquidity_raw=0), HELD, Swap(ETHER_POOL, usdc(10**9), weth(1), LATER))


ELSEWHERE = replace(DAI_POOL, address=STRANGER)
NO_COIN = replace(ETHER_POOL, others=(WETH,))
FOREIGN = replace(DAI_POOL, protocol="uniswap_v3")
CHEAPER = replace(ETHER_POOL, id="swap:USDC/WETH-3000", numbers=(("fee_pips", 3_000),))
UNPATHED = [
    Swap(ETHER_POOL, usdc(5), Amount(JUNK, 1), LATER),
    Swap(ETHER_POOL, Amount(JUNK, 5), usdc(1), LATER),
    Swap(ETHER_POOL, usdc(5), usdc(1), LATER),
    Swap(ETHER_POOL, weth(5), ether(1), LATER),
    Swap(ETHER_POOL, usdc(5), weth(1), LATER, (DAI_POOL,)),
    Swap(ETHER_POOL, weth(5), dai(1), LATER, (ELSEWHERE,)),
    Swap(ETHER_POOL, weth(5), dai(1), LATER, (FOREIGN,)),
    Swap(ETHER_POOL, weth(5), weth(1), LATER, (CHEAPER,)),
    Swap(ETHER_POOL, ether(5), weth(1), LATER, (CHEAPER,)),
    Swap(DAI_POOL, ether(5), usdc(1), LATER),
    Swap(NO_COIN, ether(5), usdc(1), LATER),
    SwapFor(NO_COIN, usdc(5), ether(1), LATER),
]
UNSOUND = [
    Swap(ETHER_POOL, usdc(0), weth(0), LATER),
    Swap(ETHER_POOL, usdc(2**255), weth(0), LATER),
    Swap(ETHER_POOL, usdc(5), weth(-1), LATER),
    Swap(ETHER_POOL, usdc(5), ether(1), LATER, (), Payout.SWEPT),
    SwapFor(ETHER_POOL, usdc(0), weth(1), LATER),
    SwapFor(ETHER_POOL, usdc(5), weth(0), LATER),
    SwapFor(ETHER_POOL, usdc(MAX_UINT256), weth(1), LATER),
    SwapFor(ETHER_POOL, usdc(5), weth(2**255), LATER),
]


@pytest.mark.parametrize("trade", [*UNPATHED, *UNSOUND], ids=str)
def test_a_trade_that_is_none_is_neither_applied_nor_written(trade: Trade) -> None:
    with pytest.raises(ActionRefused):
        ADAPTER.apply(replace(STATE, market=trade.market), HELD, trade)
    with pytest.raises(UnknownCall):
        ADAPTER.encode(trade, ACCOUNT)


@pytest.mark.parametrize("trade", [Swap(ETHER_POOL, usdc(5), weth(1), -1), Swap(ETHER_POOL, usdc(5), weth(1), 2**256)])
def test_a_deadline_that_no_word_carries_is_not_written(trade: Trade) -> None:
    with pytest.raises(UnknownCall):
        ADAPTER.encode(trade, ACCOUNT)


def test_lending_and_another_market_are_refused() -> None:
    for action in (Supply(ETHER_POOL, usdc(1)), Withdraw(ETHER_POOL, ALL), Swap(CHEAPER, usdc(5), weth(1), LATER)):
        with pytest.raises(ActionRefused, match="not asked for a trade"):
            ADAPTER.apply(STATE, HELD, action)
    with pytest.raises(UnknownCall):
        ADAPTER.gas(Supply(ETHER_POOL, usdc(1)))


def test_allows_the_router_exactly_what_it_gives_and_takes_back_what_an_exact_output_may_leave() -> None:
    for trade in trades(ETHER_POOL, 7_000):
        assert isinstance(trade, Swap | SwapFor)
        calls = ADAPTER.encode(trade, ACCOUNT)
        given = trade.amount_in if isinstance(trade, Swap) else trade.most_in
        around = [erc20.parse(call, (USDC, WETH)) for call in calls]
        router = ADAPTER.spender(trade)
        if given.asset == ETHER:
            assert [call.value_wei for call in calls] == [given.raw]
            continue
        assert around[:2] == [Approve(given, router), None]
        assert around[2:] == ([Revoke(given.asset, router)] if isinstance(trade, SwapFor) else [])
        assert not any(call.value_wei for call in calls)


def test_a_path_reads_back_in_its_order_and_only_where_all_its_pools_are_listed() -> None:
    for trade in (
        Swap(ETHER_POOL, weth(5), dai(1), LATER, (DAI_POOL,)),
        Swap(ETHER_POOL, ether(5), dai(1), LATER, (DAI_POOL,)),
        Swap(DAI_POOL, dai(5), weth(1), LATER, (ETHER_POOL,)),
        Swap(DAI_POOL, dai(5), ether(1), LATER, (ETHER_POOL,)),
    ):
        call = ADAPTER.encode(trade, ACCOUNT)[-1]
        assert ADAPTER.parse(call, ACCOUNT, POOLS) == ADAPTER.parse(call, ACCOUNT, POOLS[::-1]) == trade
        for some in (POOLS[:1], POOLS[1:], ()):
            assert ADAPTER.parse(call, ACCOUNT, some) is None
        assert ADAPTER.gas(trade) > ADAPTER.gas(replace(trade, via=()))


def test_time_moves_nothing_but_the_time() -> None:
    assert ADAPTER.accrue(STATE, 60) == PoolPrice(ETHER_POOL, NOW + 60, PRICE_X96, STATE.liquidity_raw)


def test_a_market_of_one_token_only_is_no_market() -> None:
    with pytest.raises(LookupError):
        ADAPTER.reads(Market("swap:USDC", "uniswap_router", STRANGER, USDC, ROLES, (), (("fee_pips", 500),)))

"""Reading a StableSwap-NG pool and what it is worth; every refusal by name."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import Amount, Asset, Market, Position, Shares, Supply, Swap
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols import curve
from strategies.protocols.adapter import Call
from strategies.protocols.curve import Curve, CurvePool, Fee, Ramp, amplification, dynamic_fee, swap_out_raw, virtual_price_wad
from strategies.units import WAD, mul_div_down

ADAPTER = Curve()
ACCOUNT = "0x" + "ac" * 20
DAI = Asset(31_337, "0x" + "da" * 20, "DAI", 18)
USDC = Asset(31_337, "0x" + "0c" * 20, "USDC", 6)
SDAI = Asset(31_337, "0x" + "5d" * 20, "sDAI", 18)
MARKET = Market("curve:3", "curve", "0x" + "3c" * 20, USDC, others=(DAI, SDAI), numbers=(("coin", 1),))
RATES_WAD = (10**18, 10**30, 1_100_000_000_000_000_000)
BALANCES_RAW = (1_200_000 * 10**18, 900_000 * 10**6, 700_000 * 10**18)
HELD = Position(MARKET, 1_000 * 10**18)
POOL = CurvePool(
    MARKET,
    timestamp=1_700_000_000,
    ramp=Ramp(20_000, 20_000, 0, 0),
    fee=Fee(4_000_000, 20_000_000_000),
    rates_wad=RATES_WAD,
    balances_raw=BALANCES_RAW,
    total_supply_raw=2_700_000 * 10**18,
)


def answers(pool: CurvePool, coins: Sequence[Asset] = (DAI, USDC, SDAI)) -> list[bytes]:
    ramp, fee = pool.ramp, pool.fee
    numbers = (ramp.initial, ramp.future, ramp.initial_seconds, ramp.future_seconds, fee.base, fee.offpeg_multiplier)
    words = [number.to_bytes(32, "big") for number in (*numbers, pool.total_supply_raw, len(coins))]
    arrays = [encode(["uint256[]"], [values]) for values in (pool.rates_wad, pool.balances_raw)]
    return [*words, *arrays, *(encode(["address"], [coin.address]) for coin in coins)]


def test_asks_every_getter_by_its_selector() -> None:
    plain = ("initial_A", "future_A", "initial_A_time", "future_A_time", "fee", "offpeg_fee_multiplier")
    named = [f"{name}()" for name in (*plain, "totalSupply", "N_COINS", "stored_rates", "get_balances")]
    calls = ADAPTER.reads(MARKET)
    assert [call.data[:4] for call in calls] == [keccak(text=name)[:4] for name in (*named, *["coins(uint256)"] * 3)]
    assert {call.target for call in calls} == {MARKET.address}


def test_decodes_what_the_pool_answers() -> None:
    assert ADAPTER.decode(MARKET, answers(POOL), POOL.timestamp) == POOL


@pytest.mark.parametrize("at", range(13))
def test_an_answer_of_another_length_is_an_incomplete_read(at: int) -> None:
    said = answers(POOL)
    for broken in ([*said[:at], said[at][:-1], *said[at + 1 :]], said[:-1]):
        with pytest.raises((IncompleteRead, UnsupportedState)):
            ADAPTER.decode(MARKET, broken, POOL.timestamp)


@pytest.mark.parametrize(
    ("pool", "coins"),
    [
        (POOL, (USDC, DAI, SDAI)),
        (POOL, (DAI, USDC, SDAI, SDAI)),
        (replace(POOL, balances_raw=(0, 1, 1)), (DAI, USDC, SDAI)),
        (replace(POOL, rates_wad=(10**18, 0, 10**18)), (DAI, USDC, SDAI)),
    ],
    ids=["another order", "another count", "a drained coin", "a worthless coin"],
)
def test_refuses_a_pool_that_is_not_the_pinned_one_or_has_no_invariant(pool: CurvePool, coins: Sequence[Asset]) -> None:
    with pytest.raises(UnsupportedState):
        ADAPTER.decode(MARKET, answers(pool, coins)[:13], POOL.timestamp)


def test_reads_the_claim_from_the_pools_own_token() -> None:
    (call,) = ADAPTER.holding_reads(MARKET, ACCOUNT)
    assert call == Call(MARKET.address, keccak(text="balanceOf(address)")[:4] + encode(["address"], [ACCOUNT]))
    assert ADAPTER.holding(MARKET, [HELD.shares_raw.to_bytes(32, "big")]) == HELD
    assert ADAPTER.units(MARKET) == (MARKET.address, None)
    assert ADAPTER.everything(HELD) == Shares(HELD.shares_raw)
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(MARKET, [])


def test_a_claim_is_worth_its_part_of_the_invariant_in_the_asset() -> None:
    price_wad = virtual_price_wad(POOL)
    assert WAD < price_wad < WAD * 11 // 10  # 1.2 + 0.9 + 0.77 million over 2.7 million
    assert ADAPTER.value_raw(POOL, HELD) == mul_div_down(mul_div_down(HELD.shares_raw, price_wad, WAD), WAD, 10**30)
    assert ADAPTER.value_raw(POOL, Position(MARKET, 0)) == 0
    with pytest.raises(ActionRefused):
        virtual_price_wad(replace(POOL, total_supply_raw=0))


def test_columns_do_not_pretend_to_know_what_a_pool_will_earn() -> None:
    columns = ADAPTER.columns(POOL)
    assert math.isnan(columns.supply_apr)
    assert columns.available == 900_000.0
    assert columns.supplied == pytest.approx(2_870_000, rel=1e-3)
    assert ADAPTER.withdrawable_raw(POOL) == BALANCES_RAW[1]


@pytest.mark.parametrize(("initial", "future"), [(10_000, 30_000), (30_000, 10_000)])
def test_a_ramps_evenly_and_ends_where_it_should(initial: int, future: int) -> None:
    ramp = Ramp(initial, future, 1_000, 1_000 + 7)
    assert [amplification(ramp, second) for second in (1_000, 1_007, 2_000)] == [initial, future, future]
    third = 20_000 * 3 // 7
    assert amplification(ramp, 1_003) == (initial + third if future > initial else initial - third)


def test_time_alone_changes_a_ramping_pool() -> None:
    ramping = replace(POOL, ramp=Ramp(20_000, 100, POOL.timestamp, POOL.timestamp + 86_400))
    later = ADAPTER.accrue(ramping, 43_200)
    assert virtual_price_wad(later) < virtual_price_wad(ramping)
    assert virtual_price_wad(ADAPTER.accrue(POOL, 43_200)) == virtual_price_wad(POOL)


def test_the_fee_grows_away_from_balance_and_stands_without_a_multiplier() -> None:
    assert dynamic_fee(WAD, WAD, POOL.fee) == POOL.fee.base
    assert dynamic_fee(WAD, WAD // 10, POOL.fee) > POOL.fee.base
    assert dynamic_fee(WAD, WAD // 10, replace(POOL.fee, offpeg_multiplier=10**10)) == POOL.fee.base


@given(amount_raw=st.integers(10**12, 10**23))
def test_a_swap_there_and_back_never_gains(amount_raw: int) -> None:
    out_raw = swap_out_raw(POOL, 0, 1, amount_raw)
    held = list(POOL.balances_raw)
    held[0], held[1] = held[0] + amount_raw, held[1] - out_raw
    after = replace(POOL, balances_raw=tuple(held))
    assert curve.invariant(curve.scaled(RATES_WAD, after.balances_raw), 20_000) >= curve.invariant(
        curve.scaled(RATES_WAD, BALANCES_RAW), 20_000
    )
    if out_raw:
        assert swap_out_raw(after, 1, 0, out_raw) <= amount_raw


@pytest.mark.parametrize(("i", "j"), [(0, 0), (0, 3), (3, 0), (-1, 0), (0, -1)])
def test_a_swap_of_a_coin_that_is_not_there_is_refused(i: int, j: int) -> None:
    with pytest.raises(ActionRefused):
        swap_out_raw(POOL, i, j, 10**18)


def test_nothing_is_traded_written_or_read_back() -> None:
    amount = Amount(USDC, 10**6)
    for action in (Supply(MARKET, amount), Swap(MARKET, amount, Amount(DAI, 1), POOL.timestamp)):
        with pytest.raises(UnsupportedState):
            ADAPTER.apply(POOL, HELD, action)
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
        with pytest.raises(UnknownCall):
            ADAPTER.gas(action)
        assert ADAPTER.spender(action) == MARKET.address
    assert ADAPTER.parse(Call(MARKET.address, bytes(4)), ACCOUNT, [MARKET]) is None
    assert ADAPTER.price_usd_e8(POOL) is None
    assert ADAPTER.solvency(POOL, HELD).collateral_usd_e8 == 0

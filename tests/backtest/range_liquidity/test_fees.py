"""Fees of a stay: the contract's own growth where minutes tell, the straight way where they do not, and bounds for the rest."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.range_liquidity.fees import Stay, fee_bounds, fee_columns, fees_down_raw, inside
from backtest.range_liquidity.minutes import PoolMinutes
from strategies.domain import Ticks
from strategies.protocols.uniswap_v3.arithmetic import WRAP
from strategies.protocols.uniswap_v3.pool import fee_growth_inside_x128, limit_x96, modify, swap
from tests.backtest.range_liquidity.pools import LIQUIDITY_RAW, TERMS, TICK, minutes_of, walks
from tests.strategies.protocols.uniswap_v3_case import empty_pool

RANGE = Ticks(TICK - 10, TICK + 10)
MINE_RAW = 10**17


def stay(minutes: PoolMinutes, ticks: Ticks = RANGE, liquidity_raw: int = MINE_RAW) -> Stay:
    return Stay(0, len(minutes), ticks, liquidity_raw)


@pytest.mark.parametrize(
    ("was", "now", "share"),
    [
        (0, 0, 1.0),
        (0, 9, 1.0),
        (0, 10, 1.0),  # the upper bound is outside, all of the way to it inside
        (0, 20, 0.5),
        (20, 0, 0.5),
        (10, 0, 1.0),
        (-20, 20, 0.5),
        (20, -20, 0.5),
        (-20, -11, 0.0),
        (-20, -10, 0.0),  # inside from here on, none of the way was
        (10, 30, 0.0),
    ],
)
def test_a_minutes_share_is_that_of_the_straight_way(was: int, now: int, share: float) -> None:
    minutes = minutes_of([TICK + now], opened=TICK + was)
    assert inside(minutes, stay(minutes)).share.tolist() == [share]
    fee_raw = 10**9 * 500 // 10**6 * MINE_RAW / (LIQUIDITY_RAW + MINE_RAW) * share
    assert fees_down_raw(minutes, stay(minutes))[0] in {int(fee_raw), max(0, int(fee_raw) - 1)}


def test_own_liquidity_takes_its_part_and_no_more() -> None:
    minutes = minutes_of([TICK] * 3, in0=[2 * 10**9] * 3)
    alone_raw, _ = fees_down_raw(minutes, stay(minutes, liquidity_raw=LIQUIDITY_RAW))
    assert alone_raw == 3 * 10**6 // 2 - 1  # half of three fees of a million; growth and claim are rounded down
    tenfold_raw, _ = fees_down_raw(minutes, stay(minutes, liquidity_raw=10 * LIQUIDITY_RAW))
    assert 0 <= 3 * 10**6 * 10 // 11 - tenfold_raw <= 1


@given(walks, st.integers(10**9, 10**19), st.integers(-40, 40), st.integers(1, 80))
def test_exact_fees_are_the_curves_to_a_millionth_of_a_unit_in_a_billion(
    minutes: PoolMinutes, liquidity_raw: int, low: int, width: int
) -> None:
    held = stay(minutes, Ticks(TICK + 10 * low, TICK + 10 * (low + width)), liquidity_raw)
    exact = fees_down_raw(minutes, held)
    for raw, column in zip(exact, fee_columns(minutes, held), strict=True):
        assert raw == pytest.approx(column.sum(), rel=1e-9, abs=1.01)


@given(walks, st.integers(0, 400))
def test_a_stay_in_two_parts_earns_the_same_but_for_one_rounding(minutes: PoolMinutes, cut: int) -> None:
    middle = min(cut, len(minutes))
    whole = fees_down_raw(minutes, stay(minutes))
    parts = [fees_down_raw(minutes, replace(stay(minutes), first=a, stop=b)) for a, b in ((0, middle), (middle, len(minutes)))]
    for at in (0, 1):
        assert 0 <= whole[at] - parts[0][at] - parts[1][at] <= 1


@given(walks)
def test_the_straight_way_lies_between_the_least_and_the_most(minutes: PoolMinutes) -> None:
    held = stay(minutes)
    least, most = fee_bounds(minutes, held)
    for low, said, high in zip(least, fee_columns(minutes, held), most, strict=True):
        assert np.all(low <= said) and np.all(said <= high)


def test_a_wick_out_of_the_range_is_in_doubt_and_a_calm_minute_is_not() -> None:
    calm = minutes_of([TICK + 1])
    wick = replace(calm, highest_tick=np.array([TICK + 500]))
    for minutes, doubtful in ((calm, False), (wick, True)):
        (least, _), (most, _) = fee_bounds(minutes, stay(minutes))
        assert bool(least[0] < most[0]) is doubtful


def test_a_close_outside_its_own_extremes_is_counted_as_a_place_the_price_was_at() -> None:
    minutes = replace(minutes_of([TICK + 30]), highest_tick=np.array([TICK + 5]))
    (least, _), (most, _) = fee_bounds(minutes, stay(minutes))
    assert least[0] == 0 and most[0] > 0


@pytest.mark.parametrize("protocol_fee", [0, 4])
def test_fees_are_those_of_the_contracts_model_when_each_minute_is_one_swap(protocol_fee: int) -> None:
    """The model swaps through a pool that holds our liquidity; the minutes are what an observer without it would record."""
    ours, everyone = Ticks(276_000, 276_600), Ticks(-887_220, 887_220)
    pool = modify(replace(empty_pool(), fee_protocol=protocol_fee * 17, balances_raw=(10**30, 10**30)), everyone, 10**22).pool
    pool = modify(pool, ours, 10**21).pool
    before = fee_growth_inside_x128(pool, ours)
    close, in0, in1 = list[int](), list[int](), list[int]()
    rng = np.random.default_rng(5)
    for _ in range(300):
        token_in = int(rng.integers(2)) if abs(pool.tick - 276_324) < 150 else int(pool.tick < 276_324)
        raw = int(rng.integers(10**7, 10**11)) * (10**12 if token_in else 1)
        pool = swap(pool, token_in, raw, limit_x96(token_in)).pool
        close.append(pool.tick)
        in0.append(0 if token_in else raw)
        in1.append(raw if token_in else 0)
    terms = replace(TERMS, fee_pips=3_000, tick_spacing=60, protocol_fee=protocol_fee)
    minutes = minutes_of(close, in0=in0, in1=in1, liquidity=[10**22] * 300, terms=terms, opened=276_324)
    assert min(close) > ours.lower and max(close) < ours.upper
    said = fees_down_raw(minutes, stay(minutes, ours, 10**21))
    after = fee_growth_inside_x128(pool, ours)
    for raw, start_x128, end_x128 in zip(said, before, after, strict=True):
        contract_raw = (end_x128 - start_x128) % WRAP * 10**21 >> 128
        assert 0 <= contract_raw - raw <= 300 // 11 + 1  # the contract rounds each swap's fee up by less than one unit
        assert raw > 10**6

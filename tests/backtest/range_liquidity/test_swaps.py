"""The swap before entering: proportions, the pool's fee, and what size costs along the curve."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.range_liquidity.decisions import Split
from backtest.range_liquidity.swaps import (
    along_the_curve_down_raw,
    at_the_price_down_raw,
    converted_down_raw,
    divided,
    worth_down_raw,
)
from strategies.domain import Ticks
from strategies.errors import ActionRefused
from strategies.protocols.uniswap_v3.arithmetic import liquidity_for_amounts_down_raw, sqrt_price_at_tick_x96
from tests.backtest.range_liquidity.pools import LIQUIDITY_RAW, SAFE, TICK, minutes_of

MINUTES = minutes_of([TICK] * 3)
amounts = st.tuples(st.integers(0, 10**15), st.integers(0, 10**24)).filter(lambda pair: pair[0] > 10**6 or pair[1] > 10**15)


@given(amounts)
def test_even_means_equal_value_of_both_after_the_fee(idle_raw: tuple[int, int]) -> None:
    after_raw, _ = divided(MINUTES, 1, idle_raw, ticks=SAFE, split=Split.EVEN, exchange=at_the_price_down_raw)
    assert after_raw[0] == pytest.approx(converted_down_raw(TICK, 1, after_raw[1]), rel=1e-5, abs=3)


@given(amounts, st.integers(-300, 300), st.integers(1, 300))
def test_a_split_of_the_range_leaves_almost_nothing_idle(idle_raw: tuple[int, int], low: int, width: int) -> None:
    ticks = Ticks(TICK + 10 * low, TICK + 10 * (low + width))
    after_raw, _ = divided(MINUTES, 1, idle_raw, ticks=ticks, split=Split.OF_RANGE, exchange=at_the_price_down_raw)
    bounds = sqrt_price_at_tick_x96(ticks.lower), sqrt_price_at_tick_x96(ticks.upper)
    price_x96 = sqrt_price_at_tick_x96(TICK)
    liquidity_raw = liquidity_for_amounts_down_raw(price_x96, bounds, after_raw)
    more_raw = liquidity_for_amounts_down_raw(price_x96, bounds, (after_raw[0] * 2 + 2, after_raw[1]))
    other_raw = liquidity_for_amounts_down_raw(price_x96, bounds, (after_raw[0], after_raw[1] * 2 + 2))
    one_sided = not bounds[0] < price_x96 < bounds[1]
    assert one_sided or max(more_raw, other_raw) <= liquidity_raw * (1 + 1e-3) + 10**13


def test_the_fee_is_the_pools_and_the_cost_is_told() -> None:
    after_raw, swap = divided(MINUTES, 1, (10**12, 0), ticks=SAFE, split=Split.EVEN, exchange=at_the_price_down_raw)
    assert swap is not None and swap.token_in == 0
    assert swap.cost_raw == pytest.approx(swap.in_raw * 500 / 10**6, abs=2)
    assert worth_down_raw(TICK, after_raw, 0) == 10**12 - swap.cost_raw


def test_what_is_even_already_is_not_swapped() -> None:
    even_raw = 10**12, converted_down_raw(TICK, 0, 10**12)
    after_raw, swap = divided(MINUTES, 1, even_raw, ticks=SAFE, split=Split.EVEN, exchange=at_the_price_down_raw)
    assert (after_raw, swap) == (even_raw, None)


@given(st.integers(0, 1), st.integers(10**6, 10**13))
def test_size_costs_along_the_curve_and_never_pays(token_in: int, raw: int) -> None:
    in_raw = raw if token_in == 0 else converted_down_raw(TICK, 0, raw)
    assert along_the_curve_down_raw(MINUTES, 1, token_in, in_raw) <= at_the_price_down_raw(MINUTES, 1, token_in, in_raw)


def test_along_the_curve_a_thousandth_of_the_virtual_reserve_costs_a_thousandth() -> None:
    virtual_raw = (LIQUIDITY_RAW << 96) // sqrt_price_at_tick_x96(TICK)
    in_raw = virtual_raw // 1_000
    got = along_the_curve_down_raw(MINUTES, 1, 0, in_raw) / at_the_price_down_raw(MINUTES, 1, 0, in_raw)
    assert got == pytest.approx(1 / 1.001, rel=1e-6)


def test_a_pool_without_liquidity_gives_nothing_and_says_so() -> None:
    dry = replace(minutes_of([TICK] * 2, in0=[0, 0]), liquidity_raw=(0, 0))
    with pytest.raises(ActionRefused):
        along_the_curve_down_raw(dry, 1, 0, 10**6)

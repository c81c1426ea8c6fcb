"""The closed forms of liquidity and growth: published values, laws, and simulations beside them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.evidence import growth_forms as growth
from backtest.evidence import liquidity_forms as liquidity
from backtest.evidence.errors import Undefined
from backtest.evidence.simulated import (
    Effort,
    arbitrage_gain,
    even_blocks,
    expected_drawdown,
    pool_loss,
    random_blocks,
)

PRICES = st.floats(1e-4, 1e4)
BLOCK = 0.05 * math.sqrt(12 / 86_400)  # 5 % a day, blocks of 12 s


@given(PRICES)
def test_impermanent_loss_is_never_a_gain_and_the_same_both_ways(ratio: float) -> None:
    found = liquidity.impermanent_loss(ratio)
    assert found <= 0.0
    assert found == pytest.approx(2.0 * math.sqrt(ratio) / (1.0 + ratio) - 1.0, abs=1e-12)
    assert liquidity.impermanent_loss(1.0 / ratio) == pytest.approx(found, abs=1e-12)


def test_impermanent_loss_of_a_small_move_keeps_its_digits() -> None:
    assert liquidity.impermanent_loss(1.0) == 0.0
    assert liquidity.impermanent_loss(1.0 + 1e-8) == pytest.approx(-1e-16 / 8.0, rel=1e-6)


@given(st.floats(0.5, 2.0), st.floats(0.5, 2.0))
def test_a_range_of_all_prices_is_a_constant_product(opening: float, price: float) -> None:
    found = liquidity.impermanent_loss_in_range(opening, price, low=1e-14, high=1e14)
    assert found == pytest.approx(liquidity.impermanent_loss(price / opening), abs=1e-6)


@given(st.floats(0.3, 3.0), st.floats(0.3, 3.0))
def test_a_narrower_range_loses_more_while_the_price_stays_in_it_and_never_gains(opening: float, price: float) -> None:
    wide = liquidity.impermanent_loss_in_range(opening, price, low=0.25, high=4.0)
    assert wide <= 1e-12
    if min(opening, price) >= 0.5 and max(opening, price) <= 2.0:
        assert liquidity.impermanent_loss_in_range(opening, price, low=0.5, high=2.0) <= wide + 1e-12


def test_a_two_point_path_in_a_range_is_as_published() -> None:
    assert liquidity.impermanent_loss_in_range(1.0, 0.7, low=0.5, high=2.0) == pytest.approx(-0.053582962740066, rel=1e-12)
    assert liquidity.impermanent_loss_in_range(1.0, 3.0, low=0.5, high=2.0) == pytest.approx(-0.39644660940673, rel=1e-12)


@pytest.mark.parametrize(
    ("opening", "price", "low", "high"),
    [(0.0, 1.0, 0.5, 2.0), (1.0, -1.0, 0.5, 2.0), (1.0, 1.0, 2.0, 2.0), (1.0, 1.0, 0.5, math.inf), (math.nan, 1.0, 0.5, 2.0)],
)
def test_prices_and_ranges_that_no_pool_has_are_refused(opening: float, price: float, low: float, high: float) -> None:
    with pytest.raises(Undefined, match="impermanent loss"):
        liquidity.impermanent_loss_in_range(opening, price, low=low, high=high)


@given(st.floats(0.001, 0.5), st.floats(0.0, 0.05), st.floats(1.0, 1e6))
def test_a_fee_only_takes_off_what_is_lost_and_even_blocks_lose_less_than_random_ones(
    volatility: float, fee: float, blocks: float
) -> None:
    random = liquidity.trade_share_random_blocks(volatility, fee=fee, blocks=blocks)
    even = liquidity.loss_share_even_blocks(volatility, fee=fee, blocks=blocks)
    assert 0.0 < even <= random <= 1.0
    assert liquidity.trade_share_random_blocks(volatility, fee=0.0, blocks=blocks) == 1.0


def test_the_overshoot_is_that_of_the_zeta_function_at_one_half() -> None:
    """zeta(1/2) by its alternating series, with Euler's averages: eta(1/2) = (1 - sqrt(2)) zeta(1/2)."""
    terms = np.cumsum([(-1) ** at / math.sqrt(at + 1) for at in range(60)])
    while len(terms) > 1:
        terms = (terms[1:] + terms[:-1]) / 2.0
    zeta = float(terms[0]) / (1.0 - math.sqrt(2.0))
    assert pytest.approx(math.sqrt(2.0 * math.pi) / -zeta, rel=1e-12) == liquidity.OVERSHOOT


def test_loss_without_a_fee_is_an_eighth_of_the_variance_and_refuses_no_volatility() -> None:
    assert liquidity.lvr(0.05) == pytest.approx(3.125e-4)
    with pytest.raises(Undefined, match="volatility is 0"):
        liquidity.lvr(0.0)
    with pytest.raises(Undefined, match="a fee of -1"):
        liquidity.loss_share_even_blocks(0.05, fee=-1.0, blocks=7_200)


@pytest.mark.parametrize("fee", [0.0005, 0.003])
def test_a_pool_with_random_blocks_loses_what_the_closed_form_says(fee: float) -> None:
    found = pool_loss(BLOCK, fee=fee, waits=random_blocks, effort=Effort(paths=1_500, steps=2_000, seed=11))
    form = liquidity.trade_share_random_blocks(0.05, fee=fee, blocks=7_200)
    assert abs(found.ratio.value - form) < 3.0 * found.ratio.error
    assert abs(found.trade_share.value - form) < 3.0 * found.trade_share.error


@pytest.mark.parametrize("fee", [0.001, 0.003])
def test_a_pool_with_even_blocks_loses_what_the_closed_form_says(fee: float) -> None:
    found = pool_loss(BLOCK, fee=fee, waits=even_blocks, effort=Effort(paths=1_500, steps=2_000, seed=12))
    assert abs(found.ratio.value - liquidity.loss_share_even_blocks(0.05, fee=fee, blocks=7_200)) < 3.0 * found.ratio.error


def test_a_pool_without_a_fee_loses_all_of_it_and_trades_every_block() -> None:
    found = pool_loss(BLOCK, fee=0.0, waits=even_blocks, effort=Effort(paths=500, steps=500, seed=1))
    assert abs(found.ratio.value - 1.0) < 3.0 * found.ratio.error
    assert found.trade_share.value == 1.0


def test_an_arbitrageurs_gain_is_that_of_the_pools_own_reserves() -> None:
    """Both sides, from the reserves: pay the curve and the fee, take the tokens, sell them outside."""
    fee, price = 0.003, 1.0
    for outside in (0.05, -0.05):
        after = outside - fee if outside > 0 else outside + fee
        base_before, quote_before, base_after, quote_after = 1.0, 1.0, math.exp(-after / 2), math.exp(after / 2)
        price = math.exp(outside)
        charged = math.exp(fee if outside > 0 else -fee)
        gained = (base_before - base_after) * price + (quote_before - quote_after) * charged
        value = 2.0 * math.sqrt(price)
        found = arbitrage_gain(np.array([outside]), np.zeros(1), np.array([after]))
        assert found[0] == pytest.approx(gained / value, rel=1e-9)
    assert arbitrage_gain(np.array([0.001]), np.zeros(1), np.zeros(1))[0] == 0.0


def test_simulations_are_the_same_for_the_same_seed_and_refuse_what_cannot_be() -> None:
    effort = Effort(paths=20, steps=20, seed=1)
    assert pool_loss(BLOCK, fee=0.001, waits=even_blocks, effort=effort) == pool_loss(
        BLOCK, fee=0.001, waits=even_blocks, effort=effort
    )
    with pytest.raises(Undefined, match="a simulated pool"):
        pool_loss(0.0, fee=0.001, waits=even_blocks, effort=effort)
    with pytest.raises(Undefined, match="a simulated drawdown"):
        expected_drawdown(0.0, volatility=0.0, time=1.0, effort=effort)


def test_kelly_grows_fastest_and_falls_as_often_as_it_says() -> None:
    assert growth.kelly_fraction(0.05, 0.2) == pytest.approx(1.25)
    full = growth.kelly_growth(0.05, 0.2, share=1.0)
    assert full == pytest.approx(0.03125)
    assert all(growth.kelly_growth(0.05, 0.2, share=share) < full for share in (0.5, 0.9, 1.1, 1.9))
    assert growth.chance_of_falling_to(0.5, share=1.0) == pytest.approx(0.5)
    assert growth.chance_of_falling_to(0.5, share=0.5) == pytest.approx(0.125)
    for wealth, share in ((0.0, 1.0), (1.5, 1.0), (0.5, 2.0), (0.5, 0.0)):
        with pytest.raises(Undefined, match="a chance of falling"):
            growth.chance_of_falling_to(wealth, share=share)


def test_the_expected_drawdown_is_that_of_simulated_walks() -> None:
    effort = Effort(paths=8_000, steps=400, seed=2)
    flat = expected_drawdown(0.0, volatility=1.0, time=1.0, effort=effort)
    assert abs(flat.value - growth.expected_drawdown_driftless(1.0, 1.0)) < 3.0 * flat.error
    falling = expected_drawdown(-1.0, volatility=1.0, time=10.0, effort=effort)
    assert abs(falling.value - growth.expected_drawdown_falling(-1.0, 1.0, 10.0)) < 3.0 * falling.error
    rising = expected_drawdown(1.0, volatility=1.0, time=300.0, effort=Effort(paths=4_000, steps=6_000, seed=3))
    assert rising.value == pytest.approx(growth.expected_drawdown_rising(1.0, 1.0, 300.0), rel=0.02)


def test_an_asymptotic_drawdown_refuses_a_drift_of_the_other_sign() -> None:
    with pytest.raises(Undefined, match="drift is -1"):
        growth.expected_drawdown_rising(-1.0, 1.0, 1.0)
    with pytest.raises(Undefined, match="fall is -1"):
        growth.expected_drawdown_falling(1.0, 1.0, 1.0)

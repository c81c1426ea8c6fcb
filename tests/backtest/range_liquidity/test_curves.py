"""Curves and figures: they end at the exact result, and the parts of a result make up the whole."""

from dataclasses import fields, replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.range_liquidity.curves import RangeFigures, curve_of, figures_of, lvr_so_far, range_amounts
from backtest.range_liquidity.decisions import Split
from backtest.range_liquidity.engine import Gas, RangeRun, run_range
from backtest.range_liquidity.minutes import SQRT_STEP, PoolMinutes
from backtest.range_liquidity.rules import FollowPrice
from strategies.domain import Ticks
from tests.backtest.range_liquidity.pools import SAFE, TERMS, TICK, minutes_of, once, settings, walk, walks

GAS_UNITS = {"leave_gas": 300_000, "swap_gas": 150_000, "enter_gas": 400_000}


def ran(minutes: PoolMinutes, **changes: object) -> tuple[RangeRun, RangeFigures]:
    run = run_range(minutes, settings(**changes))
    return run, figures_of(run, curve_of(run))


def gas(rows: int) -> Gas:
    return Gas(price_wei=np.full(rows, 10**11), quote_raw_per_native=(10**6,) * rows, **GAS_UNITS)


@given(walks, st.sampled_from([20, 100, 1_000]), st.sampled_from(Split), st.sampled_from([0, 1]), st.sampled_from([0, 1]))
def test_the_parts_of_a_result_make_up_the_whole(
    minutes: PoolMinutes, width_bps: int, split: Split, latency_rows: int, quote: int
) -> None:
    told = replace(minutes, pool=replace(TERMS, quote=quote))
    rule = FollowPrice(width_bps, split, 300)
    run, found = ran(told, strategy=rule, latency_rows=latency_rows, gas=gas(len(minutes)) if quote == 0 else None)
    parts = found.price + found.divergence + found.fees + found.swaps + found.gas
    assert found.final - found.opening == pytest.approx(parts, abs=1e-9 * found.opening * len(run.stretches))
    assert found.divergence <= 1e-9 * found.opening and found.lvr <= 1e-9 * found.opening
    slack = 1e-9 * found.opening
    assert found.fees_least <= found.fees + slack and found.fees <= found.fees_most + slack
    assert curve_of(run).equity[-1] == pytest.approx(found.final, rel=1e-9)


def test_a_curve_is_told_after_each_move_and_ends_at_the_exact_result() -> None:
    minutes = walk(2_000, 6, step_ticks=40.0)
    run, found = ran(minutes, gas=gas(2_000))
    curve = curve_of(run)
    assert len(curve.timestamp) == len(curve.equity) == 2_001 and len(curve.inside) == 2_000
    assert found.moves > 2 and curve.equity[0] == pytest.approx(10**6, rel=1e-12)
    assert curve.equity[-1] == pytest.approx(found.final, abs=1e-5)  # some roundings of a base unit
    assert curve.equity[-1] - curve.kept[-1] == pytest.approx(found.final - found.kept, rel=1e-9)
    first = run.steps[0]
    assert first.swap is not None
    assert curve.equity[1] == pytest.approx(10**6 - (first.swap.cost_raw + first.gas_raw) / 10**6, rel=1e-9)


def test_out_of_the_range_nothing_is_earned_and_the_minutes_say_so() -> None:
    minutes = minutes_of([TICK] * 50 + [TICK + 20_000] * 50)
    run, found = ran(minutes, strategy=once(), latency_rows=0)
    fees = curve_of(run).inside
    assert fees[:50].tolist() == [1.0] * 50 and fees[51:].tolist() == [0.0] * 49
    assert found.inside == pytest.approx((50 + 4_900 / 20_000) / 100)


def test_held_without_a_range_nothing_moves() -> None:
    minutes = walk(100, 1)
    _, found = ran(minutes, latency_rows=100)
    assert (found.final, found.fees, found.price, found.lvr, found.moves, found.inside) == (10**6, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("end", "low", "high"), [(0.7, 0.5, 2.0), (0.9, 0.5, 2.0), (1.5, 0.5, 2.0), (3.0, 0.5, 2.0), (1.1, 0.8, 1.25)]
)
def test_divergence_over_two_points_is_the_closed_form(end: float, low: float, high: float) -> None:
    """Value of the liquidity at the end by the value of the tokens it began as, at the same price; entered at a price of one."""
    ticks = Ticks(round(np.log(low) / SQRT_STEP / 2), round(np.log(high) / SQRT_STEP / 2))
    amount0, amount1 = range_amounts(np.array([1.0, sqrt(end)]), ticks, 1.0)
    said = (amount0[1] * end + amount1[1]) / (amount0[0] * end + amount1[0]) - 1
    a, b = sqrt(1.0001) ** ticks.lower, sqrt(1.0001) ** ticks.upper
    s = min(max(sqrt(end), a), b)
    value = (1 / s - 1 / b) * end + (s - a)
    assert said == pytest.approx(value / ((1 - 1 / b) * end + (1 - a)) - 1, rel=1e-9)


def test_loss_versus_rebalancing_never_falls_and_tends_to_an_eighth_of_the_variance() -> None:
    """A full range on a walk without drift: sigma^2 / 8 of the value a unit of time, within four standard errors."""
    rng = np.random.default_rng(3)
    sigma, steps = 0.05, 40_000
    log_price = np.cumsum(np.concatenate(([0.0], rng.normal(0, sigma / 200, steps))))  # one day of steps at 5 % a day
    price = np.exp(log_price)
    amount0, amount1 = range_amounts(np.sqrt(price), Ticks(-800_000, 800_000), 1.0)
    value = amount0 * price + amount1
    loss = lvr_so_far(amount0, price, value)
    assert np.all(np.diff(loss) >= -1e-15)
    assert float(np.sum(np.diff(loss) / value[:-1])) == pytest.approx(sigma**2 / 8, rel=4 * sqrt(2 / steps))


def test_figures_are_numbers_of_people_not_arrays() -> None:
    _, found = ran(walk(50, 2), strategy=once(SAFE))
    assert {type(getattr(found, field.name)) for field in fields(found)} <= {float, int}

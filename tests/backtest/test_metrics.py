"""Figures against their closed forms, and curves against the contract's own valuation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import metrics
from backtest.dataset import index_columns
from backtest.engine import run
from backtest.runs import Run
from strategies.benchmarks import EqualWeight, Hold, Idle
from strategies.errors import BadTape
from strategies.protocols.registry import adapter_of
from strategies.tape import Tape, tape_of
from strategies.units import GWEI, SECONDS_PER_YEAR, USD_E8
from tests.backtest.recorded import MARKETS, START, USDC, tape
from tests.backtest.test_engine import HOUR, reading_at, terms

VALUES = st.lists(st.floats(min_value=1e-3, max_value=1e9), min_size=1, max_size=50)


@given(
    st.floats(min_value=-0.9, max_value=5), st.floats(min_value=1, max_value=1e9), st.integers(min_value=86_400, max_value=10**9)
)
def test_annual_growth_compounds_back(rate: float, opening: float, seconds: int) -> None:
    final = opening * (1 + rate) ** (seconds / SECONDS_PER_YEAR)
    assert metrics.annual_growth(opening, final, seconds) == pytest.approx(rate, rel=1e-9, abs=1e-9)


def test_no_time_is_no_growth() -> None:
    assert metrics.annual_growth(1.0, 2.0, 0) == 0.0


@pytest.mark.parametrize(("final", "told"), [(0.0, -1.0), (-21.3, -1.0), (1.0, 0.0)])
def test_where_nothing_is_left_everything_was_lost(final: float, told: float) -> None:
    assert metrics.annual_growth(1.0, final, SECONDS_PER_YEAR) == told


def test_a_fall_below_zero_is_told_whole_and_days_that_begin_there_have_no_growth() -> None:
    assert metrics.drawdowns(np.array([10.0, -2.0, 5.0])).tolist() == [0.0, -1.2, -0.5]
    assert metrics.drawdowns(np.array([-1.0, -2.0])).tolist() == [-1.0, -1.0]
    days = START + 24 * HOUR * np.arange(4, dtype=np.int64)
    curve = metrics.curve_of(finished(tape([[0.0, 0.0]] * 4, timestamp=days)))
    told = metrics.daily_returns(replace(curve, held=np.array([10.0, -2.0, -1.0, 5.0]), gas=np.zeros(4)))
    assert told.tolist() == [-1.2]


@given(VALUES)
def test_a_drawdown_is_never_above_zero_and_zero_at_highs(values: list[float]) -> None:
    column = np.array(values)
    below = metrics.drawdowns(column)
    assert (below <= 0).all()
    assert (below[column == np.maximum.accumulate(column)] == 0).all()
    worst = min(low / high - 1 for at, low in enumerate(values) for high in values[: at + 1])
    assert below.min() == pytest.approx(worst)


@given(VALUES)
def test_what_only_rises_is_never_under_water(values: list[float]) -> None:
    times = np.arange(len(values), dtype=np.int64)
    assert metrics.longest_under_water(times, np.sort(np.array(values))) == 0


def test_under_water_lasts_from_a_high_to_its_recovery_or_the_end() -> None:
    times = np.array([0, 10, 20, 30, 45, 60], dtype=np.int64)
    assert metrics.longest_under_water(times, np.array([1.0, 2, 1, 1, 2, 3])) == 35
    assert metrics.longest_under_water(times, np.array([1.0, 3, 1, 1, 2, 2])) == 50


def test_the_last_row_of_each_day_stands_for_it() -> None:
    times = START + HOUR * np.array([0, 5, 23, 24, 60], dtype=np.int64)
    found = metrics.daily(times, np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert found.tolist() == [3.0, 4.0, 5.0]
    assert [day.strftime("%H:%M") for day in found.index] == ["00:00"] * 3


def finished(made: Tape, latency_rows: int = 0) -> Run:
    return run(made, terms(Hold(USDC, HOUR, MARKETS[0].id), most_moves=1, latency_rows=latency_rows))


@given(st.lists(st.floats(min_value=0.001, max_value=1), min_size=2, max_size=20))
def test_the_curve_is_the_adapters_valuation_at_every_row(aprs: list[float]) -> None:
    done = finished(tape([[apr, 0.0] for apr in aprs]))
    curve = metrics.curve_of(done)
    held = done.segments[-1].portfolio
    for row in range(len(aprs)):
        state = done.tape.states.state(row, 0)
        assert state is not None
        exact_raw = adapter_of(MARKETS[0]).value_raw(state, held.position(MARKETS[0])) + held.idle_raw(USDC)
        # The curve does not round down to a base unit, as the adapter does: never below it, and less than a unit above, but for
        # the last steps of a float.
        exact, step = exact_raw / 1e6, 4 * math.ulp(exact_raw / 1e6)
        assert exact - step <= curve.held[row] <= exact + 1e-6 + step


def test_a_tape_of_readings_gives_the_same_curve_as_a_tape_of_limbs() -> None:
    made = tape([[0.03, 0.02], [0.05, 0.02], [0.04, 0.02]])
    read = tape_of(made.deployment, [reading_at(made, row) for row in range(len(made))])
    np.testing.assert_allclose(metrics.share_values(read, MARKETS[0]), metrics.share_values(made, MARKETS[0]), rtol=1e-15)


def test_gas_comes_off_at_the_prices_of_its_row() -> None:
    prices = np.array([[USD_E8, 2_000 * USD_E8], [USD_E8 // 2, 4_000 * USD_E8], [USD_E8, 1_000 * USD_E8]], dtype=np.int64)
    made = tape([[0.0001, 0.0]] * 3, price_usd_e8=prices, base_fee_wei=np.full(3, 10 * GWEI, dtype=np.int64))
    done = finished(made, latency_rows=1)
    curve = metrics.curve_of(done)
    receipt = done.steps[0].receipt
    assert receipt is not None
    usd = sum(transaction.gas_used for transaction in receipt.transactions) * 10 * GWEI / 1e18 * 4_000
    assert curve.fees_usd[0] == pytest.approx(usd) and curve.gas_usd.tolist() == pytest.approx([0, usd, usd])
    assert curve.gas.tolist() == pytest.approx([0, usd * 2, usd * 2])
    assert curve.net_usd[2] == pytest.approx(curve.held[2] - usd)


def test_figures_of_a_held_market_are_its_index() -> None:
    made = tape([[0.10, 0.0]] * 100)
    curve = metrics.curve_of(finished(made))
    figures = metrics.figures_of(finished(made), curve)
    growth = index_columns(made).index_ray(99, 0) / 1e27
    assert figures.final == pytest.approx(1e6 * growth - figures.gas)
    assert (figures.moves, figures.failed, figures.refused) == (1, 0, 0)
    assert dict(figures.shares) == pytest.approx({MARKETS[0].id: 1.0, "idle": 0.0})
    assert figures.turnover == pytest.approx(1.0, rel=1e-3)


def test_idle_is_constant_to_the_last_digit() -> None:
    done = run(tape([[0.10, 0.0]] * 30), terms(Idle(USDC, HOUR)))
    curve = metrics.curve_of(done)
    figures = metrics.figures_of(done, curve)
    assert (curve.net == 1e6).all() and figures.apy == 0 and figures.gas_usd == 0 and figures.shares == (("idle", 1.0),)


def test_shares_of_time_sum_to_one_whatever_is_held() -> None:
    done = run(tape([[0.10, 0.05]] * 9), terms(EqualWeight(USDC, HOUR), latency_rows=2))
    shares = metrics.time_shares(done.tape, metrics.curve_of(done))
    assert sum(part for _, part in shares) == pytest.approx(1.0)
    assert dict(shares)["idle"] == pytest.approx(2 / 8)


def test_an_unpriced_row_takes_the_price_before_it() -> None:
    prices = np.array([[0, 1], [USD_E8, 1], [0, 1]], dtype=np.int64)
    made = tape([[0.1, 0.1]] * 3, price_usd_e8=prices)
    assert metrics.prices_usd(made, USDC).tolist() == [1.0, 1.0, 1.0]


def test_refuses_to_price_what_never_had_a_price() -> None:
    made = tape([[0.1, 0.1]] * 2, price_usd_e8=np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(BadTape, match="never priced"):
        metrics.prices_usd(made, USDC)


def test_a_moves_hope_is_the_forecast_gained() -> None:
    done = finished(tape([[0.10, 0.04]] * 3))
    assert metrics.expected_gain_apr(done.steps[0], HOUR) == pytest.approx(0.10)
    kept = run(tape([[0.10, 0.04]] * 3), terms(Hold(USDC, HOUR, MARKETS[0].id)))
    assert metrics.expected_gain_apr(kept.steps[-1], HOUR) == 0.0


def test_a_hope_that_was_never_said_is_no_number() -> None:
    done = finished(tape([[0.10, 0.04]] * 3))
    seen = replace(done.steps[0].seen, _tape=tape([[float("nan"), 0.04]] * 3))
    assert math.isnan(metrics.expected_gain_apr(replace(done.steps[0], seen=seen), HOUR))

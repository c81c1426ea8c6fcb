"""Sharpe ratios, their errors, and what a selection takes off them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.evidence.errors import Undefined
from backtest.evidence.sharpe import (
    Track,
    cumulative,
    deflated_sharpe,
    expected_maximum,
    expected_maximum_exact,
    lag_of,
    long_run_variance,
    luck_hurdle,
    minimum_backtest_bound_years,
    minimum_backtest_years,
    minimum_track,
    moments,
    normal_error,
    probabilistic_sharpe,
    quantile,
    robust_error,
    spread,
    track_of,
    windowed_variance,
)
from strategies.tape import Floats


def noise(seed: int, count: int) -> Floats:
    return np.random.default_rng(seed).standard_normal(count)


def carried(seed: int, count: int, share: float) -> Floats:
    """Returns of which each keeps a share of the one before."""
    fresh, found = noise(seed, count), np.zeros(count)
    for at in range(1, count):
        found[at] = share * found[at - 1] + fresh[at]
    return found


def test_moments_are_those_of_their_definitions() -> None:
    returns = np.array([0.0, 0.0, 0.0, 4.0])
    sample = moments(returns)
    assert (sample.count, sample.mean, sample.deviation) == (4, 1.0, 2.0)
    assert sample.skew == pytest.approx(6.0 / 3.0**1.5)  # m2 = 3, m3 = 6
    assert sample.kurtosis == pytest.approx(21.0 / 9.0)  # m4 = 21


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=40), st.floats(1e-6, 1e6))
def test_a_sharpe_ratio_does_not_change_with_the_size_of_the_returns(values: list[float], scale: float) -> None:
    returns = np.array(values)
    if np.ptp(returns) < 1e-6:
        return
    one, other = moments(returns), moments(returns * scale)
    assert track_of(other).sharpe == pytest.approx(track_of(one).sharpe, rel=1e-9, abs=1e-12)
    assert (other.skew, other.kurtosis) == pytest.approx((one.skew, one.kurtosis), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (np.empty(0), "of 0 returns"),
        (np.array([0.1]), "of 1 returns"),
        (np.array([0.1, math.nan]), "return 1 is not a number"),
        (np.array([math.inf, 0.1]), "return 0 is not a number"),
        (np.full(9, 0.1), "all returns are the same"),
        (np.zeros(9), "all returns are the same"),
    ],
)
def test_what_has_no_sharpe_ratio_says_why(returns: Floats, why: str) -> None:
    with pytest.raises(Undefined, match=why):
        moments(returns)


def test_a_published_probabilistic_ratio_comes_out_to_its_digits() -> None:
    """Bailey and Lopez de Prado (2012): 0.458 a month over 24 months is worth 0.982 if normal, and 0.913 as it is."""
    assert probabilistic_sharpe(Track(sharpe=0.458, count=24), 0.0) == pytest.approx(0.981674919091, rel=1e-11)
    shaped = Track(sharpe=0.458, count=24, skew=-2.448, kurtosis=10.164)
    assert probabilistic_sharpe(shaped, 0.0) == pytest.approx(0.913361083861, rel=1e-11)


def test_a_published_deflated_ratio_comes_out_to_its_digits() -> None:
    """Bailey and Lopez de Prado (2014): 2.5 a year over 1,250 days, best of 100 with variance 1/2, is worth 0.9004."""
    track = Track(sharpe=2.5 / math.sqrt(250), count=1250, skew=-3.0, kurtosis=10.0)
    assert deflated_sharpe(track, sharpe_variance=0.5 / 250, trials=100) == pytest.approx(0.900396834449, rel=1e-11)
    assert deflated_sharpe(track, sharpe_variance=0.5 / 250, trials=1) == probabilistic_sharpe(track, 0.0)


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_more_trials_never_make_a_result_look_better(one: float, other: float) -> None:
    few, many = sorted((one, other))
    assert luck_hurdle(1.0, few) <= luck_hurdle(1.0, many)


@given(st.floats(0.02, 0.98), st.floats(0.001, 0.2))
def test_the_minimum_track_is_where_the_probabilistic_ratio_reaches_the_confidence(confidence: float, ratio: float) -> None:
    track = Track(sharpe=ratio, count=0, skew=-1.0, kurtosis=6.0)
    needed = minimum_track(track, benchmark=0.0, confidence=confidence)
    reached = cumulative(ratio * math.sqrt(needed - 1.0) / math.sqrt(spread(track)))
    assert reached == pytest.approx(max(confidence, 1.0 - confidence), abs=1e-12)


def test_no_track_is_long_enough_for_a_ratio_below_its_benchmark() -> None:
    assert minimum_track(Track(sharpe=0.1, count=0), benchmark=0.1, confidence=0.95) == math.inf
    assert math.isfinite(minimum_track(Track(sharpe=0.1001, count=0), benchmark=0.1, confidence=0.95))


@pytest.mark.parametrize(("trials", "approximate", "exact"), [(2, 0.5197553443, 0.5641895835), (1000, 3.255121514, 3.241435769)])
def test_the_expected_maximum_is_as_published(trials: int, approximate: float, exact: float) -> None:
    assert expected_maximum(trials) == pytest.approx(approximate, rel=1e-9)
    assert expected_maximum_exact(trials) == pytest.approx(exact, rel=1e-9)


def test_the_exact_expected_maximum_is_that_of_known_small_counts_and_of_simulation() -> None:
    assert expected_maximum_exact(1.0) == pytest.approx(0.0, abs=1e-14)
    assert expected_maximum_exact(2) == pytest.approx(1.0 / math.sqrt(math.pi), rel=1e-13)
    assert expected_maximum_exact(3) == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-13)
    drawn = np.random.default_rng(3).standard_normal((20_000, 40)).max(axis=1)
    assert abs(expected_maximum_exact(40) - drawn.mean()) < 3.0 * drawn.std() / math.sqrt(len(drawn))


def test_one_trial_is_no_selection_and_fewer_are_refused() -> None:
    assert expected_maximum(1.0) == 0.0
    assert expected_maximum(1.2) >= 0.0
    for trials in (0.0, 0.99, math.nan, math.inf):
        with pytest.raises(Undefined, match="an expected maximum"):
            expected_maximum(trials)
        with pytest.raises(Undefined, match="an expected maximum"):
            expected_maximum_exact(trials)


def test_a_minimum_backtest_is_as_published_and_below_its_bound() -> None:
    """Bailey, Borwein, Lopez de Prado and Zhu (2014): five years allow for no more than 45 independent trials."""
    assert minimum_backtest_years(45, 1.0) == pytest.approx(4.998087, rel=1e-7)
    for trials in (2, 7, 45, 10_000):
        assert minimum_backtest_years(trials, 1.5) <= minimum_backtest_bound_years(trials, 1.5)
    with pytest.raises(Undefined, match="no result"):
        minimum_backtest_years(45, 0.0)


def test_moments_that_no_sample_has_are_refused() -> None:
    assert spread(Track(sharpe=1.0, count=10, skew=1.0, kurtosis=2.0)) == pytest.approx(0.25)
    with pytest.raises(Undefined, match="no sample has"):
        spread(Track(sharpe=1.0, count=10, skew=3.0, kurtosis=3.0))
    with pytest.raises(Undefined, match="two at least"):
        probabilistic_sharpe(Track(sharpe=1.0, count=1), 0.0)
    with pytest.raises(Undefined, match="of 0 periods"):
        normal_error(0.1, 0)
    with pytest.raises(Undefined, match="no variance"):
        luck_hurdle(-1.0, 3)


def test_a_normal_quantile_is_the_inverse_of_its_distribution() -> None:
    for z in (-8.0, -2.5, 0.0, 1.7):
        assert quantile(cumulative(z)) == pytest.approx(z, rel=1e-13, abs=1e-13)
    with pytest.raises(Undefined, match="not between 0 and 1"):
        quantile(1.0)


def test_the_robust_error_of_independent_returns_is_the_plain_one() -> None:
    for seed in range(5):
        returns = noise(seed, 2_000) + 0.05
        plain = normal_error(track_of(moments(returns)).sharpe, 2_000)
        assert plain * 0.9 < robust_error(returns) < plain * 1.2


def test_the_robust_error_of_returns_that_last_is_as_wide_as_their_means_stray() -> None:
    """Of an AR(1) that keeps r, the mean strays sqrt((1 + r) / (1 - r)) times as far."""
    for share in (0.5, 0.9):
        found = np.median([robust_error(carried(seed, 1_000, share)) for seed in range(30)])
        assert found == pytest.approx(math.sqrt((1 + share) / (1 - share) / 1_000), rel=0.12)


def test_returns_that_repair_themselves_get_no_credit() -> None:
    returns = carried(1, 1_000, -0.7) + 0.1
    track = track_of(moments(returns))
    assert robust_error(returns) == pytest.approx(math.sqrt(spread(track) / 999), rel=1e-12)


def test_a_window_of_no_lags_is_the_plain_variance_and_a_longer_one_sees_what_lasts() -> None:
    series = carried(2, 500, 0.8)
    assert windowed_variance(series, 0) == pytest.approx(series.var())
    assert windowed_variance(series, 20) > 3.0 * series.var()
    assert long_run_variance(series) > windowed_variance(series, lag_of(noise(1, 500)))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60))
def test_a_long_run_variance_is_never_negative(values: list[float]) -> None:
    series = np.array(values)
    assert long_run_variance(series) >= 0.0
    assert 0 <= lag_of(series) <= len(series) // 3


def test_what_lasts_longer_needs_a_longer_window() -> None:
    assert lag_of(noise(1, 365)) < lag_of(carried(1, 365, 0.9)) <= 365 // 3

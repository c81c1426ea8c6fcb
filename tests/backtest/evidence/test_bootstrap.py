"""Resampling in blocks: what is drawn, how long the blocks are, and how often the interval holds the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.evidence.bootstrap import circular_length, circular_rows, interval, stationary_length, stationary_rows
from backtest.evidence.errors import Undefined
from strategies.tape import Floats
from tests.backtest.evidence.test_sharpe import carried, noise


@given(st.integers(0, 999), st.integers(1, 60), st.floats(1.0, 30.0))
def test_every_row_that_is_drawn_exists_and_follows_the_one_before_or_begins_a_block(
    seed: int, count: int, length: float
) -> None:
    rows = stationary_rows(count, length, draws=5, random=np.random.default_rng(seed))
    assert rows.shape == (5, count)
    assert rows.min() >= 0
    assert rows.max() < count


def test_blocks_are_as_long_on_average_as_they_are_asked_to_be() -> None:
    rows = stationary_rows(1_000, 8.0, draws=200, random=np.random.default_rng(1))
    follows = (rows[:, 1:] - rows[:, :-1]) % 1_000 == 1
    assert 1.0 / (1.0 - follows.mean()) == pytest.approx(8.0, rel=0.03)


def test_circular_blocks_have_one_length_and_wrap() -> None:
    rows = circular_rows(10, 4, draws=50, random=np.random.default_rng(1))
    assert rows.shape == (50, 10)
    assert ((rows[:, 1:4] - rows[:, 0:3]) % 10 == 1).all()
    assert (rows == 0).any()
    assert rows.max() == 9


def test_blocks_of_one_are_independent_draws() -> None:
    rows = stationary_rows(500, 1.0, draws=100, random=np.random.default_rng(2))
    follows = (rows[:, 1:] - rows[:, :-1]) % 500 == 1
    assert follows.mean() < 0.01


def test_what_lasts_needs_longer_blocks_and_noise_short_ones() -> None:
    lasting = [stationary_length(carried(seed, 1_000, 0.9)) for seed in range(10)]
    fresh = [stationary_length(noise(seed, 1_000)) for seed in range(10)]
    assert np.median(fresh) < 5.0 < np.median(lasting)
    assert max(lasting) <= 3.0 * math.sqrt(1_000)
    assert circular_length(carried(1, 1_000, 0.9)) > stationary_length(carried(1, 1_000, 0.9))


def test_a_block_length_is_the_optimum_where_it_is_known() -> None:
    """Of an AR(1) that keeps r, G = 2 r / (1 - r)^2 / (1 + r) and g(0) = 1 / (1 - r)^2 in units of the shocks' variance."""
    share, count = 0.5, 5_000
    optimum = ((2 * share / (1 - share**2)) ** 2 * count) ** (1 / 3)
    found = np.median([stationary_length(carried(seed, count, share)) for seed in range(15)])
    assert found == pytest.approx(optimum, rel=0.35)


def test_the_interval_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    series = noise(1, 200)
    assert interval(series, seed=5) == interval(series, seed=5)
    assert interval(series, seed=5) != interval(series, seed=6)
    assert interval(series, seed=5).low < series.mean() < interval(series, seed=5).high


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(share: float) -> None:
    found = [interval(carried(seed, 300, share), seed=seed) for seed in range(60)]
    assert sum(one.low <= 0.0 <= one.high for one in found) >= 50


def test_any_statistic_of_a_resampled_series_will_do() -> None:
    series = noise(4, 400)
    found = interval(series, seed=1, statistic=lambda draws: draws.std(axis=1))
    assert found.low < 1.0 < found.high


def test_a_constant_series_has_an_interval_of_no_width() -> None:
    found = interval(np.full(30, 0.25), seed=1)
    assert (found.low, found.high, found.block) == (0.25, 0.25, 1.0)


@pytest.mark.parametrize(("series", "why"), [(np.zeros(9), "of 9 periods"), (np.append(np.zeros(20), math.nan), "period 20")])
def test_what_cannot_be_resampled_says_why(series: Floats, why: str) -> None:
    with pytest.raises(Undefined, match=why):
        interval(series, seed=1)

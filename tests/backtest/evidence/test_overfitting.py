"""The probability of backtest overfitting: its definition, its published draws, and what noise and skill look like to it."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.evidence import overfitting as module
from backtest.evidence.errors import Undefined
from backtest.evidence.overfitting import overfitting
from backtest.evidence.published.drawn import best_deflated, matrix
from strategies.tape import Floats


def by_hand(returns: Floats, blocks: int) -> list[float]:
    """The logits straight from the paper's steps, slowly."""
    parts = np.array_split(returns, blocks)
    logits = []
    for taken in combinations(range(blocks), blocks // 2):
        inside = np.vstack([parts[at] for at in taken])
        outside = np.vstack([parts[at] for at in range(blocks) if at not in taken])
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0)))
        ratios = outside.mean(axis=0) / outside.std(axis=0)
        share = (int(np.sum(ratios < ratios[best])) + 1) / (returns.shape[1] + 1)
        logits.append(math.log(share / (1 - share)))
    return logits


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 70), st.integers(2, 9), st.sampled_from([2, 4, 6]))
def test_it_is_what_the_papers_steps_give(seed: int, periods: int, trials: int, blocks: int) -> None:
    returns = matrix(seed, periods, trials) + 0.1
    logits = by_hand(returns, blocks)
    found = overfitting(returns, blocks)
    assert found.combinations == len(logits)
    assert found.probability == pytest.approx(np.mean(np.array(logits) <= 0.0), abs=1e-12)
    assert found.median_logit == pytest.approx(np.median(logits), abs=1e-12)


def test_batches_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    returns = matrix(3, 120, 7)
    whole = overfitting(returns, 8)
    monkeypatch.setattr(module, "BATCH_CELLS", 50)
    assert overfitting(returns, 8) == whole


@pytest.mark.parametrize(
    ("seed", "extra", "blocks", "probability", "median"),
    [
        (1, 0.0, 8, 20 / 70, 0.438254930931155),
        (2, 0.0, 16, 0.5173271173271173, -0.0392207131532813),
        (4, 0.15, 8, 0.0, math.log(50)),
    ],
)
def test_seeded_draws_come_out_exactly(seed: int, extra: float, blocks: int, probability: float, median: float) -> None:
    returns = matrix(seed, 960, 50)
    returns[:, 7] += extra
    found = overfitting(returns, blocks)
    assert found.probability == pytest.approx(probability, abs=1e-12)
    assert found.median_logit == pytest.approx(median, rel=1e-9)


def test_two_hundred_matrices_of_noise_lie_in_the_middle_and_are_never_deflated_to_certainty() -> None:
    draws = [matrix(seed, 480, 30) for seed in range(200)]
    assert 0.48 <= np.mean([overfitting(one, 8).probability for one in draws]) <= 0.56
    assert np.mean([best_deflated(one) > 0.95 for one in draws]) <= 0.05


def test_skill_that_lasts_is_chosen_and_pays_out_of_sample() -> None:
    skilled = matrix(11, 960, 20)
    skilled[:, 3] += 0.3
    found = overfitting(skilled, 8)
    assert (found.probability, found.loss_share) == (0.0, 0.0)
    turned = matrix(11, 960, 20)
    turned[:480, 3] += 0.5
    turned[480:, 3] -= 0.5  # what was good turns bad
    assert overfitting(turned, 2).probability == 1.0
    assert overfitting(turned, 2).loss_share > 0.0


def test_the_size_of_the_returns_changes_no_rank() -> None:
    returns = matrix(5, 240, 10)
    small, large = overfitting(returns * 1e-9, 8), overfitting(returns, 8)
    assert (small.probability, small.median_logit) == (large.probability, large.median_logit)
    assert small.slope == pytest.approx(large.slope, rel=1e-9)


def test_identical_trials_are_all_in_the_middle_and_count_as_overfit() -> None:
    one = matrix(6, 160, 1)
    found = overfitting(np.repeat(one, 5, axis=1), 8)
    assert (found.probability, found.even, found.median_logit) == (1.0, 70, 0.0)


def test_a_trial_that_never_varies_is_no_best_and_raises_no_warning() -> None:
    returns = np.column_stack((matrix(7, 160, 1) + 0.5, np.full(160, 0.3)))  # 0.3 over nothing is no ratio, however good
    found = overfitting(returns, 8)
    assert (found.probability, found.loss_share) == (0.0, 0.0)
    assert overfitting(np.full((160, 4), 0.001), 8).probability == 1.0


@pytest.mark.parametrize(
    ("returns", "blocks", "why"),
    [
        (np.zeros((100, 1)), 8, "two trials"),
        (np.zeros(100), 8, "two trials"),
        (np.zeros((100, 3)), 7, "even number"),
        (np.zeros((100, 3)), 0, "even number"),
        (np.zeros((1_000, 3)), 22, "even number from 2 to 20"),
        (np.zeros((15, 3)), 8, "15 periods"),
        (np.where(np.arange(300).reshape(100, 3) == 7, math.nan, 0.0), 8, "trial 1 has no number in period 2"),
    ],
)
def test_what_cannot_be_cross_validated_says_why(returns: Floats, blocks: int, why: str) -> None:
    with pytest.raises(Undefined, match=why):
        overfitting(returns, blocks)

"""What is concluded from daily returns: luck counts trials, the unknown is never zero, and a sentence claims no more."""

import json
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.evidence.sharpe import moments, robust_error, track_of
from backtest.evidence.statement import (
    LEAST_DAYS,
    Evidence,
    evidence_of,
    for_people,
    for_programs,
    selection_of,
)
from backtest.evidence.trials import NO_TRIALS, Trials, sharpes, trials_of
from strategies.tape import Floats


def excess(seed: int, *, days: int = 365, trials: int = 1, drift: float = 0.0) -> Floats:
    """Daily returns in excess of equal weight, about a basis point each."""
    return (np.random.default_rng(seed).standard_normal((days, trials)) + drift) * 1e-4


def alone(returns: Floats) -> Evidence:
    return evidence_of(returns, trials=NO_TRIALS, seed=1)


def test_a_single_result_is_one_trial_and_its_deflated_ratio_is_the_probabilistic_one() -> None:
    returns = excess(1, drift=0.15)[:, 0]
    found = alone(returns)
    assert (found.trials, found.effective_trials, found.overfitting) == (1, 1.0, None)
    assert found.deflated_sharpe == found.probabilistic_sharpe
    assert found.luck == pytest.approx(1.0 - found.probabilistic_sharpe, rel=1e-9)
    assert found.sharpe == track_of(moments(returns)).sharpe
    assert found.sharpe_error == robust_error(returns)
    assert found.sentence.startswith("As the only trial on this tape")


def test_the_best_of_many_without_skill_is_called_luck() -> None:
    daily = excess(2, trials=500)
    best = daily[:, int(np.nanargmax(sharpes(daily)))]
    found = evidence_of(best, trials=trials_of(daily), seed=1)
    assert found.trials == 500
    assert alone(best).probabilistic_sharpe > 0.99  # were it the only one, it would look like skill
    assert found.deflated_sharpe < 0.95
    assert found.luck > 0.05
    assert "With 500 trials" in found.sentence
    assert "no evidence of skill" in found.sentence


def test_skill_that_many_trials_do_not_explain_is_called_skill() -> None:
    daily = excess(3, days=1_000, trials=20)
    daily[:, 4] += 0.3e-4
    found = evidence_of(daily[:, 4], trials=trials_of(daily), seed=1)
    assert found.deflated_sharpe > 0.95
    assert found.luck < 0.005
    assert found.overfitting is not None
    assert found.overfitting < 0.1
    assert found.excess_low > 0.0
    assert "fewer than 1 in 200" in found.sentence
    assert found.sentence.endswith("That speaks for skill on this tape, and says nothing of another.")


def test_a_result_that_lost_to_equal_weight_has_nothing_to_explain() -> None:
    found = alone(excess(4, drift=-0.3)[:, 0])
    assert "no more than equal weight" in found.sentence
    assert found.min_track_days == math.inf
    assert found.luck > 0.99


def test_a_short_track_says_how_long_it_would_have_to_be() -> None:
    returns = excess(5, days=90)[:, 0]
    returns += 0.08e-4 - returns.mean()
    found = alone(returns)
    assert f"it would need {math.ceil(found.min_track_days)} days" in found.sentence


def test_a_result_that_is_not_on_record_is_one_more_trial() -> None:
    daily = excess(6, trials=4)
    assert evidence_of(daily[:, 2], trials=trials_of(daily), seed=1).trials == 4
    assert evidence_of(excess(7)[:, 0], trials=trials_of(daily), seed=1).trials == 5
    shorter = evidence_of(excess(7, days=200)[:, 0], trials=trials_of(daily), seed=1)
    assert shorter.trials == 5


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (np.empty(0), "0 daily returns are too few; 60 are needed at least"),
        (excess(1, days=LEAST_DAYS - 1)[:, 0], "59 daily returns are too few"),
        (np.full(365, 1e-5), "never vary"),
        (np.zeros(365), "never vary"),
        (np.append(np.zeros(364), math.nan), "the return of day 364 is missing"),
        (np.append(np.zeros(364), -1.0), "loses everything"),
    ],
)
@pytest.mark.parametrize("trials", [NO_TRIALS, trials_of(excess(1, trials=3))])
def test_what_cannot_be_known_is_unknown_and_says_why(returns: Floats, why: str, trials: Trials) -> None:
    found = evidence_of(returns, trials=trials, seed=1)
    assert why in found.sentence
    assert found.trials >= 1
    unknown = ("sharpe", "sharpe_error", "probabilistic_sharpe", "deflated_sharpe", "luck", "min_track_days", "excess_low")
    assert all(math.isnan(getattr(found, name)) for name in unknown)
    assert all(for_people(getattr(found, name)) == "unknown" for name in unknown)
    assert found.overfitting is None


def test_as_many_days_as_are_needed_are_enough() -> None:
    assert math.isfinite(alone(excess(1, days=LEAST_DAYS)[:, 0]).sharpe)


def test_programs_get_json_with_nothing_in_place_of_the_unknown() -> None:
    told = json.loads(json.dumps(for_programs(alone(np.zeros(365))), allow_nan=False))
    assert told["sharpe"] is None
    assert told["trials"] == 1
    assert set(told) == {field.name for field in fields(Evidence)}
    assert for_people(math.inf) == "never"
    assert for_people(None) == "unknown"
    assert for_people(0.123, 1) == "0.1"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 200), st.integers(0, 6), st.floats(-0.5, 0.5), st.booleans())
def test_every_conclusion_is_a_sentence_and_every_chance_a_chance(
    seed: int, days: int, trials: int, drift: float, whole: bool
) -> None:
    daily = excess(seed, days=days, trials=max(trials, 1), drift=drift)
    returns = daily[:, 0].copy()
    if not whole and days:
        returns[seed % days] = math.nan
    found = evidence_of(returns, trials=trials_of(daily) if trials else NO_TRIALS, seed=seed)
    assert found.sentence.endswith(".")
    assert "nan" not in found.sentence
    chances = (found.probabilistic_sharpe, found.deflated_sharpe, found.luck)
    assert all(math.isnan(one) or 0.0 <= one <= 1.0 for one in chances)
    assert math.isnan(found.excess_low) or found.excess_low <= found.excess_high
    assert 1.0 <= found.effective_trials <= found.trials


def test_the_same_seed_gives_the_same_evidence() -> None:
    returns = excess(8)[:, 0]
    assert evidence_of(returns, trials=NO_TRIALS, seed=3) == evidence_of(returns, trials=NO_TRIALS, seed=3)


@pytest.mark.parametrize("share", [0.0, 0.8])
def test_noise_that_lasts_is_rarely_taken_for_skill(share: float) -> None:
    """A strategy that stays in one market has the same excess day after day; that is what a plain error would be fooled by."""
    sure, skilled = 0, 0
    for seed in range(60):
        fresh = excess(seed, trials=12)
        for day in range(1, len(fresh)):
            fresh[day] += share * fresh[day - 1]
        found = evidence_of(fresh[:, int(np.nanargmax(sharpes(fresh)))], trials=trials_of(fresh[:, :]), seed=seed)
        sure += found.deflated_sharpe > 0.95
        skilled += found.sentence.endswith("nothing of another.")
    assert sure <= 3
    assert skilled <= 4


def test_a_selection_names_its_best_and_what_the_choice_is_worth() -> None:
    daily = excess(9, days=500, trials=30)
    daily[:, 7] += 0.4e-4
    found = selection_of(daily)
    assert (found.best, found.trials) == (7, 30)
    assert found.deflated_sharpe > 0.95
    assert found.overfitting is not None
    noise = selection_of(excess(10, days=500, trials=30))
    assert noise.deflated_sharpe < 0.95


@pytest.mark.parametrize("daily", [np.zeros((500, 3)), np.full((500, 3), math.nan), np.zeros((0, 3)), np.zeros((1, 3))])
def test_a_selection_among_what_never_varies_has_no_best(daily: Floats) -> None:
    found = selection_of(daily)
    assert found.best is None
    assert math.isnan(found.deflated_sharpe)
    assert found.overfitting is None

"""The count of trials: what counts once, what counts again, and what they are worth."""

import math
import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.evidence.errors import BadTrials
from backtest.evidence.trials import (
    NO_TRIALS,
    Trial,
    counts,
    effective_trials,
    parameters_digest,
    record,
    sharpe_variance,
    sharpes,
    trials_of,
    trials_on,
)
from strategies.tape import Floats

TAPE = "t" * 64
OTHER = "o" * 64


def days(seed: int, count: int = 40) -> Floats:
    return np.random.default_rng(seed).standard_normal(count) * 1e-4


def trial(number: int, tape: str = TAPE, count: int = 40) -> Trial:
    return Trial(parameters_digest({"threshold_bps": number}), tape, days(number, count))


def record_some(store: str, first: int) -> None:
    for number in range(first, first + 20):
        record(Path(store), [trial(number)])


def test_a_set_counts_once_on_a_tape_and_again_on_another(tmp_path: Path) -> None:
    store = tmp_path / "runs" / "trials.sqlite"
    record(store, [trial(1), trial(2)])
    record(store, [trial(2), trial(3), trial(3)])
    record(store, [trial(3, OTHER)])
    assert trials_on(store, TAPE).count == 3
    assert counts(store) == {TAPE: 3, OTHER: 1}


def test_what_is_counted_comes_back_as_it_went_in(tmp_path: Path) -> None:
    store = tmp_path / "trials.sqlite"
    record(store, [trial(1), trial(2)])
    found = trials_on(store, TAPE)
    assert set(found.names) == {trial(1).parameters, trial(2).parameters}
    for at, name in enumerate(found.names):
        kept = next(one for one in (trial(1), trial(2)) if one.parameters == name)
        assert (found.daily[:, at] == kept.excess).all()


def test_a_set_that_is_run_again_keeps_its_newest_returns(tmp_path: Path) -> None:
    store = tmp_path / "trials.sqlite"
    record(store, [trial(1)])
    record(store, [Trial(trial(1).parameters, TAPE, days(99))])
    assert (trials_on(store, TAPE).daily[:, 0] == days(99)).all()


def test_nothing_is_on_record_before_the_first_trial(tmp_path: Path) -> None:
    assert trials_on(tmp_path / "trials.sqlite", TAPE) is NO_TRIALS
    assert counts(tmp_path / "trials.sqlite") == {}
    assert not (tmp_path / "trials.sqlite").exists()
    record(tmp_path / "trials.sqlite", [trial(1)])
    assert trials_on(tmp_path / "trials.sqlite", OTHER) is NO_TRIALS


def test_several_processes_count_at_once_and_lose_nothing(tmp_path: Path) -> None:
    store = tmp_path / "trials.sqlite"
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(record_some, [str(store)] * 3, [0, 10, 20]))
    assert trials_on(store, TAPE).count == 40


def test_trials_over_other_days_are_refused_and_nothing_of_their_batch_stays(tmp_path: Path) -> None:
    store = tmp_path / "trials.sqlite"
    record(store, [trial(1)])
    with pytest.raises(BadTrials, match=r"has 39 days; others on tape t+ have 40"):
        record(store, [trial(2), trial(3, count=39)])
    assert trials_on(store, TAPE).count == 1


@pytest.mark.parametrize("excess", [np.array([0.1, math.nan]), np.array([math.inf]), np.zeros((2, 2))])
def test_returns_that_are_no_series_of_numbers_are_refused(tmp_path: Path, excess: Floats) -> None:
    with pytest.raises(BadTrials, match="is not a series of numbers"):
        record(tmp_path / "trials.sqlite", [Trial("a", TAPE, excess)])


def test_a_file_that_is_no_count_is_refused(tmp_path: Path) -> None:
    torn, newer = tmp_path / "torn.sqlite", tmp_path / "newer.sqlite"
    torn.write_text("not a database at all, only text that is longer than a header" * 20)
    with pytest.raises(BadTrials, match=r"torn\.sqlite cannot be used"):
        trials_on(torn, TAPE)
    with sqlite3.connect(newer) as other:
        other.execute("PRAGMA user_version = 9")
    other.close()
    with pytest.raises(BadTrials, match="another version"):
        record(newer, [trial(1)])


def test_a_set_is_named_by_what_it_says_and_not_by_the_order() -> None:
    assert parameters_digest({"a": 1, "b": [2, 3]}) == parameters_digest({"b": [2, 3], "a": 1})
    assert parameters_digest({"a": 1}) != parameters_digest({"a": 2})
    for unsayable in (math.nan, object()):
        with pytest.raises(BadTrials, match="cannot be written down"):
            parameters_digest({"a": unsayable})


def test_independent_trials_are_worth_their_number_and_copies_are_worth_one() -> None:
    independent = np.random.default_rng(1).standard_normal((5_000, 30))
    assert effective_trials(independent) == pytest.approx(30, rel=0.02)
    assert effective_trials(np.repeat(independent[:, :1], 30, axis=1)) == pytest.approx(1.0, abs=1e-9)
    assert effective_trials(independent[:, :1]) == 1.0


def test_trials_that_share_half_are_worth_about_half() -> None:
    random = np.random.default_rng(2)
    shared = random.standard_normal((20_000, 1)) + random.standard_normal((20_000, 21))
    assert effective_trials(shared) == pytest.approx(0.5 + 0.5 * 21, rel=0.05)


@given(st.integers(0, 999), st.integers(1, 12), st.floats(-0.9, 5.0))
def test_trials_are_worth_one_at_least_and_their_number_at_most(seed: int, count: int, shared: float) -> None:
    random = np.random.default_rng(seed)
    daily = random.standard_normal((30, count)) + shared * random.standard_normal((30, 1))
    assert 1.0 <= effective_trials(daily) <= count


def test_a_trial_that_never_varies_has_no_ratio_and_is_not_counted_among_the_choices() -> None:
    daily = np.column_stack((days(1), np.full(40, 1e-4), days(2)))
    assert np.isnan(sharpes(daily)).tolist() == [False, True, False]
    assert effective_trials(daily) <= 2.0
    assert sharpe_variance(daily) == pytest.approx(np.var([sharpes(daily)[0], sharpes(daily)[2]], ddof=1))
    assert sharpe_variance(daily[:, :1]) == 0.0
    assert np.isnan(sharpes(daily[:1])).all()


def test_a_sweeps_matrix_is_taken_as_it_is_and_a_hole_in_it_is_refused() -> None:
    assert trials_of(np.zeros((5, 3))).count == 3
    with pytest.raises(BadTrials, match="trial 2 has no return on day 4"):
        trials_of(np.where(np.arange(15).reshape(5, 3) == 14, math.nan, 0.0))
    with pytest.raises(BadTrials, match="a matrix"):
        trials_of(np.zeros(5))

"""Walk-forward: no day of a test is seen while its set is chosen, and the pieces are one run that the engine made."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backtest.scenario import Synthetic
from backtest.study import Study, study
from backtest.study import Terms as StudyTerms
from backtest.sweep.forward import Terms, Walked, content_of, table_of, walk, yearly
from backtest.sweep.ground import Ground, daily_returns, last_rows_of_days
from backtest.sweep.outcome import Job, Outcome, modelled, outcome_of
from backtest.sweep.space import Listed, ParameterSet, grid, space_of
from backtest.sweep.walking import (
    SCORES,
    Window,
    begin_row,
    by_deflated_sharpe,
    by_growth,
    chosen,
    schedule,
    score_named,
    stitched,
    windows,
)
from strategies.decide import DecideSettings
from strategies.domain import Asset
from strategies.errors import SettingsError
from strategies.tape import Floats, Tape
from tests.backtest.recorded import USDC
from tests.backtest.sweep.grounds import DAY, HOUR, settings_of, tape_of, wandering

SETS = grid(
    space_of(
        (Listed("threshold_bps", (0, 50)), Listed("lookback_seconds", (6 * HOUR, 2 * DAY)), Listed("count", (1, 2))),
        settings_of(),
    )
)


def decide_for(asset: Asset) -> DecideSettings:
    return settings_of().decide


def study_of(tape: Tape) -> Study:
    return study(tape, USDC, StudyTerms(cash=Decimal(1_000_000), latency_rows=1, decide_for=decide_for), Synthetic(1))


def swept(tape: Tape, whole: Study, sets: tuple[ParameterSet, ...] = SETS) -> tuple[Job, list[Outcome]]:
    equal_weight = daily_returns(whole.equal_weight.curve.net[last_rows_of_days(tape.timestamp)])
    job = Job("", tape.digest, modelled(whole.main.run.settings), equal_weight)
    ground = Ground(tape)
    return job, [outcome_of(ground, job, at, one) for at, one in enumerate(sets)]


def walked(tape: Tape, *, by: str = "growth", anchored: bool = False) -> Walked:
    whole = study_of(tape)
    job, outcomes = swept(tape, whole)
    return walk(whole, job, outcomes, Terms(train_days=15, test_days=10, anchored=anchored, score=score_named(by)))


@given(st.integers(3, 400), st.integers(2, 399), st.integers(1, 100), st.booleans())
def test_test_days_follow_each_other_without_gap_to_the_end_and_none_is_trained_on(
    days: int, train: int, test: int, anchored: bool
) -> None:
    train = min(train, days - 1)
    found = windows(days, train_days=train, test_days=test, anchored=anchored)
    assert found[0].begin == train
    assert found[-1].stop == days
    assert all(one.stop == other.begin for one, other in pairwise(found))
    for window in found:
        assert window.first == (0 if anchored else window.begin - train)
        assert 0 <= window.first < window.begin < window.stop <= window.begin + test


@pytest.mark.parametrize(
    ("train", "test", "why"), [(1, 5, "at least 2"), (5, 0, "at least 2 and 1"), (20, 5, "nothing to test on")]
)
def test_windows_that_do_not_fit_are_refused(train: int, test: int, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        windows(20, train_days=train, test_days=test, anchored=False)


EXCESS = arrays(
    np.float64, st.tuples(st.integers(4, 40), st.integers(1, 6)), elements=st.floats(-0.01, 0.01, allow_subnormal=False)
)


@given(EXCESS, st.sampled_from(sorted(SCORES)), st.data())
@settings(deadline=None)
def test_what_happens_from_the_test_on_changes_no_choice(excess: Floats, by: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(2, len(excess) - 1))
    window = Window(data.draw(st.integers(0, begin - 2)), begin, len(excess))
    other = excess.copy()
    other[begin:] = data.draw(arrays(np.float64, other[begin:].shape, elements=st.floats(-0.5, 0.5)))
    other[: window.first] = np.nan
    assert chosen(excess, window, SCORES[by]) == chosen(other, window, SCORES[by])


def test_another_future_of_the_tape_changes_neither_the_choice_nor_what_was_done_before() -> None:
    rates = wandering(rows=24 * 45, markets=3)
    other = rates.copy()
    first = walked(tape_of(rates))
    rows = last_rows_of_days(tape_of(rates).timestamp)
    second_begin = begin_row(rows, first.picks[1].window)
    other[second_begin:] = wandering(seed=9, rows=24 * 45, markets=3)[second_begin:] * 3
    changed = walked(tape_of(other))
    assert [pick.parameters for pick in first.picks[:2]] == [pick.parameters for pick in changed.picks[:2]]
    tested = first.picks[0].window.stop - first.picks[0].window.begin
    np.testing.assert_array_equal(first.forward[:tested], changed.forward[:tested])
    assert not np.array_equal(first.forward, changed.forward)


def test_one_set_alone_walks_as_it_would_from_the_first_window_on() -> None:
    tape = tape_of(wandering(rows=24 * 40, markets=3))
    asked = study_of(tape).main.run.settings
    picked = [(24 * 15, SETS[0]), (24 * 25, SETS[0])]
    twice = stitched(tape, asked, schedule(tape, asked, picked))
    once = stitched(tape, asked, schedule(tape, asked, picked[:1]))
    assert twice.segments == once.segments
    assert twice.segments[1].row == 24 * 15 + 1


def test_a_set_looks_at_its_own_times_only() -> None:
    tape = tape_of(wandering(rows=24 * 10, markets=3))
    asked = study_of(tape).main.run.settings
    sets: list[tuple[int, ParameterSet]] = [(0, (("cadence_seconds", 6 * HOUR),)), (120, (("cadence_seconds", 4 * HOUR),))]
    scheduled = schedule(tape, asked, sets)
    assert scheduled.cadence_seconds == 2 * HOUR
    finished = stitched(tape, asked, scheduled)
    looked = [step.seen.row for step in finished.steps if step.decision.reason != "this set does not look now"]
    assert all(row % 6 == 0 if row < 120 else row % 4 == 0 for row in looked)


def test_sets_that_differ_in_their_gate_are_refused() -> None:
    tape = tape_of(wandering(rows=48))
    with pytest.raises(SettingsError, match="has one gate"):
        schedule(tape, settings_of(), [(0, (("gate.min_wait_seconds", 5),))])


@pytest.mark.parametrize("by", sorted(SCORES))
@pytest.mark.parametrize("anchored", [False, True])
def test_a_walk_forward_stands_beside_hindsight_and_equal_weight_on_the_same_days(by: str, anchored: bool) -> None:
    tape = tape_of(wandering(rows=24 * 45, markets=3))
    found = walked(tape, by=by, anchored=anchored)
    assert len(found.days) == len(found.forward) == len(found.hindsight) == len(found.equal_weight) == 44 - 15
    assert found.evidence.trials >= len(SETS)
    table = table_of(found).splitlines()
    assert table[0] == "day_utc,walk_forward,best_with_hindsight,equal_weight"
    assert len(table) == 1 + len(found.days)
    job, _ = swept(tape, study_of(tape), SETS[:1])
    content = content_of(found, job, {"tape": tape.digest})
    assert content["growth_a_year"] == {
        "walk_forward": yearly(found.forward),
        "best_with_hindsight": yearly(found.hindsight),
        "equal_weight": yearly(found.equal_weight),
    }


def test_a_set_without_a_return_is_never_chosen_and_none_at_all_is_refused() -> None:
    excess = np.full((10, 3), 0.001)
    excess[3, 0], excess[:, 2] = np.nan, 0.002 + np.arange(10) / 1e5
    window = Window(0, 8, 10)
    assert chosen(excess, window, by_growth) == 2
    assert chosen(excess, window, by_deflated_sharpe) == 2
    assert chosen(excess[:, 1:2], window, by_deflated_sharpe) == 0  # it never varies: then growth decides
    with pytest.raises(SettingsError, match="no set has a return"):
        chosen(np.full((10, 2), np.nan), window, by_growth)


def test_an_unknown_score_is_refused() -> None:
    with pytest.raises(SettingsError, match="growth or deflated"):
        score_named("luck")


def test_the_stitched_run_is_judged_and_booked() -> None:
    tape = tape_of(wandering(rows=24 * 40, markets=3))
    asked = study_of(tape).main.run.settings
    finished = stitched(tape, asked, schedule(tape, asked, [(24, SETS[0])]))
    assert asked.policy is not None
    assert (
        finished.journal.head != stitched(tape, replace(asked, policy=None), schedule(tape, asked, [(24, SETS[0])])).journal.head
    )

"""Spaces: what is refused, and that samples are different, seeded and spread as they say."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.sweep.space import (
    Axis,
    Listed,
    Space,
    Spread,
    grid,
    latin_sets,
    only_strategy,
    random_sets,
    space_of,
    with_parameters,
)
from strategies.errors import SettingsError
from strategies.lending_rotation import LendingRotation
from tests.backtest.sweep.grounds import settings_of

SETTINGS = settings_of()


def space(*axes: Axis) -> Space:
    return space_of(axes, SETTINGS)


def test_a_grid_has_every_set_once_the_last_axis_fastest() -> None:
    sets = grid(space(Listed("threshold_bps", (10, 25)), Spread("count", 1, 3, 1)))
    assert [tuple(value for _, value in one) for one in sets] == [(10, 1), (10, 2), (10, 3), (25, 1), (25, 2), (25, 3)]


def test_a_grid_over_a_range_without_a_step_is_refused() -> None:
    with pytest.raises(SettingsError, match="a grid needs a step"):
        grid(space(Spread("threshold_bps", 0, 100, None)))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("treshold_bps", "threshold_bps"), ("lookback", "lookback_seconds"), ("gate.min_wait", "gate.min_wait_seconds")],
)
def test_a_wrong_name_is_answered_with_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"did you mean {meant}"):
        space(Listed(name, (1, 2)))


def test_a_name_that_resembles_nothing_lists_what_is_known() -> None:
    with pytest.raises(SettingsError, match="known: cadence_seconds, lookback_seconds") as refusal:
        space(Listed("zzz", (1, 2)))
    assert "did you mean" not in str(refusal.value)


@pytest.mark.parametrize(
    ("axis", "why"),
    [
        (Listed("asset", ("USDC",)), "settled by the run"),
        (Listed("count", ("two",)), "takes whole numbers"),
        (Listed("count", (1, 1)), "given twice"),
        (Listed("count", (0,)), "must be 1 or more"),
        (Listed("cadence_seconds", (0,)), "must be 1 or more"),
        (Listed("threshold_bps", (-1,)), "must be 0 or more"),
        (Listed("count", ()), "no value"),
        (Spread("count", 3, 1, 1), "a range rises"),
        (Spread("count", 1, 3, 0), "a range rises"),
        (Spread("gate.min_wait_seconds", -5, 3, 1), "must be 0 or more"),
    ],
)
def test_values_that_are_no_parameters_are_refused(axis: Axis, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        space(axis)


def test_nothing_that_varies_and_an_axis_twice_are_refused() -> None:
    with pytest.raises(SettingsError, match="nothing varies"):
        space()
    with pytest.raises(SettingsError, match="given twice"):
        space(Listed("count", (1,)), Spread("count", 1, 3, 1))


def test_a_set_takes_the_place_of_what_strategy_and_gate_said() -> None:
    changed = with_parameters(SETTINGS, (("threshold_bps", 77), ("gate.min_wait_seconds", 3_600)))
    strategy = only_strategy(changed)
    assert isinstance(strategy, LendingRotation)
    assert (strategy.threshold_bps, strategy.count, changed.decide.gate.min_wait_seconds) == (77, 1, 3_600)
    assert SETTINGS.decide.gate.min_wait_seconds == 0


SPACES = st.builds(
    lambda values, high, step: space(Listed("threshold_bps", tuple(values)), Spread("count", 1, high, step)),
    st.lists(st.integers(0, 500), min_size=1, max_size=6, unique=True),
    st.integers(1, 40),
    st.integers(1, 3),
)


@given(SPACES, st.data(), st.integers(0, 2**32))
def test_a_random_sample_has_so_many_different_sets_of_the_grid(drawn: Space, data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(1, drawn.size))
    sets = random_sets(drawn, count, seed)
    assert len(set(sets)) == count
    assert set(sets) <= set(grid(drawn))
    assert sets == random_sets(drawn, count, seed)


def test_a_sample_larger_than_the_space_is_refused_and_one_as_large_is_all_of_it() -> None:
    small = space(Spread("count", 1, 5, 1))
    assert set(random_sets(small, 5, 1)) == set(grid(small))
    with pytest.raises(SettingsError, match="5 sets only"):
        random_sets(small, 6, 1)
    with pytest.raises(SettingsError, match="no sample"):
        latin_sets(small, 0, 1)


@given(st.integers(1, 30), st.integers(0, 2**32))
def test_a_latin_hypercube_has_one_set_in_each_stratum_of_each_axis(count: int, seed: int) -> None:
    wide = space(Spread("threshold_bps", 0, count - 1, 1), Spread("gate.min_wait_seconds", 0, 10 * count - 1, 1))
    sets = latin_sets(wide, count, seed)
    assert sorted(dict(one)["threshold_bps"] for one in sets) == list(range(count))
    assert Counter(int(dict(one)["gate.min_wait_seconds"]) // 10 for one in sets) == dict.fromkeys(range(count), 1)
    assert sets == latin_sets(wide, count, seed)


def test_another_seed_draws_other_sets() -> None:
    wide = space(Spread("threshold_bps", 0, 10_000, None), Spread("gate.min_wait_seconds", 0, 10_000, None))
    for draw in (random_sets, latin_sets):
        assert draw(wide, 20, 1) != draw(wide, 20, 2)

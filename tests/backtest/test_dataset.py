"""Tapes of recorded rates: the index in integers, columns and states as one, and folders that come back as they went."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.checking import REFUSING, Mark
from backtest.dataset import Rates, index_columns, load, recompute_digest, save, save_in_blocks, tape_from_rates
from backtest.index_columns import nearest
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndex, index_now_ray
from strategies.protocols.registry import adapter_of
from strategies.tape import Floats, Reading, tape_of
from strategies.units import HALF_RAY, RAY, SECONDS_PER_YEAR
from tests.backtest.recorded import ETHER, MARKETS, START, USDC, rates, tape

APR = st.floats(min_value=0, max_value=3, allow_nan=False)


@given(st.lists(APR, min_size=1, max_size=30))
def test_the_index_is_compounding_by_hand_in_integers(aprs: list[float]) -> None:
    built = index_columns(tape([[apr] for apr in aprs]))
    index_ray = RAY
    assert built.index_ray(0, 0) == index_ray
    for row, apr in enumerate(aprs[:-1], start=1):
        rate_ray = round_half_up(Fraction(apr) * RAY)
        growth_ray = RAY + rate_ray * 3_600 // SECONDS_PER_YEAR
        index_ray = (index_ray * growth_ray + HALF_RAY) // RAY
        assert built.index_ray(row, 0) == index_ray


def round_half_up(value: Fraction) -> int:
    return int((value + Fraction(1, 2)) // 1)


@given(st.lists(st.tuples(APR, APR), min_size=2, max_size=20), st.integers(min_value=1, max_value=1_000))
def test_a_row_is_the_row_before_accrued_for_the_seconds_between(aprs: list[tuple[float, float]], hours: int) -> None:
    timestamp = START + 3_600 * hours * np.arange(len(aprs), dtype=np.int64)
    made = tape(aprs, timestamp=timestamp)
    for row in range(len(aprs) - 1):
        for at, market in enumerate(MARKETS):
            state = made.states.state(row, at)
            assert state is not None
            later = adapter_of(market).accrue(state, 3_600 * hours)
            assert index_now_ray(later) == index_columns(made).index_ray(row + 1, at)  # type: ignore[arg-type]


@given(st.lists(st.tuples(APR, st.floats(0, 1.01), st.floats(0, 1e10)), min_size=1, max_size=20))
def test_columns_are_the_float_view_of_the_exact_states(cells: list[tuple[float, float, float]]) -> None:
    apr, utilisation, available = (np.array(column)[:, None] for column in zip(*cells, strict=True))
    made = tape(apr.tolist(), utilisation=utilisation, available=available)
    readings = [
        Reading(int(made.block[row]), "", int(made.timestamp[row]), 0, (made.states.state(row, 0),), ())
        for row in range(len(made))
    ]
    again = tape_of(made.deployment, readings)
    for name in ("supply_apr", "borrow_apr", "utilisation", "available"):
        np.testing.assert_array_equal(getattr(made, name), getattr(again, name))


@given(st.lists(st.integers(min_value=0, max_value=2**80), min_size=1, max_size=20), st.sampled_from([0, 6, 8, 18, 22]))
def test_base_units_told_as_the_nearest_double_come_back_as_that_double(raws: list[int], decimals: int) -> None:
    said = [raw / 10**decimals for raw in raws]
    assert _told(said, decimals) == said


@given(st.lists(st.floats(min_value=0, max_value=1e20), min_size=1, max_size=20), st.sampled_from([0, 6, 8, 18, 22]))
def test_what_lies_between_two_base_units_is_the_lower_one_and_told_again_it_stays(said: list[float], decimals: int) -> None:
    told = _told(said, decimals)
    assert told == [_told_exactly(value, decimals) for value in said]
    assert _told(told, decimals) == told


def test_a_double_just_below_a_base_unit_is_rounded_down_and_one_that_says_it_is_not() -> None:
    says = 2.01  # the nearest double of 2,010,000 units, though 2.01 * 10**6 falls below them
    assert says * 1e6 < 2_010_000
    assert _told([says, math.nextafter(says, 0), math.nextafter(says, 3)], 6) == [2.01, 2.009999, 2.01]


def _told(said: list[float], decimals: int) -> list[float]:
    """What the tape's own column says was available, after a source said so many whole units."""
    asset = replace(USDC, decimals=decimals)
    whole = rates([[0.02]] * len(said), available=np.array(said)[:, None])
    deployment = replace(whole.deployment, assets=(asset, ETHER), markets=(replace(MARKETS[0], asset=asset),))
    told: list[float] = tape_from_rates(replace(whole, deployment=deployment)).available[:, 0].tolist()
    return told


def _told_exactly(said: float, decimals: int) -> float:
    """The same in fractions: the units below, unless the double is the nearest one of a whole number of units."""
    one = 10**decimals
    return said if nearest(said, one) / one == said else int(Fraction(said) * one) / one


def test_a_missing_cell_keeps_the_rate_said_last_and_time_goes_on() -> None:
    made = tape([[0.10], [float("nan")], [float("nan")], [0.20]])
    states = [made.states.state(row, 0) for row in range(4)]
    assert all(state is not None for state in states)
    assert np.isnan(made.supply_apr[1, 0]) and not made.fresh[1, 0]
    assert states[2].supply_rate_ray == states[0].supply_rate_ray  # type: ignore[union-attr]
    assert states[0].index_ray < states[1].index_ray < states[2].index_ray  # type: ignore[union-attr]


def test_a_gap_between_rows_earns_what_its_seconds_earn() -> None:
    hourly, gap = tape([[0.10]] * 3), tape([[0.10]] * 2, timestamp=np.array([START, START + 7_200]))
    whole = RAY + round_half_up(Fraction(0.10) * RAY) * 7_200 // SECONDS_PER_YEAR
    assert index_columns(gap).index_ray(1, 0) == whole
    assert index_columns(hourly).index_ray(2, 0) > whole  # it compounded once on the way


def test_a_market_that_has_not_spoken_has_no_state() -> None:
    made = tape([[float("nan"), 0.01], [0.02, 0.01]])
    assert made.states.state(0, 0) is None
    assert index_columns(made).index_ray(0, 0) == 0
    assert index_columns(made).index_ray(1, 0) == RAY


def test_half_a_state_counts_as_not_said() -> None:
    made = tape([[0.02], [0.02]], utilisation=np.array([[0.5], [np.nan]]))
    assert np.isnan(made.supply_apr[1, 0]) and not made.fresh[1, 0]
    assert made.fresh[0, 0]


def test_unknown_liquidity_is_unknown_and_none_is_none() -> None:
    made = tape([[0.02], [0.02]], available=np.array([[np.nan], [0.0]]))
    unknown, drained = made.states.state(0, 0), made.states.state(1, 0)
    assert isinstance(unknown, RecordedIndex) and unknown.available_raw is None
    assert isinstance(drained, RecordedIndex) and drained.available_raw == 0


@pytest.mark.parametrize("apr", [-0.01, float("inf"), 101.0])
def test_refuses_rates_that_are_negative_infinite_or_absurd(apr: float) -> None:
    with pytest.raises(BadTape, match="a year"):
        tape([[0.02], [apr]])


def test_refuses_an_index_that_no_contract_could_hold() -> None:
    decades = START + 10 * SECONDS_PER_YEAR * np.arange(8, dtype=np.int64)
    with pytest.raises(BadTape, match="128 bits"):
        tape([[66.0]] * 8, timestamp=decades)


def test_accepts_the_largest_rate_that_is_not_absurd() -> None:
    assert tape([[100.0 / 1.5]]).supply_apr[0, 0] > 66


def test_refuses_columns_of_another_length() -> None:
    with pytest.raises(BadTape, match="shape"):
        tape([[0.02], [0.02]], block=np.array([1], dtype=np.int64))


def test_refuses_a_negative_utilisation() -> None:
    with pytest.raises(BadTape, match="negative"):
        tape([[0.02]], utilisation=np.array([[-0.1]]))


def test_a_saved_tape_comes_back_whole(tmp_path: Path) -> None:
    made = tape([[0.02, 0.03], [0.04, float("nan")], [0.05, 0.01]])
    save(made, tmp_path / "tape")
    again = load(tmp_path / "tape")
    assert again.deployment == made.deployment and again.digest == made.digest == recompute_digest(again)
    assert all(again.states.state(row, at) == made.states.state(row, at) for row in range(3) for at in range(2))
    assert isinstance(again.supply_apr.base, np.memmap)


def test_a_changed_column_changes_the_digest(tmp_path: Path) -> None:
    made = tape([[0.02], [0.04]])
    save(made, tmp_path)
    np.save(tmp_path / "supply_apr.npy", made.supply_apr + 0.01)
    assert recompute_digest(load(tmp_path)) != made.digest


def test_equal_rates_make_equal_digests_and_others_do_not() -> None:
    same = [tape([[0.02], [0.04]]).digest for _ in range(2)]
    assert same[0] == same[1] != tape([[0.02], [0.05]]).digest


def test_refuses_a_folder_that_is_no_tape(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="no saved tape"):
        load(tmp_path)


@pytest.mark.parametrize("found", [1, 99])
def test_refuses_a_saved_tape_of_another_format(tmp_path: Path, found: int) -> None:
    save(tape([[0.02]]), tmp_path)
    description = json.loads((tmp_path / "tape.json").read_text()) | {"format": found}
    (tmp_path / "tape.json").write_text(json.dumps(description))
    with pytest.raises(BadTape, match=f"format {found}; this version reads 2"):
        load(tmp_path)


@pytest.mark.parametrize("change", [np.asfortranarray, lambda column: column.astype(np.float32)])
def test_refuses_a_saved_column_that_is_laid_out_otherwise(tmp_path: Path, change: Callable[[Floats], Floats]) -> None:
    made = tape([[0.02, 0.03], [0.04, 0.05]])
    save(made, tmp_path)
    np.save(tmp_path / "supply_apr.npy", change(made.supply_apr))
    with pytest.raises(BadTape, match="column supply_apr is not laid out"):
        load(tmp_path)


def test_refuses_a_saved_tape_with_a_column_cut_short(tmp_path: Path) -> None:
    made = tape([[0.02], [0.04]])
    save(made, tmp_path)
    np.save(tmp_path / "supply_apr.npy", made.supply_apr[:1])
    with pytest.raises(BadTape, match="shape"):
        load(tmp_path)


def test_refuses_to_save_a_tape_without_recorded_indices(tmp_path: Path) -> None:
    made = tape([[0.02]])
    bare = replace(made, states=tape_of(made.deployment, [Reading(1, "", START, 0, (None,), ())]).states)
    with pytest.raises(BadTape, match="recorded indices"):
        save(bare, tmp_path)


def test_a_tape_can_be_made_twice_from_the_same_rates() -> None:
    source = rates([[0.02], [float("nan")], [1e-15]])
    assert tape_from_rates(source).digest == tape_from_rates(source).digest


@given(st.lists(st.integers(min_value=1, max_value=2**128 - 1), min_size=1, max_size=20))
def test_an_index_that_is_given_is_the_index(given_ray: list[int]) -> None:
    made = tape([[0.02, 0.03]] * len(given_ray), index_ray=(tuple(given_ray), None))
    exact = index_columns(made)
    assert [exact.index_ray(row, 0) for row in range(len(made))] == given_ray
    states = [made.states.state(row, 0) for row in range(len(made))]
    assert [state.index_ray for state in states if isinstance(state, RecordedIndex)] == given_ray
    assert exact.index_ray(0, 1) == RAY  # the other market's is grown


def test_where_an_index_is_not_given_it_is_the_one_before() -> None:
    made = tape([[0.02]] * 4, index_ray=((0, RAY, 0, RAY + 5),))
    assert [index_columns(made).index_ray(row, 0) for row in range(4)] == [0, RAY, RAY, RAY + 5]


@pytest.mark.parametrize("index_ray", [(-1, RAY), (RAY, 2**128)])
def test_refuses_a_given_index_that_no_contract_could_hold(index_ray: tuple[int, ...]) -> None:
    with pytest.raises(BadTape, match="128 bits"):
        tape([[0.02], [0.02]], index_ray=(index_ray,))


def test_refuses_indices_that_are_too_few_or_too_short() -> None:
    with pytest.raises(BadTape, match="1 indices are given for 2 markets"):
        tape([[0.02, 0.02]], index_ray=((RAY,),))
    with pytest.raises(BadTape, match="an index has 1 rows"):
        tape([[0.02], [0.02]], index_ray=((RAY,),))


@pytest.mark.parametrize("mark", [mark for mark in Mark if mark & REFUSING])
def test_a_refusing_mark_makes_its_cell_unsaid_and_its_index_the_one_before(mark: Mark) -> None:
    marks = np.array([[0], [int(mark)], [0]])
    made = tape([[0.02], [0.03], [0.04]], marks=marks, index_ray=((RAY, RAY + 7, RAY + 9),))
    assert np.isnan(made.supply_apr[1, 0]) and np.isnan(made.available[1, 0]) and not made.fresh[1, 0]
    assert [index_columns(made).index_ray(row, 0) for row in range(3)] == [RAY, RAY, RAY + 9]
    assert index_columns(made).marks()[:, 0].tolist() == [0, int(mark), 0]


@pytest.mark.parametrize("mark", [mark for mark in Mark if not mark & REFUSING])
def test_an_informing_mark_leaves_its_cell(mark: Mark) -> None:
    made = tape([[0.02], [0.03]], marks=np.array([[0], [int(mark)]]))
    assert made.fresh.all() and made.supply_apr[1, 0] == tape([[0.02], [0.03]]).supply_apr[1, 0]
    assert made.digest != tape([[0.02], [0.03]]).digest


def test_marks_come_back_from_a_folder(tmp_path: Path) -> None:
    save(tape([[0.02], [0.03]], marks=np.array([[0], [int(Mark.REAL_SPIKE)]])), tmp_path)
    assert index_columns(load(tmp_path)).marks().tolist() == [[0], [int(Mark.REAL_SPIKE)]]


def test_a_source_without_a_borrow_side_has_states_without_one() -> None:
    nothing = np.full((2, 1), np.nan)
    made = tape([[0.02], [0.03]], borrow_apr=nothing, utilisation=nothing)
    state = made.states.state(1, 0)
    assert isinstance(state, RecordedIndex) and state.borrow_rate_ray is None and state.utilisation_wad is None
    assert made.fresh.all() and np.isnan(adapter_of(MARKETS[0]).columns(state).utilisation)


def test_a_folder_written_in_blocks_is_the_folder_of_the_whole(tmp_path: Path) -> None:
    whole = rates([[0.02, 0.03], [0.04, float("nan")], [0.05, 0.01]])
    save(tape_from_rates(whole), tmp_path / "whole")
    save_in_blocks(whole.deployment, [_of_market(whole, at) for at in range(2)], tmp_path / "blocks")
    for path in sorted((tmp_path / "whole").iterdir()):
        assert path.read_bytes() == (tmp_path / "blocks" / path.name).read_bytes(), path.name


def test_refuses_blocks_that_do_not_make_the_deployment(tmp_path: Path) -> None:
    whole = rates([[0.02, 0.03], [0.04, 0.05]])
    first = _of_market(whole, 0)
    with pytest.raises(BadTape, match="the blocks hold 1 markets"):
        save_in_blocks(whole.deployment, [first], tmp_path / "few")
    with pytest.raises(BadTape, match="other markets"):
        save_in_blocks(whole.deployment, [first, first], tmp_path / "twice")
    other = replace(_of_market(whole, 1), timestamp=whole.timestamp + 1)
    with pytest.raises(BadTape, match="another timestamp"):
        save_in_blocks(whole.deployment, [first, other], tmp_path / "clock")


def _of_market(whole: Rates, at: int) -> Rates:
    names = ("supply_apr", "borrow_apr", "utilisation", "available", "fresh", "oracle_usd_e8")
    columns = {name: getattr(whole, name)[:, at : at + 1] for name in names}
    return replace(whole, deployment=replace(whole.deployment, markets=whole.deployment.markets[at : at + 1]), **columns)

"""Each detector, on a healthy record and on one that was hurt in one place."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.checking.examine import Examined, examine
from backtest.checking.marks import REFUSING, Finding, Mark, marks_of, refusing
from backtest.checking.record import Record, rows_of, unsaid
from backtest.checking.saved import check_tape
from backtest.checking.sources import compare
from strategies.errors import BadTape
from strategies.tape import Reading, tape_of
from strategies.units import RAY
from tests.backtest.checking.records import HOUR, START, healthy, hurt, scaled, with_index, with_utilisation
from tests.backtest.recorded import tape

ROW = 40
BOTH = ("supply_apr", "borrow_apr")


def marks_at(record: Record, row: int = ROW) -> Mark:
    return Mark(int(examine(record).marks[row]))


def only_bad(examined: Examined) -> list[int]:
    return np.flatnonzero(refusing(examined.marks)).tolist()


def test_a_healthy_record_has_nothing_wrong() -> None:
    examined = examine(healthy())
    assert examined.findings == () and not examined.marks.any() and examined.fresh().all()


@pytest.mark.parametrize("name", ["supply_apr", "borrow_apr", "utilisation"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(name: str, value: float) -> None:
    assert marks_at(hurt(healthy(), ROW, **{name: value})) & Mark.NOT_A_NUMBER


@pytest.mark.parametrize("name", ["supply_apr", "borrow_apr", "utilisation", "available"])
def test_what_is_below_zero_is_refused(name: str) -> None:
    assert marks_at(hurt(healthy(), ROW, **{name: -0.01})) & Mark.NEGATIVE


def test_a_rate_beyond_its_column_is_refused_and_a_utilisation_in_percent_too() -> None:
    assert marks_at(hurt(healthy(), ROW, supply_apr=101.0)) & Mark.OVERFLOW
    assert marks_at(hurt(healthy(), ROW, utilisation=69.0)) & Mark.UNIT


def test_a_utilisation_a_little_above_one_is_kept_and_marked() -> None:
    utilisation = np.concatenate([np.linspace(0.7, 0.99, 30), np.full(5, 1.004)])
    record = replace(with_utilisation(utilisation), available=np.maximum(0, 1e8 * (1 - utilisation)))
    examined = examine(record)
    assert only_bad(examined) == [] and all(examined.marks[row] & int(Mark.OVER_LENT) for row in range(30, 35))


def test_all_lent_out_is_kept_and_marked() -> None:
    examined = examine(with_utilisation(np.concatenate([np.linspace(0.7, 0.99, 30), np.ones(5)])))
    assert only_bad(examined) == [] and examined.marks[32] & int(Mark.DRAINED)


@pytest.mark.parametrize("factor", [10.0, 37.0, 400.0])
def test_a_spike_of_the_supply_rate_alone_is_refused(factor: float) -> None:
    assert marks_at(scaled(healthy(), ROW, factor, "supply_apr")) & REFUSING


@pytest.mark.parametrize("factor", [7.0, 10.0, 37.0])
def test_a_spike_of_both_rates_that_utilisation_does_not_follow_is_refused(factor: float) -> None:
    assert marks_at(scaled(healthy(), ROW, factor, *BOTH)) & Mark.SPIKE


def test_a_real_spike_on_the_curve_passes_marked() -> None:
    utilisation = healthy().utilisation.copy()
    utilisation[ROW : ROW + 3] = 0.97
    examined = examine(with_utilisation(utilisation))
    assert only_bad(examined) == []
    assert all(examined.marks[row] & int(Mark.REAL_SPIKE) for row in range(ROW, ROW + 3))
    assert examined.fresh().all()


def test_the_same_spike_without_its_utilisation_is_refused() -> None:
    utilisation = healthy().utilisation.copy()
    utilisation[ROW] = 0.97
    spiked = replace(with_utilisation(utilisation), utilisation=healthy().utilisation, available=healthy().available)
    assert marks_at(spiked) & Mark.SPIKE


@pytest.mark.parametrize("factor", [100.0, 1_000.0, 0.01, 0.001])
@pytest.mark.parametrize("names", [("supply_apr",), BOTH])
def test_a_slip_of_unit_is_refused_for_as_long_as_it_lasts(factor: float, names: tuple[str, ...]) -> None:
    assert only_bad(examine(scaled(healthy(), slice(ROW, None), factor, *names))) == list(range(ROW, 72))


def test_a_rate_that_falls_a_hundredfold_because_all_was_repaid_is_kept() -> None:
    utilisation = np.concatenate([healthy().utilisation[:ROW], np.full(20, 0.07)])
    record = with_utilisation(utilisation)
    assert record.supply_apr[ROW] < record.supply_apr[ROW - 1] / 60
    assert only_bad(examine(record)) == []


def test_a_zero_while_borrowers_pay_is_refused_and_one_of_an_empty_market_is_not() -> None:
    assert marks_at(hurt(healthy(), ROW, supply_apr=0.0)) & Mark.ZERO_FOR_MISSING
    assert marks_at(hurt(healthy(), ROW, supply_apr=0.0, borrow_apr=0.0, utilisation=0.0)) & Mark.ZERO_FOR_MISSING
    fading = with_utilisation(np.concatenate([np.geomspace(0.7, 0.001, 60), np.zeros(3)]))
    assert only_bad(examine(fading)) == []


def test_zeros_before_the_first_rate_are_refused() -> None:
    record = scaled(healthy(), slice(0, 5), 0.0, "supply_apr", "borrow_apr", "utilisation")
    assert only_bad(examine(record)) == [0, 1, 2, 3, 4]


def test_without_a_borrow_side_a_jump_is_believed_only_after_it_held() -> None:
    record = replace(healthy(), borrow_apr=unsaid(72), utilisation=unsaid(72), index_ray=())
    bad = only_bad(examine(scaled(record, slice(ROW, None), 7.0, "supply_apr")))
    assert bad == list(range(ROW, ROW + 12))


def test_without_utilisation_the_share_of_the_two_rates_stands_for_it() -> None:
    utilisation = healthy().utilisation.copy()
    utilisation[ROW] = 0.97
    record = replace(with_utilisation(utilisation), utilisation=unsaid(72))
    assert marks_at(record) == Mark.REAL_SPIKE
    assert marks_at(scaled(replace(healthy(), utilisation=unsaid(72)), ROW, 13.0, *BOTH)) & Mark.SPIKE


def test_an_index_that_goes_back_is_refused_until_it_is_past_its_old_height() -> None:
    record = healthy()
    assert only_bad(examine(with_index(record, ROW, record.index_ray[ROW - 5]))) == [ROW]
    low = replace(record, index_ray=(*record.index_ray[:ROW], *(RAY for _ in range(72 - ROW))))
    assert all(examine(low).marks[row] & int(Mark.BACKWARDS) for row in range(ROW, 72))


@pytest.mark.parametrize("factor", [10, 10**12])
def test_an_index_off_by_its_decimals_is_refused(factor: int) -> None:
    record = healthy()
    assert marks_at(with_index(record, ROW, record.index_ray[ROW] * factor)) & Mark.DECIMALS
    assert marks_at(with_index(record, ROW, record.index_ray[ROW] // factor)) & Mark.DECIMALS


def test_an_index_that_no_rate_explains_is_refused_and_a_little_other_income_is_kept() -> None:
    record = healthy()
    assert marks_at(with_index(record, ROW, record.index_ray[ROW] * 13 // 10)) & Mark.INDEX_APART
    income = replace(record, index_ray=(*record.index_ray[:ROW], *(i * 10_003 // 10_000 for i in record.index_ray[ROW:])))
    assert only_bad(examine(income)) == [] and marks_at(income) == Mark.OTHER_INCOME


def test_an_amount_off_by_its_decimals_is_refused_and_a_drained_pool_is_not() -> None:
    assert marks_at(scaled(healthy(), ROW, 1e12, "available")) & Mark.DECIMALS
    utilisation = np.concatenate([np.full(30, 0.7), np.linspace(0.7, 0.99, 10), np.full(5, 0.9997)])
    assert only_bad(examine(with_utilisation(utilisation))) == []


def test_missing_rows_are_a_gap_that_is_named_and_a_late_minute_is_none() -> None:
    record = healthy()
    examined = examine(rows_of(record, [*range(ROW), *range(ROW + 4, 72)]))
    assert examined.marks[ROW] == int(Mark.AFTER_GAP) and "the widest 5 h" in examined.findings[0].detail
    late = replace(record, timestamp=record.timestamp + np.where(np.arange(72) == ROW, 60, 0))
    assert not examine(late).marks.any()


def test_the_same_row_again_is_kept_once_and_another_one_of_its_time_not_at_all() -> None:
    record = healthy()
    examined = examine(rows_of(record, [*range(ROW + 1), *range(ROW, 72)]))
    assert len(examined.record) == 72 and not examined.marks.any() and examined.findings[0].mark is Mark.REPEATED
    doubled = rows_of(record, [*range(ROW + 1), *range(ROW, 72)])
    examined = examine(hurt(doubled, ROW + 1, supply_apr=0.05))
    assert only_bad(examined) == [ROW] and examined.marks[ROW] & int(Mark.REPEATED)


def test_a_row_after_a_later_one_is_left_out() -> None:
    order = [*range(20), *range(21, 30), 20, *range(30, 72)]
    examined = examine(rows_of(healthy(), order))
    assert START + 20 * HOUR not in examined.record.timestamp and len(examined.record) == 71
    assert [finding.count for finding in examined.findings if finding.mark is Mark.DISORDER] == [1]


def test_milliseconds_among_seconds_are_left_out_and_a_file_of_them_is_refused() -> None:
    record = healthy()
    slipped = replace(record, timestamp=np.where(np.arange(72) == ROW, record.timestamp * 1_000, record.timestamp))
    examined = examine(slipped)
    assert len(examined.record) == 71 and examined.findings[0].mark is Mark.UNIT
    with pytest.raises(BadTape, match="no row of pool:USDC can be placed in time"):
        examine(replace(record, timestamp=record.timestamp * 1_000))


def test_what_the_source_says_it_repeats_is_carried() -> None:
    record = healthy()
    told = np.minimum(record.timestamp, START + ROW * HOUR)
    examined = examine(replace(record, told_at=told))
    assert (examined.marks[ROW + 1 :] == int(Mark.CARRIED)).all() and examined.fresh().sum() == ROW + 1
    assert only_bad(examined) == []


def test_a_market_that_stands_still_for_more_than_a_day_is_carried_unless_its_rate_is_posted() -> None:
    still = with_utilisation(np.concatenate([healthy().utilisation[:20], np.full(60, 0.7)]))
    still = replace(still, index_ray=())
    assert np.flatnonzero(examine(still).marks).tolist() == list(range(45, 80))
    assert not examine(replace(still, posted=True)).marks.any()


def test_a_file_in_percent_is_refused_whole() -> None:
    with pytest.raises(BadTape, match="another unit"):
        examine(scaled(with_utilisation(np.full(40, 0.79)), slice(None), 100.0, *BOTH))


def test_two_sources_that_disagree_are_not_believed_where_they_do() -> None:
    record = healthy()
    assert compare(record, record) == ()
    other = replace(scaled(record, slice(ROW, None), 0.8, "supply_apr"), source="other.csv")
    assert compare(record, other)[0].rows == tuple(range(ROW, 72))


def test_refuses_to_compare_sources_that_never_meet() -> None:
    record = healthy()
    with pytest.raises(BadTape, match="never speak of pool:USDC"):
        compare(record, replace(record, timestamp=record.timestamp + 10**8))


def test_a_record_refuses_columns_of_different_lengths() -> None:
    with pytest.raises(BadTape, match="has 3 rows, its clock 72"):
        replace(healthy(), available=np.zeros(3))
    with pytest.raises(BadTape, match="the index of pool:USDC has 1 rows"):
        replace(healthy(), index_ray=(RAY,))


def test_findings_become_bits_and_those_without_rows_do_not() -> None:
    one = Finding(mark=Mark.SPIKE, subject="m", count=1, first=0, treatment="", rows=(1,))
    other = replace(one, mark=Mark.AFTER_GAP, rows=(1, 2))
    counted = replace(one, mark=Mark.DISORDER, rows=())
    assert marks_of((one, other, counted), 3).tolist() == [0, int(Mark.SPIKE | Mark.AFTER_GAP), int(Mark.AFTER_GAP)]


def test_a_tape_of_other_states_is_looked_at_by_its_cells() -> None:
    made = tape([[0.03]] * 20 + [[0.9]] + [[0.03]] * 3)
    bare = replace(made, states=tape_of(made.deployment, [Reading(1, "", START, 0, (None,), ())]).states)
    assert {finding.mark for finding in check_tape(bare)} == {Mark.SPIKE}
    assert Mark.SPIKE in {finding.mark for finding in check_tape(made)}

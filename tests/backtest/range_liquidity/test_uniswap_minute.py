"""The importer, on small files with each defect planted, and on the real folder against what its description lists."""

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backtest.checking.marks import Finding, Mark
from backtest.importers.uniswap_minute import MinutesReport, days_of, import_minutes
from backtest.range_liquidity.minutes import PoolMinutes
from strategies.errors import BadTape
from tests.backtest.range_liquidity.pools import START, TERMS

SHARED = Path(__file__).parents[4] / "shared" / "data" / "uniswap-v3-minute"
ADDRESS = "0x45dda9cb7c25131df268515131f647d726f50608"
HEADER = "timestamp,netAmount0,netAmount1,closeTick,openTick,lowestTick,highestTick,inAmount0,inAmount1,currentLiquidity"
DAY = 86_400
NAME = f"polygon-{ADDRESS}-2024-01-01.minute.csv"
# 1.0001^201100 base units of token 1 for one of token 0, less the fee
PRICE = 541_010_000

Row = Mapping[str, object]


def row(minute: int, **changes: object) -> Row:
    """A minute in which a thousand USDC came in, as the source writes it."""
    usual: dict[str, object] = {
        "timestamp": f"2024-01-01 {minute // 60:02d}:{minute % 60:02d}:00",
        "netAmount0": 10**9,
        "netAmount1": -(10**9) * PRICE,
        **dict.fromkeys(("closeTick", "openTick", "lowestTick", "highestTick"), 201_100),
        "inAmount0": 10**9,
        "inAmount1": 0,
        "currentLiquidity": 24 * 10**17,
    }
    return usual | changes


def text(rows: list[Row], header: str = HEADER) -> str:
    return "\n".join([header, *(",".join(str(cells[name]) for name in header.split(",")) for cells in rows)]) + "\n"


def imported(folder: Path, rows: list[Row] | None = None, end: int = START + DAY) -> tuple[PoolMinutes, MinutesReport]:
    if rows is not None:
        (folder / NAME).write_text(text(rows))
    return import_minutes(folder, TERMS, address=ADDRESS, start=START, end=end)


def marks(report: MinutesReport) -> dict[Mark, int]:
    return {finding.mark: finding.count for finding in report.findings}


def found(report: MinutesReport, mark: Mark) -> Finding:
    return next(finding for finding in report.findings if finding.mark is mark)


def test_reads_a_day_plain_or_packed_and_says_where_it_is_from(tmp_path: Path) -> None:
    rows = [row(at) for at in range(5)]
    plain, report = imported(tmp_path, rows)
    assert len(plain) == 5 and report.findings == () and report.files[0].rows == 5
    assert plain.timestamp[0] == START and plain.in0_raw == (10**9,) * 5 and plain.close_tick.tolist() == [201_100] * 5
    (tmp_path / NAME).rename(tmp_path / "aside")
    with gzip.open(tmp_path / f"Polygon-{ADDRESS}-2024-01-01.csv.gz", "wt") as file:
        file.write(text(rows))
    packed, _ = imported(tmp_path)
    assert packed.in0_raw == plain.in0_raw and packed.digest != plain.digest
    assert days_of(tmp_path, ADDRESS.upper().replace("0X", "0x")) == ("2024-01-01",)


def test_ticks_with_a_fraction_of_zeros_are_whole_and_amounts_never_pass_through_a_float(tmp_path: Path) -> None:
    big = 98_765_432_109_876_543_211
    cells = {"closeTick": "201100.0", "inAmount0": 0, "netAmount0": -182_554_171_000, "inAmount1": big, "netAmount1": big}
    minutes, _ = imported(tmp_path, [row(0, **cells), row(1)])
    assert minutes.close_tick[0] == 201_100 and minutes.in1_raw[0] == big


def test_the_window_is_half_open(tmp_path: Path) -> None:
    minutes, _ = imported(tmp_path, [row(at) for at in range(5)], end=START + 180)
    assert len(minutes) == 3


def test_missing_minutes_stay_a_gap_in_time(tmp_path: Path) -> None:
    minutes, report = imported(tmp_path, [row(0), row(1), row(61), row(62)])
    assert len(minutes) == 4 and marks(report) == {Mark.AFTER_GAP: 1}
    assert found(report, Mark.AFTER_GAP).first == START + 61 * 60


def test_two_rows_of_one_minute_count_once_where_they_agree_and_not_at_all_where_they_do_not(tmp_path: Path) -> None:
    minutes, report = imported(tmp_path, [row(0), row(1), row(1), row(2)])
    assert len(minutes) == 3 and marks(report) == {Mark.REPEATED: 1}
    minutes, report = imported(tmp_path, [row(0), row(1), row(1, inAmount0=10**9 + 1), row(2)])
    assert minutes.timestamp.tolist() == [START, START + 120]
    assert found(report, Mark.REPEATED).treatment == "all of them refused"


def test_a_row_that_goes_back_in_time_is_refused_not_sorted_in(tmp_path: Path) -> None:
    minutes, report = imported(tmp_path, [row(0), row(2), row(1), row(3)])
    assert minutes.timestamp.tolist() == [START, START + 120, START + 180]
    assert marks(report) == {Mark.DISORDER: 1, Mark.AFTER_GAP: 1}


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"closeTick": ""}, Mark.NOT_A_NUMBER),
        ({"currentLiquidity": "nan"}, Mark.NOT_A_NUMBER),
        ({"closeTick": 887_273}, Mark.OVERFLOW),
        ({"closeTick": -(10**30)}, Mark.OVERFLOW),
        ({"currentLiquidity": 2**128}, Mark.OVERFLOW),
        ({"currentLiquidity": -1}, Mark.NEGATIVE),
        ({"inAmount0": -5, "netAmount0": -5}, Mark.NEGATIVE),
        ({"currentLiquidity": 0}, Mark.ZERO_FOR_MISSING),
        ({"lowestTick": 201_101, "highestTick": 201_099}, Mark.SOURCES_APART),
        ({"netAmount0": 10**9 + 1}, Mark.SOURCES_APART),
        ({"timestamp": "2024-01-01 00:02:30"}, Mark.UNIT),
        ({"netAmount1": -(10**9) * PRICE // 10**12}, Mark.UNIT),
        ({"inAmount0": 10**15, "netAmount0": 10**15}, Mark.UNIT),
        ({"currentLiquidity": 24 * 10**23}, Mark.DECIMALS),
        ({"currentLiquidity": 24 * 10**11}, Mark.DECIMALS),
        ({"closeTick": 202_100, "highestTick": 202_100}, Mark.SPIKE),
        ({"closeTick": 200_100, "lowestTick": 200_100}, Mark.SPIKE),
    ],
)
def test_a_minute_that_no_pool_could_have_said_becomes_a_gap(tmp_path: Path, changes: Row, mark: Mark) -> None:
    minutes, report = imported(tmp_path, [row(0), row(1), row(2, **changes), row(3), row(4)])
    assert minutes.timestamp.tolist() == [START, START + 60, START + 180, START + 240]
    assert marks(report) == {mark: 1, Mark.AFTER_GAP: 1}


def test_a_spike_that_was_paid_for_is_kept_and_marked(tmp_path: Path) -> None:
    huge = 24 * 10**17 * 24_600 // 20  # five percent of the square root of the price, by the liquidity
    cells = {"closeTick": 202_100, "highestTick": 202_100, "inAmount0": 0, "netAmount0": -huge // PRICE, "netAmount1": huge}
    minutes, report = imported(tmp_path, [row(0), row(1), row(2, **cells, inAmount1=huge), row(3), row(4)])
    assert len(minutes) == 5 and marks(report) == {Mark.REAL_SPIKE: 1}


def test_a_move_that_stays_is_no_spike(tmp_path: Path) -> None:
    moved = dict.fromkeys(("closeTick", "openTick", "lowestTick", "highestTick"), 202100)
    moved_on = [row(at, **moved, netAmount1=-(10**9) * PRICE * 11 // 10) for at in (2, 3, 4)]
    assert imported(tmp_path, [row(0), row(1), *moved_on])[1].findings == ()


def test_a_close_that_the_minute_itself_never_saw_is_kept_and_counted(tmp_path: Path) -> None:
    minutes, report = imported(tmp_path, [row(0), row(1, lowestTick=201_105, highestTick=201_109), row(2)])
    assert len(minutes) == 3 and marks(report) == {Mark.CARRIED: 1}


def test_a_minute_with_two_way_swaps_or_dust_is_not_judged_by_its_price(tmp_path: Path) -> None:
    both = {"inAmount1": 5 * 10**17, "netAmount0": 10, "netAmount1": 10}
    dust = {"inAmount0": 90, "netAmount0": 90, "netAmount1": 0}
    assert imported(tmp_path, [row(0), row(1, **both), row(2, **dust)])[1].findings == ()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (text([row(0, inAmount0="1066.5")]), "line 2: inAmount0 is '1066.5', no whole number"),
        (text([row(0), row(1, currentLiquidity="2.4e18")]), "line 3: currentLiquidity is '2.4e18'"),
        (text([row(0), row(0, timestamp="2024-01-02 00:00:00")]), "line 3: .* not of the day"),
        (text([row(0, timestamp="yesterday")]), "a time cannot be read"),
        (text([row(0)], HEADER.replace(",closeTick", "")), "lacks the column closeTick"),
        (text([]), "no minute from"),
        (text([row(0, closeTick="")]), "1 kinds of defects"),
    ],
)
def test_refuses_a_file_that_is_not_what_its_name_says(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(BadTape, match=why):
        imported(tmp_path)


def test_refuses_two_files_of_a_day_two_chains_and_a_window_or_pool_that_is_not_there(tmp_path: Path) -> None:
    imported(tmp_path, [row(0)])
    with pytest.raises(BadTape, match=r"has 2024-01-01 to 2024-01-01 .* nothing from 2024-02-01"):
        import_minutes(tmp_path, TERMS, address=ADDRESS, start=START + 31 * DAY, end=START + 32 * DAY)
    with pytest.raises(BadTape, match="holds no minutes of 0x00"):
        import_minutes(tmp_path, TERMS, address="0x" + "00" * 20, start=START, end=START + DAY)
    with pytest.raises(BadTape, match="is no folder"):
        import_minutes(tmp_path / "none", TERMS, address=ADDRESS, start=START, end=START + DAY)
    (tmp_path / f"ethereum-{ADDRESS}-2024-01-02.minute.csv").write_text(text([row(0)]))
    with pytest.raises(BadTape, match="of ethereum and polygon"):
        imported(tmp_path)
    (tmp_path / f"Polygon-{ADDRESS}-2024-01-01.csv").write_text(text([row(0)]))
    with pytest.raises(BadTape, match="two files of 2024-01-01"):
        imported(tmp_path)


@pytest.mark.skipif(not SHARED.exists(), reason="the data sets are not beside the repository")
def test_says_of_the_real_folder_what_its_description_lists() -> None:
    def at(date: str) -> int:
        return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())

    minutes, report = import_minutes(SHARED, TERMS, address=ADDRESS, start=at("2022-07-19"), end=at("2022-08-23"))
    assert len(minutes) == 50_400 - 10 and len(report.files) == 35
    assert marks(report)[Mark.AFTER_GAP] == 7  # seven days begin a minute or two late
    assert set(marks(report)) == {Mark.AFTER_GAP, Mark.CARRIED}
    late, said = import_minutes(SHARED, TERMS, address=ADDRESS, start=at("2025-07-01"), end=at("2025-07-03"))
    assert len(late) == 2_879 and found(said, Mark.AFTER_GAP).first == at("2025-07-02")

"""The importers, on small files with each defect planted, and on the real folder against what its description lists."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from backtest.dataset import index_columns
from backtest.importers.aave_hourly import Costs, import_asset, read_costs
from backtest.importers.defects import ImportReport, Run
from backtest.importers.ethereum_gas import DailyGas, read_daily_gas
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndex
from strategies.tape import Tape
from strategies.units import GWEI, USD_E8

SHARED = Path(__file__).parents[3] / "shared" / "data"
START = 1_672_531_200  # 2023-01-01 00:00 UTC
HOUR = 3_600
FLAT_GAS = DailyGas("flat", START // 86_400 - 30, np.full(2_000, GWEI, dtype=np.int64))
EVERYTHING = 2**40


def write(folder: Path, name: str, **changes: object) -> None:
    """A file of six hours as the source writes them, with columns replaced."""
    count = len(changes.get("time", range(6)))  # type: ignore[arg-type]
    time = START + HOUR * np.arange(count, dtype=np.int64)
    columns: dict[str, object] = {
        "time": time,
        "timestamp": changes.get("time", time) - np.float64(60),  # type: ignore[operator]
        "block": 1e7 + np.arange(count, dtype=np.float64),
        "supplied_USD": np.full(count, 1e6),
        "borrowed_USD": np.full(count, 8e5),
        "token_balance": np.full(count, 1e12),
        "lender_variable_apr": np.full(count, 3.0),
        "borrower_variable_apr": np.full(count, 4.5),
        "borrower_stable_apr": np.full(count, 0.0),
    } | changes
    label = np.asarray(columns.pop("time")).astype("datetime64[s]").astype("datetime64[ns]")
    table = pa.table({key: pa.array(value) for key, value in columns.items()} | {"__index_level_0__": pa.array(label)})
    parquet.write_table(table, folder / f"aave_{name}_eth.parquet")


def imported(folder: Path, symbol: str = "USDC", start: int = 0, end: int = EVERYTHING) -> tuple[Tape, ImportReport]:
    return import_asset(folder, symbol, start=start, end=end, costs=read_costs(folder, FLAT_GAS))


def test_percent_become_fractions(tmp_path: Path) -> None:
    write(tmp_path, "v3_usdc")
    made, _ = imported(tmp_path)
    assert made.supply_apr[0, 0] == pytest.approx(0.03, abs=1e-15)
    assert made.borrow_apr[0, 0] == pytest.approx(0.045, abs=1e-15)
    assert made.utilisation[0, 0] == 0.8
    assert made.available[0, 0] == pytest.approx(200_000)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_refuses_a_file_in_another_unit(tmp_path: Path, factor: float) -> None:
    rates = {"lender_variable_apr": np.full(6, 3.0 * factor), "borrower_variable_apr": np.full(6, 4.5 * factor)}
    write(tmp_path, "v3_usdc", **rates)
    with pytest.raises(BadTape, match="another unit"):
        imported(tmp_path)


def test_forward_filled_hours_are_carried_not_fresh(tmp_path: Path) -> None:
    snapshot = START - 60.0 + HOUR * np.array([0, 1, 1, 1, 4, 5])
    write(tmp_path, "v3_usdc", timestamp=snapshot)
    made, report = imported(tmp_path)
    assert made.fresh[:, 0].tolist() == [True, True, False, False, True, True]
    assert report.markets[0].carried_rows == 2
    assert made.supply_apr[2, 0] == made.supply_apr[1, 0]


def test_a_window_that_opens_inside_a_frozen_run_opens_stale(tmp_path: Path) -> None:
    write(tmp_path, "v3_usdc", timestamp=START - 60.0 + HOUR * np.array([0, 1, 1, 1, 4, 5]))
    made, _ = imported(tmp_path, start=START + 2 * HOUR)
    assert made.fresh[:, 0].tolist() == [False, False, True, True]


def test_a_frozen_run_of_more_than_a_day_is_named(tmp_path: Path) -> None:
    time = START + HOUR * np.arange(40, dtype=np.int64)
    for rows, named in ((25, (Run(START + HOUR, 25),)), (24, ())):
        snapshot = np.where(np.arange(40) <= rows, START - 60.0, time - 60.0)
        write(tmp_path, "v3_usdc", time=time, timestamp=snapshot)
        assert imported(tmp_path)[1].markets[0].frozen == named


def test_missing_hours_stay_gaps_in_time(tmp_path: Path) -> None:
    write(tmp_path, "v3_usdc", time=START + HOUR * np.array([0, 1, 2, 7, 8, 9]))
    made, report = imported(tmp_path)
    assert report.markets[0].missing == (Run(START + 3 * HOUR, 4),) and report.markets[0].missing_hours == 4
    assert len(made) == 6 and made.timestamp[3] - made.timestamp[2] == 5 * HOUR
    index = index_columns(made)
    assert index.index_ray(3, 0) - index.index_ray(2, 0) > 4 * (index.index_ray(2, 0) - index.index_ray(1, 0))


def test_a_market_without_a_row_says_nothing_while_the_other_speaks(tmp_path: Path) -> None:
    write(tmp_path, "v2_usdc", time=START + HOUR * np.array([0, 1, 4, 5, 6, 7]))
    write(tmp_path, "v3_usdc", time=START + HOUR * np.arange(8, dtype=np.int64))
    made, _ = imported(tmp_path)
    assert [market.id for market in made.deployment.markets] == ["aave-v2:USDC", "aave-v3:USDC"]
    assert np.isnan(made.supply_apr[2, 0]) and not made.fresh[2, 0] and made.fresh[2, 1]
    assert made.states.state(2, 0) is not None


def test_nulls_at_the_start_are_unsaid(tmp_path: Path) -> None:
    write(tmp_path, "v3_usdc", lender_variable_apr=np.array([np.nan, np.nan, 3, 3, 3, 3]))
    made, report = imported(tmp_path)
    assert report.markets[0].null_rows == 2
    assert made.states.state(1, 0) is None and made.states.state(2, 0) is not None


def test_a_null_is_no_zero(tmp_path: Path) -> None:
    write(tmp_path, "v3_usdc", borrowed_USD=pa.array([8e5, None, 8e5, 8e5, None, 8e5]))
    made, report = imported(tmp_path)
    assert np.isnan(made.supply_apr[:, 0]).tolist() == [False, True, False, False, True, False]
    assert report.markets[0].null_rows == 2


def test_utilisation_above_one_is_kept_as_said_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "v3_usdc", borrowed_USD=np.array([8e5, 1.002e6, 8e5, 8e5, 8e5, 8e5]))
    made, report = imported(tmp_path)
    assert report.markets[0].over_lent_rows == 1
    assert made.utilisation[1, 0] == pytest.approx(1.002) and made.available[1, 0] == 0 and made.fresh[1, 0]


def test_a_spike_that_borrowers_pay_for_is_kept_and_another_is_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        "v3_usdc",
        lender_variable_apr=np.array([3, 57, 3, 57, 3, 3.0]),
        borrower_variable_apr=np.array([4.5, 64, 4.5, 4.5, 4.5, 4.5]),
        borrowed_USD=np.array([8e5, 9.9e5, 8e5, 8e5, 8e5, 8e5]),
    )
    made, report = imported(tmp_path)
    assert (report.markets[0].spike_rows, report.markets[0].refused_rows, report.markets[0].null_rows) == (1, 1, 0)
    assert made.supply_apr[1, 0] == pytest.approx(0.57)
    assert np.isnan(made.supply_apr[3, 0]) and not made.fresh[3, 0]


@pytest.mark.parametrize("hours", [[0, 1, 1, 2, 3, 4], [0, 2, 1, 3, 4, 5]])
def test_refuses_rows_that_repeat_or_go_back(tmp_path: Path, hours: list[int]) -> None:
    write(tmp_path, "v3_usdc", time=START + HOUR * np.array(hours))
    with pytest.raises(BadTape, match="repeat or go back"):
        imported(tmp_path)


def test_the_newer_oracle_prices_the_asset_and_each_market_keeps_its_own(tmp_path: Path) -> None:
    write(tmp_path, "v2_usdc", time=START + HOUR * np.arange(6, dtype=np.int64))
    write(tmp_path, "v3_usdc", time=START + HOUR * np.arange(2, 6), supplied_USD=np.full(4, 8.833e5))
    made, report = imported(tmp_path)
    assert made.price_usd_e8[:, 0].tolist() == [USD_E8, USD_E8] + [88_330_000] * 4
    blind, seeing = made.states.state(4, 0), made.states.state(4, 1)
    assert isinstance(blind, RecordedIndex) and blind.price_usd_e8 == USD_E8
    assert isinstance(seeing, RecordedIndex) and seeing.price_usd_e8 == 88_330_000
    assert any("4 rows" in note for note in report.notes)


def test_ether_is_priced_by_what_was_known_and_never_by_what_came(tmp_path: Path) -> None:
    write(tmp_path, "v3_usdc")
    write(tmp_path, "v3_weth", time=START + HOUR * np.array([1, 3, 4, 5, 6, 7]), token_balance=np.full(6, 1e18),
          supplied_USD=np.array([1000.0, 3000, 4000, 5000, 6000, 7000]))  # fmt: skip
    made, _ = imported(tmp_path)
    assert (made.price_usd_e8[:, 1] // USD_E8).tolist() == [0, 1000, 1000, 3000, 4000, 5000]


def test_refuses_a_window_without_rows_an_unknown_asset_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="no file of USDC"):
        imported(tmp_path)
    write(tmp_path, "v3_usdc")
    with pytest.raises(BadTape, match="no row of USDC lies in the window: its rows run from 2023-01-01 to 2023-01-01"):
        imported(tmp_path, start=START + 100 * HOUR)
    with pytest.raises(BadTape, match="no asset 'GOLD'"):
        imported(tmp_path, symbol="GOLD")


def test_refuses_a_file_that_is_not_parquet_or_lacks_a_column(tmp_path: Path) -> None:
    path = tmp_path / "aave_v3_usdc_eth.parquet"
    path.write_bytes(b"not parquet at all")
    with pytest.raises(BadTape, match="cannot be read"):
        imported(tmp_path)
    parquet.write_table(pa.table({"timestamp": [1.0]}), path)
    with pytest.raises(BadTape, match="lacks the column"):
        imported(tmp_path)


def gas_file(folder: Path, days: list[int], prices: list[int]) -> Path:
    rows = [f'"1/1/2023","{86_400 * day}","{price}"' for day, price in zip(days, prices, strict=True)]
    text = "\r\n".join(['"Date(UTC)","UnixTimeStamp","Value (Wei)"', *rows, ""])
    (folder / "export-AvgGasPrice.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_a_row_is_given_the_last_complete_day(tmp_path: Path) -> None:
    gas = read_daily_gas(gas_file(tmp_path, [100, 101, 102], [10, 11, 12]))
    midnight = 86_400 * 102
    times = np.array([midnight - 1, midnight, midnight + 86_399], dtype=np.int64)
    assert gas.known_at(times).tolist() == [10, 11, 11]


@pytest.mark.parametrize("day", [100, 104])
def test_refuses_rows_that_the_gas_file_does_not_cover(tmp_path: Path, day: int) -> None:
    gas = read_daily_gas(gas_file(tmp_path, [100, 101, 102], [10, 11, 12]))
    with pytest.raises(BadTape, match="has 1970-04-11 to 1970-04-13"):
        gas.known_at(np.array([86_400 * day], dtype=np.int64))


def test_refuses_a_gas_file_with_a_missing_day(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="misses or repeats"):
        read_daily_gas(gas_file(tmp_path, [100, 102], [10, 12]))


def test_refuses_a_folder_without_gas_and_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="no gas prices"):
        read_daily_gas(tmp_path)
    (tmp_path / "export-AvgGasPrice.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadTape, match="no daily export of gas prices"):
        read_daily_gas(tmp_path)


# What the description of the real folder says, file by file: forward-filled share, runs of more than a day, missing hours, nulls.
REAL: Mapping[str, tuple[tuple[float, int, int, int], ...]] = {
    "USDC": ((0.15, 1, 1, 23), (0.02, 0, 0, 1)),
    "USDT": ((0.28, 18, 34, 36), (0.06, 0, 0, 1)),
    "DAI": ((0.37, 33, 9, 2), (0.24, 0, 0, 1)),
    "WETH": ((0.15, 2, 0, 1), (0.01, 0, 0, 1)),
}


@pytest.fixture(scope="module")
def real_costs() -> Costs:
    if not (SHARED / "aave-eth-hourly").exists():
        pytest.skip("the shared data sets are not beside the repository")
    return read_costs(SHARED / "aave-eth-hourly", read_daily_gas(SHARED / "ethereum-gas"))


@pytest.mark.parametrize("symbol", REAL)
def test_the_real_folder_has_the_defects_its_description_lists(real_costs: Costs, symbol: str) -> None:
    _, report = import_asset(SHARED / "aave-eth-hourly", symbol, start=0, end=EVERYTHING, costs=real_costs)
    for found, (carried, frozen, missing, nulls) in zip(report.markets, REAL[symbol], strict=True):
        assert round(found.carried_rows / found.rows, 2) == carried
        assert (len(found.frozen), found.missing_hours, found.null_rows) == (frozen, missing, nulls)
        assert found.refused_rows == 0  # every spike of the file is covered by what borrowers paid


def test_the_real_folder_froze_in_november_2023(real_costs: Costs) -> None:
    november, later = 1_698_796_800, 1_701_388_800
    for symbol in ("USDC", "DAI", "WETH"):
        made, report = import_asset(SHARED / "aave-eth-hourly", symbol, start=november, end=later, costs=real_costs)
        assert report.markets[0].frozen == (Run(1_699_124_400, 209),)  # 2023-11-04 19:00 to 2023-11-13 11:00
        assert not made.fresh[(made.timestamp >= 1_699_124_400) & (made.timestamp <= 1_699_873_200), 0].any()


def test_the_real_usdt_lent_more_than_it_had_in_a_hundred_and_one_hours(real_costs: Costs) -> None:
    _, report = import_asset(SHARED / "aave-eth-hourly", "USDT", start=0, end=EVERYTHING, costs=real_costs)
    assert report.markets[0].over_lent_rows == 101


def test_the_real_usdc_fell_to_its_published_low_and_one_oracle_did_not_see_it(real_costs: Costs) -> None:
    crisis = 1_678_406_400  # 2023-03-10
    made, _ = import_asset(SHARED / "aave-eth-hourly", "USDC", start=crisis, end=crisis + 5 * 86_400, costs=real_costs)
    low = int(np.argmin(made.price_usd_e8[:, 0]))
    assert (made.timestamp[low], made.price_usd_e8[low, 0]) == (1_678_521_600, 88_330_000)  # 2023-03-11 08:00
    blind = made.states.state(low, 0)
    assert isinstance(blind, RecordedIndex) and blind.price_usd_e8 == USD_E8


def test_the_real_spikes_are_kept(real_costs: Costs) -> None:
    hour = 1_678_525_200  # 2023-03-11 09:00
    made, _ = import_asset(SHARED / "aave-eth-hourly", "USDT", start=hour, end=hour + HOUR, costs=real_costs)
    assert made.supply_apr[0, 0] == pytest.approx(0.662, abs=1e-3)

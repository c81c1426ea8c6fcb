"""The importers of lending rates, each on a small made sample of its format, and the tape they share."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from backtest.checking.marks import Mark
from backtest.dataset import index_columns
from backtest.importers import lending_balances
from backtest.importers.catalogue import FORMATS, format_named, format_of, records_of
from backtest.importers.ethereum_gas import DailyEther, DailyGas, read_daily_ether
from backtest.importers.lending import Request, apr_of_apy
from backtest.importers.source_tables import ray_of
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndex
from strategies.units import GWEI, RAY, USD_E8

START = 1_704_067_200  # 2024-01-01 00:00 UTC
DAY = 86_400
EVERYTHING = 2**40
GAS = DailyGas("flat", START // DAY - 30, np.full(800, GWEI, dtype=np.int64))
ETHER = DailyEther("flat", START // DAY - 30, np.full(800, 2_000 * USD_E8, dtype=np.int64))


def table(path: Path, header: str, rows: Sequence[str]) -> None:
    """A comma-separated file, packed where its name says so."""
    text = "\n".join([header, *rows, ""])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def asked(asset: str, start: int = 0, end: int = EVERYTHING) -> Request:
    return Request(asset, start, end, GAS, ETHER)


INDEX_HEADER = (
    "timestamp,reserve,symbol,liquidityIndex,currentLiquidityRate,currentVariableBorrowRate,"
    "totalAToken,totalVariableDebt,totalStableDebt,price"
)
TOKEN = "0xdAC17F958D2ee523a2206206994597C13D831ec7"


def daily_index(folder: Path, indices: Sequence[str]) -> None:
    rows = [
        f"{START + DAY * at},{TOKEN},USDT,{index},0.03{at},0.045,1000.0,{700 + at}.0,0.0,0.9998"
        for at, index in enumerate(indices)
    ]
    table(folder / "rates_USDT.csv", INDEX_HEADER, rows)


def test_a_daily_index_is_exact_and_amounts_and_oracle_are_read(tmp_path: Path) -> None:
    daily_index(tmp_path, ["1.0123456789012345", "1.0124456789012345", "1.0125456789012345"])
    assert format_of(tmp_path).name == "aave-daily-index" and format_of(tmp_path).assets(tmp_path) == ("USDT",)
    tape, report = format_of(tmp_path).import_tape(tmp_path, asked("USDT"))
    assert index_columns(tape).index_ray(1, 0) == 1_012_445_678_901_234_500_000_000_000
    state = tape.states.state(0, 0)
    assert isinstance(state, RecordedIndex) and state.price_usd_e8 == 99_980_000 and state.available_raw == 300 * 10**6
    assert tape.utilisation[1, 0] == 0.701 and tape.price_usd_e8[2].tolist() == [99_980_000, 2_000 * USD_E8]
    assert report.rows == 3 and report.findings == () and tape.base_fee_wei.tolist() == [GWEI] * 3


def test_an_index_that_goes_back_keeps_its_row_and_its_number_out(tmp_path: Path) -> None:
    daily_index(tmp_path, ["1.0123", "1.0113", "1.0125"])
    tape, report = format_of(tmp_path).import_tape(tmp_path, asked("USDT"))
    assert np.isnan(tape.supply_apr[1, 0]) and not tape.fresh[1, 0] and tape.fresh[2, 0]
    assert index_columns(tape).index_ray(1, 0) == ray_of("1.0123")
    assert [finding.mark for finding in report.findings] == [Mark.BACKWARDS] and report.markets[0].refused_rows == 1


def test_a_window_keeps_what_was_learnt_before_it(tmp_path: Path) -> None:
    daily_index(tmp_path, ["1.0123", "1.0113", "1.0125"])
    tape, _ = format_of(tmp_path).import_tape(tmp_path, asked("USDT", start=START + DAY))
    assert not tape.fresh[0, 0] and len(tape) == 2
    with pytest.raises(BadTape, match="its rows run from 2024-01-01 to 2024-01-03"):
        format_of(tmp_path).import_tape(tmp_path, asked("USDT", start=START + 9 * DAY))


MINUTES = "block_timestamp,liquidity_rate,stable_borrow_rate,variable_borrow_rate,liquidity_index,variable_borrow_index"


def test_minutes_keep_all_their_digits_and_repeats_are_carried(tmp_path: Path) -> None:
    index = ["1.023969313696843928663736399", "1.023969313696843928663736399", "1.023969313796843928663736401"]
    rows = [f"2024-01-01 00:0{at}:00,0.0486,0.07,0.06,{value},1.03" for at, value in enumerate(index)]
    table(tmp_path / f"polygon-aave_v3-0x{'ab' * 20}-2024-01-01.minute.csv.gz", MINUTES, rows)
    name = format_of(tmp_path).assets(tmp_path)[0]
    tape, _ = format_of(tmp_path).import_tape(tmp_path, asked(name))
    assert [index_columns(tape).index_ray(row, 0) for row in range(3)] == [int(text.replace(".", "")) for text in index]
    assert tape.fresh[:, 0].tolist() == [True, False, True] and tape.supply_apr[1, 0] == 0.0486
    state = tape.states.state(0, 0)
    assert isinstance(state, RecordedIndex) and state.utilisation_wad is None  # not said is not zero


COMPOUND = "timestamp,totalBorrowBalanceUSD,totalValueLockedUSD,depositRate,borrowRate"


def test_compound_yields_become_daily_rates_and_two_files_of_an_asset_two_markets(tmp_path: Path) -> None:
    for name in ("dai_1", "dai_2"):
        table(tmp_path / f"{name}.csv.gz", COMPOUND, [f"{START + DAY * at},800.0,1000.0,3.0,4.5" for at in range(3)])
    table(tmp_path / "eth.csv.gz", COMPOUND, [f"{START},300.0,1000.0,0.1,2.5"])
    chosen = format_of(tmp_path)
    assert chosen.name == "compound-v2-daily" and chosen.assets(tmp_path) == ("DAI", "WETH")
    tape, report = chosen.import_tape(tmp_path, asked("DAI"))
    assert [market.id for market in tape.deployment.markets] == ["compound-v2:dai_1", "compound-v2:dai_2"]
    assert (1 + tape.supply_apr[0, 0] / 365) ** 365 == pytest.approx(1.03, abs=1e-12)
    assert tape.available[0, 0] == 200.0 and tape.price_usd_e8[0, 0] == USD_E8
    assert any("taken at one dollar" in note for note in report.notes)
    ether, _ = chosen.import_tape(tmp_path, asked("WETH"))
    assert np.isnan(ether.available[0, 0]) and ether.price_usd_e8[0].tolist() == [2_000 * USD_E8] * 2


def test_a_yield_becomes_the_rate_that_compounds_to_it() -> None:
    assert apr_of_apy(np.array([0.0]))[0] == 0.0
    assert np.allclose((1 + apr_of_apy(np.array([0.05, 3.0])) / 365) ** 365, [1.05, 4.0])


def test_milliseconds_become_seconds_and_each_market_speaks_at_its_own_hour(tmp_path: Path) -> None:
    for name, hour in (("aave_dai", 10), ("dydx_dai", 18)):
        stamps = [(START + DAY * at + 3_600 * hour) * 1_000 for at in range(3)]
        sides = {side: {str(stamp): rate for stamp in stamps} for side, rate in (("supply", 0.03), ("borrow", 0.05))}
        (tmp_path / f"{name}.json").write_text(json.dumps(sides))
    tape, _ = format_of(tmp_path).import_tape(tmp_path, asked("DAI"))
    assert tape.timestamp.tolist() == [START + DAY * at + 3_600 * hour for at in range(3) for hour in (10, 18)]
    assert tape.fresh.tolist() == [[True, False], [False, True]] * 3


@pytest.mark.parametrize(
    ("text", "why"),
    [('{"supply": {"1704067200": 0.03}, "borrow": {}}', "no milliseconds"), ('{"supply": {}, "borrow": {}}', "no rate")],
)
def test_refuses_rates_of_another_shape(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "aave_dai.json").write_text(text)
    with pytest.raises(BadTape, match=why):
        format_of(tmp_path).assets(tmp_path)


def snapshot(folder: Path, day: int, **changes: object) -> None:
    """A snapshot of one reserve on two chains."""
    reserve: dict[str, object] = {
        "asset_address": TOKEN, "symbol": "USDT", "decimals": 6, "active": True, "frozen": False, "paused": False,
        "current_liquidity_rate": 0.03, "current_variable_borrow_rate": 0.05, "liquidity_index": 1.02 + day / 10**4,
        "last_update_timestamp": START + DAY * day - 60,
    }  # fmt: skip
    networks = {"ethereum": [reserve], "base": [reserve | changes], "moon": [reserve]}
    content = {"metadata": {"generated_at": f"2024-01-0{day + 1}T00:00:00+00:00"}, "networks": networks}
    (folder / "snapshots").mkdir(exist_ok=True)
    (folder / "snapshots" / f"2024-01-0{day + 1}T000000Z.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))


def test_chains_are_assets_of_their_own_and_stale_or_closed_reserves_are_not_fresh(tmp_path: Path) -> None:
    for day in range(3):
        stale: dict[str, object] = {"last_update_timestamp": START - 60, "liquidity_index": 1.02} if day < 2 else {"paused": True}
        snapshot(tmp_path, day, **stale)
    chosen = format_of(tmp_path)
    assert chosen.name == "aave-13chains-daily" and chosen.assets(tmp_path) == ("USDT", "USDT@base")
    home, _ = chosen.import_tape(tmp_path, asked("USDT"))
    assert home.fresh.all() and index_columns(home).index_ray(2, 0) == ray_of("1.0202")
    away, report = chosen.import_tape(tmp_path, asked("USDT@base"))
    assert away.deployment.chain_id == 8_453
    assert away.fresh[:, 0].tolist() == [True, False, False] and np.isnan(away.supply_apr[2, 0])
    assert {finding.mark for finding in report.findings} == {Mark.CARRIED, Mark.CLOSED}


def test_refuses_a_snapshot_that_lacks_a_field(tmp_path: Path) -> None:
    snapshot(tmp_path, 0)
    path = next((tmp_path / "snapshots").iterdir())
    path.write_bytes(gzip.compress(b'{"metadata": {}, "networks": {}}'))
    with pytest.raises(BadTape, match="no snapshot of reserves: KeyError"):
        format_of(tmp_path).assets(tmp_path)


LLAMA = "chain,protocol,asset,tvl_usd,apy_base,pool,poolMeta,timestamp"


def test_a_snapshot_of_pools_that_repeats_the_last_is_carried(tmp_path: Path) -> None:
    for at, apy in enumerate((2.0, 2.1, 2.1)):
        row = f"Ethereum,aave-v3,USDC,5000,{apy},abcdef01-2345,,2024-01-0{at + 1}T01:00:00"
        table(tmp_path / f"defi_yields_2024010{at + 1}_0100.csv.gz", LLAMA, [row])
    tape, _ = format_of(tmp_path).import_tape(tmp_path, asked("USDC"))
    assert tape.timestamp.tolist() == [START + DAY * at for at in range(3)]  # an hour ahead of UTC
    assert tape.fresh[:, 0].tolist() == [True, True, False] and tape.available[0, 0] == 5_000


HISTORY = "protocol,chain_id,asset,contract,timestamp,apy_first,apy_mode,first_seen"


def test_a_bar_counts_from_when_its_day_was_over_and_it_had_been_seen(tmp_path: Path) -> None:
    seen = START + 5 * DAY
    rows = [
        *(f"AAVEV3,1,USDC,{TOKEN},{START + DAY * at},0.031,0.030,{seen}" for at in range(3)),
        *(f"AAVEV3,1,USDC,{TOKEN},{START + DAY * at},0.028,0.032,{START + DAY * at + 60}" for at in range(5, 7)),
    ]
    table(tmp_path / "history_daily.csv.gz", HISTORY, rows)
    tape, report = format_of(tmp_path).import_tape(tmp_path, asked("USDC"))
    assert tape.timestamp.tolist() == [seen, START + 6 * DAY, START + 7 * DAY]
    assert tape.supply_apr[0, 0] == pytest.approx(apr_of_apy(np.array([0.030]))[0])
    assert [finding.count for finding in report.findings if finding.mark is Mark.REVISED] == [5, 2]


def test_amounts_without_rates_are_checked_and_never_a_tape(tmp_path: Path) -> None:
    table(tmp_path / "compound_DAI.csv", ",ctoken_symbol,date,total_supply,total_borrow", ["0,DAI,2024-01-01,0.0,0.0"])
    chosen = format_of(tmp_path)
    assert chosen.assets(tmp_path) == () and [one.mark for one in chosen.check(tmp_path)] == [Mark.ZERO_FOR_MISSING]
    assert len(lending_balances.read(tmp_path)[0].record) == 1
    with pytest.raises(BadTape, match="no rates"):
        chosen.import_tape(tmp_path, asked("DAI"))
    with pytest.raises(BadTape, match="no rates of markets"):
        records_of(tmp_path)


def test_anybodys_own_rates_are_read(tmp_path: Path) -> None:
    rows = [f"pool,{START + 3_600 * at},0.03,0.05,0.7,100,1.{at:03d}" for at in range(3)]
    table(tmp_path / "mine.csv", "market,timestamp,supply_apr,borrow_apr,utilisation,available,index", rows)
    tape, _ = format_of(tmp_path).import_tape(tmp_path, asked("USDC"))
    assert tape.fresh[0, 0] and tape.available[0, 0] == 100 and index_columns(tape).index_ray(0, 0) == RAY


def test_refuses_an_unknown_format_an_unknown_name_and_an_unknown_asset(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="in no known format; known: aave-hourly"):
        format_of(tmp_path)
    with pytest.raises(BadTape, match="'excel' is no known format"):
        format_named("excel")
    daily_index(tmp_path, ["1.01"])
    with pytest.raises(BadTape, match="no asset 'GOLD'; it has USDT"):
        format_of(tmp_path).import_tape(tmp_path, asked("GOLD"))


def test_refuses_rates_in_another_unit(tmp_path: Path) -> None:
    rows = [f"pool,{START + 3_600 * at},0.0000001" for at in range(3)]
    table(tmp_path / "mine.csv", "market,timestamp,supply_apr", rows)
    with pytest.raises(BadTape, match="another unit"):
        format_of(tmp_path).import_tape(tmp_path, asked("USDC"))


def test_every_format_has_a_name_of_its_own_and_a_line() -> None:
    assert len({one.name for one in FORMATS}) == len(FORMATS) and all(one.line for one in FORMATS)


def test_ether_is_priced_by_the_last_complete_day(tmp_path: Path) -> None:
    days = START // DAY
    rows = [f'"1/1/2024","{DAY * (days + at)}","{price}"' for at, price in enumerate(("2000.25", "2100", "2200"))]
    table(tmp_path / "export-EtherPrice.csv.gz", '"Date(UTC)","UnixTimeStamp","Value"', rows)
    ether = read_daily_ether(tmp_path)
    assert ether.known_at(np.array([START + DAY, START + 3 * DAY - 1])).tolist() == [200_025_000_000, 2_100 * USD_E8]
    with pytest.raises(BadTape, match="does not cover"):
        ether.known_at(np.array([START]))

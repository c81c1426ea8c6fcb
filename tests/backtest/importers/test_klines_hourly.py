"""Hourly candles: known when their hour is over, torn ones refused, and the real files against their description."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from backtest.checking.marks import Mark
from backtest.importers.klines_hourly import read, recognises
from strategies.errors import BadTape
from tests.backtest.importers.written import HOUR, START, counts, moments, shared, write_parquet, write_text

HEADER = "timestamp,open,high,low,close,volume"
CANDLE = [1_200.0, 1_210.0, 1_190.0, 1_205.0, 3.5]


def iso(hour: int) -> str:
    return f"2023-01-01T{hour:02d}:00:00Z"


def test_a_close_is_known_when_its_hour_is_over(tmp_path: Path) -> None:
    path = write_text(tmp_path / "ETHUSDT.csv.gz", HEADER, [[iso(0), *CANDLE], [iso(1), *CANDLE]])
    series = read(path, quoted_in="USDT")
    assert recognises(tmp_path) and series.timestamp.tolist() == [START + HOUR, START + 2 * HOUR]
    assert np.isnan(series.known_at(np.array([START + HOUR - 1]), within_seconds=HOUR)).all() and series.unit == "USDT"


def test_seconds_and_parquet_are_read_alike(tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.csv", HEADER, [[START, *CANDLE], [START + HOUR, *CANDLE]])
    columns: dict[str, object] = {
        name: [value] * 2 for name, value in zip(("open", "high", "low", "close", "volume"), CANDLE, strict=True)
    }
    columns["Date"] = pa.array((moments(2) * 10**6).tolist(), pa.int64()).cast(pa.timestamp("us"))
    one, other = read(text, quoted_in="USDT"), read(write_parquet(tmp_path / "a.parquet", columns), quoted_in="USDT")
    assert one.timestamp.tolist() == other.timestamp.tolist() and one.value.tolist() == other.value.tolist()


def test_a_candle_that_closes_outside_itself_is_refused(tmp_path: Path) -> None:
    torn = [1_200.0, 1_210.0, 1_190.0, 120_500.0, 3.5]
    series = read(
        write_text(tmp_path / "a.csv", HEADER, [[iso(0), *CANDLE], [iso(1), *torn], [iso(2), *CANDLE]]), quoted_in="USDT"
    )
    assert len(series.value) == 2 and counts(series.findings) == {Mark.SPIKE: 1, Mark.AFTER_GAP: 1}


def test_a_repeated_hour_is_kept_once_and_a_contradicted_one_never(tmp_path: Path) -> None:
    other = [1_200.0, 1_210.0, 1_190.0, 1_195.0, 3.5]
    path = tmp_path / "a.csv"
    assert len(read(write_text(path, HEADER, [[iso(0), *CANDLE], [iso(0), *CANDLE]]), quoted_in="USDT").value) == 1
    series = read(write_text(path, HEADER, [[iso(0), *CANDLE], [iso(1), *CANDLE], [iso(1), *other]]), quoted_in="USDT")
    assert len(series.value) == 1 and counts(series.findings) == {Mark.REPEATED: 2}


def test_an_hour_without_a_trade_is_kept_and_said(tmp_path: Path) -> None:
    series = read(write_text(tmp_path / "a.csv", HEADER, [[iso(0), *CANDLE[:4], 0], [iso(1), *CANDLE]]), quoted_in="USDT")
    assert len(series.value) == 2 and counts(series.findings) == {Mark.CARRIED: 1}


def test_refuses_a_table_that_holds_no_candles(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="holds no candles"):
        read(write_text(tmp_path / "a.csv", "timestamp,close", [[START, 1.0]]), quoted_in="USDT")
    with pytest.raises(BadTape, match="holds what is no time"):
        read(write_text(tmp_path / "a.csv", HEADER, [["yesterday", *CANDLE]]), quoted_in="USDT")


def test_the_real_files_show_what_their_description_lists() -> None:
    folder = shared("klines-hourly")
    binance = read(folder / "binance-ETHUSDT-1h.parquet", quoted_in="USDT")
    assert len(binance.value) == 52_106 and counts(binance.findings) == {Mark.CARRIED: 6, Mark.AFTER_GAP: 28}
    bybit = read(next(folder.glob("bybit*")), quoted_in="USDT")
    assert len(bybit.value) == 15_231 - 15 and counts(bybit.findings) == {Mark.REPEATED: 15}
    assert counts(read(next(folder.glob("binance_BTC*")), quoted_in="USDT").findings) == {Mark.AFTER_GAP: 15}
    pool = read(next(folder.glob("uniswapv3*")), quoted_in="USDT")
    both = np.intersect1d(bybit.timestamp, pool.timestamp)
    one, other = (series.known_at(both, within_seconds=0) for series in (bybit, pool))
    assert np.median(np.abs(one / other - 1)) < 0.002

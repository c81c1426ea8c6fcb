"""Hourly prices: units of time and of money, faults of the source against depegs, and the real files as described."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from backtest.checking.marks import Mark
from backtest.importers.prices_hourly import glitches, read, symbols_in
from backtest.importers.series import Series
from strategies.errors import BadTape
from tests.backtest.importers.written import HOUR, START, counts, moments, shared, write_text

HEADER = "symbol,timestamp,USD_price"
COINS = ("USDC", "USDT", "DAI", "FRAX", "TUSD")
HOURS = 60


def write(folder: Path, symbol: str, prices: list[object], *, scale: int = 1_000, name: str = "") -> Path:
    rows = [[symbol, time * scale + scale // 3, price] for time, price in zip(moments(len(prices)).tolist(), prices, strict=True)]
    return write_text(folder / f"{name or symbol}_usd.csv.gz", HEADER, rows)


def dollars(folder: Path, moved: dict[str, dict[int, float]]) -> Path:
    """Five dollars at one, moved at the hours named."""
    for coin in COINS:
        write(folder, coin, [moved.get(coin, {}).get(hour, 1.0) for hour in range(HOURS)])
    return folder


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_milliseconds_and_seconds_are_told_apart_by_the_file(tmp_path: Path) -> None:
    write(tmp_path, "CRV", [1.0, 2.0])
    write(tmp_path, "WETH", [2_015.2666, ""], scale=1, name="chainlink_WETH")
    assert symbols_in(tmp_path) == ("CRV", "chainlink_WETH")
    assert read(tmp_path, "CRV").timestamp.tolist() == [START, START + HOUR]
    chainlink = read(tmp_path, "chainlink_WETH")
    assert (chainlink.unit, len(chainlink.value), counts(chainlink.findings)) == ("USD", 1, {Mark.NOT_A_NUMBER: 1})


def test_a_time_in_another_unit_than_its_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "CRV", [1.0, 2.0, 3.0])
    write_text(path, HEADER, [["CRV", START * 1_000, 1.0], ["CRV", START + HOUR, 2.0], ["CRV", (START + 2 * HOUR) * 1_000, 3.0]])
    series = read(tmp_path, "CRV")
    assert series.value.tolist() == [1.0, 3.0] and counts(series.findings)[Mark.UNIT] == 1


def test_a_coin_of_the_ether_family_at_one_is_quoted_in_ether(tmp_path: Path) -> None:
    write(tmp_path, "cbETH", [0.98874103, 1.05], scale=1, name="chainlink_cbETH")
    series = read(tmp_path, "chainlink_cbETH")
    assert series.unit == "ETH" and counts(series.findings) == {Mark.UNIT: 2}
    write(tmp_path, "stETH", [1_600.0, 1_590.0])
    assert read(tmp_path, "stETH").unit == "USD"


def test_an_hour_in_which_all_dollars_move_has_no_price(tmp_path: Path) -> None:
    dollars(tmp_path, {"USDC": {40: 0.975}, "USDT": {40: 0.952}, "DAI": {40: 0.963}, "FRAX": {40: 0.944}})
    series = read(tmp_path, "USDC")
    assert START + 40 * HOUR not in series.timestamp and counts(series.findings)[Mark.SOURCES_APART] == 1
    assert len(read(tmp_path, "TUSD").value) == HOURS  # it did not move


def test_a_dollar_that_falls_alone_keeps_its_price(tmp_path: Path) -> None:
    dollars(tmp_path, {"USDC": {40: 0.88, 41: 0.9}})
    series = read(tmp_path, "USDC")
    assert series.value.min() == 0.88 and series.findings == ()


def test_a_dollar_that_falls_much_further_or_otherwise_than_the_others_keeps_its_price(tmp_path: Path) -> None:
    dollars(tmp_path, {"USDC": {40: 0.98}, "USDT": {40: 0.98}, "DAI": {40: 0.98}, "FRAX": {40: 0.6}, "TUSD": {40: 1.02}})
    assert read(tmp_path, "FRAX").value.min() == 0.6 and read(tmp_path, "TUSD").value.max() == 1.02
    assert read(tmp_path, "DAI").value.min() == 1.0


def test_a_fault_goes_on_while_half_of_the_dollars_stand_off(tmp_path: Path) -> None:
    first = {coin: {40: 1.04} for coin in COINS}
    dollars(tmp_path, {**first, "USDC": {40: 1.04, 41: 1.03}, "USDT": {40: 1.04, 41: 1.03}, "DAI": {40: 1.04, 41: 1.03}})
    assert read(tmp_path, "USDC").value.max() == 1.0
    dollars(tmp_path, {"USDC": {41: 1.03}, "USDT": {41: 1.03}, "DAI": {41: 1.03}})
    assert read(tmp_path, "USDC").value.max() == 1.03


def test_three_dollars_are_too_few_to_blame_the_source() -> None:
    fallen = np.ones(HOURS)
    fallen[40] = 0.9
    assert glitches([Series("a", "USD", moments(HOURS), fallen, ())] * 3) == ()
    assert [glitch.side for glitch in glitches([Series("a", "USD", moments(HOURS), fallen, ())] * 4)] == [-1]


def test_refuses_a_missing_coin_and_a_file_of_two(tmp_path: Path) -> None:
    write(tmp_path, "CRV", [1.0])
    with pytest.raises(BadTape, match="no prices of GOLD; known: CRV"):
        read(tmp_path, "GOLD")
    write_text(tmp_path / "MKR_usd.csv", HEADER, [["MKR", START * 1_000, 1.0], ["CRV", START * 1_000, 1.0]])
    with pytest.raises(BadTape, match="several coins: CRV, MKR"):
        read(tmp_path, "MKR")


def test_the_real_files_show_what_their_description_lists() -> None:
    folder = shared("prices-hourly-2021-2023")
    assert len(symbols_in(folder)) == 22
    usdc = read(folder, "USDC")
    for hour in ("2022-01-21 22:00", "2021-05-19 15:00", "2021-01-05 01:00"):
        assert not ((usdc.timestamp >= at(hour)) & (usdc.timestamp < at(hour) + HOUR) & (np.abs(usdc.value - 1) > 0.02)).any()
    assert 5 <= counts(usdc.findings)[Mark.SOURCES_APART] < 0.002 * len(usdc.value)
    assert read(folder, "chainlink_cbETH").unit == "ETH" and read(folder, "chainlink_WETH").unit == "USD"
    assert counts(read(folder, "chainlink_WETH").findings)[Mark.NOT_A_NUMBER] == 1
    assert counts(read(folder, "stETH").findings)[Mark.AFTER_GAP] >= 81

"""The crises that later steps replay, on real tapes: that each low is found where and when it was published, and that no cleaning
takes it away."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from backtest.importers import prices_hourly, usdc_usdt_pool
from backtest.importers.aave_hourly import import_asset, read_costs
from backtest.importers.ethereum_gas import read_daily_gas
from backtest.importers.series import Series
from backtest.numerals import moment
from strategies.protocols.recorded_index import RecordedIndex
from strategies.tape import Tape
from strategies.units import USD_E8

SHARED = Path(__file__).parents[3] / "shared" / "data"
HOUR = 3_600
PUBLISHED_USD = 0.8833  # published_results.md: the low of USDC, to 0.01 and an hour
PUBLISHED_AT = "2023-03-11 08:00"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def folder(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"needs shared/data/{name} beside the repository")
    return SHARED / name


def between(series: Series, start: str, end: str) -> Series:
    rows = (series.timestamp >= at(start)) & (series.timestamp < at(end))
    return Series(series.name, series.unit, series.timestamp[rows], series.value[rows], ())


def ratio(one: Series, other: Series) -> Series:
    """Two coins against each other at whole hours, each as last known by then."""
    hours = np.arange(one.timestamp[0] // HOUR + 1, one.timestamp[-1] // HOUR + 1, dtype=np.int64) * HOUR
    value = one.known_at(hours, within_seconds=HOUR) / other.known_at(hours, within_seconds=HOUR)
    said = ~np.isnan(value)
    return Series(f"{one.name}/{other.name}", other.name, hours[said], value[said], ())


def usdc_of_march_2023() -> Tape:
    source = folder("aave-eth-hourly")
    costs = read_costs(source, read_daily_gas(folder("ethereum-gas")))
    tape, _ = import_asset(source, "USDC", start=at("2023-03-09"), end=at("2023-03-15"), costs=costs)
    return tape


def test_usdc_of_march_2023_has_its_low_and_its_hour_as_published() -> None:
    tape = usdc_of_march_2023()
    price = tape.price_usd_e8[:, 0]
    low = int(price.argmin())
    assert abs(int(price[low]) / USD_E8 - PUBLISHED_USD) <= 0.01
    assert abs(int(tape.timestamp[low]) - at(PUBLISHED_AT)) <= HOUR
    assert abs(int(price[-1]) / USD_E8 - 1) < 0.005  # back by the 14th


def test_usdc_of_march_2023_has_two_oracles_and_one_of_them_is_blind() -> None:
    tape = usdc_of_march_2023()
    low = int(tape.price_usd_e8[:, 0].argmin())
    blind, seeing = (tape.states.state(low, tape.deployment.places[market]) for market in ("aave-v2:USDC", "aave-v3:USDC"))
    assert isinstance(blind, RecordedIndex) and blind.price_usd_e8 == USD_E8
    assert isinstance(seeing, RecordedIndex) and seeing.price_usd_e8 == tape.price_usd_e8[low, 0] < 0.9 * USD_E8


def test_usdc_of_march_2023_fell_against_usdt_within_the_same_hour() -> None:
    pool = usdc_usdt_pool.read(folder("usdc-usdt-pool-hourly"))
    march = between(pool.price, "2023-03-09", "2023-03-15")
    low = int(march.value.argmin())
    assert march.value[low] == pytest.approx(0.8726, abs=1e-4) and abs(int(march.timestamp[low]) - at(PUBLISHED_AT)) <= HOUR
    below = pool.price.timestamp[pool.price.value < 0.985]
    assert {moment(int(time))[:10] for time in below} == {"2023-03-11", "2023-03-12", "2023-03-13"}


def test_ust_of_may_2022_falls_below_a_tenth_and_is_no_fault_of_the_source() -> None:
    ust = prices_hourly.read(folder("prices-hourly-2021-2023"), "UST")
    may = between(ust, "2022-05-01", "2022-06-01")
    assert may.value[may.timestamp < at("2022-05-07")].min() > 0.99
    first = int(may.timestamp[may.value < 0.95][0])
    assert at("2022-05-09") <= first <= at("2022-05-10")  # lost its peg for good on the 9th
    assert may.value.min() < 0.1 and may.value[-1] < 0.1
    assert ust.value.min() == pytest.approx(0.0064, abs=0.0001)


def test_the_other_dollars_stayed_while_ust_fell() -> None:
    prices = folder("prices-hourly-2021-2023")
    usdc = between(prices_hourly.read(prices, "USDC"), "2022-05-07", "2022-05-20")
    assert usdc.value.min() > 0.98 and usdc.value.max() < 1.03 and len(usdc.value) > 300


def test_steth_of_june_2022_has_its_low_against_ether_on_the_18th() -> None:
    prices = folder("prices-hourly-2021-2023")
    steth, ether = (between(prices_hourly.read(prices, name), "2022-05-01", "2022-07-15") for name in ("stETH", "WETH"))
    pair = ratio(steth, ether)
    low = int(pair.value.argmin())
    assert pair.value[low] == pytest.approx(0.9306, abs=0.01)
    assert abs(int(pair.timestamp[low]) - at("2022-06-18 20:00")) <= 2 * HOUR


def test_the_dollars_lows_of_the_description_are_real_and_stay() -> None:
    prices = folder("prices-hourly-2021-2023")
    assert prices_hourly.read(prices, "FEI").value.min() == pytest.approx(0.69, abs=0.01)
    assert prices_hourly.read(prices, "sUSD").value.min() == pytest.approx(0.867, abs=0.001)


def test_a_fault_that_took_all_dollars_at_once_is_no_crisis() -> None:
    usdt = prices_hourly.read(folder("prices-hourly-2021-2023"), "USDT")
    glitch = between(usdt, "2022-01-21 22:00", "2022-01-21 23:00")
    assert not (glitch.value < 0.97).any()  # the file says 0.952

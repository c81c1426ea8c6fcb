"""Series: what is kept of a file, and that a tape's row never learns what was not known by then."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.checking.marks import Mark
from backtest.dataset import Rates
from backtest.importers.series import GWEI_UNIT, USD, Raw, Series, series_of, with_base_fee, with_prices
from backtest.importers.vault_tapes import notional_asset
from strategies.domain import NATIVE, Asset, Deployment
from strategies.errors import BadTape
from strategies.units import GWEI, USD_E8
from tests.backtest.importers.written import DAY, HOUR, START, counts, moments

COIN = notional_asset(1, "USDC")


def made(values: Sequence[float], *, times: Sequence[int] | None = None, least: float = 0.5, most: float = 2.0) -> Series:
    timestamp = moments(len(values)) if times is None else np.array(times, dtype=np.int64)
    value = np.array(values, dtype=np.float64)
    return series_of(Raw(name="USDC", unit=USD, timestamp=timestamp, value=value, least=least, most=most, step_seconds=HOUR))


def rates(rows: int) -> Rates:
    none = np.full((rows, 0), np.nan)
    return Rates(
        deployment=Deployment(1, "t", NATIVE, (COIN, Asset(1, NATIVE, "ETH", 18)), (), {}),
        timestamp=moments(rows),
        block=np.zeros(rows, dtype=np.int64),
        base_fee_wei=np.zeros(rows, dtype=np.int64),
        supply_apr=none,
        borrow_apr=none,
        utilisation=none,
        available=none,
        fresh=np.zeros((rows, 0), dtype=np.bool_),
        oracle_usd_e8=np.zeros((rows, 0), dtype=np.int64),
        price_usd_e8=np.zeros((rows, 2), dtype=np.int64),
    )


def test_a_clean_file_has_no_finding() -> None:
    series = made([1.0, 1.01, 0.99])
    assert series.findings == () and series.value.tolist() == [1.0, 1.01, 0.99]


def test_each_defect_is_counted_where_it_is_and_left_out() -> None:
    times = [START, START + HOUR, START + HOUR, START + 2 * HOUR, START + 2 * HOUR, START + HOUR]
    series = made([1.0, 1.1, 1.1, 1.2, 1.3, 1.0], times=times)
    assert counts(series.findings) == {Mark.REPEATED: 3, Mark.DISORDER: 1}
    assert series.timestamp.tolist() == [START, START + HOUR]


@pytest.mark.parametrize(
    ("value", "mark"),
    [
        (np.nan, Mark.NOT_A_NUMBER),
        (0.0, Mark.ZERO_FOR_MISSING),
        (-1.0, Mark.NEGATIVE),
        (100.0, Mark.UNIT),
        (np.inf, Mark.NOT_A_NUMBER),
    ],
)
def test_what_cannot_be_is_left_out_by_name(value: float, mark: Mark) -> None:
    series = made([1.0, value, 1.0])
    assert series.timestamp.tolist() == [START, START + 2 * HOUR] and counts(series.findings)[mark] == 1


def test_a_hole_stays_a_gap_in_time() -> None:
    series = made([1.0, 1.0], times=[START, START + 7 * HOUR])
    assert counts(series.findings) == {Mark.AFTER_GAP: 1} and "7 h" in series.findings[0].detail


def test_refuses_milliseconds_and_a_file_without_a_usable_row() -> None:
    with pytest.raises(BadTape, match="no Unix seconds"):
        made([1.0], times=[START * 1_000])
    with pytest.raises(BadTape, match="none of its 2 rows can be used"):
        made([np.nan, 0.0])
    with pytest.raises(BadTape, match="none of its 0 rows"):
        made([])


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=30, unique=True),
    st.lists(st.integers(-5, 50), min_size=1, max_size=20),
    st.integers(0, 20),
)
def test_a_time_never_learns_a_later_value(hours: list[int], asked: list[int], life: int) -> None:
    hours.sort()
    series = made([1 + hour / 100 for hour in hours], times=[START + HOUR * hour for hour in hours])
    got = series.known_at(START + HOUR * np.array(asked, dtype=np.int64), within_seconds=life * HOUR)
    for hour, value in zip(asked, got.tolist(), strict=True):
        known = [before for before in hours if before <= hour and hour - before <= life]
        assert value == 1 + known[-1] / 100 if known else np.isnan(value)


def test_a_joined_price_is_the_last_known_one_and_none_once_it_is_old() -> None:
    prices = made([0.999999994, 0.9], times=[START - HOUR, START + 2 * HOUR])
    joined = with_prices(rates(8), prices, "USDC", within_seconds=3 * HOUR)
    assert joined.price_usd_e8[:, 0].tolist() == [99_999_999, 99_999_999, 90_000_000, 90_000_000, 90_000_000, 90_000_000, 0, 0]
    assert not joined.price_usd_e8[:, 1].any()


def test_refuses_to_price_in_another_unit_or_what_the_tape_does_not_hold() -> None:
    prices = made([1.0])
    with pytest.raises(BadTape, match="no asset 'GOLD' to price; the tape has USDC, ETH"):
        with_prices(rates(2), prices, "GOLD", within_seconds=DAY)
    ether = Series("cbETH", "ETH", prices.timestamp, prices.value, ())
    with pytest.raises(BadTape, match="is in ETH"):
        with_prices(rates(2), ether, "USDC", within_seconds=DAY)


def test_a_joined_base_fee_is_whole_wei_rounded_up_and_never_missing() -> None:
    fees = Series("base", GWEI_UNIT, moments(1), np.array([11.97]), ())
    assert with_base_fee(rates(2), fees, within_seconds=DAY).base_fee_wei.tolist() == [1_197 * GWEI // 100] * 2
    tiny = Series("base", GWEI_UNIT, moments(1), np.array([1e-10]), ())
    assert with_base_fee(rates(1), tiny, within_seconds=DAY).base_fee_wei.tolist() == [1]
    late = Series("base", GWEI_UNIT, moments(1, start=START + HOUR), np.array([1.0]), ())
    with pytest.raises(BadTape, match="says no base fee at 2023-01-01 00:00"):
        with_base_fee(rates(2), late, within_seconds=DAY)
    with pytest.raises(BadTape, match="has to be in gwei"):
        with_base_fee(rates(2), made([1.0]), within_seconds=DAY)


def test_prices_keep_their_eighth_decimal() -> None:
    prices = made([1.23456789])
    assert with_prices(rates(1), prices, "USDC", within_seconds=0).price_usd_e8[0, 0] == 123_456_789 == round(1.23456789 * USD_E8)

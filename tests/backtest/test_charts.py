"""Charts and figures as a reader sees them: any series can be drawn, no dip disappears, what rounds to nothing has no sign."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import charts, numerals
from backtest.charts import Chart, Series
from strategies.domain import Amount
from strategies.errors import BadTape
from tests.backtest.recorded import ETHER, USDC


def chart(values: list[float], hours: int = 1) -> Chart:
    times = 1_704_067_200 + 3_600 * hours * np.arange(len(values), dtype=np.int64)
    return Chart("A < B", "note", times, (Series("one", "main", np.array(values)),), lambda value: f"{value:g}")


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=1, max_size=40), st.integers(min_value=1, max_value=20_000))
def test_any_series_can_be_drawn(values: list[float], hours: int) -> None:
    for drawn in (charts.lines(chart(values, hours)), charts.area(chart(values, hours))):
        assert "nan" not in drawn and "inf" not in drawn and "A &lt; B" in drawn


def test_a_stack_fills_from_bottom_to_top() -> None:
    drawn = charts.stack(chart([1.0, 1.0]))
    assert 'd="M0.0,0.0L1000.0,0.0L1000.0,300.0L0.0,300.0Z"' in drawn


def test_refuses_a_series_of_another_length() -> None:
    with pytest.raises(BadTape, match="1 of 2 points"):
        Chart("t", "", np.array([1, 2]), (Series("one", "main", np.array([1.0])),), str)


@given(st.integers(min_value=1, max_value=5_000))
def test_thinning_keeps_the_end_and_the_lowest(count: int) -> None:
    values = np.sin(np.arange(count, dtype=np.float64) * 7)
    assert charts.last_of(values)[-1] == values[-1]
    assert charts.lowest_of(values).min() == values.min()
    assert len(charts.last_of(values)) == len(charts.lowest_of(values)) == len(charts.times_of(np.arange(count))) <= charts.POINTS


def test_numbers_are_written_for_people() -> None:
    assert numerals.percent(0.0493) == "4.93 %" and numerals.percent(-0.1169) == "\u221211.69 %"
    assert numerals.points(0.0065) == "+0.65" and numerals.points(-0.0065) == "\u22120.65" and numerals.points(0.0) == "0.00"
    assert numerals.dollars(1_402.53) == "$1,403" and numerals.dollars(9.4) == "$9.40" and numerals.dollars(-3) == "\u2212$3.00"
    assert numerals.quantity(1_158_290.4) == "1,158,290" and numerals.quantity(1.23456) == "1.2346"
    assert numerals.percent(math.nan) == numerals.DASH and numerals.percent(-1e-9) == "0.00 %"
    assert numerals.whole_percent(0.254) == "25 %" and numerals.whole_percent(-0.001) == "0 %"
    assert numerals.cents(-0.004) == "0.00" and numerals.cents(-21.294) == "\u221221.29" and numerals.cents(1e6) == "1,000,000.00"
    assert numerals.later_by(0) == "at once" and numerals.later_by(3_600) == "1 h later"


def test_amounts_are_cut_not_rounded() -> None:
    assert numerals.cut(Amount(USDC, 1_000_139_078_999)) == "1,000,139.07 USDC"
    assert numerals.cut(Amount(USDC, 5_000_000)) == "5 USDC" and numerals.cut(Amount(ETHER, 10**12)) == "0.000001 ETH"


def test_a_chart_says_which_value_its_key_tells() -> None:
    drawn = charts.area(replace(chart([0.0, -0.12, -0.03]), told=charts.LOWEST))
    assert '<span class="when">lowest</span><span class="main"><i></i>one <b>-0.12</b>' in drawn
    assert '<span class="when">at the end</span><span class="main"><i></i>one <b>-0.03</b>' in charts.area(
        chart([0, -0.12, -0.03])
    )


def test_every_digit_of_an_amount_is_kept_for_programs() -> None:
    assert numerals.exact(1_234_567_890, 6) == "1234.56789" and numerals.exact(-5, 6) == "-0.000005"
    assert numerals.exact(0, 18) == "0" and numerals.exact(10**24, 6) == "1000000000000000000"


def test_a_chance_is_never_rounded_to_certainty_and_unknown_is_not_zero() -> None:
    assert numerals.chance(0.9999) == "over 99 %" and numerals.chance(1e-9) == "under 1 %"
    assert numerals.chance(0.31) == "31 %" and numerals.chance(math.nan) == "unknown"

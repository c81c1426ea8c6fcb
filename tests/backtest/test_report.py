"""The report: whole without a network, nothing left out, and the same facts for programs."""

import csv
import json
import math
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest import charts, numerals, tables
from backtest.charts import Chart, Series
from backtest.engine import run
from backtest.export import write_tables
from backtest.importers.defects import ImportReport, MarketDefects, Run, gaps_of, runs_of
from backtest.metrics import curve_of, figures_of
from backtest.report import page, write_report
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Result, Study, Terms, rotation, study
from strategies.benchmarks import Hold
from strategies.domain import ALL, Amount, Borrow, Supply, Withdraw
from strategies.errors import BadTape
from tests.backtest.recorded import ETHER, MARKETS, USDC, tape
from tests.backtest.test_engine import POLICY, terms

TERMS = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=rotation)
FOUND = ImportReport(
    source="a <folder>",
    asset="USDC",
    start=0,
    end=1,
    rows=2_400,
    markets=(
        MarketDefects("alpha:USDC", "alpha.parquet", "ab" * 32, 2_400, 600, (Run(1_699_124_400, 209),), (Run(0, 4),), 3, 2, 1, 5),
    ),
    notes=("Rates were read as percent.",),
)


@pytest.fixture(scope="module")
def made() -> Study:
    tape = sample_tape(seed=7, markets=2, hours=2_400)
    return study(tape, tape.deployment.assets[0], TERMS, FOUND)


@pytest.fixture(scope="module")
def html(made: Study) -> str:
    return page([made])


class Elements(HTMLParser):
    """Every opened tag, and whether each was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "action", "srcset"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "path"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_asks_nothing_of_any_network(html: str) -> None:
    parsed = Elements()
    parsed.feed(html)
    assert parsed.open == []
    assert all(link.startswith("#") for link in parsed.links)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<img|<iframe", html.replace("// Reads", ""))


def test_the_page_shows_every_figure_with_its_benchmarks(made: Study, html: str) -> None:
    for result in made.results:
        assert result.name in html
        assert numerals.quantity(result.figures.final) in html and numerals.percent(result.figures.apy) in html
    assert numerals.dollars(made.main.figures.gas_usd) in html
    assert html.count('data-is="Decided"') == sum(step.decision.plan is not None for step in made.main.run.steps)


def test_the_page_says_what_it_does_not_show_and_where_it_comes_from(made: Study, html: str) -> None:
    for said in ("Not exact.", "No effect of our own size.", "Luck is not measured.", "lending_rotation".replace("_", " ")):
        assert said in html
    assert made.main.run.tape.digest in html and made.main.run.journal.head in html


def test_the_page_shows_what_was_wrong_with_the_data(html: str) -> None:
    assert "600 (25 %)" in html and "1; longest 209 h from 2023-11-04 19:00" in html and "a &lt;folder&gt;" in html


def test_a_synthetic_tape_is_called_synthetic_before_anything_else(made: Study, html: str) -> None:
    synthetic = page([replace(made, origin=Synthetic(7))])
    assert '<p class="over">Backtest on a synthetic tape · seed 7 · 2024-01-01 to' in synthetic
    assert "<title>Backtest on a synthetic tape · seed 7: USDC</title>" in synthetic
    assert "net of gas, on made-up rates</h1>" in synthetic
    assert '<p class="lead"><strong>It shows the machine, not the strategy.</strong>' in synthetic
    assert "synthetic tape" not in html and "made-up" not in html and '<p class="over">Backtest · 2024-01-01' in html


def test_a_value_below_nothing_is_told_as_what_it_is(made: Study, html: str) -> None:
    lost = replace(made.main, figures=replace(made.main.figures, opening=20.0, final=-1.5, apy=-1.0))
    assert "Nothing is left of 20.0000 USDC: gas cost more than there was</h1>" in page([replace(made, main=lost)])
    assert "Nothing is left" not in html


def test_a_chart_says_which_value_its_key_tells(html: str) -> None:
    drawn = charts.area(replace(chart([0.0, -0.12, -0.03]), told=charts.LOWEST))
    assert '<span class="when">lowest</span><span class="main"><i></i>one <b>-0.12</b>' in drawn
    assert '<span class="when">at the end</span><span class="main"><i></i>one <b>-0.03</b>' in charts.area(
        chart([0, -0.12, -0.03])
    )
    assert html.count(">lowest</span>") == 1


def test_many_decisions_are_folded_away_and_few_are_not(made: Study) -> None:
    planned = [step for step in made.main.run.steps if step.decision.plan is not None]
    fees = made.main.curve.fees_usd
    for count in (tables.UNFOLDED, tables.UNFOLDED + 1):
        steps = (planned * count)[:count]
        run = replace(made.main.run, steps=tuple(steps))
        shown = tables.decisions(
            replace(made, main=replace(made.main, run=run, curve=replace(made.main.curve, fees_usd=fees[:count])))
        )
        assert shown.startswith("<details>") == (count > tables.UNFOLDED) and shown.count('data-is="Decided"') == count


def test_every_cell_names_its_column_for_narrow_screens(html: str) -> None:
    assert html.count('<td data-is="Against equal weight">') == 5 and '<td data-is="Carried over">' in html


def test_equal_studies_give_equal_pages(made: Study, html: str) -> None:
    assert page([made]) == html


def test_several_studies_share_one_page_with_an_overview(made: Study, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report([made, made], path)
    text = path.read_text()
    assert text.count("<article") == 2 and '<a href="#USDC">' in text


def test_programs_get_the_same_figures(made: Study, tmp_path: Path) -> None:
    summary, daily, plans = write_tables([made], tmp_path / "report.html", {"seed": 7})
    said = json.loads(summary.read_text())
    content = said["studies"]["USDC"]
    assert said["asked"] == {"seed": 7} and said["files"] == ["report-USDC-daily.csv", "report-USDC-plans.csv"]
    assert content["results"]["lending rotation"]["final"] == made.main.figures.final
    assert content["tape"]["digest"] == made.main.run.tape.digest and content["import"]["rows"] == 2_400
    days = list(csv.DictReader(daily.read_text().splitlines()))
    assert len(days) == 100 and float(days[-1]["lending rotation"]) == made.main.figures.final
    rows = list(csv.DictReader(plans.read_text().splitlines()))
    planned = [step.decision.plan for step in made.main.run.steps if step.decision.plan is not None]
    assert len(rows) == sum(len(plan.actions) for plan in planned)


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


def test_actions_are_spelled() -> None:
    amount = Amount(USDC, 2_500_000)
    assert tables.spell(Supply(MARKETS[0], amount)) == "supply 2.5 USDC to m0:USDC"
    assert tables.spell(Withdraw(MARKETS[0], ALL)) == "withdraw all from m0:USDC"
    assert tables.spell(Withdraw(MARKETS[0], amount)) == "withdraw 2.5 USDC from m0:USDC"
    assert tables.spell(Borrow(MARKETS[0], amount)) == "borrow"


def test_what_became_of_a_plan_is_told() -> None:
    hold = Hold(USDC, 3_600, MARKETS[0].id)
    recorded = tape([[0.2, 0.1]] * 4)
    told = []
    for settings in (terms(hold), terms(hold, latency_rows=9), terms(hold, policy=POLICY.model_copy(update={"max_calls": 1}))):
        done = run(recorded, settings)
        curve = curve_of(done)
        told.append(tables.outcome(Result(done, curve, figures_of(done, curve)), done.steps[0]))
    assert told == [
        "executed 1 h later",
        "not executed: the tape ends before it could be executed",
        "refused: the plan has 2 calls; max_calls is 1",
    ]


def test_stretches_and_gaps_are_found() -> None:
    times = 3_600 * np.array([0, 1, 2, 5, 6], dtype=np.int64)
    flags = np.array([True, True, False, True, False])
    assert runs_of(flags, times, 0) == (Run(0, 2), Run(18_000, 1))
    assert runs_of(flags, times, 1) == (Run(0, 2),)
    assert gaps_of(times, 3_600) == (Run(10_800, 2),)

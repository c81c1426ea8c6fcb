"""The report: whole without a network, nothing left out, and the same facts for programs."""

import csv
import json
import math
import re
from dataclasses import replace
from decimal import Decimal
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from backtest import hindsight, luck, numerals, tables
from backtest.engine import run
from backtest.export import write_tables
from backtest.importers.defects import ImportReport, MarketDefects, Run, gaps_of, runs_of
from backtest.metrics import curve_of, figures_of
from backtest.report import page, write_report
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Result, Study, Terms, rotation, study
from backtest.weighed import MissingEvidence, Weighed, weigh
from strategies.benchmarks import Hold
from strategies.domain import ALL, Amount, Borrow, Supply, Withdraw
from tests.backtest.recorded import MARKETS, USDC, tape
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
def weighed(made: Study) -> Weighed:
    return weigh(made)


@pytest.fixture(scope="module")
def html(weighed: Weighed) -> str:
    return page([weighed])


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
    for said in ("Not exact.", "Our own size", "Trials are those on record.", "lending_rotation".replace("_", " ")):
        assert said in html
    assert made.main.run.tape.digest in html and made.main.run.journal.head in html


def test_the_page_shows_what_was_wrong_with_the_data(html: str) -> None:
    assert "600 (25 %)" in html and "1; longest 209 h from 2023-11-04 19:00" in html and "a &lt;folder&gt;" in html


def test_a_synthetic_tape_is_called_synthetic_before_anything_else(made: Study, weighed: Weighed, html: str) -> None:
    synthetic = page([replace(weighed, study=replace(made, origin=Synthetic(7)))])
    assert '<p class="over">Backtest on a synthetic tape · seed 7 · 2024-01-01 to' in synthetic
    assert "<title>Backtest on a synthetic tape · seed 7: USDC</title>" in synthetic
    assert "net of gas, on made-up rates</h1>" in synthetic
    assert '<p class="lead"><strong>It shows the machine, not the strategy.</strong>' in synthetic
    assert "synthetic tape" not in html and "made-up" not in html and '<p class="over">Backtest · 2024-01-01' in html


def test_a_value_below_nothing_is_told_as_what_it_is(made: Study, weighed: Weighed, html: str) -> None:
    lost = replace(made.main, figures=replace(made.main.figures, opening=20.0, final=-1.5, apy=-1.0))
    assert "Nothing is left of 20.0000 USDC: gas cost more than there was</h1>" in page(
        [replace(weighed, study=replace(made, main=lost))]
    )
    assert "Nothing is left" not in html


def test_many_decisions_are_folded_away_and_few_are_not(made: Study) -> None:
    planned = [step for step in made.main.run.steps if step.decision.plan is not None]
    for count in (tables.UNFOLDED, tables.UNFOLDED + 1):
        steps = (planned * count)[:count]
        run = replace(made.main.run, steps=tuple(steps))
        shown = tables.decisions(replace(made, main=replace(made.main, run=run, curve=replace(made.main.curve, run=run))))
        assert shown.startswith("<details>") == (count > tables.UNFOLDED) and shown.count('data-is="Decided"') == count


def test_every_cell_names_its_column_for_narrow_screens(html: str) -> None:
    assert html.count('<td data-is="Against equal weight">') == 6 and '<td data-is="Carried over">' in html


def test_equal_studies_give_equal_pages(made: Study, html: str) -> None:
    assert page([weigh(made)]) == html


def test_several_studies_share_one_page_with_an_overview(weighed: Weighed, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report([weighed, weighed], path)
    text = path.read_text()
    assert text.count("<article") == 2 and '<a href="#USDC">' in text


def test_programs_get_the_same_figures(made: Study, weighed: Weighed, tmp_path: Path) -> None:
    summary, daily, plans, *_ = write_tables([weighed], tmp_path / "report.html", {"seed": 7})
    said = json.loads(summary.read_text())
    content = said["studies"]["USDC"]
    assert said["asked"] == {"seed": 7}
    assert said["files"] == [f"report-USDC-{name}.csv" for name in ("daily", "plans", "books", "accounts")]
    assert content["results"]["lending rotation"]["final"] == made.main.figures.final
    assert content["tape"]["digest"] == made.main.run.tape.digest and content["import"]["rows"] == 2_400
    days = list(csv.DictReader(daily.read_text().splitlines()))
    assert len(days) == 100 and float(days[-1]["lending rotation"]) == made.main.figures.final
    rows = list(csv.DictReader(plans.read_text().splitlines()))
    planned = [step.decision.plan for step in made.main.run.steps if step.decision.plan is not None]
    assert len(rows) == sum(len(plan.actions) for plan in planned)


def test_programs_get_the_luck_too(weighed: Weighed, tmp_path: Path) -> None:
    summary, *_ = write_tables([weighed], tmp_path / "report.html", {})
    content = json.loads(summary.read_text())["studies"]["USDC"]
    assert content["evidence"]["trials"] == weighed.evidence.trials == 1
    assert content["evidence"]["sentence"] == weighed.evidence.sentence
    assert content["best_in_hindsight"]["final"] == weighed.bound.value[-1] and content["regret"]["value"] == weighed.regret.value


def test_accounts_lie_beside_the_report_and_come_to_what_is_held(made: Study, weighed: Weighed, tmp_path: Path) -> None:
    *_, accounts = write_tables([weighed], tmp_path / "report.html", {})
    lines = list(csv.DictReader(accounts.read_text().splitlines()))
    kept = [Decimal(line["quantity"]) for line in lines if line["asset"] == "USDC" and line["kind"] in {"held", "accrued"}]
    assert int(sum(kept) * 10**6) == weighed.book.days[-1].whole_raw
    assert {line["kind"] for line in lines} >= {"opening", "income", "gas", "held"}
    assert all(line["value_usd"] for line in lines) and not any("e" in line["quantity"].lower() for line in lines)


def test_the_page_shows_trials_and_luck_and_the_bound(weighed: Weighed, html: str) -> None:
    assert escape(weighed.evidence.sentence) in html
    for name, value, _ in luck.figures(weighed.evidence):
        assert f"<dt>{escape(name)}</dt><dd>{escape(value)}<small>" in html
    assert f'<tr class="bound"><td data-is="">{hindsight.LABEL}</td>' in html and ">Regret</dt>" in html


def test_a_study_without_its_evidence_is_no_page(made: Study) -> None:
    with pytest.raises(MissingEvidence, match="trial count and its luck"):
        page([made])  # type: ignore[list-item]


def test_what_is_not_known_of_luck_is_said_to_be_unknown(weighed: Weighed) -> None:
    nothing = math.nan
    unknown = replace(
        weighed.evidence,
        sharpe=nothing,
        sharpe_error=nothing,
        probabilistic_sharpe=nothing,
        deflated_sharpe=nothing,
        luck=nothing,
        min_track_days=nothing,
        excess_low=nothing,
        excess_high=nothing,
    )
    told = {name: value for name, value, _ in luck.figures(unknown)}
    assert {told[name] for name in told if name not in {"Trials"}} == {"unknown"}
    assert "nan" not in page([replace(weighed, evidence=unknown)])


def test_the_reasons_of_the_guard_are_counted_by_rule() -> None:
    hold = Hold(USDC, 3_600, MARKETS[0].id)
    done = run(tape([[0.2, 0.1]] * 4), terms(hold, policy=POLICY.model_copy(update={"max_calls": 1})))
    curve = curve_of(done)
    refused = tables.refusals(Result(done, curve, figures_of(done, curve)))
    assert "<h3>What refused</h3>" in refused and "the plan has … calls; max_calls is …" in refused
    allowed = run(tape([[0.2, 0.1]] * 4), terms(hold))
    curve = curve_of(allowed)
    assert tables.refusals(Result(allowed, curve, figures_of(allowed, curve))) == ""


def test_of_many_held_markets_the_best_and_the_worst_stand_beside_the_strategy(made: Study, weighed: Weighed) -> None:
    few = tables.results(weighed)
    assert "<details>" not in few and few.count("<tr") == len(made.results) + 2
    many = tables.results(replace(weighed, study=replace(made, holds=made.holds * 4)))
    assert f"The {len(made.holds) * 4 - 2} other held markets" in many


def test_money_that_was_stuck_is_shown_beside_every_run_and_where_none_was_there_is_no_column(
    made: Study, weighed: Weighed, html: str
) -> None:
    assert "Money stuck" not in html
    one, two = made.holds
    held = tuple(replace(hold, figures=replace(hold.figures, stuck_days=days)) for hold, days in ((one, 0.125), (two, 12.3)))
    stuck = replace(weighed, study=replace(made, holds=held))
    shown = tables.results(stuck)
    assert re.findall(r'<td data-is="Money stuck">([^<]*)</td>', shown) == ["0 h", "0 h", "3 h", "12.3 d", "0 h", "–"]
    assert shown.count("<th>Money stuck</th>") == 1 and shown in page([stuck])
    many = tables.results(replace(weighed, study=replace(made, holds=held * 4)))
    assert many.count("<th>Money stuck</th>") == 2 and many.count('"Money stuck"') == many.count('"Gas"')


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

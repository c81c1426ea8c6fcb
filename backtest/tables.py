"""The tables of the report, as HTML. Refuses nothing: every text from outside is escaped, and what is not known is a dash."""

import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

from backtest import metrics
from backtest.engine import Step
from backtest.importers.defects import MarketDefects
from backtest.importers.defects import Run as Stretch
from backtest.numerals import DASH, cut, dollars, later_by, moment, percent, points, quantity, whole_percent
from backtest.study import Result, Study
from strategies.domain import Action, Amount, Entire, Shares, Supply, Withdraw
from wallets.wallet import Refused

RESULTS: Final = (
    *("", "End value", "A year", "Against equal weight", "Deepest fall, USD"),
    *("Moves", "Turned over", "Gas"),
)
DEFECTS: Final = (
    *("Market", "Rows", "Carried over", "Frozen over a day", "Missing hours", "Without a rate"),
    *("Lent above 100 %", "Spikes kept", "Spikes refused"),
)
UNFOLDED: Final = 12  # more decisions than these are folded away
DECISIONS: Final = (
    *(("Decided", ""), ("What moves", "text"), ("Why", "text")),
    *(("Hoped for, points a year", ""), ("Gas", ""), ("Outcome", "text")),
)


def results(study: Study) -> str:
    """The strategy and its benchmarks, one row each."""
    rows = [_result_cells(study, result) for result in study.results]
    classes = ["main" if result is study.main else "" for result in study.results]
    return _table(RESULTS, rows, classes, "results")


def _result_cells(study: Study, result: Result) -> list[str]:
    figures = result.figures
    return [
        escape(result.name),
        quantity(figures.final),
        percent(figures.apy),
        DASH if result is study.equal_weight else points(figures.apy - study.equal_weight.figures.apy),
        percent(figures.drawdown_usd),
        str(figures.moves),
        f"{figures.turnover:.1f}×",
        dollars(figures.gas_usd),
    ]


def overview(studies: Sequence[Study]) -> str:
    """One row a study."""
    head = ("Asset", "A year, net", "Against equal weight", "Against the better market", "End value", "Moves", "Gas")
    rows = [
        [
            f'<a href="#{escape(study.main.asset.symbol)}">{escape(study.main.asset.symbol)}</a>',
            percent(study.main.figures.apy),
            points(study.main.figures.apy - study.equal_weight.figures.apy),
            points(study.main.figures.apy - max(held.figures.apy for held in study.holds)),
            quantity(study.main.figures.final),
            str(study.main.figures.moves),
            dollars(study.main.figures.gas_usd),
        ]
        for study in studies
    ]
    return _table(head, rows, [""] * len(rows), "overview")


def decisions(study: Study) -> str:
    """Every decision that led to a plan, and what became of it; folded away where there are many."""
    told = zip(study.main.run.steps, study.main.curve.fees_usd, strict=True)
    rows = [_decision_cells(study.main, step, fee) for step, fee in told if step.decision.plan is not None]
    if not rows:
        return '<p class="say">No plan was made.</p>'
    head = "".join(f'<th class="{kind}">{name}</th>' for name, kind in DECISIONS)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}" data-is="{name}">{cell}</td>' for (name, kind), cell in zip(DECISIONS, row, strict=True))
        + "</tr>"
        for row in rows
    )
    table = f'<div class="wide"><table class="cards"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    if len(rows) <= UNFOLDED:
        return table
    return f"<details><summary>The {len(rows):,} decisions that led to a plan</summary>{table}</details>"


def _decision_cells(result: Result, step: Step, fee_usd: float) -> list[str]:
    plan = step.decision.plan
    moves = "<br>".join(escape(spell(action)) for action in plan.actions) if plan else DASH
    gain = metrics.expected_gain_apr(step, result.run.settings.decide.gate.lookback_seconds)
    return [
        moment(step.seen.timestamp),
        moves,
        escape(step.decision.reason),
        points(gain),
        dollars(fee_usd),
        escape(outcome(result, step)),
    ]


def spell(action: Action) -> str:
    """An action in words."""
    match action:
        case Supply(market, amount):
            return f"supply {cut(amount)} to {market.id}"
        case Withdraw(market, Entire() | Shares()):
            return f"withdraw all from {market.id}"
        case Withdraw(market, Amount() as amount):
            return f"withdraw {cut(amount)} from {market.id}"
        case _:
            return type(action).__name__.lower()


def outcome(result: Result, step: Step) -> str:
    """What became of a plan, in words."""
    match step.verdict:
        case Refused(reasons=reasons):
            return "refused: " + "; ".join(reason.text for reason in reasons)
        case _ if step.receipt is None or step.due_row is None:
            return f"not executed: {step.held}"
        case _:
            later = later_by(int(result.run.tape.timestamp[step.due_row]) - step.seen.timestamp)
            return f"executed {later}" if step.receipt.complete else f"failed {later}: {step.receipt.note}"


def kept(result: Result) -> str:
    """The decisions to stay, by reason; figures in the reasons are left out so that they can be counted."""
    reasons = [step.decision.reason for step in result.run.steps if step.decision.plan is None]
    counted = Counter(re.sub(r"[\d.,]*\d", "…", reason) for reason in reasons)
    items = "".join(f"<li>{count:,} × {escape(reason)}</li>" for reason, count in counted.most_common(12))
    return f'<ul class="plain">{items}</ul>'


def defects(markets: Sequence[MarketDefects]) -> str:
    """What was wrong with each market's source."""
    rows = [
        [
            escape(found.market_id),
            f"{found.rows:,}",
            f"{found.carried_rows:,} ({whole_percent(found.carried_rows / max(1, found.rows))})",
            _stretches(found.frozen),
            f"{found.missing_hours:,}",
            f"{found.null_rows:,}",
            f"{found.over_lent_rows:,}",
            f"{found.spike_rows:,}",
            f"{found.refused_rows:,}",
        ]
        for found in markets
    ]
    return _table(DEFECTS, rows, [""] * len(rows), "defects")


def _stretches(runs: Sequence[Stretch]) -> str:
    if not runs:
        return "0"
    longest = max(runs, key=lambda run: run.count)
    return f"{len(runs)}; longest {longest.count} h from {moment(longest.first)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str], kind: str) -> str:
    top = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(
        f'<tr class="{mark}">'
        + "".join(f'<td data-is="{name}">{cell}</td>' for name, cell in zip(head, row, strict=True))
        + "</tr>"
        for mark, row in zip(classes, rows, strict=True)
    )
    return f'<div class="wide"><table class="stacked {kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'

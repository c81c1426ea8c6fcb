"""The tables of the report, as HTML. Refuses nothing: every text from outside is escaped, and what is not known is a dash."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

from backtest import hindsight, metrics
from backtest.checking.marks import Finding
from backtest.importers.defects import MarketDefects
from backtest.importers.defects import Run as Stretch
from backtest.numerals import DASH, chance, cut, dollars, later_by, moment, percent, points, quantity, whole_percent
from backtest.runs import Step
from backtest.study import Result, Study
from backtest.weighed import Weighed
from strategies.domain import Action, Amount, Entire, Shares, Supply, Withdraw
from wallets.wallet import Refused

RESULTS: Final = (
    *("", "End value", "A year", "Against equal weight", "Deepest fall, USD"),
    *("Moves", "Turned over", "Gas"),
)
STUCK: Final = "Money stuck"  # a column where any run's was
DEFECTS: Final = (
    *("Market", "Rows", "Carried over", "Frozen over a day", "Missing hours", "Without a rate"),
    *("Lent above 100 %", "Spikes kept", "Spikes refused"),
)
Tile = tuple[str, str, str]  # a name, a value, what it is

HOLDS: Final = 6  # more held markets than these are folded away, but for the best and the worst
UNFOLDED: Final = 12  # more decisions than these are folded away
DECISIONS: Final = (
    *(("Decided", ""), ("What moves", "text"), ("Why", "text")),
    *(("Hoped for, points a year", ""), ("Gas", ""), ("Outcome", "text")),
)


def tiles(facts: Sequence[Tile]) -> str:
    """Facts side by side: a name, a value, and what it is."""
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>" for name, value, note in facts
    )
    return f'<dl class="tiles">{cells}</dl>'


def results(weighed: Weighed) -> str:
    """The strategy and its benchmarks, one row each, and the bound of hindsight last."""
    study, bound = weighed.study, weighed.bound
    shown, folded = shown_beside(study), folded_away(study)
    head = (*RESULTS, STUCK) if any(result.figures.stuck_days for result in study.results) else RESULTS
    rows = [_result_cells(study, result)[: len(head)] for result in shown]
    classes = ["main" if result is study.main else "" for result in shown]
    against = points(bound.apy - study.equal_weight.figures.apy)
    known = [hindsight.LABEL, quantity(float(bound.value[-1])), percent(bound.apy), against]
    known += [DASH] * (len(head) - len(known))
    table = _table(head, [*rows, known], [*classes, "bound"], "results")
    if not folded:
        return table
    others = _table(head, [_result_cells(study, held)[: len(head)] for held in folded], [""] * len(folded), "results")
    return f"{table}<details><summary>The {len(folded)} other held markets</summary>{others}</details>"


def shown_beside(study: Study) -> tuple[Result, ...]:
    """The strategy and its benchmarks; of many held markets the best and the worst alone."""
    folded = folded_away(study)
    return tuple(result for result in study.results if not any(result is held for held in folded))


def folded_away(study: Study) -> tuple[Result, ...]:
    """The held markets between the best and the worst, best first, where there are many."""
    if len(study.holds) <= HOLDS:
        return ()
    return tuple(sorted(study.holds, key=lambda held: -held.figures.final)[1:-1])


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
        _stuck(figures.stuck_days),
    ]


def _stuck(days: float) -> str:
    """How long, in hours up to two days."""
    return f"{days * 24:.3g} h" if days < 2 else f"{days:,.1f} d"


def overview(weighed: Sequence[Weighed]) -> str:
    """One row a study."""
    head = (
        "Asset",
        "A year, net",
        "Against equal weight",
        "Against the best market",
        "Deflated Sharpe",
        "Trials",
        "End value",
        "Moves",
        "Gas",
    )
    rows = [
        [
            f'<a href="#{escape(one.study.main.asset.symbol)}">{escape(one.study.main.asset.symbol)}</a>',
            percent(one.study.main.figures.apy),
            points(one.study.main.figures.apy - one.study.equal_weight.figures.apy),
            points(one.study.main.figures.apy - max(held.figures.apy for held in one.study.holds)),
            chance(one.evidence.deflated_sharpe),
            f"{one.evidence.trials:,}",
            quantity(one.study.main.figures.final),
            str(one.study.main.figures.moves),
            dollars(one.study.main.figures.gas_usd),
        ]
        for one in weighed
    ]
    return _table(head, rows, [""] * len(rows), "overview")


def costs(weighed: Weighed) -> str:
    """What was paid, in the asset and as a part of what was earned before it."""
    main, days, symbol = weighed.study.main, weighed.book.days, weighed.study.main.asset.symbol
    one = 10**weighed.book.decimals
    gas, trades = sum(day.gas_raw for day in days) / one, sum(day.trades_raw for day in days) / one
    earned, fees = sum(sum(day.income_raw) for day in days) / one, -sum(day.other_raw for day in days) / one
    thinned = main.run.impact_raw / one
    lines = (
        ("Gas", f"{main.figures.moves} moves", gas, main.figures.gas_usd),
        ("Fees beside gas", "assumed for each market touched" if fees else "none assumed", fees, math.nan),
        ("Our own size", "interest that our deposits thinned" if thinned else "nothing, or not counted", thinned, math.nan),
        *_penalties(sum(day.liquidated_raw for day in days) / one, len(main.run.liquidations)),
        ("Slippage and price impact", "what trades cost or brought" if trades else "it did not trade", -trades, math.nan),
    )
    rows = [
        [name, escape(note), f"{quantity(paid)} {escape(symbol)}", dollars(usd), percent(paid / earned) if earned > 0 else DASH]
        for name, note, paid, usd in lines
    ]
    head = ("Cost", "For", "Paid", "In dollars", "Of what was earned")
    return _table(head, rows, [""] * len(rows), "costs")


def _penalties(kept: float, count: int) -> tuple[tuple[str, str, float, float], ...]:
    """What liquidations took beyond the debt that they repaid; no line where there was none."""
    return (("Liquidations", f"{count} of them", -kept, math.nan),) if count else ()


def refusals(result: Result) -> str:
    """The rules by which the guard refused plans, most frequent first; nothing where it refused none."""
    refused = [step.verdict for step in result.run.steps if isinstance(step.verdict, Refused)]
    counted = Counter((reason.rule, re.sub(r"[\d.,]*\d", "…", reason.text)) for verdict in refused for reason in verdict.reasons)
    if not counted:
        return ""
    items = "".join(
        f"<li>{count:,} × <b>{escape(rule)}</b>: {escape(text)}</li>" for (rule, text), count in counted.most_common(12)
    )
    return f'<h3>What refused</h3><ul class="plain">{items}</ul>'


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


def findings(found: Sequence[Finding]) -> str:
    """What was wrong, one line a finding, folded away; nothing where nothing was found."""
    if not found:
        return ""
    head = ("Where", "What", "Rows", "From", "What was done", "Figures")
    rows = [
        [
            escape(one.subject),
            escape((one.mark.name or str(int(one.mark))).lower().replace("_", " ")),
            f"{one.count:,}",
            moment(one.first),
            escape(one.treatment),
            escape(one.detail) or DASH,
        ]
        for one in found
    ]
    table = _table(head, rows, [""] * len(rows), "findings")
    return f"<details><summary>The {len(rows):,} findings</summary>{table}</details>"


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

"""One self-contained HTML page for a set of studies. Refuses to show a result without its benchmarks, its costs, what was wrong
with the data, and what it does not show; asks nothing of any network."""

from collections.abc import Sequence
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np

from backtest import charts, tables
from backtest.charts import Chart, Series
from backtest.importers.defects import ImportReport
from backtest.metrics import drawdowns, share_values
from backtest.numerals import cut, day, dollars, gained, percent, points, quantity, whole_percent
from backtest.scenario import Synthetic
from backtest.study import Result, Study
from strategies.domain import Market
from strategies.tape import Floats
from strategies.units import SECONDS_PER_YEAR
from wallets.policy import policy_digest

PAGE: Final = Path(__file__).parent / "page"
VERSIONED: Final = ("usufruct", "numpy", "pyarrow")
MACHINE: Final = "It shows the machine, not the strategy."
SYNTHETIC: Final = "A synthetic tape of seed {seed}, fitted to nothing: a result on it says nothing about any market."
TREATMENT: Final = (
    "What was wrong with it, and what was done: carried-over hours count as stale, gaps stay gaps in time, "
    "nothing was averaged or filled in."
)
CAVEATS: Final = (
    "<b>Not exact.</b> The source has rates, not indices: each market is an index built from them, linear between rows.",
    "<b>No effect of our own size.</b> Recorded rates do not fall when we arrive: the larger the sum, the kinder this result.",
    "<b>Latency.</b> A decision uses its own row and is executed {rows}, at what that row says, or not at all.",
    "<b>Withdrawals</b> are limited by the liquidity recorded for the hour. That a market was paused is not recorded: "
    "frozen hours may have been hours in which nobody could leave.",
    "<b>Gas</b> is what the same calls burn on Aave V3 at the day's average price, from ether held apart from the result.",
    "<b>Loss of the substance</b> (a bug, bad debt, a broken oracle) did not happen to these markets then. It could have.",
    "<b>Luck is not measured.</b> {moves} moves are that many observations: too few for a Sharpe ratio or its deflated kin. "
    "How many other settings were tried before this one is not known to this page.",
)


def write_report(studies: Sequence[Study], path: Path) -> None:
    """The page of one or more studies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(studies), encoding="utf-8")


def page(studies: Sequence[Study]) -> str:
    """The whole document."""
    names = ", ".join(study.main.asset.symbol for study in studies)
    over = _over(studies[0])
    overview = _overview(studies) if len(studies) > 1 else ""
    articles = "".join(_article(study) for study in studies)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{over}: {escape(names)}</title><style>{(PAGE / 'report.css').read_text()}</style></head>"
        f"<body><main>{overview}{articles}</main><footer>{_footer()}</footer>"
        f"<script>{(PAGE / 'report.js').read_text()}</script></body></html>\n"
    )


def _overview(studies: Sequence[Study]) -> str:
    first, last = studies[0].main.curve.timestamp[[0, -1]].tolist()
    names = ", ".join(study.main.asset.symbol for study in studies)
    return (
        f'<p class="over">{_over(studies[0])} · {day(first)} to {day(last)}</p>'
        f"<h1>{escape(names)}: each on its own, net of gas</h1>{tables.overview(studies)}"
    )


def _article(study: Study) -> str:
    return (
        f'<article id="{escape(study.main.asset.symbol)}">{_headline(study)}{_result(study)}{_value(study)}{_place(study)}'
        f"{_costs(study)}{_decisions(study)}{_caveats(study)}{_data(study)}{_provenance(study)}</article>"
    )


def _headline(study: Study) -> str:
    main, asset = study.main, study.main.asset
    figures, seconds = main.figures, main.curve.timestamp
    markets = ", ".join(market.id for market in main.markets)
    return (
        f'<p class="over">{_over(study)} · {day(int(seconds[0]))} to {day(int(seconds[-1]))} · {escape(markets)}</p>'
        f'<h1 class="answer">{_answer(study)}</h1>'
        f'<p class="lead">{_lead(study)}</p><dl class="tiles">'
        f"{_tile('End value', quantity(figures.final), f'{asset.symbol}, from {quantity(figures.opening)}')}"
        f"{_tile('Against equal weight', points(_excess(study, study.equal_weight)), 'points a year')}"
        f"{_tile('Deepest fall', percent(figures.drawdown_usd), 'of the value in dollars')}"
        f"{_tile('Gas', dollars(figures.gas_usd), f'in {figures.moves} moves')}</dl>"
    )


def _over(study: Study) -> str:
    """What this is, first of all."""
    match study.origin:
        case Synthetic(seed=seed):
            return f"Backtest on a synthetic tape · seed {seed}"
        case ImportReport():
            return "Backtest"


def _answer(study: Study) -> str:
    figures, symbol = study.main.figures, escape(study.main.asset.symbol)
    made = ", on made-up rates" if isinstance(study.origin, Synthetic) else ""
    if figures.final <= 0:
        return f"Nothing is left of {quantity(figures.opening)} {symbol}: gas cost more than there was{made}"
    return f"{percent(figures.apy)} a year on {symbol}, net of gas{made}"


def _tile(name: str, value: str, note: str) -> str:
    return f"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>"


def _lead(study: Study) -> str:
    """What was done and how it compares, in sentences that take no side."""
    best = max(study.holds, key=lambda held: held.figures.apy)
    decide = study.main.run.settings.decide
    strategy, stance = decide.menu.strategies[0][0].replace("_", " "), decide.menu.stances[0]
    against_mean, against_best = _excess(study, study.equal_weight), _excess(study, best)
    caution = f"<strong>{MACHINE}</strong> " if isinstance(study.origin, Synthetic) else ""
    return (
        f"{caution}{escape(strategy.capitalize())} in the {escape(stance)} stance, {study.main.figures.moves} moves in "
        f"{study.main.figures.days:,.0f} days. That is <strong>{_than(against_mean)}</strong> equal weight and "
        f"<strong>{_than(against_best)}</strong> the market that turned out best ({escape(best.name)}), "
        "which nobody knew beforehand."
    )


def _than(difference: float) -> str:
    return f"{abs(difference) * 100:.2f} points a year {'more' if difference >= 0 else 'less'} than"


def _excess(study: Study, other: Result) -> float:
    return study.main.figures.apy - other.figures.apy


def _result(study: Study) -> str:
    return f"<h2>Beside its benchmarks</h2>{tables.results(study)}"


def _value(study: Study) -> str:
    main, asset = study.main, study.main.asset
    times = charts.times_of(main.curve.timestamp)
    shown = [result for result in study.results if result is not study.idle]
    growth = Chart(
        "Value",
        f"In {asset.symbol}, net of the gas spent so far.",
        times,
        tuple(Series(result.name, _kind(study, result), charts.last_of(result.curve.net)) for result in shown),
        lambda value: f"{value:,.0f}",
    )
    ahead = Chart(
        "Ahead of equal weight",
        f"In {asset.symbol}: what the moves brought, less what they cost.",
        times,
        (Series("difference", "main", charts.last_of(main.curve.net - study.equal_weight.curve.net)),),
        gained,
    )
    falls = Chart(
        "Below the highest value so far, in dollars",
        "At the price of the protocol's own oracle; the lowest hour of each stretch is drawn.",
        times,
        (Series("fall", "fall", charts.lowest_of(drawdowns(main.curve.net_usd))),),
        percent,
        charts.LOWEST,
    )
    return charts.lines(growth) + charts.area(ahead) + charts.area(falls)


def _place(study: Study) -> str:
    main = study.main
    times, at = charts.times_of(main.curve.timestamp), main.run.tape.market_rows
    parts = [
        Series(market.id, f"m{place + 1}", charts.last_of(main.curve.weights[:, at[market.id]]))
        for place, market in enumerate(main.markets)
    ]
    idle = Series("idle", "idle", 1.0 - np.sum([part.values for part in parts], axis=0))
    shares = ", ".join(f"{percent(share)} {name}" for name, share in main.figures.shares)
    note = f"Shares of what was held. Over the whole time: {shares}."
    places = Chart("Where the value lay", note, times, (*parts, idle), whole_percent)
    paid = Chart(
        "What the markets paid",
        "Growth of each market's index over each stretch of the drawing, as a rate per year.",
        times,
        tuple(Series(market.id, f"m{place + 1}", _paid(main, market)) for place, market in enumerate(main.markets)),
        percent,
    )
    return charts.stack(places) + charts.lines(paid)


def _paid(main: Result, market: Market) -> Floats:
    """What a share grew by between drawn points, a year; nothing before the market spoke."""
    value = charts.last_of(share_values(main.run.tape, market))
    seconds = np.diff(charts.times_of(main.curve.timestamp))
    before = value[:-1]
    growth = np.divide(value[1:], before, out=np.ones_like(before), where=before > 0) - 1
    yearly: Floats = np.append(0.0, growth * SECONDS_PER_YEAR / seconds)
    yearly[0] = yearly[1] if len(yearly) > 1 else 0.0
    return yearly


def _costs(study: Study) -> str:
    main = study.main
    gas = Chart(
        "Gas spent",
        "In dollars, at the base fee and ether price of the row each plan was executed at.",
        charts.times_of(main.curve.timestamp),
        (Series("gas", "cost", charts.last_of(main.curve.gas_usd)),),
        lambda value: f"${value:,.0f}",
    )
    earned = main.figures.final + main.figures.gas - main.figures.opening
    share = f"{percent(main.figures.gas / earned)} of what was earned" if earned > 0 else "and nothing was earned"
    fees = f"{main.figures.moves} moves cost {dollars(main.figures.gas_usd)} of gas, {share}. No other cost was charged."
    return f'<h2>Costs</h2><p class="say">{fees}</p>{charts.area(gas)}'


def _decisions(study: Study) -> str:
    figures = study.main.figures
    stayed = figures.decisions - sum(step.decision.plan is not None for step in study.main.run.steps)
    return (
        f'<h2>Decisions</h2><p class="say">{figures.decisions:,} times it was decided; {stayed:,} times to stay. '
        f"Plans refused by the guard: {figures.refused}; approved but not executed: {figures.failed}.</p>"
        f"{tables.decisions(study)}"
        f"<details><summary>Why it stayed</summary>{tables.kept(study.main)}</details>"
    )


def _caveats(study: Study) -> str:
    settings = study.main.run.settings
    rows = "at the same row" if settings.latency_rows == 0 else f"{settings.latency_rows} row(s) later"
    said = [text.format(rows=rows, moves=study.main.figures.moves) for text in CAVEATS]
    return f'<h2>What this does not show</h2><ul class="plain">{"".join(f"<li>{text}</li>" for text in said)}</ul>'


def _data(study: Study) -> str:
    match study.origin:
        case Synthetic(seed=seed):
            return f'<h2>The data</h2><p class="say">{SYNTHETIC.format(seed=seed)}</p>'
        case ImportReport(source=source, rows=rows, markets=markets, notes=notes):
            listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
            return (
                f'<h2>The data</h2><p class="say">{escape(source)}, {rows:,} hourly rows. {TREATMENT}</p>'
                f'{tables.defects(markets)}<ul class="plain">{listed}</ul>'
            )


def _provenance(study: Study) -> str:
    run, settings = study.main.run, study.main.run.settings
    facts = [
        ("Tape", f"{run.tape.deployment.name}, sha256 {run.tape.digest}"),
        *((f"File {found.file}", f"sha256 {found.sha256}") for found in (study.imported.markets if study.imported else ())),
        ("Strategy", repr(settings.decide.menu.strategies[0][1])),
        ("Stance", settings.decide.menu.stances[0]),
        ("Opening", f"{', '.join(cut(idle) for idle in settings.opening.idle)}; latency {settings.latency_rows} row(s)"),
        ("Gate", repr(settings.decide.gate)),
        ("Policy", f"sha256 {policy_digest(settings.policy)}"),
        ("Journal", f"head {run.journal.head}"),
        ("Versions", ", ".join(f"{name} {_version(name)}" for name in VERSIONED)),
    ]
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f'<h2>To run it again</h2><dl class="facts">{listed}</dl>'


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "from its source tree, not installed"


def _kind(study: Study, result: Result) -> str:
    """The colour of a run's line: a market's own where it is only held."""
    if result is study.main:
        return "main"
    return f"m{study.holds.index(result) + 1}" if result in study.holds else "mean"


def _footer() -> str:
    return "Past rates are not a promise. This page is no advice. It was written without a clock: equal inputs give equal pages."

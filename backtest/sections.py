"""The sections of a report's page below its headline: value, risk, place, costs, decisions, data, provenance. Refuses nothing:
what is not known is a dash, and what is left out of a crowded chart is named under it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

from backtest import charts, hindsight, tables
from backtest.charts import Chart, Series
from backtest.crises import Crisis
from backtest.impact import Impact
from backtest.importers.defects import ImportReport
from backtest.metrics import drawdowns, longest_under_water, share_values
from backtest.numerals import cut, fine_percent, gained, percent, points, quantity, whole_percent
from backtest.recipe import version_of
from backtest.saved_tapes import Saved, is_exact
from backtest.scenario import Synthetic
from backtest.study import Result, Study
from backtest.terms import delay_seconds, summary
from backtest.weighed import Weighed
from strategies.domain import Market
from strategies.tape import Floats
from strategies.units import SECONDS_PER_DAY, SECONDS_PER_YEAR
from wallets.policy import policy_digest

VERSIONED: Final = ("usufruct", "numpy", "pyarrow")
COLOURS: Final = 8  # markets with a colour of their own; the rest share one
FINE: Final = 0.002  # falls shallower than this are told with more decimals
LINES: Final = 4  # held markets drawn one by one; of more, the best and the worst
SYNTHETIC: Final = "A synthetic tape of seed {seed}, fitted to nothing: a result on it says nothing about any market."
TREATMENT: Final = (
    "What was wrong with it, and what was done: carried-over rows count as stale, gaps stay gaps in time, "
    "nothing was averaged or filled in."
)
MADE: Final = "A made tape, fitted to nothing but this: {what}. What must hold: {must}."
EXACT_STATES: Final = "Its states are what the chain said at each row; what was wrong with its source was not written down."
RECORDED_RATES: Final = "No report of its import lies beside it: what was wrong with its source is not known here."
NOT_EXACT: Final = (
    "<b>Not exact.</b> Between two rows an index grows in a straight line; where the source has rates and no index, the index is "
    "built from them."
)
EXACT: Final = "<b>As exact as its rows.</b> What happened between two rows and was undone before the second is not seen."
OWN_SIZE: Final = (
    "<b>Our own size</b> is counted as thinning alone: interest is shared with what we supply. That others come or leave because "
    "of us is not."
)
OWN_CURVES: Final = (
    "<b>Our own size</b> is counted as thinning and, in {markets}, whose borrow curves are known, as what borrowers pay less. "
    "That others come or leave because of us is not."
)
NO_OWN_SIZE: Final = (
    "<b>No effect of our own size.</b> Recorded rates do not fall when we arrive: the larger the sum, the kinder this result."
)
CAVEATS: Final = (
    "<b>Latency.</b> A decision uses its own row and is executed {rows}, at what that row says, or not at all.",
    "<b>Withdrawals</b> are limited by the liquidity recorded at the row; where none is recorded, all could be taken out. That a "
    "market was paused is not recorded: frozen rows may have been times in which nobody could leave.",
    "<b>Gas</b> is what such calls burn (of recorded rates: those of Aave V3) at the tape's base fee, from ether held apart.",
    "<b>Loss of the substance</b> (a bug, bad debt, a broken oracle) is in it only where the tape has one. More could have "
    "happened.",
    "<b>Trials are those on record.</b> What was tried elsewhere, or in somebody's head, is not counted, and the evidence is as "
    "much weaker.",
)


def value(weighed: Weighed) -> str:
    """What it was worth beside the benchmarks, what it was ahead, behind and below."""
    study, bound = weighed.study, weighed.bound
    main, symbol = study.main, study.main.asset.symbol
    times = charts.times_of(main.curve.timestamp)
    shown = _lines(study)
    hidden = len(study.holds) - sum(result in study.holds for result in shown)
    more = f" Of the {len(study.holds)} held markets the best and the worst are drawn." if hidden else ""
    growth = Chart(
        "Value",
        f"In {symbol}, net of the gas spent so far. Hindsight pays no gas and is never late: a bound, no strategy.{more}",
        times,
        (
            *[Series(result.name, _kind(study, result), charts.last_of(result.curve.net)) for result in shown],
            Series(hindsight.NAME, "bound", charts.last_of(bound.value)),
        ),
        lambda amount: f"{amount:,.0f}",
    )
    ahead = Chart(
        "Ahead of equal weight",
        f"In {symbol}: what the moves brought, less what they cost.",
        times,
        (Series("difference", "main", charts.last_of(main.curve.net - study.equal_weight.curve.net)),),
        gained,
    )
    return charts.lines(growth) + charts.area(ahead)


def risk(weighed: Weighed) -> str:
    """Falls, time under water, exposure, turnover, regret."""
    main, figures, regret = weighed.study.main, weighed.study.main.figures, weighed.regret
    times, symbol = charts.times_of(main.curve.timestamp), weighed.study.main.asset.symbol
    idle = dict(figures.shares).get("idle", 0.0)
    under_usd = longest_under_water(main.curve.timestamp, main.curve.net_usd) / SECONDS_PER_DAY
    fallen = charts.lowest_of(drawdowns(main.curve.net_usd))
    falls = Chart(
        "Below the highest value so far, in dollars",
        "At the price of the protocol's own oracle; the lowest hour of each stretch is drawn.",
        times,
        (Series("fall", "fall", fallen),),
        percent if float(fallen.min()) < -FINE else fine_percent,
        charts.LOWEST,
    )
    behind = Chart(
        "Regret",
        f"In {symbol}: what the best market of every hour would have had more, free of cost and known beforehand.",
        times,
        (Series("behind hindsight", "cost", charts.last_of(weighed.bound.value - main.curve.net)),),
        gained,
    )
    told = (
        ("Exposure", percent(1.0 - idle), "of value and time lay in markets"),
        ("Turned over", f"{figures.turnover:.1f}×", "the average value, supplied in all"),
        ("Under water", _days(figures.under_water_days), f"the longest, in {symbol}; {_days(under_usd)} in dollars"),
        ("Deepest fall", percent(figures.drawdown), f"in {symbol}; {percent(figures.drawdown_usd)} in dollars"),
        ("Worst day", percent(figures.worst_day), f"in {symbol}, net of gas"),
        ("Regret", points(-regret.apr), f"points a year against hindsight: {quantity(regret.value)} {symbol}"),
        ("Against the best market", points(-regret.market_apr), "points a year, had it been known and held free of cost"),
    )
    return f"<h2>Risk and regret</h2>{tables.tiles(told)}{charts.area(falls)}{charts.area(behind)}"


def place(study: Study) -> str:
    """Where the value lay, and what the markets paid."""
    main = study.main
    times, at, kinds = charts.times_of(main.curve.timestamp), main.run.tape.deployment.places, _kinds(study)
    parts = [
        Series(market.id, kinds[market.id], charts.last_of(main.curve.weights[:, at[market.id]]))
        for market in main.markets
        if market.id in kinds
    ]
    others = [charts.last_of(main.curve.weights[:, at[market.id]]) for market in main.markets if market.id not in kinds]
    rest = [Series(f"{len(others)} others", "rest", np.sum(others, axis=0))] if others else []
    idle = Series("idle", "idle", 1.0 - np.sum([part.values for part in (*parts, *rest)], axis=0))
    shares = ", ".join(f"{percent(share)} {name}" for name, share in main.figures.shares)
    note = f"Shares of what was held. Over the whole time: {shares}."
    places = Chart("Where the value lay", note, times, (*parts, *rest, idle), whole_percent)
    paid = Chart(
        "What the markets paid",
        "Growth of each market's index over each stretch of the drawing, as a rate per year."
        + (f" The {len(kinds)} most held are drawn." if others else ""),
        times,
        tuple(Series(market.id, kinds[market.id], _paid(main, market)) for market in main.markets if market.id in kinds),
        percent,
    )
    return f"<h2>Allocation</h2>{charts.stack(places)}{charts.lines(paid)}"


def costs(weighed: Weighed) -> str:
    """What was paid to earn it."""
    main = weighed.study.main
    gas = Chart(
        "Gas spent",
        "In dollars, at the base fee and ether price of the row each plan was executed at.",
        charts.times_of(main.curve.timestamp),
        (Series("gas", "cost", charts.last_of(main.curve.gas_usd)),),
        lambda amount: f"${amount:,.0f}",
    )
    return f"<h2>Costs</h2>{tables.costs(weighed)}{charts.area(gas)}"


def decisions(study: Study) -> str:
    """When it moved and why, what the guard refused, and why it stayed."""
    figures, run = study.main.figures, study.main.run
    planned = sum(step.decision.plan is not None for step in run.steps)
    return (
        f'<h2>Decisions</h2><p class="say">{figures.decisions:,} times it was decided; '
        f"{figures.decisions - planned:,} times to stay. "
        f"Plans refused by the guard: {figures.refused}; approved but not executed: {figures.failed}.</p>"
        f"{tables.refusals(study.main)}{tables.decisions(study)}"
        f"<details><summary>Why it stayed</summary>{tables.kept(study.main)}</details>"
    )


def _own_size(impact: Impact | None) -> str:
    if impact is None:
        return NO_OWN_SIZE
    return OWN_CURVES.format(markets=escape(", ".join([name for name, _ in impact.curves]))) if impact.curves else OWN_SIZE


def caveats(study: Study) -> str:
    """What a reader must not conclude."""
    settings = study.main.run.settings
    rows = "at the same row" if settings.latency_rows == 0 else f"{settings.latency_rows} row(s) later"
    if settings.latency_seconds:
        rows += f" and {settings.latency_seconds:,} s later at least"
    if delay_seconds(settings.terms, settings.terms):
        rows += ", and not before every market it leaves has paid"
    first = (EXACT if is_exact(study.main.run.tape) else NOT_EXACT, _own_size(settings.impact))
    said = [*first, *[text.format(rows=rows) for text in CAVEATS]]
    return f'<h2>What this does not show</h2><ul class="plain">{"".join(f"<li>{text}</li>" for text in said)}</ul>'


def data(study: Study) -> str:
    """Where the tape comes from and what was wrong with it."""
    match study.origin:
        case Synthetic(seed=seed):
            return f'<h2>The data</h2><p class="say">{SYNTHETIC.format(seed=seed)}</p>'
        case Crisis(what=what, must=must):
            return f'<h2>The data</h2><p class="say">{MADE.format(what=escape(what), must=escape(must))}</p>'
        case Saved(folder=folder, digest=digest, is_exact=exact):
            kind = EXACT_STATES if exact else RECORDED_RATES
            facts = f"The saved tape {escape(folder)}, sha256 {digest}. {kind}"
            return f'<h2>The data</h2><p class="say">{facts}</p>'
        case ImportReport(source=source, rows=rows, markets=markets, notes=notes, findings=findings):
            listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
            return (
                f'<h2>The data</h2><p class="say">{escape(source)}, {rows:,} rows. {TREATMENT}</p>'
                f'{tables.defects(markets)}<ul class="plain">{listed}</ul>{tables.findings(findings)}'
            )


def provenance(study: Study) -> str:
    """All that describes the run."""
    run, settings = study.main.run, study.main.run.settings
    policy = "none: nobody judged" if settings.policy is None else f"sha256 {policy_digest(settings.policy)}"
    facts = [
        ("Tape", f"{run.tape.deployment.name}, sha256 {run.tape.digest}"),
        *((f"File {found.file}", f"sha256 {found.sha256}") for found in (study.imported.markets if study.imported else ())),
        ("Strategy", repr(settings.decide.menu.strategies[0][1])),
        ("Stance", settings.decide.menu.stances[0]),
        ("Opening", f"{', '.join(cut(idle) for idle in settings.opening.idle)}; latency {settings.latency_rows} row(s)"),
        ("Gate", repr(settings.decide.gate)),
        *([("Terms", summary(settings.terms))] if settings.terms else []),
        ("Policy", policy),
        ("Journal", f"head {run.journal.head}"),
        ("Versions", ", ".join(f"{name} {version_of(name)}" for name in VERSIONED)),
    ]
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts)
    return f'<h2>To run it again</h2><dl class="facts">{listed}</dl>'


def _paid(main: Result, market: Market) -> Floats:
    """What a share grew by between drawn points, a year; nothing before the market spoke."""
    shares = charts.last_of(share_values(main.run.tape, market))
    seconds = np.diff(charts.times_of(main.curve.timestamp))
    before = shares[:-1]
    growth = np.divide(shares[1:], before, out=np.ones_like(before), where=before > 0) - 1
    yearly: Floats = np.append(0.0, growth * SECONDS_PER_YEAR / seconds)
    yearly[0] = yearly[1] if len(yearly) > 1 else 0.0
    return yearly


def _kinds(study: Study) -> Mapping[str, str]:
    """A colour a market; where there are more markets than colours, the most held have one."""
    shares = dict(study.main.figures.shares)
    ranked = sorted(study.main.markets, key=lambda market: -shares.get(market.id, 0.0))  # stable: ties in the tape's order
    most = {market.id for market in ranked[:COLOURS]}
    coloured = [market.id for market in study.main.markets if market.id in most]
    return {market_id: f"m{at + 1}" for at, market_id in enumerate(coloured)}


def _lines(study: Study) -> Sequence[Result]:
    """The runs whose value is drawn, the strategy on top."""
    if len(study.holds) <= LINES:
        return (study.main, study.equal_weight, *study.holds)
    ranked = sorted(study.holds, key=lambda held: held.figures.final)
    return (study.main, study.equal_weight, ranked[-1], ranked[0])


def _kind(study: Study, result: Result) -> str:
    """The colour of a run's line: a market's own where it is only held."""
    if result is study.main:
        return "main"
    if result not in study.holds:
        return "mean"
    market = study.main.markets[study.holds.index(result)]
    return _kinds(study).get(market.id, "rest")


def _days(days: float) -> str:
    return f"{days:,.1f} d" if 0 < days < 10 else f"{days:,.0f} d"

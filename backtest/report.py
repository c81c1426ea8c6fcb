"""One self-contained HTML page for a set of studies. Refuses to show a result without its trial count and its luck, its
benchmarks, its costs, what was wrong with the data, and what it does not show; asks nothing of any network."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from backtest import luck, sections, tables
from backtest.cautions import cautions_of
from backtest.crises import Crisis
from backtest.importers.defects import ImportReport
from backtest.numerals import chance, day, dollars, percent, points, quantity
from backtest.saved_tapes import Saved
from backtest.scenario import Synthetic
from backtest.study import Result, Study
from backtest.weighed import MissingEvidence, Weighed

PAGE: Final = Path(__file__).parent / "page"
NAMED: Final = 4  # more markets than these are counted
MACHINE: Final = "It shows the machine, not the strategy."


def write_report(weighed: Sequence[Weighed], path: Path) -> None:
    """The page of one or more studies, each with its evidence. Raises MissingEvidence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(weighed), encoding="utf-8")


def page(weighed: Sequence[Weighed]) -> str:
    """The whole document. Raises MissingEvidence."""
    for one in weighed:
        if not isinstance(one, Weighed):
            raise MissingEvidence("a study is not weighed; make it so with `weigh`")
    studies = [one.study for one in weighed]
    names = ", ".join(study.main.asset.symbol for study in studies)
    over = _over(studies[0])
    overview = _overview(weighed) if len(studies) > 1 else ""
    articles = "".join(_article(one) for one in weighed)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{over}: {escape(names)}</title><style>{(PAGE / 'report.css').read_text()}</style></head>"
        f"<body><main>{overview}{articles}</main><footer>{_footer()}</footer>"
        f"<script>{(PAGE / 'report.js').read_text()}</script></body></html>\n"
    )


def _overview(weighed: Sequence[Weighed]) -> str:
    studies = [one.study for one in weighed]
    first, last = studies[0].main.curve.timestamp[[0, -1]].tolist()
    names = ", ".join(study.main.asset.symbol for study in studies)
    return (
        f'<p class="over">{_over(studies[0])} · {day(first)} to {day(last)}</p>'
        f"<h1>{escape(names)}: each on its own, net of gas</h1>{tables.overview(weighed)}"
    )


def _article(weighed: Weighed) -> str:
    study = weighed.study
    return (
        f'<article id="{escape(study.main.asset.symbol)}">{_headline(weighed)}'
        f"<h2>Beside its benchmarks</h2>{tables.results(weighed)}{luck.section(weighed.evidence)}"
        f"<h2>Over time</h2>{sections.value(weighed)}{sections.risk(weighed)}{sections.place(study)}{sections.costs(weighed)}"
        f"{sections.decisions(study)}{sections.caveats(study)}{sections.data(study)}{sections.provenance(study)}</article>"
    )


def _headline(weighed: Weighed) -> str:
    study = weighed.study
    main, seconds = study.main, study.main.curve.timestamp
    named = ", ".join(market.id for market in main.markets)
    markets = named if len(main.markets) <= NAMED else f"{len(main.markets)} markets"
    return (
        f'<p class="over">{_over(study)} · {day(int(seconds[0]))} to {day(int(seconds[-1]))} · {escape(markets)}</p>'
        f'<h1 class="answer">{_answer(study)}</h1>'
        f'<p class="lead">{_lead(study)}</p>'
        f"{_cautions(study)}{tables.tiles(_tiles(weighed))}"
    )


def _cautions(study: Study) -> str:
    return "".join(f'<p class="caution">{escape(caution)}</p>' for caution in cautions_of(study))


def _tiles(weighed: Weighed) -> Sequence[tables.Tile]:
    study, figures, symbol = weighed.study, weighed.study.main.figures, weighed.study.main.asset.symbol
    return (
        ("End value", quantity(figures.final), f"{symbol}, from {quantity(figures.opening)}"),
        ("Against equal weight", points(_excess(study, study.equal_weight)), "points a year"),
        ("Deflated Sharpe", chance(weighed.evidence.deflated_sharpe), luck.counted(weighed.evidence)),
        ("Deepest fall", percent(figures.drawdown_usd), "of the value in dollars"),
        ("Gas", dollars(figures.gas_usd), f"in {figures.moves} moves"),
    )


def _over(study: Study) -> str:
    """What this is, first of all."""
    match study.origin:
        case Synthetic(seed=seed):
            return f"Backtest on a synthetic tape · seed {seed}"
        case Crisis(name=name):
            return f"Backtest on a made tape · {name}"
        case ImportReport() | Saved():
            return "Backtest"


def _answer(study: Study) -> str:
    figures, symbol = study.main.figures, escape(study.main.asset.symbol)
    made = ", on made-up rates" if study.is_made_up else ""
    if figures.final <= 0:
        return f"Nothing is left of {quantity(figures.opening)} {symbol}: gas cost more than there was{made}"
    return f"{percent(figures.apy)} a year on {symbol}, net of gas{made}"


def _lead(study: Study) -> str:
    """What was done and how it compares, in sentences that take no side."""
    best = max(study.holds, key=lambda held: held.figures.apy)
    decide = study.main.run.settings.decide
    strategy, stance = decide.menu.strategies[0][0].replace("_", " "), decide.menu.stances[0]
    against_mean, against_best = _excess(study, study.equal_weight), _excess(study, best)
    caution = f"<strong>{MACHINE}</strong> " if study.is_made_up else ""
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


def _footer() -> str:
    return "Past rates are not a promise. This page is no advice. It was written without a clock: equal inputs give equal pages."

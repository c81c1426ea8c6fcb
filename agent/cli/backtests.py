"""`backtest run` and `backtest report`: a study over recorded or synthetic history, as a table, a page and files.

A run is described by what was asked; `report` asks it again and refuses a result that is not the recorded one. What cannot be
answered (an unknown asset, days that are not there, a place that cannot be written) is refused before anything is computed."""

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import numpy as np
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent.cli import tables
from agent.cli.asked import Asked, asked_of, completed, window
from backtest import recipe
from backtest.cautions import cautions_of
from backtest.crises import Crisis, crisis, crisis_tape
from backtest.evidence.trials import record, trials_on
from backtest.export import write_tables
from backtest.hindsight import NAME
from backtest.impact import NO_IMPACT, THINNED, OwnSize
from backtest.numerals import DASH, cents, percent
from backtest.report import write_report
from backtest.saved_tapes import load_checked, origin_of, terms_beside
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Origin, Study, Terms, run_backtest, study
from backtest.tables import folded_away, shown_beside
from backtest.weighed import Weighed, trial_of, weigh
from strategies.domain import Asset
from strategies.errors import BadTape, SettingsError
from strategies.tape import Tape

TRIALS: Final = "trials.sqlite"  # beside the page: what was tried, on every tape


def run(asked: Asked, out: Path, *, as_json: bool) -> None:
    """The studies, the page, and the files beside it."""
    whole = completed(asked)
    writable(out)
    with _uncollected(), waiting(f"running {', '.join(whole.assets)}", is_hidden=as_json):
        studies = studies_of(whole)
        weighed = [_counted(study, out.with_name(TRIALS)) for study in studies]
        write_report(weighed, out)
        write_tables(weighed, out, asdict(whole))
        recipe.write(recipe.recipe_of(studies, asdict(whole)), recipe.path_of(out))
    _tell(weighed, out, as_json=as_json)


def report(run_file: Path, out: Path) -> None:
    """The page of a finished run, from what was asked; the same tape and journals, or an error."""
    asked, heads = _recorded(run_file)
    whole = completed(asked)
    writable(out)
    with _uncollected(), waiting(f"running {', '.join(whole.assets)} again", is_hidden=False):
        weighed = []
        for one in studies_of(whole):
            symbol = one.main.asset.symbol
            if heads.get(symbol) != {result.name: result.run.journal.head for result in one.results}:
                raise SettingsError(
                    f"{run_file}: {symbol} does not come out the same: its data or the code changed; `backtest replay` says where"
                )
            weighed.append(weigh(one, trials_on(run_file.with_name(TRIALS), one.main.run.tape.digest)))
        write_report(weighed, out)
    _tell(weighed, out, as_json=False)


def _counted(study: Study, trials: Path) -> Weighed:
    """The study among all that was tried on its tape, itself counted. One with a day that has no return is not kept on file."""
    trial = trial_of(study)
    if np.isfinite(trial.excess).all():
        record(trials, [trial])
    return weigh(study, trials_on(trials, trial.tape))


def writable(out: Path) -> None:
    """Refuses a place where the page cannot be written. Raises SettingsError."""
    if out.is_dir():
        raise SettingsError(f"--out: {out} is a folder; name a page in it: {out / 'report.html'}")
    if out.suffix != ".html":
        raise SettingsError(f"--out: {out} must end in .html; the JSON and the CSV files are named after it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out.parent):
            pass
        if out.exists():
            out.open("ab").close()
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(f"--out: {error.filename} is no folder") from error
    except OSError as error:
        raise SettingsError(f"--out: {out} cannot be written: {error.strerror}") from error


def _recorded(run_file: Path) -> tuple[Asked, dict[str, dict[str, str]]]:
    """What a run was asked, and the head of every journal by asset and name. Raises SettingsError."""
    try:
        content = json.loads(run_file.read_text())
        asked = asked_of(content["asked"])
        heads = {
            symbol: {name: result["journal_head"] for name, result in one["results"].items()}
            for symbol, one in content["studies"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{run_file} is not the JSON that `backtest run` writes: {error}") from error
    return asked, heads


@contextmanager
def waiting(text: str, *, is_hidden: bool) -> Iterator[None]:
    """A line that shows that something is going on, and for how long; gone when it is done, and never in a file or a pipe."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    hidden = is_hidden or not tables.console.is_terminal
    with Progress(*columns, console=tables.console, disable=hidden, transient=True) as progress:
        progress.add_task(text, total=None)
        yield


@contextmanager
def _uncollected() -> Iterator[None]:
    """All that a run makes lives until its end: the collector would search it over and over and find nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def studies_of(asked: Asked) -> tuple[Study, ...]:
    """What is asked, run. Raises BadTape, SettingsError."""
    terms = Terms(
        cash=Decimal(asked.cash),
        latency_rows=asked.latency_rows,
        decide_for=asked.rotation.decide_for,
        impact=THINNED if asked.own_impact else NO_IMPACT,
        may_be_at_once=asked.latency_rows == 0,
    )
    if asked.data:
        start, end = window(asked)
        return run_backtest(data=Path(asked.data), gas=Path(asked.gas), symbols=asked.assets, start=start, end=end, terms=terms)
    tape, origin = _tape(asked)
    if asked.tape:
        terms = replace(terms, of_markets=terms_beside(Path(asked.tape), tape))
    assets = [tape.deployment.asset(symbol) for symbol in asked.assets]
    for asset in assets:
        _refuse_unsized(tape, asset, terms)
    return tuple(study(tape, asset, terms, origin) for asset in assets)


def _tape(asked: Asked) -> tuple[Tape, Origin]:
    """A tape that is there, or is made here. Raises BadTape."""
    if asked.tape:
        folder = Path(asked.tape)
        tape = load_checked(folder)
        return tape, origin_of(folder, tape)
    if asked.crisis:
        return crisis_tape(asked.crisis), crisis(asked.crisis)
    return sample_tape(seed=asked.seed), Synthetic(asked.seed)


def _refuse_unsized(tape: Tape, asset: Asset, terms: Terms) -> None:
    """A tape on which our own size cannot be counted is run without it only where that is asked for. Raises SettingsError."""
    if terms.impact is None:
        return
    try:
        OwnSize(tape, asset, terms.impact)
    except BadTape as error:
        raise SettingsError(f"{error} (--no-own-impact)") from error


def _tell(weighed: Sequence[Weighed], out: Path, *, as_json: bool) -> None:
    if as_json:
        content: Mapping[str, Any] = json.loads(out.with_suffix(".json").read_text())
        tables.say_json({**content, "report": str(out)})
        return
    for one in weighed:
        tables.console.print(_table(one))
        for caution in cautions_of(one.study):
            tables.say(caution, "yellow")
        tables.say(one.evidence.sentence)
        tables.say()
        if isinstance(one.study.origin, Synthetic):
            tables.say(f"a synthetic tape of seed {one.study.origin.seed}: it shows the machine, not the strategy", "dim")
        if isinstance(one.study.origin, Crisis):
            tables.say(f"{one.study.origin.name}, a made tape: {one.study.origin.what}", "dim")
    tables.say(f"net of gas; what is not exact stands in the report: {out}", "dim")


def _table(weighed: Weighed) -> Table:
    one, bound = weighed.study, weighed.bound
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in (one.main.asset.symbol, "final value", "a year", "deepest fall", "in USD", "moves", "gas USD"):
        is_name = name == one.main.asset.symbol
        table.add_column(name, justify="left" if is_name else "right", overflow="fold", no_wrap=not is_name)
    for result in shown_beside(one):
        figures = result.figures
        table.add_row(
            result.name,
            cents(figures.final),
            percent(figures.apy),
            percent(figures.drawdown),
            percent(figures.drawdown_usd),
            str(figures.moves),
            cents(figures.gas_usd),
            style="bold" if result is one.main else "",
        )
    if folded := folded_away(one):
        table.add_row(f"{len(folded)} held between", *[DASH] * 6, style="dim")
    final, apy = cents(float(bound.value[-1])), percent(bound.apy)
    table.add_row(NAME, final, apy, DASH, DASH, DASH, DASH, style="dim")
    return table

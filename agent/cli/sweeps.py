"""`backtest sweep` and `backtest walk-forward`: many parameter sets over one asset's tape, as tables, files and pictures.

What was done is kept set by set: the same command again goes on where it stopped. A sweep of several assets at once is refused:
its best set would be the best of nothing in particular."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from agent.cli import tables
from agent.cli.asked import Asked, completed
from agent.cli.backtests import TRIALS, studies_of, waiting
from backtest.cautions import cautions_of_run, shared_cautions
from backtest.engine import run
from backtest.numerals import DASH, percent, points, quantity
from backtest.scenario import Synthetic
from backtest.study import Study
from backtest.sweep import export, forward
from backtest.sweep.cluster import over_cluster
from backtest.sweep.ground import Ground
from backtest.sweep.names import shown, titled
from backtest.sweep.outcome import Job, Outcome, without_own_size
from backtest.sweep.results import Results
from backtest.sweep.running import Runner, over_processes
from backtest.sweep.screen import Screen, screened
from backtest.sweep.space import ParameterSet, Space, grid, latin_sets, random_sets, space_of, with_parameters
from backtest.sweep.sweeping import Swept, header_of, job_for, rows_of, run_all, to_run_exactly, weighed
from backtest.sweep.walking import score_named
from backtest.sweep.written import axes_in, axis_of, together
from strategies.errors import SettingsError

TAPE: Final = "tape"  # the folder that every process maps
RESULTS: Final = "results.jsonl"
SHOWN: Final = 10  # sets in the table for people
TRIED: Final = ("threshold_bps=10,25,50,100,200", "lookback_seconds=86400,259200,604800", "count=1,2")  # where nothing is named
INTERRUPTED: Final = 130  # as a shell says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which sets, run where, into which folder."""

    said: tuple[str, ...]  # --set
    space: Path | None
    sample: str
    count: int
    draw_seed: int
    processes: int  # 0: as many as there are processors
    cluster: str
    out: Path


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """Everything that is checked before anything is run."""

    study: Study
    job: Job
    sets: tuple[ParameterSet, ...]
    header: Any
    runner: Runner


def sweep(asked: Asked, wanted: Wanted, *, exact: int | None, as_json: bool) -> None:
    """Run the sets, exactly or (with a number of exact ones) first estimated together, and write and show what came out."""
    ready = _ready(asked, wanted, as_json=as_json)
    screen = None if exact is None else screened(Ground(ready.study.main.run.tape), without_own_size(ready.job), ready.sets)
    outcomes = _run(ready, wanted, screen=screen, exact=exact or 0, as_json=as_json)
    rows = rows_of(ready.sets, outcomes, screen)
    if screen is not None and screen.departed.any() and not as_json:
        tables.say(f"{int(screen.departed.sum())} sets met what floating point cannot settle, and were run exactly", "dim")
    with waiting("weighing", is_hidden=as_json):
        swept = weighed(ready.study, ready.job, ready.header, rows, wanted.out / TRIALS)
        cautions = _cautions(swept)
        files = export.write(swept, cautions, wanted.out)
    if as_json:
        tables.say_json({**export.content_of(swept, cautions), "files": [str(path) for path in files]})
        return
    _tell(swept, cautions, files)


def walk_forward(asked: Asked, wanted: Wanted, *, windows: tuple[int, int, bool], by: str, as_json: bool) -> None:
    """Run the sets, choose one a window from the days before it, and show what that would have come to."""
    score = score_named(by)
    ready = _ready(asked, wanted, as_json=as_json)
    outcomes = _run(ready, wanted, screen=None, exact=0, as_json=as_json)
    train_days, test_days, anchored = windows
    terms = forward.Terms(train_days=train_days, test_days=test_days, anchored=anchored, score=score)
    with waiting("walking forward", is_hidden=as_json):
        walked = forward.walk(ready.study, ready.job, [outcomes[at] for at in sorted(outcomes)], terms)
    cautions = shared_cautions(ready.study.main.run)
    content = {"by": by, "anchored": anchored, "cautions": list(cautions), **forward.content_of(walked, ready.job, ready.header)}
    (wanted.out / "walk-forward.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (wanted.out / "walk-forward.csv").write_text(forward.table_of(walked), encoding="utf-8")
    if as_json:
        tables.say_json(content)
        return
    _tell_walk(walked, cautions, wanted.out)


def _ready(asked: Asked, wanted: Wanted, *, as_json: bool) -> _Ready:
    whole = completed(asked)
    if len(whole.assets) != 1:
        raise SettingsError(f"--asset: a sweep is of one asset; name one of {', '.join(whole.assets)}")
    if wanted.cluster and wanted.processes:
        raise SettingsError("--cluster and --processes: the sets are run in one place; give one of the two")
    if wanted.out.exists() and not wanted.out.is_dir():
        raise SettingsError(f"--out: {wanted.out} is a file; name a folder")
    runner = over_cluster(wanted.cluster) if wanted.cluster else over_processes(wanted.processes or os.cpu_count() or 1)
    with waiting(f"running {whole.assets[0]} and its benchmarks", is_hidden=as_json):
        (study,) = studies_of(whole)
    said = wanted.said or (() if wanted.space else TRIED)
    axes = together(axes_in(wanted.space) if wanted.space else (), tuple(axis_of(text) for text in said))
    sets = _drawn(space_of(axes, study.main.run.settings), wanted)
    wanted.out.mkdir(parents=True, exist_ok=True)
    job = job_for(study, wanted.out / TAPE)
    drawn = {"how": wanted.sample, "seed": None if wanted.sample == "grid" else wanted.draw_seed}
    return _Ready(study, job, sets, header_of(job, sets, drawn), runner)


def _drawn(space: Space, wanted: Wanted) -> tuple[ParameterSet, ...]:
    match wanted.sample:
        case "grid":
            return grid(space)
        case "random":
            return random_sets(space, wanted.count, wanted.draw_seed)
        case "latin":
            return latin_sets(space, wanted.count, wanted.draw_seed)
        case _:
            raise SettingsError(f"--sample {wanted.sample}: write grid, random or latin")


def _run(ready: _Ready, wanted: Wanted, *, screen: Screen | None, exact: int, as_json: bool) -> dict[int, Outcome]:
    """The outcomes so far and those still to come; an interruption leaves what is done in its file."""
    places = None if screen is None else to_run_exactly(screen, exact)
    path = wanted.out / RESULTS
    with Results(path, ready.header, ready.sets) as results, _progress(is_hidden=as_json) as progress:
        try:
            run_all(ready.job, results, ready.runner, progress=progress, places=places)
        except KeyboardInterrupt as interruption:
            done = f"{len(results.outcomes)} of {len(ready.sets)} sets are kept in {path}"
            tables.say(f"interrupted: {done}; the same command goes on from there")
            raise typer.Exit(INTERRUPTED) from interruption
        return dict(results.outcomes)


@contextmanager
def _progress(*, is_hidden: bool) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = is_hidden or not tables.console.is_terminal
    with Progress(*columns, console=tables.console, disable=hidden, transient=True) as bar:
        task = bar.add_task("sets", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _cautions(swept: Swept) -> tuple[str, ...]:
    """Of the best set; where it never moved, it runs once more to say why."""
    main = swept.study.main.run
    if swept.judged.moves:
        return shared_cautions(main)
    return cautions_of_run(run(main.tape, with_parameters(main.settings, swept.best.parameters)), "The best set")


def _tell(swept: Swept, cautions: Sequence[str], files: Sequence[Path]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    names = [name for name, _ in swept.best.parameters]
    for name in (*map(titled, names), "final value", "a year", "over equal weight", "deepest fall", "moves"):
        table.add_column(name, justify="right")
    exact = [row for row in swept.rows if row.exact is not None]
    for row in sorted(exact, key=lambda row: (-row.net, row.at))[:SHOWN]:
        fall = DASH if row.exact is None else percent(row.exact.drawdown)
        above = points(row.apy - swept.equal_weight_apy)
        told = (quantity(row.net), percent(row.apy), above, fall, str(row.moves))
        table.add_row(*_shown(row.parameters), *told, style="bold" if row is swept.best else "")
    tables.console.print(table)
    estimated = len(swept.rows) - len(exact)
    if estimated:
        tables.say(f"{estimated} of {len(swept.rows)} sets were only estimated in floating point: they are in the files", "dim")
    _say_all(cautions)
    tables.say(f"equal weight {percent(swept.equal_weight_apy)} a year; net of gas")
    tables.say(swept.evidence.sentence)
    if swept.judged.final_raw != _exact(swept).final_raw:
        tables.say(f"under the guard the best set ends with {swept.judged.final_raw} base units, not {_exact(swept).final_raw}")
    if isinstance(swept.study.origin, Synthetic):
        tables.say(f"a synthetic tape of seed {swept.study.origin.seed}: it shows the machine, not the strategy", "dim")
    for path in files:
        tables.say(str(path), "dim")


def _exact(swept: Swept) -> Outcome:
    assert swept.best.exact is not None  # the best is one of those that were run
    return swept.best.exact


def _shown(parameters: ParameterSet) -> tuple[str, ...]:
    return tuple(shown(name, value) for name, value in parameters)


def _say_all(cautions: Sequence[str]) -> None:
    for caution in cautions:
        tables.say(caution, "yellow")


def _tell_walk(walked: forward.Walked, cautions: Sequence[str], folder: Path) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("days", *(titled(name) for name, _ in walked.hindsight_set), "above equal weight before", "and after"):
        table.add_column(name, justify="right")
    for pick in walked.picks:
        days = f"{pick.window.begin}–{pick.window.stop}"
        table.add_row(days, *_shown(pick.parameters), points(pick.before), points(pick.after))
    tables.console.print(table)
    _say_all(cautions)
    tables.say(f"on {len(walked.forward)} days that no choice had seen, a year, net of gas:")
    hindsight = ", ".join(f"{titled(name)} {shown(name, value)}" for name, value in walked.hindsight_set)
    tables.say(f"  walk forward          {percent(forward.yearly(walked.forward))}   {walked.moves} moves", "bold")
    tables.say(f"  best with hindsight   {percent(forward.yearly(walked.hindsight))}   {hindsight}")
    tables.say(f"  equal weight          {percent(forward.yearly(walked.equal_weight))}")
    tables.say(walked.evidence.sentence)
    tables.say(f"{folder / 'walk-forward.json'} and walk-forward.csv", "dim")

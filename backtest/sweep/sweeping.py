"""A whole sweep: the sets beside their benchmarks, run or gone on with, ranked, and weighed against luck. Refuses to name a best
set without saying how many were tried, and to mix what was run exactly with what was only estimated."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backtest.dataset import DESCRIPTION, load, save
from backtest.engine import run
from backtest.evidence.statement import Evidence, Selection, evidence_of, selection_of
from backtest.evidence.trials import NO_TRIALS, Trial, parameters_digest, record, trials_of, trials_on
from backtest.recipe import code_version
from backtest.study import Study
from backtest.sweep.ground import daily_returns, last_rows_of_days
from backtest.sweep.outcome import Job, Outcome, final_raw, modelled
from backtest.sweep.results import Results
from backtest.sweep.running import Runner
from backtest.sweep.screen import Screen
from backtest.sweep.space import ParameterSet, with_parameters
from backtest.sweep.work import pieces_of
from backtest.weighed import SEED, trial_terms
from strategies.errors import SettingsError
from strategies.tape import Floats

Progress = Callable[[int, int], None]  # sets done, of how many


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One set as a table shows it. What was only estimated has no exact amounts and no drawdown."""

    at: int
    parameters: ParameterSet
    exact: Outcome | None
    net: float  # whole units
    apy: float
    moves: int
    excess_daily: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The best set once more, with guard, ledger and journal: what a report shows."""

    final_raw: int
    moves: int
    refused: int
    journal_head: str


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """A finished sweep."""

    study: Study  # the run that the sets vary, and its benchmarks
    header: Mapping[str, object]
    rows: tuple[Row, ...]  # in the order of the sets
    best: Row  # of those run exactly, the one that ended with most
    judged: Judged
    selection: Selection
    evidence: Evidence

    @property
    def equal_weight_apy(self) -> float:
        """What the benchmark grew by a year."""
        return self.study.equal_weight.figures.apy


def job_for(study: Study, folder: Path) -> Job:
    """The study's run as a job over its tape, saved in the folder unless it lies there already. Raises BadTape."""
    tape, net = study.main.run.tape, study.equal_weight.curve.net
    if not (folder / DESCRIPTION).exists() or load(folder).digest != tape.digest:
        save(tape, folder)
    equal_weight = daily_returns(net[last_rows_of_days(tape.timestamp)])
    return Job(str(folder.absolute()), tape.digest, modelled(study.main.run.settings), equal_weight)


def header_of(job: Job, sets: Sequence[ParameterSet], drawn: Mapping[str, object]) -> Mapping[str, object]:
    """What a sweep is described by: equal headers give equal results."""
    named = json.dumps([dict(one) for one in sets], separators=(",", ":"))
    return {
        "tape": job.digest,
        "code": dict(code_version()),
        "run": dict(trial_terms(job.settings)),
        "drawn": dict(drawn),
        "count": len(sets),
        "sets": hashlib.sha256(named.encode()).hexdigest(),
    }


def run_all(job: Job, results: Results, runner: Runner, *, progress: Progress, places: Sequence[int] | None = None) -> None:
    """Every set that has no result yet, or those at some places; each result is kept as it comes. Raises SetFailed."""
    wanted = range(results.count) if places is None else places
    asked = frozenset(wanted)
    left = [(at, one) for at, one in results.left if at in asked]

    waiting = {at for at, _ in left}

    def keep(outcomes: Sequence[Outcome]) -> None:
        results.keep(outcomes)
        waiting.difference_update([outcome.at for outcome in outcomes])
        progress(len(wanted) - len(waiting), len(wanted))

    progress(len(wanted) - len(left), len(wanted))
    runner(job, pieces_of(job, left), keep)


def to_run_exactly(screen: Screen, most: int) -> list[int]:
    """The places of what floats could not tell, and of so many of the best of the rest."""
    departed = np.flatnonzero(screen.departed).tolist()
    ranked = np.argsort(-np.where(screen.departed, -np.inf, screen.net), kind="stable").tolist()
    known = [at for at in ranked if not screen.departed[at]]
    return sorted(departed + known[:most])


def rows_of(sets: Sequence[ParameterSet], outcomes: Mapping[int, Outcome], screen: Screen | None) -> tuple[Row, ...]:
    """One row a set: exact where it was run, else estimated."""
    rows = []
    for at, one in enumerate(sets):
        found = outcomes.get(at)
        if found is not None:
            rows.append(Row(at, one, found, found.net, found.apy, found.moves, found.excess_daily))
        elif screen is not None:
            net, apy, moves = float(screen.net[at]), float(screen.apy[at]), int(screen.moves[at])
            rows.append(Row(at, one, None, net, apy, moves, screen.excess_daily[:, at]))
    return tuple(rows)


def weighed(study: Study, job: Job, header: Mapping[str, object], rows: Sequence[Row], count: Path | None) -> Swept:
    """The sweep summed up: its best set judged by the guard, all sets counted as trials, and what that leaves of the best.
    Raises SettingsError where nothing was run exactly, BadTrials."""
    exact = [row for row in rows if row.exact is not None]
    if not exact:
        raise SettingsError("no set was run exactly: let at least one be, with --exact 1")
    best = max(exact, key=lambda row: (row.net, -row.at))
    known = [row for row in rows if np.isfinite(row.excess_daily).all()]
    daily = np.stack([row.excess_daily for row in known], axis=1) if known else np.empty((0, 0))
    trials = trials_of(daily) if known else NO_TRIALS
    if count is not None:
        record(count, [trial_of(job, row) for row in known])
        trials = trials_on(count, job.digest)
    evidence = evidence_of(best.excess_daily, trials=trials, seed=SEED)
    judged = _judged(study, best.parameters)
    return Swept(study, header, tuple(rows), best, judged, selection_of(daily), evidence)


def trial_of(job: Job, row: Row) -> Trial:
    """A row as the count of trials knows it."""
    terms = trial_terms(with_parameters(job.settings, row.parameters))
    return Trial(parameters_digest(terms), job.digest, row.excess_daily)


def _judged(study: Study, best: ParameterSet) -> Judged:
    finished = run(study.main.run.tape, with_parameters(study.main.run.settings, best))
    refused = sum(step.verdict is not None and step.due_row is None for step in finished.steps)
    return Judged(final_raw(finished), finished.moves, refused, finished.journal.head)

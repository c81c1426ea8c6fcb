"""How many parameter sets were tried on a tape before one result was shown: counted in a file beside the runs, and what they
are worth in independent ones. Refuses trials of one tape over different days, returns that are not numbers, and to forget a
trial.

A set counts once on a tape, whoever ran it and however often; run again (after a change of the code, say) its newest returns
stand. The effective number is r + (1 - r) N with r the mean correlation of the trials: Bailey and Lopez de Prado (2014),
appendix A.3. It is the number that goes with the variance across trials, which leaves out what all trials share; counting
eigenvalues would take that off twice."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from backtest.evidence.errors import BadTrials
from backtest.evidence.sharpe import ROUNDING
from strategies.tape import Floats

BUSY_SECONDS: Final = 60.0  # how long one process waits for another's transaction
VERSION: Final = 1
SCHEMA: Final = """CREATE TABLE IF NOT EXISTS trials (
    tape TEXT NOT NULL, parameters TEXT NOT NULL, days INTEGER NOT NULL, excess BLOB NOT NULL,
    PRIMARY KEY (tape, parameters)) STRICT, WITHOUT ROWID"""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One parameter set on one tape: its daily returns in excess of equal weight."""

    parameters: str  # `parameters_digest`
    tape: str  # the tape's digest
    excess: Floats  # [day]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Everything that was tried on a tape, as one matrix."""

    names: tuple[str, ...]  # one a trial
    daily: Floats  # [day, trial], daily returns in excess of equal weight

    @property
    def count(self) -> int:
        return len(self.names)


NO_TRIALS: Final = Trials((), np.empty((0, 0)))  # nothing is on record: a result shown is then the only trial


def parameters_digest(parameters: Mapping[str, object]) -> str:
    """A parameter set's name in the count: sha256 of its JSON with sorted keys. Raises BadTrials where it has no JSON form."""
    try:
        text = json.dumps(parameters, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadTrials(f"a parameter set cannot be written down: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def record(path: Path, trials: Sequence[Trial]) -> None:
    """Count the trials, all or none of them; any number of processes may do so at once. Raises BadTrials."""
    for trial in trials:
        if trial.excess.ndim != 1 or not np.isfinite(trial.excess).all():
            raise BadTrials(f"what set {trial.parameters} returned is not a series of numbers")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as store:
        store.execute("BEGIN IMMEDIATE")
        days: dict[str, int] = {}
        for trial in trials:
            if trial.tape not in days:
                row = store.execute("SELECT days FROM trials WHERE tape = ? LIMIT 1", (trial.tape,)).fetchone()
                days[trial.tape] = row[0] if row else len(trial.excess)
            known = days[trial.tape]
            if known != len(trial.excess):
                raise BadTrials(f"set {trial.parameters} has {len(trial.excess)} days; others on tape {trial.tape} have {known}")
        store.executemany(
            "INSERT INTO trials VALUES (?, ?, ?, ?) ON CONFLICT (tape, parameters) DO UPDATE SET excess = excluded.excess",
            [(one.tape, one.parameters, len(one.excess), one.excess.astype("<f8").tobytes()) for one in trials],
        )
        store.execute("COMMIT")


def trials_on(path: Path, tape: str) -> Trials:
    """What was tried on a tape, in the order of the sets' names; none where nothing was ever counted. Raises BadTrials."""
    if not path.exists():
        return NO_TRIALS
    with _opened(path) as store:
        rows = list(store.execute("SELECT parameters, days, excess FROM trials WHERE tape = ? ORDER BY parameters", (tape,)))
    if not rows:
        return NO_TRIALS
    if any(len(excess) != 8 * rows[0][1] for _, _, excess in rows):
        raise BadTrials(f"{path.name} holds sets of different days for tape {tape}")
    daily = np.array([np.frombuffer(excess, "<f8") for _, _, excess in rows]).T
    return Trials(tuple(name for name, _, _ in rows), np.ascontiguousarray(daily, dtype=np.float64))


def counts(path: Path) -> dict[str, int]:
    """How many sets were tried on each tape. Raises BadTrials."""
    if not path.exists():
        return {}
    with _opened(path) as store:
        return dict(store.execute("SELECT tape, count(*) FROM trials GROUP BY tape"))


def trials_of(daily: Floats) -> Trials:
    """A sweep's matrix [day, trial] as it is, without a store. Raises BadTrials."""
    if daily.ndim != 2:
        raise BadTrials("a matrix [day, trial] is needed")
    if not np.isfinite(daily).all():
        day, column = np.argwhere(~np.isfinite(daily))[0]
        raise BadTrials(f"trial {column} has no return on day {day}")
    return Trials(tuple(str(at) for at in range(daily.shape[1])), daily)


def sharpes(daily: Floats) -> Floats:
    """The Sharpe ratio per day of each trial [trial]; NaN where one does not vary."""
    if len(daily) < 2:
        return np.full(daily.shape[1], np.nan)
    deviation = daily.std(axis=0, ddof=1)
    varies = deviation > ROUNDING * np.max(np.abs(daily), axis=0)
    found: Floats = np.divide(daily.mean(axis=0), deviation, out=np.full(daily.shape[1], np.nan), where=varies)
    return found


def sharpe_variance(daily: Floats) -> float:
    """The variance across trials of their Sharpe ratios per day; 0.0 for fewer than two that vary."""
    known = sharpes(daily)
    known = known[np.isfinite(known)]
    return float(known.var(ddof=1)) if len(known) > 1 else 0.0


def effective_trials(daily: Floats) -> float:
    """How many independent trials they are worth: r + (1 - r) N, from 1 to N. Those that do not vary, which no choice would
    prefer, are left out. A negative mean correlation counts as none."""
    varying = daily[:, np.isfinite(sharpes(daily))]
    count: int = varying.shape[1]
    if count < 2:
        return 1.0
    scaled = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    together = scaled.sum(axis=1)
    correlations = float(together @ together) / len(daily)  # the sum of them all, the N ones included
    mean = min(1.0, max(0.0, (correlations - count) / float(count * (count - 1))))
    return mean + (1.0 - mean) * count


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The count, whole or refused; what is not committed is undone. Raises BadTrials."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as store:
            (version,) = store.execute("PRAGMA user_version").fetchone()
            if version not in {0, VERSION}:
                raise BadTrials(f"{path.name} was written by another version ({version}; this one reads {VERSION})")
            if version == 0:
                store.execute("BEGIN IMMEDIATE")
                store.execute(SCHEMA)
                store.execute(f"PRAGMA user_version = {VERSION}")
                store.execute("COMMIT")
            yield store
    except sqlite3.Error as error:
        raise BadTrials(f"{path.name} cannot be used as the count of trials: {error}") from error

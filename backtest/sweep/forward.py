"""A whole walk-forward over a sweep's sets, beside the set that was best with hindsight and equal weight, on the same days.
Refuses to show the one without the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.evidence.statement import Evidence, evidence_of, for_programs
from backtest.evidence.trials import trials_of
from backtest.metrics import annual_growth, curve_of
from backtest.numerals import day
from backtest.study import Study
from backtest.sweep.ground import daily_returns, last_rows_of_days
from backtest.sweep.outcome import Job, Outcome, final_raw
from backtest.sweep.space import ParameterSet
from backtest.sweep.walking import Score, Window, begin_row, chosen, schedule, stitched, windows
from backtest.weighed import SEED
from strategies.errors import SettingsError
from strategies.tape import Floats, Ints
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = ("day_utc", "walk_forward", "best_with_hindsight", "equal_weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the windows lie, and what sets are chosen by."""

    train_days: int
    test_days: int
    anchored: bool
    score: Score


@dataclass(frozen=True, slots=True)
class Pick:
    """A window's set: what it grew in excess of equal weight while it was chosen, and afterwards, a year."""

    window: Window
    parameters: ParameterSet
    before: float
    after: float


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A finished walk-forward. Daily returns are those of the test days alone."""

    picks: tuple[Pick, ...]
    days: Ints  # unix seconds at which each test day's return ends
    forward: Floats
    hindsight: Floats  # of the set that grew most over the whole tape
    hindsight_set: ParameterSet
    equal_weight: Floats
    final_raw: int  # of the stitched run
    moves: int
    journal_head: str
    evidence: Evidence


def walk(study: Study, job: Job, outcomes: Sequence[Outcome], terms: Terms) -> Walked:
    """Choose, stitch, and compare. Raises SettingsError, BadTape."""
    tape = study.main.run.tape
    day_rows, excess = last_rows_of_days(tape.timestamp), np.stack([one.excess_daily for one in outcomes], axis=1)
    plan = windows(len(excess), train_days=terms.train_days, test_days=terms.test_days, anchored=terms.anchored)
    picked = [(window, chosen(excess, window, terms.score)) for window in plan]
    starts = [(begin_row(day_rows, window), outcomes[at].parameters) for window, at in picked]
    finished = stitched(tape, study.main.run.settings, schedule(tape, job.settings, starts))
    forward = daily_returns(curve_of(finished).net[day_rows])[plan[0].begin :]
    best = max(range(len(outcomes)), key=lambda at: (outcomes[at].net, -at))
    tested = excess[plan[0].begin :]
    if not np.isfinite(forward).all():
        raise SettingsError("the walk-forward lost everything: its daily returns have no end")
    known = tested[:, np.isfinite(tested).all(axis=0)]
    equal_weight = job.equal_weight[plan[0].begin :]
    return Walked(
        picks=tuple(_pick(excess, window, outcomes[at].parameters, at) for window, at in picked),
        days=tape.timestamp[day_rows[plan[0].begin + 1 :]],
        forward=forward,
        hindsight=tested[:, best] + equal_weight,
        hindsight_set=outcomes[best].parameters,
        equal_weight=equal_weight,
        final_raw=final_raw(finished),
        moves=finished.moves,
        journal_head=finished.journal.head,
        evidence=evidence_of(forward - equal_weight, trials=trials_of(known), seed=SEED),
    )


def yearly(daily: Floats) -> float:
    """The yearly rate that daily returns compound to."""
    return annual_growth(1.0, float(np.prod(1.0 + daily)), len(daily) * SECONDS_PER_DAY)


def table_of(walked: Walked) -> str:
    """Growth since the first test day began, by day, as CSV."""
    grown = [np.cumprod(1.0 + daily).tolist() for daily in (walked.forward, walked.hindsight, walked.equal_weight)]
    lines = [f"{day(at)},{one!r},{two!r},{three!r}" for at, one, two, three in zip(walked.days.tolist(), *grown, strict=True)]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def content_of(walked: Walked, job: Job, header: Mapping[str, object]) -> Mapping[str, object]:
    """The walk-forward for programs."""
    return {
        "sweep": dict(header),
        "windows": [
            {
                "train_days": [pick.window.first, pick.window.begin],
                "test_days": [pick.window.begin, pick.window.stop],
                "set": dict(pick.parameters),
                "excess_before": pick.before,
                "excess_after": pick.after,
            }
            for pick in walked.picks
        ],
        "test_days": len(walked.forward),
        "growth_a_year": {
            "walk_forward": yearly(walked.forward),
            "best_with_hindsight": yearly(walked.hindsight),
            "equal_weight": yearly(walked.equal_weight),
        },
        "best_with_hindsight": dict(walked.hindsight_set),
        "final_raw": str(walked.final_raw),
        "moves": walked.moves,
        "journal_head": walked.journal_head,
        "tape": job.digest,
        "luck": dict(for_programs(walked.evidence)),
    }


def _pick(excess: Floats, window: Window, parameters: ParameterSet, at: int) -> Pick:
    before, after = excess[window.first : window.begin, at], excess[window.begin : window.stop, at]
    return Pick(window, parameters, yearly(before), yearly(after))

"""Walk-forward: in each window the set that was best on the days before it, applied to the days after; the pieces as one run over
the tape, exact and judged. Refuses windows that do not fit, and sets that differ in their gate, of which a run has one.

A set is chosen from days that are over when it begins: no day of a test is among those it was chosen by."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Final

import numpy as np

from backtest.engine import run
from backtest.evidence.errors import Undefined
from backtest.evidence.sharpe import cumulative, is_constant, luck_hurdle, robust_error
from backtest.evidence.trials import effective_trials, sharpe_variance, sharpes
from backtest.runs import Run, RunSettings
from backtest.sweep.space import GATE, ParameterSet, only_strategy, with_parameters
from backtest.world import decision_rows
from strategies.catalogue import Menu, Strategy
from strategies.domain import Keep, Target
from strategies.errors import SettingsError
from strategies.tape import Floats, Ints, Observation, Tape

NAME: Final = "walk forward"
Score = Callable[[Floats], Floats]  # of daily excess returns [day, set], one value a set; NaN is never chosen


@dataclass(frozen=True, slots=True)
class Window:
    """Days by their place among the daily returns: chosen on `[first, begin)`, applied to `[begin, stop)`."""

    first: int
    begin: int
    stop: int


@dataclass(frozen=True, slots=True)
class Part:
    """A strategy, from when on it decides, and when it looks."""

    since: int  # unix seconds
    strategy: Strategy
    looks: frozenset[int]  # unix seconds


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One strategy after another. Before the first it keeps what is held."""

    parts: tuple[Part, ...]  # earliest first

    @property
    def cadence_seconds(self) -> int:
        """Often enough for each of them."""
        return gcd(*[part.strategy.cadence_seconds for part in self.parts])

    def target(self, seen: Observation) -> Target | Keep:
        """What the strategy of this time wants, at the times at which it would look by itself."""
        at = bisect_right([part.since for part in self.parts], seen.timestamp) - 1
        if at < 0:
            return Keep("the first window has not begun")
        if seen.timestamp not in self.parts[at].looks:
            return Keep("this set does not look now")
        return self.parts[at].strategy.target(seen)


def windows(days: int, *, train_days: int, test_days: int, anchored: bool) -> tuple[Window, ...]:
    """As many windows as fit into so many daily returns; the last may be shorter. Anchored ones all train from the first day on.
    Raises SettingsError."""
    if train_days < 2 or test_days < 1:
        raise SettingsError(f"--train-days {train_days} and --test-days {test_days}: at least 2 and 1 are needed")
    if train_days >= days:
        raise SettingsError(f"--train-days {train_days}: the tape has {days} daily returns, which leaves nothing to test on")
    begins = range(train_days, days, test_days)
    return tuple(Window(0 if anchored else begin - train_days, begin, min(begin + test_days, days)) for begin in begins)


def by_growth(excess: Floats) -> Floats:
    """Growth in excess of equal weight over the days."""
    grown: Floats = np.log1p(np.maximum(excess, -1.0 + 1e-12)).sum(axis=0)
    return grown


def by_deflated_sharpe(excess: Floats) -> Floats:
    """How likely each set's ratio is more than luck would show among them all, with robust errors; NaN where one never varies."""
    known = np.isfinite(excess).all(axis=0)
    scores = np.full(excess.shape[1], np.nan)
    if not known.any():
        return scores
    daily = excess[:, known]
    ratios, hurdle = sharpes(daily), luck_hurdle(sharpe_variance(daily), effective_trials(daily))
    for at, ratio in zip(np.flatnonzero(known), ratios.tolist(), strict=True):
        if np.isfinite(ratio) and not is_constant(excess[:, at]):
            scores[at] = _chance(excess[:, at], ratio - hurdle)
    return scores


SCORES: Final[Mapping[str, Score]] = {"growth": by_growth, "deflated": by_deflated_sharpe}


def score_named(name: str) -> Score:
    """What sets are chosen by. Raises SettingsError."""
    if name not in SCORES:
        raise SettingsError(f"--by {name}: choose by {' or '.join(SCORES)}")
    return SCORES[name]


def chosen(excess: Floats, window: Window, score: Score) -> int:
    """The set with the highest score on the days before the window begins; where none has one, that which grew most. Ties go to
    the earlier set. Raises SettingsError where every set lost everything."""
    before = excess[window.first : window.begin]
    for scores in (score(before), by_growth(before)):
        if not np.isnan(scores).all():
            return int(np.nanargmax(scores))
    raise SettingsError(f"days {window.first} to {window.begin}: no set has a return for each of them")


def schedule(tape: Tape, settings: RunSettings, picked: Sequence[tuple[int, ParameterSet]]) -> Scheduled:
    """Sets with the rows from which they decide, as one strategy. Raises SettingsError."""
    if any(name.startswith(GATE) for _, one in picked for name, _ in one):
        raise SettingsError("a walk-forward is one run and has one gate: vary the strategy's own parameters only")
    parts = []
    for row, one in picked:
        strategy = only_strategy(with_parameters(settings, one))
        looks = tape.timestamp[decision_rows(tape, strategy.cadence_seconds)]
        parts.append(Part(int(tape.timestamp[row]), strategy, frozenset(looks.tolist())))
    return Scheduled(tuple(parts))


def stitched(tape: Tape, settings: RunSettings, scheduled: Scheduled) -> Run:
    """The windows as one run over the whole tape. Raises BadTape, LedgerMismatch."""
    menu = Menu(((NAME.replace(" ", "_"), scheduled),), settings.decide.menu.stances)
    return run(tape, replace(settings, name=NAME, decide=replace(settings.decide, menu=menu)))


def begin_row(day_rows: Ints, window: Window) -> int:
    """The first row after the last day that the window's set was chosen by."""
    return int(day_rows[window.begin]) + 1


def _chance(returns: Floats, above: float) -> float:
    try:
        return cumulative(above / robust_error(returns))
    except Undefined:
        return float("nan")

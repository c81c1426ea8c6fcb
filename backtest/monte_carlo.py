"""What a strategy would have earned over equal weight in many pasts that could have been: a script with other seeds, or blocks of
a recorded tape in other orders. Refuses fewer paths than two, and fewer processes than one.

Every path has a seed of its own, made from the seed and its number, so that nothing depends on how many processes share the work.
Nobody judges in these runs: the guard's limits are not what is asked."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from typing import Final, TypeAlias

import numpy as np

from backtest.engine import run
from backtest.metrics import annual_growth, curve_of
from backtest.resampling import drawn_rows, resampled
from backtest.runs import RunSettings
from backtest.scenario import Script, tape_of_script
from backtest.study import Study
from strategies.errors import SettingsError
from strategies.tape import Floats, Tape

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Scripted:
    """The paths of a script: its events stay where they are, all else is drawn again."""

    script: Script
    seed: int

    def tape(self, at: int) -> Tape:
        """One path. Raises BadTape."""
        return tape_of_script(replace(self.script, seed=path_seed(self.seed, at)))


@dataclass(frozen=True, slots=True)
class Resampled:
    """The paths of a recorded tape: its blocks drawn again."""

    recorded: Tape
    block_rows: int
    seed: int

    def tape(self, at: int) -> Tape:
        """One path. Raises BadTape."""
        rng = np.random.default_rng(path_seed(self.seed, at))
        return resampled(self.recorded, drawn_rows(len(self.recorded), self.block_rows, rng))


Pasts: TypeAlias = Scripted | Resampled


@dataclass(frozen=True, slots=True)
class Path:
    """One past: the strategy's yearly growth and equal weight's, net of gas."""

    growth: float
    equal_weight: float

    @property
    def excess(self) -> float:
        return self.growth - self.equal_weight


@dataclass(frozen=True)
class Spread:
    """All paths of one question, in the order of their numbers."""

    seed: int
    paths: tuple[Path, ...]

    @cached_property
    def excess(self) -> Floats:
        """Yearly growth over equal weight, [path]."""
        return np.array([path.excess for path in self.paths])

    def quantiles(self, levels: Sequence[float] = LEVELS) -> tuple[float, ...]:
        """The excess that so large a share of paths stayed below."""
        return tuple([float(value) for value in np.quantile(self.excess, levels)])

    @property
    def mean(self) -> float:
        return float(self.excess.mean())

    @property
    def mean_error(self) -> float:
        """The standard error of the mean: paths are drawn independently of each other."""
        return float(self.excess.std(ddof=1) / np.sqrt(len(self.paths)))

    @property
    def behind(self) -> float:
        """The share of paths on which equal weight did as well or better."""
        return float((self.excess <= 0).mean())

    def luck(self, excess: float) -> float:
        """The share of paths that did worse than a result did: near 1 it was lucky, near 0 unlucky, whatever its size."""
        return float((self.excess < excess).mean())

    @property
    def sentence(self) -> str:
        """What a person should conclude."""
        low, _, middle, _, high = self.quantiles()
        ahead = f"ahead of equal weight on {1 - self.behind:.0%} of {len(self.paths)} paths"
        return f"{ahead}; {middle:+.2%} a year in the middle, {low:+.2%} to {high:+.2%} on nine in ten"


def simulate(pasts: Pasts, main: RunSettings, equal_weight: RunSettings, *, paths: int, processes: int) -> Spread:
    """Both strategies on so many pasts, over so many processes. Raises SettingsError, BadTape."""
    if paths < 2:
        raise SettingsError(f"{paths} paths have no spread: give 2 or more")
    if processes < 1:
        raise SettingsError(f"{processes} processes can do no work: give 1 or more")
    job = Job(pasts, replace(main, policy=None), replace(equal_weight, policy=None))
    if processes == 1:
        return Spread(pasts.seed, tuple([job.path(at) for at in range(paths)]))
    pieces = [(at, min(paths, at + -(-paths // processes))) for at in range(0, paths, -(-paths // processes))]
    with ProcessPoolExecutor(len(pieces), mp_context=get_context("forkserver")) as pool:
        done = list(pool.map(job.piece, *zip(*pieces, strict=True)))
    return Spread(pasts.seed, tuple([path for piece in done for path in piece]))


def simulate_study(study: Study, pasts: Pasts, *, paths: int, processes: int) -> Spread:
    """The same for a study's strategy and its equal weight. Raises SettingsError, BadTape."""
    return simulate(pasts, study.main.run.settings, study.equal_weight.run.settings, paths=paths, processes=processes)


def path_seed(seed: int, at: int) -> int:
    """A path's own seed: 64 bits out of the seed and its number (numpy.random.SeedSequence)."""
    return int(np.random.SeedSequence([seed, at]).generate_state(1, np.uint64)[0])


@dataclass(frozen=True, slots=True)
class Job:
    """What is run on every path; it is sent to each process once."""

    pasts: Pasts
    main: RunSettings
    equal_weight: RunSettings

    def piece(self, first: int, stop: int) -> tuple[Path, ...]:
        """Some paths, in their order. Raises BadTape."""
        return tuple([self.path(at) for at in range(first, stop)])

    def path(self, at: int) -> Path:
        """One path. Raises BadTape."""
        tape = self.pasts.tape(at)
        return Path(_growth(tape, self.main), _growth(tape, self.equal_weight))


def _growth(tape: Tape, settings: RunSettings) -> float:
    """Yearly growth in the asset, net of gas."""
    curve = curve_of(run(tape, settings))
    return annual_growth(float(curve.net[0] + curve.gas[0]), float(curve.net[-1]), int(tape.timestamp[-1] - tape.timestamp[0]))

"""Measures a sweep of the rotation job: `python -m tests.bench.sweep`. One JSON line a job, on standard output.

500 sets (10 thresholds × 10 look-backs × 1 to 5 markets) over 20 markets and a year: run exactly by one process (CPU seconds),
by two, this one among them, and by a Dask cluster of two workers (wall seconds; the start of the second process is in it, that of
the cluster is not), and evaluated together in floats (CPU seconds), each the best of five in turn; with our own size counted,
which takes longer, by one and by two, the better of two in turn.
With `--peers`, beside the back-testers that are installed.
Ends with 1 where two processes give other results than one, or where the estimate moves another way than the exact run."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from distributed import LocalCluster

from backtest.dataset import save
from backtest.impact import THINNED
from backtest.sweep.cluster import over_cluster
from backtest.sweep.ground import Ground, last_rows_of_days
from backtest.sweep.outcome import Job, Outcome
from backtest.sweep.results import content_of
from backtest.sweep.running import Runner, here, over_processes
from backtest.sweep.screen import Screen, screened
from backtest.sweep.space import Listed, ParameterSet, grid, space_of
from backtest.sweep.work import pieces_of
from tests.bench import peers
from tests.bench.rotation import numpy_blocks
from tests.bench.year import rates_of, rotation_over, settings_over, tape_of

MARKETS: Final = 20
HOURS: Final = (1, 6, 12, 24, 36, 48, 72, 96, 120, 168)
THRESHOLDS: Final = (0, 10, 25, 50, 75, 100, 150, 200, 300, 500)
BEST_OF: Final = 5
SAMPLED: Final = 11  # every so many of the sets: all counts, look-backs and thresholds come up

Line = Mapping[str, object]


def job_in(folder: Path) -> tuple[Job, tuple[ParameterSet, ...], Ground]:
    """The job over its tape, saved in the folder; equal weight, which costs nothing to compare with here, is left at zero."""
    tape = tape_of(rates_of(MARKETS))
    save(tape, folder)
    settings = settings_over(tape, rotation_over(tape))
    axes = (Listed("threshold_bps", THRESHOLDS), Listed("lookback_seconds", tuple(3_600 * hours for hours in HOURS)))
    sets = grid(space_of((*axes, Listed("count", (1, 2, 3, 4, 5))), settings))
    days = len(last_rows_of_days(tape.timestamp))
    return Job(str(folder), tape.digest, settings, np.zeros(days - 1)), sets, Ground(tape)


def timed(clock: Callable[[], float], runner: Runner, job: Job, sets: tuple[ParameterSet, ...]) -> tuple[float, list[Outcome]]:
    """Seconds of one sweep, and its outcomes in the order of the sets."""
    outcomes, began = list[Outcome](), clock()
    runner(job, pieces_of(job, tuple(enumerate(sets))), outcomes.extend)
    return clock() - began, sorted(outcomes, key=lambda outcome: outcome.at)


def estimated(job: Job, sets: tuple[ParameterSet, ...], ground: Ground) -> tuple[float, Screen]:
    """The least CPU seconds of several, and what they found."""
    spent = []
    for _ in range(BEST_OF):
        began = time.process_time()
        screen = screened(ground, job, sets)
        spent.append(time.process_time() - began)
    return min(spent), screen


def numpy_blocks_s(sets: tuple[ParameterSet, ...]) -> float:
    """CPU seconds that NumPy in blocks takes for the sets, by a sample of them."""
    apr, spent = rates_of(MARKETS), 0.0
    for one in map(dict, sets[::SAMPLED]):
        hours, basis_points, count = (int(one[name]) for name in ("lookback_seconds", "threshold_bps", "count"))
        began = time.process_time()
        numpy_blocks(apr, lookback=hours // 3_600, threshold=basis_points / 10_000, count=count)
        spent += time.process_time() - began
    return spent * len(sets) / len(sets[::SAMPLED])


def lines() -> Iterator[Line]:
    """All figures; the last says whether the ways agree."""
    with TemporaryDirectory() as name:
        job, sets, ground = job_in(Path(name) / "tape")
        here(job, pieces_of(job, tuple(enumerate(sets[:8]))), lambda outcomes: None)  # the tape is mapped, the code is loaded
        cpu_s, blocks_s, wall_s, two_s = (math.inf,) * 4
        for _ in range(BEST_OF):  # in turn, so that all see the same machine
            spent_s, alone = timed(time.process_time, here, job, sets)
            one_s, _ = timed(time.perf_counter, here, job, sets)
            both_s, both = timed(time.perf_counter, over_processes(2), job, sets)
            cpu_s, wall_s, two_s = min(cpu_s, spent_s), min(wall_s, one_s), min(two_s, both_s)
            blocks_s = min(blocks_s, numpy_blocks_s(sets))
        yield {
            "job": "sweep-exact",
            "sets": len(sets),
            "markets": MARKETS,
            "ours_cpu_s": round(cpu_s, 3),
            "wall_s": round(wall_s, 3),
            "peer": "numpy-blocks",
            "peer_cpu_s": round(blocks_s, 3),
            "ratio": float(f"{cpu_s / blocks_s:.3g}"),
        }
        yield {"job": "sweep-two-processes", "sets": len(sets), "wall_s": round(two_s, 3), "speedup": round(wall_s / two_s, 2)}
        with LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster:
            runner = over_cluster(cluster.scheduler_address)
            timed(time.perf_counter, runner, job, sets[:8])  # the workers have loaded the code
            cluster_s = math.inf
            for _ in range(BEST_OF):
                spread_s, spread = timed(time.perf_counter, runner, job, sets)
                cluster_s = min(cluster_s, spread_s)
        yield {
            "job": "sweep-two-dask-workers",
            "sets": len(sets),
            "wall_s": round(cluster_s, 3),
            "speedup": round(wall_s / cluster_s, 2),
        }
        thinned = replace(job, settings=replace(job.settings, impact=THINNED))
        alone_s = two_s = math.inf
        for _ in range(2):
            alone_s = min(alone_s, timed(time.perf_counter, here, thinned, sets)[0])
            two_s = min(two_s, timed(time.perf_counter, over_processes(2), thinned, sets)[0])
        yield {
            "job": "sweep-own-size-two-processes",
            "sets": len(sets),
            "one_wall_s": round(alone_s, 3),
            "wall_s": round(two_s, 3),
            "speedup": round(alone_s / two_s, 2),
        }
        together_s, screen = estimated(job, sets, ground)
        told = [outcome for outcome in alone if not screen.departed[outcome.at]]
        apart = max(abs(screen.net[outcome.at] - outcome.net) for outcome in told)
        yield {
            "job": "sweep-together",
            "sets": len(sets),
            "ours_cpu_s": round(together_s, 3),
            "departed": int(screen.departed.sum()),
            "net_diff": float(f"{apart:.2g}"),
        }
        same = [content_of(one) for one in alone] == [content_of(one) for one in both] == [content_of(one) for one in spread]
        moves_alike = all(screen.moves[outcome.at] == outcome.moves for outcome in told)
        yield {"job": "sweep-agreement", "others_equal": same, "moves_equal": moves_alike}


def main() -> int:
    """Prints every line; 1 where the ways do not agree."""
    ours_s = math.nan
    for line in lines():
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        ours_s = float(str(line["ours_cpu_s"])) if line["job"] == "sweep-exact" else ours_s
    for peer, cpu_s, is_extrapolated in peers.sweep() if "--peers" in sys.argv else ():
        ratio = float(f"{ours_s / cpu_s:.3g}")
        told = {"job": "sweep-exact", "peer": peer, "peer_cpu_s": cpu_s, "ratio": ratio, "peer_is_extrapolated": is_extrapolated}
        sys.stdout.write(json.dumps(told) + "\n")
    return 0 if line["others_equal"] and line["moves_equal"] else 1


if __name__ == "__main__":
    sys.exit(main())

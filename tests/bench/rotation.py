"""The lending rotation that every back-tester can write, in our idiom: `python -m tests.bench.rotation [--peers]`, `make bench`
and `make bench-peers`. One JSON line a job: CPU seconds of ours and of a peer in the same run, and how far apart they end.

The job: hourly supply rates of N markets over a year; from a start of 1,000,000, every 24 hours, hold the market whose mean rate
over the last 24 hours is best, if it beats the held one's by more than 0.5 %; each market that is touched costs 5. NumPy is
always a peer, as a loop over steps and as blocks; with `--peers` also those that an environment holds (USUFRUCT_PEERS, else
~/peers), through the scripts of ../shared/peers. Ours counts in base units of an asset of 18 decimals and a 27-digit index.

Ends with 1 where ours is further from every peer than the peers are from each other."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from backtest.dataset import load, save
from backtest.engine import run
from backtest.metrics import held_of
from backtest.runs import Run
from strategies.domain import Keep, Target
from strategies.lending_rotation import LendingRotation
from strategies.tape import Floats, Observation
from tests.bench import peers
from tests.bench.clock import peak_mb
from tests.bench.year import (
    COUNT,
    GAS,
    HOURS_A_YEAR,
    LOOKBACK,
    START,
    THRESHOLD,
    judged,
    rates_of,
    rotation_over,
    settings_over,
    tape_of,
)

EVERY: Final = 24
BEST_OF: Final = 15

Line = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Timed:
    """The least CPU seconds of several calls, and what they came to."""

    cpu_s: float
    equity: float


@dataclass(frozen=True, slots=True)
class Reader:
    """A callback that looks at every market's rate every hour and keeps what it holds."""

    cadence_seconds: int
    first: LendingRotation

    def target(self, seen: Observation) -> Target | Keep:
        if not seen.portfolio.positions:
            return self.first.target(seen)
        best = int(seen.now("supply_apr").argmax())
        return Keep("the best is held") if best else Keep("the first is best")


def numpy_steps(apr: Floats) -> float:
    """A step multiplies every balance; a decision ranks the window's means."""
    growth = 1.0 + apr / HOURS_A_YEAR
    balance, held, cash, curve = np.zeros(apr.shape[1]), np.empty(0, dtype=int), START, np.empty(len(apr))
    for step in range(len(apr)):
        if step:
            balance *= growth[step]
        if step % EVERY == 0:
            mean = apr[max(0, step - LOOKBACK + 1) : step + 1].mean(axis=0)
            best = np.argsort(-mean, kind="stable")[:COUNT]
            if not len(held) or (set(best) != set(held) and mean[best].mean() - mean[held].mean() > THRESHOLD):
                equity = cash + balance.sum() - GAS * len(np.union1d(held, best))
                balance[:], cash, held = 0.0, 0.0, best
                balance[best] = equity / COUNT
        curve[step] = cash + balance.sum()
    return float(curve[-1])


def numpy_blocks(apr: Floats, *, lookback: int = LOOKBACK, threshold: float = THRESHOLD, count: int = COUNT) -> float:
    """One cumulative product for the year; the loop runs over decisions alone."""
    growth = 1.0 + apr / HOURS_A_YEAR
    growth[0] = 1.0
    index = np.cumprod(growth, axis=0)
    total = np.vstack([np.zeros(apr.shape[1]), np.cumsum(apr, axis=0)])
    curve, equity, held, unit = np.empty(len(apr)), START, np.empty(0, dtype=int), np.empty(0)
    for step in range(0, len(apr), EVERY):
        first = max(0, step - lookback + 1)
        mean = (total[step + 1] - total[first]) / (step + 1 - first)
        best = np.argpartition(-mean, count - 1)[:count]
        if len(held):
            equity = float(unit @ index[step, held])
        if not len(held) or (set(best) != set(held) and mean[best].mean() - mean[held].mean() > threshold):
            equity -= GAS * len(np.union1d(held, best))
            held, unit = best, equity / count / index[step, best]
        curve[step : step + EVERY] = index[step : step + EVERY, held] @ unit
    return float(curve[-1])


def together(*jobs: Callable[[], float]) -> list[Timed]:
    """Jobs in turn, so that all see the same machine."""
    spent = [list[float]() for _ in jobs]
    equity = [0.0 for _ in jobs]
    for _ in range(BEST_OF):
        for at, job in enumerate(jobs):
            start = time.process_time()
            equity[at] = job()
            spent[at].append(time.process_time() - start)
    return [Timed(min(times), value) for times, value in zip(spent, equity, strict=True)]


def ours(finished: Run) -> float:
    """The hourly equity curve's end."""
    return float(held_of(finished)[-1])


def rotation(markets: int, with_peers: bool) -> Iterator[Line]:
    """The job bare and guarded, beside NumPy and, where asked for, the installed peers."""
    apr = rates_of(markets)
    tape = tape_of(apr)
    bare = settings_over(tape, rotation_over(tape))
    guarded = judged(tape, bare)
    plain, full, steps, blocks = together(
        lambda: ours(run(tape, bare)),
        lambda: ours(run(tape, guarded)),
        lambda: numpy_steps(apr),
        lambda: numpy_blocks(apr),
    )
    found = {"numpy-steps": steps, "numpy-blocks": blocks}
    if with_peers:
        found |= {name: Timed(cpu_s, equity) for name, cpu_s, equity in peers.rotation(markets)}
    equities = [timed.equity for timed in found.values()]
    allowed = max(equities) - min(equities)
    for job, timed in (("rotation", plain), ("rotation, guard, ledger and journal", full)):
        for name, peer in found.items():
            drift = timed.equity - peer.equity
            yield line(job, markets, timed.cpu_s, peer=name, peer_cpu_s=peer.cpu_s) | {
                "equity_diff": float(f"{drift:.3g}"),
                "drifts": min(abs(timed.equity - equity) for equity in equities) > allowed,
            }


def hourly(markets: int) -> Line:
    """A Python callback at every hour."""
    tape = tape_of(rates_of(markets))
    settings = settings_over(tape, Reader(3_600, rotation_over(tape)))
    (timed,) = together(lambda: float(run(tape, settings).decisions))
    return line("a callback an hour", markets, timed.cpu_s) | {"callback_us": round(timed.cpu_s / timed.equity * 1e6, 2)}


def line(job: str, markets: int, cpu_s: float, *, peer: str | None = None, peer_cpu_s: float | None = None) -> dict[str, object]:
    """What is printed of a job; `ratio` is ours by the peer's."""
    ratio = None if peer_cpu_s is None else float(f"{cpu_s / peer_cpu_s:.3g}")
    spent = None if peer_cpu_s is None else float(f"{peer_cpu_s:.4g}")
    return {
        "job": job,
        "markets": markets,
        "ours_cpu_s": float(f"{cpu_s:.4g}"),
        "peer": peer,
        "peer_cpu_s": spent,
        "ratio": ratio,
    }


def memory(markets: int) -> Line:
    """The peak of a process that opens the tape and runs the job."""
    with TemporaryDirectory() as folder:
        save(tape_of(rates_of(markets)), Path(folder))
        code = f"from pathlib import Path; from tests.bench.rotation import alone; alone(Path({folder!r}))"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {"job": "rotation, memory", "markets": markets, "peak_mb": json.loads(out.stdout)}


def alone(folder: Path) -> None:
    """One bare run of a saved tape in a process of its own; prints its peak in megabytes."""
    tape = load(folder)
    held_of(run(tape, settings_over(tape, rotation_over(tape))))
    sys.stdout.write(json.dumps(peak_mb()))


def main() -> int:
    """Prints a line a job; 1 where ours drifts."""
    with_peers, drifted = "--peers" in sys.argv, False
    for markets in (5, 20, 100):
        for found in rotation(markets, with_peers):
            drifted |= bool(found["drifts"])
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
    for found in (hourly(20), memory(100)):
        sys.stdout.write(json.dumps(found) + "\n")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())

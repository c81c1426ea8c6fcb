"""Measures large tapes: `python -m tests.bench.tape`. One JSON line a job, on standard output.

"build-ten-years" writes ten years of hours of 500 markets to a temporary folder, block by block, so that memory holds one block:
seeded random rates, every index grown in integers. "open-ten-years" opens that folder as a run does and asks for one exact state;
the median of repeats, wall time, because mapping is mostly waiting. "run-ten-years" runs the rotation over it, with its hourly
curve, in a process of its own, whose memory is told. A tape that cannot be opened ends the run."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from backtest.dataset import Rates, load, save_in_blocks
from backtest.engine import run
from backtest.metrics import held_of
from strategies.domain import NATIVE, Asset, Deployment, Market
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.units import GWEI, USD_E8
from tests.bench.clock import peak_mb
from tests.bench.year import rotation_over, settings_over

HOUR: Final = 3_600
ROWS: Final = 87_600
MARKETS: Final = 500
BLOCK: Final = 50
START: Final = 1_420_070_400  # 2015-01-01
REPEATS: Final = 15
DOLLAR: Final = Asset(31_337, "0x" + "5d" * 20, "USDC", 6)
ETHER: Final = Asset(31_337, NATIVE, "ETH", 18)


def write_ten_years(folder: Path, *, rows: int = ROWS, markets: int = MARKETS, seed: int = 11) -> None:
    """A tape of so many hours and markets; equal arguments, equal bytes."""
    protocol = RecordedIndexes().protocol
    names = tuple(Market(f"m{at}:USDC", protocol, f"0x{at + 1:040x}", DOLLAR) for at in range(markets))
    whole = Deployment(DOLLAR.chain_id, "ten years", NATIVE, (DOLLAR, ETHER), names, {})
    save_in_blocks(whole, _blocks(whole, rows, np.random.default_rng(seed)), folder)


def _blocks(whole: Deployment, rows: int, rng: np.random.Generator) -> Iterator[Rates]:
    clock = np.arange(rows, dtype=np.int64)
    prices = np.tile(np.array([USD_E8, 2_500 * USD_E8], dtype=np.int64), (rows, 1))
    for first in range(0, len(whole.markets), BLOCK):
        markets = whole.markets[first : first + BLOCK]
        shape = (rows, len(markets))
        walk = np.cumsum(rng.standard_normal(shape) * 0.01, axis=0)
        borrow = 0.05 * np.exp(walk - walk.mean(axis=0)).clip(0.05, 20)
        utilisation = rng.uniform(0.6, 0.95, shape)
        yield Rates(
            deployment=replace(whole, markets=markets),
            timestamp=START + HOUR * clock,
            block=300 * (clock + 1),
            base_fee_wei=np.full(rows, GWEI, dtype=np.int64),
            supply_apr=borrow * utilisation * 0.9,
            borrow_apr=borrow,
            utilisation=utilisation,
            available=1e8 * (1 - utilisation),
            fresh=np.ones(shape, dtype=np.bool_),
            oracle_usd_e8=np.full(shape, USD_E8, dtype=np.int64),
            price_usd_e8=prices,
        )


def lines() -> Iterator[Mapping[str, object]]:
    """Both jobs' figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "ten-years"
        began = time.process_time()
        write_ten_years(folder)
        yield {
            "job": "build-ten-years",
            "markets": MARKETS,
            "rows": ROWS,
            "ours_cpu_s": round(time.process_time() - began, 1),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024,
            "on_disk_mb": sum(path.stat().st_size for path in folder.iterdir()) >> 20,
        }
        yield {"job": "open-ten-years", "markets": MARKETS, "rows": ROWS, "ours_ms": round(median(_opened(folder)) * 1_000, 2)}
        command = [sys.executable, "-m", "tests.bench.tape", str(folder)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        yield {"job": "run-ten-years", "markets": MARKETS, "rows": ROWS, **json.loads(said)}


def _opened(folder: Path) -> Iterator[float]:
    for _ in range(REPEATS):
        began = time.perf_counter()
        tape = load(folder)
        assert tape.states.state(ROWS // 2, MARKETS // 2) is not None
        yield time.perf_counter() - began


def rotated(folder: Path) -> Mapping[str, object]:
    """The CPU seconds of the rotation over a saved tape, the second time, and the most memory held."""
    tape = load(folder)
    settings = settings_over(tape, rotation_over(tape))
    for _ in range(2):
        began = time.process_time()
        held_of(run(tape, settings))
        spent = time.process_time() - began
    return {"ours_cpu_s": round(spent, 2), "peak_mb": peak_mb()}


def main() -> None:
    """Prints every line; given a folder, only what running over that tape took."""
    for found in [rotated(Path(sys.argv[1]))] if len(sys.argv) > 1 else lines():
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

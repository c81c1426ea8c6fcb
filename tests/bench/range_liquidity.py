"""A Uniswap V3 range position over a month of minutes, beside demeter: `python -m tests.bench.range_liquidity`. One JSON line.

The job and its data are those of `shared/peers` (seed 11), read at run time from the folder beside the repository; demeter is
asked in an environment of its own, `v-demeter` in the folder that USUFRUCT_PEERS names, else in `peers` in the home folder.
Where either is missing the line says why. Both read the same files. Processor time is that of the run alone, as the peer's
script counts it: ours from columns just imported to curve and figures, the peer's from its loaded frame to an account at
every minute.

`ratio` is our time by the peer's; `equity_diff` the larger of two relative differences, of net value and of fees. Above one
millionth the benchmark fails. demeter values the end at the price before the last minute: so is ours here."""

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from backtest.importers.uniswap_minute import import_minutes
from backtest.range_liquidity.curves import curve_of, figures_of
from backtest.range_liquidity.decisions import Split
from backtest.range_liquidity.engine import RangeRun, RangeSettings, fees_worth_down_raw, net_down_raw, run_range
from backtest.range_liquidity.minutes import PoolMinutes, PoolTerms
from backtest.range_liquidity.rules import FollowPrice
from backtest.range_liquidity.swaps import at_the_price_down_raw
from strategies.domain import Asset

RECIPES: Final = Path(__file__).parents[3] / "shared" / "peers"
PEERS: Final = "USUFRUCT_PEERS"
FIRST_DAY: Final = date(2024, 1, 1)
MONTH_DAYS: Final = 30
MOST_APART: Final = 1e-6
REPEATS: Final = 5
USDC: Final = Asset(137, "0x2791bca1f2de4661ed88a30c99a7a9449aa84174", "USDC", 6)
WETH: Final = Asset(137, "0x7ceb23fd6bc0add59e62ac25578270cff1b9f619", "WETH", 18)
POOL: Final = PoolTerms(token0=USDC, token1=WETH, fee_pips=500, tick_spacing=10, quote=0, protocol_fee=0)
JOB: Final = RangeSettings(
    name="follow the price",
    strategy=FollowPrice(width_bps=500, split=Split.EVEN, cadence_seconds=3_600),
    opening_raw=(10**12, 0),
    latency_rows=0,  # the peer acts on the price it just saw: the job says so, we never would
    most_gap_seconds=3_600,
    exchange=at_the_price_down_raw,
    gas=None,
)

Line: TypeAlias = dict[str, str | int | float | None]


@dataclass(frozen=True, slots=True)
class Ours:
    """Seconds of processor time, and both results in whole units of the quote token."""

    cpu_seconds: float
    net: float
    fees: float
    moves: int


def peer_python() -> Path:
    """The interpreter that has demeter; it may not exist."""
    folder = os.environ.get(PEERS)
    return (Path(folder) if folder else Path.home() / "peers") / "v-demeter" / "bin" / "python"


def made(folder: Path, days: int) -> str:
    """The job's files, by its own recipe; the pool's address."""
    recipe = runpy.run_path(str(RECIPES / "lp_data.py"))
    recipe["make"](str(folder), FIRST_DAY, days)
    return str(recipe["POOL"])


def ours(folder: Path, address: str, days: int) -> Ours:
    """The job through our engine, each time on columns of which nothing was computed yet."""
    start = int(datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC).timestamp())
    spent = []
    for _ in range(REPEATS):
        minutes, _ = import_minutes(folder, POOL, address=address, start=start, end=start + days * 86_400)
        began = time.process_time()
        run = run_range(minutes, JOB)
        figures_of(run, curve_of(run))
        spent.append(time.process_time() - began)
    net, fees = as_the_peer_counts(minutes, run)
    return Ours(median(spent), net, fees, len(run.steps) - 1)


def as_the_peer_counts(minutes: PoolMinutes, run: RangeRun) -> tuple[float, float]:
    """Net value and fees at the price before the last minute, that minute's fees included."""
    tick, unit = int(minutes.moment_tick[-2]), 10.0**minutes.pool.quote_asset.decimals
    return net_down_raw(run, tick) / unit, fees_worth_down_raw(run, tick) / unit


def asked(python: Path, folder: Path, days: int) -> Mapping[str, str | int | float]:
    """What demeter says about the same files. Raises CalledProcessError."""
    script = [str(python), str(RECIPES / "lp_demeter.py"), "--data", str(folder)]
    days_of = ["--start", FIRST_DAY.isoformat(), "--days", str(days)]
    clean = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # the recipes' folder is read, never written
    said = subprocess.run([*script, *days_of], check=True, capture_output=True, text=True, env=clean).stdout
    answer: Mapping[str, str | int | float] = json.loads(said.splitlines()[-1])
    return answer


def line(days: int) -> Line:
    """The job, measured; without the peer or the recipe, why not."""
    if not (RECIPES / "lp_data.py").exists():
        return _line(None, None, "no recipe: the folder shared/peers is not beside the repository")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        address = made(folder, days)
        found = ours(folder, address, days)
        if not peer_python().exists():
            return _line(found, None, f"no peer: install zelos-demeter 1.3.0 in v-demeter, in the folder that {PEERS} names")
        return _line(found, asked(peer_python(), folder, days), None)


def _line(found: Ours | None, peer: Mapping[str, str | int | float] | None, why: str | None) -> Line:
    said: Line = {"job": "range-month", "markets": 1, "ours_cpu_s": None, "peer": "demeter", "peer_cpu_s": None}
    said |= {"ratio": None, "equity_diff": None}
    if found is not None:
        said |= {"ours_cpu_s": round(found.cpu_seconds, 5), "net_value": found.net, "fees": found.fees, "resets": found.moves}
    if found is not None and peer is not None:
        apart = max(abs(found.net / float(peer["net_value"]) - 1), abs(found.fees / float(peer["fees"]) - 1))
        cpu_seconds = float(peer["cpu_s"])
        said |= {"peer_cpu_s": cpu_seconds, "ratio": round(found.cpu_seconds / cpu_seconds, 6), "equity_diff": apart}
    return said | ({"skipped": why} if why else {})


def drifted(said: Line) -> bool:
    """Whether the results are further apart than they may be."""
    apart = said["equity_diff"]
    return isinstance(apart, float) and not apart <= MOST_APART


def main() -> None:
    parser = argparse.ArgumentParser(description="A month of a range position, beside demeter.")
    parser.add_argument("--days", type=int, default=MONTH_DAYS)
    said = line(parser.parse_args().days)
    sys.stdout.write(json.dumps(said) + "\n")
    sys.exit(drifted(said))


if __name__ == "__main__":
    main()

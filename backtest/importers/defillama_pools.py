"""DefiLlama's list of exchange pools as snapshots, and their daily histories, from Parquet in percent. Refuses yields above
1,000 %, pools that were not refreshed for two days and pools that the site itself calls outliers.

It makes no tape: a pool's yield counts fees and rewards and not what its two coins lose against each other, so a market with that
rate would promise what nobody earned. Only pools alive at the file's day are in it: the dead are missing from any mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.importers.series import Raw, Series, found, series_of
from backtest.importers.source_tables import floats, parquet_columns, parquet_names, seconds_of, wholes
from strategies.errors import BadTape
from strategies.tape import Bools, Floats, Ints
from strategies.units import SECONDS_PER_DAY

POOLS: Final = ("pool", "protocol_slug", "chain", "symbol", "timestamp", "tvl_usd", "apy")
HISTORY: Final = ("timestamp", "pool_id_defillama", "tvl_usd", "apy")
UNIT: Final = "fraction a year, compounded"
MOST_APY: Final = 10.0
MOST_TVL_USD: Final = 1e11
STALE_SECONDS: Final = 2 * SECONDS_PER_DAY
SURVIVORS: Final = "Only pools alive when the file was made are in it; what became of the others is missing from every mean."


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of a snapshot. `refused` says why not to act on it; nothing there: it can be read as it stands."""

    id: str
    project: str
    chain: str
    symbol: str
    timestamp: int  # when the site last refreshed it
    tvl_usd: float
    apy: float  # fraction, compounded
    refused: tuple[str, ...]


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return any(is_snapshot(path) or is_history(path) for path in folder.glob("*.parquet"))


def check(folder: Path) -> tuple[Finding, ...]:
    """What is wrong with every snapshot and every pool's days. Raises BadTape."""
    paths = sorted(folder.glob("*.parquet"))
    listed = [finding for path in paths if is_snapshot(path) for finding in snapshot(path)[1]]
    days = [pair for path in paths if is_history(path) for pair in histories(path).values()]
    return (*listed, *(finding for pair in days for series in pair for finding in series.findings))


def is_snapshot(path: Path) -> bool:
    """Whether a file lists pools."""
    return set(POOLS) <= set(parquet_names(path))


def is_history(path: Path) -> bool:
    """Whether a file holds pools' days."""
    return set(HISTORY) <= set(parquet_names(path))


def snapshot(path: Path) -> tuple[tuple[Pool, ...], tuple[Finding, ...]]:
    """Every pool of a snapshot, and what is wrong with how many. Raises BadTape."""
    optional = ("outlier",) if "outlier" in parquet_names(path) else ()
    columns = parquet_columns(path, (*POOLS, *optional))
    at = seconds_of(path, "timestamp", columns["timestamp"])
    apy, tvl = floats(path, "apy", columns["apy"]) / 100, floats(path, "tvl_usd", columns["tvl_usd"])
    defects = _defects(at, apy, tvl, np.array([bool(flag) for flag in columns.get("outlier", [False] * len(at))]))
    pools = [_pool(columns, row, (int(at[row]), float(tvl[row]), float(apy[row])), defects) for row in range(len(at))]
    findings = [f for mark, (rows, why) in defects.items() for f in found(mark, path.name, rows, at, ("refused", why))]
    return tuple(pools), tuple(findings)


def histories(path: Path) -> Mapping[str, tuple[Series, Series]]:
    """By pool: its yield and its size in dollars, each day known when it is over. A pool of which nothing can be used is not
    there. Raises BadTape."""
    columns = parquet_columns(path, HISTORY)
    day = wholes(path, "timestamp", columns["timestamp"])
    apy, tvl = floats(path, "apy", columns["apy"]) / 100, floats(path, "tvl_usd", columns["tvl_usd"])
    rows: dict[str, list[int]] = {}
    for row, pool in enumerate(columns["pool_id_defillama"]):
        rows.setdefault(str(pool), []).append(row)
    made = {}
    for pool, where in rows.items():
        usable = np.array(where)
        if ((apy[usable] >= 0) & (apy[usable] <= MOST_APY)).any() and (tvl[usable] > 0).any():
            made[pool] = _history(pool, day[usable] + SECONDS_PER_DAY, apy[usable], tvl[usable])
    if not made:
        raise BadTape(f"{path.name}: no pool has a day that can be used")
    return made


def chain_name(name: str) -> str:
    """One spelling for a chain that the site writes in several: Op_bnb, Opbnb and OP BNB are one."""
    return name.lower().replace("_", "").replace(" ", "").replace("-", "")


_Defects = Mapping[Mark, tuple[Bools, str]]


def _defects(at: Ints, apy: Floats, tvl: Floats, outlier: Bools) -> _Defects:
    """What makes a pool unusable, by mark: which rows, and why."""
    latest = int(at.max(initial=0))
    return {
        Mark.NOT_A_NUMBER: (np.isnan(apy) | np.isnan(tvl), "no yield or no size"),
        Mark.NEGATIVE: ((apy < 0) | (tvl < 0), "a yield or a size below zero"),
        Mark.SPIKE: (apy > MOST_APY, f"a yield above {MOST_APY:.0%} a year"),
        Mark.CARRIED: (latest - at > STALE_SECONDS, "not refreshed for more than two days before the snapshot"),
        Mark.SOURCES_APART: (outlier, "the site itself calls it an outlier"),
    }


def _pool(columns: Mapping[str, list[Any]], row: int, said: tuple[int, float, float], defects: _Defects) -> Pool:
    id, project, chain, symbol = (str(columns[name][row]) for name in ("pool", "protocol_slug", "chain", "symbol"))
    refused = tuple(why for rows, why in defects.values() if rows[row])
    return Pool(id, project, chain_name(chain), symbol, *said, refused)


def _history(pool: str, known: Ints, apy: Floats, tvl: Floats) -> tuple[Series, Series]:
    yields = Raw(name=pool, unit=UNIT, timestamp=known, value=apy, least=0.0, most=MOST_APY, step_seconds=SECONDS_PER_DAY)
    sizes = Raw(
        name=pool, unit="USD held", timestamp=known, value=tvl, least=1.0, most=MOST_TVL_USD, step_seconds=SECONDS_PER_DAY
    )
    return series_of(yields, notes=(SURVIVORS,)), series_of(sizes, notes=(SURVIVORS,))

"""Lending pools out of snapshots of DefiLlama's list of pools, a file a snapshot: yields in percent. Refuses a file without one
of its columns and a time that is none.

Only the base yield counts: a reward that nobody claimed and sold earns nothing here. What the list calls value locked is, for a
lending pool, what is not lent out. A snapshot that repeats the one before it is carried, not fresh."""

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.record import Record, unsaid
from backtest.importers.lending import DOLLARS, Found, apr_of_apy, named_address
from backtest.importers.source_tables import floats, header_of, seconds_of, text_columns
from strategies.domain import Asset
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = ("chain", "protocol", "asset", "tvl_usd", "apy_base", "pool", "poolMeta", "timestamp")
CLOCK_AHEAD_SECONDS: Final = 3_600  # the collector wrote its own time, an hour before UTC
HOME: Final = "Ethereum"
CHAINS: Final = {"Ethereum": 1, "Optimism": 10, "Polygon": 137, "Base": 8_453, "Arbitrum": 42_161, "Avalanche": 43_114}
NOTES: Final = (
    "Only the base yield counts; it becomes the daily rate that compounds to it. Rewards are left out.",
    "The source says no borrow side: a jump that does not hold for twelve snapshots is never believed.",
    "The collector's clock was an hour ahead of UTC, and was put back.",
)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such snapshots."""
    first = next(iter(_files(folder)), None)
    return first is not None and set(COLUMNS) <= set(header_of(first))


def read(folder: Path) -> tuple[Found, ...]:
    """Every pool of a dollar. Raises BadTape."""
    files = _files(folder)
    rows: dict[str, list[tuple[int, int, float, float]]] = defaultdict(list)
    named: dict[str, tuple[str, str, str, str]] = {}
    last, told = "", 0
    for path in files:
        table = text_columns(path, COLUMNS)
        known = int(seconds_of(path, "timestamp", table["timestamp"]).max()) - CLOCK_AHEAD_SECONDS
        said = hashlib.sha256(repr([table[name] for name in ("pool", "apy_base", "tvl_usd")]).encode()).hexdigest()
        last, told = said, told if said == last else known
        apy, left = floats(path, "apy_base", table["apy_base"]), floats(path, "tvl_usd", table["tvl_usd"])
        for at, pool in enumerate(table["pool"]):
            rows[pool].append((known, told, float(apy[at]), float(left[at])))
            named[pool] = (table["chain"][at], table["protocol"][at], table["asset"][at], table["poolMeta"][at])
    return tuple(_found(pool, rows[pool], named[pool], files) for pool in rows)


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("defi_yields_*.csv*")))


def _found(
    pool: str, rows: list[tuple[int, int, float, float]], named: tuple[str, str, str, str], files: tuple[Path, ...]
) -> Found:
    chain, protocol, symbol, meta = named
    columns = np.array(rows, dtype=np.float64).T
    what = f"{symbol} {meta}".strip().replace(" ", "-")
    record = Record(
        market=f"{protocol}-{chain.lower()}:{what}:{pool[:8]}",
        source=f"{len(files)} snapshots",
        step_seconds=SECONDS_PER_DAY,
        timestamp=columns[0].astype(np.int64),
        supply_apr=apr_of_apy(columns[2] / 100),
        borrow_apr=unsaid(len(rows)),
        utilisation=unsaid(len(rows)),
        available=columns[3] if symbol.upper() in DOLLARS else unsaid(len(rows)),
        told_at=columns[1].astype(np.int64),
    )
    asset = Asset(CHAINS.get(chain, 0), named_address(f"{chain}:{symbol}"), symbol, 6 if symbol in {"USDC", "USDT"} else 18)
    return Found(symbol if chain == HOME else f"{symbol}@{chain.lower()}", asset, record, files)

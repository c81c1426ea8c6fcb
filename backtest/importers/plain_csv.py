"""Anybody's own rates as comma-separated text: `market,timestamp,supply_apr` and, where known, `borrow_apr`, `utilisation`,
`available`, `index`, `told_at` and `asset`; fractions, Unix seconds, whole units. Refuses a file without the first three."""

from collections import defaultdict
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.record import Record, unsaid
from backtest.importers.lending import Found, named_address
from backtest.importers.source_tables import floats, header_of, ray_of, text_columns, wholes
from strategies.domain import Asset
from strategies.tape import Floats

NEEDED: Final = ("market", "timestamp", "supply_apr")
OPTIONAL: Final = ("borrow_apr", "utilisation", "available", "index", "told_at", "asset")
DECIMALS: Final = {"USDC": 6, "USDT": 6, "WBTC": 8}
SYMBOL: Final = "USDC"  # of a file that names no asset
NOTES: Final = ("Rates were read as fractions a year, amounts as whole units.",)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder))


def read(folder: Path) -> tuple[Found, ...]:
    """Every market of every file. Raises BadTape."""
    return tuple(found for path in _files(folder) for found in _markets(path))


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.csv*")) if set(NEEDED) <= set(header_of(path))]


def _markets(path: Path) -> list[Found]:
    there = [name for name in OPTIONAL if name in header_of(path)]
    table = text_columns(path, (*NEEDED, *there))
    rows: dict[str, list[int]] = defaultdict(list)
    for at, market in enumerate(table["market"]):
        rows[market].append(at)
    return [_market(path, {name: [column[row] for row in at] for name, column in table.items()}) for at in rows.values()]


def _market(path: Path, table: dict[str, list[str]]) -> Found:
    timestamp = wholes(path, "timestamp", table["timestamp"])
    steps = np.diff(np.unique(timestamp))
    symbol = table["asset"][0] if "asset" in table else SYMBOL
    record = Record(
        market=table["market"][0],
        source=path.name,
        step_seconds=int(np.median(steps)) if len(steps) else 1,
        timestamp=timestamp,
        supply_apr=floats(path, "supply_apr", table["supply_apr"]),
        borrow_apr=_column(path, table, "borrow_apr"),
        utilisation=_column(path, table, "utilisation"),
        available=_column(path, table, "available"),
        index_ray=tuple(ray_of(text) if text else 0 for text in table.get("index", ())),
        told_at=wholes(path, "told_at", table["told_at"]) if "told_at" in table else None,
    )
    return Found(symbol, Asset(1, named_address(symbol), symbol, DECIMALS.get(symbol, 18)), record, (path,))


def _column(path: Path, table: dict[str, list[str]], name: str) -> Floats:
    return floats(path, name, table[name]) if name in table else unsaid(len(table["timestamp"]))

"""Aave V3 reserves, by the minute, as demeter's download writes them: rates and indices with 27 digits, one file a token and day.
Refuses a file without one of its columns and a file name that says no token.

The files repeat the last event in every minute after it; such a minute is carried, not fresh. Tokens that are not known by their
address have 18 decimals and are named by it."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.record import Record, unsaid
from backtest.importers.lending import Found
from backtest.importers.source_tables import floats, header_of, ray_of, seconds_of, text_columns
from strategies.domain import Asset

COLUMNS: Final = ("block_timestamp", "liquidity_rate", "variable_borrow_rate", "liquidity_index")
NAME: Final = re.compile(r"(?P<chain>[a-z]+)-aave_v3-(?P<token>0x[0-9a-fA-F]{40})-\d{4}-\d{2}-\d{2}\.minute\.csv(\.gz)?")
CHAINS: Final = {"polygon": 137, "ethereum": 1, "arbitrum": 42_161, "base": 8_453, "optimism": 10}
TOKENS: Final = {
    "0x7ceb23fd6bc0add59e62ac25578270cff1b9f619": ("WETH", 18),
    "0x2791bca1f2de4661ed88a30c99a7a9449aa84174": ("USDC.e", 6),
}
MINUTE: Final = 60
NOTES: Final = (
    "Rates and indices have all their 27 digits; between events the source repeats them, and a repeated minute is not fresh.",
    "The source says no utilisation and no amounts: an overlay that asks for them goes idle.",
)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    paths = [path for path in sorted(folder.iterdir()) if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return bool(paths) and set(COLUMNS) <= set(header_of(paths[0]))


def read(folder: Path) -> tuple[Found, ...]:
    """Every token, its days one after the other. Raises BadTape."""
    days: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if named := NAME.fullmatch(path.name):
            days[named["chain"], named["token"].lower()].append(path)
    return tuple(_token(chain, token, paths) for (chain, token), paths in sorted(days.items()))


def _token(chain: str, token: str, paths: list[Path]) -> Found:
    symbol, decimals = TOKENS.get(token, (token, 18))
    tables = [(path, text_columns(path, COLUMNS)) for path in paths]
    timestamp = np.concatenate([seconds_of(path, COLUMNS[0], table[COLUMNS[0]]) for path, table in tables])
    index_ray = tuple(ray_of(text) if text else 0 for _, table in tables for text in table["liquidity_index"])
    changed = np.array([True, *(index_ray[row] != index_ray[row - 1] for row in range(1, len(index_ray)))], dtype=np.bool_)
    record = Record(
        market=f"aave-v3-{chain}:{symbol}",
        source=f"{paths[0].name} and {len(paths) - 1} more" if len(paths) > 1 else paths[0].name,
        step_seconds=MINUTE,
        timestamp=timestamp,
        supply_apr=np.concatenate([floats(path, COLUMNS[1], table[COLUMNS[1]]) for path, table in tables]),
        borrow_apr=np.concatenate([floats(path, COLUMNS[2], table[COLUMNS[2]]) for path, table in tables]),
        utilisation=unsaid(len(timestamp)),
        available=unsaid(len(timestamp)),
        index_ray=index_ray,
        told_at=timestamp[np.maximum.accumulate(np.where(changed, np.arange(len(changed)), 0))],
    )
    return Found(symbol, Asset(CHAINS.get(chain, 0), token, symbol, decimals), record, tuple(paths))

"""Compound V2 markets at each day's last event, from its subgraph: yields in percent, value supplied and borrowed in USD. Refuses
a file without one of its columns.

A file is a market; two of one asset (`dai_1`, `dai_2`) are two markets. Yields become the daily rate that compounds to them."""

from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.record import Record, unsaid
from backtest.importers.lending import DOLLARS, Found, apr_of_apy
from backtest.importers.source_tables import floats, header_of, text_columns, wholes
from strategies.domain import Asset
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = ("timestamp", "totalBorrowBalanceUSD", "totalValueLockedUSD", "depositRate", "borrowRate")
ASSETS: Final = {
    "usdc": Asset(1, "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "USDC", 6),
    "usdt": Asset(1, "0xdac17f958d2ee523a2206206994597c13d831ec7", "USDT", 6),
    "dai": Asset(1, "0x6b175474e89094c44da98b954eedeac495271d0f", "DAI", 18),
    "eth": Asset(1, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "WETH", 18),
    "wbtc": Asset(1, "0x2260fac5e5542a773aa44fbcfedf7c193bc2c599", "WBTC", 8),
}
NOTES: Final = (
    "Values are those of each day's last event: what happened within a day is not seen, and COMP rewards are not counted.",
    "What can be withdrawn is what is supplied less what is borrowed, in dollars; unknown where the asset is no dollar.",
)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder))


def read(folder: Path) -> tuple[Found, ...]:
    """Every market whose asset its file name says. Raises BadTape."""
    return tuple(_market(path) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.csv*")) if _symbol(path) in ASSETS and set(COLUMNS) <= set(header_of(path))]


def _symbol(path: Path) -> str:
    return path.name.split(".")[0].split("_")[0].lower()


def _market(path: Path) -> Found:
    table = text_columns(path, COLUMNS)
    said = {name: floats(path, name, table[name]) for name in COLUMNS[1:]}
    asset = ASSETS[_symbol(path)]
    supplied = np.where(said["totalValueLockedUSD"] > 0, said["totalValueLockedUSD"], np.nan)
    left = np.maximum(supplied - said["totalBorrowBalanceUSD"], 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        supply_apr, borrow_apr = (apr_of_apy(said[name] / 100) for name in ("depositRate", "borrowRate"))
    record = Record(
        market=f"compound-v2:{path.name.split('.')[0]}",
        source=path.name,
        step_seconds=SECONDS_PER_DAY,
        timestamp=wholes(path, COLUMNS[0], table[COLUMNS[0]]),
        supply_apr=supply_apr,
        borrow_apr=borrow_apr,
        utilisation=said["totalBorrowBalanceUSD"] / supplied,
        available=left if asset.symbol in DOLLARS else unsaid(len(left)),
    )
    return Found(asset.symbol, asset, record, (path,))

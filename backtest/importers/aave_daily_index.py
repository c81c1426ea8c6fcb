"""Aave V3 reserves on Ethereum, daily, from AaveScan exports: full indices, rates as fractions, amounts and oracle price. Refuses
a file without one of its columns."""

from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.record import Record
from backtest.importers.lending import Found
from backtest.importers.source_tables import floats, header_of, ray_of, text_columns, wholes
from strategies.domain import Asset
from strategies.tape import Floats, Ints
from strategies.units import SECONDS_PER_DAY, USD_E8

COLUMNS: Final = (
    *("timestamp", "reserve", "symbol", "liquidityIndex", "currentLiquidityRate", "currentVariableBorrowRate"),
    *("totalAToken", "totalVariableDebt", "totalStableDebt", "price"),
)
DECIMALS: Final = {"USDC": 6, "USDT": 6, "WBTC": 8}  # all others 18
NOTES: Final = (
    "Rates are said once a day; the index is the contract's own, so what a position earned is exact at each row.",
    "Utilisation is what is owed over what is supplied; what can be withdrawn is the difference.",
)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder))


def read(folder: Path) -> tuple[Found, ...]:
    """Every reserve. Raises BadTape."""
    return tuple(_reserve(path) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.csv*")) if set(COLUMNS) <= set(header_of(path))]


def _reserve(path: Path) -> Found:
    table = text_columns(path, COLUMNS)
    said = {name: floats(path, name, table[name]) for name in COLUMNS if name not in {"timestamp", "reserve", "symbol"}}
    symbol = table["symbol"][0]
    asset = Asset(1, table["reserve"][0].lower(), symbol, DECIMALS.get(symbol.upper(), 18))
    supplied = np.where(said["totalAToken"] > 0, said["totalAToken"], np.nan)
    owed = said["totalVariableDebt"] + np.nan_to_num(said["totalStableDebt"])
    record = Record(
        market=f"aave-v3:{symbol}",
        source=path.name,
        step_seconds=SECONDS_PER_DAY,
        timestamp=wholes(path, "timestamp", table["timestamp"]),
        supply_apr=said["currentLiquidityRate"],
        borrow_apr=said["currentVariableBorrowRate"],
        utilisation=owed / supplied,
        available=np.maximum(supplied - owed, 0),
        index_ray=tuple(ray_of(text) if text else 0 for text in table["liquidityIndex"]),
        oracle_usd_e8=_usd_e8(said["price"]),
    )
    return Found(symbol, asset, record, (path,))


def _usd_e8(price: Floats) -> Ints:
    return np.rint(np.nan_to_num(price) * USD_E8).astype(np.int64)

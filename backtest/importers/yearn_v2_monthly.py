"""Yearn V2 vaults at month ends, from comma-separated text: share price, assets, losses. Refuses share prices of nothing (not yet
deployed) and months that more than double; reads no `apy` column, which is a month's return and no yearly rate.

A month's row speaks of its last day and is known when that day is over. The asset of a vault is what its name says it holds."""

from pathlib import Path
from typing import Final

import numpy as np

from backtest.importers.lending import named_address
from backtest.importers.share_prices import Vault
from backtest.importers.source_tables import floats, header_of, seconds_of, text_columns
from backtest.importers.vault_rows import AT_ONCE, Rows, vault_of
from backtest.importers.vault_tapes import Window, notional_asset, vault_id
from strategies.errors import BadTape
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = ("timestamp", "network", "vault", "version", "totalAssets", "tokenPriceUSDC", "pricePerShare")
CHAINS: Final = {"ETH": 1, "OPT": 10, "FTM": 250, "ARB": 42_161}
MONTH_SECONDS: Final = 31 * SECONDS_PER_DAY
WINDOW: Final = Window(3 * MONTH_SECONDS, 27 * SECONDS_PER_DAY)
LEAST_HELD: Final = 1e-6  # whole units: below it a vault is empty and its share price a leftover


def recognises(folder: Path) -> bool:
    """Whether a folder holds such a file."""
    return bool(_files(folder))


def read(folder: Path) -> tuple[Vault, ...]:
    """Every vault of every such file. Raises BadTape."""
    files = _files(folder)
    if not files:
        raise BadTape(f"{folder.name} holds no text file with the columns {', '.join(COLUMNS)}")
    return tuple(vault for path in files for vault in _vaults(path))


def _files(folder: Path) -> list[Path]:
    paths = sorted(path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern))
    return [path for path in paths if set(COLUMNS) <= set(header_of(path))]


def _vaults(path: Path) -> list[Vault]:
    table = text_columns(path, COLUMNS)
    rows: dict[tuple[str, str, str], list[int]] = {}
    for row, owner in enumerate(zip(table["network"], table["vault"], table["version"], strict=True)):
        rows.setdefault(owner, []).append(row)
    return [_vault(path, {name: [column[row] for row in where] for name, column in table.items()}) for where in rows.values()]


def _vault(path: Path, table: dict[str, list[str]]) -> Vault:
    network, name = table["network"][0], f"{table['vault'][0]} {table['version'][0]}"
    if network not in CHAINS:
        raise BadTape(f"{path.name}: {name} is on the unknown network {network!r}; known: {', '.join(CHAINS)}")
    held = floats(path, "totalAssets", table["totalAssets"])
    usd = floats(path, "tokenPriceUSDC", table["tokenPriceUSDC"])
    empty = ~(held >= LEAST_HELD)
    address = named_address(f"{network}:{name}")
    return vault_of(
        Rows(
            id=vault_id(name, address),
            address=address,
            asset=notional_asset(CHAINS[network], _asset(table["vault"][0])),
            file=path.name,
            timestamp=seconds_of(path, "timestamp", table["timestamp"]) + SECONDS_PER_DAY,
            price=tuple("" if nobody else text for nobody, text in zip(empty.tolist(), table["pricePerShare"], strict=True)),
            step_seconds=MONTH_SECONDS,
            terms=AT_ONCE,
            assets=held,
            asset_usd=np.where(usd > 0, usd, np.nan),
        )
    )


def _asset(vault: str) -> str:
    """yvUSDC holds USDC, yUSD holds USD."""
    return vault[2:] if vault.startswith("yv") else vault[1:] if vault.startswith("y") else vault

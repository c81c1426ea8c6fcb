"""MetaMorpho vaults, one share price a day at midnight UTC, from comma-separated text. Refuses what no vault earns; leaves out
nothing for being small, but says which vaults are.

Vaults are told apart by chain and address, because names repeat. The asset's price is the vault's own value in USD over its value
in the asset, taken from the vault that holds the most."""

from pathlib import Path
from typing import Final

import numpy as np

from backtest.importers.share_prices import Vault
from backtest.importers.source_tables import floats, header_of, text_columns, wholes
from backtest.importers.vault_rows import AT_ONCE, Rows, vault_of
from backtest.importers.vault_tapes import Window, notional_asset, vault_id
from strategies.errors import BadTape
from strategies.tape import Floats
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = (
    *("vault_address", "vault_name", "chain_id", "asset_symbol", "timestamp", "share_price"),
    *("total_assets_usd", "total_assets_native"),
)
WINDOW: Final = Window(7 * SECONDS_PER_DAY, SECONDS_PER_DAY)
LEAST_HELD: Final = 1.0  # whole units: the price of an asset is not told by less


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
    chain = wholes(path, "chain_id", table["chain_id"]).tolist()
    rows: dict[tuple[int, str], list[int]] = {}
    for row, owner in enumerate(zip(chain, [text.lower() for text in table["vault_address"]], strict=True)):
        rows.setdefault(owner, []).append(row)
    return [_vault(path, {name: [column[row] for row in where] for name, column in table.items()}) for where in rows.values()]


def _vault(path: Path, table: dict[str, list[str]]) -> Vault:
    address, symbol = table["vault_address"][0].lower(), table["asset_symbol"][0]
    if set(table["asset_symbol"]) != {symbol}:
        raise BadTape(f"{path.name}: the vault {address} has several assets: {', '.join(sorted(set(table['asset_symbol'])))}")
    held = floats(path, "total_assets_native", table["total_assets_native"])
    return vault_of(
        Rows(
            id=vault_id(table["vault_name"][0], address),
            address=address,
            asset=notional_asset(int(table["chain_id"][0]), symbol),
            file=path.name,
            timestamp=wholes(path, "timestamp", table["timestamp"]),
            price=tuple(table["share_price"]),
            step_seconds=SECONDS_PER_DAY,
            terms=AT_ONCE,
            assets=held,
            asset_usd=_price(held, floats(path, "total_assets_usd", table["total_assets_usd"])),
        )
    )


def _price(held: Floats, usd: Floats) -> Floats:
    enough = np.where(held >= LEAST_HELD, held, np.nan)
    price: Floats = np.where(usd > 0, usd, np.nan) / enough
    return price

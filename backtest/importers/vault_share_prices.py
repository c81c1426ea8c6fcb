"""Hourly share prices of ERC-4626 vaults as a collector of vault data writes them: one Parquet a chain or a vault. Refuses rows
the collector marked as errors, and says nothing of an asset the file does not name.

The share price is asset per share with fees of the day inside it; a vault that charges on entry starts below one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backtest.importers.share_prices import Vault
from backtest.importers.source_tables import floats, parquet_columns, parquet_names, wholes
from backtest.importers.vault_rows import Rows, vault_of
from backtest.importers.vault_tapes import Window, notional_asset, vault_id
from backtest.terms import Terms
from strategies.domain import Address
from strategies.errors import BadTape
from strategies.tape import Bools, Floats, Ints
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = ("chain", "address", "block_number", "timestamp", "share_price", "total_assets", "total_supply", "errors")
HOUR: Final = 3_600
CLOSED_IN: Final = ("deposits_open", "max_deposit")  # a flag, and a limit
CLOSED_OUT: Final = ("redemption_open", "max_redeem")
SOMETIMES: Final = ("available_liquidity", *CLOSED_IN, *CLOSED_OUT)
CLOSED: Final = frozenset({"false", "no", "closed", "0"})
WINDOW: Final = Window(7 * SECONDS_PER_DAY, SECONDS_PER_DAY)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such a file."""
    return bool(_files(folder))


def read(folder: Path, assets: Mapping[Address, str]) -> tuple[Vault, ...]:
    """Every vault of every such file. `assets` names the asset of a vault by its address (lower case); the files do not, so
    others are each of an asset of their own. Raises BadTape."""
    files = _files(folder)
    if not files:
        raise BadTape(f"{folder.name} holds no Parquet file with the columns {', '.join(COLUMNS)}")
    return tuple(vault for path in files for vault in _vaults(path, assets))


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """A whole file, in its order."""

    path: Path
    columns: Mapping[str, list[Any]]


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.parquet")) if set(COLUMNS) <= set(parquet_names(path))]


def _vaults(path: Path, assets: Mapping[Address, str]) -> list[Vault]:
    names = (*COLUMNS, *(name for name in SOMETIMES if name in parquet_names(path)))
    columns = parquet_columns(path, names)
    chain = wholes(path, "chain", columns["chain"]).tolist()
    address = [str(value).lower() for value in columns["address"]]
    rows: dict[tuple[int, Address], list[int]] = {}
    for row, owner in enumerate(zip(chain, address, strict=True)):
        rows.setdefault(owner, []).append(row)
    return [_vault(_Table(path, columns), owner, where, assets) for owner, where in sorted(rows.items())]


def _vault(table: _Table, owner: tuple[int, Address], rows: list[int], assets: Mapping[Address, str]) -> Vault:
    chain, address = owner
    timestamp = wholes(table.path, "timestamp", [table.columns["timestamp"][row] for row in rows])
    return vault_of(
        Rows(
            id=vault_id(f"vault-{chain}", address),
            address=address,
            asset=notional_asset(chain, assets.get(address, f"asset-of-{address[:10]}")),
            file=table.path.name,
            timestamp=timestamp,
            price=tuple(_price(table, row) for row in rows),
            step_seconds=HOUR,
            terms=Terms(0, _closed(table, CLOSED_IN, rows, timestamp), _closed(table, CLOSED_OUT, rows, timestamp)),
            block=wholes(table.path, "block_number", [table.columns["block_number"][row] for row in rows]),
            assets=_floats(table, "total_assets", rows),
            supply=_floats(table, "total_supply", rows),
            liquidity=_floats(table, "available_liquidity", rows),
        )
    )


def _price(table: _Table, row: int) -> str:
    """The shortest decimal that is the stored price; nothing where there is none or the collector calls the row an error."""
    price = table.columns["share_price"][row]
    return "" if price is None or price != price or table.columns["errors"][row] else repr(price)  # noqa: PLR0124 - not a number


def _floats(table: _Table, name: str, rows: list[int]) -> Floats:
    if name not in table.columns:
        return np.full(len(rows), np.nan)
    return floats(table.path, name, [table.columns[name][row] for row in rows])


def _closed(table: _Table, says: tuple[str, str], rows: list[int], timestamp: Ints) -> tuple[tuple[int, int | None], ...]:
    """Stretches in which the source says the way is shut: by its flag, or by a limit of nothing."""
    flag, limit = says
    shut = _floats(table, limit, rows) == 0
    if flag in table.columns:
        shut |= np.array([str(table.columns[flag][row]).lower() in CLOSED for row in rows], dtype=np.bool_)
    return stretches(shut, timestamp)


def stretches(flags: Bools, timestamp: Ints) -> tuple[tuple[int, int | None], ...]:
    """From the first row of each run of true ones to the row that ends it; None where none does."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])))).tolist()
    times: Sequence[int | None] = [*timestamp.tolist(), None]
    return tuple((int(timestamp[first]), times[stop]) for first, stop in zip(edges[::2], edges[1::2], strict=True))

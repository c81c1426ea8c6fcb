"""Share prices of yield-bearing dollars every ten minutes, from one JSON file of snapshots in milliseconds. Refuses prices that
have lost their decimals; reads no rate of the collector's, whose short windows are nothing or everything on prices that step.

Every token is a share of the dollar or the asset behind it, which the file does not name: all are taken as shares of one dollar a
chain. A price that its oracle sets once a day steps, so a rate is growth over a day, never less than six hours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from backtest.importers.lending import named_address
from backtest.importers.share_prices import Vault
from backtest.importers.source_tables import MILLISECONDS, text_of, wholes
from backtest.importers.vault_rows import AT_ONCE, Rows, vault_of
from backtest.importers.vault_tapes import Window, notional_asset, vault_id
from strategies.errors import BadTape
from strategies.units import SECONDS_PER_DAY

CHAINS: Final = {"ethereum": 1, "base": 8_453, "plasma": 9_745, "arbitrum": 42_161, "avalanche": 43_114}
ASSET: Final = "USD"
STEP_SECONDS: Final = 600
WINDOW: Final = Window(SECONDS_PER_DAY, SECONDS_PER_DAY // 4)


def recognises(folder: Path) -> bool:
    """Whether a folder holds such a file."""
    return any('"snapshots"' in text_of(path)[:4_096] and '"tokens"' in text_of(path)[:4_096] for path in _files(folder))


def read(folder: Path) -> tuple[Vault, ...]:
    """Every token of every such file. Raises BadTape."""
    vaults = [vault for path in _files(folder) for vault in _vaults(path)]
    if not vaults:
        raise BadTape(f"{folder.name} holds no JSON file of tokens and their snapshots")
    return tuple(vaults)


def _files(folder: Path) -> list[Path]:
    return sorted(path for pattern in ("*.json", "*.json.gz") for path in folder.glob(pattern))


def _vaults(path: Path) -> list[Vault]:
    try:
        # a number stays the text it was: a double would round the eighteenth digit
        said = json.loads(text_of(path), parse_float=str, parse_int=str)
        tokens = said["tokens"] if isinstance(said, dict) else {}
        return [_vault(path, token) for token in tokens.values()]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise BadTape(f"{path.name} is no file of tokens and their snapshots: {error!r}") from error


def _vault(path: Path, token: Mapping[str, Any]) -> Vault:
    symbol, chain = str(token["symbol"]), str(token["chain"])
    if chain not in CHAINS:
        raise BadTape(f"{path.name}: {symbol} is on the unknown chain {chain!r}; known: {', '.join(CHAINS)}")
    snapshots = token["snapshots"]
    address = named_address(f"{chain}:{symbol}")
    return vault_of(
        Rows(
            id=vault_id(symbol, address),
            address=address,
            asset=notional_asset(CHAINS[chain], ASSET),
            file=path.name,
            timestamp=wholes(path, "timestamp", [snapshot["timestamp"] for snapshot in snapshots]) // MILLISECONDS,
            price=tuple(str(snapshot.get("price") or "") for snapshot in snapshots),
            step_seconds=STEP_SECONDS,
            terms=AT_ONCE,
        )
    )

"""Histories of lending pools and vaults as `usufruct data fetch llama` keeps them: DefiLlama's own JSON, a file a pool, yields in
percent. Refuses a file that is not what was fetched, one that the list of pools does not name, and rows without a time.

Only the base yield counts: a reward that nobody claimed and sold earns nothing here. A day that is labelled by its midnight is
known when it is over; a row with a time of day is known then."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from backtest.checking.record import Record, unsaid
from backtest.importers.lending import DOLLARS, Found, apr_of_apy, named_address
from strategies.domain import Asset
from strategies.errors import BadTape
from strategies.units import SECONDS_PER_DAY

MANIFEST: Final = "MANIFEST.jsonl"
POOLS: Final = "pools.json"
CHART: Final = "chart-"
HOME: Final = "Ethereum"
CHAINS: Final = dict(
    zip(
        ("Ethereum", "Optimism", "OP Mainnet", "BSC", "Gnosis", "Polygon", "Base", "Arbitrum", "Avalanche", "Linea", "Scroll"),
        (1, 10, 10, 56, 100, 137, 8_453, 42_161, 43_114, 59_144, 534_352),
        strict=True,
    )
)
DECIMALS: Final = {"USDC": 6, "USDT": 6, "USDBC": 6, "PYUSD": 6}
NOTES: Final = (
    "Only the base yield counts; it becomes the daily rate that compounds to it. Rewards are left out.",
    "The source says no borrow side and no utilisation; what it calls value locked stands for what can be withdrawn.",
    "A day labelled by its midnight is taken as known when it is over.",
)

Content = Mapping[str, Any]


def recognises(folder: Path) -> bool:
    """Whether a folder holds such histories."""
    return all((folder / name).is_file() for name in (MANIFEST, POOLS)) and any(folder.glob(f"{CHART}*.json"))


def read(folder: Path) -> tuple[Found, ...]:
    """Every pool that was fetched, in the order it came. Raises BadTape."""
    kept = _kept(folder)
    if POOLS not in kept:
        raise BadTape(f"{folder.name}/{MANIFEST} does not name {POOLS}: fetch the folder again")
    pools = {str(pool.get("pool")): pool for pool in _data(folder / POOLS, kept[POOLS])}
    charts = [name for name in kept if name.startswith(CHART)]
    unnamed = next((name for name in charts if _pool_of(name) not in pools), None)
    if unnamed is not None:
        raise BadTape(f"{folder.name}/{POOLS} names no pool of {unnamed}")
    return tuple(_found(folder / name, pools[_pool_of(name)], _data(folder / name, kept[name])) for name in charts)


def _kept(folder: Path) -> dict[str, str]:
    """The sha256 of every file, as it was when it was fetched. Raises BadTape."""
    digests: dict[str, str] = {}
    try:
        whole, _, _ = (folder / MANIFEST).read_text().rpartition("\n")  # a last line that was cut is no line
        for line in whole.splitlines():
            said = json.loads(line)
            digests[str(said["file"])] = str(said["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadTape(f"{folder.name}/{MANIFEST} cannot be read: {error!r}") from error
    return digests


def _data(path: Path, sha256: str) -> list[Content]:
    """The rows of one kept answer. Raises BadTape."""
    try:
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != sha256:
            raise BadTape(f"{path.name} is not what was fetched: its sha256 is not the manifest's")
        rows: list[Content] = json.loads(raw)["data"]
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise BadTape(f"{path.name} holds no rows")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadTape(f"{path.name} cannot be read: {error!r}") from error
    return rows


def _found(path: Path, pool: Content, rows: list[Content]) -> Found:
    chain, project, symbol = (str(pool.get(name) or "") for name in ("chain", "project", "symbol"))
    what = f"{symbol} {pool.get('poolMeta') or ''}".strip().replace(" ", "-")
    in_dollars = symbol.upper() in DOLLARS
    record = Record(
        market=f"{project}-{chain.lower()}:{what}:{_pool_of(path.name)[:8]}",
        source=path.name,
        step_seconds=SECONDS_PER_DAY,
        timestamp=np.array([_known(path, row) for row in rows], dtype=np.int64),
        supply_apr=apr_of_apy(np.array([_base_apy(path, row) for row in rows]) / 100),
        borrow_apr=unsaid(len(rows)),
        utilisation=unsaid(len(rows)),
        available=np.array([_number(path, row, "tvlUsd") for row in rows]) if in_dollars else unsaid(len(rows)),
    )
    asset = Asset(CHAINS.get(chain, 0), named_address(f"{chain}:{symbol}"), symbol, DECIMALS.get(symbol.upper(), 18))
    return Found(symbol if chain == HOME else f"{symbol}@{chain.lower()}", asset, record, (path,))


def _pool_of(name: str) -> str:
    return name.removeprefix(CHART).removesuffix(".json")


def _known(path: Path, row: Content) -> int:
    """When a row became known. Raises BadTape."""
    try:
        found = datetime.fromisoformat(str(row["timestamp"])).astimezone(UTC)
    except (KeyError, ValueError) as error:
        raise BadTape(f"{path.name}: a row has no time: {error}") from error
    label = int(found.timestamp())
    return label + SECONDS_PER_DAY if label % SECONDS_PER_DAY == 0 else label


def _base_apy(path: Path, row: Content) -> float:
    """Percent, without rewards; where the parts are not said, the whole, unless some of it is reward. Raises BadTape."""
    base = _number(path, row, "apyBase")
    if not np.isnan(base):
        return base if base > -100 else np.nan
    reward = _number(path, row, "apyReward")
    whole = _number(path, row, "apy")
    return whole if whole > -100 and (np.isnan(reward) or reward == 0) else np.nan


def _number(path: Path, row: Content, name: str) -> float:
    value = row.get(name)
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadTape(f"{path.name}: {name} is {value!r}, which is no number")
    return float(value)

"""Every Aave V3 reserve of many chains, daily, as JSON snapshots of one collector: rates as fractions, indices with six decimals.
Refuses a snapshot of another shape.

A row is known when its snapshot was made, and repeats the reserve's last update: a reserve that nobody touched since is carried,
not fresh. Caps and fees of this source are wrongly decoded and not read."""

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record, unsaid
from backtest.importers.lending import Found
from backtest.importers.source_tables import ray_of
from strategies.domain import Asset
from strategies.errors import BadTape
from strategies.units import SECONDS_PER_DAY

SNAPSHOTS: Final = "snapshots"
CHAINS: Final = {
    "ethereum": 1,
    "optimism": 10,
    "bnb": 56,
    "gnosis": 100,
    "polygon": 137,
    "zksync": 324,
    "metis": 1_088,
    "base": 8_453,
    "arbitrum": 42_161,
    "celo": 42_220,
    "avalanche": 43_114,
    "linea": 59_144,
    "scroll": 534_352,
}
HOME: Final = "ethereum"
NOTES: Final = (
    "Rates and indices have six decimals; an index is true at the reserve's last update, which can lie days before its row.",
    "The source says no utilisation, no amounts and no price; the share of the two rates stands for utilisation.",
)


@dataclass(slots=True)
class _Rows:
    """One reserve's rows so far."""

    symbol: str
    decimals: int
    timestamp: list[int] = field(default_factory=list)
    told_at: list[int] = field(default_factory=list)
    supply: list[float] = field(default_factory=list)
    borrow: list[float] = field(default_factory=list)
    index_ray: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)  # rows at which it was paused, frozen or not active


def recognises(folder: Path) -> bool:
    """Whether a folder holds such snapshots."""
    first = next(iter(_files(folder)), None)
    return first is not None and {"metadata", "networks"} <= set(_content(first))


def read(folder: Path) -> tuple[Found, ...]:
    """Every reserve of every known chain. Raises BadTape."""
    reserves: dict[tuple[str, str], _Rows] = {}
    files = _files(folder)
    for path in files:
        content = _content(path)
        try:
            known = int(datetime.fromisoformat(content["metadata"]["generated_at"]).astimezone(UTC).timestamp())
            for chain, entries in content["networks"].items():
                for entry in entries if chain in CHAINS else ():
                    _add(reserves, chain, entry, known)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadTape(f"{path.name} is no snapshot of reserves: {error!r}") from error
    twice = _symbols(reserves)
    return tuple(_found(chain, address, rows, twice, files) for (chain, address), rows in reserves.items())


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted((folder / SNAPSHOTS if (folder / SNAPSHOTS).is_dir() else folder).glob("*Z.json*")))


def _content(path: Path) -> Mapping[str, Any]:
    try:
        raw = path.read_bytes()
        content = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise BadTape(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BadTape(f"{path.name} is no snapshot of reserves: it holds a {type(content).__name__}")
    return content


def _add(reserves: dict[tuple[str, str], _Rows], chain: str, entry: Mapping[str, Any], known: int) -> None:
    address = str(entry["asset_address"]).lower()
    rows = reserves.setdefault((chain, address), _Rows(str(entry["symbol"]), int(entry["decimals"])))
    if entry["paused"] or entry["frozen"] or not entry["active"]:
        rows.closed.append(len(rows.timestamp))
    rows.timestamp.append(known)
    rows.told_at.append(int(entry["last_update_timestamp"]))
    rows.supply.append(_number(entry["current_liquidity_rate"]))
    rows.borrow.append(_number(entry["current_variable_borrow_rate"]))
    index = entry["liquidity_index"]
    rows.index_ray.append(0 if index is None else ray_of(str(index)))


def _number(value: object) -> float:
    return np.nan if value is None else float(value)  # type: ignore[arg-type]


def _symbols(reserves: Mapping[tuple[str, str], _Rows]) -> frozenset[tuple[str, str]]:
    """Chains and symbols that more than one reserve bears."""
    count: dict[tuple[str, str], int] = defaultdict(int)
    for (chain, _), rows in reserves.items():
        count[chain, rows.symbol] += 1
    return frozenset(name for name, bearers in count.items() if bearers > 1)


def _found(chain: str, address: str, rows: _Rows, twice: frozenset[tuple[str, str]], files: tuple[Path, ...]) -> Found:
    symbol = f"{rows.symbol}-{address[2:8]}" if (chain, rows.symbol) in twice else rows.symbol
    market = f"aave-v3-{chain}:{symbol}"
    closed: tuple[Finding, ...] = ()
    if rows.closed:
        closed = (
            Finding(
                mark=Mark.CLOSED,
                subject=market,
                count=len(rows.closed),
                first=rows.timestamp[rows.closed[0]],
                treatment="paused, frozen or not active: left unsaid",
                rows=tuple(rows.closed),
            ),
        )
    record = Record(
        market=market,
        source=f"{len(files)} snapshots",
        step_seconds=SECONDS_PER_DAY,
        timestamp=np.array(rows.timestamp, dtype=np.int64),
        supply_apr=np.array(rows.supply),
        borrow_apr=np.array(rows.borrow),
        utilisation=unsaid(len(rows.timestamp)),
        available=unsaid(len(rows.timestamp)),
        index_ray=tuple(rows.index_ray),
        told_at=np.array(rows.told_at, dtype=np.int64),
        findings=closed,
    )
    name = symbol if chain == HOME else f"{symbol}@{chain}"
    return Found(name, Asset(CHAINS[chain], address, symbol, rows.decimals), record, files)

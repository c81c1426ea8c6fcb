"""DefiLlama's list of pools and the history of each, as its own JSON. Refuses a history of another pool than the one asked for,
rows out of order or of the future, figures that are no numbers, and to fetch every pool there is.

Sources: `GET /pools` and `GET /chart/{pool}` of the yields API (https://api-docs.defillama.com). A chart does not say whose it
is: its last TVL is held against the list's."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from agent.fetch.cache import Fetched, Piece
from agent.fetch.web import Site
from strategies.errors import IncompleteRead, SettingsError
from strategies.units import SECONDS_PER_DAY

POOLS: Final = "pools.json"
POOL_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOST_POOLS: Final = 500
APART: Final = 10.0  # a chart's last TVL and the list's may be a day apart, and a pool may be drained meanwhile; not another pool
SMALL_USD: Final = 10_000.0  # below it the TVL tells no pool from another
BEYOND: Final = 1e30  # no yield and no value is larger
FIGURES: Final = ("tvlUsd", "apy", "apyBase", "apyReward", "il7d", "apyBase7d")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pools: those that are named, or all that fit what is said; () is any."""

    pools: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """One entry of the list."""

    id: str
    chain: str
    project: str
    symbol: str
    tvl_usd: float


def pools_piece(site: Site, clock: Callable[[], float]) -> Piece:
    """The list of all pools, as it is now."""
    return Piece(POOLS, site.name, "pools", lambda: _fetched_pools(site, int(clock())))


def chart_piece(site: Site, pool: Pool, clock: Callable[[], float]) -> Piece:
    """One pool's whole history."""
    request = f"chart/{pool.id}"
    return Piece(f"chart-{pool.id}.json", site.name, request, lambda: _fetched_chart(site, pool, int(clock())))


def pools_of(content: bytes) -> tuple[Pool, ...]:
    """The pools of a kept list. Raises IncompleteRead."""
    try:
        said = _data(json.loads(content))
    except ValueError as error:
        raise IncompleteRead(f"{POOLS}: {error}") from None
    return _pools(said)


def chosen(pools: Sequence[Pool], wanted: Wanted) -> tuple[Pool, ...]:
    """The pools to fetch, in the list's order. Raises SettingsError where none fits, one is not there, or they are too many."""
    if wanted == Wanted():
        raise SettingsError("say which pools: --pool, or --project, --chain and --symbol")
    known = {pool.id: pool for pool in pools}
    for name in wanted.pools:
        if name not in known:
            raise SettingsError(f"--pool {name[:60]}: not in the list of {len(pools)} pools")
    fits = tuple(pool for pool in pools if _fits(pool, wanted))
    if not fits:
        raise SettingsError(f"none of {len(pools)} pools fits --project, --chain and --symbol together")
    if len(fits) > MOST_POOLS:
        raise SettingsError(
            f"{len(fits)} pools fit; at most {MOST_POOLS} are fetched at once: say more of --project, --chain, --symbol"
        )
    return fits


def _fits(pool: Pool, wanted: Wanted) -> bool:
    if wanted.pools:
        return pool.id in wanted.pools
    asked = ((wanted.projects, pool.project), (wanted.chains, pool.chain), (wanted.symbols, pool.symbol))
    return all(not names or value.lower() in {name.lower() for name in names} for names, value in asked)


def _fetched_pools(site: Site, now: int) -> Fetched:
    body, content = site.json("pools")
    try:
        return Fetched(body, len(_pools(_data(content))), now, now)
    except ValueError as error:
        raise IncompleteRead(f"{site.name} pools: {error}") from None


def _fetched_chart(site: Site, pool: Pool, now: int) -> Fetched:
    path = f"chart/{pool.id}"
    body, content = site.json(path)
    try:
        rows = [_row(entry) for entry in _data(content)]
        _refuse_chart(rows, pool, now)
    except ValueError as error:
        raise IncompleteRead(f"{site.name} {path}: {error}") from None
    return Fetched(body, len(rows), rows[0][0], rows[-1][0])


def _data(content: object) -> list[Any]:
    """The rows of an answer. Raises ValueError."""
    if not isinstance(content, dict) or content.get("status") != "success":
        raise ValueError("its status is not `success`")
    data = content.get("data")
    if not isinstance(data, list) or not data:
        raise ValueError("it holds no rows")
    return data


def _pools(data: Sequence[object]) -> tuple[Pool, ...]:
    """Raises IncompleteRead for an entry that is no pool, and for a pool that is listed twice."""
    pools = tuple(_pool(at, entry) for at, entry in enumerate(data))
    if len({pool.id for pool in pools}) != len(pools):
        raise IncompleteRead("the list of pools names one twice")
    return pools


def _pool(at: int, entry: object) -> Pool:
    if not isinstance(entry, dict):
        raise IncompleteRead(f"entry {at} of the list of pools is no record")
    texts = [entry.get(name) for name in ("pool", "chain", "project", "symbol")]
    if not all(isinstance(text, str) and text for text in texts):
        raise IncompleteRead(f"entry {at} of the list of pools lacks its pool, chain, project or symbol")
    pool, chain, project, symbol = map(str, texts)
    if POOL_ID.fullmatch(pool) is None:
        raise IncompleteRead(f"entry {at} of the list of pools has an id that is none")  # it becomes a file's name
    tvl_usd = _number(entry.get("tvlUsd"))
    if tvl_usd is None:
        raise IncompleteRead(f"entry {at} of the list of pools has no tvlUsd")
    return Pool(pool, chain, project, symbol, tvl_usd)


def _row(entry: object) -> tuple[int, Mapping[str, object]]:
    """A chart's row and its time. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError("a row is no record")
    for name in FIGURES:
        if entry.get(name) is not None and _number(entry[name]) is None:
            raise ValueError(f"a row's {name} is no number")
    return _seconds(entry.get("timestamp")), entry


def _refuse_chart(rows: Sequence[tuple[int, Mapping[str, object]]], pool: Pool, now: int) -> None:
    """Raises ValueError for what cannot be this pool's history."""
    if any(later < earlier for (earlier, _), (later, _) in pairwise(rows)):
        raise ValueError("its rows go back in time")
    last, row = rows[-1]
    if last > now + SECONDS_PER_DAY:
        raise ValueError(f"its last row is of {last}, which is yet to come")
    tvl_usd = _number(row.get("tvlUsd")) or 0.0
    small, large = sorted([tvl_usd, pool.tvl_usd])
    if large > max(SMALL_USD, APART * small):
        raise ValueError(f"its last TVL is {tvl_usd:.0f} and the list's {pool.tvl_usd:.0f} USD: this is another pool's history")


def _seconds(text: object) -> int:
    """An ISO 8601 time in UTC. Raises ValueError."""
    found = datetime.fromisoformat(text) if isinstance(text, str) else None
    if found is None or found.utcoffset() is None:
        raise ValueError("a row's timestamp is no time")
    return int(found.astimezone(UTC).timestamp())


def _number(value: object) -> float | None:
    """A figure that can be one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -BEYOND < value < BEYOND:
        return None
    return float(value)

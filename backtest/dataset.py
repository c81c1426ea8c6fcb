"""Recorded rates as a tape with exact indices, and tapes as folders of mapped columns. Refuses rates that are infinite or absurd,
columns of different lengths, and a folder whose columns are not those its description names.

An index that the source does not give is built once: it starts at 1e27 where a market first speaks and grows linearly between
rows, at the rate said last, for the seconds that really passed. Rates become rays to the nearest; growth is rounded as the
adapter rounds it. What a mark refuses never gets in: its cell is unsaid and its index is the one before."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.checking.marks import refusing
from backtest.index_columns import EXACT, IndexColumns, index_columns, nearest
from backtest.index_growth import given_limbs, grown_limbs, said_rows
from strategies.domain import Deployment
from strategies.errors import BadTape, SettingsError
from strategies.protocols.registry import deployment_from
from strategies.tape import Bools, Floats, Ints, Tape
from strategies.units import RAY, WAD

Array = npt.NDArray[Any]

MAX_APR: Final = 100.0  # 10,000 % a year: above it a file is in another unit, or not rates
FORMAT: Final = 2  # 1 had no marks
DESCRIPTION: Final = "tape.json"
COLUMNS: Final = (
    *("timestamp", "block", "base_fee_wei"),
    *("supply_apr", "borrow_apr", "utilisation", "available", "fresh", "price_usd_e8"),
)
SHARED: Final = ("timestamp", "block", "base_fee_wei", "price_usd_e8")  # said once for all markets
BY_MARKET: Final = ("index_low", "index_high", "said_row")  # [market, row]; all others begin with the row
KINDS: Final = (
    dict.fromkeys(("supply_apr", "borrow_apr", "utilisation", "available"), "<f8")
    | dict.fromkeys(("timestamp", "block", "base_fee_wei", "price_usd_e8", "oracle_usd_e8"), "<i8")
    | {"fresh": "|b1", "index_low": "<u8", "index_high": "<u8", "said_row": "<i4", "marks": "<u4"}
)
_EXACT_UNITS: Final = 2.0**53  # from here on not every whole number is a double
_EXACT_APR: Final = 2.0**54 / RAY  # from here on a double and its nearest ray are one to one


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a source said, on one clock. NaN is a cell that was not said; a price of 0 is no price. A market whose source never
    says a borrow rate or a utilisation has none; where it says them elsewhere, a cell without them is not said."""

    deployment: Deployment  # markets of protocol recorded_index
    timestamp: Ints
    block: Ints
    base_fee_wei: Ints
    supply_apr: Floats  # [row, market], as are the next five
    borrow_apr: Floats
    utilisation: Floats
    available: Floats  # whole units
    fresh: Bools
    oracle_usd_e8: Ints  # what the market's own oracle says
    price_usd_e8: Ints  # [row, asset]
    index_ray: tuple[Sequence[int] | None, ...] = ()  # per market, exact, 0 where not said; None or (): grown from the rates
    marks: Ints | None = None  # [row, market], bits of checking.Mark; None: nothing is marked


def tape_from_rates(rates: Rates) -> Tape:
    """A tape whose columns are the float view of its exact states. Raises BadTape."""
    arrays = _arrays_from(rates)
    return _tape(rates.deployment, arrays, _digest(rates.deployment, arrays))


def save(tape: Tape, folder: Path) -> None:
    """Write a recorded tape as one `.npy` a column and a description. Raises BadTape for a tape without exact columns."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, column in _arrays_of(tape).items():
        np.save(folder / f"{name}.npy", column)
    _describe(folder, tape.deployment, rows=len(tape), digest=tape.digest)


def save_in_blocks(deployment: Deployment, blocks: Iterable[Rates], folder: Path) -> None:
    """Write a tape that memory does not hold: each block has the next markets of the deployment on the same clock. The folder
    is what `save` of the whole would have written. Raises BadTape."""
    folder.mkdir(parents=True, exist_ok=True)
    whole: dict[str, Array] = {}
    first = 0
    for block in blocks:
        markets = block.deployment.markets
        if markets != deployment.markets[first : first + len(markets)]:
            raise BadTape(f"the block from market {first} on has other markets than the deployment")
        arrays = _arrays_from(block)
        if not whole:
            whole = _laid_out(deployment, len(block.timestamp), folder)
            for name in SHARED:
                whole[name][:] = arrays[name]
        _put_in(whole, arrays, first)
        first += len(markets)
    if first != len(deployment.markets):
        raise BadTape(f"the blocks hold {first} markets, the deployment {len(deployment.markets)}")
    _describe(folder, deployment, rows=len(whole["timestamp"]), digest=_digest(deployment, whole))


def load(folder: Path) -> Tape:
    """Map a saved tape without reading it through; `recompute_digest` does that. Raises BadTape."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        found, rows, digest = description["format"], description["rows"], str(description["digest"])
        if found != FORMAT:
            raise BadTape(f"{folder.name} has format {found}; this version reads {FORMAT}: import its source again")
        arrays: dict[str, Array] = {
            name: np.asarray(np.load(f"{folder}/{name}.npy", mmap_mode="r")) for name in (*COLUMNS, *EXACT)
        }
        deployment = deployment_from(description["deployment"])
    except (OSError, KeyError, ValueError, TypeError, SettingsError) as error:
        raise BadTape(f"{folder.name} is no saved tape: {error}") from error
    _same_shape(deployment, arrays)
    for name, column in arrays.items():
        if column.dtype.str != KINDS[name] or not column.flags.c_contiguous:  # sums differ in bits between layouts
            raise BadTape(f"{folder.name}: column {name} is not laid out as {KINDS[name]}, its last axis together")
    if len(arrays["timestamp"]) != rows:
        raise BadTape(f"{folder.name} has {len(arrays['timestamp'])} rows; its description names {rows}")
    return _tape(deployment, arrays, digest)


def recompute_digest(tape: Tape) -> str:
    """The digest of what the tape now holds; equal to `tape.digest` unless someone changed a column."""
    return _digest(tape.deployment, _arrays_of(tape))


def _tape(deployment: Deployment, arrays: Mapping[str, Array], digest: str) -> Tape:
    columns = {name: arrays[name] for name in COLUMNS}
    return Tape(deployment=deployment, **columns, states=IndexColumns(deployment.markets, arrays), digest=digest)


def _arrays_of(tape: Tape) -> dict[str, Array]:
    return {name: getattr(tape, name) for name in COLUMNS} | index_columns(tape).exact()


def _arrays_from(rates: Rates) -> dict[str, Array]:
    """Every column of the tape: what was said, then the indices."""
    arrays = _canonical(rates)
    said = said_rows(arrays["supply_apr"])
    low, high = np.zeros(said.shape, dtype=np.uint64), np.zeros(said.shape, dtype=np.uint64)
    trusted = ~refusing(arrays["marks"])
    given = rates.index_ray or (None,) * len(said)
    if len(given) != len(said):
        raise BadTape(f"{len(given)} indices are given for {len(said)} markets")
    for market, index_ray in enumerate(given):
        if index_ray is None:
            limbs = grown_limbs(arrays["timestamp"], arrays["supply_apr"][:, market], said[market])
        else:
            limbs = given_limbs(index_ray, trusted[:, market])
        low[market], high[market] = limbs
    return arrays | {"index_low": low, "index_high": high, "said_row": said}


def _canonical(rates: Rates) -> dict[str, Array]:
    """The columns as the exact states will show them, after the checks that a whole file either passes or does not."""
    names = (*COLUMNS, "oracle_usd_e8")
    arrays: dict[str, Array] = {name: np.array(getattr(rates, name), dtype=KINDS[name], order="C") for name in names}
    marks = np.zeros(rates.supply_apr.shape) if rates.marks is None else rates.marks
    arrays["marks"] = np.array(marks, dtype=KINDS["marks"], order="C")
    _same_shape(rates.deployment, arrays)
    unsaid = _unsaid(arrays)
    for name in ("supply_apr", "borrow_apr", "utilisation", "available"):
        arrays[name][unsaid] = np.nan
    for name in ("supply_apr", "borrow_apr"):
        _make_canonical(name, arrays[name])
    if np.nanmin(arrays["utilisation"], initial=0.0) < 0 or np.nanmin(arrays["available"], initial=0.0) < 0:
        raise BadTape("a utilisation or an available amount is negative")
    arrays["fresh"] &= ~unsaid
    arrays["utilisation"] = np.rint(arrays["utilisation"] * WAD) / WAD
    arrays["available"] = _in_units(arrays["available"], [market.asset.decimals for market in rates.deployment.markets])
    return arrays


def _in_units(available: Floats, decimals: Sequence[int]) -> Floats:
    """Whole units as the nearest double of the most base units whose nearest double is not more: what lies between two is
    rounded down, and what is told again stays."""
    scale = 10.0 ** np.array(decimals)
    units = np.floor(available * scale) + 1
    for _ in range(2):  # the product was rounded, so that its floor may itself be one too many
        units -= units / scale > available
    # from 2^53 units on doubles are no closer than units: each is the nearest of some
    return np.where(units < _EXACT_UNITS, units / scale, available)


def _unsaid(arrays: Mapping[str, Array]) -> Bools:
    """Cells without a supply rate, cells that a mark refuses, and half a state: a rate without the rest that the source has."""
    unsaid: Bools = np.isnan(arrays["supply_apr"]) | refusing(arrays["marks"])
    for name in ("borrow_apr", "utilisation"):
        missing = np.isnan(arrays[name])
        unsaid |= missing & ~missing.all(axis=0)
    return unsaid


def _make_canonical(name: str, apr: Floats) -> None:
    least, most = np.nanmin(apr, initial=0.0), np.nanmax(apr, initial=0.0)
    if not (least >= 0 and most <= MAX_APR):
        raise BadTape(f"{name} runs from {least:g} to {most:g} a year: outside 0 to {MAX_APR:g}")
    tiny = (apr < _EXACT_APR) & (apr > 0)
    apr[tiny] = [nearest(value, RAY) / RAY for value in apr[tiny].tolist()]


def _shape(name: str, *, rows: int, markets: int, assets: int) -> tuple[int, ...]:
    if name in BY_MARKET:
        return markets, rows
    if name == "price_usd_e8":
        return rows, assets
    return (rows,) if name in SHARED else (rows, markets)


def _same_shape(deployment: Deployment, arrays: Mapping[str, Array]) -> None:
    rows, markets, assets = len(arrays["timestamp"]), len(deployment.markets), len(deployment.assets)
    for name, column in arrays.items():
        shape = _shape(name, rows=rows, markets=markets, assets=assets)
        if column.shape != shape:
            raise BadTape(f"column {name} has shape {column.shape}, not {shape}")


def _laid_out(deployment: Deployment, rows: int, folder: Path) -> dict[str, Array]:
    """Every column of a folder, mapped to be written."""
    made: Callable[..., Array] = np.lib.format.open_memmap
    markets, assets = len(deployment.markets), len(deployment.assets)
    return {
        name: made(
            folder / f"{name}.npy", mode="w+", dtype=KINDS[name], shape=_shape(name, rows=rows, markets=markets, assets=assets)
        )
        for name in (*COLUMNS, *EXACT)
    }


def _put_in(whole: Mapping[str, Array], block: Mapping[str, Array], first: int) -> None:
    """Some markets' columns into their place. Raises BadTape for another clock, fee or price."""
    stop = first + len(block["said_row"])
    for name, column in block.items():
        if name in SHARED:
            if not np.array_equal(whole[name], column):
                raise BadTape(f"the block from market {first} on has another {name} than the first")
        elif name in BY_MARKET:
            whole[name][first:stop] = column
        else:
            whole[name][:, first:stop] = column


def _describe(folder: Path, deployment: Deployment, *, rows: int, digest: str) -> None:
    description = {"format": FORMAT, "digest": digest, "rows": rows, "deployment": _content(deployment)}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")


def _digest(deployment: Deployment, arrays: Mapping[str, Array]) -> str:
    """sha256 over the deployment and every column's name, type, shape and bytes."""
    whole = hashlib.sha256(json.dumps(_content(deployment), sort_keys=True, separators=(",", ":")).encode())
    for name in (*COLUMNS, *EXACT):
        column = np.ascontiguousarray(arrays[name])
        whole.update(f"{name} {column.dtype.str} {column.shape}".encode())
        whole.update(column.data)
    return whole.hexdigest()


def _content(deployment: Deployment) -> dict[str, object]:
    """A deployment as its file says it; `registry.deployment_from` reads it back."""
    return {
        "chain_id": deployment.chain_id,
        "name": deployment.name,
        "multicall": deployment.multicall,
        "assets": [{"address": a.address, "symbol": a.symbol, "decimals": a.decimals} for a in deployment.assets],
        "markets": [
            {"id": m.id, "protocol": m.protocol, "address": m.address, "asset": m.asset.symbol, "contracts": dict(m.contracts)}
            for m in deployment.markets
        ],
        "code": dict(deployment.code),
    }

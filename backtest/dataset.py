"""Recorded rates as a tape with exact indices, and tapes as folders of mapped columns. Refuses rates that are infinite or absurd,
columns of different lengths, and a folder whose columns are not those its description names.

An index is built once: it starts at 1e27 where a market first speaks and grows linearly between rows, at the rate said last,
for the seconds that really passed. Rates become rays to the nearest; growth is rounded as the adapter rounds it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strategies.domain import Deployment, Market
from strategies.errors import BadTape, SettingsError
from strategies.protocols.recorded_index import RecordedIndex
from strategies.protocols.registry import deployment_from
from strategies.tape import Bools, Floats, Ints, Tape
from strategies.units import HALF_RAY, RAY, SECONDS_PER_YEAR, WAD, mul_div_half_up

Limbs = npt.NDArray[np.uint64]

MAX_APR: Final = 100.0  # 10,000 % a year: above it a file is in another unit, or not rates
FORMAT: Final = 1
DESCRIPTION: Final = "tape.json"
COLUMNS: Final = (
    *("timestamp", "block", "base_fee_wei"),
    *("supply_apr", "borrow_apr", "utilisation", "available", "fresh", "price_usd_e8"),
)
EXACT: Final = ("index_low", "index_high", "said_row", "oracle_usd_e8")
_EXACT_APR: Final = 2.0**54 / RAY  # from here on a double and its nearest ray are one to one


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a source said, on one clock. NaN is a cell that was not said; a price of 0 is no price."""

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


class IndexColumns:
    """Exact states out of columns: the index as two 64-bit limbs `[market, row]`, all else as last said at or before the row."""

    __slots__ = (
        *("_columns", "_index_high", "_index_low", "_markets", "_oracle_usd_e8", "_said_row", "_timestamp"),
        *("_looked_at", "_states"),
    )

    def __init__(self, markets: Sequence[Market], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._markets: Final = tuple(markets)
        self._timestamp: Final = arrays["timestamp"]
        self._columns: Final = tuple(arrays[name] for name in ("supply_apr", "borrow_apr", "utilisation", "available"))
        self._index_low: Final = arrays["index_low"]
        self._index_high: Final = arrays["index_high"]
        self._said_row: Final = arrays["said_row"]
        self._oracle_usd_e8: Final = arrays["oracle_usd_e8"]
        self._looked_at = -1
        self._states: dict[int, RecordedIndex | None] = {}  # of that row: one decision asks for a state many times

    def index_ray(self, row: int, market: int) -> int:
        """The exact index; 0 before the market first spoke."""
        return int(self._index_high[market, row]) << 64 | int(self._index_low[market, row])

    def index_floats(self, market: int) -> Floats:
        """The index as floats, starting near 1.0, for curves; 0.0 before the market first spoke."""
        high, low = self._index_high[market], self._index_low[market]
        index: Floats = (high.astype(np.float64) * 2.0**64 + low.astype(np.float64)) / RAY
        return index

    def state(self, row: int, market: int) -> RecordedIndex | None:
        """The market at a row; None before it first spoke."""
        if row != self._looked_at:
            self._looked_at, self._states = row, {}
        if market not in self._states:
            self._states[market] = self._state(row, market)
        return self._states[market]

    def _state(self, row: int, market: int) -> RecordedIndex | None:
        said = int(self._said_row[market, row])
        if said < 0:
            return None
        supply_apr, borrow_apr, utilisation, available = (float(column[said, market]) for column in self._columns)
        where = self._markets[market]
        return RecordedIndex(
            market=where,
            timestamp=int(self._timestamp[row]),
            index_ray=self.index_ray(row, market),
            supply_rate_ray=_nearest(supply_apr, RAY),
            borrow_rate_ray=_nearest(borrow_apr, RAY),
            utilisation_wad=_nearest(utilisation, WAD),
            available_raw=None if np.isnan(available) else _nearest(available, 10**where.asset.decimals),
            price_usd_e8=int(self._oracle_usd_e8[said, market]) or None,
        )


def tape_from_rates(rates: Rates) -> Tape:
    """A tape whose columns are the float view of its exact states. Raises BadTape."""
    arrays = _canonical(rates)
    said_row = _said_row(arrays["supply_apr"])
    low, high = _index_limbs(arrays["timestamp"], arrays["supply_apr"], said_row)
    arrays |= {"index_low": low, "index_high": high, "said_row": said_row}
    return _tape(rates.deployment, arrays, _digest(rates.deployment, arrays))


def save(tape: Tape, folder: Path) -> None:
    """Write a recorded tape as one `.npy` a column and a description. Raises BadTape for a tape without exact columns."""
    arrays = _arrays_of(tape)
    folder.mkdir(parents=True, exist_ok=True)
    for name, column in arrays.items():
        np.save(folder / f"{name}.npy", column)
    description = {"format": FORMAT, "digest": tape.digest, "rows": len(tape), "deployment": _content(tape.deployment)}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")


def load(folder: Path) -> Tape:
    """Map a saved tape without reading it through; `recompute_digest` does that. Raises BadTape."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text())
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in (*COLUMNS, *EXACT)}
        found, rows, digest = description["format"], description["rows"], str(description["digest"])
        deployment = deployment_from(description["deployment"])
    except (OSError, KeyError, ValueError, TypeError, SettingsError) as error:
        raise BadTape(f"{folder.name} is no saved tape: {error}") from error
    if found != FORMAT:
        raise BadTape(f"{folder.name} has format {found}; this version reads {FORMAT}")
    _same_shape(deployment, arrays)
    if len(arrays["timestamp"]) != rows:
        raise BadTape(f"{folder.name} has {len(arrays['timestamp'])} rows; its description names {rows}")
    return _tape(deployment, arrays, digest)


def recompute_digest(tape: Tape) -> str:
    """The digest of what the tape now holds; equal to `tape.digest` unless someone changed a column."""
    return _digest(tape.deployment, _arrays_of(tape))


def index_columns(tape: Tape) -> IndexColumns:
    """The exact columns of a recorded tape. Raises BadTape for any other."""
    if not isinstance(tape.states, IndexColumns):
        raise BadTape("its states are not recorded indices")
    return tape.states


def _tape(deployment: Deployment, arrays: Mapping[str, npt.NDArray[Any]], digest: str) -> Tape:
    columns = {name: arrays[name] for name in COLUMNS}
    return Tape(deployment=deployment, **columns, states=IndexColumns(deployment.markets, arrays), digest=digest)


def _arrays_of(tape: Tape) -> dict[str, npt.NDArray[Any]]:
    states = index_columns(tape)
    return {name: getattr(tape, name) for name in COLUMNS} | {name: getattr(states, f"_{name}") for name in EXACT}


def _canonical(rates: Rates) -> dict[str, npt.NDArray[Any]]:
    """The columns as the exact states will show them, after the checks that a whole file either passes or does not."""
    arrays: dict[str, npt.NDArray[Any]] = {
        name: np.array(getattr(rates, name), order="C") for name in (*COLUMNS, "oracle_usd_e8")
    }
    _same_shape(rates.deployment, arrays)
    for name in ("supply_apr", "borrow_apr"):
        arrays[name] = _canonical_rates(name, arrays[name])
    if np.nanmin(arrays["utilisation"], initial=0.0) < 0 or np.nanmin(arrays["available"], initial=0.0) < 0:
        raise BadTape("a utilisation or an available amount is negative")
    # a supply rate without the rest is half a state: the cell counts as not said
    unsaid = np.isnan(arrays["supply_apr"]) | np.isnan(arrays["borrow_apr"]) | np.isnan(arrays["utilisation"])
    for name in ("supply_apr", "borrow_apr", "utilisation", "available"):
        arrays[name][unsaid] = np.nan
    arrays["fresh"] &= ~unsaid
    arrays["utilisation"] = np.rint(arrays["utilisation"] * WAD) / WAD
    scale = np.array([10.0**market.asset.decimals for market in rates.deployment.markets])
    arrays["available"] = np.floor(arrays["available"] * scale) / scale
    return arrays


def _canonical_rates(name: str, apr: Floats) -> Floats:
    said = apr[~np.isnan(apr)]
    if said.size and not (said.min() >= 0 and said.max() <= MAX_APR):
        raise BadTape(f"{name} runs from {said.min():g} to {said.max():g} a year: outside 0 to {MAX_APR:g}")
    tiny = apr < _EXACT_APR
    apr[tiny] = [_nearest(value, RAY) / RAY for value in apr[tiny].tolist()]
    return apr


def _same_shape(deployment: Deployment, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    rows, markets, assets = len(arrays["timestamp"]), len(deployment.markets), len(deployment.assets)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(arrays, (rows, markets))
    shapes |= dict.fromkeys(("timestamp", "block", "base_fee_wei"), (rows,)) | {"price_usd_e8": (rows, assets)}
    shapes |= dict.fromkeys(("index_low", "index_high", "said_row"), (markets, rows))
    for name, column in arrays.items():
        if column.shape != shapes[name]:
            raise BadTape(f"column {name} has shape {column.shape}, not {shapes[name]}")


def _said_row(supply_apr: Floats) -> npt.NDArray[np.int32]:
    """`[market, row]`: the latest row at or before this one at which the market spoke; -1 before the first."""
    rows = np.arange(len(supply_apr), dtype=np.int32)[:, None]
    said = np.where(np.isnan(supply_apr), np.int32(-1), rows)
    return np.ascontiguousarray(np.maximum.accumulate(said, axis=0).T)


def _index_limbs(timestamp: Ints, supply_apr: Floats, said_row: npt.NDArray[np.int32]) -> tuple[Limbs, Limbs]:
    low, high = np.zeros(said_row.shape, dtype=np.uint64), np.zeros(said_row.shape, dtype=np.uint64)
    for market, said in enumerate(said_row):
        first = int(np.searchsorted(said, 0))
        if first == len(said):
            continue
        rates_ray = _nearest_rays(supply_apr[said[first:-1], market])
        index = _grown(rates_ray, np.diff(timestamp[first:]).tolist())
        if index[-1] >> 128:
            raise BadTape(f"the index of market {market} outgrows 128 bits, as no contract's could")
        limbs = np.frombuffer(b"".join([value.to_bytes(16, "little") for value in index]), dtype="<u8").reshape(-1, 2)
        low[market, first:], high[market, first:] = limbs[:, 0], limbs[:, 1]
    return low, high


def _grown(rates_ray: Sequence[int], seconds: Sequence[int]) -> list[int]:
    """The index at each row from 1e27 on: the adapter's own growth (recorded_index.index_now_ray), without a record a row."""
    index_ray = RAY
    grown = [index_ray]
    for rate_ray, elapsed in zip(rates_ray, seconds, strict=True):
        index_ray = (index_ray * (RAY + rate_ray * elapsed // SECONDS_PER_YEAR) + HALF_RAY) // RAY
        grown.append(index_ray)
    return grown


def _nearest_rays(apr: Floats) -> list[int]:
    """`_nearest` of a column: a double is a 53-bit whole over a power of two, so no division is needed."""
    mantissa, exponent = np.frexp(apr)
    wholes = (mantissa * 2.0**53).astype(np.int64).tolist()
    return [(whole * RAY + (1 << shift >> 1)) >> shift for whole, shift in zip(wholes, (53 - exponent).tolist(), strict=True)]


def _nearest(value: float, scale: int) -> int:
    """A double times a scale, to the nearest whole, exactly."""
    numerator, denominator = value.as_integer_ratio()
    return mul_div_half_up(numerator, scale, denominator)


def _digest(deployment: Deployment, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
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

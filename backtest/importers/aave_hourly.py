"""Aave V2 and V3 reserves on Ethereum, hourly, from Parquet: rates in percent, no index. Refuses a file whose rates are in
another unit or whose rows go back in time or repeat, and any single rate that what borrowers pay cannot cover.

What is known at a row is what its label says: the snapshot's hour rounded up. A row whose snapshot is the one before is carried
over, not fresh; hours without a row stay gaps in time; nothing is interpolated."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.checking.examine import examine
from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record
from backtest.dataset import Rates, tape_from_rates
from backtest.importers.defects import FROZEN_ROWS, ImportReport, MarketDefects, gaps_of, runs_of
from backtest.importers.ethereum_gas import DailyGas
from backtest.importers.lending import Request
from backtest.numerals import day
from strategies.domain import NATIVE, Asset, Deployment, Market
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.tape import Bools, Floats, Ints, Tape
from strategies.units import BPS, USD_E8

HOUR: Final = 3_600
NANOSECONDS: Final = 10**9
VERSIONS: Final = ("v2", "v3")  # the order of the tape's columns
INDEX: Final = "__index_level_0__"
SPIKE_APR: Final = 0.20
COVER: Final = 1.02  # snapshots round; supply is borrow × utilisation × (1 - reserve factor), which never needs more
AGREEMENT_BPS: Final = 100
MEDIAN_BORROW_APR: Final = (0.001, 2.0)  # outside it the file is not in percent
PRICES: Final = ("timestamp", "supplied_USD", "token_balance")
ALL_COLUMNS: Final = (
    *("timestamp", "block", "supplied_USD", "borrowed_USD", "token_balance"),
    *("lender_variable_apr", "borrower_variable_apr", "borrower_stable_apr"),
)
ASSETS: Final = (
    Asset(1, "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "USDC", 6),
    Asset(1, "0xdac17f958d2ee523a2206206994597c13d831ec7", "USDT", 6),
    Asset(1, "0x6b175474e89094c44da98b954eedeac495271d0f", "DAI", 18),
    Asset(1, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "WETH", 18),
    Asset(1, "0x4c9edd5852cd905f086c759e8383e09bff1e68b3", "USDE", 18),
)
ETHER: Final = Asset(1, NATIVE, "ETH", 18)
WRAPPED_ETHER: Final = ASSETS[3]


@dataclass(frozen=True, slots=True)
class Reserve:
    """One file's rows in our units."""

    timestamp: Ints
    block: Ints
    supply_apr: Floats
    borrow_apr: Floats
    utilisation: Floats
    available: Floats
    fresh: Bools
    carried: Bools  # the snapshot is the one before
    refused: Bools  # a spike that nothing covers
    oracle_usd_e8: Ints  # 0: none
    told_at: Ints  # the snapshot behind a row
    marks: Ints


@dataclass(frozen=True, slots=True)
class Costs:
    """What a move costs: each day's base fee, and ether's price as each wrapped ether reserve's oracle told it, oldest first."""

    gas: DailyGas
    ether: tuple[tuple[Ints, Ints], ...]  # (time, usd_e8)

    def ether_usd_e8(self, timestamp: Ints) -> Ints:
        """Ether's price, last known at each time; 0 before any oracle spoke."""
        told = [_carried(timestamp, time, usd_e8) for time, usd_e8 in self.ether]
        return _newest(told) if told else np.zeros_like(timestamp)


def read_costs(folder: Path, gas: DailyGas) -> Costs:
    """Ether's price from the same folder as the assets. Raises BadTape."""
    oracles = []
    for path in (_path(folder, version, WRAPPED_ETHER.symbol) for version in VERSIONS):
        if path.exists():
            said = _read(path, PRICES)
            usd_e8 = _oracle_usd_e8(said, WRAPPED_ETHER)
            oracles.append((said["time"][usd_e8 > 0], usd_e8[usd_e8 > 0]))
    return Costs(gas, tuple(oracles))


def symbols_in(folder: Path) -> tuple[str, ...]:
    """The assets that a folder has a file of."""
    return tuple(asset.symbol for asset in ASSETS if _paths(folder, asset.symbol))


def span_of(folder: Path, symbol: str) -> tuple[int, int]:
    """The times of an asset's first and last row. Raises BadTape."""
    times = np.concatenate([_read(path, ())["time"] for path in _paths(folder, symbol)])
    if not len(times):
        raise BadTape(f"{folder.name} holds no row of {symbol}")
    return int(times.min()), int(times.max())


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(symbols_in(folder))


def records(folder: Path) -> tuple[Record, ...]:
    """Every file as it is. Raises BadTape."""
    paths = [(path, asset) for asset in ASSETS for path in _paths(folder, asset.symbol)]
    return tuple(_record(path, asset, _reserve(path, asset)) for path, asset in paths)


def check(folder: Path) -> tuple[Finding, ...]:
    """What is wrong with every file. Raises BadTape."""
    return tuple(finding for record in records(folder) for finding in examine(record).findings)


def import_tape(folder: Path, request: Request) -> tuple[Tape, ImportReport]:
    """The same as `import_asset`, as the catalogue asks it. Raises BadTape."""
    if request.gas is None:
        raise BadTape(f"{folder.name}: name a folder of daily gas prices (--gas); a result that is not net of gas is not given")
    costs = read_costs(folder, request.gas)
    return import_asset(folder, request.asset.upper(), start=request.start, end=request.end, costs=costs)


def import_asset(folder: Path, symbol: str, *, start: int, end: int, costs: Costs) -> tuple[Tape, ImportReport]:
    """Every reserve of one asset in `[start, end)` as a tape; ether's price and the base fee beside it. Raises BadTape."""
    asset = next((asset for asset in ASSETS if asset.symbol == symbol), None)
    if asset is None:
        raise BadTape(f"no asset {symbol!r} here; known: {', '.join(asset.symbol for asset in ASSETS)}")
    paths = _paths(folder, symbol)
    if not paths:
        raise BadTape(f"{folder.name} holds no file of {symbol}: expected {_path(folder, VERSIONS[-1], symbol).name}")
    whole = [_reserve(path, asset) for path in paths]
    examined = [examine(_record(path, asset, reserve)) for path, reserve in zip(paths, whole, strict=True)]
    reserves = [_within(replace(r, marks=e.marks), start, end) for r, e in zip(whole, examined, strict=True)]
    timestamp = np.unique(np.concatenate([reserve.timestamp for reserve in reserves]))
    if not len(timestamp):
        first, last = span_of(folder, symbol)
        raise BadTape(f"no row of {symbol} lies in the window: its rows run from {day(first)} to {day(last)}")
    markets = tuple(_market(path, asset) for path in paths)
    oracles = _oracles(timestamp, reserves)
    rates = Rates(
        deployment=Deployment(1, f"{folder.name} {symbol}", NATIVE, (asset, ETHER), markets, {}),
        timestamp=timestamp,
        block=np.maximum.accumulate(np.max([_carried(timestamp, r.timestamp, r.block) for r in reserves], axis=0)),
        base_fee_wei=costs.gas.known_at(timestamp),
        **{name: _spread(timestamp, reserves, name) for name in _CELLS},
        index_ray=(),  # the source has none
        price_usd_e8=np.stack([_newest(oracles), costs.ether_usd_e8(timestamp)], axis=1),
    )
    found = tuple(_defects(m, p, r) for m, p, r in zip(markets, paths, reserves, strict=True))
    return tape_from_rates(rates), ImportReport(
        folder.name,
        symbol,
        start,
        end,
        len(timestamp),
        found,
        _notes(costs.gas, _rows_apart(oracles)),
        tuple(finding for one in examined for finding in one.findings),
    )


_CELLS: Final = {
    "supply_apr": np.nan,
    "borrow_apr": np.nan,
    "utilisation": np.nan,
    "available": np.nan,
    "fresh": False,
    "oracle_usd_e8": 0,
    "marks": 0,
}


def _path(folder: Path, version: str, symbol: str) -> Path:
    return folder / f"aave_{version}_{symbol.lower()}_eth.parquet"


def _paths(folder: Path, symbol: str) -> list[Path]:
    return [path for version in VERSIONS if (path := _path(folder, version, symbol)).exists()]


def _market(path: Path, asset: Asset) -> Market:
    """A recorded market; its address is a notation (no chain answers it), made from its name."""
    market_id = f"aave-{path.name.split('_')[1]}:{asset.symbol}"
    return Market(market_id, RecordedIndexes().protocol, "0x" + hashlib.sha256(market_id.encode()).hexdigest()[:40], asset)


def _read(path: Path, columns: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Columns as arrays, null as NaN, and the row label in seconds as `time`. Raises BadTape."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read(columns=[*columns, INDEX])
    except (OSError, pa.ArrowException) as error:
        raise BadTape(f"{path.name} cannot be read: {error}") from error
    kinds = dict.fromkeys(columns, "double") | {INDEX: "timestamp[ns]"}
    for name, kind in kinds.items():
        if name not in table.column_names or str(table[name].type) != kind:
            raise BadTape(f"{path.name} lacks the column {name} of type {kind}")
    found = {name: _floats(table[name]) for name in columns}
    found["time"] = _stored(table[INDEX], np.int64) // NANOSECONDS
    if np.any(np.diff(found["time"]) <= 0):
        raise BadTape(f"{path.name}: rows repeat or go back in time")
    return found


def _stored(column: Any, kind: type) -> npt.NDArray[Any]:
    """A column's own values. Arrow's ways to NumPy (`to_numpy`, `cast`, `read_table`) import pandas or take as long."""
    parts: list[npt.NDArray[Any]] = [
        np.frombuffer(chunk.buffers()[1], dtype=kind)[chunk.offset :][: len(chunk)] for chunk in column.chunks if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)


def _floats(column: Any) -> Floats:
    """The same, null as NaN: Arrow keeps a bit a value, set where there is one."""
    values: Floats = _stored(column, np.float64)
    stop = 0
    for chunk in column.chunks:
        start, stop = stop, stop + len(chunk)
        if chunk.null_count:
            bits = np.unpackbits(np.frombuffer(chunk.buffers()[0], dtype=np.uint8), bitorder="little")
            values[start:stop][bits[chunk.offset :][: len(chunk)] == 0] = np.nan
    return values


def _reserve(path: Path, asset: Asset) -> Reserve:
    """A whole file: percent to fractions, what was said apart from what was carried."""
    said = _read(path, ALL_COLUMNS)
    supply_apr, borrow_apr = said["lender_variable_apr"] / 100, said["borrower_variable_apr"] / 100
    _in_percent(path, borrow_apr)
    supplied = np.where(said["supplied_USD"] > 0, said["supplied_USD"], np.nan)
    utilisation = said["borrowed_USD"] / supplied
    unsaid = np.isnan(supply_apr) | np.isnan(borrow_apr) | np.isnan(utilisation)
    paid_apr = np.fmax(borrow_apr, said["borrower_stable_apr"] / 100) * np.minimum(utilisation, 1)
    refused = ~unsaid & (supply_apr > SPIKE_APR) & (supply_apr > paid_apr * COVER)
    hole = unsaid | refused
    snapshot = said["timestamp"]
    carried = np.concatenate(([False], np.diff(snapshot) == 0)) | (said["time"] - snapshot > HOUR)
    balance = said["token_balance"] / 10.0**asset.decimals
    return Reserve(
        timestamp=said["time"],
        block=said["block"].astype(np.int64),
        supply_apr=np.where(hole, np.nan, supply_apr),
        borrow_apr=np.where(hole, np.nan, borrow_apr),
        utilisation=np.where(hole, np.nan, utilisation),
        available=np.where(hole, np.nan, balance * np.maximum(0, 1 - utilisation)),
        fresh=~hole & ~carried,
        carried=carried,
        refused=refused,
        oracle_usd_e8=_oracle_usd_e8(said, asset),
        told_at=snapshot.astype(np.int64),
        marks=np.zeros(len(hole), dtype=np.int64),
    )


def _record(path: Path, asset: Asset, reserve: Reserve) -> Record:
    """A whole file for the detectors, with what this file refuses by itself."""
    market, rows = _market(path, asset).id, tuple(np.flatnonzero(reserve.refused).tolist())
    what = f"above {SPIKE_APR:.0%} and not covered by what borrowers pay: left unsaid"
    first = int(reserve.timestamp[rows[0]]) if rows else 0
    uncovered = Finding(mark=Mark.SPIKE, subject=market, count=len(rows), first=first, treatment=what, rows=rows)
    return Record(
        market=market,
        source=path.name,
        step_seconds=HOUR,
        timestamp=reserve.timestamp,
        supply_apr=reserve.supply_apr,
        borrow_apr=reserve.borrow_apr,
        utilisation=reserve.utilisation,
        available=reserve.available,
        told_at=reserve.told_at,
        findings=(uncovered,) if rows else (),
    )


def _in_percent(path: Path, borrow_apr: Floats) -> None:
    """A file in fractions, basis points or rays betrays itself by its median."""
    least, most = MEDIAN_BORROW_APR
    median = float(np.nanmedian(borrow_apr)) if not np.isnan(borrow_apr).all() else 0.0
    if not least <= median <= most:
        raise BadTape(f"{path.name}: its median borrow rate, read as percent, is {median:.4%} a year; is it in another unit?")


def _oracle_usd_e8(said: Mapping[str, npt.NDArray[Any]], asset: Asset) -> Ints:
    """The protocol's own oracle price: value over balance, to the nearest of its eight decimals; 0 where nothing is held."""
    balance = np.where(said["token_balance"] > 0, said["token_balance"], np.nan)
    price = np.rint(said["supplied_USD"] / balance * 10.0**asset.decimals * USD_E8)
    return np.nan_to_num(price).astype(np.int64)


def _within(reserve: Reserve, start: int, end: int) -> Reserve:
    """The rows of a window; what was carried into it stays carried."""
    first, stop = np.searchsorted(reserve.timestamp, [start, end])
    return replace(reserve, **{field.name: getattr(reserve, field.name)[first:stop] for field in fields(reserve)})


def _spread(timestamp: Ints, reserves: Sequence[Reserve], name: str) -> npt.NDArray[Any]:
    """`[row, market]` on the common clock; a market without a row there has said nothing."""
    columns = []
    for reserve in reserves:
        values = getattr(reserve, name)
        column = np.full(len(timestamp), _CELLS[name], dtype=values.dtype)
        column[np.searchsorted(timestamp, reserve.timestamp)] = values
        columns.append(column)
    return np.stack(columns, axis=1)


def _carried(timestamp: Ints, known_from: Ints, values: Ints) -> Ints:
    """The last value known at each time; 0 before the first."""
    at = np.searchsorted(known_from, timestamp, side="right") - 1
    return np.where(at >= 0, values[np.maximum(at, 0)], 0) if len(values) else np.zeros_like(timestamp)


def _oracles(timestamp: Ints, reserves: Sequence[Reserve]) -> list[Ints]:
    """Each market's oracle, last known at each row; 0 before it spoke."""
    priced = [(reserve, reserve.oracle_usd_e8 > 0) for reserve in reserves]
    return [_carried(timestamp, reserve.timestamp[said], reserve.oracle_usd_e8[said]) for reserve, said in priced]


def _newest(oracles: Sequence[Ints]) -> Ints:
    """The newest protocol version's price, else an older one's: Aave V2 saw USDC at exactly one dollar throughout its depeg."""
    price = oracles[0]
    for newer in oracles[1:]:
        price = np.where(newer > 0, newer, price)
    return price


def _rows_apart(oracles: Sequence[Ints]) -> int:
    """Rows at which two oracles of one asset are further apart than agreement allows."""
    said = np.stack([np.where(price > 0, price, _newest(oracles)) for price in oracles])
    low, high = said.min(axis=0), said.max(axis=0)
    return int(((high - low) * BPS > low * AGREEMENT_BPS).sum())


def _defects(market: Market, path: Path, reserve: Reserve) -> MarketDefects:
    said = ~np.isnan(reserve.supply_apr)
    return MarketDefects(
        market_id=market.id,
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        rows=len(reserve.timestamp),
        carried_rows=int(reserve.carried.sum()),
        frozen=runs_of(reserve.carried, reserve.timestamp, FROZEN_ROWS),
        missing=gaps_of(reserve.timestamp, HOUR),
        null_rows=int((~said & ~reserve.refused).sum()),
        over_lent_rows=int((reserve.utilisation > 1).sum()),
        spike_rows=int((reserve.supply_apr > SPIKE_APR).sum()),
        refused_rows=int(reserve.refused.sum()),
    )


def _notes(gas: DailyGas, rows_apart: int) -> tuple[str, ...]:
    return (
        "Rates are recorded once an hour in percent and were read as such; between rows the last one said holds.",
        "Prices are the protocols' own oracles: supplied value over supplied balance; the newer version's where both speak.",
        f"Two oracles of the asset were more than {AGREEMENT_BPS / 100:g} % apart in {rows_apart} rows; a live reading would "
        "have had no price then, and the agent would have stayed.",
        "Ether is priced by the wrapped ether reserves' oracles, last known at each row.",
        f"The base fee is the average gas price of the last complete day ({gas.source}): spikes within a day are not seen.",
    )

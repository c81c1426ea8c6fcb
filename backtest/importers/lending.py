"""Examined records of lending markets as one tape: markets of one asset on one clock, marked, with a price and a fee beside them.
Refuses an asset that a source does not have, a window without rows and a source in another unit.

Each importer of lending rates reads its files into `Found` markets and leaves the rest to this file. A market without a row at
some time has said nothing there; nothing is interpolated."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtest.checking.examine import Examined, examine
from backtest.checking.marks import Mark, refusing
from backtest.checking.record import Record, rows_of
from backtest.dataset import Rates, tape_from_rates
from backtest.importers.defects import FROZEN_ROWS, ImportReport, MarketDefects, gaps_of, runs_of
from backtest.importers.ethereum_gas import DailyEther, DailyGas
from backtest.numerals import day
from strategies.domain import NATIVE, Asset, Deployment, Market
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.tape import Floats, Ints, Tape
from strategies.units import SECONDS_PER_DAY, USD_E8

DOLLARS: Final = frozenset({"USDC", "USDT", "DAI", "USDC.E", "USDBC", "USDS", "SUSDE", "USDE", "PYUSD", "GHO", "LUSD", "FRAX"})
ETHERS: Final = frozenset({"ETH", "WETH"})
COINS: Final = {56: "BNB", 100: "XDAI", 137: "POL", 1_088: "METIS", 42_220: "CELO", 43_114: "AVAX"}  # elsewhere ether
SECONDS_A_BLOCK: Final = 12
MEDIAN_APR: Final = (2e-5, 0.5)  # of the best, and of the middle market of an asset: outside it a file is in another unit
DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a source: an asset as `symbols` names it, a window in Unix seconds, and what a move costs."""

    asset: str
    start: int
    end: int
    gas: DailyGas | None = None  # None: no fee is known, and none is charged
    ether: DailyEther | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One market of a source; `name` is what a person asks for: a symbol, with `@chain` where it is not Ethereum's."""

    name: str
    asset: Asset
    record: Record
    files: tuple[Path, ...]


def names_of(found: Sequence[Found]) -> tuple[str, ...]:
    """The assets of a source, in its order."""
    return tuple(dict.fromkeys(market.name for market in found))


def tape_of_found(source: str, found: Sequence[Found], request: Request, notes: Sequence[str]) -> tuple[Tape, ImportReport]:
    """Every market of one asset in `[start, end)` as a tape. Raises BadTape."""
    ours = [market for market in found if market.name == request.asset]
    if not ours:
        raise BadTape(f"{source} has no asset {request.asset!r}; it has {', '.join(names_of(found)) or 'none'}")
    examined = [_within(examine(market.record), request) for market in ours]
    _in_unit(source, examined)
    timestamp = np.unique(np.concatenate([one.record.timestamp for one in examined]))
    if not len(timestamp):
        times = np.concatenate([market.record.timestamp for market in ours])
        raise BadTape(
            f"no row of {request.asset} lies in the window: its rows run from {day(int(times.min()))} to {day(int(times.max()))}"
        )
    rates, more = _rates(source, ours, examined, timestamp, request)
    report = ImportReport(
        source=source,
        asset=request.asset,
        start=request.start,
        end=request.end,
        rows=len(timestamp),
        markets=tuple(_defects(market, one) for market, one in zip(ours, examined, strict=True)),
        notes=(*notes, *more),
        findings=tuple(finding for one in examined for finding in one.findings),
    )
    return tape_from_rates(rates), report


def apr_of_apy(apy: Floats) -> Floats:
    """A yearly yield that compounds daily as the rate of each day: 365 x ((1 + apy)^(1/365) - 1)."""
    apr: Floats = DAYS * np.expm1(np.log1p(apy) / DAYS)
    return apr


def named_address(text: str) -> str:
    """A notation for what has no address here, made from its name: no chain answers it."""
    return "0x" + hashlib.sha256(text.encode()).hexdigest()[:40]


def _within(examined: Examined, request: Request) -> Examined:
    """The rows of a window; they were judged with all that came before them."""
    first, stop = np.searchsorted(examined.record.timestamp, [request.start, request.end])
    record = rows_of(examined.record, range(int(first), int(stop)))
    return Examined(record, examined.marks[first:stop], record.findings)


def _in_unit(source: str, examined: Sequence[Examined]) -> None:
    medians = []
    for one in examined:
        rates = one.record.supply_apr
        paying = rates[np.isfinite(rates) & (rates > 0)]
        medians += [float(np.median(paying))] if len(paying) else []
    least, most = MEDIAN_APR
    if medians and (max(medians) < least or float(np.median(medians)) > most):
        raise BadTape(f"{source}: its median rates run from {min(medians):.2g} to {max(medians):.2g}; is it in another unit?")


def _rates(
    source: str, ours: Sequence[Found], examined: Sequence[Examined], timestamp: Ints, request: Request
) -> tuple[Rates, tuple[str, ...]]:
    asset = ours[0].asset
    coin = Asset(asset.chain_id, NATIVE, COINS.get(asset.chain_id, "ETH"), 18)
    oracle = _spread(timestamp, examined, [_oracle(one) for one in examined], 0)
    ether_usd_e8 = np.zeros_like(timestamp) if request.ether is None else request.ether.known_at(timestamp)
    coin_usd_e8 = np.zeros_like(timestamp) if asset.chain_id in COINS else ether_usd_e8
    price, notes = _price(asset, oracle, ether_usd_e8)
    fee = np.zeros_like(timestamp) if request.gas is None else request.gas.known_at(timestamp)
    if request.gas is None:
        notes = (*notes, "No gas prices were given: the base fee is 0 in every row, and no result on this tape is net of gas.")
    markets = tuple(
        Market(one.record.market, RecordedIndexes().protocol, named_address(one.record.market), asset) for one in ours
    )
    names = ("supply_apr", "borrow_apr", "utilisation", "available")
    columns = {name: _spread(timestamp, examined, [getattr(one.record, name) for one in examined], np.nan) for name in names}
    rates = Rates(
        deployment=Deployment(asset.chain_id, f"{source} {request.asset}", NATIVE, (asset, coin), markets, {}),
        timestamp=timestamp,
        block=timestamp // SECONDS_A_BLOCK,
        base_fee_wei=fee,
        **columns,
        fresh=_spread(timestamp, examined, [one.fresh() for one in examined], False),
        oracle_usd_e8=oracle,
        price_usd_e8=np.stack([price, coin_usd_e8], axis=1),
        index_ray=tuple(_index(timestamp, one) for one in examined),
        marks=_spread(timestamp, examined, [one.marks for one in examined], 0),
    )
    return _drop_strange(rates), notes


def _drop_strange(rates: Rates) -> Rates:
    """What a mark refuses is not even kept as a number: a refused cell may be infinite or negative."""
    assert rates.marks is not None
    refused = refusing(rates.marks)
    for column in (rates.supply_apr, rates.borrow_apr, rates.utilisation, rates.available):
        column[refused] = np.nan
    return rates


def _price(asset: Asset, oracle: Ints, ether_usd_e8: Ints) -> tuple[Ints, tuple[str, ...]]:
    """The newest market's oracle, last known; ether by its own; a dollar at par where nothing says a price."""
    if oracle.any():
        last = np.zeros(len(oracle), dtype=np.int64)
        for column in oracle.T:
            at = np.maximum.accumulate(np.where(column > 0, np.arange(len(column)), -1))
            known = np.where(at >= 0, column[np.maximum(at, 0)], 0)
            last = np.where(known > 0, known, last)
        return last, ("Prices are the protocol's own oracle, last known at each row.",)
    if asset.symbol.upper() in ETHERS:
        return ether_usd_e8, ("The asset is priced as ether, at the last complete day's price.",)
    if asset.symbol.upper() in DOLLARS:
        return np.full(len(oracle), USD_E8, dtype=np.int64), (
            f"The source has no price: {asset.symbol} is taken at one dollar throughout, so no depeg shows.",
        )
    return np.zeros(len(oracle), dtype=np.int64), (f"The source has no price of {asset.symbol}: it is unpriced throughout.",)


def _oracle(one: Examined) -> Ints:
    said = one.record.oracle_usd_e8
    return np.zeros(len(one.record), dtype=np.int64) if said is None else said


def _spread(
    timestamp: Ints, examined: Sequence[Examined], values: Sequence[npt.NDArray[Any]], nothing: float | bool
) -> npt.NDArray[Any]:
    """`[row, market]` on the common clock."""
    columns = []
    for one, column in zip(examined, values, strict=True):
        whole = np.full(len(timestamp), nothing, dtype=column.dtype)
        whole[np.searchsorted(timestamp, one.record.timestamp)] = column
        columns.append(whole)
    return np.stack(columns, axis=1)


def _index(timestamp: Ints, one: Examined) -> tuple[int, ...] | None:
    if not one.record.index_ray:
        return None
    whole = [0] * len(timestamp)
    for at, index in zip(np.searchsorted(timestamp, one.record.timestamp).tolist(), one.record.index_ray, strict=True):
        whole[at] = index
    return tuple(whole)


def _defects(market: Found, one: Examined) -> MarketDefects:
    marks = one.marks
    carried = (marks & int(Mark.CARRIED)) != 0
    nothing = (marks & int(Mark.NOT_A_NUMBER)) != 0
    whole = hashlib.sha256()
    for path in market.files:
        whole.update(path.read_bytes())
    rare = max(one.record.step_seconds, 1)
    return MarketDefects(
        market_id=one.record.market,
        file=one.record.source,
        sha256=whole.hexdigest(),
        rows=len(one.record),
        carried_rows=int(carried.sum()),
        frozen=runs_of(carried, one.record.timestamp, max(2, FROZEN_ROWS * 3_600 // rare)),
        missing=gaps_of(one.record.timestamp, rare) if rare < SECONDS_PER_DAY else (),
        null_rows=int(nothing.sum()),
        over_lent_rows=int(((marks & int(Mark.OVER_LENT)) != 0).sum()),
        spike_rows=int(((marks & int(Mark.REAL_SPIKE)) != 0).sum()),
        refused_rows=int((refusing(marks) & ~nothing).sum()),
    )

"""Vaults with recorded share prices as one tape: the share price is the exact index, the rate is what a share earned lately.
Refuses windows without a row, rates above 100 % a year, which nothing here bears out, and rates of vaults that hold next to
nothing. One symbol on two chains is two assets.

At a row a strategy sees the growth of the trailing window that ended there, never what came after. A vault has no borrowers of
its own: no utilisation and no borrow rate is said. A trailing loss shows as a rate of 0; the index carries the loss itself."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark, marks_of
from backtest.dataset import Rates, tape_from_rates
from backtest.importers.defects import ImportReport, MarketDefects
from backtest.importers.lending import COINS, DOLLARS, ETHERS, SECONDS_A_BLOCK, Request, named_address
from backtest.importers.series import found
from backtest.importers.share_prices import Vault, belief_findings, beliefs, trailing_apr
from backtest.importers.vault_rows import AT_ONCE
from backtest.numerals import day
from strategies.domain import NATIVE, Asset, Deployment, Market
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.tape import Bools, Floats, Ints, Tape
from strategies.units import USD_E8

HOME: Final = 1  # the chain whose assets go by their symbol alone
MOST_APR: Final = 1.0
DUST_USD: Final = 10_000.0  # below it a vault is somebody's test, and a deposit worth its gas would be most of it
SMALL: Final = 1_000.0  # whole units of the asset: less than this is somebody's test
DECIMALS: Final = {"USDC": 6, "USDT": 6, "USDC.e": 6, "pUSD": 6, "WBTC": 8}


@dataclass(frozen=True, slots=True)
class Window:
    """Over what a share's growth is measured. Less history than the least says no rate."""

    seconds: int
    least_seconds: int


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """One vault on its own rows, ready for the common clock."""

    vault: Vault
    supply_apr: Floats
    valued: Bools  # the share price is the index
    marks: Ints
    findings: tuple[Finding, ...]


def notional_asset(chain_id: int, symbol: str) -> Asset:
    """An asset known by its symbol alone; its address is a notation that no chain answers."""
    return Asset(chain_id, named_address(f"{chain_id}:{symbol}"), symbol, DECIMALS.get(symbol, 18))


def vault_id(name: str, address: str) -> str:
    """A name that people know and an address that is unique."""
    return f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'vault'}-{address[:10].lower()}"


def assets_of(vaults: Sequence[Vault]) -> tuple[str, ...]:
    """What `Request.asset` may say: a symbol, with `@chain id` where it is not Ethereum's."""
    return tuple(dict.fromkeys(_name(vault.asset) for vault in vaults))


def check(vaults: Sequence[Vault], window: Window) -> tuple[Finding, ...]:
    """What is wrong with every vault."""
    return tuple(finding for vault in vaults for finding in (*vault.findings, *_column(vault, window).findings))


def vault_rates(vaults: Sequence[Vault], name: str, request: Request, window: Window) -> tuple[Rates, tuple[Finding, ...]]:
    """Every vault of one asset in `[start, end)` on the union of their clocks, with what was found. Raises BadTape."""
    chosen = _chosen(vaults, request.asset)
    columns = [_within(_column(vault, window), request) for vault in chosen]
    timestamp = np.unique(np.concatenate([column.vault.timestamp for column in columns]))
    if not len(timestamp):
        times = np.concatenate([vault.timestamp for vault in chosen])
        ran = f"its rows run from {day(int(times.min()))} to {day(int(times.max()))}" if len(times) else "it has no usable row"
        raise BadTape(f"no row of {request.asset} lies in the window: {ran}")
    return _rates(name, timestamp, columns, request), tuple(finding for column in columns for finding in column.findings)


def vault_tape(vaults: Sequence[Vault], folder: Path, request: Request, window: Window) -> tuple[Tape, ImportReport]:
    """The same as a tape with a report. Raises BadTape."""
    rates, findings = vault_rates(vaults, f"{folder.name} {request.asset}", request, window)
    chosen = _chosen(vaults, request.asset)
    report = ImportReport(
        source=folder.name,
        asset=request.asset,
        start=request.start,
        end=request.end,
        rows=len(rates.timestamp),
        markets=tuple(_defects(vault, folder, findings, request) for vault in chosen),
        notes=_notes(chosen, request, window),
        findings=findings,
        terms=tuple([(vault.id, vault.terms) for vault in chosen if vault.terms != AT_ONCE]),
    )
    return tape_from_rates(rates), report


def _name(asset: Asset) -> str:
    return asset.symbol if asset.chain_id == HOME else f"{asset.symbol}@{asset.chain_id}"


def _chosen(vaults: Sequence[Vault], wanted: str) -> tuple[Vault, ...]:
    chosen = tuple(vault for vault in vaults if _name(vault.asset) == wanted)
    if not chosen:
        raise BadTape(f"no vault of {wanted!r} here; known: {', '.join(assets_of(vaults)) or 'none'}")
    return chosen


def _column(vault: Vault, window: Window) -> _Column:
    made = beliefs(vault)
    apr = trailing_apr(vault, made, window_seconds=window.seconds, least_seconds=window.least_seconds)
    wild = apr > MOST_APR
    dust = ~np.isnan(apr) & ~wild & (_held_usd(vault) < DUST_USD)
    why = f"a share's growth comes to more than {MOST_APR:.0%} a year, and nothing bears it out"
    little = f"the vault holds less than {DUST_USD:,.0f} dollars"
    findings = (
        *belief_findings(vault, made),
        *_of_rows(Mark.SPIKE, vault, wild, ("left unsaid", why)),
        *_of_rows(Mark.DUST, vault, dust, ("no rate is said, the index goes on", little)),
    )
    said = np.where(wild | dust, np.nan, np.maximum(apr, 0.0))
    return _Column(vault, said, ~np.isnan(apr) & ~wild, marks_of(findings, len(made)), findings)


def _of_rows(mark: Mark, vault: Vault, rows: Bools, says: tuple[str, str]) -> tuple[Finding, ...]:
    """A finding that names its rows, so that they are marked."""
    found_there = found(mark, vault.id, rows, vault.timestamp, says)
    return tuple(replace(finding, rows=tuple(np.flatnonzero(rows).tolist())) for finding in found_there)


def _held_usd(vault: Vault) -> Floats:
    """What a vault holds in dollars, a dollar without a price at par; NaN where that is not known."""
    par = 1.0 if _at_par(vault.asset.symbol) else np.nan
    held: Floats = vault.assets * np.where(np.isnan(vault.asset_usd), par, vault.asset_usd)
    return held


def _within(column: _Column, request: Request) -> _Column:
    """The rows of the window; what was believed before it stays believed."""
    vault = column.vault
    first, stop = np.searchsorted(vault.timestamp, [request.start, request.end]).tolist()
    rows = slice(first, stop)
    arrays = {name: getattr(vault, name)[rows] for name in ("timestamp", "block", "price_ray", *_RECORDED)}
    findings = (*vault.findings, *_inside(column, first, stop))
    return _Column(replace(vault, **arrays), column.supply_apr[rows], column.valued[rows], column.marks[rows], findings)


def _inside(column: _Column, first: int, stop: int) -> tuple[Finding, ...]:
    """The findings about rows of the window; rows stay those of the file."""
    made = []
    for finding in column.findings:
        rows = tuple(row for row in finding.rows if first <= row < stop)
        if rows:
            since = int(column.vault.timestamp[rows[0]])
            made.append(replace(finding, rows=rows, count=len(rows), first=since))
    return tuple(made)


_RECORDED: Final = ("assets", "supply", "liquidity", "asset_usd")


def _rates(name: str, timestamp: Ints, columns: Sequence[_Column], request: Request) -> Rates:
    vaults = [column.vault for column in columns]
    asset, rows = vaults[0].asset, len(timestamp)
    coin = Asset(asset.chain_id, NATIVE, COINS.get(asset.chain_id, "ETH"), 18)
    at = [np.searchsorted(timestamp, vault.timestamp) for vault in vaults]
    supply_apr = _spread(rows, at, [column.supply_apr for column in columns])
    said = ~np.isnan(supply_apr)
    block = np.max(_spread(rows, at, [vault.block.astype(np.float64) for vault in vaults], empty=0.0), axis=1)
    ether = np.zeros_like(timestamp) if request.ether is None else request.ether.known_at(timestamp)
    own = _own_usd_e8(_largest_usd(rows, at, vaults), asset.symbol, ether)
    return Rates(
        deployment=Deployment(asset.chain_id, name, NATIVE, (asset, coin), _markets(vaults), {}),
        timestamp=timestamp,
        block=np.maximum.accumulate(block.astype(np.int64)) if block.any() else timestamp // SECONDS_A_BLOCK,
        base_fee_wei=np.zeros_like(timestamp) if request.gas is None else request.gas.known_at(timestamp),
        supply_apr=supply_apr,
        borrow_apr=np.full(said.shape, np.nan),
        utilisation=np.full(said.shape, np.nan),
        available=np.where(said, _spread(rows, at, [vault.liquidity for vault in vaults]), np.nan),
        fresh=said,
        oracle_usd_e8=np.zeros(said.shape, dtype=np.int64),
        price_usd_e8=np.stack([own, np.zeros_like(ether) if asset.chain_id in COINS else ether], axis=1),
        index_ray=tuple(_indices(column, where, timestamp) for column, where in zip(columns, at, strict=True)),
        marks=_spread(rows, at, [c.marks.astype(np.float64) for c in columns], empty=0.0).astype(np.int64),
    )


def _markets(vaults: Sequence[Vault]) -> tuple[Market, ...]:
    return tuple(Market(vault.id, RecordedIndexes().protocol, named_address(vault.id), vault.asset) for vault in vaults)


def _own_usd_e8(usd: Floats, symbol: str, ether: Ints) -> Ints:
    """The source's own price, last known at each row; ether by ether's price; a dollar at par where nothing says one."""
    said = ~np.isnan(usd)
    if said.any():
        last = np.maximum.accumulate(np.where(said, np.arange(len(usd)), -1))
        return np.where(last >= 0, np.rint(np.nan_to_num(usd[np.maximum(last, 0)]) * USD_E8), 0).astype(np.int64)
    if symbol.upper() in ETHERS:
        return ether
    return np.full(len(usd), USD_E8 if _at_par(symbol) else 0, dtype=np.int64)


def _at_par(symbol: str) -> bool:
    return symbol.upper() in DOLLARS or symbol == "USD"


def _spread(rows: int, at: Sequence[Ints], values: Sequence[Floats], *, empty: float = np.nan) -> Floats:
    """`[row, market]` on the common clock."""
    table = np.full((rows, len(at)), empty)
    for market, (where, column) in enumerate(zip(at, values, strict=True)):
        table[where, market] = column
    return table


def _indices(column: _Column, rows: Ints, timestamp: Ints) -> tuple[int, ...]:
    """The share price at the rows at which it is the index; 0 elsewhere."""
    index = [0] * len(timestamp)
    for row, price_ray, valued in zip(rows.tolist(), column.vault.price_ray, column.valued.tolist(), strict=True):
        if valued:
            index[row] = price_ray
    return tuple(index)


def _largest_usd(rows: int, at: Sequence[Ints], vaults: Sequence[Vault]) -> Floats:
    """The asset's price as the vault that holds the most says it at a row; NaN where none says it."""
    usd = _spread(rows, at, [vault.asset_usd for vault in vaults])
    held = _spread(rows, at, [vault.assets for vault in vaults])
    weight = np.where(np.isnan(usd) | np.isnan(held), -1.0, held)
    largest: Floats = usd[np.arange(rows), weight.argmax(axis=1)]
    return largest


def _defects(vault: Vault, folder: Path, findings: Sequence[Finding], request: Request) -> MarketDefects:
    ours = [finding for finding in findings if finding.subject == vault.id]
    inside = int(((vault.timestamp >= request.start) & (vault.timestamp < request.end)).sum())
    return MarketDefects(
        market_id=vault.id,
        file=vault.file,
        sha256=hashlib.sha256((folder / vault.file).read_bytes()).hexdigest(),
        rows=inside,
        carried_rows=0,
        frozen=(),
        missing=(),
        null_rows=sum(finding.count for finding in ours if finding.mark is Mark.NOT_A_NUMBER),
        over_lent_rows=0,
        spike_rows=sum(finding.count for finding in ours if finding.mark is Mark.REAL_SPIKE),
        refused_rows=sum(finding.count for finding in ours if finding.mark in _REFUSED),
    )


_REFUSED: Final = (Mark.SPIKE, Mark.BACKWARDS, Mark.DECIMALS, Mark.ZERO_FOR_MISSING, Mark.DISORDER)


def _notes(vaults: Sequence[Vault], request: Request, window: Window) -> tuple[str, ...]:
    recorded = [vault for vault in vaults if not np.isnan(vault.assets).all()]
    small = [vault.id for vault in recorded if np.nanmax(vault.assets, initial=0.0) < SMALL]
    still = [vault.id for vault in vaults if len(vault.price_ray) > 1 and len(set(vault.price_ray)) == 1]
    hours, least = window.seconds / 3_600, window.least_seconds / 3_600
    notes = [
        "The index is the recorded share price, exactly; where it is not said or not believed, the one before stands.",
        f"A row's rate is the share's growth over the {hours:g} hours before it, simple and a year; a vault with less than "
        f"{least:g} hours of history says none.",
        "Vaults have no borrowers of their own: no utilisation and no borrow rate is said.",
        _price_note(vaults),
    ]
    if request.gas is None:
        notes.append("No gas prices were given: the base fee is 0 in every row, and no result on this tape is net of gas.")
    if still:
        notes.append(f"Never change their share price, so they earn nothing or their source repeats itself: {', '.join(still)}.")
    if small:
        notes.append(f"Never hold {SMALL:,.0f} units, so a deposit would be most of them: {', '.join(small)}.")
    return tuple(notes)


def _price_note(vaults: Sequence[Vault]) -> str:
    symbol = vaults[0].asset.symbol
    if any(not np.isnan(vault.asset_usd).all() for vault in vaults):
        return "The asset is priced as the vault that holds the most prices it, last known at each row."
    if symbol.upper() in ETHERS:
        return "The asset is priced as ether, at the last complete day's price."
    if _at_par(symbol):
        return f"The source has no price: {symbol} is taken at one dollar throughout, so no depeg shows."
    return f"The source has no price of {symbol}: it is unpriced throughout."

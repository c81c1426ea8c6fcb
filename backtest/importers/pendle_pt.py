"""Pendle's fixed yields: the implied yield and the price of principal tokens some days before they mature, and a snapshot of all
markets. Refuses prices that their own yield does not explain and markets at or after maturity; reads no `realized_apy`, which is
the same price as a simple rate and no yield that anyone realised, and no `error_` column, which is the difference of the two.

A principal token pays one unit at maturity: price = (1 + implied yield)^(-days / 365)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.importers.series import found, in_seconds
from backtest.importers.source_tables import MILLISECONDS, floats, header_of, seconds_of, text_columns, text_of, wholes
from strategies.errors import BadTape
from strategies.tape import Bools, Floats, Ints
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = (
    *("chain_id", "market_address", "underlying_symbol", "maturity_timestamp", "t0_timestamp"),
    *("implied_apy", "pt_price", "liquidity_usd"),
)
YEAR_DAYS: Final = 365
APART: Final = 0.001  # a price and its yield are rounded each
MOST_APY: Final = 10.0


@dataclass(frozen=True, slots=True)
class Principal:
    """A principal token at one time before its maturity."""

    chain_id: int
    market: str
    underlying: str
    timestamp: int
    maturity: int
    implied_apy: float  # fraction, compounded
    price: float  # of the accounting asset
    liquidity_usd: float  # NaN: none recorded


@dataclass(frozen=True, slots=True)
class Offer:
    """A market of the snapshot that has not matured."""

    chain: str
    protocol: str
    underlying: str
    maturity: int
    tvl_usd: float
    implied_apy: float  # fractions, compounded
    underlying_apy: float


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder))


def read(folder: Path) -> tuple[tuple[Principal, ...], tuple[Finding, ...]]:
    """Every market and lead time of every such file, and what was wrong with the others. Raises BadTape."""
    files = _files(folder)
    if not files:
        raise BadTape(f"{folder.name} holds no text file with the columns {', '.join(COLUMNS)}")
    parts = [_principals(path) for path in files]
    return tuple(p for principals, _ in parts for p in principals), tuple(f for _, findings in parts for f in findings)


def check(folder: Path) -> tuple[Finding, ...]:
    """What is wrong with every file and snapshot of a folder. Raises BadTape."""
    dated = sorted(path for path in folder.glob("*.json*") if re.search(r"\d{4}-\d{2}-\d{2}", path.name))
    return (*read(folder)[1], *(finding for path in dated for finding in snapshot(path)[1]))


def snapshot(path: Path) -> tuple[tuple[Offer, ...], tuple[Finding, ...]]:
    """The markets of a snapshot that were still running at its date, which its name says; yields in percent. Raises BadTape."""
    dated = re.search(r"\d{4}-\d{2}-\d{2}", path.name)
    if dated is None:
        raise BadTape(f"{path.name} does not say its date: expected YYYY-MM-DD in its name")
    at = int(datetime.fromisoformat(dated.group()).replace(tzinfo=UTC).timestamp())
    try:
        offers = [_offer(path, market) for market in json.loads(text_of(path))]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise BadTape(f"{path.name} is no snapshot of markets: {error!r}") from error
    expired = np.array([offer.maturity <= at for offer in offers], dtype=np.bool_)
    wild = ~expired & ~np.array([0 < offer.implied_apy <= MOST_APY for offer in offers], dtype=np.bool_)
    when = np.full(len(offers), at)
    findings = (
        *found(Mark.EXPIRED, path.name, expired, when, ("left out", "the market had matured by the snapshot's day")),
        *found(Mark.UNIT, path.name, wild, when, ("refused", f"its implied yield is not within 0 to {MOST_APY:.0%}")),
    )
    return tuple(offer for offer, out in zip(offers, (expired | wild).tolist(), strict=True) if not out), findings


def _files(folder: Path) -> list[Path]:
    paths = sorted(path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern))
    return [path for path in paths if set(COLUMNS) <= set(header_of(path))]


def _principals(path: Path) -> tuple[tuple[Principal, ...], tuple[Finding, ...]]:
    table = text_columns(path, COLUMNS)
    at = wholes(path, "t0_timestamp", table["t0_timestamp"]) // MILLISECONDS
    maturity = wholes(path, "maturity_timestamp", table["maturity_timestamp"]) // MILLISECONDS
    in_seconds(f"{path.name}, read as milliseconds", np.concatenate((at, maturity)))
    apy, price = floats(path, "implied_apy", table["implied_apy"]), floats(path, "pt_price", table["pt_price"])
    liquidity = floats(path, "liquidity_usd", table["liquidity_usd"])
    keep, findings = _kept(path, at, maturity, apy, price)
    findings = (*findings, *found(Mark.ZERO_FOR_MISSING, path.name, liquidity == 0, at, ("kept, liquidity unknown", "it says 0")))
    kept = [
        Principal(
            chain_id=int(table["chain_id"][row]),
            market=table["market_address"][row].lower(),
            underlying=table["underlying_symbol"][row],
            timestamp=int(at[row]),
            maturity=int(maturity[row]),
            implied_apy=float(apy[row]),
            price=float(price[row]),
            liquidity_usd=float(liquidity[row]) or np.nan,
        )
        for row in np.flatnonzero(keep).tolist()
    ]
    return tuple(kept), findings


def _kept(path: Path, at: Ints, maturity: Ints, apy: Floats, price: Floats) -> tuple[Bools, tuple[Finding, ...]]:
    over = at >= maturity
    unsaid = np.isnan(apy) | np.isnan(price)
    lead_days = np.maximum(maturity - at, 0) / SECONDS_PER_DAY
    wild = ~unsaid & ~((apy >= 0) & (apy <= MOST_APY))
    explained = (1 + np.where(wild | unsaid, 0.0, apy)) ** (-lead_days / YEAR_DAYS)
    apart = ~unsaid & ~over & ~wild & ~(np.abs(price - explained) <= APART)
    why = f"price and yield differ by more than {APART:g} of (1 + yield)^(-days/365)"
    findings = (
        *found(Mark.EXPIRED, path.name, over, at, ("refused", "at or after maturity")),
        *found(Mark.NOT_A_NUMBER, path.name, unsaid, at, ("left out", "no yield or no price")),
        *found(Mark.UNIT, path.name, wild, at, ("refused", f"its implied yield is not within 0 to {MOST_APY:.0%}")),
        *found(Mark.INDEX_APART, path.name, apart, at, ("refused", why)),
    )
    return ~(over | unsaid | wild | apart), findings


def _offer(path: Path, market: Mapping[str, Any]) -> Offer:
    maturity = int(seconds_of(path, "expiry", [market["expiry"]])[0])
    implied, underlying = float(market["impliedApy"] or 0) / 100, float(market["underlyingApy"] or 0) / 100
    names = (str(market["chain"]), str(market["protocol"]), str(market["underlying"]))
    return Offer(*names, maturity=maturity, tvl_usd=float(market["tvl"] or 0), implied_apy=implied, underlying_apy=underlying)

"""Yields of Aave V3, Pendle, the DAI savings rate and Lido as one collector saw them: daily bars with the time each was first
seen, and the current value of every sixth hour. Fractions. Refuses a file without one of its columns.

A bar counts from when its day was over and it had been seen; its value is the one most often seen, because unfinished bars were
revised. Bars first seen together became known together: only the newest of them is a row. The current values are markets of their
own, marked `:6h`; they are exactly what was shown at their time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record, unsaid
from backtest.importers.lending import Found, apr_of_apy
from backtest.importers.source_tables import floats, header_of, text_columns, wholes
from strategies.domain import Asset
from strategies.tape import Bools, Floats, Ints
from strategies.units import SECONDS_PER_DAY

HISTORY: Final = ("protocol", "chain_id", "asset", "contract", "timestamp", "apy_first", "apy_mode", "first_seen")
CURRENT: Final = ("protocol", "chain_id", "asset", "contract", "commit_time", "apy", "tvl")
SIX_HOURS: Final = 21_600
POSTED: Final = frozenset({"MAKER", "SKY"})  # a rate that governance sets
NO_TVL_USD: Final = 1_000.0  # what the collector wrote before it knew
DECIMALS: Final = {"USDC": 6, "USDT": 6, "aUSDC": 6}
HOME: Final = "1"
NOTES: Final = (
    "A bar counts from the end of its day or from when it was first seen, whichever is later; unfinished bars were revised.",
    "The source says no borrow side: a jump that does not hold for twelve rows is never believed.",
    "Yields become the daily rate that compounds to them. Pendle's are fixed at purchase: no holder earns a tape of them.",
)


@dataclass(frozen=True, slots=True)
class _Series:
    """One item's rows in the file's order."""

    protocol: str
    chain_id: str
    symbol: str
    contract: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """Whose rows they are, how far apart, and what was found in them."""

    market: str
    step_seconds: int
    findings: tuple[Finding, ...]


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return _file(folder, HISTORY) is not None


def read(folder: Path) -> tuple[Found, ...]:
    """Every item of every file there is. Raises BadTape."""
    history, current = _file(folder, HISTORY), _file(folder, CURRENT)
    bars = _bars(history) if history else ()
    return (*bars, *(_currents(current) if current else ()))


def _file(folder: Path, columns: Sequence[str]) -> Path | None:
    return next((path for path in sorted(folder.glob("*.csv*")) if set(columns) <= set(header_of(path))), None)


def _bars(path: Path) -> tuple[Found, ...]:
    table = text_columns(path, HISTORY)
    day, seen = wholes(path, "timestamp", table["timestamp"]), wholes(path, "first_seen", table["first_seen"])
    first, settled = floats(path, "apy_first", table["apy_first"]), floats(path, "apy_mode", table["apy_mode"])
    known = np.maximum(seen, day + SECONDS_PER_DAY)
    made = []
    for series in _series(table):
        at = np.array(series.rows)
        market = f"{_name(series)}:{series.contract[2:8]}"
        newest = _newest(day[at], known[at])
        findings = (
            *_counted(
                _found(market, first[at] != settled[at], day[at], Mark.REVISED, "revised later: the settled value is used")
            ),
            *_counted(_found(market, ~newest, day[at], Mark.REVISED, "seen only together with later bars: left out")),
            *_mislabelled(market, series, table),
        )
        kept = at[newest]
        made.append(_market(series, path, known[kept], settled[kept], said=_Said(market, SECONDS_PER_DAY, findings)))
    return tuple(made)


def _currents(path: Path) -> tuple[Found, ...]:
    table = text_columns(path, CURRENT)
    known, apy, tvl = (
        wholes(path, "commit_time", table["commit_time"]),
        floats(path, "apy", table["apy"]),
        floats(path, "tvl", table["tvl"]),
    )
    made = []
    for series in _series(table):
        at = np.array(series.rows)
        market = f"{_name(series)}:{series.contract[2:8]}:6h"
        unknown = tvl[at] == NO_TVL_USD
        findings = (
            *_found(market, unknown, known[at], Mark.PLACEHOLDER, "a value locked of exactly 1,000: left unsaid"),
            *_mislabelled(market, series, table),
        )
        made.append(_market(series, path, known[at], apy[at], said=_Said(market, SIX_HOURS, findings)))
    return tuple(made)


def _series(table: dict[str, list[str]]) -> tuple[_Series, ...]:
    rows: dict[tuple[str, str, str, str], list[int]] = defaultdict(list)
    for at, key in enumerate(zip(*(table[name] for name in HISTORY[:4]), strict=True)):
        rows[key].append(at)
    return tuple(_Series(*key, tuple(at)) for key, at in rows.items())


def _name(series: _Series) -> str:
    return f"{series.protocol.lower()}-{series.chain_id}:{series.symbol}"


def _newest(day: Ints, known: Ints) -> Bools:
    """Of bars that became known together, the newest."""
    last = np.append(known[1:] != known[:-1], True)
    newest: Bools = last & (np.maximum.accumulate(day) == day)
    return newest


def _mislabelled(market: str, series: _Series, table: dict[str, list[str]]) -> tuple[Finding, ...]:
    """A contract that the same collector names otherwise elsewhere."""
    others = {
        table["asset"][at]
        for at, (chain, contract) in enumerate(zip(table["chain_id"], table["contract"], strict=True))
        if (chain, contract) == (series.chain_id, series.contract)
    } - {series.symbol}
    if not others:
        return ()
    first = int(table["timestamp" if "timestamp" in table else "commit_time"][series.rows[0]])
    what = f"the same contract as {', '.join(sorted(others))}: one of the names is wrong"
    return (Finding(mark=Mark.MISLABELLED, subject=market, count=len(series.rows), first=first, treatment=what),)


def _found(market: str, rows: Bools, at: Ints, mark: Mark, treatment: str) -> tuple[Finding, ...]:
    where = tuple(np.flatnonzero(rows).tolist())
    if not where:
        return ()
    first = int(at[where[0]])
    return (Finding(mark=mark, subject=market, count=len(where), first=first, treatment=treatment, rows=where),)


def _counted(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Without their rows, which are not those of the tape."""
    return tuple(replace(finding, rows=()) for finding in findings)


def _market(series: _Series, path: Path, known: Ints, apy: Floats, *, said: _Said) -> Found:
    record = Record(
        market=said.market,
        source=path.name,
        step_seconds=said.step_seconds,
        timestamp=known,
        supply_apr=apr_of_apy(apy),
        borrow_apr=unsaid(len(known)),
        utilisation=unsaid(len(known)),
        available=unsaid(len(known)),
        posted=series.protocol in POSTED,
        findings=said.findings,
    )
    name = series.symbol if series.chain_id == HOME else f"{series.symbol}@{series.chain_id}"
    name += ":6h" if said.step_seconds == SIX_HOURS else ""
    asset = Asset(int(series.chain_id), series.contract.lower(), series.symbol, DECIMALS.get(series.symbol, 18))
    return Found(name, asset, record, (path,))

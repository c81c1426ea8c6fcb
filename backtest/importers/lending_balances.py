"""Amounts supplied to and borrowed from lending markets, daily, in token units, without rates: Compound V2 a file a token, Aave
V2 one file of all. Refuses to become a tape: nothing in it says what a market pays."""

from collections import defaultdict
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record, unsaid
from backtest.importers.lending import Found, named_address
from backtest.importers.source_tables import floats, header_of, seconds_of, text_columns
from strategies.domain import Asset
from strategies.tape import Bools, Ints
from strategies.units import SECONDS_PER_DAY

COMPOUND: Final = ("ctoken_symbol", "date", "total_supply", "total_borrow")
AAVE: Final = ("symbol", "day", "deposit", "borrow")


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder, COMPOUND) or _files(folder, AAVE))


def read(folder: Path) -> tuple[Found, ...]:
    """Every token's amounts, oldest first; rates are unsaid throughout. Raises BadTape."""
    made = []
    for protocol, columns in (("compound-v2", COMPOUND), ("aave-v2", AAVE)):
        for path in _files(folder, columns):
            made += _tokens(path, protocol, columns)
    return tuple(made)


def _files(folder: Path, columns: tuple[str, ...]) -> list[Path]:
    return [path for path in sorted(folder.glob("*.csv*")) if set(columns) <= set(header_of(path))]


def _tokens(path: Path, protocol: str, columns: tuple[str, ...]) -> list[Found]:
    named, day, supplied, borrowed = columns
    table = text_columns(path, columns)
    timestamp = seconds_of(path, day, table[day])
    supply, borrow = floats(path, supplied, table[supplied]), floats(path, borrowed, table[borrowed])
    rows: dict[str, list[int]] = defaultdict(list)
    for row, symbol in enumerate(table[named]):
        rows[symbol].append(row)
    found = []
    for symbol, where in rows.items():
        at = np.array(where)[np.argsort(timestamp[where], kind="stable")]
        market = f"{protocol}:{symbol}"
        findings = (
            *_found(market, np.isnan(supply[at]), timestamp[at], Mark.NOT_A_NUMBER, "no amount: left unsaid"),
            *_found(market, supply[at] == 0, timestamp[at], Mark.ZERO_FOR_MISSING, "nothing supplied at all: left unsaid"),
        )
        if len(where) > 1 and np.all(np.diff(timestamp[where]) < 0):
            backwards = "the file runs from its last day to its first: read from its end"
            findings = (
                *findings,
                Finding(mark=Mark.DISORDER, subject=market, count=len(at), first=int(timestamp[at[0]]), treatment=backwards),
            )
        held = np.where(supply[at] > 0, supply[at], np.nan)
        record = Record(
            market=market,
            source=path.name,
            step_seconds=SECONDS_PER_DAY,
            timestamp=timestamp[at] + SECONDS_PER_DAY,  # a day's amount is known when the day is over
            supply_apr=unsaid(len(at)),
            borrow_apr=unsaid(len(at)),
            utilisation=borrow[at] / held,
            available=np.maximum(held - borrow[at], 0),
            findings=findings,
        )
        found.append(Found(symbol, Asset(1, named_address(symbol), symbol, 18), record, (path,)))
    return found


def _found(market: str, rows: Bools, at: Ints, mark: Mark, treatment: str) -> tuple[Finding, ...]:
    where = tuple(np.flatnonzero(rows).tolist())
    if not where:
        return ()
    return (Finding(mark=mark, subject=market, count=len(where), first=int(at[where[0]]), treatment=treatment, rows=where),)

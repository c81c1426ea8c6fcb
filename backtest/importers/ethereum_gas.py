"""Daily gas and ether prices of Ethereum, from Etherscan's chart exports, as known at each row. Refuses a file with a missing
day, and a row whose last complete day the file does not have.

A day's average is known when the day is over: a row is given the last complete day's. It hides the spikes within a day."""

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import numpy as np

from backtest.numerals import day
from strategies.errors import BadTape
from strategies.tape import Ints
from strategies.units import SECONDS_PER_DAY, USD_E8

FILES: Final = ("export-AvgGasPrice.csv.gz", "export-AvgGasPrice.csv")
TIME: Final = "UnixTimeStamp"
PRICE: Final = "Value (Wei)"
ETHER_FILES: Final = ("export-EtherPrice.csv.gz", "export-EtherPrice.csv")
ETHER_PRICE: Final = "Value"


@dataclass(frozen=True, slots=True)
class DailyGas:
    """Average gas price of each day, without a gap, from `first_day` on (days since 1970)."""

    source: str
    first_day: int
    average_wei: Ints

    def known_at(self, timestamp: Ints) -> Ints:
        """The average of the last day that was over at each time. Raises BadTape."""
        return _known(self.source, self.first_day, self.average_wei, timestamp)


@dataclass(frozen=True, slots=True)
class DailyEther:
    """Ether's price of each day, without a gap, from `first_day` on (days since 1970); 0 where it had none."""

    source: str
    first_day: int
    usd_e8: Ints

    def known_at(self, timestamp: Ints) -> Ints:
        """The price of the last day that was over at each time. Raises BadTape."""
        return _known(self.source, self.first_day, self.usd_e8, timestamp)


def read_daily_gas(folder: Path) -> DailyGas:
    """The gas export found in a folder. Raises BadTape."""
    name, first_day, values = _read(folder, FILES, PRICE, "gas prices")
    return DailyGas(name, first_day, np.array([int(value) for value in values], dtype=np.int64))


def read_daily_ether(folder: Path) -> DailyEther:
    """The ether price export found in a folder, in dollars. Raises BadTape."""
    name, first_day, values = _read(folder, ETHER_FILES, ETHER_PRICE, "ether prices")
    return DailyEther(name, first_day, np.array([int(value * USD_E8) for value in values], dtype=np.int64))


def _known(source: str, first_day: int, values: Ints, timestamp: Ints) -> Ints:
    at = timestamp // SECONDS_PER_DAY - 1 - first_day
    if at.min() < 0 or at.max() >= len(values):
        first, last = (day(at * SECONDS_PER_DAY) for at in (first_day, first_day + len(values) - 1))
        raise BadTape(f"{source} does not cover the window: it has {first} to {last}, and a row needs the day before it")
    known: Ints = values[at]
    return known


def _read(folder: Path, names: Sequence[str], column: str, what: str) -> tuple[str, int, list[Decimal]]:
    path = next((folder / name for name in names if (folder / name).exists()), None)
    if path is None:
        raise BadTape(f"{folder.name} holds no {what}: expected {names[0]}")
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    try:
        rows = [(int(row[TIME]), Decimal(row[column])) for row in csv.DictReader(text.splitlines())]
    except (KeyError, ValueError, InvalidOperation) as error:
        raise BadTape(f"{path.name} is no daily export of {what}: {error!r}") from error
    days = np.array([time // SECONDS_PER_DAY for time, _ in rows], dtype=np.int64)
    if not len(days) or np.any(np.diff(days) != 1):
        raise BadTape(f"{path.name} misses or repeats a day")
    if not all(value.is_finite() and value >= 0 for _, value in rows):
        raise BadTape(f"{path.name} holds {what} that are below zero or no numbers")
    return path.name, int(days[0]), [value for _, value in rows]

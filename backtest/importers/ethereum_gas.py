"""Daily average gas prices of Ethereum, from Etherscan's chart export, as a base fee a row. Refuses a file with a missing day,
and a row whose last complete day the file does not have.

A day's average is known when the day is over: a row is given the last complete day's. It hides the spikes within a day."""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from backtest.numerals import day
from strategies.errors import BadTape
from strategies.tape import Ints
from strategies.units import SECONDS_PER_DAY

FILES: Final = ("export-AvgGasPrice.csv.gz", "export-AvgGasPrice.csv")
TIME: Final = "UnixTimeStamp"
PRICE: Final = "Value (Wei)"


@dataclass(frozen=True, slots=True)
class DailyGas:
    """Average gas price of each day, without a gap, from `first_day` on (days since 1970)."""

    source: str
    first_day: int
    average_wei: Ints

    def known_at(self, timestamp: Ints) -> Ints:
        """The average of the last day that was over at each time. Raises BadTape."""
        at = timestamp // SECONDS_PER_DAY - 1 - self.first_day
        if at.min() < 0 or at.max() >= len(self.average_wei):
            first, last = (day(at * SECONDS_PER_DAY) for at in (self.first_day, self.first_day + len(self.average_wei) - 1))
            raise BadTape(f"{self.source} does not cover the window: it has {first} to {last}, and a row needs the day before it")
        known: Ints = self.average_wei[at]
        return known


def read_daily_gas(folder: Path) -> DailyGas:
    """The export found in a folder. Raises BadTape."""
    path = next((folder / name for name in FILES if (folder / name).exists()), None)
    if path is None:
        raise BadTape(f"{folder.name} holds no gas prices: expected {FILES[0]}")
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    try:
        rows = [(int(row[TIME]), int(row[PRICE])) for row in csv.DictReader(text.splitlines())]
    except (KeyError, ValueError) as error:
        raise BadTape(f"{path.name} is no daily gas export: {error!r}") from error
    days = np.array([time // SECONDS_PER_DAY for time, _ in rows], dtype=np.int64)
    if not len(days) or np.any(np.diff(days) != 1):
        raise BadTape(f"{path.name} misses or repeats a day")
    return DailyGas(path.name, int(days[0]), np.array([price for _, price in rows], dtype=np.int64))

"""Ethereum's base fee and priority fees once an hour, from comma-separated text in gwei. Refuses fees of nothing and fees that no
block had.

Each hour is one block, so its fees are a sample and no average. A value is known at the later of its label and its block's time:
some blocks were mined after the hour they are filed under."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.marks import Mark
from backtest.importers.series import GWEI_UNIT, Raw, Series, found, series_of
from backtest.importers.source_tables import floats, header_of, seconds_of, text_columns, wholes
from strategies.errors import BadTape
from strategies.tape import Ints

BASE: Final = "base_fee_gwei"
PRIORITIES: Final = ("priority_fee_p25_gwei", "priority_fee_p50_gwei", "priority_fee_p75_gwei")
COLUMNS: Final = ("timestamp", "block_timestamp", BASE, *PRIORITIES)
HOUR: Final = 3_600
MOST_GWEI: Final = 100_000.0
LEAST_BASE_GWEI: Final = 1e-9  # one wei
NOTE: Final = "Each hour is a single block: a spike between two of them is not seen, and one block may be unusual."


@dataclass(frozen=True, slots=True, eq=False)
class Fees:
    """What a transaction paid a unit of gas, in gwei."""

    base: Series
    priority: tuple[Series, Series, Series]  # quartiles of the block's transactions


def recognises(folder: Path) -> bool:
    """Whether a folder holds such a file."""
    return bool(_files(folder))


def read(folder: Path) -> Fees:
    """The fees of the one such file in a folder. Raises BadTape."""
    files = _files(folder)
    if len(files) != 1:
        raise BadTape(
            f"{folder.name} holds {len(files)} files of hourly fees with the columns {', '.join(COLUMNS)}: expected one"
        )
    path = files[0]
    table = text_columns(path, COLUMNS)
    label = seconds_of(path, "timestamp", table["timestamp"])
    known = np.maximum(label, wholes(path, "block_timestamp", table["block_timestamp"]))
    base, low, middle, high = (_series(path, name, table[name], label, known) for name in (BASE, *PRIORITIES))
    return Fees(base, (low, middle, high))


def read_all(folder: Path) -> tuple[Series, ...]:
    """The base fee and the three priority fees. Raises BadTape."""
    fees = read(folder)
    return (fees.base, *fees.priority)


def _files(folder: Path) -> list[Path]:
    paths = sorted(path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern))
    return [path for path in paths if set(COLUMNS) <= set(header_of(path))]


def _series(path: Path, name: str, texts: list[str], label: Ints, known: Ints) -> Series:
    raw = Raw(
        name=name,
        unit=GWEI_UNIT,
        timestamp=known,
        value=floats(path, name, texts),
        least=LEAST_BASE_GWEI if name == BASE else 0.0,
        most=MOST_GWEI,
        step_seconds=HOUR,
    )
    late = found(
        Mark.DISORDER, name, known > label, label, ("known from its block's time on", "the block is later than the hour")
    )
    return series_of(raw, findings=late, notes=(NOTE,))

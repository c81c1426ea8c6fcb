"""Funding rates of perpetual futures every eight hours, one comma-separated file a venue and pair: what longs pay shorts, as a
fraction of the position for the period. Refuses two rates of one time that differ, and rates that no venue allows."""

from pathlib import Path
from typing import Final

import numpy as np

from backtest.importers.series import Raw, Series, series_of
from backtest.importers.source_tables import floats, header_of, seconds_of, text_columns
from strategies.errors import BadTape

COLUMNS: Final = ("funding_timestamp", "funding_rate", "symbol", "source")
PERIOD_SECONDS: Final = 8 * 3_600
UNIT: Final = "fraction for 8 h"
MOST: Final = 0.03  # venues cap a period at 0.3 to 3 %: above it a file is in percent
USUAL: Final = 0.005  # a median above this is in percent


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder))


def read_all(folder: Path) -> tuple[Series, ...]:
    """Every file of a folder. Raises BadTape."""
    return tuple(read(path) for path in _files(folder))


def read(path: Path) -> Series:
    """One venue's rates of one pair; each is settled, and known, at its time. Raises BadTape."""
    table = text_columns(path, COLUMNS)
    pairs = sorted({f"{source} {symbol}" for source, symbol in zip(table["source"], table["symbol"], strict=True)})
    if len(pairs) != 1:
        raise BadTape(f"{path.name} holds {len(pairs)} pairs ({', '.join(pairs)}): expected one")
    value = floats(path, "funding_rate", table["funding_rate"])
    median = float(np.nanmedian(np.abs(value))) if not np.isnan(value).all() else 0.0
    if median > USUAL:
        raise BadTape(f"{path.name}: half of its rates are above {median:.3%} for 8 h; is it in percent?")
    raw = Raw(
        name=pairs[0],
        unit=UNIT,
        timestamp=seconds_of(path, "funding_timestamp", table["funding_timestamp"]),
        value=value,
        least=-MOST,
        most=MOST,
        step_seconds=PERIOD_SECONDS,
    )
    return series_of(raw)


def _files(folder: Path) -> list[Path]:
    paths = sorted(path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern))
    return [path for path in paths if set(COLUMNS) <= set(header_of(path))]

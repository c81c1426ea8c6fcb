"""Daily yields of one staking token as DefiLlama's chart exports them, in percent, one comma-separated file a token. Refuses days
of zero, which are days without a figure, and files in fractions.

A day's figure is the last of the day, so it is known when the day is over. It is a yield with compounding that the site computed
from what the protocol announced, not what a holder realised."""

from pathlib import Path
from typing import Final

import numpy as np

from backtest.importers.series import Raw, Series, series_of
from backtest.importers.source_tables import floats, header_of, text_columns, wholes
from strategies.errors import BadTape
from strategies.units import SECONDS_PER_DAY

COLUMNS: Final = ("Timestamp", "Base", "Reward")
UNIT: Final = "fraction a year, compounded"
LEAST: Final = 1e-6
MOST: Final = 10.0  # 1,000 % a year
LEAST_MEDIAN_PERCENT: Final = 0.05
NOTE: Final = "The site's own yield at its snapshot, not what a holder realised."


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(_files(folder))


def read_all(folder: Path) -> tuple[Series, ...]:
    """Every file of a folder. Raises BadTape."""
    return tuple(read(path) for path in _files(folder))


def read(path: Path) -> Series:
    """A token's yield, base and reward together, each day known when it is over. Raises BadTape."""
    table = text_columns(path, COLUMNS)
    base = floats(path, "Base", table["Base"])
    reward = np.nan_to_num(floats(path, "Reward", table["Reward"]))  # an empty reward is none
    percent = np.where(base == 0, 0.0, base + reward)
    median = float(np.nanmedian(percent)) if not np.isnan(percent).all() else LEAST_MEDIAN_PERCENT
    if median < LEAST_MEDIAN_PERCENT:
        raise BadTape(f"{path.name}: half of its yields, read as percent, are below {median:g} %; is it in fractions?")
    raw = Raw(
        name=path.name,
        unit=UNIT,
        timestamp=wholes(path, "Timestamp", table["Timestamp"]) + SECONDS_PER_DAY,
        value=percent / 100,
        least=LEAST,
        most=MOST,
        step_seconds=SECONDS_PER_DAY,
    )
    return series_of(raw, notes=(NOTE,))


def _files(folder: Path) -> list[Path]:
    paths = sorted(path for pattern in ("*.csv", "*.csv.gz") for path in folder.glob(pattern))
    return [path for path in paths if set(COLUMNS) <= set(header_of(path))]

"""Hourly candles of one pair from an exchange or a pool, Parquet or comma-separated text, as the series of closing prices.
Refuses candles whose close lies outside their own low and high, and candles of one hour that contradict each other.

A candle is labelled by the hour it opens; its close is known an hour later, and that is the time a row has here."""

import re
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.importers.series import Raw, Series, found, series_of
from backtest.importers.source_tables import floats, header_of, parquet_columns, parquet_names, seconds_of, text_columns, wholes
from strategies.errors import BadTape
from strategies.tape import Bools, Floats, Ints

PRICES: Final = ("open", "high", "low", "close", "volume")
LABELS: Final = ("timestamp", "Date")
HOUR: Final = 3_600
QUOTES: Final = ("USDT", "USDC", "USD", "EUR", "BTC", "ETH")
LEAST: Final = 1e-9
MOST: Final = 1e9


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return bool(files_in(folder))


def files_in(folder: Path) -> tuple[Path, ...]:
    """The files of candles, by name."""
    paths = sorted(path for pattern in ("*.parquet", "*.csv", "*.csv.gz") for path in folder.glob(pattern))
    return tuple(path for path in paths if _holds_candles(path))


def read_all(folder: Path) -> tuple[Series, ...]:
    """Every file of a folder, in what its name says the pair is quoted in. Raises BadTape."""
    return tuple(read(path, quoted_in=_quote(path)) for path in files_in(folder))


def read(path: Path, *, quoted_in: str) -> Series:
    """Closing prices of one file in what the pair is quoted in, each known when its hour is over. Raises BadTape."""
    if not _holds_candles(path):
        raise BadTape(f"{path.name} holds no candles: expected {', '.join(PRICES)} and one of {', '.join(LABELS)}")
    label = next(name for name in LABELS if name in _names(path))
    opened, table = _table(path, label)
    known = opened + HOUR
    low, high, close = (table[name] for name in ("low", "high", "close"))
    torn = ~np.isnan(close) & ~((low <= close) & (close <= high) & (low <= table["open"]) & (table["open"] <= high))
    raw = Raw(
        name=path.name,
        unit=quoted_in,
        timestamp=known,
        value=close,
        refused=torn,
        least=LEAST,
        most=MOST,
        step_seconds=HOUR,
    )
    return series_of(raw, findings=_findings(path, known, torn, table["volume"]))


def _holds_candles(path: Path) -> bool:
    return set(PRICES) <= set(_names(path)) and any(label in _names(path) for label in LABELS)


def _quote(path: Path) -> str:
    """The coin that a pair in a file's name ends in: ETHUSDT is quoted in USDT."""
    ends = (coin for word in re.split(r"[^A-Za-z]+", path.name) for coin in QUOTES if word.endswith(coin) and word != coin)
    return next(ends, "unknown")


def _findings(path: Path, known: Ints, torn: Bools, volume: Floats) -> tuple[Finding, ...]:
    return (
        *found(Mark.SPIKE, path.name, torn, known, ("refused", "it opens or closes outside its own low and high")),
        *found(Mark.CARRIED, path.name, volume == 0, known, ("kept", "nothing was traded: the price is the one before")),
    )


def _names(path: Path) -> tuple[str, ...]:
    return parquet_names(path) if path.suffix == ".parquet" else header_of(path)


def _table(path: Path, label: str) -> tuple[Ints, dict[str, Floats]]:
    """When each candle opened, and its figures."""
    if path.suffix == ".parquet":
        columns = parquet_columns(path, (*PRICES, label))
        return wholes(path, label, columns[label]), {name: floats(path, name, columns[name]) for name in PRICES}
    texts = text_columns(path, (*PRICES, label))
    whole = all(text.isdigit() for text in texts[label])
    opened = wholes(path, label, texts[label]) if whole else seconds_of(path, label, texts[label])
    return opened, {name: floats(path, name, texts[name]) for name in PRICES}

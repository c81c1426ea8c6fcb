"""Hourly coin prices from comma-separated text, one file a coin: CoinGecko's in milliseconds, Chainlink's in seconds. Refuses
times in the other unit, prices of nothing, and hours in which all dollars move together, which no market does.

A coin of the ether family whose file says "USD" and means ether is given the unit ETH. In an hour in which at least four dollars
speak and three quarters of them stand more than 1 % off their own last day, on the same side, the source is at fault and those
have no price. A dollar that moves otherwise, alone or thrice as far as the others is a depeg and stays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.importers.series import USD, Raw, Series, found, series_of
from backtest.importers.source_tables import MILLISECONDS, floats, header_of, text_columns, wholes
from strategies.errors import BadTape
from strategies.tape import Bools, Floats, Ints

COLUMNS: Final = ("symbol", "timestamp", "USD_price")
HOUR: Final = 3_600
ETHER: Final = "ETH"
DOLLARS: Final = ("BUSD", "DAI", "FEI", "FRAX", "GUSD", "LUSD", "TUSD", "USDC", "USDT", "UST", "sUSD")
MOST_USD: Final = 10_000_000.0
MOST_ETHER_RATIO: Final = 20.0  # ether has cost more dollars than this since 2017
GLITCH: Final = 0.01
LEAST_DOLLARS: Final = 4
TOGETHER: Final = 0.75
STILL: Final = 0.5  # a glitch goes on while half of them stand off to the same side
OWN: Final = 3.0  # who stands off thrice as far as the middle moves on its own
HOURS_BEFORE: Final = 24
LIVE_SECONDS: Final = 3 * HOUR


@dataclass(frozen=True, slots=True)
class Glitch:
    """An hour in which the dollars stand off together."""

    hour: int  # since 1970
    side: int  # 1: above their last day, -1: below
    middle: float  # how far, in the middle of those on that side


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """A file's rows and the unit their times are in."""

    timestamp: Ints
    value: Floats
    findings: tuple[Finding, ...]


def symbols_in(folder: Path) -> tuple[str, ...]:
    """The names that `read` takes: what comes before `_usd` in a file's name."""
    names = {path.name.split("_usd.csv")[0] for path in folder.glob("*_usd.csv*")}
    return tuple(sorted(names))


def recognises(folder: Path) -> bool:
    """Whether a folder holds such files."""
    return any(set(COLUMNS) <= set(header_of(path)) for path in folder.glob("*_usd.csv*"))


def read(folder: Path, symbol: str) -> Series:
    """A coin's price in USD (or in ETH where that is what the file holds), as it became known. Raises BadTape."""
    prices = _alone(folder, symbol)
    if symbol not in DOLLARS:
        return prices
    known = symbols_in(folder)
    others = tuple(prices if name == symbol else _alone(folder, name) for name in DOLLARS if name in known)
    return _without(prices, glitches(others))


def read_all(folder: Path) -> tuple[Series, ...]:
    """Every coin of a folder. Raises BadTape."""
    every = tuple(_alone(folder, symbol) for symbol in symbols_in(folder))
    hours = glitches([prices for prices in every if prices.name in DOLLARS])
    return tuple(_without(prices, hours) if prices.name in DOLLARS else prices for prices in every)


def _without(prices: Series, hours: Sequence[Glitch]) -> Series:
    faulty = together(prices, hours)
    says = ("refused", "all dollars moved together within the hour: a fault of the source, no depeg")
    findings = (*prices.findings, *found(Mark.SOURCES_APART, prices.name, faulty, prices.timestamp, says))
    return replace(prices, timestamp=prices.timestamp[~faulty], value=prices.value[~faulty], findings=findings)


def glitches(dollars: Sequence[Series]) -> tuple[Glitch, ...]:
    """The hours in which the dollars stand off their own day together. Compares what was said within one hour."""
    if len(dollars) < LEAST_DOLLARS:
        return ()
    first = min(int(prices.timestamp[0]) for prices in dollars) // HOUR
    count = max(int(prices.timestamp[-1]) for prices in dollars) // HOUR - first + 1
    off = np.stack([_farthest(prices, first, count) for prices in dollars], axis=1)
    said = (~np.isnan(off)).sum(axis=1)
    made, lasting = list[Glitch](), 0
    for hour in np.flatnonzero((said >= LEAST_DOLLARS) & (np.abs(off) > GLITCH).any(axis=1)).tolist():
        goes_on = lasting if made and made[-1].hour == first + hour - 1 else 0
        glitch = _glitch(first + hour, off[hour], int(said[hour]), goes_on)
        lasting = 0 if glitch is None else glitch.side
        made.extend(() if glitch is None else (glitch,))
    return tuple(made)


def together(prices: Series, hours: Sequence[Glitch]) -> Bools:
    """The rows that stand off in a glitch as the others do: on their side, and not thrice as far."""
    faulty = np.zeros(len(prices.timestamp), dtype=np.bool_)
    if not hours:
        return faulty
    first = int(prices.timestamp[0]) // HOUR
    hour = prices.timestamp // HOUR
    off = prices.value / _usual(prices, first, int(hour[-1]) - first + 1)[hour - first] - 1
    for glitch in hours:
        rows = slice(*np.searchsorted(hour, [glitch.hour, glitch.hour + 1]).tolist())
        sided = off[rows] * glitch.side
        faulty[rows] = (sided > GLITCH) & (sided <= OWN * glitch.middle)
    return faulty


def _glitch(hour: int, off: Floats, said: int, lasting: int) -> Glitch | None:
    """The glitch of an hour: three quarters of what was said, or half of it where one goes on to that side."""
    for side in (1, -1):
        with_it = off[off * side > GLITCH]
        if len(with_it) >= (STILL if side == lasting else TOGETHER) * said:
            return Glitch(hour, side, float(np.median(np.abs(with_it))))
    return None


def _usual(prices: Series, first: int, count: int) -> Floats:
    """By hour: the median of the 24 hours before it; NaN where less than half of them is known."""
    grid = (first + np.arange(count, dtype=np.int64)) * HOUR
    before = np.concatenate((np.full(HOURS_BEFORE, np.nan), prices.known_at(grid, within_seconds=LIVE_SECONDS)))
    windows = np.lib.stride_tricks.sliding_window_view(before, HOURS_BEFORE)[:count]
    usual = np.full(count, np.nan)
    full = (~np.isnan(windows)).sum(axis=1) * 2 >= HOURS_BEFORE
    usual[full] = np.nanmedian(windows[full], axis=1)
    return usual


def _farthest(prices: Series, first: int, count: int) -> Floats:
    """By hour: how far the farthest price of the hour stands off its usual one; NaN in hours without one."""
    hour = prices.timestamp // HOUR - first
    off = prices.value / _usual(prices, first, count)[hour] - 1
    known = np.flatnonzero(~np.isnan(off))
    by_distance = known[np.argsort(np.abs(off[known]), kind="stable")]
    farthest = np.full(count, np.nan)
    farthest[hour[by_distance]] = off[by_distance]  # of several in one hour the last, farthest one stays
    return farthest


def _alone(folder: Path, symbol: str) -> Series:
    path = next((folder / name for name in (f"{symbol}_usd.csv.gz", f"{symbol}_usd.csv") if (folder / name).exists()), None)
    if path is None:
        raise BadTape(f"{folder.name} holds no prices of {symbol}; known: {', '.join(symbols_in(folder)) or 'none'}")
    said = _said(path)
    in_ether = symbol.endswith(ETHER) and float(np.nanmedian(said.value)) < MOST_ETHER_RATIO
    mark = found(
        Mark.UNIT,
        symbol,
        np.full(len(said.value), in_ether),
        said.timestamp,
        ("read as ether", "the column says USD, and no coin of the ether family costs so little"),
    )
    raw = Raw(
        name=symbol,
        unit=ETHER if in_ether else USD,
        timestamp=said.timestamp,
        value=said.value,
        least=1e-6,
        most=MOST_USD,
        step_seconds=HOUR,
    )
    return series_of(raw, findings=(*said.findings, *mark))


def _said(path: Path) -> _Said:
    """A file's rows; those whose times are in another unit than most are left out."""
    table = text_columns(path, COLUMNS)
    if len(set(table["symbol"])) != 1:
        raise BadTape(f"{path.name} holds prices of several coins: {', '.join(sorted(set(table['symbol'])))}")
    time = wholes(path, "timestamp", table["timestamp"])
    value = floats(path, "USD_price", table["USD_price"])
    milliseconds = time > MILLISECONDS * 10**8  # as seconds, the year 5138
    usual = bool(milliseconds.mean() > 0.5)
    odd: Bools = milliseconds != usual
    timestamp = np.where(milliseconds, time // MILLISECONDS, time)
    says = ("refused", f"times in {'seconds' if usual else 'milliseconds'} among {'milliseconds' if usual else 'seconds'}")
    return _Said(timestamp[~odd], value[~odd], found(Mark.UNIT, path.name, odd, timestamp, says))

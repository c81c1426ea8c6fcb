"""Resampling of a series in blocks, so that what depends on yesterday stays beside it. Refuses a series too short to resample
and draws without a seed.

Stationary and circular bootstrap: Politis and Romano (1994, 1992). Block length: Politis and White (2004), as corrected by
Patton, Politis and White (2009)."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.evidence.errors import Undefined
from strategies.tape import Floats, Ints

DRAWS: Final = 2_000
BATCH_CELLS: Final = 1_000_000  # draws × periods at a time, 8 MB each array
LEAST: Final = 10  # periods
Statistic = Callable[[Floats], Floats]  # of resampled series [draw, period], one value a draw


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a statistic lies, and how it was found: percentiles of so many resampled series."""

    low: float
    high: float
    confidence: float
    block: float  # the mean length of a block in periods
    draws: int
    seed: int


def mean_of(draws: Floats) -> Floats:
    """The mean of each resampled series."""
    found: Floats = draws.mean(axis=1)
    return found


def interval(series: Floats, *, seed: int, statistic: Statistic = mean_of, confidence: float = 0.95) -> Interval:
    """The percentile interval of a statistic under the stationary bootstrap with the automatic block length. Raises Undefined."""
    _check(series)
    length = stationary_length(series)
    random = np.random.default_rng(seed)
    values = np.concatenate([statistic(series[rows]) for rows in _stationary_batches(len(series), length, random)])
    low, high = np.quantile(values, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return Interval(float(low), float(high), confidence, length, len(values), seed)


def stationary_rows(count: int, length: float, *, draws: int, random: np.random.Generator) -> Ints:
    """Row numbers [draw, period] in blocks of geometric length that wrap from the end to the start; each block begins
    anywhere."""
    begins = random.random((draws, count)) < 1.0 / length
    begins[:, 0] = True
    at = np.arange(count)
    since = np.maximum.accumulate(np.where(begins, at, 0), axis=1)
    starts = random.integers(0, count, (draws, count))
    rows: Ints = (np.take_along_axis(starts, since, axis=1) + at - since) % count
    return rows


def circular_rows(count: int, length: int, *, draws: int, random: np.random.Generator) -> Ints:
    """Row numbers [draw, period] in blocks of one length that wrap from the end to the start; the last is cut."""
    starts = random.integers(0, count, (draws, math.ceil(count / length)))
    rows: Ints = ((starts[:, :, None] + np.arange(length)) % count).reshape(draws, -1)[:, :count]
    return rows


def stationary_length(series: Floats) -> float:
    """The mean block length for the stationary bootstrap, at least 1: (G^2 / g0^2 T)^(1/3). Raises Undefined."""
    return _length(series, 2.0)


def circular_length(series: Floats) -> int:
    """The block length for the circular bootstrap, rounded up: (3 G^2 / (2 g0^2) T)^(1/3). Raises Undefined."""
    return math.ceil(_length(series, 4.0 / 3.0))


def _length(series: Floats, divisor: float) -> float:
    """(2 G^2 / (divisor g0^2) T)^(1/3) with flat-top weights, at most 3 sqrt(T) and T / 3."""
    _check(series)
    count = len(series)
    run = max(5, math.ceil(math.sqrt(math.log10(count))))
    most = min(math.ceil(math.sqrt(count)) + run, count - 1)
    apart = series - series.mean()
    covariance = np.array([float(apart[back:] @ apart[: count - back]) / count for back in range(most + 1)])
    if not covariance[0] > 0.0:
        return 1.0
    window = min(2 * _dependence(covariance / covariance[0], run=run, count=count), most)
    lags = np.arange(1, window + 1)
    weights = np.minimum(1.0, 2.0 * (1.0 - lags / max(window, 1)))
    slope = 2.0 * float(np.sum(weights * lags * covariance[1 : window + 1]))
    power = float(covariance[0] + 2.0 * np.sum(weights * covariance[1 : window + 1]))
    longest = max(1.0, min(3.0 * math.sqrt(count), count / 3.0))
    if not power > 0.0:
        return longest
    return min(longest, max(1.0, math.cbrt(2.0 * slope**2 / (divisor * power**2) * count)))


def _dependence(correlation: Floats, *, run: int, count: int) -> int:
    """The smallest lag after which a run of correlations is insignificant; the last significant one where there is no such
    lag."""
    band = 2.0 * math.sqrt(math.log10(count) / count)
    significant = np.abs(correlation[1:]) >= band
    for lag in range(max(1, len(significant) - run + 1)):
        if not significant[lag : lag + run].any():
            return max(1, lag)
    return int(np.flatnonzero(significant)[-1]) + 1


def _stationary_batches(count: int, length: float, random: np.random.Generator) -> Iterator[Ints]:
    step = max(1, BATCH_CELLS // count)
    for at in range(0, DRAWS, step):
        yield stationary_rows(count, length, draws=min(step, DRAWS - at), random=random)


def _check(series: Floats) -> None:
    if len(series) < LEAST:
        raise Undefined("a block bootstrap", why=f"of {len(series)} periods; {LEAST} at least are needed")
    if not np.isfinite(series).all():
        raise Undefined("a block bootstrap", why=f"period {int(np.argmin(np.isfinite(series)))} is not a number")

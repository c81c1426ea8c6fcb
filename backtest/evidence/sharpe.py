"""Sharpe ratios per period, how far they can be trusted, and what the best of many is worth. Refuses moments that no sample can
have, a track of one period, and a selection among fewer than one trial.

PSR and minimum track: Bailey and Lopez de Prado (2012), "The Sharpe Ratio Efficient Frontier". DSR: the same (2014), "The
Deflated Sharpe Ratio". Minimum backtest: Bailey, Borwein, Lopez de Prado and Zhu (2014), "Pseudo-Mathematics and Financial
Charlatanism"."""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np

from backtest.evidence.errors import Undefined
from strategies.tape import Floats

NORMAL: Final = NormalDist()
EULER: Final = 0.577_215_664_901_532_86  # Euler-Mascheroni
ROUNDING: Final = 64 * float(np.finfo(np.float64).eps)  # a spread below this share of the largest value is rounding, not spread
MOST_CARRIED: Final = (
    0.97  # from one period to the next; a series that keeps more looks like a walk, of which no mean can be known
)
LEAST_CARRIED: Final = 10  # periods, before a share that is handed on can be told


@dataclass(frozen=True, slots=True)
class Moments:
    """What a sample of returns is like: deviation over n - 1; skew m3 / m2^1.5 and kurtosis m4 / m2^2 over n, 3 if normal."""

    count: int
    mean: float
    deviation: float
    skew: float
    kurtosis: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A Sharpe ratio per period, of so many periods of so shaped returns."""

    sharpe: float
    count: int
    skew: float = 0.0
    kurtosis: float = 3.0


def cumulative(z: float) -> float:
    """The standard normal distribution; good to the last digits in the lower tail too."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def quantile(probability: float) -> float:
    """Its inverse. Raises Undefined outside (0, 1)."""
    if not 0.0 < probability < 1.0:
        raise Undefined("a normal quantile", why=f"{probability} is not between 0 and 1")
    return NORMAL.inv_cdf(probability)


def is_constant(returns: Floats) -> bool:
    """Whether the returns differ by no more than rounding."""
    return bool(np.ptp(returns) <= ROUNDING * float(np.max(np.abs(returns)))) if len(returns) else True


def moments(returns: Floats) -> Moments:
    """The sample's moments. Raises Undefined for fewer than two returns, one that is not finite, or all the same."""
    if len(returns) < 2:
        raise Undefined("a Sharpe ratio", why=f"of {len(returns)} returns; two at least are needed")
    if not np.isfinite(returns).all():
        raise Undefined("a Sharpe ratio", why=f"return {int(np.argmin(np.isfinite(returns)))} is not a number")
    if is_constant(returns):
        raise Undefined("a Sharpe ratio", why="all returns are the same")
    mean = float(returns.mean())
    apart = returns - mean
    scale = float(np.max(np.abs(apart)))
    square, cube, fourth = (float(np.mean((apart / scale) ** power)) for power in (2, 3, 4))
    deviation = scale * math.sqrt(square * len(returns) / (len(returns) - 1))
    return Moments(len(returns), mean, deviation, cube / square**1.5, fourth / square**2)


def track_of(sample: Moments) -> Track:
    """The sample's Sharpe ratio per period, with what its error depends on."""
    return Track(sharpe=sample.mean / sample.deviation, count=sample.count, skew=sample.skew, kurtosis=sample.kurtosis)


def spread(track: Track) -> float:
    """1 - g3 SR + (g4 - 1) / 4 SR^2: the variance of a Sharpe ratio of one period (Mertens 2002). Raises Undefined."""
    found = 1.0 - track.skew * track.sharpe + (track.kurtosis - 1.0) / 4.0 * track.sharpe**2
    if not found > 0.0 or not math.isfinite(found):
        raise Undefined("the error of a Sharpe ratio", why=f"no sample has skew {track.skew} and kurtosis {track.kurtosis}")
    return found


def normal_error(sharpe: float, count: int) -> float:
    """The standard error for independent normal returns, sqrt((1 + SR^2 / 2) / T): Lo (2002), "The Statistics of Sharpe
    Ratios"."""
    if count < 1:
        raise Undefined("the error of a Sharpe ratio", why=f"of {count} periods")
    return math.sqrt((1.0 + sharpe**2 / 2.0) / count)


def lag_of(series: Floats) -> int:
    """How many lags a Bartlett window needs: Andrews (1991), 1.1447 (a T)^(1/3) of an AR(1), and no fewer than the rule of
    Newey and West (1994), 4 (T / 100)^(2/9). At most T / 3."""
    count, carried = len(series), _carried(series)
    plug_in = math.cbrt(4.0 * carried**2 / (1.0 - carried**2) ** 2 * count)
    wanted = max(1.1447 * plug_in, 4.0 * math.pow(count / 100.0, 2 / 9))
    return max(0, min(math.ceil(wanted), count // 3))


def windowed_variance(series: Floats, lag: int) -> float:
    """The variance of sqrt(T) × the mean: autocovariances under Bartlett weights, Newey and West (1987). Never negative."""
    apart = series - series.mean()
    found = float(apart @ apart)
    for back in range(1, lag + 1):
        found += 2.0 * (1.0 - back / (lag + 1.0)) * float(apart[back:] @ apart[:-back])
    return max(0.0, found / len(series))


def long_run_variance(series: Floats) -> float:
    """The same with what a day hands to the next taken out first and put back after, Andrews and Monahan (1992): a window alone
    is too short for a series that hands on nine tenths. The share that is handed on is freed of its bias, (1 + 3 r) / T
    (Kendall 1954); a negative one is left in."""
    apart = series - series.mean()
    carried = _carried(series)
    if carried <= 0.0 or len(series) < LEAST_CARRIED:
        return windowed_variance(series, lag_of(series))
    carried = min(MOST_CARRIED, carried + (1.0 + 3.0 * carried) / len(series))
    fresh = apart[1:] - carried * apart[:-1]
    return windowed_variance(fresh, lag_of(fresh)) / (1.0 - carried) ** 2


def _carried(series: Floats) -> float:
    """The share of one period's distance from the mean that the next keeps."""
    apart = series - series.mean()
    power = float(apart @ apart)
    found = float(apart[1:] @ apart[:-1]) / power if power > 0.0 else 0.0
    return min(MOST_CARRIED, max(-MOST_CARRIED, found))


def robust_error(returns: Floats) -> float:
    """The standard error of the Sharpe ratio per period of returns that may depend on earlier ones. Lo (2002) by the delta
    method: the long-run variance of (r - m) / s - SR / 2 ((r - m)^2 / s^2 - 1). It is no smaller than if the returns were
    independent (`spread`): a sample that seems to repair itself is given no credit. Raises Undefined."""
    sample = moments(returns)
    track = track_of(sample)
    scaled = (returns - sample.mean) / sample.deviation
    influence = scaled - track.sharpe / 2.0 * (scaled**2 - 1.0)
    dependent = long_run_variance(influence) / sample.count
    return math.sqrt(max(dependent, spread(track) / (sample.count - 1)))


def probabilistic_sharpe(track: Track, benchmark: float) -> float:
    """How likely the true ratio is above a benchmark: Phi((SR - SR*) sqrt(T - 1) / sqrt(spread)). Raises Undefined."""
    if track.count < 2:
        raise Undefined("a probabilistic Sharpe ratio", why=f"of {track.count} periods; two at least are needed")
    return cumulative((track.sharpe - benchmark) * math.sqrt(track.count - 1) / math.sqrt(spread(track)))


def expected_maximum(trials: float) -> float:
    """The expected largest of so many independent standard normals, (1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e)) with Euler's g:
    Bailey and Lopez de Prado (2014). 0 for one trial, and never below: a selection makes nothing worse. Raises Undefined below
    one."""
    if not trials >= 1.0 or not math.isfinite(trials):
        raise Undefined("an expected maximum", why=f"of {trials} trials")
    if trials == 1.0:
        return 0.0
    # Z(1 - p) is -Z(p); the left side would lose the digits of a small p.
    return max(0.0, -(1.0 - EULER) * quantile(1.0 / trials) - EULER * quantile(1.0 / (trials * math.e)))


@lru_cache(maxsize=256)
def expected_maximum_exact(trials: float) -> float:
    """The same exactly: the integral of x N phi(x) Phi(x)^(N-1), by the trapezoid rule, which has all digits for such a function.
    Raises Undefined below one trial."""
    if not trials >= 1.0 or not math.isfinite(trials):
        raise Undefined("an expected maximum", why=f"of {trials} trials")
    step = 1 / 128
    at = np.arange(-14.0, 14.0 + step, step)
    above = np.array([0.5 * math.erfc(x / math.sqrt(2.0)) for x in at])
    below = np.exp((trials - 1.0) * np.log1p(-np.minimum(above, 1.0 - 1e-16)))
    density = np.exp(-0.5 * at * at) / math.sqrt(2.0 * math.pi)
    return float(trials * step * np.sum(at * density * below))


def luck_hurdle(sharpe_variance: float, trials: float) -> float:
    """The ratio per period that the best of so many trials without skill is expected to show: sqrt(V) × the expected maximum,
    V the variance of the trials' ratios per period. Raises Undefined."""
    if not sharpe_variance >= 0.0 or not math.isfinite(sharpe_variance):
        raise Undefined("a deflated Sharpe ratio", why=f"{sharpe_variance} is no variance of the trials' ratios")
    return math.sqrt(sharpe_variance) * expected_maximum(trials)


def deflated_sharpe(track: Track, *, sharpe_variance: float, trials: float) -> float:
    """How likely the true ratio of the best of so many trials is above zero: PSR against `luck_hurdle`. Raises Undefined."""
    return probabilistic_sharpe(track, luck_hurdle(sharpe_variance, trials))


def minimum_track(track: Track, *, benchmark: float, confidence: float) -> float:
    """Periods after which this ratio is above the benchmark with so much confidence: 1 + spread (Z / (SR - SR*))^2; inf where it
    is not above it. Raises Undefined."""
    if track.sharpe <= benchmark:
        return math.inf
    return 1.0 + spread(track) * (quantile(confidence) / (track.sharpe - benchmark)) ** 2


def minimum_backtest_years(trials: float, sharpe_annual: float) -> float:
    """Years below which the best of so many trials without skill is expected to show that yearly ratio: (E[max] / SR)^2. Raises
    Undefined."""
    if not sharpe_annual > 0.0:
        raise Undefined("a minimum backtest length", why=f"a yearly Sharpe ratio of {sharpe_annual} is no result")
    return (expected_maximum(trials) / sharpe_annual) ** 2


def minimum_backtest_bound_years(trials: float, sharpe_annual: float) -> float:
    """What those years never exceed: 2 ln(N) / SR^2. Raises Undefined."""
    if not sharpe_annual > 0.0 or not trials >= 1.0:
        raise Undefined("a minimum backtest length", why=f"of {trials} trials and a yearly Sharpe ratio of {sharpe_annual}")
    return 2.0 * math.log(trials) / sharpe_annual**2

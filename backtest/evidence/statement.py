"""What a person should conclude from daily returns in excess of equal weight, given everything else that was tried. Refuses to
conclude from too few days, from a missing day and from returns that never vary: it says so, and every figure is then unknown
(NaN).

Errors are robust to autocorrelation (`sharpe.robust_error`), because a strategy that keeps the same market has the same excess
day after day: the probabilistic and deflated ratios and the minimum track are the published ones with that error in place of
the one for independent returns. `luck` is the chance that the best of so many independent trials without skill is this good, 1
- PSR^N, with the trials' own spread for the error where it is wider: choosing the best also chooses the one whose error looks
smallest."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np

from backtest.evidence.bootstrap import interval
from backtest.evidence.overfitting import overfitting
from backtest.evidence.sharpe import (
    cumulative,
    is_constant,
    long_run_variance,
    luck_hurdle,
    moments,
    quantile,
    robust_error,
    track_of,
)
from backtest.evidence.trials import Trials, effective_trials, sharpe_variance, sharpes
from strategies.tape import Floats

LEAST_DAYS: Final = 60
BLOCKS: Final = 16  # 12,870 combinations; with 8, noise alone spreads a probability of overfitting by 0.19
LEAST_BLOCK_DAYS: Final = 10
CONFIDENCE: Final = 0.95
DAYS_A_YEAR: Final = 365
RARE: Final = 0.005
COMMON: Final = 0.995


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for skill and what for luck. A figure that cannot be known is NaN."""

    trials: int  # parameter sets tried on this tape, this one included
    effective_trials: float  # what they are worth in independent ones
    observations: int  # daily returns in excess of equal weight
    sharpe: float  # of them, per day
    sharpe_error: float  # robust to autocorrelation
    probabilistic_sharpe: float  # how likely the true ratio is above zero, were this the only trial
    deflated_sharpe: float  # the same against the best that is expected of so many trials without skill
    luck: float  # how often the best of so many trials without skill is this good
    min_track_days: float  # days after which a ratio like this is above zero with 95 % confidence; inf where it is not above zero
    overfitting: float | None  # PBO over 16 blocks; None without a sweep or with fewer than 160 days
    excess_low: float  # 95 % interval of the yearly growth in excess of equal weight
    excess_high: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What choosing the best of a sweep is worth."""

    trials: int
    effective_trials: float
    best: int | None  # the column of the highest Sharpe ratio; None where none varies
    deflated_sharpe: float  # of that column; NaN where unknown
    overfitting: float | None


def evidence_of(excess_daily: Floats, *, trials: Trials, seed: int) -> Evidence:
    """The evidence for one result among all trials on its tape; a result that is not on record among them is one more."""
    everything, count = _with(trials, excess_daily)
    effective = effective_trials(everything)
    if why := _silence(excess_daily):
        return _unknown(count, effective, len(excess_daily), f"Nothing can be said about skill or luck: {why}.")
    track = track_of(moments(excess_daily))
    error = robust_error(excess_daily)
    single = cumulative(track.sharpe / error)
    variance = sharpe_variance(everything)
    hurdle = luck_hurdle(variance, effective)
    needed = len(excess_daily) * (quantile(CONFIDENCE) * error / track.sharpe) ** 2 if track.sharpe > 0.0 else math.inf
    low, high = _yearly_growth(excess_daily, seed)
    found = Evidence(
        trials=count,
        effective_trials=effective,
        observations=len(excess_daily),
        sharpe=track.sharpe,
        sharpe_error=error,
        probabilistic_sharpe=single,
        deflated_sharpe=cumulative((track.sharpe - hurdle) / error),
        luck=_luck(track.sharpe / max(error, math.sqrt(variance)), effective),
        min_track_days=needed,
        overfitting=_overfitting(everything),
        excess_low=low,
        excess_high=high,
        sentence="",
    )
    return replace(found, sentence=_sentence(found))


def selection_of(daily: Floats) -> Selection:
    """PBO, effective trials and the deflated Sharpe ratio of the best of a matrix of daily excess returns [day, trial]."""
    known = sharpes(daily) if daily.size and np.isfinite(daily).all() else np.empty(0)
    if not np.isfinite(known).any():
        return Selection(trials=daily.shape[1], effective_trials=math.nan, best=None, deflated_sharpe=math.nan, overfitting=None)
    best, effective = int(np.nanargmax(known)), effective_trials(daily)
    deflated = math.nan
    if not _silence(daily[:, best]):
        hurdle = luck_hurdle(sharpe_variance(daily), effective)
        deflated = cumulative((float(known[best]) - hurdle) / robust_error(daily[:, best]))
    return Selection(
        trials=daily.shape[1],
        effective_trials=effective,
        best=best,
        deflated_sharpe=deflated,
        overfitting=_overfitting(daily),
    )


def for_programs(evidence: Evidence) -> Mapping[str, float | int | str | None]:
    """Every figure by name, for JSON: None is unknown, or a track that no number of days makes long enough."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in asdict(evidence).items()
    }


def for_people(figure: float | None, places: int = 2) -> str:
    """A figure as it may be shown: never 0 where it is not known."""
    if figure is None or math.isnan(figure):
        return "unknown"
    return "never" if math.isinf(figure) else f"{figure:.{places}f}"


def _with(trials: Trials, excess: Floats) -> tuple[Floats, int]:
    """The trials' matrix with this result in it, and how many they are. A result over other days can only be counted."""
    if trials.count == 0:
        return excess[:, None], 1
    if len(trials.daily) != len(excess):
        return trials.daily, trials.count + 1
    if (trials.daily == excess[:, None]).all(axis=0).any():
        return trials.daily, trials.count
    whole = np.isfinite(excess).all()
    return np.column_stack((trials.daily, excess)) if whole else trials.daily, trials.count + 1


def _silence(excess: Floats) -> str:
    """Why nothing can be concluded; empty where something can."""
    if not np.isfinite(excess).all():
        return f"the return of day {int(np.argmin(np.isfinite(excess)))} is missing"
    if len(excess) < LEAST_DAYS:
        return f"{len(excess)} daily returns are too few; {LEAST_DAYS} are needed at least"
    if is_constant(excess):
        return "its daily returns in excess of equal weight never vary"
    if float(excess.min()) <= -1.0:
        return "a daily return loses everything against equal weight"
    return ""


def _unknown(count: int, effective: float, observations: int, sentence: str) -> Evidence:
    nothing = math.nan
    return Evidence(
        trials=count,
        effective_trials=effective,
        observations=observations,
        sharpe=nothing,
        sharpe_error=nothing,
        probabilistic_sharpe=nothing,
        deflated_sharpe=nothing,
        luck=nothing,
        min_track_days=nothing,
        overfitting=None,
        excess_low=nothing,
        excess_high=nothing,
        sentence=sentence,
    )


def _luck(z: float, trials: float) -> float:
    """1 - Phi(z)^N without losing the digits of a small chance."""
    above = cumulative(-z)
    return -math.expm1(trials * math.log1p(-above)) if above < 1.0 else 1.0


def _overfitting(daily: Floats) -> float | None:
    if daily.ndim != 2 or daily.shape[1] < 2 or len(daily) < BLOCKS * LEAST_BLOCK_DAYS or not np.isfinite(daily).all():
        return None
    return overfitting(daily, BLOCKS).probability


def _yearly_growth(excess: Floats, seed: int) -> tuple[float, float]:
    """The bootstrap's interval, stretched about the mean where blocks are too short for how long an excess lasts: to no less than
    the robust error of the mean."""
    logs = np.log1p(excess)
    found, mean = interval(logs, seed=seed, confidence=CONFIDENCE), float(logs.mean())
    least = quantile((1.0 + CONFIDENCE) / 2.0) * math.sqrt(long_run_variance(logs) / len(logs))
    width = found.high - found.low
    stretch = max(1.0, 2.0 * least / width) if width > 0.0 else 1.0
    low, high = (float(np.expm1(DAYS_A_YEAR * (mean + stretch * (end - mean)))) for end in (found.low, found.high))
    return low, high


def _sentence(found: Evidence) -> str:
    """What a person should conclude, in whole sentences."""
    said = [_about_luck(found)]
    if found.overfitting is not None:
        said.append(
            f"What was best in one half of history was below the middle in the other half in {_of_100(found.overfitting)} splits."
        )
    said.append(
        f"Growth in excess of equal weight lies between {found.excess_low:.2%} and {found.excess_high:.2%} a year "
        f"({CONFIDENCE:.0%} interval)."
    )
    likely = found.luck <= 1.0 - CONFIDENCE and found.excess_low > 0.0 and (found.overfitting is None or found.overfitting < 0.5)
    if likely:
        said.append("That speaks for skill on this tape, and says nothing of another.")
    elif found.observations < found.min_track_days < math.inf:
        said.append(
            f"That is no evidence of skill: even as the only trial, it would need {math.ceil(found.min_track_days)} days."
        )
    else:
        said.append("That is no evidence of skill.")
    return " ".join(said)


def _about_luck(found: Evidence) -> str:
    if found.sharpe <= 0.0:
        return f"Over {found.observations} days it earned no more than equal weight (trials on this tape: {found.trials})."
    cases = f"a result this good comes by luck alone in {_of_100(found.luck)} cases."
    if found.trials == 1:
        return f"As the only trial on this tape, {cases}"
    return f"With {found.trials} trials (worth {found.effective_trials:.0f} independent ones), {cases}"


def _of_100(share: float) -> str:
    if share < RARE:
        return "fewer than 1 in 200"
    if share > COMMON:
        return "nearly all"
    return f"{share * 100:.0f} of 100"

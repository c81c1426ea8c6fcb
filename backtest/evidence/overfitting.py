"""How often the best of many in one half of history is below the middle in the other half: the probability of backtest
overfitting by combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu 2017). Refuses one trial, an
odd number of blocks, more combinations than it would finish, and values that are not numbers.

Ties: a column that equals the chosen one out of sample counts as beaten by half, so identical columns lie in the middle; a
logit of exactly zero counts as overfit, as in the paper. A column that does not vary in a half has the ratio 0 there: nothing
was measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np

from backtest.evidence.errors import Undefined
from backtest.evidence.sharpe import ROUNDING
from strategies.tape import Floats, Ints

MOST_BLOCKS: Final = 20  # 184,756 combinations
BATCH_CELLS: Final = 2_000_000  # combinations × columns at a time, 16 MB each array


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What cross-validation found over all combinations."""

    combinations: int
    probability: float  # PBO: the share of combinations whose chosen column is at or below the middle out of sample
    even: int  # combinations whose chosen column is exactly in the middle: they count as overfit
    median_logit: float  # of the chosen column's relative rank out of sample; positive is good
    slope: float  # performance degradation: Sharpe out of sample on Sharpe in sample, least squares; 0.0 where all are equal
    loss_share: float  # of combinations whose chosen column lost out of sample


def overfitting(returns: Floats, blocks: int) -> Overfitting:
    """CSCV of a matrix [period, trial] over an even number of blocks, as equal as can be, the earlier ones longer by one. Raises
    Undefined."""
    _check(returns, blocks)
    sums, squares, sizes, mean = _block_sums(returns, blocks)
    floor = (ROUNDING * np.max(np.abs(returns), axis=0)) ** 2
    found = [_judged(chosen, sums, squares, sizes, mean=mean, floor=floor) for chosen in _batches(blocks, returns.shape[1])]
    logits, inside, outside = (np.concatenate([one[at] for one in found]) for at in range(3))
    apart = inside - inside.mean()
    power = float(apart @ apart)
    return Overfitting(
        combinations=len(logits),
        probability=float(np.mean(logits <= 0.0)),
        even=int(np.sum(logits == 0.0)),
        median_logit=float(np.median(logits)),
        slope=float(apart @ outside) / power if power > 0.0 else 0.0,
        loss_share=float(np.mean(outside < 0.0)),
    )


def _check(returns: Floats, blocks: int) -> None:
    what = "a probability of overfitting"
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise Undefined(what, why="a choice needs two trials at least")
    if blocks < 2 or blocks % 2 or blocks > MOST_BLOCKS:
        raise Undefined(what, why=f"{blocks} blocks; an even number from 2 to {MOST_BLOCKS} is needed")
    if len(returns) < 2 * blocks:
        raise Undefined(what, why=f"{len(returns)} periods; {blocks} blocks need two each")
    if not np.isfinite(returns).all():
        row, column = np.argwhere(~np.isfinite(returns))[0]
        raise Undefined(what, why=f"trial {column} has no number in period {row}")


def _block_sums(returns: Floats, blocks: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Sums and squares [block, trial] about each trial's mean, which keeps their digits; the blocks' lengths; the means."""
    mean = returns.mean(axis=0)
    apart = returns - mean
    sizes = np.array([len(returns) // blocks + (at < len(returns) % blocks) for at in range(blocks)])
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    return np.add.reduceat(apart, starts), np.add.reduceat(apart * apart, starts), sizes.astype(np.float64), mean


@lru_cache(maxsize=4)
def _choices(blocks: int) -> Floats:
    """Every way to take half of the blocks, as rows of zeros and ones."""
    taken: Ints = np.array(list(combinations(range(blocks), blocks // 2)))
    rows = np.zeros((math.comb(blocks, blocks // 2), blocks))
    np.put_along_axis(rows, taken, 1.0, axis=1)
    return rows


def _batches(blocks: int, columns: int) -> Iterator[Floats]:
    choices = _choices(blocks)
    step = max(1, BATCH_CELLS // columns)
    return (choices[at : at + step] for at in range(0, len(choices), step))


def _judged(
    chosen: Floats, sums: Floats, squares: Floats, sizes: Floats, *, mean: Floats, floor: Floats
) -> tuple[Floats, Floats, Floats]:
    """Of each combination: the logit of the chosen column's rank out of sample, and its ratio in and out of sample."""
    inside, outside = (_ratios(taken, sums, squares, sizes, mean=mean, floor=floor) for taken in (chosen, 1.0 - chosen))
    best = np.argmax(inside, axis=1)[:, None]
    theirs = np.take_along_axis(outside, best, axis=1)
    rank = (outside < theirs).sum(axis=1) + 0.5 * ((outside == theirs).sum(axis=1) - 1) + 1.0
    logits: Floats = np.log(rank / (outside.shape[1] + 1.0 - rank))
    return logits, np.take_along_axis(inside, best, axis=1)[:, 0], theirs[:, 0]


def _ratios(taken: Floats, sums: Floats, squares: Floats, sizes: Floats, *, mean: Floats, floor: Floats) -> Floats:
    """Sharpe ratios [combination, trial] of the blocks that are taken, over the population deviation."""
    count = (taken @ sizes)[:, None]
    shift = (taken @ sums) / count
    variance = (taken @ squares) / count - shift * shift
    varies = variance > floor
    found: Floats = np.divide(mean + shift, np.sqrt(np.where(varies, variance, 1.0)), out=np.zeros_like(shift), where=varies)
    return found

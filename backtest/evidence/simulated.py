"""The closed forms by brute force: a constant-product pool against a geometric Brownian price with blocks and a fee, and the
drawdown of a Brownian motion. Refuses what the closed forms refuse, and a run without a seed.

Each path is independent and gives one value, so a standard error is the paths' deviation over the square root of their number."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.evidence.errors import Undefined
from strategies.tape import Floats

SETTLING_BLOCKS: Final = 50  # before anything is counted; the start is close to the stationary law already
Waits = Callable[[np.random.Generator, int], Floats]  # time to the next block of each path, 1 on average


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over independent paths and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class PoolLoss:
    """What a pool lost to arbitrageurs net of the fees they paid, over its LVR; and the share of blocks with a trade."""

    ratio: Estimate
    trade_share: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is simulated."""

    paths: int
    steps: int
    seed: int


def even_blocks(_random: np.random.Generator, paths: int) -> Floats:
    """Blocks at even times."""
    return np.ones(paths)


def random_blocks(random: np.random.Generator, paths: int) -> Floats:
    """Blocks that come at random (Poisson)."""
    return random.standard_exponential(paths)


def pool_loss(block_volatility: float, *, fee: float, waits: Waits, effort: Effort) -> PoolLoss:
    """At every block an arbitrageur who sees the outside price trades with the pool until the last unit, fee included, gains
    nothing; fees are paid in the quote token and leave the pool. The price is a geometric Brownian motion without drift of its
    logarithm, as in arXiv 2305.14604, whose closed form is that of `trade_share_random_blocks`. Raises Undefined."""
    if not 0.0 < block_volatility < 1.0 or not 0.0 <= fee < 1.0 or effort.paths < 2 or effort.steps < 1:
        raise Undefined("a simulated pool", why=f"volatility {block_volatility} a block, a fee of {fee}, {effort}")
    random = np.random.default_rng(effort.seed)
    reach = fee + 0.5826 * block_volatility  # uniform with an atom at each side: nearly where it settles
    outside = np.zeros(effort.paths)  # log price
    pool = np.clip(random.uniform(-reach, reach, effort.paths), -fee, fee)
    gained, trades = np.zeros(effort.paths), np.zeros(effort.paths)
    for step in range(SETTLING_BLOCKS + effort.steps):
        move = random.standard_normal(effort.paths) * np.sqrt(waits(random, effort.paths))
        outside += block_volatility * move
        after = np.clip(pool, outside - fee, outside + fee)
        if step >= SETTLING_BLOCKS:
            gained += arbitrage_gain(outside, pool, after)
            trades += after != pool
        pool = after
    lvr = block_volatility**2 / 8.0 * effort.steps
    return PoolLoss(_estimate(gained / lvr), _estimate(trades / effort.steps))


def arbitrage_gain(outside: Floats, before: Floats, after: Floats) -> Floats:
    """An arbitrageur's gain from moving a constant-product pool between two log prices, over the pool's value at the outside
    price.

    Of liquidity L the pool holds L / sqrt(p) of base and L sqrt(p) of quote, together 2 L sqrt(P) at the outside price P. Base
    bought costs e^fee, and base sold brings e^-fee, of what the curve says; with both ends of the trade put in, what is gained
    is 2 sinh^2(d / 4) of the value, d the distance moved, times e^(fee / 2) for base bought and e^(-fee / 2) for base sold."""
    move = after - before
    margin = after - outside  # the fee: below the outside price where base was bought, above where it was sold
    gain: Floats = np.exp(-margin / 2.0) * 2.0 * np.sinh(move / 4.0) ** 2
    return gain


def expected_drawdown(drift: float, *, volatility: float, time: float, effort: Effort) -> Estimate:
    """The mean of the largest fall from a high of a Brownian motion. Between steps the high and the low are drawn from the law
    of the bridge between the two ends, so few steps do: only a high and a later fall within one step are missed. Raises
    Undefined."""
    if not volatility > 0.0 or not time > 0.0 or effort.paths < 2 or effort.steps < 1:
        raise Undefined("a simulated drawdown", why=f"volatility {volatility}, time {time}, {effort}")
    random = np.random.default_rng(effort.seed)
    step = time / effort.steps
    spread = volatility * math.sqrt(step)
    at, high, fall = np.zeros(effort.paths), np.zeros(effort.paths), np.zeros(effort.paths)
    for _ in range(effort.steps):
        move = drift * step + spread * random.standard_normal(effort.paths)
        low = 0.5 * (move - np.sqrt(move * move + 2.0 * spread**2 * random.standard_exponential(effort.paths)))
        np.maximum(fall, high - (at + low), out=fall)
        rise = 0.5 * (move + np.sqrt(move * move + 2.0 * spread**2 * random.standard_exponential(effort.paths)))
        np.maximum(high, at + rise, out=high)
        at += move
        np.maximum(fall, high - at, out=fall)
    return _estimate(fall)


def _estimate(values: Floats) -> Estimate:
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)))

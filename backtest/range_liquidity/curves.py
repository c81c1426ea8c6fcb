"""A range run at every moment, and what its result is made of, in float64. Refuses to call fees a profit: beside them stand what
the range lost against holding, what it lost against rebalancing, what moves cost, and how far the minutes leave fees in doubt."""

from dataclasses import dataclass

import numpy as np

from backtest.range_liquidity.engine import RangeRun, Stretch, fees_worth_down_raw, net_down_raw
from backtest.range_liquidity.fees import Stay, fee_bounds, fee_columns, inside
from backtest.range_liquidity.minutes import SQRT_STEP, PoolMinutes
from backtest.range_liquidity.swaps import worth_down_raw
from strategies.domain import Ticks
from strategies.tape import Floats, Ints
from strategies.units import SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class RangeCurve:
    """A run at each moment, in whole units of the quote token. A moment at which something moved is told as after the move."""

    timestamp: Ints
    equity: Floats  # everything at the moment's price, uncollected fees included, gas taken off
    fees: Floats  # all fees so far at the moment's price, collected or not
    kept: Floats  # what was held at the opening, never touched
    inside: Floats  # [row]: how much of each minute was spent inside the range, 0 to 1


@dataclass(frozen=True, slots=True)
class RangeFigures:
    """What a run comes to, in whole units of the quote token. Gains are positive, losses and costs negative:
    final - opening = price + divergence + fees + swaps + gas, but for roundings of a base unit each."""

    days: float
    opening: float
    final: float
    price: float  # what holding each stretch's tokens, as they were entered, would have gained
    divergence: float  # the range against those tokens: impermanent loss made permanent at each move
    fees: float  # at the price at which each stretch ended
    swaps: float  # fee and impact, against the moment's price
    gas: float
    lvr: float  # loss versus rebalancing: against holding what the range held, minute by minute (not part of the sum)
    fees_least: float  # of minutes that were wholly inside
    fees_most: float  # of all minutes that touched the range
    kept: float  # the opening's tokens at the end
    drawdown: float  # a share, not above zero
    inside: float  # a share of the minutes
    moves: int
    asked: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """One stretch's share of the sum, in base units of the quote token."""

    price: float
    divergence: float
    lvr: float
    fees_least: float
    fees_most: float


def curve_of(run: RangeRun) -> RangeCurve:
    """Every moment of a run, once, after it."""
    minutes, rows = run.minutes, len(run.minutes)
    equity, fees, share = np.empty(rows + 1), np.empty(rows + 1), np.zeros(rows)
    earned0 = earned1 = 0.0
    for stretch in run.stretches:
        span = slice(stretch.first, stretch.stop + 1)  # its last moment is told again by the stretch that follows
        held0, held1 = _amounts(minutes, stretch)
        fee0, fee1 = _fees_so_far(minutes, stretch)
        idle0, idle1 = stretch.idle_raw
        equity[span] = _worth(minutes, span, idle0 + held0 + fee0, idle1 + held1 + fee1)
        fees[span] = _worth(minutes, span, earned0 + fee0, earned1 + fee1)
        earned0, earned1 = earned0 + fee0[-1], earned1 + fee1[-1]
        if (stay := _stay(stretch)) is not None:
            share[stretch.first : stretch.stop] = inside(minutes, stay).share
    whole = slice(0, rows + 1)
    kept0, kept1 = (np.full(rows + 1, float(raw)) for raw in run.settings.opening_raw)
    unit = 10.0**minutes.pool.quote_asset.decimals
    return RangeCurve(
        timestamp=minutes.moment_timestamp,
        equity=(equity - _gas_so_far(run)) / unit,
        fees=fees / unit,
        kept=_worth(minutes, whole, kept0, kept1) / unit,
        inside=share,
    )


def figures_of(run: RangeRun, curve: RangeCurve) -> RangeFigures:
    """What the curve and the steps come to."""
    minutes, unit = run.minutes, 10.0**run.minutes.pool.quote_asset.decimals
    parts = [_parts(minutes, stretch) for stretch in run.stretches]
    first, last = (int(minutes.moment_tick[at]) for at in (0, -1))
    quote, opening_raw = minutes.pool.quote, run.settings.opening_raw
    return RangeFigures(
        days=float(curve.timestamp[-1] - curve.timestamp[0]) / SECONDS_PER_DAY,
        opening=worth_down_raw(first, opening_raw, quote) / unit,
        final=net_down_raw(run) / unit,
        price=sum(part.price for part in parts) / unit,
        divergence=sum(part.divergence for part in parts) / unit,
        fees=fees_worth_down_raw(run) / unit,
        swaps=-sum(step.swap.cost_raw for step in run.steps if step.swap) / unit,
        gas=-sum(step.gas_raw for step in run.steps) / unit,
        lvr=-sum(part.lvr for part in parts) / unit,
        fees_least=sum(part.fees_least for part in parts) / unit,
        fees_most=sum(part.fees_most for part in parts) / unit,
        kept=worth_down_raw(last, opening_raw, quote) / unit,
        drawdown=float(np.min(curve.equity / np.maximum.accumulate(curve.equity)) - 1),
        inside=float(curve.inside.mean()),
        moves=sum(step.due is not None for step in run.steps),
        asked=run.asked,
    )


def lvr_so_far(amount: Floats, price: Floats, value: Floats) -> Floats:
    """Loss versus rebalancing at each moment (Milionis et al. 2022, eq. 1): what holding `amount` of the risky token from each
    moment to the next gained, less what the position's `value` did. All three at the same moments; never falls."""
    rebalanced = np.concatenate(([0.0], np.cumsum(amount[:-1] * np.diff(price))))
    loss: Floats = rebalanced - (value - value[0])
    return loss


def range_amounts(sqrt_price: Floats, ticks: Ticks, liquidity: float) -> tuple[Floats, Floats]:
    """Both tokens in base units that liquidity is worth at square roots of prices (LiquidityAmounts.getAmountsForLiquidity)."""
    low, high = np.exp(ticks.lower * SQRT_STEP), np.exp(ticks.upper * SQRT_STEP)
    within = np.clip(sqrt_price, low, high)
    return liquidity * (high - within) / (within * high), liquidity * (within - low)


def _parts(minutes: PoolMinutes, stretch: Stretch) -> _Parts:
    span, ends = slice(stretch.first, stretch.stop + 1), slice(stretch.stop, stretch.stop + 1)
    held0, held1 = _amounts(minutes, stretch)
    value = _worth(minutes, span, held0, held1)
    entered = _worth(minutes, span, np.full_like(held0, held0[0]), np.full_like(held1, held1[0]))
    idle = _worth(minutes, span, *(np.full_like(held0, float(raw)) for raw in stretch.idle_raw))
    price, amount = _risky(minutes, span, held0, held1)
    bounds = [0.0, 0.0]
    if (stay := _stay(stretch)) is not None:
        bounds = [
            float(_worth(minutes, ends, np.array([fee0.sum()]), np.array([fee1.sum()]))[0])
            for fee0, fee1 in fee_bounds(minutes, stay)
        ]
    return _Parts(
        price=float(entered[-1] - entered[0] + idle[-1] - idle[0]),
        divergence=float(value[-1] - entered[-1]),
        lvr=float(lvr_so_far(amount, price, value)[-1]),
        fees_least=bounds[0],
        fees_most=bounds[1],
    )


def _stay(stretch: Stretch) -> Stay | None:
    held = stretch.held
    return Stay(stretch.first, stretch.stop, held.ticks, held.liquidity_raw) if held is not None else None


def _amounts(minutes: PoolMinutes, stretch: Stretch) -> tuple[Floats, Floats]:
    """What the liquidity is worth at each moment of a stretch, its last one included."""
    sqrt_price = minutes.moment_sqrt_price[stretch.first : stretch.stop + 1]
    if stretch.held is None:
        return np.zeros_like(sqrt_price), np.zeros_like(sqrt_price)
    return range_amounts(sqrt_price, stretch.held.ticks, float(stretch.held.liquidity_raw))


def _fees_so_far(minutes: PoolMinutes, stretch: Stretch) -> tuple[Floats, Floats]:
    if (stay := _stay(stretch)) is None:
        nothing = np.zeros(stretch.stop + 1 - stretch.first)
        return nothing, nothing
    fee0, fee1 = (np.concatenate(([0.0], np.cumsum(column))) for column in fee_columns(minutes, stay))
    return fee0, fee1


def _worth(minutes: PoolMinutes, span: slice, amount0: Floats, amount1: Floats) -> Floats:
    """Both tokens in base units of the quote token, at the prices of a span of moments."""
    price = minutes.moment_sqrt_price[span] ** 2
    return amount0 + amount1 / price if minutes.pool.quote == 0 else amount0 * price + amount1


def _risky(minutes: PoolMinutes, span: slice, amount0: Floats, amount1: Floats) -> tuple[Floats, Floats]:
    """The price of the token that is not the quote, and how much of it is held."""
    price = minutes.moment_sqrt_price[span] ** 2
    return (1 / price, amount1) if minutes.pool.quote == 0 else (price, amount0)


def _gas_so_far(run: RangeRun) -> Floats:
    """At each moment, in base units of the quote token."""
    spent = np.zeros(len(run.minutes) + 1)
    for step in run.steps:
        if step.due is not None:
            spent[step.due] += step.gas_raw
    return np.cumsum(spent)

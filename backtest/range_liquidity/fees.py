"""What a range earns in a stretch of minutes: the fee growth of each minute, to own liquidity as part of the pool's. Refuses
volume shares; where a minute was partly outside the range, it says how little and how much it may have been.

A minute says where the price was at its start and its end, not on the way. Its share inside is that of the straight way between
both (a convention, that of demeter's V3CoreLib.update_fee too): `least` counts only minutes whose lowest and highest tick lie
inside, `most` every minute that touched the range."""

from dataclasses import dataclass
from itertools import compress
from operator import floordiv

import numpy as np

from backtest.range_liquidity.minutes import FeeRows, PoolMinutes
from strategies.domain import Ticks
from strategies.protocols.uniswap_v3.arithmetic import Pair
from strategies.tape import Floats, Ints


@dataclass(frozen=True, slots=True)
class Stay:
    """A range held over the rows [first, stop), with so much liquidity of our own."""

    first: int
    stop: int
    ticks: Ticks
    liquidity_raw: int


@dataclass(frozen=True, slots=True)
class Inside:
    """How much of each minute of a stay was inside: `part` of `moved` ticks; 1 of 1 inside, 0 of 1 outside."""

    part: Ints
    moved: Ints

    @property
    def share(self) -> Floats:
        return self.part / self.moved


def inside(minutes: PoolMinutes, stay: Stay) -> Inside:
    """The straight way from each minute's start to its close, cut by the range; the upper bound is not inside."""
    was, now = minutes.moment_tick[stay.first : stay.stop], minutes.close_tick[stay.first : stay.stop]
    lower, upper = stay.ticks.lower, stay.ticks.upper
    side_was, side_now = _side(was, lower, upper), _side(now, lower, upper)
    part = np.minimum(np.maximum(was, now), upper) - np.maximum(np.minimum(was, now), lower)
    crossed = side_was != side_now
    part = np.where(crossed, part, side_now == 0)
    return Inside(part, np.where(crossed, np.abs(now - was), 1))


def fees_down_raw(minutes: PoolMinutes, stay: Stay) -> Pair:
    """Both tokens' fees, exactly: growth a minute and the claim on it are rounded down (UniswapV3Pool.swap, Position.update)."""
    within = inside(minutes, stay)
    fee0_raw, fee1_raw = (_growth_x128(minutes, fees, stay, within) * stay.liquidity_raw >> 128 for fees in minutes.fees)
    return fee0_raw, fee1_raw


def fee_columns(minutes: PoolMinutes, stay: Stay) -> tuple[Floats, Floats]:
    """The same a row, in base units, as floats for curves."""
    share = inside(minutes, stay).share * _part_of_pool(minutes, stay)
    fee0, fee1 = (column[stay.first : stay.stop] * share for column in minutes.fee_columns)
    return fee0, fee1


def fee_bounds(minutes: PoolMinutes, stay: Stay) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """The least and the most a row may have earned, both tokens, in base units: where the minutes do not say."""
    span = slice(stay.first, stay.stop)
    was, now = minutes.moment_tick[span], minutes.close_tick[span]  # sources have closes outside their own minute's extremes
    lowest = np.minimum(minutes.lowest_tick[span], np.minimum(was, now))
    highest = np.maximum(minutes.highest_tick[span], np.maximum(was, now))
    wholly = (lowest >= stay.ticks.lower) & (highest < stay.ticks.upper)
    touched = (highest >= stay.ticks.lower) & (lowest < stay.ticks.upper)
    earned = [column[span] * _part_of_pool(minutes, stay) for column in minutes.fee_columns]
    return (earned[0] * wholly, earned[1] * wholly), (earned[0] * touched, earned[1] * touched)


def _part_of_pool(minutes: PoolMinutes, stay: Stay) -> Floats:
    """Own liquidity as part of the pool's with ours: the record is of a pool without us."""
    total: Floats = minutes.liquidity[stay.first : stay.stop] + float(stay.liquidity_raw)
    return stay.liquidity_raw / total


def _growth_x128(minutes: PoolMinutes, fees: FeeRows, stay: Stay, within: Inside) -> int:
    """The fee growth of one token inside the range over the stay."""
    first, stop = np.searchsorted(fees.rows, (stay.first, stay.stop)).tolist()
    rows = fees.rows[first:stop]
    fee_x128 = fees.fee_x128[first:stop]
    part, moved = within.part[rows - stay.first], within.moved[rows - stay.first]
    whole, cut = part == moved, np.flatnonzero((part > 0) & (part < moved)).tolist()
    total_raw = [raw + stay.liquidity_raw for raw in map(minutes.liquidity_raw.__getitem__, rows.tolist())]
    growth_x128: int = sum(map(floordiv, compress(fee_x128, whole.tolist()), compress(total_raw, whole.tolist())))
    return growth_x128 + sum(fee_x128[at] * int(part[at]) // (total_raw[at] * int(moved[at])) for at in cut)


def _side(tick: Ints, lower: int, upper: int) -> Ints:
    """-1 below the range, 0 inside, 1 above."""
    return (tick >= upper).astype(np.int64) - (tick < lower)

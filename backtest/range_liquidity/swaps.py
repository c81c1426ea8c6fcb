"""The one swap before liquidity is added: how much of which token, and what comes out. Refuses a swap that the
liquidity in range cannot take.

Two exchanges, both with the pool's fee: at the moment's price, as if the pool were bottomless, or along the pool's own curve."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from backtest.range_liquidity.decisions import Split
from backtest.range_liquidity.minutes import PoolMinutes
from strategies.domain import Ticks
from strategies.protocols.uniswap_v3.arithmetic import (
    MAX_SQRT_PRICE_X96,
    MIN_SQRT_PRICE_X96,
    PIPS,
    Pair,
    amounts_for_liquidity_down_raw,
    reverted,
    sqrt_price_at_tick_x96,
    swap_step,
)
from strategies.units import mul_div_down

MUCH_RAW: Final = 2**127  # liquidity so large that the amounts it is worth keep all their digits

Exchange: TypeAlias = Callable[[PoolMinutes, int, int, int], int]  # minutes, moment, token in, what goes in -> what comes out


@dataclass(frozen=True, slots=True)
class Swap:
    """What went in and came out, and what that cost against the moment's price, in the quote token's base units."""

    moment: int
    token_in: int
    in_raw: int
    out_raw: int
    cost_raw: int


def at_the_price_down_raw(minutes: PoolMinutes, moment: int, token_in: int, in_raw: int) -> int:
    """What comes out at the moment's price less the pool's fee; whatever the size, the price stays."""
    pips, tick = PIPS - minutes.pool.fee_pips, int(minutes.moment_tick[moment])
    return converted_down_raw(tick, token_in, in_raw * pips) // PIPS


def along_the_curve_down_raw(minutes: PoolMinutes, moment: int, token_in: int, in_raw: int) -> int:
    """What comes out of the liquidity that the last close left in range, the price moving as it goes (SwapMath.computeSwapStep);
    ticks that it would cross are not known and taken as empty. Others bring the price back: the record goes on without us.
    Raises ActionRefused where there is no liquidity."""
    liquidity_raw = minutes.liquidity_raw[max(moment - 1, 0)]
    limit_x96 = MIN_SQRT_PRICE_X96 + 1 if token_in == 0 else MAX_SQRT_PRICE_X96 - 1
    price_x96 = sqrt_price_at_tick_x96(int(minutes.moment_tick[moment]))
    _, used_raw, out_raw, fee_raw = swap_step(
        price_x96, limit_x96, liquidity_raw=liquidity_raw, remaining_raw=in_raw, fee_pips=minutes.pool.fee_pips
    )
    if used_raw + fee_raw != in_raw:
        raise reverted("the liquidity in range cannot take so much")
    return out_raw


def divided(
    minutes: PoolMinutes, moment: int, idle_raw: Pair, *, ticks: Ticks, split: Split, exchange: Exchange
) -> tuple[Pair, Swap | None]:
    """Both tokens after the swap that a split asks for, as far as the fee is known before; None where nothing is swapped."""
    token_in, in_raw = _wanted_down(minutes, moment, idle_raw, _weights(int(minutes.moment_tick[moment]), ticks, split))
    if not in_raw:
        return idle_raw, None
    out_raw = exchange(minutes, moment, token_in, in_raw)
    after_raw = (idle_raw[0] - in_raw, idle_raw[1] + out_raw) if token_in == 0 else (idle_raw[0] + out_raw, idle_raw[1] - in_raw)
    tick, quote = int(minutes.moment_tick[moment]), minutes.pool.quote
    cost_raw = worth_down_raw(tick, idle_raw, quote) - worth_down_raw(tick, after_raw, quote)
    return after_raw, Swap(moment, token_in, in_raw, out_raw, cost_raw)


def converted_down_raw(tick: int, token_in: int, raw: int) -> int:
    """So much of one token in the other at a tick's price, without a fee."""
    square_x192 = sqrt_price_at_tick_x96(tick) ** 2
    return raw * square_x192 >> 192 if token_in == 0 else (raw << 192) // square_x192


def worth_down_raw(tick: int, amounts_raw: Pair, quote: int) -> int:
    """Both tokens in base units of the quote token."""
    return amounts_raw[quote] + converted_down_raw(tick, 1 - quote, amounts_raw[1 - quote])


def _weights(tick: int, ticks: Ticks, split: Split) -> Pair:
    """The proportion of the two tokens that is wanted, in base units."""
    price_x96 = sqrt_price_at_tick_x96(tick)
    if split is Split.EVEN:
        return 1 << 192, price_x96**2
    bounds_x96 = sqrt_price_at_tick_x96(ticks.lower), sqrt_price_at_tick_x96(ticks.upper)
    return amounts_for_liquidity_down_raw(price_x96, bounds_x96, MUCH_RAW)


def _wanted_down(minutes: PoolMinutes, moment: int, idle_raw: Pair, weights: Pair) -> Pair:
    """Which token goes in and how much, so that what is left of it and what comes out at the price stand in that proportion:
    (a - x) / u = (b + x * kept * price) / v, solved for x."""
    square_x192 = sqrt_price_at_tick_x96(int(minutes.moment_tick[moment])) ** 2
    kept_pips = PIPS - minutes.pool.fee_pips
    over0 = idle_raw[0] * weights[1] - idle_raw[1] * weights[0]
    if over0 >= 0:
        per_in = (PIPS * weights[1] << 192) + weights[0] * kept_pips * square_x192
        return 0, mul_div_down(over0, PIPS << 192, per_in)
    return 1, mul_div_down(-over0, PIPS * square_x192, PIPS * weights[0] * square_x192 + (weights[1] * kept_pips << 192))

"""Uniswap V3's arithmetic in its own rounding: ticks and prices, liquidity, one step of a swap, the book of ticks, fees.

Refuses what the libraries revert on: a tick or a price out of range, and what does not fit its type. Token 0's price is
token1 / token0, kept as its square root times 2^96; a fee growth is fees a unit of liquidity times 2^128, and wraps at 2^256."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt, log
from typing import Final, TypeAlias

from strategies.domain import Ticks
from strategies.errors import ActionRefused
from strategies.units import MAX_UINT256, mul_div_down, mul_div_up

Q96: Final = 2**96
Q128: Final = 2**128
WRAP: Final = 2**256
MAX_UINT128: Final = 2**128 - 1
MAX_UINT160: Final = 2**160 - 1
MAX_INT128: Final = 2**127 - 1
MAX_INT256: Final = 2**255 - 1
PIPS: Final = 1_000_000

MIN_TICK: Final = -887_272
MAX_TICK: Final = 887_272
MIN_SQRT_PRICE_X96: Final = 4_295_128_739
MAX_SQRT_PRICE_X96: Final = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342

Pair: TypeAlias = tuple[int, int]  # of token 0 and token 1

WORD_TICKS: Final = 256  # spacings in one word of a pool's bitmap
WORK_BITS: Final = 256  # enough that twenty squarings leave 128 bits right
TICK_LOG: Final = log(1.0001) / 2


@dataclass(frozen=True, slots=True)
class Claim:
    """Liquidity in a range, the fee growth inside when it was last touched, and what it may collect (Position.Info). In a pool's
    state: what the pool keeps for the position manager, of all its token ids on the range together."""

    ticks: Ticks
    liquidity_raw: int
    fee_growth_inside_last_x128: Pair
    owed_raw: Pair


@dataclass(frozen=True, slots=True)
class Tick:
    """One initialised tick (Tick.Info). Its fee growth outside is None where it was not read."""

    liquidity_gross_raw: int
    liquidity_net_raw: int
    fee_growth_outside_x128: Pair | None


@dataclass(frozen=True, slots=True)
class Book:
    """All initialised ticks of a pool in order, and in the same places what is known of each."""

    tick_spacing: int
    ticks: tuple[int, ...]
    known: tuple[Tick, ...]


def reverted(why: str) -> ActionRefused:
    """What a library's revert is here: the contract's own words, where it has any."""
    return ActionRefused(market_id="uniswap_v3", why=why)


def _factors_x128() -> tuple[int, ...]:
    """1.0001^(-2^i / 2) for each bit i of a tick, to the nearest: the constants of TickMath.getSqrtRatioAtTick."""
    power = isqrt((10_000 << (2 * WORK_BITS)) // 10_001)
    factors = []
    for _ in range(MAX_TICK.bit_length()):
        factors.append((power + (1 << (WORK_BITS - 129))) >> (WORK_BITS - 128))
        power = power * power >> WORK_BITS
    return tuple(factors)


FACTORS_X128: Final = _factors_x128()


@lru_cache(maxsize=1 << 14)
def sqrt_price_at_tick_x96(tick: int) -> int:
    """TickMath.getSqrtRatioAtTick. Raises ActionRefused past the last tick."""
    if not MIN_TICK <= tick <= MAX_TICK:
        raise reverted("T")
    ratio_x128, bits, at = Q128, abs(tick), 0
    while bits:
        if bits & 1:
            ratio_x128 = ratio_x128 * FACTORS_X128[at] >> 128
        bits >>= 1
        at += 1
    if tick > 0:
        ratio_x128 = MAX_UINT256 // ratio_x128
    return -(-ratio_x128 >> 32)


def tick_at_sqrt_price(sqrt_price_x96: int) -> int:
    """TickMath.getTickAtSqrtRatio: the greatest tick whose price is not above. Raises ActionRefused out of range."""
    if not MIN_SQRT_PRICE_X96 <= sqrt_price_x96 < MAX_SQRT_PRICE_X96:
        raise reverted("R")
    # The logarithm is a guess within a millionth of a tick; the exact prices on both sides decide.
    tick = int(log(sqrt_price_x96 / Q96) // TICK_LOG)
    if sqrt_price_at_tick_x96(tick) > sqrt_price_x96:
        return tick - 1
    return tick + 1 if tick < MAX_TICK and sqrt_price_at_tick_x96(tick + 1) <= sqrt_price_x96 else tick


def max_liquidity_per_tick_raw(tick_spacing: int) -> int:
    """Tick.tickSpacingToMaxLiquidityPerTick."""
    return MAX_UINT128 // (2 * (MAX_TICK // tick_spacing) + 1)


def amount0_up_raw(one_x96: int, other_x96: int, liquidity_raw: int) -> int:
    """Token 0 between two prices, for the pool (SqrtPriceMath.getAmount0Delta, rounding up)."""
    low_x96, high_x96 = (one_x96, other_x96) if one_x96 <= other_x96 else (other_x96, one_x96)
    if low_x96 <= 0:
        raise reverted("a price of zero")
    return mul_div_up(mul_div_up(liquidity_raw << 96, high_x96 - low_x96, high_x96), 1, low_x96)


def amount0_down_raw(one_x96: int, other_x96: int, liquidity_raw: int) -> int:
    """Token 0 between two prices, from the pool (SqrtPriceMath.getAmount0Delta, rounding down)."""
    low_x96, high_x96 = (one_x96, other_x96) if one_x96 <= other_x96 else (other_x96, one_x96)
    if low_x96 <= 0:
        raise reverted("a price of zero")
    return (liquidity_raw << 96) * (high_x96 - low_x96) // high_x96 // low_x96


def amount1_up_raw(one_x96: int, other_x96: int, liquidity_raw: int) -> int:
    """Token 1 between two prices, for the pool (SqrtPriceMath.getAmount1Delta, rounding up)."""
    return -(-liquidity_raw * abs(other_x96 - one_x96) >> 96)


def amount1_down_raw(one_x96: int, other_x96: int, liquidity_raw: int) -> int:
    """Token 1 between two prices, from the pool (SqrtPriceMath.getAmount1Delta, rounding down)."""
    return liquidity_raw * abs(other_x96 - one_x96) >> 96


def price_after_token0_in_up_x96(sqrt_price_x96: int, liquidity_raw: int, amount_raw: int) -> int:
    """The price that token 0 coming in leaves (SqrtPriceMath.getNextSqrtPriceFromAmount0RoundingUp, adding)."""
    if amount_raw == 0:
        return sqrt_price_x96
    scaled = liquidity_raw << 96
    product = amount_raw * sqrt_price_x96
    if product <= MAX_UINT256 and scaled + product <= MAX_UINT256:
        return _uint(mul_div_up(scaled, sqrt_price_x96, scaled + product), 160)
    # The contract's way where the product overflows: another rounding.
    return mul_div_up(scaled, 1, _uint(scaled // sqrt_price_x96 + amount_raw, 256)) & MAX_UINT160


def price_after_token0_out_up_x96(sqrt_price_x96: int, liquidity_raw: int, amount_raw: int) -> int:
    """The price that token 0 going out leaves (SqrtPriceMath.getNextSqrtPriceFromAmount0RoundingUp, removing)."""
    if amount_raw == 0:
        return sqrt_price_x96
    scaled = liquidity_raw << 96
    product = _uint(amount_raw * sqrt_price_x96, 256)
    if scaled <= product:
        raise reverted("more of token 0 than the liquidity holds")
    return _uint(mul_div_up(scaled, sqrt_price_x96, scaled - product), 160)


def price_after_token1_in_down_x96(sqrt_price_x96: int, liquidity_raw: int, amount_raw: int) -> int:
    """The price that token 1 coming in leaves (SqrtPriceMath.getNextSqrtPriceFromAmount1RoundingDown, adding)."""
    return _uint(sqrt_price_x96 + (amount_raw << 96) // liquidity_raw, 160)


def price_after_token1_out_down_x96(sqrt_price_x96: int, liquidity_raw: int, amount_raw: int) -> int:
    """The price that token 1 going out leaves (SqrtPriceMath.getNextSqrtPriceFromAmount1RoundingDown, removing)."""
    quotient_x96 = -((-amount_raw << 96) // liquidity_raw)
    if sqrt_price_x96 <= quotient_x96:
        raise reverted("more of token 1 than the liquidity holds")
    return sqrt_price_x96 - quotient_x96


def swap_step(
    sqrt_price_x96: int, target_x96: int, *, liquidity_raw: int, remaining_raw: int, fee_pips: int
) -> tuple[int, int, int, int]:
    """SwapMath.computeSwapStep: the next price, and what went in, came out and was the fee. `remaining_raw` is still to be given,
    or, below zero, still to be got. Token 0 comes in where the target is not above the price. Raises ActionRefused."""
    token0_in = sqrt_price_x96 >= target_x96
    need_raw, give_raw = (amount0_up_raw, amount1_down_raw) if token0_in else (amount1_up_raw, amount0_down_raw)
    in_raw = out_raw = -1  # not computed yet
    if remaining_raw >= 0:
        spent_raw = remaining_raw * (PIPS - fee_pips) // PIPS
        in_raw = need_raw(sqrt_price_x96, target_x96, liquidity_raw)
        priced = price_after_token0_in_up_x96 if token0_in else price_after_token1_in_down_x96
        reached = spent_raw >= in_raw
        next_x96 = target_x96 if reached else priced(sqrt_price_x96, _some(liquidity_raw), spent_raw)
    else:
        out_raw = give_raw(sqrt_price_x96, target_x96, liquidity_raw)
        priced = price_after_token1_out_down_x96 if token0_in else price_after_token0_out_up_x96
        reached = -remaining_raw >= out_raw
        next_x96 = target_x96 if reached else priced(sqrt_price_x96, _some(liquidity_raw), -remaining_raw)
    if in_raw < 0 or next_x96 != target_x96:
        in_raw = need_raw(sqrt_price_x96, next_x96, liquidity_raw)
    if out_raw < 0 or next_x96 != target_x96:
        out_raw = give_raw(sqrt_price_x96, next_x96, liquidity_raw)
    if remaining_raw < 0:
        out_raw = min(out_raw, -remaining_raw)
    elif next_x96 != target_x96:
        return next_x96, in_raw, out_raw, remaining_raw - in_raw  # what is left of the input is the fee
    if fee_pips == PIPS:
        raise reverted("a fee of all")
    return next_x96, in_raw, out_raw, mul_div_up(in_raw, fee_pips, PIPS - fee_pips)


def words_of_book(tick_spacing: int) -> range:
    """The words of a pool's bitmap that can hold a tick."""
    last = MAX_TICK // tick_spacing
    return range(-last // WORD_TICKS, last // WORD_TICKS + 1)


def next_tick(book: Book, place: int, tick: int, token_in: int) -> int:
    """TickBitmap.nextInitializedTickWithinOneWord: each word's edge ends a step, and each step rounds, whether or not a tick is
    there. `place` is how many initialised ticks are not above the present one."""
    spacing, ticks = book.tick_spacing, book.ticks
    if token_in == 0:
        edge = max(tick // spacing // WORD_TICKS * WORD_TICKS * spacing, MIN_TICK)
        return max(edge, ticks[place - 1]) if place else edge
    edge = min((tick // spacing + 1 | WORD_TICKS - 1) * spacing, MAX_TICK)
    return min(edge, ticks[place]) if place < len(ticks) else edge


def with_crossed(book: Book, crossed: Sequence[tuple[int, Pair]]) -> Book:
    """Tick.cross at each place, at those growths: fee growth outside becomes what is on the other side."""
    if not crossed:
        return book
    known = list(book.known)
    for at, (all0_x128, all1_x128) in crossed:
        tick = known[at]
        if (outside := tick.fee_growth_outside_x128) is not None:
            flipped = (all0_x128 - outside[0]) % WRAP, (all1_x128 - outside[1]) % WRAP
            known[at] = Tick(tick.liquidity_gross_raw, tick.liquidity_net_raw, flipped)
    return Book(book.tick_spacing, book.ticks, tuple(known))


def tick_of(book: Book, tick: int) -> Tick | None:
    """What is known of a tick; None where it is not initialised."""
    at = bisect_left(book.ticks, tick)
    return book.known[at] if at < len(book.ticks) and book.ticks[at] == tick else None


def check_bounds(book: Book, ticks: Ticks) -> None:
    """UniswapV3Pool.checkTicks, and the multiple of the spacing that TickBitmap.flipTick wants."""
    for wrong, why in ((ticks.lower >= ticks.upper, "TLU"), (ticks.lower < MIN_TICK, "TLM"), (ticks.upper > MAX_TICK, "TUM")):
        if wrong:
            raise reverted(why)
    if ticks.lower % book.tick_spacing or ticks.upper % book.tick_spacing:
        raise reverted(f"a bound is no multiple of {book.tick_spacing}")


def with_liquidity(book: Book, tick: int, outside_x128: Pair, deltas_raw: tuple[int, int]) -> Book:
    """Tick.update by so much gross and net liquidity; a tick that is new begins with that fee growth outside."""
    known = tick_of(book, tick) or Tick(0, 0, outside_x128)
    gross_raw = known.liquidity_gross_raw + deltas_raw[0]
    if not 0 <= gross_raw <= max_liquidity_per_tick_raw(book.tick_spacing):
        raise reverted("LS" if gross_raw < 0 else "LO")
    return with_tick(book, tick, Tick(gross_raw, known.liquidity_net_raw + deltas_raw[1], known.fee_growth_outside_x128))


def with_tick(book: Book, tick: int, known: Tick) -> Book:
    """The book with this tick so; without it where no liquidity refers to it any more (Tick.clear)."""
    at = bisect_left(book.ticks, tick)
    after = at + (at < len(book.ticks) and book.ticks[at] == tick)
    kept = (known,) if known.liquidity_gross_raw else ()
    ticks = (*book.ticks[:at], *(tick for _ in kept), *book.ticks[after:])
    return Book(book.tick_spacing, ticks, (*book.known[:at], *kept, *book.known[after:]))


def grown_x128(growth_x128: int, fee_raw: int, liquidity_raw: int) -> int:
    """A fee growth after a fee to so much liquidity; it wraps (the loop of UniswapV3Pool.swap)."""
    if liquidity_raw == 0:
        return growth_x128
    return (growth_x128 + _uint((fee_raw << 128) // liquidity_raw, 256)) % WRAP


def touched(claim: Claim, inside_x128: Pair, liquidity_delta_raw: int, out_raw: Pair) -> Claim:
    """Position.update: fees since the last touch, rounded down and kept as uint128, and what was taken out besides."""
    owed0_raw, owed1_raw = (
        owed + out + ((growth - last) % WRAP * claim.liquidity_raw >> 128) & MAX_UINT128
        for owed, out, growth, last in zip(claim.owed_raw, out_raw, inside_x128, claim.fee_growth_inside_last_x128, strict=True)
    )
    return Claim(claim.ticks, claim.liquidity_raw + liquidity_delta_raw, inside_x128, (owed0_raw, owed1_raw))


def liquidity_for_amounts_down_raw(sqrt_price_x96: int, bounds_x96: Pair, amounts_raw: Pair) -> int:
    """The most liquidity that both amounts pay for (LiquidityAmounts.getLiquidityForAmounts)."""
    low_x96, high_x96 = min(bounds_x96), max(bounds_x96)
    amount0_raw, amount1_raw = amounts_raw
    if sqrt_price_x96 <= low_x96:
        return _liquidity_of_0(low_x96, high_x96, amount0_raw)
    if sqrt_price_x96 >= high_x96:
        return _liquidity_of_1(low_x96, high_x96, amount1_raw)
    return min(
        _liquidity_of_0(sqrt_price_x96, high_x96, amount0_raw),
        _liquidity_of_1(low_x96, sqrt_price_x96, amount1_raw),
    )


def amounts_for_liquidity_down_raw(sqrt_price_x96: int, bounds_x96: Pair, liquidity_raw: int) -> Pair:
    """Both amounts that liquidity is worth at a price (LiquidityAmounts.getAmountsForLiquidity)."""
    low_x96, high_x96 = min(bounds_x96), max(bounds_x96)
    price_x96 = min(max(sqrt_price_x96, low_x96), high_x96)
    return amount0_down_raw(price_x96, high_x96, liquidity_raw), amount1_down_raw(low_x96, price_x96, liquidity_raw)


def _liquidity_of_0(low_x96: int, high_x96: int, amount_raw: int) -> int:
    if low_x96 == high_x96:
        raise reverted("a range of no width")
    product_x96 = _uint(low_x96 * high_x96 >> 96, 256)
    return _uint(mul_div_down(amount_raw, product_x96, high_x96 - low_x96), 128)


def _liquidity_of_1(low_x96: int, high_x96: int, amount_raw: int) -> int:
    if low_x96 == high_x96:
        raise reverted("a range of no width")
    return _uint((amount_raw << 96) // (high_x96 - low_x96), 128)


def _some(liquidity_raw: int) -> int:
    if liquidity_raw <= 0:
        raise reverted("no liquidity")
    return liquidity_raw


def _uint(value: int, bits: int) -> int:
    if value >> bits:
        raise reverted(f"{value} is no uint{bits}")
    return value

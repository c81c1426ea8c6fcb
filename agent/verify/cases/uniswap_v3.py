"""`uniswap_v3.json`: ticks and prices, amounts, liquidity, one step, and whole swaps, by the code the adapter uses.

A swap that the pool refuses in words of its own is an outcome here, as in the protocol's snapshots; any other revert is one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, TypeAlias

from strategies.domain import Asset, Market, Ticks
from strategies.errors import ActionRefused
from strategies.protocols.uniswap_v3.arithmetic import (
    MAX_INT256,
    Book,
    amount0_down_raw,
    amount0_up_raw,
    amount1_down_raw,
    amount1_up_raw,
    amounts_for_liquidity_down_raw,
    liquidity_for_amounts_down_raw,
    sqrt_price_at_tick_x96,
    swap_step,
    tick_at_sqrt_price,
)
from strategies.protocols.uniswap_v3.pool import Pool, limit_x96, modify, swap

Case: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = Mapping[str, Any]

TOKENS: Final = tuple(Asset(1, "0x" + digits * 20, f"TOKEN{at}", 18) for at, digits in enumerate(("01", "02")))
MARKET: Final = Market("vectors", "uniswap_v3", "0x" + "03" * 20, TOKENS[0], others=(TOKENS[1],))
WORDS: Final = ("AS", "SPL")
SHOWN_DIGITS: Final = 5
SNAPSHOT: Final = Context(prec=20, rounding=ROUND_HALF_UP)  # the precision in which the snapshots' prices were computed
SHOWN: Final = Context(prec=SHOWN_DIGITS, rounding=ROUND_HALF_UP)


def price_at_tick(case: Case) -> Outcome:
    """TickMath.getSqrtRatioAtTick."""
    return {"sqrt_price_x96": str(sqrt_price_at_tick_x96(int(case["in"]["tick"])))}


def tick_at_price(case: Case) -> Outcome:
    """TickMath.getTickAtSqrtRatio."""
    return {"tick": str(tick_at_sqrt_price(int(case["in"]["sqrt_price_x96"])))}


def amount_deltas(case: Case) -> Outcome:
    """SqrtPriceMath.getAmount0Delta and getAmount1Delta."""
    given = case["in"]
    numbers = int(given["sqrt_a"]), int(given["sqrt_b"]), int(given["liquidity"])
    if given["round_up"]:
        return {"amount0": str(amount0_up_raw(*numbers)), "amount1": str(amount1_up_raw(*numbers))}
    return {"amount0": str(amount0_down_raw(*numbers)), "amount1": str(amount1_down_raw(*numbers))}


def liquidity_for_amounts(case: Case) -> Outcome:
    """LiquidityAmounts.getLiquidityForAmounts."""
    given = {name: int(text) for name, text in case["in"].items()}
    bounds_x96 = given["sqrt_a"], given["sqrt_b"]
    amounts_raw = given["amount0"], given["amount1"]
    return {"liquidity": str(liquidity_for_amounts_down_raw(given["sqrt_price"], bounds_x96, amounts_raw))}


def amounts_for_liquidity(case: Case) -> Outcome:
    """LiquidityAmounts.getAmountsForLiquidity."""
    given = {name: int(text) for name, text in case["in"].items()}
    bounds_x96 = given["sqrt_a"], given["sqrt_b"]
    amount0_raw, amount1_raw = amounts_for_liquidity_down_raw(given["sqrt_price"], bounds_x96, given["liquidity"])
    return {"amount0": str(amount0_raw), "amount1": str(amount1_raw)}


def step(case: Case) -> Outcome:
    """SwapMath.computeSwapStep."""
    given = {name: int(text) for name, text in case["in"].items()}
    next_x96, in_raw, out_raw, fee_raw = swap_step(
        given["sqrt_current"],
        given["sqrt_target"],
        liquidity_raw=given["liquidity"],
        remaining_raw=given["amount_remaining"],
        fee_pips=given["fee_pips"],
    )
    return {"sqrt_next": str(next_x96), "amount_in": str(in_raw), "amount_out": str(out_raw), "fee_amount": str(fee_raw)}


def pool_swap(case: Case) -> Outcome:
    """A pool made for the case, its positions minted in order, and one swap."""
    before, asked = pool_of(case["pool"]), case["swap"]
    token_in = 0 if asked["zero_for_one"] else 1
    amount_raw = MAX_INT256 if asked["amount"] is None else int(asked["amount"])  # to a price: whatever it takes
    specified_raw = -amount_raw if asked["kind"] == "exact_out" else amount_raw
    limit = asked["sqrt_price_limit_x96"]
    try:
        done = swap(before, token_in, specified_raw, limit_x96(token_in) if limit is None else int(limit))
    except ActionRefused as refusal:
        if refusal.why not in WORDS:
            raise
        return {"swap_error": f"VM Exception while processing transaction: revert {refusal.why}"}
    growths = zip(before.fee_growth_global_x128, done.pool.fee_growth_global_x128, strict=True)
    growth0_x128, growth1_x128 = (after - was for was, after in growths)
    return {
        "amount0Before": str(before.balances_raw[0]),
        "amount1Before": str(before.balances_raw[1]),
        "amount0Delta": str(done.amounts_raw[0]),
        "amount1Delta": str(done.amounts_raw[1]),
        "feeGrowthGlobal0X128Delta": str(growth0_x128),
        "feeGrowthGlobal1X128Delta": str(growth1_x128),
        "tickBefore": str(before.tick),
        "tickAfter": str(done.pool.tick),
        "poolPriceAfter": shown_price(done.pool.sqrt_price_x96),
    }


def pool_of(given: Case) -> Pool:
    """An initialised pool with its positions, and the balances they paid."""
    price_x96 = int(given["sqrt_price_x96"])
    pool = Pool(
        market=MARKET,
        timestamp=0,
        fee_pips=int(given["fee_pips"]),
        sqrt_price_x96=price_x96,
        tick=tick_at_sqrt_price(price_x96),
        fee_protocol=0,
        liquidity_raw=0,
        fee_growth_global_x128=(0, 0),
        protocol_fees_raw=(0, 0),
        balances_raw=(0, 0),
        book=Book(int(given["tick_spacing"]), (), ()),
    )
    for lower, upper, liquidity in given["positions"]:
        done = modify(pool, Ticks(int(lower), int(upper)), int(liquidity))
        paid_raw = pool.balances_raw[0] + done.amounts_raw[0], pool.balances_raw[1] + done.amounts_raw[1]
        pool = replace(done.pool, balances_raw=paid_raw)
    return pool


def shown_price(sqrt_price_x96: int) -> str:
    """A price in five digits, as the snapshots write it."""
    root = SNAPSHOT.divide(Decimal(sqrt_price_x96), Decimal(2**96))
    price = SHOWN.plus(SNAPSHOT.multiply(root, root))
    exponent = price.adjusted()
    return f"{price:.{SHOWN_DIGITS - 1}e}" if exponent >= SHOWN_DIGITS else f"{price:.{SHOWN_DIGITS - 1 - exponent}f}"


GROUPS: Final[Mapping[str, Callable[[Case], Outcome]]] = {
    "tick_to_sqrt_price": price_at_tick,
    "sqrt_price_to_tick": tick_at_price,
    "amount_deltas": amount_deltas,
    "liquidity_for_amounts": liquidity_for_amounts,
    "amounts_for_liquidity": amounts_for_liquidity,
    "swap_step": step,
    "pool_swaps": pool_swap,
}

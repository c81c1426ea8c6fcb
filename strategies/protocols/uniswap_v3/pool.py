"""One Uniswap V3 pool and what its contract, the position manager and the router do to it, in their own order and rounding.

Refuses what they revert on, in their own words where they have any; a fee growth or a claim that was not read, where the outcome
needs it; and a second range in one market, which a position here cannot carry. The oracle's observations are not kept: nothing
here depends on them, and writing them never reverts."""

from bisect import bisect_right
from dataclasses import dataclass, replace

from strategies.domain import (
    AddLiquidity,
    Amount,
    Asset,
    Collect,
    Market,
    MarketAction,
    Payout,
    Position,
    Range,
    RemoveLiquidity,
    Swap,
    Ticks,
)
from strategies.errors import ActionRefused, InsufficientBalance, InsufficientLiquidity, UnsupportedState
from strategies.protocols.adapter import Applied
from strategies.protocols.uniswap_v3.arithmetic import (
    MAX_INT128,
    MAX_INT256,
    MAX_SQRT_PRICE_X96,
    MAX_UINT128,
    MIN_SQRT_PRICE_X96,
    WRAP,
    Book,
    Claim,
    Pair,
    amount0_down_raw,
    amount0_up_raw,
    amount1_down_raw,
    amount1_up_raw,
    check_bounds,
    grown_x128,
    liquidity_for_amounts_down_raw,
    next_tick,
    sqrt_price_at_tick_x96,
    swap_step,
    tick_at_sqrt_price,
    tick_of,
    touched,
    with_crossed,
    with_liquidity,
)


@dataclass(frozen=True, slots=True)
class Pool:
    """Everything of the pool that moves tokens, true at `timestamp`. Its book is whole. Its claims are what it keeps
    for the position manager, of all its token ids on a range together; one that is not there was not read."""

    market: Market
    timestamp: int
    fee_pips: int
    sqrt_price_x96: int
    tick: int
    fee_protocol: int  # slot0's byte: token 0 in the low half, token 1 in the high
    liquidity_raw: int
    fee_growth_global_x128: Pair
    protocol_fees_raw: Pair
    balances_raw: Pair
    book: Book
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """The pool after one of its own functions, and what came into it (positive) or left it of each token."""

    pool: Pool
    amounts_raw: Pair


def tokens(market: Market) -> tuple[Asset, Asset]:
    """Token 0 and token 1: by address."""
    asset, other = market.asset, market.others[0]
    return (asset, other) if asset.address < other.address else (other, asset)


def limit_x96(token_in: int) -> int:
    """The price limit that stands for none (SwapRouter.exactInputInternal)."""
    return MIN_SQRT_PRICE_X96 + 1 if token_in == 0 else MAX_SQRT_PRICE_X96 - 1


def swap(pool: Pool, token_in: int, specified_raw: int, price_limit_x96: int) -> Moved:
    """UniswapV3Pool.swap: token 0 or 1 comes in, exactly so much of it; below zero, exactly so much of the other leaves."""
    _swappable(pool, token_in, specified_raw, price_limit_x96)
    walked = _walked(pool, token_in, specified_raw, price_limit_x96)
    used_raw = specified_raw - walked.remaining_raw
    in_raw, out_raw = (used_raw, walked.calculated_raw) if specified_raw > 0 else (walked.calculated_raw, used_raw)
    amounts_raw = (in_raw, out_raw) if token_in == 0 else (out_raw, in_raw)
    fees_raw = pool.protocol_fees_raw
    after = replace(
        pool,
        sqrt_price_x96=walked.sqrt_price_x96,
        tick=walked.tick,
        liquidity_raw=walked.liquidity_raw,
        fee_growth_global_x128=_put(pool.fee_growth_global_x128, token_in, walked.growth_x128),
        protocol_fees_raw=_put(fees_raw, token_in, fees_raw[token_in] + walked.protocol_raw & MAX_UINT128),
        balances_raw=_flowed(pool, amounts_raw),
        book=with_crossed(pool.book, walked.crossed),
    )
    return Moved(after, amounts_raw)


@dataclass(frozen=True, slots=True)
class Walked:
    """Where a swap ended, and which places of the book it crossed at what growths."""

    sqrt_price_x96: int
    tick: int
    liquidity_raw: int
    remaining_raw: int
    calculated_raw: int
    growth_x128: int
    protocol_raw: int
    crossed: list[tuple[int, Pair]]


def _walked(pool: Pool, token_in: int, specified_raw: int, price_limit_x96: int) -> Walked:
    """The loop of UniswapV3Pool.swap: from tick to tick, or to the edge of a word of its bitmap."""
    price_x96, tick, liquidity_raw, book = pool.sqrt_price_x96, pool.tick, pool.liquidity_raw, pool.book
    remaining_raw, calculated_raw, protocol_raw = specified_raw, 0, 0
    growth_x128, share = pool.fee_growth_global_x128[token_in], pool.fee_protocol >> 4 * token_in & 15
    place, crossed = bisect_right(book.ticks, tick), list[tuple[int, Pair]]()
    while remaining_raw and price_x96 != price_limit_x96:
        towards = next_tick(book, place, tick, token_in)
        start_x96, next_x96 = price_x96, sqrt_price_at_tick_x96(towards)
        target_x96 = min(next_x96, price_limit_x96) if token_in else max(next_x96, price_limit_x96)
        price_x96, in_raw, out_raw, fee_raw = swap_step(
            price_x96, target_x96, liquidity_raw=liquidity_raw, remaining_raw=remaining_raw, fee_pips=pool.fee_pips
        )
        remaining_raw += out_raw if specified_raw < 0 else -in_raw - fee_raw
        calculated_raw += in_raw + fee_raw if specified_raw < 0 else -out_raw
        cut_raw = fee_raw // share if share else 0
        protocol_raw += cut_raw
        growth_x128 = grown_x128(growth_x128, fee_raw - cut_raw, liquidity_raw)
        if price_x96 == next_x96:
            at = place - 1 + token_in
            if 0 <= at < len(book.ticks) and book.ticks[at] == towards:
                crossed.append((at, _put(pool.fee_growth_global_x128, token_in, growth_x128)))
                liquidity_raw += book.known[at].liquidity_net_raw * (2 * token_in - 1)
                place = at + token_in
            tick = towards - 1 + token_in
        elif price_x96 != start_x96:
            tick = tick_at_sqrt_price(price_x96)
    return Walked(price_x96, tick, liquidity_raw, remaining_raw, calculated_raw, growth_x128, protocol_raw, crossed)


def modify(pool: Pool, ticks: Ticks, liquidity_delta_raw: int) -> Moved:
    """UniswapV3Pool._modifyPosition for somebody's liquidity: ticks, active liquidity, and both amounts, rounded for the pool.
    No balance changes: what comes in is paid for by the caller, what leaves waits until it is collected."""
    check_bounds(pool.book, ticks)
    if not -MAX_INT128 <= liquidity_delta_raw <= MAX_INT128:
        raise refused(pool, "the liquidity is no int128")
    # By the contract's convention, all growth so far was below a tick that is new.
    outside = [pool.fee_growth_global_x128 if tick <= pool.tick else (0, 0) for tick in (ticks.lower, ticks.upper)]
    book = with_liquidity(pool.book, ticks.lower, outside[0], (liquidity_delta_raw, liquidity_delta_raw))
    book = with_liquidity(book, ticks.upper, outside[1], (liquidity_delta_raw, -liquidity_delta_raw))
    low_x96, price_x96, high_x96 = _prices_x96(pool, ticks)
    if liquidity_delta_raw < 0:
        amount0_raw = -amount0_down_raw(price_x96, high_x96, -liquidity_delta_raw)
        amount1_raw = -amount1_down_raw(low_x96, price_x96, -liquidity_delta_raw)
    else:
        amount0_raw = amount0_up_raw(price_x96, high_x96, liquidity_delta_raw)
        amount1_raw = amount1_up_raw(low_x96, price_x96, liquidity_delta_raw)
    active_raw = liquidity_delta_raw if ticks.lower <= pool.tick < ticks.upper else 0
    return Moved(replace(pool, book=book, liquidity_raw=pool.liquidity_raw + active_raw), (amount0_raw, amount1_raw))


def fee_growth_inside_x128(pool: Pool, ticks: Ticks) -> Pair:
    """Tick.getFeeGrowthInside. Raises UnsupportedState where a bound's fee growth was not read."""
    lower, upper = _outside_x128(pool, ticks.lower), _outside_x128(pool, ticks.upper)
    all0, all1 = pool.fee_growth_global_x128
    if pool.tick < ticks.lower:
        return (lower[0] - upper[0]) % WRAP, (lower[1] - upper[1]) % WRAP
    if pool.tick < ticks.upper:
        return (all0 - lower[0] - upper[0]) % WRAP, (all1 - lower[1] - upper[1]) % WRAP
    return (upper[0] - lower[0]) % WRAP, (upper[1] - lower[1]) % WRAP


def worth_raw(pool: Pool, held: Position) -> Pair:
    """Both tokens of a range: its liquidity if it were burned now, what it is owed, and what it has earned since."""
    if held.range is None:
        return 0, 0
    mine = _mine(held, held.range)
    if mine.liquidity_raw:
        low_x96, price_x96, high_x96 = _prices_x96(pool, mine.ticks)
        amount0_raw = amount0_down_raw(price_x96, high_x96, mine.liquidity_raw)
        amount1_raw = amount1_down_raw(low_x96, price_x96, mine.liquidity_raw)
        mine = touched(mine, fee_growth_inside_x128(pool, mine.ticks), 0, (amount0_raw, amount1_raw))
    return mine.owed_raw


def is_of_the_pool(action: MarketAction) -> bool:
    """Whether its amounts are of the pool's tokens, in their order where it gives both, and none is below zero."""
    pair = tokens(action.market)
    match action:
        case Swap(amount_in=given, least_out=least, via=(), payout=Payout.STRAIGHT):
            return (given.asset, least.asset) in (pair, pair[::-1]) and min(given.raw, least.raw) >= 0
        case AddLiquidity(most=most, least=least):
            return all((a.asset, b.asset) == pair and min(a.raw, b.raw) >= 0 for a, b in (most, least))
        case RemoveLiquidity(least=(one, other)):
            return (one.asset, other.asset) == pair and min(one.raw, other.raw) >= 0
        case Collect():
            return True
        case _:
            return False


def applied(pool: Pool, held: Position, action: MarketAction) -> Applied[Pool]:
    """One action of an account. Raises ProtocolError where the pool, the manager or the router reverts."""
    if action.market.id == pool.market.id and is_of_the_pool(action):
        match action:
            case Swap():
                return _swapped(pool, held, action)
            case AddLiquidity():
                return _added(pool, held, action)
            case RemoveLiquidity():
                return _removed(pool, held, action)
            case Collect():
                return _collected(pool, held, action)
            case _:
                pass
    raise refused(pool, f"it is not asked for this market and its tokens: {action}")


def _swapped(pool: Pool, held: Position, action: Swap) -> Applied[Pool]:
    """SwapRouter.exactInputSingle without a price limit: what the book cannot take stays with the account."""
    _in_time(pool, action.deadline)
    token_in = tokens(pool.market).index(action.amount_in.asset)
    done = swap(pool, token_in, action.amount_in.raw, limit_x96(token_in))
    if -done.amounts_raw[1 - token_in] < action.least_out.raw:
        raise refused(pool, "Too little received")
    return Applied(done.pool, held, _moved(pool, done.amounts_raw))


def _added(pool: Pool, held: Position, action: AddLiquidity) -> Applied[Pool]:
    """NonfungiblePositionManager.mint and increaseLiquidity. The id of a range not mined yet is 0."""
    _in_time(pool, action.deadline)
    target = _entered(pool, held, action.into)
    ticks, claim = target.ticks, _claim(pool, target.ticks)
    bounds_x96 = sqrt_price_at_tick_x96(ticks.lower), sqrt_price_at_tick_x96(ticks.upper)
    liquidity_raw = liquidity_for_amounts_down_raw(pool.sqrt_price_x96, bounds_x96, (action.most[0].raw, action.most[1].raw))
    if liquidity_raw == 0:
        raise refused(pool, "it buys no liquidity")
    if claim is None and tick_of(pool.book, ticks.lower) and tick_of(pool.book, ticks.upper):
        raise _unread(pool, ticks)
    done = modify(pool, ticks, liquidity_raw)
    _not_below(pool, done.amounts_raw, action.least)
    inside_x128 = fee_growth_inside_x128(done.pool, ticks)
    # Where a bound is new nobody has liquidity there, so the pool owes nothing for it but what an earlier owner may have left.
    claim = touched(claim or Claim(ticks, 0, (0, 0), (0, 0)), inside_x128, liquidity_raw, (0, 0))
    after = replace(done.pool, claims=with_claim(pool, claim), balances_raw=_flowed(pool, done.amounts_raw))
    mine = touched(target, inside_x128, liquidity_raw, (0, 0))
    return Applied(after, _holding(held, mine), _moved(pool, done.amounts_raw))


def _removed(pool: Pool, held: Position, action: RemoveLiquidity) -> Applied[Pool]:
    """NonfungiblePositionManager.decreaseLiquidity: what comes out waits to be collected."""
    mine = _owned(pool, held, action.token_id)
    claim, liquidity_raw = _known_claim(pool, mine.ticks), action.liquidity_raw
    _in_time(pool, action.deadline)
    if not 0 < liquidity_raw <= mine.liquidity_raw:
        raise InsufficientBalance(what="the range's liquidity", wanted_raw=liquidity_raw, available_raw=mine.liquidity_raw)
    inside_x128 = fee_growth_inside_x128(pool, mine.ticks)
    done = modify(pool, mine.ticks, -liquidity_raw)
    out_raw = -done.amounts_raw[0], -done.amounts_raw[1]
    _not_below(pool, out_raw, action.least)
    claim = touched(claim, inside_x128, -liquidity_raw, out_raw)
    mine = touched(mine, inside_x128, -liquidity_raw, out_raw)
    return Applied(replace(done.pool, claims=with_claim(pool, claim)), _holding(held, mine), ())


def _collected(pool: Pool, held: Position, action: Collect) -> Applied[Pool]:
    """NonfungiblePositionManager.collect of all. The pool pays no more than it keeps for the manager, which rounding may leave
    a few units below what the range is owed; the range is owed nothing after it all the same."""
    mine = _owned(pool, held, action.token_id)
    claim = _known_claim(pool, mine.ticks)
    if mine.liquidity_raw:
        inside_x128 = fee_growth_inside_x128(pool, mine.ticks)
        claim, mine = touched(claim, inside_x128, 0, (0, 0)), touched(mine, inside_x128, 0, (0, 0))
    paid_raw = min(mine.owed_raw[0], claim.owed_raw[0]), min(mine.owed_raw[1], claim.owed_raw[1])
    amounts_raw = -paid_raw[0], -paid_raw[1]
    claim = replace(claim, owed_raw=(claim.owed_raw[0] - paid_raw[0], claim.owed_raw[1] - paid_raw[1]))
    after = replace(pool, claims=with_claim(pool, claim), balances_raw=_flowed(pool, amounts_raw))
    return Applied(after, _holding(held, replace(mine, owed_raw=(0, 0))), _moved(pool, amounts_raw))


def refused(pool: Pool, why: str) -> ActionRefused:
    """A revert of the pool, the manager or the router."""
    return ActionRefused(market_id=pool.market.id, why=why)


def _swappable(pool: Pool, token_in: int, specified_raw: int, price_limit_x96: int) -> None:
    if specified_raw == 0:
        raise refused(pool, "AS")
    if not -MAX_INT256 <= specified_raw <= MAX_INT256:
        raise refused(pool, "the amount is no int256")
    bounds = (MIN_SQRT_PRICE_X96, pool.sqrt_price_x96) if token_in == 0 else (pool.sqrt_price_x96, MAX_SQRT_PRICE_X96)
    if not bounds[0] < price_limit_x96 < bounds[1]:
        raise refused(pool, "SPL")


def _prices_x96(pool: Pool, ticks: Ticks) -> tuple[int, int, int]:
    """A range's lower bound, the price within it by the pool's tick, and its upper bound."""
    low_x96, high_x96 = sqrt_price_at_tick_x96(ticks.lower), sqrt_price_at_tick_x96(ticks.upper)
    if pool.tick < ticks.lower:
        return low_x96, low_x96, high_x96
    return low_x96, pool.sqrt_price_x96 if pool.tick < ticks.upper else high_x96, high_x96


def _outside_x128(pool: Pool, tick: int) -> Pair:
    known = tick_of(pool.book, tick)
    if known is None:
        return 0, 0  # as the contract's empty mapping says
    if known.fee_growth_outside_x128 is None:
        raise UnsupportedState(market_id=pool.market.id, what=f"the fee growth outside tick {tick} was not read")
    return known.fee_growth_outside_x128


def _mine(held: Position, found: Range) -> Claim:
    return Claim(found.ticks, held.shares_raw, found.fee_growth_inside_last_x128, found.owed_raw)


def _holding(held: Position, mine: Claim) -> Position:
    token_id = held.range.token_id if held.range else 0
    found = Range(token_id, mine.ticks, mine.fee_growth_inside_last_x128, mine.owed_raw)
    return replace(held, shares_raw=mine.liquidity_raw, range=found)


def _owned(pool: Pool, held: Position, token_id: int) -> Claim:
    if held.range is None or held.range.token_id != token_id:
        raise refused(pool, "Not approved")
    return _mine(held, held.range)


def _entered(pool: Pool, held: Position, into: Ticks | int) -> Claim:
    if not isinstance(into, Ticks):
        return _owned(pool, held, into)
    if held.range is not None:
        raise UnsupportedState(market_id=pool.market.id, what="a second range")
    return Claim(into, 0, (0, 0), (0, 0))


def _claim(pool: Pool, ticks: Ticks) -> Claim | None:
    return next((claim for claim in pool.claims if claim.ticks == ticks), None)


def _known_claim(pool: Pool, ticks: Ticks) -> Claim:
    if (claim := _claim(pool, ticks)) is None:
        raise _unread(pool, ticks)
    return claim


def _unread(pool: Pool, ticks: Ticks) -> UnsupportedState:
    what = f"what the pool keeps for the position manager in {ticks.lower} to {ticks.upper} was not read"
    return UnsupportedState(market_id=pool.market.id, what=what)


def with_claim(pool: Pool, claim: Claim) -> tuple[Claim, ...]:
    """The claims with this one in its place."""
    others = [known for known in pool.claims if known.ticks != claim.ticks]
    return tuple(sorted((*others, claim), key=lambda known: (known.ticks.lower, known.ticks.upper)))


def _in_time(pool: Pool, deadline: int) -> None:
    if pool.timestamp > deadline:
        raise refused(pool, "Transaction too old")


def _not_below(pool: Pool, amounts_raw: Pair, least: tuple[Amount, Amount]) -> None:
    if amounts_raw[0] < least[0].raw or amounts_raw[1] < least[1].raw:
        raise refused(pool, "Price slippage check")


def _moved(pool: Pool, amounts_raw: Pair) -> tuple[Amount, ...]:
    """The account's side of what came into the pool."""
    pairs = zip(tokens(pool.market), amounts_raw, strict=True)
    return tuple([Amount(asset, -raw) for asset, raw in pairs if raw])


def _flowed(pool: Pool, amounts_raw: Pair) -> Pair:
    """The balances after amounts came in or left."""
    for raw, balance_raw in zip(amounts_raw, pool.balances_raw, strict=True):
        if balance_raw + raw < 0:
            raise InsufficientLiquidity(market_id=pool.market.id, wanted_raw=-raw, available_raw=balance_raw)
    return pool.balances_raw[0] + amounts_raw[0], pool.balances_raw[1] + amounts_raw[1]


def _put(pair: Pair, at: int, value: int) -> Pair:
    return (value, pair[1]) if at == 0 else (pair[0], value)

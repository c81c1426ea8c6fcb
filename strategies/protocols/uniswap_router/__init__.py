"""Trades through Uniswap's SwapRouter02: one market is one pool of Uniswap V3 to trade in. Its price is read, never its book, so
what a trade pays out is not foretold; only the least that was asked for is.

Refuses every way of writing a trade but one: `multicall` with a deadline, exactly one swap inside, for the account itself and
without a price limit. Behind it, `unwrapWETH9` to the account where the native coin is bought, `sweepToken` to it where the trade
says that it is swept, both for the swap's own least amount, and `refundETH` where an exact output is paid in the native coin. So
other recipients, a second swap, a bare call without a deadline, a multicall in a multicall, permits, and Uniswap V2's functions
are read by nobody. Refused too, by name: a trade of nothing (to the router that means: of
whatever it holds itself), a path that comes through one token twice, a pool that the router's factory does not answer for its
tokens and fee, a pool without liquidity at its price, and a least amount that no such pool can pay. Not modelled: an exact output
through several pools; and a swap that empties its pool, which takes less than it was given: a simulation shows that. Nothing is
ever held here, so nothing can be earned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeAlias

from strategies.domain import (
    NATIVE,
    Action,
    Address,
    Amount,
    Asset,
    Entire,
    Market,
    MarketAction,
    Payout,
    Position,
    Revoke,
    Shares,
    Swap,
    SwapFor,
)
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, Applied, Call, Columns, Function, Solvency
from strategies.protocols.answers import refuse, words
from strategies.protocols.uniswap_router.calldata import (
    EXACT_INPUT,
    EXACT_INPUT_SINGLE,
    EXACT_OUTPUT_SINGLE,
    ITSELF,
    REFUND,
    SWEEP,
    UINT24,
    UNWRAP,
    SwapCall,
    multicall,
    opened,
    swap_of,
    written,
)
from strategies.units import MAX_UINT256, mul_div_down

Trade: TypeAlias = Swap | SwapFor

PROTOCOL: Final = "uniswap_router"

FACTORY: Final = Function("c45a0155")
WETH9: Final = Function("4aa4a4fc")
GET_POOL: Final = Function("1698ee82", ADDRESS, ADDRESS, UINT24)
SLOT0: Final = Function("3850c7bd")
LIQUIDITY: Final = Function("1a686502")

MAX_INT256: Final = 2**255 - 1
PIPS: Final = 1_000_000
Q192: Final = 2**192
GAS: Final[Mapping[type[Action], int]] = {Swap: 185_000, SwapFor: 215_000}
HOP_GAS: Final = 85_000


@dataclass(frozen=True, slots=True)
class PoolPrice:
    """A pool's price, true at `timestamp`: of token 0 in token 1, as the root of their base units, times 2^96."""

    market: Market
    timestamp: int
    sqrt_price_x96: int
    liquidity_raw: int  # at that price


def tokens(market: Market) -> tuple[Asset, Asset]:
    """Token 0 and token 1: by address."""
    asset, other = market.asset, market.others[0]
    return (asset, other) if asset.address < other.address else (other, asset)


def mid_raw(state: PoolPrice, amount: Amount) -> int:
    """What an amount of one token is worth in the other at the pool's price, rounded down; the fee is not taken off. The native
    coin counts as its wrapped token. Raises UnknownCall for another asset."""
    token = _token(state.market, amount.asset)
    if token is None:
        raise UnknownCall(f"{amount.asset.symbol} is no token of {state.market.id}")
    price_x192 = state.sqrt_price_x96**2
    is_first = token == tokens(state.market)[0].address
    return mul_div_down(amount.raw, price_x192, Q192) if is_first else mul_div_down(amount.raw, Q192, price_x192)


def most_out_raw(state: PoolPrice, given: Amount) -> int:
    """No swap of so much pays out more: the price only moves against it, and every step of `SwapMath.computeSwapStep` takes the
    fee off first and rounds for the pool."""
    less_fee_raw = mul_div_down(given.raw, PIPS - state.market.number("fee_pips"), PIPS)
    return mid_raw(state, Amount(given.asset, less_fee_raw))


class UniswapRouter:
    """The adapter of trades. A market's address is the router; it names its `pool` and `factory` by role, and `wrapped_native`
    where the native coin is among its `others` behind the second token. Its number is `fee_pips`."""

    @property
    def protocol(self) -> str:
        return PROTOCOL

    @property
    def arrival_bound_raw(self) -> int:
        """What is promised is the least amount, and that is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """The router's factory and wrapped coin, the factory's pool of these tokens and this fee, its price and liquidity."""
        pool, pair = market.contract("pool"), [token.address for token in tokens(market)]
        return (
            Call(market.address, FACTORY.encode()),
            Call(market.address, WETH9.encode()),
            Call(market.contract("factory"), GET_POOL.encode(*pair, market.number("fee_pips"))),
            Call(pool, SLOT0.encode()),
            Call(pool, LIQUIDITY.encode()),
        )

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> PoolPrice:
        """The price. Raises IncompleteRead; UnsupportedState for another factory or pool, and one that is not open."""
        if len(results) != 5:
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        (factory,), (wrapped,), (pool,) = (words(market, result, 1) for result in results[:3])
        price_x96, _, _, _, _, _, unlocked = words(market, results[3], 7)
        (liquidity_raw,) = words(market, results[4], 1)
        roles = dict(market.contracts)
        refuse(market, "its router has another factory", factory != int(roles["factory"], 16))
        refuse(market, "the factory answers another pool for its tokens and fee", pool != int(roles["pool"], 16))
        pinned = roles.get("wrapped_native", f"0x{wrapped:040x}")
        refuse(market, "its router wraps the native coin as another token", wrapped != int(pinned, 16))
        refuse(market, "not initialised, or in the middle of a call", not (price_x96 and unlocked))
        return PoolPrice(market, timestamp, price_x96, liquidity_raw)

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """Nothing: nobody has anything in a trade."""
        return ()

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """Nothing. Raises IncompleteRead where something was answered all the same."""
        if results:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, 0)

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The pool, which is who gives and takes; nothing is owed."""
        return market.contract("pool"), None

    def columns(self, state: PoolPrice) -> Columns:
        """Nothing that could be weighed: it is a way and no place, and its rates are not known (NaN)."""
        return Columns(float("nan"), float("nan"), utilisation=0.0, supplied=0.0, available=0.0)

    def accrue(self, state: PoolPrice, seconds: int) -> PoolPrice:
        """Only time passes: a price moves with trades."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: PoolPrice, held: Position, action: MarketAction) -> Applied[PoolPrice]:
        """What is given at most and got at least. The price after it is not foretold, and stays. Raises ActionRefused."""
        market = state.market
        if not isinstance(action, Swap | SwapFor) or action.market.id != market.id or _route(action) is None:
            raise ActionRefused(market_id=market.id, why=f"it is not asked for a trade of its tokens: {action}")
        given, got = ends(action)
        if not _is_sound(action):
            raise ActionRefused(market_id=market.id, why="it is a trade of nothing, or of more than there can be")
        if state.timestamp > action.deadline:
            raise ActionRefused(market_id=market.id, why="Transaction too old")
        if not state.liquidity_raw:
            raise ActionRefused(market_id=market.id, why="the pool has no liquidity at its price")
        if len(_pools(action)) == 1 and got.raw > (most_raw := most_out_raw(state, given)):
            raise ActionRefused(
                market_id=market.id, why=f"at the pool's price it can pay {most_raw}, which is less than {got.raw}"
            )
        moved = Amount(given.asset, -given.raw), got
        return Applied(state, held, tuple([amount for amount in moved if amount.raw]))

    def value_raw(self, state: PoolPrice, held: Position) -> int:
        """Nothing is held."""
        return 0

    def withdrawable_raw(self, state: PoolPrice) -> int:
        """Nothing can be taken out, only traded for."""
        return 0

    def price_usd_e8(self, state: PoolPrice) -> int | None:
        """None: its price is of one token in the other, and of this moment."""
        return None

    def solvency(self, state: PoolPrice, held: Position) -> Solvency:
        """Nothing is owed here and nothing secures a debt."""
        return Solvency(scope=state.market.id, collateral_usd_e8=0, debt_usd_e8=0)

    def everything(self, held: Position) -> Entire | Shares:
        """Nothing, as it is held."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The router."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain, approvals and revocations included."""
        if not isinstance(action, Swap | SwapFor):
            raise UnknownCall(f"a router has no {type(action).__name__}")
        return GAS[type(action)] + HOP_GAS * (len(_pools(action)) - 1)

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """The exact approval, unless the native coin goes along; the call; for an exact output the approval's end. Raises
        UnknownCall."""
        call = _call(action, account)
        if not isinstance(action, Swap | SwapFor) or call.value_wei:
            return (call,)
        approved = erc20.approve_exactly(ends(action)[0], call.target)
        if isinstance(action, Swap):
            return approved, call
        return approved, call, erc20.encode(Revoke(action.most_in.asset, call.target))

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for what `encode` would have written otherwise, by one byte or one wei."""
        try:
            deadline, inside = opened(call.data)
            swap = swap_of(inside[0])
            pools = pools_of(swap, [market for market in markets if market.address == call.target])
            paid_in = NATIVE if call.value_wei else swap.route[0]
            action = _meant(swap, pools, deadline, paid_in=paid_in, paid_out=_paid_out(inside))
            return action if call == _call(action, account) else None
        except (ValueError, LookupError, UnknownCall):
            return None


def pools_of(swap: SwapCall, markets: Sequence[Market]) -> tuple[Market, ...]:
    """The markets that a swap comes through, in order. Raises KeyError with the first two tokens and the fee that none has."""
    found = []
    for pair, fee_pips in zip(pairwise(swap.route), swap.fees_pips, strict=True):
        here = [market for market in markets if _is_pool(market, pair, fee_pips)]
        if not here:
            raise KeyError(*pair, fee_pips)
        found.append(here[0])
    return tuple(found)


def ends(trade: Trade) -> tuple[Amount, Amount]:
    """What a trade gives at most and gets at least."""
    return (trade.amount_in, trade.least_out) if isinstance(trade, Swap) else (trade.most_in, trade.amount_out)


def _is_pool(market: Market, pair: tuple[Address, Address], fee_pips: int) -> bool:
    return {token.address for token in tokens(market)} == {*pair} and market.number("fee_pips") == fee_pips


def _paid_out(inside: Sequence[bytes]) -> bytes:
    """The function that pays a swap out; its own where it does so itself."""
    return inside[min(1, len(inside) - 1)][:4]


def _meant(swap: SwapCall, pools: tuple[Market, ...], deadline: int, *, paid_in: Address, paid_out: bytes) -> Trade:
    """The trade that a swap is part of, if encoding it says the same. Raises LookupError."""
    given = _asset(pools[0], paid_in)
    got = _asset(pools[-1], NATIVE if paid_out == UNWRAP.selector else swap.route[-1])
    exact_raw, bound_raw = swap.amounts_raw
    if swap.function is EXACT_OUTPUT_SINGLE:
        return SwapFor(pools[0], Amount(given, bound_raw), Amount(got, exact_raw), deadline)
    payout = Payout.SWEPT if paid_out == SWEEP.selector else Payout.STRAIGHT
    return Swap(pools[0], Amount(given, exact_raw), Amount(got, bound_raw), deadline, pools[1:], payout)


def _asset(market: Market, address: Address) -> Asset:
    return {asset.address: asset for asset in (market.asset, *market.others)}[address]


def _pools(trade: Trade) -> tuple[Market, ...]:
    return (trade.market, *trade.via) if isinstance(trade, Swap) else (trade.market,)


def _token(market: Market, asset: Asset) -> Address | None:
    """The token of a pool that stands for an asset; None where none does."""
    if asset in market.others[1:] and asset.address == NATIVE:
        return dict(market.contracts).get("wrapped_native")
    return asset.address if asset in tokens(market) else None


def _route(trade: Trade) -> tuple[Address, ...] | None:
    """The tokens that a trade comes through; None where its pools do not lead from end to end, or where one comes twice."""
    pools, (given, got) = _pools(trade), ends(trade)
    first, last = _token(pools[0], given.asset), _token(pools[-1], got.asset)
    if first is None or last is None:
        return None
    route = [first]
    for pool in pools:
        pair = [token.address for token in tokens(pool)]
        if pool.protocol != PROTOCOL or pool.address != trade.market.address or route[-1] not in pair:
            return None
        route.append(pair[1 - pair.index(route[-1])])
    return tuple(route) if route[-1] == last and len({*route}) == len(route) else None


def _is_sound(trade: Trade) -> bool:
    """Whether it is worth writing: no amount that the router reads as something else, and none that approves without end."""
    given, got = ends(trade)
    if isinstance(trade, Swap):
        is_written_once = trade.payout is Payout.STRAIGHT or got.asset.address != NATIVE
        return 0 < given.raw <= MAX_INT256 and got.raw >= 0 and is_written_once
    return 0 < given.raw < MAX_UINT256 and 0 < got.raw <= MAX_INT256


def _call(action: MarketAction, account: Address) -> Call:
    """The one call that a trade is. Raises UnknownCall."""
    if not isinstance(action, Swap | SwapFor) or (route := _route(action)) is None or not _is_sound(action):
        raise UnknownCall(f"no such action in {action.market.id}: {action}")
    (given, _), router = ends(action), action.market.address
    try:
        data = multicall(action.deadline, _inside(action, route, account))
    except ValueError as error:
        raise UnknownCall(str(error)) from error
    return Call(router, data, given.raw if given.asset.address == NATIVE else 0)


def _inside(trade: Trade, route: tuple[Address, ...], account: Address) -> tuple[bytes, ...]:
    """The swap, and what pays out or back. Raises ValueError on a value its word cannot carry."""
    given, got = ends(trade)
    is_swept = isinstance(trade, Swap) and trade.payout is Payout.SWEPT
    recipient = ITSELF if is_swept or got.asset.address == NATIVE else account
    inside = [written(_swap(trade, route, recipient))]
    if is_swept:
        inside.append(SWEEP.encode(got.asset.address, got.raw, account))
    if got.asset.address == NATIVE:
        inside.append(UNWRAP.encode(got.raw, account))
    if given.asset.address == NATIVE and isinstance(trade, SwapFor):
        inside.append(REFUND.encode())
    return tuple(inside)


def _swap(trade: Trade, route: tuple[Address, ...], recipient: Address) -> SwapCall:
    (given, got), fees_pips = ends(trade), tuple([pool.number("fee_pips") for pool in _pools(trade)])
    if isinstance(trade, SwapFor):
        return SwapCall(EXACT_OUTPUT_SINGLE, route, fees_pips, recipient, (got.raw, given.raw))
    function = EXACT_INPUT if trade.via else EXACT_INPUT_SINGLE
    return SwapCall(function, route, fees_pips, recipient, (given.raw, got.raw))

"""Curve StableSwap-NG plain pools: the invariant, what a swap gives, reading a pool. Arithmetic and reading only, no trading yet.

Refuses, by name: every action, its calldata and reading it back; pools whose coins are not the pinned ones in the pinned order;
pools whose invariant cannot be worked out; a meta pool's underlying coins; and the older StableSwap pools, whose fee is static
and whose iteration differs in the last unit. Rates that a coin's oracle or vault states are taken as read: how they grow is not
the pool's affair, so `accrue` only ramps A. Of a market's numbers, `coin` is the place of its asset among the pool's coins; its
`others` are the other coins in their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Action, Address, Entire, Market, MarketAction, Position, Shares
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency
from strategies.units import MAX_UINT256, WAD, mul_div_down

A_PRECISION: Final = 100
FEE_UNIT: Final = 10**10
ROUNDS: Final = 255  # of Newton's method, before the contract gives up

INITIAL_A: Final = Function("5409491a")
FUTURE_A: Final = Function("b4b577ad")
INITIAL_A_TIME: Final = Function("2081066c")
FUTURE_A_TIME: Final = Function("14052288")
FEE: Final = Function("ddca3f43")
OFFPEG_FEE_MULTIPLIER: Final = Function("8edfdd5f")
TOTAL_SUPPLY: Final = Function("18160ddd")
N_COINS: Final = Function("29357750")
STORED_RATES: Final = Function("fd0684b1")
GET_BALANCES: Final = Function("14f05979")
COINS: Final = Function("c6610657", UINT256)
NUMBERS: Final = (INITIAL_A, FUTURE_A, INITIAL_A_TIME, FUTURE_A_TIME, FEE, OFFPEG_FEE_MULTIPLIER, TOTAL_SUPPLY, N_COINS)


@dataclass(frozen=True, slots=True)
class Ramp:
    """How A moves from one value to another, both times A_PRECISION."""

    initial: int
    future: int
    initial_seconds: int
    future_seconds: int


@dataclass(frozen=True, slots=True)
class Fee:
    """The fee of a balanced pool and how much an unbalanced one multiplies it, both of 1e10."""

    base: int
    offpeg_multiplier: int


@dataclass(frozen=True, slots=True)
class CurvePool:
    """A plain pool at one time. Rates scale a coin's base units to 18 decimals and its worth, times 1e18."""

    market: Market
    timestamp: int
    ramp: Ramp
    fee: Fee
    rates_wad: tuple[int, ...]
    balances_raw: tuple[int, ...]
    total_supply_raw: int


def invariant(xp: Sequence[int], amp: int) -> int:
    """CurveStableSwapNG.get_D: what the pool would hold if it were balanced. Raises ActionRefused where it reverts."""
    coins, total = len(xp), _word(sum(xp))
    if total == 0:
        return 0
    ann, found = _word(amp * coins), total
    for _ in range(ROUNDS):
        product = found
        for x in xp:
            product = _over(_word(product * found), x)
        product //= coins**coins
        before = found
        above = _word((_word(ann * total) // A_PRECISION + _word(product * coins)) * found)
        below = _word((ann - A_PRECISION) * found) // A_PRECISION + _word((coins + 1) * product)
        found = _over(above, _word(below))
        if abs(found - before) <= 1:
            return found
    raise _reverts("the invariant does not converge")


def balance_after(i: int, j: int, *, x: int, xp: Sequence[int], amp: int, d: int) -> int:
    """CurveStableSwapNG.get_y: what coin j comes to where coin i is x and the invariant holds. Raises ActionRefused."""
    coins = len(xp)
    if i == j or not (0 <= i < coins and 0 <= j < coins):
        raise _reverts(f"coins {i} and {j} of {coins}")
    total, c, ann = 0, d, _word(amp * coins)
    for at in range(coins):
        if at == j:
            continue
        held = x if at == i else xp[at]
        total = _word(total + held)
        c = _over(_word(c * d), _word(held * coins))
    c = _over(_word(_word(c * d) * A_PRECISION), _word(ann * coins))
    b = _word(total + _over(_word(d * A_PRECISION), ann))
    return _root(b, c, d)


def dynamic_fee(one: int, other: int, fee: Fee) -> int:
    """CurveStableSwapNG._dynamic_fee of two scaled balances, of 1e10: the further from balance the more."""
    if fee.offpeg_multiplier <= FEE_UNIT:
        return fee.base
    squared = _word((one + other) ** 2)
    unbalance = _over(_word((fee.offpeg_multiplier - FEE_UNIT) * 4 * one * other), squared)
    return _word(fee.offpeg_multiplier * fee.base) // (unbalance + FEE_UNIT)


def scaled(rates_wad: Sequence[int], balances_raw: Sequence[int]) -> tuple[int, ...]:
    """CurveStableSwapNG._xp_mem: each balance in the invariant's unit, rounded down."""
    return tuple(_word(rate * raw) // WAD for rate, raw in zip(rates_wad, balances_raw, strict=True))


def amplification(ramp: Ramp, timestamp: int) -> int:
    """CurveStableSwapNG._A: A times A_PRECISION while it ramps and after, rounded towards where it came from."""
    if timestamp >= ramp.future_seconds:
        return ramp.future
    since, whole = _word(timestamp - ramp.initial_seconds), ramp.future_seconds - ramp.initial_seconds
    if ramp.future > ramp.initial:
        return ramp.initial + mul_div_down(ramp.future - ramp.initial, since, whole)
    return ramp.initial - mul_div_down(ramp.initial - ramp.future, since, whole)


def swap_out_raw(pool: CurvePool, i: int, j: int, amount_raw: int) -> int:
    """What a swap of coin i gives of coin j (CurveStableSwapNGViews.get_dy): one unit less, then the fee, then rounded down."""
    xp, amp = scaled(pool.rates_wad, pool.balances_raw), amplification(pool.ramp, pool.timestamp)
    return swapped_raw(i, j, amount_raw, xp=xp, amp=amp, rates_wad=pool.rates_wad, fee=pool.fee)


def swapped_raw(i: int, j: int, amount_raw: int, *, xp: Sequence[int], amp: int, rates_wad: Sequence[int], fee: Fee) -> int:
    """`swap_out_raw` of the bare numbers. Raises ActionRefused where the contract reverts."""
    if not (0 <= i < len(xp) and 0 <= j < len(xp)):
        raise _reverts(f"coins {i} and {j} of {len(xp)}")
    d = invariant(xp, amp)
    x = _word(xp[i] + _word(amount_raw * rates_wad[i]) // WAD)
    y = balance_after(i, j, x=x, xp=xp, amp=amp, d=d)
    gross = _word(xp[j] - y - 1)
    taken = _word(dynamic_fee(_word(xp[i] + x) // 2, _word(xp[j] + y) // 2, fee) * gross) // FEE_UNIT
    return _over(_word(_word(gross - taken) * WAD), rates_wad[j])


def virtual_price_wad(pool: CurvePool) -> int:
    """CurveStableSwapNG.get_virtual_price: the invariant a pool token stands for, rounded down. Raises ActionRefused."""
    return _over(_word(_invariant_of(pool) * WAD), pool.total_supply_raw)


class Curve:
    """The adapter of StableSwap-NG plain pools, for reading."""

    @property
    def protocol(self) -> str:
        return "curve"

    @property
    def arrival_bound_raw(self) -> int:
        """Nothing arrives: nothing is written."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """Ramp, fees, supply, rates, balances and every coin's address."""
        market.number("coin")
        coins = [COINS.encode(at) for at in range(len(market.others) + 1)]
        plain = [function.encode() for function in (*NUMBERS, STORED_RATES, GET_BALANCES)]
        return tuple(Call(market.address, data) for data in (*plain, *coins))

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> CurvePool:
        """The pool as it was answered. Raises IncompleteRead, UnsupportedState."""
        count = len(market.others) + 1
        if len(results) != len(NUMBERS) + 2 + count:
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        numbers = [erc20.read_amount(result, market.id) for result in results[: len(NUMBERS)]]
        if numbers[7] != count:
            raise UnsupportedState(market_id=market.id, what=f"a pool of {numbers[7]} coins; {count} are pinned")
        rates, balances = (_array(market, result, count) for result in results[len(NUMBERS) : len(NUMBERS) + 2])
        for at, (result, pinned) in enumerate(zip(results[-count:], _coins(market), strict=True)):
            if result != ADDRESS.pack(pinned):
                raise UnsupportedState(market_id=market.id, what=f"coin {at} is not the pinned {pinned}")
        pool = CurvePool(market, timestamp, Ramp(*numbers[:4]), Fee(*numbers[4:6]), rates, balances, numbers[6])
        _refuse_without_invariant(pool)
        return pool

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The pool is its own token."""
        return (Call(market.address, erc20.BALANCE_OF.encode(account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's pool tokens. Raises IncompleteRead."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, erc20.read_amount(results[0], market.id))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The pool's token; nothing can be owed."""
        return market.address, None

    def columns(self, state: CurvePool) -> Columns:
        """No contract states what a pool will earn, so the rates are not known (NaN)."""
        one = 10**state.market.asset.decimals
        return Columns(
            supply_apr=float("nan"),
            borrow_apr=float("nan"),
            utilisation=0.0,
            supplied=_in_asset_raw(state, _invariant_of(state)) / one,
            available=self.withdrawable_raw(state) / one,
        )

    def accrue(self, state: CurvePool, seconds: int) -> CurvePool:
        """Only time passes; A is computed from it."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: CurvePool, held: Position, action: MarketAction) -> Applied[CurvePool]:
        """Raises UnsupportedState: trading is not modelled."""
        raise UnsupportedState(market_id=state.market.id, what="Curve pools are read here, not traded")

    def value_raw(self, state: CurvePool, held: Position) -> int:
        """Pool tokens at the virtual price, in the asset by its rate, rounded down; leaving in one coin costs a fee besides."""
        return _in_asset_raw(state, mul_div_down(held.shares_raw, virtual_price_wad(state), WAD)) if held.shares_raw else 0

    def withdrawable_raw(self, state: CurvePool) -> int:
        """What the pool holds of the asset."""
        return state.balances_raw[state.market.number("coin")]

    def price_usd_e8(self, state: CurvePool) -> int | None:
        """A pool knows its coins' prices in each other only."""
        return None

    def solvency(self, state: CurvePool, held: Position) -> Solvency:
        """Nothing is borrowed against it here."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """Every pool token."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The pool."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Nothing is measured that is not written. Raises UnknownCall."""
        raise _unwritten(action)

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """Raises UnknownCall: no calldata is written."""
        raise _unwritten(action)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """None: no calldata is read."""
        return None


def _coins(market: Market) -> tuple[Address, ...]:
    addresses = [asset.address for asset in market.others]
    addresses.insert(market.number("coin"), market.asset.address)
    return tuple(addresses)


def _array(market: Market, result: bytes, count: int) -> tuple[int, ...]:
    words = tuple(int.from_bytes(result[at : at + 32], "big") for at in range(0, len(result), 32))
    if len(result) != 32 * (count + 2) or words[:2] != (32, count):
        raise IncompleteRead(f"{market.id}: {len(result)} bytes where an array of {count} is due")
    return words[2:]


def _invariant_of(pool: CurvePool) -> int:
    return invariant(scaled(pool.rates_wad, pool.balances_raw), amplification(pool.ramp, pool.timestamp))


def _refuse_without_invariant(pool: CurvePool) -> None:
    try:
        _invariant_of(pool)
        drained = 0 in pool.rates_wad
    except ActionRefused:
        drained = True
    if drained:
        raise UnsupportedState(
            market_id=pool.market.id, what="its invariant cannot be worked out: a coin is gone or worth nothing"
        )


def _in_asset_raw(pool: CurvePool, worth: int) -> int:
    return mul_div_down(worth, WAD, pool.rates_wad[pool.market.number("coin")])


def _root(b: int, c: int, d: int) -> int:
    """Newton's method from above, until two rounds differ by one at most."""
    y = d
    for _ in range(ROUNDS):
        before = y
        y = _over(_word(_word(y * y) + c), _word(_word(2 * y + b) - d))
        if abs(y - before) <= 1:
            return y
    raise _reverts("the balance does not converge")


def _word(value: int) -> int:
    """What Vyper checks of every sum, difference and product."""
    if not 0 <= value <= MAX_UINT256:
        raise _reverts("a number passes 256 bits or zero")
    return value


def _over(value: int, divisor: int) -> int:
    if divisor == 0:
        raise _reverts("a division by zero")
    return value // divisor


def _reverts(why: str) -> ActionRefused:
    return ActionRefused(market_id="curve", why=why)


def _unwritten(action: MarketAction) -> UnknownCall:
    return UnknownCall(f"Curve pools are read here, not traded: {type(action).__name__}")

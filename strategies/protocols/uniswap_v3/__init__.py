"""Uniswap V3: read a pool with its whole book, swap exactly so much in, keep one range, speak the router's and the position
manager's calldata and read that back.

Refuses, by name: pools whose tick spacing is below 10, because their book does not fit one read (6,932 words at a spacing of 1);
pools not initialised or not the pinned ones; an account's range of which the token id was not told (`range_reads`, `range_of`);
fees of a range whose bounds were not read (`bounds_reads`, `with_bounds`); a second range in one market; and calls of a token id
where several markets share the position manager and none pins that `token_id`, because such bytes name no pool. A swap that
empties the whole book leaves a part of its allowance: the bytes cannot know that, a simulation shows it. Not modelled: flash
loans, the oracle, and a swap to a price, an exact output or a range without the position manager by the account itself."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from eth_utils.crypto import keccak

from strategies.domain import (
    Action,
    AddLiquidity,
    Address,
    Amount,
    Collect,
    Entire,
    Market,
    MarketAction,
    Position,
    Range,
    RemoveLiquidity,
    Revoke,
    Shares,
    Swap,
    Ticks,
)
from strategies.errors import IncompleteRead, UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency, Uint
from strategies.protocols.answers import refuse, words
from strategies.protocols.uniswap_v3 import pool as pools
from strategies.protocols.uniswap_v3.arithmetic import (
    MAX_INT256,
    MAX_UINT128,
    Book,
    Claim,
    Tick,
    tick_of,
    with_tick,
    words_of_book,
)
from strategies.protocols.uniswap_v3.pool import Pool, tokens
from strategies.units import MAX_UINT256


class Int:
    """A signed integer of so many bits, as a word of calldata."""

    __slots__ = ("bits",)

    def __init__(self, bits: int) -> None:
        self.bits: Final = bits

    def pack(self, value: int | str) -> bytes:
        if not isinstance(value, int) or not -(1 << self.bits - 1) <= value < 1 << self.bits - 1:
            raise ValueError(f"{value!r} is no int{self.bits}")
        return value.to_bytes(32, "big", signed=True)

    def unpack(self, word: bytes) -> int:
        value = int.from_bytes(word, "big", signed=True)
        if not -(1 << self.bits - 1) <= value < 1 << self.bits - 1:
            raise ValueError(f"{word.hex()} is no int{self.bits}")
        return value


INT24, UINT24, UINT128, UINT160 = Int(24), Uint(24), Uint(128), Uint(160)

TOKENS: Final = (Function("0dfe1681"), Function("d21220a7"))
FEE: Final = Function("ddca3f43")
TICK_SPACING: Final = Function("d0c93a7c")
SLOT0: Final = Function("3850c7bd")
LIQUIDITY: Final = Function("1a686502")
FEE_GROWTHS: Final = (Function("f3058399"), Function("46141319"))
PROTOCOL_FEES: Final = Function("1ad8b03b")
TICKS: Final = Function("f30dba93", INT24)
POSITIONS: Final = Function("514ea4bf", UINT256)  # bytes32
POPULATED_TICKS: Final = Function("351fb478", ADDRESS, Int(16))
TOKEN_POSITIONS: Final = Function("99fbab88", UINT256)
OWNER_OF: Final = Function("6352211e", UINT256)

SWAP: Final = Function("414bf389", ADDRESS, ADDRESS, UINT24, ADDRESS, UINT256, UINT256, UINT256, UINT160)
MINT: Final = Function("88316456", ADDRESS, ADDRESS, UINT24, INT24, INT24, *[UINT256] * 4, ADDRESS, UINT256)
INCREASE: Final = Function("219f5d17", *[UINT256] * 6)
DECREASE: Final = Function("0c49ccbe", UINT256, UINT128, *[UINT256] * 3)
COLLECT: Final = Function("fc6f7865", UINT256, ADDRESS, UINT128, UINT128)

LEAST_SPACING: Final = 10
HEAD_WORDS: Final = (1, 1, 1, 1, 7, 1, 1, 1, 2, 1, 1)  # of each answer before the book
EMPTY: Final = (32).to_bytes(32, "big") + bytes(32)  # an array of nothing
GAS: Final[Mapping[type[Action], int]] = {Swap: 190_000, AddLiquidity: 680_000, RemoveLiquidity: 290_000, Collect: 240_000}


class UniswapV3:
    """The adapter of Uniswap V3 pools. A market counts in one token of its pool and names the other; its numbers are `fee_pips`
    and `tick_spacing`, and `token_id` where its range is to be read back among others."""

    @property
    def protocol(self) -> str:
        return "uniswap_v3"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """The pool, and every word of its book, empty or not: nobody knows in advance which are."""
        at, lens = market.address, market.contract("tick_lens")
        getters = (*TOKENS, FEE, TICK_SPACING, SLOT0, LIQUIDITY, *FEE_GROWTHS, PROTOCOL_FEES)
        balances = [Call(token.address, erc20.BALANCE_OF.encode(at)) for token in tokens(market)]
        book = [Call(lens, POPULATED_TICKS.encode(at, word)) for word in _words_of_book(market)]
        return (*(Call(at, getter.encode()) for getter in getters), *balances, *book)

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> Pool:
        """The pool as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(HEAD_WORDS) + len(_words_of_book(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        answered = [words(market, result, count) for result, count in zip(results, HEAD_WORDS, strict=False)]
        pinned = [*(int(token.address, 16) for token in tokens(market)), market.number("fee_pips"), market.number("tick_spacing")]
        refuse(market, "not the pinned tokens, fee and spacing", [one for (one,) in answered[:4]] != pinned)
        (price_x96, tick, _, _, _, fee_protocol, unlocked), (liquidity_raw,) = answered[4:6]
        refuse(market, "not initialised, or in the middle of a call", not (price_x96 and unlocked))
        state = Pool(
            market=market,
            timestamp=timestamp,
            fee_pips=market.number("fee_pips"),
            sqrt_price_x96=price_x96,
            tick=_signed(tick),
            fee_protocol=fee_protocol,
            liquidity_raw=liquidity_raw,
            fee_growth_global_x128=(answered[6][0], answered[7][0]),
            protocol_fees_raw=(answered[8][0], answered[8][1]),
            balances_raw=(answered[9][0], answered[10][0]),
            book=_book(market, results[len(HEAD_WORDS) :]),
        )
        below_raw = sum(
            known.liquidity_net_raw for at, known in zip(state.book.ticks, state.book.known, strict=True) if at <= state.tick
        )
        if below_raw != liquidity_raw:
            raise IncompleteRead(f"{market.id}: the book adds up to {below_raw}, not to the pool's {liquidity_raw}")
        return state

    def bounds_reads(self, market: Market, ticks: Ticks) -> tuple[Call, ...]:
        """What to ask besides for the fees of a range: both bounds, and what the pool keeps for the position manager."""
        key = Call(market.address, POSITIONS.encode(_key(market, ticks)))
        return (*(Call(market.address, TICKS.encode(tick)) for tick in (ticks.lower, ticks.upper)), key)

    def with_bounds(self, state: Pool, ticks: Ticks, results: Sequence[bytes]) -> Pool:
        """The state with what was answered to that. Raises IncompleteRead."""
        if len(results) != 3:
            raise IncompleteRead(f"{state.market.id}: {len(results)} answers about a range")
        book = state.book
        for tick, result in zip((ticks.lower, ticks.upper), results, strict=False):
            gross_raw, net_raw, growth0_x128, growth1_x128, *_ = words(state.market, result, 8)
            known = tick_of(book, tick) or Tick(0, 0, None)
            if (gross_raw, _signed(net_raw)) != (known.liquidity_gross_raw, known.liquidity_net_raw):
                raise IncompleteRead(f"{state.market.id}: tick {tick} is not as the book says")
            book = with_tick(book, tick, replace(known, fee_growth_outside_x128=(growth0_x128, growth1_x128)))
        liquidity_raw, last0_x128, last1_x128, owed0_raw, owed1_raw = words(state.market, results[2], 5)
        claim = Claim(ticks, liquidity_raw, (last0_x128, last1_x128), (owed0_raw, owed1_raw))
        return replace(state, book=book, claims=pools.with_claim(state, claim))

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """How many ranges of any pool the account has."""
        return (Call(market.contract("position_manager"), erc20.BALANCE_OF.encode(account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """Nothing, where it has none. Raises IncompleteRead; UnsupportedState where it has one, because its id must be told."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        (count,) = words(market, results[0], 1)
        refuse(market, f"the account has {count} ranges of this position manager, whose token ids were not told", count != 0)
        return Position(market, 0)

    def range_reads(self, market: Market, token_id: int) -> tuple[Call, ...]:
        """What to ask for one range by its token id."""
        manager = market.contract("position_manager")
        return Call(manager, OWNER_OF.encode(token_id)), Call(manager, TOKEN_POSITIONS.encode(token_id))

    def range_of(self, market: Market, results: Sequence[bytes], *, account: Address, token_id: int) -> Position:
        """What was answered to that. Raises IncompleteRead, and UnsupportedState for another's range or another pool's."""
        if len(results) != 2:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about range {token_id}")
        (owner,), found = words(market, results[0], 1), words(market, results[1], 12)
        refuse(market, f"range {token_id} is not the account's", owner != int(account, 16))
        here = [*(int(token.address, 16) for token in tokens(market)), market.number("fee_pips")]
        refuse(market, f"range {token_id} is of another pool", list(found[2:5]) != here)
        ticks = Ticks(_signed(found[5]), _signed(found[6]))
        return Position(market, found[7], range=Range(token_id, ticks, (found[8], found[9]), (found[10], found[11])))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The position manager counts liquidity; nothing is owed."""
        return market.contract("position_manager"), None

    def columns(self, state: Pool) -> Columns:
        """What is there. A pool's state does not say what it will earn, only swaps do, so its rates are not known (NaN)."""
        whole = self.withdrawable_raw(state) / 10**state.market.asset.decimals
        return Columns(float("nan"), float("nan"), utilisation=0.0, supplied=whole, available=whole)

    def accrue(self, state: Pool, seconds: int) -> Pool:
        """Only time passes: fees come with swaps."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: Pool, held: Position, action: MarketAction) -> Applied[Pool]:
        """One action at the state's time. Raises ProtocolError where the pool, the manager or the router reverts."""
        return pools.applied(state, held, action)

    def value_raw(self, state: Pool, held: Position) -> int:
        """Both tokens of the range in the market's asset, rounded down, at the pool's own price: anybody can move that within a
        block, so who weighs a position by it must know the price from elsewhere."""
        one_raw, other_raw = pools.worth_raw(state, held)
        if tokens(state.market)[0] == state.market.asset:
            return one_raw + (other_raw << 192) // state.sqrt_price_x96**2
        return other_raw + (one_raw * state.sqrt_price_x96**2 >> 192)

    def withdrawable_raw(self, state: Pool) -> int:
        """All of the asset that the pool has."""
        return state.balances_raw[tokens(state.market).index(state.market.asset)]

    def price_usd_e8(self, state: Pool) -> int | None:
        """None: its price is of one token in the other, and of this moment."""
        return None

    def solvency(self, state: Pool, held: Position) -> Solvency:
        """Nothing is owed here and nothing secures a debt."""
        return Solvency(scope=state.market.id, collateral_usd_e8=0, debt_usd_e8=0)

    def everything(self, held: Position) -> Entire | Shares:
        """Its liquidity: it stands still until its owner touches it."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The router for a swap, else the position manager."""
        return action.market.contract("router" if isinstance(action, Swap) else "position_manager")

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain, approvals, collection and revocations included."""
        if type(action) not in GAS:
            raise UnknownCall(f"Uniswap V3 has no {type(action).__name__}")
        return GAS[type(action)]

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """Exact approvals; the call; the collection of what a removal releases; the end of approvals of at most so much. Raises
        UnknownCall."""
        if not (pools.is_of_the_pool(action) and _is_sound(action)):
            raise UnknownCall(f"no such action in {action.market.id}: {action}")
        spender = self.spender(action)
        try:
            call = Call(spender, _calldata(action, account))
        except ValueError as error:
            raise UnknownCall(str(error)) from error
        match action:
            case Swap(amount_in=amount):
                return erc20.approve_exactly(amount, spender), call
            case AddLiquidity(most=most):
                given = [amount for amount in most if amount.raw]
                revoked = [erc20.encode(Revoke(amount.asset, spender)) for amount in given]
                return (*(erc20.approve_exactly(amount, spender) for amount in given), call, *revoked)
            case RemoveLiquidity(market=market, token_id=token_id):
                return call, Call(spender, _calldata(Collect(market, token_id), account))
            case _:
                return (call,)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another beneficiary, fee, token or price limit, a value, or one unread byte."""
        function = next((known for known in (SWAP, MINT, INCREASE, DECREASE, COLLECT) if known.selector == call.data[:4]), None)
        served = [market for market in markets if call.target in dict(market.contracts).values()]
        if function is None:
            return None
        try:
            action = _read(function, function.decode(call.data), served)
            return action if action is not None and call in self.encode(action, account) else None
        except (ValueError, UnknownCall):
            return None


def _is_sound(action: MarketAction) -> bool:
    """Whether it is worth writing: no amount that must fail, and none that approves without end."""
    match action:
        case Swap(amount_in=given):
            return 0 < given.raw <= MAX_INT256
        case AddLiquidity(into=into, most=most, least=least):
            amounts = [(high.raw, low.raw) for high, low in zip(most, least, strict=True)]
            in_turn = any(high for high, _ in amounts) and all(low <= high < MAX_UINT256 for high, low in amounts)
            return in_turn and (into.lower < into.upper if isinstance(into, Ticks) else into > 0)
        case RemoveLiquidity(token_id=token_id, liquidity_raw=liquidity_raw):
            return token_id > 0 and liquidity_raw > 0
        case Collect(token_id=token_id):
            return token_id > 0
        case _:
            return False


def _calldata(action: MarketAction, account: Address) -> bytes:
    """The action's own call. Raises ValueError on a value its word cannot carry."""
    token0, token1 = (token.address for token in tokens(action.market))
    fee_pips = action.market.number("fee_pips")
    match action:
        case Swap(_, given, least, deadline):
            ends = given.asset.address, least.asset.address
            return SWAP.encode(*ends, fee_pips, account, deadline, given.raw, least.raw, 0)
        case AddLiquidity(_, into, most, least, deadline):
            amounts = (*(amount.raw for amount in (*most, *least)),)
            if isinstance(into, Ticks):
                return MINT.encode(token0, token1, fee_pips, into.lower, into.upper, *amounts, account, deadline)
            return INCREASE.encode(into, *amounts, deadline)
        case RemoveLiquidity(_, token_id, liquidity_raw, (one, other), deadline):
            return DECREASE.encode(token_id, liquidity_raw, one.raw, other.raw, deadline)
        case Collect(_, token_id):
            return COLLECT.encode(token_id, account, MAX_UINT128, MAX_UINT128)
        case _:
            raise ValueError(f"Uniswap V3 has no {type(action).__name__}")


Values = Sequence[int | str]


def _swap_of(values: Values, markets: Sequence[Market]) -> MarketAction | None:
    ends, fee, deadline, given, least = values[:2], values[2], values[4], values[5], values[6]
    for market in markets:
        for one, other in (tokens(market), tokens(market)[::-1]):
            if [one.address, other.address, market.number("fee_pips")] == [*ends, fee]:
                return Swap(market, Amount(one, int(given)), Amount(other, int(least)), int(deadline))
    return None


def _mint_of(values: Values, markets: Sequence[Market]) -> MarketAction | None:
    for market in markets:
        if [*(token.address for token in tokens(market)), market.number("fee_pips")] == list(values[:3]):
            most, least = _amounts(market, values[5:7]), _amounts(market, values[7:9])
            return AddLiquidity(market, Ticks(int(values[3]), int(values[4])), most, least, int(values[10]))
    return None


def _by_token_id(function: Function, values: Values, market: Market) -> MarketAction:
    token_id = int(values[0])
    if function is INCREASE:
        return AddLiquidity(market, token_id, _amounts(market, values[1:3]), _amounts(market, values[3:5]), int(values[5]))
    if function is DECREASE:
        return RemoveLiquidity(market, token_id, int(values[1]), _amounts(market, values[2:4]), int(values[4]))
    return Collect(market, token_id)


def _read(function: Function, values: Values, markets: Sequence[Market]) -> MarketAction | None:
    """What a call means, if encoding it says the same. A token id is of the manager's only pool, or of the one pinning it."""
    if function in (SWAP, MINT):
        return _swap_of(values, markets) if function is SWAP else _mint_of(values, markets)
    pinned = [market for market in markets if len(markets) == 1 or dict(market.numbers).get("token_id") == values[0]]
    return _by_token_id(function, values, pinned[0]) if pinned else None


def _amounts(market: Market, raws: Values) -> tuple[Amount, Amount]:
    token0, token1 = tokens(market)
    return Amount(token0, int(raws[0])), Amount(token1, int(raws[1]))


def _words_of_book(market: Market) -> range:
    spacing = market.number("tick_spacing")
    refuse(market, f"a tick spacing of {spacing}: its book does not fit one read", spacing < LEAST_SPACING)
    return words_of_book(spacing)


def _book(market: Market, results: Sequence[bytes]) -> Book:
    """TickLens names each word's ticks from the last to the first: tick, net and gross liquidity."""
    found: list[tuple[int, Tick]] = []
    for result in results:
        if result != EMPTY:
            ticks = words(market, result, 2 + 3 * int.from_bytes(result[32:64], "big"))[2:]
            found += [(_signed(ticks[at]), Tick(ticks[at + 2], _signed(ticks[at + 1]), None)) for at in range(0, len(ticks), 3)]
    found.sort(key=lambda pair: pair[0])
    return Book(market.number("tick_spacing"), tuple([at for at, _ in found]), tuple([known for _, known in found]))


def _key(market: Market, ticks: Ticks) -> int:
    """PositionKey.compute of the position manager."""
    owner = bytes.fromhex(market.contract("position_manager")[2:])
    return int.from_bytes(keccak(owner + b"".join([INT24.pack(tick)[-3:] for tick in (ticks.lower, ticks.upper)])), "big")


def _signed(word: int) -> int:
    return word - (1 << 256) if word >> 255 else word

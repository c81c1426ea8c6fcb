"""The chain's own coin as a token, one for one (WETH9): wrap, unwrap, and how much is wrapped. It earns nothing.

Refuses to wrap or unwrap nothing, and more than the contract has. A transfer to the contract without calldata wraps too, and is
read by nobody: only `deposit` says what it means."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import (
    NATIVE,
    Action,
    Address,
    Amount,
    Entire,
    Market,
    MarketAction,
    Position,
    Shares,
    Unwrap,
    Wrap,
)
from strategies.errors import ActionRefused, IncompleteRead, InsufficientLiquidity, UnknownCall
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency
from strategies.protocols.answers import refuse, words
from strategies.units import MAX_UINT256

PROTOCOL: Final = "wrapped_native"
NOBODY: Final[Address] = "0x" + "00" * 20

TOTAL_SUPPLY: Final = Function("18160ddd")
DEPOSIT: Final = Function("d0e30db0")
WITHDRAW: Final = Function("2e1a7d4d", UINT256)
GAS: Final = {Wrap: 50_000, Unwrap: 40_000}

DEPOSIT_TOPIC: Final = bytes.fromhex("e1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c")
WITHDRAWAL_TOPIC: Final = bytes.fromhex("7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65")


@dataclass(frozen=True, slots=True)
class Wrapping:
    """How much of the coin is wrapped, true at `timestamp`."""

    market: Market
    timestamp: int
    total_wei: int


class WrappedNative:
    """The adapter of WETH9. A market counts in the token; its only further asset is the coin."""

    @property
    def protocol(self) -> str:
        return PROTOCOL

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """WETH9.totalSupply, which is what the contract has."""
        return (Call(market.address, TOTAL_SUPPLY.encode()),)

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> Wrapping:
        """What it answered. Raises IncompleteRead, and UnsupportedState for a market that is not a token and its coin."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        pair = [asset.address for asset in (market.asset, *market.others)]
        refuse(market, "not the token at its address and the native coin", pair != [market.address, NATIVE])
        (total_wei,) = words(market, results[0], 1)
        return Wrapping(market, timestamp, total_wei)

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """Nothing: the token is an idle amount, not a claim."""
        return ()

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """Nothing. Raises IncompleteRead where something was answered all the same."""
        if results:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, 0)

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """Nobody counts shares, the token lies idle; nothing is owed."""
        return NOBODY, None

    def columns(self, state: Wrapping) -> Columns:
        """How much is wrapped. That it earns nothing is said by no number (NaN), so that it is never weighed."""
        return Columns(float("nan"), float("nan"), utilisation=0.0, supplied=state.total_wei / 10**18, available=0.0)

    def accrue(self, state: Wrapping, seconds: int) -> Wrapping:
        """Only time passes."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: Wrapping, held: Position, action: MarketAction) -> Applied[Wrapping]:
        """WETH9.deposit and WETH9.withdraw, one for one. Raises ActionRefused, InsufficientLiquidity."""
        market = state.market
        known = _known(action) if action.market.id == market.id else None
        if known is None:
            raise ActionRefused(market_id=market.id, why=f"it is not asked for some of its token or its coin: {action}")
        raw, token, coin = known.amount.raw, market.asset, market.others[0]
        if isinstance(known, Wrap):
            after = replace(state, total_wei=state.total_wei + raw)
            return Applied(after, held, (Amount(coin, -raw), Amount(token, raw)))
        if raw > state.total_wei:
            raise InsufficientLiquidity(market_id=market.id, wanted_raw=raw, available_raw=state.total_wei)
        return Applied(replace(state, total_wei=state.total_wei - raw), held, (Amount(token, -raw), Amount(coin, raw)))

    def value_raw(self, state: Wrapping, held: Position) -> int:
        """Nothing is held here."""
        return 0

    def withdrawable_raw(self, state: Wrapping) -> int:
        """Nothing can be taken out of what holds nothing."""
        return 0

    def price_usd_e8(self, state: Wrapping) -> int | None:
        """It knows no price."""
        return None

    def solvency(self, state: Wrapping, held: Position) -> Solvency:
        """Nothing is owed here and nothing secures a debt."""
        return Solvency(scope=state.market.id, collateral_usd_e8=0, debt_usd_e8=0)

    def everything(self, held: Position) -> Entire | Shares:
        """Nothing, as it is held."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The token itself: it burns what is the caller's own, and needs no allowance."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain."""
        if not isinstance(action, Wrap | Unwrap):
            raise UnknownCall(f"a wrapped coin has no {type(action).__name__}")
        return GAS[type(action)]

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """One call, that is for whoever sends it. Raises UnknownCall."""
        known = _known(action)
        if known is None:
            raise UnknownCall(f"no such action in {action.market.id}: {action}")
        target, raw = known.market.address, known.amount.raw
        return (Call(target, DEPOSIT.encode(), raw) if isinstance(known, Wrap) else Call(target, WITHDRAW.encode(raw)),)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for a deposit of nothing, a withdrawal that carries a value, or one unread byte."""
        for market in markets:
            if market.address == call.target and (action := _read(call, market)) is not None:
                return action if call in self.encode(action, account) else None
        return None


def _known(action: MarketAction) -> Wrap | Unwrap | None:
    """The action, where it wraps some of the coin or unwraps some of the token."""
    if not isinstance(action, Wrap | Unwrap) or not 0 < action.amount.raw <= MAX_UINT256:
        return None
    given = (action.market.asset,) if isinstance(action, Unwrap) else action.market.others[:1]
    return action if action.amount.asset in given else None


def _read(call: Call, market: Market) -> Wrap | Unwrap | None:
    if call.data == DEPOSIT.selector and call.value_wei:
        return Wrap(market, Amount(market.others[0], call.value_wei))
    try:
        (raw,) = WITHDRAW.decode(call.data)
    except ValueError:
        return None
    return Unwrap(market, Amount(market.asset, int(raw))) if raw else None


def decode_event(topics: Sequence[bytes], data: bytes) -> tuple[Address, int] | None:
    """Whose balance a Deposit raised (positive) or a Withdrawal lowered (negative), and by how much; None for any other event."""
    if len(topics) != 2 or topics[0] not in (DEPOSIT_TOPIC, WITHDRAWAL_TOPIC) or len(data) != 32:
        return None
    try:
        owner = str(ADDRESS.unpack(bytes(topics[1])))
    except ValueError:
        return None
    raw = int.from_bytes(data, "big")
    return owner, raw if topics[0] == DEPOSIT_TOPIC else -raw

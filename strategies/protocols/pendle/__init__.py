"""Pendle V2 markets: what a principal token (PT) is worth and what trading it gives. Arithmetic and reading only, no trading yet.

Refuses, by name: every action, its calldata and reading it back; markets whose tokens or expiry are not the pinned ones; markets
whose curve has no price. The index by which the wrapped asset (SY) grows is taken as read: how it grows is not the market's
affair, so `accrue` moves only the distance to expiry. A claim is an amount of PT; liquidity in the market is not read. Of a
market's contracts, `pt`, `sy` and `yt` are its tokens; of its numbers, `expiry` is in Unix seconds; its asset is what PT redeems
for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Action, Address, Entire, Market, MarketAction, Position, Shares
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, Applied, Call, Columns, Function, Solvency
from strategies.protocols.answers import refuse, words
from strategies.protocols.pendle.arithmetic import Pool, exchange_rate_wad, precompute, sy_to_asset_raw
from strategies.units import WAD, mul_div_down

READ_STATE: Final = Function("794052f3", ADDRESS)
READ_TOKENS: Final = Function("2c8ce6bc")
PY_INDEX_CURRENT: Final = Function("1d52edc4")  # of YT; in a transaction it stores the index, in a read it only says it
EXCHANGE_RATE: Final = Function("3ba0b9a9")  # of SY
NO_ROUTER: Final[Address] = "0x" + "00" * 20  # whose fee is the market's own


@dataclass(frozen=True, slots=True)
class PendleMarket:
    """A market at one time. `index_wad` values SY for principal tokens and never falls; `sy_rate_wad` is what SY is worth."""

    market: Market
    timestamp: int
    pool: Pool
    index_wad: int
    sy_rate_wad: int


def pt_price_wad(state: PendleMarket) -> int:
    """PendlePYOracleLib.getPtToAssetRate at the last trade's rate: the asset for one PT, rounded down; less while SY is short."""
    seconds = state.pool.expiry - state.timestamp
    price_wad = WAD if seconds <= 0 else mul_div_down(WAD, WAD, exchange_rate_wad(state.pool.last_ln_implied_rate_wad, seconds))
    if state.sy_rate_wad >= state.index_wad:
        return price_wad
    return mul_div_down(price_wad, state.sy_rate_wad, state.index_wad)


class Pendle:
    """The adapter of Pendle V2 markets, for reading."""

    @property
    def protocol(self) -> str:
        return "pendle"

    @property
    def arrival_bound_raw(self) -> int:
        """Nothing arrives: nothing is written."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """The market's state and tokens, and both values of SY."""
        market.number("expiry"), market.contract("pt")
        return (
            Call(market.address, READ_STATE.encode(NO_ROUTER)),
            Call(market.address, READ_TOKENS.encode()),
            Call(market.contract("yt"), PY_INDEX_CURRENT.encode()),
            Call(market.contract("sy"), EXCHANGE_RATE.encode()),
        )

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> PendleMarket:
        """The market as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != 4:
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        said = words(market, results[0], 9)
        pt, sy, _, _, scalar, expiry, fee_root, reserve_percent, ln_rate = said
        refuse(market, "its tokens are not the pinned ones", results[1] != _pinned_tokens(market))
        refuse(market, f"it expires at {expiry}", expiry != market.number("expiry"))
        pool = Pool(_signed(pt), _signed(sy), _signed(scalar), expiry, fee_root, reserve_percent, ln_rate)
        index_wad, rate_wad = (erc20.read_amount(result, market.id) for result in results[2:])
        refuse(market, "SY is worth nothing", index_wad == 0 or rate_wad == 0)
        _refuse_without_price(market, pool, index_wad, timestamp)
        return PendleMarket(market, timestamp, pool, index_wad, rate_wad)

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The account's principal tokens."""
        return (Call(market.contract("pt"), erc20.BALANCE_OF.encode(account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """What it holds. Raises IncompleteRead."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, erc20.read_amount(results[0], market.id))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The principal token; nothing can be owed."""
        return market.contract("pt"), None

    def columns(self, state: PendleMarket) -> Columns:
        """The rate a PT bought at the last trade's price earns until expiry, continuously compounded; nothing can be borrowed."""
        one = 10**state.market.asset.decimals
        runs = state.timestamp < state.pool.expiry
        return Columns(
            supply_apr=state.pool.last_ln_implied_rate_wad / WAD if runs else 0.0,
            borrow_apr=float("nan"),
            utilisation=0.0,
            supplied=state.pool.total_pt_raw / one,
            available=self.withdrawable_raw(state) / one,
        )

    def accrue(self, state: PendleMarket, seconds: int) -> PendleMarket:
        """Only time passes; the price is computed from it."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: PendleMarket, held: Position, action: MarketAction) -> Applied[PendleMarket]:
        """Raises UnsupportedState: trading is not modelled."""
        raise UnsupportedState(market_id=state.market.id, what="Pendle markets are read here, not traded")

    def value_raw(self, state: PendleMarket, held: Position) -> int:
        """PT at the price of the last trade, rounded down; selling moves that price and costs a fee besides."""
        return mul_div_down(held.shares_raw, pt_price_wad(state), WAD)

    def withdrawable_raw(self, state: PendleMarket) -> int:
        """What the SY in the market is worth."""
        return sy_to_asset_raw(state.pool.total_sy_raw, min(state.index_wad, state.sy_rate_wad))

    def price_usd_e8(self, state: PendleMarket) -> int | None:
        """A market knows the price of PT in its asset only."""
        return None

    def solvency(self, state: PendleMarket, held: Position) -> Solvency:
        """Nothing is borrowed against it here."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """Every principal token."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The market."""
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


def _pinned_tokens(market: Market) -> bytes:
    return b"".join(ADDRESS.pack(market.contract(role)) for role in ("sy", "pt", "yt"))


def _refuse_without_price(market: Market, pool: Pool, index_wad: int, timestamp: int) -> None:
    if pool.expiry <= timestamp:
        return
    try:
        precompute(pool, index_wad, timestamp)
    except ActionRefused as error:
        raise UnsupportedState(market_id=market.id, what=f"its curve has no price: {error.why}") from error


def _signed(word: int) -> int:
    return word - (word >> 255 << 256)


def _unwritten(action: MarketAction) -> UnknownCall:
    return UnknownCall(f"Pendle markets are read here, not traded: {type(action).__name__}")

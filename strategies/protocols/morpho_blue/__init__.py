"""Morpho Blue with the AdaptiveCurveIrm: read a market, accrue it, apply to it, speak its calldata and read that back.

Refuses, by name: markets that do not exist under the pinned loan asset, collateral, oracle, rate model and liquidation
threshold; rate models whose rate at target is none of the AdaptiveCurveIrm's; callbacks (their bytes must be empty); acting for
others; and writing a repayment by shares, because the approval of a debt that grows each second cannot be exact. "Everything" is
no word of Morpho's: it is all the shares one has. What it does not see: whether an account is the fee recipient, whose shares
grow without an action of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from eth_utils.crypto import keccak

from strategies.domain import (
    Action,
    Address,
    Amount,
    Borrow,
    Entire,
    Market,
    MarketAction,
    Position,
    Repay,
    Shares,
    Supply,
    Withdraw,
)
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency, Word
from strategies.protocols.answers import refuse, words
from strategies.protocols.morpho_blue import lending
from strategies.protocols.morpho_blue.irm import MAX_RATE_AT_TARGET_WAD, MIN_RATE_AT_TARGET_WAD, rates
from strategies.protocols.morpho_blue.lending import LoanMarket, has_rate
from strategies.units import MAX_UINT256, SECONDS_PER_YEAR, WAD

NOBODY: Final[Address] = "0x" + "00" * 20
PARAMETERS: Final[tuple[Word, ...]] = (
    ADDRESS,
    ADDRESS,
    ADDRESS,
    ADDRESS,
    UINT256,
)  # loan asset, collateral, oracle, rate model, threshold

MARKET: Final = Function("5c60e39a", UINT256)
POSITION: Final = Function("93c52062", UINT256, ADDRESS)
RATE_AT_TARGET: Final = Function("01977b57", UINT256)
PRICE: Final = Function("a035b1fe")

# After the parameters: assets, then, where one may choose, shares, then who; of `bytes`, the place and a length of zero.
SUPPLY: Final = Function("a99aad89", *PARAMETERS, UINT256, UINT256, ADDRESS, UINT256, UINT256)
WITHDRAW: Final = Function("5c2bea49", *PARAMETERS, UINT256, UINT256, ADDRESS, ADDRESS)
BORROW: Final = Function("50d8cd4b", *PARAMETERS, UINT256, UINT256, ADDRESS, ADDRESS)
REPAY: Final = Function("20b76e81", *PARAMETERS, UINT256, UINT256, ADDRESS, UINT256, UINT256)
SUPPLY_COLLATERAL: Final = Function("238d6579", *PARAMETERS, UINT256, ADDRESS, UINT256, UINT256)
WITHDRAW_COLLATERAL: Final = Function("8720316d", *PARAMETERS, UINT256, ADDRESS, ADDRESS)

GAS: Final[Mapping[type[Action], int]] = {Supply: 185_000, Withdraw: 106_000, Borrow: 110_000, Repay: 150_000}
GAS_OF_BACKING: Final = 118_000
MAX_FEE_WAD: Final = WAD // 4  # ConstantsLib.MAX_FEE


class MorphoBlue:
    """The adapter of Morpho Blue markets. One pins `oracle` and `irm` among its contracts, `lltv_wad` among its numbers and the
    collateral among its others; one without collateral pins none of them and only keeps what is supplied."""

    @property
    def protocol(self) -> str:
        return "morpho_blue"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """The totals; the rate at target and the collateral's price where there is collateral."""
        identifier = market_id(market)
        totals = Call(market.address, MARKET.encode(identifier))
        if not has_rate(market):
            return (totals,)
        rate = Call(market.contract("irm"), RATE_AT_TARGET.encode(identifier))
        return totals, rate, Call(market.contract("oracle"), PRICE.encode())

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> LoanMarket:
        """The market as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.reads(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        supplied_raw, supply_shares_raw, owed_raw, borrow_shares_raw, last_update, fee_wad = words(market, results[0], 6)
        rate_wad, price_e36 = (words(market, result, 1)[0] for result in results[1:]) if has_rate(market) else (0, 0)
        refuse(market, "it does not exist under the pinned parameters", last_update == 0)
        refuse(market, "updated later than it was read", last_update > timestamp)
        refuse(market, "more is owed than supplied", owed_raw > supplied_raw)
        refuse(market, f"a fee of {fee_wad} (1e18)", fee_wad > MAX_FEE_WAD)
        is_bound = MIN_RATE_AT_TARGET_WAD <= rate_wad <= MAX_RATE_AT_TARGET_WAD
        refuse(market, f"a rate at target of {rate_wad} a second: another rate model", has_rate(market) and not is_bound)
        return LoanMarket(
            market=market,
            timestamp=timestamp,
            last_update_timestamp=last_update,
            supplied_raw=supplied_raw,
            supply_shares_raw=supply_shares_raw,
            owed_raw=owed_raw,
            borrow_shares_raw=borrow_shares_raw,
            fee_wad=fee_wad,
            rate_at_target_wad=rate_wad,
            price_e36=price_e36,
        )

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The account's shares, debt shares and collateral."""
        return (Call(market.address, POSITION.encode(market_id(market), account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's claim. Raises IncompleteRead, UnsupportedState."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        shares_raw, debt_raw, backing_raw = words(market, results[0], 3)
        refuse(market, "collateral where there is none", backing_raw != 0 and not market.others)
        collateral = (Amount(market.others[0], backing_raw),) if backing_raw else ()
        return Position(market, shares_raw, debt_raw, collateral)

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The singleton keeps both; of its other markets too."""
        return market.address, market.address

    def columns(self, state: LoanMarket) -> Columns:
        """The rates of this very second: they move with every other."""
        one, now = 10**state.market.asset.decimals, lending.updated(state)
        borrow_apr, utilisation = 0.0, now.owed_raw / now.supplied_raw if now.supplied_raw else 0.0
        if has_rate(state.market):
            totals = {"supplied_raw": now.supplied_raw, "owed_raw": now.owed_raw}
            borrow_apr = (
                rates(**totals, rate_at_target_wad=now.rate_at_target_wad, seconds=0).average_wad * SECONDS_PER_YEAR / WAD
            )
        return Columns(
            supply_apr=borrow_apr * utilisation * (WAD - now.fee_wad) / WAD,
            borrow_apr=borrow_apr,
            utilisation=utilisation,
            supplied=now.supplied_raw / one,
            available=(now.supplied_raw - now.owed_raw) / one,
        )

    def accrue(self, state: LoanMarket, seconds: int) -> LoanMarket:
        """Only time passes: the singleton books interest when it is touched, and it is computed from there."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: LoanMarket, held: Position, action: MarketAction) -> Applied[LoanMarket]:
        """One action at the state's time. Raises ProtocolError where the singleton reverts."""
        if action.market.id != state.market.id:
            raise ActionRefused(market_id=state.market.id, why=f"it is asked for {action.market.id}")
        match action:
            case Supply(amount=amount) if _is_lent(action.market, amount):
                return lending.supply(state, held, amount)
            case Supply(amount=amount) if _backs(action.market, amount):
                return lending.supply_collateral(state, held, amount)
            case Withdraw(amount=Amount() | Shares() as amount) if _is_lent(action.market, amount):
                return lending.withdraw(state, held, amount)
            case Withdraw(amount=Amount() as amount) if _backs(action.market, amount):
                return lending.withdraw_collateral(state, held, amount)
            case Borrow(amount=amount) if _is_lent(action.market, amount):
                return lending.borrow(state, held, amount)
            case Repay(amount=Amount() | Shares() as amount) if _is_lent(action.market, amount):
                return lending.repay(state, held, amount)
            case _:
                raise ActionRefused(market_id=state.market.id, why=f"Morpho has no word for it: {action}")

    def value_raw(self, state: LoanMarket, held: Position) -> int:
        """What the shares are worth, less what is owed; collateral is of another asset and not in it."""
        now = lending.updated(state)
        return lending.supplied_of_raw(now, held.shares_raw) - lending.owed_of_raw(now, held.debt_raw)

    def withdrawable_raw(self, state: LoanMarket) -> int:
        """What is not lent. Interest adds the same to both sides."""
        return state.supplied_raw - state.owed_raw

    def price_usd_e8(self, state: LoanMarket) -> int | None:
        """Morpho's oracles know the two assets' ratio only."""
        return None

    def solvency(self, state: LoanMarket, held: Position) -> Solvency:
        """What the collateral covers and what is owed, both in base units of the loan asset: this market stands alone."""
        now = lending.updated(state)
        backing_raw = sum(amount.raw for amount in held.collateral)
        return Solvency(state.market.id, lending.borrowable_raw(now, backing_raw), lending.owed_of_raw(now, held.debt_raw))

    def everything(self, held: Position) -> Entire | Shares:
        """All the shares one has."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The singleton."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain, approval included."""
        if isinstance(action, Supply) and _backs(action.market, action.amount):
            return GAS_OF_BACKING
        return GAS[type(action)]

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """The singleton's call, after the exact approval where it takes something. Raises UnknownCall."""
        market, takes = action.market, isinstance(action, Supply | Repay)
        chosen: tuple[int, ...]  # assets, and shares where one may choose
        match action:
            case Supply(amount=amount) if _is_lent(market, amount):
                function, chosen = SUPPLY, (amount.raw, 0)
            case Supply(amount=amount) if _backs(market, amount):
                function, chosen = SUPPLY_COLLATERAL, (amount.raw,)
            case Withdraw(amount=Shares() as amount):
                function, chosen = WITHDRAW, (0, amount.raw)
            case Withdraw(amount=Amount() as amount) if _is_lent(market, amount):
                function, chosen = WITHDRAW, (amount.raw, 0)
            case Withdraw(amount=Amount() as amount) if _backs(market, amount):
                function, chosen = WITHDRAW_COLLATERAL, (amount.raw,)
            case Borrow(amount=amount) if _is_lent(market, amount):
                function, chosen = BORROW, (amount.raw, 0)
            case Repay(amount=Amount() as amount) if _is_lent(market, amount):
                function, chosen = REPAY, (amount.raw, 0)
            case Repay(amount=Shares()):
                raise UnknownCall("a repayment by shares: its approval cannot be exact in advance; repay an amount")
            case _:
                raise UnknownCall(f"Morpho has no word for it: {action}")
        call = _written(function, market, chosen, account)
        return (erc20.approve_exactly(amount, market.address), call) if takes and isinstance(amount, Amount) else (call,)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another beneficiary, a callback, what is not written, a value, or one unread byte."""
        function = next((known for known in TAILS if known.selector == call.data[:4]), None)
        if function is None or call.value_wei:
            return None
        try:
            words = function.decode(call.data)
        except ValueError:
            return None
        tail = TAILS[function](account)
        pinned, chosen = words[: len(PARAMETERS)], words[len(PARAMETERS) : len(words) - len(tail)]
        market = next((m for m in markets if m.address == call.target and parameters(m) == pinned), None)
        if market is None or words[len(words) - len(tail) :] != tail:
            return None
        return _action(function, market, tuple(int(word) for word in chosen))


def parameters(market: Market) -> tuple[int | str, ...]:
    """What a market is made of, and is found by (MarketParams)."""
    if not has_rate(market):
        return market.asset.address, NOBODY, NOBODY, NOBODY, 0
    contracts = market.contract("oracle"), market.contract("irm")
    return market.asset.address, market.others[0].address, *contracts, market.number("lltv_wad")


@lru_cache(maxsize=1024)  # a digest takes longer than all the rest of a read
def market_id(market: Market) -> int:
    """The digest of its parameters, as the singleton names it (MarketParamsLib.id)."""
    packed = (kind.pack(value) for kind, value in zip(PARAMETERS, parameters(market), strict=True))
    return int.from_bytes(keccak(b"".join(packed)), "big")


TAILS: Final[Mapping[Function, Callable[[Address], tuple[int | str, ...]]]] = {
    # What follows the parameters and the amounts: always the account, and no callback.
    SUPPLY: lambda account: (account, 9 * 32, 0),
    WITHDRAW: lambda account: (account, account),
    BORROW: lambda account: (account, account),
    REPAY: lambda account: (account, 9 * 32, 0),
    SUPPLY_COLLATERAL: lambda account: (account, 8 * 32, 0),
    WITHDRAW_COLLATERAL: lambda account: (account, account),
}

KINDS: Final[Mapping[Function, Callable[[Market, Amount], Action]]] = {
    SUPPLY: Supply,
    SUPPLY_COLLATERAL: Supply,
    WITHDRAW: Withdraw,
    WITHDRAW_COLLATERAL: Withdraw,
    BORROW: Borrow,
    REPAY: Repay,
}


def _written(function: Function, market: Market, chosen: tuple[int, ...], account: Address) -> Call:
    raw = max(chosen)
    if not 0 < raw < MAX_UINT256:
        raise UnknownCall(f"{raw} in {market.id}")
    try:
        data = function.encode(*parameters(market), *chosen, *TAILS[function](account))
    except ValueError as error:
        raise UnknownCall(str(error)) from error
    return Call(market.address, data)


def _action(function: Function, market: Market, chosen: tuple[int, ...]) -> Action | None:
    assets_raw, shares_raw = (*chosen, 0)[:2]
    if (assets_raw == 0) == (shares_raw == 0) or max(chosen) == MAX_UINT256:
        return None
    if shares_raw:
        return Withdraw(market, Shares(shares_raw)) if function is WITHDRAW else None
    if function not in (SUPPLY_COLLATERAL, WITHDRAW_COLLATERAL):
        return KINDS[function](market, Amount(market.asset, assets_raw))
    backing = next((Amount(asset, assets_raw) for asset in market.others[:1] if asset != market.asset), None)
    return KINDS[function](market, backing) if backing else None


def _is_lent(market: Market, amount: Amount | Shares) -> bool:
    return isinstance(amount, Shares) or amount.asset == market.asset


def _backs(market: Market, amount: Amount) -> bool:
    return amount.asset != market.asset and amount.asset in market.others[:1]

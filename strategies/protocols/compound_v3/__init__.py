"""Compound V3: read a Comet, accrue it, apply to it, speak its calldata and read that back.

Refuses, by name: a withdrawal of more base than is supplied, which the contract would pay out as a loan (a `Withdraw` is written
with `withdraw`, a `Borrow` with `withdrawTo`, so that bytes tell which was meant; likewise `supply` and `supplyTo` for `Supply`
and `Repay`); writing a repayment of everything, whose approval cannot be exact; a Comet whose assets, feeds or scale are
not the pinned ones; pause flags it does not know; and a feed that answers no price, which the contract itself reads only where a
debt is checked. Rewards count nothing. Reserves, absorption and the sale of collateral are other people's actions here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from strategies.domain import (
    ALL,
    Action,
    Address,
    Amount,
    Asset,
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
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency, Uint
from strategies.protocols.answers import refuse, words
from strategies.protocols.compound_v3 import comet
from strategies.protocols.compound_v3.comet import Collateral, Comet, Curve
from strategies.units import MAX_UINT256, SECONDS_PER_YEAR, WAD

TOTALS_BASIC: Final = Function("b9f0baf7")
SUPPLY_CURVE: Final = tuple(Function(selector) for selector in ("a5b4ff79", "5a94b8d1", "804de71f", "94920cca"))
BORROW_CURVE: Final = tuple(Function(selector) for selector in ("9241a561", "2d05670b", "2a48cf12", "7914acc7"))
PINNED: Final = tuple(Function(selector) for selector in ("c55dae63", "e7dad6bd", "44c1e5eb", "a46fe83b"))
BASE_BORROW_MIN: Final = Function("300e6beb")
GET_PRICE: Final = Function("41976e09", ADDRESS)
GET_ASSET_INFO: Final = Function("c8c7fe6b", Uint(8))
TOTALS_COLLATERAL: Final = Function("59e017bd", ADDRESS)
USER_BASIC: Final = Function("dc4abafd", ADDRESS)
USER_COLLATERAL: Final = Function("2b92a07d", ADDRESS, ADDRESS)

SUPPLY: Final = Function("f2b9fdb8", ADDRESS, UINT256)
SUPPLY_TO: Final = Function("4232cd63", ADDRESS, ADDRESS, UINT256)
WITHDRAW: Final = Function("f3fef3a3", ADDRESS, UINT256)
WITHDRAW_TO: Final = Function("c3b35a7e", ADDRESS, ADDRESS, UINT256)
PARTIES: Final[Mapping[Function, int]] = {SUPPLY: 0, SUPPLY_TO: 1, WITHDRAW: 0, WITHDRAW_TO: 1}  # the account; else the sender
PAUSE_SUPPLY, PAUSE_WITHDRAW, PAUSE_KNOWN = 1 << 0, 1 << 2, 0b11111

GAS: Final[Mapping[type[Action], int]] = {Supply: 170_000, Withdraw: 120_000, Borrow: 190_000, Repay: 160_000}


class CompoundV3:
    """The adapter of Comets."""

    @property
    def protocol(self) -> str:
        return "compound_v3"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """Totals, both curves, what is pinned, the base price and liquidity; then each collateral's terms, total and price."""
        at, base = market.address, market.asset.address
        shared = (TOTALS_BASIC, *SUPPLY_CURVE, *BORROW_CURVE, *PINNED, BASE_BORROW_MIN)
        calls = [Call(at, getter.encode()) for getter in shared]
        calls += [Call(at, GET_PRICE.encode(market.contract("base_feed"))), Call(base, erc20.BALANCE_OF.encode(at))]
        for place, asset in enumerate(market.others):
            calls += [
                Call(at, GET_ASSET_INFO.encode(place)),
                Call(at, TOTALS_COLLATERAL.encode(asset.address)),
                Call(at, GET_PRICE.encode(market.contract(f"feed_{place}"))),
            ]
        return tuple(calls)

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> Comet:
        """The Comet as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.reads(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        totals = words(market, results[0], 8)
        said = [words(market, result, 1)[0] for result in results[1:16]]
        _refuse_unless_pinned(market, said[8:12])
        refuse(market, f"pause flags {totals[7]:#b}", totals[7] & ~PAUSE_KNOWN != 0)
        refuse(market, "accrued later than it was read", totals[6] > timestamp)
        refuse(market, "an index below one", min(totals[:2]) < comet.INDEX_E15)
        return Comet(
            market=market,
            timestamp=timestamp,
            last_accrual_timestamp=totals[6],
            supply_index_e15=totals[0],
            borrow_index_e15=totals[1],
            supply_principal_raw=totals[4],
            borrow_principal_raw=totals[5],
            supply_curve=Curve(*said[:4]),
            borrow_curve=Curve(*said[4:8]),
            borrow_min_raw=said[12],
            available_raw=said[14],
            price_e8=said[13],
            supply_paused=totals[7] & PAUSE_SUPPLY != 0,
            withdraw_paused=totals[7] & PAUSE_WITHDRAW != 0,
            collaterals=tuple(
                _collateral(market, place, results[16 + 3 * place : 19 + 3 * place]) for place in range(len(market.others))
            ),
        )

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The signed principal, and the balance of each collateral."""
        backing = (USER_COLLATERAL.encode(account, asset.address) for asset in market.others)
        return (Call(market.address, USER_BASIC.encode(account)), *(Call(market.address, data) for data in backing))

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's principal, as shares or as debt, and its collateral. Raises IncompleteRead."""
        if len(results) != 1 + len(market.others):
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        words(market, results[0], 5)
        principal_raw = int.from_bytes(results[0][:32], "big", signed=True)
        balances = [words(market, result, 2)[0] for result in results[1:]]
        backing = tuple(Amount(asset, raw) for asset, raw in zip(market.others, balances, strict=True) if raw)
        return Position(market, max(principal_raw, 0), max(-principal_raw, 0), backing)

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The Comet is both: a principal is positive or negative."""
        return market.address, market.address

    def columns(self, state: Comet) -> Columns:
        """Rates at the stored utilisation, which stand until the next accrual."""
        one, usage = 10**state.market.asset.decimals, comet.usage_wad(state)
        now = comet.accrued(state)
        return Columns(
            supply_apr=comet.rate_wad(state.supply_curve, usage) * SECONDS_PER_YEAR / WAD,
            borrow_apr=comet.rate_wad(state.borrow_curve, usage) * SECONDS_PER_YEAR / WAD,
            utilisation=usage / WAD,
            supplied=comet.present_down(now.supply_principal_raw, now.supply_index_e15) / one,
            available=state.available_raw / one,
        )

    def accrue(self, state: Comet, seconds: int) -> Comet:
        """Only time passes: Comet writes its indices when its base is touched, and they are computed from there."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: Comet, held: Position, action: MarketAction) -> Applied[Comet]:
        """One action at the state's time. Raises ProtocolError where Comet reverts, and where a withdrawal would borrow."""
        if action.market.id != state.market.id:
            raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this market: {action}")
        named = action.amount if isinstance(action, Supply | Withdraw | Borrow | Repay) else None
        if isinstance(named, Amount) and named.asset != state.market.asset:
            return _applied_to_collateral(state, held, action, named)
        return _applied_to_base(state, held, action)

    def value_raw(self, state: Comet, held: Position) -> int:
        """Supply balance less borrow balance; collateral is none of the base."""
        now = comet.accrued(state)
        return comet.supplied_raw(now, held) - comet.owed_raw(now, held)

    def withdrawable_raw(self, state: Comet) -> int:
        """The base that is there; nothing while withdrawal is paused."""
        return 0 if state.withdraw_paused else state.available_raw

    def price_usd_e8(self, state: Comet) -> int | None:
        """The base feed's price, where the deployment says that this Comet's feeds speak dollars (`quotes_usd`)."""
        return state.price_e8 if dict(state.market.numbers).get("quotes_usd") else None

    def solvency(self, state: Comet, held: Position) -> Solvency:
        """Comet.isLiquidatable after accrual: liquidated when the debt passes the collateral, in the unit of its feeds."""
        now = comet.accrued(state)
        factors = [one.liquidation_factor_wad for one in state.collaterals]
        return Solvency(state.market.id, comet.worth_e8(now, held, factors), comet.debt_e8(now, held))

    def everything(self, held: Position) -> Entire | Shares:
        """Comet takes the largest number for all."""
        return ALL

    def spender(self, action: MarketAction) -> Address:
        """The Comet."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Estimated, approval included: no package ships Comet, and the stand-in, which is smaller, burns less."""
        return GAS[type(action)]

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """Comet's call, after the exact approval where it takes a token. Raises UnknownCall."""
        market = action.market
        match action:
            case Supply(amount=amount):
                return _approved(market, amount), _written(SUPPLY, market, amount, account)
            case Withdraw(amount=Amount() | Entire() as amount):
                return (_written(WITHDRAW, market, amount, account),)
            case Borrow(amount=amount) if amount.asset == market.asset:
                return (_written(WITHDRAW_TO, market, amount, account),)
            case Repay(amount=Amount() as amount) if amount.asset == market.asset:
                return _approved(market, amount), _written(SUPPLY_TO, market, amount, account)
            case Repay(amount=Entire()):
                raise UnknownCall("a repayment of everything: its approval cannot be exact in advance; repay an amount")
            case _:
                raise UnknownCall(f"Compound V3 does not write {action}")

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another party, an asset that is not pinned, a value, or one unread byte."""
        function = next((known for known in PARTIES if known.selector == call.data[:4]), None)
        market = next((known for known in markets if known.address == call.target), None)
        if function is None or market is None or call.value_wei:
            return None
        try:
            *parties, token, raw = function.decode(call.data)
        except ValueError:
            return None
        asset = next((known for known in (market.asset, *market.others) if known.address == token), None)
        if asset is None or raw == 0 or any(party != account for party in parties):
            return None
        return _action(function, market, Amount(asset, int(raw)))


MEANINGS: Final[Mapping[Function, tuple[Callable[[Market, Amount], Action], Callable[[Market, Entire], Action] | None]]] = {
    # What an amount means, and what the largest number means.
    SUPPLY: (Supply, None),
    SUPPLY_TO: (Repay, Repay),
    WITHDRAW: (Withdraw, Withdraw),
    WITHDRAW_TO: (Borrow, None),
}


def _action(function: Function, market: Market, amount: Amount) -> Action | None:
    of_amount, of_all = MEANINGS[function]
    if amount.asset != market.asset and (amount.raw == MAX_UINT256 or of_amount in (Repay, Borrow)):
        return None
    if amount.raw == MAX_UINT256:
        return of_all(market, ALL) if of_all is not None else None
    return of_amount(market, amount)


def _applied_to_base(state: Comet, held: Position, action: MarketAction) -> Applied[Comet]:
    match action:
        case Supply(amount=Amount(raw=raw)) | Repay(amount=Amount(raw=raw)):
            return comet.supply_base(state, held, raw)
        case Withdraw(amount=Amount(raw=raw)):
            return comet.withdraw_supplied(state, held, raw)
        case Borrow(amount=Amount(raw=raw)):
            return comet.withdraw_base(state, held, raw)
        case Withdraw(amount=Entire()):
            return comet.withdraw_base(state, held, comet.supplied_raw(comet.accrued(state), held))
        case Repay(amount=Entire()):
            return comet.supply_base(state, held, comet.owed_raw(comet.accrued(state), held))
        case _:
            raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this: {action}")


def _applied_to_collateral(state: Comet, held: Position, action: MarketAction, amount: Amount) -> Applied[Comet]:
    match action:
        case Supply():
            return comet.supply_collateral(state, held, amount)
        case Withdraw():
            return comet.withdraw_collateral(state, held, amount)
        case _:
            raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this: {action}")


def _written(function: Function, market: Market, amount: Amount | Entire, account: Address) -> Call:
    raw = MAX_UINT256 if isinstance(amount, Entire) else _writable_raw(market, amount)
    asset = market.asset if isinstance(amount, Entire) else amount.asset
    try:
        data = function.encode(*[account] * PARTIES[function], asset.address, raw)
    except ValueError as error:
        raise UnknownCall(str(error)) from error
    return Call(market.address, data)


def _approved(market: Market, amount: Amount) -> Call:
    _writable_raw(market, amount)
    return erc20.approve_exactly(amount, market.address)


def _writable_raw(market: Market, amount: Amount) -> int:
    if amount.asset not in (market.asset, *market.others) or not 0 < amount.raw < MAX_UINT256:
        raise UnknownCall(f"{amount.raw} of {amount.asset.symbol} in {market.id}")
    return amount.raw


def _collateral(market: Market, place: int, results: Sequence[bytes]) -> Collateral:
    asset, info = market.others[place], words(market, results[0], 8)
    pinned = (int(asset.address, 16), int(market.contract(f"feed_{place}"), 16), 10**asset.decimals)
    refuse(market, f"its asset {place} is not {asset.symbol} as pinned", info[1:4] != pinned)
    return _terms(asset, info, words(market, results[1], 2)[0], words(market, results[2], 1)[0])


def _terms(asset: Asset, info: Sequence[int], supplied_raw: int, price_e8: int) -> Collateral:
    return Collateral(
        asset=asset,
        price_e8=price_e8,
        borrow_factor_wad=info[4],
        liquidation_factor_wad=info[5],
        cap_raw=info[7],
        supplied_raw=supplied_raw,
    )


def _refuse_unless_pinned(market: Market, said: Sequence[int]) -> None:
    base, feed = int(market.asset.address, 16), int(market.contract("base_feed"), 16)
    refuse(
        market, "its base token, feed or scale is not the pinned one", tuple(said[:3]) != (base, feed, 10**market.asset.decimals)
    )
    refuse(market, f"{said[3]} collaterals where {len(market.others)} are pinned", said[3] != len(market.others))

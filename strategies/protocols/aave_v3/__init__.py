"""Aave V3: read a reserve, accrue it, apply to it, speak its calldata and read that back.

Refuses, by name: pool revisions other than 1 (V3.0) and 10 (V3.6); reserves with stable debt; isolated reserves (a debt ceiling);
siloed borrowing; accounts in eMode; reserves whose tokens or strategy are not the pinned ones; an oracle that is not in USD with
8 decimals; and writing a repayment of everything, because the approval of a debt that grows each second cannot be exact. What it
does not read and a simulation must find: other reserves' part in an account's health and in what may be its collateral, and a
layer-2 sequencer sentinel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from strategies.domain import (
    ALL,
    Action,
    Address,
    Amount,
    Borrow,
    ClaimRewards,
    Entire,
    Market,
    MarketAction,
    Position,
    Repay,
    SetCollateral,
    Shares,
    Supply,
    Withdraw,
)
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall
from strategies.protocols import erc20
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.aave_v3 import rewards
from strategies.protocols.aave_v3.arithmetic import V3_0, VERSIONS, Curve, Version
from strategies.protocols.aave_v3.reserve import Reserve
from strategies.protocols.adapter import ADDRESS, UINT16, UINT256, Applied, Call, Columns, Function, Solvency, Uint
from strategies.protocols.answers import refuse, words
from strategies.units import BPS, MAX_UINT256, RAY, USD_E8, mul_div_down, mul_div_up

POOL_REVISION: Final = Function("0148170e")
GET_RESERVE_DATA: Final = Function("35ea6a75", ADDRESS)
GET_VIRTUAL_UNDERLYING_BALANCE: Final = Function("6fb07f96", ADDRESS)
GET_RESERVE_DEFICIT: Final = Function("c952485d", ADDRESS)
GET_USER_CONFIGURATION: Final = Function("4417a583", ADDRESS)
GET_USER_EMODE: Final = Function("eddf1b79", ADDRESS)
SCALED_TOTAL_SUPPLY: Final = Function("b1bf962d")
SCALED_BALANCE_OF: Final = Function("1da24f3e", ADDRESS)
TOTAL_SUPPLY: Final = Function("18160ddd")
GET_ASSET_PRICE: Final = Function("b3596f07", ADDRESS)
BASE_CURRENCY_UNIT: Final = Function("8c89b64f")
GET_INTEREST_RATE_DATA_BPS: Final = Function("c79ce42e", ADDRESS)
CURVE_GETTERS: Final = tuple(Function(selector) for selector in ("54c365c6", "34762ca5", "0b3429a2", "f4202409"))

SUPPLY: Final = Function("617ba037", ADDRESS, UINT256, ADDRESS, UINT16)
WITHDRAW: Final = Function("69328dec", ADDRESS, UINT256, ADDRESS)
BORROW: Final = Function("a415bcad", ADDRESS, UINT256, UINT256, UINT16, ADDRESS)
REPAY: Final = Function("573ade81", ADDRESS, UINT256, UINT256, ADDRESS)
SET_COLLATERAL: Final = Function("5a3b74b9", ADDRESS, Uint(1))
VARIABLE: Final = 2
RAY_PER_BPS: Final = RAY // BPS

GAS: Final[Mapping[type[Action], int]] = {
    Supply: 225_000,
    Withdraw: 200_000,
    Borrow: 245_000,
    Repay: 223_000,
    SetCollateral: 130_000,
    ClaimRewards: 125_000,
}
REWARDS_GAS: Final = 20_000  # counting them when a balance changes


class AaveV3:
    """The adapter of Aave V3 pools."""

    @property
    def protocol(self) -> str:
        return "aave_v3"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """Revision, reserve, totals, price, liquidity and curve; a pinned stable debt token marks a pool of V3.0."""
        asset, at = market.asset.address, market.contract
        shared = (
            Call(market.address, POOL_REVISION.encode()),
            Call(market.address, GET_RESERVE_DATA.encode(asset)),
            Call(at("receipt"), SCALED_TOTAL_SUPPLY.encode()),
            Call(at("debt"), SCALED_TOTAL_SUPPLY.encode()),
            Call(at("oracle"), GET_ASSET_PRICE.encode(asset)),
            Call(at("oracle"), BASE_CURRENCY_UNIT.encode()),
        )
        if _has_stable_debt(market):
            liquidity = Call(asset, erc20.BALANCE_OF.encode(at("receipt")))
            stable = Call(at("stable_debt"), TOTAL_SUPPLY.encode())
            curve = [Call(at("strategy"), getter.encode()) for getter in CURVE_GETTERS]
            return (*shared, liquidity, stable, *curve, *rewards.reads(market))
        return (
            *shared,
            Call(market.address, GET_VIRTUAL_UNDERLYING_BALANCE.encode(asset)),
            Call(market.address, GET_RESERVE_DEFICIT.encode(asset)),
            Call(at("strategy"), GET_INTEREST_RATE_DATA_BPS.encode(asset)),
            *rewards.reads(market),
        )

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> Reserve:
        """The reserve as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.reads(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        version = _version(market, words(market, results[0], 1)[0])
        data, last = words(market, results[1], 15), len(results) - len(rewards.reads(market))
        supply_raw, debt_raw, price, unit, available_raw, sixth = (words(market, r, 1)[0] for r in results[2:8])
        stable_raw, unbacked_raw = (sixth, data[13]) if _has_stable_debt(market) else (0, sixth)
        refuse(market, "stable debt", stable_raw != 0)
        refuse(market, f"an oracle with unit {unit}", unit != USD_E8)
        refuse(market, "updated later than it was read", data[6] > timestamp)
        refuse(market, "an index below one", min(data[1], data[3]) < RAY)
        _refuse_unless_pinned(market, data)
        return Reserve(
            market=market,
            version=version,
            configuration=_configuration(market, data[0]),
            curve=_curve(market, results[8:last]),
            timestamp=timestamp,
            last_update_timestamp=data[6],
            liquidity_index_ray=data[1],
            variable_index_ray=data[3],
            liquidity_rate_ray=data[2],
            variable_rate_ray=data[4],
            scaled_supply_raw=supply_raw,
            scaled_debt_raw=debt_raw,
            treasury_scaled_raw=data[12],
            unbacked_raw=unbacked_raw,
            available_raw=available_raw,
            price_usd_e8=price,
            rewards=rewards.decode(market, results[last:], timestamp),
        )

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """Scaled balances, what decides whether they count as collateral, and what is due in rewards."""
        return (
            Call(market.contract("receipt"), SCALED_BALANCE_OF.encode(account)),
            Call(market.contract("debt"), SCALED_BALANCE_OF.encode(account)),
            Call(market.address, GET_USER_EMODE.encode(account)),
            Call(market.address, GET_USER_CONFIGURATION.encode(account)),
            Call(market.address, GET_RESERVE_DATA.encode(market.asset.address)),
            *rewards.claim_reads(market, account),
        )

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's scaled balances, whether they count, and its rewards. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.holding_reads(market, market.address)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        shares_raw, debt_raw, emode, used = (words(market, result, 1)[0] for result in results[:4])
        data = words(market, results[4], 15)
        refuse(market, f"the account is in eMode {emode}", emode != 0)
        # Of nothing it is no fact: a first supply sets it, and V3.0 may leave it on where rounding took the last share.
        counts = shares_raw == 0 or used >> (2 * data[7] + 1) & 1 == 1
        return Position(market, shares_raw, debt_raw, counts=counts, rewards=rewards.claim(market, shares_raw, results[5:]))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The aToken and the variable debt token."""
        return market.contract("receipt"), market.contract("debt")

    def columns(self, state: Reserve) -> Columns:
        """Rates of the last update: they stand until the next."""
        one = 10**state.configuration.decimals
        debt_raw = pool.owed_raw(state, state.scaled_debt_raw)
        lent_raw = debt_raw + state.available_raw
        return Columns(
            supply_apr=state.liquidity_rate_ray / RAY,
            borrow_apr=state.variable_rate_ray / RAY,
            utilisation=debt_raw / lent_raw if lent_raw else 0.0,
            supplied=pool.supplied_raw(state, state.scaled_supply_raw) / one,
            available=state.available_raw / one,
        )

    def accrue(self, state: Reserve, seconds: int) -> Reserve:
        """Only time passes: the pool writes its indices when it is touched, and they are computed from there."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: Reserve, held: Position, action: MarketAction) -> Applied[Reserve]:
        """One action at the state's time. Raises ProtocolError where the pool reverts."""
        match action:
            case Supply(market=market, amount=amount) if _is_of(state, market, amount):
                return pool.supply(state, held, amount.raw)
            case Withdraw(market=market, amount=Amount() | Entire() as amount) if _is_of(state, market, amount):
                return pool.withdraw(state, held, amount)
            case Borrow(market=market, amount=amount) if _is_of(state, market, amount):
                return pool.borrow(state, held, amount.raw)
            case Repay(market=market, amount=Amount() | Entire() as amount) if _is_of(state, market, amount):
                return pool.repay(state, held, amount)
            case SetCollateral(market=market, is_used=is_used) if market.id == state.market.id:
                return pool.set_collateral(state, held, is_used)
            case ClaimRewards(market=market) if market.id == state.market.id:
                return pool.claim(state, held)
            case _:
                raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this market and asset: {action}")

    def value_raw(self, state: Reserve, held: Position) -> int:
        """aToken balance less debt balance."""
        owed_raw = pool.owed_raw(state, held.debt_raw) if held.debt_raw else 0  # compounding takes most of the time
        return pool.supplied_raw(state, held.shares_raw) - owed_raw

    def withdrawable_raw(self, state: Reserve) -> int:
        """What is there and may leave: nothing while paused or inactive."""
        is_open = state.configuration.active and not state.configuration.paused
        return state.available_raw if is_open else 0

    def price_usd_e8(self, state: Reserve) -> int | None:
        """AaveOracle's price; None where it says zero."""
        return state.price_usd_e8 or None

    def solvency(self, state: Reserve, held: Position) -> Solvency:
        """GenericLogic.calculateUserAccountData, rounded against the account."""
        one = 10**state.configuration.decimals
        threshold_bps = state.configuration.threshold_bps if held.counts else 0
        worth_usd_e8 = mul_div_down(pool.supplied_raw(state, held.shares_raw), state.price_usd_e8, one)
        return Solvency(
            scope=state.market.address,
            collateral_usd_e8=mul_div_down(worth_usd_e8, threshold_bps, BPS),
            debt_usd_e8=mul_div_up(pool.owed_raw(state, held.debt_raw), state.price_usd_e8, one),
        )

    def everything(self, held: Position) -> Entire | Shares:
        """The pool takes the largest number for all."""
        return ALL

    def spender(self, action: MarketAction) -> Address:
        """The pool."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain, approval included."""
        counts = isinstance(action, Supply | Withdraw) and rewards.controller(action.market) is not None
        return GAS[type(action)] + (REWARDS_GAS if counts else 0)

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """The pool call, after the exact approval where the pool takes the asset. Raises UnknownCall."""
        match action:
            case Supply(market=market, amount=amount):
                return _approved(market, amount), _written(SUPPLY, market, amount, account)
            case Withdraw(market=market, amount=Amount() | Entire() as amount):
                return (_written(WITHDRAW, market, amount, account),)
            case Borrow(market=market, amount=amount):
                return (_written(BORROW, market, amount, account),)
            case Repay(market=market, amount=Amount() as amount):
                return _approved(market, amount), _written(REPAY, market, amount, account)
            case SetCollateral(market=market, is_used=is_used):
                return (Call(market.address, SET_COLLATERAL.encode(market.asset.address, is_used)),)
            case ClaimRewards(market=market):
                return (rewards.encode(market, account),)
            case Repay(amount=Entire()):
                raise UnknownCall("a repayment of everything: its approval cannot be exact in advance; repay an amount")
            case _:
                raise UnknownCall(f"Aave V3 has no {type(action).__name__}")

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another beneficiary, rate mode or referral, a value, or one unread byte."""
        if call.data[:4] == rewards.CLAIM_ALL_REWARDS.selector:
            return rewards.parse(call, account, markets)
        if call.data[:4] == SET_COLLATERAL.selector:
            return _switch(call, markets)
        function = next((known for known in TAILS if known.selector == call.data[:4]), None)
        if function is None or call.value_wei:
            return None
        try:
            asset, raw, *tail = function.decode(call.data)
        except ValueError:
            return None
        market = next((m for m in markets if m.address == call.target and m.asset.address == asset), None)
        if market is None or raw == 0 or tuple(tail) != TAILS[function](account):
            return None
        return _action(function, market, int(raw))


TAILS: Final[Mapping[Function, Callable[[Address], tuple[int | str, ...]]]] = {
    # What follows asset and amount: the beneficiary is the account, the referral zero, the rate variable.
    SUPPLY: lambda account: (account, 0),
    WITHDRAW: lambda account: (account,),
    BORROW: lambda account: (VARIABLE, 0, account),
    REPAY: lambda account: (VARIABLE, account),
}


def _written(function: Function, market: Market, amount: Amount | Entire, account: Address) -> Call:
    raw = amount.raw if isinstance(amount, Amount) else MAX_UINT256
    if isinstance(amount, Amount) and (amount.asset != market.asset or not 0 < raw < MAX_UINT256):
        raise UnknownCall(f"{raw} of {amount.asset.symbol} in {market.id}")
    try:
        data = function.encode(market.asset.address, raw, *TAILS[function](account))
    except ValueError as error:
        raise UnknownCall(str(error)) from error
    return Call(market.address, data)


def _approved(market: Market, amount: Amount) -> Call:
    if amount.asset != market.asset or not 0 < amount.raw < MAX_UINT256:
        raise UnknownCall(f"{amount.raw} of {amount.asset.symbol} in {market.id}")
    return erc20.approve_exactly(amount, market.address)


def _action(function: Function, market: Market, raw: int) -> Action | None:
    amount = Amount(market.asset, raw)
    if function is WITHDRAW:
        return Withdraw(market, ALL if raw == MAX_UINT256 else amount)
    if function is REPAY:
        return Repay(market, ALL if raw == MAX_UINT256 else amount)
    if raw == MAX_UINT256:
        return None
    return Supply(market, amount) if function is SUPPLY else Borrow(market, amount)


def _switch(call: Call, markets: Sequence[Market]) -> SetCollateral | None:
    try:
        asset, is_used = SET_COLLATERAL.decode(call.data)
    except ValueError:
        return None
    if call.value_wei:
        return None
    market = next((m for m in markets if m.address == call.target and m.asset.address == asset), None)
    return SetCollateral(market, bool(is_used)) if market is not None else None


def _is_of(state: Reserve, market: Market, amount: Amount | Entire) -> bool:
    return market.id == state.market.id and (not isinstance(amount, Amount) or amount.asset == state.market.asset)


def _has_stable_debt(market: Market) -> bool:
    return any(role == "stable_debt" for role, _ in market.contracts)


def _version(market: Market, revision: int) -> Version:
    refuse(market, f"pool revision {revision}", revision not in VERSIONS)
    version = VERSIONS[revision]
    refuse(market, f"a pool of {version.name} with other roles pinned", (version is V3_0) != _has_stable_debt(market))
    return version


def _configuration(market: Market, bits: int) -> pool.Configuration:
    configuration = pool.configuration_of(bits)
    refuse(market, "isolation mode (a debt ceiling)", bits >> 212 & 0xFFFFFFFFFF != 0)
    refuse(market, f"{configuration.decimals} decimals", configuration.decimals != market.asset.decimals)
    return configuration


def _curve(market: Market, results: Sequence[bytes]) -> Curve:
    if _has_stable_debt(market):
        curve = Curve(*(words(market, result, 1)[0] for result in results))
    else:
        curve = Curve(*(bps * RAY_PER_BPS for bps in words(market, results[0], 4)))
    refuse(market, "an optimal usage out of range", not 0 < curve.optimal_usage_ray <= RAY)
    return curve


def _refuse_unless_pinned(market: Market, data: Sequence[int]) -> None:
    for role, at in (("receipt", 8), ("stable_debt", 9), ("debt", 10), ("strategy", 11)):
        pinned = dict(market.contracts).get(role)
        refuse(market, f"its {role} is not the pinned contract", pinned is not None and int(pinned, 16) != data[at])

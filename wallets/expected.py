"""What the protocol models say that calls do to our account: each action applied in order to the states that were read.

Refuses what the contracts would revert on: too little balance, too little allowance, a closed or drained market. Allowances that
stood before are only those it is told of; the simulation of the exact calls is the witness of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import (
    Action,
    Address,
    Amount,
    Approve,
    Asset,
    Borrow,
    Deployment,
    Market,
    Portfolio,
    Position,
    Repay,
    Revoke,
    Supply,
    Transfer,
    Withdraw,
)
from strategies.errors import ActionRefused, InsufficientBalance, UnknownCall, UnknownMarket, UnsupportedState
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState, adapter_of
from strategies.tape import Reading
from wallets.wallet import Allowance, Change, Effects, TokenTransfer

APPROVE_GAS: Final = 46_000  # a first allowance of a proxied token; adapters count it into their action's gas
REVOKE_GAS: Final = 26_000
TRANSFER_GAS: Final = 65_000


@dataclass(frozen=True, slots=True)
class Modelled:
    """The effects, and the world and the account after the last call. Each state after carries its own time."""

    effects: Effects
    reading_after: Reading
    portfolio_after: Portfolio
    transfers: tuple[TokenTransfer, ...]
    timestamps: tuple[int, ...]  # a call


@dataclass(frozen=True, slots=True)
class Step:
    """The markets, the account and its allowances after one action, and the token it moved."""

    states: tuple[MarketState | None, ...]
    portfolio: Portfolio
    allowances: tuple[Allowance, ...]  # none of them zero
    transfer: TokenTransfer | None


def expected_effects(
    *,
    actions: Sequence[Action | None],
    calls: Sequence[Call],
    reading: Reading,
    portfolio: Portfolio,
    deployment: Deployment,
    account: Address,
    timestamp: int,
    seconds_per_call: int = 0,
    standing: tuple[Allowance, ...] = (),
) -> Modelled:
    """The models' word on calls already read back; the first at `timestamp`. Raises ProtocolError exactly where one reverts."""
    read = tuple([_read_back(action, call) for action, call in zip(actions, calls, strict=True)])
    timestamps = tuple([timestamp + at * seconds_per_call for at in range(len(read))])
    walked = walk(read, reading, portfolio, deployment=deployment, account=account, timestamps=timestamps, standing=standing)
    steps = tuple(walked)
    last = steps[-1] if steps else Step(reading.states, portfolio, standing, None)
    effects = Effects(
        changes=_changes(portfolio, last.portfolio),
        allowances=tuple(sorted(last.allowances, key=_pair)),
        gas_used=_gas_used(read),
        block=reading.block,
        timestamp=timestamp,
    )
    return Modelled(
        effects=effects,
        reading_after=replace(reading, timestamp=timestamps[-1] if timestamps else timestamp, states=last.states),
        portfolio_after=_in_order(deployment, last.portfolio),
        transfers=tuple([step.transfer for step in steps if step.transfer is not None]),
        timestamps=timestamps,
    )


def walk(
    actions: Sequence[Action],
    reading: Reading,
    portfolio: Portfolio,
    *,
    deployment: Deployment,
    account: Address,
    timestamps: Sequence[int],
    standing: tuple[Allowance, ...] = (),
) -> Iterator[Step]:
    """What holds after each action, one after the other. Raises ProtocolError at the first that reverts."""
    step = Step(reading.states, portfolio, standing, None)
    for action, timestamp in zip(actions, timestamps, strict=True):
        match action:
            case Approve(Amount(asset, raw), spender):
                step = _allowing(step, asset, spender, raw)
            case Revoke(asset, spender):
                step = _allowing(step, asset, spender, 0)
            case Transfer(Amount(asset, raw), recipient):
                sent = TokenTransfer(asset, account, recipient, raw)
                step = Step(step.states, _paid(step.portfolio, asset, -raw), step.allowances, sent)
            case _:
                step = _applied(step, action, deployment=deployment, account=account, timestamp=timestamp)
        yield step


def _read_back(action: Action | None, call: Call) -> Action:
    if action is None:
        raise UnknownCall(f"0x{call.data[:4].hex()} of {call.target} is read by no adapter")
    return action


def _applied(
    step: Step, action: Supply | Withdraw | Borrow | Repay, *, deployment: Deployment, account: Address, timestamp: int
) -> Step:
    """One action on its market, accrued to the time it happens."""
    market, adapter = action.market, adapter_of(action.market)
    at = market_index(deployment, market)
    state = step.states[at]
    if state is None:
        raise UnsupportedState(market_id=market.id, what="it could not be read")
    if timestamp < state.timestamp:
        raise ActionRefused(market_id=market.id, why=f"its state is of {timestamp - state.timestamp} s after the plan")
    if timestamp > state.timestamp:
        state = adapter.accrue(state, timestamp - state.timestamp)
    done = adapter.apply(state, step.portfolio.position(market), action)
    portfolio = _held(_paid(step.portfolio, market.asset, done.asset_delta_raw), done.held)
    allowances = _used_up(step.allowances, market, -done.asset_delta_raw) if done.asset_delta_raw < 0 else step.allowances
    transfer = _transfer(market, adapter.units(market)[0], account, done.asset_delta_raw)
    return Step((*step.states[:at], done.state, *step.states[at + 1 :]), portfolio, allowances, transfer)


def market_index(deployment: Deployment, market: Market) -> int:
    """Where a market's state stands in a reading. Raises UnknownMarket."""
    for at, known in enumerate(deployment.markets):
        if known.id == market.id:
            return at
    raise UnknownMarket(market.id)


def _transfer(market: Market, keeper: Address, account: Address, delta_raw: int) -> TokenTransfer:
    if delta_raw < 0:
        return TokenTransfer(market.asset, account, keeper, -delta_raw)
    return TokenTransfer(market.asset, keeper, account, delta_raw)


def _paid(portfolio: Portfolio, asset: Asset, delta_raw: int) -> Portfolio:
    """The account after an asset came or went. Raises InsufficientBalance."""
    held_raw = portfolio.idle_raw(asset)
    if held_raw + delta_raw < 0:
        raise InsufficientBalance(what=f"idle {asset.symbol}", wanted_raw=-delta_raw, available_raw=held_raw)
    after = Amount(asset, held_raw + delta_raw)
    if not any(amount.asset == asset for amount in portfolio.idle):
        return Portfolio((*portfolio.idle, after), portfolio.positions)
    return Portfolio(tuple([after if amount.asset == asset else amount for amount in portfolio.idle]), portfolio.positions)


def _held(portfolio: Portfolio, position: Position) -> Portfolio:
    """The account with one claim replaced; empty claims are none."""
    others = tuple([held for held in portfolio.positions if held.market.id != position.market.id])
    kept = (position,) if position.shares_raw or position.debt_raw else ()
    return Portfolio(portfolio.idle, others + kept)


def _pair(allowance: Allowance) -> tuple[Address, Address]:
    return allowance.token, allowance.spender


def _allowing(step: Step, asset: Asset, spender: Address, raw: int) -> Step:
    return Step(step.states, step.portfolio, _allowed(step.allowances, asset.address, spender, raw), None)


def _allowed(before: tuple[Allowance, ...], token: Address, spender: Address, raw: int) -> tuple[Allowance, ...]:
    others = tuple([known for known in before if _pair(known) != (token, spender)])
    return (*others, Allowance(token, spender, raw)) if raw else others


def _used_up(before: tuple[Allowance, ...], market: Market, raw: int) -> tuple[Allowance, ...]:
    """What a market takes, it takes from its allowance. Raises InsufficientBalance."""
    pair = market.asset.address, market.address
    given_raw = next((known.raw for known in before if _pair(known) == pair), 0)
    if raw > given_raw:
        what = f"allowance of {market.asset.symbol} to {market.id}"
        raise InsufficientBalance(what=what, wanted_raw=raw, available_raw=given_raw)
    return _allowed(before, *pair, given_raw - raw)


def _gas_used(actions: Sequence[Action]) -> tuple[int, ...]:
    """A call each. Where its approval stands directly before, an action's own figure is split between the two."""
    gas: list[int] = []
    for at, action in enumerate(actions):
        match action:
            case Approve():
                gas.append(APPROVE_GAS)
            case Revoke():
                gas.append(REVOKE_GAS)
            case Transfer():
                gas.append(TRANSFER_GAS)
            case _:
                approved = at > 0 and isinstance(actions[at - 1], Approve)
                gas.append(adapter_of(action.market).gas(action) - (APPROVE_GAS if approved else 0))
    return tuple(gas)


def _changes(before: Portfolio, after: Portfolio) -> tuple[Change, ...]:
    """What differs, token by token and claim by claim; sorted, zeros left out."""
    symbols: dict[Address, str] = {}
    deltas: dict[Address, int] = {}
    for portfolio, sign in ((before, -1), (after, 1)):
        for idle in portfolio.idle:
            symbols[idle.asset.address] = idle.asset.symbol
            deltas[idle.asset.address] = deltas.get(idle.asset.address, 0) + sign * idle.raw
        for held in portfolio.positions:
            shares, debts = adapter_of(held.market).units(held.market)
            symbols[shares] = held.market.id
            deltas[shares] = deltas.get(shares, 0) + sign * held.shares_raw
            if debts is not None:
                symbols[debts] = held.market.id
                deltas[debts] = deltas.get(debts, 0) + sign * held.debt_raw
    return tuple([Change(unit, symbols[unit], deltas[unit]) for unit in sorted(deltas) if deltas[unit]])


def _in_order(deployment: Deployment, portfolio: Portfolio) -> Portfolio:
    """Claims as a reading of the chain lists them: in the deployment's order."""
    if len(portfolio.positions) < 2:
        return portfolio
    positions = sorted(portfolio.positions, key=lambda held: market_index(deployment, held.market))
    return replace(portfolio, positions=tuple(positions))

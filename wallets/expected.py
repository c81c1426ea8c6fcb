"""What the protocol models say that calls do to our account: each action applied in order to the states that were read.

Refuses what the contracts would revert on: too little balance, too little allowance, a closed or drained market. Allowances that
stood before are only those it is told of; the simulation of the exact calls is the witness of all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import (
    NATIVE,
    Action,
    Address,
    Amount,
    Approve,
    Asset,
    Deployment,
    Market,
    MarketAction,
    Portfolio,
    Position,
    Revoke,
    Transfer,
)
from strategies.errors import ActionRefused, InsufficientBalance, UnknownCall, UnsupportedState
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState, adapter_of, beside
from strategies.revocations import Lockdown, RevokeOperator, RevokePermit, RevokeToken
from strategies.tape import AskedFor, Reading
from wallets.wallet import Allowance, Change, Effects, TokenTransfer

APPROVE_GAS: Final = 46_000  # a first allowance of a proxied token; adapters count it into their action's gas
REVOKE_GAS: Final = 26_000
TRANSFER_GAS: Final = 65_000


@dataclass(frozen=True, slots=True)
class Modelled:
    """The effects, the world and the account after the last call, and every step on the way. Each state carries its own time."""

    effects: Effects
    reading_after: Reading
    portfolio_after: Portfolio
    transfers: tuple[TokenTransfer, ...]
    timestamps: tuple[int, ...]  # a call
    steps: tuple["Step", ...]


@dataclass(frozen=True, slots=True)
class Step:
    """The markets, the account and its allowances after one action, the tokens it moved, and the markets as it found them: the
    one it touches accrued to its time, so that what it changes holds no interest."""

    found: Sequence[MarketState | None]
    states: Sequence[MarketState | None]
    portfolio: Portfolio
    allowances: tuple[Allowance, ...]  # none of them zero
    transfers: tuple[TokenTransfer, ...]


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
    last = steps[-1] if steps else Step(reading.states, reading.states, portfolio, standing, ())
    effects = Effects(
        changes=_changes(portfolio, last.portfolio),
        allowances=tuple(sorted(last.allowances, key=_pair)),
        gas_used=_gas_used(read),
        block=reading.block,
        timestamp=timestamp,
    )
    return Modelled(
        effects=effects,
        reading_after=_later(reading, timestamps[-1] if timestamps else timestamp, last.states),
        portfolio_after=_in_order(deployment, last.portfolio),
        transfers=tuple([transfer for step in steps for transfer in step.transfers]),
        timestamps=timestamps,
        steps=steps,
    )


def _later(reading: Reading, timestamp: int, states: Sequence[MarketState | None]) -> Reading:
    """Field by field, because `replace` is four times as slow and every plan comes by."""
    return Reading(reading.block, reading.block_hash, timestamp, reading.base_fee_wei, states, reading.quotes, reading.refused)


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
    step = Step(reading.states, reading.states, portfolio, standing, ())
    for action, timestamp in zip(actions, timestamps, strict=True):
        match action:
            case Approve(Amount(asset, raw), spender):
                step = _allowing(step, asset, spender, raw)
            case Revoke(asset, spender):
                step = _allowing(step, asset, spender, 0)
            case RevokeOperator() | RevokeToken() | RevokePermit() | Lockdown():
                step = Step(step.states, step.states, step.portfolio, step.allowances, ())
            case Transfer(Amount(asset, raw), recipient):
                sent = TokenTransfer(asset, account, recipient, raw)
                step = Step(step.states, step.states, paid(step.portfolio, asset, -raw), step.allowances, (sent,))
            case _:
                step = _applied(step, action, deployment=deployment, account=account, timestamp=timestamp)
        yield step


def _read_back(action: Action | None, call: Call) -> Action:
    if action is None:
        raise UnknownCall(f"0x{call.data[:4].hex()} of {call.target} is read by no adapter")
    return action


def _applied(step: Step, action: MarketAction, *, deployment: Deployment, account: Address, timestamp: int) -> Step:
    """One action on its market, accrued to the time it happens."""
    market, adapter = action.market, adapter_of(action.market)
    at = deployment.place(market)
    found, state = step.states, step.states[at]
    if state is None:
        raise UnsupportedState(market_id=market.id, what="it could not be read")
    if timestamp < state.timestamp:
        raise ActionRefused(market_id=market.id, why=f"its state is of {timestamp - state.timestamp} s after the plan")
    if timestamp > state.timestamp:
        state = adapter.accrue(state, timestamp - state.timestamp)
        found = touched_states(found, at, state, deployment)
    done = adapter.apply(state, step.portfolio.position(market), action)
    portfolio, allowances, spender = _held(step.portfolio, done.held), step.allowances, adapter.spender(action)
    for amount in done.moved:
        portfolio = paid(portfolio, amount.asset, amount.raw)
        if amount.raw < 0 and amount.asset.address not in (NATIVE, spender):  # a token burns its own without an allowance
            allowances = _used_up(allowances, market, spender, Amount(amount.asset, -amount.raw))
    keeper = adapter.units(market)[0]
    transfers = tuple([_transfer(keeper, account, amount) for amount in done.moved])
    return Step(found, touched_states(step.states, at, done.state, deployment), portfolio, allowances, transfers)


def touched_states(
    states: Sequence[MarketState | None], at: int, touched: MarketState, deployment: Deployment
) -> Sequence[MarketState | None]:
    """All markets after one of them was touched: itself, and of those beside it, which only vaults and what they lend to are."""
    if isinstance(states, AskedFor) and not deployment.has_vaults:
        return states.but(at, touched)
    is_vault = touched.market.wraps != ()
    after = [beside(state, touched) if state is not None and (is_vault or state.market.wraps) else state for state in states]
    after[at] = touched
    return tuple(after)


def _transfer(keeper: Address, account: Address, moved: Amount) -> TokenTransfer:
    if moved.raw < 0:
        return TokenTransfer(moved.asset, account, keeper, -moved.raw)
    return TokenTransfer(moved.asset, keeper, account, moved.raw)


def paid(portfolio: Portfolio, asset: Asset, delta_raw: int) -> Portfolio:
    """The account after an asset came or went. Raises InsufficientBalance."""
    idle, held_raw = portfolio.idle, 0
    for at, amount in enumerate(idle):
        if amount.asset == asset:
            held_raw, before, after = amount.raw, idle[:at], idle[at + 1 :]
            break
    else:
        before, after = idle, ()
    if held_raw + delta_raw < 0:
        raise InsufficientBalance(what=f"idle {asset.symbol}", wanted_raw=-delta_raw, available_raw=held_raw)
    return Portfolio((*before, Amount(asset, held_raw + delta_raw), *after), portfolio.positions)


def _held(portfolio: Portfolio, position: Position) -> Portfolio:
    """The account with one claim replaced; empty claims are none."""
    others = tuple([held for held in portfolio.positions if held.market.id != position.market.id])
    kept = () if position.is_empty else (position,)
    return Portfolio(portfolio.idle, others + kept)


def _pair(allowance: Allowance) -> tuple[Address, Address]:
    return allowance.token, allowance.spender


def _allowing(step: Step, asset: Asset, spender: Address, raw: int) -> Step:
    return Step(step.states, step.states, step.portfolio, _allowed(step.allowances, asset.address, spender, raw), ())


def _allowed(before: tuple[Allowance, ...], token: Address, spender: Address, raw: int) -> tuple[Allowance, ...]:
    others = tuple([known for known in before if _pair(known) != (token, spender)])
    return (*others, Allowance(token, spender, raw)) if raw else others


def _used_up(before: tuple[Allowance, ...], market: Market, spender: Address, taken: Amount) -> tuple[Allowance, ...]:
    """What a market takes, it takes from its allowance. Raises InsufficientBalance."""
    pair = taken.asset.address, spender
    given_raw = next((known.raw for known in before if _pair(known) == pair), 0)
    if taken.raw > given_raw:
        what = f"allowance of {taken.asset.symbol} to {market.id}"
        raise InsufficientBalance(what=what, wanted_raw=taken.raw, available_raw=given_raw)
    return _allowed(before, *pair, given_raw - taken.raw)


def _gas_used(actions: Sequence[Action]) -> tuple[int, ...]:
    """A call each. Where its approval stands directly before, an action's own figure is split between the two."""
    gas: list[int] = []
    for at, action in enumerate(actions):
        match action:
            case Approve():
                gas.append(APPROVE_GAS)
            case Revoke() | RevokeOperator() | RevokeToken() | RevokePermit():
                gas.append(REVOKE_GAS)
            case Lockdown(pairs=pairs):
                gas.append(REVOKE_GAS * len(pairs))
            case Transfer():
                gas.append(TRANSFER_GAS)
            case _:
                approved = at > 0 and isinstance(actions[at - 1], Approve)
                gas.append(adapter_of(action.market).gas(action) - (APPROVE_GAS if approved else 0))
    return tuple(gas)


def _changes(before: Portfolio, after: Portfolio) -> tuple[Change, ...]:
    """What differs, token by token and claim by claim; sorted, zeros left out."""
    deltas: dict[tuple[Address, str], int] = {}
    for portfolio, sign in ((before, -1), (after, 1)):
        for idle in portfolio.idle:
            key = idle.asset.address, idle.asset.symbol
            deltas[key] = deltas.get(key, 0) + sign * idle.raw
        for position in portfolio.positions:
            for unit, symbol, raw in claims(position):
                deltas[unit, symbol] = deltas.get((unit, symbol), 0) + sign * raw
    return tuple([Change(unit, symbol, raw) for (unit, symbol), raw in sorted(deltas.items()) if raw])


def claims(held: Position) -> tuple[tuple[Address, str, int], ...]:
    """Shares, debt and collateral of a claim, each with the contract that counts it and a name; one may count for many. Shares
    that may back no debt are one of something, so that a switch thrown in passing is seen."""
    (shares, debts), name = adapter_of(held.market).units(held.market), held.market.id
    supplied = (shares, name, held.shares_raw)
    if debts is None:
        return (supplied,)
    backing = [(shares, f"{name} collateral {asset.symbol}", held.collateral_raw(asset)) for asset in held.market.others]
    idle = (shares, f"{name} not as collateral", int(held.shares_raw != 0 and not held.counts))
    return supplied, (debts, f"{name} debt", held.debt_raw), *backing, idle


def _in_order(deployment: Deployment, portfolio: Portfolio) -> Portfolio:
    """Claims as a reading of the chain lists them: in the deployment's order."""
    if len(portfolio.positions) < 2:
        return portfolio
    positions = sorted(portfolio.positions, key=lambda held: deployment.place(held.market))
    return replace(portfolio, positions=tuple(positions))

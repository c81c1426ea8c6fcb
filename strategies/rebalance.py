"""Target and Observation to Plan: gates first, fewest actions, withdrawals before supplies. Refuses moves that are not worth
their gas, come too soon, are too small or too dear, and targets a market cannot pay out for.

A plan that only withdraws passes every gate: reducing risk is never made to wait."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from strategies.assess import amount_usd, gas_usd, own_impact_apr, trailing_mean_apr, value_raw
from strategies.domain import Action, Amount, Asset, Keep, Market, Plan, Position, Supply, Target, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.registry import adapter_of
from strategies.tape import Observation
from strategies.units import BPS, GWEI, SECONDS_PER_YEAR, mul_div_up

UNPRICED: Final = "the gain or the gas cannot be priced: a forecast, the asset or ether is unknown"


@dataclass(frozen=True, slots=True)
class Gate:
    """When a move is worth making."""

    horizon_seconds: int  # over which the gain is counted
    lookback_seconds: int  # of the rates it is forecast from
    cost_multiple_bps: int  # the gain must exceed the gas so many times; 10_000 is once; 0: the strategy's word is enough
    min_wait_seconds: int  # between moves
    min_change_bps: int  # of the value that moves
    max_base_fee_gwei: int
    touch_fee_raw: int = 0  # what each market that is touched costs in the asset itself, beside the chain's gas


class Change(NamedTuple):
    """A market that is held or wanted, by its column, and what of the asset is, shall be, and can be paid out there."""

    at: int
    have_raw: int
    want_raw: int
    payable_raw: int  # -1: it could not be read, so nothing is taken out


class Move(NamedTuple):
    """So much into a market, or out of it where negative; `whole` is a claim that ends."""

    at: int
    raw: int
    whole: bool


def plan(seen: Observation, target: Target, gate: Gate) -> Plan | Keep:
    """The plan, or why nothing is done. Deterministic; markets in the deployment's order."""
    held = [claim for claim in seen.portfolio.positions if claim.market.asset == target.asset and claim.shares_raw]
    unread = [claim.market.id for claim in held if seen.state(claim.market) is None]
    if unread:
        return Keep(f"{unread[0]} holds value and could not be read: its share of the whole is unknown")
    total, changes = _changes(seen, target, held, gate.touch_fee_raw)
    least_raw = mul_div_up(total.raw, gate.min_change_bps, BPS)
    free_raw = seen.portfolio.idle_raw(target.asset) - gate.touch_fee_raw * len(changes)
    moves, actions = _written(seen, Amount(target.asset, free_raw), changes, least_raw)
    if not actions:
        unpaid = _unpaid(changes, least_raw)
        if unpaid is not None:
            return Keep(f"{seen.deployment.markets[unpaid].id} cannot pay out now what is wanted of it: {target.reason}")
        return Keep(f"already there, to within {gate.min_change_bps / 100:g} % of the value: {target.reason}")
    if moves[-1].raw > 0:
        refusal = _gated(seen, gate, moves, total=total, have={change.at: change.have_raw for change in changes})
        if refusal:
            return Keep(refusal)
    return Plan(actions, seen.block, target.reason)


def moves_of(changes: Sequence[Change], free_raw: int, least_raw: int) -> list[Move]:
    """Withdrawals first, each no more than the market can pay; then supplies, never more than is free and they make free.
    A market that would change by less than the least is left as it is; leaving one for good is always whole."""
    moves, least_raw = list[Move](), max(least_raw, 1)
    for at, have_raw, want_raw, payable_raw in changes:
        less_raw = have_raw - want_raw
        if less_raw <= 0 or payable_raw < 0:
            continue
        whole = not want_raw and have_raw <= payable_raw
        less_raw = min(less_raw, payable_raw)
        if whole or less_raw >= least_raw:
            moves.append(Move(at, -less_raw, whole))
            free_raw += less_raw
    for at, have_raw, want_raw, _ in changes:
        more_raw = min(want_raw - have_raw, free_raw)
        if more_raw >= least_raw:
            moves.append(Move(at, more_raw, False))
            free_raw -= more_raw
    return moves


def _unpaid(changes: Sequence[Change], least_raw: int) -> int | None:
    """The first market that would be left, whole or by what matters, if only it could pay so much; None where none would."""
    for at, have_raw, want_raw, payable_raw in changes:
        out_raw = have_raw - want_raw
        if out_raw > max(0, payable_raw) and (not want_raw or out_raw >= least_raw):
            return at
    return None


def _changes(seen: Observation, target: Target, held: Sequence[Position], touch_fee_raw: int) -> tuple[Amount, list[Change]]:
    """Everything there is to divide, and the markets it concerns."""
    have = {seen.market_index(claim.market): value_raw(seen, claim) for claim in held}
    legs = {seen.market_index(leg.market): leg.weight_wad for leg in target.legs if leg.market is not None}
    touched = sorted(have.keys() | legs.keys())
    whole_raw = seen.portfolio.idle_raw(target.asset) + sum(have.values())
    total = Amount(target.asset, max(0, whole_raw - touch_fee_raw * len(touched)))
    changes = []
    for at in touched:
        market = seen.deployment.markets[at]
        state = seen.state(market)
        payable_raw = -1 if state is None else adapter_of(market).withdrawable_raw(state)
        want_raw = total.portion(legs[at]).raw if at in legs else 0
        changes.append(Change(at, have.get(at, 0), want_raw, payable_raw))
    return total, changes


def _written(seen: Observation, free: Amount, changes: Sequence[Change], least_raw: int) -> tuple[list[Move], tuple[Action, ...]]:
    """Moves as actions. What no call of ours could take out stays: a claim that anybody may have given us stops no plan."""
    stuck = set[int]()
    while True:
        payable = [change._replace(payable_raw=-1) if change.at in stuck else change for change in changes]
        moves = moves_of(payable, free.raw, least_raw)
        actions = [_action(seen, free.asset, move) for move in moves]
        unwritten = {move.at for move, action in zip(moves, actions, strict=True) if action is None}
        if not unwritten:
            return moves, tuple([action for action in actions if action is not None])
        stuck |= unwritten


def _action(seen: Observation, asset: Asset, move: Move) -> Action | None:
    """A move as an action; None for a withdrawal that no call of ours could do."""
    market = seen.deployment.markets[move.at]
    if move.raw > 0:
        return Supply(market, Amount(asset, move.raw))
    adapter, held = adapter_of(market), seen.portfolio.position(market)
    try:
        withdrawal = Withdraw(market, adapter.everything(held) if move.whole else Amount(asset, -move.raw))
        adapter.encode(withdrawal, seen.account)
    except ProtocolError:
        return None
    return withdrawal


def _gated(seen: Observation, gate: Gate, moves: Sequence[Move], *, total: Amount, have: Mapping[int, int]) -> str:
    """Why a plan that supplies is not made now; empty where it may be."""
    waited_seconds = None if seen.moved_at is None else seen.timestamp - seen.moved_at
    refusal = too_soon(gate, seen.base_fee_wei, waited_seconds)
    if refusal or not gate.cost_multiple_bps:
        return refusal
    markets = seen.deployment.markets
    try:
        # our own deposit lowers the rate of all that we hold there
        impacts = {
            move.at: own_impact_apr(seen, markets[move.at], Amount(total.asset, move.raw)) for move in moves if move.raw > 0
        }
        gas = sum([_gas(markets[move.at], total.asset, move) for move in moves])
    except ProtocolError as error:
        return str(error)
    forecast = trailing_mean_apr(seen, gate.lookback_seconds).tolist()
    total_usd, burned_usd = amount_usd(seen, total), gas_usd(seen, gas)
    fees_usd = amount_usd(seen, Amount(total.asset, gate.touch_fee_raw * len(have)))
    if total_usd is None or burned_usd is None or fees_usd is None:
        return UNPRICED
    return not_worth_it(gate, gain_apr(moves, forecast, impacts, have) / total.raw * total_usd, burned_usd + fees_usd)


def too_soon(gate: Gate, base_fee_wei: int, waited_seconds: int | None) -> str:
    """Why nothing is supplied at this base fee, so long after the last move; empty where it may be."""
    if base_fee_wei > gate.max_base_fee_gwei * GWEI:
        return f"base fee {base_fee_wei / GWEI:.3g} gwei is above {gate.max_base_fee_gwei} gwei"
    if waited_seconds is not None and waited_seconds < gate.min_wait_seconds:
        return f"moved {waited_seconds} s ago: wait {gate.min_wait_seconds - waited_seconds} s more"
    return ""


def gain_apr(moves: Sequence[Move], forecast: Sequence[float], impacts: Mapping[int, float], have: Mapping[int, int]) -> float:
    """What moves gain a year, in base units: forecast rates of what really moves, less our own impact; NaN: unknown."""
    gain = 0.0
    for at, raw, _ in moves:
        if raw < 0:
            gain -= forecast[at] * -raw
        else:
            gain += forecast[at] * raw - impacts.get(at, 0.0) * (have.get(at, 0) + raw)
    return gain


def not_worth_it(gate: Gate, gain_usd_year: float, cost_usd: float) -> str:
    """Why a gain over the horizon does not pay for the gas; empty where it does."""
    gain_usd = gain_usd_year * gate.horizon_seconds / SECONDS_PER_YEAR
    if math.isnan(gain_usd) or math.isnan(cost_usd):
        return UNPRICED
    needed_usd = cost_usd * gate.cost_multiple_bps / BPS
    if gain_usd > needed_usd:
        return ""
    days = gate.horizon_seconds / 86_400
    return f"gain of {gain_usd:.2f} USD over {days:g} days must exceed {needed_usd:.2f} USD (gas {cost_usd:.2f} USD)"


def _gas(market: Market, asset: Asset, move: Move) -> int:
    action = Supply(market, Amount(asset, move.raw)) if move.raw > 0 else Withdraw(market, Amount(asset, -move.raw))
    return adapter_of(market).gas(action)

"""Target and Observation to Plan: gates first, fewest actions, withdrawals before supplies. Refuses moves that are not worth
their gas, come too soon, are too small or too dear, and targets a market cannot pay out for.

A plan that only withdraws passes every gate: reducing risk is never made to wait."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from strategies.assess import amount_usd, gas_usd, held_raw, own_impact_apr, trailing_mean_apr, value_raw
from strategies.domain import Action, Amount, Asset, Keep, Market, Plan, Position, Supply, Target, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.registry import adapter_of
from strategies.tape import Observation
from strategies.units import BPS, GWEI, SECONDS_PER_YEAR, mul_div_up


@dataclass(frozen=True, slots=True)
class Gate:
    """When a move is worth making."""

    horizon_seconds: int  # over which the gain is counted
    lookback_seconds: int  # of the rates it is forecast from
    cost_multiple_bps: int  # the gain must exceed the gas so many times; 10_000 is once
    min_wait_seconds: int  # between moves
    min_change_bps: int  # of the value that moves
    max_base_fee_gwei: int


def plan(seen: Observation, target: Target, gate: Gate) -> Plan | Keep:
    """The plan, or why nothing is done. Deterministic; markets in the deployment's order."""
    unread = [held.market.id for held in _held(seen, target.asset) if seen.state(held.market) is None]
    if unread:
        return Keep(f"{unread[0]} holds value and could not be read: its share of the whole is unknown")
    total = Amount(target.asset, held_raw(seen, target.asset))
    have = {held.market: value_raw(seen, held) for held in _held(seen, target.asset)}
    want = {leg.market: total.portion(leg.weight_wad).raw for leg in target.legs if leg.market is not None}
    actions = _actions(seen, total, have, want, least_raw=mul_div_up(total.raw, gate.min_change_bps, BPS))
    if not actions:
        return Keep(f"already there, to within {gate.min_change_bps / 100:g} % of the value: {target.reason}")
    if any(isinstance(action, Supply) for action in actions):
        refusal = _gated(seen, gate, actions, total=total, have=have)
        if refusal:
            return Keep(refusal)
    return Plan(actions, seen.block, target.reason)


def _held(seen: Observation, asset: Asset) -> list[Position]:
    return [held for held in seen.portfolio.positions if held.market.asset == asset and held.shares_raw]


def _actions(
    seen: Observation, total: Amount, have: Mapping[Market, int], want: Mapping[Market, int], *, least_raw: int
) -> tuple[Action, ...]:
    """Withdrawals first, each no more than the market can pay; then supplies, never more than they make free.
    A market that would change by less than the least is left as it is; leaving one for good is always whole."""
    out, into = list[Action](), list[Action]()
    free_raw = seen.portfolio.idle_raw(total.asset)
    touched = [market for market in seen.deployment.markets if market in have or market in want]
    for market in touched:
        leave = not want.get(market)
        less_raw = have.get(market, 0) - want.get(market, 0)
        state = seen.state(market)
        if state is None or less_raw <= 0:
            continue
        payable_raw = adapter_of(market).withdrawable_raw(state)
        whole = leave and have[market] <= payable_raw
        less_raw = min(less_raw, payable_raw)
        if not whole and less_raw < max(least_raw, 1):
            continue
        if (withdrawal := _withdrawal(seen, market, None if whole else Amount(total.asset, less_raw))) is not None:
            out.append(withdrawal)
            free_raw += less_raw
    for market in touched:
        more_raw = min(want.get(market, 0) - have.get(market, 0), free_raw)
        if more_raw > 0 and more_raw >= least_raw:
            into.append(Supply(market, Amount(total.asset, more_raw)))
            free_raw -= more_raw
    return tuple(out + into)


def _withdrawal(seen: Observation, market: Market, part: Amount | None) -> Withdraw | None:
    """A withdrawal of a part or of all; None where no call of ours could do it, so that a claim that anybody may have given us
    stops no plan."""
    adapter, held = adapter_of(market), seen.portfolio.position(market)
    try:
        withdrawal = Withdraw(market, adapter.everything(held) if part is None else part)
        adapter.encode(withdrawal, seen.account)
    except ProtocolError:
        return None
    return withdrawal


def _gated(seen: Observation, gate: Gate, actions: tuple[Action, ...], *, total: Amount, have: Mapping[Market, int]) -> str:
    """Why a plan that supplies is not made now; empty where it may be."""
    if seen.base_fee_wei > gate.max_base_fee_gwei * GWEI:
        return f"base fee {seen.base_fee_wei / GWEI:.3g} gwei is above {gate.max_base_fee_gwei} gwei"
    if seen.moved_at is not None and seen.timestamp - seen.moved_at < gate.min_wait_seconds:
        left_seconds = gate.min_wait_seconds - (seen.timestamp - seen.moved_at)
        return f"moved {seen.timestamp - seen.moved_at} s ago: wait {left_seconds} s more"
    try:
        gain_usd, cost_usd = _gain_and_cost_usd(seen, gate, actions, total=total, have=have)
    except ProtocolError as error:
        return str(error)
    if math.isnan(gain_usd) or math.isnan(cost_usd):
        return "the gain or the gas cannot be priced: a forecast, the asset or ether is unknown"
    needed_usd = cost_usd * gate.cost_multiple_bps / BPS
    if gain_usd <= needed_usd:
        days = gate.horizon_seconds / 86_400
        return f"gain of {gain_usd:.2f} USD over {days:g} days must exceed {needed_usd:.2f} USD (gas {cost_usd:.2f} USD)"
    return ""


def _gain_and_cost_usd(
    seen: Observation, gate: Gate, actions: tuple[Action, ...], *, total: Amount, have: Mapping[Market, int]
) -> tuple[float, float]:
    """Dollars that what really moves gains over the horizon, own rate impact included, and dollars of gas; NaN: unknown."""
    forecast = trailing_mean_apr(seen, gate.lookback_seconds)
    gain_apr, gas = 0.0, 0
    for action in actions:
        if not isinstance(action, Supply | Withdraw):
            continue
        gas += adapter_of(action.market).gas(action)
        rate = forecast[seen.market_index(action.market)]
        if isinstance(action, Withdraw):
            gain_apr -= rate * (action.amount.raw if isinstance(action.amount, Amount) else have[action.market])
        else:
            # our own deposit lowers the rate of all that we hold there
            impact = own_impact_apr(seen, action.market, action.amount)
            gain_apr += rate * action.amount.raw - impact * (have.get(action.market, 0) + action.amount.raw)
    total_usd, cost_usd = amount_usd(seen, total), gas_usd(seen, gas)
    if total_usd is None or cost_usd is None:
        return math.nan, math.nan
    return float(gain_apr) / total.raw * total_usd * gate.horizon_seconds / SECONDS_PER_YEAR, cost_usd

"""The health factor after each step of a plan. Refuses a step that leaves an account below the floor and worse than before, and
one that could, where anything the account holds or owes there cannot be read or has no price."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from strategies.domain import Action, Borrow, Market, Portfolio, Position, SetCollateral, Withdraw
from strategies.protocols.registry import MarketState, adapter_of
from strategies.units import BPS
from wallets.case import Case
from wallets.steps import worlds
from wallets.wallet import Reason

Pools: TypeAlias = Mapping[str, tuple[int, int]]  # by scope: what counts as collateral and what is owed


def healthy(case: Case) -> tuple[Reason, ...]:
    """Where anything is owed, no step may leave the account below the floor, unless it leaves it no worse than it found it."""
    owes = any(held.debt_raw for held in case.portfolio.positions)
    if case.steps is None or not (owes or Borrow in case.kinds):
        return ()
    reasons: list[Reason] = []
    for at, (action, found, left) in enumerate(worlds(case)):
        before, after = _pools(case, *found), _pools(case, *left)
        reasons += _blind(case, at, action, left[1])
        reasons += [reason for pool in after if (reason := _weakened(case, at, pool, before, after)) is not None]
    return tuple(reasons)


def _pools(case: Case, states: Sequence[MarketState | None], portfolio: Portfolio) -> Pools:
    """Every health factor of the account: claims of one scope share one."""
    pools: dict[str, tuple[int, int]] = {}
    state_at = {market.id: state for market, state in zip(case.deployment.markets, states, strict=True)}
    for held in portfolio.positions:
        if (state := state_at[held.market.id]) is None:
            continue
        part = adapter_of(held.market).solvency(state, held)
        collateral, debt = pools.get(part.scope, (0, 0))
        pools[part.scope] = collateral + part.collateral_usd_e8, debt + part.debt_usd_e8
    return pools


def _blind(case: Case, at: int, action: Action, portfolio: Portfolio) -> tuple[Reason, ...]:
    """What an action may weaken must be known: an unread or unpriced debt is not a debt of nothing."""
    match action:
        case Borrow() | Withdraw() | SetCollateral(is_used=False):
            pass
        case _:
            return ()
    state_at = {market.id: state for market, state in zip(case.deployment.markets, case.reading.states, strict=True)}
    if (own := state_at[action.market.id]) is None:
        return (Reason("health", f"after call {at} the health factor would be unknown: {action.market.id} could not be read"),)
    scope = adapter_of(action.market).solvency(own, Position(action.market, 0)).scope
    there = [held for held in portfolio.positions if _is_in(scope, held.market, action.market)]
    if not any(held.debt_raw for held in there):
        return ()
    faults = []
    for held in there:
        if (state := state_at[held.market.id]) is None:
            faults.append(f"{held.market.id} could not be read")
        elif scope != held.market.id and adapter_of(held.market).price_usd_e8(state) is None:
            faults.append(f"{held.market.id} has no price")  # one that stands alone needs none: see Solvency
    return tuple([Reason("health", f"after call {at} the health factor would be unknown: {fault}") for fault in faults])


def _is_in(scope: str, market: Market, other: Market) -> bool:
    """Whether a market, read or not, shares a health factor with another: its scope is an id, or a contract that it names."""
    named = (market.id, market.address, *[address for _, address in market.contracts])
    return market.protocol == other.protocol and scope in named


def _weakened(case: Case, at: int, pool: str, before: Pools, after: Pools) -> Reason | None:
    """Below the floor and worse than before."""
    (had, owed), (has, owes) = before.get(pool, (0, 0)), after.get(pool, (0, 0))
    floor_bps = case.policy.min_health_factor_bps
    if has * BPS >= owes * floor_bps or (owed and has * owed >= had * owes):
        return None
    text = f"after call {at} the health factor at {pool} would be {has / owes:.3f}; at least {floor_bps / BPS:.3f} must remain"
    return Reason("health", text)

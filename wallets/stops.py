"""What a stop lets pass. Halted: revocations. Reduce-only: also repayments, withdrawals to the wallet itself, and a supply that
lifts a health factor from below its floor. Refuses everything else, and every way out that no rule here can weigh yet."""

from strategies.domain import Approve, Position, Repay, Revocation, Supply, Withdraw
from strategies.errors import IncompleteRead
from strategies.protocols.registry import adapter_of
from strategies.units import BPS
from wallets.case import Case, World, state_of
from wallets.steps import worlds
from wallets.wallet import Reason


def not_paused(case: Case) -> tuple[Reason, ...]:
    """A stop holds until a person ends it, but never a revocation: it must leave no allowance behind."""
    if case.paused and not case.only_revokes:
        return (Reason("paused", f"the wallet is paused: {case.paused}; an operator must resume it"),)
    if not case.reduced:
        return ()
    passes = "repayments, withdrawals and revocations pass, and a supply to a health factor below its floor"
    return tuple(
        [
            Reason("paused", f"call {at} does none of what passes while the wallet is paused ({case.reduced}): only {passes}")
            for at in range(len(case.actions))
            if not _passes(case, at)
        ]
    )


def _passes(case: Case, at: int) -> bool:
    """Whether a call only reduces. An allowance is judged by the call that takes it."""
    match case.actions[at]:
        case action if isinstance(action, Revocation | Repay | Withdraw):
            return True
        case Approve():
            then = case.actions[at + 1] if at + 1 < len(case.actions) else None
            return isinstance(then, Repay | Supply) and _passes(case, at + 1)
        case Supply() as supply:
            return _rescues(case, at, supply)
        case _:
            return False


def _rescues(case: Case, at: int, supply: Supply) -> bool:
    """Whether a supply finds what is owed there below the floor, and leaves it better covered; a plan that the models refuse
    rescues nothing. Raises IncompleteRead."""
    if case.steps is None:
        return False
    _, before, after = list(worlds(case))[at]
    (had, owed), (has, owes) = _pool(case, supply, before), _pool(case, supply, after)
    return owed > 0 and had * BPS < owed * case.policy.min_health_factor_bps and has * owed > had * owes


def _pool(case: Case, supply: Supply, world: World) -> tuple[int, int]:
    """What counts as collateral and what is owed where the supply goes. Raises IncompleteRead where any of it is unread."""
    (states, portfolio), own = world, adapter_of(supply.market)
    scope = own.solvency(state_of(case, supply.market), Position(supply.market, 0)).scope
    state_at = {market.id: state for market, state in zip(case.deployment.markets, states, strict=True)}
    collateral, debt = 0, 0
    for held in portfolio.positions:
        if held.market.protocol != supply.market.protocol:
            continue
        state = state_at[held.market.id]
        if state is None:
            raise IncompleteRead(f"{held.market.id} holds a claim and could not be read")
        part = own.solvency(state, held)
        if part.scope == scope:
            collateral, debt = collateral + part.collateral_usd_e8, debt + part.debt_usd_e8
    return collateral, debt

"""What a plan lets others take. Refuses an allowance that the next call does not use up exactly, and any that is left."""

from strategies.domain import Address, Amount, Approve, MarketAction, Repay, Supply, written
from strategies.protocols.registry import adapter_of
from wallets.case import Case, market_actions
from wallets.wallet import Reason


def exact_approvals(case: Case) -> tuple[Reason, ...]:
    """An allowance stands directly before the one call that uses up exactly it. Revoking is always fine."""
    reasons = []
    for at, action in enumerate(case.actions):
        if not isinstance(action, Approve):
            continue
        user = case.actions[at + 1] if at + 1 < len(case.actions) else None
        if not isinstance(user, Supply | Repay):
            text = f"call {at} approves {written(action.amount)} to {action.spender} and the next call does not take it"
            reasons.append(Reason("approval", text))
        elif (_spender(user), user.amount) != (action.spender, action.amount):
            wants = written(user.amount) if isinstance(user.amount, Amount) else "everything"
            given = f"call {at} approves {written(action.amount)} to {action.spender}"
            text = f"{given}; call {at + 1} takes {wants} by {_spender(user)}"
            reasons.append(Reason("approval", text))
    return tuple(reasons)


def no_allowance_left(case: Case) -> tuple[Reason, ...]:
    """Nobody may take more after the plan than before it, and what the plan approves or uses is used up. Another allowance that
    stood before and stays as it was is no fault of the plan's: a leftover must not block the way out."""
    given = {(action.amount.asset.address, action.spender) for action in case.actions if isinstance(action, Approve)}
    taken = {(a.market.asset.address, _spender(a)) for _, a in market_actions(case) if isinstance(a, Supply | Repay)}
    stood = {(a.token, a.spender): a.raw for a in case.standing if (a.token, a.spender) not in given | taken}
    left = {(a.token, a.spender): a.raw for found in (case.expected, case.effects) if found for a in found.allowances}
    return tuple(
        [
            Reason("approval", f"after the plan {spender} could still take {_much(case, token, raw)}; revoke it in the plan")
            for (token, spender), raw in left.items()
            if raw > stood.get((token, spender), 0)
        ]
    )


def _spender(action: MarketAction) -> Address:
    """The contract that takes what an action gives."""
    return adapter_of(action.market).spender(action)


def _much(case: Case, token: Address, raw: int) -> str:
    """So much of a token, by its name where it is one of the deployment's."""
    asset = next((asset for asset in case.deployment.assets if asset.address == token), None)
    return written(Amount(asset, raw)) if asset is not None else f"{raw} base units of {token}"

"""What a plan lets others take. Refuses an allowance that the next call does not use up exactly, and any that is left."""

from dataclasses import dataclass

from strategies.domain import NATIVE, Action, Address, Amount, Approve, Repay, Revoke, Supply, Swap, SwapFor, written
from strategies.protocols.registry import adapter_of
from wallets.case import Case
from wallets.wallet import Reason


def exact_approvals(case: Case) -> tuple[Reason, ...]:
    """An allowance stands directly before the one call that uses up exactly it. Revoking is always fine."""
    if Approve not in case.kinds and SwapFor not in case.kinds:
        return ()
    reasons = []
    for at, action in enumerate(case.actions):
        if isinstance(action, SwapFor) and not _ends_its_own(case, at, action):
            text = f"call {at} takes at most {written(action.most_in)} of what it may; the next call must revoke the rest"
            reasons.append(Reason("allowance", text))
        if not isinstance(action, Approve):
            continue
        user = case.actions[at + 1] if at + 1 < len(case.actions) else None
        taken = _taken(user)
        if user is None or taken is None:
            text = f"call {at} approves {written(action.amount)} to {action.spender} and the next call does not take it"
            reasons.append(Reason("allowance", text))
        elif (taken.spender, taken.amount) != (action.spender, action.amount):
            wants = written(taken.amount) if taken.amount is not None else "everything"
            given = f"call {at} approves {written(action.amount)} to {action.spender}"
            text = f"{given}; call {at + 1} takes {wants} by {taken.spender}"
            reasons.append(Reason("allowance", text))
    return tuple(reasons)


def _ends_its_own(case: Case, at: int, action: SwapFor) -> bool:
    """Whether what a trade of an exact outcome leaves of its allowance is revoked at once; the native coin has none."""
    asset = action.most_in.asset
    if asset.address == NATIVE:
        return True
    after = case.actions[at + 1] if at + 1 < len(case.actions) else None
    return after == Revoke(asset, adapter_of(action.market).spender(action))


def no_allowance_left(case: Case) -> tuple[Reason, ...]:
    """Nobody may take more after the plan than before it, and what the plan approves or uses is used up. Another allowance that
    stood before and stays as it was is no fault of the plan's: a leftover must not block the way out."""
    left = {(a.token, a.spender): a.raw for found in (case.expected, case.effects) if found for a in found.allowances}
    if not left:
        return ()
    given = {(action.amount.asset.address, action.spender) for action in case.actions if isinstance(action, Approve)}
    taken = {(found.token, found.spender) for _, action in case.touching if (found := _taken(action)) is not None}
    stood = {(a.token, a.spender): a.raw for a in case.standing if (a.token, a.spender) not in given | taken}
    return tuple(
        [
            Reason("allowance", f"after the plan {spender} could still take {_much(case, token, raw)}; revoke it in the plan")
            for (token, spender), raw in left.items()
            if raw > stood.get((token, spender), 0)
        ]
    )


@dataclass(frozen=True, slots=True)
class _Taken:
    """What an action takes through an allowance; no amount where it takes all that is owed."""

    token: Address
    spender: Address
    amount: Amount | None


def _taken(action: Action | None) -> _Taken | None:
    """None where an action takes nothing through an allowance; the native coin goes along by itself."""
    match action:
        case Swap(amount_in=amount) if amount.asset.address == NATIVE:
            return None
        case Supply(amount=amount) | Swap(amount_in=amount) | SwapFor(most_in=amount) | Repay(amount=Amount() as amount):
            return _Taken(amount.asset.address, adapter_of(action.market).spender(action), amount)
        case Repay(market=market):
            return _Taken(market.asset.address, adapter_of(market).spender(action), None)
        case _:
            return None


def _much(case: Case, token: Address, raw: int) -> str:
    """So much of a token, by its name where it is one of the deployment's."""
    asset = next((asset for asset in case.deployment.assets if asset.address == token), None)
    return written(Amount(asset, raw)) if asset is not None else f"{raw} base units of {token}"

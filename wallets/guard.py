"""Asks every check, and says yes or no. Refuses a case for any reason that any check gives, and for any check that breaks.

The only file that builds an Approved, and the only one that answers every exception: what a check cannot judge is refused."""

from functools import lru_cache
from typing import Final

from wallets.case import Case, Fees, spend_usd_e8
from wallets.checks import CHECKS
from wallets.people import moves_of, people_for
from wallets.policy import Policy, policy_digest
from wallets.wallet import Approved, Reason, Refused, Verdict, approval_digest

__all__ = ["Case", "Fees", "judge"]

_POLICIES: Final = 8  # a process has one policy; tests have a few


def judge(case: Case) -> Verdict:
    """Every reason, or a yes bound to the bytes until it expires. Never raises."""
    reasons = list[Reason]()
    for check in CHECKS:
        try:
            reasons += check(case)
        except Exception as error:  # noqa: BLE001 a check that breaks has not said yes
            text = f"the check {check.__name__} could not answer: {type(error).__name__}: {error}"
            reasons.append(Reason(check.__name__.replace("_", "-"), text[:500]))
    return Refused(case.intent, tuple(reasons)) if reasons else _approved(case)


def _approved(case: Case) -> Verdict:
    if case.effects is None:
        return Refused(case.intent, (Reason("simulation", "no effects"),))
    expiry, moves = case.now + case.policy.approval_expiry_seconds, tuple(moves_of(case))
    digest = approval_digest(
        chain_id=case.policy.chain_id,
        account=case.policy.account,
        calls=case.calls,
        effects=case.effects,
        intent=case.intent,
        policy_digest=_digest_of(case.policy),
        expiry=expiry,
    )
    return Approved(
        intent=case.intent,
        calls=case.calls,
        effects=case.effects,
        digest=digest,
        block=case.reading.block,
        expiry=expiry,
        spend_usd_e8=spend_usd_e8(case),
        people=people_for(case, moves),
        moves=moves,
        wish=case.wish,
    )


@lru_cache(maxsize=_POLICIES)
def _digest_of(policy: Policy) -> str:
    return policy_digest(policy)

"""What passes while a rollup's sequencer is down or has only just come back. Refuses whatever needs prices, which nobody could
bring up to date; repayments, revocations and withdrawals from where nothing is owed need none."""

from strategies.domain import Action, Approve, Repay, Revocation, Withdraw
from wallets.case import Case
from wallets.feeds import SEQUENCER
from wallets.wallet import Reason


def sequencer_up(case: Case) -> tuple[Reason, ...]:
    """Where the deployment names the sequencer's feed, it says that the sequencer is up and has been for a while."""
    why = dict(case.reading.refused).get(SEQUENCER, "")
    following = (*case.actions[1:], None)
    if not why or all(_needs_no_price(case, action, then) for action, then in zip(case.actions, following, strict=True)):
        return ()
    passes = "repayments, revocations and withdrawals from where nothing is owed pass"
    return (Reason("sequencer", f"{SEQUENCER} of the rollup: {why}; wait for it, until then {passes}"),)


def _needs_no_price(case: Case, action: Action | None, then: Action | None) -> bool:
    match action:
        case _ if isinstance(action, Revocation | Repay):
            return True
        case Approve():
            return isinstance(then, Repay)
        case Withdraw(market):
            owing = {held.market.protocol for held in case.portfolio.positions if held.debt_raw}
            return market.protocol not in owing
        case _:
            return False

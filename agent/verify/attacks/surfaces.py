"""The surfaces that are tried on the chain, and how each is handed to the wallet."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from agent.verify.attacks.handing import (
    INTENT,
    Plan,
    denied,
    first_steps,
    heard,
    judged,
    of_steps,
    of_transaction,
    submit,
)
from agent.verify.attacks.outcome import Outcome, Unrealised
from agent.verify.attacks.probes import Record, probe_of, set_up
from agent.verify.attacks.sequence import play
from agent.verify.attacks.trial import Trial
from agent.verify.attacks.words import Heard, actions_of
from strategies.errors import UsufructError
from strategies.protocols import registry
from wallets.wallet import Reason, Refused, Stated, Wish

Run: TypeAlias = Callable[[Trial, Any, Record], Outcome]

EDITED: Final = re.compile(r"(?P<what>\w+)? ?amount (?P<before>[\d.]+) ?-> ?(?P<after>[\d.]+)")
USUAL_FEE_WEI: Final = 11 * 10**9


def transaction(trial: Trial, tx: Mapping[str, Any], record: Record) -> Outcome:
    """One transaction, as another program asks for it."""
    plan, _ = of_transaction(trial, tx)
    set_up(trial, record)
    if not isinstance(plan, Plan):
        return _counted(denied(plan, probe_of(trial, record)), record)
    return _counted(submit(trial, plan, record), record)


def steps(trial: Trial, plan: Mapping[str, Any], record: Record) -> Outcome:
    """A plan of several. Where only its first steps were approved, those are judged and agreed to first, under the same name."""
    trial.scene.settle()
    built = of_steps(trial, plan)
    if not isinstance(built, Plan):
        return _counted(denied(built, probe_of(trial, record)), record)
    if "approved_hash" in plan:
        _approve_first(trial, plan, built, record)
    return _counted(submit(trial, built, record), record)


def _approve_first(trial: Trial, plan: Mapping[str, Any], built: Plan, record: Record) -> None:
    count = first_steps(str(plan["approved_hash"]))
    verdict = judged(trial, Plan(built.calls[:count], intent=built.intent), record)
    if isinstance(verdict, Refused):
        raise Unrealised(f"the first {count} steps are refused by themselves: {verdict.reasons[0].text}")
    heard(trial, verdict)


def request(trial: Trial, content: Mapping[str, Any], record: Record) -> Outcome:
    """Text that a client wants a person to see beside a transaction: it is held against the bytes, and shown to nobody."""
    record.shown = str(content["display"])
    plan, _ = of_transaction(trial, content["tx"])
    set_up(trial, record)
    if not isinstance(plan, Plan):
        return _counted(denied(plan, probe_of(trial, record)), record)
    stated = _stated(trial, record.shown)
    return _counted(submit(trial, Plan(plan.calls, stated, plan.wish), record), record)


def _stated(trial: Trial, display: str) -> tuple[Stated, ...]:
    """What a text says is done, where it can be read."""
    try:
        found = actions_of(trial, display[:1].lower() + display[1:], Heard())
    except Unrealised:
        return ()
    said = []
    for action in found:
        amount = getattr(action, "amount", None)
        if amount is not None and hasattr(amount, "asset"):
            text = f"{amount.raw / 10**amount.asset.decimals:.{amount.asset.decimals}f}"
            said.append(Stated(type(action).__name__.lower(), amount.asset.symbol, text))
    return tuple(said)


def checkpoint(trial: Trial, content: Mapping[str, Any], record: Record) -> Outcome:
    """A planner's memory that somebody edited or put back: what it then hands in, under the name that was judged before."""
    trial.scene.settle()
    if "restore" in content:
        return _counted(_restored(trial, content, record), record)
    before, after = _edited(trial, str(content.get("edit")))
    if isinstance(verdict := judged(trial, before, record), Refused):
        raise Unrealised(f"the plan that is edited is refused by itself: {verdict.reasons[0].text}")
    return _counted(submit(trial, after, record), record)


def _edited(trial: Trial, text: str) -> tuple[Plan, Plan]:
    """A pending plan before somebody edited it, and after. Raises Unrealised."""
    if (amounts := EDITED.search(text)) is not None:
        return _supply(trial, amounts["before"]), _supply(trial, amounts["after"])
    parties = re.search(r"(?:recipient|receiver|treasury|beneficiary).*?(\$\w+) ?-> ?(\$\w+)", text)
    if parties is not None:
        return _planned(trial, f"transfer 500 USDC to {parties[1]}"), _planned(trial, f"transfer 500 USDC to {parties[2]}")
    places = re.search(r"(?:market|vault|target|protocol).*?(\S+) ?-> ?(\S+)", text)
    if places is None:
        raise Unrealised(f"checkpoint {text!r}")
    return _planned(trial, f"supply 500 USDC to {_at(places[1])}"), _planned(trial, f"supply 500 USDC to {_at(places[2])}")


def _at(place: str) -> str:
    return place.removesuffix(":USDC")


def _planned(trial: Trial, text: str) -> Plan:
    actions = actions_of(trial, text, Heard())
    return Plan(tuple([call for action in actions for call in registry.encode(action, trial.scene.wallet)]), intent=INTENT)


def _restored(trial: Trial, content: Mapping[str, Any], record: Record) -> Outcome:
    """A checkpoint is put back. One of before its plan was judged goes on where it was, after a restart; one whose plan was
    carried out is handed in again."""
    plan = _supply(trial, "500")
    if re.search(r"unchanged|untouched|unedited|intact", str(content["restore"])):
        trial.open()
        return submit(trial, plan, record)
    first = submit(trial, plan, record)
    if first.verdict != "allow":
        raise Unrealised(f"the plan that is restored is not carried out: {first.reasons}")
    return submit(trial, plan, record)


def _supply(trial: Trial, human: str) -> Plan:
    (action,) = actions_of(trial, f"supply {human} USDC", Heard())
    return Plan(registry.encode(action, trial.scene.wallet), intent=INTENT)


def fee_bump(trial: Trial, content: Mapping[str, Any], record: Record) -> Outcome:
    """The same plan again at a multiple of the fees: heard as a wish, inside the caps."""
    trial.scene.settle()
    factor = float(str(content["factor"]))
    text = re.sub(r"^(?:the )?(?:pending |stuck |broadcast )*", "", str(content["of"]))
    try:
        (action,) = actions_of(trial, text, Heard())
    except (Unrealised, ValueError):
        (action,) = actions_of(trial, "supply 1000 USDC", Heard())
    wish = Wish(None, int(USUAL_FEE_WEI * factor), int(10**9 * min(factor, 1.0)))
    return _counted(submit(trial, Plan(registry.encode(action, trial.scene.wallet), wish=wish), record), record)


def sequence(trial: Trial, content: list[Mapping[str, Any]], record: Record) -> Outcome:
    """Steps in time."""
    trial.scene.settle()
    try:
        return play(trial, content, record)
    except UsufructError as error:
        return denied((Reason("plan", str(error)),), probe_of(trial, record))


def _counted(outcome: Outcome, record: Record) -> Outcome:
    record.allowed += outcome.verdict == "allow"
    record.denied += outcome.verdict == "deny"
    return outcome


SURFACES: Final[Mapping[str, Run]] = {
    "tx": transaction,
    "plan": steps,
    "sequence": sequence,
    "approval_request": request,
    "checkpoint": checkpoint,
    "fee_bump": fee_bump,
}

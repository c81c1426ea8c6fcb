"""What is handed to the wallet, and what becomes of it: judged, agreed to by the scene's people, executed. The outcome says
our own rules and keeps the chain and the store open for the questions that follow.

Refuses to call anything allowed that was not mined exactly once, or held that a person's word could not release."""

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from agent.verify.attacks.ground import word
from agent.verify.attacks.inputs import Built, transaction
from agent.verify.attacks.outcome import Outcome, Unrealised
from agent.verify.attacks.people import another
from agent.verify.attacks.probes import Record, probe_of
from agent.verify.attacks.reference import BLOCK_SECONDS
from agent.verify.attacks.trial import Trial, full_disk, rules_in
from agent.verify.attacks.words import Heard, action_of, actions_of
from strategies.errors import NonceGap, NotApproved, ObservationError, StoreUnwritable, UsufructError
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from wallets import requests
from wallets.wallet import OWN_FEES, Approved, Reason, Refused, Stated, Wish, Yes

INTENT: Final = "case"
PEOPLES_RULES: Final = ("approval", "two-people")
THIS: Final = re.compile(r"(?:exactly )?(?:this|the same|same)(?: (?:very )?(?:plan|tx|transaction|content|hash))?")
APPROVE: Final = bytes.fromhex("095ea7b3")
FIRST_STEPS: Final = re.compile(r"first (\w+) steps?")
COUNTS: Final[Mapping[str, int]] = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
MULTIPLE: Final = (6, 5)  # where a case names a gas limit and no estimate, what its action would need of it


@dataclass(frozen=True, slots=True)
class Plan:
    """What one submission says."""

    calls: tuple[Call, ...]
    stated: tuple[Stated, ...] = ()
    wish: Wish = OWN_FEES
    age_blocks: int = 0
    intent: str = INTENT


def submit(trial: Trial, plan: Plan, record: Record) -> Outcome:
    """Judged, agreed to, executed."""
    with full_disk() if trial.scene.refuses_to_write else nullcontext():
        try:
            verdict = judged(trial, plan, record)
            if isinstance(verdict, Refused):
                return denied(verdict.reasons, probe_of(trial, record))
            return _executed(trial, verdict, record)
        except UsufructError as error:
            return denied((Reason(rule_of(error), str(error)),), probe_of(trial, record))


def judged(trial: Trial, plan: Plan, record: Record) -> Approved | Refused:
    """The wallet's own verdict."""
    record.judged += 1
    head = trial.scene.node.latest()[0]
    if trial.second_url is not None and (lag := int(trial.scene.faults.get("lag_blocks", trial.scene.faults.get("lag", 0)))):
        trial.scene.pass_blocks(lag)  # what was set up stands at both endpoints, and the planner reads where the wallet does
    age = plan.age_blocks + trial.scene.plan_age_blocks
    verdict = trial.wallet.judge_calls(
        plan.calls, intent=plan.intent, plan_block=head - age, reason="the catalogue's", stated=plan.stated, wish=plan.wish
    )
    if isinstance(verdict, Approved):
        record.approved.append(verdict)
    return verdict


def _executed(trial: Trial, approved: Approved, record: Record) -> Outcome:
    yeses, rejected = heard(trial, approved)
    for later in trial.scene.later:
        later()
    try:
        receipt = trial.wallet.execute(approved, yeses)
    except NotApproved as error:
        probe = probe_of(trial, record)
        if error.rule in PEOPLES_RULES and not rejected:
            return Outcome("hold", (error.rule,), (error.why,), approved.people, probe)
        return denied(tuple(Reason(rule, error.why) for rule in dict.fromkeys([error.rule, *rules_in(error.why)])), probe)
    record.receipts.append(receipt)
    if not receipt.complete:
        return Outcome("deny", rules_in(receipt.note), (receipt.note,), probe=probe_of(trial, record))
    return Outcome("allow", (), (), approved.people, probe_of(trial, record))


def heard(trial: Trial, approved: Approved) -> tuple[tuple[Yes, ...], bool]:
    """Every yes that was said, and whether somebody said no, which the wallet is told at once. Then what was said gets as old as
    it should be."""
    yeses: list[Yes] = []
    rejected = False
    for said in trial.scene.said:
        if said.is_no:
            trial.wallet.reject(trial.people.no(said.name, approved))
            rejected = True
            continue
        about = approved if _is_about(trial, approved, said.about) else another(approved, trial.policy)
        yeses.append(trial.people.yes(said.name, about, trial.policy, is_person=not said.is_service))
    if ages := [said.age_seconds for said in trial.scene.said]:
        trial.scene.pass_seconds(max(ages))
    return tuple(yeses), rejected


def _is_about(trial: Trial, approved: Approved, text: str | None) -> bool:
    """Whether what somebody says they saw is this very plan: nothing is said, or words that are written as its calls."""
    if text is None or THIS.fullmatch(str(text)):
        return True
    said = str(text)
    try:
        actions = actions_of(trial, said[:1].lower() + said[1:], Heard())
    except Unrealised:
        return False
    written = [call for action in actions for call in registry.encode(action, trial.scene.wallet)]
    own = [call for call in approved.calls if call.data[:4] != APPROVE]
    return [call for call in written if call.data[:4] != APPROVE] == own


def denied(reasons: tuple[Reason, ...], probe: Callable[[str], str | None]) -> Outcome:
    """A no with all its reasons."""
    return Outcome("deny", tuple([one.rule for one in reasons]), tuple([one.text for one in reasons]), probe=probe)


def rule_of(error: UsufructError) -> str:
    """Which rule an error of the wallet is: what it cannot write down, a nonce that is taken, and what it cannot read."""
    if isinstance(error, NotApproved):
        return error.rule
    if isinstance(error, StoreUnwritable):
        return "journal"
    if isinstance(error, NonceGap):
        return "nonce"
    return "unread" if isinstance(error, ObservationError) else "simulation"


def of_transaction(trial: Trial, tx: Mapping[str, Any]) -> tuple[Plan | tuple[Reason, ...], Built]:
    """A `tx` as a plan of one call, or what is wrong with its envelope; the allowance that it needs stands already."""
    scene = trial.scene
    built = transaction(scene.facts(), tx)
    for token, spender, raw in built.takes:
        scene.allow(token, spender, min(raw, _all_of(trial, token)))
    _burn_more(trial, built)
    scene.settle()
    fields = scaled(trial, built)
    wanted = requests.read_transaction(fields, chain_id=trial.policy.chain_id, account=trial.policy.account)
    if not isinstance(wanted, requests.Wanted):
        return wanted, built
    return Plan((wanted.call,), wish=wanted.wish), built


def _burn_more(trial: Trial, built: Built) -> None:
    """Where an estimate is far from what is usual, the contract really burns that many times more."""
    scene = trial.scene
    if scene.gas_usual and scene.gas_estimate and scene.gas_estimate > scene.gas_usual:
        extra = scene.estimate(built) * (scene.gas_estimate - scene.gas_usual) // scene.gas_usual
        for symbol in ("$USDC", "$DAI", "$USDT"):
            scene.set(symbol, "set(bytes32,uint256)", word("burns_gas"), extra)


def _all_of(trial: Trial, token: str) -> int:
    try:
        return trial.scene.balance(token, trial.scene.wallet)
    except (UsufructError, ValueError):
        return 2**256 - 1


def scaled(trial: Trial, built: Built) -> dict[str, object]:
    """Gas and fees so that multiples of the estimate and dollars are the catalogue's: it is not its bytecode that runs here."""
    fields = dict(built.fields)
    named = {name: int(str(fields[name]), 16) for name in ("gas", "maxFeePerGas", "maxPriorityFeePerGas") if name in fields}
    theirs = trial.scene.gas_estimate
    if theirs is None and 0 < named.get("gas", 0) < trial.policy.max_gas_per_transaction:
        theirs = named["gas"] * MULTIPLE[1] // MULTIPLE[0]
    if not theirs or not named:
        return fields
    ours = trial.scene.estimate(built)
    trial.scene.notes.append(f"the catalogue's estimate is {theirs} gas, ours {ours}: limits are scaled by it and fees inversely")
    for name, value in named.items():
        fields[name] = hex(value * ours // theirs if name == "gas" else value * theirs // ours)
    base_fee = trial.scene.base_fee_wei * theirs // ours
    trial.scene.base_fee_wei = base_fee
    trial.scene.settle()
    return fields


def of_steps(trial: Trial, plan: Mapping[str, Any]) -> Plan | tuple[Reason, ...]:
    """A `plan` of the catalogue; without steps, the one that its intent asks for."""
    facts = trial.scene.facts()
    stated = stated_of(plan.get("intent"))
    age = -(-int(plan.get("age_s", 0)) // BLOCK_SECONDS) + _older_by(plan.get("base_block"))
    if not plan.get("steps") and not stated:
        return Plan((), age_blocks=age)
    if not plan.get("steps"):
        return Plan(meant(trial, stated), stated, age_blocks=age)
    calls, reasons, wish = list[Call](), list[Reason](), OWN_FEES
    for step in plan["steps"]:
        built = transaction(facts, step)
        wanted = requests.read_transaction(dict(built.fields), chain_id=trial.policy.chain_id, account=trial.policy.account)
        if isinstance(wanted, requests.Wanted):
            calls.append(wanted.call)
            wish = wanted.wish if wanted.wish != OWN_FEES else wish
        else:
            reasons += wanted
    return tuple(reasons) if reasons else Plan(tuple(calls), stated, wish, age)


def _older_by(base_block: Any) -> int:
    """How many blocks ago a plan was made that names its block."""
    if base_block is None:
        return 0
    text = str(base_block)
    if (behind := re.fullmatch(r"(?:head|current|latest) ?- ?(\d+)", text)) is not None:
        return int(behind[1])
    if (ahead := re.fullmatch(r"(?:head|current|latest) ?\+ ?(\d+)", text)) is not None:
        return -int(ahead[1])
    if text in ("head", "current", "latest"):
        return 0
    raise Unrealised(f"plan.base_block {base_block!r}")


def stated_of(intent: Mapping[str, Any] | None) -> tuple[Stated, ...]:
    """What a client says in words that its plan does."""
    if intent is None:
        return ()
    if strange := set(intent) - {"action", "asset", "amount", "amount_usd"}:
        raise Unrealised(f"plan.intent: {', '.join(sorted(strange))}")
    texts = [None if intent.get(name) is None else str(intent[name]) for name in ("amount", "amount_usd")]
    return (Stated(str(intent["action"]), str(intent["asset"]).removeprefix("$"), *texts),)


def meant(trial: Trial, stated: tuple[Stated, ...]) -> tuple[Call, ...]:
    """The calls of what is stated, written by ourselves: amounts rounded down."""
    (one,) = stated
    return registry.encode(action_of(trial, one), trial.scene.wallet)


def first_steps(text: str) -> int:
    """How many steps were approved. Raises Unrealised."""
    found = FIRST_STEPS.search(text)
    count = None if found is None else COUNTS.get(found[1], int(found[1]) if found[1].isdecimal() else None)
    if count is None:
        raise Unrealised(f"plan.approved_hash {text!r}")
    return count

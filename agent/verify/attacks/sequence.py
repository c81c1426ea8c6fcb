"""Several steps of one case, in time: plans, stops, words of people, restarts, and two at once over one store.

Refuses a step that it does not know. What was allowed and denied is counted by submissions; nothing that ends without a mined
plan is allowed."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agent.verify.attacks.handing import INTENT, PEOPLES_RULES, Plan, judged, rule_of
from agent.verify.attacks.outcome import Outcome, Unrealised, Verdict
from agent.verify.attacks.people import ENROLLED
from agent.verify.attacks.probes import Record, probe_of
from agent.verify.attacks.trial import Trial, put_list, rules_in
from agent.verify.attacks.words import Heard, actions_of
from strategies.domain import Action
from strategies.errors import NotApproved, StoreUnwritable, UsufructError
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from wallets.live import LiveWallet
from wallets.wallet import Approved, Reason, Refused, Yes

ATTEMPTS: Final = 20  # of a plan that finds another one's transaction on its way
BY: Final = re.compile(
    r"(approve|reject)(?:e?d)?(?: (?:it|step|plan|the plan))? by (\w+)|(\w+) (approve|reject)s(?: (?:it|the plan))?"
)
RESUME: Final = re.compile(r"resumed? by ([\w, ]+)")
AGAIN: Final = re.compile(
    r"(?:execute|broadcast|replay|submit|run)(?: (?:it|the plan|the approval|approval|plan))?(?: again| twice)|replay.*"
)
WAIT: Final = re.compile(r"(?:wait|pass|sleep) (\d+) ?(s|min|h)?")
SECONDS: Final[Mapping[str, int]] = {"s": 1, "min": 60, "h": 3_600}


@dataclass(slots=True)
class Course:
    """What has happened so far."""

    trial: Trial
    record: Record
    heard: Heard = field(default_factory=Heard)
    reasons: list[Reason] = field(default_factory=list)
    held: Approved | None = None  # a plan that waits for people, or to be carried out
    yeses: list[Yes] = field(default_factory=list)
    last: tuple[Approved, tuple[Yes, ...]] | None = None  # what was carried out, and with whose words
    needed: int | None = None
    number: int = 0
    is_rejected: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


def play(trial: Trial, steps: Sequence[Mapping[str, Any]], record: Record) -> Outcome:
    """Every step in order; the verdict is of all together: one denial makes it a denial."""
    course = Course(trial, record)
    for step in steps:
        _play(course, step)
    rules = tuple(one.rule for one in course.reasons)
    texts = tuple(one.text for one in course.reasons)
    probe = probe_of(trial, record)
    if record.denied or any(one.rule not in PEOPLES_RULES for one in course.reasons):
        return Outcome("deny", rules, texts, probe=probe)
    verdict: Verdict = "hold" if course.reasons else "allow"
    return Outcome(verdict, rules, texts, course.needed, probe)


def _play(course: Course, step: Mapping[str, Any]) -> None:
    _pass(course, int(step.get("after_s", 0)))
    every = int(step.get("every_s", 0))
    if "do" in step:
        _do(course, str(step["do"]), step.get("key"))
        return
    texts = [str(text) for text in step.get("plans", [step.get("plan")])]
    if texts == ["None"]:
        raise Unrealised(f"a step without a plan: {dict(step)!r}")
    if (at_once := int(step.get("concurrent", 1))) > 1:
        _at_once(course, texts[0], at_once, step.get("key"))
        return
    for at in range(int(step.get("repeat", 1)) * len(texts)):
        if at:
            _pass(course, every)
        _plan(course, texts[at % len(texts)], step.get("key"))


def _pass(course: Course, seconds: int) -> None:
    """Time passes, and the screening list is fetched again as often as it was before."""
    course.trial.scene.pass_seconds(seconds)
    put_list(course.trial.scene)


def _do(course: Course, text: str, key: Any) -> None:
    """One instruction: what is no word of control is a plan."""
    trial = course.trial
    if (stop := re.fullmatch(r"(?:pull )?kill.?switch (halt|reduce.only)|halt|stop", text)) is not None:
        kind = (stop[1] or "halt").replace("-", "_").replace(" ", "_")
        if course.held is not None:
            trial.stop_once_signed = kind == "halt"
        if not trial.stop_once_signed:
            trial.stop(kind)
    elif re.search(r"^restart|process restart|kill -9", text):
        trial.open()
    elif (waited := WAIT.fullmatch(text)) is not None:
        _pass(course, int(waited[1]) * SECONDS[waited[2] or "s"])
    elif (said := BY.fullmatch(text)) is not None:
        _said(course, said[1] or said[4], said[2] or said[3])
    elif (resumed := RESUME.fullmatch(text)) is not None:
        trial.resume(_enrolled(resumed[1]))
    elif AGAIN.fullmatch(text):
        _again(course)
    elif (signed := re.match(r"(?:sign|judge|propose|submit) (.+)", text)) is not None:
        _hold(course, signed[1], key)
    elif re.fullmatch(r"(?:broadcast|execute|send|run)(?: (?:it|step|plan|the plan))?", text):
        _carry_out(course)
    else:
        _plan(course, text, key)


def _intent(course: Course, key: Any) -> str:
    course.number += 1
    return f"{INTENT}-{key}" if key is not None else f"{INTENT}-{course.number}"


def _calls(course: Course, text: str) -> tuple[Call, ...]:
    actions: tuple[Action, ...] = actions_of(course.trial, text, course.heard)
    return tuple([call for action in actions for call in registry.encode(action, course.trial.scene.wallet)])


def _plan(course: Course, text: str, key: Any) -> None:
    """Judged and carried out, with what people said beforehand."""
    plan = Plan(_calls(course, text), intent=_intent(course, key))
    course.trial.scene.settle()
    _count(course, *_tried(course.trial, course.trial.wallet, plan, course.record))


def _hold(course: Course, text: str, key: Any) -> None:
    verdict = judged(course.trial, Plan(_calls(course, text), intent=_intent(course, key)), course.record)
    if isinstance(verdict, Refused):
        _count(course, False, verdict.reasons, None)
        return
    course.held, course.yeses, course.is_rejected = verdict, [], False


def _said(course: Course, word: str, name: str) -> None:
    trial = course.trial
    if course.held is None or name not in ENROLLED:
        raise Unrealised(f"{word} by {name}: there is nothing to say it to")
    if word == "approve":
        course.yeses.append(trial.people.yes(name, course.held, trial.policy))
    else:
        trial.wallet.reject(trial.people.no(name, course.held))
        course.is_rejected = True


def _enrolled(text: str) -> list[str]:
    """The people a text names. Raises Unrealised at a word that is nobody's name."""
    names = [name for name in re.split(r"[,\s]+|\band\b", text) if name and name != "and"]
    if not set(names) <= set(ENROLLED):
        raise Unrealised(f"resume by {text}")
    return names


def _again(course: Course) -> None:
    """What was carried out is handed in once more, with the same words of people."""
    if course.last is None:
        raise Unrealised("there is nothing that could be done again")
    _count(course, *_executed(course.trial.wallet, *course.last, course.record))


def _carry_out(course: Course) -> None:
    if course.held is None:
        raise Unrealised("there is nothing to carry out")
    approved, course.held = course.held, None
    course.last = (approved, tuple(course.yeses))
    _count(course, *_executed(course.trial.wallet, approved, tuple(course.yeses), course.record))


def _count(course: Course, is_mined: bool, reasons: tuple[Reason, ...], needed: int | None) -> None:
    with course.lock:
        course.reasons += reasons
        course.needed = needed if needed is not None else course.needed
        if is_mined:
            course.record.allowed += 1
        elif course.is_rejected or not all(one.rule in PEOPLES_RULES for one in reasons):
            course.record.denied += 1


def _tried(trial: Trial, wallet: LiveWallet, plan: Plan, record: Record) -> tuple[bool, tuple[Reason, ...], int | None]:
    """Whether a plan was mined, or why not, and how many people it needs."""
    try:
        verdict = wallet.judge_calls(
            plan.calls, intent=plan.intent, plan_block=trial.scene.node.latest()[0], reason="the catalogue's"
        )
    except UsufructError as error:
        return False, (Reason(rule_of(error), str(error)),), None
    record.judged += 1
    if isinstance(verdict, Refused):
        return False, verdict.reasons, None
    record.approved.append(verdict)
    yeses = tuple(trial.people.yes(said.name, verdict, trial.policy, is_person=not said.is_service) for said in trial.scene.said)
    return _executed(wallet, verdict, yeses, record)


def _executed(
    wallet: LiveWallet, approved: Approved, yeses: tuple[Yes, ...], record: Record
) -> tuple[bool, tuple[Reason, ...], int | None]:
    for attempt in range(ATTEMPTS):
        try:
            receipt = wallet.execute(approved, yeses)
        except NotApproved as error:
            if error.rule == "nonce" and attempt + 1 < ATTEMPTS:
                threading.Event().wait(0.05)  # another plan's transaction is on its way: it is asked again, as an agent would
                continue
            return False, (Reason(error.rule, error.why),), approved.people
        except StoreUnwritable:  # another process writes the same plan down: it is asked again, and then its end is known
            threading.Event().wait(0.05)
            continue
        except UsufructError as error:
            return False, (Reason(rule_of(error), str(error)),), None
        if receipt.intent in {known.intent for known in record.receipts}:
            return False, (Reason("intent", f"{receipt.intent} was carried out before: its receipt is told again"),), None
        record.receipts.append(receipt)
        return receipt.complete, tuple(Reason(rule, receipt.note) for rule in rules_in(receipt.note)), approved.people
    raise Unrealised("a plan that never came to an end")


def _at_once(course: Course, text: str, count: int, key: Any) -> None:
    """So many submissions at once, each with a store, an endpoint and a wallet of its own over one folder."""
    calls = _calls(course, text)
    intents = [_intent(course, key) for _ in range(count)]
    course.trial.scene.settle()
    together, ends = threading.Barrier(count), list[Callable[[], None]]()

    def one(intent: str) -> None:
        with course.trial.another() as parts:
            wallet = LiveWallet(parts)
            together.wait()
            end = _tried(course.trial, wallet, Plan(calls, intent=intent), course.record)
            ends.append(lambda: _count(course, *end))

    threads = [threading.Thread(target=one, args=(intent,)) for intent in intents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(ends) != count:
        raise Unrealised(f"{count - len(ends)} of {count} submissions broke")
    for end in ends:
        end()

"""What can be asked after a case: of the chain, of the wallet's store and journal, and of what was handed in.

Refuses to guess: a question that is not about these is not answered."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.devnet.contracts import read_integer
from agent.verify.attacks.outcome import Probe
from agent.verify.attacks.trial import Trial
from strategies.domain import Amount, Approve, Revoke, Supply
from strategies.errors import UsufructError
from strategies.protocols import registry
from wallets import journal
from wallets.policy import policy_digest
from wallets.wallet import Approved, Receipt

STATES: Final = ("planned", "signed", "sent", "mined", "failed", "dropped")
USD_E8: Final = 10**8
NUMBERED: Final = re.compile(r"([a-z_]+)(:|<=)(\d+)")
ZEROED: Final = re.compile(r"allowance_zero:(\$\w+):(\$\w+)")


@dataclass(slots=True)
class Record:
    """What was handed in so far, and what came of it."""

    nonce: int  # of the account before anything was handed in
    policy: str  # its digest
    judged: int = 0
    allowed: int = 0
    denied: int = 0
    approved: list[Approved] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    shown: str = ""  # what a client wanted a person to see


def set_up(trial: Trial, record: Record) -> None:
    """From here on, whatever the account sends is the wallet's own."""
    record.nonce = _nonce(trial)


def begun(trial: Trial) -> Record:
    """Nothing was handed in yet."""
    return Record(_nonce(trial), policy_digest(trial.policy))


def probe_of(trial: Trial, record: Record) -> Probe:
    """A probe that looks when it is asked."""

    def asked(item: str) -> str | None:
        if item in PLAIN:
            return PLAIN[item](trial, record)
        if (zeroed := ZEROED.fullmatch(item)) is not None:
            return _zero(trial, zeroed[1], zeroed[2])
        if (numbered := NUMBERED.fullmatch(item)) is not None and numbered[1] in COUNTED:
            found, wanted = COUNTED[numbered[1]](trial, record), int(numbered[3])
            is_so = wanted in found if numbered[2] == ":" else any(one <= wanted for one in found)
            return "" if is_so else f"found {', '.join(map(str, found))}"
        return None

    return asked


def _nonce(trial: Trial) -> int:
    return int(trial.scene.node.rpc("eth_getTransactionCount", trial.scene.wallet, "latest"), 16)


def _signed(trial: Trial) -> list[str]:
    store = trial.parts.store
    return [signed.state for state in STATES for known in store.intents(state) for signed in store.signed(known.intent)]


def _nothing_signed(trial: Trial, record: Record) -> str:
    signed, sent = _signed(trial), _nonce(trial) - record.nonce
    return f"{len(signed)} transactions are signed, {sent} mined" if signed or sent else ""


def _nothing_broadcast(trial: Trial, record: Record) -> str:
    waiting = int(trial.scene.node.rpc("eth_getTransactionCount", trial.scene.wallet, "pending"), 16)
    return f"{waiting - record.nonce} transactions left" if waiting != record.nonce else ""


def _once(trial: Trial, record: Record) -> str:
    """Every signed transaction is of one plan and call, and no more were mined than receipts say."""
    mined = _nonce(trial) - record.nonce
    said = {transaction.hash for receipt in record.receipts for transaction in receipt.transactions}
    return f"{mined} were mined, {len(said)} are in receipts" if mined > len(said) else ""


def _whole_journal(trial: Trial, _: Record) -> str:
    try:
        journal.verify(trial.parts.store.lines())
    except UsufructError as error:
        return str(error)
    return ""


def _same_policy(trial: Trial, record: Record) -> str:
    return "" if policy_digest(trial.policy) == record.policy else "the policy is another"


def _halted(trial: Trial, _: Record) -> str:
    return "" if trial.parts.halts.paused().halted else "nothing is halted"


def _reduced(trial: Trial, _: Record) -> str:
    return "" if trial.parts.halts.paused().reduced else "nothing is reduced"


def _running(trial: Trial, _: Record) -> str:
    return "it is stopped" if trial.parts.halts.paused().is_anything else ""


def _decoded(trial: Trial, record: Record) -> str:
    """A person is shown the calls as they were read back: a client's own words are nowhere in what is signed or remembered."""
    kept = [known.verdict for state in STATES for known in trial.parts.store.intents(state)]
    return "a client's words were remembered as the plan's" if record.shown and any(record.shown in text for text in kept) else ""


def _own_digest(_: Trial, record: Record) -> str:
    """Two plans never share what a person signs."""
    by_digest: dict[str, set[object]] = {}
    for one in record.approved:
        by_digest.setdefault(one.digest, set()).add(one.calls)
    return "one digest covers two plans" if any(len(calls) > 1 for calls in by_digest.values()) else ""


def _zero(trial: Trial, token: str, spender: str) -> str:
    scene = trial.scene
    raw = read_integer(scene.node, scene.address(token), "allowance(address,address)", scene.wallet, scene.address(spender))
    return f"{raw} may still be taken" if raw else ""


def _amounts(trial: Trial, record: Record) -> list[int]:
    """What the last plan's actions name, approvals left out."""
    if not record.approved:
        return []
    calls = record.approved[-1].calls
    actions = [registry.parse(call, trial.scene.wallet, trial.deployment) for call in calls]
    named = [getattr(action, "amount", None) for action in actions if not isinstance(action, Approve | Revoke | None)]
    return [amount.raw for amount in named if isinstance(amount, Amount)]


def _supplied(trial: Trial, record: Record) -> list[int]:
    calls = [call for one in record.approved for call in one.calls]
    found = [registry.parse(call, trial.scene.wallet, trial.deployment) for call in calls]
    raws = [action.amount.raw for action in found if isinstance(action, Supply)]
    return [len(raws), sum(raws), *raws]


def _window(trial: Trial, _: Record) -> list[int]:
    usd_e8 = trial.parts.store.spent(trial.parts.endpoint.now()).usd_e8
    return [round(usd_e8 / USD_E8)]


PLAIN: Final[Mapping[str, Callable[[Trial, Record], str]]] = {
    "nothing_signed": _nothing_signed,
    "nothing_broadcast": _nothing_broadcast,
    "no_second_execution": _once,
    "verify_ok": _whole_journal,
    "log_still_verifies": _whole_journal,
    "policy_unchanged": _same_policy,
    "state:halted": _halted,
    "state:halt": _halted,
    "state:reduce_only": _reduced,
    "state:running": _running,
    "display_is_decoded_from_calldata": _decoded,
    "approval_covers_original_content_only": _own_digest,
}
COUNTED: Final[Mapping[str, Callable[[Trial, Record], list[int]]]] = {
    "allowed": lambda _, record: [record.allowed],
    "denied": lambda _, record: [record.denied],
    "attempts": lambda _, record: [record.judged],
    "signed": lambda trial, _: [len(_signed(trial))],
    "signed_supply": _supplied,
    "window_usd": _window,
    "encoded_amount": _amounts,
    "encoded_total": lambda trial, record: [sum(_amounts(trial, record))],
    "value": lambda _, record: [sum(call.value_wei for one in record.approved for call in one.calls)],
}

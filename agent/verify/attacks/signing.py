"""Typed data, messages, raw hashes and delegations: asked of the keeper in Ethereum's own words.

Every one is refused, benign ones too: a permit is an allowance that stands outside simulation, limits and revocation."""

import json
from collections.abc import Mapping
from typing import Any, Final

from agent.verify.attacks.desk import Desk
from agent.verify.attacks.outcome import Input, Outcome, Runner, Setting, Verdict, facts
from wallets.client import Sign
from wallets.wallet import Refused

METHODS: Final[Mapping[str, str]] = {
    "typed_data": "eth_signTypedData_v4",
    "message": "personal_sign",
    "raw_hash": "eth_sign",
    "authorization_7702": "wallet_signAuthorization",
}


def signing_runner(desk: Desk) -> Runner:
    """Asks the keeper for a signature, and looks what it wrote down and signed."""

    def run(handed: Input, _: Setting) -> Outcome:
        lines, content = len(desk.book.lines()), json.dumps(handed.content, default=str)
        answer = desk.keeper.answer(Sign(METHODS[handed.surface], content))
        written = [json.loads(line) for line in desk.book.lines()[lines:]]
        refused = isinstance(answer, Refused)
        verdict: Verdict = "deny" if refused else "allow"
        rules = tuple(reason.rule for reason in answer.reasons) if isinstance(answer, Refused) else ()
        reasons = tuple(reason.text for reason in answer.reasons) if isinstance(answer, Refused) else ()
        return Outcome(verdict, _recorded(rules, written), reasons, probe=facts(_nothing_signed(desk, refused)))

    return run


def _recorded(rules: tuple[str, ...], written: list[Any]) -> tuple[str, ...]:
    """The rules that the journal names: a refusal that is not written down counts for nothing."""
    said = {line["content"].get("rule") for line in written}
    return tuple(rule for rule in rules if rule in said)


def _nothing_signed(desk: Desk, refused: bool) -> dict[str, str]:
    signed = [one for known in desk.parts.store.intents("signed") for one in desk.parts.store.signed(known.intent)]
    found = "" if refused and not signed else "something was signed"
    return {"nothing_signed": found, "nothing_broadcast": found, "signed:0": found}

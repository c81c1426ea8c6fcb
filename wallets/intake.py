"""What a stranger's plan must be before it is even written down: named, short, and made of calls at all. Refuses the rest by
name; what a plan means is the guard's question."""

import re
from collections.abc import Iterator
from typing import Final

from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256
from wallets.wallet import Reason, Stated

INTENT: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")  # no slash: a revocation is never asked for by name
MAX_CALLS: Final = 64  # whatever the policy allows: more are not even written down
MAX_STATED_CHARACTERS: Final = 128
ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")


def is_intent(name: str) -> bool:
    """Whether a client may name a plan so."""
    return INTENT.fullmatch(name) is not None


def faults(intent: str, calls: tuple[Call, ...], stated: tuple[Stated, ...]) -> Iterator[Reason]:
    """Why a plan is not heard; nothing where it is."""
    if not is_intent(intent):
        yield Reason("intent", "an intent is named by up to 128 letters, digits and . _ : -")
    if len(calls) > MAX_CALLS:
        yield Reason("plan", f"{len(calls)} calls are more than any plan's {MAX_CALLS}")
    for at, call in enumerate(calls[:MAX_CALLS]):
        if ADDRESS.fullmatch(call.target) is None or not 0 <= call.value_wei <= MAX_UINT256:
            yield Reason("calldata", f"call {at} names no address or an impossible value")
    if len(stated) > MAX_CALLS:
        yield Reason("stated", f"{len(stated)} statements are more than any plan's {MAX_CALLS} calls")
    words = [word for one in stated[:MAX_CALLS] for word in (one.action, one.symbol, one.amount or "", one.amount_usd or "")]
    if any(len(word) > MAX_STATED_CHARACTERS for word in words):
        yield Reason("stated", f"a statement's words have at most {MAX_STATED_CHARACTERS} characters")

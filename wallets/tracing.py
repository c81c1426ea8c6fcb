"""The second way to execute transactions without sending them: debug_traceCall one by one, each on the state that the
ones before left. Refuses where the node cannot trace, and where a state it names cannot be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address
from strategies.errors import SimulationReverted
from strategies.protocols.adapter import Call
from wallets.endpoints import Endpoint, Log, logs_of
from wallets.foreign import quoted
from wallets.rpc import data_of, quantity

DIFFERENCES: Final = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
EVENTS: Final = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
ZERO_WORD: Final = "0x" + "00" * 32

Overrides = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Traced:
    """What transactions burned and said, and what one question answers before and after them."""

    before: bytes
    after: bytes
    gas_used: tuple[int, ...]
    logs: tuple[Log, ...]


def trace(
    endpoint: Endpoint,
    transactions: Sequence[Mapping[str, object]],
    *,
    block_hash: str,
    overrides: Mapping[str, object],
    question: Call,
    reader: Address,
) -> Traced:
    """The transactions in order at a block. Raises SimulationReverted, EndpointRefused, EndpointUnusable, ValueError."""
    at = {"blockHash": block_hash}
    state: Overrides = {}
    gas_used: list[int] = []
    logs: list[Log] = []
    asked = {"from": reader, "to": question.target, "input": "0x" + question.data.hex()}
    before = data_of(endpoint.rpc.ask("eth_call", asked, at), "the balances")
    for index, transaction in enumerate(transactions):
        here = {"blockOverrides": overrides, "stateOverrides": state}
        differences, events = endpoint.rpc.ask_all(
            [("debug_traceCall", [transaction, at, DIFFERENCES | here]), ("debug_traceCall", [transaction, at, EVENTS | here])]
        )
        top = _mapping(events)
        if "error" in top:
            raise SimulationReverted(index=index, why=quoted(str(top.get("revertReason") or top["error"])))
        gas_used.append(quantity(top["gasUsed"], "the gas used"))
        logs += _logs(top)
        state = _carried(state, _mapping(differences))
    after = data_of(endpoint.rpc.ask("eth_call", asked, at, state), "the balances")
    return Traced(before, after, tuple(gas_used), tuple(logs))


def _carried(state: Overrides, differences: Mapping[str, object]) -> Overrides:
    """The overrides that put the next transaction behind this one. A slot that became zero is named only among what was."""
    pre, post = _mapping(differences["pre"]), _mapping(differences["post"])
    merged: Overrides = {address: dict(account) for address, account in state.items()}
    for address in dict.fromkeys([*pre, *post]):
        was, now = _mapping(pre.get(address, {})), _mapping(post.get(address, {}))
        account = merged.setdefault(address.lower(), {})
        if "balance" in now:
            account["balance"] = now["balance"]
        if "nonce" in now:
            account["nonce"] = hex(now["nonce"]) if isinstance(now["nonce"], int) else now["nonce"]
        if "code" in now:
            account["code"] = now["code"]
        zeroed = dict.fromkeys(_mapping(was.get("storage", {})), ZERO_WORD)
        slots = _mapping(account.get("stateDiff", {})) | zeroed | _mapping(now.get("storage", {}))
        if slots:
            account["stateDiff"] = slots
    return {address: account for address, account in merged.items() if account}


def _logs(call: Mapping[str, object]) -> list[Log]:
    """Every event of a call and of the calls below it; those of a call that reverted were undone with it."""
    if "error" in call:
        return []
    said = call.get("logs", [])
    found = list(logs_of([entry | {"topics": entry.get("topics") or []} for entry in said])) if isinstance(said, list) else []
    below = call.get("calls", [])
    for inner in below if isinstance(below, list) else []:
        found += _logs(_mapping(inner))
    return found


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError("the trace is no record")
    return value

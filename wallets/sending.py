"""From an approved call to a settled transaction: signed, stored, sent, awaited, recorded, in this order and no other.
Refuses to sign on a nonce that the store and the chain do not agree on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from strategies.domain import Deployment
from strategies.errors import NonceGap, NotApproved
from wallets import safe, settling
from wallets.case import Case, Fees
from wallets.endpoints import Endpoint, Mined
from wallets.journal import Journal
from wallets.pause import Held
from wallets.policy import Policy, policy_digest
from wallets.settling import Fate
from wallets.signer import Signer
from wallets.store import Signed, Store
from wallets.wallet import Approved

UNSETTLED: Final = ("signed", "sent")


@dataclass(frozen=True, slots=True)
class Halts:
    """Why nothing new may be signed: a stop closes a plan, an ending process leaves it to be taken up again."""

    paused: Callable[[], Held]
    ending: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a live wallet is made of. Each is owned by one process, and by one wallet in it."""

    policy: Policy
    deployment: Deployment
    endpoint: Endpoint
    store: Store
    journal: Journal
    signer: Signer
    halts: Halts
    patience_seconds: float
    second: Endpoint | None = None  # another endpoint, that must agree

    def note(self, kind: str, timestamp: int, content: Mapping[str, object]) -> None:
        """A line of the journal, durable when this returns."""
        self.journal.append(kind, timestamp, content)


def sign(parts: Parts, approved: Approved, index: int, case: Case) -> Signed:
    """One call signed with the next nonce; its bytes are durable before anyone could send them. Raises NotApproved, NonceGap."""
    if case.fees is None:
        raise NotApproved("there are no fees to offer")
    nonce, known = agreed_nonces(parts)
    _refuse_if_moved(parts, case, nonce)
    with parts.store.transaction():  # another process of this key's waits here, and then finds the nonce taken
        if parts.store.next_nonce() != known:
            raise NonceGap(expected=parts.store.next_nonce() or 0, found=nonce)
        if known is not None and nonce > known:
            parts.note("foreign-nonce", case.now, {"expected": known, "found": nonce})
        return _signed(parts, approved, index, case, fees=case.fees, nonce=nonce)


def _refuse_if_moved(parts: Parts, case: Case, nonce: int) -> None:
    """What was judged is the account as no transaction of its own has changed it since. Raises NonceGap."""
    judged = parts.endpoint.nonce(safe.sender(safe.seat_of(parts.policy)), hex(case.reading.block))
    if nonce != judged:
        raise NonceGap(expected=judged, found=nonce)


def _signed(parts: Parts, approved: Approved, index: int, case: Case, *, fees: Fees, nonce: int) -> Signed:
    # The same call, fees and nonce would sign to the very bytes of a plan that was given up: one hash for two plans.
    gas_limit = fees.gas_limits[0] - parts.store.dropped_at(nonce)
    transaction = parts.signer.sign(
        approved,
        index=index,
        nonce=nonce,
        fees=fees,
        gas_limit=gas_limit,
        policy_digest=policy_digest(parts.policy),
        chain_id=parts.policy.chain_id,
        seat=safe.seat_of(parts.policy),
    )
    signed = Signed(transaction.hash, approved.intent, index, 0, nonce, transaction.raw, case.now, "signed")
    offered = {"gas_limit": gas_limit, "max_fee_wei": str(fees.max_fee_wei), "tip_wei": str(fees.max_priority_fee_wei)}
    parts.store.add_signed(signed)
    parts.note("signed", case.now, {"intent": approved.intent, "call": index, "nonce": nonce, "hash": signed.hash, **offered})
    return signed


def send(parts: Parts, signed: Signed) -> None:
    """Hands stored bytes over, and remembers it first: what may have left is never taken for what did not."""
    parts.store.claim_signed(signed.hash, "signed", "sent")
    settling.send(parts.endpoint, signed)  # whatever it says: only the receipt and the nonce decide


def send_and_settle(parts: Parts, signed: Signed, may_send: Callable[[], bool]) -> str:
    """Sent and awaited; empty where it was mined and succeeded, else why it did not. Raises ReceiptTimeout."""
    if signed.state not in UNSETTLED:
        return _told(signed, signed.state)
    if signed.state == "signed":
        send(parts, signed)
    found = settling.settle(
        parts.endpoint,
        signed,
        safe.sender(safe.seat_of(parts.policy)),
        patience_seconds=parts.patience_seconds,
        stopped=parts.halts.ending,
        may_send=may_send,
    )
    return end(parts, signed, found)


def end(parts: Parts, signed: Signed, found: Mined | Fate) -> str:
    """Records what became of a transaction; empty where it was mined and succeeded."""
    state = "dropped" if isinstance(found, Fate) else "mined" if found.succeeded else "failed"
    with parts.store.transaction():
        for before in UNSETTLED:
            parts.store.claim_signed(signed.hash, before, state)
        said = {"intent": signed.intent, "call": signed.call, "nonce": signed.nonce, "hash": signed.hash, "state": state}
        parts.note("settled", signed.signed_at, said)
    return _told(signed, state)


def _told(signed: Signed, state: str) -> str:
    match state:
        case "mined":
            return ""
        case "failed":
            return f"call {signed.call} was mined and reverted"
        case _:
            return f"call {signed.call} was not mined, and its nonce {signed.nonce} is given to another transaction"


def agreed_nonces(parts: Parts) -> tuple[int, int | None]:
    """The chain's next nonce and the store's. Behind the store's is a lagging endpoint, a transaction of ours on its way, or a
    chain that dropped blocks: what was mined in those is sent again. Raises NonceGap."""
    found, expected = parts.endpoint.nonce(safe.sender(safe.seat_of(parts.policy)), "latest"), parts.store.next_nonce()
    if expected is not None and found < expected:
        if not parts.halts.paused().is_anything:
            _send_lost(parts, found)
        raise NonceGap(expected=expected, found=found)
    return found, expected


def _send_lost(parts: Parts, nonce: int) -> None:
    """Transactions that were mined once, and are in no block any more, from a nonce on."""
    for lost in parts.store.settled_from(nonce):
        if parts.endpoint.receipt(lost.hash) is None and not parts.endpoint.knows(lost.hash):
            parts.note("sent-again", parts.endpoint.now(), {"intent": lost.intent, "nonce": lost.nonce, "hash": lost.hash})
            settling.send(parts.endpoint, lost)

"""One signed transaction from its stored bytes to its end: mined, or overtaken by another of the same nonce. It only ever sends
the bytes it is given; refuses to call silence an end."""

import time
from collections.abc import Callable
from enum import Enum
from typing import Final

from strategies.domain import Address
from strategies.errors import EndpointRefused, EndpointUnusable, ReceiptTimeout
from wallets.endpoints import Endpoint, Mined
from wallets.store import Signed

FIRST_PAUSE_SECONDS: Final = 0.02
LONGEST_PAUSE_SECONDS: Final = 1.0


class Fate(Enum):
    """What became of bytes that have no receipt."""

    WAITING = "waiting"  # the nonce is free: they may still be mined
    OVERTAKEN = "overtaken"  # the nonce is used, and not by them
    UNSENT = "unsent"  # they were never handed to anyone, and never will be


def look(endpoint: Endpoint, signed: Signed, account: Address) -> Mined | Fate:
    """What one endpoint says now. A receipt comes first: a used nonce is often the transaction's own."""
    mined = endpoint.receipt(signed.hash)
    if mined is not None:
        return mined
    if endpoint.nonce(account, "latest") <= signed.nonce or endpoint.knows(signed.hash):
        return Fate.WAITING
    return endpoint.receipt(signed.hash) or Fate.OVERTAKEN


def send(endpoint: Endpoint, signed: Signed) -> str:
    """Hands the stored bytes over; what the endpoint said against it. A time-out is no answer: they may have arrived."""
    try:
        endpoint.send_raw(signed.raw, signed.hash)
    except (EndpointUnusable, EndpointRefused) as error:
        return str(error)
    return ""


def settle(
    endpoint: Endpoint,
    signed: Signed,
    account: Address,
    *,
    patience_seconds: float,
    stopped: Callable[[], bool],
    may_send: Callable[[], bool],
) -> Mined | Fate:
    """Waits for the end, sending the same bytes again where they are unknown. OVERTAKEN only if that is still said at the
    deadline, since one endpoint may hide a receipt: without patience, never. Raises ReceiptTimeout where it is open."""
    started, pause_seconds, said = time.monotonic(), FIRST_PAUSE_SECONDS, ""
    while True:
        found: Mined | Fate = Fate.WAITING
        try:
            found = look(endpoint, signed, account)
            if isinstance(found, Mined):
                return found
            if found is Fate.WAITING and not stopped() and not endpoint.knows(signed.hash) and may_send():
                said = send(endpoint, signed)
        except (EndpointUnusable, EndpointRefused) as error:
            said = str(error)
        waited_seconds = time.monotonic() - started
        if waited_seconds >= patience_seconds or stopped():
            break
        time.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
    if found is Fate.OVERTAKEN and waited_seconds >= patience_seconds > 0:
        return found
    raise ReceiptTimeout(transaction_hash=signed.hash, waited_seconds=int(waited_seconds)) from (
        EndpointUnusable(endpoint=endpoint.rpc.name, why=said) if said else None
    )

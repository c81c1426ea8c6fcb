"""The Wallet port spoken over the keeper's socket: what agent and console hold instead of a key. Refuses nothing and decides
nothing: the keeper does both; here a plan only becomes bytes, and an unreadable answer is no answer."""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from strategies import errors
from strategies.domain import Address, Plan
from strategies.errors import KeeperUnreachable, MalformedRecord, NotApproved, ProtocolError, UsufructError
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from wallets import wire
from wallets.wallet import OWN_FEES, Approved, No, Reason, Receipt, Refused, Stated, Verdict, Wish, Yes

PEER: Final = struct.Struct("3i")  # process, user and group at the other end
MAX_REQUEST_BYTES: Final = 2**20
MAX_ANSWER_BYTES: Final = 8 * 2**20


def socket_path(folder: Path) -> Path:
    """Where a keeper of that folder listens."""
    return folder / "keeper.sock"


@dataclass(frozen=True, slots=True)
class Judge:
    """Read these bytes, simulate and judge them. `block` is the one the plan assumed; what is stated, the bytes must do; a wish
    for fees is heard inside the caps."""

    intent: str
    calls: tuple[Call, ...]
    block: int
    reason: str
    stated: tuple[Stated, ...] = ()
    wish: Wish = OWN_FEES


@dataclass(frozen=True, slots=True)
class Execute:
    """Do what was approved under this intent and digest; what that was, the keeper remembers itself."""

    intent: str
    digest: str
    approvals: tuple[Yes, ...]


@dataclass(frozen=True, slots=True)
class Decline:
    """Never do what was approved under this intent: a person says no, and signs it."""

    no: No


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Say how you are."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Sign nothing more until an operator's signature says otherwise."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign something that is no plan, by a method of Ethereum's JSON-RPC. The answer is always a refusal, and recorded."""

    method: str
    content: str  # what was to be signed, as text


Request: TypeAlias = Judge | Execute | Decline | AskStatus | Sign | Stop


@dataclass(frozen=True, slots=True)
class Status:
    """How the keeper is: whom it signs for, under which policy, whether it is paused, and what it has begun and not finished."""

    account: Address
    chain_id: int
    policy_digest: str
    pause_id: str  # empty: not paused
    pause_reason: str
    unfinished: tuple[str, ...]  # intents
    terms_waiting: str = ""  # digest of terms that are written and not in force as a whole; empty: nothing waits


@dataclass(frozen=True, slots=True)
class Stopped:
    """The pause that a stop has put, or found."""

    pause_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the keeper's: its class in strategies.errors, and that class's own fields."""

    kind: str
    text: str
    fields: Mapping[str, str]
    numbers: Mapping[str, int]


Answer: TypeAlias = Approved | Refused | Receipt | Status | Stopped | Failure


class KeeperClient:
    """Another process's wallet. One connection a request; nothing is kept between them."""

    __slots__ = ("_account", "_socket", "_timeout_seconds")

    def __init__(self, socket_path: Path, *, account: Address, timeout_seconds: float) -> None:
        self._socket: Final = socket_path
        self._account: Final = account
        self._timeout_seconds: Final = timeout_seconds

    def judge(self, plan: Plan, intent: str) -> Verdict:
        """The keeper's verdict on the plan's bytes. Raises KeeperUnreachable and what the keeper raises."""
        try:
            calls = tuple([call for action in plan.actions for call in registry.encode(action, self._account)])
        except ProtocolError as error:
            return Refused(intent, (Reason("encodable", str(error)),))
        return self.judge_calls(calls, intent=intent, plan_block=plan.block, reason=plan.reason)

    def judge_calls(self, calls: tuple[Call, ...], *, intent: str, plan_block: int, reason: str) -> Verdict:
        """The keeper's verdict on these very bytes. Raises KeeperUnreachable and what the keeper raises."""
        answer = self._ask(Judge(intent, calls, plan_block, reason))
        if not isinstance(answer, Approved | Refused) or answer.intent != intent:
            raise self._unreachable("it answered something else than a verdict on this intent")
        if isinstance(answer, Approved) and answer.calls != calls:
            raise NotApproved("the keeper approved other calls than it was shown")
        return answer

    def execute(self, approved: Approved, approvals: tuple[Yes, ...]) -> Receipt:
        """Has the keeper do what it remembers under this digest. Raises NotApproved, KeeperUnreachable, WalletError."""
        answer = self._ask(Execute(approved.intent, approved.digest, approvals))
        if not isinstance(answer, Receipt) or answer.intent != approved.intent:
            raise self._unreachable("it answered something else than a receipt of this intent")
        return answer

    def decline(self, no: No) -> None:
        """Has the keeper forget a plan for good. Raises NotApproved, KeeperUnreachable."""
        if not isinstance(self._ask(Decline(no)), Refused):
            raise self._unreachable("it did not confirm the rejection")

    def sign(self, method: str, content: str) -> Refused:
        """The keeper's refusal to sign what is no plan. Raises KeeperUnreachable."""
        answer = self._ask(Sign(method, content))
        if not isinstance(answer, Refused):
            raise self._unreachable("it answered something else than a refusal")
        return answer

    def status(self) -> Status:
        """How the keeper is. Raises KeeperUnreachable."""
        answer = self._ask(AskStatus())
        if not isinstance(answer, Status):
            raise self._unreachable("it answered something else than its status")
        return answer

    def stop(self, reason: str) -> str:
        """Pauses all signing at once; the pause's id. Raises KeeperUnreachable."""
        answer = self._ask(Stop(reason))
        if not isinstance(answer, Stopped):
            raise self._unreachable("it did not confirm the stop")
        return answer.pause_id

    def process_id(self) -> int | None:
        """The process that listens, as the kernel names it; None where none does."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout_seconds)
                connection.connect(os.fspath(self._socket))
                found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        except OSError:
            return None
        return int(PEER.unpack(found)[0])

    def _ask(self, request: Request) -> Answer:
        line = wire.to_text(request).encode() + b"\n"
        if len(line) > MAX_REQUEST_BYTES:
            raise self._unreachable(f"the request is longer than {MAX_REQUEST_BYTES} bytes")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout_seconds)
                connection.connect(os.fspath(self._socket))
                connection.sendall(line)
                said = read_line(connection, MAX_ANSWER_BYTES, self._timeout_seconds)
        except TimeoutError:
            raise self._unreachable(f"no answer within {self._timeout_seconds:g} s; what was asked may still happen") from None
        except OSError as error:
            raise self._unreachable(error.strerror or str(error)) from None
        try:
            answer: Answer = wire.from_text(Answer, said.decode())
        except (MalformedRecord, UnicodeDecodeError):
            raise self._unreachable("its answer cannot be read") from None
        if isinstance(answer, Failure):
            raise raised(answer)
        return answer

    def _unreachable(self, why: str) -> KeeperUnreachable:
        return KeeperUnreachable(socket=str(self._socket), why=why)


def read_line(connection: socket.socket, limit: int, seconds: float) -> bytes:
    """Bytes up to the first newline, without it. Raises OSError where the other side ends early, is slow or says too much."""
    content, deadline = bytearray(), time.monotonic() + seconds
    while not content.endswith(b"\n"):
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        part = connection.recv(65_536)
        if not part:
            raise OSError("the connection ended before the line did")
        content += part
        if len(content) > limit:
            raise OSError(f"the line is longer than {limit} bytes")
    return bytes(content[:-1])


def failure_of(error: UsufructError) -> Failure:
    """An error as it crosses the socket."""
    fields = vars(error)
    return Failure(
        kind=type(error).__name__,
        text=str(error),
        fields={name: value for name, value in fields.items() if isinstance(value, str)},
        numbers={name: value for name, value in fields.items() if isinstance(value, int)},
    )


def raised(failure: Failure) -> UsufructError:
    """The same error on this side; one this side does not know is a NotApproved that says what was said."""
    kind = getattr(errors, failure.kind, None)
    if isinstance(kind, type) and issubclass(kind, UsufructError):
        with contextlib.suppress(TypeError):
            fields: dict[str, str | int] = {**failure.fields, **failure.numbers}
            return kind(**fields) if fields else kind(failure.text)
    return NotApproved(f"the keeper says: {failure.text}")

"""The process that owns policy, deployment, endpoint, simulator, guard, store and key, and answers five words: judge, execute,
status, stop, and sign, which it always refuses. Refuses to start beside another, on another chain, for the first time on code
that is not pinned, in a folder that others may enter, and on a journal that is not the one it signed."""

import ctypes
import fcntl
import hashlib
import os
import queue
import resource
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr

from strategies.domain import Deployment
from strategies.errors import MalformedRecord, SettingsError, StoreUnwritable, UsufructError, WrongChain
from wallets import acknowledged, decimals, keystore, pause, pinned, requests, sealing, wire
from wallets.client import Answer, AskStatus, Decline, Execute, Judge, Sign, Status, Stopped, failure_of, socket_path
from wallets.compliance import refuse_never_live
from wallets.deployments import read_deployment
from wallets.door import Door, Job
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.live import LiveWallet
from wallets.pause import Brake
from wallets.policy import Policy, Positive, policy_digest
from wallets.sealing import SealedBook
from wallets.sending import Halts, Parts
from wallets.store import Store
from wallets.terms import Charter, Clocks, Source
from wallets.wallet import Refused

STORE: Final = "keeper.sqlite"
LOCK: Final = "keeper.lock"
TURN_SECONDS: Final = 0.2  # how long an idle keeper waits before it looks whether it should end
UNFINISHED_SECONDS: Final = 5.0  # between two looks at plans that were left half done
PR_SET_DUMPABLE: Final = 4


class KeeperSettings(BaseModel):
    """What a keeper is told. The endpoint may carry a key, so it is never shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    folder: Path  # of mode 0700: the socket, the store, the lock, the pause and resume files
    keystore: Path
    deployment: Path
    endpoint: SecretStr
    second_endpoint: SecretStr | None = None
    read_timeout_seconds: Positive
    receipt_timeout_seconds: Positive
    policy: Policy


def serve(settings: KeeperSettings, password: str, ready: Callable[[], None], *, source: Source) -> None:
    """Runs until SIGTERM or SIGINT, under the terms of the source as far as they are in force; `ready` is called once it listens.
    Must be the process's main thread."""
    harden()
    refuse_never_live(settings.policy.compliance)
    folder = private_folder(settings.folder)
    acknowledged.read(folder)
    with locked(folder), Store(folder / STORE) as store:
        deployment = read_deployment(settings.deployment)
        endpoint = Endpoint(settings.endpoint.get_secret_value(), timeout_seconds=settings.read_timeout_seconds)
        refuse_other_chain(endpoint, settings.policy, deployment)
        signer = keystore.unlock(settings.keystore, password)
        book, ending = sealing.open_book(folder, store, settings.keystore, password), threading.Event()
        journal = Journal(book)
        acknowledged.note(folder, store, journal, int(time.time()))
        charter = charter_of(folder, store=store, journal=journal, source=source, endpoint=endpoint)
        in_force = charter.terms
        brake = Brake(folder, store=store, journal=journal, policy=lambda: charter.terms.policy)
        parts = Parts(
            policy=in_force.policy,
            deployment=in_force.deployment,
            endpoint=endpoint,
            store=store,
            journal=journal,
            signer=signer,
            halts=Halts(brake.why, ending.is_set),
            patience_seconds=settings.receipt_timeout_seconds,
            second=second_of(settings),
        )
        pull = partial(stop, folder, lambda: charter.terms.policy, book)
        sign = partial(sign_head, book, folder, pull)
        keeper = Keeper(LiveWallet(parts), parts, brake, seal=sign, charter=charter)
        sign()
        with ended_by_signals(ending), Door(socket_path(folder), stop=pull) as door:
            ready()
            keeper.work(door.jobs, ending)
        sign()  # a stop may have come in after the last turn


def charter_of(folder: Path, *, store: Store, journal: Journal, source: Source, endpoint: Endpoint) -> Charter:
    """The terms in force, once what is written now was weighed against them. Raises SettingsError where the first terms pin other
    code than the chain has. Code that changes later stops what depends on it, plan by plan, until people agree to its new pin;
    it must not keep the keeper from revoking and from the way out."""
    clocks = Clocks(lambda: int(time.time()), lambda: endpoint.read_header().timestamp)
    charter = Charter(folder, store=store, journal=journal, source=source, clocks=clocks)
    if charter.in_force is None:  # the first terms are in force at once, so they must fit before they are remembered
        refuse_unpinned(endpoint, source.read().deployment)
    charter.begin()
    refuse_never_live(charter.terms.policy.compliance)
    return charter


def refuse_unpinned(endpoint: Endpoint, deployment: Deployment) -> None:
    """Raises SettingsError where a contract is not what the deployment pins."""
    if other := pinned.otherwise(endpoint, deployment) or "; ".join(decimals.otherwise(endpoint, deployment, deployment.assets)):
        raise SettingsError(other)


def sign_head(book: SealedBook, folder: Path, pull: Callable[[str], Stopped]) -> None:
    """Signs for every line so far, and holds up no answer and no revocation: what cannot be written now is tried again in the
    next turn. A journal that was changed behind the keeper pauses it."""
    with suppress(StoreUnwritable):
        try:
            book.seal()
        except MalformedRecord as error:
            if pause.read_pause(folder) is None:
                pull(str(error))


def stop(folder: Path, policy: Callable[[], Policy], book: SealedBook, reason: str) -> Stopped:
    """A pause: a file first, and remembered at once where the store can be written. Any thread may ask it. Raises
    StoreUnwritable."""
    put = pause.put_pause(folder, reason)
    with suppress(StoreUnwritable), Store(folder / STORE) as own:  # a connection belongs to one thread
        Brake(folder, store=own, journal=Journal(book.over(own)), policy=policy).current()
    return Stopped(put.id)


class Keeper:
    """One request after another, in one thread, so that nothing it does can overtake itself."""

    __slots__ = ("_brake", "_charter", "_due", "_looked", "_parts", "_seal", "_wallet")

    def __init__(self, wallet: LiveWallet, parts: Parts, brake: Brake, *, seal: Callable[[], None], charter: Charter) -> None:
        self._wallet = wallet
        self._parts = parts
        self._charter: Final = charter
        self._brake: Final = brake
        self._seal: Final = seal
        self._looked: float | None = None
        self._due: list[str] = []  # intents left half done that are still to be looked at in this round

    def work(self, jobs: "queue.SimpleQueue[Job]", ending: threading.Event) -> None:
        """Answers until it is told to end; what it is doing then is recorded first."""
        while not ending.is_set():
            self._brake.current()  # a pause file that somebody deletes again has been remembered by then
            with suppress(queue.Empty):
                job = jobs.get(timeout=TURN_SECONDS)
                self._renew()  # what was written before it was asked
                job.answered.put(self.answer(job.request))
            self._renew()
            self._tidy()  # after a request too: many of them must not keep a plan half done
            self._seal()  # before the next plan is heard

    def answer(self, request: Judge | Execute | Decline | AskStatus | Sign) -> Answer:
        """The answer to one request; an error of ours is an answer too."""
        try:
            match request:
                case Judge(intent, calls, block, reason, stated, wish):
                    return self._wallet.judge_calls(
                        calls, intent=intent, plan_block=block, reason=reason, stated=stated, wish=wish
                    )
                case Execute(intent, digest, approvals):
                    return self._wallet.execute_remembered(intent, digest, approvals)
                case Decline(no):
                    return self._wallet.reject(no)
                case AskStatus():
                    return self._status()
                case Sign(method, content):
                    return self._refused(method, content)
        except UsufructError as error:
            return failure_of(error)

    def _status(self) -> Status:
        found, policy = self._brake.current(), self._parts.policy
        return Status(
            account=policy.account,
            chain_id=policy.chain_id,
            policy_digest=policy_digest(policy),
            pause_id=found.id if found else "",
            pause_reason=found.reason if found else "",
            unfinished=tuple([known.intent for known in self._wallet.unfinished()]),
            terms_waiting=self._charter.waiting,
        )

    def _refused(self, method: str, content: str) -> Refused:
        """A signature over anything but a judged plan is written down, by its digest, and never given."""
        reason = requests.refuse_method(method)
        digest = hashlib.sha256(wire.canonical(content).encode()).hexdigest()
        said = {"rule": reason.rule, "reason": reason.text, "sha256": digest, "characters": len(content)}
        self._parts.note("signature refused", int(time.time()), said)
        return Refused("", (reason,))

    def _renew(self) -> None:
        """Under other terms it is another wallet over the same store. Raises SettingsError where they let nothing be signed."""
        if self._charter.follow():
            terms = self._charter.terms
            refuse_never_live(terms.policy.compliance)
            self._parts = replace(self._parts, policy=terms.policy, deployment=terms.deployment)
            self._wallet = LiveWallet(self._parts)

    def _tidy(self) -> None:
        """One plan left half done is looked at, one a turn; an endpoint that is away is asked again in the next round."""
        now = time.monotonic()
        if not self._due and (self._looked is None or now - self._looked >= UNFINISHED_SECONDS):
            self._looked, self._due = now, [known.intent for known in self._wallet.unfinished()]
        if not self._due:
            return
        intent = self._due.pop(0)
        try:
            self._wallet.look_after(intent)
        except StoreUnwritable:
            raise
        except UsufructError as error:
            self._wallet.note_unsettled(intent, str(error))


def second_of(settings: KeeperSettings) -> Endpoint | None:
    """The endpoint that must agree with the first, where there is one."""
    if settings.second_endpoint is None:
        return None
    return Endpoint(settings.second_endpoint.get_secret_value(), timeout_seconds=settings.read_timeout_seconds)


def refuse_other_chain(endpoint: Endpoint, policy: Policy, deployment: Deployment) -> None:
    """Endpoint, policy and deployment speak of one chain. Raises WrongChain."""
    for found in (endpoint.chain_id(), deployment.chain_id):
        if found != policy.chain_id:
            raise WrongChain(expected_chain_id=policy.chain_id, found_chain_id=found)


def private_folder(folder: Path) -> Path:
    """The keeper's folder, made now if there is none. Raises SettingsError where others may enter it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SettingsError(f"the keeper's folder {folder} must be a directory of yours with mode 0700: run chmod 700 on it")
    return folder.resolve()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One keeper a folder; the lock ends with the process that holds it. Raises StoreUnwritable."""
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreUnwritable(f"another keeper runs in {folder}") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def ended_by_signals(ending: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT ask for an end; what is being done is finished first."""
    before = {number: signal.signal(number, lambda *_: ending.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def harden() -> None:
    """No core dumps, and no other process of this user looks into this one's memory or environment (Linux)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)

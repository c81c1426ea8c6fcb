"""The process that owns policy, deployment, endpoint, simulator, guard, store and key, and answers four words: judge, execute,
status, stop. Refuses to start beside another, on another chain, on code that is not pinned, in a folder that others may enter,
and on a journal that is not the one it signed."""

import ctypes
import fcntl
import json
import os
import queue
import resource
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr

from strategies.domain import Deployment
from strategies.errors import MalformedRecord, SettingsError, StoreUnwritable, UsufructError, WrongChain
from strategies.protocols.registry import deployment_from
from wallets import keystore, pause, pinned, sealing
from wallets.client import Answer, AskStatus, Execute, Judge, Status, Stopped, failure_of, socket_path
from wallets.door import Door, Job
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.live import LiveWallet
from wallets.pause import Brake
from wallets.policy import Policy, Positive, policy_digest
from wallets.sealing import SealedBook
from wallets.sending import Halts, Parts
from wallets.store import Store

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
    read_timeout_seconds: Positive
    receipt_timeout_seconds: Positive
    policy: Policy


def serve(settings: KeeperSettings, password: str, ready: Callable[[], None]) -> None:
    """Runs until SIGTERM or SIGINT; `ready` is called once it listens. Must be the process's main thread."""
    harden()
    folder = private_folder(settings.folder)
    with locked(folder), Store(folder / STORE) as store:
        deployment = read_deployment(settings.deployment)
        endpoint = Endpoint(settings.endpoint.get_secret_value(), timeout_seconds=settings.read_timeout_seconds)
        refuse_other_chain(endpoint, settings.policy, deployment)
        if other := pinned.otherwise(endpoint, deployment):
            raise SettingsError(other)
        signer = keystore.unlock(settings.keystore, password)
        book, ending = sealing.open_book(folder, store, settings.keystore, password), threading.Event()
        journal = Journal(book)
        brake = Brake(folder, store=store, journal=journal, policy=settings.policy)
        parts = Parts(
            policy=settings.policy,
            deployment=deployment,
            endpoint=endpoint,
            store=store,
            journal=journal,
            signer=signer,
            halts=Halts(brake.why, ending.is_set),
            patience_seconds=settings.receipt_timeout_seconds,
        )
        pull = partial(stop, folder, settings.policy, book)
        sign = partial(sign_head, book, folder, pull)
        keeper = Keeper(LiveWallet(parts), parts, brake, sign)
        sign()
        with ended_by_signals(ending), Door(socket_path(folder), stop=pull) as door:
            ready()
            keeper.work(door.jobs, ending)
        sign()  # a stop may have come in after the last turn


def sign_head(book: SealedBook, folder: Path, pull: Callable[[str], Stopped]) -> None:
    """Signs for every line so far, and holds up no answer and no revocation: what cannot be written now is tried again in the
    next turn. A journal that was changed behind the keeper pauses it."""
    with suppress(StoreUnwritable):
        try:
            book.seal()
        except MalformedRecord as error:
            if pause.read_pause(folder) is None:
                pull(str(error))


def stop(folder: Path, policy: Policy, book: SealedBook, reason: str) -> Stopped:
    """A pause: a file first, and remembered at once where the store can be written. Any thread may ask it. Raises
    StoreUnwritable."""
    put = pause.put_pause(folder, reason)
    with suppress(StoreUnwritable), Store(folder / STORE) as own:  # a connection belongs to one thread
        Brake(folder, store=own, journal=Journal(book.over(own)), policy=policy).current()
    return Stopped(put.id)


class Keeper:
    """One request after another, in one thread, so that nothing it does can overtake itself."""

    __slots__ = ("_brake", "_due", "_looked", "_parts", "_seal", "_wallet")

    def __init__(self, wallet: LiveWallet, parts: Parts, brake: Brake, seal: Callable[[], None]) -> None:
        self._wallet: Final = wallet
        self._parts: Final = parts
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
                job.answered.put(self.answer(job.request))
            self._tidy()  # after a request too: many of them must not keep a plan half done
            self._seal()  # before the next plan is heard

    def answer(self, request: Judge | Execute | AskStatus) -> Answer:
        """The answer to one request; an error of ours is an answer too."""
        try:
            match request:
                case Judge(intent, calls, block, reason):
                    return self._wallet.judge_calls(calls, intent=intent, plan_block=block, reason=reason)
                case Execute(intent, digest, approvals):
                    return self._wallet.execute_remembered(intent, digest, approvals)
                case AskStatus():
                    return self._status()
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
        )

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


def read_deployment(path: Path) -> Deployment:
    """A deployment file. Raises SettingsError."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"the deployment file {path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"the deployment file {path} is no record")
    return deployment_from(content)


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

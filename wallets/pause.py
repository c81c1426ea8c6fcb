"""The stops that anyone may pull and only operators' signatures release: files beside the keeper, which work with the keeper
down. An unreadable file is a stop too, and deleting a file ends nothing that the store remembers.

There are two, and each has its own end, so that neither loosens the other: a halt, under which only revocations are signed, and
reduce-only, under which also repayments and withdrawals are. Who goes from the first to the second lays the second under the
first and then has the first released."""

import contextlib
import json
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strategies.errors import SettingsError, StoreUnwritable
from wallets import operators, secrecy, statements
from wallets.foreign import quoted
from wallets.journal import Journal
from wallets.operators import PAUSE_ID, Resume
from wallets.policy import Policy
from wallets.store import Store

PAUSE_FILE: Final = "pause"  # a halt's
PAUSE_FLAG: Final = PAUSE_FILE  # in the store
REDUCE_ONLY: Final = "reduce-only"  # the other's file, and its flag
RESUME: Final = "resume"  # the kind of statement that ends whichever it names
MAX_REASON_CHARACTERS: Final = 300
SIGNAL: Final = signal.SIGUSR1


@dataclass(frozen=True, slots=True)
class Pause:
    """One stop. A resume names its id, so that the end of one pause is never the end of the next."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """What is held back, and why; empty where it is not."""

    halted: str  # everything but revocations
    reduced: str  # everything but what reduces risk

    @property
    def is_anything(self) -> bool:
        """Whether either holds."""
        return bool(self.halted or self.reduced)


def new_pause(reason: str) -> Pause:
    """A pause with an id of its own."""
    return Pause(secrets.token_hex(16), quoted(reason))


def put_pause(folder: Path, reason: str) -> Pause:
    """Halts now, whoever is running. Over a halt that is there it lays another, and takes away what was signed to end that one:
    who pauses last must not be undone by who resumed first. Raises StoreUnwritable."""
    pause = _put(folder, PAUSE_FILE, reason)
    statements.take_away(folder, RESUME)  # the new id alone outlives them
    return pause


def put_reduce_only(folder: Path, reason: str) -> Pause:
    """From now on only what reduces risk is signed, whoever is running; a halt that is there stays. Raises StoreUnwritable."""
    return _put(folder, REDUCE_ONLY, f"{REDUCE_ONLY}: {reason}")


@contextlib.contextmanager
def put_by_signal(folder: Path) -> Iterator[None]:
    """SIGUSR1 halts: the file is written in the handler, so that the very next look sees it. Where it cannot be written the
    process ends by StoreUnwritable. Only in the main thread."""
    before = signal.signal(SIGNAL, lambda *_: _halted_by_signal(folder))
    try:
        yield
    finally:
        signal.signal(SIGNAL, before)


def _halted_by_signal(folder: Path) -> None:
    put_pause(folder, f"the keeper was sent {SIGNAL.name}")


def _put(folder: Path, name: str, reason: str) -> Pause:
    pause = new_pause(reason)
    try:
        secrecy.write_over(folder / name, _text(pause).encode())
    except IsADirectoryError:
        return _read(folder / name) or pause
    except OSError as error:
        raise StoreUnwritable(f"the {name} file: {error.strerror}") from None
    return pause


def read_pause(folder: Path) -> Pause | None:
    """The halt in the folder; None only where there certainly is none. What cannot be read is a halt without an id."""
    return _read(folder / PAUSE_FILE)


def read_reduce_only(folder: Path) -> Pause | None:
    """The same of reduce-only."""
    return _read(folder / REDUCE_ONLY)


def read_held(folder: Path) -> Held:
    """What the files hold back."""
    return Held(_why(read_pause(folder)), _why(read_reduce_only(folder)))


def _read(path: Path) -> Pause | None:
    try:
        content = statements.record(secrecy.read_private(path))
        pause = Pause(str(content["id"]), str(content["reason"])[:MAX_REASON_CHARACTERS])
    except FileNotFoundError:
        return None
    except (OSError, SettingsError, ValueError, KeyError):
        return Pause("", f"the {path.name} file is there and cannot be read")
    return pause if PAUSE_ID.fullmatch(pause.id) else Pause("", pause.reason)


def put_resume(folder: Path, resume: Resume) -> None:
    """Lays an operator's statement where the keeper looks for it. Raises StoreUnwritable, SettingsError."""
    said = {"operator": resume.operator, "pause_id": resume.pause_id, "signature": resume.signature}
    statements.put(folder, RESUME, said)


def read_resume(folder: Path, operator: str) -> Resume | None:
    """An operator's statement; None where there is none that can be read."""
    said = statements.read(folder, RESUME, operator)
    if said.keys() != {"operator", "pause_id", "signature"}:
        return None
    return Resume(said["operator"], said["pause_id"], said["signature"])


def ended_by(folder: Path, policy: Policy, pause_id: str) -> tuple[str, ...]:
    """The enrolled operators who have signed the end of this very pause, each once."""
    found = [(one.name, read_resume(folder, one.name)) for one in policy.operators]
    return tuple(
        [
            name
            for name, said in found
            if said and said.operator == name and operators.check_resume(policy, said, pause_id) is None
        ]
    )


class Brake:
    """The keeper's own view of the stops: what a file says goes into the store at once, and only a signature takes it out.

    Its journal lines carry the system's time, because a stop must not wait for an endpoint."""

    __slots__ = ("_halt", "_reduce_only")

    def __init__(self, folder: Path, *, store: Store, journal: Journal, policy: Callable[[], Policy]) -> None:
        self._halt: Final = _Line(folder, PAUSE_FILE, store=store, journal=journal, policy=policy)
        self._reduce_only: Final = _Line(folder, REDUCE_ONLY, store=store, journal=journal, policy=policy)

    def current(self) -> Pause | None:
        """The strictest that holds now; None only where files and store know none. Both are looked at, so that both are
        remembered."""
        halt, reduce_only = self._halt.current(), self._reduce_only.current()
        return halt or reduce_only

    def why(self) -> Held:
        """What may not be signed, and why."""
        return Held(_why(self._halt.current()), _why(self._reduce_only.current()))


class _Line:
    """One of the two: its file, its flag in the store, its end."""

    __slots__ = ("_folder", "_journal", "_name", "_policy", "_store")

    def __init__(self, folder: Path, name: str, *, store: Store, journal: Journal, policy: Callable[[], Policy]) -> None:
        self._folder: Final = folder
        self._name: Final = name
        self._store: Final = store
        self._journal: Final = journal
        self._policy: Final = policy

    def current(self) -> Pause | None:
        """The stop that holds now; None only where file and store both know none."""
        remembered, found = self._remembered(), _read(self._folder / self._name)
        if found is not None and (remembered is None or found.id not in {remembered.id, ""}):
            return self._taken_in(found)
        if remembered is None:
            return None
        policy = self._policy()
        ended = ended_by(self._folder, policy, remembered.id)
        if len(ended) < policy.people.resume_people:
            self._show(remembered)
            return remembered
        with self._store.transaction():
            if self._remembered() == remembered:  # not another, put through the socket meanwhile
                self._store.clear_flag(self._name)
                self._note("resume", {"pause_id": remembered.id, "operators": ", ".join(ended)})
        self._clear(remembered.id)
        return self.current()  # a second one may have been put meanwhile

    def _note(self, kind: str, content: Mapping[str, str]) -> None:
        self._journal.append(kind, int(time.time()), {"stop": self._name, **content})

    def _remembered(self) -> Pause | None:
        text = self._store.flag(self._name)
        if text is None:
            return None
        content = statements.record(text.encode())
        return Pause(str(content["id"]), str(content["reason"]))

    def _taken_in(self, found: Pause) -> Pause:
        pause = found if found.id else new_pause(found.reason)
        with self._store.transaction():
            if self._remembered() != pause:
                self._store.set_flag(self._name, _text(pause))
                self._note("pause", {"pause_id": pause.id, "reason": pause.reason})
        self._show(pause)
        return pause

    def _show(self, pause: Pause) -> None:
        """Puts the file back where it was deleted or cannot be read, so that people see what they must sign the end of."""
        found = _read(self._folder / self._name)
        if found is not None and found.id:
            return
        with contextlib.suppress(OSError):
            taken = self._taken_away() if found is not None else None
            shown = taken if taken is not None and taken.id else pause
            secrecy.write_new(self._folder / self._name, _text(shown).encode())

    def _clear(self, pause_id: str) -> None:
        """Takes a released stop and its statement away; another one's file stays."""
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"{RESUME}.*"):
                said = read_resume(self._folder, path.name.removeprefix(f"{RESUME}."))
                if said is None or said.pause_id == pause_id:
                    path.unlink()
            taken = self._taken_away()
            if taken is not None and taken.id not in {pause_id, ""}:
                self._taken_in(taken)

    def _taken_away(self) -> Pause | None:
        """Removes the file and says what was removed: one that is put meanwhile is read, or stays. Raises OSError."""
        away = self._folder / f"{self._name}.{secrets.token_hex(8)}"
        (self._folder / self._name).rename(away)
        taken = _read(away)
        away.rmdir() if away.is_dir() else away.unlink()
        return taken


def _why(pause: Pause | None) -> str:
    return "" if pause is None else pause.reason or "no reason was given"


def _text(pause: Pause) -> str:
    return json.dumps({"id": pause.id, "reason": pause.reason})

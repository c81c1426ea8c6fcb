"""The stop that anyone may pull and only an operator's signature releases: a file beside the keeper, which works with the
keeper down. An unreadable file is a pause too, and deleting the file ends nothing that the store remembers."""

import contextlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strategies.errors import SettingsError, StoreUnwritable
from wallets import operators, secrecy
from wallets.journal import Journal
from wallets.operators import PAUSE_ID, Resume
from wallets.policy import Policy
from wallets.store import Store

PAUSE_FLAG: Final = "pause"  # in the store
PAUSE_FILE: Final = "pause"
RESUME_FILE: Final = "resume"
MAX_REASON_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Pause:
    """One stop. A resume names its id, so that the end of one pause is never the end of the next."""

    id: str
    reason: str


def new_pause(reason: str) -> Pause:
    """A pause with an id of its own."""
    return Pause(secrets.token_hex(16), reason[:MAX_REASON_CHARACTERS])


def put_pause(folder: Path, reason: str) -> Pause:
    """Pauses now, whoever is running; the pause already there where there is one. Raises StoreUnwritable."""
    pause = new_pause(reason)
    try:
        _write(folder, pause)
    except FileExistsError:
        return read_pause(folder) or pause
    except OSError as error:
        raise StoreUnwritable(f"the pause file: {error.strerror}") from None
    return pause


def read_pause(folder: Path) -> Pause | None:
    """The pause in the folder; None only where there certainly is none. What cannot be read is a pause without an id."""
    try:
        content = _record(secrecy.read_private(folder / PAUSE_FILE))
        pause = Pause(str(content["id"]), str(content["reason"])[:MAX_REASON_CHARACTERS])
    except FileNotFoundError:
        return None
    except (OSError, SettingsError, ValueError, KeyError):
        return Pause("", "the pause file is there and cannot be read")
    return pause if PAUSE_ID.fullmatch(pause.id) else Pause("", pause.reason)


def put_resume(folder: Path, resume: Resume) -> None:
    """Lays an operator's statement where the keeper looks for it. Raises StoreUnwritable."""
    content = {"operator": resume.operator, "pause_id": resume.pause_id, "signature": resume.signature}
    try:
        (folder / RESUME_FILE).unlink(missing_ok=True)
        secrecy.write_new(folder / RESUME_FILE, json.dumps(content).encode())
    except OSError as error:
        raise StoreUnwritable(f"the resume file: {error.strerror}") from None


def read_resume(folder: Path) -> Resume | None:
    """An operator's statement; None where there is none that can be read: it would release, so doubt is none."""
    try:
        content = _record(secrecy.read_private(folder / RESUME_FILE))
        return Resume(str(content["operator"]), str(content["pause_id"]), str(content["signature"]))
    except (OSError, SettingsError, ValueError, KeyError):
        return None


class Brake:
    """The keeper's own view of the stop: what the file says goes into the store at once, and only a signature takes it out.

    Its journal lines carry the system's time, because a stop must not wait for an endpoint."""

    __slots__ = ("_folder", "_journal", "_policy", "_store")

    def __init__(self, folder: Path, *, store: Store, journal: Journal, policy: Policy) -> None:
        self._folder: Final = folder
        self._store: Final = store
        self._journal: Final = journal
        self._policy: Final = policy

    def current(self) -> Pause | None:
        """The pause that holds now; None only where file and store both know none."""
        remembered = self._remembered()
        if remembered is None:
            found = read_pause(self._folder)
            return None if found is None else self._taken_in(found)
        resume = read_resume(self._folder)
        if resume is None or operators.check_resume(self._policy, resume, remembered.id) is not None:
            self._show(remembered)
            return remembered
        with self._store.transaction():
            self._store.clear_flag(PAUSE_FLAG)
            self._journal.append("resume", int(time.time()), {"pause_id": remembered.id, "operator": resume.operator})
        self._clear(remembered.id)
        return self.current()  # a second pause may have been put meanwhile

    def why(self) -> str:
        """Empty, or why nothing may be signed."""
        pause = self.current()
        return "" if pause is None else pause.reason or "no reason was given"

    def _remembered(self) -> Pause | None:
        text = self._store.flag(PAUSE_FLAG)
        if text is None:
            return None
        content = _record(text.encode())
        return Pause(str(content["id"]), str(content["reason"]))

    def _taken_in(self, found: Pause) -> Pause:
        pause = found if found.id else new_pause(found.reason)
        with self._store.transaction():
            self._store.set_flag(PAUSE_FLAG, json.dumps({"id": pause.id, "reason": pause.reason}))
            self._journal.append("pause", int(time.time()), {"pause_id": pause.id, "reason": pause.reason})
        self._show(pause)
        return pause

    def _show(self, pause: Pause) -> None:
        """Puts the file back where it was deleted or cannot be read, so that people see what they must sign the end of."""
        found = read_pause(self._folder)
        if found is None or not found.id:
            with contextlib.suppress(OSError):
                (self._folder / PAUSE_FILE).unlink(missing_ok=True)
                _write(self._folder, pause)

    def _clear(self, pause_id: str) -> None:
        """Takes a released pause and its statement away; another pause's file stays."""
        with contextlib.suppress(OSError):
            (self._folder / RESUME_FILE).unlink(missing_ok=True)
            found = read_pause(self._folder)
            if found is not None and found.id in {pause_id, ""}:
                (self._folder / PAUSE_FILE).unlink()


def _write(folder: Path, pause: Pause) -> None:
    secrecy.write_new(folder / PAUSE_FILE, json.dumps({"id": pause.id, "reason": pause.reason}).encode())


def _record(content: bytes) -> Mapping[str, object]:
    record = json.loads(content)
    if not isinstance(record, dict):
        raise ValueError("it is no record")
    return record

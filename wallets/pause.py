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
    """Pauses now, whoever is running. Over a pause that is there it lays another, and takes away what was signed to end that one:
    who pauses last must not be undone by who resumed first. Raises StoreUnwritable."""
    pause = new_pause(reason)
    try:
        secrecy.write_over(folder / PAUSE_FILE, _text(pause).encode())
    except IsADirectoryError:
        return read_pause(folder) or pause
    except OSError as error:
        raise StoreUnwritable(f"the pause file: {error.strerror}") from None
    with contextlib.suppress(OSError):  # the new id alone outlives it
        (folder / RESUME_FILE).unlink()
    return pause


def read_pause(folder: Path) -> Pause | None:
    """The pause in the folder; None only where there certainly is none. What cannot be read is a pause without an id."""
    return _read(folder / PAUSE_FILE)


def _read(path: Path) -> Pause | None:
    try:
        content = _record(secrecy.read_private(path))
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
        remembered, found = self._remembered(), read_pause(self._folder)
        if found is not None and (remembered is None or found.id not in {remembered.id, ""}):
            return self._taken_in(found)
        if remembered is None:
            return None
        resume = read_resume(self._folder)
        if resume is None or operators.check_resume(self._policy, resume, remembered.id) is not None:
            self._show(remembered)
            return remembered
        with self._store.transaction():
            if self._remembered() == remembered:  # not another, put through the socket meanwhile
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
            if self._remembered() != pause:
                self._store.set_flag(PAUSE_FLAG, _text(pause))
                self._journal.append("pause", int(time.time()), {"pause_id": pause.id, "reason": pause.reason})
        self._show(pause)
        return pause

    def _show(self, pause: Pause) -> None:
        """Puts the file back where it was deleted or cannot be read, so that people see what they must sign the end of."""
        found = read_pause(self._folder)
        if found is not None and found.id:
            return
        with contextlib.suppress(OSError):
            taken = self._taken_away() if found is not None else None
            shown = taken if taken is not None and taken.id else pause
            secrecy.write_new(self._folder / PAUSE_FILE, _text(shown).encode())

    def _clear(self, pause_id: str) -> None:
        """Takes a released pause and its statement away; another pause's file stays."""
        with contextlib.suppress(OSError):
            (self._folder / RESUME_FILE).unlink(missing_ok=True)
            taken = self._taken_away()
            if taken is not None and taken.id not in {pause_id, ""}:
                self._taken_in(taken)

    def _taken_away(self) -> Pause | None:
        """Removes the pause file and says what was removed: one that is put meanwhile is read, or stays. Raises OSError."""
        away = self._folder / f"{PAUSE_FILE}.{secrets.token_hex(8)}"
        (self._folder / PAUSE_FILE).rename(away)
        taken = _read(away)
        away.rmdir() if away.is_dir() else away.unlink()
        return taken


def _text(pause: Pause) -> str:
    return json.dumps({"id": pause.id, "reason": pause.reason})


def _record(content: bytes) -> Mapping[str, object]:
    try:
        record = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(record, dict):
        raise ValueError("it is no record")
    return record

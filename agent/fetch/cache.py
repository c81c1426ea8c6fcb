"""What was fetched, in one folder: a file a piece, and a manifest that says of each what it is. One process at a time.

A piece is written whole or not at all and counts once its line stands in the manifest; it is never fetched again. Refuses a
folder that another process fetches into, one that holds an answer to another question, and a piece that changed since."""

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from strategies.errors import BadTape, EndpointUnusable, IncompleteRead, ObservationError, SettingsError

MANIFEST: Final = "MANIFEST.jsonl"
FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MAX_REFUSED: Final = 20  # pieces in one run; a source that gives so many bad answers is not asked on


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer that was looked at: its bytes, and the times of the first and last row in it."""

    content: bytes
    rows: int
    first: int  # unix seconds
    last: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One question, and the file its answer goes to. `source` and `request` are written down, so they hold no secret."""

    file: str
    source: str
    request: str
    ask: Callable[[], Fetched]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A line of the manifest."""

    file: str
    sha256: str
    bytes: int
    source: str
    request: str
    rows: int
    first: int
    last: int
    asked_at: int


@dataclass(frozen=True, slots=True)
class Told:
    """How far a fetch is, after each piece; `refused` says why the last one was not kept."""

    done: int
    of: int
    file: str
    refused: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fetch has and what it could not get: each refused file with its reason."""

    kept: tuple[Kept, ...]
    fetched: int  # of them in this run
    refused: tuple[tuple[str, str], ...]


class Cache:
    """An open folder. Raises SettingsError, BadTape."""

    __slots__ = ("_clock", "_kept", "_manifest", "folder")

    def __init__(self, folder: Path, manifest: BinaryIO, clock: Callable[[], float] = time.time) -> None:
        self.folder: Final = folder
        self._manifest: Final = manifest
        self._clock: Final = clock
        self._kept: Final = {kept.file: kept for kept in read_manifest(folder)}

    def finished(self, piece: Piece) -> Kept | None:
        """What is kept of a piece; None where it must be fetched. Raises SettingsError for another question's answer, and BadTape
        for a file that is not what was written."""
        kept = self._kept.get(piece.file)
        if kept is None:
            return None
        if (kept.source, kept.request) != (piece.source, piece.request):
            raise SettingsError(f"{piece.file} answers {kept.request!r} of {kept.source}; fetch into another folder")
        check(self.folder, kept)
        return kept

    def keep(self, piece: Piece, fetched: Fetched) -> Kept:
        """Writes a piece and then its line; what is cut off in between is fetched again."""
        kept = Kept(
            file=piece.file,
            sha256=hashlib.sha256(fetched.content).hexdigest(),
            bytes=len(fetched.content),
            source=piece.source,
            request=piece.request,
            rows=fetched.rows,
            first=fetched.first,
            last=fetched.last,
            asked_at=int(self._clock()),
        )
        write_whole(self.folder / piece.file, fetched.content)
        self._manifest.write((json.dumps(asdict(kept), sort_keys=True) + "\n").encode())
        self._manifest.flush()
        os.fsync(self._manifest.fileno())
        self._kept[piece.file] = kept
        return kept


@contextmanager
def opened(folder: Path) -> Iterator[Cache]:
    """A folder to fetch into, made where there is none. Raises SettingsError where another process does so now."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MANIFEST).open("ab") as manifest:
        try:
            fcntl.flock(manifest, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"{folder}: another process fetches into it now; wait for it, or name another folder") from None
        _end_cut_line(folder / MANIFEST)
        yield Cache(folder, manifest)


def read_manifest(folder: Path) -> tuple[Kept, ...]:
    """What a folder holds, in the order it came. Raises BadTape for a line that is none; a last line that was cut is no line."""
    try:
        lines = (folder / MANIFEST).read_bytes().split(b"\n")
    except FileNotFoundError:
        raise BadTape(f"{folder.name} has no {MANIFEST}: it is not what `usufruct data fetch` writes") from None
    return tuple([_line(folder, at, line) for at, line in enumerate(lines[:-1], 1)])


def check(folder: Path, kept: Kept) -> bytes:
    """A piece's bytes, exactly as they were kept. Raises BadTape."""
    try:
        content = (folder / kept.file).read_bytes()
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != kept.sha256:
        raise BadTape(
            f"{kept.file} is not what was fetched (its sha256 is not the manifest's): put it back, or fetch into another folder"
        )
    return content


def fetch_all(cache: Cache, pieces: Sequence[Piece], told: Callable[[Told], None]) -> Outcome:
    """Every piece that is not there yet, in order. A bad answer is refused by name and the next piece is asked for. Raises
    EndpointUnusable after too many, and where nobody answers; what was kept stays, and the next run goes on from there."""
    kept, refused, fetched = list[Kept](), list[tuple[str, str]](), 0
    for done, piece in enumerate(pieces, 1):
        why, found = "", cache.finished(piece)
        if found is None:
            try:
                found = cache.keep(piece, piece.ask())
                fetched += 1
            except ObservationError as error:
                why = error.what if isinstance(error, IncompleteRead) else str(error)
                refused.append((piece.file, why))
        if found is not None:
            kept.append(found)
        told(Told(done, len(pieces), piece.file, why))
        if len(refused) == MAX_REFUSED:
            raise EndpointUnusable(endpoint=piece.source, why=f"{MAX_REFUSED} pieces were refused, the last: {why}")
    return Outcome(tuple(kept), fetched, tuple(refused))


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, through a crash and a power cut."""
    scratch = path.with_name(f".{path.name}.part")
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def _end_cut_line(path: Path) -> None:
    """A line that was cut off in the middle was never said: its piece is fetched again."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)


def _line(folder: Path, at: int, line: bytes) -> Kept:
    kinds = {name: int if name in _NUMBERS else str for name in Kept.__dataclass_fields__}
    try:
        said: Mapping[str, object] = json.loads(line)
        if said.keys() != kinds.keys() or any(type(said[name]) is not kind for name, kind in kinds.items()):
            raise ValueError("its keys are not a piece's")
        if FILE.fullmatch(str(said["file"])) is None:
            raise ValueError("its file lies elsewhere")
    except (ValueError, AttributeError) as error:
        raise BadTape(f"{folder.name}/{MANIFEST}:{at}: {error}") from None
    return Kept(**said)  # type: ignore[arg-type]  # each was checked above


_NUMBERS: Final = frozenset({"bytes", "rows", "first", "last", "asked_at"})

"""Whether a history is whole: its lines against heads that were signed while they were written, offline, by anyone.

Refuses an edited, missing, moved, doubled or added line and names the first; heads of another key; and lines without a head
where the keeper would have signed one. What follows the last head is held together by the chain alone, and counted. A history
taken back as a whole, heads and all, is found by a head that somebody copied away, and by nothing else."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from strategies.errors import MalformedRecord, SettingsError
from wallets import wire
from wallets.journal import UNCHAINED, fault_of, hash_of
from wallets.store import FORMAT, Head, Line, read_history

HEAD: Final = "usufruct journal head v1"
LINES_A_HEAD: Final = 64  # so many lines never stand behind the last signed head
MAX_KEY_BYTES: Final = 4_096

Row: TypeAlias = Line | str  # as a store keeps it, with what it is found by; or the text alone
History: TypeAlias = tuple[Sequence[Head], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. Fine where `why` is empty."""

    lines: int  # from the first, all of which hold
    last: Head | None  # the highest good head among them
    line: int  # the first bad one; 0 where none is
    why: str

    @property
    def signed(self) -> int:
        return self.last.seq if self.last else 0

    @property
    def unsigned(self) -> int:
        return self.lines - self.signed


def message(seq: int, line_hash: str, at: int) -> bytes:
    """What the signature of a head is over."""
    return f"{HEAD}\n{seq}\n{line_hash}\n{at}\n".encode()


def head_fault(head: Head, public_key: str) -> str:
    """Empty where a head is this key's; else why it counts nothing."""
    if head.public_key != public_key:
        return "its head is signed by another key"
    try:
        signature = bytes.fromhex(head.signature)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(signature, message(head.seq, head.hash, head.at))
    except (InvalidSignature, ValueError, TypeError):
        return "the signature of its head does not verify"
    return "" if signature.hex() == head.signature else "the signature of its head is not written in the one canonical way"


def examine(path: Path, public_key: str, copied: Sequence[Head] = ()) -> Report:
    """A store or an export, against its own heads and those that were copied away. Raises OSError."""
    try:
        with opened(path) as (heads, rows):
            return verify((*heads, *copied), rows, public_key)
    except MalformedRecord as error:
        return Report(0, None, 0, str(error))


def verify(heads: Iterable[Head], rows: Iterator[Row], public_key: str) -> Report:
    """The first bad line, or how far the signatures reach."""
    hashes, last, waiting = [""], None, _by_line(heads)
    rest = _readable(rows)
    for row in rest:
        seq = len(hashes)
        if isinstance(row, MalformedRecord):
            return _bad(last, seq, f"it cannot be read: {row}")
        if fault := _row_fault(row, seq, hashes[-1]):
            return _blamed(fault, row, next(rest, ""), hashes=hashes, last=last, here=waiting.get(seq, []))
        hashes.append(hash_of(_text(row)))
        signed = waiting.pop(seq, [])
        for head in signed:
            if why := head_fault(head, public_key):
                return _bad(last, seq, why)
            if head.hash != hashes[-1]:
                return _rewritten(last, hashes, next(rest, ""))
        last = signed[0] if signed else last
    return _ended(len(hashes) - 1, last, waiting, public_key)


def _ended(lines: int, last: Head | None, waiting: dict[int, list[Head]], public_key: str) -> Report:
    """What only shows at the end: heads of lines that are not there, and lines without a head."""
    if waiting:
        seq = min(waiting)
        why = next((why for head in waiting[seq] if (why := head_fault(head, public_key))), "")
        return _bad(last, lines + 1, why or f"it is missing: a head was signed for line {seq}")
    found = Report(lines, last, 0, "")
    if lines and last is None:
        return _bad(None, 1, "no head of this key covers it, nor any line after it")
    if found.unsigned >= LINES_A_HEAD:
        why = f"{found.unsigned} lines from here on have no head, and one is signed every {LINES_A_HEAD}: heads are missing"
        return _bad(last, found.signed + 1, why)
    return found


def _bad(last: Head | None, line: int, why: str) -> Report:
    return Report(line - 1, last, line, why)


def _rewritten(last: Head | None, hashes: list[str], following: Row | MalformedRecord) -> Report:
    """A chain that holds up to a line that is not the one that was signed. Where it goes on behind that, it was written anew
    from somewhere after the last good head."""
    seq, first = len(hashes) - 1, last.seq + 1 if last else 1
    if first == seq:
        return _bad(last, seq, "it is not the line that was signed: it was edited")
    if _follows(following, seq, hashes[-1]):
        return _bad(last, first, f"it, or one up to line {seq}, was written anew: line {seq} is not the line that was signed")
    return _bad(last, seq, f"it is not the line that was signed: it was edited, or written anew with others from line {first} on")


def _follows(row: Row | MalformedRecord, seq: int, line_hash: str) -> bool:
    """Whether a row takes up the chain behind a line."""
    return not isinstance(row, MalformedRecord) and not fault_of(_text(row), seq + 1, line_hash)


def _blamed(
    fault: str, row: Row, following: Row | MalformedRecord, *, hashes: list[str], last: Head | None, here: list[Head]
) -> Report:
    """Whose fault it is that a line does not fit: its own; or that of the line before, where this one has a right to its place
    or the two claim the same."""
    text, seq = _text(row), len(hashes)
    if seq > 1 and (last is None or last.seq != seq - 1):
        stands = _follows(following, seq, hash_of(text)) or any(head.hash == hash_of(text) for head in here)
        if fault == UNCHAINED and stands:
            return _bad(last, seq - 1, "it was edited: the line after it names another")
        if not fault_of(text, seq - 1, hashes[-2]):
            return _bad(last, seq - 1, "it is there twice, and one of the two was added")
    return _bad(last, seq, fault)


def _row_fault(row: Row, seq: int, previous: str) -> str:
    text = _text(row)
    if (fault := fault_of(text, seq, previous)) or isinstance(row, str):
        return fault
    said = json.loads(text)
    cycle = said["content"].get("cycle", "") if isinstance(said["content"], dict) else ""
    if row != Line(seq, said["kind"], said["at"], str(cycle), text, hash_of(text)):
        return "it was edited: the store finds it by other words than it says"
    return ""


def _text(row: Row) -> str:
    return row if isinstance(row, str) else row.text


def _by_line(heads: Iterable[Head]) -> dict[int, list[Head]]:
    found: dict[int, list[Head]] = {}
    for head in heads:
        found.setdefault(head.seq, []).append(head)
    return found


def _readable(rows: Iterator[Row]) -> Iterator[Row | MalformedRecord]:
    """The rows, and where they end before their end, why."""
    try:
        yield from rows
    except MalformedRecord as error:
        yield error


@contextmanager
def opened(path: Path) -> Iterator[History]:
    """The heads and lines of a store or an export. Raises OSError, MalformedRecord."""
    with path.open("rb") as file:
        if file.read(len(FORMAT)) == FORMAT:
            with read_history(path) as stored:
                yield stored
            return
        file.seek(0)
        texts = _texts(file)
        heads, first = _leading_heads(texts)
        yield heads, _from(first, texts)


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    for at, line in enumerate(lines, start=1):
        try:
            yield line.decode("ascii").removesuffix("\n")
        except UnicodeDecodeError:
            raise MalformedRecord(kind="journal line", why=f"line {at} of the file is not ASCII") from None


def _from(first: str | None, rest: Iterator[str]) -> Iterator[str]:
    if first is not None:
        yield first
        yield from rest


def _leading_heads(texts: Iterator[str]) -> tuple[list[Head], str | None]:
    """The heads an export begins with, and its first line behind them. Raises MalformedRecord."""
    heads: list[Head] = []
    for at, text in enumerate(texts, start=1):
        if '"previous":' in text or not ('"is":"Head"' in text or '"signature":' in text):
            return heads, text
        heads.append(_head(text, f"line {at} of the file"))
        if len(heads) > 1 and heads[-2].seq >= heads[-1].seq:
            raise MalformedRecord(kind="export", why=f"line {at} of the file is a head that was moved, doubled or added")
    return heads, None


def _head(text: str, where: str) -> Head:
    try:
        return wire.from_text(Head, text)
    except MalformedRecord as error:
        raise MalformedRecord(kind="signed head", why=f"{where}: {error.why}") from None


def export(store: Path, out: Path) -> tuple[int, int]:
    """Writes a store's heads, then its lines, as JSONL of mode 0600; how many of each. Raises SettingsError where the file is
    there already, MalformedRecord, OSError."""
    with read_history(store) as (heads, lines):
        try:
            descriptor = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise SettingsError(f"{out} is there already, and nothing is written over it; name another file") from None
        count = 0
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.writelines([wire.to_text(head) + "\n" for head in heads])
                for line in lines:
                    file.write(f"{line.text}\n")
                    count += 1
        except (OSError, MalformedRecord):
            out.unlink()  # half a history would look like one that was cut
            raise
    return len(heads), count


def read_public_key(path: Path) -> str:
    """The key in a file of its own, hex. Raises SettingsError, OSError."""
    text = path.read_bytes()[:MAX_KEY_BYTES].decode("ascii", "replace").strip()
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError:
        raise SettingsError(f"{path} holds no public key: 64 hexadecimal digits, as the keeper wrote them") from None
    return text


def read_heads(path: Path, public_key: str) -> tuple[Head, ...]:
    """Heads that were copied away, one a line. Raises SettingsError where one is not this key's, OSError."""
    try:
        with path.open("rb") as file:
            heads = tuple([_head(text, f"line {at}") for at, text in enumerate(_texts(file), start=1)])
    except MalformedRecord as error:
        raise SettingsError(f"{path}: {error}") from None
    for head in heads:
        if why := head_fault(head, public_key):
            raise SettingsError(f"{path}: line {head.seq}: {why}, so nothing can be held against it")
    return heads

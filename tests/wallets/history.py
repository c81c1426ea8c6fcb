"""Histories for the tests of the audit: a store with lines and signed heads, its export, and what a forger does to them."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wallets import audit, operators
from wallets.audit import Report
from wallets.journal import Journal, hash_of, line_of
from wallets.sealing import SealedBook
from wallets.store import Store

KEY: Final = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
PUBLIC: Final = operators.public_key(KEY)
OTHER: Final = Ed25519PrivateKey.from_private_bytes(b"\x06" * 32)

Forge = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class Written:
    """A store of so many lines with heads at some of them, and its export."""

    store: Path
    exported: Path
    head: Path

    def heads(self) -> list[str]:
        return [text for text in self.exported.read_text().splitlines() if '"signature"' in text]

    def lines(self) -> list[str]:
        return [text for text in self.exported.read_text().splitlines() if '"signature"' not in text]

    def forged(self, forge: Forge) -> Path:
        """The export with other lines under the same heads."""
        path = self.exported.with_name("forged.jsonl")
        path.write_text("".join(f"{text}\n" for text in (*self.heads(), *forge(self.lines()))))
        return path

    def execute(self, statement: str, *values: object) -> None:
        """What anyone who can write the store can do to it."""
        with closing(sqlite3.connect(self.store, isolation_level=None)) as db:
            db.execute(statement, values)

    def put(self, texts: Sequence[str]) -> None:
        """Other lines in the store, and everything they are found by made to fit."""
        self.execute("DELETE FROM journal")
        for seq, text in enumerate(texts, start=1):
            said = json.loads(text)
            values = (seq, said["kind"], said["at"], said["content"].get("cycle", ""), text, hash_of(text))
            self.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", *values)


def write(folder: Path, count: int = 9, sealed_at: Sequence[int] = (3, 7)) -> Written:
    """Lines 1 to count, with heads where said."""
    found = Written(folder / "keeper.sqlite", folder / "history.jsonl", folder / "audit.head")
    with Store(found.store) as store:
        book = SealedBook(store, KEY, found.head, store.last_head())
        journal = Journal(book)
        for seq in range(store.head()[0] + 1, count + 1):
            journal.append("held", seq, {"cycle": f"c{seq // 2}", "reason": "waiting"})
            if seq in sealed_at:
                book.seal()
    found.exported.unlink(missing_ok=True)
    audit.export(found.store, found.exported)
    return found


def examined(path: Path, key: Ed25519PrivateKey = KEY) -> Report:
    return audit.examine(path, operators.public_key(key))


def chained(texts: Sequence[str]) -> list[str]:
    """Lines with their numbers and hashes made to fit again, as who knows no key would."""
    made: list[str] = []
    for seq, text in enumerate(texts, start=1):
        said, previous = json.loads(text), hash_of(made[-1]) if made else ""
        made.append(line_of(seq=seq, kind=said["kind"], timestamp=said["at"], content=said["content"], previous=previous))
    return made

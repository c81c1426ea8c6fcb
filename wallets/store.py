"""The one SQLite file of a process: journal and its signed heads, intents, signed transactions, reservations, used approvals,
readings, flags.

Written ahead and synchronised in full, by one writer, readable by its owner only. Any error of SQLite or of the disk is
StoreUnwritable, and nothing is signed after that. Refuses files of another version and files that others may read."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from strategies.errors import MalformedRecord, StoreUnwritable
from strategies.units import SECONDS_PER_DAY
from wallets.schema import HEADS_SINCE, SCHEMA, VERSION
from wallets.wallet import Move

BUSY_SECONDS: Final = 10.0
FORMAT: Final = b"SQLite format 3\0"  # what the file begins with


class Line(NamedTuple):
    """One line of the journal, and what it is found by."""

    seq: int
    kind: str
    at: int
    cycle: str  # "" where it belongs to none
    text: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The keeper's signature for a line and, by the chain, for every line before it."""

    seq: int
    hash: str  # of the line
    at: int  # when it was signed, by the signer's clock
    public_key: str  # hex
    signature: str  # 64 bytes, hex


@dataclass(frozen=True, slots=True)
class Intent:
    """One plan that was approved, and how far it came: planned, signed, sent, then mined, failed or dropped."""

    intent: str
    digest: str
    calls: str
    verdict: str
    state: str
    receipt: str | None
    created_at: int
    expiry: int


@dataclass(frozen=True, slots=True)
class Signed:
    """One signed transaction, kept before it is broadcast. A fee bump is another attempt at the same call and nonce."""

    hash: str
    intent: str
    call: int
    attempt: int
    nonce: int
    raw: bytes
    signed_at: int
    state: str  # signed, sent, then mined, failed or dropped


@dataclass(frozen=True, slots=True)
class Spent:
    """What counts against the rolling day."""

    usd_e8: int
    gas_usd_e8: int


class Store:
    """An open store. Every method raises StoreUnwritable; every write is durable when it returns."""

    def __init__(self, path: Path) -> None:
        with _unwritable():
            _private(path)
            self._db: Final = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            with _unwritable():
                for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
                    self._db.execute(f"PRAGMA {pragma}")
            self._prepare()
        except StoreUnwritable:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, alone among all processes. Inside another, it is part of that one."""
        with _unwritable():
            inside = self._db.in_transaction
            if not inside:
                self._db.execute("BEGIN IMMEDIATE")
        if inside:
            yield
            return
        try:
            with self._db:  # commits, or rolls back on any exception
                yield
        except sqlite3.Error as error:
            raise StoreUnwritable(f"it could not be committed: {error}") from error

    # The journal

    def head(self) -> tuple[int, str]:
        """The last line's number and hash; (0, "") before the first."""
        found = self._one("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
        return (found[0], found[1]) if found else (0, "")

    def add_line(self, line: Line) -> None:
        self._do("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)", line.seq, line.kind, line.at, line.cycle, line.text, line.hash)

    def lines(self) -> tuple[str, ...]:
        """Every line, in order."""
        return tuple([row[0] for row in self._all("SELECT line FROM journal ORDER BY seq")])

    def hash_at(self, seq: int) -> str | None:
        """The hash of one line."""
        found = self._one("SELECT hash FROM journal WHERE seq = ?", seq)
        return found[0] if found else None

    def add_head(self, head: Head) -> None:
        """Keeps a signed head; a line has one, and the first stays."""
        values = (head.seq, head.hash, head.at, head.public_key, head.signature)
        self._do("INSERT OR IGNORE INTO heads VALUES (?, ?, ?, ?, ?)", *values)

    def last_head(self) -> Head | None:
        """The signed head of the highest line; None before the first."""
        found = self._one(f"{_SIGNED_HEADS} DESC LIMIT 1")
        return Head(*found) if found else None

    def has_cycle(self, cycle: str) -> bool:
        return self._one("SELECT 1 FROM journal WHERE cycle = ? LIMIT 1", cycle) is not None

    def last_line(self, kind: str) -> str | None:
        """The newest line of a kind."""
        found = self._one("SELECT line FROM journal WHERE kind = ? ORDER BY seq DESC LIMIT 1", kind)
        return found[0] if found else None

    def moved_at(self) -> int | None:
        """When value last moved, by the last journaled receipt that has a transaction."""
        last = "json_extract(line, '$.content.transactions[#-1].timestamp')"
        found = self._one(f"SELECT {last} FROM journal WHERE kind = 'receipt' AND {last} IS NOT NULL ORDER BY seq DESC LIMIT 1")
        return found[0] if found else None

    # Intents and their transactions

    def add_intent(self, *, intent: str, digest: str, calls: str, verdict: str, created_at: int, expiry: int) -> bool:
        """A new planned intent; False where it is known already."""
        values = (intent, digest, calls, verdict, created_at, expiry)
        columns = "(intent, digest, calls, verdict, created_at, expiry, state)"
        return self._do(f"INSERT OR IGNORE INTO intents {columns} VALUES (?, ?, ?, ?, ?, ?, 'planned')", *values) == 1

    def intent(self, intent: str) -> Intent | None:
        found = self._one(f"{_INTENTS} WHERE intent = ?", intent)
        return Intent(*found) if found else None

    def intents(self, state: str) -> tuple[Intent, ...]:
        """Those in one state, oldest first."""
        return tuple([Intent(*row) for row in self._all(f"{_INTENTS} WHERE state = ? ORDER BY created_at, intent", state)])

    def claim(self, intent: str, from_state: str, to_state: str) -> bool:
        """Moves an intent on; True for exactly one of all who try at once."""
        return self._do("UPDATE intents SET state = ? WHERE intent = ? AND state = ?", to_state, intent, from_state) == 1

    def put_receipt(self, intent: str, receipt: str) -> None:
        self._do("UPDATE intents SET receipt = ? WHERE intent = ?", receipt, intent)

    def add_signed(self, signed: Signed) -> None:
        """Keeps a signed transaction; this must return before the bytes are sent."""
        s = signed
        values = (s.hash, s.intent, s.call, s.attempt, s.nonce, s.raw, s.signed_at, s.state)
        self._do("INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def claim_signed(self, transaction_hash: str, from_state: str, to_state: str) -> bool:
        """Moves a signed transaction on; True for exactly one of all who try at once."""
        change = "UPDATE transactions SET state = ? WHERE hash = ? AND state = ?"
        return self._do(change, to_state, transaction_hash, from_state) == 1

    def signed(self, intent: str) -> tuple[Signed, ...]:
        """An intent's transactions, by call and attempt."""
        return tuple([Signed(*row) for row in self._all(f"{_SIGNED} WHERE intent = ? ORDER BY call, attempt", intent)])

    def settled_from(self, nonce: int) -> tuple[Signed, ...]:
        """What was mined with this nonce or a later one, in order."""
        rows = self._all(f"{_SIGNED} WHERE nonce >= ? AND state IN ('mined', 'failed') ORDER BY nonce", nonce)
        return tuple([Signed(*row) for row in rows])

    def next_nonce(self) -> int | None:
        """One after the highest nonce that is signed and not dropped; None before the first."""
        found = self._one("SELECT max(nonce) FROM transactions WHERE state <> 'dropped'")
        return None if found is None or found[0] is None else found[0] + 1

    def dropped_at(self, nonce: int) -> int:
        """How many transactions of this nonce were given up."""
        found = self._one("SELECT count(*) FROM transactions WHERE nonce = ? AND state = 'dropped'", nonce)
        return int(found[0]) if found else 0

    # Spending

    def spent(self, now: int) -> Spent:
        """The last 24 hours by this clock, everything pending counted. A clock that went back forgets nothing. One that is wrong
        by more than a reading's age is the guard's to find: it holds every plan's clock against the chain's."""
        sums = "SELECT coalesce(sum(usd_e8), 0), coalesce(sum(gas_usd_e8), 0) FROM reservations"
        found = self._one(f"{sums} WHERE state = 'pending' OR (state = 'spent' AND at > ?)", now - SECONDS_PER_DAY)
        return Spent(*found) if found else Spent(0, 0)

    def reserve(
        self,
        *,
        intent: str,
        usd_e8: int,
        gas_usd_e8: int,
        now: int,
        max_day_usd_e8: int,
        max_day_gas_usd_e8: int,
        moves: Sequence[Move] = (),
    ) -> bool:
        """Sets a plan's spending aside and remembers its moves, atomically; False where a day's cap would be passed or the intent
        has reserved before."""
        with self.transaction():
            spent = self.spent(now)
            if usd_e8 and spent.usd_e8 + usd_e8 > max_day_usd_e8:
                return False
            if spent.gas_usd_e8 + gas_usd_e8 > max_day_gas_usd_e8:
                return False
            # Never dated before what is known already: a clock that went back must not make this age too early.
            latest = self._one("SELECT coalesce(max(at), 0) FROM reservations")
            at = max(now, latest[0] if latest else 0)
            insert = "INSERT OR IGNORE INTO reservations VALUES (?, ?, ?, ?, 'pending')"
            if self._do(insert, intent, usd_e8, gas_usd_e8, at) != 1:
                return False
            for move in moves:
                values = (intent, move.place, move.way, move.usd_e8, move.loss_e8, move.calls, at, move.pair)
                self._do("INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)
            return True

    def settle_reservation(self, intent: str, *, gas_usd_e8: int) -> bool:
        """What was set aside is spent, with the gas that was really burnt; False where nothing was pending."""
        change = "UPDATE reservations SET state = 'spent', gas_usd_e8 = ? WHERE intent = ? AND state = 'pending'"
        return self._do(change, gas_usd_e8, intent) == 1

    def settle_unmoved(self, intent: str, *, gas_usd_e8: int) -> bool:
        """Only gas was burnt, nothing moved, so nothing else of it is remembered; False where nothing was pending."""
        with self.transaction():
            settled = self.settle_reservation(intent, gas_usd_e8=gas_usd_e8)
            if settled:
                self._do("UPDATE reservations SET usd_e8 = 0 WHERE intent = ?", intent)
                self._do("DELETE FROM moves WHERE intent = ?", intent)
        return settled

    def reserved(self, intent: str) -> Spent:
        """What an intent has set aside and not settled: a plan judged again midway does not count itself twice."""
        found = self._one("SELECT usd_e8, gas_usd_e8 FROM reservations WHERE intent = ? AND state = 'pending'", intent)
        return Spent(*found) if found else Spent(0, 0)

    def release_reservation(self, intent: str) -> bool:
        """Nothing of it was or can be mined, so nothing of it is remembered; False where nothing was pending."""
        with self.transaction():
            change = "UPDATE reservations SET state = 'released' WHERE intent = ? AND state = 'pending'"
            released = self._do(change, intent) == 1
            if released:
                self._do("DELETE FROM moves WHERE intent = ?", intent)
        return released

    def moves(self, now: int) -> tuple[Move, ...]:
        """What the plans of the last 24 hours did or are about to do, oldest first; what is pending is never too old."""
        pending = "intent IN (SELECT intent FROM reservations WHERE state = 'pending')"
        rows = self._all(f"SELECT * FROM moves WHERE at > ? OR {pending} ORDER BY at, rowid", now - SECONDS_PER_DAY)
        return tuple([Move(*row) for row in rows])

    def use_approval(self, *, digest: str, operator: str, at: int) -> bool:
        """A person's yes is used once; False where it was used before."""
        return self._do("INSERT OR IGNORE INTO approvals VALUES (?, ?, ?)", digest, operator, at) == 1

    # Readings and flags

    def put_reading(self, block: int, timestamp: int, text: str) -> None:
        """Remembers what a block said; the last word on a block stands."""
        self._do("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", block, timestamp, text)

    def reading(self, block: int) -> str | None:
        found = self._one("SELECT text FROM readings WHERE block = ?", block)
        return found[0] if found else None

    def readings(self, since: int, until: int) -> tuple[str, ...]:
        """What was said later than one time and before another, oldest first; of blocks with one timestamp, the last."""
        query = (
            "SELECT text, max(block) FROM readings WHERE timestamp > ? AND timestamp < ? GROUP BY timestamp ORDER BY timestamp"
        )
        return tuple([row[0] for row in self._all(query, since, until)])

    def set_flag(self, name: str, value: str) -> None:
        self._do("INSERT OR REPLACE INTO flags VALUES (?, ?)", name, value)

    def flag(self, name: str) -> str | None:
        found = self._one("SELECT value FROM flags WHERE name = ?", name)
        return found[0] if found else None

    def clear_flag(self, name: str) -> None:
        self._do("DELETE FROM flags WHERE name = ?", name)

    # SQLite

    def _prepare(self) -> None:
        with self.transaction():
            found = self._one("PRAGMA user_version")
            version = found[0] if found else 0
            if version == VERSION:
                return
            if not 0 <= version < VERSION:
                raise StoreUnwritable(f"the file is of version {version}; this program writes version {VERSION}")
            for statement in (*[one for step in SCHEMA[version:] for one in step], f"PRAGMA user_version = {VERSION}"):
                self._do(statement)

    def _do(self, statement: str, *values: object) -> int:
        with _unwritable():
            return self._db.execute(statement, values).rowcount

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        with _unwritable():
            row: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            return row

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with _unwritable():
            return self._db.execute(query, values).fetchall()


_INTENTS: Final = "SELECT intent, digest, calls, verdict, state, receipt, created_at, expiry FROM intents"
_SIGNED_HEADS: Final = "SELECT seq, hash, at, public_key, signature FROM heads ORDER BY seq"
_SIGNED: Final = "SELECT hash, intent, call, attempt, nonce, raw, signed_at, state FROM transactions"


@contextmanager
def read_history(path: Path) -> Iterator[tuple[tuple[Head, ...], Iterator[Line]]]:
    """A store's signed heads and lines at one moment, by number, nothing written and nothing locked. Raises MalformedRecord
    where it is none or is damaged, and so do the lines, at the first that cannot be read."""
    # Beside no write-ahead file nobody has it open, and then it may lie where nothing can be written.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    with _unreadable(), closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        heads = db.execute(_SIGNED_HEADS).fetchall() if version >= HEADS_SINCE else []
        yield tuple([Head(*head) for head in heads]), _read_lines(db)


def _read_lines(db: sqlite3.Connection) -> Iterator[Line]:
    with _unreadable():
        for found in db.execute("SELECT seq, kind, at, cycle, line, hash FROM journal ORDER BY seq"):
            if not isinstance(found[4], str):
                raise MalformedRecord(kind="journal line", why="it is not stored as text")
            yield Line(*found)


@contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise MalformedRecord(kind="store", why=str(error)) from error


def _private(path: Path) -> None:
    """Creates the file for its owner only; SQLite gives its companions the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise StoreUnwritable(f"others may read {path.name}: run chmod 600 on it") from None


@contextmanager
def _unwritable() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError) as error:
        raise StoreUnwritable(str(error) or type(error).__name__) from error

"""The tables of a store, as SQLite is told: what each version adds to the one before. store.py refuses other versions."""

from typing import Final

_FIRST: Final = (
    """CREATE TABLE journal (
        seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL, cycle TEXT NOT NULL,
        line TEXT NOT NULL, hash TEXT NOT NULL UNIQUE) STRICT""",
    "CREATE INDEX journal_cycle ON journal (cycle)",
    "CREATE INDEX journal_kind ON journal (kind)",
    """CREATE TABLE intents (
        intent TEXT PRIMARY KEY, digest TEXT NOT NULL, calls TEXT NOT NULL, verdict TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('planned', 'signed', 'sent', 'mined', 'failed', 'dropped')),
        receipt TEXT, created_at INTEGER NOT NULL, expiry INTEGER NOT NULL) STRICT""",
    """CREATE TABLE transactions (
        hash TEXT PRIMARY KEY, intent TEXT NOT NULL REFERENCES intents, call INTEGER NOT NULL, attempt INTEGER NOT NULL,
        nonce INTEGER NOT NULL, raw BLOB NOT NULL, signed_at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('signed', 'sent', 'mined', 'failed', 'dropped')),
        UNIQUE (intent, call, attempt)) STRICT""",
    # Two calls never share a nonce; a replacement of the same call is another attempt at the same one.
    "CREATE UNIQUE INDEX transactions_nonce ON transactions (nonce, attempt) WHERE state <> 'dropped'",
    """CREATE TABLE reservations (
        intent TEXT PRIMARY KEY, usd_e8 INTEGER NOT NULL, gas_usd_e8 INTEGER NOT NULL, at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'spent', 'released'))) STRICT""",
    "CREATE TABLE approvals (digest TEXT PRIMARY KEY, operator TEXT NOT NULL, used_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE readings (block INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, text TEXT NOT NULL) STRICT",
    "CREATE INDEX readings_timestamp ON readings (timestamp)",
    "CREATE TABLE flags (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)
_HEADS: Final = (
    # No reference to the journal: a head must outlive the line it names, or nobody would miss that line.
    """CREATE TABLE heads (
        seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, at INTEGER NOT NULL,
        public_key TEXT NOT NULL, signature TEXT NOT NULL) STRICT""",
)
_MOVES: Final = (
    """CREATE TABLE moves (
        intent TEXT NOT NULL, place TEXT NOT NULL, way TEXT NOT NULL, usd_e8 INTEGER NOT NULL, loss_e8 INTEGER NOT NULL,
        calls TEXT NOT NULL, at INTEGER NOT NULL, pair TEXT NOT NULL) STRICT""",
    "CREATE INDEX moves_at ON moves (at)",
    "CREATE INDEX moves_intent ON moves (intent)",
)
SCHEMA: Final = (_FIRST, _HEADS, _MOVES)  # what each version adds to the one before
VERSION: Final = len(SCHEMA)
HEADS_SINCE: Final = 2  # the first version with signed heads

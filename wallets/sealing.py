"""The audit key and what it is for: heads of the journal, signed while it is written, by a key that signs nothing else.

The key is made with the keeper's folder, under the wallet's password, and opened when the keeper starts. So whoever can write the
store and knows no password cannot make a head; whoever controls the keeper's own process can. Refuses to start without the key
that signed before, and on a journal that is not the one it signed. A head holds up no line, and so no revocation."""

import json
import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from strategies.errors import KeystoreUnreadable, MalformedRecord, SettingsError, StoreUnwritable
from wallets import audit, operators, secrecy, wire
from wallets.audit import LINES_A_HEAD
from wallets.store import Head, Line, Store

KEY_FILE: Final = "audit.key"  # the signing key, locked
PUBLIC_FILE: Final = "audit.pub"  # what checks its heads, to be copied away on the first day
HEAD_FILE: Final = "audit.head"  # the last head, to be copied away as often as the history matters
CONTEXT: Final = b"usufruct audit key v1\n"
SCRYPT: Final = {"n": 2**18, "r": 8, "p": 1}
MAX_SCRYPT_BYTES: Final = 2**31


@dataclass(frozen=True, slots=True)
class LockedKey:
    """The key file: an Ed25519 seed under scrypt and ChaCha20-Poly1305, bound to its public key."""

    public_key: str
    n: int
    r: int
    p: int
    salt: bytes
    nonce: bytes
    locked: bytes


class SealedBook:
    """A store's journal with signed heads: one behind every so many lines, and one whenever it is asked."""

    __slots__ = ("_file", "_key", "_last", "_public_key", "_shown", "_store")

    def __init__(self, store: Store, key: Ed25519PrivateKey, file: Path, last: Head | None = None) -> None:
        self._store: Final = store
        self._key: Final = key
        self._public_key: Final = operators.public_key(key)
        self._file: Final = file
        self._last = last  # that this process knows of: a store without it was changed behind us
        self._shown = 0  # the line whose head the file has

    def over(self, store: Store) -> "SealedBook":
        """The same over a connection of another thread's own."""
        return SealedBook(store, self._key, self._file, self._last)

    def transaction(self) -> AbstractContextManager[None]:
        return self._store.transaction()

    def head(self) -> tuple[int, str]:
        return self._store.head()

    def lines(self) -> tuple[str, ...]:
        return self._store.lines()

    def has_cycle(self, cycle: str) -> bool:
        return self._store.has_cycle(cycle)

    def add_line(self, line: Line) -> None:
        """Keeps a line, and in the same transaction a head where too many lines stand without one."""
        self._store.add_line(line)
        signed = self._store.last_head()
        if line.seq - (signed.seq if signed else 0) >= LINES_A_HEAD and self._continues():
            self._store.add_head(self._signed(line.seq, line.hash))

    def seal(self) -> None:
        """Signs for every line so far, and shows the head in its file. Call it in no transaction: what is rolled back was never
        signed. Raises StoreUnwritable; MalformedRecord where the journal is not the one that was signed before."""
        if self._store.head()[0] > (self._last.seq if self._last else 0) or not self._continues():
            with self._store.transaction():
                if not self._continues():
                    raise MalformedRecord(
                        kind="journal", why="it was changed behind the keeper; `usufruct audit verify` says where"
                    )
                self._store.add_head(self._signed(*self._store.head()))
                signed = self._store.last_head()
            self._last = signed
        if self._last is not None and self._shown != self._last.seq:
            try:
                secrecy.write_over(self._file, f"{wire.to_text(self._last)}\n".encode())
            except OSError as error:
                raise StoreUnwritable(f"the file {self._file.name}: {error.strerror}") from None
            self._shown = self._last.seq

    def _continues(self) -> bool:
        return self._last is None or self._store.hash_at(self._last.seq) == self._last.hash

    def _signed(self, seq: int, line_hash: str) -> Head:
        at = int(time.time())
        return Head(seq, line_hash, at, self._public_key, self._key.sign(audit.message(seq, line_hash, at)).hex())


def open_book(folder: Path, store: Store, keystore: Path, password: str) -> SealedBook:
    """The journal of a keeper's folder, with the key that is there or is made now; the password has opened the keystore.
    Raises KeystoreUnreadable, and SettingsError where key, heads and journal do not belong together."""
    path, shown = folder / KEY_FILE, _shown_head(folder / HEAD_FILE)
    known = [head for head in (store.last_head(), shown) if head is not None]
    if known and not path.exists():
        raise SettingsError(
            f"{path} is gone, and it signed this journal: put it back, or begin a history in another wallet.folder"
        )
    key = unlock(path, password) if path.exists() else create(path, password, scrypt_of(keystore))
    public_key = operators.public_key(key)
    for head in known:
        if why := audit.head_fault(head, public_key) or _lost(head, store):
            raise SettingsError(f"the journal in {folder}: line {head.seq}: {why}; `usufruct audit verify` says more")
    secrecy.write_over(folder / PUBLIC_FILE, f"{public_key}\n".encode())
    return SealedBook(store, key, folder / HEAD_FILE, store.last_head())


def _lost(head: Head, store: Store) -> str:
    return (
        ""
        if store.hash_at(head.seq) == head.hash
        else "it is not the line that was signed: the journal was changed or taken back"
    )


def _shown_head(path: Path) -> Head | None:
    try:
        return wire.from_text(Head, secrecy.read_private(path).decode("ascii", "replace").removesuffix("\n"))
    except FileNotFoundError:
        return None
    except MalformedRecord as error:
        raise SettingsError(f"{path}: {error}") from None


def create(path: Path, password: str, scrypt: Mapping[str, int]) -> Ed25519PrivateKey:
    """A new key, locked in a file of mode 0600 that is whole or absent. Raises KeystoreUnreadable."""
    key, salt, nonce = Ed25519PrivateKey.generate(), secrets.token_bytes(16), secrets.token_bytes(12)
    public_key = operators.public_key(key)
    locked = _cipher(password, salt, scrypt).encrypt(nonce, key.private_bytes_raw(), CONTEXT + public_key.encode())
    try:
        secrecy.write_new(path, wire.to_text(LockedKey(public_key, **scrypt, salt=salt, nonce=nonce, locked=locked)).encode())
    except OSError as error:
        raise KeystoreUnreadable(path=str(path), why=error.strerror or type(error).__name__) from None
    return key


def unlock(path: Path, password: str) -> Ed25519PrivateKey:
    """The key in a file. Raises KeystoreUnreadable."""
    try:
        found = wire.from_text(LockedKey, secrecy.read_private(path).decode())
        cost = {"n": found.n, "r": found.r, "p": found.p}
        if 128 * found.n * found.r * found.p > MAX_SCRYPT_BYTES:
            raise ValueError("it asks for more memory than any key is worth")
        seed = _cipher(password, found.salt, cost).decrypt(found.nonce, found.locked, CONTEXT + found.public_key.encode())
        return Ed25519PrivateKey.from_private_bytes(seed)
    except InvalidTag:
        why = "the wallet's password does not open it, or the content is damaged"
    except OSError as error:
        why = error.strerror or type(error).__name__
    except (ValueError, MalformedRecord, SettingsError) as error:
        why = str(error)
    raise KeystoreUnreadable(path=str(path), why=why)


def scrypt_of(keystore: Path) -> Mapping[str, int]:
    """What a guess at the keystore's password costs: one password opens both, and neither may be the cheaper to guess at."""
    crypto: Mapping[str, Any] = json.loads(secrecy.read_private(keystore)).get("crypto", {})
    return {name: int(crypto["kdfparams"][name]) for name in SCRYPT} if crypto.get("kdf") == "scrypt" else SCRYPT


def _cipher(password: str, salt: bytes, cost: Mapping[str, int]) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(Scrypt(salt=salt, length=32, **cost).derive(password.encode()))

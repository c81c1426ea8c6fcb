"""The audit key and the heads it signs: locked, never lost, never on another history, and never in the way of a line."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strategies.errors import KeystoreUnreadable, MalformedRecord, SettingsError, StoreUnwritable
from tests import worlds
from tests.wallets.chain import policy_for
from tests.wallets.history import KEY, OTHER, PUBLIC, examined
from tests.wallets.live_parts import ACCOUNT, OPERATOR
from wallets import audit, keeper, operators, sealing, secrecy
from wallets.audit import LINES_A_HEAD
from wallets.journal import Journal
from wallets.pause import read_pause
from wallets.sealing import HEAD_FILE, KEY_FILE, PUBLIC_FILE, SealedBook, open_book
from wallets.store import Store

CHEAP = {"n": 2**4, "r": 8, "p": 1}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / keeper.STORE) as opened:
        yield opened


@pytest.fixture
def book(store: Store, tmp_path: Path) -> SealedBook:
    return SealedBook(store, KEY, tmp_path / HEAD_FILE)


def say(book: SealedBook, count: int = 1, reason: str = "waiting") -> None:
    for _ in range(count):
        Journal(book).append("held", 0, {"reason": reason})


def heads(store: Store) -> list[int]:
    return [row[0] for row in store._all("SELECT seq FROM heads ORDER BY seq")]


# The key


def test_a_key_is_locked_and_opened_by_its_password_alone(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    made = sealing.create(path, "correct horse battery", CHEAP)
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.private_bytes_raw().hex() not in path.read_text()
    assert operators.public_key(sealing.unlock(path, "correct horse battery")) == operators.public_key(made)
    with pytest.raises(KeystoreUnreadable, match="does not open it"):
        sealing.unlock(path, "correct horse batterz")
    with pytest.raises(KeystoreUnreadable):
        sealing.create(path, "correct horse battery", CHEAP)


@pytest.mark.parametrize(
    ("word", "other", "why"),
    [
        ('"n":16', '"n":1073741824', "more memory"),
        ('"n":16', '"n":17', "must be"),
        ('"p":1', '"p":2', "does not open it"),
        ('"public_key":"', '"public_key":"0', "does not open it"),
        ('"is":"LockedKey"', '"is":"Key"', "tagged"),
        ("{", "", "JSON|Expecting|Extra"),
    ],
)
def test_a_key_file_that_was_changed_is_refused(tmp_path: Path, word: str, other: str, why: str) -> None:
    path = tmp_path / KEY_FILE
    sealing.create(path, "correct horse battery", CHEAP)
    path.write_text(path.read_text().replace(word, other, 1))
    with pytest.raises(KeystoreUnreadable, match=why):
        sealing.unlock(path, "correct horse battery")


def test_a_key_file_that_others_may_read_or_that_is_gone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    with pytest.raises(KeystoreUnreadable):
        sealing.unlock(path, "correct horse battery")
    sealing.create(path, "correct horse battery", CHEAP)
    path.chmod(0o644)
    with pytest.raises(KeystoreUnreadable, match="chmod 600"):
        sealing.unlock(path, "correct horse battery")


def test_a_guess_at_the_audit_key_costs_what_a_guess_at_the_keystore_costs(tmp_path: Path, quick_keystore: Path) -> None:
    assert sealing.scrypt_of(quick_keystore) == {"n": 2**10, "r": 8, "p": 1}
    other = tmp_path / "other.json"
    secrecy.write_new(other, json.dumps({"crypto": {"kdf": "pbkdf2", "kdfparams": {"c": 1}}, "version": 3}).encode())
    assert sealing.scrypt_of(other) == sealing.SCRYPT


# A keeper's start


def start(tmp_path: Path, store: Store, keystore: Path, password: str) -> SealedBook:
    return open_book(tmp_path, store, keystore, password)


def test_the_first_start_makes_the_key_and_every_other_start_takes_it(
    tmp_path: Path, store: Store, quick_keystore: Path, password: str
) -> None:
    begin = partial(start, tmp_path, store, quick_keystore, password)
    first = begin()
    say(first)
    first.seal()
    public_key = audit.read_public_key(tmp_path / PUBLIC_FILE)
    second = begin()
    say(second)
    second.seal()
    assert audit.read_public_key(tmp_path / PUBLIC_FILE) == public_key
    found = audit.examine(tmp_path / keeper.STORE, public_key, audit.read_heads(tmp_path / HEAD_FILE, public_key))
    assert (found.why, found.signed, found.unsigned) == ("", 2, 0)


def test_a_start_without_the_key_that_signed_before_is_refused(
    tmp_path: Path, store: Store, quick_keystore: Path, password: str
) -> None:
    begin = partial(start, tmp_path, store, quick_keystore, password)
    opened = begin()
    say(opened)
    opened.seal()
    (tmp_path / KEY_FILE).rename(tmp_path / "away")
    with pytest.raises(SettingsError, match="is gone"):
        begin()
    sealing.create(tmp_path / KEY_FILE, password, CHEAP)
    with pytest.raises(SettingsError, match="another key"):
        begin()
    store._do("DELETE FROM heads")
    with pytest.raises(SettingsError, match="another key"):  # the file beside the store remembers
        begin()
    (tmp_path / "away").rename(tmp_path / KEY_FILE)
    begin()


@pytest.mark.parametrize("statement", ["DELETE FROM journal WHERE seq = 2", "UPDATE journal SET hash = 'ab' WHERE seq = 2"])
def test_a_start_on_a_journal_that_is_not_the_signed_one_is_refused(
    tmp_path: Path, store: Store, quick_keystore: Path, password: str, statement: str
) -> None:
    opened = start(tmp_path, store, quick_keystore, password)
    say(opened, 2)
    opened.seal()
    store._do(statement)
    with pytest.raises(SettingsError, match="line 2: it is not the line that was signed"):
        start(tmp_path, store, quick_keystore, password)
    store._do("DELETE FROM heads")  # a store taken back as a whole; the file beside it was not
    with pytest.raises(SettingsError, match="line 2: it is not the line that was signed"):
        start(tmp_path, store, quick_keystore, password)


def test_a_head_file_that_is_damaged_is_refused(tmp_path: Path, store: Store, quick_keystore: Path, password: str) -> None:
    secrecy.write_new(tmp_path / HEAD_FILE, b"\xff")
    with pytest.raises(SettingsError, match="Head"):
        start(tmp_path, store, quick_keystore, password)


# Signing


def test_a_head_is_signed_once_for_a_line_and_shown_in_its_file(store: Store, book: SealedBook, tmp_path: Path) -> None:
    book.seal()
    assert not (tmp_path / HEAD_FILE).exists(), "an empty journal has no head"
    say(book, 3)
    book.seal()
    shown = (tmp_path / HEAD_FILE).stat().st_ino
    for _ in range(3):
        book.seal()
    assert heads(store) == [3]
    assert (tmp_path / HEAD_FILE).stat().st_ino == shown, "an idle keeper writes nothing"
    assert audit.read_heads(tmp_path / HEAD_FILE, PUBLIC) == (store.last_head(),)
    assert (tmp_path / HEAD_FILE).stat().st_mode & 0o777 == 0o600


def test_no_more_lines_stand_without_a_head_than_are_said(store: Store, book: SealedBook, tmp_path: Path) -> None:
    say(book, 10)
    book.seal()
    say(book, 2 * LINES_A_HEAD + 1)
    assert heads(store) == [10, 10 + LINES_A_HEAD, 10 + 2 * LINES_A_HEAD]
    assert examined(tmp_path / keeper.STORE).unsigned == 1


def test_a_head_is_rolled_back_with_its_line(store: Store, book: SealedBook, tmp_path: Path) -> None:
    say(book, LINES_A_HEAD - 1)
    with pytest.raises(KeyError), store.transaction():
        say(book)
        assert heads(store) == [LINES_A_HEAD]
        raise KeyError("the plan was refused")
    assert heads(store) == []
    say(book, 2)
    book.seal()
    assert examined(tmp_path / keeper.STORE).why == ""


def test_another_threads_connection_signs_too_and_a_line_has_one_head(store: Store, book: SealedBook, tmp_path: Path) -> None:
    say(book, 2)
    book.seal()
    with Store(tmp_path / keeper.STORE) as own:
        say(book.over(own), LINES_A_HEAD)
    assert heads(store) == [2, 2 + LINES_A_HEAD]
    book.seal()
    assert heads(store) == [2, 2 + LINES_A_HEAD]
    assert examined(tmp_path / keeper.STORE).unsigned == 0


@pytest.mark.parametrize("statement", ["DELETE FROM journal WHERE seq > 2", "UPDATE journal SET hash = 'ab' WHERE seq = 3"])
def test_a_history_changed_behind_the_keeper_is_never_signed_again_and_lines_go_on(
    store: Store, book: SealedBook, tmp_path: Path, statement: str
) -> None:
    say(book, 3)
    book.seal()
    store._do("DELETE FROM heads")
    store._do(statement)
    with pytest.raises(MalformedRecord, match="changed behind the keeper"):
        book.seal()
    say(book, 2 * LINES_A_HEAD, "as if nothing had been")
    with Store(tmp_path / keeper.STORE) as own:
        say(book.over(own), 2 * LINES_A_HEAD)
    with pytest.raises(MalformedRecord):
        book.seal()
    assert heads(store) == []


def test_a_head_that_cannot_be_shown_or_stored_waits_and_no_line_does(store: Store, book: SealedBook, tmp_path: Path) -> None:
    (tmp_path / HEAD_FILE).mkdir()
    say(book)
    with pytest.raises(StoreUnwritable, match=HEAD_FILE):
        book.seal()
    say(book)
    (tmp_path / HEAD_FILE).rmdir()
    book.seal()
    assert audit.read_heads(tmp_path / HEAD_FILE, PUBLIC)[0].seq == 2
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnwritable):
        say(book)


# What the keeper makes of it


def test_a_keeper_that_cannot_sign_goes_on_and_one_whose_history_was_changed_pauses(
    store: Store, book: SealedBook, tmp_path: Path
) -> None:
    policy = policy_for(ACCOUNT, worlds.DEPLOYMENT, OPERATOR)
    pull = partial(keeper.stop, tmp_path, lambda: policy, book)
    sign = partial(keeper.sign_head, book, tmp_path, pull)
    say(book, 3)
    (tmp_path / HEAD_FILE).mkdir()
    sign()
    assert read_pause(tmp_path) is None
    (tmp_path / HEAD_FILE).rmdir()
    sign()
    assert (tmp_path / HEAD_FILE).exists()
    store._do("DELETE FROM journal WHERE seq = 3")
    sign()
    pause = read_pause(tmp_path)
    assert pause is not None
    assert "changed behind the keeper" in pause.reason
    sign()
    assert read_pause(tmp_path) == pause, "it pauses once"


def test_a_key_signs_for_nothing_but_heads(book: SealedBook, store: Store) -> None:
    say(book)
    book.seal()
    head = store.last_head()
    assert head is not None
    assert audit.message(head.seq, head.hash, head.at).startswith(b"usufruct journal head v1\n1\n")
    assert audit.head_fault(head, operators.public_key(OTHER)) == "its head is signed by another key"
    assert audit.head_fault(head, PUBLIC) == ""
    assert isinstance(KEY, Ed25519PrivateKey)

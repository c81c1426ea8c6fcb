"""The audit: whatever is done to a history, the first bad line is named; and what is whole passes, offline and for strangers."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies.errors import MalformedRecord, SettingsError
from tests.wallets.history import KEY, OTHER, PUBLIC, Forge, Written, chained, examined, write
from wallets import audit, operators, wire
from wallets.journal import Journal, hash_of, line_of
from wallets.sealing import SealedBook
from wallets.store import Head, Store

DOCS = Path(__file__).resolve().parents[2] / "docs" / "audit.md"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return write(tmp_path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The same, for tests that only read it."""
    return write(tmp_path_factory.mktemp("kept"))


def edit(text: str) -> str:
    return text.replace("waiting", "wanting")


def forged_line(texts: list[str], at: int) -> str:
    """A line that fits behind the one before it."""
    return chained([*texts[:at], edit(texts[at])])[at]


def broken_off(texts: list[str], at: int) -> list[str]:
    """From one line on another chain, which begins with a line that follows nothing."""
    made = texts[:at]
    for seq, text in enumerate(texts[at:], start=at + 1):
        said, previous = json.loads(text), hash_of(made[-1]) if seq > at + 1 else "ab" * 32
        made.append(line_of(seq=seq, kind=said["kind"], timestamp=said["at"], content=said["content"], previous=previous))
    return made


TAMPERINGS: dict[str, tuple[Forge, int]] = {
    "an edited byte": (lambda x: [*x[:4], edit(x[4]), *x[5:]], 5),
    "an edited byte of a line with a head": (lambda x: [*x[:2], edit(x[2]), *x[3:]], 3),
    "an edited byte of the last signed line": (lambda x: [*x[:6], edit(x[6])], 7),
    "an edited time": (lambda x: [*x[:4], x[4].replace('"at":5', '"at":6'), *x[5:]], 5),
    "an edited first line": (lambda x: [edit(x[0]), *x[1:]], 1),
    "an edited name of the line before": (lambda x: [*x[:4], re.sub('(s":")..', r"\1zz", x[4]), *x[5:]], 5),
    "a deleted line": (lambda x: [*x[:4], *x[5:]], 5),
    "a deleted first line": (lambda x: x[1:], 1),
    "a deleted line with a head": (lambda x: [*x[:6], *x[7:]], 7),
    "two lines swapped": (lambda x: [*x[:4], x[5], x[4], *x[6:]], 5),
    "a line inserted again": (lambda x: [*x[:5], x[4], *x[5:]], 5),
    "a forged line inserted": (lambda x: [*x[:4], forged_line(x, 4), *x[4:]], 5),
    "rubbish inserted": (lambda x: [*x[:4], "{}", *x[4:]], 5),
    "an empty line inserted": (lambda x: [*x[:4], "", *x[4:]], 5),
    "the tail cut": (lambda x: x[:5], 6),
    "the last signed line cut": (lambda x: x[:6], 7),
    "everything cut": (lambda x: [], 1),
    "the tail cut within a line": (lambda x: [*x[:4], x[4][:-9]], 5),
    "every line rewritten and chained": (lambda x: chained([edit(line) for line in x]), 1),
    "every line from one on rewritten and chained": (lambda x: chained([*x[:4], *[edit(line) for line in x[4:]]]), 4),
    "a chain that begins anew behind a head": (lambda x: broken_off(x, 3), 4),
    "another line ending": (lambda x: [*x[:4], f"{x[4]}\r", *x[5:]], 5),
    "another spelling": (lambda x: [*x[:4], x[4].replace('":', '": ', 1), *x[5:]], 5),
    "a letter that is no ASCII": (lambda x: [*x[:4], x[4].replace("waiting", "w\u00e4iting"), *x[5:]], 5),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_export_is_found_by_its_first_bad_line(kept: Written, tmp_path: Path, name: str) -> None:
    forge, line = TAMPERINGS[name]
    own = Written(kept.store, Path(shutil.copy(kept.exported, tmp_path)), kept.head)
    found = examined(own.forged(forge))
    assert found.why
    assert found.line == line, found.why
    assert found.lines == line - 1


def test_an_untouched_history_passes_and_says_how_far_it_is_signed(written: Written) -> None:
    for path in (written.store, written.exported, written.forged(lambda lines: lines)):
        found = examined(path)
        assert (found.why, found.line, found.lines, found.signed, found.unsigned) == ("", 0, 9, 7, 2)


def test_lines_behind_the_last_head_may_be_missing_or_forged_and_are_counted(written: Written) -> None:
    assert examined(written.forged(lambda x: x[:8])).unsigned == 1
    assert examined(written.forged(lambda x: x[:7])).unsigned == 0
    assert examined(written.forged(lambda x: [*x[:8], edit(x[8])])).unsigned == 2
    assert examined(written.forged(lambda x: [*x[:7], edit(x[7]), x[8]])).line == 9


def test_a_history_without_a_head_of_the_key_proves_nothing(written: Written, tmp_path: Path) -> None:
    found = examined(written.exported, OTHER)
    assert (found.line, found.why) == (3, "its head is signed by another key")
    written.execute("DELETE FROM heads")
    assert "no head of this key" in examined(written.store).why
    (tmp_path / "empty.jsonl").touch()
    assert examined(tmp_path / "empty.jsonl").why == ""


def test_heads_that_were_taken_away_are_missed_where_the_keeper_would_have_signed(tmp_path: Path) -> None:
    found = write(tmp_path, count=140, sealed_at=())
    assert [json.loads(head)["seq"] for head in found.heads()] == [64, 128]
    assert examined(found.store).unsigned == 12
    found.execute("DELETE FROM heads WHERE seq = 128")
    assert "heads are missing" in examined(found.store).why
    assert examined(found.store).line == 65


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_byte_of_an_export_is_found_unless_it_lies_behind_the_last_head(
    kept: Written, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(kept.exported.read_bytes())
    ends_at = len(content) - len("\n".join([*kept.lines()[7:], ""]))
    at = data.draw(st.integers(0, ends_at - 1))
    content[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    forged = tmp_path / "byte.jsonl"
    forged.write_bytes(bytes(content))
    assert examined(forged).why


# A store: there a forger can also touch what a line is found by


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE journal SET line = replace(line, 'waiting', 'wanting') WHERE seq = 5", 5),
        ("UPDATE journal SET line = replace(line, 'waiting', 'wanting') WHERE seq = 9", 9),  # not even signed
        ("UPDATE journal SET hash = 'ab' WHERE seq = 5", 5),
        ("UPDATE journal SET kind = 'receipt' WHERE seq = 5", 5),
        ("UPDATE journal SET at = 1 WHERE seq = 5", 5),
        ("UPDATE journal SET cycle = 'c0' WHERE seq = 5", 5),
        ("UPDATE journal SET line = CAST(x'ff' AS TEXT) WHERE seq = 5", 5),
        ("DELETE FROM journal WHERE seq = 5", 5),
        ("DELETE FROM journal WHERE seq > 5", 6),
        ("UPDATE journal SET seq = 50 WHERE seq = 5", 5),
        ("UPDATE heads SET at = 0 WHERE seq = 7", 7),
        ("UPDATE heads SET hash = upper(hash) WHERE seq = 7", 7),
        ("UPDATE heads SET signature = upper(signature) WHERE seq = 7", 7),
        ("UPDATE heads SET signature = 'zz' WHERE seq = 7", 7),
        ("UPDATE heads SET public_key = 'zz' WHERE seq = 7", 7),
        ("UPDATE heads SET seq = 8 WHERE seq = 7", 8),
        ("UPDATE heads SET seq = 80 WHERE seq = 7", 10),
    ],
)
def test_a_tampered_store_is_found_by_its_first_bad_line(written: Written, statement: str, line: int) -> None:
    written.execute(statement)
    found = examined(written.store)
    assert (found.line, bool(found.why)) == (line, True), found.why


@pytest.mark.parametrize("name", ["every line rewritten and chained", "every line from one on rewritten and chained"])
def test_a_store_that_was_rewritten_in_every_column_is_found_too(written: Written, name: str) -> None:
    forge, line = TAMPERINGS[name]
    written.put(forge(written.lines()))
    found = examined(written.store)
    assert (found.line, "was written anew" in found.why) == (line, True)


def test_a_damaged_file_is_found(written: Written, tmp_path: Path) -> None:
    content = bytearray(written.store.read_bytes())
    for at in range(100, len(content), 2048):
        content[at : at + 64] = b"\xff" * 64
    (tmp_path / "damaged.sqlite").write_bytes(bytes(content))
    assert examined(tmp_path / "damaged.sqlite").why
    (tmp_path / "diary.txt").write_text("dear diary\n")
    assert examined(tmp_path / "diary.txt").line == 1


def test_a_store_taken_back_as_a_whole_is_found_by_a_head_that_was_copied_away(tmp_path: Path) -> None:
    earlier = write(tmp_path, count=4, sealed_at=(4,))
    older = Path(shutil.copy(earlier.store, tmp_path / "older.sqlite"))
    copied = audit.read_heads(write(tmp_path, count=9, sealed_at=(9,)).head, PUBLIC)
    assert audit.examine(earlier.store, PUBLIC, copied).why == ""
    assert examined(older).why == "", "an older copy is a true history"
    found = audit.examine(older, PUBLIC, copied)
    assert (found.line, found.why) == (5, "it is missing: a head was signed for line 9")


def test_a_history_that_went_another_way_is_found_by_a_head_that_was_copied_away(tmp_path: Path) -> None:
    copied = audit.read_heads(write(tmp_path, count=9, sealed_at=(4, 9)).head, PUBLIC)
    (other := tmp_path / "other").mkdir()
    with Store(other / "keeper.sqlite") as store:
        book = SealedBook(store, KEY, other / "audit.head")
        for seq in range(1, 13):
            Journal(book).append("held", seq, {"reason": "as if nothing had been"})
        book.seal()
    found = audit.examine(other / "keeper.sqlite", PUBLIC, copied)
    assert (found.line, "written anew" in found.why) == (1, True)
    both = (*copied, *[Head(9, "ab" * 32, 5, PUBLIC, KEY.sign(audit.message(9, "ab" * 32, 5)).hex())])
    assert audit.examine(tmp_path / "keeper.sqlite", PUBLIC, both).line == 9


def test_a_copied_head_of_another_key_or_no_head_is_refused(tmp_path: Path, written: Written) -> None:
    with pytest.raises(SettingsError, match="another key"):
        audit.read_heads(written.head, operators.public_key(OTHER))
    for content in (b"{}", b"\xff", b'{"is":"Head"}\n'):
        (tmp_path / "none").write_bytes(content)
        with pytest.raises(SettingsError, match=r"signed head|ASCII"):
            audit.read_heads(tmp_path / "none", PUBLIC)


@pytest.mark.parametrize("content", ["", "zz", "ab" * 31, "ab" * 33])
def test_a_public_key_is_64_digits(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit.pub").write_text(content)
    with pytest.raises(SettingsError, match="no public key"):
        audit.read_public_key(tmp_path / "audit.pub")
    (tmp_path / "audit.pub").write_text(f"{PUBLIC}\n")
    assert audit.read_public_key(tmp_path / "audit.pub") == PUBLIC


# Exports


def test_an_export_is_private_never_written_over_and_never_half(written: Written) -> None:
    assert written.exported.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="already"):
        audit.export(written.store, written.exported)
    written.execute("UPDATE journal SET line = CAST(x'ff' AS TEXT) WHERE seq = 5")
    out = written.exported.with_name("half.jsonl")
    with pytest.raises(MalformedRecord):
        audit.export(written.store, out)
    assert not out.exists()


@pytest.mark.parametrize("order", [(1, 0), (0, 0, 1)])
def test_heads_of_an_export_that_were_moved_or_doubled_are_found(written: Written, order: tuple[int, ...]) -> None:
    heads = written.heads()
    written.exported.write_text("".join(f"{text}\n" for text in (*[heads[at] for at in order], *written.lines())))
    assert "moved, doubled or added" in examined(written.exported).why


@pytest.mark.parametrize("mode", [0o500, 0o700])
def test_reading_writes_nothing_and_needs_no_writable_folder(written: Written, mode: int) -> None:
    folder = written.store.parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    folder.chmod(mode)
    try:
        assert examined(written.store).why == ""
    finally:
        folder.chmod(0o700)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not list(folder.glob("*-wal")), "nor did the export that made this history"


def test_a_store_is_read_while_another_writes_to_it(written: Written) -> None:
    with Store(written.store) as store:
        Journal(SealedBook(store, KEY, written.head)).append("held", 10, {"reason": "more"})
        assert examined(written.store).lines == 10


def test_a_store_of_the_first_version_gets_its_heads_and_keeps_its_lines(written: Written) -> None:
    written.execute("DROP TABLE heads")
    written.execute("DROP TABLE moves")
    written.execute("PRAGMA user_version = 1")
    assert "no head of this key" in examined(written.store).why
    with Store(written.store) as store:
        assert store.last_head() is None
        SealedBook(store, KEY, written.head).seal()
    assert examined(written.store).signed == 9


# The script in the docs, exactly


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    assert len(found[1].splitlines()) <= 30
    path = tmp_path_factory.mktemp("script") / "check.py"
    path.write_text(found[1])
    return path


def run(script: Path, history: Path, public_key: str = PUBLIC) -> "subprocess.CompletedProcess[str]":
    key = history.with_name("audit.pub")
    key.write_text(f"{public_key}\n")
    command = (sys.executable, "-I", str(script), str(history), str(key))
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parent)


def test_the_published_script_passes_an_untouched_export_and_no_other_key(script: Path, written: Written) -> None:
    said = run(script, written.exported)
    assert (said.returncode, said.stdout) == (0, "9 lines, 7 of them signed for; not yet signed: 2\n")
    assert run(script, written.exported, operators.public_key(OTHER)).returncode == 1


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_published_script_finds_every_tampering(script: Path, written: Written, name: str) -> None:
    forge, line = TAMPERINGS[name]
    said = run(script, written.forged(forge))
    assert said.returncode == 1
    found = re.match(r"line (\d+): ", said.stderr)
    assert found, said.stderr
    assert line <= int(found[1]) <= 7  # where the next head is, at the latest


def test_the_published_script_takes_copied_heads_in_front(script: Path, tmp_path: Path) -> None:
    older = write(tmp_path, count=4, sealed_at=(4,))
    history = older.exported.read_text()
    copied = write(tmp_path, count=9, sealed_at=(9,)).head.read_text()
    (tmp_path / "both.jsonl").write_text(copied + history)
    said = run(script, tmp_path / "both.jsonl")
    assert (said.returncode, "line 9: it is missing" in said.stderr) == (1, True)


def test_a_head_is_a_record_of_five_words(written: Written) -> None:
    head = wire.from_text(Head, written.heads()[-1])
    assert (head.seq, head.public_key, audit.head_fault(head, PUBLIC)) == (7, PUBLIC, "")
    assert written.head.read_text() == f"{written.heads()[-1]}\n"
    with closing(sqlite3.connect(written.store)) as db:
        assert db.execute("SELECT * FROM heads WHERE seq = 7").fetchall() == [
            (head.seq, head.hash, head.at, head.public_key, head.signature)
        ]

"""`usufruct audit`: a person and a program are told whether a history is whole, or which line is not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import audit
from tests.wallets.history import KEY, PUBLIC, Written, write
from wallets import keeper
from wallets.journal import Journal
from wallets.sealing import SealedBook
from wallets.store import Store

EXAMPLE = Path(__file__).resolve().parents[2] / "usufruct.example.toml"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    (tmp_path / "audit.pub").write_text(f"{PUBLIC}\n")
    return write(tmp_path)


def usufruct(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Words with a dot in them are files of the folder."""
    placed = [str(folder / word) if "." in word else word for word in words]
    command = (sys.executable, "-m", "agent", "audit", *placed)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "COLUMNS": "400"})


def verified(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return usufruct(folder, "verify", "--public-key", "audit.pub", *words)


def test_a_whole_history_is_told_to_people_and_to_programs(written: Written, tmp_path: Path) -> None:
    told = verified(tmp_path, "keeper.sqlite")
    assert (told.returncode, "whole: 9 lines, 7 of them signed for, the last at 20" in told.stdout) == (0, True), told.stderr
    assert told.stdout.endswith("not yet signed: 2 lines\n")
    said = json.loads(verified(tmp_path, "history.jsonl", "--head", "audit.head", "--json").stdout)
    head = json.loads(written.head.read_text())
    assert said == {
        "fine": True,
        "lines": 9,
        "signed": 7,
        "not_yet_signed": 2,
        "signed_at": head["at"],
        "first_bad_line": None,
        "why": "",
    }


def test_a_bad_history_ends_with_one_and_its_first_bad_line(written: Written, tmp_path: Path) -> None:
    written.execute("DELETE FROM journal WHERE seq = 5")
    told = verified(tmp_path, "keeper.sqlite")
    assert (told.returncode, told.stdout.startswith("line 5: ")) == (1, True)
    said = json.loads(verified(tmp_path, "keeper.sqlite", "--json").stdout)
    assert (said["fine"], said["first_bad_line"], said["lines"], said["signed"]) == (False, 5, 4, 3)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("keeper.sqlite", "--head", "history.jsonl"), 2),  # lines are no heads
        (("nowhere.sqlite",), 1),
        (("--config", "nowhere.toml"), 2),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(written: Written, tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    told = verified(tmp_path, *words)
    assert (told.returncode, told.stderr.startswith("error: ")) == (code, True)
    assert "Traceback" not in told.stderr


def test_an_export_is_counted_and_never_written_over(written: Written, tmp_path: Path) -> None:
    told = usufruct(tmp_path, "export", "again.jsonl", "--store", "keeper.sqlite", "--json")
    assert json.loads(told.stdout) == {"file": str(tmp_path / "again.jsonl"), "heads": 2, "lines": 9}
    assert (tmp_path / "again.jsonl").read_bytes() == written.exported.read_bytes()
    again = usufruct(tmp_path, "export", "again.jsonl", "--store", "keeper.sqlite")
    assert (again.returncode, "already" in again.stderr) == (2, True)


def test_without_a_store_it_is_the_keepers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, key = tmp_path / "usufruct.toml", tmp_path / "audit.pub"
    config.write_text(EXAMPLE.read_text())
    key.write_text(PUBLIC)
    folder = audit._store(config).parent
    folder.mkdir(parents=True)
    with Store(folder / keeper.STORE) as store:
        book = SealedBook(store, KEY, folder / "audit.head")
        Journal(book).append("held", 0, {"reason": "waiting"})
        book.seal()
    assert audit.verify(None, public_key=key, head=None, config=config, as_json=False)
    audit.export(tmp_path / "out.jsonl", history=None, config=config, as_json=False)
    told = capsys.readouterr().out
    assert "whole: 1 line, 1 of them signed for" in told
    assert "1 line under 1 signed head;" in told

"""Operators' statements in files: one a kind and name, read as nothing on any doubt."""

import os
import stat
from pathlib import Path

import pytest

from strategies.errors import SettingsError, StoreUnwritable
from wallets import statements

SAID = {"operator": "ada", "digest": "ab"}


def test_a_statement_is_a_private_file_and_reads_as_it_was_written(tmp_path: Path) -> None:
    statements.put(tmp_path, "agree", SAID)
    (path,) = tmp_path.iterdir()
    assert (path.name, stat.S_IMODE(path.stat().st_mode)) == ("agree.ada", 0o600)
    assert statements.read(tmp_path, "agree", "ada") == SAID
    statements.put(tmp_path, "agree", {**SAID, "digest": "cd"})
    assert statements.read(tmp_path, "agree", "ada")["digest"] == "cd"


def test_another_kind_and_another_operator_have_said_nothing(tmp_path: Path) -> None:
    statements.put(tmp_path, "agree", SAID)
    assert not statements.read(tmp_path, "resume", "ada")
    assert not statements.read(tmp_path, "agree", "bob")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"a":' * 200_000])
def test_what_is_damaged_says_nothing(tmp_path: Path, content: bytes) -> None:
    statements.put(tmp_path, "agree", SAID)
    (tmp_path / "agree.ada").write_bytes(content)
    assert not statements.read(tmp_path, "agree", "ada")


def test_what_others_may_write_or_what_is_a_link_says_nothing(tmp_path: Path) -> None:
    statements.put(tmp_path, "agree", SAID)
    (tmp_path / "agree.bob").symlink_to(tmp_path / "agree.ada")
    assert not statements.read(tmp_path, "agree", "bob")
    (tmp_path / "agree.ada").chmod(0o622)
    assert not statements.read(tmp_path, "agree", "ada")
    os.mkfifo(tmp_path / "agree.eve", 0o600)
    assert not statements.read(tmp_path, "agree", "eve")


@pytest.mark.parametrize("name", ["../ada", "", "a/b", "ADA", "a" * 33])
def test_a_name_that_is_no_operators_is_refused_and_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="no operator"):
        statements.put(tmp_path, "agree", {"operator": name})
    assert not statements.read(tmp_path, "agree", name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_error_for_who_writes(tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable, match="agree"):
        statements.put(tmp_path / "absent", "agree", SAID)


def test_all_of_a_kind_are_taken_away_and_no_others(tmp_path: Path) -> None:
    for kind, name in (("agree", "ada"), ("agree", "bob"), ("resume", "ada")):
        statements.put(tmp_path, kind, {"operator": name})
    statements.take_away(tmp_path, "agree")
    assert [path.name for path in tmp_path.iterdir()] == ["resume.ada"]

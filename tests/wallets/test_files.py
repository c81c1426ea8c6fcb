"""Files are read as they were meant or not at all."""

import json
import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.errors import SettingsError
from wallets import files


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "record.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        files.read_record(path)
    return str(caught.value)


def test_a_plain_record_is_read(tmp_path: Path) -> None:
    assert files.read_record(written(tmp_path, '{"a": [1, {"b": null}], "c": "ü"}')) == {"a": [1, {"b": None}], "c": "ü"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"a": 1, "a": 1}', "1: the key 'a' stands there twice"),
        ('{\n"a": 1,\n"b": {"a": 2},\n"a": 3}', "4: the key 'a' stands there twice"),
        ('{\n"x": [{"a": 1}, {"a": 2}],\n"y": {"b": "a: {",\n"b": 1}}', "4: the key 'b' stands there twice"),
        ('{"a": 1, "\\u0061": 2}', "1: the key 'a' stands there twice"),
        ('{"a": NaN}', "it holds the figure NaN; write a whole number"),
        ('{"a": -Infinity}', "it holds the figure -Infinity; write a whole number"),
        ('{"a": 1.0}', "it holds the figure 1.0; write a whole number"),
        ('{"a": 1e999}', "it holds the figure 1e999; write a whole number"),
        ('{\n"a": 01}', "2: it is no JSON: "),
        ('{"a": 1} {"b": 2}', "1: it is no JSON: Extra data"),
        ("", "1: it is no JSON: "),
        ("a: 1\n", "1: it is no JSON: "),
        ("[1]", "it is no record"),
        ("null", "it is no record"),
        ("[" * 100_000, "it is nested deeper than anybody writes"),
        ('{"a": ' * 100_000, "it is nested deeper than anybody writes"),
        ('{"a": ' + "9" * 5_000 + "}", "4300"),
    ],
)
def test_what_is_no_single_record_is_refused(tmp_path: Path, content: str, told: str) -> None:
    said = refused(written(tmp_path, content))
    assert said.startswith(f"{tmp_path / 'record.json'}:")
    assert told in said


def test_what_is_no_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, b'{\n"a": "\xff"}')
    assert refused(path).startswith(f"{path}:2: it is no UTF-8")


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a": 1}   ')
    assert files.read_record(path, max_bytes=11) == {"a": 1}
    with pytest.raises(SettingsError, match="longer than 10 bytes"):
        files.read_record(path, max_bytes=10)


def test_what_is_not_there_is_the_callers_to_tell(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read_record(tmp_path / "none.json")


@pytest.mark.parametrize("mode", [0o622, 0o666, 0o602])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, "{}")
    path.chmod(mode)
    assert f"others may write to it (mode {mode:04o})" in refused(path)


def test_a_file_that_another_group_may_write_is_refused_and_one_that_the_owners_own_may_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "{}")
    path.chmod(0o664)
    owner = pwd.getpwuid(path.stat().st_uid).pw_name
    monkeypatch.setattr(files, "ROOT", -1)  # the tests may run as root, whose group counts as root
    for name, members, fine in ((owner, [], True), (owner, [owner], True), (owner, ["eve"], False), ("staff", [], False)):
        group = files.grp.struct_group((name, "x", path.stat().st_gid, members))
        monkeypatch.setattr(files.grp, "getgrgid", lambda _, found=group: found)
        if fine:
            assert files.read_record(path) == {}
        else:
            assert "others may write to it (mode 0664)" in refused(path)


def test_a_folder_pipe_or_device_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        assert "it is no plain file" in refused(path)


def test_a_file_of_another_user_is_refused_unless_root_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "{}")
    monkeypatch.setattr(os, "geteuid", lambda: 4_242)
    if path.stat().st_uid == 0:
        assert files.read_record(path) == {}  # root may write anywhere anyway
        monkeypatch.setattr(files, "ROOT", 4_243)
    assert "it belongs to another user" in refused(path)


def test_a_folder_above_that_anybody_may_change_is_refused_unless_only_owners_remove_from_it(tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "inner").mkdir(parents=True)
    path = written(above / "inner", "{}")
    above.chmod(0o1777)
    assert files.read_record(path) == {}
    above.chmod(0o777)
    assert f"others may write to {above}" in refused(path)


def test_a_link_is_followed_only_to_where_nobody_else_writes(tmp_path: Path) -> None:
    for name, mode in (("own", 0o755), ("shared", 0o1777)):
        (tmp_path / name).mkdir()
        written(tmp_path / name, "{}")
        (tmp_path / name).chmod(mode)
        (tmp_path / f"to-{name}").symlink_to(tmp_path / name)
    assert files.read_record(tmp_path / "to-own" / "record.json") == {}
    assert "it is a link into" in refused(tmp_path / "to-shared" / "record.json")


def test_an_unknown_key_is_named_with_the_known_ones() -> None:
    files.refuse_unknown({"a": 1}, frozenset({"a", "b"}), "x")
    with pytest.raises(SettingsError, match="x: 'c' is no key of it; known: a, b"):
        files.refuse_unknown({"c": 1}, frozenset({"a", "b"}), "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_every_record_of_whole_numbers_is_read_as_it_was_written(content: dict[str, object]) -> None:
    assert files.record_of(json.dumps(content), "x") == content
    assert files.record_of(json.dumps(content, ensure_ascii=False, indent=1), "x") == content


@given(st.dictionaries(st.text(), JSON, min_size=1), st.data())
def test_a_key_that_is_written_again_is_always_found(content: dict[str, object], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(content)))
    text = json.dumps(content)[:-1] + f",\n{json.dumps(key)}: 1}}"
    with pytest.raises(SettingsError, match="stands there twice") as caught:
        files.record_of(text, "x")
    assert str(caught.value).startswith("x:2:")

"""The encrypted key on disk, and where passwords may come from."""

import json
import os
import stat
import traceback
from pathlib import Path

import pytest

from strategies.errors import KeystoreUnreadable, SettingsError
from wallets import keystore, secrecy


def test_a_keystore_is_scrypt_under_mode_0600(keystore_path: Path) -> None:
    assert stat.S_IMODE(keystore_path.stat().st_mode) == 0o600
    assert json.loads(keystore_path.read_text())["crypto"]["kdf"] == "scrypt"


def test_the_address_is_readable_without_the_password(keystore_path: Path, password: str) -> None:
    address = keystore.read_address(keystore_path)
    assert address == address.lower()
    assert keystore.unlock(keystore_path, password).address == address


def test_refuses_a_wrong_password_and_does_not_repeat_it(keystore_path: Path) -> None:
    with pytest.raises(KeystoreUnreadable) as caught:
        keystore.unlock(keystore_path, "not this one, sorry")
    assert "not this one" not in f"{caught.value} {caught.value!r}"


def test_refuses_to_overwrite(keystore_path: Path) -> None:
    before = keystore_path.read_bytes()
    with pytest.raises(KeystoreUnreadable, match="never overwritten"):
        keystore.create(keystore_path, "another good password")
    assert keystore_path.read_bytes() == before


@pytest.mark.parametrize("weak", ["", "short", "aaaaaaaaaaaaaaaaaaaa", "abababababab"])
def test_refuses_a_weak_password_and_makes_no_file(tmp_path: Path, weak: str) -> None:
    with pytest.raises(SettingsError, match="too weak"):
        keystore.create(tmp_path / "wallet.json", weak)
    assert not list(tmp_path.iterdir())


def test_refuses_a_file_that_others_may_read(keystore_path: Path, tmp_path: Path, password: str) -> None:
    copy = tmp_path / "wallet.json"
    copy.write_bytes(keystore_path.read_bytes())
    copy.chmod(0o640)
    with pytest.raises(KeystoreUnreadable, match="chmod 600"):
        keystore.unlock(copy, password)


def test_refuses_a_link(keystore_path: Path, tmp_path: Path) -> None:
    link = tmp_path / "wallet.json"
    link.symlink_to(keystore_path)
    with pytest.raises(KeystoreUnreadable):
        keystore.read_address(link)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 1}', '{"version": 3}', '{"version": 3, "address": "0x12"}'])
def test_refuses_what_is_no_keystore(tmp_path: Path, content: str, password: str) -> None:
    path = tmp_path / "wallet.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeystoreUnreadable):
        keystore.read_address(path)
    with pytest.raises(KeystoreUnreadable):
        keystore.unlock(path, password)


def test_refuses_a_keystore_that_names_another_address(keystore_path: Path, tmp_path: Path, password: str) -> None:
    content = json.loads(keystore_path.read_text()) | {"address": "11" * 20}
    path = tmp_path / "wallet.json"
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    with pytest.raises(KeystoreUnreadable, match="holds the key of"):
        keystore.unlock(path, password)


def test_refuses_a_keystore_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeystoreUnreadable, match="No such file"):
        keystore.read_address(tmp_path / "wallet.json")


def test_a_new_file_is_whole_or_absent(tmp_path: Path) -> None:
    secrecy.write_new(tmp_path / "one", b"content")
    with pytest.raises(FileExistsError):
        secrecy.write_new(tmp_path / "one", b"other")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_bytes() == b"content"


def test_a_password_comes_from_a_private_file_and_from_no_other(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("from a file\n")
    path.chmod(0o600)
    assert secrecy.password_from_file(path) == "from a file"
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        secrecy.password_from_file(path)


def test_a_password_comes_from_a_prompt_that_does_not_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrecy.getpass, "getpass", lambda question: f"typed after {question}")
    assert secrecy.password_from_prompt("Password") == "typed after Password: "


def test_a_keystore_that_says_anything_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    content = json.dumps({"version": 3, "address": "12" * 20})
    secrecy.write_new(path, content.encode())
    assert keystore.read_address(path) == "0x" + "12" * 20
    path.write_text(content[:-1] + ', "address": "' + "34" * 20 + '"}')
    with pytest.raises(KeystoreUnreadable, match="the key 'address' stands there twice"):
        keystore.read_address(path)


def test_a_password_may_come_through_an_open_descriptor_and_is_read_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"correct horse battery\nnot this\n")
    os.close(writing)
    assert secrecy.password_from_file(Path(f"fd:{reading}")) == "correct horse battery"
    with pytest.raises(SettingsError, match="cannot be read"):
        secrecy.password_from_file(Path(f"fd:{reading}"))


def test_a_refusal_leads_to_no_frame_that_holds_the_password(keystore_path: Path) -> None:
    with pytest.raises(KeystoreUnreadable) as caught:
        keystore.unlock(keystore_path, secrecy.Password("not this one, sorry"))
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert caught.value.__context__ is None
    assert shown.count("not this one, sorry") == shown.count('secrecy.Password("not this one, sorry")')  # our own line above


def test_a_password_works_as_text_and_is_not_shown_among_local_variables(tmp_path: Path) -> None:
    secrecy.write_new(tmp_path / "p", b"correct horse battery\nrest")
    password = secrecy.password_from_file(tmp_path / "p")
    assert password == "correct horse battery"
    assert password.encode() == b"correct horse battery"
    assert "horse" not in repr(password) + repr([password]) + repr({"password": password})

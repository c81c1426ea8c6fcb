"""The encrypted key on disk: created once, read by its owner alone. Refuses to overwrite, weak passwords, files that others can
read, and content that is no version-3 keystore or says anything twice; the address is readable without the password, the key
never."""

import json
from collections.abc import Mapping
from pathlib import Path

from strategies.domain import Address
from strategies.errors import KeystoreUnreadable, SettingsError
from wallets import files, secrecy, signer
from wallets.signer import Signer


def create(path: Path, password: str) -> Address:
    """A new key under a password; its address. Raises KeystoreUnreadable where a file is already there, SettingsError."""
    secrecy.refuse_weak(password)
    if path.exists():
        raise KeystoreUnreadable(path=str(path), why="a file is already there, and a keystore is never overwritten")
    content = signer.new_key_encrypted(password)
    try:
        secrecy.write_new(path, json.dumps(content).encode())
    except OSError as error:
        raise KeystoreUnreadable(path=str(path), why=error.strerror or type(error).__name__) from None
    return _address(content, path)


def read_address(path: Path) -> Address:
    """The account of a keystore, without its password. Raises KeystoreUnreadable."""
    return _address(_content(path), path)


def unlock(path: Path, password: str) -> Signer:
    """The signer of a keystore. Raises KeystoreUnreadable; the message never repeats the password."""
    content = _content(path)
    address = _address(content, path)
    found = _opened(content, password)
    if found is None:  # outside the handler: the library's frames hold the password, and this error must not lead to them
        raise KeystoreUnreadable(path=str(path), why="the password is wrong or the content is damaged")
    if found.address != address:
        raise KeystoreUnreadable(path=str(path), why=f"it names {address} and holds the key of {found.address}")
    return found


def _opened(content: Mapping[str, object], password: str) -> Signer | None:
    try:
        return signer.signer_of(content, password)
    except (ValueError, KeyError, TypeError, NotImplementedError):
        return None


def _content(path: Path) -> Mapping[str, object]:
    try:
        content = files.record_of(secrecy.read_private(path).decode(), str(path))
    except OSError as error:
        raise KeystoreUnreadable(path=str(path), why=error.strerror or type(error).__name__) from None
    except SettingsError as error:
        raise KeystoreUnreadable(path=str(path), why=str(error)) from None
    except UnicodeDecodeError:
        raise KeystoreUnreadable(path=str(path), why="it is no UTF-8") from None
    if content.get("version") != 3:
        raise KeystoreUnreadable(path=str(path), why="it is no version-3 keystore")
    return content


def _address(content: Mapping[str, object], path: Path) -> Address:
    address = str(content.get("address", "")).lower().removeprefix("0x")
    if len(address) != 40 or set(address) - set("0123456789abcdef"):
        raise KeystoreUnreadable(path=str(path), why="it names no address")
    return "0x" + address

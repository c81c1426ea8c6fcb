"""Passwords, and files that only their owner reads. Refuses weak passwords, links, files of others and modes that let anyone
else in; a password comes from a prompt, such a file or an open descriptor, never from an argument or the environment."""

import getpass
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

from strategies.errors import SettingsError

MIN_PASSWORD_CHARACTERS: Final = 10
MAX_FILE_BYTES: Final = 2**20
DESCRIPTOR: Final = re.compile(r"fd:([0-9]{1,4})")


def write_new(path: Path, content: bytes) -> None:
    """A new file of mode 0600 that is whole or absent. Raises FileExistsError rather than replace anything."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(scratch, path)  # unlike a rename, a link never replaces what is there
    finally:
        scratch.unlink()
    _sync(path.parent)


def write_over(path: Path, content: bytes) -> None:
    """The same in the place of whatever file is there: a reader finds the old or the new, and never neither. Raises OSError."""
    other = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    write_new(other, content)
    try:
        other.replace(path)
    except OSError:
        other.unlink()
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """What was renamed or linked in a folder stays so."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path) -> bytes:
    """What a private file says. Raises OSError, and SettingsError where others could have written or read it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise SettingsError(f"{path} is not a plain file")
        if found.st_uid != os.geteuid():
            raise SettingsError(f"{path} belongs to another user")
        if found.st_mode & 0o077:
            raise SettingsError(f"{path} has mode {stat.S_IMODE(found.st_mode):04o}: run chmod 600 on it")
        return file.read(MAX_FILE_BYTES)


def refuse_weak(password: str) -> None:
    """A new password must be worth its scrypt. Raises SettingsError."""
    if len(password) < MIN_PASSWORD_CHARACTERS or len(set(password)) < MIN_PASSWORD_CHARACTERS // 2:
        raise SettingsError(f"the password is too weak: at least {MIN_PASSWORD_CHARACTERS} characters, not all the same")


class Password(str):
    """A password that no printer of local variables shows: the keeper's frames hold it for as long as the keeper runs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Password(…)"


def password_from_prompt(question: str) -> Password:
    """A typed password, not echoed."""
    return Password(getpass.getpass(f"{question}: "))


def password_from_file(path: Path) -> Password:
    """The first line of a file of mode 0600, or of an open descriptor that is named like fd:3. Raises SettingsError, OSError."""
    found = DESCRIPTOR.fullmatch(str(path))
    content = read_private(path) if found is None else _read_descriptor(int(found[1]))
    return Password(content.decode().split("\n", 1)[0].rstrip("\r"))


def _read_descriptor(number: int) -> bytes:
    """What whoever started this process left to be read, once. Raises SettingsError."""
    try:
        with os.fdopen(number, "rb") as pipe:
            return pipe.read(MAX_FILE_BYTES)
    except OSError as error:
        raise SettingsError(f"fd:{number} cannot be read ({error.strerror}); open it for the command, as in 3<file") from None

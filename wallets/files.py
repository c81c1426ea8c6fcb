"""Files that people and programs write, read as they were meant or not at all.

Refuses a file that somebody else may change, wherever on its path; what is too long or no UTF-8; and of JSON a key that stands
twice, a fraction where all figures are whole, and nesting that no reader follows."""

import grp
import json
import os
import pwd
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from strategies.errors import SettingsError

MAX_BYTES: Final = 4 * 2**20
ROOT: Final = 0
WORLD, GROUP = stat.S_IWOTH, stat.S_IWGRP
_TOKEN: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]:]|\n')


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """What a trusted file says. Raises OSError where it cannot be opened, SettingsError where it must not be believed."""
    real = trusted(path)
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        _refuse_open(path, os.fstat(file.fileno()))
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise SettingsError(f"{path}: it is longer than {max_bytes} bytes, which no such file is; name the right one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: it is no UTF-8; save it as UTF-8 text") from None


def read_record(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """A JSON file with one record. Raises OSError, SettingsError."""
    return record_of(read_text(path, max_bytes=max_bytes), str(path))


def record_of(text: str, what: str) -> dict[str, Any]:
    """The same of a text that came from somewhere else. Raises SettingsError."""
    try:
        content = json.loads(text, object_pairs_hook=_once, parse_float=_fraction, parse_constant=_fraction)
    except _Twice as error:
        raise SettingsError(f"{what}:{_line_of_second(text, error.key)}: the key {error.key!r} stands there twice") from None
    except json.JSONDecodeError as error:
        raise SettingsError(f"{what}:{error.lineno}: it is no JSON: {error.msg}") from None
    except RecursionError:
        raise SettingsError(f"{what}: it is nested deeper than anybody writes") from None
    except ValueError as error:
        raise SettingsError(f"{what}: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{what}: it is no record; a record stands in curly brackets")
    return content


def refuse_unknown(content: Mapping[str, object], known: frozenset[str], what: str) -> None:
    """Every key is one that is read. Raises SettingsError."""
    if strange := sorted(content.keys() - known):
        raise SettingsError(f"{what}: {strange[0]!r} is no key of it; known: {', '.join(sorted(known))}")


def trusted(path: Path) -> Path:
    """The file behind a path, links followed, where nobody else can put another. Raises OSError, SettingsError."""
    own = path.absolute()
    try:
        real = own.resolve(strict=True)
    except RuntimeError:
        raise SettingsError(f"{path}: its links lead in a circle; name the file itself") from None
    _refuse_open(path, real.stat())
    is_link = any(place.is_symlink() for place in (own, *own.parents))
    if is_link and real.parent.stat().st_mode & WORLD:
        raise SettingsError(f"{path}: it is a link into {real.parent}, where anybody may write; name a file of your own")
    for folder in {*own.parents, *real.parents}:
        found = folder.stat()
        if _is_open(found) and not found.st_mode & stat.S_ISVTX:
            raise SettingsError(f"{path}: others may write to {folder}, and so put another file there; run chmod go-w on it")
    return real


def _refuse_open(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SettingsError(f"{path}: it is no plain file")
    if _is_open(found):
        raise SettingsError(f"{path}: others may write to it (mode {stat.S_IMODE(found.st_mode):04o}); run chmod go-w on it")
    # Root reads what other people mount into its containers, and is told by name which file to read.
    if found.st_uid not in (ROOT, os.geteuid()) and os.geteuid() != ROOT:
        raise SettingsError(f"{path}: it belongs to another user; make a copy of your own")


def _is_open(found: os.stat_result) -> bool:
    """Whether anybody but the owner and root may write. A group of the owner alone, as many systems give, is the owner."""
    if found.st_mode & WORLD:
        return True
    return bool(found.st_mode & GROUP) and found.st_gid != ROOT and not _is_private_group(found)


def _is_private_group(found: os.stat_result) -> bool:
    try:
        group, owner = grp.getgrgid(found.st_gid), pwd.getpwuid(found.st_uid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


class _Twice(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key: Final = key


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _fraction(digits: str) -> NoReturn:
    raise ValueError(f"it holds the figure {digits[:40]}; write a whole number")


def _line_of_second(text: str, key: str) -> int:
    """Where a key stands for the second time in one record."""
    line, last, open_records = 1, "", list[set[str]]()
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token == "\n":
            line += 1
        elif token in ("{", "["):
            open_records.append(set())
        elif token in ("}", "]"):
            open_records.pop()
        elif token == ":":
            name = json.loads(last)
            if name == key and name in open_records[-1]:
                return line
            open_records[-1].add(name)
        else:
            last = token
    return line

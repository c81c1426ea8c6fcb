"""A settings file as text: read strictly, its values found again by line. Refuses what is no TOML, what is written twice, what is
nested deeper than any setting, and every file that somebody else may change; of a line it never repeats the value."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeAlias

from strategies.errors import SettingsError
from wallets import files

EXAMPLE: Final = "usufruct.example.toml"
MAX_BYTES: Final = 256 * 2**10
MAX_STATEMENT_LINES: Final = 200  # past it, lines are no longer told
MAX_DEPTH: Final = 8  # a key of an entry of a list of a table of a section is the fifth

Content: TypeAlias = dict[str, Any]  # what the outside wrote, before it is anything
Keys: TypeAlias = tuple[str | int, ...]

_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_NAME: Final = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says, and where."""

    path: Path
    text: str
    content: Content

    def place(self, keys: Sequence[str | int]) -> str:
        """The file, and the line that a key begins at where the file has it."""
        line = lines_of(self.text).get(tuple(keys))
        return str(self.path) if line is None else f"{self.path}:{line}"


def read(path: Path) -> Written:
    """A settings file. Raises SettingsError."""
    try:
        text = files.read_text(path, max_bytes=MAX_BYTES)
    except FileNotFoundError:
        remedy = f"copy {EXAMPLE} and change what is yours, or name another file (`usufruct demo` needs none)"
        raise SettingsError(f"{path}: no such file; {remedy}") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); name a settings file") from None
    return Written(path, text, parsed(text, path))


def parsed(text: str, path: Path) -> Content:
    """A text as TOML. Raises SettingsError."""
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise SettingsError(f"{path}: is no TOML: it is nested deeper than anybody writes") from None
    except ValueError as error:
        raise SettingsError(_no_toml(str(error), text, path)) from None
    if why := next(_too_deep(content), ""):
        raise SettingsError(f"{path}: {why} is nested deeper than any setting")
    return content


def _no_toml(why: str, text: str, path: Path) -> str:
    """What is wrong and in which line. A value that stands twice is named; the value itself may be a secret."""
    found = _PLACE.search(why)
    if found is None:
        return f"{path}: is no TOML: {why}; {EXAMPLE} shows how settings are written"
    line = int(found[1])
    name = _NAME.match(text.splitlines()[line - 1])
    if "Cannot overwrite" in why and name is not None:
        return f"{path}:{line}: is no TOML: {name[1]} is written twice; keep one of the two"
    if "Cannot declare" in why:
        return f"{path}:{line}: is no TOML: this section is written twice; keep one of the two"
    return f"{path}:{line}: is no TOML: {_PLACE.sub('', why)}; {EXAMPLE} shows how settings are written"


def _too_deep(content: Content) -> Iterator[str]:
    """The keys of whatever lies too deep; by a list of what is still to be looked at, since a file could be very deep."""
    waiting: list[tuple[str, int, object]] = [(key, 1, value) for key, value in content.items()]
    while waiting:
        name, depth, value = waiting.pop()
        if depth > MAX_DEPTH:
            yield name.split(".")[0]
        elif isinstance(value, dict):
            waiting += [(f"{name}.{key}", depth + 1, inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(name, depth + 1, inner) for inner in value]


def lines_of(text: str) -> Mapping[Keys, int]:
    """The line at which each key of a TOML text begins. Statements are read one by one, so a value over several lines counts
    from its first."""
    found: dict[Keys, int] = {}
    section: Keys = ()
    entries: dict[Keys, int] = {}
    statement, began = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        began = began if statement else number
        statement += f"{line}\n"
        if number - began > MAX_STATEMENT_LINES:
            break
        try:
            said = tomllib.loads(statement)
        except ValueError:
            continue  # it goes on in the next line
        if statement.lstrip().startswith("["):
            section = _section(said, entries)
            found.setdefault(section, began)
            found.setdefault(section[:-1] if isinstance(section[-1], int) else section, began)
        else:
            found |= {(*section, *keys): began for keys in _keys_in(said)}
        statement = ""
    return found


def _section(said: Content, entries: dict[Keys, int]) -> Keys:
    """The keys of a header, a list's entries counted."""
    keys: Keys = ()
    value: object = said
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            entries[keys] = entries.get(keys, -1) + 1
            keys, value = (*keys, entries[keys]), value[0]
            continue
        name, value = next(iter(value.items()))
        keys = (*keys, name)
        if keys in entries and isinstance(value, dict):
            keys = (*keys, entries[keys])
    return keys


def _keys_in(value: object) -> Iterator[Keys]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (key,)
        yield from ((key, *keys) for keys in _keys_in(inner))


def nested(overrides: Mapping[str, object]) -> Content:
    """Dotted keys as tables."""
    content: Content = {}
    for key, value in overrides.items():
        *sections, name = key.split(".")
        content = over(content, reduce(lambda inner, section: {section: inner}, reversed(sections), {name: value}))
    return content


def over(below: Content, above: Content) -> Content:
    """Two nested tables as one; where both speak, the second counts."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def holds(content: object, keys: Sequence[str | int]) -> bool:
    """Whether nested tables and lists have a value at these keys."""
    for key in keys:
        parts = dict(enumerate(content)) if isinstance(content, list) else content
        if not isinstance(parts, dict) or key not in parts:
            return False
        content = parts[key]
    return True

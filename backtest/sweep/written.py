"""Parameter spaces as people write them: `threshold_bps=10,25,50` and `count=1..5:2` on a command line, or a TOML file. Refuses
what it cannot read whole, with the place and how to write it."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from backtest.sweep.space import Axis, Listed, Spread, Value
from strategies.errors import SettingsError

TABLE: Final = "parameters"
RANGE_KEYS: Final = frozenset({"from", "to", "step"})
_RANGE: Final = re.compile(r"(-?\d+)\.\.(-?\d+)(?::(\d+))?")
_WHOLE: Final = re.compile(r"-?\d[\d_]*")


def axis_of(text: str) -> Axis:
    """One parameter as on a command line: NAME=A,B,C or NAME=LOW..HIGH or NAME=LOW..HIGH:STEP. Raises SettingsError."""
    name, equals, said = (part.strip() for part in text.partition("="))
    if not equals or not name or not said:
        raise SettingsError(f"--set {text!r}: write NAME=10,25,50 or NAME=0..200:25")
    if found := _RANGE.fullmatch(said):
        low, high, step = found.groups()
        return Spread(name, int(low), int(high), int(step) if step else None)
    words = [word.strip() for word in said.split(",")]
    if "" in words:
        raise SettingsError(f"--set {text!r}: a value is missing between two commas")
    return Listed(name, tuple(_value(word) for word in words))


def axes_in(file: Path) -> tuple[Axis, ...]:
    """The `[parameters]` of a TOML file: lists, or tables of from, to and step; `[parameters.gate]` for the gate. Raises
    SettingsError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: no TOML that can be read: {error}") from error
    strange = [key for key in content if key != TABLE]
    if strange or not isinstance(content.get(TABLE), dict):
        found = f"it has {strange[0]!r}" if strange else "it has none"
        raise SettingsError(f"{file}: a space is one table [{TABLE}]; {found}")
    return _axes(file, content[TABLE], "")


def together(of_file: Sequence[Axis], said: Sequence[Axis]) -> tuple[Axis, ...]:
    """A file's axes with those of the command line in place of their namesakes, others after them."""
    instead = {axis.name: axis for axis in said}
    kept = [instead.pop(axis.name, axis) for axis in of_file]
    return (*kept, *(axis for axis in said if axis.name in instead))


def _axes(file: Path, table: Mapping[str, Any], prefix: str) -> tuple[Axis, ...]:
    axes = list[Axis]()
    for key, said in table.items():
        name = prefix + key
        match said:
            case list():
                axes.append(Listed(name, tuple(_known(file, name, value) for value in said)))
            case dict() if RANGE_KEYS >= said.keys() >= {"from", "to"}:
                low, high, step = (_whole(file, name, said.get(word)) for word in ("from", "to", "step"))
                assert low is not None and high is not None
                axes.append(Spread(name, low, high, step))
            case dict() if not prefix:
                axes += _axes(file, said, f"{name}.")
            case _:
                raise SettingsError(f"{file}: {name} = {said!r}: write a list, or {{ from = 0, to = 200, step = 25 }}")
    return tuple(axes)


def _known(file: Path, name: str, value: object) -> Value:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise SettingsError(f"{file}: {name} has {value!r}: parameters are whole numbers or names")


def _whole(file: Path, name: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise SettingsError(f"{file}: {name} has {value!r}: a range is of whole numbers")


def _value(word: str) -> Value:
    return int(word) if _WHOLE.fullmatch(word) else word

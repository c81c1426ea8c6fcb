"""Records as canonical JSON text, and back: what crosses the keeper's socket, waits in a paused run and stands in the journal.

Every record carries its class name, so a union is never guessed. Integers beyond 2^53 - 1 are decimal strings, bytes are hex,
enums and contract versions are names, NaN is null. Refuses infinities, and any text that is not, byte for byte, what `to_text`
would have written: so one record has one text, and unknown, missing or repeated keys cannot pass. A text only ever becomes the
kind the reader asked for and what its fields name."""

import json
import math
import types
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache, partial
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from strategies.domain import Asset, Choice, Market
from strategies.errors import MalformedRecord, PlanError
from strategies.protocols.aave_v3.arithmetic import VERSIONS, Version
from strategies.tape import AskedFor

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")
Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
Read: TypeAlias = Callable[[Any], Any]
Write: TypeAlias = Callable[[Any], str]

TAG: Final = "is"
NOTHING: Final = typing.cast("Hashable", type(None))
MAX_SAFE: Final = 2**53 - 1  # the largest integer that every JSON reader keeps exact
_REPEATED: Final = (Asset, Market, Choice)  # what record after record names, and a deployment or a menu has tens of
_NAMED: Final = 256  # of each, whose text is kept
_VERSIONS: Final = {version.name: version for version in VERSIONS.values()}
quoted: Final[Callable[[str], str]] = encode_basestring_ascii  # the text of a text
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def to_text(record: object) -> str:
    """The one text of a record. Raises MalformedRecord on an infinity or a type that has no text."""
    return _WRITERS[type(record)](record)


def canonical(content: object) -> str:
    """The one text of plain JSON values: sorted keys, no spaces, ASCII. Raises MalformedRecord."""
    try:
        return _canonical(content)
    except (TypeError, ValueError, RecursionError) as error:  # content that holds itself has no end
        raise MalformedRecord(kind="JSON", why=str(error)) from None


def from_text(kind: "TypeForm[T]", text: str) -> T:
    """The record a text says. Raises MalformedRecord."""
    try:
        content = json.loads(text)
        record = _reader(typing.cast("Hashable", kind))(content)
        again = to_text(record)
    except (ValueError, TypeError, KeyError, RecursionError, PlanError) as error:
        raise MalformedRecord(kind=_name(kind), why=str(error) or type(error).__name__) from None
    if again != text:
        raise MalformedRecord(kind=_name(kind), why="it is not written in the one canonical way")
    return typing.cast("T", record)


def plain(value: object) -> Plain:
    """A record as JSON values, for content that holds several. Raises MalformedRecord."""
    return typing.cast("Plain", json.loads(to_text(value)))


def object_of(texts: Mapping[str, str]) -> str:
    """The one text of a JSON object whose values are told already, each as its own one text."""
    return f"{{{','.join([f'{quoted(name)}:{texts[name]}' for name in sorted(texts)])}}}"


def writer_with(kind: type, name: str) -> Callable[[object, str], str]:
    """Writes records of a kind with one further value among their fields, told already. Raises MalformedRecord."""
    names, shape = _shape(kind, name)
    values_of, at = _values_of([one for one in names if one != name]), names.index(name)

    def write(record: object, told: str) -> str:
        texts = [_WRITERS[type(value)](value) for value in values_of(record)]
        texts.insert(at, told)
        return shape % tuple(texts)

    return write


def join(texts: Sequence[str]) -> str:
    """Several texts as one."""
    return canonical(list(texts))


def lines(text: str) -> tuple[str, ...]:
    """The texts that were joined. Raises MalformedRecord."""
    return from_text(tuple[str, ...], text)


def _write_int(value: int) -> str:
    return str(value) if -MAX_SAFE <= value <= MAX_SAFE else f'"{value}"'


def _write_float(value: float) -> str:
    if math.isinf(value):
        raise MalformedRecord(kind="number", why="an infinity is no rate")
    return "null" if math.isnan(value) else repr(value)


def _write_name(value: Any) -> str:
    return quoted(value.name)


def _write_sequence(values: Sequence[object]) -> str:
    return f"[{','.join([_WRITERS[type(value)](value) for value in values])}]"


def _write_mapping(values: Mapping[str, object]) -> str:
    if not all(isinstance(key, str) for key in values):
        raise MalformedRecord(kind="mapping", why="its keys are not all text")
    return object_of({key: to_text(value) for key, value in values.items()})


def _write_record(values_of: Callable[[object], Sequence[object]], shape: str, value: object) -> str:
    return shape % tuple([_WRITERS[type(field)](field) for field in values_of(value)])


class _Writers(dict[type, Write]):
    """How values are written, by their exact type; of one that was not met before it is worked out. Raises MalformedRecord."""

    def __missing__(self, kind: type) -> Write:
        if issubclass(kind, Enum):
            write: Write = _write_name
        else:
            names, shape = _shape(kind)
            write = partial(_write_record, _values_of(names), shape)
        self[kind] = lru_cache(maxsize=_NAMED)(write) if kind in _REPEATED else write
        return self[kind]


_WRITERS: Final = _Writers(
    {
        type(None): lambda _: "null",
        bool: lambda value: "true" if value else "false",
        str: quoted,
        int: _write_int,
        float: _write_float,
        bytes: lambda value: f'"{value.hex()}"',
        tuple: _write_sequence,
        AskedFor: _write_sequence,
        dict: _write_mapping,
        Version: _write_name,
    }
)


def _values_of(names: Sequence[str]) -> Callable[[object], Sequence[object]]:
    """Several fields of a record at once."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda record: [getattr(record, name) for name in names]


def _shape(kind: type, *further: str) -> tuple[tuple[str, ...], str]:
    """What is told of a record, and its text with room for each. Raises MalformedRecord for what is none."""
    if not is_dataclass(kind):
        raise MalformedRecord(kind="record", why=f"{kind.__name__} has no text")
    names = sorted([*[field.name for field in fields(kind)], *further])
    if TAG in names:
        raise MalformedRecord(kind="record", why=f"{kind.__name__} has a field {TAG!r}")
    room = dict.fromkeys(names, "%s") | {TAG: quoted(kind.__name__)}
    return tuple(names), f"{{{','.join([f'{quoted(name)}:{room[name]}' for name in sorted(room)])}}}"


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


@cache
def _reader(kind: Hashable) -> Read:
    """How values of one declared type are read. Every reader raises ValueError, TypeError or KeyError on anything else."""
    if kind in _READERS:
        return _READERS[kind]
    if (origin := typing.get_origin(kind)) is not None:
        return _reader_of_many(origin, typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return partial(_read_name, {member.name: member for member in kind})
    if isinstance(kind, type) and is_dataclass(kind):
        return partial(_read_record, kind)
    raise MalformedRecord(kind=_name(kind), why="no text becomes this type")


def _reader_of_many(origin: object, arguments: tuple[Hashable, ...]) -> Read:
    if origin in (types.UnionType, typing.Union):
        return _read_union(arguments)
    if origin is Sequence or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        return partial(_read_many, _reader(arguments[0]))
    if origin is tuple:
        return partial(_read_each, tuple([_reader(argument) for argument in arguments]))
    if isinstance(origin, type) and issubclass(origin, Mapping) and arguments[0] is str:
        return partial(_read_mapping, _reader(arguments[1]))
    raise MalformedRecord(kind=str(origin), why="no text becomes this type")


def _read_int(content: object) -> int:
    if isinstance(content, str):
        return int(content)
    return _read_exactly(int, content)


def _read_exactly(kind: type[T], content: object) -> T:
    if type(content) is not kind:
        raise ValueError(f"{content!r} is no {kind.__name__}"[:200])
    return content


def _read_float(content: object) -> float:
    return math.nan if content is None else _read_exactly(float, content)


def _read_bytes(content: object) -> bytes:
    return bytes.fromhex(_read_exactly(str, content))


def _read_many(read: Read, content: object) -> tuple[object, ...]:
    return tuple([read(item) for item in _read_exactly(list, content)])


def _read_each(reads: tuple[Read, ...], content: object) -> tuple[object, ...]:
    return tuple([read(item) for read, item in zip(reads, _read_exactly(list, content), strict=True)])


def _read_mapping(read: Read, content: object) -> dict[str, object]:
    return {key: read(value) for key, value in _read_exactly(dict, content).items()}


def _read_name(named: Mapping[str, object], content: object) -> object:
    return named[_read_exactly(str, content)]


@cache
def _readers_of_fields(kind: type) -> Mapping[str, Read]:
    """Looked up when a record is read, because a record may hold others of its own kind."""
    hints = typing.get_type_hints(kind)
    return {field.name: _reader(hints[field.name]) for field in fields(typing.cast("Any", kind))}


def _read_record(kind: type, content: object) -> object:
    given, reads = dict(_read_exactly(dict, content)), _readers_of_fields(kind)
    if given.pop(TAG, None) != kind.__name__:
        raise ValueError(f"it is not tagged {kind.__name__}")
    if given.keys() != reads.keys():
        raise ValueError(f"{kind.__name__} has the keys {', '.join(reads)} and no others")
    return kind(**{name: read(given[name]) for name, read in reads.items()})


def _read_union(kinds: tuple[Hashable, ...]) -> Read:
    """Records by their tag; beside them at most one other kind, and null."""
    records = [kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)]
    tagged = {kind.__name__: _reader(kind) for kind in records}
    others = [kind for kind in kinds if kind not in records and kind is not NOTHING]
    if len(others) > 1 or float in others:
        raise MalformedRecord(kind=str(kinds), why="a text could not tell these apart")
    other = _reader(others[0]) if others else None
    return partial(_read_any, tagged, other, NOTHING in kinds)


def _read_any(tagged: Mapping[str, Read], other: Read | None, nullable: bool, content: object) -> object:
    if content is None and nullable:
        return None
    if isinstance(content, dict):
        return tagged[str(content.get(TAG))](content)
    if other is None:
        raise ValueError("it is none of the kinds that can stand here")
    return other(content)


_READERS: Final[Mapping[object, Read]] = {
    bool: partial(_read_exactly, bool),
    str: partial(_read_exactly, str),
    int: _read_int,
    float: _read_float,
    bytes: _read_bytes,
    Version: partial(_read_name, _VERSIONS),
}

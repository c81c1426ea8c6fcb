"""Where two answers first differ. Refuses nothing: what it does not know, it compares by equality.

Floats of signals may differ in their last bits, because sums over more rows are grouped otherwise; everything else is equal or is
not. Classes are compared by name: one source that was loaded twice has two of each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import numpy as np

LAST_BITS: Final = 1e-9  # of the larger one; a look ahead moves what it says by far more
SHOWN: Final = 240  # characters


class Unlike(NamedTuple):
    """Two values at one place of two answers."""

    place: str
    one: str
    other: str


def unlike(one: Any, other: Any, place: str = "") -> Unlike | None:
    """The first difference, None where there is none."""
    one, other = _plain(one), _plain(other)
    parts, others = _parts(one), _parts(other)
    if parts is None or others is None or type(one).__qualname__ != type(other).__qualname__:
        return None if _alike(one, other) else _at(place, one, other)
    for mine, theirs in zip_longest(parts, others):
        if mine is None or theirs is None or mine[0] != theirs[0]:
            return _at(place, one, other)
        found = unlike(mine[1], theirs[1], place + mine[0])
        if found is not None:
            return found
    return None


def _plain(value: Any) -> Any:
    """Arrays as lists, members of enumerations by name."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value.name if isinstance(value, Enum) else value


def _alike(one: Any, other: Any) -> bool:
    """Whether two wholes are the same."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=LAST_BITS)
    return type(one).__qualname__ == type(other).__qualname__ and bool(one == other)


def _parts(value: Any) -> Sequence[tuple[str, Any]] | None:
    """What a value is made of, named; None for one that is whole."""
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(f".{name}", part) for name, part in zip(value._fields, value, strict=True)]
    if isinstance(value, list | tuple):
        return [(f"[{at}]", part) for at, part in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [(f".{field.name}", getattr(value, field.name)) for field in fields(value) if field.compare]
    return None


def _at(place: str, one: Any, other: Any) -> Unlike:
    return Unlike(place, _short(one), _short(other))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."

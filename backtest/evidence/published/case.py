"""One case of a published formula check: its keys read as numbers, and how near an outcome must be. Refuses a value that is no
finite number, and to read more digits into a stated number than it has.

A stated number is met within 1e-9 of itself or half a unit of its last stated place, whichever is wider. Zeros at the end are not
written there, so a number of fewer than five digits is taken to have as many as the longest one beside it."""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from backtest.evidence.errors import EvidenceError

RELATIVE: Final = 1e-9
FEW_DIGITS: Final = 5
MOST_CHARACTERS: Final = 100  # of a number
SHOWN: Final = 120  # of a text
LONGEST: Final = 10**9  # what a count or another whole number may be


@dataclass(frozen=True, slots=True)
class Check:
    """One stated outcome and what became of it."""

    group: str
    case: str  # its place in the group, and what it says it is
    what: str  # the key, or what was checked beside the keys
    expected: str
    computed: float | None  # None where nothing could be
    tolerance: float
    passed: bool
    why: str = ""


class Malformed(EvidenceError):
    """A case whose words or numbers cannot be read."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case's keys, and where it is."""

    group: str
    label: str
    content: Mapping[str, object]

    def number(self, key: str) -> float:
        """A finite number, written as one or as text. Raises Malformed."""
        return float(decimal(self.content.get(key), key))

    def whole(self, key: str) -> int:
        """A whole number. Raises Malformed."""
        found = decimal(self.content.get(key), key)
        if found != int(found) or abs(found) > LONGEST:
            raise Malformed(f"`{key}` is {shown(self.content.get(key))}; a whole number is needed")
        return int(found)

    def text(self, key: str) -> str:
        """A text. Raises Malformed."""
        found = self.content.get(key)
        if not isinstance(found, str):
            raise Malformed(f"`{key}` is {shown(found)}; a text is needed")
        return found

    def pair(self, key: str) -> tuple[float, float]:
        """Two numbers. Raises Malformed."""
        found = self.content.get(key)
        if not isinstance(found, list) or len(found) != 2:
            raise Malformed(f"`{key}` is {shown(found)}; two numbers are needed")
        return float(decimal(found[0], key)), float(decimal(found[1], key))


def decimal(value: object, key: str) -> Decimal:
    """A stated number with its digits. Raises Malformed."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal) or len(str(value)) > MOST_CHARACTERS:
        raise Malformed(f"`{key}` is {shown(value)}; a number is needed")
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise Malformed(f"`{key}` is {shown(value)}; a number is needed") from error
    if not found.is_finite() or not math.isfinite(float(found)):
        raise Malformed(f"`{key}` is {shown(value)}; a finite number is needed")
    return found


def shown(value: object) -> str:
    """A value of a file, short and printable."""
    text = ("nothing" if value is None else str(value))[:SHOWN]
    return text if text.isprintable() else ascii(text)


def digits(stated: Decimal) -> int:
    """How many significant digits are written."""
    return len(stated.as_tuple().digits) if stated else 0


def cases_of(group: str, content: object) -> Iterator[Case | Check]:
    """The cases of a group; a failed check for what is none."""
    if not isinstance(content, list) or not content:
        yield unknown(group, "", group, "not in the published format: a list of cases is needed")
        return
    for at, one in enumerate(content):
        if isinstance(one, dict):
            yield Case(group, f"{at} ({shown(one['case'])})" if "case" in one else str(at), one)
        else:
            yield unknown(group, str(at), str(at), "not in the published format: a case is keys and values")


def strange(case: Case, known: Set[str]) -> Iterator[Check]:
    """A failed check for each key that nobody reads."""
    for key in case.content:
        if key not in known:
            yield unknown(case.group, case.label, shown(key), "nobody here knows this key")


def unknown(group: str, case: str, what: str, why: str) -> Check:
    """A check that could not be made, which fails."""
    return Check(shown(group), case, shown(what), "", None, 0.0, passed=False, why=why)


def near(case: Case, what: str, stated: object, *, computed: float, tolerance: float) -> Check:
    """A number that must lie within an absolute tolerance of the stated one. Raises Malformed."""
    expected = decimal(stated, what)
    passed = abs(computed - float(expected)) <= tolerance
    return Check(case.group, case.label, what, str(expected), computed, tolerance, passed)


def exact(case: Case, what: str, stated: object, *, computed: float, beside: Sequence[object]) -> Check:
    """A number that must be as stated to its digits; `beside` are the same key's numbers in the other cases. Raises Malformed."""
    expected = decimal(stated, what)
    known = digits(expected)
    if known < FEW_DIGITS:
        known = max([known, *(digits(decimal(one, what)) for one in beside)])
    return near(case, what, stated, computed=computed, tolerance=_tolerance(expected, known))


def bounded(case: Case, what: str, *, computed: float, low: float, high: float) -> Check:
    """A number that must lie between two others."""
    middle, reach = (low + high) / 2.0, (high - low) / 2.0
    return Check(case.group, case.label, what, f"{low:g} to {high:g}", computed, reach, abs(computed - middle) <= reach)


def _tolerance(expected: Decimal, known: int) -> float:
    if not expected:
        return 1e-12
    place = Decimal(1).scaleb(expected.adjusted() - known + 1)
    rounding = 1e-12 * abs(float(expected))  # of our own float, where the stated number was rounded from the middle
    return max(RELATIVE * abs(float(expected)), float(place) / 2.0 + rounding)

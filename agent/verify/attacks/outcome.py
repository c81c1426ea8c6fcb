"""What a runner is given, and what it says became of it. A runner never sees a case's id, title, category, expectations or notes.

Refuses verdicts that the catalogue's grammar does not know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Verdict: TypeAlias = Literal["allow", "deny", "hold", "amend", "halt", "sanitize", "reject_input"]
VERDICTS: Final[tuple[Verdict, ...]] = ("allow", "deny", "hold", "amend", "halt", "sanitize", "reject_input")
Content: TypeAlias = Mapping[str, Any]
Probe: TypeAlias = Callable[[str], str | None]  # a `post` item: "" it holds, text what was found instead, None unknown


@dataclass(frozen=True, slots=True)
class Input:
    """All that is handed in: `content` is the case's `input` whole, its first key the surface."""

    surface: str
    layer: str  # who must stop it: guard, intake, control, host
    given: Content  # changes to the world before it
    content: Content
    requires: tuple[str, ...] = ()  # protocols it needs


@dataclass(frozen=True, slots=True)
class Setting:
    """What all cases of a catalogue share: symbols, the policy they assume, the world before each."""

    bindings: Content
    policy: Content
    world: Content


def knows_nothing(item: str) -> str | None:  # noqa: ARG001  (a probe is asked about an item)
    """The probe of a run after which nothing is to be looked at."""
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an input: the verdict, our own rule ids in the order of record, and what can be asked afterwards."""

    verdict: Verdict
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    approvals: int | None = None  # people who must say yes, where it is held
    probe: Probe = field(default=knows_nothing)


class Unrealised(Exception):
    """An instruction of the case that the harness cannot carry out: the case fails, and says which."""


Runner: TypeAlias = Callable[[Input, Setting], Outcome]


def facts(known: Mapping[str, str]) -> Probe:
    """A probe that was answered beforehand: item to "" or what was found instead."""
    return known.get


def first_known(*probes: Probe) -> Probe:
    """The first answer that any probe has."""

    def asked(item: str) -> str | None:
        return next((said for probe in probes if (said := probe(item)) is not None), None)

    return asked

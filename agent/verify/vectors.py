"""The published reference vectors against our own arithmetic: every case of every group of every file, by equality.

Refuses tolerance: an outcome is equal or it is not, and a key that is expected and not computed is a difference. Refuses silence:
a file or group without a runner is reported with all of its cases as skipped, and a file that is not in the format as unreadable.
"""

import importlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from strategies.errors import ProtocolError

Case: TypeAlias = Mapping[str, Any]
Runner: TypeAlias = Callable[[Case], Mapping[str, Any] | list[Mapping[str, Any]]]

STEMS: Final = (
    *("aave_v3", "compound_v3", "curve_stableswap_ng", "erc4626", "lido"),
    *("maker_sky_dsr", "morpho_blue", "pendle_v2", "uniswap_v3"),
)
MODULES: Final[Mapping[str, str]] = {stem: f"agent.verify.cases.{stem}" for stem in STEMS}
REVERT: Final = "REVERT"
STEP_INPUTS: Final = frozenset({"dt", "op", "assets"})  # everything else a step says is its outcome
OUTCOMES: Final = frozenset({"out", "user_apr_if_24h"})  # never shown to a runner; the second is a float for people, beside `out`
INTEGER: Final = re.compile(r"-?[0-9]{1,1000}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One case whose outcome is not what was computed."""

    case: str  # its place in the group, and its id where it has one
    at: str  # where the two first part
    given: object
    expected: object
    computed: object


@dataclass(frozen=True, slots=True)
class Group:
    """What became of one group's cases."""

    file: str
    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    why: str = ""  # it was skipped
    first: Difference | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A directory or file that holds no vectors in the published format."""

    where: str
    why: str


def verify(folder: Path) -> Iterator[Group | Unreadable]:
    """Every group of every vector file of a directory, in the order of their names."""
    if not folder.is_dir():
        yield Unreadable(str(folder), "there is no such directory")
        return
    files = sorted(folder.glob("*.json"))
    if not files:
        yield Unreadable(str(folder), "the directory holds no *.json")
    for path in files:
        yield from _file(path)


def _file(path: Path) -> Iterator[Group | Unreadable]:
    try:
        groups = groups_of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        yield Unreadable(path.name, str(error))
        return
    runners = runners_of(path.stem)
    for name, cases in groups:
        if runners is None:
            yield Group(path.name, name, 0, 0, len(cases), 0.0, why="no runner for this file")
        elif name not in runners:
            yield Group(path.name, name, 0, 0, len(cases), 0.0, why="no runner for this group")
        else:
            yield run(path.name, name, cases, runners[name])


def groups_of(content: object) -> list[tuple[str, list[Case]]]:
    """The groups of a file's content, each with at least one case. Raises ValueError where it is not in the published format."""
    groups = content.get("groups") if isinstance(content, dict) else None
    if not isinstance(groups, list) or not groups:
        raise ValueError("not in the published format: no `groups`")
    found = []
    for at, group in enumerate(groups):
        name = group.get("name") if isinstance(group, dict) else None
        cases = group.get("cases") if isinstance(group, dict) else None
        if not isinstance(name, str):
            raise ValueError(f"not in the published format: groups[{at}] has no `name`")
        if not isinstance(cases, list) or not cases or not all(isinstance(case, dict) for case in cases):
            raise ValueError(f"not in the published format: group {name} has no `cases`")
        found.append((name, cases))
    return found


def runners_of(stem: str) -> Mapping[str, Runner] | None:
    """The runners of a file's groups; None where nobody wrote any."""
    if (module := MODULES.get(stem)) is None:
        return None
    try:
        return cast("Mapping[str, Runner]", importlib.import_module(module).GROUPS)
    except ModuleNotFoundError as error:
        if error.name != module:  # a runner that is there and cannot be imported is a fault, not a gap
            raise
        return None


def run(file: str, name: str, cases: Sequence[Case], runner: Runner) -> Group:
    """Every case of a group; the first that differs is kept."""
    began = time.perf_counter()
    differences = [found for at, case in enumerate(cases) if (found := compare(at, case, runner)) is not None]
    seconds = time.perf_counter() - began
    first = differences[0] if differences else None
    return Group(file, name, len(cases) - len(differences), len(differences), 0, seconds, first=first)


def compare(at: int, case: Case, runner: Runner) -> Difference | None:
    """One case; None where everything that is expected is computed and equal."""
    given, expected = _given(case), _expected(case)
    label = f"{at} (id {case['id']})" if "id" in case else str(at)
    if not expected:
        return Difference(label, "out", given, expected, "the case names no outcome, or two")
    try:
        computed = canonical(runner(given))
    except ProtocolError as error:
        return None if _is_revert(expected) else Difference(label, "out", given, expected, f"{REVERT}: {error}")
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        return Difference(label, "out", given, expected, f"the runner broke: {error!r}")
    where = parting(expected, computed, "steps" if "steps" in case else "out")
    return None if where is None else Difference(label, where, given, expected, computed)


def canonical(value: object) -> object:
    """Integers as decimal strings without leading zeros, at any depth; everything else as it is."""
    match value:
        case bool():
            return value
        case int():
            return str(value)
        case str():
            return str(int(value)) if INTEGER.fullmatch(value) else value
        case Mapping():
            return {key: canonical(inner) for key, inner in value.items()}
        case list() | tuple():
            return [canonical(inner) for inner in value]
        case _:
            return value


def parting(expected: object, computed: object, path: str) -> str | None:
    """Where two outcomes first part; None where all that is expected is there. More may be computed than is expected."""
    match expected, computed:
        case dict(), dict():
            inner = ((expected[key], computed.get(key, _MISSING), f"{path}.{key}") for key in expected)
        case list(), list() if len(expected) == len(computed):
            inner = ((one, other, f"{path}[{i}]") for i, (one, other) in enumerate(zip(expected, computed, strict=True)))
        case _:
            return None if type(expected) is type(computed) and expected == computed else path
    return next((where for one, other, at in inner if (where := parting(one, other, at)) is not None), None)


_MISSING: Final = object()


def _given(case: Case) -> Case:
    """What a runner may see: nothing that is expected."""
    shown = {key: value for key, value in case.items() if key not in OUTCOMES}
    if "steps" in case:
        shown["steps"] = [{key: value for key, value in step.items() if key in STEP_INPUTS} for step in _steps(case)]
    return shown


def _expected(case: Case) -> object:
    if "steps" in case and "out" in case:
        return None
    if "steps" in case:
        outcomes = [{key: value for key, value in step.items() if key not in STEP_INPUTS} for step in _steps(case)]
        return canonical(outcomes) if any(outcomes) else None
    return canonical(case.get("out"))


def _steps(case: Case) -> list[Case]:
    """A trajectory's steps; none where one of them is no step."""
    steps = case["steps"]
    return steps if isinstance(steps, list) and all(isinstance(step, dict) for step in steps) else []


def _is_revert(expected: object) -> bool:
    """One word for the whole case, or the same word for each of its keys."""
    return expected == REVERT or (isinstance(expected, dict) and set(map(str, expected.values())) == {REVERT})

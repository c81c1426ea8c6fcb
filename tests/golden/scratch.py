"""Compiles sources of npm packages that are not in the local chain's lock, in a folder that is gone afterwards.

For golden vectors only: nothing that is fetched here is kept, and no test needs it."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from agent.devnet.artefacts import Artefacts, Bytecode, find_npm
from agent.devnet.compile import Unit, run

COMPILER = "solc"
COMPILER_VERSION = "0.8.27"


def compiled(package: str, wrappers: Mapping[str, str]) -> dict[str, Bytecode]:
    """The contract of each wrapper's name, from a wrapper's source that imports from `package` (a name with its version)."""
    with tempfile.TemporaryDirectory() as folder:
        npm = find_npm()
        command = (*npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", package, f"{COMPILER}@{COMPILER_VERSION}")
        path = os.pathsep.join((str(Path(npm[0]).parent), os.environ.get("PATH", "")))
        subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, check=True)
        modules = Path(folder) / "node_modules"
        (modules / "golden").mkdir()
        for name, source in wrappers.items():
            (modules / "golden" / f"{name}.sol").write_text(source)
        unit = Unit("golden", COMPILER, tuple(f"golden/{name}.sol" for name in wrappers))
        output = run(unit, Artefacts(Path(folder)))
    return {name: Bytecode(name, str(output[name]["code"]), ()) for name in wrappers}

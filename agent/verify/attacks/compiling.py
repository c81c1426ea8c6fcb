"""Compiles the catalogue's own stand-ins, once for this user, through the local chain's compiler. Refuses a source with an error.

They are no part of the local chain: an edit here makes nobody build that again."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Final

from agent.devnet.artefacts import Artefacts, Bytecode, Progress, cache_home, find_node, last_lines
from agent.devnet.compile import PROGRAM, Unit, outcome, read, write
from agent.devnet.errors import CompilationFailed

SOLIDITY: Final = Path(__file__).parent / "solidity"
OURS: Final = "attacks/"
PROXIES: Final = "@openzeppelin/contracts/proxy/"
STAND_INS: Final = Unit(
    "attacks",
    "solc-0.8.27",
    (
        *(f"{OURS}{path.name}" for path in sorted(SOLIDITY.glob("*.sol"))),
        f"{PROXIES}ERC1967/ERC1967Proxy.sol",
        f"{PROXIES}beacon/BeaconProxy.sol",
        f"{PROXIES}beacon/UpgradeableBeacon.sol",
    ),
)


def stand_ins(artefacts: Artefacts, progress: Progress = lambda _: None, *, home: Path | None = None) -> dict[str, Bytecode]:
    """Every stand-in by its name. Raises CompilationFailed."""
    kept = (home or cache_home()) / "compiled" / f"{STAND_INS.name}-{_key()}.json"
    if not kept.exists():
        progress("compiling the catalogue's stand-ins (once, a few seconds)")
        kept.parent.mkdir(parents=True, exist_ok=True)
        write(kept, _run(artefacts))
    return read(kept)


def _key() -> str:
    digest = hashlib.sha256(STAND_INS.key().encode())
    for path in sorted(SOLIDITY.glob("*.sol")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _run(artefacts: Artefacts) -> dict[str, object]:
    modules = artefacts.root / "node_modules"
    asked = {
        "compiler": str(modules / STAND_INS.compiler),
        "roots": {OURS: str(SOLIDITY), "": str(modules)},
        "input": STAND_INS.input(),
    }
    done = subprocess.run((find_node(), str(PROGRAM)), input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompilationFailed(unit=STAND_INS.name, said=last_lines(done.stderr))
    answer = json.loads(done.stdout)
    errors = [str(error["formattedMessage"]) for error in answer.get("errors", ()) if error["severity"] == "error"]
    if errors:
        raise CompilationFailed(unit=STAND_INS.name, said=errors[0].strip())
    return {Path(source).stem: outcome(answer, source) for source in STAND_INS.sources}

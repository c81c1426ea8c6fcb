"""The local chain as one object: built once, kept in the user's cache, started from there. It never touches another chain.

The cache's key is the digest of the lock and of every source that shapes the chain, so a changed deployment is another folder.
"""

import gzip
import hashlib
import json
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.devnet.artefacts import HERE, LOCK, Artefacts, Progress, cache_home, ensure, publish
from agent.devnet.compile import Compiled, compile_units
from agent.devnet.node import Node

SHAPING = ("*.py", "*.js", "solidity/*.sol")
STATE = "state.json"
DEPLOYMENT = "deployment.json"


class Devnet:
    """A running local chain with its deployment. Use it as a context manager, or call `stop`."""

    def __init__(self, node: Node, deployment: dict[str, Any]) -> None:
        self.node = node
        self.deployment = deployment

    @classmethod
    def start(cls, port: int | None = None, progress: Progress = lambda _: None) -> Self:
        """Starts the chain, from the cache or after building it."""
        artefacts = ensure(progress)
        folder = build(artefacts, progress)
        deployment = json.loads((folder / DEPLOYMENT).read_text())
        at_seconds = int(deployment["admin"]["timestamp_seconds"])
        return cls(Node(artefacts.anvil, port=port, state=folder / STATE, at_seconds=at_seconds), deployment)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the chain answers."""
        return self.node.url

    @property
    def everything(self) -> dict[str, Any]:
        """The deployment of the whole chain."""
        return everything_of(self.deployment)

    def market(self, market_id: str) -> dict[str, Any]:
        """One market of the deployment."""
        for market in self.deployment["markets"]:
            if market["id"] == market_id:
                return dict(market)
        raise KeyError(market_id)

    def token(self, symbol: str) -> str:
        """The address of a token of the deployment."""
        for asset in self.deployment["assets"]:
            if asset["symbol"] == symbol:
                return str(asset["address"])
        raise KeyError(symbol)

    def actor(self, name: str) -> str:
        """The address of an actor of the deployment."""
        return str(self.deployment["actors"][name])

    def stop(self) -> None:
        """Ends the node; a second call does nothing."""
        self.node.stop()


def everything_of(deployment: dict[str, Any]) -> dict[str, Any]:
    """A deployment with what stands on the chain besides the first markets merged in."""
    first = {name: content for name, content in deployment.items() if name != "further"}
    further = deployment["further"]
    lists = {name: [*first[name], *further[name]] for name in ("assets", "markets")}
    return first | lists | {name: first[name] | further[name] for name in ("code", "proxies")}


def chain_key() -> str:
    """The name of a built chain: the digest of all that shapes it."""
    digest = hashlib.sha256(LOCK.read_bytes())
    for path in sorted(path for pattern in SHAPING for path in HERE.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def build(artefacts: Artefacts, progress: Progress = lambda _: None, *, home: Path | None = None) -> Path:
    """The folder of the built chain, built now if there is none; it has its name only when it is whole."""
    folder = (home or cache_home()) / "devnet"
    final = folder / chain_key()
    if final.is_dir():
        return final
    from agent.devnet.deploy import UNITS

    bytecode = compile_units(UNITS, artefacts, progress)
    progress("building the local chain (once, a few seconds)")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=folder, ignore_cleanup_errors=True) as scratch:
        work = Path(scratch) / "chain"
        work.mkdir()
        write_chain(artefacts, bytecode, work)
        publish(work, final)
    return final


def write_chain(artefacts: Artefacts, bytecode: Compiled, folder: Path) -> None:
    """Deploys on a fresh node and writes its state and its deployment."""
    from agent.devnet.deploy import deploy

    with Node(artefacts.anvil) as node:
        deployment = deploy(node, artefacts, bytecode)
        state = json.loads(gzip.decompress(bytes.fromhex(node.dump().removeprefix("0x"))))
    (folder / STATE).write_text(json.dumps(without_history(state), separators=(",", ":")))
    (folder / DEPLOYMENT).write_text(json.dumps(deployment, indent=1) + "\n")


def without_history(state: dict[str, Any]) -> dict[str, Any]:
    """A dump less what earlier transactions said: nobody asks, and each start would read it. The headers stay."""
    *earlier, last = sorted(state["blocks"], key=lambda block: int(block["header"]["number"], 16))
    number = int(last["header"]["number"], 16)
    return state | {
        "blocks": [*(block | {"transactions": []} for block in earlier), last],
        "transactions": [entry for entry in state["transactions"] if entry["block_number"] == number],
    }

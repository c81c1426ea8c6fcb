"""The catalogue's world on a private local chain, and the runners of the surfaces that need it: laid once, put back before
each case.

Refuses to share a chain with anybody: the node is started here and ends here. What a case leaves is looked at by its scorer
before the next one undoes it."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from agent.devnet.artefacts import Progress, ensure
from agent.devnet.node import Node
from agent.verify.attacks import deployment, ground
from agent.verify.attacks.compiling import stand_ins
from agent.verify.attacks.given import realise
from agent.verify.attacks.ground import Ground
from agent.verify.attacks.outcome import Content, Input, Outcome, Runner, Setting, Unrealised
from agent.verify.attacks.people import People, gather
from agent.verify.attacks.probes import Record, begun
from agent.verify.attacks.scene import Scene, default
from agent.verify.attacks.surfaces import SURFACES
from agent.verify.attacks.trial import Trial, trial

AWAY_SECONDS: Final = 3 * 86_400  # so that no index is exactly one
MINER: Final = "0x" + b"whoever mines here..".hex()


class Stage:
    """The chain as it was laid, and the case that is on it."""

    __slots__ = ("_cached", "_case", "_folder", "_people", "_setting", "_snapshot", "ground")

    def __init__(self, laid: Ground, people: People, folder: Path, setting: Setting) -> None:
        self.ground: Final = laid
        self._people: Final = people
        self._folder: Final = folder
        self._setting: Final = setting
        self._cached: Final = deployment.described(laid)
        self._snapshot = laid.node.snapshot()
        self._case: Final = ExitStack()

    def clear(self) -> None:
        """The chain without any case."""
        self._case.close()
        self.ground.node.revert(self._snapshot)
        self._snapshot = self.ground.node.snapshot()

    def scene(self, given: Content, content: Content) -> Scene:
        """The world before a case, with what the case changes of it."""
        self.clear()
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        reference = deepcopy(dict(self._setting.policy))
        traded = next(traded_in(content), None)
        scene = Scene(self.ground, folder, reference, targets=tuple(targets_of(content)), traded=traded)
        default(scene)
        realise(scene, given, self._setting.world)
        return scene

    def trial(self, scene: Scene) -> Trial:
        """The wallet over a scene, until the next case."""
        return self._case.enter_context(trial(scene, self._people, self._cached))


def targets_of(content: Any) -> Iterator[str]:
    """Every `to` of an input's calls, as it is written."""
    if isinstance(content, Mapping):
        if isinstance(content.get("to"), str) and ("call" in content or "data" in content):
            yield content["to"]
            return
        for value in content.values():
            yield from targets_of(value)
    elif isinstance(content, list):
        for value in content:
            yield from targets_of(value)


def traded_in(content: Any) -> Iterator[tuple[str, str]]:
    """What each swap of an input gives and gets, as it is written."""
    if isinstance(content, Mapping):
        if "tokenIn" in content and "tokenOut" in content:
            yield str(content["tokenIn"]), str(content["tokenOut"])
        elif isinstance(content.get("path"), list):
            yield str(content["path"][0]), str(content["path"][-1])
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from traded_in(value)


@contextmanager
def stage(setting: Setting, progress: Progress = lambda _: None) -> Iterator[Stage]:
    """A chain of our own with everything on it. Raises Unrealised where the catalogue's world is another than ours."""
    artefacts = ensure(progress)
    compiled = stand_ins(artefacts, progress)
    with tempfile.TemporaryDirectory() as folder, Node(artefacts.anvil) as node:
        keys = Path(folder) / "keys"
        keys.mkdir(mode=0o700)
        people = gather(keys)
        laid = ground.lay(node, artefacts, compiled, people.account, progress)
        refuse_another_world(setting)
        node.rpc("anvil_setCoinbase", MINER)  # the node's own is nobody: what it pays is how a contract knows a simulation
        node.set_next_block_timestamp(node.latest()[1] + AWAY_SECONDS)
        node.mine()
        yield Stage(laid, people, Path(folder), setting)


def refuse_another_world(setting: Setting) -> None:
    """Raises Unrealised where the catalogue begins with other balances, prices or positions."""
    found = json.loads(json.dumps(setting.world.get("default", {}), default=str))
    wanted = {
        "prices_usd": {"$USDC": 1, "$USDT": 1, "$DAI": 1, "$WETH": 3000, "ETH": 3000, "$WBTC": 60000, "$WSTETH": 3500},
        "wallet": {"ETH": "2", "$USDC": "25000", "$DAI": "15000", "$WETH": "7"},
        "positions": {"aave_v3": {"supplied": {"$USDC": "20000"}, "debt": {}}, "mm_vault_usdc": {"assets": "13000"}},
        "base_fee_gwei": 5,
    }
    for name, content in wanted.items():
        if found.get(name) != content:
            raise Unrealised(f"the catalogue's world begins with {name} {found.get(name)!r}; ours with {content!r}")


def runners_on(laid: Stage) -> Mapping[str, Runner]:
    """The same on a stage that stands already."""
    return {surface: _runner(laid, surface, run) for surface, run in SURFACES.items()}


@contextmanager
def chain_runners(setting: Setting) -> Iterator[Mapping[str, Runner]]:
    """The runners of the surfaces that are tried on the chain."""
    with stage(setting) as laid:
        yield runners_on(laid)


def _runner(laid: Stage, surface: str, run: Callable[[Trial, Any, Record], Outcome]) -> Runner:
    def runner(handed: Input, _: Setting) -> Outcome:
        scene = laid.scene(handed.given, handed.content)
        at = laid.trial(scene)
        return run(at, handed.content[surface], begun(at))

    return runner

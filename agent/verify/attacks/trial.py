"""One case's wallet: the real one, over the scene's chain, with the scene's policy, people, memory, stops and lists.

Refuses nothing by itself. A yes is signed by a real operator's key over the digest of what was judged, never over what a case
says it was."""

import hashlib
import json
import re
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

from agent.verify.attacks import deployment as deployments
from agent.verify.attacks import given_code, policy
from agent.verify.attacks.ground import POOLS, REGISTERED_POOLS
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.people import People
from agent.verify.attacks.proxy import faulty
from agent.verify.attacks.reference import limits_of, nested
from agent.verify.attacks.rules import CLASSES
from agent.verify.attacks.scene import USD_E8, Earlier, Scene
from strategies.domain import Deployment, Market
from strategies.protocols.registry import deployment_from
from wallets import pause
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.live import LiveWallet
from wallets.pause import Brake, Held
from wallets.policy import Policy
from wallets.sending import Halts, Parts
from wallets.store import Store
from wallets.wallet import Move

STORE: Final = "keeper.sqlite"
LIST: Final = "screening.json"
MAX_RAW: Final = 2**62
PATIENCE_SECONDS: Final = 5
TIMEOUT_SECONDS: Final = 10


@dataclass(slots=True)
class Trial:
    """A wallet at work in this process, and what a case may still do to it."""

    scene: Scene
    people: People
    policy: Policy
    deployment: Deployment
    url: str
    second_url: str | None
    stack: ExitStack
    parts: Parts = field(init=False)
    wallet: LiveWallet = field(init=False)
    stop_once_signed: bool = False

    def open(self) -> None:
        """The wallet over its folder; opened again, it is the same after a restart."""
        self.stack.close()
        self.parts = self.stack.enter_context(self.another())
        self.wallet = LiveWallet(self.parts)

    @contextmanager
    def another(self) -> Iterator[Parts]:
        """The parts of one wallet over this folder: a second one is another process for all that the store knows."""
        folder = self.scene.folder
        with Store(folder / STORE) as store:
            journal = Journal(store)
            brake = Brake(folder, store=store, journal=journal, policy=lambda: self.policy)
            yield Parts(
                policy=self.policy,
                deployment=self.deployment,
                endpoint=Endpoint(self.url, timeout_seconds=TIMEOUT_SECONDS),
                store=store,
                journal=journal,
                signer=self.people.signer,
                halts=Halts(lambda: self._held(brake, store), lambda: False),
                patience_seconds=PATIENCE_SECONDS,
                second=None if self.second_url is None else Endpoint(self.second_url, timeout_seconds=TIMEOUT_SECONDS),
            )

    def _held(self, brake: Brake, store: Store) -> Held:
        if self.stop_once_signed and any(store.signed(known.intent) for known in store.intents("signed")):
            pause.put_pause(self.scene.folder, "pulled between a signature and its broadcast")
            self.stop_once_signed = False
        return brake.why()

    def stop(self, kind: str) -> None:
        """Pulls a stop as a person does: by its file."""
        match kind:
            case "halt":
                pause.put_pause(self.scene.folder, "the catalogue's")
            case "reduce_only":
                pause.put_reduce_only(self.scene.folder, "the catalogue's")
            case "unreadable":
                (self.scene.folder / pause.PAUSE_FILE).write_bytes(b"\xff not a record")
            case _:
                raise Unrealised(f"kill switch {kind!r}")
        self.parts.halts.paused()  # as a keeper looks at its folder all the time

    def resume(self, names: Sequence[str]) -> None:
        """Who ends the stops that hold now, one statement a person and stop. Raises Unrealised where nothing holds."""
        found = [pause.read_pause(self.scene.folder), pause.read_reduce_only(self.scene.folder)]
        if not any(found):
            raise Unrealised("nothing is stopped that could be resumed")
        for stop in [one for one in found if one is not None]:
            for name in names:
                pause.put_resume(self.scene.folder, self.people.signs_resume[name](stop.id))

    def market(self, market_id: str) -> Market:
        """A market by its id. Raises Unrealised."""
        found = next((market for market in self.deployment.markets if market.id == market_id), None)
        if found is None:
            raise Unrealised(f"there is no market {market_id}")
        return found


@contextmanager
def trial(scene: Scene, people: People, cached: Mapping[str, Any]) -> Iterator[Trial]:
    """The wallet of a scene; what it opened is closed with it."""
    content = described(scene, cached)
    for change in scene.after_pins:
        change()
    given_code.repin(scene, content)
    put_list(scene)
    deployment = deployment_from(content)
    rules = policy_of(scene, deployment, people)
    with ExitStack() as around, ExitStack() as inner:
        url = around.enter_context(faulty(scene.node.url, scene.faults)) if scene.faults else scene.node.url
        second = None if scene.second_faults is None else around.enter_context(faulty(scene.node.url, scene.second_faults))
        if scene.clock_offset_seconds:
            around.enter_context(shifted_clock(scene.clock_offset_seconds))
        found = Trial(scene, people, rules, deployment, url, second, inner)
        found.open()
        remember(scene, found.parts.store)
        if scene.stop:
            found.stop(scene.stop)
        if scene.restarts:
            found.open()
        scene.settle()
        yield found


def described(scene: Scene, cached: Mapping[str, Any]) -> dict[str, Any]:
    """The deployment of a scene, pins as its chain is before anything changes behind them."""
    is_usual = scene.symbols == list(deployments.LISTED) and scene.pools == list(POOLS[:REGISTERED_POOLS])
    content = json.loads(json.dumps(cached)) if is_usual else deployments.described(scene.ground, scene.symbols, scene.pools)
    if scene.reshaped:
        fresh = deployments.pins(scene.node, scene.reshaped)
        content["code"] |= fresh["code"]
        content["proxies"] = {
            **{address: ways for address, ways in content["proxies"].items() if address not in scene.reshaped},
            **fresh["proxies"],
        }
    for vault, markets in scene.wraps.items():
        for entry in content["markets"]:
            if entry["address"] == scene.address(vault):
                entry["wraps"] = markets
    return dict(content)


def policy_of(scene: Scene, deployment: Deployment, people: People) -> Policy:
    """The scene's reference policy as ours, over its markets."""
    reference = scene.reference
    allowed = {scene.address(place) for place in policy.places(reference)}
    tokens = {scene.token(symbol).symbol for symbol in reference["assets"]}
    markets = [market.id for market in deployment.markets if market.address in allowed and market.asset.symbol in tokens]
    borrowed = {scene.token(symbol).symbol for symbol in reference["borrow_assets"]}
    recipient = policy.recipient(reference)
    content = nested(limits_of(reference)) | {
        "chain_id": deployment.chain_id,
        "account": scene.wallet,
        "treasury": None if recipient is None else scene.facts().address(recipient),
        "markets": markets,
        "borrow_markets": [f"aave_v3:{symbol}" for symbol in borrowed if f"aave_v3:{symbol}" in markets],
        "operators": people.enrolled,
    }
    content["compliance"]["screening"] = str(scene.folder / LIST)
    return Policy.model_validate(content)


def put_list(scene: Scene) -> None:
    """The screening list's file, as old as it is said to be by the chain's clock."""
    path = scene.folder / LIST
    content = {
        "source": "the catalogue's list",
        "taken_at": scene.now() - scene.list_age_seconds,
        "addresses": [] if scene.list_fault == "empty" else scene.listed_addresses,
    }
    if scene.list_fault == "missing":
        return
    path.write_text("{" if scene.list_fault in ("unreadable", "malformed") else json.dumps(content))
    path.chmod(0o600)


def remember(scene: Scene, store: Store) -> None:
    """Earlier plans, oldest first, as the wallet itself would have written them."""
    now = scene.now()
    for at, earlier in enumerate(sorted(scene.earlier, key=lambda one: -one.age_seconds)):
        _remember(store, f"earlier-{at}", earlier, now - earlier.age_seconds)


def _remember(store: Store, intent: str, earlier: Earlier, at: int) -> None:
    usd_e8, gas_usd_e8 = int(earlier.usd * USD_E8), int(earlier.gas_usd * USD_E8)
    digest = hashlib.sha256(intent.encode()).hexdigest()
    move = Move(intent, intent, "sent", usd_e8, 0, digest, at)
    reserved = store.reserve(
        intent=intent,
        usd_e8=usd_e8,
        gas_usd_e8=gas_usd_e8,
        now=at,
        max_day_usd_e8=MAX_RAW,
        max_day_gas_usd_e8=MAX_RAW,
        moves=(move,),
    )
    if not reserved:
        raise Unrealised(f"the store did not take {intent}")
    if earlier.state == "spent":
        store.settle_reservation(intent, gas_usd_e8=gas_usd_e8)
    elif earlier.state == "reverted":
        store.settle_unmoved(intent, gas_usd_e8=gas_usd_e8)


@contextmanager
def full_disk() -> Iterator[None]:
    """Nothing this process writes into a file arrives: the kernel refuses every byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def shifted_clock(seconds: int) -> Iterator[None]:
    """The system's clock is wrong by so much."""
    real = time.time
    with mock.patch("time.time", lambda: real() + seconds):
        yield


def rules_in(said: str) -> tuple[str, ...]:
    """The rules that a receipt's note or a refusal names, in their order, where it says why a plan ended."""
    named = re.findall(r"(?:^|; )([a-z]+(?:-[a-z]+)*): ", said)
    return tuple(dict.fromkeys([rule for rule in named if rule in CLASSES]))

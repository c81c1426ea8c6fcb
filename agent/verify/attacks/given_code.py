"""`given` about code: slots, beacons, hashes, delegations, and pins that people accepted. The shape of a contract comes
before the pins, its change after them. Refuses a change that it cannot make."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from agent.verify.attacks.deployment import pins, ways_of
from agent.verify.attacks.ground import BEACON_SLOT, EIP1967_SLOT, FACET_SLOT, STAND_INS
from agent.verify.attacks.inputs import hex_bytes
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.people import ENROLLED
from agent.verify.attacks.scene import Scene
from agent.verify.attacks.switches import VAULTS, WHOLE_BPS, switch, thief
from wallets.changes import LOOSENING_SECONDS, PEOPLE


def code(scene: Scene, value: Mapping[str, Any]) -> None:
    """Code and slots that are no longer as they were pinned. The shape comes before the pins, the change after them."""
    for symbol, content in value.items():
        if any(kind.startswith("beacon") for kind in content):
            _behind_beacon(scene, symbol)
        elif any(kind.startswith("facet") for kind in content):
            _as_diamond(scene, symbol)
        elif "slot_1967" in content and not ways_of(scene.node, scene.address(symbol)):
            as_proxy(scene, symbol)
        for kind, setting in content.items():
            scene.after_pins.append(partial(_change, scene, symbol, kind, setting))


def as_proxy(scene: Scene, symbol: str) -> None:
    """The contract behind a proxy at its own address; what it holds stays."""
    address, node = scene.address(symbol), scene.node
    if ways_of(node, address):
        return
    behind = _another(scene, symbol)
    node.rpc("anvil_setCode", address, node.rpc("eth_getCode", scene.address("$MM_VAULT_WETH"), "latest"))  # any such proxy's
    _put(scene, address, EIP1967_SLOT, behind)
    scene.reshaped.append(address)


def as_plain(scene: Scene, symbol: str) -> None:
    address, node = scene.address(symbol), scene.node
    for way in ways_of(node, address):
        node.rpc("anvil_setCode", address, node.rpc("eth_getCode", way["targets"][-1], "latest"))
    _put(scene, address, EIP1967_SLOT, "0x" + "00" * 20)
    scene.reshaped.append(address)


def _behind_beacon(scene: Scene, symbol: str) -> None:
    address, node, contracts = scene.address(symbol), scene.node, scene.ground.contracts
    if symbol not in VAULTS:
        raise Unrealised(f"code: {symbol} cannot stand behind a beacon here")
    node.rpc("anvil_setCode", address, node.rpc("eth_getCode", contracts["behind_beacon"], "latest"))
    _put(scene, address, EIP1967_SLOT, "0x" + "00" * 20)
    _put(scene, address, BEACON_SLOT, contracts["beacon"])
    scene.reshaped.append(address)


def _as_diamond(scene: Scene, symbol: str) -> None:
    """The contract as the one facet of a diamond at its own address."""
    address, node = scene.address(symbol), scene.node
    behind = _another(scene, symbol)
    made = scene.ground.yard.compiled(STAND_INS, "SwitchDiamond")
    node.rpc("anvil_setCode", address, node.rpc("eth_getCode", made, "latest"))
    for slot in (EIP1967_SLOT, BEACON_SLOT):
        _put(scene, address, slot, "0x" + "00" * 20)
    _put(scene, address, FACET_SLOT, behind)
    scene.reshaped.append(address)


def _put(scene: Scene, address: str, slot: str, content: str) -> None:
    scene.node.rpc("anvil_setStorageAt", address, slot, "0x" + content.removeprefix("0x").rjust(64, "0"))


def _another(scene: Scene, symbol: str) -> str:
    """The same code at another address, so that only the change is seen."""
    address, node = scene.address(symbol), scene.node
    ways = ways_of(node, address)
    running = str(node.rpc("eth_getCode", ways[-1]["targets"][-1] if ways else address, "latest"))
    made = scene.ground.yard.compiled(STAND_INS, "Thief")
    node.rpc("anvil_setCode", made, running)
    return made


def _change(scene: Scene, symbol: str, kind: str, setting: Any) -> None:
    address, node, text = scene.address(symbol), scene.node, str(setting)
    if text in ("same", "pinned") or (kind == "diamond" and setting is True):
        return
    if symbol in VAULTS and address not in scene.repinned:  # what changed has a reason
        thief(scene, symbol)
        switch(scene, symbol, "skim_bps", WHOLE_BPS)
    match kind:
        case "slot_1967" | "implementation":
            _put(scene, address, EIP1967_SLOT, scene.address(text) if text in scene.ground.at else _another(scene, symbol))
        case _ if kind.startswith("facet"):
            _put(scene, address, FACET_SLOT, scene.address(text) if text in scene.ground.at else _another(scene, symbol))
        case "codehash" if text in ("changed", "new", "other"):
            code_now = str(node.rpc("eth_getCode", address, "latest"))
            node.rpc("anvil_setCode", address, code_now + "00")
        case "beacon":
            _put(scene, address, BEACON_SLOT, _another_beacon(scene, symbol))
        case "beacon.implementation()" | "beacon_implementation":
            scene.ground.yard.administer(scene.ground.contracts["beacon"], "upgradeTo(address)", _another(scene, symbol))
        case "code":
            node.rpc("anvil_setCode", address, _written_code(scene, text))
        case _:
            raise Unrealised(f"code {symbol}: {kind} {setting!r}")


def _another_beacon(scene: Scene, symbol: str) -> str:
    signature = "(address,address)"
    return scene.ground.yard.compiled(
        STAND_INS, "UpgradeableBeacon", signature, _another(scene, symbol), scene.ground.yard.deployer
    )


def _written_code(scene: Scene, text: str) -> str:
    """Hex with symbols in angle brackets, or `empty`."""
    if text in ("empty", "0x", "none", "selfdestructed"):
        return "0x"
    filled = re.sub(r"<(\$\w+)>", lambda found: scene.address(found[1])[2:], text)
    return "0x" + hex_bytes(filled).hex()


def registry(scene: Scene, value: Mapping[str, Any]) -> None:
    """Pins that people accepted earlier: in force where enough of them did, long enough ago."""
    for symbol, content in value.items():
        if set(content) - {"pinned", "approved_by", "age_s"} or str(content.get("pinned")) not in ("new", "changed"):
            raise Unrealised(f"registry {symbol}: {content!r}")
        people = {str(name) for name in content.get("approved_by", ())}
        if len(people & set(ENROLLED)) >= PEOPLE and int(content.get("age_s", 0)) >= LOOSENING_SECONDS:
            scene.repinned[scene.address(symbol)] = lambda: None
        else:
            scene.notes.append(f"the new pin of {symbol} waits: {len(people)} people, {content.get('age_s', 0)} s")


def repin(scene: Scene, deployment: dict[str, Any]) -> None:
    """The deployment after people accepted what changed."""
    for address in scene.repinned:
        fresh = pins(scene.node, [address])
        deployment["code"] |= fresh["code"]
        deployment["proxies"] = {**deployment["proxies"], **fresh["proxies"]}

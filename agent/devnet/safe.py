"""A Safe 1.4.1 with a Roles V2 modifier and our module guard between them, made on a running chain. It sets no role up.

Libraries and factory go to the addresses that the published modifier is linked to. All owners must agree to what it does."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode

from agent.devnet.artefacts import Artefacts
from agent.devnet.compile import OURS, Unit, compile_units
from agent.devnet.contracts import calldata, create, read, transact
from agent.devnet.errors import ArtefactsMissing
from agent.devnet.node import Node
from agent.devnet.yard import ZERO, code_hash
from strategies.protocols.adapter import Call

SAFE: Final = "@safe-global/safe-contracts/build/artifacts/contracts"
ZODIAC: Final = "@gnosis.pm/zodiac/dist/esm"
LIBRARIES: Final = {  # of the published modifier
    "Integrity": "0x6a6af4b16458bc39817e4019fb02bd3b26d41049",
    "Packer": "0x61c5b1be435391fdd7bc6703f3740c0d11728a8c",
}
FACTORY: Final = "0xce0042b868300000d44a59004da54a005ffdcf9f"  # ERC-2470: the modifier keeps its conditions through it
FACTORY_SENDER: Final = "0xbb6e024b9cffacb947a71991e386681b1cd1477d"
ETHER: Final = 10**18
GUARD: Final = Unit("safe-0.8.27", "solc-0.8.27", (f"{OURS}ModuleGuard.sol",))
SETUP: Final = "setup(address[],uint256,address,bytes,address,address,uint256,address)"
CREATE_PROXY: Final = "createProxyWithNonce(address,bytes,uint256)"
HASH: Final = "getTransactionHash(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,uint256)"
EXECUTE: Final = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"


@dataclass(frozen=True, slots=True)
class OwnedSafe:
    """A Safe of several owners, the modifier that may move it, and the guard that is to be its only module."""

    safe: str
    singleton: str
    roles: str
    guard: str
    owners: tuple[str, ...]

    def code(self, node: Node) -> dict[str, str]:
        """The digests of the contracts' code, as a deployment pins them."""
        return {address: code_hash(node, address) for address in (self.safe, self.singleton, self.roles, self.guard)}


def create_safe(node: Node, artefacts: Artefacts, owners: Sequence[str]) -> OwnedSafe:
    """All contracts, made by the first owner. The modifier belongs to the Safe."""
    maker = owners[0]
    singleton, safe = create_proxy(node, artefacts, owners)
    put_libraries(node, artefacts, maker)
    roles = create(node, maker, roles_code(artefacts) + encode(["address"] * 3, [safe] * 3).hex())
    guard = compile_units((GUARD,), artefacts)[GUARD.name]["ModuleGuard"].linked({})
    return OwnedSafe(safe, singleton, roles, create(node, maker, guard, "(address,address)", safe, roles), tuple(owners))


def create_proxy(node: Node, artefacts: Artefacts, owners: Sequence[str]) -> tuple[str, str]:
    """The code and a Safe that runs it, moved by all its owners together."""
    maker = owners[0]
    paths = "proxies/SafeProxyFactory", "Safe", "handler/CompatibilityFallbackHandler"
    factory, singleton, handler = [create(node, maker, compiled(artefacts, path)) for path in paths]
    arguments = bytes.fromhex(calldata(SETUP, owners, len(owners), ZERO, b"", handler, ZERO, 0, ZERO)[2:])
    (safe,) = read(node, factory, CREATE_PROXY, "(address)", singleton, arguments, 0)
    transact(node, maker, factory, CREATE_PROXY, singleton, arguments, 0)
    return singleton, str(safe).lower()


def execute_as_owners(node: Node, account: OwnedSafe, calls: Iterable[Call]) -> None:
    """Transactions of the Safe, each agreed to by every owner on the chain; a revert is raised."""
    for call in calls:
        what = (call.target, call.value_wei, call.data, 0, 0, 0, 0, ZERO, ZERO)
        (nonce,) = read(node, account.safe, "nonce()", "(uint256)")
        (digest,) = read(node, account.safe, HASH, "(bytes32)", *what, nonce)
        for owner in account.owners:
            transact(node, owner, account.safe, "approveHash(bytes32)", digest)
        agreed = b"".join([encode(["address", "uint256"], [owner, 0]) + b"\x01" for owner in sorted(account.owners)])
        transact(node, account.owners[0], account.safe, EXECUTE, *what, agreed)


def put_libraries(node: Node, artefacts: Artefacts, maker: str) -> None:
    """What the published modifier expects where it is."""
    if node.rpc("eth_getCode", FACTORY, "latest") == "0x":
        node.rpc("anvil_setBalance", FACTORY_SENDER, hex(ETHER))
        signed = found(r'broadcastTransaction\("(0x[0-9a-f]+)"', text(artefacts, f"{ZODIAC}/factory/singletonFactory.js"))
        node.rpc("eth_sendRawTransactionSync", signed)
    (path,) = (artefacts.root / "node_modules/zodiac-roles-sdk/build").glob("typechain-*.js")
    source = path.read_text()
    for name, address in LIBRARIES.items():
        variable = found(rf"var {name}__factory = class.*?static bytecode = ([\w$]+);", source)
        made = create(node, maker, found(rf'const {re.escape(variable)} = "(0x[0-9a-f]+)"', source))
        node.rpc("anvil_setCode", address, node.rpc("eth_getCode", made, "latest"))


def roles_code(artefacts: Artefacts) -> str:
    """The published modifier's creation code, without the three arguments that the package appends."""
    return found(r'initCode = "(0x[0-9a-fA-F]+)"', text(artefacts, f"{ZODIAC}/initData/RolesV2.js"))[: -3 * 64]


def compiled(artefacts: Artefacts, path: str) -> str:
    """Creation code as the Safe's own package compiled it."""
    name = path.rpartition("/")[2]
    return str(json.loads(text(artefacts, f"{SAFE}/{path}.sol/{name}.json"))["bytecode"])


def text(artefacts: Artefacts, path: str) -> str:
    """A file of the packages."""
    return (artefacts.root / "node_modules" / path).read_text()


def found(pattern: str, source: str) -> str:
    """What a pattern's group holds. Raises ArtefactsMissing."""
    match = re.search(pattern, source, re.DOTALL)
    if match is None:
        raise ArtefactsMissing(f"no package says {pattern}", remedy="delete the cached install, then try again")
    return match[1]

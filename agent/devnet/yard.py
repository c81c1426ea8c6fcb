"""Where the chain's contracts are made: the node, the bytecode, the accounts and what is made already. It lists no protocol.

A protocol's module takes the yard, creates and seeds its contracts, and answers its markets as entries of the deployment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_utils.crypto import keccak

from agent.devnet import feed
from agent.devnet.artefacts import Artefacts, Bytecode
from agent.devnet.compile import Compiled, Unit
from agent.devnet.contracts import create, transact
from agent.devnet.markets import Token
from agent.devnet.node import Node

ZERO = "0x" + "00" * 20
MAX = 2**256 - 1

Entry = Mapping[str, Any]  # one market or asset as the deployment says it


@dataclass(frozen=True, slots=True)
class Yard:
    """Where contracts are made. `tokens`, `assets`, `admin` and the libraries grow as modules create them."""

    node: Node
    artefacts: Artefacts
    bytecode: Compiled
    actors: Mapping[str, str]
    collector: str
    tokens: dict[str, str] = field(default_factory=dict)
    assets: list[Entry] = field(default_factory=list)
    admin: dict[str, dict[str, Any]] = field(default_factory=dict)
    libraries: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def deployer(self) -> str:
        """The account that creates and administers everything."""
        return self.actors["deployer"]

    def hardhat(self, package: str, name: str, signature: str = "()", *arguments: object) -> str:
        """Creates a contract that its own package compiled; answers its address."""
        return self.make(package, self.artefacts.hardhat(package, name), signature, *arguments)

    def compiled(self, unit: str, name: str, signature: str = "()", *arguments: object) -> str:
        """Creates a contract of a compile unit; answers its address."""
        return self.make(unit, self.bytecode[unit][name], signature, *arguments)

    def make(self, origin: str, code: Bytecode, signature: str, *arguments: object) -> str:
        """Creates a contract, linked with the libraries its package or unit has made so far."""
        return create(self.node, self.deployer, code.linked(self.libraries.get(origin, {})), signature, *arguments)

    def link(self, origin: str, library: str, address: str) -> None:
        """From here on, a package's or unit's contracts find this library at this address."""
        self.libraries.setdefault(origin, {})[library] = address

    def feed(self, usd_e8: int) -> str:
        """A new price feed with its first answer."""
        return feed.create_feed(self.node, self.deployer, usd_e8)

    def act(self, actor: str, target: str, signature: str, *arguments: object, value_wei: int = 0) -> None:
        """One call by an actor, mined; a revert is raised."""
        transact(self.node, self.actors[actor], target, signature, *arguments, value_wei=value_wei)

    def administer(self, target: str, signature: str, *arguments: object) -> None:
        """One call by the deployer."""
        self.act("deployer", target, signature, *arguments)

    def approve(self, actor: str, token: Token, spender: str) -> None:
        """An actor lets a contract take any amount of a token."""
        self.act(actor, self.tokens[token.symbol], "approve(address,uint256)", spender, MAX)

    def list_asset(self, symbol: str, address: str, decimals: int) -> None:
        """A further asset of the deployment, found by its symbol from here on."""
        self.tokens[symbol] = address
        self.assets.append({"symbol": symbol, "address": address, "decimals": decimals})

    def code_hash(self, address: str) -> str:
        """The digest of a contract's runtime code."""
        return code_hash(self.node, address)


@dataclass(frozen=True, slots=True)
class Protocol:
    """What a protocol's module offers: what must be compiled for it, and the making of it."""

    units: tuple[Unit, ...]
    deploy: Callable[[Yard], Sequence[Entry]]


def code_hash(node: Node, address: str) -> str:
    """The digest of a contract's runtime code."""
    code = str(node.rpc("eth_getCode", address, "latest"))
    return "0x" + keccak(hexstr=code).hex()

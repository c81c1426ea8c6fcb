"""Which contracts of the chain run another contract's code, found by looking, so that a deployment pins that code, too. It knows
the kinds of proxy that stand on this chain and no others."""

from collections.abc import Iterable, Mapping
from typing import Any

from eth_utils.crypto import keccak

from agent.devnet.contracts import read, read_address
from agent.devnet.node import Node

IMPLEMENTATION_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"  # ERC-1967

Ways = Mapping[str, list[Mapping[str, Any]]]  # an address, and each way in which it hands over


def proxies_of(node: Node, addresses: Iterable[str], comptrollers: Iterable[str]) -> Ways:
    """The proxies among contracts, as a deployment says them; comptrollers are those of the Compound V2 family."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for address in sorted(set(addresses)):
        held = str(node.rpc("eth_getStorageAt", address, IMPLEMENTATION_SLOT, "latest"))
        if int(held, 16):
            found[address] = [{"kind": "eip1967", "targets": ["0x" + held[-40:]]}]
    for address in sorted(set(comptrollers)):
        implementation = read_address(node, address, "comptrollerImplementation()")
        found[address] = [{"kind": "unitroller", "targets": [implementation]}, diamond(node, address)]
    return found


def diamond(node: Node, address: str) -> Mapping[str, Any]:
    """A diamond's facets, and the digest of which selector goes to which."""
    (facets,) = read(node, address, "facets()", "((address,bytes4[])[])")
    routes = sorted((selector, str(facet).lower()) for facet, selectors in facets for selector in selectors)
    digest = keccak(b"".join(selector + bytes.fromhex(facet[2:]) for selector, facet in routes))
    return {"kind": "diamond", "targets": sorted({facet for _, facet in routes}), "routes": "0x" + digest.hex()}


def targets_of(proxies: Ways) -> list[str]:
    """Every contract whose code a proxy runs."""
    return [target for ways in proxies.values() for way in ways for target in way["targets"]]

"""How a contract's code may act elsewhere, as a person pinned it: what a deployment says of its proxies. It refuses nothing."""

from dataclasses import dataclass
from enum import Enum


class ProxyKind(Enum):
    """Where a contract says whose code it runs: in its own storage, in its code, or when it is asked."""

    EIP1967 = "eip1967"  # a slot holds the implementation
    BEACON = "beacon"  # a slot of ERC-1967 holds a beacon, which is asked for the implementation
    ZEPPELIN = "zeppelin"  # the slot that OpenZeppelin's proxies had before ERC-1967
    CLONE = "clone"  # ERC-1167: the target is in the code
    EIP897 = "eip897"  # `implementation()`
    UNITROLLER = "unitroller"  # `comptrollerImplementation()`, of the Compound V2 family
    DIAMOND = "diamond"  # ERC-2535: `facets()` says which contract answers which selector


@dataclass(frozen=True, slots=True)
class Proxy:
    """One way in which a contract's code acts elsewhere. `targets` are the addresses that it must name: the implementation; a
    beacon and then its implementation; all facets, sorted. `routes` is the digest of a diamond's selectors, empty elsewhere."""

    kind: ProxyKind
    targets: tuple[str, ...]
    routes: str = ""

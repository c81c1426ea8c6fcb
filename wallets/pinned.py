"""Whether the contracts are still those that a person pinned: their code, and whatever code they hand over to. It names every
address whose code, slot, beacon, clone's target or facet is another, every proxy that was not declared as one, and every account
that was to have no code and has some.

A diamond is asked by its own `facets()`, whose code is pinned, too. The libraries that a contract was linked with stand in its
code. Answers come from one block, hashes and slots without any contract's help."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from strategies.domain import NATIVE, Address, Deployment
from strategies.errors import EndpointUnusable
from strategies.protocols.adapter import Call
from strategies.proxies import Proxy, ProxyKind
from wallets.endpoints import READ_GAS, Endpoint, code_digest, decode_aggregate, encode_aggregate
from wallets.rpc import Request, data_of
from wallets.unchanged import contracts_of, reasons_of

Changes = tuple[tuple[Address, str], ...]  # an address, and what is otherwise there

NO_CODE: Final = code_digest(b"")
DELEGATION: Final = bytes.fromhex("ef0100")  # EIP-7702: the account runs the code at the address that follows
CLONE_HEAD: Final = bytes.fromhex("363d3d373d3d3d363d73")  # ERC-1167, before and after the target
CLONE_TAIL: Final = bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
SLOTS: Final[Mapping[ProxyKind, str]] = {
    ProxyKind.EIP1967: "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
    ProxyKind.BEACON: "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50",
    ProxyKind.ZEPPELIN: "0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3",
}
IMPLEMENTATION: Final = bytes.fromhex("5c60da1b")  # implementation()
GETTERS: Final[Mapping[ProxyKind, bytes]] = {
    ProxyKind.BEACON: IMPLEMENTATION,
    ProxyKind.EIP897: IMPLEMENTATION,
    ProxyKind.UNITROLLER: bytes.fromhex("bb82aa5e"),  # comptrollerImplementation()
    ProxyKind.DIAMOND: bytes.fromhex("7a0ed627"),  # facets()
}


@dataclass(frozen=True, slots=True)
class _Found:
    """What one block says of addresses: code hashes, bare code where it matters, slots, and what getters answered."""

    hashes: Mapping[Address, str]
    codes: Mapping[Address, bytes]
    slots: Mapping[tuple[Address, ProxyKind], str]
    answers: Mapping[Call, bytes | None]


def otherwise(endpoint: Endpoint, deployment: Deployment) -> str:
    """Empty where every contract that a deployment names is pinned and as it was pinned, or what is not. Raises
    EndpointUnusable, EndpointRefused."""
    if missing := unpinned(deployment):
        return f"the deployment pins no code for {missing}: add its keccak to the deployment's code"
    return "; ".join([reason.text for reason in reasons_of(changed(endpoint, deployment, deployment.code, "latest"))])


def unpinned(deployment: Deployment) -> Address:
    """An address that is called, asked or handed over to and has no pinned code; empty where there is none."""
    used = {deployment.multicall, *[asset.address for asset in deployment.assets], *deployment.feeds.values()}
    used |= {address for market in deployment.markets for address in contracts_of(market)}
    used |= {target for ways in deployment.proxies.values() for way in ways for target in way.targets}
    used |= {address for address in (deployment.sequencer, deployment.permit2) if address is not None}
    return min(used - deployment.code.keys() - {NATIVE}, default="")


def changed(endpoint: Endpoint, deployment: Deployment, addresses: Iterable[Address], block: str | Mapping[str, str]) -> Changes:
    """All that is otherwise than pinned among addresses and what they hand over to, at a block; an address without a pin must
    carry no code. One request. Raises EndpointUnusable, EndpointRefused."""
    wanted = _with_targets(deployment, addresses)
    found = _ask(endpoint, deployment, wanted, block)
    return tuple([(address, why) for address in wanted if (why := _otherwise(deployment, address, found))])


def _with_targets(deployment: Deployment, addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Addresses and, after each, those whose code it runs."""
    wanted: dict[Address, None] = {}
    waiting = list(addresses)[::-1]
    while waiting:
        address = waiting.pop()
        if address not in wanted:
            wanted[address] = None
            waiting += [target for way in deployment.proxies.get(address, ()) for target in way.targets]
    return tuple(wanted)


def _ask(endpoint: Endpoint, deployment: Deployment, wanted: Sequence[Address], block: str | Mapping[str, str]) -> _Found:
    """Everything in one batch. What getters answer goes through the multicall, so that a revert is an answer."""
    bare = [address for address in wanted if _is_bare(deployment, address)]
    slots = [(address, kind) for address in wanted for kind in SLOTS]
    getters = tuple([call for address in wanted for way in deployment.proxies.get(address, ()) for call in _getter(address, way)])
    through = {"to": deployment.multicall, "data": "0x" + encode_aggregate(getters).hex(), "gas": hex(READ_GAS)}
    requests: list[Request] = [
        ("eth_call", [{"data": "0x" + _hashing(wanted).hex()}, block]),
        ("eth_call", [through, block]),
    ]
    requests += [("eth_getCode", [address, block]) for address in bare]
    requests += [("eth_getStorageAt", [address, SLOTS[kind], block]) for address, kind in slots]
    hashes, answers, *rest = endpoint.rpc.ask_all(requests)
    try:
        words = _words(data_of(hashes, "the hashes of the contracts' code"), len(wanted))
        codes = [data_of(said, "a contract's code") for said in rest[: len(bare)]]
        held = [_slot(data_of(said, "a slot")) for said in rest[len(bare) :]]
        said = decode_aggregate(data_of(answers, "the multicall's answer"), len(getters))
    except ValueError as error:
        raise EndpointUnusable(endpoint=endpoint.rpc.name, why=f"what it says of code cannot be read: {error}") from None
    return _Found(
        hashes=dict(zip(wanted, words, strict=True)),
        codes=dict(zip(bare, codes, strict=True)),
        slots=dict(zip(slots, held, strict=True)),
        answers=dict(zip(getters, said, strict=True)),
    )


def _is_bare(deployment: Deployment, address: Address) -> bool:
    """Whether the code itself is looked at: of what was to have none, for its delegation, and of what may be a clone."""
    ways = deployment.proxies.get(address, ())
    return deployment.code.get(address, NO_CODE) == NO_CODE or any(way.kind is ProxyKind.CLONE for way in ways)


@lru_cache(maxsize=8)
def _hashing(addresses: tuple[Address, ...]) -> bytes:
    """Creation code that answers the EXTCODEHASH of each address; its first word stays zero, because no code may begin with
    0xef (EIP-3541)."""
    program = b""
    for at, address in enumerate(addresses):
        program += b"\x73" + bytes.fromhex(address[2:]) + b"\x3f\x61" + (32 * at + 32).to_bytes(2, "big") + b"\x52"
    return program + b"\x61" + (32 * len(addresses) + 32).to_bytes(2, "big") + b"\x60\x00\xf3"


def _words(answer: bytes, count: int) -> list[str]:
    if len(answer) != 32 * count + 32:
        raise ValueError(f"{len(answer)} bytes of code hashes for {count} addresses")
    return ["0x" + answer[32 * at : 32 * at + 32].hex() for at in range(1, count + 1)]


def _getter(address: Address, way: Proxy) -> tuple[Call, ...]:
    asked = way.targets[0] if way.kind is ProxyKind.BEACON else address
    return (Call(asked, GETTERS[way.kind]),) if way.kind in GETTERS else ()


def _slot(word: bytes) -> str:
    """An address in a slot; empty where the slot is, and all of it where it holds no address."""
    if len(word) != 32:
        raise ValueError("a slot is not 32 bytes")
    return "" if not any(word) else "0x" + (word[12:] if not any(word[:12]) else word).hex()


def _otherwise(deployment: Deployment, address: Address, found: _Found) -> str:
    """Why an address is not as it was pinned; empty where it is."""
    pin, digest = deployment.code.get(address, NO_CODE), found.hashes[address]
    if pin == NO_CODE and found.codes[address]:
        return _carries(found.codes[address])
    if pin not in {NO_CODE, digest}:
        return "carries other code than the deployment pins"
    ways = deployment.proxies.get(address, ())
    for kind in SLOTS:
        named = found.slots[address, kind]
        pins = [way.targets[0] for way in ways if way.kind is kind]
        if named and not pins:
            return f"is a proxy that the deployment does not declare: its {kind.value} slot names {named}"
        if pins and named != pins[0]:
            return f"hands over to {named or 'nobody'} by its {kind.value} slot; {pins[0]} is pinned"
    return next((why for way in ways if (why := _elsewhere(address, way, found))), "")


def _carries(code: bytes) -> str:
    if code.startswith(DELEGATION):
        return f"is pinned with no code and delegates to 0x{code[len(DELEGATION) :].hex()} (EIP-7702)"
    return f"is pinned with no code and carries {len(code)} bytes of it"


def _elsewhere(address: Address, way: Proxy, found: _Found) -> str:
    """Why what a contract answers, or carries, is not the pinned target; empty where it is, and where its slot says all."""
    if way.kind is ProxyKind.CLONE:
        return "" if found.codes[address] == clone_of(way.targets[0]) else f"is no clone of {way.targets[0]}"
    for call in _getter(address, way):
        answer = found.answers[call]
        if way.kind is ProxyKind.DIAMOND:
            return _facets_otherwise(way, answer)
        said = "" if answer is None or len(answer) != 32 else _slot(answer)
        if said != way.targets[-1]:
            return f"hands over to {said or 'nobody'} as {call.target} says ({way.kind.value}); {way.targets[-1]} is pinned"
    return ""


def _facets_otherwise(way: Proxy, answer: bytes | None) -> str:
    try:
        facets, routes = facets_of(answer or b"")
    except ValueError as error:
        return f"does not say what its facets are: {error}"
    if strange := sorted({*facets} ^ {*way.targets}):
        return f"has other facets than are pinned: {', '.join(strange)}"
    return "" if routes == way.routes else "routes selectors to its facets otherwise than pinned"


def clone_of(target: Address) -> bytes:
    """The code of a minimal clone (ERC-1167)."""
    return CLONE_HEAD + bytes.fromhex(target[2:]) + CLONE_TAIL


def facets_of(answer: bytes) -> tuple[tuple[Address, ...], str]:
    """A diamond's facets, sorted, and the digest of which selector goes where, whatever order they are told in. Raises
    ValueError."""
    try:
        (said,) = decode(["(address,bytes4[])[]"], answer)
    except (DecodingError, OverflowError) as error:
        raise ValueError(str(error)) from None
    routes = sorted([(selector, str(facet).lower()) for facet, selectors in said for selector in selectors])
    content = b"".join([selector + bytes.fromhex(facet[2:]) for selector, facet in routes])
    return tuple(sorted({str(facet).lower() for facet, _ in said})), "0x" + keccak(content).hex()

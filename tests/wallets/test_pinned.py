"""The chain's own contracts, changed in every way in which a contract's code can become another: each change is named."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import read, transact
from strategies.domain import Address, Deployment
from strategies.errors import EndpointUnusable
from strategies.protocols.registry import deployment_from
from strategies.proxies import Proxy, ProxyKind
from tests.wallets.chain import Chain
from tests.wallets.loopback import Loopback
from wallets import pinned
from wallets.endpoints import Endpoint, code_digest

pytestmark = pytest.mark.chain
SWEEPER: Address = "0x" + "5e" * 20
PROXY: Address = "0x" + "b1" * 20
BEACON: Address = "0x" + "b2" * 20
ACTING: Address = "0x" + "b3" * 20
OTHER: Address = "0x" + "b4" * 20
EIP1967, BEACON_SLOT, ZEPPELIN = pinned.SLOTS.values()
# what a beacon is here: whatever it is asked, it answers the word in its first slot
BEACON_CODE = bytes.fromhex("60005460005260206000f3")
ACTING_CODE = bytes.fromhex("60016000526020")


def word(address: Address) -> str:
    return "0x" + "00" * 12 + address[2:]


def put(devnet: Devnet, address: Address, code: bytes, slots: Mapping[str, Address] | None = None) -> None:
    devnet.node.rpc("anvil_setCode", address, "0x" + code.hex())
    for slot, held in (slots or {}).items():
        devnet.node.rpc("anvil_setStorageAt", address, slot, word(held))


def pinning(chain: Chain, proxies: Mapping[Address, tuple[Proxy, ...]], **codes: bytes) -> Deployment:
    """The deployment with the stand-ins pinned, too: their addresses by name, in capitals."""
    named = {"PROXY": PROXY, "BEACON": BEACON, "ACTING": ACTING, "OTHER": OTHER}
    code = {named[name]: code_digest(code) for name, code in codes.items()}
    known = chain.deployment
    return replace(known, code={**known.code, **code}, proxies={**known.proxies, **proxies})


def found(chain: Chain, deployment: Deployment, *addresses: Address) -> dict[Address, str]:
    return dict(pinned.changed(chain.endpoint(), deployment, addresses, "latest"))


@pytest.fixture(scope="module")
def everything(running_chain: Chain) -> Deployment:
    return deployment_from(running_chain.devnet.everything)


def test_every_contract_of_the_whole_chain_is_as_it_was_pinned(chain: Chain, everything: Deployment) -> None:
    assert pinned.otherwise(chain.endpoint(), everything) == ""
    kinds = {way.kind for ways in everything.proxies.values() for way in ways}
    assert kinds == {ProxyKind.EIP1967, ProxyKind.UNITROLLER, ProxyKind.DIAMOND}


def test_a_proxy_that_was_upgraded_is_named_and_its_neighbours_are_not(chain: Chain) -> None:
    pool, token = chain.market("aave-core:USDC").address, chain.devnet.token("USDC")
    before = chain.deployment.proxies[pool][0].targets[0]
    chain.devnet.node.rpc("anvil_setStorageAt", pool, EIP1967, word(SWEEPER))
    changes = found(chain, chain.deployment, token, pool)
    assert changes == {pool: f"hands over to {SWEEPER} by its eip1967 slot; {before} is pinned"}


def test_other_code_at_a_pinned_implementation_is_named_through_its_proxy(chain: Chain) -> None:
    pool = chain.market("aave-core:USDC").address
    (way,) = chain.deployment.proxies[pool]
    put(chain.devnet, way.targets[0], ACTING_CODE)
    assert found(chain, chain.deployment, pool) == {way.targets[0]: "carries other code than the deployment pins"}


def test_other_code_at_the_same_address_is_named(chain: Chain) -> None:
    oracle = chain.market("aave-core:USDC").contract("oracle")
    code = chain.devnet.node.rpc("eth_getCode", oracle, "latest")
    chain.devnet.node.rpc("anvil_setCode", oracle, code + "00")
    assert found(chain, chain.deployment, oracle) == {oracle: "carries other code than the deployment pins"}
    chain.devnet.node.rpc("anvil_setCode", oracle, "0x")  # destroyed, and nothing there yet
    assert found(chain, chain.deployment, oracle) == {oracle: "carries other code than the deployment pins"}
    chain.devnet.node.rpc("anvil_setCode", oracle, code)
    assert found(chain, chain.deployment, oracle) == {}


@pytest.mark.parametrize("kind", list(pinned.SLOTS))
def test_a_contract_that_became_a_proxy_is_named_by_the_slot_that_is_set(chain: Chain, kind: ProxyKind) -> None:
    oracle = chain.market("aave-core:USDC").contract("oracle")
    chain.devnet.node.rpc("anvil_setStorageAt", oracle, pinned.SLOTS[kind], word(SWEEPER))
    why = f"is a proxy that the deployment does not declare: its {kind.value} slot names {SWEEPER}"
    assert found(chain, chain.deployment, oracle) == {oracle: why}


def test_a_slot_that_holds_more_than_an_address_is_no_target(chain: Chain) -> None:
    pool = chain.market("aave-core:USDC").address
    target = chain.deployment.proxies[pool][0].targets[0]
    chain.devnet.node.rpc("anvil_setStorageAt", pool, EIP1967, "0x" + "01" * 12 + target[2:])
    assert f"hands over to 0x{'01' * 12}" in found(chain, chain.deployment, pool)[pool]
    chain.devnet.node.rpc("anvil_setStorageAt", pool, EIP1967, "0x" + "00" * 32)
    assert "hands over to nobody" in found(chain, chain.deployment, pool)[pool]


def test_a_beacon_that_points_elsewhere_is_named_though_proxy_and_beacon_are_the_same(chain: Chain) -> None:
    deployment = pinning(
        chain,
        {PROXY: (Proxy(ProxyKind.BEACON, (BEACON, ACTING)),)},
        PROXY=ACTING_CODE,
        BEACON=BEACON_CODE,
        ACTING=ACTING_CODE,
    )
    put(chain.devnet, PROXY, ACTING_CODE, {BEACON_SLOT: BEACON})
    put(chain.devnet, BEACON, BEACON_CODE, {"0x0": ACTING})
    put(chain.devnet, ACTING, ACTING_CODE)
    assert found(chain, deployment, PROXY) == {}
    put(chain.devnet, BEACON, BEACON_CODE, {"0x0": OTHER})
    assert found(chain, deployment, PROXY) == {PROXY: f"hands over to {OTHER} as {BEACON} says (beacon); {ACTING} is pinned"}
    put(chain.devnet, BEACON, bytes.fromhex("60006000fd"))  # it reverts
    assert "hands over to nobody" in found(chain, deployment, PROXY)[PROXY]
    put(chain.devnet, PROXY, ACTING_CODE, {BEACON_SLOT: OTHER})
    assert f"hands over to {OTHER} by its beacon slot" in found(chain, deployment, PROXY)[PROXY]


def test_a_proxy_of_the_older_slot_is_followed(chain: Chain) -> None:
    deployment = pinning(
        chain, {PROXY: (Proxy(ProxyKind.ZEPPELIN, (ACTING,)),)}, PROXY=ACTING_CODE, ACTING=BEACON_CODE, OTHER=BEACON_CODE
    )
    for address, code in ((PROXY, ACTING_CODE), (ACTING, BEACON_CODE), (OTHER, BEACON_CODE)):
        put(chain.devnet, address, code)
    chain.devnet.node.rpc("anvil_setStorageAt", PROXY, ZEPPELIN, word(ACTING))
    assert found(chain, deployment, PROXY) == {}
    chain.devnet.node.rpc("anvil_setStorageAt", PROXY, ZEPPELIN, word(OTHER))
    assert f"hands over to {OTHER} by its zeppelin slot" in found(chain, deployment, PROXY)[PROXY]


def test_a_contract_that_is_asked_for_its_implementation_is_followed(chain: Chain) -> None:
    deployment = pinning(chain, {PROXY: (Proxy(ProxyKind.EIP897, (ACTING,)),)}, PROXY=BEACON_CODE, ACTING=ACTING_CODE)
    put(chain.devnet, PROXY, BEACON_CODE, {"0x0": ACTING})
    put(chain.devnet, ACTING, ACTING_CODE)
    assert found(chain, deployment, PROXY) == {}
    put(chain.devnet, PROXY, BEACON_CODE, {"0x0": OTHER})
    assert f"hands over to {OTHER}" in found(chain, deployment, PROXY)[PROXY]


def test_a_clone_runs_the_pinned_target_and_its_target_is_followed(chain: Chain) -> None:
    clone = pinned.clone_of(ACTING)
    deployment = pinning(chain, {PROXY: (Proxy(ProxyKind.CLONE, (ACTING,)),)}, PROXY=clone, ACTING=ACTING_CODE)
    put(chain.devnet, PROXY, clone)
    put(chain.devnet, ACTING, ACTING_CODE)
    assert found(chain, deployment, PROXY) == {}
    wrong = replace(deployment, proxies={PROXY: (Proxy(ProxyKind.CLONE, (OTHER,)),)}, code={**deployment.code})
    assert found(chain, wrong, PROXY) == {PROXY: f"is no clone of {OTHER}"}
    put(chain.devnet, ACTING, BEACON_CODE)
    assert found(chain, deployment, PROXY) == {ACTING: "carries other code than the deployment pins"}


@pytest.mark.parametrize("cut", ["a strange facet", "a new route", "a route less"])
def test_a_diamond_that_was_cut_is_named(chain: Chain, everything: Deployment, cut: str) -> None:
    comptroller, diamond = _diamond(everything)
    node = chain.devnet.node
    (facets,) = read(node, comptroller, "facets()", "((address,bytes4[])[])")
    put(chain.devnet, OTHER, ACTING_CODE)
    cuts = {
        "a strange facet": (OTHER, 0, [b"usuf"]),
        "a new route": (diamond.targets[0], 0, [b"usuf"]),
        "a route less": ("0x" + "00" * 20, 2, [facets[0][1][0]]),
    }
    signature = "diamondCut((address,uint8,bytes4[])[])"
    transact(node, chain.devnet.actor("deployer"), comptroller, signature, [cuts[cut]])
    why = f"has other facets than are pinned: {OTHER}" if cut == "a strange facet" else "routes selectors"
    assert why in found(chain, everything, comptroller)[comptroller]


def test_a_comptroller_with_another_implementation_is_named(chain: Chain, everything: Deployment) -> None:
    comptroller, _ = _diamond(everything)
    chain.devnet.node.rpc("anvil_setStorageAt", comptroller, "0x2", word(SWEEPER))  # comptrollerImplementation
    assert f"hands over to {SWEEPER}" in found(chain, everything, comptroller)[comptroller]


def _diamond(deployment: Deployment) -> tuple[Address, Proxy]:
    (found,) = [(address, way) for address, ways in deployment.proxies.items() for way in ways if way.kind is ProxyKind.DIAMOND]
    return found


def test_an_account_without_code_is_fine_and_one_with_a_delegation_is_named(chain: Chain) -> None:
    treasury, fresh = chain.devnet.actor("treasury"), "0x" + "3c" * 20
    assert found(chain, chain.deployment, treasury, fresh) == {}
    put(chain.devnet, treasury, bytes.fromhex("ef0100" + SWEEPER[2:]))
    put(chain.devnet, fresh, ACTING_CODE)
    assert found(chain, chain.deployment, treasury, fresh) == {
        treasury: f"is pinned with no code and delegates to {SWEEPER} (EIP-7702)",
        fresh: f"is pinned with no code and carries {len(ACTING_CODE)} bytes of it",
    }


def test_an_account_that_was_pinned_with_its_code_may_carry_it(chain: Chain) -> None:
    put(chain.devnet, PROXY, ACTING_CODE)
    assert found(chain, pinning(chain, {}, PROXY=ACTING_CODE), PROXY) == {}


def test_changes_are_those_of_the_block_that_is_asked_about(chain: Chain) -> None:
    pool, node = chain.market("aave-core:USDC").address, chain.devnet.node
    block_hash = node.latest()[2]
    node.mine()
    node.rpc("anvil_setStorageAt", pool, EIP1967, word(SWEEPER))
    node.mine()
    at = {"blockHash": block_hash}
    assert dict(pinned.changed(chain.endpoint(), chain.deployment, [pool], at)) == {}
    assert pool in found(chain, chain.deployment, pool)


def test_what_a_proxy_runs_must_be_pinned_too(chain: Chain) -> None:
    deployment = replace(chain.deployment, proxies={PROXY: (Proxy(ProxyKind.EIP1967, (OTHER,)),)})
    assert pinned.unpinned(chain.deployment) == ""
    assert pinned.unpinned(deployment) == OTHER
    assert pinned.unpinned(replace(chain.deployment, feeds={chain.devnet.token("USDC"): OTHER})) == OTHER
    assert pinned.unpinned(replace(chain.deployment, sequencer=OTHER)) == OTHER
    assert f"pins no code for {OTHER}" in pinned.otherwise(chain.endpoint(), deployment)


def test_an_answer_that_cannot_be_read_is_no_answer(chain: Chain) -> None:
    def respond(body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        return 200, json.dumps([{"jsonrpc": "2.0", "id": one["id"], "result": "0x00"} for one in asked]).encode()

    with Loopback(respond) as server, pytest.raises(EndpointUnusable, match="what it says of code"):
        pinned.changed(Endpoint(server.url, timeout_seconds=5), chain.deployment, [PROXY], "latest")


SELECTORS = st.lists(st.binary(min_size=4, max_size=4), unique=True, min_size=1, max_size=6)
FACETS = st.dictionaries(st.binary(min_size=20, max_size=20), SELECTORS, min_size=1, max_size=4)


def told(facets: Mapping[bytes, list[bytes]]) -> bytes:
    return encode(["(address,bytes4[])[]"], [[("0x" + facet.hex(), selectors) for facet, selectors in facets.items()]])


@given(FACETS)
def test_a_diamonds_digest_knows_routes_and_not_their_order(facets: Mapping[bytes, list[bytes]]) -> None:
    turned = {facet: selectors[::-1] for facet, selectors in list(facets.items())[::-1]}
    assert pinned.facets_of(told(facets)) == pinned.facets_of(told(turned))
    first = next(iter(facets))
    fewer = {facet: selectors[1:] if facet == first else selectors for facet, selectors in facets.items()}
    assert pinned.facets_of(told(facets))[1] != pinned.facets_of(told(fewer))[1]


@given(st.binary(max_size=200))
def test_whatever_a_diamond_answers_its_facets_are_read_or_refused_by_name(answer: bytes) -> None:
    try:
        facets, routes = pinned.facets_of(answer)
    except ValueError:
        return
    assert all(len(facet) == 42 for facet in facets) and len(routes) == 66

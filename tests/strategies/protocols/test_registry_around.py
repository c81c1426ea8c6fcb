"""What a deployment file may say besides assets, markets and code: proxies, feeds, the sequencer, the kind of rollup."""

from typing import Any

import pytest

from strategies.errors import SettingsError
from strategies.protocols import registry
from strategies.proxies import Proxy, ProxyKind
from tests.strategies.protocols.cases import STRANGER, USDC
from tests.strategies.protocols.test_registry import CONTENT

POOL, LOGIC, FEED = "0x" + "Aa" * 20, "0x" + "bB" * 20, "0x" + "cC" * 20
SLOT = {"kind": "eip1967", "targets": [LOGIC]}


def test_what_is_left_out_is_empty() -> None:
    found = registry.deployment_from(CONTENT)
    assert (found.proxies, found.feeds, found.sequencer, found.rollup) == ({}, {}, None, "none")
    assert (found.families, found.issuers) == ({}, {})


def test_proxies_are_read_with_every_way_in_which_they_hand_over() -> None:
    ways = [SLOT, {"kind": "beacon", "targets": [POOL, LOGIC]}, {"kind": "diamond", "targets": [LOGIC, POOL], "routes": "0x12"}]
    found = registry.deployment_from(CONTENT | {"proxies": {POOL: ways}})
    assert found.proxies == {
        POOL.lower(): (
            Proxy(ProxyKind.EIP1967, (LOGIC.lower(),)),
            Proxy(ProxyKind.BEACON, (POOL.lower(), LOGIC.lower())),
            Proxy(ProxyKind.DIAMOND, (LOGIC.lower(), POOL.lower()), "0x12"),
        )
    }


def test_feeds_families_and_issuers_are_of_assets_by_symbol_or_address() -> None:
    said = {"feeds": {"USDC": FEED}, "families": {USDC.address: "dollar"}, "issuers": {"USDC": "circle"}}
    found = registry.deployment_from(CONTENT | said | {"sequencer": STRANGER, "rollup": "op-stack"})
    assert found.feeds == {USDC.address: FEED.lower()}
    assert (found.families, found.issuers) == ({USDC.address: "dollar"}, {USDC.address: "circle"})
    assert (found.sequencer, found.rollup) == (STRANGER, "op-stack")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"rollup": "zk"}, "rollup 'zk' is none of"),
        ({"sequencer": "up"}, "is no address"),
        ({"feeds": {"EURC": FEED}}, "EURC"),
        ({"feeds": {"USDC": "chainlink"}}, "is no address"),
        ({"feeds": ["USDC"]}, "malformed"),
        ({"proxies": {"pool": [SLOT]}}, "is no address"),
        ({"proxies": {POOL: [{"kind": "upgradeable", "targets": [LOGIC]}]}}, "upgradeable"),
        ({"proxies": {POOL: [{"kind": "eip1967", "targets": []}]}}, "kind eip1967 names 0 targets"),
        ({"proxies": {POOL: [{"kind": "eip1967", "targets": [LOGIC, POOL]}]}}, "kind eip1967 names 2 targets"),
        ({"proxies": {POOL: [{"kind": "beacon", "targets": [LOGIC]}]}}, "kind beacon names 1 targets"),
        ({"proxies": {POOL: [{"kind": "diamond", "targets": [LOGIC]}]}}, "a diamond says its routes"),
        ({"proxies": {POOL: [SLOT | {"routes": "0x12"}]}}, "a diamond says its routes"),
        ({"proxies": {POOL: [{"kind": "eip1967"}]}}, "targets"),
    ],
)
def test_what_is_wrong_is_named(said: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        registry.deployment_from(CONTENT | said)

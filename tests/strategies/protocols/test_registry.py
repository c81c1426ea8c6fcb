"""Which adapter reads what, and what a deployment file may say."""

from copy import deepcopy
from typing import Any

import pytest

from strategies.domain import Amount, Approve, Asset, Deployment, Revoke, Supply, Transfer
from strategies.errors import SettingsError
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from tests.strategies.protocols.cases import ACCOUNT, CHAIN, DAI, NEW_POOL, OLD_POOL, ONE, RECORDED, ROLES, STRANGER, USDC

DEPLOYMENT = Deployment(CHAIN, "tests", "0x" + "ca" * 20, (USDC, DAI), (OLD_POOL, NEW_POOL, RECORDED), {})
CONTENT: dict[str, Any] = {
    "chain_id": CHAIN,
    "name": "tests",
    "multicall": "0x" + "CA" * 20,
    "assets": [{"address": USDC.address, "symbol": "USDC", "decimals": 6}],
    "markets": [
        {
            "id": "new:USDC",
            "protocol": "aave_v3",
            "address": NEW_POOL.address,
            "asset": "USDC",
            "contracts": dict(ROLES),
        },
    ],
    "code": {"0x" + "CA" * 20: "0x1234"},
    "actors": {"deployer": ACCOUNT},
}


@pytest.mark.parametrize("market", DEPLOYMENT.markets, ids=lambda market: str(market.id))
def test_every_market_has_the_adapter_of_its_protocol(market: Any) -> None:
    assert registry.adapter_of(market).protocol == market.protocol


@pytest.mark.parametrize("market", DEPLOYMENT.markets, ids=lambda market: str(market.id))
def test_a_plan_reads_back_call_by_call(market: Any) -> None:
    amount = Amount(USDC, ONE)
    approval, supply = registry.encode(Supply(market, amount), ACCOUNT)
    assert registry.parse(approval, ACCOUNT, DEPLOYMENT) == Approve(amount, market.address)
    assert registry.parse(supply, ACCOUNT, DEPLOYMENT) == Supply(market, amount)


def test_token_actions_read_back() -> None:
    for action in (Approve(Amount(DAI, 1), STRANGER), Revoke(USDC, STRANGER), Transfer(Amount(DAI, 5), STRANGER)):
        (call,) = registry.encode(action, ACCOUNT)
        assert registry.parse(call, ACCOUNT, DEPLOYMENT) == action


@pytest.mark.parametrize(
    "call",
    [
        Call(STRANGER, b""),
        Call(OLD_POOL.address, b""),
        Call(OLD_POOL.address, bytes.fromhex("617ba037")),
        Call(USDC.address, bytes.fromhex("095ea7b3") + bytes(63)),
        Call(RECORDED.address, bytes(200)),
    ],
)
def test_what_no_adapter_reads_is_nothing(call: Call) -> None:
    assert registry.parse(call, ACCOUNT, DEPLOYMENT) is None


def test_a_stranger_as_the_account_reads_to_nothing() -> None:
    call = registry.encode(Supply(OLD_POOL, Amount(USDC, ONE)), STRANGER)[-1]
    assert registry.parse(call, ACCOUNT, DEPLOYMENT) is None


def test_reads_a_deployment_with_addresses_in_lower_case() -> None:
    found = registry.deployment_from(CONTENT)
    assert found == Deployment(CHAIN, "tests", "0x" + "ca" * 20, (USDC,), (NEW_POOL,), {"0x" + "ca" * 20: "0x1234"})


def test_a_market_may_name_its_asset_by_address() -> None:
    content = deepcopy(CONTENT)
    content["markets"][0]["asset"] = USDC.address
    assert registry.deployment_from(content).markets == (NEW_POOL,)


@pytest.mark.parametrize("key", ["chain_id", "name", "multicall", "assets", "markets", "code"])
def test_a_missing_key_is_named(key: str) -> None:
    content = {name: value for name, value in CONTENT.items() if name != key}
    with pytest.raises(SettingsError, match=key):
        registry.deployment_from(content)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("protocol", "aave_v2", "has no adapter; known: aave_v3, compound_v2, "),
        ("asset", "EURC", "EURC"),
        ("address", "0x12", "is no address"),
        ("address", "0x" + "z_" * 20, "is no address"),
        ("address", 5, "is no address"),
        ("contracts", {"receipt": "vault.eth"}, "is no address"),
        ("contracts", None, "NoneType"),
        ("contracts", {role: address for role, address in ROLES if role != "oracle"}, "oracle"),
    ],
)
def test_a_malformed_market_is_named(key: str, value: object, named: str) -> None:
    content = deepcopy(CONTENT)
    content["markets"][0][key] = value
    with pytest.raises(SettingsError, match=named):
        registry.deployment_from(content)


@pytest.mark.parametrize("key", ["markets", "assets"])
def test_nothing_is_named_twice(key: str) -> None:
    content = deepcopy(CONTENT)
    content[key].append(content[key][0])
    with pytest.raises(SettingsError, match="twice"):
        registry.deployment_from(content)


def test_two_symbols_at_one_address_are_refused() -> None:
    content = deepcopy(CONTENT)
    content["assets"].append({"address": USDC.address, "symbol": "USDC.e", "decimals": 6})
    with pytest.raises(SettingsError, match="address"):
        registry.deployment_from(content)
    assert registry.deployment_from(CONTENT).assets == (Asset(CHAIN, USDC.address, "USDC", 6),)


def test_an_exchange_without_its_other_token_is_a_malformed_deployment() -> None:
    content = deepcopy(CONTENT)
    lonely = {"id": "uni", "protocol": "uniswap_v3", "address": STRANGER, "asset": "USDC", "numbers": {"tick_spacing": 60}}
    roles = ("tick_lens", "router", "position_manager")
    content["markets"].append({**lonely, "contracts": dict.fromkeys(roles, STRANGER)})
    with pytest.raises(SettingsError, match="malformed"):
        registry.deployment_from(content)


def test_markets_stand_at_their_address_and_at_each_of_their_contracts() -> None:
    assert DEPLOYMENT.markets_at[RECORDED.address] == (RECORDED,)
    for market in DEPLOYMENT.markets:
        for address in (market.address, *[pinned for _, pinned in market.contracts]):
            there = [one for one in DEPLOYMENT.markets if address in (one.address, *dict(one.contracts).values())]
            assert DEPLOYMENT.markets_at[address] == tuple(there)
            assert market in there
    assert STRANGER not in DEPLOYMENT.markets_at

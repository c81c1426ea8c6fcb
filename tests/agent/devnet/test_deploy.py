"""The deployment: its form, its code hashes, its two markets and its reproducibility."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.devnet import chain
from agent.devnet.aave_v3 import RESERVE_DATA
from agent.devnet.artefacts import Artefacts
from agent.devnet.chain import DEPLOYMENT, Devnet, build, chain_key
from agent.devnet.compile import Compiled
from agent.devnet.contracts import argument_types, calldata, read, read_integer, transact
from agent.devnet.deploy import MULTICALL
from agent.devnet.errors import SceneReverted
from agent.devnet.markets import MARKETS
from agent.devnet.node import Node
from agent.devnet.proxies import IMPLEMENTATION_SLOT
from agent.devnet.yard import code_hash

RAY = 10**27


def reserve_data(devnet: Devnet, market_id: str) -> tuple[Any, ...]:
    market = devnet.market(market_id)
    return read(devnet.node, market["address"], "getReserveData(address)", RESERVE_DATA, market["asset"])


def supply_rate_ray(devnet: Devnet, market_id: str) -> int:
    return int(reserve_data(devnet, market_id)[2])


@pytest.mark.chain
def test_the_deployment_has_its_form_and_lower_case_addresses(devnet: Devnet) -> None:
    deployment = devnet.deployment
    known = {"chain_id", "name", "multicall", "assets", "markets", "code", "proxies", "feeds", "rollup"}
    assert set(deployment) == known | {"actors", "admin", "further"}
    assert [asset["symbol"] for asset in deployment["assets"]] == ["USDC", "DAI", "WETH", "ETH"]
    names = [f"aave-{name}:{symbol}" for name in ("core", "prime") for symbol in ("USDC", "DAI", "WETH")]
    assert [market["id"] for market in deployment["markets"]] == names
    assert set(deployment["actors"]) == {"deployer", "lender", "borrower", "treasury", "stranger"}
    for address in re.findall(r'"(0x[0-9a-fA-F]{40})"', json.dumps(deployment)):
        assert address == address.lower()


@pytest.mark.chain
def test_every_contract_has_the_code_hash_that_is_written_down(devnet: Devnet) -> None:
    deployment = devnet.deployment
    contracts = {devnet.deployment["multicall"]} | {devnet.token(symbol) for symbol in ("USDC", "DAI", "WETH")}
    for market in deployment["markets"]:
        contracts |= {market["address"], *market["contracts"].values()}
    contracts |= {target for ways in deployment["proxies"].values() for way in ways for target in way["targets"]}
    assert set(deployment["code"]) == contracts | set(deployment["feeds"].values())
    empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    for address, written in deployment["code"].items():
        assert code_hash(devnet.node, address) == written != empty


@pytest.mark.chain
def test_every_proxy_and_what_it_runs_is_written_down(devnet: Devnet) -> None:
    deployment = devnet.deployment
    market = devnet.market("aave-core:USDC")
    for address in (market["address"], *[market["contracts"][role] for role in ("receipt", "debt", "stable_debt")]):
        ((way,),) = [deployment["proxies"][address]]
        held = devnet.node.rpc("eth_getStorageAt", address, IMPLEMENTATION_SLOT, "latest")
        assert way == {"kind": "eip1967", "targets": ["0x" + held[-40:]]}
        assert way["targets"][0] in deployment["code"]
    assert market["contracts"]["oracle"] not in deployment["proxies"]


@pytest.mark.chain
def test_every_token_has_the_feed_that_its_first_market_asks(devnet: Devnet) -> None:
    feeds = devnet.deployment["admin"]["core"]["feeds"]
    assert devnet.deployment["feeds"] == {devnet.token(symbol): feed for symbol, feed in feeds.items()}


@pytest.mark.chain
def test_the_two_markets_share_tokens_and_nothing_else(devnet: Devnet) -> None:
    core, prime = devnet.deployment["admin"]["core"], devnet.deployment["admin"]["prime"]
    for part in ("provider", "acl", "pool", "configurator", "oracle"):
        assert core[part] != prime[part]
    for symbol in ("USDC", "DAI", "WETH"):
        one, other = devnet.market(f"aave-core:{symbol}"), devnet.market(f"aave-prime:{symbol}")
        assert one["asset"] == other["asset"]
        assert not set(one["contracts"].values()) & set(other["contracts"].values())


@pytest.mark.chain
def test_rates_are_alive_and_differ_between_the_markets(devnet: Devnet) -> None:
    for symbol in ("USDC", "DAI", "WETH"):
        core, prime = supply_rate_ray(devnet, f"aave-core:{symbol}"), supply_rate_ray(devnet, f"aave-prime:{symbol}")
        assert core > 0
        assert prime > 0
        assert core != prime
    assert RAY * 34 // 1000 < supply_rate_ray(devnet, "aave-core:USDC") < RAY * 35 // 1000
    assert RAY * 44 // 1000 < supply_rate_ray(devnet, "aave-prime:USDC") < RAY * 45 // 1000


@pytest.mark.chain
def test_stable_rate_borrowing_is_off_and_no_index_is_one(devnet: Devnet) -> None:
    borrower = devnet.actor("borrower")
    for market in devnet.deployment["markets"]:
        assert int(reserve_data(devnet, market["id"])[1]) > RAY
        with pytest.raises(SceneReverted):
            borrow = "borrow(address,uint256,uint256,uint16,address)"
            transact(devnet.node, borrower, market["address"], borrow, market["asset"], 10**6, 1, 0, borrower)


@pytest.mark.chain
def test_the_pool_is_the_first_revision_of_aave_three(devnet: Devnet) -> None:
    assert read_integer(devnet.node, devnet.market("aave-core:USDC")["address"], "POOL_REVISION()") == 1


@pytest.mark.chain
def test_multicall_answers_with_the_blocks_own_time(devnet: Devnet) -> None:
    assert read_integer(devnet.node, MULTICALL, "getCurrentBlockTimestamp()") == devnet.node.latest()[1]


@pytest.mark.chain
def test_a_feed_answers_price_time_and_decimals(devnet: Devnet) -> None:
    feed = devnet.deployment["admin"]["core"]["feeds"]["WETH"]
    seconds = devnet.node.latest()[1]
    assert read_integer(devnet.node, feed, "latestAnswer()") == 3000_0000_0000
    assert read_integer(devnet.node, feed, "latestTimestamp()") == seconds
    assert read_integer(devnet.node, feed, "decimals()") == 8
    round_data = read(devnet.node, feed, "latestRoundData()", "(uint80,int256,uint256,uint256,uint80)")
    assert round_data == (1, 3000_0000_0000, seconds, seconds, 1)


@pytest.mark.chain
def test_building_twice_gives_the_same_last_block_and_deployment(artefacts: Artefacts, devnet: Devnet, tmp_path: Path) -> None:
    folder = build(artefacts, home=tmp_path)
    again = json.loads((folder / DEPLOYMENT).read_text())
    assert again == devnet.deployment
    with Node(artefacts.anvil, state=folder / "state.json", at_seconds=again["admin"]["timestamp_seconds"]) as node:
        assert node.latest() == devnet.node.latest()


@pytest.mark.chain
def test_a_half_finished_build_is_not_used(artefacts: Artefacts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def half(_: Artefacts, bytecode: Compiled, folder: Path) -> None:
        (folder / DEPLOYMENT).write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(chain, "write_chain", half)
    with pytest.raises(KeyboardInterrupt):
        build(artefacts, home=tmp_path)
    assert not (tmp_path / "devnet" / chain_key()).exists()


def test_each_market_lists_the_same_tokens_with_room_below_the_kink() -> None:
    assert len({tuple(reserve.token for reserve in plan.reserves) for plan in MARKETS}) == 1
    for plan in MARKETS:
        for reserve in plan.reserves:
            utilisation_bps = reserve.borrowed * 10_000 // (reserve.lent + reserve.collateral)
            assert 0 < utilisation_bps < reserve.kink_bps


def test_calldata_is_the_selector_and_the_arguments() -> None:
    assert calldata("transfer(address,uint256)", "0x" + "11" * 20, 5) == "0xa9059cbb" + "00" * 12 + "11" * 20 + f"{5:064x}"
    assert argument_types("f((uint8,string)[],bytes32)") == ("(uint8,string)[]", "bytes32")
    assert argument_types("f()") == ()

"""Builds the chain's contracts and first positions on an empty node: the order only. It repairs nothing: a revert here is a bug.

The two markets that the demo trades come first. The further protocols follow in their tuple, and then a month passes, so that no
index is exactly one. A protocol joins by one line in `FURTHER`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from agent.devnet import aave_v3, aave_v3_6, comet, compound_v2, lido, morpho, stata, uniswap, wrapped_native
from agent.devnet.artefacts import Artefacts
from agent.devnet.compile import Compiled
from agent.devnet.contracts import create
from agent.devnet.markets import MARKETS, TOKENS, WETH, Token
from agent.devnet.node import CHAIN_ID, Node
from agent.devnet.proxies import proxies_of, targets_of
from agent.devnet.yard import Entry, Protocol, Yard

FURTHER = (
    Protocol(aave_v3_6.UNITS, aave_v3_6.deploy),
    Protocol(stata.UNITS, stata.deploy),
    Protocol(compound_v2.UNITS, compound_v2.deploy),
    Protocol(morpho.UNITS, morpho.deploy),
    Protocol(comet.UNITS, comet.deploy),
    Protocol(lido.UNITS, lido.deploy),
    Protocol(uniswap.UNITS, uniswap.deploy),
    Protocol(wrapped_native.UNITS, wrapped_native.deploy),
)
UNITS = tuple(unit for protocol in FURTHER for unit in protocol.units)

MULTICALL = "0xca11bde05977b3631167028862be2a173976ca11"
NATIVE = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
ACTORS = ("deployer", "lender", "borrower", "treasury", "stranger")
COLLECTOR_INDEX = 9
SETTLING_SECONDS = 30 * 86_400


def deploy(node: Node, artefacts: Artefacts, bytecode: Compiled) -> dict[str, Any]:
    """Everything, from an empty node to a deployment with living rates."""
    yard = open_yard(node, artefacts, bytecode)
    put_multicall(yard)
    built = {plan.name: aave_v3.deploy_market(yard, plan) for plan in MARKETS}
    pools = [str(admin["pool"]) for admin in built.values()]
    provision(yard, pools)
    for plan in MARKETS:
        aave_v3.seed(yard, plan, built[plan.name]["pool"])
    further = [entry for protocol in FURTHER for entry in protocol.deploy(yard)]
    yard.node.set_next_block_timestamp(yard.node.latest()[1] + SETTLING_SECONDS)
    for pool in pools:
        aave_v3.touch(yard, pool)
    return describe(yard, built) | {"further": describe_further(yard, further)}


def open_yard(node: Node, artefacts: Artefacts, bytecode: Compiled) -> Yard:
    """Accounts, tokens and the libraries of the first markets."""
    accounts = [str(account).lower() for account in node.rpc("eth_accounts")]
    yard = Yard(node, artefacts, bytecode, dict(zip(ACTORS, accounts, strict=False)), accounts[COLLECTOR_INDEX])
    for token in TOKENS:
        yard.tokens[token.symbol] = create_token(yard, token)
    aave_v3.create_libraries(yard)
    return yard


def create_token(yard: Yard, token: Token) -> str:
    """A token: wrapped ether as it is, the others with a `mint` that anybody may call."""
    if token is WETH:
        return create(yard.node, yard.deployer, yard.artefacts.weth().linked({}))
    described = (token.name, token.symbol, token.decimals)
    return yard.hardhat(aave_v3.PACKAGE, "MintableERC20", "(string,string,uint8)", *described)


def put_multicall(yard: Yard) -> None:
    """Multicall3 at the address it has on every chain."""
    made = create(yard.node, yard.deployer, yard.artefacts.multicall().linked({}))
    yard.node.rpc("anvil_setCode", MULTICALL, yard.node.rpc("eth_getCode", made, "latest"))


def provision(yard: Yard, pools: Sequence[str]) -> None:
    """Gives lender and borrower tokens to act with for years, and lets the first markets take them."""
    for actor in ("lender", "borrower"):
        for token in TOKENS:
            address, amount_raw = yard.tokens[token.symbol], token.units(token.purse)
            if token is WETH:
                yard.act(actor, address, "deposit()", value_wei=amount_raw)
            else:
                yard.act(actor, address, "mint(address,uint256)", yard.actors[actor], amount_raw)
            for pool in pools:
                yard.approve(actor, token, pool)


def describe(yard: Yard, built: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The first markets and all that they share, as they are written down."""
    assets = [{"symbol": t.symbol, "address": yard.tokens[t.symbol], "decimals": t.decimals} for t in TOKENS]
    markets = [aave_v3.describe(yard, plan, reserve.token, built[plan.name]) for plan in MARKETS for reserve in plan.reserves]
    tokens = [str(asset["address"]) for asset in assets]
    feeds = {yard.tokens[symbol]: feed for symbol, feed in built[MARKETS[0].name]["feeds"].items()}
    contracts = [*tokens, *feeds.values(), *contracts_of(markets)]
    proxies = proxies_of(yard.node, contracts, comptrollers_of(markets))
    return {
        "chain_id": CHAIN_ID,
        "name": "devnet",
        "multicall": MULTICALL,
        "assets": [*assets, {"symbol": "ETH", "address": NATIVE, "decimals": 18}],
        "markets": markets,
        "code": code_hashes(yard, [MULTICALL, *contracts, *targets_of(proxies)]),
        "proxies": proxies,
        "feeds": feeds,
        "rollup": "none",
        "actors": yard.actors,
        "admin": built | yard.admin | {"collector": yard.collector, "timestamp_seconds": yard.node.latest()[1]},
    }


def describe_further(yard: Yard, markets: Sequence[Entry]) -> dict[str, Any]:
    """The further protocols: what a deployment of the whole chain adds to the first markets."""
    tokens = [str(asset["address"]) for asset in yard.assets]
    contracts = [*tokens, *contracts_of(markets)]
    proxies = proxies_of(yard.node, contracts, comptrollers_of(markets))
    code = code_hashes(yard, [*contracts, *targets_of(proxies)])
    return {"assets": yard.assets, "markets": list(markets), "code": code, "proxies": proxies}


def contracts_of(markets: Iterable[Entry]) -> list[str]:
    """Every contract that a market names."""
    return [address for market in markets for address in (market["address"], *market["contracts"].values())]


def comptrollers_of(markets: Iterable[Entry]) -> list[str]:
    """What the markets name as their comptroller, in the Compound V2 family."""
    return [market["contracts"]["comptroller"] for market in markets if market["protocol"] == compound_v2.NAME]


def code_hashes(yard: Yard, addresses: Iterable[str]) -> dict[str, str]:
    """The digest of each contract's runtime code."""
    return {address: yard.code_hash(address) for address in sorted(set(addresses))}

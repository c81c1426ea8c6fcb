"""The catalogue's world as our own deployment names it: assets, markets, pins, feeds. Refuses nothing: what a case changes of
it is changed in the record, before it is read as strictly as any other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from agent.devnet import aave_v3
from agent.devnet.deploy import MULTICALL, NATIVE
from agent.devnet.markets import Token
from agent.devnet.node import CHAIN_ID, Node
from agent.devnet.proxies import diamond
from agent.devnet.yard import code_hash
from agent.verify.attacks.ground import (
    BEACON_SLOT,
    EIP1967_SLOT,
    EVIL,
    FACET_SLOT,
    PLAN,
    POOLS,
    REGISTERED_POOLS,
    TOKENS,
    USDC,
    VAULT_OFFSET,
    WETH,
    Ground,
)

Entry = Mapping[str, Any]

LISTED: Final = tuple(token.symbol for token in TOKENS if token is not EVIL)
REWARD: Final = "DAI"
FAMILIES: Final = {"ETH": "ETH", "WETH": "ETH", "WSTETH": "ETH"}
ISSUERS: Final = {"USDC": "circle", "USDT": "tether", "DAI": "sky", "WBTC": "bitgo", "WSTETH": "lido"}


def entries(ground: Ground, symbols: Sequence[str], pools: Sequence[tuple[Token, Token, int]]) -> list[Entry]:
    """Every market of some assets and pools."""
    return [
        *_lending(ground, symbols),
        *([_comet(ground)] if {"USDC", "WETH"} <= set(symbols) else []),
        *_vaults(ground, symbols),
        *[_pool(ground, *pool) for pool in pools if {pool[0].symbol, pool[1].symbol} <= set(symbols)],
        {
            "id": "weth",
            "protocol": "wrapped_native",
            "address": ground.at["$WETH"],
            "asset": "WETH",
            "contracts": {},
            "others": ["ETH"],
        },
    ]


def _lending(ground: Ground, symbols: Sequence[str]) -> Iterator[Entry]:
    for reserve in PLAN.reserves:
        symbol = reserve.token.symbol
        if symbol in symbols:
            entry = aave_v3.describe(ground.yard, PLAN, reserve.token, dict(ground.admin))
            rewards = {"rewards": ground.at["$REWARDS"]} if symbol == USDC.symbol else {}
            others = {"others": [REWARD]} if rewards else {}
            yield {**entry, "id": f"aave_v3:{symbol}", "contracts": {**entry["contracts"], **rewards}, **others}


def _comet(ground: Ground) -> Entry:
    feeds = {"base_feed": ground.feeds[USDC.symbol], "feed_0": ground.feeds[WETH.symbol]}
    return {
        "id": "comet:USDC",
        "protocol": "compound_v3",
        "address": ground.at["$COMET_USDC"],
        "asset": USDC.symbol,
        "contracts": feeds,
        "others": [WETH.symbol],
        "numbers": {"quotes_usd": "1"},
    }


def _vaults(ground: Ground, symbols: Sequence[str]) -> Iterator[Entry]:
    for symbol, offset in ((USDC.symbol, VAULT_OFFSET), (WETH.symbol, 0)):
        if symbol in symbols:
            yield {
                "id": f"mm_{symbol.lower()}",
                "protocol": "erc4626",
                "address": ground.at[f"$MM_VAULT_{symbol}"],
                "asset": symbol,
                "contracts": {},
                "numbers": {"virtual_assets": "1", "decimals_offset": str(offset)},
            }


def _pool(ground: Ground, one: Token, other: Token, fee_pips: int) -> Entry:
    contracts = {"pool": ground.pools[one.symbol, other.symbol, fee_pips], "factory": ground.contracts["factory"]}
    contracts["position_manager"] = ground.at["$UNI_NFT"]
    wraps_native = other is WETH
    return {
        "id": f"swap:{one.symbol}/{other.symbol}-{fee_pips}",
        "protocol": "uniswap_router",
        "address": ground.at["$UNI_ROUTER"],
        "asset": one.symbol,
        "contracts": contracts | ({"wrapped_native": ground.at["$WETH"]} if wraps_native else {}),
        "others": [other.symbol, *(["ETH"] if wraps_native else [])],
        "numbers": {"fee_pips": str(fee_pips)},
    }


def described(
    ground: Ground, symbols: Sequence[str] = LISTED, pools: Sequence[tuple[Token, Token, int]] | None = None
) -> dict[str, Any]:
    """A whole deployment as its file would say it, pins as the chain is now."""
    tokens = [token for token in TOKENS if token.symbol in symbols]
    markets = entries(ground, symbols, POOLS[:REGISTERED_POOLS] if pools is None else pools)
    feeds = {token.symbol: ground.feeds[token.symbol] for token in tokens}
    known = [
        MULTICALL,
        ground.sequencer,
        ground.at["$PERMIT2"],
        *[ground.at[f"${token.symbol}"] for token in tokens],
        *feeds.values(),
    ]
    known += [address for market in markets for address in (market["address"], *market["contracts"].values())]
    return {
        "chain_id": CHAIN_ID,
        "name": "catalogue",
        "multicall": MULTICALL,
        "assets": [
            *[{"symbol": token.symbol, "address": ground.at[f"${token.symbol}"], "decimals": token.decimals} for token in tokens],
            {"symbol": "ETH", "address": NATIVE, "decimals": 18},
        ],
        "markets": markets,
        **pins(ground.node, known),
        "feeds": feeds,
        "sequencer": ground.sequencer,
        "permit2": ground.at["$PERMIT2"],
        "families": {symbol: family for symbol, family in FAMILIES.items() if symbol == "ETH" or symbol in symbols},
        "issuers": {symbol: issuer for symbol, issuer in ISSUERS.items() if symbol in symbols},
    }


def pins(node: Node, addresses: Sequence[str]) -> dict[str, Any]:
    """The code of contracts, of what they hand over to, and how."""
    proxies = {address: ways for address in dict.fromkeys(addresses) if (ways := ways_of(node, address))}
    behind = [target for ways in proxies.values() for way in ways for target in way["targets"]]
    return {"code": {address: code_hash(node, address) for address in dict.fromkeys([*addresses, *behind])}, "proxies": proxies}


def ways_of(node: Node, address: str) -> list[dict[str, Any]]:
    """How a contract's code acts elsewhere, by the two slots of ERC-1967, and by our stand-in's for a diamond."""
    if _slot(node, address, FACET_SLOT) is not None:
        return [dict(diamond(node, address))]
    implementation, beacon = (_slot(node, address, slot) for slot in (EIP1967_SLOT, BEACON_SLOT))
    if beacon is not None:
        behind = "0x" + str(node.rpc("eth_call", {"to": beacon, "data": "0x5c60da1b"}, "latest"))[-40:]
        return [{"kind": "beacon", "targets": [beacon, behind]}]
    return [] if implementation is None else [{"kind": "eip1967", "targets": [implementation]}]


def _slot(node: Node, address: str, slot: str) -> str | None:
    held = str(node.rpc("eth_getStorageAt", address, slot, "latest"))
    return "0x" + held[-40:] if int(held, 16) else None

"""Protocol name to adapter, the closed union of market states, and what a deployment file says. Refuses unknown protocols,
malformed deployments, and any call that no adapter reads to its last byte."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias, cast

from strategies.domain import CLASSES, ROLLUPS, Action, Address, Approve, Asset, Deployment, Market, Revoke, Transfer
from strategies.errors import SettingsError
from strategies.protocols import (
    aave_v3,
    compound_v2,
    compound_v3,
    curve,
    erc20,
    erc4626,
    grants,
    lido,
    metamorpho,
    morpho_blue,
    pendle,
    recorded_index,
    sky_savings,
    stata,
    uniswap_router,
    uniswap_v3,
    wrapped_native,
)
from strategies.protocols.adapter import Adapter, Call
from strategies.proxies import Proxy, ProxyKind
from strategies.revocations import GrantRevocation

MarketState: TypeAlias = (
    aave_v3.Reserve
    | compound_v2.LendingToken
    | compound_v3.Comet
    | curve.CurvePool
    | erc4626.Vault
    | lido.StakingPool
    | metamorpho.CuratedVault
    | morpho_blue.LoanMarket
    | pendle.PendleMarket
    | recorded_index.RecordedIndex
    | sky_savings.Savings
    | stata.Stata
    | uniswap_router.PoolPrice
    | uniswap_v3.Pool
    | wrapped_native.Wrapping
)

ADAPTERS: Final[Mapping[str, Adapter[MarketState]]] = {
    adapter.protocol: cast("Adapter[MarketState]", adapter)  # each is only ever given the states it made
    for adapter in (
        aave_v3.AaveV3(),
        compound_v2.CompoundV2(),
        compound_v3.CompoundV3(),
        curve.Curve(),
        erc4626.Erc4626(),
        lido.Lido(),
        metamorpho.MetaMorpho(),
        morpho_blue.MorphoBlue(),
        pendle.Pendle(),
        recorded_index.RecordedIndexes(),
        sky_savings.SkySavings(),
        stata.StataV2(),
        uniswap_router.UniswapRouter(),
        uniswap_v3.UniswapV3(),
        wrapped_native.WrappedNative(),
    )
}


def adapter_of(market: Market) -> Adapter[MarketState]:
    """The adapter of a market; `deployment_from` has refused protocols that have none."""
    return ADAPTERS[market.protocol]


def idle_assets(deployment: Deployment) -> tuple[Asset, ...]:
    """What can lie idle: every asset but those in which a market counts its shares or debts, because that claim is a position."""
    units = {unit for market in deployment.markets for unit in adapter_of(market).units(market)}
    return tuple([asset for asset in deployment.assets if asset.address not in units])


def beside(state: MarketState, touched: MarketState) -> MarketState:
    """A market after another was touched, at that one's time: a vault and what it lends to are one thing seen twice."""
    changed = {inner.market.id: inner for inner in _inner(touched)}
    if state.market.id in changed:
        return changed[state.market.id]
    if not any(inner.market.id in changed for inner in _inner(state)):
        return state
    match adapter_of(state.market).accrue(state, touched.timestamp - state.timestamp):
        case metamorpho.CuratedVault() as vault:
            loans = [changed.get(allocation.loan.market.id, allocation.loan) for allocation in vault.allocations]
            pairs = zip(vault.allocations, cast("list[morpho_blue.LoanMarket]", loans), strict=True)
            return replace(vault, allocations=tuple([replace(allocation, loan=loan) for allocation, loan in pairs]))
        case stata.Stata() as wrapper:
            return replace(wrapper, reserve=cast("aave_v3.Reserve", changed[wrapper.reserve.market.id]))
        case now:
            return now


def _inner(state: MarketState) -> tuple[MarketState, ...]:
    """The markets whose own states a state carries; of one that lends to no other, itself."""
    match state:
        case metamorpho.CuratedVault(allocations=allocations):
            return tuple([allocation.loan for allocation in allocations])
        case stata.Stata(reserve=reserve):
            return (reserve,)
        case _:
            return (state,)


def encode(action: Action, account: Address) -> tuple[Call, ...]:
    """The calls of any action. Raises UnknownCall."""
    if isinstance(action, Approve | Revoke | Transfer):
        return (erc20.encode(action),)
    if isinstance(action, GrantRevocation):
        return (grants.encode(action),)
    return adapter_of(action.market).encode(action, account)


def parse(call: Call, account: Address, deployment: Deployment) -> Action | None:
    """Bytes back to meaning, by whichever adapter reads them whole; None where none does."""
    if (own := erc20.parse(call, deployment.assets) or grants.parse(call, deployment)) is not None:
        return own
    markets = deployment.markets_at.get(call.target, ())
    for protocol in dict.fromkeys([market.protocol for market in markets]):
        there = [market for market in markets if market.protocol == protocol]
        if (action := ADAPTERS[protocol].parse(call, account, there)) is not None:
            return action
    return None


def deployment_from(content: Mapping[str, Any]) -> Deployment:
    """A deployment file's content. Raises SettingsError with the key that is wrong."""
    try:
        chain_id = int(content["chain_id"])
        assets = tuple(Asset(chain_id, _address(a["address"]), str(a["symbol"]), int(a["decimals"])) for a in content["assets"])
        named = {name: asset for asset in assets for name in (asset.symbol, asset.address)}
        markets = _markets(content["markets"], named)
        code = {_address(address): str(digest) for address, digest in content["code"].items()}
        multicall = _address(content["multicall"])
        name = str(content["name"])
        around = _around(content, named)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"the deployment file is malformed: {error!r}") from error
    _unique([asset.symbol for asset in assets], "asset")
    _unique([asset.address for asset in assets], "asset address")
    _unique([market.id for market in markets], "market")
    return replace(Deployment(chain_id, name, multicall, assets, markets, code), **around)


def _around(content: Mapping[str, Any], assets: Mapping[str, Asset]) -> dict[str, Any]:
    """What a deployment says besides assets, markets and code; whatever is left out is empty. Assets by symbol or address."""
    rollup = str(content.get("rollup", ROLLUPS[0]))
    if rollup not in ROLLUPS:
        raise ValueError(f"rollup {rollup!r} is none of {', '.join(ROLLUPS)}")
    sequencer, permit2 = content.get("sequencer"), content.get("permit2")
    proxies = {_address(address): tuple(map(_proxy, ways)) for address, ways in content.get("proxies", {}).items()}
    return {
        "proxies": proxies,
        "feeds": {assets[name].address: _address(feed) for name, feed in content.get("feeds", {}).items()},
        "sequencer": None if sequencer is None else _address(sequencer),
        "permit2": None if permit2 is None else _address(permit2),
        "rollup": rollup,
        "families": {assets[name].address: str(family) for name, family in content.get("families", {}).items()},
        "issuers": {assets[name].address: str(issuer) for name, issuer in content.get("issuers", {}).items()},
        "classes": {assets[name].address: _class(kind) for name, kind in content.get("classes", {}).items()},
    }


def _class(kind: object) -> str:
    if kind not in CLASSES:
        raise ValueError(f"{kind!r} is no class of assets; known: {', '.join(CLASSES)}")
    return str(kind)


def _proxy(entry: Mapping[str, Any]) -> Proxy:
    kind, targets = ProxyKind(str(entry["kind"])), tuple(_address(target) for target in entry["targets"])
    least = 2 if kind is ProxyKind.BEACON else 1
    if len(targets) < least or (len(targets) > least and kind is not ProxyKind.DIAMOND):
        raise ValueError(f"a proxy of kind {kind.value} names {len(targets)} targets")
    routes = str(entry.get("routes", ""))
    if bool(routes) != (kind is ProxyKind.DIAMOND):
        raise ValueError("a diamond says its routes, and nothing else does")
    return Proxy(kind, targets, routes)


def _markets(entries: Sequence[Mapping[str, Any]], assets: Mapping[str, Asset]) -> tuple[Market, ...]:
    """In the file's order; a vault wraps markets that stand before it."""
    known: dict[str, Market] = {}
    markets = []
    for entry in entries:
        markets.append(_market(entry, assets, known))
        known[markets[-1].id] = markets[-1]
    return tuple(markets)


def _market(entry: Mapping[str, Any], assets: Mapping[str, Asset], known: Mapping[str, Market]) -> Market:
    protocol = str(entry["protocol"])
    if protocol not in ADAPTERS:
        raise ValueError(f"protocol {protocol!r} has no adapter; known: {', '.join(ADAPTERS)}")
    asset = assets[str(entry["asset"])]  # by symbol or by address
    contracts = tuple((str(role), _address(address)) for role, address in sorted(entry["contracts"].items()))
    market = Market(
        id=str(entry["id"]),
        protocol=protocol,
        address=_address(entry["address"]),
        asset=asset,
        contracts=contracts,
        others=tuple(assets[str(name)] for name in entry.get("others", ())),
        numbers=tuple((str(name), int(number)) for name, number in sorted(entry.get("numbers", {}).items())),
        wraps=tuple(known[str(name)] for name in entry.get("wraps", ())),
    )
    ADAPTERS[protocol].reads(market)  # so that a role its adapter needs is missed here and not at the first block
    return market


def _address(text: object) -> Address:
    if not isinstance(text, str) or not re.fullmatch("0x[0-9a-fA-F]{40}", text):
        raise ValueError(f"{text!r} is no address")
    return text.lower()


def _unique(names: Sequence[str], kind: str) -> None:
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise SettingsError(f"the deployment file names {kind} {twice[0]} twice")

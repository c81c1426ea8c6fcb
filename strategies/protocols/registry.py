"""Protocol name to adapter, the closed union of market states, and what a deployment file says. Refuses unknown protocols,
malformed deployments, and any call that no adapter reads to its last byte."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from strategies.domain import Action, Address, Approve, Asset, Deployment, Market, Revoke, Transfer
from strategies.errors import SettingsError
from strategies.protocols import aave_v3, erc20, recorded_index
from strategies.protocols.adapter import Adapter, Call

MarketState: TypeAlias = aave_v3.Reserve | recorded_index.RecordedIndex

ADAPTERS: Final[Mapping[str, Adapter[MarketState]]] = {
    adapter.protocol: cast("Adapter[MarketState]", adapter)  # each is only ever given the states it made
    for adapter in (aave_v3.AaveV3(), recorded_index.RecordedIndexes())
}


def adapter_of(market: Market) -> Adapter[MarketState]:
    """The adapter of a market; `deployment_from` has refused protocols that have none."""
    return ADAPTERS[market.protocol]


def encode(action: Action, account: Address) -> tuple[Call, ...]:
    """The calls of any action. Raises UnknownCall."""
    match action:
        case Approve() | Revoke() | Transfer():
            return (erc20.encode(action),)
        case _:
            return adapter_of(action.market).encode(action, account)


def parse(call: Call, account: Address, deployment: Deployment) -> Action | None:
    """Bytes back to meaning, by whichever adapter reads them whole; None where none does."""
    if (action := erc20.parse(call, deployment.assets)) is not None:
        return action
    by_protocol: dict[str, list[Market]] = {}
    for market in deployment.markets:
        if market.address == call.target:
            by_protocol.setdefault(market.protocol, []).append(market)
    found = [ADAPTERS[name].parse(call, account, markets) for name, markets in by_protocol.items()]
    return next((action for action in found if action is not None), None)


def deployment_from(content: Mapping[str, Any]) -> Deployment:
    """A deployment file's content. Raises SettingsError with the key that is wrong."""
    try:
        chain_id = int(content["chain_id"])
        assets = tuple(Asset(chain_id, _address(a["address"]), str(a["symbol"]), int(a["decimals"])) for a in content["assets"])
        named = {name: asset for asset in assets for name in (asset.symbol, asset.address)}
        markets = tuple(_market(entry, named) for entry in content["markets"])
        code = {_address(address): str(digest) for address, digest in content["code"].items()}
        multicall = _address(content["multicall"])
        name = str(content["name"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"the deployment file is malformed: {error!r}") from error
    _unique([asset.symbol for asset in assets], "asset")
    _unique([asset.address for asset in assets], "asset address")
    _unique([market.id for market in markets], "market")
    return Deployment(chain_id, name, multicall, assets, markets, code)


def _market(entry: Mapping[str, Any], assets: Mapping[str, Asset]) -> Market:
    protocol = str(entry["protocol"])
    if protocol not in ADAPTERS:
        raise ValueError(f"protocol {protocol!r} has no adapter; known: {', '.join(ADAPTERS)}")
    asset = assets[str(entry["asset"])]  # by symbol or by address
    contracts = tuple((str(role), _address(address)) for role, address in sorted(entry["contracts"].items()))
    market = Market(str(entry["id"]), protocol, _address(entry["address"]), asset, contracts)
    ADAPTERS[protocol].reads(market)  # so that a role its adapter needs is missed here and not at the first block
    return market


def _address(text: object) -> Address:
    if not isinstance(text, str) or not re.fullmatch("0x[0-9a-fA-F]{40}", text):
        raise ValueError(f"{text!r} is no address")
    return text.lower()


def _unique(names: Sequence[str], kind: str) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsError(f"the deployment file names {kind} {twice[0]} twice")

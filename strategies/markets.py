"""What exists on one chain: the markets an asset can earn in, and all that a deployment file says of the chain they are on.
Refuses markets that it does not know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from strategies.assets import NATIVE, Address, Asset
from strategies.errors import UnknownMarket
from strategies.proxies import Proxy

ROLLUPS: Final = ("none", "op-stack", "arbitrum")  # no data fee; one beside the gas; one inside the gas
CLASSES: Final = ("open", "rmb-stablecoin", "real-world-asset")  # of assets, as rules of law tell them apart


@dataclass(frozen=True, slots=True)
class Market:
    """One place an asset can earn. `contracts` names, by role, the other contracts its adapter reads, calls or expects; `others`
    the further assets it deals in; `numbers` what is pinned of it besides addresses; `wraps` the markets a vault lends to."""

    id: str
    protocol: str
    address: Address
    asset: Asset
    contracts: tuple[tuple[str, Address], ...] = ()
    others: tuple[Asset, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    wraps: tuple["Market", ...] = ()

    def contract(self, role: str) -> Address:
        """The pinned address of a role; KeyError where the deployment names none."""
        return dict(self.contracts)[role]

    def number(self, name: str) -> int:
        """A pinned number; KeyError where the deployment names none."""
        return dict(self.numbers)[name]


@dataclass(frozen=True)  # without slots: its tables are worked out once, and kept beside its fields
class Deployment:
    """What exists on one chain: its assets, its markets, the multicall contract and the code each address must carry; where code
    acts elsewhere, who says what an asset is worth, whether the sequencer is up, and what kind of rollup it is."""

    chain_id: int
    name: str
    multicall: Address
    assets: tuple[Asset, ...]
    markets: tuple[Market, ...]
    code: Mapping[Address, str]
    proxies: Mapping[Address, tuple[Proxy, ...]] = field(default_factory=dict)
    feeds: Mapping[Address, Address] = field(default_factory=dict)  # an asset's price feed, with latestRoundData
    sequencer: Address | None = None  # the feed that says whether a rollup's sequencer is up
    permit2: Address | None = None  # the contract that keeps allowances of its own (Permit2), to be taken back there
    rollup: str = "none"  # one of ROLLUPS: who charges for data, and how
    families: Mapping[Address, str] = field(default_factory=dict)  # what an asset is a form of; absent: itself
    issuers: Mapping[Address, str] = field(default_factory=dict)  # who answers for an asset; absent: itself
    classes: Mapping[Address, str] = field(default_factory=dict)  # one of CLASSES; absent: what the symbol is known for

    def asset(self, symbol: str) -> Asset:
        """The asset of that symbol; KeyError where there is none."""
        return {asset.symbol: asset for asset in self.assets}[symbol]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each market stands, by its id."""
        return {market.id: at for at, market in enumerate(self.markets)}

    def place(self, market: Market) -> int:
        """Where a market stands. Raises UnknownMarket."""
        at = self.places.get(market.id)
        if at is None:
            raise UnknownMarket(market.id)
        return at

    @cached_property
    def has_vaults(self) -> bool:
        """Whether any market lends to others, so that touching one touches more."""
        return any(market.wraps for market in self.markets)

    @cached_property
    def native(self) -> Asset | None:
        """The chain's own coin, where it is named."""
        return next((asset for asset in self.assets if asset.address == NATIVE), None)

    @cached_property
    def places_of(self) -> Mapping[Address, tuple[int, ...]]:
        """Where the markets of each asset stand, by its address."""
        found: dict[Address, list[int]] = {}
        for at, market in enumerate(self.markets):
            found.setdefault(market.asset.address, []).append(at)
        return {address: tuple(places) for address, places in found.items()}

    @cached_property
    def markets_at(self) -> Mapping[Address, tuple[Market, ...]]:
        """The markets that have a contract at an address, in their order."""
        found: dict[Address, dict[str, Market]] = {}
        for market in self.markets:
            for address in (market.address, *[pinned for _, pinned in market.contracts]):
                found.setdefault(address, {})[market.id] = market
        return {address: tuple(markets.values()) for address, markets in found.items()}

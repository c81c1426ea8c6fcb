"""The vocabulary, on one page: frozen records that carry and do not act. Refuses sums across assets and unbalanced targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from strategies.errors import UnbalancedTarget
from strategies.units import MAX_UINT256, WAD, mul_div_down

Address: TypeAlias = str  # "0x" and forty lower-case hex digits

NATIVE: Final[Address] = "0x" + "ee" * 20  # the chain's own coin, by the convention of ERC-7528


@dataclass(frozen=True, slots=True)
class Asset:
    """A token or native coin on one chain."""

    chain_id: int
    address: Address
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity of one asset in base units; adds only to its own asset."""

    asset: Asset
    raw: int

    def __add__(self, other: "Amount") -> "Amount":
        if other.asset != self.asset:
            raise TypeError(f"{self.asset.symbol} and {other.asset.symbol} do not add")
        return Amount(self.asset, self.raw + other.raw)

    def portion(self, weight_wad: int) -> "Amount":
        """The only door from weight to quantity; rounded towards idle."""
        return Amount(self.asset, mul_div_down(self.raw, weight_wad, WAD))


def written(amount: Amount) -> str:
    """An amount as a person reads it, every digit kept: 1234500000 base units of USDC are 1,234.5 USDC."""
    if amount.raw == MAX_UINT256:
        return f"an unlimited amount of {amount.asset.symbol}"
    return f"{figure(amount.raw, amount.asset.decimals)} {amount.asset.symbol}"


def figure(raw: int, decimals: int) -> str:
    """Base units with their decimal point, thousands marked, every digit kept."""
    digits = str(abs(raw)).rjust(decimals + 1, "0")
    whole, rest = (digits[:-decimals], digits[-decimals:].rstrip("0")) if decimals else (digits, "")
    return f"{'-' if raw < 0 else ''}{int(whole):,}" + (f".{rest}" if rest else "")


class Entire(Enum):
    """The protocol's own word for everything: no dust stays behind."""

    ALL = "all"


ALL: Final = Entire.ALL


@dataclass(frozen=True, slots=True)
class Shares:
    """A quantity in a market's own share or debt unit, where the protocol lets one name that instead of an amount."""

    raw: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A price with its witness."""

    asset: Asset
    usd_e8: int
    source: str
    timestamp: int


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


@dataclass(frozen=True, slots=True)
class Ticks:
    """The bounds of a price range, lower included, upper not."""

    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class Range:
    """What a range position knows besides its liquidity: where it is, its fee growth when last touched, what it may collect."""

    token_id: int  # 0: not minted yet
    ticks: Ticks
    fee_growth_inside_last_x128: tuple[int, int]
    owed_raw: tuple[int, int]  # of token 0 and token 1


@dataclass(frozen=True, slots=True)
class Request:
    """One place in a withdrawal queue."""

    id: int  # 0: not asked for yet
    amount_raw: int  # of the market's asset, as it was asked for; once claimable, what the queue pays
    shares_raw: int
    is_claimable: bool


@dataclass(frozen=True, slots=True)
class Position:
    """A claim on a market in the market's own share unit (Aave: scaled balances; a range: its liquidity), and what is owed to it
    in its debt unit. What backs a debt and earns nothing is `collateral`; at most one amount an asset, none of them zero."""

    market: Market
    shares_raw: int
    debt_raw: int = 0
    collateral: tuple[Amount, ...] = ()
    range: Range | None = None
    requests: tuple[Request, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held and nothing is owed."""
        return not (self.shares_raw or self.debt_raw or self.collateral or self.range or self.requests)

    def collateral_raw(self, asset: Asset) -> int:
        """How much of an asset backs the debt."""
        return sum(amount.raw for amount in self.collateral if amount.asset == asset)


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All idle amounts (at most one an asset, the native coin among them) and all claims (at most one a market)."""

    idle: tuple[Amount, ...]
    positions: tuple[Position, ...] = ()

    def idle_raw(self, asset: Asset) -> int:
        return sum(amount.raw for amount in self.idle if amount.asset == asset)

    def position(self, market: Market) -> Position:
        """The claim on a market; an empty one where nothing is held."""
        return next((held for held in self.positions if held.market.id == market.id), Position(market, 0))


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy's name, a stance's name, a sentence; names are in the catalogue."""

    strategy: str
    stance: str
    reason: str


@dataclass(frozen=True, slots=True)
class Leg:
    """A share of the portfolio's value; `market` None is the idle remainder."""

    market: Market | None
    weight_wad: int


@dataclass(frozen=True, slots=True)
class Target:
    """What to hold of one asset. Weights sum to 1e18. Raises UnbalancedTarget."""

    asset: Asset
    legs: tuple[Leg, ...]
    reason: str

    def __post_init__(self) -> None:
        total_wad = sum(leg.weight_wad for leg in self.legs)
        if total_wad != WAD:
            raise UnbalancedTarget(total_wad)


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave what is held, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Supply:
    """Into a market: its asset, to earn; or one of its others, as collateral."""

    market: Market
    amount: Amount


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Out of a market: its asset, or collateral. Everything, and shares, are always of its asset."""

    market: Market
    amount: Amount | Shares | Entire


@dataclass(frozen=True, slots=True)
class Borrow:
    market: Market
    amount: Amount


@dataclass(frozen=True, slots=True)
class Repay:
    market: Market
    amount: Amount | Shares | Entire


@dataclass(frozen=True, slots=True)
class Swap:
    """Exactly so much in, at least so much out, in a block not later than the deadline (unix seconds)."""

    market: Market
    amount_in: Amount
    least_out: Amount
    deadline: int


@dataclass(frozen=True, slots=True)
class AddLiquidity:
    """At most and at least so much of both tokens into a new range, or into the one of a token id."""

    market: Market
    into: Ticks | int
    most: tuple[Amount, Amount]
    least: tuple[Amount, Amount]
    deadline: int


@dataclass(frozen=True, slots=True)
class RemoveLiquidity:
    """So much liquidity out of a range, for at least so much of both tokens; they wait there to be collected."""

    market: Market
    token_id: int
    liquidity_raw: int
    least: tuple[Amount, Amount]
    deadline: int


@dataclass(frozen=True, slots=True)
class Collect:
    """All that a range has earned and released."""

    market: Market
    token_id: int


@dataclass(frozen=True, slots=True)
class Stake:
    """The chain's own coin into a staking protocol, for its share token."""

    market: Market
    amount: Amount


@dataclass(frozen=True, slots=True)
class Unstake:
    """So much of the share token's asset into the withdrawal queue."""

    market: Market
    amount: Amount


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request in the withdrawal queue has become."""

    market: Market
    request_id: int


@dataclass(frozen=True, slots=True)
class Wrap:
    """So much of a token whose balance grows into one whose balance stands."""

    market: Market
    amount: Amount


@dataclass(frozen=True, slots=True)
class Unwrap:
    """So much of the standing token back into the growing one."""

    market: Market
    amount: Amount


@dataclass(frozen=True, slots=True)
class Approve:
    """An allowance of exactly this much; a plan may only write one that its next call uses up."""

    amount: Amount
    spender: Address


@dataclass(frozen=True, slots=True)
class Revoke:
    """An allowance of zero."""

    asset: Asset
    spender: Address


@dataclass(frozen=True, slots=True)
class Transfer:
    """Out of the account; the guard lets it go to the treasury only."""

    amount: Amount
    recipient: Address


Lending: TypeAlias = Supply | Withdraw | Borrow | Repay
Exchange: TypeAlias = Swap | AddLiquidity | RemoveLiquidity | Collect
Staking: TypeAlias = Stake | Unstake | Claim | Wrap | Unwrap
MarketAction: TypeAlias = Lending | Exchange | Staking
Action: TypeAlias = MarketAction | Approve | Revoke | Transfer


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered actions, the block they assume, the reason."""

    actions: tuple[Action, ...]
    block: int
    reason: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a market is expected to earn for a size, net; or the reasons why it is not to be used."""

    market: Market
    supply_apr: float  # as the chain shows it
    net_apr: float  # after own rate impact, gas and exit over the horizon
    utilisation: float
    withdrawable_raw: int
    reasons: tuple[str, ...]  # empty: usable


@dataclass(frozen=True, slots=True)
class Deployment:
    """What exists on one chain: its assets, its markets, the multicall contract and the code each address must carry."""

    chain_id: int
    name: str
    multicall: Address
    assets: tuple[Asset, ...]
    markets: tuple[Market, ...]
    code: Mapping[Address, str]

    def asset(self, symbol: str) -> Asset:
        """The asset of that symbol; KeyError where there is none."""
        return {asset.symbol: asset for asset in self.assets}[symbol]

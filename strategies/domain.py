"""The vocabulary, on one page: frozen records that carry and do not act. Refuses unbalanced targets. What is counted stands in
assets.py, what exists on a chain in markets.py; both are named here too."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from strategies.assets import ALL, NATIVE, Address, Amount, Asset, Entire, Quote, Shares, figure, written
from strategies.errors import UnbalancedTarget
from strategies.markets import CLASSES, ROLLUPS, Deployment, Market
from strategies.revocations import GrantRevocation
from strategies.units import WAD


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
class Reward:
    """What a claim has earned of an asset besides interest, as it was last counted, and the index it was counted at."""

    asset: Asset
    accrued_raw: int
    index: int


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
    counts: bool = True  # whether the shares may back debts; False only of some, where that was switched off
    rewards: tuple[Reward, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held and nothing is owed."""
        held = self.shares_raw or self.debt_raw or self.collateral or self.range or self.requests
        return not (held or any(reward.accrued_raw for reward in self.rewards))

    def collateral_raw(self, asset: Asset) -> int:
        """How much of an asset backs the debt."""
        return sum(amount.raw for amount in self.collateral if amount.asset == asset)


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All idle amounts (at most one an asset, the native coin among them) and all claims (at most one a market)."""

    idle: tuple[Amount, ...]
    positions: tuple[Position, ...] = ()

    def idle_raw(self, asset: Asset) -> int:
        return sum([amount.raw for amount in self.idle if amount.asset == asset])

    def position(self, market: Market) -> Position:
        """The claim on a market; an empty one where nothing is held."""
        for held in self.positions:
            if held.market.id == market.id:
                return held
        return Position(market, 0)


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
class SetCollateral:
    """Whether what is supplied to a market may back debts."""

    market: Market
    is_used: bool


@dataclass(frozen=True, slots=True)
class ClaimRewards:
    """All that a market's rewards contract owes the account besides interest."""

    market: Market


class Payout(Enum):
    """How what a trade got reaches the account: straight from the pool, or through the router within the same call."""

    STRAIGHT = "straight"
    SWEPT = "swept"


@dataclass(frozen=True, slots=True)
class Swap:
    """Exactly so much in, at least so much out, in a block not later than the deadline (unix seconds); through the market's pool
    and then through those of `via`, in order."""

    market: Market
    amount_in: Amount
    least_out: Amount
    deadline: int
    via: tuple[Market, ...] = ()
    payout: Payout = Payout.STRAIGHT


@dataclass(frozen=True, slots=True)
class SwapFor:
    """At most so much in, exactly so much out, in a block not later than the deadline (unix seconds)."""

    market: Market
    most_in: Amount
    amount_out: Amount
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
Upkeep: TypeAlias = SetCollateral | ClaimRewards
Exchange: TypeAlias = Swap | SwapFor | AddLiquidity | RemoveLiquidity | Collect
Staking: TypeAlias = Stake | Unstake | Claim | Wrap | Unwrap
MarketAction: TypeAlias = Lending | Upkeep | Exchange | Staking
Revocation: TypeAlias = Revoke | GrantRevocation
Action: TypeAlias = MarketAction | Approve | Revocation | Transfer


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

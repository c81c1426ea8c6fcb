"""What the two markets are: tokens, curves, limits and the positions they begin with. Numbers only; it deploys nothing.

Both markets list the same three tokens on different curves, so one asset earns two rates. The supply rate per year is
`borrow rate x utilisation x (1 - reserve factor)`, and the borrow rate is `slope1 x utilisation / kink` below the kink.
"""

from dataclasses import dataclass

RAY = 10**27
BPS_RAY = RAY // 10_000


@dataclass(frozen=True, slots=True)
class Token:
    """A token, what its feeds say at first, and the whole tokens that lender and borrower have to act with."""

    symbol: str
    name: str
    decimals: int
    usd_e8: int
    purse: int

    def units(self, whole: int) -> int:
        """A whole number of tokens in base units."""
        return whole * int(10**self.decimals)


@dataclass(frozen=True, slots=True)
class Reserve:
    """One reserve: its curve, its limits, and how much is in it at the start (whole tokens)."""

    token: Token
    kink_bps: int
    base_bps: int
    slope1_bps: int
    slope2_bps: int
    reserve_factor_bps: int
    ltv_bps: int
    threshold_bps: int
    bonus_bps: int
    lent: int
    collateral: int
    borrowed: int

    def curve_bps(self) -> tuple[int, ...]:
        """The curve as V3.6 takes it: optimal usage, base, slope below it, slope above it."""
        return self.kink_bps, self.base_bps, self.slope1_bps, self.slope2_bps

    def curve_ray(self) -> tuple[int, ...]:
        """The constructor arguments of V3.0's strategy after the provider; the stable-rate ones are inert, it is switched off."""
        variable = tuple(bps * BPS_RAY for bps in self.curve_bps())
        stable = tuple(bps * BPS_RAY for bps in (50, 6000, 100, 800, 2000))
        return variable + stable


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """One Aave market: the name in its market ids, and its reserves."""

    name: str
    reserves: tuple[Reserve, ...]

    def market_id(self, token: Token) -> str:
        """The id of one of its reserves."""
        return f"aave-{self.name}:{token.symbol}"


USDC = Token("USDC", "USD Coin", 6, 1_0000_0000, 100_000_000)
DAI = Token("DAI", "Dai Stablecoin", 18, 1_0000_0000, 100_000_000)
WETH = Token("WETH", "Wrapped Ether", 18, 3000_0000_0000, 200_000)
TOKENS = (USDC, DAI, WETH)

CORE = MarketPlan(
    "core",
    (
        Reserve(
            USDC,
            *(9200, 0, 550, 6000, 1000),
            *(7700, 8000, 10450),
            lent=12_000_000,
            collateral=0,
            borrowed=9_600_000,
        ),
        Reserve(
            DAI,
            *(9000, 0, 500, 6000, 1000),
            *(7500, 8000, 10500),
            lent=6_000_000,
            collateral=0,
            borrowed=4_680_000,
        ),
        Reserve(
            WETH,
            *(8000, 100, 330, 8000, 1500),
            *(8000, 8250, 10500),
            lent=4_000,
            collateral=36_000,
            borrowed=10_000,
        ),
    ),
)
PRIME = MarketPlan(
    "prime",
    (
        Reserve(
            USDC,
            *(9000, 0, 600, 4000, 1000),
            *(7700, 8000, 10450),
            lent=10_000_000,
            collateral=0,
            borrowed=8_600_000,
        ),
        Reserve(
            DAI,
            *(9200, 0, 550, 5000, 1500),
            *(7500, 8000, 10500),
            lent=5_000_000,
            collateral=0,
            borrowed=3_750_000,
        ),
        Reserve(
            WETH,
            *(9000, 100, 270, 8000, 1500),
            *(8000, 8250, 10500),
            lent=3_000,
            collateral=32_000,
            borrowed=10_500,
        ),
    ),
)
MARKETS = (CORE, PRIME)

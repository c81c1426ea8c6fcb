"""Uniswap V3 as its own packages compiled it: two pools with overlapping ranges of the lender's, a few swaps behind them, and the
second router, through which each pool is a market to trade in.

Positions have no pictures (no descriptor), the protocol takes no fee, a pool's owner is the deployer, and there is no Uniswap V2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, log
from typing import Any, Final

from agent.devnet.compile import Unit
from agent.devnet.contracts import read_address
from agent.devnet.markets import DAI, USDC, WETH, Token
from agent.devnet.wrapped_native import COIN
from agent.devnet.yard import ZERO, Entry, Yard

NAME: Final = "uniswap"
CORE, PERIPHERY, ROUTERS = "@uniswap/v3-core", "@uniswap/v3-periphery", "@uniswap/swap-router-contracts"
UNITS: Final[tuple[Unit, ...]] = ()
LAST_TICK: Final = 887_272
NEVER: Final = 2**40  # a deadline that does not pass
MINT: Final = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
SWAP: Final = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"


@dataclass(frozen=True, slots=True)
class Plan:
    """One pool of USDC and another token: its fee, its price, and ranges by their width on each side in spacings (0: all there
    is) with the whole tokens that they may take."""

    other: Token
    fee_pips: int
    tick_spacing: int
    usdc_per_other: int
    ranges: tuple[tuple[int, int, int, int], ...]  # spacings below and above, USDC, other
    swapped: int  # whole USDC there, and what it bought back

    @property
    def market_id(self) -> str:
        """Its id in the deployment."""
        return f"uniswap-v3:{USDC.symbol}/{self.other.symbol}-{self.fee_pips}"


PLANS: Final = (
    Plan(
        *(WETH, 500, 10, 3_000),
        ranges=(
            (0, 0, 1_500_000, 500),
            (200, 200, 2_000_000, 700),
            (20, 20, 1_000_000, 350),
            (3, 40, 300_000, 100),
            (60, 2, 300_000, 100),
        ),
        swapped=400_000,
    ),
    Plan(
        *(DAI, 3_000, 60, 1),
        ranges=((0, 0, 200_000, 200_000), (10, 10, 800_000, 800_000), (1, 1, 500_000, 500_000), (1, 4, 100_000, 100_000)),
        swapped=250_000,
    ),
)


def deploy(yard: Yard) -> Sequence[Entry]:
    """Factory, position manager, router and lens, then the pools, then the second router."""
    weth = yard.tokens[WETH.symbol]
    factory = yard.hardhat(CORE, "UniswapV3Factory")
    contracts = {
        "position_manager": yard.hardhat(
            PERIPHERY, "NonfungiblePositionManager", "(address,address,address)", factory, weth, ZERO
        ),
        "router": yard.hardhat(PERIPHERY, "SwapRouter", "(address,address)", factory, weth),
        "tick_lens": yard.hardhat(PERIPHERY, "TickLens"),
    }
    yard.admin[NAME] = {"factory": factory}
    for token in (USDC, DAI, WETH):
        yard.approve("lender", token, contracts["position_manager"])
        yard.approve("borrower", token, contracts["router"])
    pools = [create_pool(yard, plan, factory, contracts) for plan in PLANS]
    signature = "(address,address,address,address)"
    router = yard.hardhat(ROUTERS, "SwapRouter02", signature, ZERO, factory, contracts["position_manager"], weth)
    traded = [trade_in(yard, plan, pool, router) for plan, pool in zip(PLANS, pools, strict=True)]
    return [*pools, *traded]


def create_pool(yard: Yard, plan: Plan, factory: str, contracts: dict[str, str]) -> dict[str, Any]:
    """A pool at its price with its ranges and swaps, and as an entry of the deployment."""
    usdc, other = yard.tokens[USDC.symbol], yard.tokens[plan.other.symbol]
    first, second = sorted((usdc, other))
    one_raw = {usdc: USDC.units(plan.usdc_per_other), other: plan.other.units(1)}
    price_x96 = isqrt((one_raw[second] << 192) // one_raw[first])
    signature = "createAndInitializePoolIfNecessary(address,address,uint24,uint160)"
    yard.administer(contracts["position_manager"], signature, first, second, plan.fee_pips, price_x96)
    pool = read_address(yard.node, factory, "getPool(address,address,uint24)", first, second, plan.fee_pips)
    for below, above, usdc_whole, other_whole in plan.ranges:
        most_raw = {usdc: USDC.units(usdc_whole), other: plan.other.units(other_whole)}
        bounds = bounds_of(plan, price_x96, below, above)
        sent = (first, second, plan.fee_pips, *bounds, most_raw[first], most_raw[second], 0, 0, yard.actors["lender"], NEVER)
        yard.act("lender", contracts["position_manager"], MINT, sent)
    back_raw = plan.other.units(plan.swapped) // plan.usdc_per_other
    for given, wanted, raw in ((usdc, other, USDC.units(plan.swapped)), (other, usdc, back_raw)):
        yard.act("borrower", contracts["router"], SWAP, (given, wanted, plan.fee_pips, yard.actors["borrower"], NEVER, raw, 0, 0))
    return {
        "id": plan.market_id,
        "protocol": "uniswap_v3",
        "address": pool,
        "asset": usdc,
        "others": [other],
        "contracts": contracts,
        "numbers": {"fee_pips": str(plan.fee_pips), "tick_spacing": str(plan.tick_spacing)},
    }


def trade_in(yard: Yard, plan: Plan, pool: Entry, router: str) -> Entry:
    """A pool as a market of the second router; where it has wrapped ether, ether itself is traded too."""
    roles = {"pool": str(pool["address"]), "factory": str(yard.admin[NAME]["factory"])}
    has_ether = plan.other is WETH
    return {
        "id": f"swap:{USDC.symbol}/{plan.other.symbol}-{plan.fee_pips}",
        "protocol": "uniswap_router",
        "address": router,
        "asset": pool["asset"],
        "others": [*pool["others"], *([COIN] if has_ether else [])],
        "contracts": roles | ({"wrapped_native": yard.tokens[WETH.symbol]} if has_ether else {}),
        "numbers": {"fee_pips": str(plan.fee_pips)},
    }


def bounds_of(plan: Plan, price_x96: int, below: int, above: int) -> tuple[int, int]:
    """A range's ticks about a price; all there is where the widths are nothing."""
    spacing = plan.tick_spacing
    if not below and not above:
        return -(LAST_TICK // spacing) * spacing, LAST_TICK // spacing * spacing
    middle = tick_below(price_x96) // spacing
    return (middle - below) * spacing, (middle + above) * spacing


def tick_below(price_x96: int) -> int:
    """The tick of a square root of a price times 2^96, near enough to place a range by."""
    return int(log(price_x96 / 2**96) * 2 // log(1.0001))

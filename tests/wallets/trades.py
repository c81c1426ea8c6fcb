"""A world with two pools for the rules about trades: lending reserves beside them, everything priced by quotes."""

from dataclasses import replace
from math import isqrt
from typing import Any, Final

from strategies.domain import Action, Amount, Asset, Deployment, Market, Portfolio, Position, Quote, Swap
from strategies.protocols.uniswap_router import PoolPrice
from strategies.tape import Reading
from strategies.units import USD_E8, WAD
from tests.wallets import cases
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, LENDING, WETH, case, policy
from tests.worlds import CHAIN, ETHER, ONE, USDC
from wallets.case import Case
from wallets.wallet import Allowance

DAI: Final = Asset(CHAIN, "0x" + "da" * 20, "DAI", 18)
ROUTER: Final = "0x" + "52" * 20
_ROLES: Final = (("factory", "0x" + "5f" * 20), ("pool", "0x" + "50" * 20), ("wrapped_native", WETH.address))
ETHER_POOL: Final = Market("swap:USDC/WETH-500", "uniswap_router", ROUTER, USDC, _ROLES, (WETH,), (("fee_pips", 500),))
DAI_POOL: Final = Market("swap:USDC/DAI-100", "uniswap_router", ROUTER, USDC, _ROLES[:2], (DAI,), (("fee_pips", 100),))
MARKETS: Final = (AAVE_USDC, AAVE_WETH, ONE, ETHER_POOL, DAI_POOL)
TRADING: Final = Deployment(CHAIN, "trading", LENDING.multicall, (USDC, WETH, ETHER, DAI), MARKETS, {})
MARKET_IDS: Final = tuple(market.id for market in MARKETS)
BOTH: Final = ("oracle", "exchange")
FUNDED: Final = Portfolio((Amount(USDC, 50_000 * 10**6), Amount(WETH, 10 * WAD), Amount(ETHER, WAD), Amount(DAI, 5_000 * WAD)))


def pool(market: Market, usdc_per_other: float, timestamp: int) -> PoolPrice:
    """A pool at a price; every USDC address here is below WETH's and DAI's, so USDC is token 0."""
    per_usdc = 10**12 / usdc_per_other  # of the other's base units for one of USDC
    return PoolPrice(market, timestamp, isqrt(int(per_usdc * 2**64) << 128), 10**24)


def trading_reading(*, ether_usd: float = 3_000, dai_usd: float = 1, pool_usd: float = 3_000, dai_pool_usd: float = 1) -> Reading:
    """Oracles and pools that agree unless told otherwise."""
    seen = cases.lending_reading()
    ether_reserve = cases.reserve(AAVE_WETH, price_usd=int(ether_usd)) if ether_usd >= 1 else None
    aave = (seen.states[0], ether_reserve, seen.states[2])
    pools = (pool(ETHER_POOL, pool_usd, seen.timestamp), pool(DAI_POOL, dai_pool_usd, seen.timestamp))
    others = ((WETH, ether_usd), (ETHER, ether_usd), (DAI, dai_usd))
    quotes = (
        Quote(USDC, USD_E8, "test", seen.timestamp),
        *[Quote(asset, int(usd * USD_E8), "test", seen.timestamp) for asset, usd in others],
    )
    return replace(seen, states=(*aave, *pools), quotes=quotes)


def trading(*actions: Action, tables: dict[str, Any] | None = None, **changes: Any) -> Case:
    """A case in this world; `tables` tighten the policy. What actions take is allowed already."""
    limits = policy(markets=MARKET_IDS, price_sources=BOTH, **(tables or {}))
    defaults: dict[str, Any] = {"seen": trading_reading(), "portfolio": FUNDED, "policy": limits}
    return case(actions, deployment=TRADING, **(defaults | changes))


def swap(usdc_whole: int, least_weth_wei: int, *, late_seconds: int = 600) -> Swap:
    """USDC for at least so much wrapped ether."""
    deadline = cases.reading().timestamp + late_seconds
    return Swap(ETHER_POOL, Amount(USDC, usdc_whole * 10**6), Amount(WETH, least_weth_wei), deadline)


def back(weth_wei: int, least_usdc_raw: int) -> Swap:
    """And wrapped ether for at least so much USDC."""
    return Swap(ETHER_POOL, Amount(WETH, weth_wei), Amount(USDC, least_usdc_raw), cases.reading().timestamp + 600)


def holding(market: Market, shares_raw: int) -> Portfolio:
    return replace(FUNDED, positions=(Position(market, shares_raw),))


def standing(asset: Asset, spender: str, raw: int) -> tuple[Allowance, ...]:
    return (Allowance(asset.address, spender, raw),)

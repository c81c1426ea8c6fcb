"""Two pools of one router and a wrapped coin, made up here; what the tests of trades and of wrapping start from."""

from strategies.domain import NATIVE, Amount, Asset, Market, MarketAction, Payout, Swap, SwapFor, Unwrap, Wrap
from strategies.protocols.uniswap_router import PoolPrice, UniswapRouter
from strategies.protocols.wrapped_native import WrappedNative, Wrapping
from tests.strategies.protocols.cases import CHAIN, DAI, NOW, USDC

ADAPTER, WRAPPER = UniswapRouter(), WrappedNative()
WETH = Asset(CHAIN, "0x" + "e7" * 20, "WETH", 18)
ETHER = Asset(CHAIN, NATIVE, "ETH", 18)
ROUTER = "0x" + "52" * 20
ROLES = (("factory", "0x" + "5f" * 20), ("pool", "0x" + "50" * 20), ("wrapped_native", WETH.address))
ETHER_POOL = Market("swap:USDC/WETH-500", "uniswap_router", ROUTER, USDC, ROLES, (WETH, ETHER), (("fee_pips", 500),))
DAI_ROLES = (("factory", "0x" + "5f" * 20), ("pool", "0x" + "51" * 20))
DAI_POOL = Market("swap:USDC/DAI-3000", "uniswap_router", ROUTER, USDC, DAI_ROLES, (DAI,), (("fee_pips", 3_000),))
POOLS = (ETHER_POOL, DAI_POOL)
LATER = NOW + 600
PRICE_X96 = 1_446_512_047_249_704_047_512_550_282_159_324  # 3,000 USDC the WETH; USDC is token 0
STATE = PoolPrice(ETHER_POOL, NOW, PRICE_X96, 10**18)
WRAPPED = Market("weth", "wrapped_native", WETH.address, WETH, others=(ETHER,))
WRAPPING = Wrapping(WRAPPED, NOW, 10**24)


def usdc(raw: int) -> Amount:
    return Amount(USDC, raw)


def weth(raw: int) -> Amount:
    return Amount(WETH, raw)


def ether(raw: int) -> Amount:
    return Amount(ETHER, raw)


def dai(raw: int) -> Amount:
    return Amount(DAI, raw)


def trades(market: Market, raw: int) -> tuple[MarketAction, ...]:
    """Every kind of trade in one pool, with the native coin at either end or none."""
    return (
        Swap(market, usdc(raw), weth(0), LATER),
        Swap(market, weth(raw), usdc(0), LATER),
        Swap(market, weth(raw), usdc(0), LATER, (), Payout.SWEPT),
        Swap(market, usdc(raw), ether(0), LATER),
        Swap(market, ether(raw), usdc(0), LATER),
        SwapFor(market, usdc(raw), weth(max(raw, 1)), LATER),
        SwapFor(market, usdc(raw), ether(max(raw, 1)), LATER),
        SwapFor(market, ether(raw), usdc(max(raw // 10**10, 1)), LATER),
    )


def wraps(market: Market, raw: int) -> tuple[MarketAction, ...]:
    return Wrap(market, ether(raw)), Unwrap(market, weth(raw))

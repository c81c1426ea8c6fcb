"""One pool of two made-up tokens, its state with two ranges and an account's claim on one of them; what the tests start from."""

from dataclasses import replace

from strategies.domain import AddLiquidity, Amount, Asset, Collect, Market, MarketAction, Position, RemoveLiquidity, Swap, Ticks
from strategies.protocols.uniswap_v3 import UniswapV3
from strategies.protocols.uniswap_v3.arithmetic import Book, sqrt_price_at_tick_x96
from strategies.protocols.uniswap_v3.pool import Pool, swap
from tests.strategies.protocols.cases import DAI, NOW, USDC

ADAPTER = UniswapV3()
ROLES = (("position_manager", "0x" + "31" * 20), ("router", "0x" + "32" * 20), ("tick_lens", "0x" + "33" * 20))
NUMBERS = (("fee_pips", 3_000), ("tick_spacing", 60))
MARKET = Market("uniswap:USDC/DAI", "uniswap_v3", "0x" + "30" * 20, USDC, ROLES, (DAI,), NUMBERS)
LATER = NOW + 600
TOKEN_ID = 7
AROUND = Ticks(275_400, 277_200)
ALL_THERE_IS = Ticks(-887_220, 887_220)


def pair(raw0: int, raw1: int, tokens: tuple[Asset, Asset] = (USDC, DAI)) -> tuple[Amount, Amount]:
    """Amounts of both tokens, in their order: 0xa0… stands before 0xda…."""
    return Amount(tokens[0], raw0), Amount(tokens[1], raw1)


def empty_pool() -> Pool:
    """Initialised at about one for one, with nothing in it."""
    return Pool(
        market=MARKET,
        timestamp=NOW,
        fee_pips=3_000,
        sqrt_price_x96=sqrt_price_at_tick_x96(276_324) + 12_345,
        tick=276_324,
        fee_protocol=0,
        liquidity_raw=0,
        fee_growth_global_x128=(0, 0),
        protocol_fees_raw=(0, 0),
        balances_raw=(0, 0),
        book=Book(60, (), ()),
    )


def entered(state: Pool, held: Position, into: Ticks | int, whole: int) -> tuple[Pool, Position]:
    """So many whole tokens of each, at most, into a range."""
    action = AddLiquidity(MARKET, into, pair(whole * 10**6, whole * 10**18), pair(0, 0), LATER)
    done = ADAPTER.apply(state, held, action)
    return done.state, done.held


def traded_pool() -> tuple[Pool, Position]:
    """Somebody's liquidity everywhere, the account's around the price, and swaps both ways behind them."""
    state, _ = entered(empty_pool(), Position(MARKET, 0), ALL_THERE_IS, 1_000_000)
    state, held = entered(state, Position(MARKET, 0), AROUND, 500_000)
    state = swap(state, 0, 40_000 * 10**6, 4_295_128_740).pool
    state = swap(state, 1, 35_000 * 10**18, sqrt_price_at_tick_x96(280_000)).pool
    assert held.range is not None
    return state, replace(held, range=replace(held.range, token_id=TOKEN_ID))


STATE, HELD = traded_pool()


def writes(market: Market, raw: int) -> tuple[MarketAction, ...]:
    """Every kind of action, of so many base units (or so much liquidity)."""
    return (
        Swap(market, Amount(USDC, raw), Amount(DAI, 0), LATER),
        Swap(market, Amount(DAI, raw), Amount(USDC, 0), LATER),
        AddLiquidity(market, TOKEN_ID, pair(raw, raw), pair(0, 0), LATER),
        RemoveLiquidity(market, TOKEN_ID, raw, pair(0, 0), LATER),
        Collect(market, TOKEN_ID),
    )


def pool_raw(state: Pool, asset: Asset) -> int:
    """What the pool has of a token."""
    return state.balances_raw[(USDC, DAI).index(asset)]

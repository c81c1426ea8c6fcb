"""Morpho Blue markets, a vault over them and claims, made up here; what the laws and the unit tests start from."""

from dataclasses import replace
from typing import Final

from strategies.domain import Amount, Asset, Borrow, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.protocols.metamorpho import Allocation, CuratedVault
from strategies.protocols.morpho_blue import LoanMarket
from strategies.protocols.morpho_blue.lending import updated
from strategies.units import WAD
from tests.strategies.protocols.cases import CHAIN, NOW, ONE, USDC

WETH: Final = Asset(CHAIN, "0x" + "ee" * 19 + "01", "WETH", 18)
SINGLETON: Final = "0x" + "b1" * 20
PINNED: Final = (("irm", "0x" + "1a" * 20), ("oracle", "0x" + "0a" * 20))
LLTV: Final = (("lltv_wad", 86 * WAD // 100),)
MARKET: Final = Market("morpho:USDC/WETH", "morpho_blue", SINGLETON, USDC, PINNED, (WETH,), LLTV)
KEEPING: Final = Market("morpho:USDC", "morpho_blue", SINGLETON, USDC)
LENT: Final = LoanMarket(
    market=MARKET,
    timestamp=NOW,
    last_update_timestamp=NOW - 86_400,
    supplied_raw=4_000_000 * ONE,
    supply_shares_raw=3_900_000 * ONE * 10**6,
    owed_raw=3_500_000 * ONE,
    borrow_shares_raw=3_300_000 * ONE * 10**6,
    fee_wad=WAD // 10,
    rate_at_target_wad=1_500_000_000,
    price_e36=3_000 * 10**24,
)
KEPT: Final = replace(LENT, market=KEEPING, owed_raw=0, borrow_shares_raw=0, rate_at_target_wad=0, price_e36=0)
HELD: Final = Position(MARKET, 10**6 * ONE * 10**6, 10**4 * ONE * 10**6, (Amount(WETH, 10 * 10**18),))
BOOKED: Final = updated(LENT)  # from here on a claim cannot lose: nothing is left to book anew
VAULT_MARKET: Final = Market(
    *("metamorpho:USDC", "metamorpho", "0x" + "ba" * 20, USDC),
    numbers=(("supply_queue_length", 2),),
    wraps=(KEEPING, MARKET),
)
VAULT: Final = CuratedVault(
    market=VAULT_MARKET,
    timestamp=NOW,
    shares_raw=1_100_000 * ONE * 10**12,
    last_total_raw=1_200_000 * ONE,
    fee_wad=WAD // 10,
    allocations=(
        Allocation(
            replace(KEPT, supply_shares_raw=KEPT.supplied_raw * 10**6), Position(KEEPING, 200_000 * ONE * 10**6), 10**6 * ONE
        ),
        Allocation(LENT, Position(MARKET, 1_000_000 * ONE * 10**6), 3 * 10**6 * ONE),
    ),
    supply_queue=(1, 0),
)
BOOKED_VAULT: Final = replace(VAULT, allocations=tuple(replace(a, loan=updated(a.loan)) for a in VAULT.allocations))
VAULT_HELD: Final = Position(VAULT_MARKET, 500_000 * ONE * 10**12)


def lends_and_borrows(market: Market, raw: int) -> tuple[MarketAction, ...]:
    """Everything that Morpho Blue's adapter writes."""
    amount, backing = Amount(market.asset, raw), Amount(WETH, raw)
    lends = (Supply(market, amount), Withdraw(market, amount), Withdraw(market, Shares(raw)))
    return *lends, Borrow(market, amount), Repay(market, amount), Supply(market, backing), Withdraw(market, backing)


def deposits(market: Market, raw: int) -> tuple[MarketAction, ...]:
    """Everything that MetaMorpho's adapter writes."""
    amount = Amount(market.asset, raw)
    return Supply(market, amount), Withdraw(market, amount), Withdraw(market, Shares(raw))

"""One Comet, a state and claims on it, made up here; what the laws and the unit tests start from."""

from typing import Final

from strategies.domain import Amount, Asset, Market, Position
from strategies.protocols.compound_v3.comet import Collateral, Comet, Curve
from strategies.units import USD_E8, WAD
from tests.strategies.protocols.cases import CHAIN, NOW, ONE, USDC

WETH: Final = Asset(CHAIN, "0x" + "e7" * 20, "WETH", 18)
LINK: Final = Asset(CHAIN, "0x" + "11" * 20, "LINK", 18)
FEEDS: Final = (("base_feed", "0x" + "f0" * 20), ("feed_0", "0x" + "f1" * 20), ("feed_1", "0x" + "f2" * 20))
COMET: Final = Market(
    "comet:USDC", "compound_v3", "0x" + "c0" * 20, USDC, FEEDS, others=(WETH, LINK), numbers=(("quotes_usd", 1),)
)
SUPPLY_CURVE: Final = Curve(kink_wad=9 * WAD // 10, low_wad=1_236_681_887, high_wad=95_129_375_951, base_wad=0)
BORROW_CURVE: Final = Curve(kink_wad=9 * WAD // 10, low_wad=1_331_811_263, high_wad=107_813_292_744, base_wad=348_807_711)


def comet_state() -> Comet:
    """About ten million supplied, eight owed, two million there, a day after the last accrual."""
    return Comet(
        market=COMET,
        timestamp=NOW,
        last_accrual_timestamp=NOW - 86_400,
        supply_index_e15=1_041_137_690_950_940,
        borrow_index_e15=1_074_606_701_776_895,
        supply_principal_raw=9_600_000 * ONE,
        borrow_principal_raw=7_400_000 * ONE,
        supply_curve=SUPPLY_CURVE,
        borrow_curve=BORROW_CURVE,
        borrow_min_raw=100 * ONE,
        available_raw=2_000_000 * ONE,
        price_e8=USD_E8,
        supply_paused=False,
        withdraw_paused=False,
        collaterals=(
            Collateral(WETH, 3_000 * USD_E8, 825 * WAD // 1_000, 895 * WAD // 1_000, 50_000 * WAD, 4_000 * WAD),
            Collateral(LINK, 20 * USD_E8, 7 * WAD // 10, 8 * WAD // 10, 10**6 * WAD, 10_000 * WAD),
        ),
    )


def lender(shares_raw: int = 100_000 * ONE) -> Position:
    """Supplied, nothing owed."""
    return Position(COMET, shares_raw)


def borrower(debt_raw: int = 50_000 * ONE, weth_raw: int = 100 * WAD) -> Position:
    """Owing, on ether."""
    return Position(COMET, 0, debt_raw, (Amount(WETH, weth_raw),) if weth_raw else ())

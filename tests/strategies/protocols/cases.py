"""One market, state and claim for each adapter, made up here; what the laws and the unit tests start from."""

from strategies.domain import Asset, Market, Position
from strategies.protocols.aave_v3 import Reserve
from strategies.protocols.aave_v3.arithmetic import V3_0, V3_6, Curve, Version
from strategies.protocols.aave_v3.reserve import Configuration
from strategies.protocols.recorded_index import RecordedIndex
from strategies.units import RAY, USD_E8, WAD

CHAIN = 31_337
ACCOUNT = "0x" + "be" * 20
STRANGER = "0x" + "bd" * 20
USDC = Asset(CHAIN, "0x" + "a0" * 20, "USDC", 6)
DAI = Asset(CHAIN, "0x" + "da" * 20, "DAI", 18)
ONE = 10**6
NOW = 1_800_000_000
ROLES = (("debt", "0x" + "0d" * 20), ("oracle", "0x" + "0f" * 20), ("receipt", "0x" + "0a" * 20), ("strategy", "0x" + "0c" * 20))
OLD_POOL = Market("old:USDC", "aave_v3", "0x" + "11" * 20, USDC, (*ROLES, ("stable_debt", "0x" + "0b" * 20)))
NEW_POOL = Market("new:USDC", "aave_v3", "0x" + "16" * 20, USDC, ROLES)
RECORDED = Market("recorded:USDC", "recorded_index", "0x" + "22" * 20, USDC)
CURVE = Curve(9 * RAY // 10, RAY // 100, 4 * RAY // 100, 60 * RAY // 100)
OPEN = Configuration(
    ltv_bps=7_700,
    threshold_bps=8_000,
    decimals=6,
    active=True,
    frozen=False,
    borrowing_enabled=True,
    paused=False,
    siloed=False,
    reserve_factor_bps=1_000,
    borrow_cap=0,
    supply_cap=0,
    bonus_bps=10_500,
)


def reserve(version: Version = V3_0, configuration: Configuration = OPEN) -> Reserve:
    """Ten million supplied, eight owed, two million there, a day after the last update."""
    return Reserve(
        market=OLD_POOL if version is V3_0 else NEW_POOL,
        version=version,
        configuration=configuration,
        curve=CURVE,
        timestamp=NOW,
        last_update_timestamp=NOW - 86_400,
        liquidity_index_ray=1_050_000_000_000_000_000_000_000_007,
        variable_index_ray=1_080_000_000_000_000_000_000_000_011,
        liquidity_rate_ray=33 * RAY // 1_000,
        variable_rate_ray=46 * RAY // 1_000,
        scaled_supply_raw=9_523_809 * ONE,
        scaled_debt_raw=7_407_407 * ONE,
        treasury_scaled_raw=12_345,
        unbacked_raw=0,
        available_raw=2_000_000 * ONE,
        price_usd_e8=USD_E8,
    )


def recorded(available_raw: int | None = 2_000_000 * ONE) -> RecordedIndex:
    """An index of 1.05 with 3.3 % a year and 80 % lent."""
    return RecordedIndex(
        market=RECORDED,
        timestamp=NOW,
        index_ray=1_050_000_000_000_000_000_000_000_007,
        supply_rate_ray=33 * RAY // 1_000,
        borrow_rate_ray=46 * RAY // 1_000,
        utilisation_wad=8 * WAD // 10,
        available_raw=available_raw,
        price_usd_e8=USD_E8,
    )


def claim(market: Market, shares_raw: int = 100_000 * ONE, debt_raw: int = 0) -> Position:
    return Position(market, shares_raw, debt_raw)


VERSIONS = (V3_0, V3_6)

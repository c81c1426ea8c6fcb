"""Small worlds for tests: two recorded USDC markets and readings of them, made here and nowhere recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.domain import NATIVE, Amount, Asset, Deployment, Market, Portfolio, Position, Quote
from strategies.protocols.recorded_index import RecordedIndex
from strategies.tape import Observation, Reading, Tape, tape_of
from strategies.units import GWEI, RAY, USD_E8, WAD

CHAIN = 31_337
ACCOUNT = "0x" + "be" * 20
USDC = Asset(CHAIN, "0x" + "a0" * 20, "USDC", 6)
ETHER = Asset(CHAIN, NATIVE, "ETH", 18)
ONE = Market("one:USDC", "recorded_index", "0x" + "01" * 20, USDC)
TWO = Market("two:USDC", "recorded_index", "0x" + "02" * 20, USDC)
DEPLOYMENT = Deployment(CHAIN, "tests", "0x" + "ca" * 20, (USDC, ETHER), (ONE, TWO), {})
HOUR = 3_600
MILLION_RAW = 10**12


@dataclass(frozen=True, slots=True)
class Said:
    """One market at one hour."""

    apr: float
    utilisation: float = 0.8
    available_raw: int | None = 100 * MILLION_RAW
    index_ray: int = RAY


def state(market: Market, timestamp: int, said: Said) -> RecordedIndex:
    return RecordedIndex(
        market=market,
        timestamp=timestamp,
        index_ray=said.index_ray,
        supply_rate_ray=int(said.apr * 1e9) * 10**18,
        borrow_rate_ray=int(said.apr * 1.3e9) * 10**18,
        utilisation_wad=int(said.utilisation * 1e9) * 10**9,
        available_raw=said.available_raw,
        price_usd_e8=USD_E8,
    )


def reading(hour: int, said: Sequence[Said | None], *, ether_usd: int = 3_000, base_fee_wei: int = GWEI) -> Reading:
    timestamp = 1_700_000_000 + hour * HOUR
    states = tuple(None if s is None else state(m, timestamp, s) for m, s in zip(DEPLOYMENT.markets, said, strict=True))
    quotes = (Quote(USDC, USD_E8, "test", timestamp), Quote(ETHER, ether_usd * USD_E8, "test", timestamp))
    return Reading(hour, f"0x{hour:064x}", timestamp, base_fee_wei, states, quotes if ether_usd else quotes[:1])


def tape(rows: Sequence[Sequence[Said | None]], *, ether_usd: int = 3_000, base_fee_wei: int = GWEI) -> Tape:
    return tape_of(DEPLOYMENT, [reading(h, said, ether_usd=ether_usd, base_fee_wei=base_fee_wei) for h, said in enumerate(rows)])


def rates(*aprs: float, hours: int = 24) -> list[list[Said | None]]:
    """The same rates, hour after hour."""
    return [[Said(apr) for apr in aprs] for _ in range(hours)]


def idle(raw: int = MILLION_RAW, ether_wei: int = WAD) -> Portfolio:
    return Portfolio((Amount(USDC, raw), Amount(ETHER, ether_wei)))


def holding(market: Market, shares_raw: int = MILLION_RAW, *, idle_raw: int = 0) -> Portfolio:
    return Portfolio((Amount(USDC, idle_raw), Amount(ETHER, WAD)), (Position(market, shares_raw),))


def look(of: Tape, portfolio: Portfolio, *, row: int = -1, moved_at: int | None = None) -> Observation:
    """What is seen at a row; -1 is the last."""
    return Observation(of, len(of) - 1 if row < 0 else row, ACCOUNT, portfolio, moved_at)


# The tables of a policy so wide that nothing of them binds; a test tightens what it is about.
TABLES: dict[str, dict[str, object]] = {
    "people": {"max_unattended_usd": 0, "two_people_above_usd": None, "gather_seconds": 600, "resume_people": 1},
    "concentration": {"max_protocol_bps": 10_000, "max_asset_bps": 10_000, "max_issuer_bps": 10_000},
    "exchange": {
        "max_slippage_bps": 50,
        "max_loss_day_bps": 150,
        "max_price_gap_bps": 200,
        "max_deadline_seconds": 1_200,
        "max_quote_age_blocks": 5,
        "pegged": ("USDC", "DAI"),
        "min_peg_bps": 1,
    },
    "pace": {"max_plans_hour": 1_000_000, "reversal_seconds": 0, "repeat_seconds": 0},
    "compliance": {
        "jurisdiction": "CH",
        "profile": "none",
        "denied_assets": (),
        "real_world_assets": "none",
        "screening": None,
        "max_screening_age_seconds": 86_400,
    },
}


def tables(changes: dict[str, object]) -> dict[str, object]:
    """The wide tables with what a test changes of them; a change names a table and some of its keys."""
    return {name: {**table, **_table(changes.get(name))} for name, table in TABLES.items()}


def _table(change: object) -> dict[str, object]:
    return change if isinstance(change, dict) else {}

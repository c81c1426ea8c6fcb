"""Small recorded tapes for the tests: two dollar markets, hourly, everything said unless a test takes it away."""

from collections.abc import Sequence

import numpy as np

from backtest.dataset import Rates, tape_from_rates
from strategies.domain import NATIVE, Asset, Deployment, Market
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.tape import Tape
from strategies.units import GWEI, USD_E8

USDC = Asset(31_337, "0x" + "5d" * 20, "USDC", 6)
ETHER = Asset(31_337, NATIVE, "ETH", 18)
START = 1_704_067_200
MARKETS = tuple(Market(f"m{at}:USDC", RecordedIndexes().protocol, f"0x{at + 1:040x}", USDC) for at in range(2))


def rates(supply_apr: Sequence[Sequence[float]], **changes: object) -> Rates:
    """Rates `[row, market]`, an hour apart; any column may be replaced."""
    supply = np.array(supply_apr, dtype=np.float64)
    rows, count = supply.shape
    columns: dict[str, object] = {
        "deployment": Deployment(31_337, "test", NATIVE, (USDC, ETHER), MARKETS[:count], {}),
        "timestamp": START + 3_600 * np.arange(rows, dtype=np.int64),
        "block": 300 * np.arange(1, rows + 1, dtype=np.int64),
        "base_fee_wei": np.full(rows, GWEI, dtype=np.int64),
        "supply_apr": supply,
        "borrow_apr": supply * 1.5,
        "utilisation": np.where(np.isnan(supply), np.nan, 0.7),
        "available": np.where(np.isnan(supply), np.nan, 50e6),
        "fresh": ~np.isnan(supply),
        "oracle_usd_e8": np.full((rows, count), USD_E8, dtype=np.int64),
        "price_usd_e8": np.tile(np.array([USD_E8, 2_500 * USD_E8], dtype=np.int64), (rows, 1)),
    }
    return Rates(**(columns | changes))  # type: ignore[arg-type]


def tape(supply_apr: Sequence[Sequence[float]], **changes: object) -> Tape:
    """The same as a tape."""
    return tape_from_rates(rates(supply_apr, **changes))


def first_rows(whole: Tape, count: int) -> Tape:
    """The tape without its future."""
    columns = (
        "timestamp",
        "block",
        "base_fee_wei",
        "supply_apr",
        "borrow_apr",
        "utilisation",
        "available",
        "fresh",
        "price_usd_e8",
    )
    cut = {name: getattr(whole, name)[:count] for name in columns}
    return Tape(deployment=whole.deployment, **cut, states=whole.states, digest=whole.digest)

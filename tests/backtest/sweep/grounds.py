"""Tapes, settings and jobs for the tests of sweeps: a few dollar markets, every run with nobody judging."""

from pathlib import Path

import numpy as np

from backtest.dataset import Rates, save, tape_from_rates
from backtest.engine import run
from backtest.impact import NO_IMPACT
from backtest.metrics import curve_of
from backtest.runs import MOVE, Run, RunSettings
from backtest.sweep.ground import daily_returns, last_rows_of_days
from backtest.sweep.outcome import Job
from strategies.benchmarks import EqualWeight
from strategies.catalogue import Menu
from strategies.decide import DecideSettings
from strategies.domain import NATIVE, Amount, Deployment, Market, Portfolio
from strategies.lending_rotation import LendingRotation
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.rebalance import Gate
from strategies.tape import Floats, Tape
from strategies.units import GWEI, USD_E8, WAD
from tests.backtest.recorded import ETHER, START, USDC

HOUR, DAY = 3_600, 86_400
CASH_RAW = 1_000_000 * 10**6
OPEN_GATE = Gate(
    horizon_seconds=10 * 365 * DAY,
    lookback_seconds=DAY,
    cost_multiple_bps=0,
    min_wait_seconds=0,
    min_change_bps=0,
    max_base_fee_gwei=1_000_000,
)


def tape_of(supply_apr: Floats, **changes: object) -> Tape:
    """An hourly tape of rates `[row, market]`; NaN was not said; any column may be replaced."""
    rows, count = supply_apr.shape
    said = ~np.isnan(supply_apr)
    markets = tuple(Market(f"m{at}:USDC", RecordedIndexes().protocol, f"0x{at + 1:040x}", USDC) for at in range(count))
    columns: dict[str, object] = {
        "deployment": Deployment(31_337, "test", NATIVE, (USDC, ETHER), markets, {}),
        "timestamp": START + HOUR * np.arange(rows, dtype=np.int64),
        "block": 300 * np.arange(1, rows + 1, dtype=np.int64),
        "base_fee_wei": np.full(rows, 5 * GWEI, dtype=np.int64),
        "supply_apr": supply_apr,
        "borrow_apr": supply_apr * 1.5,
        "utilisation": np.where(said, 0.7, np.nan),
        "available": np.where(said, 50e6, np.nan),
        "fresh": said,
        "oracle_usd_e8": np.full((rows, count), USD_E8, dtype=np.int64),
        "price_usd_e8": np.tile(np.array([USD_E8, 2_500 * USD_E8], dtype=np.int64), (rows, 1)),
    }
    return tape_from_rates(Rates(**(columns | changes)))  # type: ignore[arg-type]


def wandering(*, seed: int = 1, rows: int = 24 * 90, markets: int = 5) -> Floats:
    """Rates that wander around a few percent."""
    random = np.random.default_rng(seed)
    rates: Floats = np.exp(np.log(0.04) + np.cumsum(random.normal(0, 0.02, (rows, markets)), axis=0) * 0.5)
    return rates


def settings_of(gate: Gate = OPEN_GATE, stance: str = "unrestrained", *, latency_rows: int = 1) -> RunSettings:
    """Rotation among dollar markets; a set replaces its parameters."""
    rotation = LendingRotation(USDC, cadence_seconds=DAY, lookback_seconds=DAY, threshold_bps=10, count=1, max_idle_bps=100)
    return RunSettings(
        name="rotation",
        decide=DecideSettings(USDC, Menu((("lending_rotation", rotation),), (stance,)), gate),
        policy=None,
        account="0x" + "b7" * 20,
        opening=Portfolio((Amount(USDC, CASH_RAW), Amount(ETHER, 1_000 * WAD))),
        most_moves=None,
        latency_rows=latency_rows,
        impact=NO_IMPACT,
    )


def job_of(tape: Tape, settings: RunSettings, folder: Path) -> Job:
    """A job over the tape saved in a folder, beside equal weight."""
    if not folder.exists():
        save(tape, folder)
    return Job(str(folder), tape.digest, settings, equal_weight_of(tape))


def equal_weight_of(tape: Tape) -> Floats:
    """Its daily returns."""
    menu = Menu((("equal weight", EqualWeight(USDC, HOUR)),), ("unrestrained",))
    held = RunSettings(
        name="equal weight",
        decide=DecideSettings(USDC, menu, OPEN_GATE),
        policy=None,
        account="0x" + "b7" * 20,
        opening=Portfolio((Amount(USDC, CASH_RAW), Amount(ETHER, 1_000 * WAD))),
        most_moves=1,
        latency_rows=1,
        impact=NO_IMPACT,
    )
    return daily_returns(curve_of(run(tape, held)).net[last_rows_of_days(tape.timestamp)])


def moves_of(finished: Run) -> list[tuple[int, tuple[int, ...]]]:
    """Executed at, and the columns held from there on."""
    tape = finished.tape
    return [
        (segment.row, tuple(sorted(tape.market_index(one.market) for one in segment.portfolio.positions)))
        for segment in finished.segments
        if segment.cause == MOVE
    ]

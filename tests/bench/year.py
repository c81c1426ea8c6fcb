"""The year that the rotation is run over: rates by the peers' published recipe, and the same as a tape. Refuses nothing."""

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import Final

import numpy as np

from backtest.dataset import Rates, tape_from_rates
from backtest.impact import NO_IMPACT
from backtest.runs import RunSettings
from backtest.study import ACCOUNT, Terms, study_policy
from strategies.catalogue import Menu, Strategy
from strategies.decide import DecideSettings
from strategies.domain import NATIVE, Amount, Asset, Deployment, Market, Portfolio
from strategies.lending_rotation import LendingRotation
from strategies.protocols.recorded_index import RecordedIndexes
from strategies.rebalance import Gate
from strategies.tape import Floats, Tape
from strategies.units import BPS, RAY, SECONDS_PER_DAY, USD_E8, WAD, mul_div_half_up

HOURS: Final = 8_760
HOURS_A_YEAR: Final = 8_760
START: Final = 1_000_000.0
GAS: Final = 5.0
COUNT: Final = 1
LOOKBACK: Final = 24
THRESHOLD: Final = 0.005
THRESHOLD_BPS: Final = 50
SEED: Final = 7
OPENED: Final = 1_704_067_200

DOLLAR: Final = Asset(31_337, "0x" + "5d" * 20, "USD", 18)
ETHER: Final = Asset(31_337, NATIVE, "ETH", 18)


@lru_cache(maxsize=4)
def rates_of(markets: int) -> Floats:
    """`[hour, market]`: e to a random walk that comes back to a level of 2 to 8 % a year."""
    rng = np.random.default_rng(SEED)
    level = np.log(rng.uniform(0.02, 0.08, markets))
    shocks = rng.normal(0.0, 0.03, (HOURS, markets))
    walk = np.empty((HOURS, markets))
    walk[0] = level + shocks[0]
    for hour in range(1, HOURS):
        walk[hour] = walk[hour - 1] + 0.002 * (level - walk[hour - 1]) + shocks[hour]
    apr: Floats = np.exp(walk)
    apr.flags.writeable = False
    return apr


def tape_of(apr: Floats, asset: Asset = DOLLAR) -> Tape:
    """The rates as a tape whose indices grow at each step by that step's own rate, as the job defines it."""
    hours, count = apr.shape
    protocol = RecordedIndexes().protocol
    markets = tuple([Market(f"m{at}", protocol, f"0x{at + 1:040x}", asset) for at in range(count)])
    return tape_from_rates(
        Rates(
            deployment=Deployment(31_337, "rotation job", NATIVE, (asset, ETHER), markets, {}),
            timestamp=OPENED + 3_600 * np.arange(hours, dtype=np.int64),
            block=300 * np.arange(1, hours + 1, dtype=np.int64),
            base_fee_wei=np.zeros(hours, dtype=np.int64),
            supply_apr=apr,
            borrow_apr=apr * 1.5,
            utilisation=np.full(apr.shape, 0.8),
            available=np.full(apr.shape, 1e9),
            fresh=np.ones(apr.shape, dtype=np.bool_),
            oracle_usd_e8=np.full(apr.shape, USD_E8, dtype=np.int64),
            price_usd_e8=np.tile(np.array([USD_E8, 2_500 * USD_E8], dtype=np.int64), (hours, 1)),
            index_ray=tuple([_index_ray(column) for column in apr.T]),
        )
    )


def _index_ray(column: Floats) -> list[int]:
    growths_ray = [RAY, *[RAY + int(rate * 1e27) // HOURS_A_YEAR for rate in column[1:].tolist()]]
    return list(accumulate(growths_ray, lambda index_ray, growth_ray: mul_div_half_up(index_ray, growth_ray, RAY)))


def rotation_over(
    tape: Tape, *, count: int = 1, lookback_hours: int = LOOKBACK, threshold_bps: int = THRESHOLD_BPS
) -> LendingRotation:
    """The job's strategy with these parameters."""
    return LendingRotation(
        tape.deployment.assets[0],
        cadence_seconds=SECONDS_PER_DAY,
        lookback_seconds=3_600 * lookback_hours,
        threshold_bps=threshold_bps,
        count=count,
        max_idle_bps=BPS,
    )


def settings_over(tape: Tape, strategy: Strategy) -> RunSettings:
    """The job's costs and its start, with nobody judging: no latency, no gas but the flat fee and no gate, as in every peer."""
    asset = tape.deployment.assets[0]
    fee_raw, cash_raw = int(GAS * 10**asset.decimals), int(START) * 10**asset.decimals
    gate = Gate(
        horizon_seconds=3_650 * SECONDS_PER_DAY,
        lookback_seconds=SECONDS_PER_DAY,
        cost_multiple_bps=0,
        min_wait_seconds=0,
        min_change_bps=0,
        max_base_fee_gwei=1_000_000,
        touch_fee_raw=fee_raw,
    )
    return RunSettings(
        name="rotation job",
        decide=DecideSettings(asset, Menu((("rotation", strategy),), ("unrestrained",)), gate),
        policy=None,
        account=ACCOUNT,
        opening=Portfolio((Amount(asset, cash_raw), Amount(ETHER, WAD))),
        most_moves=None,
        latency_rows=0,
        impact=NO_IMPACT,
    )


def judged(tape: Tape, settings: RunSettings) -> RunSettings:
    """The same with guard, ledger and journal."""
    terms = Terms(cash=Decimal(int(START)), latency_rows=0, decide_for=lambda _: settings.decide)
    return replace(settings, policy=study_policy(tape, settings.decide.asset, terms))

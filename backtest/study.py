"""A question put to one asset's tape: the strategy and what it is held against, through the same engine. Refuses an asset that
has no market, and shows no strategy without idle, each market held, and equal weight beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from backtest.crises import Crisis
from backtest.engine import run
from backtest.impact import THINNED, Impact
from backtest.importers.defects import ImportReport
from backtest.metrics import Curve, Figures, curve_of, figures_of
from backtest.prepared import Prepared
from backtest.runs import Run, RunSettings
from backtest.saved_tapes import Saved
from backtest.scenario import Synthetic
from backtest.terms import Terms as MarketTerms
from backtest.terms import curves_of, delay_seconds
from strategies.benchmarks import EqualWeight, Hold, Idle
from strategies.catalogue import Menu, Strategy
from strategies.decide import DecideSettings
from strategies.domain import Address, Amount, Asset, Market, Portfolio
from strategies.errors import BadTape
from strategies.lending_rotation import LendingRotation
from strategies.rebalance import Gate
from strategies.tape import Tape
from strategies.units import BPS, SECONDS_PER_DAY, USD_E8, WAD
from wallets.compliance import Compliance
from wallets.expected import paid
from wallets.figures import NONE
from wallets.policy import Concentration, Exchange, Pace, People, Policy

ACCOUNT: Final[Address] = "0x" + "b7" * 20  # nobody's: nothing is ever signed here
ETHER_WEI: Final = 1_000 * WAD  # held apart for gas; what is burned of it is taken off the result
HOUR: Final = 3_600  # a held market is entered at the first hour at which it can be, and then only time passes
ROOM: Final = 1_000  # a study's policy leaves so many times the cash: its caps are not what is studied

Origin: TypeAlias = ImportReport | Saved | Synthetic | Crisis  # where a tape comes from


@dataclass(frozen=True, slots=True)
class Result:
    """A run, its curve and its figures."""

    run: Run
    curve: Curve
    figures: Figures

    @property
    def name(self) -> str:
        return self.run.settings.name

    @property
    def asset(self) -> Asset:
        return self.run.settings.decide.asset

    @property
    def markets(self) -> tuple[Market, ...]:
        """Where the asset can earn, in the tape's order."""
        return markets_of(self.run.tape, self.asset)


@dataclass(frozen=True, slots=True)
class Study:
    """One asset's strategy beside its benchmarks, and where its tape comes from."""

    main: Result
    equal_weight: Result
    holds: tuple[Result, ...]
    idle: Result
    origin: Origin

    @property
    def imported(self) -> ImportReport | None:
        """What was read; None where the tape was made, or nothing tells of its import."""
        return self.origin if isinstance(self.origin, ImportReport) else None

    @property
    def is_made_up(self) -> bool:
        """Whether nobody ever saw these rates."""
        return isinstance(self.origin, Synthetic | Crisis)

    @property
    def results(self) -> tuple[Result, ...]:
        return (self.main, self.equal_weight, *self.holds, self.idle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked, whichever the asset."""

    cash: Decimal  # whole units of the asset
    latency_rows: int
    decide_for: Callable[[Asset], DecideSettings]
    impact: Impact | None = THINNED  # NO_IMPACT, where a tape does not say how much is lent
    may_be_at_once: bool = False  # a latency of 0 rows was asked for by name, and is told as a caution
    of_markets: Mapping[str, MarketTerms] = field(default_factory=dict)  # of coming in and going out, by market id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What of the study that ships may be asked otherwise."""

    stance: str = "balanced"
    count: int = 1  # markets held, in equal parts
    threshold_bps: int = 50  # a year, by which the best must beat what is held
    lookback_hours: int = 72  # of rates looked back on
    cadence_hours: int = 24  # between decisions

    def decide_for(self, asset: Asset) -> DecideSettings:
        """Rotate for a clear and lasting gain. Raises UnknownName."""
        strategy = LendingRotation(
            asset,
            cadence_seconds=self.cadence_hours * HOUR,
            lookback_seconds=self.lookback_hours * HOUR,
            threshold_bps=self.threshold_bps,
            count=self.count,
            max_idle_bps=100,
        )
        gate = Gate(
            horizon_seconds=14 * SECONDS_PER_DAY,
            lookback_seconds=self.lookback_hours * HOUR,
            cost_multiple_bps=20_000,
            min_wait_seconds=2 * SECONDS_PER_DAY,
            min_change_bps=100,
            max_base_fee_gwei=100,
        )
        return DecideSettings(asset, Menu((("lending_rotation", strategy),), (self.stance,)), gate)


def rotation(asset: Asset) -> DecideSettings:
    """The study that ships: rotate once a day at most, for a clear and lasting gain."""
    return Rotation().decide_for(asset)


def run_backtest(*, data: Path, gas: Path, symbols: Sequence[str], start: int, end: int, terms: Terms) -> tuple[Study, ...]:
    """Studies of recorded Aave markets in `[start, end)`. Raises BadTape."""
    from backtest.importers.aave_hourly import import_asset, read_costs
    from backtest.importers.ethereum_gas import read_daily_gas

    costs = read_costs(data, read_daily_gas(gas))
    imports = [(symbol, import_asset(data, symbol, start=start, end=end, costs=costs)) for symbol in symbols]
    return tuple(study(tape, tape.deployment.asset(symbol), terms, imported) for symbol, (tape, imported) in imports)


def study(tape: Tape, asset: Asset, terms: Terms, origin: Origin) -> Study:
    """The strategy and its benchmarks on one tape. Raises BadTape."""
    markets = markets_of(tape, asset)
    if not markets:
        raise BadTape(f"no market of {asset.symbol}")
    if terms.latency_rows < (0 if terms.may_be_at_once else 1):
        raise BadTape(f"a study executes at a later row than it decides at: {terms.latency_rows} rows of latency are too few")
    of_markets = {market.id: terms.of_markets[market.id] for market in markets if market.id in terms.of_markets}
    asked = terms.decide_for(asset)
    settings = RunSettings(
        name=asked.menu.strategies[0][0].replace("_", " "),
        decide=asked,
        policy=study_policy(tape, asset, terms),
        account=ACCOUNT,
        opening=_opening(tape, asset, terms.cash),
        most_moves=None,
        latency_rows=terms.latency_rows,
        impact=None if terms.impact is None else Impact((*terms.impact.curves, *curves_of(of_markets))),
        terms=of_markets,
    )

    prepared = Prepared(tape)

    def held_against(name: str, strategy: Strategy, most_moves: int | None) -> Result:
        return _result(prepared, replace(settings, name=name, decide=_benchmark(asset, name, strategy), most_moves=most_moves))

    return Study(
        main=_result(prepared, settings),
        equal_weight=held_against("equal weight", EqualWeight(asset, SECONDS_PER_DAY), None),
        holds=tuple(held_against(f"hold {m.id}", Hold(asset, HOUR, m.id), 1) for m in markets),
        idle=held_against("idle", Idle(asset, HOUR), 0),
        origin=origin,
    )


def markets_of(tape: Tape, asset: Asset) -> tuple[Market, ...]:
    """Where an asset can earn on a tape, in the tape's order."""
    return tuple(market for market in tape.deployment.markets if market.asset == asset)


def study_policy(tape: Tape, asset: Asset, terms: Terms) -> Policy:
    """Limits so wide that they never bind, whole dollars: the guard reads every byte, but its caps are not what is studied."""
    usd = max(1, int(terms.cash * int(tape.price_usd_e8[:, tape.asset_rows[asset]].max())) // USD_E8) * ROOM
    return Policy(
        chain_id=tape.deployment.chain_id,
        account=ACCOUNT,
        treasury=None,
        markets=tuple(market.id for market in tape.deployment.markets),
        borrow_markets=(),
        max_transaction_usd=usd,
        max_day_usd=usd,
        max_market_usd=usd,
        max_protocol_usd=usd,
        max_issuer_usd=usd,
        max_calls=1_000_000,
        min_health_factor_bps=10_000,
        max_fee_gwei=1_000_000,
        max_priority_fee_gwei=1_000_000,
        max_gas_per_transaction=30_000_000,
        max_transaction_gas_usd=usd,
        max_day_gas_usd=usd,
        min_native_reserve_wei=0,
        max_reading_age_seconds=SECONDS_PER_DAY,
        max_price_age_seconds=SECONDS_PER_DAY,
        max_plan_age_blocks=1_000_000,
        approval_expiry_seconds=_latest_seconds(tape, asset, terms) + 1,
        price_sources=("oracle",),
        people=People(max_unattended_usd=0, two_people_above_usd=None, gather_seconds=0, resume_people=1),
        concentration=Concentration(max_protocol_bps=BPS, max_asset_bps=BPS, max_issuer_bps=BPS),
        exchange=Exchange(
            max_slippage_bps=BPS,
            max_loss_day_bps=BPS,
            max_price_gap_bps=BPS,
            max_deadline_seconds=SECONDS_PER_DAY,
            max_quote_age_blocks=1_000_000,
            pegged=(),
            min_peg_bps=1,
        ),
        pace=Pace(max_plans_hour=1_000_000, reversal_seconds=0, repeat_seconds=0),
        compliance=Compliance(
            jurisdiction="CN",  # where backtests are all that is allowed
            profile=NONE,
            denied_assets=(),
            real_world_assets=NONE,
            screening=None,
            max_screening_age_seconds=SECONDS_PER_DAY,
        ),
        operators=(),
    )


def _latest_seconds(tape: Tape, asset: Asset, terms: Terms) -> int:
    """How long after its decision a plan executes at most: its latency, and the longest delay of a market it may leave."""
    wait_seconds = delay_seconds(terms.of_markets, [market.id for market in markets_of(tape, asset)])
    rows = np.arange(len(tape))
    due = np.maximum(rows + terms.latency_rows, np.searchsorted(tape.timestamp, tape.timestamp + wait_seconds))
    within = due < len(tape)
    return int(np.max(tape.timestamp[due[within]] - tape.timestamp[within], initial=0))


def _opening(tape: Tape, asset: Asset, cash: Decimal) -> Portfolio:
    """The cash, and ether for gas. Raises BadTape."""
    ether = tape.deployment.native
    cash_raw = int(cash * 10**asset.decimals)
    if ether is None or cash_raw <= 0:
        raise BadTape("it needs a native coin for gas and some cash to start with")
    return paid(Portfolio((Amount(asset, cash_raw),)), ether, ETHER_WEI)


def _benchmark(asset: Asset, name: str, strategy: Strategy) -> DecideSettings:
    """Enters at once, whatever the gas: a benchmark does not time its entry."""
    gate = Gate(
        horizon_seconds=3_650 * SECONDS_PER_DAY,
        lookback_seconds=SECONDS_PER_DAY,
        cost_multiple_bps=0,
        min_wait_seconds=0,
        min_change_bps=0,
        max_base_fee_gwei=1_000_000,
    )
    return DecideSettings(asset, Menu(((name, strategy),), ("unrestrained",)), gate)


def _result(prepared: Prepared, settings: RunSettings) -> Result:
    finished = run(prepared.tape, settings, prepared)
    sizes = None if settings.impact is None else prepared.own_size(settings.decide.asset, settings.impact)
    curve = curve_of(finished, sizes)
    return Result(finished, curve, figures_of(finished, curve))

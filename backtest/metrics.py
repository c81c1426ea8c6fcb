"""Equity curve and figures of a run, in float64, net of gas. Refuses to price what was never priced.

Ether for gas is held apart: the cost of each move, at ether's and the asset's price of its time, is taken off the curve. There
is no Sharpe ratio here: accrual over zero makes any look good, and a few moves are a few observations, not thousands."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from backtest.impact import OwnSize
from backtest.index_columns import IndexColumns
from backtest.runs import INTEREST, Run, Segment, Step
from strategies.assess import held_raw, trailing_mean_apr, value_raw
from strategies.domain import Asset, Keep, Market, Position
from strategies.errors import BadTape
from strategies.protocols.registry import adapter_of
from strategies.tape import Floats, Ints, Tape
from strategies.units import RAY, SECONDS_PER_DAY, SECONDS_PER_YEAR, USD_E8, WAD
from wallets.wallet import Refused

if TYPE_CHECKING:
    import pandas as pd  # loaded where a day is first asked for: it takes as long as a study


@dataclass(frozen=True)
class Curve:
    """A run at every row, in whole units of its asset unless the name says dollars."""

    run: Run
    timestamp: Ints
    held: Floats  # idle and claims at the contract's valuation, gas not taken off
    gas: Floats  # spent so far
    gas_usd: Floats
    price_usd: Floats
    sizes: OwnSize | None  # worked out once for all that is asked of the curve; None where our own size is not counted

    @property
    def net(self) -> Floats:
        return self.held - self.gas

    @property
    def net_usd(self) -> Floats:
        return self.held * self.price_usd - self.gas_usd

    @cached_property
    def weights(self) -> Floats:
        """`[row, market]`, of what is held; the rest is idle."""
        weights = np.zeros((len(self.held), len(self.run.tape.deployment.markets)))
        whole = np.where(self.held > 0, self.held, 1.0)
        for rows, at, value in _claims(self.run, self.sizes):
            weights[rows, at] = value / whole[rows]
        return weights

    @cached_property
    def fees_usd(self) -> tuple[float, ...]:
        """What each step of the run burned."""
        return fees_usd(self.run)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run comes to. Rates are per year, drawdowns are negative."""

    days: float
    opening: float
    final: float
    final_usd: float
    apy: float
    drawdown: float  # of the net curve in the asset
    drawdown_usd: float
    under_water_days: float  # the longest time below an earlier high, in the asset
    worst_day: float
    moves: int  # plans executed whole
    failed: int  # plans approved that did not execute whole
    refused: int  # plans the guard refused
    decisions: int
    turnover: float  # supplied in all, as a multiple of the average value
    gas: float
    gas_usd: float
    shares: tuple[tuple[str, float], ...]  # of time, weighted by value: each market, and idle
    own_impact: float  # what our own size cost in all, in the asset; 0 also where it is not counted
    stuck_days: float  # how long money was wanted out of a market that could not pay it
    liquidations: int


def curve_of(run: Run, sizes: OwnSize | None = None) -> Curve:
    """The whole curve, computed once from the segments; `sizes` is what curves over one tape share where our own size counts."""
    price_usd = prices_usd(run.tape, run.settings.decide.asset)
    gas, gas_usd = _spent(run, price_usd)
    sizes = sizes or _sizes(run)
    return Curve(run, run.tape.timestamp, _held(run, sizes), gas, gas_usd, price_usd, sizes)


def held_of(run: Run) -> Floats:
    """Idle and claims of the run's asset at every row, in whole units, gas not taken off."""
    return _held(run, _sizes(run))


def _held(run: Run, sizes: OwnSize | None) -> Floats:
    asset, held = run.settings.decide.asset, np.empty(len(run.tape))
    for segment, rows in _spans(run):
        held[rows] = segment.portfolio.idle_raw(asset) / 10**asset.decimals
    for rows, _, value in _claims(run, sizes):
        held[rows] += value
    return held


def _spans(run: Run) -> Iterator[tuple[Segment, slice]]:
    """Each segment and the rows it lasts; where our own size was taken off, its claim goes on."""
    segments = [segment for segment in run.segments if segment.cause != INTEREST]
    stops = [segment.row for segment in segments[1:]] + [len(run.tape)]
    for segment, stop in zip(segments, stops, strict=True):
        yield segment, slice(segment.row, stop)


def _sizes(run: Run) -> OwnSize | None:
    impact = run.settings.impact
    return None if impact is None else OwnSize(run.tape, run.settings.decide.asset, impact)


def _claims(run: Run, sizes: OwnSize | None) -> Iterator[tuple[slice, int, Floats]]:
    """Each claim of the run's asset while it lasts: its rows, its market's column and its value in whole units."""
    tape, asset = run.tape, run.settings.decide.asset
    for segment, rows in _spans(run):
        for claim in segment.portfolio.positions:
            if claim.market.asset == asset:
                at, share = tape.market_index(claim.market), share_values(tape, claim.market, rows)
                if sizes is not None:
                    share = share - sizes.lost(at, claim.shares_raw, rows)
                yield rows, at, share * (claim.shares_raw / 10**asset.decimals)


def share_values(tape: Tape, market: Market, rows: slice = slice(None)) -> Floats:
    """What one share is worth at rows, for curves; 0.0 where the market cannot be read."""
    at = tape.market_index(market)
    if isinstance(tape.states, IndexColumns):
        return tape.states.index_floats(at, rows)
    adapter = adapter_of(market)
    states = [tape.states.state(row, at) for row in range(len(tape))[rows]]
    held = Position(market, RAY)
    return np.array([0.0 if state is None else adapter.value_raw(state, held) / RAY for state in states])


def prices_usd(tape: Tape, asset: Asset) -> Floats:
    """The asset's price at each row, the last known where a row has none. Raises BadTape where there never was one."""
    said = tape.price_usd_e8[:, tape.asset_rows[asset]]
    at = np.maximum.accumulate(np.where(said > 0, np.arange(len(said)), -1))
    if at[-1] < 0:
        raise BadTape(f"{asset.symbol} is never priced")
    prices: Floats = said[np.where(at < 0, int(np.argmax(said > 0)), at)] / USD_E8
    return prices


def figures_of(run: Run, curve: Curve) -> Figures:
    """The table's row of a run."""
    seconds = int(curve.timestamp[-1] - curve.timestamp[0])
    net = curve.net
    returns = daily_returns(curve)
    return Figures(
        days=seconds / SECONDS_PER_DAY,
        opening=float(net[0] + curve.gas[0]),
        final=float(net[-1]),
        final_usd=float(curve.net_usd[-1]),
        apy=annual_growth(float(net[0] + curve.gas[0]), float(net[-1]), seconds),
        drawdown=float(drawdowns(net).min()),
        drawdown_usd=float(drawdowns(curve.net_usd).min()),
        under_water_days=longest_under_water(curve.timestamp, net) / SECONDS_PER_DAY,
        worst_day=float(returns.min()) if len(returns) else 0.0,
        moves=run.moves,
        failed=sum(step.due_row is not None and step.receipt is None for step in run.steps),
        refused=sum(isinstance(step.verdict, Refused) for step in run.steps),
        decisions=run.decisions,
        turnover=_supplied(run) / float(np.mean(curve.held)),
        gas=float(curve.gas[-1]),
        gas_usd=float(curve.gas_usd[-1]),
        shares=time_shares(run.tape, curve),
        own_impact=run.impact_raw / 10**run.settings.decide.asset.decimals,
        stuck_days=run.stuck_seconds / SECONDS_PER_DAY,
        liquidations=len(run.liquidations),
    )


def annual_growth(opening: float, final: float, seconds: int) -> float:
    """The yearly rate that compounds from the opening to the final value in so many seconds; 0.0 over no time, -1.0 where
    nothing is left."""
    if final <= 0:
        return -1.0  # gas may cost more than there was: no rate compounds to that
    if seconds <= 0:
        return 0.0
    return float((final / opening) ** (SECONDS_PER_YEAR / seconds) - 1)


def drawdowns(values: Floats) -> Floats:
    """At each row, how far below the highest value so far; 0 at a high, -1 where there never was anything."""
    high = np.maximum.accumulate(values)
    below: Floats = np.divide(values, high, out=np.zeros_like(values), where=high > 0) - 1
    return below


def longest_under_water(timestamp: Ints, values: Floats) -> int:
    """The longest stretch of seconds from a high to the row that reaches it again, or to the end."""
    highs = np.flatnonzero(values >= np.maximum.accumulate(values))
    ends = np.append(timestamp[highs[1:]], timestamp[-1])
    dips = np.append(np.diff(highs) > 1, highs[-1] < len(values) - 1)
    return int(np.max((ends - timestamp[highs])[dips], initial=0))


def daily(timestamp: Ints, values: Floats) -> "pd.Series":
    """The last value of each UTC day that has a row, by day."""
    import pandas as pd

    days = timestamp // SECONDS_PER_DAY
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)  # `resample` comes to the same, slower
    return pd.Series(values[last], index=pd.to_datetime(days[last], unit="D", utc=True))


def daily_returns(curve: Curve) -> "pd.Series":
    """Net growth in the asset from one day's last row to the next's, of the days that began with something."""
    values = daily(curve.timestamp, curve.net)
    return values.pct_change()[values.shift() > 0]


def time_shares(tape: Tape, curve: Curve) -> tuple[tuple[str, float], ...]:
    """The value-weighted share of time in each market and idle; the last row has no time of its own."""
    seconds = np.diff(curve.timestamp)
    if not len(seconds):
        return (("idle", 1.0),)
    in_markets = (curve.weights[:-1] * seconds[:, None]).sum(axis=0) / seconds.sum()
    named = [(market.id, float(part)) for market, part in zip(tape.deployment.markets, in_markets, strict=True)]
    return (*((name, part) for name, part in named if part > 0), ("idle", 1.0 - float(in_markets.sum())))


def fees_usd(run: Run) -> tuple[float, ...]:
    """What each step's transactions burned, at ether's price of the row they were executed at. Raises BadTape."""
    fees_wei = [sum(fee.fee_wei for fee in step.receipt.transactions) if step.receipt else 0 for step in run.steps]
    if not any(fees_wei):
        return (0.0,) * len(fees_wei)
    ether_usd = _ether_usd(run.tape)
    return tuple(
        fee_wei / WAD * float(ether_usd[step.due_row]) if fee_wei and step.due_row is not None else 0.0
        for fee_wei, step in zip(fees_wei, run.steps, strict=True)
    )


def expected_gain_apr(step: Step, lookback_seconds: int) -> float:
    """What a move hoped for: the forecast rate of its target less that of what was held; NaN where one was never said."""
    seen, target = step.seen, step.decision.target
    if isinstance(target, Keep):
        return 0.0
    forecast = trailing_mean_apr(seen, lookback_seconds)
    wanted = sum(forecast[seen.market_index(leg.market)] * leg.weight_wad / WAD for leg in target.legs if leg.market)
    claims = [claim for claim in seen.portfolio.positions if claim.market.asset == target.asset]
    total_raw = held_raw(seen, target.asset)
    held = sum(forecast[seen.market_index(claim.market)] * value_raw(seen, claim) / total_raw for claim in claims)
    return float(wanted - held)


def _spent(run: Run, price_usd: Floats) -> tuple[Floats, Floats]:
    """Cumulative gas in the asset and in dollars: each fee at the prices of the row it was paid at. Raises BadTape."""
    at_row = np.zeros(len(run.tape))
    if any(segment.fee_wei for segment in run.segments):
        ether_usd = _ether_usd(run.tape)
        for segment in run.segments:
            at_row[segment.row] += segment.fee_wei / WAD * float(ether_usd[segment.row])
    return np.cumsum(at_row / price_usd), np.cumsum(at_row)


def _ether_usd(tape: Tape) -> Floats:
    ether = tape.deployment.native
    if ether is None:
        raise BadTape("it has no native coin to price gas in")
    return prices_usd(tape, ether)


def _supplied(run: Run) -> float:
    """What went into markets, in whole units."""
    return sum(segment.supplied_raw for segment in run.segments) / 10.0**run.settings.decide.asset.decimals

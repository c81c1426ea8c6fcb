"""One parameter set's run in a row of a table: what it ended with to the unit, and how it grew beside equal weight. Refuses a set
whose claims cannot be valued at the tape's end."""

from dataclasses import dataclass, replace

import numpy as np

from backtest.engine import run, run_at
from backtest.impact import NO_IMPACT
from backtest.metrics import annual_growth, curve_of, drawdowns
from backtest.runs import Run, RunSettings
from backtest.sweep.ground import Ground, daily_returns
from backtest.sweep.space import ParameterSet, only_strategy, with_parameters
from backtest.sweep.together import Looks
from strategies.errors import BadTape
from strategies.protocols.registry import adapter_of
from strategies.tape import Floats
from strategies.units import WAD


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A set's place in the sweep, and what became of it. Rates are per year; a fall is negative."""

    at: int
    parameters: ParameterSet
    final_raw: int  # idle and claims at the last row, at the contracts' valuation; gas was paid in ether, apart
    gas_wei: int
    net: float  # whole units at the end, gas taken off at its prices
    apy: float  # net
    drawdown: float  # the deepest, of the net value over all rows
    moves: int
    excess_daily: Floats  # the net return of each UTC day less that of equal weight


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What all sets of a sweep have in common, small enough to be sent with every piece of work."""

    folder: str  # where the saved tape lies, for whoever does the work
    digest: str  # of that tape
    settings: RunSettings
    equal_weight: Floats  # net return of each UTC day


def outcome_of(ground: Ground, job: Job, at: int, parameters: ParameterSet, looks: Looks | None = None) -> Outcome:
    """Run one set over the tape and sum it up. Raises BadTape, LedgerMismatch."""
    settings = with_parameters(job.settings, parameters)
    finished = _finished(ground, settings, looks)
    net = net_values(ground, finished)
    timestamp = ground.tape.timestamp
    opening = settings.opening.idle_raw(settings.decide.asset) / 10**settings.decide.asset.decimals
    return Outcome(
        at=at,
        parameters=parameters,
        final_raw=final_raw(finished),
        gas_wei=sum(segment.fee_wei for segment in finished.segments),
        net=float(net[-1]),
        apy=annual_growth(opening, float(net[-1]), int(timestamp[-1] - timestamp[0])),
        drawdown=float(drawdowns(net).min()),
        moves=finished.moves,
        excess_daily=daily_returns(net[ground.day_rows]) - job.equal_weight,
    )


def _finished(ground: Ground, settings: RunSettings, looks: Looks | None) -> Run:
    prepared = ground.prepared(only_strategy(settings))
    if looks is not None:
        told = run_at(prepared, settings, looks.at)
        if told.moves == looks.moves:
            return told
    return run(ground.tape, settings, prepared)


def final_raw(run: Run) -> int:
    """Idle and claims of the run's asset at the last row, in base units, by the adapters. Raises BadTape."""
    tape, asset, portfolio = run.tape, run.settings.decide.asset, run.segments[-1].portfolio
    total_raw = portfolio.idle_raw(asset)
    for held in portfolio.positions:
        if held.market.asset == asset:
            state = tape.states.state(len(tape) - 1, tape.market_index(held.market))
            if state is None:
                raise BadTape(f"{held.market.id} holds value at its last row and cannot be read there")
            total_raw += adapter_of(held.market).value_raw(state, held)
    return total_raw


def net_values(ground: Ground, run: Run) -> Floats:
    """`metrics.curve_of(run).net`: the value at every row in whole units, gas taken off; with what sets share worked out once.
    What our own size takes off between moves only the curve knows."""
    asset, impact, net, spent = run.settings.decide.asset, run.settings.impact, np.empty(len(run.tape)), 0.0
    if impact is not None:
        return curve_of(run, ground.prepared(only_strategy(run.settings)).own_size(asset, impact)).net
    one, stops = 10.0**asset.decimals, [segment.row for segment in run.segments[1:]] + [len(run.tape)]
    values = dict[str, Floats | None]()  # of a share, by market; None in one of another asset
    for segment, stop in zip(run.segments, stops, strict=True):
        row = segment.row
        if segment.fee_wei:
            spent += segment.fee_wei / WAD * float(ground.ether_usd()[row] / ground.prices_usd(asset)[row])
        total: Floats | float = segment.portfolio.idle_raw(asset) / one - spent
        for held in segment.portfolio.positions:
            market = held.market
            if market.id not in values:
                values[market.id] = ground.share_values(market) if market.asset == asset else None
            if (value := values[market.id]) is not None:
                total = total + value[row:stop] * (held.shares_raw / one)
        net[row:stop] = total
    return net


def modelled(settings: RunSettings) -> RunSettings:
    """The same run with nobody judging and nothing booked: the exact integers of the models, at a sweep's speed."""
    return replace(settings, policy=None)


def without_own_size(job: Job) -> Job:
    """The same sets with every rate as if we were not there: what an estimate leaves out, and says so."""
    return replace(job, settings=replace(job.settings, impact=NO_IMPACT))

"""What the moves of many sets come to in float64: values at each day's end, gas taken off. It is for ranking sets and for
pictures; it knows no rounding, and refuses to value a set that has departed from what floats can tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.index_columns import index_columns
from backtest.metrics import annual_growth
from backtest.sweep.ground import Ground, daily_returns
from backtest.sweep.outcome import Job
from backtest.sweep.space import ParameterSet
from backtest.sweep.together import Moves, together
from strategies.tape import Bools, Floats, Ints
from strategies.units import WAD


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """One column a set, in the order asked. What departed is NaN and must be run exactly."""

    departed: Bools
    net: Floats  # whole units at the end
    apy: Floats
    moves: Ints
    excess_daily: Floats  # [day, set]


def screened(ground: Ground, job: Job, sets: Sequence[ParameterSet]) -> Screen:
    """All sets at once. Raises SettingsError where they cannot be evaluated together, BadTape without recorded indices."""
    days, count = len(ground.day_rows), len(sets)
    net, moves, departed = np.full((days, count), np.nan), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    for group in together(ground.tape, job.settings, sets):
        places = np.array(group.sets)
        net[:, places] = _daily_net(ground, job, group)
        departed[places] = group.departed
        for moved in group.moved:
            moves[places[moved.sets]] += 1
    net[:, departed] = np.nan
    asset = job.settings.decide.asset
    opening = job.settings.opening.idle_raw(asset) / 10**asset.decimals
    seconds = int(ground.tape.timestamp[-1] - ground.tape.timestamp[0])
    apy = np.array(
        [np.nan if gone else annual_growth(opening, final, seconds) for gone, final in zip(departed, net[-1], strict=True)]
    )
    return Screen(departed, net[-1], apy, moves, daily_returns(net) - job.equal_weight[:, None])


def _daily_net(ground: Ground, job: Job, group: Moves) -> Floats:
    """[day, set] in whole units."""
    tape, asset = ground.tape, job.settings.decide.asset
    states, count, markets = index_columns(tape), len(group.sets), len(tape.deployment.markets)
    index = np.zeros((len(ground.day_rows), markets + 1))
    for market in range(markets):
        index[:, market] = states.index_floats(market, ground.day_rows)
    claims = max((len(moved.columns) for moved in group.moved), default=1)
    columns, shares = np.full((claims, count), markets), np.zeros((claims, count))
    idle, spent = np.full(count, float(job.settings.opening.idle_raw(asset))), np.zeros(count)
    one, net, coming = 10.0**asset.decimals, np.empty((len(ground.day_rows), count)), list(reversed(group.moved))
    for day, row in enumerate(ground.day_rows.tolist()):
        while coming and coming[-1].row <= row:
            moved = coming.pop()
            columns[:, moved.sets], shares[:, moved.sets], idle[moved.sets] = moved.columns, moved.shares_raw, moved.idle_raw
            fee_wei = moved.gas * int(tape.base_fee_wei[moved.row])
            spent[moved.sets] += fee_wei / WAD * ground.ether_usd()[moved.row] / ground.prices_usd(asset)[moved.row]
        net[day] = (idle + (shares * index[day][columns]).sum(axis=0)) / one - spent
    return net

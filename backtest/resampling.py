"""Another past of a recorded tape: blocks of its hours in another order, all markets, prices and gas together, and the indices
built again. Refuses a tape whose states are not recorded indices, and blocks that do not fit.

A row goes with the time until the next one, so that each stretch earns what it earned; blocks begin anywhere, with equal odds,
and none runs over the tape's end (Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of
Statistics 17, 1989). Prices are levels, so that they jump where two blocks meet."""

from collections.abc import Sequence

import numpy as np

from backtest.dataset import Rates, tape_from_rates
from backtest.index_columns import IndexColumns, index_columns
from backtest.index_growth import grown_limbs, said_rows
from strategies.errors import BadTape
from strategies.tape import Ints, Tape
from strategies.units import RAY, mul_div_half_up


def drawn_rows(rows: int, block_rows: int, rng: np.random.Generator) -> Ints:
    """Which row each stretch of the new tape comes from: one fewer than there are rows. Raises BadTape."""
    stretches = rows - 1
    if not 1 <= block_rows <= stretches:
        raise BadTape(f"blocks of {block_rows} rows do not fit a tape of {rows}: give 1 to {stretches}")
    count = -(-stretches // block_rows)
    begins = rng.integers(0, stretches - block_rows + 1, count)
    drawn: Ints = (begins[:, None] + np.arange(block_rows)).ravel()[:stretches]
    return drawn


def resampled(tape: Tape, stretches: Ints) -> Tape:
    """The tape made of these stretches, one after the other; the last ends at the row that followed it. Raises BadTape."""
    states = index_columns(tape)
    if len(stretches) == 0 or stretches.min() < 0 or stretches.max() > len(tape) - 2:
        raise BadTape("a stretch begins at a row that has no next one")
    rows = np.append(stretches, stretches[-1] + 1)
    clocks = {
        name: np.concatenate([[clock[0]], clock[0] + np.cumsum(np.diff(clock)[stretches])])
        for name, clock in (("timestamp", tape.timestamp), ("block", tape.block))
    }
    exact = states.exact()
    return tape_from_rates(
        Rates(
            deployment=tape.deployment,
            timestamp=clocks["timestamp"],
            block=clocks["block"],
            base_fee_wei=tape.base_fee_wei[rows],
            supply_apr=tape.supply_apr[rows],
            borrow_apr=tape.borrow_apr[rows],
            utilisation=tape.utilisation[rows],
            available=tape.available[rows],
            fresh=tape.fresh[rows],
            oracle_usd_e8=exact["oracle_usd_e8"][rows],
            price_usd_e8=tape.price_usd_e8[rows],
            index_ray=tuple([_index_ray(tape, states, at, stretches) for at in range(len(tape.deployment.markets))]),
            marks=exact["marks"][rows].astype(np.int64),
        )
    )


def _index_ray(tape: Tape, states: IndexColumns, market: int, stretches: Ints) -> list[int] | None:
    """A market's index chained from what each stretch made of it, to the nearest; None where it only ever grew by its rates,
    which then grow it again."""
    if _is_grown(tape, states, market):
        return None
    recorded = [states.index_ray(row, market) for row in range(len(tape))]
    index_ray, chained = 0, list[int]()
    for row in stretches.tolist():
        index_ray = index_ray or (RAY if recorded[row] else 0)
        chained.append(index_ray)
        index_ray = _onward(index_ray, recorded[row : row + 2])
    return [*chained, index_ray]


def _onward(index_ray: int, stretch: Sequence[int]) -> int:
    before, after = stretch
    if not before:
        return index_ray or (RAY if after else 0)
    return mul_div_half_up(index_ray, after, before)


def _is_grown(tape: Tape, states: IndexColumns, market: int) -> bool:
    exact = states.exact()
    low, high = grown_limbs(tape.timestamp, tape.supply_apr[:, market], said_rows(tape.supply_apr)[market])
    return np.array_equal(low, exact["index_low"][market]) and np.array_equal(high, exact["index_high"][market])

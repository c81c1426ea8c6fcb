"""Laws of the detectors, with faults injected anywhere: none reaches a strategy, later rows never change a verdict, and clean
records raise next to no alarm."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.checking.examine import examine
from backtest.checking.marks import Mark, refusing
from backtest.checking.record import Record, rows_of
from backtest.importers.lending import Found, Request, tape_of_found
from strategies.domain import Portfolio
from strategies.lending_rotation import LendingRotation
from strategies.tape import Observation, Tape
from tests.backtest.checking.records import HOUR, healthy, hurt, scaled, with_index, with_utilisation
from tests.backtest.recorded import USDC

ROWS = 72
RATES = ("supply_apr", "borrow_apr")
DAY = 86_400
ROTATION = LendingRotation(asset=USDC, cadence_seconds=HOUR, lookback_seconds=DAY, threshold_bps=10, count=1, max_idle_bps=100)

# One row's faults: each makes the row one that no strategy may see.
FAULTS: Mapping[str, Callable[[Record, int], Record]] = {
    "nan": lambda record, row: hurt(record, row, supply_apr=np.nan),
    "infinite": lambda record, row: hurt(record, row, supply_apr=np.inf),
    "negative": lambda record, row: hurt(record, row, supply_apr=-0.03),
    "half": lambda record, row: hurt(record, row, utilisation=np.nan),
    "zero": lambda record, row: hurt(record, row, supply_apr=0.0),
    "all zero": lambda record, row: hurt(record, row, supply_apr=0.0, borrow_apr=0.0, utilisation=0.0),
    "spike": lambda record, row: scaled(record, row, 23.0, "supply_apr"),
    "spike of both": lambda record, row: scaled(record, row, 43.0, *RATES),
    "percent": lambda record, row: scaled(record, row, 100.0, "supply_apr"),
    "percent of both": lambda record, row: scaled(record, row, 100.0, *RATES),
    "thousandth": lambda record, row: scaled(record, row, 0.001, *RATES),
    "utilisation in percent": lambda record, row: scaled(record, row, 100.0, "utilisation"),
    "backwards": lambda record, row: with_index(record, row, record.index_ray[max(0, row - 4)]),
    "index of other decimals": lambda record, row: with_index(record, row, record.index_ray[row] * 10**12),
    "index from nowhere": lambda record, row: with_index(record, row, record.index_ray[row] * 5 // 4),
    "amount of other decimals": lambda record, row: scaled(record, row, 1e12, "available"),
    "another row of its time": lambda record, row: hurt(_twice(record, row), row + 1, supply_apr=0.0512),
}
LEFT_OUT: Mapping[str, Callable[[Record, int], Record]] = {
    "hole": lambda record, row: rows_of(record, [at for at in range(ROWS) if at != row]),
    "late": lambda record, row: rows_of(record, [*range(row), *range(row + 1, row + 3), row, *range(row + 3, ROWS)]),
    "milliseconds": lambda record, row: replace(
        record, timestamp=np.where(np.arange(ROWS) == row, record.timestamp * 1_000, record.timestamp)
    ),
}


def _twice(record: Record, row: int) -> Record:
    return rows_of(record, [*range(row + 1), *range(row, len(record))])


def tape_of(record: Record) -> Tape:
    """The hurt market beside a healthy one."""
    beside = replace(healthy(seed=9), market="beside:USDC")
    found = [Found("USDC", USDC, one, ()) for one in (record, beside)]
    return tape_of_found("test", found, Request("USDC", 0, 2**40), ())[0]


def seen_at(tape: Tape, timestamp: int) -> tuple[bool, float]:
    """Whether the first market is fresh then, and the signal of lending rotation for it."""
    row = int(np.searchsorted(tape.timestamp, timestamp))
    observation = Observation(tape, row, "0x" + "aa" * 20, Portfolio((), ()))
    scores, _ = ROTATION.signal(observation)
    return bool(observation.fresh_now()[0]), scores[0]


@settings(max_examples=40)
@given(st.sampled_from(sorted(FAULTS)), st.integers(6, ROWS - 6), st.integers(0, 50))
def test_an_injected_fault_never_reaches_a_strategy(fault: str, row: int, seed: int) -> None:
    record = healthy(seed=seed)
    timestamp = int(record.timestamp[row])
    tape = tape_of(FAULTS[fault](record, row))
    fresh, signal = seen_at(tape, timestamp)
    assert not fresh and np.isnan(signal)
    usual = record.supply_apr.max() * 1.01
    assert all(seen_at(tape, int(later))[1] <= usual for later in record.timestamp[row + 1 :])  # nor its window


@settings(max_examples=20)
@given(st.sampled_from(sorted(LEFT_OUT)), st.integers(6, ROWS - 6), st.integers(0, 50))
def test_a_row_that_is_missing_or_misplaced_leaves_nothing_said_then(fault: str, row: int, seed: int) -> None:
    record = healthy(seed=seed)
    fresh, signal = seen_at(tape_of(LEFT_OUT[fault](record, row)), int(record.timestamp[row]))
    assert not fresh and np.isnan(signal)


@settings(max_examples=25)
@given(st.integers(12, ROWS - 12), st.floats(0.93, 0.995), st.integers(1, 6), st.integers(0, 50))
def test_a_real_spike_reaches_a_strategy_marked(row: int, peak: float, rows: int, seed: int) -> None:
    utilisation = healthy(seed=seed).utilisation.copy()
    utilisation[row : row + rows] = peak
    record = with_utilisation(utilisation)
    assert all(examine(record).marks[at] == int(Mark.REAL_SPIKE) for at in range(row, row + rows))
    fresh, signal = seen_at(tape_of(record), int(record.timestamp[row]))
    assert fresh and signal > 0


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(6, ROWS - 6)), max_size=6), st.integers(7, ROWS))
def test_later_rows_never_change_a_verdict(faults: list[tuple[str, int]], stop: int) -> None:
    record = healthy()
    for fault, row in faults:
        if fault != "another row of its time":
            record = FAULTS[fault](record, row)
    whole, cut = examine(record), examine(rows_of(record, range(stop)))
    assert whole.marks[:stop].tolist() == cut.marks.tolist()


@given(st.integers(0, 200))
def test_a_healthy_record_raises_no_alarm(seed: int) -> None:
    assert not refusing(examine(healthy(rows=200, seed=seed)).marks).any()


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_the_market_is_believed_again_after_a_fault(fault: str) -> None:
    record = healthy()
    assert seen_at(tape_of(FAULTS[fault](record, 30)), int(record.timestamp[33]))[0]

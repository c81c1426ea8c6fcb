"""An index against itself and against the rates beside it. Refuses one that goes back, that jumps by a power of ten, or that
grows as no rate beside it could explain; keeps, marked, income other than interest.

A supply index never falls (Aave's ReserveLogic._updateIndexes and Compound's exchangeRateStored only add), so one below an
accepted one is a stale node, another contract or a reset."""

import math
from enum import Enum
from typing import Final

import numpy as np

from backtest.checking.cells import found
from backtest.checking.marks import Finding, Mark
from backtest.checking.record import Record
from strategies.units import SECONDS_PER_YEAR

SLIP: Final = 8.0  # an index that grows so often over within a row is in another unit
NEAR: Final = 0.05  # of a decade around a power of ten
OTHER_GROWTH: Final = 1e-4  # what rates need not explain without a word: one basis point
ROUNDED: Final = 2e-6  # an index of six decimals, at both ends
OTHER_TIMES: Final = 1.5  # and so many times what they explain
MOST_OTHER: Final = 0.02  # of the whole at once: above it it is no income
STANDING_APR: Final = 0.002  # a rate that moves an index of six decimals within a day


class _Step(Enum):
    """How an index came from the accepted one before it."""

    PLAIN = 0
    BACK = 1
    DECIMALS = 2
    APART = 3
    OTHER = 4


def judge_index(record: Record, refused: frozenset[int]) -> tuple[Finding, ...]:
    """Every row's step as findings; `refused` rows neither count nor are judged."""
    if not record.index_ray:
        return ()
    verdicts = np.zeros(len(record), dtype=np.int64)
    told = (record.timestamp if record.told_at is None else record.told_at).tolist()
    rates = np.nan_to_num(record.supply_apr).tolist()
    before = -1
    for row, index in enumerate(record.index_ray):
        if not index or row in refused:
            continue
        if before >= 0:
            rate = max(rates[before : row + 1])  # the highest since the accepted row: an index steps when it is touched
            step = _step(record.index_ray[before], index, rate, told[row] - told[before])
            verdicts[row] = step.value
            if step not in (_Step.PLAIN, _Step.OTHER):
                continue
        before = row
    return (
        *found(record, verdicts == _Step.BACK.value, Mark.BACKWARDS, "an index below an earlier one: left unsaid"),
        *found(record, verdicts == _Step.DECIMALS.value, Mark.DECIMALS, "an index off by a power of ten: left unsaid"),
        *found(record, verdicts == _Step.APART.value, Mark.INDEX_APART, "an index that the rates cannot explain: left unsaid"),
        *found(record, verdicts == _Step.OTHER.value, Mark.OTHER_INCOME, "grew by more than interest: kept"),
    )


def _step(before: int, index: int, rate: float, seconds: int) -> _Step:
    if index < before:
        return _Step.DECIMALS if _is_power(before / index) else _Step.BACK
    ratio = index / before
    if ratio >= SLIP:
        return _Step.DECIMALS if _is_power(ratio) else _Step.APART
    grown, explained = ratio - 1, math.expm1(rate * max(seconds, 0) / SECONDS_PER_YEAR) + ROUNDED
    if grown <= max(explained * OTHER_TIMES, explained + OTHER_GROWTH):
        return _Step.PLAIN
    return _Step.OTHER if grown <= explained * OTHER_TIMES + MOST_OTHER else _Step.APART


def _is_power(ratio: float) -> bool:
    decades = math.log10(ratio)
    return decades >= 1 - NEAR and abs(decades - round(decades)) <= NEAR

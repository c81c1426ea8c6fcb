"""The detectors on recorded markets: how many of the faults that are put in they catch, and how often they cry for nothing. Skips
without the shared data sets."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from backtest.checking.examine import examine
from backtest.checking.marks import Mark, refusing
from backtest.checking.record import Record, rows_of
from backtest.importers import aave_daily_index, aave_hourly, compound_v2_daily, lending_2019_2020
from tests.backtest.checking.test_laws import FAULTS

SHARED = Path(__file__).parents[4] / "shared" / "data"
WINDOW = 402
ROWS_TRIED = 8
FEW_ROWS = 0.01
HELD = ("backwards", "index of other decimals", "index from nowhere")  # need an index
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not beside the repository")


@cache
def recorded() -> Mapping[str, tuple[Record, ...]]:
    """Every market of the sets that say rates, by set."""
    read = {
        "aave-v3-eth-daily-index": aave_daily_index.read,
        "compound-v2-daily": compound_v2_daily.read,
        "lending-2019-2020-daily": lending_2019_2020.read,
    }
    found = {name: tuple(market.record for market in one(SHARED / name)) for name, one in read.items()}
    return found | {"aave-eth-hourly": aave_hourly.records(SHARED / "aave-eth-hourly")}


@pytest.mark.parametrize("name", ["aave-v3-eth-daily-index", "compound-v2-daily", "lending-2019-2020-daily", "aave-eth-hourly"])
def test_real_rates_raise_next_to_no_false_alarm(name: str) -> None:
    """Of rows that say a rate at all and are no zeros of a market before it began or after it died."""
    refused = rows = 0
    for record in recorded()[name]:
        examined = examine(record)
        says = ~np.isnan(examined.record.supply_apr) & (examined.record.supply_apr > 0)
        known = (examined.marks & int(Mark.NOT_A_NUMBER)) == 0
        refused += int((refusing(examined.marks) & says & known).sum())
        rows += int((says & known).sum())
    assert refused <= FEW_ROWS * rows, f"{refused} of {rows}"


def test_faults_put_into_real_rates_are_caught() -> None:
    """Of every hundred at least ninety-nine, over quiet windows of every hourly market with a live rate."""
    rng, caught, missed = np.random.default_rng(5), 0, list[tuple[str, str, int]]()
    for record in recorded()["aave-eth-hourly"]:
        for fault in sorted(set(FAULTS) - set(HELD)):
            for row in rng.integers(WINDOW, len(record) - 2, ROWS_TRIED).tolist():
                part = replace(rows_of(record, range(row - WINDOW + 2, row + 2)), told_at=None)
                at = len(part) - 2  # the row itself; one row follows
                if not part.supply_apr[at] > 0.002 or refusing(examine(part).marks)[at]:
                    continue
                found = examine(FAULTS[fault](part, at))
                if refusing(found.marks)[np.searchsorted(found.record.timestamp, part.timestamp[at])]:
                    caught += 1
                else:
                    missed.append((record.market, fault, row))
    assert caught > 500 and len(missed) <= 0.01 * (caught + len(missed)), missed[:10]


def test_faults_put_into_real_indices_are_caught() -> None:
    rng = np.random.default_rng(6)
    for record in recorded()["aave-v3-eth-daily-index"]:
        for fault in HELD:
            for row in rng.integers(30, len(record) - 2, ROWS_TRIED).tolist():
                found = examine(FAULTS[fault](record, row))
                assert refusing(found.marks)[row], (record.market, fault, row)

"""Hindsight is a bound: no result beats it, it never loses, and it knows exactly the next row."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.hindsight import hindsight_of, regret_of
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Study, Terms, rotation, study
from tests.backtest.recorded import USDC, tape

TERMS = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=rotation)
YEAR_HOURS = 8_760


def studied(supply_apr: list[list[float]]) -> Study:
    return study(tape(supply_apr), USDC, TERMS, Synthetic(0))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)).map(list), min_size=30, max_size=60))
def test_no_result_ends_above_hindsight(supply_apr: list[list[float]]) -> None:
    asked = studied(supply_apr)
    bound = hindsight_of(asked)
    assert np.all(np.diff(bound.value) >= 0)
    for result in asked.results:
        assert result.figures.final <= bound.value[-1] + 1e-3  # floats of a million dollars, a tenth of a cent
        assert regret_of(result, bound).value >= -1e-3


def test_each_row_earns_the_best_rate_of_that_row() -> None:
    bound = hindsight_of(studied([[0.5, 0.1], [0.1, 0.7], [0.2, 0.2]]))
    assert bound.value.tolist() == pytest.approx(
        [1e6, 1e6 * (1 + 0.5 / YEAR_HOURS), 1e6 * (1 + 0.5 / YEAR_HOURS) * (1 + 0.7 / YEAR_HOURS)]
    )


def test_of_markets_that_pay_nothing_hindsight_makes_nothing() -> None:
    bound = hindsight_of(studied([[0.0, 0.0]] * 3))
    assert bound.value.tolist() == [1e6] * 3 and bound.apy == 0.0 == bound.best_market


def test_regret_against_the_best_market_is_what_holding_it_would_have_given() -> None:
    asked = study(sample_tape(seed=3, hours=500), sample_tape(seed=3, hours=500).deployment.assets[0], TERMS, Synthetic(3))
    bound = hindsight_of(asked)
    best = max(held.figures.apy for held in asked.holds)
    assert bound.best_market == pytest.approx(best, abs=2e-3)  # holding enters an hour late and pays its gas
    lucky = replace(asked.main, figures=replace(asked.main.figures, apy=bound.best_market + 0.01))
    assert regret_of(lucky, bound).market_apr == pytest.approx(-0.01)

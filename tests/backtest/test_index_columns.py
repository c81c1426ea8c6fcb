"""States out of columns: to the nearest whole, and the same whatever was asked before."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.index_columns import index_columns, nearest
from backtest.world import reading_at
from strategies.errors import BadTape
from strategies.units import RAY, WAD
from tests import worlds
from tests.backtest.recorded import tape
from tests.wallets import cases

NOT_SAID = float("nan")


@given(st.floats(-1e12, 1e12), st.sampled_from([1, 10**6, 10**8, WAD, RAY]))
def test_a_double_times_a_scale_is_the_nearest_whole_and_a_half_goes_up(value: float, scale: int) -> None:
    exact = Fraction(value) * scale
    assert nearest(value, scale) == (exact + Fraction(1, 2)) // 1
    assert nearest(0.5, 1) == 1 and nearest(-0.5, 1) == 0 and nearest(2.0, scale) == 2 * scale


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_the_nearest_of_what_is_no_number(value: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        nearest(value, RAY)


@given(st.permutations([(row, market) for row in range(3) for market in range(2)]))
def test_a_state_is_the_same_in_whatever_order_states_are_asked_for(order: list[tuple[int, int]]) -> None:
    rates = [[0.02, 0.03], [0.04, NOT_SAID], [0.05, 0.01]]
    asked, fresh = tape(rates), {(row, at): tape(rates).states.state(row, at) for row in range(3) for at in range(2)}
    assert all(asked.states.state(row, at) == fresh[row, at] for row, at in order)
    assert asked.states.state(*order[-1]) is asked.states.state(*order[-1])


def test_a_market_that_has_not_spoken_has_no_state_and_one_that_fell_silent_has_its_last() -> None:
    made = tape([[0.02, NOT_SAID], [0.02, 0.03], [0.02, NOT_SAID]], utilisation=np.array([[0.5, 0.5], [0.5, 0.7], [0.5, 0.9]]))
    before, spoken, silent = [made.states.state(row, 1) for row in range(3)]
    assert before is None and spoken is not None and silent is not None
    assert silent.utilisation_wad == spoken.utilisation_wad == nearest(0.7, WAD)  # type: ignore[union-attr]
    assert silent.timestamp - spoken.timestamp == int(made.timestamp[2] - made.timestamp[1])


def test_refuses_a_tape_whose_states_are_anything_else() -> None:
    assert index_columns(tape([[0.02, 0.03]])) is not None
    with pytest.raises(BadTape):
        index_columns(worlds.tape([[worlds.Said(0.02), None]]))


@given(
    rates=st.lists(st.lists(st.sampled_from([0.02, NOT_SAID]), min_size=2, max_size=2), min_size=1, max_size=4), data=st.data()
)
def test_a_row_prices_what_its_states_would_price(rates: list[list[float]], data: st.DataObject) -> None:
    said = data.draw(st.lists(st.sampled_from([0, 99_000_000, 10**8]), min_size=2 * len(rates), max_size=2 * len(rates)))
    quoted = data.draw(st.lists(st.sampled_from([0, 10**8]), min_size=2 * len(rates), max_size=2 * len(rates)))
    columns = {"oracle_usd_e8": np.array(said).reshape(-1, 2), "price_usd_e8": np.array(quoted).reshape(-1, 2)}
    recorded, row = tape(rates, **columns), data.draw(st.integers(0, len(rates) - 1))
    lazily = reading_at(recorded, row)
    whole = replace(lazily, states=tuple(lazily.states))
    late_seconds = data.draw(st.sampled_from([0, -15, -16, 3_600, 3_601]))  # of the clock: the skew, and max_price_age_seconds
    asked = {"deployment": recorded.deployment, "now": lazily.timestamp + late_seconds}
    one, other = (cases.case((), seen=seen, **asked) for seen in (lazily, whole))  # type: ignore[arg-type]
    assert dict(one.prices) == dict(other.prices)
    assert late_seconds in (0, -15, one.policy.max_price_age_seconds) or not one.prices

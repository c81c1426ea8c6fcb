"""A pool's columns: what a moment knows, exact fees, and what no pool could have said."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.range_liquidity.minutes import PoolTerms
from strategies.errors import BadTape
from strategies.protocols.uniswap_v3.arithmetic import MAX_TICK, sqrt_price_at_tick_x96
from tests.backtest.range_liquidity.pools import START, TERMS, TICK, USDC, WETH, at_times, minutes_of


def test_a_moment_knows_the_close_before_it_and_the_first_one_the_opening() -> None:
    minutes = minutes_of([TICK + 1, TICK + 2, TICK + 5])
    assert minutes.moment_tick.tolist() == [TICK, TICK + 1, TICK + 2, TICK + 5]
    assert minutes.moment_timestamp.tolist() == [START, START + 60, START + 120, START + 180]


def test_square_roots_of_prices_are_the_contracts_to_fourteen_digits() -> None:
    minutes = minutes_of([-MAX_TICK, -1, 0, 1, TICK, MAX_TICK])
    exact = [sqrt_price_at_tick_x96(tick) / 2**96 for tick in minutes.moment_tick.tolist()]
    assert minutes.moment_sqrt_price == pytest.approx(exact, rel=1e-9)
    assert minutes.moment_sqrt_price[0] == pytest.approx(exact[0], rel=1e-14)


def test_fees_are_kept_for_the_rows_that_have_some_and_rounded_down() -> None:
    minutes = minutes_of([TICK] * 4, in0=[0, 1, 0, 2_001], in1=[10**30, 0, 0, 0])
    fee0, fee1 = minutes.fees
    assert fee0.rows.tolist() == [1, 3] and fee1.rows.tolist() == [0]
    assert fee0.fee_x128 == ((500 << 128) // 10**6, (2_001 * 500 << 128) // 10**6)
    assert fee1.fee_x128 == ((5 * 10**26) << 128,)


def test_the_protocols_part_of_the_fee_is_not_the_providers() -> None:
    minutes = minutes_of([TICK], in0=[2_000_000], terms=replace(TERMS, protocol_fee=4))
    assert minutes.fees[0].fee_x128 == (750 << 128,)
    assert minutes.fee_columns[0].tolist() == [750.0]


def test_the_first_rows_are_the_tape_as_it_was_then() -> None:
    minutes = minutes_of([TICK + 1, TICK + 2, TICK + 5], in0=[1, 2, 3])
    early = minutes.first(2)
    assert len(early) == 2 and early.in0_raw == (1, 2) and early.moment_tick.tolist() == [TICK, TICK + 1, TICK + 2]
    with pytest.raises(BadTape, match="no minutes"):
        minutes.first(0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"in0_raw": (1, 2, -3)}, "row 2 .*in0_raw is -3"),
        ({"liquidity_raw": (1, 2**128, 1)}, "row 1 .*which no pool can hold"),
        ({"liquidity_raw": (1, 0, 1)}, "row 1 .*no liquidity is said"),
        ({"close_tick": np.array([0, 0, MAX_TICK + 1])}, "row 2 .*a tick lies outside"),
        ({"lowest_tick": np.array([0, 9, 0]), "highest_tick": np.array([0, 8, 0])}, "row 1 .*lowest tick is above"),
        ({"timestamp": np.array([0, 60, 60])}, "row 2 .*not later"),
        ({"in1_raw": (1, 2)}, "in1_raw has 2 rows and the clock 3"),
    ],
)
def test_refuses_what_no_pool_could_have_said(changes: dict[str, object], why: str) -> None:
    with pytest.raises(BadTape, match=why):
        replace(minutes_of([TICK] * 3), **changes)  # type: ignore[arg-type]


def test_a_dry_minute_without_a_swap_and_a_leap_in_time_are_no_defects() -> None:
    assert len(replace(minutes_of([TICK] * 2, in0=[5, 0]), liquidity_raw=(7, 0))) == 2
    assert len(at_times(minutes_of([TICK] * 2), [START, START + 86_400])) == 2


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"quote": 2}, "quote"),
        ({"fee_pips": 10**6}, "fee of 1000000"),
        ({"tick_spacing": 0}, "tick spacing of 0"),
        ({"protocol_fee": 3}, "one part in 3"),
    ],
)
def test_refuses_terms_that_no_pool_has(terms: dict[str, int], why: str) -> None:
    usual = {"fee_pips": 500, "tick_spacing": 10, "quote": 1, "protocol_fee": 10}
    assert PoolTerms(USDC, WETH, **usual).quote_asset == WETH
    with pytest.raises(BadTape, match=why):
        PoolTerms(USDC, WETH, **(usual | terms))

"""Equal weight: who joins when, that all are split again, and that nobody is ever left."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.impact import NO_IMPACT
from backtest.scenario import Synthetic
from backtest.study import Result, Rotation, Terms, study
from strategies.benchmarks import EqualWeight
from strategies.domain import Amount, Keep, Portfolio, Position, Target
from strategies.tape import Observation, Tape
from strategies.units import SECONDS_PER_DAY, WAD
from tests.backtest.recorded import ETHER, MARKETS, USDC, first_rows, tape

ACCOUNT = "0x" + "b7" * 20
DAILY = EqualWeight(USDC, SECONDS_PER_DAY)
CASH_RAW = 10**12
NEVER = float("nan")


def late(first_row: int, *, rows: int = 120) -> Tape:
    """Two markets; the second one says its first rate at a row."""
    return tape([[0.03, 0.04 if row >= first_row else NEVER] for row in range(rows)])


def looked(whole: Tape, row: int, *claims: Position, idle_raw: int = CASH_RAW) -> Target | Keep:
    holding = Portfolio((Amount(USDC, idle_raw), Amount(ETHER, WAD)), claims)
    return DAILY.target(Observation(whole, row, ACCOUNT, holding))


def weights(said: Target | Keep) -> dict[str, float]:
    assert isinstance(said, Target)
    return {leg.market.id: leg.weight_wad / WAD for leg in said.legs if leg.market is not None}


def equal_weight(whole: Tape) -> Result:
    terms = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=Rotation().decide_for, impact=NO_IMPACT)
    return study(whole, USDC, terms, Synthetic(0)).equal_weight


def test_a_market_that_starts_late_joins_and_all_are_split_again() -> None:
    found = equal_weight(late(60))
    assert found.figures.moves == 2
    assert [segment.row for segment in found.run.segments if segment.portfolio.positions] == [1, 73]  # at the next daily look
    assert found.curve.weights[70].tolist() == [1.0, 0.0]
    assert found.curve.weights[80] == pytest.approx([0.5, 0.5], abs=1e-6)


def test_a_market_that_never_speaks_keeps_nobody_from_the_others() -> None:
    found = equal_weight(late(120))
    assert found.figures.moves == 1
    assert found.curve.weights[-1].tolist() == [1.0, 0.0]


def test_where_all_speak_at_once_it_moves_once() -> None:
    found = equal_weight(late(0))
    assert found.figures.moves == 1
    assert found.curve.weights[2] == pytest.approx([0.5, 0.5], abs=1e-6)


def test_a_market_that_spoke_between_two_looks_joins_and_one_that_fell_silent_before_does_not() -> None:
    said = np.full((60, 2), 0.03)
    said[:, 1] = NEVER
    said[30, 1] = 0.04
    whole = tape(said.tolist())
    held = Position(MARKETS[0], CASH_RAW)
    assert weights(looked(whole, 48, held, idle_raw=0)) == {"m0:USDC": 0.5, "m1:USDC": 0.5}
    assert isinstance(looked(whole, 54, held, idle_raw=0), Keep)
    assert isinstance(looked(whole, 24, held, idle_raw=0), Keep)


def test_a_market_that_is_held_is_never_left_when_it_falls_silent() -> None:
    whole = tape([[0.03, NEVER if row > 10 else 0.04] for row in range(80)])
    both = [Position(market, CASH_RAW // 2) for market in MARKETS]
    assert isinstance(looked(whole, 79, *both, idle_raw=0), Keep)
    assert weights(looked(whole, 79, both[1], idle_raw=0)) == {"m0:USDC": 0.5, "m1:USDC": 0.5}


def test_dust_that_anybody_may_send_makes_no_market_ours() -> None:
    dust, held = Position(MARKETS[1], CASH_RAW // 10_000), Position(MARKETS[0], CASH_RAW)
    assert weights(looked(late(0), 5, held, dust, idle_raw=0)) == {"m0:USDC": 0.5, "m1:USDC": 0.5}
    assert isinstance(looked(late(0), 5, held, Position(MARKETS[1], CASH_RAW // 100), idle_raw=0), Keep)


def test_a_market_that_takes_no_deposit_is_not_entered() -> None:
    assert isinstance(looked(late(0), 5, idle_raw=1), Keep)  # half of one base unit is nothing
    assert weights(looked(late(0), 5, idle_raw=20)) == {"m0:USDC": 0.5, "m1:USDC": 0.5}


@given(st.lists(st.sampled_from([0.02, 0.05, NEVER]), min_size=30, max_size=30), st.integers(1, 29))
@settings(max_examples=30)
def test_what_comes_later_changes_nothing_that_it_said(second: list[float], row: int) -> None:
    whole = tape([[0.03, rate] for rate in second])
    held = Position(MARKETS[0], CASH_RAW)
    assert looked(whole, row, held) == looked(first_rows(whole, row + 1), row, held)

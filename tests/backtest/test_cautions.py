"""What a reader is told before the figures: each caution where it holds, and none where it does not."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from backtest.cautions import FREE_GAS, NEVER_LATE, NO_OWN_SIZE, cautions_of, cautions_of_run, shared_cautions
from backtest.impact import NO_IMPACT
from backtest.report import page
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Rotation, Study, Terms, study
from backtest.weighed import weigh
from strategies.errors import BadTape
from strategies.tape import Tape
from tests.backtest.recorded import USDC, tape

TERMS = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=Rotation().decide_for)


def asked(whole: Tape, terms: Terms = TERMS) -> Study:
    return study(whole, USDC, terms, Synthetic(0))


def vaults() -> Tape:
    """Two vaults: a rate, and no word on how much of them is lent."""
    unsaid = np.full((240, 2), np.nan)
    return tape([[0.03, 0.04]] * 240, utilisation=unsaid, borrow_apr=unsaid, available=unsaid)


@pytest.fixture(scope="module")
def plain() -> Study:
    whole = sample_tape(seed=7, markets=2, hours=600)
    return study(whole, whole.deployment.assets[0], TERMS, Synthetic(7))


def test_a_run_as_it_should_be_needs_no_caution(plain: Study) -> None:
    assert plain.main.figures.moves and cautions_of(plain) == ()
    assert 'class="caution"' not in page([weigh(plain)])


def test_a_stance_that_held_everything_back_is_named_with_the_market_and_the_way_out() -> None:
    found = asked(vaults(), replace(TERMS, impact=NO_IMPACT))
    assert found.main.figures.moves == 0
    never, own_size = cautions_of(found)
    assert never.startswith("It never moved in 10 decisions: what was earned is nothing. 10 times because: ")
    assert "m1:USDC does not say that its utilisation is within 99 %" in never
    assert never.endswith(
        "The balanced stance held back all that the strategy wanted; --stance unrestrained asks nothing of a market."
    )
    assert own_size == NO_OWN_SIZE
    assert page([weigh(found)]).count('<p class="caution">') == 2


def test_the_stance_that_asks_nothing_moves_on_the_same_tape() -> None:
    decide_for = Rotation(stance="unrestrained").decide_for
    found = asked(vaults(), replace(TERMS, decide_for=decide_for, impact=NO_IMPACT))
    assert found.main.figures.moves == 1 and cautions_of(found) == (NO_OWN_SIZE,)


def test_the_reason_told_is_the_one_most_often_given_and_blames_no_stance_without_cause() -> None:
    dear = tape([[0.03, 0.04]] * 240, base_fee_wei=np.full(240, 500 * 10**9))
    (never,) = cautions_of(asked(dear))
    assert never.endswith("10 times because: base fee 500 gwei is above 100 gwei.")


def test_a_run_that_was_never_late_is_called_so_and_one_that_was_is_not() -> None:
    whole = tape([[0.03, 0.04]] * 240)
    assert cautions_of(asked(whole, replace(TERMS, latency_rows=0, may_be_at_once=True))) == (NEVER_LATE,)
    assert cautions_of(asked(whole)) == ()
    with pytest.raises(BadTape, match="0 rows of latency are too few"):
        asked(whole, replace(TERMS, latency_rows=0))


def test_gas_that_the_tape_does_not_know_is_not_passed_off_as_free() -> None:
    assert FREE_GAS in cautions_of(asked(tape([[0.03, 0.04]] * 240, base_fee_wei=np.zeros(240, dtype=np.int64))))
    assert FREE_GAS not in cautions_of(asked(tape([[0.03, 0.04]] * 240)))


def test_what_holds_of_every_set_of_a_sweep_says_nothing_of_one_that_never_moved() -> None:
    run = asked(vaults(), replace(TERMS, impact=NO_IMPACT)).main.run
    assert shared_cautions(run) == (NO_OWN_SIZE,)
    never, own_size = cautions_of_run(run, "The best set")
    assert never.startswith("The best set never moved in 10 decisions: what was earned is nothing.") and own_size == NO_OWN_SIZE

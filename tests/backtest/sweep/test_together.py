"""Sets decided together move as each does by itself through the engine, on tapes of every kind, or say that they cannot tell."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine import run, run_at
from backtest.impact import THINNED
from backtest.prepared import Prepared
from backtest.runs import RunSettings
from backtest.sweep.ground import Ground
from backtest.sweep.outcome import Job, outcome_of
from backtest.sweep.results import content_of
from backtest.sweep.screen import screened
from backtest.sweep.space import ParameterSet, with_parameters
from backtest.sweep.together import Looks, looks_of, refusal, together
from strategies.benchmarks import Idle
from strategies.catalogue import Menu
from strategies.decide import DecideSettings
from strategies.domain import Amount, Portfolio
from strategies.errors import BadTape, SettingsError
from strategies.rebalance import Gate
from strategies.tape import Tape
from strategies.units import GWEI, USD_E8
from tests.backtest.recorded import USDC
from tests.backtest.sweep.grounds import (
    CASH_RAW,
    DAY,
    HOUR,
    OPEN_GATE,
    equal_weight_of,
    moves_of,
    settings_of,
    tape_of,
    wandering,
)

SETS: tuple[ParameterSet, ...] = tuple(
    (("lookback_seconds", hours * HOUR), ("threshold_bps", threshold), ("count", count), ("cadence_seconds", cadence * HOUR))
    for hours, threshold, count, cadence in product((1, 24), (0, 10), (1, 3), (6, 24))
)
ROOMY: tuple[ParameterSet, ...] = tuple((*one, ("max_idle_bps", 500)) for one in SETS)  # what a closed gate leaves idle may stay
CLOSED = Gate(
    horizon_seconds=14 * DAY,
    lookback_seconds=DAY,
    cost_multiple_bps=20_000,
    min_wait_seconds=2 * DAY,
    min_change_bps=100,
    max_base_fee_gwei=50,
    touch_fee_raw=2_000_000,
)
FREE = replace(CLOSED, touch_fee_raw=0)  # fees and changes too small to make may together leave nothing to pay the fee with


def compared(tape: Tape, asked: RunSettings, sets: tuple[ParameterSet, ...] = SETS) -> tuple[int, int]:
    """How many sets were told and how many moves they made; each as the engine says, and as it says where it only looks there."""
    told, moves = 0, 0
    markets = len(tape.deployment.markets)
    groups, prepared = together(tape, asked, sets), Prepared(tape)
    looks = looks_of(groups, len(sets))
    for group in groups:
        for column, at in enumerate(group.sets):
            if group.departed[column]:
                continue
            found = [
                (moved.row, tuple(held for held in moved.columns[:, list(moved.sets).index(column)].tolist() if held < markets))
                for moved in group.moved
                if column in moved.sets
            ]
            one, known = with_parameters(asked, sets[at]), looks[at]
            whole = run(tape, one, prepared)
            assert found == moves_of(whole), sets[at]
            assert known is not None
            looked = run_at(prepared, one, known.at)
            assert known.moves == len(found)
            assert (looked.segments, looked.decisions) == (whole.segments, whole.decisions), sets[at]
            assert looked.stuck_seconds == whole.stuck_seconds
            told, moves = told + 1, moves + len(found)
    return told, moves


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(2, 120),
    markets=st.integers(1, 5),
    kind=st.sampled_from(["ties", "flat", "wandering"]),
    stance=st.sampled_from(["unrestrained", "balanced", "conservative"]),
    gate=st.sampled_from([OPEN_GATE, CLOSED]),
    latency_rows=st.integers(0, 30),
    cash_raw=st.sampled_from([CASH_RAW, CASH_RAW, 1_000 * 10**6, 12_345_678, 321]),
)
@settings(max_examples=25, deadline=None)
def test_sets_move_together_as_each_does_alone(
    seed: int, rows: int, markets: int, kind: str, stance: str, gate: Gate, latency_rows: int, cash_raw: int
) -> None:
    """Cells that were not said, stale ones, ties, unpriced rows, dear gas, markets that cannot pay, every stance."""
    random = np.random.default_rng(seed)
    rates = random.integers(0, 5, (rows, markets)) / 1_000 if kind == "ties" else wandering(seed=seed, rows=rows, markets=markets)
    if kind == "flat":
        rates = np.repeat(rates[::12], 12, axis=0)[:rows]
    rates[random.random(rates.shape) < random.choice([0, 0.05])] = np.nan
    said = ~np.isnan(rates)
    prices = np.tile(np.array([USD_E8, 2_500 * USD_E8]), (rows, 1))
    prices[random.random(prices.shape) < random.choice([0, 0.1])] = 0
    tape = tape_of(
        rates,
        fresh=said & (random.random(rates.shape) >= random.choice([0, 0.1])),
        available=np.where(said, random.choice([[5e7] * 3, [5e5, 2e6, 5e7]][seed % 2], rates.shape), np.nan),
        price_usd_e8=prices,
        base_fee_wei=random.integers(1, 80, rows) * GWEI,
    )
    asked = settings_of(gate, stance, latency_rows=latency_rows)
    compared(tape, replace(asked, opening=Portfolio((Amount(USDC, cash_raw), *asked.opening.idle[1:]))))


@pytest.mark.parametrize("gate", [OPEN_GATE, FREE], ids=["open", "closed"])
def test_on_a_plain_tape_no_set_departs_and_they_do_move(gate: Gate) -> None:
    told, moves = compared(tape_of(wandering(rows=24 * 60)), settings_of(gate), ROOMY)
    assert told == len(SETS)
    assert moves > len(SETS)


def test_a_set_departs_where_a_market_cannot_pay_and_not_before_it_must() -> None:
    rates = np.full((72, 2), 0.02)
    rates[:, 0], rates[30:, 1] = 0.03, 0.09
    dry = np.full((72, 2), 50e6)
    dry[40:60, 0] = 1_000.0
    sets: tuple[ParameterSet, ...] = ((("lookback_seconds", HOUR),), (("lookback_seconds", HOUR), ("threshold_bps", 9_999)))
    (group,) = together(tape_of(rates, available=dry), settings_of(), (sets[0],))
    assert group.departed.tolist() == [True]
    (group,) = together(tape_of(rates, available=dry), settings_of(), ((*sets[0], ("threshold_bps", 9_999)),))
    assert group.departed.tolist() == [False]


def test_a_stance_that_restrains_what_is_held_is_left_to_the_engine() -> None:
    full = np.full((72, 2), 0.7)
    full[40:, :] = 0.999
    tape = tape_of(np.full((72, 2), 0.03), utilisation=full)
    one: tuple[ParameterSet, ...] = ((("threshold_bps", 5),),)
    (kept,) = together(tape, settings_of(), one)
    (left,) = together(tape, settings_of(stance="balanced"), one)
    assert (kept.departed.tolist(), left.departed.tolist()) == ([False], [True])


def test_a_set_that_was_told_wrongly_is_run_row_by_row() -> None:
    tape, asked = tape_of(wandering(rows=24 * 30)), settings_of()
    job = Job("", tape.digest, asked, equal_weight_of(tape))
    whole = outcome_of(Ground(tape), job, 0, SETS[1])
    told = looks_of(together(tape, asked, (SETS[1],)), 1)[0]
    assert told is not None and told.moves == whole.moves > 3
    for looks in (told, Looks(told.at[1:], told.moves), Looks((), 2)):
        assert content_of(outcome_of(Ground(tape), job, 0, SETS[1], looks)) == content_of(whole)


def test_only_a_strategy_of_two_steps_is_run_at_told_rows() -> None:
    tape, asked = tape_of(wandering(rows=48)), settings_of()
    idle = replace(asked, decide=replace(asked.decide, menu=Menu((("idle", Idle(USDC, DAY)),), ("unrestrained",))))
    with pytest.raises(BadTape, match="two steps"):
        run_at(Prepared(tape), idle, (0,))


def test_other_strategies_and_other_runs_are_refused_by_name() -> None:
    asked = settings_of()
    assert refusal(asked) == ""
    idle = Menu((("idle", Idle(USDC, DAY)),), ("unrestrained",))
    other = replace(asked, decide=DecideSettings(USDC, idle, OPEN_GATE))
    with pytest.raises(SettingsError, match="Idle has no rule"):
        together(tape_of(wandering(rows=30)), other, SETS)
    with pytest.raises(SettingsError, match="our own size is counted"):
        together(tape_of(wandering(rows=30)), replace(asked, impact=THINNED), SETS)
    assert "number of moves" in refusal(replace(asked, most_moves=1))


def test_the_screen_comes_within_a_millionth_of_the_exact_runs() -> None:
    tape, asked = tape_of(wandering()), settings_of(FREE)
    ground = Ground(tape)
    job = Job("", tape.digest, asked, equal_weight_of(tape))
    screen = screened(ground, job, ROOMY)
    assert not screen.departed.any()
    for at, one in enumerate(ROOMY):
        exact = outcome_of(ground, job, at, one)
        assert screen.net[at] == pytest.approx(exact.net, rel=1e-9)
        assert screen.apy[at] == pytest.approx(exact.apy, abs=1e-7)
        assert screen.moves[at] == exact.moves
        np.testing.assert_allclose(screen.excess_daily[:, at], exact.excess_daily, atol=1e-9)


def test_what_departed_is_shown_as_no_number() -> None:
    rates = np.full((72, 2), 0.02)
    rates[:, 0], rates[30:, 1] = 0.03, 0.09
    dry = np.full((72, 2), 50e6)
    dry[40:60, 0] = 1_000.0
    tape = tape_of(rates, available=dry)
    screen = screened(Ground(tape), Job("", tape.digest, settings_of(), equal_weight_of(tape)), ((("lookback_seconds", HOUR),),))
    assert screen.departed.tolist() == [True]
    assert np.isnan([screen.net[0], screen.apy[0], *screen.excess_daily[:, 0]]).all()

"""Other pasts: each path is its own number's, whoever computes it; blocks keep what they earned; it says who was lucky."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.crises import crisis_tape
from backtest.index_columns import index_columns
from backtest.metrics import annual_growth
from backtest.monte_carlo import Path, Resampled, Scripted, Spread, path_seed, simulate, simulate_study
from backtest.resampling import drawn_rows, resampled
from backtest.scenario import Synthetic, sample_script, sample_tape, tape_of_script
from backtest.study import Study, Terms, rotation, study
from strategies.benchmarks import EqualWeight
from strategies.errors import BadTape, SettingsError
from strategies.units import RAY, mul_div_half_up

SCRIPT = sample_script(seed=4, markets=2, hours=240)
TAPE = tape_of_script(SCRIPT)


@pytest.fixture(scope="module")
def studied() -> Study:
    asset = TAPE.deployment.assets[0]
    return study(TAPE, asset, Terms(cash=Decimal(100_000), latency_rows=1, decide_for=rotation), Synthetic(4))


def test_the_tape_itself_is_one_of_its_pasts() -> None:
    assert resampled(TAPE, np.arange(len(TAPE) - 1)).digest == TAPE.digest


def test_a_tape_with_a_loss_is_one_of_its_own_pasts_to_the_unit_of_its_index() -> None:
    whole = crisis_tape("vault-bad-debt")
    again = resampled(whole, np.arange(len(whole) - 1))
    one, other = (index_columns(tape).exact() for tape in (whole, again))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_block_with_a_loss_loses_as_often_as_it_is_drawn() -> None:
    whole = crisis_tape("vault-bad-debt")
    hit = np.full(5, 359)  # the stretch in which a tenth is lost
    index = index_columns(resampled(whole, hit))
    was, now = (index_columns(whole).index_ray(row, 0) for row in (359, 360))
    expected = RAY
    for row in range(6):
        assert index.index_ray(row, 0) == expected
        expected = mul_div_half_up(expected, now, was)
    assert index.index_ray(5, 0) < RAY * 6 // 10


@settings(max_examples=30, deadline=None)
@given(st.integers(min_value=0, max_value=2**32), st.integers(min_value=1, max_value=239))
def test_every_stretch_of_a_past_is_one_of_the_tape_with_its_own_length_and_rates(seed: int, block_rows: int) -> None:
    drawn = drawn_rows(len(TAPE), block_rows, np.random.default_rng(seed))
    made = resampled(TAPE, drawn)
    assert len(made) == len(TAPE) and (np.diff(drawn)[np.arange(1, len(drawn)) % block_rows != 0] == 1).all()
    np.testing.assert_array_equal(np.diff(made.timestamp), np.diff(TAPE.timestamp)[drawn])
    for name in ("supply_apr", "utilisation", "available", "price_usd_e8", "base_fee_wei"):
        np.testing.assert_array_equal(getattr(made, name)[:-1], getattr(TAPE, name)[drawn])


@pytest.mark.parametrize("block_rows", [0, 240, 1_000])
def test_blocks_that_do_not_fit_are_refused(block_rows: int) -> None:
    with pytest.raises(BadTape, match="do not fit"):
        drawn_rows(240, block_rows, np.random.default_rng(1))


def test_a_stretch_after_the_last_row_is_refused() -> None:
    with pytest.raises(BadTape, match="no next"):
        resampled(TAPE, np.array([0, len(TAPE) - 1]))


@pytest.mark.parametrize("pasts", [Scripted(SCRIPT, 9), Resampled(TAPE, 24, 9)], ids=["scripted", "resampled"])
def test_the_spread_does_not_depend_on_how_many_processes_there_are(studied: Study, pasts: Scripted | Resampled) -> None:
    one, two = (simulate_study(studied, pasts, paths=5, processes=processes) for processes in (1, 2))
    assert one == two and len(one.paths) == 5 and len(set(one.paths)) == 5


def test_more_paths_begin_with_the_same_ones(studied: Study) -> None:
    few, many = (simulate_study(studied, Resampled(TAPE, 24, 9), paths=paths, processes=1) for paths in (2, 4))
    assert many.paths[:2] == few.paths


def test_another_seed_draws_other_paths(studied: Study) -> None:
    one, other = (simulate_study(studied, Resampled(TAPE, 24, seed), paths=2, processes=1) for seed in (1, 2))
    assert one.paths != other.paths and path_seed(1, 0) != path_seed(1, 1) != path_seed(2, 0)


def test_a_strategy_has_no_excess_over_itself(studied: Study) -> None:
    equal = studied.equal_weight.run.settings
    assert isinstance(equal.decide.menu.strategies[0][1], EqualWeight)
    spread = simulate(Resampled(TAPE, 24, 1), equal, equal, paths=3, processes=1)
    assert spread.excess.tolist() == [0.0, 0.0, 0.0] and spread.behind == 1.0


def test_the_growth_of_a_path_is_the_studys_own_where_the_path_is_the_tape(studied: Study) -> None:
    whole = Resampled(TAPE, len(TAPE) - 1, 3)  # one block: the tape itself
    path = simulate_study(studied, whole, paths=2, processes=1).paths[0]
    figures = studied.main.figures
    seconds = int(TAPE.timestamp[-1] - TAPE.timestamp[0])
    assert path.growth == annual_growth(figures.opening, figures.final, seconds) == figures.apy


def test_the_spread_says_its_quantiles_its_error_and_who_was_lucky() -> None:
    spread = Spread(1, tuple(Path(0.05 + at / 1_000, 0.05) for at in range(-20, 81)))
    assert spread.quantiles((0.0, 0.5, 1.0)) == pytest.approx((-0.02, 0.03, 0.08))
    assert spread.behind == pytest.approx(21 / 101) and spread.mean == pytest.approx(0.03)
    assert spread.mean_error == pytest.approx(0.0293 / np.sqrt(101), rel=0.01)
    assert spread.luck(1.0) == 1.0 and spread.luck(-1.0) == 0.0 and spread.luck(0.0301) == pytest.approx(51 / 101)
    assert spread.sentence == (
        "ahead of equal weight on 79% of 101 paths; +3.00% a year in the middle, -1.50% to +7.50% on nine in ten"
    )


@pytest.mark.parametrize(("paths", "processes"), [(1, 1), (0, 1), (2, 0)])
def test_too_few_paths_or_processes_are_refused(studied: Study, paths: int, processes: int) -> None:
    with pytest.raises(SettingsError, match="give"):
        simulate_study(studied, Scripted(SCRIPT, 1), paths=paths, processes=processes)


def test_a_tape_of_exact_states_has_no_blocks_to_draw() -> None:
    from tests import worlds

    with pytest.raises(BadTape, match="recorded"):
        resampled(worlds.tape(worlds.rates(0.03, 0.04)), np.arange(3))


def test_scripted_paths_keep_their_events() -> None:
    made = Scripted(SCRIPT, 2).tape(1)
    assert (made.available[:, 1] == 0).any() and made.digest != sample_tape(seed=4, markets=2, hours=240).digest

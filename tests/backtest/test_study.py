"""Studies: a strategy never without its benchmarks, on synthetic and on recorded tapes."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from backtest.scenario import Synthetic, sample_tape
from backtest.study import Study, Terms, rotation, run_backtest, study, study_policy
from strategies.domain import Asset
from strategies.errors import BadTape
from strategies.units import SECONDS_PER_DAY
from tests.backtest.recorded import USDC, tape
from wallets import journal

SHARED = Path(__file__).parents[3] / "shared" / "data"
TERMS = Terms(cash=Decimal(1_000_000), latency_rows=1, decide_for=rotation)


@pytest.fixture(scope="module")
def sample() -> Study:
    made = sample_tape(seed=7, markets=2, hours=2_400)
    return study(made, made.deployment.assets[0], TERMS, Synthetic(7))


def test_every_benchmark_stands_beside_the_strategy(sample: Study) -> None:
    names = [result.name for result in sample.results]
    assert names == ["lending rotation", "equal weight", "hold alpha:USDC", "hold beta:USDC", "idle"]


def test_benchmarks_move_once_and_idle_never(sample: Study) -> None:
    assert [result.figures.moves for result in sample.results[1:]] == [1, 1, 1, 0]
    assert (sample.idle.curve.net == 1e6).all()


def test_equal_weight_lies_between_the_held_markets(sample: Study) -> None:
    low, high = sorted(held.figures.final for held in sample.holds)
    assert low < sample.equal_weight.figures.final < high


def test_the_same_question_gives_the_same_journal(sample: Study) -> None:
    made = sample_tape(seed=7, markets=2, hours=2_400)
    again = study(made, made.deployment.assets[0], TERMS, Synthetic(7))
    assert again.main.run.journal.head == sample.main.run.journal.head


def test_the_policy_of_a_study_outlives_its_latency() -> None:
    gaps = np.array([0, 1, 200, 201], dtype=np.int64) * 3_600
    made = tape([[0.02, 0.03]] * 4, timestamp=1_704_067_200 + gaps)
    assert study_policy(made, USDC, TERMS).approval_expiry_seconds == 199 * 3_600 + 1


def test_refuses_an_asset_without_a_market() -> None:
    made = tape([[0.02, 0.03]] * 4)
    with pytest.raises(BadTape, match="no market of DAI"):
        study(made, Asset(31_337, "0x" + "da" * 20, "DAI", 18), TERMS, Synthetic(7))


def test_refuses_to_start_with_nothing() -> None:
    with pytest.raises(BadTape, match="cash"):
        study(tape([[0.02, 0.03]] * 4), USDC, Terms(cash=Decimal(0), latency_rows=1, decide_for=rotation), Synthetic(7))


def test_three_years_of_real_markets_run_whole() -> None:
    if not (SHARED / "aave-eth-hourly").exists():
        pytest.skip("the shared data sets are not beside the repository")
    start, end = 1_674_777_600, 1_768_867_200  # 2023-01-27 to 2026-01-20
    studies = run_backtest(
        data=SHARED / "aave-eth-hourly", gas=SHARED / "ethereum-gas", symbols=("USDC", "DAI"), start=start, end=end, terms=TERMS
    )
    for found in studies:
        assert found.imported is not None and found.imported.rows == len(found.main.run.tape) > 26_000
        assert found.main.figures.days == pytest.approx((end - start) / SECONDS_PER_DAY, abs=1)
        assert 1.10e6 < found.main.figures.final < 1.20e6
        assert found.main.figures.moves > 10 and found.main.figures.gas_usd > 0
        assert journal.verify(found.main.run.journal.lines, found.main.run.journal.head) == ""
        # USDC and DAI both fell with USDC's depeg, in dollars and only in dollars
        assert found.main.figures.drawdown_usd < -0.10 and found.main.figures.drawdown > -0.001

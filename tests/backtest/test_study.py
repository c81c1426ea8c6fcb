"""Studies: a strategy never without its benchmarks, on synthetic and on recorded tapes."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from backtest.cautions import BESIDE_NOTHING, cautions_of
from backtest.impact import NO_IMPACT, Impact
from backtest.runs import MOVE
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Rotation, Study, Terms, _opening, rotation, run_backtest, study, study_policy
from backtest.terms import Terms as MarketTerms
from backtest.weighed import trial_of
from strategies.domain import Asset, Market
from strategies.errors import BadTape
from strategies.protocols.recorded_index import Kinked, RecordedIndexes
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


def test_every_run_of_a_study_has_the_terms_of_its_markets_and_of_no_others() -> None:
    said = {"m1:USDC": MarketTerms(3_600, ()), "m0:USDC": MarketTerms(0, ()), "reth": MarketTerms(None, ())}
    found = study(tape([[0.02, 0.03]] * 48), USDC, replace(TERMS, of_markets=said), Synthetic(7))
    ours = [("m0:USDC", MarketTerms(0, ())), ("m1:USDC", MarketTerms(3_600, ()))]
    assert [list(result.run.settings.terms.items()) for result in found.results] == [ours] * 5


def test_money_that_a_vault_pays_late_is_still_approved_when_it_comes() -> None:
    paid = [[0.09, 0.01]] * (24 * 10) + [[0.01, 0.09]] * (24 * 30)
    asked = replace(TERMS, decide_for=Rotation(stance="unrestrained").decide_for)
    runs = []
    for delay_days in (0, 9):
        said = {"m0:USDC": MarketTerms(delay_days * SECONDS_PER_DAY, ())}
        run = study(tape(paid), USDC, replace(asked, of_markets=said), Synthetic(7)).main.run
        assert not any(step.held for step in run.steps)
        runs.append([segment.row for segment in run.segments if segment.cause == MOVE])
    (entered, left), late = runs
    assert late == [entered, left - 1 + 9 * 24]  # nine days in place of the row of latency


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


CURVE = Kinked(optimal_ray=9 * 10**26, base_ray=0, slope1_ray=55 * 10**24, slope2_ray=4 * 10**26)


def test_a_curve_that_is_known_of_a_market_counts_wherever_our_own_size_does() -> None:
    made = sample_tape(seed=7, markets=2, hours=100)
    asset, known = (
        made.deployment.assets[0],
        {"alpha:USDC": MarketTerms(0, (), (), CURVE), "other:DAI": MarketTerms(0, (), (), CURVE)},
    )
    on_curves = study(made, asset, replace(TERMS, of_markets=known), Synthetic(7))
    assert on_curves.main.run.settings.impact == Impact((("alpha:USDC", CURVE),))
    unsized = study(made, asset, replace(TERMS, of_markets=known, impact=NO_IMPACT), Synthetic(7))
    assert unsized.main.run.settings.impact is None
    plainly = study(made, asset, replace(TERMS, impact=NO_IMPACT), Synthetic(7))
    assert trial_of(unsized).parameters == trial_of(plainly).parameters
    assert trial_of(on_curves).parameters != trial_of(study(made, asset, TERMS, Synthetic(7))).parameters


def test_a_study_in_the_chains_own_coin_has_cash_and_gas_in_one_purse() -> None:
    whole = tape([[0.02, 0.03]] * 60)
    ether = whole.deployment.asset("ETH")
    markets = tuple(replace(market, asset=ether) for market in whole.deployment.markets)
    coin = replace(whole, deployment=replace(whole.deployment, assets=(ether, USDC), markets=markets))
    opening = _opening(coin, ether, Decimal(3))
    assert len(opening.idle) == 1 and opening.idle_raw(ether) > 3 * 10**18
    assert len(_opening(coin, USDC, Decimal(3)).idle) == 2


@pytest.mark.parametrize("count", [8, 9, 40])
def test_equal_weight_enters_however_many_markets_there_are(count: int) -> None:
    markets = tuple(Market(f"m{at}:USDC", RecordedIndexes().protocol, f"0x{at + 1:040x}", USDC) for at in range(count))
    deployment = replace(tape([[0.02, 0.03]]).deployment, markets=markets)
    wide = tape([[0.02 + at / 1_000 for at in range(count)]] * 60, deployment=deployment)
    made = study(wide, USDC, TERMS, Synthetic(7))
    (held,) = {len(segment.portfolio.positions) for segment in made.equal_weight.run.segments[1:2]}
    assert (made.equal_weight.figures.moves, made.equal_weight.figures.refused, held) == (1, 0, count)
    assert not any("Equal weight" in caution for caution in cautions_of(made))


def test_a_benchmark_that_never_moved_is_a_caution(sample: Study) -> None:
    assert cautions_of(sample) == ()
    (caution,) = cautions_of(replace(sample, equal_weight=sample.idle))
    assert caution == f"Equal weight never moved: nothing was ever decided. {BESIDE_NOTHING}"

"""Our own size: what it costs, that the fast ways count it as the slow ones do, and that it is refused where it is unknown."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backtest import metrics
from backtest.engine import run
from backtest.impact import NO_IMPACT, THINNED, Impact, OwnSize, Thinned, settled
from backtest.metrics import curve_of, figures_of
from backtest.runs import INTEREST, Run
from backtest.sweep.outcome import final_raw
from strategies.assess import own_impact_apr
from strategies.benchmarks import EqualWeight, Hold
from strategies.catalogue import Menu
from strategies.decide import DecideSettings
from strategies.domain import Amount, Asset, Portfolio, Position, Supply, Withdraw
from strategies.errors import BadTape
from strategies.lending_rotation import LendingRotation
from strategies.protocols.recorded_index import Kinked, RecordedIndex, RecordedIndexes, thinned_ray
from strategies.tape import Observation, Tape
from strategies.units import RAY, WAD
from tests.backtest.recorded import MARKETS, START, USDC, tape
from tests.backtest.test_engine import ACCOUNT, CASH_RAW, HOUR, OPEN_GATE, POLICY, Follow, tapes, terms
from tests.backtest.test_lookout import STANCES, Plainly, rotations
from wallets.ledger import WALLET

CURVE = Kinked(optimal_ray=8 * RAY // 10, base_ray=0, slope1_ray=RAY // 25, slope2_ray=RAY)
YEAR = 365 * 24


def sized(whole: Tape) -> bool:
    """Whether a tape says of each market that speaks how much is lent."""
    said, known = ~np.isnan(whole.supply_apr).all(axis=0), ((whole.utilisation < 1) & (whole.available > 0)).any(axis=0)
    return bool((known | ~said).all())


def counted(whole: Tape, strategy: object, stance: str, **changes: object) -> Run:
    gate = replace(OPEN_GATE, cost_multiple_bps=changes.pop("cost_multiple_bps", 0), max_base_fee_gwei=100)  # type: ignore[arg-type]
    decide = DecideSettings(USDC, Menu((("test", strategy),), (stance,)), gate)  # type: ignore[arg-type]
    return run(whole, terms(strategy, decide=decide, impact=THINNED, **changes))  # type: ignore[arg-type]


def holding(whole: Tape, *, impact: Impact | None = THINNED, **changes: object) -> Run:
    return run(whole, terms(Hold(USDC, HOUR, MARKETS[0].id), impact=impact, latency_rows=0, **changes))


@settings(max_examples=80, deadline=None)
@given(tapes(), rotations(), st.sampled_from(STANCES), st.integers(0, 3), st.sampled_from([0, 10_000]))
def test_fast_and_slow_runs_come_to_the_same_unit_with_our_own_size(
    whole: Tape, strategy: LendingRotation, stance: str, latency: int, multiple: int
) -> None:
    assume(sized(whole))
    asked = {"latency_rows": latency, "cost_multiple_bps": multiple}
    fast, slow = (counted(whole, said, stance, policy=None, **asked) for said in (strategy, Plainly(strategy)))
    judged = counted(whole, strategy, stance, **asked)
    assert fast.segments == slow.segments == judged.segments
    assert fast.impact_raw == slow.impact_raw == judged.impact_raw
    assert fast.stuck_seconds == slow.stuck_seconds == judged.stuck_seconds
    assert judged.ledger.balance_raw(WALLET, USDC) == judged.segments[-1].portfolio.idle_raw(USDC)


@settings(max_examples=40, deadline=None)
@given(tapes(), st.sampled_from([EqualWeight(USDC, HOUR), Hold(USDC, HOUR, MARKETS[1].id)]))
def test_a_claim_never_earns_more_than_the_tape_and_never_loses_what_was_put_in(
    whole: Tape, strategy: EqualWeight | Hold
) -> None:
    assume(sized(whole))
    with_us, without = (run(whole, terms(strategy, impact=impact, most_moves=1)) for impact in (THINNED, NO_IMPACT))
    assert with_us.impact_raw >= 0 and without.impact_raw == 0
    assert final_raw(with_us) == final_raw(without) - with_us.impact_raw
    supplied_raw = sum(segment.supplied_raw for segment in with_us.segments)
    idle_raw = with_us.segments[-1].portfolio.idle_raw(USDC)
    assert final_raw(with_us) >= supplied_raw + idle_raw - 3 * len(with_us.segments)


def test_as_much_again_as_others_lend_earns_half() -> None:
    others = CASH_RAW / 1e6
    whole = tape([[0.10]] * YEAR, available=np.full((YEAR, 1), others * 0.3))
    alone, among = (final_raw(holding(whole, impact=impact)) - CASH_RAW for impact in (NO_IMPACT, THINNED))
    assert 0.47 < among / alone < 0.5


def test_next_to_a_large_market_little_is_lost_and_something_is() -> None:
    whole = tape([[0.10]] * YEAR, available=np.full((YEAR, 1), 3e9))
    found = holding(whole)
    earned_raw = final_raw(holding(whole, impact=NO_IMPACT)) - CASH_RAW
    assert 0 < found.impact_raw < earned_raw * 2e-4


def test_a_known_curve_costs_more_than_the_least() -> None:
    whole = tape([[0.05]] * YEAR, available=np.full((YEAR, 1), 3e6))
    least, curved = (holding(whole, impact=impact).impact_raw for impact in (THINNED, Impact(((MARKETS[0].id, CURVE),))))
    assert 1.9 * least < curved < 2.1 * least  # below the kink rates fall once with the sharing and once with the curve


def test_each_day_ends_with_a_settled_claim_and_the_curve_goes_through_it() -> None:
    whole = tape([[0.20]] * (24 * 20), available=np.full((480, 1), 1e6))
    found = holding(whole)
    kept = [segment for segment in found.segments if segment.cause == INTEREST]
    assert len(kept) == 20 and found.moves == 1
    held = curve_of(found).held
    for segment in kept:
        shares_raw = segment.portfolio.position(MARKETS[0]).shares_raw
        state = whole.states.state(segment.row, 0)
        assert state is not None
        assert held[segment.row] == pytest.approx(RecordedIndexes().value_raw(state, Position(MARKETS[0], shares_raw)) / 1e6)  # type: ignore[arg-type]
    assert (np.diff(held) > 0).all()
    assert figures_of(found, curve_of(found)).own_impact == found.impact_raw / 1e6


def test_what_is_lent_is_worked_out_once_for_a_curve_and_all_that_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found, made = holding(tape([[0.20]] * 48, available=np.full((48, 1), 1e6))), list[OwnSize]()

    def counted_size(whole: Tape, asset: Asset, impact: Impact) -> OwnSize:
        made.append(OwnSize(whole, asset, impact))
        return made[-1]

    monkeypatch.setattr(metrics, "OwnSize", counted_size)
    curve = curve_of(found)
    np.testing.assert_allclose(curve.weights[:, 0] * curve.held + found.segments[-1].portfolio.idle_raw(USDC) / 1e6, curve.held)
    assert made == [curve.sizes]


def test_settling_late_comes_to_what_settling_at_every_row_comes_to_and_never_below_nothing() -> None:
    whole = tape([[0.20]] * 2_000, available=np.full((2_000, 1), 1e6))
    sizes, start = OwnSize(whole, USDC, THINNED), Portfolio((), (Position(MARKETS[0], CASH_RAW),))
    late, often = settled(sizes, start, 0, 1_999), start
    for row in range(1_999):
        often = settled(sizes, often, row, row + 1)
    assert settled(sizes, start, 5, 5) == start
    assert late.positions[0].shares_raw == pytest.approx(often.positions[0].shares_raw, rel=2e-4)
    assert Thinned(sizes, start, 0).spent_raw(1_999) > 0


def test_a_loss_of_the_markets_is_ours_in_full() -> None:
    whole = tape([[0.0]] * 10, index_ray=([RAY] * 5 + [RAY * 9 // 10] * 5,))
    assert holding(whole).impact_raw == 0
    assert final_raw(holding(whole)) == CASH_RAW * 9 // 10


def test_what_the_model_knows_of_one_deposit_is_what_a_curve_says_of_it() -> None:
    state = RecordedIndex(MARKETS[0], START, RAY, RAY // 20, None, 7 * WAD // 10, 10**12, None, supplied_raw=10**13)
    after = RecordedIndexes().apply(state, Position(MARKETS[0], 0), Supply(MARKETS[0], Amount(USDC, 10**13)))
    assert thinned_ray(after.state) == RAY // 40
    curved = replace(after.state, curve=CURVE)
    assert thinned_ray(curved) == RAY // 80
    left = RecordedIndexes().apply(after.state, after.held, Withdraw(MARKETS[0], Amount(USDC, 10**13)))
    assert thinned_ray(left.state) == RAY // 20
    unsized = RecordedIndexes().apply(
        replace(state, supplied_raw=None), Position(MARKETS[0], 0), Supply(MARKETS[0], Amount(USDC, 1))
    )
    assert thinned_ray(unsized.state) == RAY // 20


def test_a_decision_sees_what_a_deposit_does_to_the_rate_only_where_our_size_is_counted() -> None:
    whole = tape([[0.05]] * 3)
    amount = Amount(USDC, 10**14)
    seen, blind = (Observation(of, 0, ACCOUNT, Portfolio(())) for of in (OwnSize(whole, USDC, THINNED).tape, whole))
    assert own_impact_apr(seen, MARKETS[0], amount) == pytest.approx(0.05 * 100 / (100 + 50 / 0.3))
    assert own_impact_apr(blind, MARKETS[0], amount) == 0


def test_a_move_that_its_own_size_makes_worthless_is_not_made() -> None:
    made = tape([[0.04, 0.05]] * 6, available=np.tile([5e9, 1e5], (6, 1)))
    route = [MARKETS[0].id, None, MARKETS[1].id, None, None, None]
    gate = replace(OPEN_GATE, cost_multiple_bps=1)
    decide = DecideSettings(USDC, Menu((("test", Follow(route)),), ("unrestrained",)), gate)
    with_us, without = (run(made, terms(Follow(route), decide=decide, impact=impact)) for impact in (THINNED, NO_IMPACT))
    assert (with_us.moves, without.moves) == (1, 2)


@pytest.mark.parametrize("policy", [POLICY, None])
def test_refuses_to_count_our_size_where_nobody_says_how_much_is_lent(policy: object) -> None:
    unsized = tape([[0.05]] * 4, available=np.full((4, 1), np.nan))
    with pytest.raises(BadTape, match="m0:USDC never says both what is available and how much of it is lent"):
        holding(unsized, policy=policy)
    assert holding(unsized, impact=NO_IMPACT, policy=policy).moves == 1


def test_nothing_is_earned_before_a_market_says_how_much_is_lent() -> None:
    available = np.full((10, 1), 0.0)
    available[5:] = 1e9
    found = holding(tape([[0.10]] * 10, available=available))
    state = found.tape.states.state(5, 0)
    assert isinstance(state, RecordedIndex)
    early_raw = CASH_RAW * state.index_ray // RAY - CASH_RAW
    assert early_raw <= found.impact_raw <= early_raw * 1.01

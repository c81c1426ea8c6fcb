"""The step from a choice to a plan, the menu it chooses from, and that the future never changes a decision."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.benchmarks import EqualWeight, Hold, Idle
from strategies.catalogue import STANCES, Menu, Strategy, choose_by_score
from strategies.decide import DecideSettings, Decision, decide
from strategies.domain import ALL, Assessment, Choice, Keep, Leg, Target, Withdraw
from strategies.errors import UnbalancedTarget, UnknownName
from strategies.lending_rotation import LendingRotation
from strategies.rebalance import Gate
from tests import worlds
from tests.worlds import ONE, TWO, USDC, Said

GATE = Gate(
    horizon_seconds=30 * 86_400,
    lookback_seconds=6 * worlds.HOUR,
    cost_multiple_bps=15_000,
    min_wait_seconds=0,
    min_change_bps=100,
    max_base_fee_gwei=50,
)
ROTATION = LendingRotation(
    asset=USDC, cadence_seconds=86_400, lookback_seconds=6 * worlds.HOUR, threshold_bps=25, count=1, max_idle_bps=100
)
STRATEGIES: tuple[tuple[str, Strategy], ...] = (
    ("lending-rotation", ROTATION),
    ("hold", Hold(asset=USDC, cadence_seconds=86_400, market_id=ONE.id)),
    ("equal-weight", EqualWeight(asset=USDC, cadence_seconds=86_400)),
    ("idle", Idle(asset=USDC, cadence_seconds=86_400)),
)
SETTINGS = DecideSettings(USDC, Menu(STRATEGIES, tuple(STANCES)), GATE)
ROTATE = Choice("lending-rotation", "balanced", "test")


def test_a_name_outside_the_menu_is_refused() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle())
    with pytest.raises(UnknownName, match="known: lending-rotation"):
        decide(seen, Choice("yolo", "balanced", ""), SETTINGS)
    with pytest.raises(UnknownName, match="is no stance"):
        decide(seen, Choice("idle", "reckless", ""), SETTINGS)


def test_a_menu_with_an_unknown_stance_is_refused() -> None:
    with pytest.raises(UnknownName):
        Menu(STRATEGIES, ("reckless",))


def test_a_decision_to_keep_says_why_and_has_no_plan() -> None:
    kept = decide(worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.holding(TWO)), ROTATE, SETTINGS)
    assert kept.plan is None
    assert "the best markets are held" in kept.reason


def test_a_stance_leaves_a_market_that_the_strategy_would_keep() -> None:
    rows = [[Said(0.5, utilisation=0.995), Said(0.04)]]
    left = decide(worlds.look(worlds.tape(rows), worlds.holding(ONE)), ROTATE, SETTINGS)
    assert left.plan is not None
    assert left.plan.actions == (Withdraw(ONE, ALL),)


def test_weights_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(UnbalancedTarget):
        Target(USDC, (Leg(ONE, 5),), "wrong")


def test_the_rule_chooses_what_the_assessments_value_highest() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle())
    assessments = [Assessment(m, apr, apr, 0.8, 10**15, ()) for m, apr in ((ONE, 0.03), (TWO, 0.04))]
    assert choose_by_score(seen, SETTINGS.menu, assessments).strategy == "lending-rotation"


def test_the_rule_gives_no_value_to_a_refused_market() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle())
    assessments = [Assessment(ONE, 0.03, 0.03, 0.8, 10**15, ()), Assessment(TWO, 0.04, 0.04, 0.8, 10**15, ("illiquid",))]
    assert choose_by_score(seen, SETTINGS.menu, assessments).strategy == "hold"


rows = st.lists(
    st.tuples(*[st.one_of(st.none(), st.builds(Said, apr=st.floats(0, 0.5), utilisation=st.floats(0, 1)))] * 2).map(list),
    min_size=2,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rows=rows, cut=st.integers(min_value=1), strategy=st.sampled_from([n for n, _ in STRATEGIES]), held=st.booleans())
def test_the_future_never_changes_a_decision(rows: list[list[Said | None]], cut: int, strategy: str, held: bool) -> None:
    early = 1 + cut % len(rows)
    portfolio = worlds.holding(ONE) if held else worlds.idle()

    def decisions(of: list[list[Said | None]]) -> list[Decision]:
        tape = worlds.tape(of)
        return [decide(worlds.look(tape, portfolio, row=row), Choice(strategy, "balanced", ""), SETTINGS) for row in range(early)]

    assert decisions(rows[:early]) == decisions(rows)


def test_keep_is_a_value() -> None:
    assert Keep("why") == Keep("why")


def test_keeping_is_worth_what_is_held_earns() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.holding(TWO))
    assessments = [Assessment(m, apr, apr, 0.8, 10**15, ()) for m, apr in ((ONE, 0.03), (TWO, 0.04))]
    menu = Menu((STRATEGIES[3], STRATEGIES[0]), ("balanced",))
    assert choose_by_score(seen, menu, assessments).strategy == "lending-rotation", (
        "idle first must not win over holding the best"
    )

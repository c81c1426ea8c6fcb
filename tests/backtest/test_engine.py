"""The engine: nothing later than now is used, plans execute late and only where they hold, and everything is written down."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine import run
from backtest.impact import NO_IMPACT
from backtest.runs import Run, RunSettings
from backtest.world import decision_rows, reading_at
from strategies.benchmarks import EqualWeight, Hold, Idle
from strategies.catalogue import Menu, Strategy
from strategies.decide import DecideSettings
from strategies.domain import Amount, Keep, Leg, Portfolio, Target
from strategies.errors import BadTape
from strategies.lending_rotation import LendingRotation
from strategies.protocols.recorded_index import RecordedIndex
from strategies.rebalance import Gate
from strategies.tape import Observation, Tape
from strategies.units import GWEI, RAY, WAD
from tests import worlds
from tests.backtest.recorded import ETHER, MARKETS, START, USDC, first_rows, tape
from wallets import journal
from wallets.ledger import FEES, WALLET
from wallets.policy import Policy
from wallets.wallet import Approved, Refused

HOUR = 3_600
ACCOUNT = "0x" + "b7" * 20
CASH_RAW = 1_000_000 * 10**6
OPEN_GATE = Gate(
    horizon_seconds=10 * 365 * 86_400,
    lookback_seconds=24 * HOUR,
    cost_multiple_bps=0,
    min_wait_seconds=0,
    min_change_bps=0,
    max_base_fee_gwei=1_000_000,
)
POLICY = Policy.model_validate(
    worlds.tables({})
    | {
        "price_sources": ("oracle",),
        "max_protocol_usd": 10**12,
        "max_issuer_usd": 10**12,
        "max_transaction_gas_usd": 10**9,
        "chain_id": 31_337,
        "account": ACCOUNT,
        "treasury": None,
        "markets": tuple(market.id for market in MARKETS),
        "borrow_markets": (),
        "max_transaction_usd": 10**9,
        "max_day_usd": 10**12,
        "max_market_usd": 10**9,
        "max_calls": 32,
        "min_health_factor_bps": 10_000,
        "max_fee_gwei": 1_000,
        "max_priority_fee_gwei": 1_000,
        "max_gas_per_transaction": 30_000_000,
        "max_day_gas_usd": 10**9,
        "min_native_reserve_wei": 0,
        "max_reading_age_seconds": HOUR,
        "max_price_age_seconds": HOUR,
        "max_plan_age_blocks": 10_000,
        "approval_expiry_seconds": 100 * HOUR,
        "operators": (),
    }
)
ROTATION = LendingRotation(USDC, cadence_seconds=HOUR, lookback_seconds=2 * HOUR, threshold_bps=10, count=1, max_idle_bps=10_000)


@dataclass(frozen=True, slots=True)
class Follow:
    """Goes to the market named for each hour; keeps where none is."""

    route: Sequence[str | None]
    cadence_seconds: int = HOUR

    def target(self, seen: Observation) -> Target | Keep:
        wanted = self.route[(seen.timestamp - START) // HOUR]
        if wanted is None:
            return Keep("nothing to do")
        market = next((market for market in MARKETS if market.id == wanted), None)
        return Target(USDC, (Leg(market, WAD),), f"go to {wanted}")


def terms(strategy: Strategy, **changes: object) -> RunSettings:
    base = RunSettings(
        name="test",
        decide=DecideSettings(USDC, Menu((("test", strategy),), ("unrestrained",)), OPEN_GATE),
        policy=POLICY,
        account=ACCOUNT,
        opening=Portfolio((Amount(USDC, CASH_RAW), Amount(ETHER, 10 * WAD))),
        most_moves=None,
        latency_rows=1,
        impact=NO_IMPACT,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def shares_raw(finished: Run, segment: int, market: int) -> int:
    return finished.segments[segment].portfolio.position(MARKETS[market]).shares_raw


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    rows = draw(st.integers(min_value=2, max_value=24))
    cell = st.one_of(st.just(float("nan")), st.floats(min_value=0, max_value=0.6))
    supply = np.array(draw(st.lists(st.tuples(cell, cell), min_size=rows, max_size=rows)))
    liquid = st.sampled_from([0.0, 1e5, 5e7])
    available = np.array(draw(st.lists(st.tuples(liquid, liquid), min_size=rows, max_size=rows)))
    fees = np.array(draw(st.lists(st.sampled_from([1, 40, 200]), min_size=rows, max_size=rows)), dtype=np.int64) * GWEI
    steps = np.array(draw(st.lists(st.sampled_from([1, 1, 1, 30]), min_size=rows, max_size=rows)), dtype=np.int64)
    timestamp = START + HOUR * np.cumsum(steps)
    return tape(supply.tolist(), available=np.where(np.isnan(supply), np.nan, available), base_fee_wei=fees, timestamp=timestamp)


STRATEGIES: tuple[Strategy, ...] = (
    ROTATION,
    replace(ROTATION, count=2, cadence_seconds=3 * HOUR),
    EqualWeight(USDC, HOUR),
    Hold(USDC, HOUR, MARKETS[1].id),
    Idle(USDC, HOUR),
)


@settings(max_examples=60, deadline=None)
@given(
    tapes(),
    st.integers(min_value=1),
    st.sampled_from(STRATEGIES),
    st.sampled_from(["unrestrained", "balanced", "conservative"]),
    st.integers(min_value=0, max_value=3),
)
def test_the_future_never_changes_a_decision(whole: Tape, cut: int, strategy: Strategy, stance: str, latency: int) -> None:
    decide = DecideSettings(USDC, Menu((("test", strategy),), (stance,)), replace(OPEN_GATE, max_base_fee_gwei=100))
    asked = terms(strategy, decide=decide, latency_rows=latency)
    early = run(first_rows(whole, 1 + cut % len(whole)), asked)
    all_of_it = run(whole, asked)
    assert [step.decision for step in early.steps] == [step.decision for step in all_of_it.steps[: len(early.steps)]]
    verdicts = [(type(step.verdict), step.due_row) for step in early.steps]
    assert verdicts == [(type(step.verdict), step.due_row) for step in all_of_it.steps[: len(early.steps)]]


@settings(max_examples=40, deadline=None)
@given(tapes(), st.sampled_from(STRATEGIES), st.integers(min_value=0, max_value=2))
def test_the_journal_of_any_run_verifies_and_its_books_balance(whole: Tape, strategy: Strategy, latency: int) -> None:
    finished = run(whole, terms(strategy, latency_rows=latency))
    assert journal.verify(finished.journal.lines, finished.journal.head) == ""
    held = finished.segments[-1].portfolio
    assert finished.ledger.balance_raw(WALLET, USDC) == held.idle_raw(USDC)
    assert finished.ledger.balance_raw(WALLET, ETHER) == held.idle_raw(ETHER)


def test_equal_inputs_give_equal_journals() -> None:
    made = tape([[0.02, 0.03], [0.05, 0.01], [0.06, 0.01], [0.02, 0.09], [0.02, 0.09]])
    assert run(made, terms(ROTATION)).journal.head == run(made, terms(ROTATION)).journal.head


@pytest.mark.parametrize("latency", [0, 1, 3])
def test_a_decision_executes_at_the_index_of_a_later_row(latency: int) -> None:
    made = tape([[0.20, 0.01]] * 6)
    finished = run(made, terms(Hold(USDC, HOUR, MARKETS[0].id), latency_rows=latency))
    state = made.states.state(latency, 0)
    assert isinstance(state, RecordedIndex)
    assert finished.steps[0].due_row == latency and finished.segments[1].row == latency
    assert shares_raw(finished, 1, 0) == CASH_RAW * RAY // state.index_ray


def test_nothing_is_decided_while_a_plan_is_on_its_way() -> None:
    finished = run(tape([[0.20, 0.01]] * 6), terms(Hold(USDC, HOUR, MARKETS[0].id), latency_rows=3))
    assert [step.seen.row for step in finished.steps] == [0, 3, 4, 5]


def test_a_plan_that_outlives_the_tape_is_not_executed_and_says_so() -> None:
    finished = run(tape([[0.20, 0.01]] * 2), terms(Hold(USDC, HOUR, MARKETS[0].id), latency_rows=2))
    assert len(finished.segments) == 1
    assert finished.steps[-1].receipt is None and "the tape ends" in finished.steps[-1].held


def test_refuses_to_execute_before_it_decides() -> None:
    with pytest.raises(BadTape, match="latency"):
        run(tape([[0.20, 0.01]] * 2), terms(ROTATION, latency_rows=-1))


def drained_at(rows: Sequence[int], count: int) -> Tape:
    available = np.full((count, 2), 50e6)
    available[list(rows), 0] = 0.0
    return tape([[0.02, 0.05]] * count, available=available)


def test_a_withdrawal_that_no_longer_holds_is_recorded_and_the_run_goes_on() -> None:
    route = [MARKETS[0].id, None, MARKETS[1].id, None, MARKETS[1].id, None]
    finished = run(drained_at([3], 6), terms(Follow(route)))
    failed, retried = finished.steps[2], finished.steps[4]
    assert isinstance(failed.verdict, Approved) and failed.receipt is None
    assert "has 0 base units to give" in failed.held
    assert retried.receipt is not None and shares_raw(finished, -1, 1) > 0 and shares_raw(finished, -1, 0) == 0
    assert '"kind":"held"' in "".join(finished.journal.lines)


def test_a_market_drained_before_the_decision_is_not_asked() -> None:
    route = [MARKETS[0].id, None, None, MARKETS[1].id, None]
    finished = run(drained_at([3, 4], 5), terms(Follow(route)))
    assert finished.steps[3].decision.plan is None
    assert shares_raw(finished, -1, 0) > 0


def test_a_plan_above_a_cap_is_refused_with_its_reason_and_the_run_goes_on() -> None:
    tight = POLICY.model_copy(update={"max_transaction_usd": 999_999})
    finished = run(tape([[0.20, 0.01]] * 4), terms(Hold(USDC, HOUR, MARKETS[0].id), policy=tight))
    assert len(finished.steps) == 4 and len(finished.segments) == 1
    assert all(isinstance(step.verdict, Refused) for step in finished.steps)
    verdict = finished.steps[0].verdict
    assert isinstance(verdict, Refused) and [reason.rule for reason in verdict.reasons] == ["cap-transaction"]


def test_gas_leaves_the_account_at_the_base_fee_of_the_row_that_executes() -> None:
    fees = np.array([1, 7, 50, 50], dtype=np.int64) * GWEI
    finished = run(tape([[0.20, 0.01]] * 4, base_fee_wei=fees), terms(Hold(USDC, HOUR, MARKETS[0].id)))
    receipt = finished.steps[0].receipt
    assert receipt is not None
    spent_wei = sum(transaction.gas_used for transaction in receipt.transactions) * 7 * GWEI
    assert spent_wei > 0 and finished.ledger.balance_raw(FEES, ETHER) == spent_wei
    assert finished.segments[-1].portfolio.idle_raw(ETHER) == 10 * WAD - spent_wei


def test_the_idle_benchmark_never_moves() -> None:
    finished = run(tape([[0.20, 0.01]] * 4), terms(Idle(USDC, HOUR)))
    assert len(finished.segments) == 1 and all(step.verdict is None for step in finished.steps)


def test_after_its_last_move_only_time_passes() -> None:
    route = [MARKETS[0].id, None, MARKETS[1].id, None, None, None]
    made = tape([[0.02, 0.05]] * 6)
    assert len(run(made, terms(Follow(route))).segments) == 3
    once = run(made, terms(Follow(route), most_moves=1))
    assert len(once.segments) == 2 and once.steps[-1].seen.row == 0


def test_decisions_fall_on_the_first_row_at_or_after_each_beat() -> None:
    made = tape([[0.02]] * 6, timestamp=START + HOUR * np.array([0, 1, 2, 9, 10, 11]))
    assert decision_rows(made, 3 * HOUR).tolist() == [0, 3]
    assert decision_rows(made, HOUR).tolist() == [0, 1, 2, 3, 4, 5]
    assert decision_rows(made, 100 * HOUR) == [0]


def test_several_strategies_are_chosen_among_by_what_they_are_worth() -> None:
    menu = Menu((("first", Hold(USDC, HOUR, MARKETS[0].id)), ("second", Hold(USDC, HOUR, MARKETS[1].id))), ("unrestrained",))
    decide = DecideSettings(USDC, menu, OPEN_GATE)
    finished = run(tape([[0.02, 0.09]] * 3), terms(ROTATION, decide=decide))
    assert finished.steps[0].decision.choice.strategy == "second"


def test_a_row_reads_as_the_reading_it_was() -> None:
    made = tape([[0.02, float("nan")], [0.03, 0.04]])
    first = reading_at(made, 0)
    assert first.states[1] is None and first.timestamp == START and first.block == 300
    assert [(quote.asset.symbol, quote.timestamp) for quote in first.quotes] == [("USDC", START), ("ETH", START)]

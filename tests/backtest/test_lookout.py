"""The fast ways of the engine are the same strategy: signals asked for all at once, rows passed over, moves in plain integers."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine import run
from backtest.prepared import Prepared
from backtest.runs import Run
from strategies.assess import History, trailing_mean_apr
from strategies.catalogue import Menu, Signalled, Strategy
from strategies.decide import DecideSettings
from strategies.domain import Keep, Portfolio, Target
from strategies.lending_rotation import LendingRotation
from strategies.tape import Observation, Tape
from tests.backtest.recorded import USDC, tape
from tests.backtest.test_engine import HOUR, OPEN_GATE, ROTATION, tapes, terms

STANCES = ["unrestrained", "balanced", "conservative"]


@dataclass(frozen=True)
class Plainly:
    """A strategy that says its word in one step, so that every row is looked at closely."""

    strategy: LendingRotation

    @property
    def cadence_seconds(self) -> int:
        return self.strategy.cadence_seconds

    def target(self, seen: Observation) -> Target | Keep:
        return self.strategy.target(seen)


@st.composite
def rotations(draw: st.DrawFn) -> LendingRotation:
    return replace(
        ROTATION,
        count=draw(st.integers(1, 2)),
        cadence_seconds=HOUR * draw(st.integers(1, 3)),
        lookback_seconds=HOUR * draw(st.integers(1, 5)),
        threshold_bps=draw(st.sampled_from([0, 10, 500])),
        max_idle_bps=draw(st.sampled_from([10, 100, 10_000])),
    )


def done(whole: Tape, strategy: Strategy, stance: str, **changes: object) -> Run:
    fee_raw = changes.pop("touch_fee_raw", 0)
    gate = replace(OPEN_GATE, max_base_fee_gwei=100, touch_fee_raw=fee_raw, min_change_bps=changes.pop("min_change_bps", 0))  # type: ignore[arg-type]
    return run(whole, terms(strategy, decide=DecideSettings(USDC, Menu((("test", strategy),), (stance,)), gate), **changes))


def test_rotation_speaks_in_two_steps_and_its_plain_twin_does_not() -> None:
    assert isinstance(ROTATION, Signalled)
    assert not isinstance(Plainly(ROTATION), Signalled)


@settings(max_examples=80, deadline=None)
@given(tapes(), rotations(), st.sampled_from(STANCES), st.integers(0, 3))
def test_rows_that_are_passed_over_decide_as_if_they_were_looked_at(
    whole: Tape, strategy: LendingRotation, stance: str, latency: int
) -> None:
    fast, slow = (done(whole, asked, stance, latency_rows=latency) for asked in (strategy, Plainly(strategy)))
    assert [(step.seen.row, step.decision, step.due_row) for step in fast.steps] == [
        (step.seen.row, step.decision, step.due_row) for step in slow.steps
    ]
    assert fast.segments == slow.segments
    assert fast.journal.lines == slow.journal.lines


@settings(max_examples=150, deadline=None)
@given(
    tapes(), rotations(), st.sampled_from(STANCES), st.integers(0, 3), st.sampled_from([0, 5_000_000]), st.sampled_from([0, 300])
)
def test_plain_integers_come_to_what_plans_and_adapters_come_to(
    whole: Tape, strategy: LendingRotation, stance: str, latency: int, touch_fee_raw: int, min_change_bps: int
) -> None:
    asked = {"policy": None, "latency_rows": latency, "touch_fee_raw": touch_fee_raw, "min_change_bps": min_change_bps}
    fast, slow = (done(whole, said, stance, **asked) for said in (strategy, Plainly(strategy)))
    assert fast.segments == slow.segments
    assert fast.decisions == slow.decisions


@settings(max_examples=40, deadline=None)
@given(tapes(), rotations(), st.sampled_from(STANCES), st.sampled_from([0, 5_000_000]))
def test_what_nobody_judges_is_what_the_guard_approves_where_its_limits_do_not_bind(
    whole: Tape, strategy: LendingRotation, stance: str, touch_fee_raw: int
) -> None:
    judged, bare = (
        done(whole, strategy, stance, touch_fee_raw=touch_fee_raw),
        done(whole, strategy, stance, touch_fee_raw=touch_fee_raw, policy=None),
    )
    assert bare.segments == judged.segments
    assert bare.ledger.entries == () and judged.ledger.entries != ()


@settings(max_examples=60, deadline=None)
@given(tapes(), st.integers(1, 30))
def test_means_at_many_rows_have_the_bits_of_means_at_each(whole: Tape, hours: int) -> None:
    rows = np.arange(len(whole))
    together = History(whole).trailing_means_apr(rows, hours * HOUR)
    for row in rows.tolist():
        seen = Observation(whole, row, "0x" + "00" * 20, Portfolio(()))
        assert together[row].tobytes() == trailing_mean_apr(seen, hours * HOUR).tobytes()


def test_runs_that_share_a_tape_share_what_their_signals_depend_on() -> None:
    prepared = Prepared(tape([[0.02, 0.03]] * 9))
    assert prepared.signals(ROTATION) is prepared.signals(replace(ROTATION, threshold_bps=999))
    assert prepared.signals(ROTATION) is not prepared.signals(replace(ROTATION, lookback_seconds=HOUR))


@pytest.mark.parametrize("policy", ["kept", None])
def test_a_shared_preparation_changes_nothing(policy: str | None) -> None:
    whole = tape([[0.02, 0.03], [0.04, 0.03], [0.01, 0.09], [0.2, 0.01]] * 6)
    asked = terms(ROTATION) if policy else terms(ROTATION, policy=None)
    prepared = Prepared(whole)
    assert run(whole, asked, prepared).segments == run(whole, asked, prepared).segments == run(whole, asked).segments

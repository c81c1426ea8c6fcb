"""Coming in and going out: delays, closed times, dear blocks and drained markets; what waits, why, and for how long."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from backtest.engine import run
from backtest.runs import Run, RunSettings
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Terms as StudyTerms
from backtest.study import rotation, study
from backtest.terms import Terms, closed_entry, closed_exit, curves_of, delay_seconds, summary, terms_in, text_of
from strategies.catalogue import Menu
from strategies.decide import DecideSettings
from strategies.errors import BadTape
from strategies.protocols.recorded_index import Kinked
from strategies.tape import Tape
from strategies.units import GWEI
from tests.backtest.recorded import MARKETS, START, USDC, tape
from tests.backtest.test_engine import HOUR, OPEN_GATE, POLICY, Follow, terms

ONE, TWO = MARKETS[0].id, MARKETS[1].id
FROM_ONE_TO_TWO = [ONE, None, TWO, TWO, TWO, TWO, TWO, TWO, None, None]
BOTH = pytest.mark.parametrize("policy", [POLICY, None], ids=["judged", "bare"])


def recorded(rows: int = 10, **changes: object) -> Tape:
    return tape([[0.02, 0.05]] * rows, **changes)


def followed(
    whole: Tape, policy: object, said: Mapping[str, Terms], route: Sequence[str | None] = FROM_ONE_TO_TWO, **changes: object
) -> Run:
    gate = replace(OPEN_GATE, min_change_bps=100, max_base_fee_gwei=changes.pop("most_gwei", 1_000_000))  # type: ignore[arg-type]
    decide = DecideSettings(USDC, Menu((("test", Follow(route)),), ("unrestrained",)), gate)
    return run(whole, terms(Follow(route), decide=decide, policy=policy, terms=said, **changes))


def rows_of(found: Run) -> list[int]:
    return [segment.row for segment in found.segments]


def drained(rows: Sequence[int], count: int = 10) -> Tape:
    available = np.full((count, 2), 50e6)
    available[list(rows), 0] = 0.0
    return recorded(count, available=available)


@BOTH
def test_what_leaves_a_delayed_market_arrives_after_its_delay_and_not_before(policy: object) -> None:
    late = followed(recorded(), policy, {ONE: Terms(3 * HOUR, ())})
    at_once = followed(recorded(), policy, {ONE: Terms(0, ())})
    assert rows_of(late) == [0, 1, 5] and rows_of(at_once) == [0, 1, 3]


@BOTH
def test_a_delay_of_the_market_that_is_entered_delays_nothing(policy: object) -> None:
    assert rows_of(followed(recorded(), policy, {TWO: Terms(3 * HOUR, ())})) == [0, 1, 3]


@BOTH
def test_a_delay_shorter_than_the_latency_adds_nothing_to_it(policy: object) -> None:
    route, asked = [ONE, None, None, TWO, *[None] * 6], {"latency_seconds": 3 * HOUR}
    assert rows_of(followed(recorded(), policy, {ONE: Terms(2 * HOUR, ())}, route, **asked)) == [0, 3, 6]
    assert rows_of(followed(recorded(), policy, {ONE: Terms(4 * HOUR, ())}, route, **asked)) == [0, 3, 7]


@BOTH
def test_a_deposit_in_a_closed_window_waits_for_it_to_open(policy: object) -> None:
    shut = Terms(0, ((START + 3 * HOUR, START + 5 * HOUR),))
    found = followed(recorded(), policy, {TWO: shut})
    assert rows_of(found) == [0, 1, 5]
    assert [step.held for step in found.steps if step.held] == ([f"{TWO} takes no deposit at this time"] * 2 if policy else [])
    assert rows_of(followed(recorded(), policy, {TWO: Terms(0, ((START + 5 * HOUR, None),))})) == [0, 1, 3]


@BOTH
def test_a_market_that_never_opens_again_is_never_entered(policy: object) -> None:
    assert rows_of(followed(recorded(), policy, {TWO: Terms(0, ((START, None),))})) == [0, 1]


@BOTH
def test_money_in_a_market_that_pays_nobody_is_stuck_and_the_run_says_how_long(policy: object) -> None:
    found = followed(recorded(), policy, {ONE: Terms(0, (), ((START, START + 6 * HOUR),))})
    assert rows_of(found) == [0, 1, 6] and found.stuck_seconds == 3 * HOUR  # due at row 3, paid at row 6
    assert followed(recorded(), policy, {}).stuck_seconds == 0


@BOTH
def test_a_delay_that_nobody_recorded_refuses_the_run_by_name(policy: object) -> None:
    with pytest.raises(BadTape, match=r"m0:USDC redeems later than at once, and nobody recorded how much: .* in terms\.json"):
        followed(recorded(), policy, {ONE: Terms(None, ())})
    with pytest.raises(BadTape, match="before it is asked"):
        followed(recorded(), policy, {ONE: Terms(-1, ())})
    assert followed(recorded(), policy, {"elsewhere": Terms(None, ())}).moves == 2


def test_windows_are_open_at_their_end_and_closed_at_their_start() -> None:
    said = {ONE: Terms(7, ((10, 20),), ((30, None),))}
    assert [bool(closed_entry(said, at, [ONE])) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert [bool(closed_exit(said, at, [ONE])) for at in (29, 30, 10**9)] == [False, True, True]
    assert (delay_seconds(said, [ONE, TWO]), delay_seconds(said, [TWO])) == (7, 0)


def test_terms_are_read_in_the_order_of_the_tapes_markets_and_told_in_a_line() -> None:
    shut = '"m1:USDC": {"redeem_delay_seconds": 0, "deposit_closed": [[10, 20], [30, null]]}'
    found = terms_in(f'{{{shut}, "m0:USDC": {{"redeem_delay_seconds": 5400}}}}', recorded().deployment)
    assert list(found.items()) == [(ONE, Terms(5_400, ())), (TWO, Terms(0, ((10, 20), (30, None))))]
    assert summary(found) == (
        "m0:USDC pays 1.5 h after it is asked; m1:USDC pays at once, is closed to deposits 2 times and to withdrawals 0 times"
    )
    unknown = terms_in('{"m0:USDC": {"redeem_delay_seconds": null}}', recorded().deployment)
    assert unknown == {ONE: Terms(None, ())} and summary(unknown) == "m0:USDC pays later, and nobody recorded how much"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "it is no record"),
        ("[" * 100_000, "nested deeper"),
        ('{"m0:USDC": {"redeem_delay_seconds": 0}, "m0:USDC": {"redeem_delay_seconds": 9}}', "stands there twice"),
        ('{"m0:USDC": 3}', "m0:USDC: 3 is no table"),
        ('{"m0:USDC": {}}', "m0:USDC: redeem_delay_seconds is not said"),
        ('{"m0:USDC": {"redeem_delay_seconds": true}}', "m0:USDC: redeem_delay_seconds true is no whole number"),
        ('{"m0:USDC": {"redeem_delay_seconds": 1.5}}', "the figure 1.5; write a whole number"),
        ('{"m0:USDC": {"redeem_delay_seconds": -1}}', "m0:USDC: redeem_delay_seconds -1 is no whole number"),
        ('{"m0:USDC": {"redeem_delay_seconds": 0, "redeem_delay": 1}}', "m0:USDC: redeem_delay is no term"),
        ('{"m0:USDC": {"redeem_delay_seconds": 0, "redeem_closed": [[5]]}}', r"redeem_closed \[5\] is no window"),
        ('{"m0:USDC": {"redeem_delay_seconds": 0, "redeem_closed": [[5, 5]]}}', r"redeem_closed \[5, 5\] is no window"),
        ('{"m0:USDC": {"redeem_delay_seconds": 0, "deposit_closed": [["5", 6]]}}', r'deposit_closed \["5", 6\] is no window'),
        ('{"m0:USDC": {"redeem_delay_seconds": 0, "deposit_closed": 7}}', "deposit_closed 7 is no list of windows"),
        ('{"m7:USDC": {"redeem_delay_seconds": 0}}', "m7:USDC is no market of this tape, which has m0:USDC, m1:USDC"),
    ],
)
def test_terms_that_are_none_are_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(BadTape, match=why):
        terms_in(text, recorded().deployment)


@BOTH
def test_a_drained_market_pays_at_the_next_decision_it_can_and_counts_the_time(policy: object) -> None:
    found = followed(drained([3, 4, 5]), policy, {})
    assert rows_of(found) == [0, 1, 7]  # due at 3 and held; 4 and 5 cannot be planned; decided at 6
    assert found.stuck_seconds == 4 * HOUR


@BOTH
def test_a_market_that_pays_a_part_pays_that_part_and_the_rest_is_stuck(policy: object) -> None:
    available = np.full((10, 2), 50e6)
    available[2:6, 0] = 400_000.0
    found = followed(recorded(available=available), policy, {}, [ONE, None, TWO, None, None, None, TWO, None, None, None])
    assert rows_of(found) == [0, 1, 3, 7]
    assert found.segments[2].portfolio.position(MARKETS[0]).shares_raw > 0
    assert found.segments[2].supplied_raw == 400_000 * 10**6
    assert found.stuck_seconds == HOUR  # from the decision that could not have all; at the next one nothing more is asked


@BOTH
def test_money_that_never_leaves_is_stuck_until_the_tape_ends(policy: object) -> None:
    route = [ONE, None, *[TWO] * 8]
    assert followed(drained(range(2, 10)), policy, {}, route).stuck_seconds == 7 * HOUR


@BOTH
def test_a_plan_due_in_a_block_too_dear_for_the_gate_is_held_and_made_again(policy: object) -> None:
    fees = np.array([1, 1, 1, 90, 90, 1, 1, 1, 1, 1], dtype=np.int64) * GWEI
    found = followed(recorded(base_fee_wei=fees), policy, {}, most_gwei=50)
    assert rows_of(found) == [0, 1, 6]
    assert rows_of(followed(recorded(base_fee_wei=fees), policy, {})) == [0, 1, 3]
    if policy:
        assert "above the gate's 50 gwei when it is due" in found.steps[2].held


def test_no_block_above_the_policys_cap_takes_even_a_withdrawal() -> None:
    fees = np.array([1, 1, 1, 2_000, 1, 1, 1, 1, 1, 1], dtype=np.int64) * GWEI
    route = [ONE, None, "idle", "idle", None, None, None, None, None, None]
    found = followed(recorded(base_fee_wei=fees), POLICY, {}, route)
    assert "above max_fee_gwei 1000: no block takes it" in found.steps[2].held and rows_of(found) == [0, 1, 4]
    assert rows_of(followed(recorded(base_fee_wei=fees), None, {}, route)) == [0, 1, 3]


def test_latency_has_no_default_and_a_study_of_none_is_refused() -> None:
    required = {field.name for field in fields(RunSettings) if field.default is field.default_factory}
    assert {"latency_rows", "impact"} <= required
    whole = sample_tape(hours=60)
    asset = whole.deployment.asset("USDC")
    with pytest.raises(BadTape, match="0 rows of latency are too few"):
        study(whole, asset, StudyTerms(cash=1, latency_rows=0, decide_for=rotation), Synthetic(7))  # type: ignore[arg-type]
    assert study(whole, asset, StudyTerms(cash=1, latency_rows=1, decide_for=rotation), Synthetic(7)).main.run.settings.impact  # type: ignore[arg-type]


CURVE = Kinked(optimal_ray=9 * 10**26, base_ray=0, slope1_ray=55 * 10**24, slope2_ray=4 * 10**26)


def test_terms_are_read_back_as_they_were_written() -> None:
    said = {ONE: Terms(None, ((1, 2), (5, None))), TWO: Terms(0, (), ((3, 4),), CURVE)}
    assert terms_in(text_of(said), recorded().deployment) == said
    assert "borrow_curve" not in text_of({ONE: Terms(0, ())})
    assert curves_of(said) == ((TWO, CURVE),)


def test_a_curve_is_told_by_what_it_charges_and_makes_nobody_wait() -> None:
    assert summary({ONE: Terms(0, (), (), CURVE)}) == (
        f"{ONE} pays at once, charges 0.00% a year with nothing lent out, 5.50% with 90% and 45.50% with all of it"
    )
    assert not Terms(0, (), (), CURVE).binds
    assert all(said.binds for said in (Terms(1, ()), Terms(None, ()), Terms(0, ((1, 2),)), Terms(0, (), ((1, 2),))))


@pytest.mark.parametrize(
    ("part", "said", "why"),
    [
        ("optimal_ray", "0", "optimal_ray 0 is not between"),
        ("optimal_ray", str(10**27), "is not between 0 and"),
        ("base_ray", 0, "base_ray 0 is no text of a whole number"),
        ("slope1_ray", "-1", "is no text of a whole number"),
        ("slope1_ray", "1.5", "is no text of a whole number"),
        ("slope2_ray", str(10**29 + 1), "up to 100000000000000000000000000000"),
        ("slope3_ray", "1", "says optimal_ray, base_ray, slope1_ray, slope2_ray, and nothing else"),
    ],
)
def test_a_curve_that_says_anything_else_is_refused(part: str, said: object, why: str) -> None:
    curve = {name: str(ray) for name, ray in asdict(CURVE).items()}
    good, bad = ({ONE: {"redeem_delay_seconds": 0, "borrow_curve": told}} for told in (curve, curve | {part: said}))
    assert terms_in(json.dumps(good), recorded().deployment)[ONE].borrow_curve == CURVE
    with pytest.raises(BadTape, match=why):
        terms_in(json.dumps(bad), recorded().deployment)

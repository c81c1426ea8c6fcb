"""Every comparison's lines sum to the difference to the unit, and each cause is told where it is the only one."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.comparison import REMAINDER, WITHIN, Comparison, compare
from backtest.daybook import Daybook, daybook_of
from backtest.engine import run
from strategies.domain import Amount, Portfolio
from strategies.errors import LedgerMismatch, SettingsError
from strategies.tape import Tape
from strategies.units import WAD
from tests.backtest.recorded import ETHER, MARKETS, USDC, first_rows, tape
from tests.backtest.test_engine import CASH_RAW, OPEN_GATE, STRATEGIES, Follow, tapes, terms

ROWS = 24 * 20
STEADY = tape([[0.2, 0.1]] * ROWS)
CROSSED = tape([[0.2, 0.1]] * (ROWS // 2) + [[0.1, 0.2]] * (ROWS // 2))


def book(whole: Tape, route: dict[int, str], **changes: object) -> Daybook:
    strategy = Follow([route.get(hour) for hour in range(ROWS)])
    return daybook_of(run(whole, terms(strategy, **changes)))


def causes(found: Comparison) -> dict[str, int]:
    return {line.name: line.difference_raw for line in found.causes}


@settings(max_examples=60, deadline=None)
@given(tapes(), st.sampled_from(STRATEGIES), st.sampled_from(STRATEGIES), st.integers(0, 3))
def test_all_lines_sum_to_the_difference(whole: Tape, one: object, other: object, latency: int) -> None:
    a, b = (daybook_of(run(whole, terms(strategy, latency_rows=latency))) for strategy in (one, other))  # type: ignore[arg-type]
    found = compare(a, b)
    assert sum(line.difference_raw for line in found.booked) == sum(line.difference_raw for line in found.causes)
    assert found.difference_raw == b.gained_raw - a.gained_raw
    assert [line.difference_raw for line in compare(b, a).booked] == [-line.difference_raw for line in found.booked]


@settings(max_examples=30, deadline=None)
@given(tapes(), tapes(), st.sampled_from(STRATEGIES))
def test_lines_of_other_tapes_sum_up_too_and_say_so(one: Tape, other: Tape, strategy: object) -> None:
    a, b = (daybook_of(run(whole, terms(strategy))) for whole in (one, other))  # type: ignore[arg-type]
    found = compare(a, b)
    assert found.is_same_tape == (one.digest == other.digest)
    assert (REMAINDER in causes(found)) != found.is_same_tape


def test_a_run_does_not_differ_from_itself() -> None:
    same = book(STEADY, {0: MARKETS[0].id})
    assert {line.difference_raw for line in compare(same, same).causes} == {0}


def test_waiting_is_idle_drag() -> None:
    found = causes(compare(book(STEADY, {0: MARKETS[0].id}), book(STEADY, {240: MARKETS[0].id})))
    assert found["idle drag"] < -3_000 * 10**6  # ten days at the mean of 15 %
    assert abs(found["more or less to work with"]) < 50 * 10**6


def test_another_market_is_where_and_not_when() -> None:
    found = causes(compare(book(STEADY, {0: MARKETS[0].id}), book(STEADY, {0: MARKETS[1].id})))
    where = sum(raw for name, raw in found.items() if name.startswith("where: "))
    assert where == pytest.approx(-0.1 * CASH_RAW * 20 / 365, rel=0.03)
    assert abs(found["when: timing of the moves"]) < 10 * 10**6 and abs(found[WITHIN]) < 10 * 10**6


def test_switching_in_time_is_when_and_not_where() -> None:
    stayed, switched = book(CROSSED, {0: MARKETS[0].id}), book(CROSSED, {0: MARKETS[0].id, 264: MARKETS[1].id})
    found = causes(compare(stayed, switched))
    assert found["when: timing of the moves"] == pytest.approx(0.1 * CASH_RAW * 9 / 365, rel=0.03)
    assert abs(sum(raw for name, raw in found.items() if name.startswith("where: "))) < 60 * 10**6


def test_more_money_is_more_to_work_with() -> None:
    double = Portfolio((Amount(USDC, 2 * CASH_RAW), Amount(ETHER, 10 * WAD)))
    found = causes(compare(book(STEADY, {0: MARKETS[0].id}), book(STEADY, {0: MARKETS[0].id}, opening=double)))
    assert found["more or less to work with"] == pytest.approx(0.15 * CASH_RAW * 20 / 365, rel=0.03)


def test_gas_and_fees_have_lines_of_their_own() -> None:
    decide = terms(Follow([])).decide
    plain, routed = book(CROSSED, {0: MARKETS[0].id}), {0: MARKETS[0].id, 264: MARKETS[1].id}
    strategy = Follow([routed.get(hour) for hour in range(ROWS)])
    charged = replace(decide, menu=terms(strategy).decide.menu, gate=replace(OPEN_GATE, touch_fee_raw=10**6))
    found = {line.name: line for line in compare(plain, daybook_of(run(CROSSED, terms(strategy, decide=charged)))).booked}
    assert found["fees beside gas"].difference_raw == -3 * 10**6 and found["fees beside gas"].a_raw == 0
    assert found["gas"].difference_raw < 0 and found["trades: slippage and price impact"].difference_raw == 0


def test_days_that_only_one_run_has_are_its_ends() -> None:
    whole, part = book(STEADY, {0: MARKETS[0].id}), book(first_rows(STEADY, 24 * 15), {0: MARKETS[0].id})
    found = causes(compare(part, whole))
    assert found["ends: days that only one run has"] == sum(day.gained_raw for day in whole.days[15:])
    assert "ends: days that only one run has" not in causes(compare(whole, whole))


def test_runs_of_two_assets_cannot_be_compared() -> None:
    one = book(STEADY, {0: MARKETS[0].id})
    with pytest.raises(SettingsError, match="only runs of one asset"):
        compare(one, replace(one, symbol="DAI"))


def test_lines_that_do_not_sum_up_are_refused() -> None:
    found = compare(book(STEADY, {0: MARKETS[0].id}), book(STEADY, {0: MARKETS[1].id}))
    with pytest.raises(LedgerMismatch, match="the causes"):
        replace(found, causes=found.causes[1:] if found.causes[0].difference_raw else found.causes[:-2])
    with pytest.raises(LedgerMismatch, match="the booked lines"):
        replace(found, booked=found.booked[1:])

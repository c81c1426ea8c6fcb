"""The loop: no look ahead, decisions only where one is due, latency, gaps, gas, and every unit accounted for."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.range_liquidity.decisions import Answer, Enter, Leave, Seen, Split
from backtest.range_liquidity.engine import Gas, RangeRun, fees_worth_down_raw, net_down_raw, run_range
from backtest.range_liquidity.minutes import PoolMinutes
from backtest.range_liquidity.rules import FixedRange, FollowPrice
from backtest.range_liquidity.swaps import along_the_curve_down_raw, at_the_price_down_raw, worth_down_raw
from strategies.domain import Ticks
from strategies.errors import ActionRefused, BadTape, SettingsError
from tests.backtest.range_liquidity.pools import (
    HOUR,
    SAFE,
    START,
    TERMS,
    TICK,
    Says,
    at_times,
    minutes_of,
    once,
    settings,
    total,
    walk,
    walks,
)

widths = st.sampled_from([5, 20, 100, 1_000])
latencies = st.sampled_from([0, 1, 7])


def run(minutes: PoolMinutes, **changes: object) -> RangeRun:
    return run_range(minutes, settings(**changes))


@given(walks, st.integers(1, 400), widths, latencies)
def test_the_future_never_changes_the_past(minutes: PoolMinutes, cut: int, width_bps: int, latency_rows: int) -> None:
    early = minutes.first(min(cut, len(minutes)))
    asked = settings(strategy=FollowPrice(width_bps, Split.EVEN, 300), latency_rows=latency_rows)
    whole, part = run_range(minutes, asked), run_range(early, asked)
    done = [step for step in part.steps if step.due is not None]
    assert done == list(whole.steps[: len(done)])
    assert part.stretches[:-1] == whole.stretches[: len(part.stretches) - 1]


def test_a_strategy_that_reads_every_window_sees_only_minutes_that_are_over() -> None:
    minutes, seen_rows = walk(300, 3), list[int]()

    def look(seen: Seen) -> Answer:
        everything = seen.ticks("close_tick", 10**6)
        assert everything.tolist() == minutes.close_tick[: seen.moment].tolist()
        assert seen.tick == (everything[-1] if len(everything) else minutes.open_tick[0])
        assert len(seen.liquidity(10**6)) == len(seen.fees(10**6)[0]) == len(seen.timestamps(10**6)) == seen.moment
        assert not len(everything) or seen.timestamps(1)[0] < seen.timestamp
        everything[:] = 0  # a copy: nobody else's
        seen_rows.append(seen.moment)
        return Leave()

    run(minutes, strategy=Says(look, 60))
    assert seen_rows == list(range(300))


def test_refuses_a_look_at_a_moment_that_is_not_there() -> None:
    minutes = walk(5, 1)
    assert Seen(minutes, 4, None, (0, 0)).moment == 4
    for moment in (-1, 5):
        with pytest.raises(BadTape, match=f"moment {moment} of 5"):
            Seen(minutes, moment, None, (0, 0))


@given(walks, widths, latencies)
def test_asking_only_where_the_price_left_is_asking_always(minutes: PoolMinutes, width_bps: int, latency_rows: int) -> None:
    rule = FollowPrice(width_bps, Split.EVEN, 60)

    def without_rest(seen: Seen) -> Answer:
        answer = rule.answer(seen)
        return replace(answer, stay=None) if isinstance(answer, Enter) else answer

    resting = run(minutes, strategy=rule, latency_rows=latency_rows)
    restless = run(minutes, strategy=Says(without_rest, 60), latency_rows=latency_rows)
    assert resting.stretches == restless.stretches
    assert [step.due for step in resting.steps] == [step.due for step in restless.steps]
    assert resting.asked <= restless.asked


@given(walks, widths, st.sampled_from(Split), latencies)
def test_no_unit_appears_and_none_is_lost_but_to_rounding(
    minutes: PoolMinutes, width_bps: int, split: Split, latency_rows: int
) -> None:
    done = run(minutes, strategy=FollowPrice(width_bps, split, 300), latency_rows=latency_rows)
    rows = [(stretch.first, stretch.stop) for stretch in done.stretches]
    assert rows[0][0] == 0 and rows[-1][1] == len(minutes) and all(a[1] == b[0] for a, b in pairwise(rows))
    swaps = {step.due: step.swap for step in done.steps if step.due is not None and step.swap}
    for before, after in pairwise(done.stretches):
        free = total(before.idle_raw, before.out_raw, before.fees_raw)
        swap = swaps.get(after.first)
        if swap:
            moved = (-swap.in_raw, swap.out_raw) if swap.token_in == 0 else (swap.out_raw, -swap.in_raw)
            free = total(free, moved)
        assert min(*after.idle_raw, *after.out_raw, *after.fees_raw) >= 0
        assert after.held is None or min(free[0] - after.idle_raw[0], free[1] - after.idle_raw[1]) >= 0
        if after.held is None:
            assert after.idle_raw == free


def test_a_move_happens_so_many_rows_after_its_decision_at_the_price_there() -> None:
    minutes = minutes_of([TICK] * 60 + [TICK + 600 + at for at in range(10)])
    for latency_rows in (0, 1, 5):
        done = run(minutes, latency_rows=latency_rows)
        assert (done.steps[0].moment, done.steps[0].due) == (0, latency_rows)
    late = run(
        at_times(minutes, [START + 60 * at for at in range(70)]), latency_rows=3, strategy=FollowPrice(500, Split.EVEN, 60)
    )
    step = late.steps[1]
    assert (step.moment, step.due) == (61, 64)
    assert isinstance(step.answer, Enter) and step.answer.ticks == Ticks(201_210, 202_210)
    assert late.stretches[-1].held is not None and late.stretches[-1].held.decided_tick == TICK + 600


def test_a_decision_whose_move_would_come_after_the_end_changes_nothing() -> None:
    minutes = minutes_of([TICK] * 5)
    done = run(minutes, latency_rows=5)
    assert [step.due for step in done.steps] == [None] and "ends before" in done.steps[0].failed
    assert net_down_raw(done) == 10**12 and done.stretches[0].held is None
    assert run(minutes, latency_rows=4).steps[0].due == 4


def test_nothing_is_decided_or_done_on_a_price_that_a_gap_made_old() -> None:
    times = [START, START + 60, START + 7_200, START + 7_260, START + 7_320]
    minutes = at_times(minutes_of([TICK, TICK + 1, TICK + 900, TICK + 901, TICK + 902]), times)
    strict = run(minutes, latency_rows=0, strategy=FollowPrice(500, Split.EVEN, 3_600), most_gap_seconds=600)
    assert [step.due for step in strict.steps] == [0, 3]
    waits = run(minutes, latency_rows=2, strategy=once())
    assert waits.steps[0].due == 3
    loose = run(minutes, latency_rows=2, strategy=once(), most_gap_seconds=7_140)
    assert loose.steps[0].due == 2


def test_beats_are_the_clocks_and_the_first_moment() -> None:
    asked = list[int]()

    def count(seen: Seen) -> Answer:
        asked.append(seen.timestamp)
        return Leave()

    minutes = minutes_of([TICK] * 200)
    run(at_times(minutes, [START + 420 + 60 * at for at in range(200)]), strategy=Says(count))
    assert asked == [START + 420, START + HOUR, START + 2 * HOUR, START + 3 * HOUR]


def test_leaving_takes_everything_out_and_earns_nothing_more() -> None:
    minutes = minutes_of([TICK] * 150)
    done = run(minutes, strategy=Says(lambda seen: Leave() if seen.held else Enter(SAFE, Split.EVEN, None)), latency_rows=0)
    assert [stretch.held is None for stretch in done.stretches] == [False, True, False]
    assert done.stretches[1].fees_raw == (0, 0) and done.stretches[0].fees_raw[0] > 0
    assert done.stretches[1].idle_raw == total(done.stretches[0].idle_raw, done.stretches[0].out_raw, done.stretches[0].fees_raw)


def test_gas_is_the_histories_at_the_moment_of_each_move() -> None:
    minutes = minutes_of([TICK] * 130)
    gas = Gas(
        price_wei=np.arange(130, dtype=np.int64) * 10**9,
        quote_raw_per_native=(800_000,) * 130,
        leave_gas=200_000,
        swap_gas=150_000,
        enter_gas=400_000,
    )
    free = run(minutes, strategy=once())
    paid = run(minutes, strategy=once(), gas=gas)
    assert paid.stretches == free.stretches
    assert [step.gas_raw for step in paid.steps] == [-(-550_000 * 10**9 * 800_000 // 10**18)]
    assert net_down_raw(free) - net_down_raw(paid) == 440
    leaving = run(minutes, strategy=Says(lambda seen: Leave() if seen.held else Enter(SAFE, Split.EVEN, None)), gas=gas)
    assert leaving.steps[1].gas_raw == -(-200_000 * 61 * 10**9 * 800_000 // 10**18)
    with pytest.raises(BadTape, match="129 rows of gas"):
        run(minutes, gas=replace(gas, price_wei=gas.price_wei[1:]))


def test_size_moves_the_price_of_our_own_swap() -> None:
    minutes = walk(100, 2)
    bottomless = run(minutes, strategy=once(), exchange=at_the_price_down_raw)
    curve = run(minutes, strategy=once(), exchange=along_the_curve_down_raw)
    assert net_down_raw(curve) < net_down_raw(bottomless)


def test_a_pool_that_cannot_take_the_swap_leaves_everything_as_it_was() -> None:
    minutes = replace(minutes_of([TICK] * 5, in0=[0] * 5), liquidity_raw=(0,) * 5)
    done = run(minutes, strategy=once(), exchange=along_the_curve_down_raw)
    assert "cannot take so much" in done.steps[0].failed and net_down_raw(done) == 10**12


def test_too_little_for_any_liquidity_stays_idle_and_is_asked_again() -> None:
    done = run(minutes_of([TICK] * 130), opening_raw=(1, 0), strategy=FixedRange(SAFE, Split.EVEN, HOUR))
    assert all("no liquidity" in step.failed for step in done.steps) and len(done.steps) == 3


@pytest.mark.parametrize(
    ("changes", "error", "why"),
    [
        ({"latency_rows": -1}, SettingsError, "before it decides"),
        ({"opening_raw": (0, 0)}, SettingsError, "opening_raw"),
        ({"opening_raw": (5, -1)}, SettingsError, "opening_raw"),
        ({"strategy": once().__class__(once().say, 0)}, SettingsError, "cadence_seconds"),
        ({"strategy": once(Ticks(TICK - 5, TICK + 10))}, ActionRefused, "no multiple of 10"),
        ({"strategy": once(Ticks(TICK + 10, TICK - 10))}, ActionRefused, "TLU"),
    ],
)
def test_refuses_settings_and_ranges_that_cannot_be(changes: dict[str, object], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        run(walk(10, 1), **changes)


def test_fees_and_net_value_can_be_told_at_another_price() -> None:
    minutes = walk(200, 4)
    done = run(minutes, strategy=once(), latency_rows=0)
    last = done.stretches[-1]
    assert net_down_raw(done, int(minutes.moment_tick[-1])) == net_down_raw(done)
    assert fees_worth_down_raw(done, TICK) == worth_down_raw(TICK, last.fees_raw, 0)
    assert net_down_raw(done, TICK) != net_down_raw(done)


def test_in_the_other_quote_the_same_run_is_worth_the_same() -> None:
    minutes = walk(300, 8)
    other = replace(minutes, pool=replace(TERMS, quote=1))
    raws = [net_down_raw(run(tape, strategy=once())) for tape in (minutes, other)]
    tick = int(minutes.moment_tick[-1])
    assert worth_down_raw(tick, (0, raws[1]), 0) == pytest.approx(raws[0], rel=1e-11)

"""What the analysis of a strategy finds: each way of cheating by one that does, beside a twin that does not."""

import random
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from backtest.look_ahead import CHANCE, FUTURE, MEMORY, OUTSIDE, TWO_WAYS, Unasked, Verdict, analyse
from backtest.scenario import DOLLAR, sample_tape
from strategies.assess import History
from strategies.catalogue import Strategy
from strategies.domain import Asset, Keep, Target
from strategies.errors import BadTape
from strategies.lending_rotation import LendingRotation, Signals, split_equally
from strategies.tape import Bools, Floats, Ints, Observation

HOUR = 3_600
TAPE = sample_tape(seed=5, markets=3, hours=240)
LOOKS = 9


def hold(seen: Observation, at: int, why: str = "told to") -> Target:
    return split_equally(DOLLAR, (seen.deployment.markets[at],), why)


@dataclass(frozen=True)
class Each:
    """Asked every hour, it does what a function says of what it sees."""

    say: Callable[[Observation], Target | Keep]
    cadence_seconds: int = HOUR

    def target(self, seen: Observation) -> Target | Keep:
        return self.say(seen)


def verdict_on(make: Callable[[], Strategy], *, looks: int = LOOKS) -> Verdict:
    return analyse(TAPE, DOLLAR, make, looks=looks, seed=1)


def laws(found: Verdict) -> set[tuple[str, str]]:
    return {(fault.law, fault.said_by) for fault in found.faults}


def best_now(seen: Observation) -> Target:
    return hold(seen, int(np.argmax(seen.now("supply_apr"))))


def best_tomorrow(seen: Observation) -> Target:
    whole = seen._tape.supply_apr
    return hold(seen, int(np.argmax(whole[min(seen.row + 24, len(whole) - 1)])))


def test_finds_who_reads_a_later_row_off_the_tape() -> None:
    found = verdict_on(lambda: Each(best_tomorrow))
    assert laws(found) == {(FUTURE, "target")} and not found.is_clean


def test_lets_pass_who_reads_the_row_itself() -> None:
    found = verdict_on(lambda: Each(best_now))
    assert found.is_clean and found.rows == LOOKS and found.questions > LOOKS


def test_names_the_first_row_what_it_saw_and_what_it_said_with_and_without_the_future() -> None:
    def from_row_100_on(seen: Observation) -> Target:
        return best_tomorrow(seen) if seen.row >= 100 else best_now(seen)

    first = verdict_on(lambda: Each(from_row_100_on)).faults[0]
    assert 100 <= first.row <= 104 and first.timestamp == int(TAPE.timestamp[first.row])
    assert first.saw.startswith("alpha:USDC ") and "holding nothing" in first.saw
    assert first.first != first.then and "(told to)" in first.first


def test_finds_who_fails_where_the_future_is_missing() -> None:
    def next_hour(seen: Observation) -> Target:
        return hold(seen, int(seen._tape.supply_apr[seen.row + 1, 0] < 0))

    found = verdict_on(lambda: Each(next_hour))
    assert laws(found) == {(FUTURE, "target")} and "raised IndexError" in found.faults[0].then


def test_finds_who_asks_a_later_exact_state() -> None:
    def tomorrow_is_liquid(seen: Observation) -> Target:
        later = seen._tape.states.state(min(seen.row + 24, len(seen._tape) - 1), 0)
        return hold(seen, 0, f"available {later}")

    assert laws(verdict_on(lambda: Each(tomorrow_is_liquid))) == {(FUTURE, "target")}


def test_finds_what_is_done_only_while_something_is_held() -> None:
    def greedy(seen: Observation) -> Target:
        return best_tomorrow(seen) if seen.portfolio.positions else best_now(seen)

    found = verdict_on(lambda: Each(greedy))
    assert laws(found) == {(FUTURE, "target")} and all(fault.held != "nothing" for fault in found.faults)


@dataclass(frozen=True)
class ByColumn:
    """Holds the market with the highest score at a row; scores are a function of the whole column of rates."""

    score: Callable[[Floats], Floats]
    asset: Asset = DOLLAR
    cadence_seconds: int = HOUR

    @property
    def signal_terms(self) -> Hashable:
        return ()

    def signals(self, history: History, rows: Ints) -> Sequence[int]:
        return [int(at) for at in np.argmax(self.score(history.tape.supply_apr)[rows], axis=1)]

    def choose(self, signal: int, held: tuple[int, ...]) -> tuple[int, ...] | Keep:
        return (signal,)

    def keeps(self, signals: Sequence[int], held: tuple[int, ...], first: int) -> Bools:
        return np.zeros(len(signals) - first, dtype=np.bool_)

    def target_given(self, seen: Observation, signal: int) -> Target:
        return hold(seen, signal)

    def target(self, seen: Observation) -> Target:
        return hold(seen, int(np.argmax(self.score(seen.supply_aprs(10**9))[-1])))


def centred_mean(apr: Floats) -> Floats:
    padded = np.pad(apr, ((12, 12), (0, 0)), mode="edge")
    mean: Floats = np.lib.stride_tricks.sliding_window_view(padded, 25, axis=0).mean(axis=-1)
    return mean


def trailing_mean(apr: Floats) -> Floats:
    padded = np.pad(apr, ((24, 0), (0, 0)), mode="edge")
    mean: Floats = np.lib.stride_tricks.sliding_window_view(padded, 25, axis=0).mean(axis=-1)
    return mean


def over_the_maximum(apr: Floats) -> Floats:
    share: Floats = apr / apr.max(axis=0)
    return share


def over_the_maximum_so_far(apr: Floats) -> Floats:
    share: Floats = apr / np.maximum.accumulate(apr, axis=0)
    return share


@pytest.mark.parametrize("score", [centred_mean, over_the_maximum])
def test_finds_signals_that_look_ahead_though_the_target_cannot(score: Callable[[Floats], Floats]) -> None:
    found = verdict_on(lambda: ByColumn(score))
    assert (FUTURE, "signals") in laws(found) and (FUTURE, "target") not in laws(found)


@pytest.mark.parametrize("score", [trailing_mean, over_the_maximum_so_far])
def test_lets_pass_signals_of_the_row_and_earlier_ones(score: Callable[[Floats], Floats]) -> None:
    assert verdict_on(lambda: ByColumn(score)).is_clean


def test_finds_a_strategy_whose_two_steps_say_something_else_than_the_one() -> None:
    @dataclass(frozen=True)
    class Torn(ByColumn):
        def target(self, seen: Observation) -> Target:
            return hold(seen, 0)

    assert laws(verdict_on(lambda: Torn(trailing_mean))) == {(TWO_WAYS, "signals")}


def test_finds_a_strategy_that_keeps_at_rows_where_its_choice_would_not() -> None:
    @dataclass(frozen=True)
    class Sleepy(ByColumn):
        def keeps(self, signals: Sequence[int], held: tuple[int, ...], first: int) -> Bools:
            return np.ones(len(signals) - first, dtype=np.bool_)

    assert laws(verdict_on(lambda: Sleepy(trailing_mean))) == {(TWO_WAYS, "keeps")}


def test_finds_signals_of_the_wrong_length() -> None:
    @dataclass(frozen=True)
    class Short(ByColumn):
        def signals(self, history: History, rows: Ints) -> Sequence[int]:
            return super().signals(history, rows)[1:]

    assert (TWO_WAYS, "signals") in laws(verdict_on(lambda: Short(trailing_mean)))


@dataclass
class Counting:
    """Holds another market each time it is asked."""

    cadence_seconds: int = HOUR
    asked: int = 0

    def target(self, seen: Observation) -> Target:
        self.asked += 1
        return hold(seen, self.asked % 2)


@dataclass
class Following:
    """Keeps the highest rate it was ever shown, and compares with that."""

    cadence_seconds: int = HOUR
    highest: float = 0.0

    def target(self, seen: Observation) -> Target | Keep:
        self.highest = max(self.highest, float(seen.now("supply_apr").max()))
        return Keep(f"the highest so far is {self.highest:.6f}")


@dataclass
class Remembering:
    """Keeps what it worked out, by the row it is about: asked in any order it says the same."""

    cadence_seconds: int = HOUR
    known: dict[tuple[str, int], int] = field(default_factory=dict)

    def target(self, seen: Observation) -> Target:
        key = (seen._tape.digest, seen.row)
        return hold(seen, self.known.setdefault(key, int(np.argmax(seen.now("supply_apr")))))


@pytest.mark.parametrize("make", [Counting, Following])
def test_finds_state_that_is_kept_between_calls(make: Callable[[], Strategy]) -> None:
    assert (MEMORY, "target") in laws(verdict_on(make))


def test_lets_pass_a_memory_that_changes_no_answer() -> None:
    assert verdict_on(Remembering).is_clean


def test_finds_random_numbers_of_its_own() -> None:
    found = verdict_on(lambda: Each(lambda seen: hold(seen, int(np.random.default_rng().integers(3)))))
    assert laws(found) == {(CHANCE, "target"), (OUTSIDE, "target")}


@pytest.mark.parametrize("draw", [lambda: random.randrange(3), lambda: int(np.random.randint(3))], ids=["random", "numpy"])
def test_finds_random_numbers_that_everybody_shares(draw: Callable[[], int]) -> None:
    def rarely(seen: Observation) -> Target:
        draw()
        return best_now(seen)

    found = verdict_on(lambda: Each(rarely))
    assert laws(found) == {(OUTSIDE, "target")} and "random" in found.faults[0].change


def test_lets_pass_random_numbers_that_the_row_alone_decides() -> None:
    def drawn(seen: Observation) -> Target:
        return hold(seen, int(np.random.default_rng(seen.timestamp).integers(3)))

    assert verdict_on(lambda: Each(drawn)).is_clean


@pytest.mark.parametrize(
    "read",
    [lambda: time.time() > 0, lambda: datetime.now(UTC).year > 1970, lambda: time.monotonic() > -1],
    ids=["time", "datetime", "monotonic"],
)
def test_finds_a_clock_even_where_it_changes_nothing(read: Callable[[], bool]) -> None:
    found = verdict_on(lambda: Each(lambda seen: hold(seen, int(read()))))
    assert laws(found) == {(OUTSIDE, "target")}


def test_lets_pass_the_time_of_the_row() -> None:
    def at_night(seen: Observation) -> Target:
        return hold(seen, int(datetime.fromtimestamp(seen.timestamp, UTC).hour < 6))

    assert verdict_on(lambda: Each(at_night)).is_clean


def test_finds_a_clock_in_signals() -> None:
    @dataclass(frozen=True)
    class Timed(ByColumn):
        def signals(self, history: History, rows: Ints) -> Sequence[int]:
            return [*super().signals(history, rows)] if time.time() else []

    assert (OUTSIDE, "signals") in laws(verdict_on(lambda: Timed(trailing_mean)))


def test_finds_a_rotation_whose_signals_were_moved_by_an_hour() -> None:
    honest = LendingRotation(DOLLAR, 6 * HOUR, 24 * HOUR, threshold_bps=10, count=1, max_idle_bps=100)

    class Ahead(LendingRotation):
        __slots__ = ()

        def signals(self, history: History, rows: Ints) -> Signals:
            return LendingRotation.signals(self, history, np.minimum(rows + 1, len(history.tape) - 1))

    ahead = Ahead(DOLLAR, 6 * HOUR, 24 * HOUR, threshold_bps=10, count=1, max_idle_bps=100)
    assert verdict_on(lambda: honest).is_clean
    assert (FUTURE, "signals") in laws(verdict_on(lambda: ahead))


def test_equal_seeds_give_equal_verdicts() -> None:
    assert verdict_on(lambda: Each(best_tomorrow)) == verdict_on(lambda: Each(best_tomorrow))


def test_refuses_a_strategy_that_fails_where_it_is_asked() -> None:
    def broken(seen: Observation) -> Target:
        raise KeyError("no such market")

    with pytest.raises(Unasked, match="KeyError"):
        verdict_on(lambda: Each(broken))


def test_refuses_a_tape_without_a_future_and_an_asset_without_a_market() -> None:
    from backtest.other_futures import cut

    with pytest.raises(BadTape, match="no future"):
        analyse(cut(TAPE, 0), DOLLAR, lambda: Each(best_now), looks=3, seed=1)
    other: Any = replace(DOLLAR, symbol="DAI")
    with pytest.raises(BadTape, match="no market"):
        analyse(TAPE, other, lambda: Each(best_now), looks=3, seed=1)

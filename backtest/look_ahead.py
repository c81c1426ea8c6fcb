"""Whether a strategy's answers depend on anything but what it may see: asked on one tape, on the same tape with another future,
twice, in another order, and watched for clocks and shared random numbers. Refuses a tape without a later row to take away, a
strategy that fails where it is asked, and says of none more than it asked: a clean verdict names how much that was.

Every comparison is between fresh strategies unless it is about what a strategy remembers. What only a debugger could see, such
as a file read or `numpy.datetime64("now")`, is found by its effect or not at all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from backtest.asking import Question, Raised, kept_wrongly, questions, saw, signals_of, target_given, target_of, told
from backtest.other_futures import Change, changed, cut
from backtest.unlike import unlike
from backtest.watched import Watched
from backtest.world import decision_rows
from strategies.assess import History
from strategies.catalogue import Strategy, is_signalled
from strategies.domain import Asset
from strategies.errors import BadTape, UsufructError
from strategies.tape import Ints, Tape

MOST_CELLS: Final = 4_000_000  # of a tape, rows times markets: the rest of a longer one is not asked about
MOST_PREFIXES: Final = 8  # under each change: signals are asked for every row up to a place, which takes its time
NEAR: Final = 64  # rows before a found one that are asked too, to name the first

Make = Callable[[], Strategy]

FUTURE: Final = "reads the future"
MEMORY: Final = "remembers what it was asked before"
CHANCE: Final = "answers one question in two ways"
OUTSIDE: Final = "reads a clock or shared random numbers"
TWO_WAYS: Final = "its signals and its target disagree"


class Unasked(UsufructError):
    """A strategy that could not be asked; the message says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first row at which an answer depended on what it must not, and the two answers."""

    law: str
    said_by: str  # target, signals or keeps
    change: str  # what was different the second time
    row: int
    timestamp: int
    held: str
    saw: str
    first: str  # what it said with everything there
    then: str  # and what it said after the change


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, and how much was asked."""

    rows: int  # decision rows looked at
    questions: int  # to `target`, each under every change
    is_signalled: bool
    faults: tuple[Fault, ...]  # earliest first

    @property
    def is_clean(self) -> bool:
        return not self.faults


def analyse(tape: Tape, asset: Asset, make: Make, *, looks: int, seed: int) -> Verdict:
    """Ask at so many rows, evenly spread. `make` gives a strategy that remembers nothing of others; it is called many times.
    Raises BadTape, Unasked."""
    if looks < 1:
        raise Unasked(f"{looks} looks see nothing: give 1 or more")
    court = _Court(_bounded(tape), asset, make, seed)
    places = np.unique(np.linspace(0, len(court.rows) - 1, min(looks, len(court.rows))).astype(int)).tolist()
    asked = questions(court.tape, asset, court.rows, places)
    faults = [fault for fault in (court.outside(asked), court.chance(asked)) if fault is not None]
    if not any(fault.law == CHANCE for fault in faults):  # who throws dice cannot be compared
        faults += court.memory(asked)
        faults += court.futures(asked)
        faults += court.two_ways(asked)
    if not faults:
        _refuse_the_speechless(court, asked)
    return Verdict(len(places), len(asked), court.is_signalled, tuple(sorted(faults, key=lambda fault: fault.row)))


def _bounded(tape: Tape) -> Tape:
    rows = max(2, MOST_CELLS // max(1, len(tape.deployment.markets)))
    if len(tape) < 2:
        raise BadTape("one row has no future to take away")
    return tape if len(tape) <= rows else cut(tape, rows - 1)


class _Court:
    """One strategy on one tape, asked in every way."""

    def __init__(self, tape: Tape, asset: Asset, make: Make, seed: int) -> None:
        strategy = make()
        rows = decision_rows(tape, strategy.cadence_seconds)
        self.tape: Final = tape
        self.make: Final = make
        self.seed: Final = seed
        self.asset: Final = asset
        self.rows: Final = rows[rows < len(tape) - 1]  # the last row has no future
        self.is_signalled: Final = is_signalled(strategy)
        if not any(market.asset == asset for market in tape.deployment.markets):
            raise BadTape(f"no market of {asset.symbol}")

    def outside(self, asked: Sequence[Question]) -> Fault | None:
        """What it reaches for outside of what it sees."""
        strategy = self.make()
        for question in asked:
            with Watched() as watched:
                answer = target_of(strategy, self.tape, question)
            if watched.reached:
                return self._fault(OUTSIDE, f"it used {watched.reached}", question, answer, answer)
        if is_signalled(strategy):
            with Watched() as watched:
                said = signals_of(strategy, self.tape, self.rows)
            if watched.reached:
                return _of_signals(self._fault(OUTSIDE, f"it used {watched.reached}", asked[0], said[0], said[0]))
        return None

    def chance(self, asked: Sequence[Question]) -> Fault | None:
        """Two fresh strategies, one question."""
        one, other = self.make(), self.make()
        for question in asked:
            before, after = target_of(one, self.tape, question), target_of(other, self.tape, question)
            if unlike(before, after) is not None:
                return self._fault(CHANCE, "the same question to another instance", question, before, after)
        return self._signals_unlike(CHANCE, "the same rows to another instance", self._signals(one), self._signals(other))

    def memory(self, asked: Sequence[Question]) -> Iterator[Fault]:
        """One strategy asked again, and asked from the end; what each says alone is what it must say."""
        alone = [target_of(self.make(), self.tape, question) for question in asked]
        for change, order in (("asked twice in a row", 1), ("asked from the last row to the first", -1)):
            strategy = self.make()
            found = list[Fault]()
            for at in range(len(asked))[::order]:
                for _ in range(2 if order > 0 else 1):
                    answer = target_of(strategy, self.tape, asked[at])
                    if unlike(alone[at], answer) is not None:
                        found.append(self._fault(MEMORY, change, asked[at], alone[at], answer))
                        break
            yield from found[:1] if order > 0 else found[-1:]
        strategy = self.make()
        first, again = self._signals(strategy), self._signals(strategy)
        fault = self._signals_unlike(MEMORY, "its signals asked twice", first, again)
        if fault is not None:
            yield fault

    def futures(self, asked: Sequence[Question]) -> Iterator[Fault]:
        """The first difference that each other future makes, to target and to signals."""
        whole = self._signals(self.make())
        places = sorted({question.at for question in asked})
        places = places[:: -(-len(places) // MOST_PREFIXES)]
        for change in Change:
            fault = self._future_of_target(asked, change)
            if fault is not None:
                yield fault
            for at in places if self.is_signalled else ():
                row = int(self.rows[at])
                other = changed(self.tape, row, change, seed=self.seed)
                said = self._signals(self.make(), other, self.rows[: at + 1])
                fault = self._signals_unlike(FUTURE, f"{change} (after row {row})", whole[: at + 1], said)
                if fault is not None:
                    yield fault
                    break

    def two_ways(self, asked: Sequence[Question]) -> Iterator[Fault]:
        """The word of the two steps beside the word of the one."""
        strategy = self.make()
        if not is_signalled(strategy):
            return
        said = signals_of(strategy, self.tape, self.rows)
        for question in asked:
            signal = said[question.at]
            given = signal if isinstance(signal, Raised) else target_given(strategy, self.tape, question, signal)
            direct = target_of(strategy, self.tape, question)
            if unlike(direct, given) is not None:
                yield _of_signals(self._fault(TWO_WAYS, "asked in two steps", question, direct, given))
                return
        signals = strategy.signals(History(self.tape), self.rows)  # it raised nothing above
        for question in asked:
            held = tuple([self.tape.market_index(claim.market) for claim in question.portfolio.positions])
            wrongly = kept_wrongly(strategy, signals, question.at, held)
            if wrongly is not None:
                yield replace(self._fault(TWO_WAYS, "asked of all rows at once", question, *wrongly), said_by="keeps")
                return

    def _future_of_target(self, asked: Sequence[Question], change: Change) -> Fault | None:
        clean = -1
        for question in asked:
            fault = self._with_future(question, change)
            if fault is None:
                clean = question.at
                continue
            between = range(max(clean + 1, question.at - NEAR), question.at)
            nearer = questions(self.tape, self.asset, self.rows, between)
            earlier = (self._with_future(one, change) for one in nearer)
            return next((found for found in earlier if found is not None), fault)
        return None

    def _with_future(self, question: Question, change: Change) -> Fault | None:
        other = changed(self.tape, question.row, change, seed=self.seed)
        before, after = target_of(self.make(), self.tape, question), target_of(self.make(), other, question)
        return None if unlike(before, after) is None else self._fault(FUTURE, change, question, before, after)

    def _signals(self, strategy: Strategy, tape: Tape | None = None, rows: Ints | None = None) -> Sequence[Any]:
        """Its signals at the decision rows; none of a strategy that has none."""
        if not is_signalled(strategy):
            return ()
        return signals_of(strategy, self.tape if tape is None else tape, self.rows if rows is None else rows)

    def _signals_unlike(self, law: str, change: str, before: Sequence[Any], after: Sequence[Any]) -> Fault | None:
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            found = unlike(one, other)
            if found is not None:
                (question, *_) = questions(self.tape, self.asset, self.rows, [at])
                where = f"signal{found.place}: "
                return _of_signals(self._fault(law, change, question, where + found.one, where + found.other))
        return None

    def _fault(self, law: str, change: str, question: Question, before: Any, after: Any) -> Fault:
        return Fault(
            law=law,
            said_by="target",
            change=change,
            row=question.row,
            timestamp=int(self.tape.timestamp[question.row]),
            held=question.held,
            saw=saw(self.tape, question),
            first=before if isinstance(before, str) else told(before),
            then=after if isinstance(after, str) else told(after),
        )


def _of_signals(fault: Fault) -> Fault:
    return replace(fault, said_by="signals")


def _refuse_the_speechless(court: _Court, asked: Sequence[Question]) -> None:
    """A strategy that made a mistake was not asked at that row. Raises Unasked."""
    strategy = court.make()
    for question in asked:
        answer = target_of(strategy, court.tape, question)
        if isinstance(answer, Raised):
            raise Unasked(f"at row {question.row}, holding {question.held}, the strategy {told(answer)}")

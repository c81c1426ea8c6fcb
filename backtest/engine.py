"""One strategy over one tape: at each decision row decide, judge, and at a later row execute; every step into the journal.

The functions, and their order, are those of the planner's graph. A plan is judged by what its decision row says and executed
at what a later row says. Rows at which a lookout sees that nothing changes are not valued. Refuses a latency below zero."""

from typing import Final

from backtest.books import Books
from backtest.lookout import Lookout, lookout_of
from backtest.movers import Bare, Guarded, Mover
from backtest.prepared import Prepared
from backtest.runs import Run, RunSettings, Segment, Step
from backtest.swift import Swift
from backtest.world import due_row
from strategies.assess import assess, held_raw
from strategies.catalogue import choose_by_score
from strategies.decide import DecideSettings, Decision, decide, decided
from strategies.domain import Amount, Choice, Keep, Portfolio, Supply
from strategies.errors import BadTape, ProtocolError, WalletError
from strategies.tape import Observation, Tape
from wallets.journal import Journal
from wallets.ledger import Ledger
from wallets.policy import Policy
from wallets.wallet import Refused


def run(tape: Tape, settings: RunSettings, prepared: Prepared | None = None) -> Run:
    """The whole tape; `prepared` is what runs over it share. Raises BadTape, and LedgerMismatch where the books do not come out
    to the unit."""
    if settings.latency_rows < 0 or settings.latency_seconds < 0:
        late = f"{settings.latency_rows} rows and {settings.latency_seconds} s"
        raise BadTape(f"a latency of {late} would execute before it decides")
    prepared = prepared if prepared is not None else Prepared(tape)
    return _judged(prepared, settings, settings.policy) if settings.policy is not None else _bare(prepared, settings)


def _judged(prepared: Prepared, settings: RunSettings, policy: Policy) -> Run:
    """With guard, ledger and journal: every row is written down, and only what asks for it is looked at closely."""
    tape, opening = prepared.tape, settings.opening
    mover = Guarded(tape, policy, opening, touch_fee_raw=settings.decide.gate.touch_fee_raw)
    books, lookout = Books(tape, settings.account, opening), lookout_of(prepared, settings.decide)
    course = Course(opening, lookout)
    steps = list[Step]()
    for at, row in enumerate(prepared.rows(cadence_seconds(settings.decide)).tolist()):
        if course.is_busy(row):
            continue
        if course.moves == settings.most_moves:
            break
        looked = None if lookout is None else lookout.look(at)
        seen = Observation(tape, row, settings.account, mover.portfolio, course.moved_at)
        step = _step(tape, seen, _decision(seen, settings.decide, lookout, at, looked), mover, settings)
        steps.append(step)
        books.record(step)
        course.go_on(tape, step.due_row, segment_of(step, mover.portfolio))
    books.close(mover.portfolio)
    return Run(tape, settings, tuple(course.segments), tuple(steps), len(steps), books.ledger, books.journal)


def _bare(prepared: Prepared, settings: RunSettings) -> Run:
    """Without guard and books: what changes nothing leaves no trace, and plain moves are made in plain integers."""
    tape, opening = prepared.tape, settings.opening
    mover = Bare(tape, settings.account, opening, touch_fee_raw=settings.decide.gate.touch_fee_raw)
    lookout = lookout_of(prepared, settings.decide)
    swift = None if lookout is None else Swift(prepared, settings)
    course, decisions = Course(opening, lookout), 0
    for at, row in enumerate(prepared.rows(cadence_seconds(settings.decide)).tolist()):
        if course.is_busy(row):
            continue
        if course.moves == settings.most_moves:
            break
        decisions += 1
        looked = None if lookout is None else lookout.look(at)
        if isinstance(looked, Keep):
            continue
        if swift is not None and looked is not None:
            due, segment = swift.move(at, row, mover.portfolio, moved_at=course.moved_at, chosen=looked)
        else:
            seen = Observation(tape, row, settings.account, mover.portfolio, course.moved_at)
            step = _step(tape, seen, _decision(seen, settings.decide, lookout, at, None), mover, settings)
            due, segment = step.due_row, segment_of(step, mover.portfolio)
        if segment is not None:
            mover.portfolio = segment.portfolio
        course.go_on(tape, due, segment)
    return Run(tape, settings, tuple(course.segments), (), decisions, Ledger(), Journal())


class Course:
    """What is held from when, while a run goes on."""

    def __init__(self, opening: Portfolio, lookout: Lookout | None) -> None:
        self.segments: Final = [Segment(0, opening)]
        self.moved_at: int | None = None
        self._free_from = 0  # nothing is decided while a plan is on its way
        self._lookout: Final = lookout
        if lookout is not None:
            lookout.hold(opening)

    @property
    def moves(self) -> int:
        return len(self.segments) - 1

    def is_busy(self, row: int) -> bool:
        """Whether a plan is still on its way at a row."""
        return row < self._free_from

    def go_on(self, tape: Tape, due_row: int | None, segment: Segment | None) -> None:
        """A plan was due at a row, and what it left behind where it executed."""
        if due_row is None:
            return
        self._free_from = due_row
        if segment is not None:
            self.segments.append(segment)
            self.moved_at = int(tape.timestamp[segment.row])
            if self._lookout is not None:
                self._lookout.hold(segment.portfolio)


def segment_of(step: Step, portfolio: Portfolio) -> Segment | None:
    """What a step left behind; None where it executed nothing."""
    receipt = step.receipt
    if receipt is None or step.due_row is None:
        return None
    burned_wei = sum([transaction.fee_wei for transaction in receipt.transactions])
    actions = step.decision.plan.actions if step.decision.plan is not None else ()
    supplied_raw = sum([action.amount.raw for action in actions if isinstance(action, Supply)])
    return Segment(step.due_row, portfolio, burned_wei, supplied_raw)


def cadence_seconds(settings: DecideSettings) -> int:
    """How often a look is worth having: as often as the most frequent strategy of the menu asks."""
    return min(strategy.cadence_seconds for _, strategy in settings.menu.strategies)


def _decision(
    seen: Observation, settings: DecideSettings, lookout: Lookout | None, at: int, looked: tuple[int, ...] | Keep | None
) -> Decision:
    """What is decided: known already where the lookout saw that nothing changes, or knows the row's signal."""
    choice = _choice(seen, settings)
    if isinstance(looked, Keep):
        return Decision(choice, looked, None, looked.reason)
    if lookout is not None:
        return decided(seen, choice, lookout.target(at, seen), settings)
    return decide(seen, choice, settings)


def _step(tape: Tape, seen: Observation, decision: Decision, mover: Mover, settings: RunSettings) -> Step:
    """Judge and execute: the graph's nodes in the graph's order."""
    if decision.plan is None:
        return Step(seen, decision, None, None, None, "")
    verdict = mover.judge(seen, decision.plan)
    if isinstance(verdict, Refused):
        return Step(seen, decision, verdict, None, None, "")
    due = due_row(tape, seen.row, latency_rows=settings.latency_rows, latency_seconds=settings.latency_seconds)
    if due >= len(tape):
        return Step(seen, decision, verdict, None, due, "the tape ends before it could be executed")
    try:
        receipt = mover.execute(due, decision.plan, verdict)
    except (WalletError, ProtocolError) as error:
        return Step(seen, decision, verdict, None, due, str(error))
    return Step(seen, decision, verdict, receipt, due, "")


def _choice(seen: Observation, settings: DecideSettings) -> Choice:
    """The rule's choice; what the rule does not look at is not assessed."""
    if len(settings.menu.strategies) == 1:
        return choose_by_score(seen, settings.menu, ())
    size = Amount(settings.asset, held_raw(seen, settings.asset))
    gate = settings.gate
    assessments = assess(seen, size.asset, size, horizon_seconds=gate.horizon_seconds, lookback_seconds=gate.lookback_seconds)
    return choose_by_score(seen, settings.menu, assessments)

"""One strategy over one tape: at each decision row decide, judge, and at a later row execute; every step into the journal.

The functions, and their order, are those of the planner's graph. A plan is judged by what its decision row says and executed
at what a later row says. Rows at which a lookout sees that nothing changes are not valued. Refuses a latency below zero."""

from collections.abc import Sequence

from backtest.books import Books
from backtest.course import Course
from backtest.lookout import Lookout, lookout_of
from backtest.movers import Bare, Guarded, Mover
from backtest.prepared import Prepared
from backtest.runs import Run, RunSettings, Segment, Step
from backtest.swift import Swift
from backtest.terms import refuse_unknown_delays
from backtest.world import due_row_of, hindrance
from strategies.assess import assess, held_raw, value_raw
from strategies.catalogue import choose_by_score, is_signalled
from strategies.decide import DecideSettings, Decision, decide, decided
from strategies.domain import Amount, Choice, Keep, Plan, Portfolio, Supply, Target, Withdraw
from strategies.errors import BadTape, ProtocolError, WalletError
from strategies.protocols.registry import adapter_of
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
    refuse_unknown_delays(settings.terms, tape.deployment)
    prepared = prepared if prepared is not None else Prepared(tape)
    return _judged(prepared, settings, settings.policy) if settings.policy is not None else _bare(prepared, settings)


def _judged(prepared: Prepared, settings: RunSettings, policy: Policy) -> Run:
    """With guard, ledger and journal: every row is written down, and only what asks for it is looked at closely."""
    tape, opening = prepared.tape, settings.opening
    mover = Guarded(tape, policy, opening, touch_fee_raw=settings.decide.gate.touch_fee_raw)
    rows, lookout = prepared.rows(cadence_seconds(settings.decide)).tolist(), lookout_of(prepared, settings.decide)
    books = Books(tape, settings.account, opening)
    course, steps = Course(prepared, settings, lookout, rows), list[Step]()
    for at, row in enumerate(rows):
        if at < course.next:
            continue
        if course.moves == settings.most_moves:
            break
        looked = None if lookout is None else lookout.look(at)
        mover.hold(course.at(row))
        books.liquidate(course.liquidations, course.segments)
        seen = Observation(course.tape, row, settings.account, mover.portfolio, course.moved_at)
        step = _step(seen, _decision(seen, settings.decide, lookout, at, looked), mover, course)
        steps.append(step)
        books.record(step)
        course.go_on(at, step.due_row, segment_of(step, mover.portfolio), _stuck_row(tape, step, settings))
    held = course.close()
    books.liquidate(course.liquidations, course.segments)
    books.close(held)
    return course.finished(tuple(steps), decisions=len(steps), ledger=books.ledger, journal=books.journal)


def _bare(prepared: Prepared, settings: RunSettings) -> Run:
    """Without guard and books: what changes nothing leaves no trace, and plain moves are made in plain integers."""
    tape, opening = prepared.tape, settings.opening
    mover = Bare(tape, settings.account, opening, touch_fee_raw=settings.decide.gate.touch_fee_raw)
    lookout = lookout_of(prepared, settings.decide)
    swift = None if lookout is None else Swift(prepared, settings)
    rows = prepared.rows(cadence_seconds(settings.decide)).tolist()
    course, at, passed = Course(prepared, settings, lookout, rows), 0, 0
    while course.moves != settings.most_moves and (at := at if lookout is None else lookout.next_look(at)) < len(rows):
        looked = None if lookout is None else lookout.look(at)
        if swift is not None and isinstance(looked, tuple):
            course.go_on(at, *swift.move(at, rows[at], course.at, moved_at=course.moved_at, chosen=looked))
        elif looked is None:
            mover.hold(course.at(rows[at]))
            seen = Observation(course.tape, rows[at], settings.account, mover.portfolio, course.moved_at)
            step = _step(seen, _decision(seen, settings.decide, lookout, at, None), mover, course)
            course.go_on(at, step.due_row, segment_of(step, mover.portfolio), _stuck_row(tape, step, settings))
        else:
            course.go_on(at, None, None, None)
        passed, at = passed + course.next - at - 1, course.next  # nothing is decided while a plan is on its way
    course.close()
    return course.finished((), decisions=at - passed, ledger=Ledger(), journal=Journal())


def run_at(prepared: Prepared, settings: RunSettings, looks: Sequence[int]) -> Run:
    """`run` without a policy, where it is known beforehand at which decision rows, by number, a plan is made: everywhere else all
    is plainly kept. Raises BadTape."""
    strategy = settings.decide.menu.strategies[0][1]
    if not is_signalled(strategy):
        raise BadTape(f"{type(strategy).__name__} does not say its word in two steps: look at every row")
    rows, signals = prepared.rows(strategy.cadence_seconds).tolist(), prepared.signals(strategy)
    course, swift, passed = Course(prepared, settings, None, rows), Swift(prepared, settings), 0
    for at in looks:
        wanted = strategy.choose(signals[at], ())
        if not isinstance(wanted, Keep):
            course.go_on(at, *swift.move(at, rows[at], course.at, moved_at=course.moved_at, chosen=wanted))
            passed += course.next - at - 1
    course.close()
    return course.finished((), decisions=len(rows) - passed, ledger=Ledger(), journal=Journal())


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


def _step(seen: Observation, decision: Decision, mover: Mover, course: Course) -> Step:
    """Judge and execute: the graph's nodes in the graph's order."""
    if decision.plan is None:
        return Step(seen, decision, None, None, None, "")
    verdict = mover.judge(seen, decision.plan)
    if isinstance(verdict, Refused):
        return Step(seen, decision, verdict, None, None, "")
    tape, settings = course.recorded, course.settings
    left, entered = _left(decision.plan), _entered(decision.plan)
    due = due_row_of(tape, seen.row, settings, left)
    if due >= len(tape):
        return Step(seen, decision, verdict, None, due, "the tape ends before it could be executed")
    if held := hindrance(tape, settings, due, left=left, entered=entered):
        return Step(seen, decision, verdict, None, due, held)
    mover.hold(course.at(due))
    try:
        receipt = mover.execute(due, decision.plan, verdict)
    except (WalletError, ProtocolError) as error:
        return Step(seen, decision, verdict, None, due, str(error))
    return Step(seen, decision, verdict, receipt, due, "")


def _left(plan: Plan) -> tuple[str, ...]:
    return tuple([action.market.id for action in plan.actions if isinstance(action, Withdraw)])


def _entered(plan: Plan) -> tuple[str, ...]:
    return tuple([action.market.id for action in plan.actions if isinstance(action, Supply)])


def _stuck_row(tape: Tape, step: Step, settings: RunSettings) -> int | None:
    """From which row on something that shall leave cannot: the decision's, where a market could not pay all that was wanted out
    of it; or the row an approved way out was due at, where it did not execute. None: nothing was stuck."""
    plan, target, due = step.decision.plan, step.decision.target, step.due_row
    if isinstance(target, Target) and _is_short(step.seen, target, settings.decide.gate.touch_fee_raw):
        return step.seen.row
    is_held = plan is not None and bool(_left(plan)) and step.receipt is None
    return due if is_held and due is not None and due < len(tape) else None


def _is_short(seen: Observation, target: Target, touch_fee_raw: int) -> bool:
    """Whether a market can pay less than is wanted out of it."""
    held = [claim for claim in seen.portfolio.positions if claim.market.asset == target.asset and claim.shares_raw]
    wanted_wad = {leg.market.id: leg.weight_wad for leg in target.legs if leg.market is not None}
    touched = {claim.market.id for claim in held} | wanted_wad.keys()
    total = Amount(target.asset, max(0, held_raw(seen, target.asset) - touch_fee_raw * len(touched)))
    for claim in held:
        state = seen.state(claim.market)
        out_raw = value_raw(seen, claim) - total.portion(wanted_wad.get(claim.market.id, 0)).raw
        if state is not None and out_raw > max(0, adapter_of(claim.market).withdrawable_raw(state)):
            return True
    return False


def _choice(seen: Observation, settings: DecideSettings) -> Choice:
    """The rule's choice; what the rule does not look at is not assessed."""
    if settings.menu.only_choice is not None:
        return settings.menu.only_choice
    size = Amount(settings.asset, held_raw(seen, settings.asset))
    gate = settings.gate
    assessments = assess(seen, size.asset, size, horizon_seconds=gate.horizon_seconds, lookback_seconds=gate.lookback_seconds)
    return choose_by_score(seen, settings.menu, assessments)

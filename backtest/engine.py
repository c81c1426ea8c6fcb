"""One strategy over one tape: at each decision row decide, judge, and at a later row execute; every step into the journal.

The functions, and their order, are those of the planner's graph. A plan is judged by what its decision row says and executed
at what a later row says. Refuses a latency below zero, and tapes on which nothing can be decided."""

from dataclasses import dataclass

import numpy as np

from strategies.assess import assess, held_raw
from strategies.catalogue import choose_by_score
from strategies.decide import DecideSettings, Decision, decide
from strategies.domain import Address, Amount, Choice, Portfolio, Quote
from strategies.errors import BadTape, ProtocolError, WalletError
from strategies.tape import Observation, Reading, Tape
from wallets import journal
from wallets.journal import Journal
from wallets.ledger import Ledger, entries_of, opening, reconcile
from wallets.paper import PaperWallet
from wallets.policy import Policy
from wallets.wallet import Receipt, Refused, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run is described by, besides its tape."""

    name: str
    decide: DecideSettings
    policy: Policy
    account: Address
    opening: Portfolio
    most_moves: int | None  # after so many executed plans only time passes; None: no limit
    latency_rows: int  # between the row decided on and the row executed at


@dataclass(frozen=True, slots=True)
class Segment:
    """What is held from a row on."""

    row: int
    portfolio: Portfolio


@dataclass(frozen=True, slots=True)
class Step:
    """One decision, and what became of it: an approved plan is due at a row, and `held` says why it did not execute there."""

    seen: Observation
    decision: Decision
    verdict: Verdict | None
    receipt: Receipt | None
    due_row: int | None
    held: str


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run; curves and figures are computed from it."""

    tape: Tape
    settings: RunSettings
    segments: tuple[Segment, ...]
    steps: tuple[Step, ...]
    ledger: Ledger  # reconciled to the unit with what is held at the end
    journal: Journal


class TapeWorld:
    """The world of a paper wallet that lives on a tape: whatever the current row says. Our own moves leave no trace in it."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.row = 0

    @property
    def rows(self) -> int:
        return len(self._tape)

    def reading(self) -> Reading:
        return reading_at(self._tape, self.row)

    def settle(self, after: Reading) -> None:
        """A tape was recorded without us."""


def run(tape: Tape, settings: RunSettings) -> Run:
    """The whole tape. Raises BadTape, and LedgerMismatch where the books do not come out to the unit."""
    if settings.latency_rows < 0:
        raise BadTape(f"a latency of {settings.latency_rows} rows would execute before it decides")
    world = TapeWorld(tape)
    wallet = PaperWallet(policy=settings.policy, deployment=tape.deployment, portfolio=settings.opening, world=world)
    segments, steps, book = [Segment(0, settings.opening)], list[Step](), Journal()
    ledger = Ledger(opening(settings.opening, int(tape.timestamp[0])))
    moved_at: int | None = None
    free_from = 0  # nothing is decided while a plan is on its way
    for row in decision_rows(tape, cadence_seconds(settings.decide)):
        if row < free_from:
            continue
        if len(segments) - 1 == settings.most_moves:
            break
        world.row = row
        seen = Observation(tape, row, settings.account, wallet.portfolio, moved_at)
        step = _step(seen, wallet, world, settings)
        if step.due_row is not None:
            free_from = step.due_row
            if step.receipt is not None:
                moved_at = int(tape.timestamp[step.due_row])
                segments.append(Segment(step.due_row, wallet.portfolio))
        steps.append(step)
        _record(step, book, ledger, settings)
    reconcile(ledger, wallet.portfolio, reading_at(tape, len(tape) - 1), tape.deployment)
    return Run(tape, settings, tuple(segments), tuple(steps), ledger, book)


def cadence_seconds(settings: DecideSettings) -> int:
    """How often a look is worth having: as often as the most frequent strategy of the menu asks."""
    return min(strategy.cadence_seconds for _, strategy in settings.menu.strategies)


def decision_rows(tape: Tape, cadence_seconds: int) -> list[int]:
    """The first row at or after each beat, counted from the tape's first row."""
    beats = np.arange(int(tape.timestamp[0]), int(tape.timestamp[-1]) + 1, cadence_seconds)
    rows = np.searchsorted(tape.timestamp, beats)
    apart: list[int] = rows[np.append(True, np.diff(rows) > 0)].tolist()  # several beats may fall into one gap
    return apart


def _step(seen: Observation, wallet: PaperWallet, world: TapeWorld, settings: RunSettings) -> Step:
    """Choose, decide, judge, execute: the graph's nodes in the graph's order."""
    decision = decide(seen, _choice(seen, settings.decide), settings.decide)
    if decision.plan is None:
        return Step(seen, decision, None, None, None, "")
    verdict = wallet.judge(decision.plan, cycle_of(seen))
    if isinstance(verdict, Refused):
        return Step(seen, decision, verdict, None, None, "")
    later = seen.row + settings.latency_rows
    if later >= world.rows:
        return Step(seen, decision, verdict, None, later, "the tape ends before it could be executed")
    world.row = later
    try:
        receipt = wallet.execute(verdict, ())
    except (WalletError, ProtocolError) as error:
        return Step(seen, decision, verdict, None, later, str(error))
    return Step(seen, decision, verdict, receipt, later, "")


def _choice(seen: Observation, settings: DecideSettings) -> Choice:
    """The rule's choice; what the rule does not look at is not assessed."""
    if len(settings.menu.strategies) == 1:
        return choose_by_score(seen, settings.menu, ())
    size = Amount(settings.asset, held_raw(seen, settings.asset))
    gate = settings.gate
    assessments = assess(seen, size.asset, size, horizon_seconds=gate.horizon_seconds, lookback_seconds=gate.lookback_seconds)
    return choose_by_score(seen, settings.menu, assessments)


def cycle_of(seen: Observation) -> str:
    """A cycle's id on a tape: its time."""
    return f"at-{seen.timestamp}"


def _record(step: Step, book: Journal, ledger: Ledger, settings: RunSettings) -> None:
    """Write a step down as the graph's record node does, and post what moved."""
    seen, cycle = step.seen, {"cycle": cycle_of(step.seen)}
    book.append("observation", seen.timestamp, cycle | dict(journal.observation_content(seen)))
    book.append("decision", seen.timestamp, cycle | dict(journal.decision_content(step.decision)))
    if step.verdict is not None:
        book.append("verdict", seen.timestamp, cycle | dict(journal.verdict_content(step.verdict)))
    if step.receipt is not None:
        book.append("receipt", seen.timestamp, cycle | dict(journal.receipt_content(step.receipt)))
        for entry in entries_of(step.receipt, seen.deployment, settings.account, seen.timestamp):
            ledger.post((entry,))
            book.append("entry", seen.timestamp, cycle | dict(journal.entry_content(entry)))
    if step.held:
        book.append("held", seen.timestamp, cycle | {"reason": step.held})


def reading_at(tape: Tape, row: int) -> Reading:
    """One row as the reading it was, or would have been."""
    timestamp, block = int(tape.timestamp[row]), int(tape.block[row])
    prices = tape.price_usd_e8[row].tolist()
    return Reading(
        block=block,
        block_hash=f"row {row} of {tape.digest}",
        timestamp=timestamp,
        base_fee_wei=int(tape.base_fee_wei[row]),
        states=tuple(tape.states.state(row, market) for market in range(len(tape.deployment.markets))),
        quotes=tuple(
            Quote(asset, price, "tape", timestamp) for asset, price in zip(tape.deployment.assets, prices, strict=True) if price
        ),
    )

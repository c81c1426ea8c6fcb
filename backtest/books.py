"""What a run writes down as it goes: every step into the journal, what moved into the ledger. Refuses to close books that do not
come out to the unit."""

from collections.abc import Sequence
from typing import Final

from backtest.movers import cycle_of
from backtest.runs import LIQUIDATION, Liquidation, Segment, Step
from backtest.world import reading_at
from strategies.domain import Address, Portfolio
from strategies.tape import Observation, Tape
from wallets import journal, wire
from wallets.journal import Journal
from wallets.ledger import Entry, Ledger, accruals, entries_of, market_account, moved, opening, reconcile


class Books:
    """The books of a judged run."""

    def __init__(self, tape: Tape, account: Address, portfolio: Portfolio) -> None:
        self._tape: Final = tape
        self._account: Final = account
        self.journal: Final = Journal()
        self.ledger: Final = Ledger(opening(portfolio, int(tape.timestamp[0])))
        self._held, self._held_text = portfolio, journal.held_text(portfolio)
        self._liquidated = 0
        self._interest_row = -1  # up to which interest is booked because a liquidation followed

    def record(self, step: Step) -> None:
        """Write a step down as the graph's record node does, and post what moved."""
        seen, cycle, entries = step.seen, cycle_of(step.seen), tuple[Entry, ...]()
        lines = [("observation", self._observed(seen, cycle)), ("decision", journal.record_text(step.decision, cycle))]
        if step.verdict is not None:
            lines.append(("verdict", journal.record_text(step.verdict, cycle)))
        if step.receipt is not None:
            entries = entries_of(step.receipt, seen.deployment, self._account, seen.timestamp)
            lines.append(("receipt", journal.record_text(step.receipt, cycle)))
            lines += [("entry", journal.entry_text(entry, cycle)) for entry in entries]
        if step.held:
            lines.append(("held", wire.canonical({"cycle": cycle, "reason": step.held})))
        self.ledger.post(entries)
        self.journal.write(cycle, seen.timestamp, lines)

    def _observed(self, seen: Observation, cycle: str) -> str:
        """What is held stays the same from one move to the next, and is told once."""
        if seen.portfolio is not self._held:
            self._held, self._held_text = seen.portfolio, journal.held_text(seen.portfolio)
        return journal.observation_text(seen, cycle, self._held_text)

    def liquidate(self, done: Sequence[Liquidation], segments: Sequence[Segment]) -> None:
        """Book the liquidations that are not booked yet: interest up to each, then what was repaid and what was taken."""
        for event in done[self._liquidated :]:
            at = [(segment.row, segment.cause) for segment in segments].index((event.row, LIQUIDATION))
            timestamp, reading = int(self._tape.timestamp[event.row]), reading_at(self._tape, event.row)
            if self._interest_row != event.row:
                self.ledger.post(accruals(self.ledger, segments[at - 1].portfolio, reading, self._tape.deployment))
                self._interest_row = event.row
            for entry in entries_of_liquidation(event, timestamp):
                self.ledger.post((entry,))
                self.journal.append("entry", timestamp, journal.entry_content(entry))
        self._liquidated = len(done)

    def close(self, portfolio: Portfolio) -> None:
        """Books what accrued and compares with what is held at the end. Raises LedgerMismatch."""
        reconcile(self.ledger, portfolio, reading_at(self._tape, len(self._tape) - 1), self._tape.deployment)


def entries_of_liquidation(done: Liquidation, timestamp: int) -> tuple[Entry, ...]:
    """What was repaid for us, and what of our supply was taken; collateral that no claim's value counts was never booked."""
    repaid = moved(timestamp, LIQUIDATION, done.repaid, giver=LIQUIDATION, taker=market_account(done.debt))
    if done.seized.asset != done.collateral.asset:
        return (repaid,)
    return repaid, moved(timestamp, LIQUIDATION, done.seized, giver=market_account(done.collateral), taker=LIQUIDATION)

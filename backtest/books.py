"""What a run writes down as it goes: every step into the journal, what moved into the ledger. Refuses to close books that do not
come out to the unit."""

from typing import Final

from backtest.movers import cycle_of
from backtest.runs import Step
from backtest.world import reading_at
from strategies.domain import Address, Portfolio
from strategies.tape import Tape
from wallets import journal
from wallets.journal import Journal
from wallets.ledger import Ledger, entries_of, opening, reconcile


class Books:
    """The books of a judged run."""

    def __init__(self, tape: Tape, account: Address, portfolio: Portfolio) -> None:
        self._tape: Final = tape
        self._account: Final = account
        self.journal: Final = Journal()
        self.ledger: Final = Ledger(opening(portfolio, int(tape.timestamp[0])))

    def record(self, step: Step) -> None:
        """Write a step down as the graph's record node does, and post what moved."""
        seen, cycle, book = step.seen, {"cycle": cycle_of(step.seen)}, self.journal
        at = seen.timestamp
        book.append("observation", at, cycle | dict(journal.observation_content(seen)))
        book.append("decision", at, cycle | dict(journal.decision_content(step.decision)))
        if step.verdict is not None:
            book.append("verdict", at, cycle | dict(journal.verdict_content(step.verdict)))
        if step.receipt is not None:
            book.append("receipt", at, cycle | dict(journal.receipt_content(step.receipt)))
            for entry in entries_of(step.receipt, seen.deployment, self._account, at):
                self.ledger.post((entry,))
                book.append("entry", at, cycle | dict(journal.entry_content(entry)))
        if step.held:
            book.append("held", at, cycle | {"reason": step.held})

    def close(self, portfolio: Portfolio) -> None:
        """Books what accrued and compares with what is held at the end. Raises LedgerMismatch."""
        reconcile(self.ledger, portfolio, reading_at(self._tape, len(self._tape) - 1), self._tape.deployment)

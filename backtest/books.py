"""What a run writes down as it goes: every step into the journal, what moved into the ledger. Refuses to close books that do not
come out to the unit."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from backtest.movers import cycle_of
from backtest.runs import LIQUIDATION, Liquidation, Segment, Step
from backtest.world import reading_at
from strategies.domain import Address, Portfolio
from strategies.tape import Tape
from wallets import journal, wire
from wallets.journal import Journal
from wallets.ledger import Entry, Ledger, accruals, entries_of, market_account, moved, opening, reconcile

TOGETHER: Final = 64  # steps written down at once, which takes a third less than one by one


class Books:
    """The books of a judged run."""

    def __init__(self, tape: Tape, account: Address, portfolio: Portfolio) -> None:
        self._tape: Final = tape
        self._account: Final = account
        self.journal: Final = Journal()
        self.ledger: Final = Ledger(opening(portfolio, int(tape.timestamp[0])))
        self._held, self._held_text = portfolio, journal.held_text(portfolio)
        self._taken: Final = list[Step]()
        self._liquidated = 0
        self._interest_row = -1  # up to which interest is booked because a liquidation followed

    def record(self, step: Step) -> None:
        """Take a step down; written with others, in their order, before anything else is booked."""
        self._taken.append(step)
        if len(self._taken) == TOGETHER:
            self._write()

    def _write(self) -> None:
        """Write the steps down as the graph's record node does, and post what moved."""
        sights = sights_at(self._tape, [step.seen.row for step in self._taken])
        for step, sight in zip(self._taken, sights, strict=True):
            self._write_step(step, sight)
        self._taken.clear()

    def _write_step(self, step: Step, sight: str) -> None:
        seen, cycle, timestamp = step.seen, cycle_of(step.seen), step.seen.timestamp
        if seen.portfolio is not self._held:  # what is held stays the same from one move to the next, and is told once
            self._held, self._held_text = seen.portfolio, journal.held_text(seen.portfolio)
        lines = [
            ("observation", timestamp, journal.observation_text(sight, cycle, self._held_text, seen.moved_at)),
            ("decision", timestamp, journal.record_text(step.decision, cycle)),
        ]
        if step.verdict is not None:
            lines.append(("verdict", timestamp, journal.record_text(step.verdict, cycle)))
        if step.receipt is not None:
            entries = entries_of(step.receipt, seen.deployment, self._account, timestamp)
            lines.append(("receipt", timestamp, journal.record_text(step.receipt, cycle)))
            lines += [("entry", timestamp, journal.entry_text(entry, cycle)) for entry in entries]
            self.ledger.post(entries)
        if step.held:
            lines.append(("held", timestamp, wire.canonical({"cycle": cycle, "reason": step.held})))
        self.journal.write(cycle, lines)

    def liquidate(self, done: Sequence[Liquidation], segments: Sequence[Segment]) -> None:
        """Book the liquidations that are not booked yet: interest up to each, then what was repaid and what was taken."""
        if len(done) == self._liquidated:
            return
        self._write()
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
        """Writes down what is left, books what accrued and compares with what is held at the end. Raises LedgerMismatch."""
        self._write()
        reconcile(self.ledger, portfolio, reading_at(self._tape, len(self._tape) - 1), self._tape.deployment)


def sights_at(tape: Tape, rows: Sequence[int]) -> list[str]:
    """What a journal says that everybody could see at some rows, told at once. Raises MalformedRecord on an infinite rate."""
    at = np.array(rows, dtype=np.int64)
    blocks = zip(tape.block[at].tolist(), tape.timestamp[at].tolist(), tape.base_fee_wei[at].tolist(), strict=True)
    columns = np.concatenate([getattr(tape, column)[at] for column in journal.COLUMNS], axis=1)
    return journal.sight_texts(tape.deployment, list(blocks), tape.price_usd_e8[at], columns, tape.fresh[at])


def entries_of_liquidation(done: Liquidation, timestamp: int) -> tuple[Entry, ...]:
    """What was repaid for us, and what of our supply was taken; collateral that no claim's value counts was never booked."""
    repaid = moved(timestamp, LIQUIDATION, done.repaid, giver=LIQUIDATION, taker=market_account(done.debt))
    if done.seized.asset != done.collateral.asset:
        return (repaid,)
    return repaid, moved(timestamp, LIQUIDATION, done.seized, giver=market_account(done.collateral), taker=LIQUIDATION)

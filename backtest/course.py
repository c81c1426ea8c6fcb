"""What is held from when while a run goes on: plans, what our own size takes off interest, liquidations, and how long money was
wanted out of where it could not leave. Refuses nothing itself.

A portfolio that nothing thins and that owes nothing is only looked up; the others are brought to each row that is asked for."""

from bisect import bisect_left
from typing import Final

from backtest.impact import Thinned
from backtest.liquidation import liquidated
from backtest.lookout import Lookout
from backtest.prepared import Prepared
from backtest.runs import INTEREST, LIQUIDATION, OPENING, Liquidation, Run, RunSettings, Segment, Step
from strategies.domain import Portfolio
from strategies.tape import Ints, Tape
from wallets.journal import Journal
from wallets.ledger import Ledger


class Course:
    """Asked for rows in their order."""

    def __init__(self, prepared: Prepared, settings: RunSettings, lookout: Lookout | None, rows: list[int]) -> None:
        asset, tape = settings.decide.asset, prepared.tape
        self._sizes: Final = None if settings.impact is None else prepared.own_size(asset, settings.impact)
        self._prepared: Final = prepared
        self.settings: Final = settings
        self.recorded: Final[Tape] = tape
        self._lookout: Final = lookout
        self._rows: Final = rows
        self._stuck: Final = Stuck(tape.timestamp)
        self._settled = 0  # of the tape's days
        self.tape: Final[Tape] = tape if self._sizes is None else self._sizes.tape  # as decisions see it
        self.segments: Final = [Segment(0, settings.opening, cause=OPENING)]
        self.liquidations: Final = list[Liquidation]()
        self.moved_at: int | None = None
        self.moves = 0
        self.next = 0  # the decision row from which on something may be decided again
        self.impact_raw = 0
        self._begin(settings.opening, 0, 0)

    def at(self, row: int) -> Portfolio:
        """What is held at a row."""
        return self._held if self._is_still else self._later(row)

    def go_on(self, at: int, due: int | None, segment: Segment | None, stuck_row: int | None) -> None:
        """What was decided at a decision row was due at a row, and left something behind where it executed; from `stuck_row` on
        something that shall leave a market cannot."""
        self._passed_over(at)
        if stuck_row is not None:
            self._stuck.begin(stuck_row)
        elif segment is not None or due is None:
            self._stuck.end(self._rows[at] if segment is None else segment.row)
        self.next = at + 1 if due is None else max(at + 1, bisect_left(self._rows, due))
        if segment is not None:
            self._spend(segment.row)
            self.segments.append(segment)
            self.moves += 1
            self.moved_at = int(self._prepared.tape.timestamp[segment.row])
            self._begin(segment.portfolio, segment.row, at + 1)

    def close(self) -> Portfolio:
        """What is held at the tape's end."""
        last = len(self._prepared.tape) - 1
        self._passed_over(len(self._rows))
        self._stuck.end(last)
        held = self.at(last)
        self._spend(last)
        if held is not self.segments[-1].portfolio:
            self.segments.append(Segment(last, held, cause=INTEREST))
        return held

    def finished(self, steps: tuple[Step, ...], *, decisions: int, ledger: Ledger, journal: Journal) -> Run:
        """The run, once closed."""
        liquidations, stuck_seconds = tuple(self.liquidations), self._stuck.seconds
        segments = tuple(self.segments)
        made = (self.recorded, self.settings, segments, steps, decisions, ledger, journal)
        return Run(*made, impact_raw=self.impact_raw, stuck_seconds=stuck_seconds, liquidations=liquidations)

    def _passed_over(self, at: int) -> None:
        """Decision rows at which everything was plainly kept: nothing shall leave any more."""
        if at > self.next:
            self._stuck.end(self._rows[self.next])

    def _begin(self, portfolio: Portfolio, row: int, first: int) -> None:
        """What is held from a row on, and decided on from a decision row on."""
        self._held, self._looked = portfolio, row
        self._owes = any(held.debt_raw for held in portfolio.positions)
        has_thin = self._sizes is not None and bool(portfolio.positions)
        self._thinned = Thinned(self._sizes, portfolio, row) if self._sizes is not None and has_thin else None
        self._is_still = self._thinned is None and not self._owes
        if self._lookout is not None:
            self._lookout.hold(portfolio, first, self._thinned)

    def _later(self, row: int) -> Portfolio:
        if self._owes:
            self._liquidate(row)
        if self._thinned is None:
            return self._held
        ends = self._prepared.day_ends
        self._settled = max(self._settled, bisect_left(ends, self.segments[-1].row + 1))
        while self._settled < len(ends) and ends[self._settled] < row:
            day_end = ends[self._settled]
            self.segments.append(Segment(day_end, self._thinned.at(day_end), cause=INTEREST))
            self._settled += 1
        return self._thinned.at(row)

    def _liquidate(self, row: int) -> None:
        """What others do to an account whose debts are no longer covered, row by row."""
        for at in range(self._looked, row + 1):
            held, done = liquidated(self._prepared.tape, at, self._held)
            if done:
                self.segments.append(Segment(at, held, cause=LIQUIDATION))
                self.liquidations.extend(done)
                self._held = held
        self._looked = row + 1
        self._owes = any(held.debt_raw for held in self._held.positions)
        self._is_still = self._thinned is None and not self._owes

    def _spend(self, row: int) -> None:
        if self._thinned is not None:
            self.impact_raw += self._thinned.spent_raw(row)


class Stuck:
    """Time during which something that shall leave cannot."""

    def __init__(self, timestamp: Ints) -> None:
        self._timestamp: Final = timestamp
        self._since: int | None = None
        self.seconds = 0

    def begin(self, row: int) -> None:
        """From a row on, unless it has begun before."""
        if self._since is None:
            self._since = int(self._timestamp[row])

    def end(self, row: int) -> None:
        """It left at a row, or is no longer wanted out."""
        if self._since is not None:
            self.seconds += int(self._timestamp[row]) - self._since
            self._since = None

"""What an importer found wrong with a source and what it did about it, as counts. Refuses nothing: it only says the shapes."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from backtest.checking.marks import Finding
from backtest.terms import Terms
from strategies.tape import Bools, Ints

FROZEN_ROWS: Final = 24  # a market that repeats itself for longer is worth naming


@dataclass(frozen=True, slots=True)
class Run:
    """So many consecutive rows or hours, from the first on; Unix seconds."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class MarketDefects:
    """One market's source, inside the window."""

    market_id: str
    file: str
    sha256: str
    rows: int
    carried_rows: int  # the snapshot is the one before: kept, not fresh
    frozen: tuple[Run, ...]  # carried for more than a day
    missing: tuple[Run, ...]  # hours without a row: left as gaps in time
    null_rows: int  # no rate or no utilisation: left unsaid
    over_lent_rows: int  # utilisation above one: kept as said, nothing can be withdrawn
    spike_rows: int  # above 20 % a year and covered by what borrowers pay: real, kept
    refused_rows: int  # above 20 % a year and not covered: left unsaid

    @property
    def missing_hours(self) -> int:
        return sum(run.count for run in self.missing)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was read, what was wrong with it, and what was done."""

    source: str
    asset: str
    start: int
    end: int
    rows: int
    markets: tuple[MarketDefects, ...]
    notes: tuple[str, ...]  # what holds for every row: units, prices, gas
    findings: tuple[Finding, ...] = ()  # each thing that was wrong, market by market, with what was done
    terms: tuple[tuple[str, Terms], ...] = ()  # by market id, of each that is not open at any time


def runs_of(flags: Bools, timestamp: Ints, longer_than: int) -> tuple[Run, ...]:
    """Maximal stretches of more true rows than so many."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    first, count = edges[::2], edges[1::2] - edges[::2]
    long = count > longer_than
    return tuple(Run(at, rows) for at, rows in zip(timestamp[first[long]].tolist(), count[long].tolist(), strict=True))


def gaps_of(timestamp: Ints, step_seconds: int) -> tuple[Run, ...]:
    """Missing steps between rows, from the first missing one on."""
    steps = np.diff(timestamp) // step_seconds
    return tuple(Run(int(timestamp[at]) + step_seconds, int(steps[at]) - 1) for at in np.flatnonzero(steps > 1))

"""What can be wrong with a cell of recorded rates, as bits, and a finding: which rows of which market have it, and what was done.
Refuses nothing by itself: `refusing` says which bits make a cell unsaid, and the tape does it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

import numpy as np

from strategies.tape import Bools, Ints


class Mark(IntFlag):
    """One thing that is known about a cell. The first group makes it unsaid; the second informs and leaves it."""

    NOT_A_NUMBER = 1 << 0  # no number or infinite, where the source has a row
    NEGATIVE = 1 << 1  # a rate, an amount or a price below zero
    ZERO_FOR_MISSING = 1 << 2  # nothing, written as zero
    SPIKE = 1 << 3  # a jump that nothing else in the source bears out
    UNIT = 1 << 4  # percent for a fraction, basis points, milliseconds
    DECIMALS = 1 << 5  # an index or a price off by a power of ten
    BACKWARDS = 1 << 6  # an index below an earlier one, with no loss that explains it
    INDEX_APART = 1 << 7  # an index that grew far from what the rates said
    REPEATED = 1 << 8  # a second row of one time that says otherwise
    DISORDER = 1 << 9  # a row that stands after a later one
    SOURCES_APART = 1 << 10  # two sources that disagree
    PLACEHOLDER = 1 << 11  # what a collector writes when it has no answer
    EXPIRED = 1 << 12  # a market at or after the end of its life
    OVERFLOW = 1 << 13  # beyond what its column can hold
    CLOSED = 1 << 14  # a market that its protocol has paused, frozen or not opened

    AFTER_GAP = 1 << 16  # rows are missing before this one
    CARRIED = 1 << 17  # repeated by the source: kept, not fresh
    REAL_SPIKE = 1 << 18  # a jump that utilisation, curve or an index bears out
    OVER_LENT = 1 << 19  # more is borrowed than is supplied
    LOSS = 1 << 20  # an index that fell because assets were lost
    OTHER_INCOME = 1 << 21  # an index that grew by more than interest
    DRAINED = 1 << 22  # all is lent out: nothing can be withdrawn
    REVISED = 1 << 23  # the source said something else at first
    MISLABELLED = 1 << 24  # a name that its contract contradicts
    DUST = 1 << 25  # so little is in it that what it earned says nothing: no rate is said, the index goes on


REFUSING: Final = Mark((1 << 16) - 1)


def refusing(marks: Ints) -> Bools:
    """The cells that their marks make unsaid."""
    refused: Bools = (marks & int(REFUSING)) != 0
    return refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """So many rows of one market or file with one mark: where they begin, what was done, and in which words a person is told."""

    mark: Mark
    subject: str  # a market's id, or a file's name
    count: int
    first: int  # Unix seconds of the first row
    treatment: str  # what was done with those rows
    detail: str = ""  # figures a person can check
    rows: tuple[int, ...] = ()  # of the record, in its own order; empty where the rows are not in the tape


def marks_of(findings: Iterable[Finding], rows: int) -> Ints:
    """Findings about one record as one bit set a row."""
    marks = np.zeros(rows, dtype=np.int64)
    for finding in findings:
        if finding.rows:
            marks[list(finding.rows)] |= int(finding.mark)
    return marks

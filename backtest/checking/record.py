"""One market as its source wrote it: its own rows in its own order, in our units, before anything was left out. Refuses columns
of different lengths."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final

import numpy as np

from backtest.checking.marks import Finding
from strategies.errors import BadTape
from strategies.tape import Floats, Ints

EARLIEST: Final = 1_230_768_000  # 2009-01-01: no chain is older
LATEST: Final = 4_102_444_800  # 2100-01-01: milliseconds read as seconds lie beyond it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """NaN is a value that was not said; a column of a source that lacks it is NaN throughout."""

    market: str
    source: str  # the file
    step_seconds: int  # between rows, as the source means it
    timestamp: Ints  # when each row was known
    supply_apr: Floats  # per year, fractions
    borrow_apr: Floats
    utilisation: Floats
    available: Floats  # whole units that can be withdrawn
    index_ray: tuple[int, ...] = ()  # asset per share; 0 where not said; (): the source has none
    told_at: Ints | None = None  # when what a row repeats was first said: the snapshot, the last event; None: not recorded
    oracle_usd_e8: Ints | None = None  # 0: none
    posted: bool = False  # somebody sets the rate, so that it stands for weeks
    findings: tuple[Finding, ...] = field(default=())  # what the importer knows; rows as here

    def __len__(self) -> int:
        return len(self.timestamp)

    def __post_init__(self) -> None:
        for item in fields(self):
            column = getattr(self, item.name)
            if isinstance(column, np.ndarray) and column.shape != self.timestamp.shape:
                raise BadTape(f"{self.source}: {item.name} of {self.market} has {len(column)} rows, its clock {len(self)}")
        if self.index_ray and len(self.index_ray) != len(self):
            raise BadTape(f"{self.source}: the index of {self.market} has {len(self.index_ray)} rows, its clock {len(self)}")


def unsaid(rows: int) -> Floats:
    """A column that a source does not have."""
    return np.full(rows, np.nan)


def rows_of(record: Record, rows: Sequence[int]) -> Record:
    """Some rows, in this order. What the importer found is renumbered; what it found in other rows keeps its count only."""
    at = np.asarray(rows, dtype=np.int64)
    columns = {
        item.name: getattr(record, item.name)[at] for item in fields(record) if isinstance(getattr(record, item.name), np.ndarray)
    }
    place = {old: new for new, old in enumerate(at.tolist())}
    findings = tuple(
        replace(finding, rows=tuple(place[row] for row in finding.rows if row in place)) for finding in record.findings
    )
    index_ray = tuple(record.index_ray[row] for row in at.tolist()) if record.index_ray else ()
    return replace(record, **columns, index_ray=index_ray, findings=findings)

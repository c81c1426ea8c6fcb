"""What a public format is to the catalogue. Refuses nothing: it only says the shape."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backtest.checking.marks import Finding
from backtest.checking.record import Record
from backtest.importers.defects import ImportReport
from backtest.importers.lending import Request
from strategies.tape import Tape


@dataclass(frozen=True, slots=True)
class Format:
    """One public format. `assets`: what of a folder can become a tape; none where the format cannot."""

    name: str
    line: str  # what it is, for a list
    recognises: Callable[[Path], bool]
    assets: Callable[[Path], tuple[str, ...]]
    check: Callable[[Path], tuple[Finding, ...]]
    import_tape: Callable[[Path, Request], tuple[Tape, ImportReport]]
    records: Callable[[Path], tuple[Record, ...]] | None = None  # markets that can be compared with another source's

"""Small sources as tests write them, and where the real ones are."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from backtest.checking.marks import Finding, Mark
from backtest.importers.catalogue import format_named
from backtest.importers.defects import ImportReport
from backtest.importers.lending import Request
from strategies.tape import Tape

SHARED = Path(__file__).parents[4] / "shared" / "data"
START = 1_672_531_200  # 2023-01-01 00:00 UTC
HOUR = 3_600
DAY = 86_400
EVERYTHING = 2**40


def shared(name: str) -> Path:
    """A folder of the real data; skips where it is not there."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs shared/data/{name} beside the repository")
    return folder


def imported(name: str, folder: Path, asset: str, *, start: int = 0, end: int = EVERYTHING) -> tuple[Tape, ImportReport]:
    """A folder of a format as a tape, without gas and ether."""
    return format_named(name).import_tape(folder, Request(asset, start, end))


def said(report: ImportReport) -> dict[tuple[str, Mark], int]:
    """How many rows of each market have each mark."""
    return {(finding.subject, finding.mark): finding.count for finding in report.findings}


def write_text(path: Path, header: str, rows: Sequence[Sequence[object]]) -> Path:
    """Comma-separated text, packed where the name says so."""
    text = "\n".join([header, *(",".join(str(value) for value in row) for row in rows), ""])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def write_parquet(path: Path, columns: Mapping[str, object]) -> Path:
    parquet.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    return path


def moments(count: int, step: int = HOUR, start: int = START) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return start + step * np.arange(count, dtype=np.int64)


def counts(findings: Sequence[Finding]) -> dict[Mark, int]:
    """How many rows have each mark."""
    made: dict[Mark, int] = {}
    for finding in findings:
        made[finding.mark] = made.get(finding.mark, 0) + finding.count
    return made

"""Columns of a source's table by name, as the file wrote them: comma-separated text (packed or not) and Parquet. Refuses a
file that cannot be read, lacks a column or is not what its name says; changes no value, but cuts a ray after 27 decimals."""

import csv
import gzip
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation, localcontext
from pathlib import Path
from typing import Any, Final

import numpy as np

from strategies.errors import BadTape
from strategies.tape import Floats, Ints

MILLISECONDS: Final = 1_000
MOST_HEADER: Final = 100_000  # characters; a file without line ends is no table
_RAY_DECIMALS: Final = 27
_MOST_DIGITS: Final = 77  # a contract's word holds no more
_CUT: Final = Context(prec=_MOST_DIGITS + _RAY_DECIMALS + 1, rounding=ROUND_DOWN)
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def text_of(path: Path) -> str:
    """A text file's content, unpacked where its name ends in .gz. Raises BadTape."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadTape(f"{path.name} cannot be read as text: {error}") from error


def header_of(path: Path) -> tuple[str, ...]:
    """The names of a comma-separated file's columns; none where it is no such file. Reads the first line only."""
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as file:
            return tuple(next(csv.reader([file.readline(MOST_HEADER)]), ()))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error):
        return ()


def text_columns(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Columns of a comma-separated file, as text. Raises BadTape for a missing column and for a row of another length."""
    rows = csv.reader(text_of(path).splitlines())
    header = next(rows, [])
    missing = [name for name in names if name not in header]
    if missing:
        raise BadTape(f"{path.name} lacks the column {missing[0]}; it has {', '.join(header) or 'none'}")
    table = list(rows)
    odd = next((at for at, row in enumerate(table) if len(row) != len(header)), None)
    if odd is not None:
        raise BadTape(f"{path.name} line {odd + 2} has {len(table[odd])} fields, its header {len(header)}")
    return {name: [row[at] for row in table] for name in names for at in (header.index(name),)}


def parquet_names(path: Path) -> tuple[str, ...]:
    """The names of a Parquet file's columns; none where it is no such file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return tuple(parquet.ParquetFile(path).schema_arrow.names)
    except (OSError, pa.ArrowException):
        return ()


def parquet_columns(path: Path, names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of a Parquet file as Python values, null as None; times as whole Unix seconds, rounded down. Raises BadTape."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        found = set(file.schema_arrow.names)
        missing = [name for name in names if name not in found]
        if missing:
            raise BadTape(f"{path.name} lacks the column {missing[0]}; it has {', '.join(sorted(found))}")
        table = file.read(columns=list(names))
    except (OSError, pa.ArrowException) as error:
        raise BadTape(f"{path.name} cannot be read: {error}") from error
    return {name: _values(pa, table[name]) for name in names}


def floats(path: Path, name: str, values: Iterable[object]) -> Floats:
    """A column as floats; empty text and null are NaN. Raises BadTape."""
    try:
        return np.array([np.nan if value in (None, "") else float(value) for value in values], dtype=np.float64)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise BadTape(f"{path.name}: column {name} holds what is no number: {error}") from error


def wholes(path: Path, name: str, values: Iterable[object]) -> Ints:
    """A column of whole numbers, none missing. Raises BadTape."""
    try:
        return np.array([int(value) for value in values], dtype=np.int64)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError) as error:
        raise BadTape(f"{path.name}: column {name} holds what is no whole number: {error}") from error


def ray_of(text: str) -> int:
    """An index or a share price as a ray, exactly; what lies beyond 27 decimals is cut. Raises BadTape."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise BadTape(f"{text!r} is no index or share price") from error
    if not value.is_finite() or value < 0 or value.adjusted() > _MOST_DIGITS:
        raise BadTape(f"{text!r} is no index or share price")
    with localcontext(_CUT):
        return int(value.scaleb(_RAY_DECIMALS))


def seconds_of(path: Path, name: str, values: Iterable[str]) -> Ints:
    """A column of ISO times (no zone: UTC) as Unix seconds, rounded down. Raises BadTape."""
    try:
        times = [datetime.fromisoformat(value) for value in values]
    except (TypeError, ValueError) as error:
        raise BadTape(f"{path.name}: column {name} holds what is no time: {error}") from error
    aware = [time if time.tzinfo else time.replace(tzinfo=UTC) for time in times]
    return np.array([int(time.timestamp() // 1) for time in aware], dtype=np.int64)


def _values(pa: Any, column: Any) -> list[Any]:
    """Arrow's own values; times by their stored whole numbers, because Arrow makes pandas objects of nanoseconds."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        per_second = _PER_SECOND[kind.unit]
        stored = [value for chunk in column.chunks for value in chunk.view(pa.int64()).to_pylist()]
        return [None if value is None else value // per_second for value in stored]
    if pa.types.is_date32(kind):
        days = [value for chunk in column.chunks for value in chunk.view(pa.int32()).to_pylist()]
        return [None if value is None else value * 86_400 for value in days]
    values: list[Any] = column.to_pylist()
    return values

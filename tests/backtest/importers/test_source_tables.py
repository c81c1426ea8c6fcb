"""Columns as their files wrote them, and files that are not what their names say."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.importers.source_tables import (
    floats,
    header_of,
    parquet_columns,
    parquet_names,
    ray_of,
    seconds_of,
    text_columns,
    text_of,
    wholes,
)
from strategies.errors import BadTape
from strategies.units import RAY
from tests.backtest.importers.written import START, write_parquet, write_text

PATH = Path("prices.csv")


def test_packed_and_plain_text_are_read_alike(tmp_path: Path) -> None:
    for name in ("a.csv", "a.csv.gz"):
        path = write_text(tmp_path / name, "x,y", [["1.10", "b"]])
        assert header_of(path) == ("x", "y") and text_columns(path, ("x",)) == {"x": ["1.10"]}


def test_a_file_that_is_no_table_has_no_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"not packed")
    assert header_of(path) == () and parquet_names(path) == () and header_of(tmp_path / "none.csv") == ()


def test_refuses_text_that_cannot_be_read(tmp_path: Path) -> None:
    torn, foreign = tmp_path / "a.csv.gz", tmp_path / "a.csv"
    torn.write_bytes(write_text(tmp_path / "b.csv.gz", "x", [["1"]]).read_bytes()[:-4])
    foreign.write_bytes(b"\xff\xfe\x00")
    for path in (torn, foreign, tmp_path / "none.csv"):
        with pytest.raises(BadTape, match="cannot be read as text"):
            text_of(path)


def test_refuses_a_missing_column_and_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="lacks the column z; it has x, y"):
        text_columns(write_text(tmp_path / "a.csv", "x,y", [["1", "2"]]), ("z",))
    with pytest.raises(BadTape, match="lacks the column z; it has x"):
        parquet_columns(write_parquet(tmp_path / "a.parquet", {"x": [1]}), ("z",))
    with pytest.raises(BadTape, match="cannot be read"):
        parquet_columns(tmp_path / "none.parquet", ("x",))


@pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_parquet_times_of_any_unit_are_whole_seconds(tmp_path: Path, unit: str, scale: int) -> None:
    times = pa.array([START * scale, None], pa.int64()).cast(pa.timestamp(unit))
    assert parquet_columns(write_parquet(tmp_path / "a.parquet", {"t": times}), ("t",)) == {"t": [START, None]}


def test_an_empty_number_is_none_and_another_word_is_refused() -> None:
    assert np.isnan(floats(PATH, "x", ["", None])).all() and floats(PATH, "x", ["1.5"]).tolist() == [1.5]
    with pytest.raises(BadTape, match="column x holds what is no number"):
        floats(PATH, "x", ["much"])
    with pytest.raises(BadTape, match="column x holds what is no whole number"):
        wholes(PATH, "x", ["1.5"])


def test_a_time_without_a_zone_is_utc() -> None:
    told = seconds_of(PATH, "t", ["2023-01-01T00:00:00", "2023-01-01T00:00:00.999Z", "2023-01-01T01:00:00+01:00"])
    assert told.tolist() == [START] * 3
    with pytest.raises(BadTape, match="column t holds what is no time"):
        seconds_of(PATH, "t", ["soon"])


def test_decimal_text_becomes_a_ray_exactly() -> None:
    assert ray_of("1.2204534955462243") == 1_220_453_495_546_224_300_000_000_000
    assert ray_of("1.08e-12") == 1_080_000_000_000_000 and ray_of("2e-27") == 2 and ray_of("1e-999999999") == 0
    assert ray_of("1.0000000000000000000000000019") == RAY + 1  # cut, never rounded up
    assert ray_of(f"0.{'9' * 200}") == RAY - 1


@given(st.decimals(min_value=0, max_value=10**40, allow_nan=False))
def test_a_ray_is_the_number_of_its_text_cut_after_27_decimals(value: Decimal) -> None:
    assert ray_of(str(value)) == int(Fraction(value) * RAY)


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "-1", "one", "1.2.3", "1e78", "1e999999999", "1" * 5_000])
def test_refuses_text_that_is_no_index_or_share_price(text: str) -> None:
    with pytest.raises(BadTape, match="is no index or share price"):
        ray_of(text)

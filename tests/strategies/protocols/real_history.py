"""Readers of the shared historical files: every number an exact integer, in ray or base units. Refuses a number that is none.

Nothing of the files is kept here; a test that needs one skips where the shared folder is not beside the repository."""

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pyarrow import parquet

SHARED = Path(__file__).parents[4] / "shared" / "data"


def folder(name: str) -> Path:
    """A shared data set; the test that asks skips where it is missing."""
    if not (SHARED / name).is_dir():
        pytest.skip(f"the shared data set {name} is not beside the repository")
    return SHARED / name


def exact_raw(text: str, decimals: int) -> int:
    """A decimal text in base units. Raises ValueError where it says more digits than there are."""
    scaled = Decimal(text).scaleb(decimals)
    if scaled != int(scaled):
        raise ValueError(f"{text} has more than {decimals} decimals")
    return int(scaled)


def table(path: Path) -> list[dict[str, str]]:
    """A CSV file's rows, gzip or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(content.decode().splitlines()))


def columns(path: Path, *names: str) -> Iterator[tuple[object, ...]]:
    """Some columns of a Parquet file, row by row."""
    return zip(*(column.to_pylist() for column in parquet.read_table(path, columns=list(names)).columns), strict=True)


@dataclass(frozen=True, slots=True)
class Touched:
    """A reserve as its last touch before `timestamp` left it."""

    timestamp: int
    liquidity_rate_ray: int
    variable_rate_ray: int
    liquidity_index_ray: int
    variable_index_ray: int


def minutes(token: str) -> list[Touched]:
    """`aave-v3-polygon-minute`: the rows at which something changed; rates and indices have all their 27 digits."""
    rows: list[Touched] = []
    for path in sorted(folder("aave-v3-polygon-minute").glob(f"*-{token}-*.csv.gz")):
        for row in table(path):
            seen = _minute(row)
            if not rows or _said(seen) != _said(rows[-1]):
                rows.append(seen)
    return rows


def days(symbol: str) -> list[Touched]:
    """`aave-v3-eth-daily-index`: rates to 16 decimals, indices as the nearest double says them."""
    (path,) = folder("aave-v3-eth-daily-index").glob(f"aave_v3_*_{symbol}_rates_*.csv")
    return [
        Touched(
            timestamp=int(row["timestamp"]),
            liquidity_rate_ray=exact_raw(row["currentLiquidityRate"], 27),
            variable_rate_ray=exact_raw(row["currentVariableBorrowRate"], 27),
            liquidity_index_ray=exact_raw(row["liquidityIndex"], 27),
            variable_index_ray=exact_raw(row["variableBorrowIndex"], 27),
        )
        for row in table(path)
    ]


@dataclass(frozen=True, slots=True)
class Hour:
    """What an hour's last snapshot said of a reserve, and when that was."""

    timestamp: int
    snapshot_timestamp: int
    liquidity_rate_ray: int
    variable_rate_ray: int


def hours(symbol: str) -> Mapping[int, Hour]:
    """`aave-eth-hourly`, Aave V3: percent a year, as doubles. Hours without rates (dust, before the first loan) are left out."""
    path = folder("aave-eth-hourly") / f"aave_v3_{symbol.lower()}_eth.parquet"
    names = ("__index_level_0__", "timestamp", "lender_variable_apr", "borrower_variable_apr")
    read = {}
    for hour, snapshot, lent, owed in columns(path, *names):
        assert isinstance(hour, datetime)
        if isinstance(snapshot, float) and isinstance(lent, float) and isinstance(owed, float):
            at = int(hour.replace(tzinfo=UTC).timestamp())
            read[at] = Hour(at, int(snapshot), int(Decimal(lent).scaleb(25)), int(Decimal(owed).scaleb(25)))
    return read


@dataclass(frozen=True, slots=True)
class Sampled:
    """A vault at one block; what a double cannot say to the unit is a range, low end first."""

    at: str
    price: tuple[int, int]  # base units of the asset for one whole share
    assets: tuple[int, int]
    supply: tuple[int, int]
    fee_wad: int  # of the interest; 0 where the file says none


def vault(file: str, address: str, *, asset_decimals: int, share_decimals: int) -> list[Sampled]:
    """`vault-share-prices`: one vault's rows, oldest first."""
    names = ("address", "block_number", "timestamp", "share_price", "total_assets", "total_supply", "performance_fee")
    found = [row for row in columns(folder("vault-share-prices") / file, *names) if row[0] == address]
    return [
        Sampled(
            at=str(at),
            price=_around(price, asset_decimals),
            assets=_around(assets, asset_decimals),
            supply=_around(supply, share_decimals),
            fee_wad=0 if fee is None else round(float(str(fee)) * 10_000) * 10**14,
        )
        for _, _, at, price, assets, supply, fee in sorted(found, key=lambda row: int(str(row[1])))
    ]


def _around(value: object, decimals: int) -> tuple[int, int]:
    """The base units that print as this double: one number below 2**53, else all that round to it (half its last place, doubled
    for the decimal text in between)."""
    assert isinstance(value, float)
    raw = int(Decimal(repr(value)).scaleb(decimals))
    slack = 0 if raw < 2**53 else raw // 2**52 + 1
    return raw - slack, raw + slack


def _minute(row: Mapping[str, str]) -> Touched:
    return Touched(
        timestamp=int(datetime.fromisoformat(row["block_timestamp"]).replace(tzinfo=UTC).timestamp()),
        liquidity_rate_ray=exact_raw(row["liquidity_rate"], 27),
        variable_rate_ray=exact_raw(row["variable_borrow_rate"], 27),
        liquidity_index_ray=exact_raw(row["liquidity_index"], 27),
        variable_index_ray=exact_raw(row["variable_borrow_index"], 27),
    )


def _said(row: Touched) -> tuple[int, ...]:
    return row.liquidity_rate_ray, row.variable_rate_ray, row.liquidity_index_ray, row.variable_index_ray

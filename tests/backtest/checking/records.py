"""Small records for the tests of the detectors: an hourly market on a curve, as healthy as a pool gets unless a test hurts it."""

from dataclasses import replace

import numpy as np

from backtest.checking.record import Record
from strategies.tape import Floats
from strategies.units import RAY, SECONDS_PER_YEAR

START = 1_704_067_200
HOUR = 3_600
KINK = 0.80


def curve(utilisation: Floats) -> Floats:
    """A two-slope borrow rate: 4 % at the kink, 75 % above it at most."""
    below = 0.04 * np.minimum(utilisation, KINK) / KINK
    above = 0.75 * np.maximum(utilisation - KINK, 0) / (1 - KINK)
    rate: Floats = below + above
    return rate


def healthy(rows: int = 72, seed: int = 1) -> Record:
    """Utilisation wanders between 60 and 78 %; rates follow the curve, the index follows the rates."""
    rng = np.random.default_rng(seed)
    utilisation = 0.69 + 0.09 * np.sin(np.arange(rows) / 9) + 0.002 * rng.standard_normal(rows)
    return with_utilisation(utilisation)


def with_utilisation(utilisation: Floats) -> Record:
    """A record whose rates, amounts and index follow from its utilisation."""
    borrow = curve(utilisation)
    supply = borrow * utilisation * 0.9
    index_ray = [RAY]
    for rate in supply[:-1].tolist():
        index_ray.append(index_ray[-1] + int(index_ray[-1] * rate * HOUR / SECONDS_PER_YEAR))
    return Record(
        market="pool:USDC",
        source="pool.csv",
        step_seconds=HOUR,
        timestamp=START + HOUR * np.arange(len(utilisation), dtype=np.int64),
        supply_apr=supply,
        borrow_apr=borrow,
        utilisation=utilisation,
        available=1e8 * (1 - utilisation),
        index_ray=tuple(index_ray),
    )


def hurt(record: Record, row: int, **changes: float) -> Record:
    """The same with cells of one row replaced."""
    columns = {}
    for name, value in changes.items():
        column = getattr(record, name).copy()
        column[row] = value
        columns[name] = column
    return replace(record, **columns)


def scaled(record: Record, rows: slice | int, factor: float, *names: str) -> Record:
    """The same with some columns of some rows multiplied."""
    columns = {name: getattr(record, name).copy() for name in names}
    for column in columns.values():
        column[rows] *= factor
    return replace(record, **columns)


def with_index(record: Record, row: int, index_ray: int) -> Record:
    """The same with another index at one row."""
    return replace(record, index_ray=(*record.index_ray[:row], index_ray, *record.index_ray[row + 1 :]))

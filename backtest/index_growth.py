"""Indices as 64-bit limbs `[market, row]`: grown from rates in integers as the adapter grows them, or exactly as a source gave
them. Refuses an index that outgrows 128 bits, as no contract's could, and one below zero."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from strategies.errors import BadTape
from strategies.tape import Floats, Ints
from strategies.units import HALF_RAY, RAY, SECONDS_PER_YEAR

Limbs = npt.NDArray[np.uint64]
SaidRows = npt.NDArray[np.int32]

_BITS: Final = 128


def said_rows(supply_apr: Floats) -> SaidRows:
    """`[market, row]`: the latest row at or before this one at which the market spoke; -1 before the first."""
    rows = np.arange(len(supply_apr), dtype=np.int32)[:, None]
    said = np.where(np.isnan(supply_apr), np.int32(-1), rows)
    return np.ascontiguousarray(np.maximum.accumulate(said, axis=0).T)


def grown_limbs(timestamp: Ints, supply_apr: Floats, said: SaidRows) -> tuple[Limbs, Limbs]:
    """One market's index: 1e27 where it first speaks, then linear between rows at the rate said last. Raises BadTape."""
    first = int(np.searchsorted(said, 0))
    if first == len(said):
        return np.zeros(len(said), np.uint64), np.zeros(len(said), np.uint64)
    rates_ray = nearest_rays(supply_apr[said[first:-1]])
    index = _grown(rates_ray, np.diff(timestamp[first:]).tolist())
    return limbs_of([0] * first + index)


def given_limbs(index_ray: Sequence[int], trusted: npt.NDArray[np.bool_]) -> tuple[Limbs, Limbs]:
    """One market's index as its source gave it; where it gave none (0) or is not trusted, the one before. Raises BadTape."""
    if len(index_ray) != len(trusted):
        raise BadTape(f"an index has {len(index_ray)} rows, its tape {len(trusted)}")
    last, index = 0, list[int]()
    for value, counts in zip(index_ray, trusted.tolist(), strict=True):
        last = int(value) if value and counts else last
        index.append(last)
    return limbs_of(index)


def limbs_of(index_ray: Sequence[int]) -> tuple[Limbs, Limbs]:
    """Whole numbers as low and high 64 bits. Raises BadTape."""
    least, most = min(index_ray, default=0), max(index_ray, default=0)
    if least < 0 or most >> _BITS:
        raise BadTape(f"an index runs from {least} to {most}: it must lie in 0 to {_BITS} bits, as a contract's does")
    pairs = np.frombuffer(b"".join([value.to_bytes(16, "little") for value in index_ray]), dtype="<u8").reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])


def nearest_rays(apr: Floats) -> list[int]:
    """A column of rates in rays, each to the nearest: a double is a 53-bit whole over a power of two, so nothing is divided."""
    mantissa, exponent = np.frexp(apr)
    wholes = (mantissa * 2.0**53).astype(np.int64).tolist()
    return [(whole * RAY + (1 << shift >> 1)) >> shift for whole, shift in zip(wholes, (53 - exponent).tolist(), strict=True)]


def _grown(rates_ray: Sequence[int], seconds: Sequence[int]) -> list[int]:
    """The index at each row from 1e27 on: the adapter's own growth (recorded_index.index_now_ray), without a record a row."""
    index_ray = RAY
    grown = [index_ray]
    for rate_ray, elapsed in zip(rates_ray, seconds, strict=True):
        index_ray = (index_ray * (RAY + rate_ray * elapsed // SECONDS_PER_YEAR) + HALF_RAY) // RAY
        grown.append(index_ray)
    return grown

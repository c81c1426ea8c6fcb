"""Exact states out of columns: the index as two 64-bit limbs, all else as last said at or before the row. Refuses a tape whose
states are anything else."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from strategies.domain import Market
from strategies.errors import BadTape
from strategies.protocols.recorded_index import RecordedIndex
from strategies.tape import Floats, Ints, Tape
from strategies.units import MAX_UINT256, RAY, WAD

EXACT: Final = ("index_low", "index_high", "said_row", "oracle_usd_e8", "marks")  # what a tape's own columns do not hold


class IndexColumns:
    """States of recorded markets: limbs and said rows `[market, row]`, oracle prices and marks `[row, market]`."""

    __slots__ = (
        *("_columns", "_index_high", "_index_low", "_markets", "_marks", "_oracle_usd_e8", "_said_row", "_timestamp"),
        *("_looked_at", "_places", "_states"),
    )

    def __init__(self, markets: Sequence[Market], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._markets: Final = tuple(markets)
        self._timestamp: Final = arrays["timestamp"]
        self._columns: Final = tuple(arrays[name] for name in ("supply_apr", "borrow_apr", "utilisation", "available"))
        self._index_low: Final = arrays["index_low"]
        self._index_high: Final = arrays["index_high"]
        self._said_row: Final = arrays["said_row"]
        self._oracle_usd_e8: Final = arrays["oracle_usd_e8"]
        self._marks: Final = arrays["marks"]
        self._places: Final = np.arange(len(self._markets))
        self._looked_at = -1
        self._states: dict[int, RecordedIndex | None] = {}  # one decision asks for a state many times

    def index_ray(self, row: int, market: int) -> int:
        """The exact index; 0 before the market first spoke."""
        return int(self._index_high[market, row]) << 64 | int(self._index_low[market, row])

    def index_floats(self, market: int, rows: Ints | slice = slice(None)) -> Floats:
        """The index at rows as floats, starting near 1.0, for curves; 0.0 before the market first spoke."""
        high, low = self._index_high[market][rows], self._index_low[market][rows]
        index: Floats = (high.astype(np.float64) * 2.0**64 + low.astype(np.float64)) / RAY
        return index

    def marks(self) -> Ints:
        """`[row, market]`: what is known about each cell, as bits of `checking.Mark`."""
        return self._marks

    def exact(self) -> dict[str, npt.NDArray[Any]]:
        """The columns that a tape's own do not hold, by name."""
        return {name: getattr(self, f"_{name}") for name in EXACT}

    def withdrawable_raw(self, row: int, market: int) -> int:
        """What the adapter says can be taken out at a row, without the rest of the state; -1 before the market first spoke."""
        said = int(self._said_row[market, row])
        if said < 0:
            return -1
        available = float(self._columns[3][said, market])
        return MAX_UINT256 if math.isnan(available) else nearest(available, 10 ** self._markets[market].asset.decimals)

    def oracles_usd_e8(self, row: int) -> list[int]:
        """What each market's own oracle says; 0 where it says nothing, and before the market first spoke."""
        said = self._said_row[:, row]
        said_usd_e8 = self._oracle_usd_e8[said, self._places]
        if (said < 0).any():
            said_usd_e8 = np.where(said < 0, 0, said_usd_e8)
        listed: list[int] = said_usd_e8.tolist()
        return listed

    def state(self, row: int, market: int) -> RecordedIndex | None:
        """The market at a row; None before it first spoke."""
        if row != self._looked_at:
            self._looked_at, self._states = row, {}
        if market not in self._states:
            self._states[market] = self._state(row, market)
        return self._states[market]

    def _state(self, row: int, market: int) -> RecordedIndex | None:
        said = int(self._said_row[market, row])
        if said < 0:
            return None
        where = self._markets[market]
        supply_apr, borrow_apr, utilisation, available = [float(column[said, market]) for column in self._columns]
        return RecordedIndex(
            market=where,
            timestamp=int(self._timestamp[row]),
            index_ray=self.index_ray(row, market),
            supply_rate_ray=nearest(supply_apr, RAY),
            borrow_rate_ray=_nearest_or_none(borrow_apr, RAY),
            utilisation_wad=_nearest_or_none(utilisation, WAD),
            available_raw=_nearest_or_none(available, 10**where.asset.decimals),
            price_usd_e8=int(self._oracle_usd_e8[said, market]) or None,
        )


def index_columns(tape: Tape) -> IndexColumns:
    """The exact columns of a recorded tape. Raises BadTape for any other."""
    if not isinstance(tape.states, IndexColumns):
        raise BadTape("its states are not recorded indices")
    return tape.states


def nearest(value: float, scale: int) -> int:
    """A double times a scale, to the nearest whole, exactly."""
    numerator, denominator = value.as_integer_ratio()  # a power of two: a shift divides by it
    return (numerator * scale + (denominator >> 1)) >> (denominator.bit_length() - 1)


def _nearest_or_none(value: float, scale: int) -> int | None:
    return None if math.isnan(value) else nearest(value, scale)

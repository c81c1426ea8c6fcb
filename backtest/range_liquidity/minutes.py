"""A Uniswap V3 pool's minutes as columns: ticks, what was swapped in, and the liquidity in range at the close. Refuses columns
that no pool could have said: time that does not advance, ticks out of order or off the scale, amounts below zero.

A row is one minute. A *moment* is the start of a row, and one more at the end: moment i knows rows before i and nothing else, and
its price is the close of row i - 1 (of row 0: the opening tick). Between rows time may leap: a gap is never filled."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Final

import numpy as np

from strategies.domain import Asset
from strategies.errors import BadTape
from strategies.protocols.uniswap_v3.arithmetic import MAX_TICK, MAX_UINT128, MIN_TICK, PIPS
from strategies.tape import Floats, Ints

MINUTE: Final = 60
SQRT_STEP: Final = float(np.log1p(1e-4)) / 2  # the logarithm of one tick of the square root of the price
COLUMNS: Final = ("open_tick", "close_tick", "lowest_tick", "highest_tick")
AMOUNTS: Final = ("in0_raw", "in1_raw", "liquidity_raw")


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """What a pool is: its tokens in the contract's order, its fee, its tick spacing, and which token values are told in."""

    token0: Asset
    token1: Asset
    fee_pips: int  # millionths of what is swapped in
    tick_spacing: int
    quote: int  # 0 or 1
    protocol_fee: int  # slot0's feeProtocol of either token: one part in so many of the fee is not the providers'; 0: none

    def __post_init__(self) -> None:
        if self.quote not in {0, 1}:
            raise BadTape(f"a pool's quote is token 0 or token 1, not {self.quote}")
        if not 0 <= self.fee_pips < PIPS:
            raise BadTape(f"a fee of {self.fee_pips} millionths; a pool takes 0 to {PIPS - 1}")
        if self.protocol_fee and not 4 <= self.protocol_fee <= 10:
            raise BadTape(f"a protocol fee of one part in {self.protocol_fee}; a pool takes none, or one in 4 to 10")
        if self.tick_spacing < 1:
            raise BadTape(f"a tick spacing of {self.tick_spacing}; a pool has 1 or more")

    @property
    def quote_asset(self) -> Asset:
        return (self.token0, self.token1)[self.quote]

    @property
    def providers_pips(self) -> float:
        """What of the input is the providers', in millionths."""
        return self.fee_pips * (1 - 1 / self.protocol_fee) if self.protocol_fee else float(self.fee_pips)


@dataclass(frozen=True, slots=True)
class FeeRows:
    """The rows in which a token came in, and the fee each left, times 2^128, rounded down (one token, oldest first)."""

    rows: Ints
    fee_x128: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PoolMinutes:
    """A pool's minutes, oldest first; each column has one value a row. Raises BadTape."""

    pool: PoolTerms
    timestamp: Ints  # the minute's start, unix seconds
    open_tick: Ints
    close_tick: Ints
    lowest_tick: Ints
    highest_tick: Ints
    in0_raw: tuple[int, ...]  # swapped into the pool, fee included
    in1_raw: tuple[int, ...]
    liquidity_raw: tuple[int, ...]  # in range at the close; none of it ours
    digest: str  # sha256 of what the minutes were made from

    def __post_init__(self) -> None:
        rows = len(self.timestamp)
        if not rows:
            raise BadTape("the pool has no minutes")
        for name in (*COLUMNS, *AMOUNTS):
            if len(getattr(self, name)) != rows:
                raise BadTape(f"{name} has {len(getattr(self, name))} rows and the clock {rows}")
        found = impossible(self)
        if found is not None:
            row, what = found
            raise BadTape(f"row {row} (at {int(self.timestamp[row])}): {what}")

    def __len__(self) -> int:
        return len(self.timestamp)

    @cached_property
    def moment_tick(self) -> Ints:
        """The tick at each moment, one more than there are rows."""
        return np.concatenate((self.open_tick[:1], self.close_tick))

    @cached_property
    def moment_timestamp(self) -> Ints:
        """When each moment is; the last is the end of the last minute."""
        return np.append(self.timestamp, self.timestamp[-1] + MINUTE)

    @cached_property
    def moment_sqrt_price(self) -> Floats:
        """The square root of token 1 / token 0 in base units at each moment, for curves; sums of money use exact prices."""
        sqrt_price: Floats = np.exp(self.moment_tick * SQRT_STEP)
        return sqrt_price

    @cached_property
    def liquidity(self) -> Floats:
        return np.array(self.liquidity_raw, dtype=np.float64)

    @cached_property
    def fees(self) -> tuple[FeeRows, FeeRows]:
        """The exact fees of both tokens, made once a tape."""
        return _fee_rows(self.in0_raw, self.pool), _fee_rows(self.in1_raw, self.pool)

    @cached_property
    def fee_columns(self) -> tuple[Floats, Floats]:
        """Fees of both tokens in base units, as floats for curves."""
        return self._fee_column(self.in0_raw), self._fee_column(self.in1_raw)

    def first(self, rows: int) -> "PoolMinutes":
        """The tape as it was when so many minutes were over. Raises BadTape where that is none."""
        cut = {name: getattr(self, name)[:rows] for name in ("timestamp", *COLUMNS, *AMOUNTS)}
        return PoolMinutes(pool=self.pool, digest=f"{self.digest} first {rows}", **cut)

    def _fee_column(self, in_raw: Sequence[int]) -> Floats:
        return np.array(in_raw, dtype=np.float64) * (self.pool.providers_pips / PIPS)


def impossible(minutes: PoolMinutes) -> tuple[int, str] | None:
    """The first row that no pool could have said, and why; None where there is none."""
    ticks = {name: getattr(minutes, name) for name in COLUMNS}
    wrong = {
        "its time is not later than the row before": np.append(False, np.diff(minutes.timestamp) <= 0),
        f"a tick lies outside {MIN_TICK} to {MAX_TICK}": np.any(
            [(column < MIN_TICK) | (column > MAX_TICK) for column in ticks.values()], axis=0
        ),
        "its lowest tick is above its highest": minutes.lowest_tick > minutes.highest_tick,
    }
    found = [(int(np.argmax(flags)), what) for what, flags in wrong.items() if flags.any()]
    for name in AMOUNTS:
        values = getattr(minutes, name)
        if min(values) < 0 or max(values) > MAX_UINT128:
            row = next(at for at, value in enumerate(values) if not 0 <= value <= MAX_UINT128)
            found.append((row, f"{name} is {values[row]}, which no pool can hold"))
    found.extend(_earning_nobody(minutes))
    return min(found, default=None)


def _earning_nobody(minutes: PoolMinutes) -> list[tuple[int, str]]:
    """A swap needs liquidity; where none is said, its whole fee would be ours."""
    if min(minutes.liquidity_raw):
        return []
    rows = zip(minutes.liquidity_raw, minutes.in0_raw, minutes.in1_raw, strict=True)
    dry = next((at for at, (liquidity, in0, in1) in enumerate(rows) if not liquidity and (in0 or in1)), None)
    return [] if dry is None else [(dry, "something was swapped and no liquidity is said")]


def _fee_rows(in_raw: Sequence[int], pool: PoolTerms) -> FeeRows:
    """Growth a row is this by the liquidity, both divisions rounded down: one division by their product would say the same."""
    rows = np.fromiter(compress(range(len(in_raw)), in_raw), dtype=np.int64)
    fees_x128 = ((raw * pool.fee_pips << 128) // PIPS for raw in in_raw if raw)
    if pool.protocol_fee:  # the protocol's part is rounded down (the loop of UniswapV3Pool.swap)
        return FeeRows(rows, tuple(fee - fee // pool.protocol_fee for fee in fees_x128))
    return FeeRows(rows, tuple(fees_x128))

"""What a range strategy is shown and what it may say. Refuses a look at any minute that is not over: every window is a copy that
ends at *now*, and the minute that begins now is not in it."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol, TypeAlias

from backtest.range_liquidity.minutes import PoolMinutes, PoolTerms
from strategies.domain import Ticks
from strategies.errors import BadTape
from strategies.tape import Floats, Ints

Column: TypeAlias = Literal["open_tick", "close_tick", "lowest_tick", "highest_tick"]


class Split(Enum):
    """How what is held is divided between the two tokens, by one swap, before liquidity is added."""

    EVEN = "equal value of both tokens, whatever the range needs; what does not fit stays idle"
    OF_RANGE = "as much of each token as the range takes at the price"


@dataclass(frozen=True, slots=True)
class Enter:
    """Leave what is held, divide it, and put it into this range. The next question comes at the first beat at which the price is
    outside `stay` (both bounds are inside); None: at every beat."""

    ticks: Ticks
    split: Split
    stay: Ticks | None


@dataclass(frozen=True, slots=True)
class Leave:
    """Take everything out and hold the tokens as they come; the next question comes at the next beat."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing; the next question comes at the next beat."""


Answer: TypeAlias = Enter | Leave | Keep


@dataclass(frozen=True, slots=True)
class Held:
    """A range position: since which moment, where, how much liquidity, and the tick at the decision to enter."""

    since: int
    ticks: Ticks
    liquidity_raw: int
    decided_tick: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A pool's minutes up to *now*, and what is held. Later minutes cannot be reached."""

    _minutes: PoolMinutes
    moment: int  # the row that begins now; the rows before it are over
    held: Held | None
    idle_raw: tuple[int, int]  # of token 0 and token 1

    def __post_init__(self) -> None:
        if not 0 <= self.moment < len(self._minutes):
            raise BadTape(f"moment {self.moment} of {len(self._minutes)} minutes")  # below zero would wrap to the tape's end

    @property
    def pool(self) -> PoolTerms:
        return self._minutes.pool

    @property
    def timestamp(self) -> int:
        return int(self._minutes.timestamp[self.moment])

    @property
    def tick(self) -> int:
        """The price now: the last close, or where the tape opens."""
        return int(self._minutes.moment_tick[self.moment])

    def ticks(self, column: Column, minutes: int) -> Ints:
        """A copy of the last so many rows that are over; fewer at the start."""
        window: Ints = getattr(self._minutes, column)[self._first(minutes) : self.moment].copy()
        return window

    def timestamps(self, minutes: int) -> Ints:
        """When those rows began."""
        return self._minutes.timestamp[self._first(minutes) : self.moment].copy()

    def liquidity(self, minutes: int) -> Floats:
        """Liquidity in range at the close of those rows."""
        return self._minutes.liquidity[self._first(minutes) : self.moment].copy()

    def fees(self, minutes: int) -> tuple[Floats, Floats]:
        """Fees that those rows left to the pool's providers, of token 0 and token 1, in base units."""
        fee0, fee1 = (column[self._first(minutes) : self.moment].copy() for column in self._minutes.fee_columns)
        return fee0, fee1

    def _first(self, minutes: int) -> int:
        return max(0, self.moment - minutes)


class RangeStrategy(Protocol):
    """Says where liquidity should be. Never how much of it, and never what a minute will bring."""

    @property
    def cadence_seconds(self) -> int:
        """How often it may be asked: at the tape's first moment, and at each multiple of this on the clock."""
        ...

    def answer(self, seen: Seen) -> Answer: ...

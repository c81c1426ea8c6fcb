"""Two range strategies: stay where one began, and follow the price once it has left. Both refuse widths that are no range."""

from dataclasses import dataclass
from math import floor, log1p
from typing import Final

from backtest.range_liquidity.decisions import Answer, Enter, Keep, Seen, Split
from strategies.domain import Ticks
from strategies.errors import SettingsError
from strategies.protocols.uniswap_v3.arithmetic import MAX_TICK, MIN_TICK
from strategies.units import BPS

STEP: Final = log1p(1e-4)  # one tick of the price
EVERYWHERE: Final = Ticks(MIN_TICK, MAX_TICK)


@dataclass(frozen=True, slots=True)
class FixedRange:
    """Enter a given range at the first question, and never touch it again."""

    ticks: Ticks
    split: Split
    cadence_seconds: int

    def answer(self, seen: Seen) -> Answer:
        return Keep() if seen.held is not None else Enter(self.ticks, self.split, EVERYWHERE)


@dataclass(frozen=True, slots=True)
class FollowPrice:
    """A range of so many basis points of the price (in the quote token) to either side; once the price is outside at a beat, the
    same around the new price. The bounds go to the nearest usable ticks, the question whether to move is put to the bounds
    themselves. What is narrower than the spacing becomes the one usable range around the price."""

    width_bps: int
    split: Split
    cadence_seconds: int

    def __post_init__(self) -> None:
        if not 0 < self.width_bps < BPS:
            raise SettingsError(f"width_bps is {self.width_bps}; a range reaches from 1 to {BPS - 1} basis points to either side")

    def answer(self, seen: Seen) -> Answer:
        if seen.held is not None and inside(self._stay(seen, seen.held.decided_tick), seen.tick):
            return Keep()
        stay = self._stay(seen, seen.tick)
        below, above = self._reach(seen)
        spacing = seen.pool.tick_spacing
        lower, upper = _usable(seen.tick + below, spacing), _usable(seen.tick + above, spacing)
        if lower == upper:
            lower = seen.tick // spacing * spacing
            upper = lower + spacing
        return Enter(Ticks(lower, upper), self.split, stay)

    def _reach(self, seen: Seen) -> tuple[float, float]:
        """How many ticks below and above the bounds are. The price in token 0 falls as the tick rises."""
        down, up = log1p(-self.width_bps / BPS) / STEP, log1p(self.width_bps / BPS) / STEP
        return (-up, -down) if seen.pool.quote == 0 else (down, up)

    def _stay(self, seen: Seen, tick: int) -> Ticks:
        """The whole ticks inside the bounds."""
        below, above = self._reach(seen)
        return Ticks(tick - floor(-below), tick + floor(above))


def inside(stay: Ticks, tick: int) -> bool:
    """Both bounds are inside."""
    return stay.lower <= tick <= stay.upper


def _usable(tick: float, spacing: int) -> int:
    """The multiple of the spacing nearest to the tick that holds a price, on the scale."""
    last = MAX_TICK // spacing
    return max(-last, min(last, round(floor(tick) / spacing))) * spacing

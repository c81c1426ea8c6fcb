"""Why two finished runs came to different results, line by line, in base units of their asset. Refuses runs of different assets,
and lines that do not sum to the difference to the unit.

`booked` is what the books say: each market's income, trades, gas. `causes` says the same sum again as reasons, in the manner of
Brinson, Hood and Beebower (1986): with g a market's growth of a day and G the mean of all, a day's difference of income is what
more money made (dW x G), less what lay idle (d idle x G), plus where it lay (dh x (g - G)), split into where it lay on the whole
(the mean of dh over all days) and when; all by what was held on average over the day. Each day's share is cut down to the unit;
what is left over has a line of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backtest.daybook import Day, Daybook
from strategies.errors import LedgerMismatch, SettingsError
from strategies.units import WAD

WITHIN: Final = "moves within a day, and what is cut off"
REMAINDER: Final = "remainder: the tapes differ"


@dataclass(frozen=True, slots=True)
class Line:
    """One reason; the sides are None where it belongs to the difference alone."""

    name: str
    a_raw: int | None
    b_raw: int | None
    difference_raw: int  # of B less A


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs of one asset. Raises LedgerMismatch where the lines of either list do not sum to the difference."""

    symbol: str
    decimals: int
    a: str
    b: str
    is_same_tape: bool
    a_raw: int  # net profit or loss
    b_raw: int
    booked: tuple[Line, ...]
    causes: tuple[Line, ...]

    def __post_init__(self) -> None:
        for name, lines in (("the booked lines", self.booked), ("the causes", self.causes)):
            found_raw = sum(line.difference_raw for line in lines)
            if found_raw != self.difference_raw:
                raise LedgerMismatch(account=name, symbol=self.symbol, booked_raw=self.difference_raw, found_raw=found_raw)

    @property
    def difference_raw(self) -> int:
        """What B earned more than A, net."""
        return self.b_raw - self.a_raw


def compare(a: Daybook, b: Daybook) -> Comparison:
    """B's profit or loss less A's, explained. Raises SettingsError for runs of different assets."""
    if (a.symbol, a.decimals) != (b.symbol, b.decimals):
        raise SettingsError(f"one run is of {a.symbol}, the other of {b.symbol}: only runs of one asset can be compared")
    return Comparison(
        symbol=a.symbol,
        decimals=a.decimals,
        a=a.run,
        b=b.run,
        is_same_tape=a.tape == b.tape,
        a_raw=a.gained_raw,
        b_raw=b.gained_raw,
        booked=tuple(_booked(a, b)),
        causes=tuple(_causes(a, b)),
    )


def _booked(a: Daybook, b: Daybook) -> Iterator[Line]:
    """What the books of each say, side by side."""
    for market in dict.fromkeys((*a.markets, *b.markets)):
        yield _line(f"income of {market}", _income(a, market), _income(b, market))
    yield from _costs(a.days, b.days)


def _line(name: str, a_raw: int, b_raw: int) -> Line:
    return Line(name, a_raw, b_raw, b_raw - a_raw)


def _income(book: Daybook, market: str) -> int:
    if market not in book.markets:
        return 0
    at = book.markets.index(market)
    return sum(day.income_raw[at] for day in book.days)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A day of both runs: what each held over it, and the growth of every market on it."""

    a: Day
    b: Day
    apart_raw: Mapping[str, int]  # what B held more than A, a market
    held_b_raw: Mapping[str, int]
    growth_wad: Mapping[str, int]  # as A's tape has it, or B's where A's has not
    other_wad: Mapping[str, int]  # as B's tape has it, or A's

    @property
    def mean_wad(self) -> int:
        return sum(self.growth_wad.values()) // len(self.growth_wad) if self.growth_wad else 0

    @property
    def idle_raw(self) -> int:
        """What lay idle more with B."""
        return self.b.idle_mean_raw - self.a.idle_mean_raw

    @property
    def whole_raw(self) -> int:
        """What B had more to work with."""
        return self.idle_raw + sum(self.apart_raw.values())


def _causes(a: Daybook, b: Daybook) -> Iterator[Line]:
    """The same difference as reasons; the last line carries what the others leave over."""
    pairs = _pairs(a, b)
    lines = [
        *_ends(a, b, frozenset(pair.a.day for pair in pairs)),
        Line("more or less to work with", None, None, _sum_down([p.whole_raw * p.mean_wad for p in pairs])),
        Line("idle drag", None, None, _sum_down([-p.idle_raw * p.mean_wad for p in pairs])),
        *_places(pairs, dict.fromkeys((*a.markets, *b.markets))),
        *_rates(pairs, is_same_tape=a.tape == b.tape),
        *_costs([pair.a for pair in pairs], [pair.b for pair in pairs]),
    ]
    yield from lines
    rest_raw = b.gained_raw - a.gained_raw - sum(line.difference_raw for line in lines)
    yield Line(WITHIN if a.tape == b.tape else REMAINDER, None, None, rest_raw)


def _ends(a: Daybook, b: Daybook, common: frozenset[int]) -> Iterator[Line]:
    """Days that only one of them has."""
    alone = [sum(day.gained_raw for day in book.days if day.day not in common) for book in (a, b)]
    if any(day.day not in common for book in (a, b) for day in book.days):
        yield _line("ends: days that only one run has", *alone)


def _places(pairs: Sequence[_Pair], markets: Mapping[str, None]) -> Iterator[Line]:
    """Where it lay on the whole, a line a market; and when, in one line."""
    timing_raw = 0
    for market in markets:
        apart = [p.apart_raw.get(market, 0) for p in pairs]
        ahead_wad = [p.growth_wad[market] - p.mean_wad if market in p.growth_wad else 0 for p in pairs]
        standing_raw = sum(apart) * sum(ahead_wad) // (len(pairs) * WAD) if pairs else 0
        timing_raw += _sum_down([raw * wad for raw, wad in zip(apart, ahead_wad, strict=True)]) - standing_raw
        yield Line(f"where: {market}", None, None, standing_raw)
    yield Line("when: timing of the moves", None, None, timing_raw)


def _rates(pairs: Sequence[_Pair], *, is_same_tape: bool) -> Iterator[Line]:
    """What B's claims earned more on B's tape than they would have on A's."""
    if not is_same_tape:
        more = [
            raw * (p.other_wad.get(market, 0) - p.growth_wad.get(market, 0))
            for p in pairs
            for market, raw in p.held_b_raw.items()
        ]
        yield Line("rates: the tapes pay differently", None, None, _sum_down(more))


def _costs(a: Sequence[Day], b: Sequence[Day]) -> Iterator[Line]:
    yield _line("trades: slippage and price impact", sum(day.trades_raw for day in a), sum(day.trades_raw for day in b))
    yield _line("fees beside gas", sum(day.other_raw for day in a), sum(day.other_raw for day in b))
    yield _line("liquidations", sum(day.liquidated_raw for day in a), sum(day.liquidated_raw for day in b))
    yield _line("gas", -sum(day.gas_raw for day in a), -sum(day.gas_raw for day in b))


def _sum_down(products: Sequence[int]) -> int:
    """Amounts times growth, each cut down to the unit."""
    return sum(product // WAD for product in products)


def _pairs(a: Daybook, b: Daybook) -> list[_Pair]:
    """The days that both have, in order."""
    of_b = {day.day: day for day in b.days}
    return [_pair(a, b, day, of_b[day.day]) for day in a.days if day.day in of_b]


def _pair(a: Daybook, b: Daybook, of_a: Day, of_b: Day) -> _Pair:
    held_a = dict(zip(a.markets, of_a.held_mean_raw, strict=True))
    held_b = dict(zip(b.markets, of_b.held_mean_raw, strict=True))
    growth_a, growth_b = _growth(a, of_a), _growth(b, of_b)
    return _Pair(
        a=of_a,
        b=of_b,
        apart_raw={market: held_b.get(market, 0) - held_a.get(market, 0) for market in held_a | held_b},
        held_b_raw=held_b,
        growth_wad=growth_b | growth_a,
        other_wad=growth_a | growth_b,
    )


def _growth(book: Daybook, day: Day) -> dict[str, int]:
    return {market: wad for market, wad in zip(book.markets, day.growth_wad, strict=True) if wad is not None}

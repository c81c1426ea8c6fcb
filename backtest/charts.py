"""Charts as inline SVG with HTML labels: they stretch to any width while text and strokes keep their size, take their colours
from the page's classes, print, and need no script to be read. Refuses series of different lengths."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

import numpy as np

from strategies.errors import BadTape
from strategies.tape import Floats, Ints

POINTS: Final = 750
WIDTH: Final = 1_000
HEIGHT: Final = 300
TICKS: Final = 5
LABELS: Final = 7  # along the time axis
ROUND_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
SPANS: Final = (1, 2, 3, 6, 12, 24)  # months between labels

Say = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Told:
    """Which value of a series its key tells until a pointer asks for another."""

    word: str
    of: Callable[[Floats], float]


LAST: Final = Told("at the end", lambda values: float(values[-1]))
LOWEST: Final = Told("lowest", lambda values: float(values.min()))


@dataclass(frozen=True, slots=True)
class Series:
    """One named column and the class that colours it."""

    name: str
    kind: str
    values: Floats


@dataclass(frozen=True, slots=True)
class Chart:
    """What every chart has; `say` writes a value as its reader should see it."""

    title: str
    note: str
    timestamp: Ints
    series: tuple[Series, ...]
    say: Say
    told: Told = LAST

    def __post_init__(self) -> None:
        for series in self.series:
            if len(series.values) != len(self.timestamp):
                raise BadTape(f"chart {self.title!r}: {series.name} has {len(series.values)} of {len(self.timestamp)} points")


def lines(chart: Chart) -> str:
    """One line a series; the first lies on top."""
    low, high = _range(np.concatenate([series.values for series in chart.series]))
    across = _across(chart.timestamp)
    drawn = [
        f'<path class="line {series.kind}" d="{_path(across, _down(series.values, low, high))}"/>'
        for series in reversed(chart.series)
    ]
    return _figure(chart, low, high, drawn)


def area(chart: Chart) -> str:
    """The first series, filled from zero."""
    series = chart.series[0]
    low, high = _range(np.append(series.values, 0.0))
    across, down = _across(chart.timestamp), _down(series.values, low, high)
    zero = _down(np.zeros(2), low, high)
    edge = _path(across, down)
    floor = _path(across[[-1, 0]], zero)
    drawn = [f'<path class="area {series.kind}" d="{edge}L{floor[1:]}Z"/>', f'<path class="line {series.kind}" d="{edge}"/>']
    return _figure(chart, low, high, drawn)


def stack(chart: Chart) -> str:
    """Shares of one, the first series at the bottom."""
    across, below, drawn = _across(chart.timestamp), np.zeros(len(chart.timestamp)), list[str]()
    for series in chart.series:
        above = below + series.values
        edge, floor = _path(across, _down(above, 0, 1)), _path(across[::-1], _down(below[::-1], 0, 1))
        drawn.append(f'<path class="solid {series.kind}" d="{edge}L{floor[1:]}Z"/>')
        below = above
    return _figure(chart, 0.0, 1.0, drawn)


def last_of(values: Floats) -> Floats:
    """Thinned for drawing: the last value of each stretch."""
    last: Floats = values[_stops(len(values)) - 1]
    return last


def lowest_of(values: Floats) -> Floats:
    """Thinned for drawing: the lowest value of each stretch, so that no dip disappears."""
    lowest: Floats = np.minimum.reduceat(values, np.append(0, _stops(len(values))[:-1]))
    return lowest


def times_of(timestamp: Ints) -> Ints:
    """The times that go with `last_of` and `lowest_of`."""
    times: Ints = timestamp[_stops(len(timestamp)) - 1]
    return times


def _stops(count: int) -> Ints:
    parts = min(count, POINTS)
    return np.arange(1, parts + 1, dtype=np.int64) * count // parts


def _range(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * 0.05 or abs(high) * 0.01 or 1.0
    return low - margin, high + margin


def _across(timestamp: Ints) -> Floats:
    span = max(1, int(timestamp[-1] - timestamp[0]))
    across: Floats = WIDTH * (timestamp - timestamp[0]) / span
    return across


def _down(values: Floats, low: float, high: float) -> Floats:
    down: Floats = HEIGHT * (high - values) / (high - low)
    return down


def _path(across: Floats, down: Floats) -> str:
    return "M" + "L".join([f"{x:.1f},{y:.1f}" for x, y in zip(across.tolist(), down.tolist(), strict=True)])


def _figure(chart: Chart, low: float, high: float, drawn: Sequence[str]) -> str:
    levels, moments = _levels(low, high), _moments(int(chart.timestamp[0]), int(chart.timestamp[-1]))
    grid = "".join(f'<path class="grid" d="M0,{y:.1f}H{WIDTH}"/>' for y in _down(np.array(levels), low, high).tolist())
    rungs = "".join(
        f'<span class="y" style="top:{100 * (high - level) / (high - low):.2f}%">{escape(chart.say(level))}</span>'
        for level in levels
    )
    dates = "".join(f'<span class="{_place(at)}" style="left:{100 * at:.2f}%">{text}</span>' for at, text in moments)
    return (
        f'<figure class="chart"><figcaption><h3>{escape(chart.title)}</h3><p>{escape(chart.note)}</p></figcaption>'
        f'<div class="key"><span class="when">{chart.told.word}</span>{_key(chart)}</div>'
        f'<div class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(chart.title)}">{grid}{"".join(drawn)}</svg>{rungs}<i class="cursor"></i></div>'
        f'<div class="dates">{dates}</div>{_readings(chart)}</figure>'
    )


def _place(at: float) -> str:
    """A label near an edge leans inwards."""
    return "x first" if at < 0.04 else "x last" if at > 0.96 else "x"


def _key(chart: Chart) -> str:
    return "".join(
        f'<span class="{s.kind}"><i></i>{escape(s.name)} <b>{escape(chart.say(chart.told.of(s.values)))}</b></span>'
        for s in chart.series
    )


def _readings(chart: Chart) -> str:
    """What the pointer reads out, said as the page says it; without a script the key keeps what it tells."""
    said = {
        "t": chart.timestamp.tolist(),
        "s": [[chart.say(value) for value in series.values.tolist()] for series in chart.series],
    }
    text = json.dumps(said, separators=(",", ":")).replace("</", "<\\/")  # no text may end the script element
    return f'<script type="application/json">{text}</script>'


def _levels(low: float, high: float) -> list[float]:
    """Round numbers inside the range."""
    rough = (high - low) / TICKS
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * times for times in ROUND_STEPS if power * times >= rough)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [float(step * at) for at in range(first, last + 1)]


def _moments(first: int, last: int) -> list[tuple[float, str]]:
    """Month starts inside the span, as few as fit; days where the span has none."""
    begin, finish = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
    months = [
        datetime(year, month, 1, tzinfo=UTC)
        for year in range(begin.year, finish.year + 1)
        for month in range(1, 13)
        if begin <= datetime(year, month, 1, tzinfo=UTC) <= finish
    ]
    every = next((span for span in SPANS if len(months) <= span * LABELS), SPANS[-1])
    kept = [month for month in months if (month.year * 12 + month.month - 1) % every == 0]
    pattern = "%b %Y"
    if len(kept) < 2:
        days = max(1, (last - first) // 86_400)
        kept = [datetime.fromtimestamp(first + (last - first) * at // 4, UTC) for at in range(5)]
        pattern = "%d %b" if days >= 4 else "%d %b %H:%M"
    span = max(1, last - first)
    return [((moment.timestamp() - first) / span, moment.strftime(pattern)) for moment in kept]

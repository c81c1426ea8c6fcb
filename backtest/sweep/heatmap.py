"""Heat maps as SVG pictures that need nothing else: two parameters against each other, in each cell the best over all the others.
Light and dark, as the reader's screen is, and readable on a phone. Refuses a parameter that takes one value only.

The best over the rest flatters every cell: the picture shows where good sets lie, not what to expect of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import combinations, pairwise
from typing import Final

from backtest.numerals import MINUS
from backtest.sweep.names import shown, titled
from backtest.sweep.space import Value
from strategies.errors import SettingsError

WIDTH: Final = 420  # as wide as a phone, so that its letters need no glass
LEFT: Final = 66
TOP: Final = 74
ROW: Final = 30
MOST_ACROSS: Final = 8
MOST_DOWN: Final = 12
STYLE: Final = (
    "svg{color-scheme:light dark;--paper:#fbfaf6;--ink:#1d1f1c;--soft:#5f645c;--rule:#e2e0d6;--up:#1c6b4f;--down:#a63a2b}"
    "@media (prefers-color-scheme:dark){"
    "svg{--paper:#141613;--ink:#e9e8e1;--soft:#a3a89d;--rule:#30342e;--up:#63c79d;--down:#e58a7a}}"
    "text{font:11px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:var(--ink);"
    "font-variant-numeric:tabular-nums}.h{font-size:14px;font-weight:600}.s{fill:var(--soft)}"
    ".m{text-anchor:middle}.e{text-anchor:end}"
    ".paper{fill:var(--paper)}.none{fill:none;stroke:var(--rule)}.up{fill:var(--up)}.down{fill:var(--down)}"
    ".best{fill:none;stroke:var(--ink);stroke-width:2}.b{font-weight:650}"
)
Set = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Point:
    """One set, and how much more it grew than equal weight a year."""

    parameters: Set
    above: float


@dataclass(frozen=True, slots=True)
class Level:
    """One or several neighbouring values of a parameter, as one row or column."""

    values: tuple[Value, ...]
    label: str


def pictures(points: Sequence[Point], note: str) -> Mapping[str, str]:
    """An SVG for each pair of parameters that vary, by its name."""
    varying = [name for name in points[0].parameters if len({point.parameters[name] for point in points}) > 1] if points else []
    return {
        f"{across}-{down}".replace(".", "-"): picture(points, across, down, note) for across, down in combinations(varying, 2)
    }


def picture(points: Sequence[Point], across: str, down: str, note: str) -> str:
    """One heat map. Raises SettingsError where a parameter does not vary."""
    columns, rows = levels(points, across, MOST_ACROSS), levels(points, down, MOST_DOWN)
    cells = best_cells(points, (across, columns), (down, rows))
    most = max((abs(value) for value in cells.values()), default=0.0)
    best = max(cells, key=lambda place: cells[place], default=None)
    wide, height = (WIDTH - LEFT - 10) / len(columns), TOP + ROW * len(rows) + 44
    drawn = [
        _cell(cells.get((x, y)), LEFT + x * wide, TOP + y * ROW, width=wide, most=most, is_best=(x, y) == best)
        for y in range(len(rows))
        for x in range(len(columns))
    ]
    below = TOP + ROW * len(rows)
    labels = [
        *(
            f'<text class="s m" x="{LEFT + (x + 0.5) * wide:.1f}" y="{below + 15}">{escape(c.label)}</text>'
            for x, c in enumerate(columns)
        ),
        *(f'<text class="s e" x="{LEFT - 6}" y="{TOP + y * ROW + 19}">{escape(r.label)}</text>' for y, r in enumerate(rows)),
    ]
    grouped = "; n+ is from n on" if any(len(level.values) > 1 for level in (*columns, *rows)) else ""
    title = f"{titled(down)} by {titled(across)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="100%" style="max-width:{WIDTH * 2}px" '
        f'role="img" aria-label="{escape(title)}"><style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{height}"/>'
        f'<text class="h" x="10" y="22">{escape(title)}</text>'
        f'<text class="s" x="10" y="40">growth above equal weight, points a year; best over the rest</text>'
        f'<text class="s" x="10" y="56">{escape(note)}{grouped}</text>{"".join(drawn)}{"".join(labels)}'
        f'<text class="s m" x="{LEFT + (WIDTH - LEFT - 10) / 2:.1f}" y="{below + 33}">{escape(titled(across))}</text></svg>\n'
    )


def levels(points: Sequence[Point], name: str, most: int) -> tuple[Level, ...]:
    """The values of a parameter in order, neighbours put together where there are more than fit. Raises SettingsError."""
    values = sorted({point.parameters[name] for point in points}, key=lambda value: (isinstance(value, str), value))
    if len(values) < 2:
        raise SettingsError(f"{name} takes one value only: there is nothing to draw against it")
    parts = min(most, len(values))
    stops = [len(values) * at // parts for at in range(parts + 1)]
    groups = [tuple(values[first:last]) for first, last in pairwise(stops)]
    return tuple(Level(group, _label(name, group)) for group in groups)


def best_cells(
    points: Sequence[Point], across: tuple[str, Sequence[Level]], down: tuple[str, Sequence[Level]]
) -> dict[tuple[int, int], float]:
    """The highest value of the sets that fall on each cell; a cell that no set falls on is missing."""
    (x_name, columns), (y_name, rows) = across, down
    x_of = {value: at for at, level in enumerate(columns) for value in level.values}
    y_of = {value: at for at, level in enumerate(rows) for value in level.values}
    cells = dict[tuple[int, int], float]()
    for point in points:
        place = x_of[point.parameters[x_name]], y_of[point.parameters[y_name]]
        cells[place] = max(cells.get(place, point.above), point.above)
    return cells


def _cell(value: float | None, x: float, y: float, *, width: float, most: float, is_best: bool) -> str:
    box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{width - 2:.1f}" height="{ROW - 2}" rx="3"'
    if value is None:
        return f'<rect class="none" {box}/>'
    shade = 0.06 + 0.5 * abs(value) / most if most else 0.06
    frame = f'<rect class="best" {box}/>' if is_best else ""
    weight = " b" if is_best else ""
    return (
        f'<rect class="{"up" if value >= 0 else "down"}" fill-opacity="{shade:.2f}" {box}/>{frame}'
        f'<text class="m{weight}" x="{x + width / 2:.1f}" y="{y + 19:.1f}">{_said(value)}</text>'
    )


def _said(value: float) -> str:
    text = f"{abs(value) * 100:.2f}" if abs(value) < 0.1 else f"{abs(value) * 100:.1f}"
    return (MINUS if value < 0 and text.strip("0.") else "") + text


def _label(name: str, group: tuple[Value, ...]) -> str:
    first = shown(name, group[0])
    return first if len(group) == 1 else f"{first}+"

"""Heat maps: the best over the rest in every cell, whole pictures that need nothing else, and no script from a name."""

from itertools import product
from xml.etree import ElementTree

import pytest

from backtest.sweep.heatmap import MOST_ACROSS, MOST_DOWN, Point, best_cells, levels, picture, pictures
from backtest.sweep.names import shown, titled
from strategies.errors import SettingsError

SVG = "{http://www.w3.org/2000/svg}"
POINTS = [
    Point({"threshold_bps": bps, "lookback_seconds": days * 86_400, "count": count}, bps / 1e5 - days / 1e4 + count / 1e3)
    for bps, days, count in product((0, 10, 50), (1, 3), (1, 2))
]


def test_every_cell_has_the_best_over_the_rest() -> None:
    columns, rows = levels(POINTS, "threshold_bps", 8), levels(POINTS, "lookback_seconds", 12)
    cells = best_cells(POINTS, ("threshold_bps", columns), ("lookback_seconds", rows))
    for (x, y), value in cells.items():
        bps, seconds = columns[x].values[0], rows[y].values[0]
        inside = [p.above for p in POINTS if (p.parameters["threshold_bps"], p.parameters["lookback_seconds"]) == (bps, seconds)]
        assert value == max(inside)
    assert len(cells) == 6


def test_a_picture_is_whole_and_marks_its_best_cell_once() -> None:
    root = ElementTree.fromstring(picture(POINTS, "threshold_bps", "lookback_seconds", "12 sets"))
    classes = [one.get("class") for one in root.iter(f"{SVG}rect")]
    assert classes.count("best") == 1
    assert classes.count("up") + classes.count("down") == 6
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert "lookback by threshold, bps" in texts
    assert {"1 d", "3 d", "0", "10", "50", "12 sets"} <= set(texts)
    assert not [one for one in root.iter() if one.tag in (f"{SVG}script", f"{SVG}image") or "href" in one.attrib]


def test_there_is_one_picture_for_each_pair_that_varies() -> None:
    assert set(pictures(POINTS, "")) == {"threshold_bps-lookback_seconds", "threshold_bps-count", "lookback_seconds-count"}
    fixed = [Point({**point.parameters, "count": 1}, point.above) for point in POINTS]
    assert set(pictures(fixed, "")) == {"threshold_bps-lookback_seconds"}
    assert pictures([], "") == {}


def test_a_parameter_that_does_not_vary_is_refused() -> None:
    fixed = [Point({"a": 1, "b": at}, 0.0) for at in range(3)]
    with pytest.raises(SettingsError, match="a takes one value only"):
        picture(fixed, "a", "b", "")


def test_many_values_are_put_together_with_their_neighbours() -> None:
    many = [Point({"a": at, "b": at % 7}, at / 1e4) for at in range(100)]
    across, down = levels(many, "a", MOST_ACROSS), levels(many, "a", MOST_DOWN)
    assert (len(across), len(down)) == (MOST_ACROSS, MOST_DOWN)
    for found in (across, down):
        assert [value for level in found for value in level.values] == list(range(100))
        assert max(len(level.values) for level in found) - min(len(level.values) for level in found) <= 1
    assert "n+ is from n on" in picture(many, "a", "b", "")
    assert "n+" not in picture(POINTS, "threshold_bps", "count", "")
    assert across[0].label == "0+"


def test_cells_that_no_set_falls_on_are_empty_and_no_growth_is_no_sign() -> None:
    points = [Point({"a": 1, "b": 1}, 0.0), Point({"a": 2, "b": 2}, -0.00000001)]
    drawn = picture(points, "a", "b", "")
    assert drawn.count('class="none"') == 2
    assert "−0" not in drawn


def test_a_name_cannot_bring_its_own_markup() -> None:
    points = [Point({"a": name, "b": at}, 0.01) for at, name in enumerate(("<script>", "x&y"))]
    drawn = picture(points, "a", "b", "<b>")
    ElementTree.fromstring(drawn)
    assert "<script>" not in drawn
    assert "<b>" not in drawn


def test_parameters_are_shown_as_people_say_them() -> None:
    assert [titled(name) for name in ("threshold_bps", "gate.min_wait_seconds", "count")] == [
        "threshold, bps",
        "gate min wait",
        "count",
    ]
    assert [shown("x_seconds", value) for value in (86_400, 7_200, 5, 0)] == ["1 d", "2 h", "5 s", "0 s"]
    assert (shown("x_bps", 86_400), shown("market_id", "a")) == ("86400", "a")

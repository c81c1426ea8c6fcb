"""Spaces as people write them."""

from pathlib import Path

import pytest

from backtest.sweep.space import Listed, Spread
from backtest.sweep.written import axes_in, axis_of, together
from strategies.errors import SettingsError


def test_lists_and_ranges_are_read_from_a_command_line() -> None:
    assert axis_of("threshold_bps=10, 25,50") == Listed("threshold_bps", (10, 25, 50))
    assert axis_of("count=1..5:2") == Spread("count", 1, 5, 2)
    assert axis_of("count=1..5") == Spread("count", 1, 5, None)
    assert axis_of("market_id=a:USDC,b:USDC") == Listed("market_id", ("a:USDC", "b:USDC"))


@pytest.mark.parametrize("text", ["threshold_bps", "=1", "count=", "count=1,,2"])
def test_what_is_half_written_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(SettingsError, match="--set"):
        axis_of(text)


def test_a_file_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(
        "[parameters]\nthreshold_bps = [10, 25]\ncount = { from = 1, to = 5, step = 2 }\n"
        "[parameters.gate]\nmin_wait_seconds = { from = 0, to = 10 }\n"
    )
    axes = axes_in(file)
    assert axes == (Listed("threshold_bps", (10, 25)), Spread("count", 1, 5, 2), Spread("gate.min_wait_seconds", 0, 10, None))
    assert together(axes, (Listed("count", (1,)), Listed("max_idle_bps", (5,)))) == (
        Listed("threshold_bps", (10, 25)),
        Listed("count", (1,)),
        Spread("gate.min_wait_seconds", 0, 10, None),
        Listed("max_idle_bps", (5,)),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("threshold_bps = [1]", "one table"),
        ("", "it has none"),
        ("[parameters]\nx = 1.5", "write a list"),
        ("[parameters]\nx = [1.5]", "whole numbers or names"),
        ("[parameters]\nx = [true]", "whole numbers or names"),
        ("[parameters]\nx = { from = 1.5, to = 2 }", "a range is of whole numbers"),
        ("[parameters", "no TOML"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "space.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=why):
        axes_in(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no TOML"):
        axes_in(tmp_path / "none.toml")

"""`backtest compare` and `backtest replay`: why two finished runs differ, and whether one comes out the same again. Refuses files
that no run wrote; a difference is an answer, told line by line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from agent.cli import tables
from agent.cli.asked import Asked, asked_of, completed
from agent.cli.backtests import studies_of, waiting
from backtest import daybook, recipe
from backtest.comparison import Comparison, Line, compare
from backtest.daybook import Daybook
from backtest.numerals import DASH, exact
from backtest.recipe import Recipe
from strategies.errors import SettingsError

SUMMARY: Final = "the JSON that `backtest run` writes"


def compare_runs(a: Path, b: Path, *, as_json: bool) -> None:
    """B less A, for each asset that both have. Raises SettingsError, BadTape."""
    of_a, of_b = _books(a), _books(b)
    common = [symbol for symbol in of_a if symbol in of_b]
    if not common:
        raise SettingsError(f"{a} has {', '.join(of_a)} and {b} has {', '.join(of_b)}: there is no asset to compare them in")
    found = [compare(of_a[symbol], of_b[symbol]) for symbol in common]
    if as_json:
        tables.say_json({"a": str(a), "b": str(b), "studies": {one.symbol: _plain(one) for one in found}})
        return
    for one in found:
        _tell(one)


def replay(run: Path, *, as_json: bool) -> bool:
    """Runs a recipe again; whether all came out the same. Raises SettingsError, BadTape."""
    recorded = recipe.read(recipe_file(run))
    asked = _asked(recorded, run)
    with waiting("running it again", is_hidden=as_json):
        now = recipe.recipe_of(studies_of(completed(asked)), recorded.asked)
    made, came = tuple(recipe.made_otherwise(recorded, now)), tuple(recipe.came_otherwise(recorded, now))
    if as_json:
        tables.say_json({"run": str(run), "equal": not came, "made_otherwise": list(made), "came_otherwise": list(came)})
        return not came
    for line in made:
        tables.say(f"changed since: {line}", "yellow")
    for line in came:
        tables.say(f"came out otherwise: {line}", "bold red")
    if not came:
        decisions = sum(len(outcome.decisions) for one in recorded.studies.values() for outcome in one.outcomes.values())
        tables.say(f"equal: {decisions:,} decisions, every journal head, and what is held at the end", "bold green")
    return not came


def recipe_file(run: Path) -> Path:
    """The recipe of a run, named by itself, by its page or summary, or by its folder. Raises SettingsError."""
    if run.is_dir():
        found = sorted(run.glob("*-recipe.json"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise SettingsError(f"{run} holds {len(found)} recipes ({names}); name one")
        return found[0]
    return run if run.name.endswith("-recipe.json") else recipe.path_of(run)


def _asked(recorded: Recipe, run: Path) -> Asked:
    try:
        return asked_of(recorded.asked)
    except (KeyError, TypeError) as error:
        raise SettingsError(f"{run}: its recipe does not say what was asked: {error}") from error


def _books(run: Path) -> dict[str, Daybook]:
    """Each asset's exact days. Raises SettingsError, BadTape."""
    file = run / "report.json" if run.is_dir() else run.with_suffix(".json")
    try:
        studies: Mapping[str, Mapping[str, Any]] = json.loads(file.read_text())["studies"]
        said = {symbol: one["books"] for symbol, one in studies.items()}
        paths = {symbol: file.with_name(Path(str(one["file"])).name) for symbol, one in said.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{file} is not {SUMMARY}: {error}") from error
    return {symbol: daybook.read(paths[symbol], said[symbol]) for symbol in said}


def _plain(one: Comparison) -> dict[str, object]:
    """Amounts as strings of base units: they outgrow what some programs read as numbers."""
    return {
        **asdict(one),
        "a_raw": str(one.a_raw),
        "b_raw": str(one.b_raw),
        "difference_raw": str(one.difference_raw),
        "booked": [_plain_line(line) for line in one.booked],
        "causes": [_plain_line(line) for line in one.causes],
    }


def _plain_line(line: Line) -> dict[str, object]:
    sides = {"a_raw": line.a_raw, "b_raw": line.b_raw, "difference_raw": line.difference_raw}
    return {"name": line.name, **{name: None if raw is None else str(raw) for name, raw in sides.items()}}


def _tell(one: Comparison) -> None:
    sides = (("A", one.a, one.a_raw), ("B", one.b, one.b_raw))
    for letter, name, raw in sides:
        tables.say(f"{letter} is {name}: {_amount(raw, one)} {one.symbol} net")
    if not one.is_same_tape:
        tables.say("their tapes differ: what they paid is told apart from what was decided", "yellow")
    tables.say()
    tables.console.print(_table(one, "what the books say", one.booked))
    tables.say()
    tables.console.print(_table(one, "why", one.causes))
    tables.say()


def _table(one: Comparison, title: str, lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in (title, "A", "B", f"B less A, {one.symbol}"):
        table.add_column(name, justify="left" if name == title else "right")
    for line in lines:
        table.add_row(line.name, *[_amount(raw, one) for raw in (line.a_raw, line.b_raw, line.difference_raw)])
    table.add_row("together", _amount(one.a_raw, one), _amount(one.b_raw, one), _amount(one.difference_raw, one), style="bold")
    return table


def _amount(raw: int | None, one: Comparison) -> str:
    """Every digit, so that a reader can add them up."""
    if raw is None:
        return DASH
    whole, _, fraction = exact(raw, one.decimals).partition(".")
    return f"{int(whole):,}".replace("-", "\u2212") + f".{fraction:0<{one.decimals}}"

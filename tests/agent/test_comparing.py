"""`backtest replay` and `backtest compare` as a person meets them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cli import tables
from agent.cli.asked import Asked
from agent.cli.backtests import run
from agent.cli.comparing import compare_runs, recipe_file, replay
from strategies.errors import BadTape, SettingsError

ASKED = Asked(data="", gas="", assets=(), start="", end="", cash=0, seed=7)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two finished runs: of a million and of half of it, on the same tape."""
    folder = tmp_path_factory.mktemp("runs")
    pages = (folder / "a" / "report.html", folder / "b" / "report.html")
    with tables.console.capture():
        for page, cash in zip(pages, (0, 500_000), strict=True):
            run(replace(ASKED, cash=cash), page, as_json=False)
    return pages


def told(act: Any, *arguments: Path, as_json: bool = False) -> str:
    with tables.console.capture() as said:
        act(*arguments, as_json=as_json)
    return said.get()


def test_a_finished_run_comes_out_the_same(runs: tuple[Path, Path]) -> None:
    for named in (runs[0], runs[0].with_suffix(".json"), runs[0].parent, runs[0].with_name("report-recipe.json")):
        assert "equal: 365 decisions, every journal head, and what is held at the end" in told(replay, named)


def test_a_recipe_that_was_changed_is_told_apart(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = json.loads(runs[0].with_name("report-recipe.json").read_text())
    said["studies"]["USDC"]["outcomes"]["lending rotation"]["decisions"][40]["told"] = "stay (another reason)"
    said["code"]["usufruct"] = "0.0.1"
    file = tmp_path / "x-recipe.json"
    file.write_text(json.dumps(said))
    text = told(replay, file)
    assert "changed since: code: usufruct was 0.0.1, is " in text and "equal" not in text
    assert (
        "came out otherwise: USDC, lending rotation: the first other decision is of 2024-02-10 00:00: it was stay (another"
        in text
    )
    assert not replay(file, as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["equal"] is False and len(answer["came_otherwise"]) == 1 == len(answer["made_otherwise"])


def test_a_folder_names_one_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    assert recipe_file(runs[0].parent) == runs[0].with_name("report-recipe.json")
    with pytest.raises(SettingsError, match=r"0 recipes \(none\); name one"):
        recipe_file(tmp_path)
    with pytest.raises(BadTape, match="is not the recipe"):
        told(replay, tmp_path / "nothing.html")


def test_two_runs_are_explained_to_the_base_unit(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    compare_runs(runs[0], runs[1].parent, as_json=True)
    found = json.loads(capsys.readouterr().out)["studies"]["USDC"]
    whole = int(found["b_raw"]) - int(found["a_raw"])
    for lines in (found["booked"], found["causes"]):
        assert sum(int(line["difference_raw"]) for line in lines) == whole == int(found["difference_raw"])
    text = told(compare_runs, *runs)
    assert "more or less to work with" in text and "together" in text and "their tapes differ" not in text


def test_figures_of_a_comparison_can_be_added_up_by_hand(runs: tuple[Path, Path]) -> None:
    text = told(compare_runs, *runs).split("why")[0]
    lines = [line.split() for line in text.splitlines() if line.startswith(("income", "trades", "fees", "gas", "together"))]
    figures = [round(float(words[-1].replace(",", "").replace("\u2212", "-")) * 10**6) for words in lines]
    assert sum(figures[:-1]) == figures[-1] and all(len(words[-1].split(".")[1]) == 6 for words in lines)


def test_runs_without_a_common_asset_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    said = json.loads(runs[1].with_suffix(".json").read_text())
    said["studies"] = {}
    (tmp_path / "x.json").write_text(json.dumps(said))
    with pytest.raises(SettingsError, match="no asset to compare them in"):
        told(compare_runs, runs[0], tmp_path / "x.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"studies": {"USDC": {}}}', '{"studies": 3}'])
def test_a_summary_that_no_run_wrote_is_refused(text: str, runs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SettingsError, match="is not the JSON that `backtest run` writes"):
        told(compare_runs, runs[0], tmp_path / "x.json")

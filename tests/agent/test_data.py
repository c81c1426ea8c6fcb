"""`data list`, `data check` and `data import`, as a person and as a program use them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from backtest.checking.marks import Mark
from backtest.dataset import index_columns, load
from strategies.errors import BadTape, SettingsError

START = 1_704_067_200
HEADER = "market,timestamp,supply_apr,borrow_apr,utilisation,asset"
RUN = CliRunner()


def folder_of(path: Path, *, spiked: int | None = None, factor: float = 1.0) -> Path:
    """Two days of hours of one market; one hour may be ten times as much."""
    path.mkdir(parents=True)
    rows = [
        f"pool,{START + 3_600 * at},{0.03 * factor * (10 if at == spiked else 1) + at * 1e-6:.6f},{0.05 * factor:.4f},0.7,DAI"
        for at in range(48)
    ]
    (path / "rates.csv").write_text("\n".join([HEADER, *rows, ""]))
    return path


def told(*words: str) -> dict[str, object]:
    """What a command says to a program."""
    result = RUN.invoke(app, ["data", *words, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_a_spike_is_said_and_refused_on_the_tape(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "mine", spiked=30)
    checked = told("check", str(source))
    assert checked["format"] == "plain-csv"
    assert [(one["defect"], one["rows"], one["first"], one["refuses"]) for one in checked["findings"]] == [  # type: ignore[attr-defined]
        ("spike", 1, "2024-01-02 06:00", True)
    ]
    imported = told("import", str(source), "--out", str(tmp_path / "tapes" / "mine"))
    assert (imported["rows"], imported["refused_cells"], imported["asset"]) == (48, 1, "DAI")
    tape = load(tmp_path / "tapes" / "mine")
    assert tape.digest == imported["digest"] and not tape.fresh[30, 0]
    assert index_columns(tape).marks()[30, 0] == int(Mark.SPIKE)


def test_a_saved_tape_says_what_was_marked_and_is_listed(tmp_path: Path) -> None:
    told("import", str(folder_of(tmp_path / "mine", spiked=30)), "--out", str(tmp_path / "tapes" / "mine"))
    checked = told("check", str(tmp_path / "tapes" / "mine"))
    assert checked["format"] == "tape"
    assert [one["done"] for one in checked["findings"] if one["defect"] == "spike"] == ["marked when it was made"]  # type: ignore[attr-defined]
    listed = told("list", str(tmp_path / "tapes"))
    assert [(one["name"], one["rows"], one["first"]) for one in listed["tapes"]] == [("mine", 48, "2024-01-01")]  # type: ignore[attr-defined]
    assert "plain-csv" in {one["name"] for one in listed["formats"]}  # type: ignore[attr-defined]


def test_two_sources_of_one_market_are_compared(tmp_path: Path) -> None:
    one, other = folder_of(tmp_path / "one"), folder_of(tmp_path / "other", factor=0.8)
    assert told("check", str(one), "--against", str(one))["findings"] == []
    apart = told("check", str(one), "--against", str(other))["findings"]
    assert [(line["defect"], line["rows"]) for line in apart] == [("sources apart", 48)]  # type: ignore[attr-defined]


def test_people_get_tables_and_a_clean_source_a_word(tmp_path: Path) -> None:
    clean = RUN.invoke(app, ["data", "check", str(folder_of(tmp_path / "clean"))], catch_exceptions=False)
    assert "nothing is wrong" in clean.stdout
    spiked = RUN.invoke(app, ["data", "check", str(folder_of(tmp_path / "spiked", spiked=30))], catch_exceptions=False)
    assert "pool" in spiked.stdout and "spike" in spiked.stdout and "unsaid" in spiked.stdout
    listed = RUN.invoke(app, ["data", "list", str(tmp_path / "tapes")], catch_exceptions=False)
    assert "no tape under" in listed.stdout and "aave-hourly" in listed.stdout


def test_refuses_what_it_cannot_import(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    for words, error, why in (
        (["check", str(tmp_path / "nowhere")], SettingsError, "no such folder"),
        (["check", str(tmp_path / "empty")], BadTape, "in no known format"),
        (["check", str(source), "--as", "excel"], BadTape, "no known format"),
        (["import", str(source), "--out", str(tmp_path / "full")], SettingsError, "no tape; name another"),
        (["import", str(source), "--asset", "GOLD", "--out", str(tmp_path / "t")], BadTape, "no asset 'GOLD'"),
        (["import", str(source), "--start", "yesterday", "--out", str(tmp_path / "t")], SettingsError, "write a day as"),
        (["import", str(source), "--start", "2024-02-01", "--end", "2024-01-01"], SettingsError, "is not after"),
    ):
        with pytest.raises(error, match=why):
            RUN.invoke(app, ["data", *words], catch_exceptions=False)

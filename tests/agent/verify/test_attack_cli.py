"""`usufruct verify attacks` as a person and a program use it: a line a case, a summary as the last line, and an exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agent.cli import app
from agent.verify.attacks import run
from agent.verify.attacks.catalogue import Case
from agent.verify.attacks.premises import settings_of, toml
from agent.verify.attacks.run import Runners
from tests.agent.verify.attack_cases import SETTING, case, whole

GOOD = case()
BENIGN = case(id="t-2", benign=True, expect={"verdict": ["allow"]}, category="other")
SKIPPED = case("http", {"method": "GET", "route": "plans"}, id="t-3", expect={"verdict": ["reject_input"]})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "attacks.yaml"
    path.write_text(yaml.safe_dump(whole(GOOD, BENIGN, SKIPPED)))
    return path


def said(*arguments: str) -> tuple[int, list[str]]:
    found = CliRunner().invoke(app, ["verify", "attacks", *arguments])
    return found.exit_code, found.output.splitlines()


def test_every_case_has_its_line_and_the_summary_is_the_last(file: Path) -> None:
    code, lines = said(str(file))
    assert code == 1
    assert [line.split()[:2] for line in lines if not line.startswith(" ")][:3] == [
        ["pass", "t-1"],
        ["FAIL", "t-2"],
        ["skipped", "t-3"],
    ]
    assert "signature:R-SIGN" in lines[0]
    assert any("expected allow" in line for line in lines)
    assert any(run.MISSING["http"] in line for line in lines)
    summary = json.loads(lines[-1])
    assert {name: summary[name] for name in ("attacks", "stopped", "benign", "allowed", "skipped")} == {
        "attacks": 2,
        "stopped": 1,
        "benign": 1,
        "allowed": 0,
        "skipped": 1,
    }
    assert summary["by_category"]["other"]["benign"] == 1


def test_some_cases_may_be_picked_and_read_by_a_program(file: Path) -> None:
    code, lines = said(str(file), "--only", "t-1", "--json")
    assert code == 0
    assert json.loads(lines[0])["verdict"] == "deny"
    assert json.loads(lines[-1])["attacks"] == 1
    assert said(str(file), "--only", "nothing")[0] == 1


def test_a_file_that_is_no_catalogue_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("a: 1\n")
    code, lines = said(str(tmp_path / "odd.yaml"))
    assert code == 2
    assert "published format" in lines[0]
    assert said(str(tmp_path / "odd.yaml"), "--unguarded")[0] == 2


def test_a_case_can_be_tried_under_ones_own_limits(file: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(toml(settings_of(SETTING, "0x" + "be" * 20, {"alice": "ab" * 32, "bob": "cd" * 32})))
    assert said(str(file), "--only", "t-1", "--policy", str(own))[0] == 0


def test_what_is_picked_is_picked_by_category_surface_or_id() -> None:
    from agent.cli.verify import Asked, _is_wanted
    from tests.agent.verify.attack_cases import only

    one: Case = only()
    for name in ("t-1", "tests", "raw_hash"):
        assert _is_wanted(one, Asked(Path(), None, (name,), False))
    assert not _is_wanted(one, Asked(Path(), None, ("other",), False))


def test_each_kind_of_runner_is_opened_once_and_for_its_first_case(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import ExitStack, nullcontext

    from agent.verify.attacks import house
    from agent.verify.attacks.outcome import Unrealised

    opened: list[str] = []

    def runners(setting: Any) -> Any:
        opened.append("house")
        return nullcontext({"log": lambda handed, setting: None})

    monkeypatch.setattr(house, "house_runners", runners)
    with ExitStack() as stack:
        found = Runners(SETTING, stack)
        assert found.of("log") is found.of("log")
        with pytest.raises(Unrealised, match="carrier_pigeon"):
            found.of("carrier_pigeon")
    assert opened == ["house", "house"]

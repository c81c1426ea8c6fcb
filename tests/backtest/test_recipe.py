"""A recipe describes a run fully: the same inputs give the same recipe, and whatever differs is named."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from backtest import recipe
from backtest.recipe import Recipe
from backtest.scenario import Synthetic, sample_tape
from backtest.study import Terms, rotation, study
from strategies.decide import DecideSettings
from strategies.domain import Asset
from strategies.errors import BadTape

ASKED = {"seed": 5, "assets": ["USDC"]}


def made(seed: int = 5, latency_rows: int = 1, wait_days: int = 2) -> Recipe:
    def decide_for(asset: Asset) -> DecideSettings:
        settings = rotation(asset)
        return replace(settings, gate=replace(settings.gate, min_wait_seconds=wait_days * 86_400))

    tape = sample_tape(seed=seed, hours=24 * 60)
    terms = Terms(cash=Decimal(1_000_000), latency_rows=latency_rows, decide_for=decide_for)
    return recipe.recipe_of([study(tape, tape.deployment.assets[0], terms, Synthetic(seed))], ASKED)


@pytest.fixture(scope="module")
def recorded() -> Recipe:
    return made()


def said(differences: object) -> list[str]:
    return list(differences)  # type: ignore[call-overload, no-any-return]


def test_the_same_inputs_give_the_same_recipe(recorded: Recipe) -> None:
    again = made()
    assert again == recorded
    assert said(recipe.made_otherwise(recorded, again)) == [] == said(recipe.came_otherwise(recorded, again))


def test_a_recipe_is_read_back_as_it_was_written(recorded: Recipe, tmp_path: Path) -> None:
    path = recipe.write(recorded, recipe.path_of(tmp_path / "report.html"))
    assert path.name == "report-recipe.json" and recipe.read(path) == recorded


def test_every_decision_has_the_journals_head_after_it(recorded: Recipe) -> None:
    outcome = recorded.studies["USDC"].outcomes["lending rotation"]
    assert outcome.decisions[-1].head == outcome.journal_head[: recipe.SHORT]
    assert len({step.head for step in outcome.decisions}) == len(outcome.decisions) == 60


def test_another_tape_is_named(recorded: Recipe) -> None:
    assert [line for line in recipe.made_otherwise(recorded, made(seed=6)) if line.startswith("USDC: the tape was ")]


def test_a_changed_setting_is_named_and_so_is_the_first_decision_that_differs(recorded: Recipe) -> None:
    other = made(wait_days=9)
    (changed,) = recipe.made_otherwise(recorded, other)
    assert changed.startswith("USDC: setting decide.gate was Gate(") and "min_wait_seconds=777600" in changed
    first = next(iter(recipe.came_otherwise(recorded, other)))
    assert first.startswith("USDC, lending rotation: the first other decision is of 2024-01-") and "; is stay (" in first


def test_a_later_execution_is_a_setting_too(recorded: Recipe) -> None:
    changed = said(recipe.made_otherwise(recorded, made(latency_rows=3)))
    assert "USDC: setting latency_rows was 1, is 3" in changed


def test_other_code_is_named(recorded: Recipe) -> None:
    older = replace(recorded, code={**recorded.code, "sources": "0" * 64})
    (changed,) = recipe.made_otherwise(older, recorded)
    assert changed.startswith(f"code: sources was {'0' * 64}, is ") and said(recipe.came_otherwise(older, recorded)) == []


def test_another_end_is_named_though_all_decisions_are_the_same(recorded: Recipe) -> None:
    one = recorded.studies["USDC"]
    outcomes = {name: replace(outcome, final=("1 USDC",)) for name, outcome in one.outcomes.items()}
    other = replace(recorded, studies={"USDC": replace(one, outcomes=outcomes)})
    assert all("at the end it held" in line and line.endswith("now 1 USDC") for line in recipe.came_otherwise(recorded, other))


def test_a_run_that_is_missing_is_named(recorded: Recipe) -> None:
    assert said(recipe.came_otherwise(recorded, replace(recorded, studies={}))) == ["USDC: it was recorded and did not run now"]
    one = recorded.studies["USDC"]
    short = replace(recorded, studies={"USDC": replace(one, outcomes={})})
    assert "USDC, idle: only the recorded run has it" in said(recipe.came_otherwise(recorded, short))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "asked": {}, "code": {}, "studies": {"A": 3}}'])
def test_a_file_that_no_run_wrote_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x-recipe.json"
    file.write_text(text)
    with pytest.raises(BadTape, match="is not the recipe"):
        recipe.read(file)


def test_a_recipe_of_another_format_is_refused(recorded: Recipe, tmp_path: Path) -> None:
    path = recipe.write(recorded, tmp_path / "x-recipe.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(BadTape, match="format 2; this version reads 1"):
        recipe.read(path)

"""`usufruct verify vectors`: what is equal passes, what is not is shown, and nothing is passed over in silence."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.verify import vectors
from agent.verify.vectors import DEEPEST, MODULES, PROTOCOLS, Case, canonical, parting, run, runners_of
from strategies.errors import ActionRefused

SHARED = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors"
FACTOR = 10**27


def linear(seconds: int, factor: int | str = FACTOR) -> dict[str, Any]:
    return {"in": {"rate": "0", "dt": str(seconds)}, "out": {"factor": str(factor)}}


def published(folder: Path, stem: str, **groups: list[Any]) -> Path:
    content = {"protocol": stem, "groups": [{"name": name, "cases": cases} for name, cases in groups.items()]}
    path = folder / f"{stem}.json"
    path.write_text(json.dumps(content))
    return path


def verify(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verify", "vectors", str(folder), *options])


def summary(said: Result) -> dict[str, int]:
    last = said.stdout.splitlines()[-1]
    counts: dict[str, int] = json.loads(last)
    assert last == f'{{"passed":{counts["passed"]},"failed":{counts["failed"]},"skipped":{counts["skipped"]}}}'
    return counts


def test_ends_well_where_all_is_equal(tmp_path: Path) -> None:
    published(tmp_path, "aave_v3", linear_interest=[linear(1), linear(2)])
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (0, {"passed": 2, "failed": 0, "skipped": 0})
    assert "aave_v3.json" in said.stdout
    assert "linear_interest" in said.stdout


def test_shows_the_first_differing_case_and_goes_on(tmp_path: Path) -> None:
    wrong = {**linear(2, FACTOR + 1), "id": "by one"}
    published(tmp_path, "aave_v3", linear_interest=[linear(1), wrong, linear(3, 5), linear(4)])
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (1, {"passed": 2, "failed": 2, "skipped": 0})
    assert "first differing case: 1 (id by one), at out.factor" in said.stdout
    assert 'input     {"in":{"rate":"0","dt":"2"},"id":"by one"}' in said.stdout
    assert f'expected  {{"factor":"{FACTOR + 1}"}}' in said.stdout
    assert f'computed  {{"factor":"{FACTOR}"}}' in said.stdout
    assert said.stdout.count("first differing case") == 1


def test_reports_an_unknown_group_and_an_unknown_file_with_all_their_cases(tmp_path: Path) -> None:
    published(tmp_path, "aave_v3", linear_interest=[linear(1)], new_maths=[linear(1), linear(2)])
    published(tmp_path, "aave_v9", linear_interest=[linear(1)] * 3)
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (1, {"passed": 1, "failed": 0, "skipped": 5})
    assert "no runner for this group" in said.stdout
    assert "no runner for this file" in said.stdout


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "{}", '{"groups": []}', '{"groups": [{}]}', '{"groups": [{"name": "a", "cases": []}]}'),
        *('{"groups": [{"name": "a", "cases": [1]}]}', '{"groups": [{"cases": [{}]}]}', "\udcff", "[" * 100_000),
    ],
)
def test_a_file_out_of_the_format_is_an_error_and_the_others_still_run(tmp_path: Path, text: str) -> None:
    published(tmp_path, "aave_v3", linear_interest=[linear(1)])
    (tmp_path / "broken.json").write_bytes(text.encode(errors="surrogateescape"))
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (2, {"passed": 1, "failed": 0, "skipped": 0})
    assert "error: broken.json" in said.stdout


@pytest.mark.parametrize(
    "group", [{}, 1, {"cases": [{}]}, {"name": "a", "cases": [1]}, {"name": "a", "cases": {}}, {"name": "a"}]
)
def test_a_group_out_of_the_format_is_an_error_and_the_others_still_run(tmp_path: Path, group: object) -> None:
    good = {"name": "linear_interest", "cases": [linear(1)]}
    (tmp_path / "aave_v3.json").write_text(json.dumps({"groups": [good, group, good]}))
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (2, {"passed": 2, "failed": 0, "skipped": 0})
    assert "error: aave_v3.json groups[1]: not in the published format" in said.stdout


def test_a_group_without_cases_is_said_and_the_others_still_run(tmp_path: Path) -> None:
    published(tmp_path, "aave_v3", wadray_random=[], linear_interest=[linear(1)])
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (0, {"passed": 1, "failed": 0, "skipped": 0})
    assert "no cases" in said.stdout


def test_a_file_of_another_name_is_known_by_its_protocol(tmp_path: Path) -> None:
    path = published(tmp_path, "kept back", linear_interest=[linear(1), linear(2)])
    path.write_text(path.read_text().replace('"protocol": "kept back"', '"protocol": "Aave V3"'))
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (0, {"passed": 2, "failed": 0, "skipped": 0})
    assert set(PROTOCOLS.values()) == set(MODULES)


def test_what_cannot_be_printed_is_shown_in_ascii(tmp_path: Path) -> None:
    named = {**linear(1, 5), "id": "\ud800\x1b[2J"}
    published(tmp_path, "aave_v3", **{"bell\x07 \ud800": [linear(1)], "linear_interest": [named]})
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (1, {"passed": 0, "failed": 1, "skipped": 1})
    assert r"'bell\x07 \ud800'" in said.stdout
    assert r"'0 (id \ud800\x1b[2J)'" in said.stdout


@pytest.mark.parametrize(("levels", "code"), [(DEEPEST - 6, 1), (DEEPEST - 5, 2), (900, 2)])
def test_a_file_nested_beyond_every_published_one_is_an_error(tmp_path: Path, levels: int, code: int) -> None:
    path = published(tmp_path, "aave_v3", linear_interest=[{**linear(1), "out": {"factor": "deep"}}])
    path.write_text(path.read_text().replace('"deep"', "[" * levels + "1" + "]" * levels))
    said = verify(tmp_path)
    assert (said.exit_code, summary(said)) == (code, {"passed": 0, "failed": 2 - code, "skipped": 0})


def test_an_empty_or_missing_directory_is_an_error(tmp_path: Path) -> None:
    for folder, why in ((tmp_path, "holds no"), (tmp_path / "nowhere", "no such directory")):
        said = verify(folder)
        assert (said.exit_code, summary(said)) == (2, {"passed": 0, "failed": 0, "skipped": 0})
        assert why in said.stdout


def test_json_is_one_document_a_line(tmp_path: Path) -> None:
    published(tmp_path, "aave_v3", linear_interest=[linear(1, 5)], other=[linear(1)])
    (tmp_path / "broken.json").write_text("{")
    said = verify(tmp_path, "--json")
    first, second, third, last = (json.loads(line) for line in said.stdout.splitlines())
    assert (first["name"], first["failed"], first["first"]["case"]) == ("linear_interest", 1, "0")
    assert (second["name"], second["skipped"]) == ("other", 1)
    assert third["where"] == "broken.json"
    assert last == {"passed": 0, "failed": 1, "skipped": 1}


def judged(case: Case, runner: Callable[[Case], Any]) -> int:
    return run("file", "group", [case], runner).failed


def reverting(_: Case) -> Mapping[str, str]:
    raise ActionRefused(market_id="test", why="it reverts")


def breaking(_: Case) -> Mapping[str, str]:
    raise ZeroDivisionError


@pytest.mark.parametrize("out", ["REVERT", {"a": "REVERT"}, {"a": "REVERT", "b": "REVERT"}])
def test_a_revert_is_equal_to_a_refusal_only(out: object) -> None:
    assert judged({"in": {}, "out": out}, reverting) == 0
    assert judged({"in": {}, "out": out}, lambda _: {"a": "1", "b": "1"}) == 1
    assert judged({"in": {}, "out": out}, breaking) == 1


@pytest.mark.parametrize("out", [{"a": "1"}, {"a": "REVERT", "b": "1"}, {}, None])
def test_a_refusal_is_not_equal_to_an_outcome(out: object) -> None:
    assert judged({"in": {}, "out": out}, reverting) == 1


def test_one_of_several_outcomes_may_be_a_revert() -> None:
    assert judged({"in": {}, "out": {"a": "REVERT", "b": "1"}}, lambda _: {"a": "REVERT", "b": 1}) == 0


def test_what_is_expected_and_not_computed_fails() -> None:
    assert judged({"in": {}, "out": {"a": "1", "b": "2"}}, lambda _: {"a": "1"}) == 1
    assert judged({"in": {}, "out": {"a": "1"}}, lambda _: {"a": "1", "b": "2"}) == 0


@pytest.mark.parametrize(
    "case", [{"in": {}}, {"in": {}, "out": {}}, {"in": {}, "out": {"a": "1"}, "steps": [{"dt": "1", "a": "1"}]}]
)
def test_a_case_that_expects_nothing_or_two_things_fails(case: Case) -> None:
    assert judged(case, lambda _: {"a": "1"}) == 1


@pytest.mark.parametrize("steps", [[], [{"dt": "1"}], [1], "1", [{"dt": "1", "a": "1"}, 7]])
def test_a_trajectory_without_outcomes_fails(steps: object) -> None:
    assert judged({"in": {}, "steps": steps}, lambda case: [{} for _ in case["steps"]]) == 1


def test_a_runner_never_sees_what_is_expected() -> None:
    seen: list[Case] = []

    def runner(case: Case) -> Any:
        seen.append(case)
        return [{"after": {"a": 1}}, {"after": {"a": 2}}]

    steps = [{"dt": "1", "op": "supply", "assets": "5", "after": {"a": "1"}}, {"dt": "2", "after": {"a": "2"}}]
    assert judged({"in": {"x": "1"}, "steps": steps, "id": "walk"}, runner) == 0
    assert seen == [{"in": {"x": "1"}, "id": "walk", "steps": [{"dt": "1", "op": "supply", "assets": "5"}, {"dt": "2"}]}]
    assert judged({"in": {"x": "1"}, "out": {"a": "1"}, "user_apr_if_24h": "0.1", "source": "s"}, runner) == 1
    assert seen[-1] == {"in": {"x": "1"}, "source": "s"}


@pytest.mark.parametrize("out", [[{"a": "1"}], [{"a": "1"}, {"a": "3"}], [{"a": "1"}, {}]])
def test_a_trajectory_that_parts_fails(out: list[Any]) -> None:
    assert judged({"in": {}, "steps": [{"dt": "1", "a": "1"}, {"dt": "1", "a": "2"}]}, lambda _: out) == 1


def test_integers_are_equal_however_they_are_written_and_nothing_else_is() -> None:
    assert canonical({"a": [7, "007", "-0", True, None, "0x7", "1.0"]}) == {"a": ["7", "7", "0", True, None, "0x7", "1.0"]}
    assert parting(canonical("1"), canonical(1), "out") is None
    for expected, computed in (("1", True), (True, "true"), ("1", "1.0"), ("1", None), ({}, []), ([], ["1"])):
        assert parting(canonical(expected), canonical(computed), "out") == "out"
    assert parting({"a": [{"b": "1"}]}, {"a": [{"b": "2"}]}, "out") == "out.a[0].b"


def test_a_runner_that_cannot_be_imported_is_a_fault_and_not_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    def importing(_: str) -> None:
        raise ModuleNotFoundError("no numpy", name="numpy")

    monkeypatch.setattr(vectors.importlib, "import_module", importing)
    with pytest.raises(ModuleNotFoundError):
        runners_of("aave_v3")


def test_every_published_case_is_equal_and_none_is_skipped() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared folder with the published vectors is not beside this repository")
    if missing := [stem for stem in MODULES if runners_of(stem) is None]:
        pytest.skip(f"no runner yet for {', '.join(missing)}")
    said = verify(SHARED)
    assert (said.exit_code, summary(said)) == (0, {"passed": 1_484, "failed": 0, "skipped": 0}), said.stdout
    said_of = {str(json.loads(path.read_text())["protocol"]): path.stem for path in SHARED.glob("*.json")}
    assert said_of == PROTOCOLS

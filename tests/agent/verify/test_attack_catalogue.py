"""Catalogues are read strictly, runners see nothing that is expected, and scoring gives nobody the benefit of a doubt."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.verify.attacks import catalogue, run, score
from agent.verify.attacks.catalogue import CatalogueUnreadable
from agent.verify.attacks.outcome import Input, Outcome, Setting, Unrealised, facts, first_known
from strategies.errors import NotApproved
from tests.agent.verify.attack_cases import SETTING, case, only, read, whole

DENIED = Outcome("deny", ("signature",))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "attacks.yaml"
    path.write_text(text)
    return path


def test_a_file_in_the_published_format_is_read_whole(tmp_path: Path) -> None:
    found = catalogue.read(written(tmp_path, yaml.safe_dump(whole(case(), case(id="t-2")))))
    assert [one.id for one in found.cases] == ["t-1", "t-2"]
    assert found.cases[0].unread == ()
    assert found.setting.policy["slippage_max_bps"] == 50


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1\na: 2\n", "repeated"),
        ("a: &x 1\nb: *x\n", "anchors"),
        ("a: !!python/object/apply:os.system ['true']\n", "tag"),
        ("a: {<<: {b: 1}}\n", "no word"),
        ("[" * 100 + "]" * 100, "nested"),
        ("a: [1\n", "expected"),
        ("a: 1\n", "published format"),
    ],
)
def test_what_is_no_catalogue_is_refused_by_name(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueUnreadable, match=why):
        catalogue.read(written(tmp_path, text))


def test_a_file_that_is_missing_too_long_or_no_utf8_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CatalogueUnreadable, match="No such file"):
        catalogue.read(tmp_path / "nowhere")
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(CatalogueUnreadable, match="utf-8"):
        catalogue.read(tmp_path / "bytes")
    monkeypatch.setattr(catalogue, "MAX_BYTES", 3)
    with pytest.raises(CatalogueUnreadable, match="larger"):
        catalogue.read(written(tmp_path, "a: 1\n"))


def test_yaml_means_what_it_says(tmp_path: Path) -> None:
    said = "a: 1\nb: '1'\nc: true\nd: null\ne: 1.5\nf: 2025-01-04\ng: [x, {h: .nan}]\n"
    found = catalogue.plain(said)
    assert isinstance(found, dict)
    assert str(found["g"][1]["h"]) == "nan"
    assert {key: found[key] for key in "abcdef"} == {"a": 1, "b": "1", "c": True, "d": None, "e": 1.5, "f": "2025-01-04"}


@pytest.mark.parametrize("broken", [{"benign": "no"}, {"input": []}, {"given": []}])
def test_a_case_of_another_shape_makes_the_file_unreadable(broken: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="records"):
        read({**case(), **broken})
    with pytest.raises(ValueError, match="no id"):
        read({**case(), "id": 7})
    with pytest.raises(ValueError, match="two of one id"):
        read(case(), case())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"oddity": 1}, "oddity"),
        ({"layer": "moon"}, "layer moon"),
        ({"given": {"weather": 1}}, "given.weather"),
        ({"expect": {"verdict": ["deny"], "colour": 1}}, "expect.colour"),
        ({"expect": {"verdict": ["shrug"]}}, "verdict shrug"),
        ({"expect": {"verdict": ["deny"], "rules": ["R-NEW"]}}, "rule R-NEW"),
        ({"surface": "carrier_pigeon"}, "surface carrier_pigeon"),
        ({"input": {"raw_hash": {"hash": "0x", "salt": 1}}}, "input.raw_hash.salt"),
        ({"input": {"raw_hash": {"hash": "0x"}, "tx": {}}}, "input.tx"),
    ],
)
def test_a_word_that_nobody_knows_fails_its_case_and_no_other(changes: Mapping[str, Any], word: str) -> None:
    found = read({**case(), **changes}, case(id="t-2"))
    odd, plain = (run.one(one, SETTING, lambda surface: lambda handed, setting: DENIED) for one in found.cases)
    assert word in odd.why
    assert plain.is_good


@pytest.mark.parametrize(
    ("surface", "content", "word"),
    [
        ("tx", {"to": "$X", "call": {"sig": "f()", "args": {}, "value": 1}}, "input.tx.call.value"),
        ("tx", {"to": "$X", "authorizationList": [{"chainId": "0", "code": "0x"}]}, "input.tx.authorizationList[0].code"),
        ("plan", {"steps": [{"to": "$X"}, {"too": "$X"}]}, "input.plan.steps[1].too"),
        ("plan", {"steps": [], "intent": {"verb": "supply"}}, "input.plan.intent.verb"),
        ("sequence", [{"do": "supply"}, {"undo": "supply"}], "input.sequence[1].undo"),
        ("sequence", {"do": "supply"}, "input.sequence is no list"),
        ("approval_request", {"display": "x", "tx": {"gass": 1}}, "input.approval_request.tx.gass"),
        ("plan", "supply everything", "input.plan is no record"),
    ],
)
def test_words_are_looked_at_to_their_depth(surface: str, content: Any, word: str) -> None:
    assert word in only(surface=surface, content=content).unread


def test_runners_never_see_what_is_expected() -> None:
    seen: list[Input] = []

    def runner(handed: Input, setting: Setting) -> Outcome:
        seen.append(handed)
        return DENIED

    told = {"note": "the answer", "lost_if_wrong": "all", "source": "a paper", "requires": ["aave_v3"]}
    run.one(only(**told), SETTING, lambda surface: runner)
    assert {field.name for field in fields(Input)} == {"surface", "layer", "given", "content", "requires"}
    said = json.dumps([seen[0].surface, seen[0].layer, seen[0].given, seen[0].content, seen[0].requires])
    assert all(word not in said for word in ("t-1", "title", "R-SIGN", "deny", "tests", "answer", "all", "paper", "benign"))


@given(st.booleans(), st.sampled_from([["allow"], ["deny"], ["hold"]]), st.text(max_size=5))
def test_what_is_expected_changes_nothing_that_a_runner_sees(benign: bool, verdict: list[str], title: str) -> None:
    one = only(benign=benign, expect={"verdict": verdict}, title=title, id="other", category="another")
    assert one.seen == only().seen


def test_a_case_passes_for_a_listed_verdict_and_a_rule_of_a_listed_class() -> None:
    one = only()
    assert score.scored(one, Outcome("deny", ("effects", "signature"))).is_good
    assert "expected deny" in score.scored(one, Outcome("hold", ("signature",))).why
    assert "recorded R-TARGET" in score.scored(one, Outcome("deny", ("target",))).why
    assert "recorded none" in score.scored(one, Outcome("deny", ("a-rule-of-no-class",))).why


def test_of_a_benign_case_only_allow_is_right() -> None:
    one = only(benign=True, expect={"verdict": ["allow", "deny"]})
    assert score.scored(one, Outcome("allow")).is_good
    assert "benign" in score.scored(one, Outcome("deny")).why


def test_a_hold_must_ask_for_as_many_people() -> None:
    one = only(expect={"verdict": ["hold"], "rules": ["R-SIGN"], "approvals": 2})
    assert score.scored(one, Outcome("hold", ("signature",), approvals=2)).is_good
    assert "1 are asked for" in score.scored(one, Outcome("hold", ("signature",), approvals=1)).why


def test_what_must_hold_afterwards_is_asked_and_an_unknown_word_fails() -> None:
    one = only(expect={"verdict": ["deny"], "post": ["nothing_signed", "moon_full"]})
    probe = facts({"nothing_signed": "", "moon_full": "it is new"})
    assert score.scored(one, Outcome("deny", probe=facts({"nothing_signed": "", "moon_full": ""}))).is_good
    assert "not moon_full: it is new" in score.scored(one, Outcome("deny", probe=probe)).why
    assert "nobody can say whether moon_full" in score.scored(one, Outcome("deny", probe=facts({"nothing_signed": ""}))).why
    assert "nobody can say" in score.scored(one, Outcome("deny")).why


def test_the_first_probe_that_knows_an_item_answers_it() -> None:
    probe = first_known(facts({"a": ""}), facts({"a": "no", "b": "no"}))
    assert (probe("a"), probe("b"), probe("c")) == ("", "no", None)


@pytest.mark.parametrize("error", [Unrealised("no such thing"), NotApproved("broken"), KeyError("x"), OSError("disk")])
def test_what_a_runner_cannot_do_fails_its_case(error: Exception) -> None:
    def runner(handed: Input, setting: Setting) -> Outcome:
        raise error

    found = run.one(only(), SETTING, lambda surface: runner)
    assert found.why
    assert found.verdict == "failed"


@pytest.mark.parametrize("surface", sorted(run.MISSING))
def test_only_surfaces_that_do_not_exist_are_skipped_with_their_reason(surface: str) -> None:
    found = run.one(only(surface=surface, content=[] if surface == "memory" else {}), SETTING, _nobody)
    assert found.skipped == run.MISSING[surface]
    assert not found.is_good


def _nobody(surface: str) -> Any:
    raise AssertionError(surface)


def test_the_summary_counts_what_was_stopped_allowed_and_skipped() -> None:
    attack, benign = only(), only(benign=True, category="other", expect={"verdict": ["allow"]})
    results = [
        score.scored(attack, DENIED),
        score.scored(attack, Outcome("allow")),
        score.scored(benign, Outcome("allow")),
        score.skipped(attack, "not yet"),
    ]
    counts = {"attacks": 3, "stopped": 1, "benign": 0, "allowed": 0, "skipped": 1}
    other = {"attacks": 0, "stopped": 0, "benign": 1, "allowed": 1, "skipped": 0}
    totals = {name: counts[name] + other[name] for name in counts}
    assert score.summary(results) == {**totals, "by_category": {"tests": counts, "other": other}}
    assert not score.is_complete(results)
    assert score.is_complete([results[0], results[2], results[3]])

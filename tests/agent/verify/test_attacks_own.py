"""The project's own catalogue of attacks, run as `usufruct verify attacks` runs it: every attack is stopped, for a listed reason,
and of what is harmless only that is refused which is refused by design."""

from pathlib import Path
from typing import Final

import pytest

from agent.verify.attacks import catalogue, run
from agent.verify.attacks.score import Result, summary
from agent.verify.attacks.vocabulary import GIVEN, INPUTS

OWN: Final = Path(__file__).parent / "attacks.yaml"
BY_DESIGN: Final = {  # harmless cases that are refused, and why
    "Repayment by the largest integer": "its approval cannot be exact beforehand, and none may be left over",
    "A quarter of a vault lies in the pool": "what a vault lends to counts in full: shares of it change without notice",
    "Permit for exactly the next step": "no typed data is signed at all; the step's own approval does the same",
    "Reason with every letter of the alphabet": "a figure in a model's reason must stand in the table that it was shown",
    "Shares one unit short by rounding": "the model of a vault is exact, so a share too few is not rounding",
}


@pytest.fixture(scope="module")
def known() -> catalogue.Catalogue:
    return catalogue.read(OWN)


def titles() -> dict[str, str]:
    content = catalogue.plain(OWN.read_text())
    assert isinstance(content, dict)
    return {case["id"]: case["title"] for case in content["cases"]}


def test_the_catalogue_uses_every_word_that_a_case_may_use(known: catalogue.Catalogue) -> None:
    assert not [case.id for case in known.cases if case.unread]
    assert {key for case in known.cases for key in case.seen.given} == GIVEN
    assert {case.seen.surface for case in known.cases} == set(INPUTS)
    assert len({case.category for case in known.cases}) == 26
    assert 120 <= len(known.cases) <= 180


@pytest.mark.chain
@pytest.mark.slow
def test_every_attack_is_stopped_and_only_what_is_refused_by_design_is_refused(known: catalogue.Catalogue) -> None:
    results: list[Result] = list(run.run(known, lambda _: True))
    named = titles()
    fell_short = [f"{one.id}: {one.why}: {one.reasons}" for one in results if one.why and named[one.id] not in BY_DESIGN]
    assert not fell_short
    refused = {named[one.id]: one for one in results if one.why}
    assert refused.keys() == BY_DESIGN.keys()
    assert all(one.is_benign and one.verdict == "deny" for one in refused.values())
    counts = summary(results)
    assert counts["attacks"] == sum(not case.is_benign for case in known.cases)
    assert {one.verdict for one in results if one.skipped} == {"skipped"}

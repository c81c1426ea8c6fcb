"""Lido against the published reference vectors: every case, by equality, with the code the adapter uses."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.verify.cases.lido import GROUPS
from agent.verify.vectors import cases_of, groups_of, run

VECTORS = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors" / "lido.json"

pytestmark = pytest.mark.skipif(
    not VECTORS.exists(), reason="the shared folder with the published vectors is not beside this repository"
)


def groups() -> dict[str, list[Any]]:
    return {name: list(cases) for name, cases in map(cases_of, groups_of(json.loads(VECTORS.read_text())))}


def test_knows_every_group_and_all_24_cases() -> None:
    assert set(groups()) == set(GROUPS)
    assert sum(len(cases) for cases in groups().values()) == 24


@pytest.mark.parametrize("name", GROUPS)
def test_equals_every_case_of(name: str) -> None:
    done = run(VECTORS.name, name, groups()[name], GROUPS[name])
    assert (done.passed, done.failed, done.first) == (len(groups()[name]), 0, None)

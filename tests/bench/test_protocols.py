"""The benchmark runs, in a tiny size, and what it measures is exact. No time is asserted."""

from dataclasses import replace

import pytest

from tests.bench.protocols import PEER, Size, claims, floor, lines
from tests.bench.subjects import SUBJECTS, subject

TINY = Size(claims=2, hours=12, peer_hours=2, budget_seconds=0.0001)
KEYS = {"job", "adapter", "operation", "ours_us", "peer", "peer_us", "ratio"}
WITH_A_VIEW = ("aave_v3", "compound_v3", "erc4626", "metamorpho", "stata", "lido")

pytestmark = pytest.mark.chain


@pytest.mark.parametrize("name", SUBJECTS)
def test_measures_every_operation_of(name: str) -> None:
    found = list(lines(name, TINY))
    assert all(set(line) == KEYS for line in found)
    assert {line["adapter"] for line in found} == {name}
    operations = [str(line["operation"]) for line in found]
    assert operations[:5] == ["accrue and value 2 claims", "accrue", "value_raw", "decode", "columns"]
    kinds = [type(action).__name__ for action in subject(name).actions]
    assert operations[5:] == [f"{verb}({kind})" for kind in kinds for verb in ("apply", "encode", "parse")]
    assert all((line["peer"] == PEER) == (line["ratio"] is not None) for line in found)
    assert (found[0]["peer"] is not None) == (name in WITH_A_VIEW)


@pytest.mark.parametrize("name", WITH_A_VIEW)
def test_a_valuation_that_is_not_the_contracts_ends_the_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = subject(name)
    wrong = replace(measured, held=replace(measured.held, shares_raw=measured.held.shares_raw + 10**13))
    monkeypatch.setitem(SUBJECTS, name, lambda: wrong)
    with pytest.raises(AssertionError, match="the contract says"):
        list(lines(name, TINY))


def test_claims_are_parts_of_the_one_that_is_held() -> None:
    measured = subject("sky_savings")
    parts = [claim.shares_raw for claim in claims(measured, 100)]
    assert (len(set(parts)), parts[-1]) == (100, measured.held.shares_raw)


def test_the_peers_own_cost_is_said_beside() -> None:
    assert [line["operation"] for line in floor(TINY)] == ["a view", "an action"]

"""The published Aave vectors, every case, equality: they were made by executing the contracts."""

from pathlib import Path

import pytest

from agent.verify.cases.aave_v3 import GROUPS
from agent.verify.vectors import Group, cases_of, groups_of, run, verify
from strategies.errors import ProtocolError
from strategies.units import MAX_UINT256

VECTORS = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors"
NAMES = ("aave_v3.json", "curve_stableswap_ng.json", "pendle_v2.json")
CASES = {"aave_v3.json": 309, "curve_stableswap_ng.json": 150, "pendle_v2.json": 118}


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    if not VECTORS.is_dir():
        pytest.skip("the shared folder with the published vectors is not beside this repository")
    return [found for found in verify(VECTORS) if isinstance(found, Group)]


@pytest.mark.parametrize("name", NAMES)
def test_every_case_is_equal(groups: list[Group], name: str) -> None:
    ours = [group for group in groups if group.file == name]
    assert [group.first for group in ours if group.first] == []
    assert sum(group.passed for group in ours) == CASES[name]
    assert sum(group.failed + group.skipped for group in ours) == 0


@pytest.mark.parametrize(
    ("group", "given"),
    [
        ("wadray_random", {"fn": "rayDiv", "a": "1", "b": "0"}),
        ("wadray_random", {"fn": "rayMul", "a": str(MAX_UINT256), "b": "2"}),
        ("wadray_random", {"fn": "wadToRay", "a": str(MAX_UINT256)}),
        ("linear_interest", {"rate": str(MAX_UINT256), "dt": "2"}),
        ("compounded_interest_v3_current", {"rate": str(10**60), "dt": str(10**9)}),
        ("compounded_interest_v3_0", {"rate": str(10**60), "dt": "3"}),
    ],
)
def test_refuses_where_the_contract_overflows_or_divides_by_zero(group: str, given: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        GROUPS[group]({"in": given})


def test_a_reserve_without_debt_has_no_rate_whatever_is_taken() -> None:
    given = {
        **{f"{name}_bps": "1000" for name in ("optimal", "base", "slope1", "slope2", "reserve_factor")},
        "virtual_underlying_balance": "1",
        "liquidity_added": "0",
        "liquidity_taken": "2",
    }
    still = GROUPS["rate_strategy_v2"]({"in": {**given, "total_debt": "0"}})
    assert still == {"liquidity_rate_ray": "0", "variable_borrow_rate_ray": str(10**26)}
    with pytest.raises(ProtocolError):
        GROUPS["rate_strategy_v2"]({"in": {**given, "total_debt": "5"}})


def test_what_a_runner_computes_is_judged_and_not_trusted() -> None:
    content = {"groups": [{"name": "linear_interest", "cases": [{"in": {"rate": "0", "dt": "5"}, "out": {"factor": "1"}}]}]}
    ((name, cases),) = map(cases_of, groups_of(content))
    assert run("aave_v3.json", name, cases, GROUPS[name]).failed == 1

"""The published Aave vectors, every case, equality: they were made by executing the contracts."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from strategies.protocols.aave_v3.arithmetic import (
    V3_6,
    Curve,
    Usage,
    binomial_interest_ray,
    linear_interest_ray,
    percent_mul,
    rates_ray,
    ray_div,
    ray_mul,
    taylor_interest_ray,
)
from strategies.units import BPS, RAY, WAD, mul_div_down, mul_div_half_up, mul_div_up

VECTORS = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors" / "aave_v3.json"
RAY_PER_BPS = RAY // BPS
WAD_RAY = RAY // WAD

pytestmark = pytest.mark.skipif(
    not VECTORS.exists(), reason="the shared folder with the published vectors is not beside this repository"
)

MATHS: Mapping[str, Callable[[int, int], int]] = {
    "rayMul": ray_mul,
    "rayMulFloor": lambda a, b: mul_div_down(a, b, RAY),
    "rayMulCeil": lambda a, b: mul_div_up(a, b, RAY),
    "rayDiv": ray_div,
    "rayDivFloor": lambda a, b: mul_div_down(a, RAY, b),
    "rayDivCeil": lambda a, b: mul_div_up(a, RAY, b),
    "wadMul": lambda a, b: mul_div_half_up(a, b, WAD),
    "wadDiv": lambda a, b: mul_div_half_up(a, WAD, b),
    "percentMul": percent_mul,
    "percentMulFloor": lambda a, b: mul_div_down(a, b, BPS),
    "percentMulCeil": lambda a, b: mul_div_up(a, b, BPS),
    "percentDiv": lambda a, b: mul_div_half_up(a, BPS, b),
    "percentDivFloor": lambda a, b: mul_div_down(a, BPS, b),
    "percentDivCeil": lambda a, b: mul_div_up(a, BPS, b),
}


def check_maths(given: Mapping[str, str], out: Mapping[str, str]) -> None:
    if given["fn"] in ("rayToWad", "wadToRay"):
        a = int(given["a"])
        assert (mul_div_half_up(a, 1, WAD_RAY) if given["fn"] == "rayToWad" else a * WAD_RAY) == int(out["r"])
        return
    assert MATHS[given["fn"]](int(given["a"]), int(given["b"])) == int(out["r"])


def check_growth(growth: Callable[[int, int], int]) -> Callable[[Mapping[str, str], Mapping[str, str]], None]:
    def check(given: Mapping[str, str], out: Mapping[str, str]) -> None:
        assert growth(int(given["rate"]), int(given["dt"])) == int(out["factor"])

    return check


def curve_of(given: Mapping[str, str]) -> Curve:
    return Curve(*(int(given[f"{name}_bps"]) * RAY_PER_BPS for name in ("optimal", "base", "slope1", "slope2")))


def check_strategy(given: Mapping[str, str], out: Mapping[str, str]) -> None:
    available_raw = int(given["virtual_underlying_balance"]) + int(given["liquidity_added"]) - int(given["liquidity_taken"])
    usage = Usage(available_raw, int(given["total_debt"]), int(given.get("unbacked", 0)), int(given["reserve_factor_bps"]))
    expected = int(out["liquidity_rate_ray"]), int(out["variable_borrow_rate_ray"])
    assert rates_ray(V3_6, curve_of(given), usage) == expected


CHECKS: Mapping[str, Callable[[Mapping[str, str], Mapping[str, str]], None]] = {
    "wadray_protocol_tests": check_maths,
    "wadray_random": check_maths,
    "linear_interest": check_growth(linear_interest_ray),
    "compounded_interest_v3_current": check_growth(taylor_interest_ray),
    "compounded_interest_v3_0": check_growth(binomial_interest_ray),
    "rate_strategy_v2": check_strategy,
}


def groups() -> dict[str, list[Any]]:
    return {group["name"]: group["cases"] for group in json.loads(VECTORS.read_text())["groups"]}


def test_knows_every_group_and_all_309_cases() -> None:
    found = groups()
    assert set(found) == {*CHECKS, "reserve_trajectory"}
    assert sum(len(cases) for cases in found.values()) == 309


@pytest.mark.parametrize("group", CHECKS)
def test_equals_every_case_of(group: str) -> None:
    for case in groups()[group]:
        CHECKS[group](case["in"], case["out"])


def test_equals_every_step_of_every_trajectory() -> None:
    for case in groups()["reserve_trajectory"]:
        follow(case["in"], case["steps"])


def follow(given: Mapping[str, str], steps: list[Mapping[str, str]]) -> None:
    liquidity_index_ray, variable_index_ray = int(given["liquidity_index0"]), int(given["variable_borrow_index0"])
    scaled_raw, curve = int(given["scaled_variable_debt"]), curve_of(given)
    for step in steps:
        debt_raw = ray_mul(scaled_raw, variable_index_ray)
        usage = Usage(int(given["virtual_underlying_balance"]), debt_raw, 0, int(given["reserve_factor_bps"]))
        liquidity_ray, variable_ray = rates_ray(V3_6, curve, usage)
        seconds = int(step["dt"])
        liquidity_index_ray = ray_mul(linear_interest_ray(liquidity_ray, seconds), liquidity_index_ray)
        variable_index_ray = ray_mul(taylor_interest_ray(variable_ray, seconds), variable_index_ray)
        assert debt_raw == int(step["total_debt"])
        assert (liquidity_ray, variable_ray) == (int(step["liquidity_rate"]), int(step["variable_borrow_rate"]))
        assert liquidity_index_ray == int(step["liquidity_index_after"])
        assert variable_index_ray == int(step["variable_borrow_index_after"])

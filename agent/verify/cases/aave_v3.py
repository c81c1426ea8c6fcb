"""`aave_v3.json`: fixed-point maths, interest, the rate strategy and trajectories, by the arithmetic the adapter uses.

The contracts revert where a product passes 256 bits or a divisor is zero, and take no curve out of their bounds; so does every
runner here. Taylor's form is unchecked in one place, where it wraps."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from strategies.errors import ActionRefused
from strategies.protocols.aave_v3.arithmetic import (
    V3_6,
    WAD_RAY_RATIO,
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
from strategies.units import BPS, MAX_UINT256, RAY, SECONDS_PER_YEAR, WAD, mul_div_down, mul_div_half_up, mul_div_up

Case: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = Mapping[str, str]
Maths: TypeAlias = Callable[[int, int], int]

RAY_PER_BPS: Final = RAY // BPS
OPTIMAL_BPS: Final = range(100, 9_901)  # DefaultReserveInterestRateStrategyV2.MIN_OPTIMAL_POINT, MAX_OPTIMAL_POINT
MOST_BORROW_BPS: Final = 100_000  # MAX_BORROW_RATE

# Each with the largest number its contract works out on the way.
MATHS: Final[Mapping[str, tuple[Maths, Maths]]] = {
    "rayMul": (ray_mul, lambda a, b: a * b + RAY // 2),
    "rayMulFloor": (lambda a, b: mul_div_down(a, b, RAY), lambda a, b: a * b),
    "rayMulCeil": (lambda a, b: mul_div_up(a, b, RAY), lambda a, b: a * b),
    "rayDiv": (ray_div, lambda a, b: a * RAY + b // 2),
    "rayDivFloor": (lambda a, b: mul_div_down(a, RAY, b), lambda a, _: a * RAY),
    "rayDivCeil": (lambda a, b: mul_div_up(a, RAY, b), lambda a, _: a * RAY),
    "wadMul": (lambda a, b: mul_div_half_up(a, b, WAD), lambda a, b: a * b + WAD // 2),
    "wadDiv": (lambda a, b: mul_div_half_up(a, WAD, b), lambda a, b: a * WAD + b // 2),
    "percentMul": (percent_mul, lambda a, b: a * b + BPS // 2),
    "percentMulFloor": (lambda a, b: mul_div_down(a, b, BPS), lambda a, b: a * b),
    "percentMulCeil": (lambda a, b: mul_div_up(a, b, BPS), lambda a, b: a * b),
    "percentDiv": (lambda a, b: mul_div_half_up(a, BPS, b), lambda a, b: a * BPS + b // 2),
    "percentDivFloor": (lambda a, b: mul_div_down(a, BPS, b), lambda a, _: a * BPS),
    "percentDivCeil": (lambda a, b: mul_div_up(a, BPS, b), lambda a, _: a * BPS),
}


def maths(case: Case) -> Outcome:
    """WadRayMath and PercentageMath."""
    given = case["in"]
    name, a = given["fn"], int(given["a"])
    if name == "rayToWad":
        return {"r": str(mul_div_half_up(a, 1, WAD_RAY_RATIO))}
    if name == "wadToRay":
        return {"r": str(_fits(a * WAD_RAY_RATIO))}
    compute, largest = MATHS[name]
    b = int(given["b"])
    if b == 0 and "Div" in name:
        raise _reverts("a division by zero")
    _fits(largest(a, b))
    return {"r": str(compute(a, b))}


def linear(case: Case) -> Outcome:
    """MathUtils.calculateLinearInterest."""
    rate_ray, seconds = int(case["in"]["rate"]), int(case["in"]["dt"])
    _fits(rate_ray * seconds)
    return {"factor": str(_fits(linear_interest_ray(rate_ray, seconds)))}


def taylor(case: Case) -> Outcome:
    """MathUtils.calculateCompoundedInterest from V3.4 on."""
    rate_ray, seconds = int(case["in"]["rate"]), int(case["in"]["dt"])
    grown_ray = rate_ray * seconds & MAX_UINT256  # the unchecked product; whatever follows of it fits
    x_ray = grown_ray // SECONDS_PER_YEAR
    _fits(x_ray * (x_ray // 6) + RAY // 2)
    _fits(x_ray * (x_ray // 2 + ray_mul(x_ray, x_ray // 6)) + RAY // 2)
    return {"factor": str(taylor_interest_ray(grown_ray, 1))}


def binomial(case: Case) -> Outcome:
    """MathUtils.calculateCompoundedInterest before V3.4."""
    rate_ray, seconds = int(case["in"]["rate"]), int(case["in"]["dt"])
    if seconds:
        squared_ray = (_fits(rate_ray * rate_ray + RAY // 2) // RAY) // SECONDS_PER_YEAR**2
        cubed_ray = (_fits(squared_ray * rate_ray + RAY // 2) // RAY) // SECONDS_PER_YEAR
        _fits(seconds * (seconds - 1) * squared_ray)
        _fits(seconds * (seconds - 1) * max(seconds - 2, 0) * cubed_ray)
        _fits(rate_ray * seconds)
    return {"factor": str(_fits(binomial_interest_ray(rate_ray, seconds)))}


def strategy(case: Case) -> Outcome:
    """DefaultReserveInterestRateStrategyV2.calculateInterestRates."""
    given = case["in"]
    deposited_raw = int(given["virtual_underlying_balance"]) + int(given["liquidity_added"])
    available_raw = deposited_raw - int(given["liquidity_taken"])
    usage = Usage(
        available_raw,
        int(given["total_debt"]),
        int(given.get("unbacked", 0)),
        reserve_factor_bps=int(given["reserve_factor_bps"]),
    )
    curve = _curve(given)
    if usage.debt_raw:
        _fits(deposited_raw)
        _check(usage)
    supply_ray, variable_ray = rates_ray(V3_6, curve, usage)
    return {"liquidity_rate_ray": str(supply_ray), "variable_borrow_rate_ray": str(variable_ray)}


def trajectory(case: Case) -> list[Mapping[str, Any]]:
    """Debt from the index, rates from the debt, then both indices; the virtual balance stands."""
    given = case["in"]
    supply_index_ray, debt_index_ray = int(given["liquidity_index0"]), int(given["variable_borrow_index0"])
    outcomes: list[Mapping[str, Any]] = []
    for step in case["steps"]:
        debt_raw = ray_mul(int(given["scaled_variable_debt"]), debt_index_ray)
        usage = Usage(int(given["virtual_underlying_balance"]), debt_raw, 0, int(given["reserve_factor_bps"]))
        supply_ray, variable_ray = rates_ray(V3_6, _curve(given), usage)
        supply_index_ray = ray_mul(linear_interest_ray(supply_ray, int(step["dt"])), supply_index_ray)
        debt_index_ray = ray_mul(taylor_interest_ray(variable_ray, int(step["dt"])), debt_index_ray)
        outcomes.append(
            {
                "total_debt": str(debt_raw),
                "liquidity_rate": str(supply_ray),
                "variable_borrow_rate": str(variable_ray),
                "liquidity_index_after": str(supply_index_ray),
                "variable_borrow_index_after": str(debt_index_ray),
            }
        )
    return outcomes


GROUPS: Final[Mapping[str, Callable[[Case], Outcome | list[Mapping[str, Any]]]]] = {
    "wadray_protocol_tests": maths,
    "wadray_random": maths,
    "linear_interest": linear,
    "compounded_interest_v3_current": taylor,
    "compounded_interest_v3_0": binomial,
    "rate_strategy_v2": strategy,
    "reserve_trajectory": trajectory,
}


def _curve(given: Mapping[str, str]) -> Curve:
    """DefaultReserveInterestRateStrategyV2.setInterestRateParams."""
    optimal, base, slope1, slope2 = (int(given[f"{name}_bps"]) for name in ("optimal", "base", "slope1", "slope2"))
    if optimal not in OPTIMAL_BPS or slope1 > slope2 or base + slope1 + slope2 > MOST_BORROW_BPS:
        raise _reverts("the strategy takes no such curve")
    return Curve(*(bps * RAY_PER_BPS for bps in (optimal, base, slope1, slope2)))


def _check(usage: Usage) -> None:
    """What calculateInterestRates checks of its numbers where something is owed."""
    if usage.available_raw < 0 or usage.reserve_factor_bps > BPS:
        raise _reverts("more is taken than is there, or than is earned")
    largest_raw = usage.available_raw + usage.debt_raw + usage.unbacked_raw
    _fits(usage.debt_raw * RAY + _fits(largest_raw) // 2)


def _fits(value: int) -> int:
    if value > MAX_UINT256:
        raise _reverts("a product passes 256 bits")
    return value


def _reverts(why: str) -> ActionRefused:
    return ActionRefused(market_id="aave_v3.json", why=why)

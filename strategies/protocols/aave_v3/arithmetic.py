"""Aave V3's own integer arithmetic: interest, rate curves, and what differs between the pool revisions that are known here.

Refuses nothing itself: which revisions are known is `VERSIONS`, and the reader refuses the others by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from strategies.units import (
    BPS,
    RAY,
    SECONDS_PER_YEAR,
    mul_div_down,
    mul_div_half_up,
    mul_div_up,
)

WAD_RAY_RATIO: Final = 10**9

Rounding: TypeAlias = Callable[[int, int, int], int]


def ray_mul(a: int, b_ray: int) -> int:
    """WadRayMath.rayMul: to the nearest."""
    return mul_div_half_up(a, b_ray, RAY)


def ray_div(a: int, b_ray: int) -> int:
    """WadRayMath.rayDiv: to the nearest."""
    return mul_div_half_up(a, RAY, b_ray)


def percent_mul(a: int, bps: int) -> int:
    """PercentageMath.percentMul: to the nearest."""
    return mul_div_half_up(a, bps, BPS)


def linear_interest_ray(rate_ray: int, seconds: int) -> int:
    """The supply index's growth: 1 + rate × t (MathUtils.calculateLinearInterest)."""
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR


def binomial_interest_ray(rate_ray: int, seconds: int) -> int:
    """(1 + rate per second)^t to the third binomial term (MathUtils.calculateCompoundedInterest before V3.4)."""
    if seconds == 0:
        return RAY
    squared_ray = ray_mul(rate_ray, rate_ray) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
    cubed_ray = ray_mul(squared_ray, rate_ray) // SECONDS_PER_YEAR
    pairs = seconds * (seconds - 1)
    second_ray = pairs * squared_ray // 2
    third_ray = pairs * max(seconds - 2, 0) * cubed_ray // 6
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR + second_ray + third_ray


def taylor_interest_ray(rate_ray: int, seconds: int) -> int:
    """e^(rate × t) to the third Taylor term (MathUtils.calculateCompoundedInterest from V3.4 on)."""
    x_ray = rate_ray * seconds // SECONDS_PER_YEAR
    return RAY + x_ray + ray_mul(x_ray, x_ray // 2 + ray_mul(x_ray, x_ray // 6))


@dataclass(frozen=True, slots=True)
class Curve:
    """A rate strategy's parameters for one reserve, in ray per year."""

    optimal_usage_ray: int
    base_ray: int
    slope1_ray: int
    slope2_ray: int


def variable_rate_ray(curve: Curve, usage_ray: int) -> int:
    """The kinked curve both rate strategies share (calculateInterestRates)."""
    if usage_ray > curve.optimal_usage_ray:
        excess_ray = ray_div(usage_ray - curve.optimal_usage_ray, RAY - curve.optimal_usage_ray)
        return curve.base_ray + curve.slope1_ray + ray_mul(curve.slope2_ray, excess_ray)
    return curve.base_ray + ray_div(ray_mul(curve.slope1_ray, usage_ray), curve.optimal_usage_ray)


def averaged_rate_ray(variable_ray: int, debt_raw: int) -> int:
    """The mean rate of all debt, rounded twice (DefaultReserveInterestRateStrategy._getOverallBorrowRate without stable debt)."""
    weight_ray = debt_raw * WAD_RAY_RATIO
    return ray_div(ray_mul(weight_ray, variable_ray), weight_ray)


def single_rate_ray(variable_ray: int, _debt_raw: int) -> int:
    """All debt is variable (DefaultReserveInterestRateStrategyV2)."""
    return variable_ray


def interest_of_totals_raw(scaled_raw: int, before_ray: int, after_ray: int) -> int:
    """Debt after less debt before, each rounded (ReserveLogic._accrueToTreasury, V3.0)."""
    return ray_mul(scaled_raw, after_ray) - ray_mul(scaled_raw, before_ray)


def interest_of_growth_raw(scaled_raw: int, before_ray: int, after_ray: int) -> int:
    """Scaled debt times the index's growth, rounded once, down (ReserveLogic._accrueToTreasury, V3.6)."""
    return mul_div_down(scaled_raw, after_ray - before_ray, RAY)


@dataclass(frozen=True, slots=True)
class Version:
    """What a pool revision decides: compounding, strategy, treasury share, and which way scaled amounts are rounded."""

    name: str
    compound: Callable[[int, int], int]  # rate, seconds → factor
    overall_rate: Callable[[int, int], int]  # variable rate, debt → what suppliers share
    interest: Callable[[int, int, int], int]  # scaled debt, index before, index after → accrued
    supply_minted: Rounding
    supply_burned: Rounding
    supply_valued: Rounding
    debt_minted: Rounding
    debt_burned: Rounding
    debt_valued: Rounding
    checks_scaled: bool  # caps are compared after scaling (V3.6), not before (V3.0)
    frees_nothing: bool  # what is not supplied may be switched off as collateral (V3.6), or that reverts too (V3.0)


V3_0: Final = Version(
    name="V3.0",
    compound=binomial_interest_ray,
    overall_rate=averaged_rate_ray,
    interest=interest_of_totals_raw,
    supply_minted=mul_div_half_up,
    supply_burned=mul_div_half_up,
    supply_valued=mul_div_half_up,
    debt_minted=mul_div_half_up,
    debt_burned=mul_div_half_up,
    debt_valued=mul_div_half_up,
    checks_scaled=False,
    frees_nothing=False,
)

V3_6: Final = Version(
    name="V3.6",
    compound=taylor_interest_ray,
    overall_rate=single_rate_ray,
    interest=interest_of_growth_raw,
    supply_minted=mul_div_down,
    supply_burned=mul_div_up,
    supply_valued=mul_div_down,
    debt_minted=mul_div_up,
    debt_burned=mul_div_down,
    debt_valued=mul_div_up,
    checks_scaled=True,
    frees_nothing=True,
)

VERSIONS: Final[Mapping[int, Version]] = {1: V3_0, 10: V3_6}  # by POOL_REVISION


@dataclass(frozen=True, slots=True)
class Usage:
    """What a rate strategy is told about a reserve."""

    available_raw: int
    debt_raw: int
    unbacked_raw: int
    reserve_factor_bps: int


def rates_ray(version: Version, curve: Curve, usage: Usage) -> tuple[int, int]:
    """Supply rate and variable borrow rate (calculateInterestRates of the version's strategy, no stable debt)."""
    if usage.debt_raw == 0:
        return 0, curve.base_ray
    lent_raw = usage.available_raw + usage.debt_raw
    variable_ray = variable_rate_ray(curve, ray_div(usage.debt_raw, lent_raw))
    shared_ray = version.overall_rate(variable_ray, usage.debt_raw)
    earned_ray = ray_mul(shared_ray, ray_div(usage.debt_raw, lent_raw + usage.unbacked_raw))
    return percent_mul(earned_ray, BPS - usage.reserve_factor_bps), variable_ray

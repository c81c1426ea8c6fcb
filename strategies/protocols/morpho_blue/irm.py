"""The AdaptiveCurveIrm of Morpho Blue in integers: a rate that moves with utilisation, and a target that moves with time.

Refuses nothing itself. Its exponential is the contract's own (a second-order Taylor after halving by ln 2, about 1 % off at
worst, with a step at every odd multiple of ln 2 / 2), so interest that nobody books may shrink a little within a second."""

from dataclasses import dataclass
from typing import Final

from strategies.units import SECONDS_PER_YEAR, WAD, mul_div_down

CURVE_STEEPNESS_WAD: Final = 4 * WAD
ADJUSTMENT_SPEED_WAD: Final = 50 * WAD // SECONDS_PER_YEAR  # a second
TARGET_UTILISATION_WAD: Final = 9 * WAD // 10
INITIAL_RATE_AT_TARGET_WAD: Final = 4 * WAD // 100 // SECONDS_PER_YEAR  # this and the next: a second
MIN_RATE_AT_TARGET_WAD: Final = WAD // 1_000 // SECONDS_PER_YEAR
MAX_RATE_AT_TARGET_WAD: Final = 2 * WAD // SECONDS_PER_YEAR

LN_2_WAD: Final = 693_147_180_559_945_309
LN_SMALLEST_WAD: Final = -41_446_531_673_892_822_312  # below it, the exponential is less than one unit
CLIPPED_FROM_WAD: Final = 93_859_467_695_000_404_319
CLIPPED_WAD: Final = 57_716_089_161_558_943_949_701_069_502_944_508_345_128_422_502_756_744_429_568


@dataclass(frozen=True, slots=True)
class Rates:
    """What the model answers, a second: the average rate since the last update, and the rate at target it leaves."""

    average_wad: int
    at_target_wad: int


def rates(*, supplied_raw: int, owed_raw: int, rate_at_target_wad: int, seconds: int) -> Rates:
    """The average borrow rate over the seconds since the last update (AdaptiveCurveIrm._borrowRate)."""
    error_wad = _error_wad(mul_div_down(owed_raw, WAD, supplied_raw) if supplied_raw else 0)
    if rate_at_target_wad == 0:  # the market's first interaction
        return Rates(_curve_wad(INITIAL_RATE_AT_TARGET_WAD, error_wad), INITIAL_RATE_AT_TARGET_WAD)
    adaptation_wad = _mul_to_zero(ADJUSTMENT_SPEED_WAD, error_wad) * seconds
    if adaptation_wad == 0:
        return Rates(_curve_wad(rate_at_target_wad, error_wad), rate_at_target_wad)
    end_wad = _adapted_wad(rate_at_target_wad, adaptation_wad)
    middle_wad = _adapted_wad(rate_at_target_wad, _div_to_zero(adaptation_wad, 2))
    return Rates(_curve_wad((rate_at_target_wad + end_wad + 2 * middle_wad) // 4, error_wad), end_wad)


def exponential_wad(x_wad: int) -> int:
    """e to the x, as the contract approximates it (ExpLib.wExp)."""
    if x_wad < LN_SMALLEST_WAD:
        return 0
    if x_wad >= CLIPPED_FROM_WAD:
        return CLIPPED_WAD
    halves = _div_to_zero(x_wad + (LN_2_WAD // 2 if x_wad >= 0 else -(LN_2_WAD // 2)), LN_2_WAD)
    rest_wad = x_wad - halves * LN_2_WAD
    grown_wad = WAD + rest_wad + rest_wad * rest_wad // WAD // 2
    return grown_wad << halves if halves >= 0 else grown_wad >> -halves


def compounded_wad(rate_wad: int, seconds: int) -> int:
    """e to the rate times the seconds, less one: three terms, each rounded down (MathLib.wTaylorCompounded)."""
    first_wad = rate_wad * seconds
    second_wad = mul_div_down(first_wad, first_wad, 2 * WAD)
    return first_wad + second_wad + mul_div_down(second_wad, first_wad, 3 * WAD)


def _error_wad(utilisation_wad: int) -> int:
    """How far from the target, as a share of the way to none or to all."""
    over_wad = utilisation_wad - TARGET_UTILISATION_WAD
    return _div_to_zero(over_wad * WAD, WAD - TARGET_UTILISATION_WAD if over_wad > 0 else TARGET_UTILISATION_WAD)


def _curve_wad(rate_at_target_wad: int, error_wad: int) -> int:
    """A quarter of the rate at target where nothing is lent, four times it where all is (AdaptiveCurveIrm._curve)."""
    slope_wad = CURVE_STEEPNESS_WAD - WAD if error_wad >= 0 else WAD - WAD * WAD // CURVE_STEEPNESS_WAD
    return mul_div_down(_mul_to_zero(slope_wad, error_wad) + WAD, rate_at_target_wad, WAD)


def _adapted_wad(rate_at_target_wad: int, adaptation_wad: int) -> int:
    """AdaptiveCurveIrm._newRateAtTarget."""
    moved_wad = mul_div_down(rate_at_target_wad, exponential_wad(adaptation_wad), WAD)
    return max(min(moved_wad, MAX_RATE_AT_TARGET_WAD), MIN_RATE_AT_TARGET_WAD)


def _mul_to_zero(a_wad: int, b_wad: int) -> int:
    """Rounded towards zero, as Solidity divides (MathLib.wMulToZero)."""
    return _div_to_zero(a_wad * b_wad, WAD)


def _div_to_zero(a: int, b: int) -> int:
    """A positive divisor; rounded towards zero."""
    return a // b if a >= 0 else -(-a // b)

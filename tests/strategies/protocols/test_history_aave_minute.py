"""Four days of two Polygon reserves, sampled each minute with all 27 digits (`aave-v3-polygon-minute`), replayed from their
rates.

A row shows the reserve as its last touch up to that minute left it. Take two neighbouring rows that differ, a and b, D
seconds apart. No row between them differs from a, so whatever touched the reserve in between did it in b's own minute. Each
touch lies anywhere within its minute, so the time from a's to b's is a whole number T with |T - D| <= 59.

1. b's touch is the only one of its minute. Then a's rates r (supply) and v (debt) held all the time and, to the unit,
       b.liquidity_index = rayMul(1 + r*T/year, a.liquidity_index)         (linear)
       b.variable_index  = rayMul(binomial(v, T), a.variable_index)        (compounded)
   for one and the same T. There is nothing to choose: each second more moves either index by more than 10**17 units.
2. The debt's equation holds to the unit and the supply's falls short: suppliers were given something nobody owed for, which
   is what a flash loan's premium does (ReserveLogic.cumulateToLiquidityIndex). It only ever adds.
3. Earlier touches of b's minute set rates no row shows. They held H <= 59 seconds, a's held the other T - H, so growth lies
   between
       linear(r, T - H) * linear(least, H)    and    compounded(r, T - H) * e**(most * H)
   (a split never grows less than linearly, nor more than continuously; a touch floors one factor and rounds one product,
   which is less than 2 units, and there are at most 60 seconds to touch in). What the hidden rates were the file cannot say:
   the least and the most any row of it shows stand for them. T is not known either, and is eliminated: one T must do for
   both indices.
4. What is outside is counted. Every such row has its debt inside and its supply above: a flash loan's premium again, in a
   minute with other touches besides."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from strategies.protocols.aave_v3 import AaveV3
from strategies.protocols.aave_v3.arithmetic import V3_0, V3_6, Version, linear_interest_ray, ray_mul, taylor_interest_ray
from strategies.protocols.aave_v3.reserve import Reserve, debt_ray, income_ray
from strategies.units import RAY, SECONDS_PER_YEAR
from tests.strategies.protocols.cases import reserve
from tests.strategies.protocols.real_history import Touched, minutes

WETH, USDC = "0x7ceb23fd6bc0add59e62ac25578270cff1b9f619", "0x2791bca1f2de4661ed88a30c99a7a9449aa84174"
RESERVES = pytest.mark.parametrize("token", [WETH, USDC], ids=["WETH", "USDC.e"])
MINUTE = 60
ROUNDING_RAY = 2 * MINUTE
FOUND = {
    WETH: {"to the unit": 1_149, "debt to the unit, supply above": 46, "within the bound": 644, "debt within, supply above": 22},
    USDC: {
        "to the unit": 1_633,
        "debt to the unit, supply above": 37,
        "within the bound": 1_597,
        "debt within, supply above": 18,
    },
}
ADAPTER = AaveV3()


@dataclass(frozen=True, slots=True)
class Extremes:
    """The least and the most that any row shows."""

    liquidity_ray: tuple[int, int]
    variable_ray: tuple[int, int]


def stored(row: Touched, version: Version = V3_0) -> Reserve:
    """The reserve at its touch."""
    return replace(
        reserve(version),
        timestamp=0,
        last_update_timestamp=0,
        liquidity_rate_ray=row.liquidity_rate_ray,
        variable_rate_ray=row.variable_rate_ray,
        liquidity_index_ray=row.liquidity_index_ray,
        variable_index_ray=row.variable_index_ray,
    )


def window(a: Touched, b: Touched) -> range:
    """Every time there can be between two touches."""
    apart = b.timestamp - a.timestamp
    return range(max(apart - MINUTE + 1, 1), apart + MINUTE)


def seconds_of_debt(a: Touched, b: Touched, version: Version = V3_0) -> int | None:
    """The time after which a's debt index is b's to the unit; None where there is none."""
    grown_ray = (b.variable_index_ray - a.variable_index_ray) * RAY // a.variable_index_ray
    about = grown_ray * SECONDS_PER_YEAR // a.variable_rate_ray  # compounding makes it a little too long
    for seconds in range(about - 1, about + 2):
        if seconds in window(a, b) and debt_ray(ADAPTER.accrue(stored(a, version), seconds)) == b.variable_index_ray:
            return seconds
    return None


def supply_after(a: Touched, seconds: int) -> int:
    return income_ray(ADAPTER.accrue(stored(a), seconds))


def within(index_ray: int, rates_ray: tuple[int, int, int], seconds: int, after_ray: int) -> bool:
    """Whether an index can have grown so, at the shown rate and then for a minute at rates between least and most."""
    shown_ray, least_ray, most_ray = rates_ray
    hidden = min(seconds, MINUTE - 1)
    low_ray = ray_mul(
        linear_interest_ray(least_ray, hidden), ray_mul(linear_interest_ray(shown_ray, seconds - hidden), index_ray)
    )
    high_ray = ray_mul(
        taylor_interest_ray(most_ray, hidden), ray_mul(taylor_interest_ray(shown_ray, seconds - hidden), index_ray)
    )
    return low_ray - ROUNDING_RAY <= after_ray <= high_ray + ROUNDING_RAY


def judged(a: Touched, b: Touched, seen: Extremes) -> str:
    """Which of the four cases a pair of rows is."""
    exact = seconds_of_debt(a, b)
    if exact is not None:
        short_ray = b.liquidity_index_ray - supply_after(a, exact)
        return "to the unit" if short_ray == 0 else "debt to the unit, supply above" if short_ray > 0 else "impossible"
    debt_rates_ray = (a.variable_rate_ray, *seen.variable_ray)
    supply_rates_ray = (a.liquidity_rate_ray, *seen.liquidity_ray)
    times = [t for t in window(a, b) if within(a.variable_index_ray, debt_rates_ray, t, b.variable_index_ray)]
    if not times:
        return "debt outside"
    if any(within(a.liquidity_index_ray, supply_rates_ray, t, b.liquidity_index_ray) for t in times):
        return "within the bound"
    above = all(b.liquidity_index_ray > supply_after(a, t) for t in times)
    return "debt within, supply above" if above else "supply below"


def extremes(rows: list[Touched]) -> Extremes:
    liquidity, variable = [row.liquidity_rate_ray for row in rows], [row.variable_rate_ray for row in rows]
    return Extremes((min(liquidity), max(liquidity)), (min(variable), max(variable)))


@RESERVES
def test_every_row_follows_from_the_one_before(token: str) -> None:
    rows = minutes(token)
    seen = extremes(rows)
    assert Counter(judged(a, b, seen) for a, b in pairwise(rows)) == FOUND[token]


@RESERVES
def test_the_times_that_fit_to_the_unit_also_fit_the_clock(token: str) -> None:
    """In a run of fitting rows each touch's place in its minute follows from the first one's; they must all lie in one minute."""
    rows = minutes(token)
    places = [0]
    runs = 0
    for a, b in pairwise(rows):
        seconds = seconds_of_debt(a, b)
        if seconds is None:
            runs += len(places) > 2
            places = [0]
            continue
        places.append(places[-1] + seconds - (b.timestamp - a.timestamp))
        assert max(places) - min(places) < MINUTE
    assert runs > 100


@RESERVES
def test_the_compounding_of_later_versions_fits_no_row(token: str) -> None:
    rows = minutes(token)
    pairs = [(a, b) for a, b in pairwise(rows) if seconds_of_debt(a, b)]
    assert len(pairs) > 1_000
    assert not any(seconds_of_debt(a, b, V3_6) for a, b in pairs)


def test_a_single_unit_more_or_less_is_seen() -> None:
    a, b = next((a, b) for rows in [minutes(WETH)] for a, b in pairwise(rows) if seconds_of_debt(a, b))
    for off in (-1, 1):
        assert seconds_of_debt(a, replace(b, variable_index_ray=b.variable_index_ray + off)) is None
    assert judged(a, replace(b, liquidity_index_ray=b.liquidity_index_ray - 1), extremes([a, b])) == "impossible"

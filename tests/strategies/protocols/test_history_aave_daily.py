"""Four Ethereum reserves at midnight for up to 637 days (`aave-v3-eth-daily-index`), reproduced from rates as far as those
were seen.

A row holds the indices as the last touch before midnight stored them, to the nearest double, and the rates set by that
touch, to 16 decimals. Over a day a busy reserve is touched thousands of times, each touch sets new rates, and no row says
which. So a day's growth is bounded, not computed. With rates between `least` and `most` and T seconds from the first row's
touch to the second's,
       1 + least*T/year  <=  I(b) / I(a)  <=  e**(most*T/year)
for both indices and whatever the touches: a product of (1 + r*t) is never below one plus its sum, and never above e to it;
the debt's compounding lies in between. Both sides are computed in ray: the left is linear_interest, the right the Taylor
polynomial and more than it leaves out.

Where a rate was also seen each hour (`aave-eth-hourly`, another collector: WETH and USDT), `least` and `most` are those of
the day's 25 hours and two midnights, and T follows from when the midnight hours' last snapshots were: a touch, so not later
than the one the daily file shows. Days outside are counted, and a second bound that knows no time tells them apart. Both
indices are written by the same touches and the supply rate is at each moment a share q of the borrow rate (usage times one
less the reserve factor), so
       ln I_supply(b)/I_supply(a)  <=  most q * ln I_debt(b)/I_debt(a).
- Supply above, debt inside: 58 days of WETH and one of USDT. On every one of them the second bound is broken too: suppliers
  were given what no borrower owed for at any usage seen. Interest cannot do that; a flash loan's premium
  (ReserveLogic.cumulateToLiquidityIndex) can. The largest, 2024-06-10, is the one the data's own description names.
- Debt above: three days of WETH, and the second bound holds: interest, at a rate that stood between two hours' ends only.
No day is below.

Where no hour was seen (wstETH, weETH) daily rates bound nothing: a rate may stand at a hundred times the midnight's for a
while, and one day below shows it. What holds on any path is q <= 1: the supply index never grows by more than the debt
index."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from strategies.protocols.aave_v3.arithmetic import linear_interest_ray, taylor_interest_ray
from strategies.units import RAY, SECONDS_PER_DAY, SECONDS_PER_YEAR, mul_div_down, mul_div_up
from tests.strategies.protocols.real_history import Hour, Touched, days, hours

INDEX_ROUNDING_RAY = RAY // 2**52 + 1  # of a double from 1 to 2: half a last place, and as much for its decimal text
RATE_ROUNDING_RAY = 5 * 10**10  # half of the 16th decimal; a percentage's double is finer
SECONDS_PER_HOUR = 3_600
ROWS = {"WETH": 638, "USDT": 638, "wstETH": 506, "weETH": 506}

INCOME_DESCRIBED = "2024-06-10"
BETWEEN_HOURS = ("2024-10-28", "2024-12-03", "2025-04-24")
SUPPLY_ABOVE = {"WETH": 58, "USDT": 1}


@dataclass(frozen=True, slots=True)
class Bound:
    """Between what a day's growth must lie, in ray."""

    low_ray: int
    high_ray: int


def bound(rates_ray: list[int], seconds: tuple[int, int]) -> Bound:
    """From the least rate over the shortest time to the most over the longest."""
    least_ray, most_ray = max(min(rates_ray) - RATE_ROUNDING_RAY, 0), max(rates_ray) + RATE_ROUNDING_RAY
    return Bound(linear_interest_ray(least_ray, seconds[0]), continuous_interest_up_ray(most_ray, seconds[1]))


def continuous_interest_up_ray(rate_ray: int, seconds: int) -> int:
    """Not below e**x for x under one: the polynomial leaves out less than x**4, and floors four times."""
    x_ray = mul_div_up(rate_ray, seconds, SECONDS_PER_YEAR)
    return taylor_interest_ray(rate_ray, seconds) + mul_div_up(x_ray**2, x_ray**2, RAY**3) + 4


def grown(before_ray: int, after_ray: int) -> Bound:
    """What two rounded indices say of the growth between them."""
    return Bound(
        low_ray=mul_div_down(after_ray - INDEX_ROUNDING_RAY, RAY, before_ray + INDEX_ROUNDING_RAY),
        high_ray=mul_div_up(after_ray + INDEX_ROUNDING_RAY, RAY, before_ray - INDEX_ROUNDING_RAY),
    )


def verdict(growth: Bound, allowed: Bound) -> str:
    if growth.high_ray < allowed.low_ray:
        return "below"
    return "above" if growth.low_ray > allowed.high_ray else "inside"


def hours_of(a: Touched, b: Touched, seen: Mapping[int, Hour]) -> list[Hour]:
    """Both midnights and all hours between; none is missing."""
    assert b.timestamp - a.timestamp == SECONDS_PER_DAY
    return [seen[at] for at in range(a.timestamp, b.timestamp + 1, SECONDS_PER_HOUR)]


def judged(a: Touched, b: Touched, between: list[Hour]) -> tuple[str, str]:
    """Supply and debt of one day against the rates of its hours."""
    first, last = between[0].snapshot_timestamp, between[-1].snapshot_timestamp
    assert first <= a.timestamp
    assert last <= b.timestamp
    seconds = (last - a.timestamp, b.timestamp - first)
    supply_ray = [row.liquidity_rate_ray for row in seen_rates(a, b, between)]
    debt_ray = [row.variable_rate_ray for row in seen_rates(a, b, between)]
    return (
        verdict(grown(a.liquidity_index_ray, b.liquidity_index_ray), bound(supply_ray, seconds)),
        verdict(grown(a.variable_index_ray, b.variable_index_ray), bound(debt_ray, seconds)),
    )


def seen_rates(a: Touched, b: Touched, between: list[Hour]) -> list[Touched | Hour]:
    return [a, b, *between]


def is_above_every_share(a: Touched, b: Touched, between: list[Hour]) -> bool:
    """Whether suppliers got more of the debt's growth than any hour's share of it. ln(1+x) lies between x - x*x/2 and x."""
    shares_ray = [
        mul_div_up(row.liquidity_rate_ray + RATE_ROUNDING_RAY, RAY, row.variable_rate_ray - RATE_ROUNDING_RAY)
        for row in seen_rates(a, b, between)
    ]
    gained_ray = grown(a.liquidity_index_ray, b.liquidity_index_ray).low_ray - RAY
    owed_ray = grown(a.variable_index_ray, b.variable_index_ray).high_ray - RAY
    return gained_ray - mul_div_up(gained_ray, gained_ray, 2 * RAY) > mul_div_up(owed_ray, max(shares_ray), RAY)


@pytest.mark.parametrize("symbol", SUPPLY_ABOVE)
def test_every_day_is_bounded_by_its_hours_or_its_excess_is_no_interest(symbol: str) -> None:
    rows, seen = days(symbol), hours(symbol)
    assert len(rows) == ROWS[symbol]
    supply_above, debt_above = [], []
    for a, b in pairwise(rows):
        between = hours_of(a, b, seen)
        supply, debt = judged(a, b, between)
        assert "below" not in (supply, debt)
        if debt == "above":
            debt_above.append(date(a))
            assert not is_above_every_share(a, b, between)
        elif supply == "above":
            supply_above.append(date(a))
            assert is_above_every_share(a, b, between)
    assert len(supply_above) == SUPPLY_ABOVE[symbol]
    assert tuple(debt_above) == (BETWEEN_HOURS if symbol == "WETH" else ())
    assert (INCOME_DESCRIBED in supply_above) == (symbol == "WETH")


@pytest.mark.parametrize("symbol", ROWS)
def test_suppliers_never_get_more_than_borrowers_owe_but_on_the_day_the_description_names(symbol: str) -> None:
    rows = days(symbol)
    assert len(rows) == ROWS[symbol]
    more = []
    for a, b in pairwise(rows):
        supply = grown(a.liquidity_index_ray, b.liquidity_index_ray)
        debt = grown(a.variable_index_ray, b.variable_index_ray)
        assert supply.high_ray >= RAY
        assert debt.high_ray >= RAY
        if supply.low_ray > debt.high_ray:
            more.append(date(a))
    assert more == ([INCOME_DESCRIBED] if symbol == "WETH" else [])


def test_a_days_growth_can_be_fifty_times_what_both_its_midnights_say() -> None:
    a, b = next((a, b) for a, b in pairwise(days("weETH")) if date(a) == "2025-03-10")
    rates_ray = [a.liquidity_rate_ray, b.liquidity_rate_ray]
    said = bound([50 * rate_ray for rate_ray in rates_ray], (0, SECONDS_PER_DAY))
    assert verdict(grown(a.liquidity_index_ray, b.liquidity_index_ray), said) == "above"


def test_a_rate_one_per_cent_lower_than_an_hours_would_not_have_passed() -> None:
    """The bound is narrow enough to see it on a quiet day: its width is the day's own change of rate."""
    rows, seen = days("USDT"), hours("USDT")
    a, b = min(pairwise(rows), key=lambda pair: width_ray(hours_of(pair[0], pair[1], seen)))
    between = hours_of(a, b, seen)
    assert judged(a, b, between) == ("inside", "inside")
    lower = [replace(hour, variable_rate_ray=hour.variable_rate_ray * 99 // 100) for hour in between]
    less_a, less_b = (replace(row, variable_rate_ray=row.variable_rate_ray * 99 // 100) for row in (a, b))
    assert judged(less_a, less_b, lower)[1] == "above"


def width_ray(between: list[Hour]) -> int:
    rates_ray = [hour.variable_rate_ray for hour in between]
    return max(rates_ray) - min(rates_ray)


def date(row: Touched) -> str:
    return datetime.fromtimestamp(row.timestamp, UTC).date().isoformat()

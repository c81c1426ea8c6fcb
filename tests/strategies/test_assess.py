"""What a market is expected to earn for a size, and why it is not to be used."""

import math

import pytest

from strategies.assess import assess, trailing_mean_apr
from strategies.domain import Amount, Assessment, Portfolio, Supply, Withdraw
from strategies.protocols.registry import adapter_of
from strategies.tape import Tape
from tests import worlds
from tests.worlds import USDC, Said

MONTH = 30 * 86_400


def assessed(tape: Tape, portfolio: Portfolio | None = None, size_raw: int = worlds.MILLION_RAW) -> tuple[Assessment, ...]:
    seen = worlds.look(tape, portfolio or worlds.idle())
    return assess(seen, USDC, Amount(USDC, size_raw), horizon_seconds=MONTH, lookback_seconds=86_400)


def test_the_cost_of_entering_and_leaving_is_spread_over_the_horizon() -> None:
    one, _ = assessed(worlds.tape(worlds.rates(0.03, 0.04)))
    size = Amount(USDC, worlds.MILLION_RAW)
    adapter = adapter_of(worlds.ONE)
    gas = adapter.gas(Supply(worlds.ONE, size)) + adapter.gas(Withdraw(worlds.ONE, size))
    gas_usd = gas * 1e9 / 1e18 * 3_000
    assert one.net_apr == pytest.approx(0.03 - gas_usd / 1e6 * 365 / 30, abs=1e-9)
    assert not one.reasons


def test_a_smaller_size_earns_less_after_the_same_gas() -> None:
    tape = worlds.tape(worlds.rates(0.03, 0.04))
    assert assessed(tape, size_raw=1_000 * 10**6)[0].net_apr < assessed(tape)[0].net_apr


def test_a_market_that_said_nothing_is_refused_by_name() -> None:
    rows: list[list[Said | None]] = [*worlds.rates(0.03, 0.04), [Said(0.03), None]]
    _, two = assessed(worlds.tape(rows))
    assert "stale or unreadable" in two.reasons[0]
    assert math.isnan(two.net_apr)


def test_a_size_that_could_not_leave_again_is_refused() -> None:
    holding = worlds.holding(worlds.ONE)
    one, _ = assessed(worlds.tape([[Said(0.03, available_raw=10), Said(0.04)]]), holding)
    assert "too few" in one.reasons[0]


def test_unpriced_ether_is_a_reason_and_no_number() -> None:
    one, _ = assessed(worlds.tape(worlds.rates(0.03, 0.04), ether_usd=0))
    assert "unpriced" in one.reasons[0]
    assert math.isnan(one.net_apr)


def test_the_forecast_is_the_mean_of_what_was_said() -> None:
    rows: list[list[Said | None]] = [[Said(0.02), None], [None, None], [Said(0.04), None]]
    mean = trailing_mean_apr(worlds.look(worlds.tape(rows), worlds.idle()), 86_400)
    assert mean[0] == pytest.approx(0.03)
    assert math.isnan(mean[1])

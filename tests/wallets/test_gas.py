"""What calls may burn: each rule lets one case pass and refuses its twin."""

from dataclasses import replace
from typing import Any

import pytest

from strategies.domain import ALL, Revoke, Supply, Withdraw
from strategies.units import GWEI, USD_E8, WAD
from tests import worlds
from tests.wallets import cases
from tests.wallets.cases import GAS_LIMIT, STRANGER, case, fees, policy, usdc
from tests.worlds import ONE, USDC
from wallets import checks
from wallets.case import Case
from wallets.checks import Check

SUPPLY = (Supply(ONE, usdc(10_000)),)
HELD = worlds.holding(ONE, 20_000 * cases.USD)


def rules(check: Check, of: Case) -> list[str]:
    return [reason.rule for reason in check(of)]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"max_fee_wei": 100 * GWEI}, 0),
        ({"max_fee_wei": 100 * GWEI + 1}, 1),
        ({"max_priority_fee_wei": 5 * GWEI}, 0),
        ({"max_priority_fee_wei": 5 * GWEI + 1}, 1),
        ({"gas_limits": (60_000, 60_000)}, 0),
        ({"gas_limits": (60_001, 60_001)}, 2),
        ({"gas_limits": (1,)}, 1),
    ],
)
def test_fees_and_gas_limits_have_caps(change: dict[str, Any], refused: int) -> None:
    narrow = policy(max_gas_per_transaction=60_000)
    assert rules(checks.affordable, case(SUPPLY, policy=narrow, fees=fees(2, **change))) == ["gas"] * refused


def test_a_gas_limit_is_at_most_half_again_what_the_call_needs() -> None:
    made = case(SUPPLY)
    assert made.effects is not None
    ample = tuple(used * 3 // 2 for used in made.effects.gas_used)
    assert checks.affordable(replace(made, fees=fees(2, gas_limits=ample))) == ()
    assert rules(checks.affordable, replace(made, fees=fees(2, gas_limits=(ample[0] + 1, ample[1])))) == ["gas"]


def test_an_action_that_burns_far_more_than_its_kind_is_refused() -> None:
    made = case(SUPPLY)
    assert made.effects is not None
    assert made.expected is not None
    usual = made.expected.gas_used
    burning = replace(made, effects=replace(made.effects, gas_used=(usual[0] * 9, usual[1] * 3)))
    assert checks.ordinary_gas(burning) == ()
    over = replace(made, effects=replace(made.effects, gas_used=(usual[0], usual[1] * 3 + 1)))
    assert rules(checks.ordinary_gas, over) == ["gas"]
    home = case((Withdraw(ONE, ALL),), portfolio=HELD)
    assert home.effects is not None
    assert checks.ordinary_gas(replace(home, effects=replace(home.effects, gas_used=(10**7,)))) == ()


def test_one_transactions_fee_has_a_cap_in_dollars() -> None:
    cost_usd = GAS_LIMIT * 10 * GWEI * 3_000 / WAD  # 0.90
    assert 0 < cost_usd < 1
    assert checks.affordable(case(SUPPLY, policy=policy(max_transaction_gas_usd=1))) == ()
    dear = case(SUPPLY, policy=policy(max_transaction_gas_usd=1), fees=fees(2, max_fee_wei=12 * GWEI))
    assert rules(checks.affordable, dear) == ["gas", "gas"]
    assert checks.affordable(replace(dear, actions=(Revoke(USDC, STRANGER),) * 2)) == ()


def test_the_days_gas_has_a_budget_and_an_unpriced_coin_is_refused() -> None:
    made = case(SUPPLY)
    burn_usd_e8 = 2 * GAS_LIMIT * 10 * GWEI * 3_000 * USD_E8 // WAD
    left_usd_e8 = 1_000 * USD_E8 - burn_usd_e8
    assert checks.within_gas_budget(replace(made, gas_day_usd_e8=left_usd_e8)) == ()
    assert rules(checks.within_gas_budget, replace(made, gas_day_usd_e8=left_usd_e8 + 1)) == ["gas"]
    no_ether = replace(made.reading, quotes=made.reading.quotes[:1])
    assert rules(checks.within_gas_budget, replace(made, reading=no_ether)) == ["gas"]
    assert checks.within_gas_budget(replace(made, reading=no_ether, fees=None)) == ()


def test_the_way_out_stays_paid_for() -> None:
    cost_wei = 2 * GAS_LIMIT * 10 * GWEI
    enough = worlds.idle(ether_wei=cost_wei + WAD // 100)
    assert checks.reserve_kept(case(SUPPLY, portfolio=enough)) == ()
    assert rules(checks.reserve_kept, case(SUPPLY, portfolio=worlds.idle(ether_wei=cost_wei + WAD // 100 - 1))) == ["gas"]
    assert rules(checks.reserve_kept, case(SUPPLY, portfolio=worlds.idle(ether_wei=0), fees=None)) == ["gas"]

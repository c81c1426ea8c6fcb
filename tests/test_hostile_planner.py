"""A planner that belongs to the attacker against the real wallet on the real chain; `make hostile` runs it for 10,000 plans."""

import pytest

from strategies.units import USD_E8
from tests.hostile.run import LIMITS, loss_budget_usd_e8, run

pytestmark = [pytest.mark.chain, pytest.mark.slow]


def test_with_a_hostile_planner_the_loss_stays_inside_the_budgets_and_no_allowance_is_left() -> None:
    outcome = run(250, seed=7)
    told = "\n".join(outcome.lines())
    assert outcome.plans == 250
    assert outcome.executed >= 50, told
    assert outcome.worst_loss_usd_e8 <= loss_budget_usd_e8(), told
    assert outcome.worst_gas_usd_e8 <= LIMITS["max_day_gas_usd"] * USD_E8, told
    assert outcome.allowances == 0, told
    assert outcome.transactions > outcome.executed, told
    assert {"slippage", "loss", "allowance", "simulation", "cap-transaction"} <= set(outcome.refused), told

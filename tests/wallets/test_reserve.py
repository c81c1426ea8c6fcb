"""What must stay of the native coin counts what calls carry away, and one contract is one destination."""

from dataclasses import replace

import pytest

from strategies.domain import Supply
from strategies.units import GWEI, WAD
from tests import worlds
from tests.wallets.cases import GAS_LIMIT, case, policy, usdc
from tests.worlds import ONE
from wallets import gas
from wallets.case import Case
from wallets.people import people_needed
from wallets.wallet import Move

SUPPLY = (Supply(ONE, usdc(10_000)),)
COST_WEI = 2 * GAS_LIMIT * 10 * GWEI
RESERVE_WEI = WAD // 100


def carrying(value_wei: int) -> Case:
    made = case(SUPPLY, portfolio=worlds.idle(ether_wei=COST_WEI + RESERVE_WEI + 7))
    return replace(made, calls=(replace(made.calls[0], value_wei=value_wei), *made.calls[1:]))


@pytest.mark.parametrize(("value_wei", "is_refused"), [(0, False), (7, False), (8, True), (2**255, True)])
def test_what_calls_carry_away_does_not_eat_the_reserve(value_wei: int, is_refused: bool) -> None:
    assert [reason.rule for reason in gas.reserve_kept(carrying(value_wei))] == ["gas"] * is_refused


def test_what_another_account_carries_is_not_what_pays_for_gas() -> None:
    paid = replace(carrying(WAD), payer_wei=COST_WEI + RESERVE_WEI)
    assert gas.reserve_kept(paid) == ()
    assert [reason.rule for reason in gas.reserve_kept(replace(paid, payer_wei=COST_WEI + RESERVE_WEI - 1))] == ["gas"]


def earlier(made: Case, place: str) -> Case:
    past = Move("before", place, "in", made.policy.people.max_unattended_usd * 10**8, 0, "ab", made.now - 60)
    return replace(made, past=(past,))


def test_one_contract_is_one_destination_whatever_asset_it_takes() -> None:
    made = case(SUPPLY, policy=policy(people={"max_unattended_usd": 40_000, "gather_seconds": 600}))
    twin, other = replace(ONE, id="twin"), replace(ONE, id="other", address="0x" + "77" * 20)
    wide = replace(made, deployment=replace(made.deployment, markets=(*made.deployment.markets, twin, other)))
    assert people_needed(wide) == 0
    assert people_needed(earlier(wide, "twin")) == 1
    assert people_needed(earlier(wide, "other")) == 0

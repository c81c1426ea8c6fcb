"""What each stop lets pass, and its twin that it refuses."""

from dataclasses import replace
from typing import Any

import pytest

from strategies.domain import (
    ALL,
    Action,
    Amount,
    Approve,
    Borrow,
    Portfolio,
    Position,
    Repay,
    Revoke,
    Supply,
    Swap,
    Transfer,
    Withdraw,
)
from strategies.units import WAD
from tests.wallets.cases import (
    AAVE_USDC,
    AAVE_WETH,
    LENDING,
    STRANGER,
    TREASURY,
    USD,
    case,
    fees,
    lending_reading,
    policy,
    usdc,
    weth,
)
from tests.worlds import ETHER, ONE, USDC
from wallets import checks, guard
from wallets.case import Case, reduces, revokes
from wallets.stops import not_paused
from wallets.wallet import Approved, Refused

WINDING = "reduce-only: winding down"
IDLE = (usdc(50_000), weth(20), Amount(ETHER, WAD))
LENT = Portfolio(IDLE, (Position(AAVE_USDC, 20_000 * USD), Position(AAVE_WETH, 10 * WAD), Position(ONE, 20_000 * USD)))
OWING = Portfolio(IDLE, (Position(AAVE_USDC, 0, 12_000 * USD), Position(AAVE_WETH, 10 * WAD)))
SINKING = Portfolio(IDLE, (Position(AAVE_USDC, 0, 12_000 * USD), Position(AAVE_WETH, 5 * WAD)))


def under(*actions: Action, portfolio: Portfolio = LENT, **changes: Any) -> Case:
    """A case under reduce-only."""
    said = {"reduced": WINDING, **changes}
    return case(actions, seen=lending_reading(), deployment=LENDING, portfolio=portfolio, **said)


REDUCING = [
    (Withdraw(AAVE_USDC, ALL),),
    (Withdraw(ONE, usdc(5)), Withdraw(AAVE_WETH, weth(1))),
    (Revoke(USDC, STRANGER),),
    (Revoke(USDC, STRANGER), Withdraw(AAVE_USDC, ALL)),
]
RAISING = [
    (Supply(AAVE_USDC, usdc(1)),),
    (Borrow(AAVE_USDC, usdc(1)),),
    (Transfer(usdc(1), TREASURY),),
    (Approve(usdc(1), AAVE_USDC.address),),
    (Withdraw(AAVE_USDC, ALL), Supply(ONE, usdc(1_000))),
]


@pytest.mark.parametrize("actions", REDUCING)
def test_reduce_only_lets_withdrawals_and_revocations_pass_and_a_halt_only_the_latter(actions: tuple[Action, ...]) -> None:
    assert not_paused(under(*actions)) == ()
    assert isinstance(guard.judge(under(*actions)), Approved)
    halted = isinstance(guard.judge(under(*actions, paused="stop")), Refused)
    assert halted is not all(isinstance(action, Revoke) for action in actions)


@pytest.mark.parametrize("actions", RAISING)
def test_reduce_only_refuses_everything_that_adds_risk_or_leaves(actions: tuple[Action, ...]) -> None:
    found = not_paused(under(*actions))
    assert {reason.rule for reason in found} == {"paused"}
    assert WINDING in found[0].text
    assert not_paused(under(*actions, reduced="")) == ()


def test_a_repayment_passes_with_the_allowance_it_uses_and_that_allowance_for_anything_else_does_not() -> None:
    assert not_paused(under(Repay(AAVE_USDC, usdc(2_000)), portfolio=OWING)) == ()
    assert isinstance(guard.judge(under(Repay(AAVE_USDC, usdc(2_000)), portfolio=OWING)), Approved)
    loose = under(Approve(usdc(2_000), AAVE_USDC.address), Revoke(USDC, AAVE_USDC.address), portfolio=OWING)
    assert [reason.rule for reason in not_paused(loose)] == ["paused"]


def test_a_supply_passes_where_it_lifts_a_health_factor_from_below_the_floor_and_nowhere_else() -> None:
    rescue = (Supply(AAVE_WETH, weth(5)),)
    assert not_paused(under(*rescue, portfolio=SINKING)) == ()
    assert isinstance(guard.judge(under(*rescue, portfolio=SINKING)), Approved)
    assert not_paused(under(*rescue, portfolio=OWING)) != ()  # two times covered
    assert not_paused(under(*rescue, portfolio=LENT)) != ()  # nothing is owed
    assert not_paused(under(Supply(ONE, usdc(1_000)), portfolio=SINKING)) != ()  # it covers nothing there
    assert not_paused(under(*rescue, portfolio=SINKING, paused="stop")) != ()


def test_a_second_supply_after_the_floor_is_reached_does_not_pass() -> None:
    twice = (Supply(AAVE_WETH, weth(5)), Supply(AAVE_WETH, weth(5)))
    assert len(not_paused(under(*twice, portfolio=SINKING))) == 2  # its approval and itself


def test_a_supply_is_no_rescue_where_a_claim_beside_it_was_not_read() -> None:
    seen = lending_reading()
    unread = case(
        (Supply(AAVE_WETH, weth(5)),),
        seen=replace(seen, states=(None, *seen.states[1:])),
        deployment=LENDING,
        portfolio=SINKING,
        reduced=WINDING,
    )
    verdict = guard.judge(unread)
    assert isinstance(verdict, Refused)
    assert "not-paused" in {reason.rule for reason in verdict.reasons}


def test_what_no_adapter_reads_does_not_pass() -> None:
    assert not_paused(replace(under(), actions=(None,))) != ()
    assert not_paused(replace(under(), actions=(None, Supply(AAVE_WETH, weth(5))), steps=None, portfolio=SINKING)) != ()
    assert not_paused(replace(under(), actions=(Swap(ONE, usdc(1), weth(1), 1),))) != ()


def test_kinds_alone_tell_what_only_reduces() -> None:
    approve, repay = Approve(usdc(1), AAVE_USDC.address), Repay(AAVE_USDC, usdc(1))
    assert reduces((approve, repay, Revoke(USDC, STRANGER), Withdraw(ONE, ALL)))
    assert not reduces(())
    assert not reduces((approve,))
    assert not reduces((approve, Supply(AAVE_USDC, usdc(1))))
    assert not reduces((repay, approve))
    assert not reduces((None,))
    assert revokes((Revoke(USDC, STRANGER),))
    assert not revokes(())
    assert not revokes((Revoke(USDC, STRANGER), Withdraw(ONE, ALL)))


def test_the_reserve_of_the_native_coin_is_there_for_the_way_out() -> None:
    poor = Portfolio((usdc(0), weth(0), Amount(ETHER, WAD // 100)), LENT.positions)
    assert checks.reserve_kept(under(Withdraw(AAVE_USDC, ALL), portfolio=poor)) == ()
    assert checks.reserve_kept(under(Withdraw(AAVE_USDC, ALL), portfolio=poor, reduced="")) != ()


def test_any_number_of_allowances_is_revoked_in_one_plan_and_nothing_else_is_so_long() -> None:
    many = tuple(Revoke(USDC, f"0x{at:040x}") for at in range(1, 13))
    assert checks.right_length(under(*many)) == ()
    assert isinstance(guard.judge(under(*many, paused="stop")), Approved)
    assert checks.right_length(under(*many, Withdraw(ONE, ALL))) != ()


def test_no_exposure_rule_keeps_the_way_out_shut() -> None:
    tight = policy(max_transaction_usd=1, max_day_usd=1, max_market_usd=1)
    out = (Withdraw(AAVE_USDC, ALL), Withdraw(AAVE_WETH, ALL), Withdraw(ONE, ALL))
    spent: dict[str, Any] = {"policy": tight, "spent_day_usd_e8": 10**18, "fees": fees(3)}
    assert isinstance(guard.judge(under(*out, **spent)), Approved)
    assert isinstance(guard.judge(under(Supply(ONE, usdc(1_000)), **{**spent, "fees": fees(2)}, reduced="")), Refused)

"""The paper wallet: judged as a live one, applied once, paid for, and a stranger to keys."""

import subprocess
import sys
from dataclasses import replace

import pytest

from strategies.domain import ALL, Action, Amount, Approve, Borrow, Plan, Portfolio, Position, Repay, Supply, Transfer, Withdraw
from strategies.errors import InsufficientLiquidity, NotApproved, UnsupportedState
from strategies.protocols.registry import adapter_of
from strategies.tape import Reading
from strategies.units import GWEI, MAX_UINT256, SECONDS_PER_DAY, WAD
from tests import worlds
from tests.wallets import cases
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, LENDING, STRANGER, policy, usdc, weth
from tests.worlds import ETHER, ONE, TWO, USDC
from wallets.paper import ModelWorld, PaperWallet
from wallets.wallet import Approved, Refused

START = Portfolio((usdc(60_000), weth(20), Amount(ETHER, WAD)))


def opened(portfolio: Portfolio = START, *, seen: Reading | None = None, **limits: object) -> tuple[PaperWallet, ModelWorld]:
    world = ModelWorld(seen or cases.lending_reading(), LENDING)
    return PaperWallet(policy=policy(**limits), deployment=LENDING, portfolio=portfolio, world=world), world


def judge(wallet: PaperWallet, world: ModelWorld, *actions: Action, intent: str = "plan-1") -> Approved:
    verdict = wallet.judge(Plan(actions, world.reading().block, "test"), intent)
    assert isinstance(verdict, Approved), verdict
    return verdict


def test_what_was_judged_is_what_happens() -> None:
    wallet, world = opened()
    approved = judge(wallet, world, Supply(AAVE_USDC, usdc(10_000)))
    receipt = wallet.execute(approved, ())
    assert receipt.complete
    assert tuple(transaction.gas_used for transaction in receipt.transactions) == approved.effects.gas_used
    assert wallet.portfolio.idle_raw(USDC) == 50_000 * cases.USD
    shares = {change.unit: change.delta_raw for change in approved.effects.changes}[AAVE_USDC.contract("receipt")]
    assert wallet.portfolio.position(AAVE_USDC).shares_raw == shares


def test_gas_is_paid_in_the_native_coin() -> None:
    wallet, world = opened()
    receipt = wallet.execute(judge(wallet, world, Supply(AAVE_USDC, usdc(10))), ())
    gas = adapter_of(AAVE_USDC).gas(Supply(AAVE_USDC, usdc(10)))
    assert sum(transaction.fee_wei for transaction in receipt.transactions) == gas * GWEI
    assert wallet.portfolio.idle_raw(ETHER) == WAD - gas * GWEI


def test_refuses_a_plan_whose_gas_cannot_be_paid() -> None:
    for portfolio in (Portfolio((usdc(60_000), Amount(ETHER, 1))), Portfolio((usdc(60_000),))):
        wallet, world = opened(portfolio)
        verdict = wallet.judge(Plan((Supply(AAVE_USDC, usdc(10)),), world.reading().block, "x"), "plan-1")
        assert isinstance(verdict, Refused)
        assert [reason.rule for reason in verdict.reasons] == ["gas"]


def test_an_intent_executes_once() -> None:
    wallet, world = opened()
    approved = judge(wallet, world, Supply(AAVE_USDC, usdc(10)))
    wallet.execute(approved, ())
    with pytest.raises(NotApproved, match="executed before"):
        wallet.execute(approved, ())


def test_refuses_another_byte_than_was_approved() -> None:
    wallet, world = opened()
    approved = judge(wallet, world, Supply(AAVE_USDC, usdc(10)))
    call = approved.calls[1]
    for forged in (
        replace(approved, calls=(approved.calls[0], replace(call, data=call.data[:-1] + b"\x01"))),
        replace(approved, intent="plan-2"),
        replace(approved, expiry=approved.expiry + 1),
    ):
        with pytest.raises(NotApproved, match="digest"):
            wallet.execute(forged, ())
    other, _ = opened(max_calls=3)
    with pytest.raises(NotApproved, match="digest"):
        other.execute(approved, ())


def test_an_approval_expires() -> None:
    wallet, world = opened()
    approved = judge(wallet, world, Supply(AAVE_USDC, usdc(10)))
    world.advance(approved.expiry + 1)
    with pytest.raises(NotApproved, match="expired 1 s ago"):
        wallet.execute(approved, ())


def test_a_plan_executes_in_the_world_as_it_is_then() -> None:
    wallet, world = opened(Portfolio((usdc(0), Amount(ETHER, WAD)), (Position(AAVE_USDC, 10_000 * cases.USD),)))
    approved = judge(wallet, world, Withdraw(AAVE_USDC, ALL))
    world.advance(world.reading().timestamp + 600)
    receipt = wallet.execute(approved, ())
    promised = {change.unit: change.delta_raw for change in approved.effects.changes}[USDC.address]
    assert receipt.transfers[0].raw > promised


def test_what_no_longer_holds_is_not_executed() -> None:
    wallet, world = opened(Portfolio((usdc(0), Amount(ETHER, WAD)), (Position(AAVE_USDC, 10_000 * cases.USD),)))
    approved = judge(wallet, world, Withdraw(AAVE_USDC, ALL))
    world.others(Borrow(AAVE_USDC, usdc(495_000)), Position(AAVE_USDC, 0))
    before = wallet.portfolio
    with pytest.raises(NotApproved, match="no longer holds"):
        wallet.execute(approved, ())
    assert wallet.portfolio == before


@pytest.mark.parametrize(
    "actions",
    [
        (Transfer(usdc(1_000), STRANGER),),
        (Approve(Amount(USDC, MAX_UINT256), STRANGER),),
        (Supply(TWO, usdc(1)),),
        (Supply(AAVE_USDC, usdc(60_001)),),
        (Supply(AAVE_USDC, Amount(USDC, 0)),),
        (Supply(AAVE_USDC, Amount(USDC, -5)),),
        (Supply(AAVE_USDC, weth(1)),),
        (Borrow(AAVE_WETH, weth(1)),),
        (),
    ],
)
def test_the_same_guard_refuses_the_same_things(actions: tuple[Action, ...]) -> None:
    wallet, world = opened()
    assert isinstance(wallet.judge(Plan(actions, world.reading().block, "x"), "plan-1"), Refused)


def test_the_days_cap_counts_what_was_executed_and_forgets_it_after_a_day() -> None:
    wallet, world = opened(max_day_usd=50_000)
    wallet.execute(judge(wallet, world, Supply(AAVE_USDC, usdc(30_000))), ())
    again = Plan((Supply(ONE, usdc(30_000)),), world.reading().block, "x")
    refused = wallet.judge(again, "plan-2")
    assert isinstance(refused, Refused)
    assert [reason.rule for reason in refused.reasons] == ["cap-day"]
    world.advance(world.reading().timestamp + SECONDS_PER_DAY)
    assert isinstance(wallet.judge(replace(again, block=world.reading().block), "plan-3"), Approved)


def test_what_would_leave_an_allowance_by_now_is_not_executed() -> None:
    owing = Portfolio((usdc(60_000), Amount(ETHER, WAD)), (Position(AAVE_USDC, 0, 10 * cases.USD), Position(AAVE_WETH, WAD)))
    wallet, world = opened(owing)
    first = judge(wallet, world, Repay(AAVE_USDC, usdc(5)), intent="plan-1")
    second = judge(wallet, world, Repay(AAVE_USDC, usdc(8)), intent="plan-2")
    wallet.execute(second, ())
    with pytest.raises(NotApproved, match="allowance"):
        wallet.execute(first, ())


def test_gas_that_became_too_dear_is_not_paid_and_free_gas_costs_nothing() -> None:
    class Dear:
        base_fee_wei = GWEI

        def reading(self) -> Reading:
            return replace(cases.lending_reading(), base_fee_wei=self.base_fee_wei)

        def settle(self, after: Reading) -> None:
            pass

    world = Dear()
    wallet = PaperWallet(policy=policy(), deployment=LENDING, portfolio=START, world=world)
    approved = wallet.judge(Plan((Supply(AAVE_USDC, usdc(10)),), world.reading().block, "x"), "plan-1")
    assert isinstance(approved, Approved)
    world.base_fee_wei = WAD
    with pytest.raises(NotApproved, match="gas costs"):
        wallet.execute(approved, ())
    world.base_fee_wei = 0
    assert all(transaction.fee_wei == 0 for transaction in wallet.execute(approved, ()).transactions)
    assert wallet.portfolio.idle_raw(ETHER) == WAD


def test_the_world_goes_on_from_what_our_calls_left() -> None:
    wallet, world = opened()
    before = world.reading()
    wallet.execute(judge(wallet, world, Supply(AAVE_USDC, usdc(30_000))), ())
    after = world.reading()
    assert adapter_of(AAVE_USDC).withdrawable_raw(after.states[0]) == 530_000 * cases.USD  # type: ignore[arg-type]
    assert after.states[1] == before.states[1]


def test_calls_take_their_time_where_they_do() -> None:
    world = ModelWorld(cases.lending_reading(), LENDING)
    wallet = PaperWallet(policy=policy(), deployment=LENDING, portfolio=START, world=world, seconds_per_call=12)
    begin = world.reading().timestamp
    receipt = wallet.execute(judge(wallet, world, Supply(AAVE_USDC, usdc(10))), ())
    assert [transaction.timestamp for transaction in receipt.transactions] == [begin + 12, begin + 24]
    assert world.reading().timestamp == begin + 24
    assert {state.timestamp for state in world.reading().states if state is not None} == {begin + 24}


def test_a_model_world_does_not_go_back_and_refuses_what_it_cannot_know() -> None:
    seen = cases.lending_reading()
    world = ModelWorld(replace(seen, states=(None, *seen.states[1:])), LENDING)
    with pytest.raises(ValueError, match="does not go back"):
        world.advance(seen.timestamp - 1)
    with pytest.raises(UnsupportedState):
        world.others(Supply(AAVE_USDC, usdc(1)), Position(AAVE_USDC, 0))
    with pytest.raises(InsufficientLiquidity):
        world.others(Borrow(AAVE_WETH, weth(600_000)), Position(AAVE_WETH, 0))
    world.advance(seen.timestamp + 5)
    assert world.reading().states[0] is None


def test_two_runs_give_the_same_receipts() -> None:
    def once() -> object:
        wallet, world = opened()
        return wallet.execute(judge(wallet, world, Supply(AAVE_USDC, usdc(10))), ())

    assert once() == once()


def test_no_key_can_be_reached_from_paper() -> None:
    code = "import sys, wallets.paper; print([m for m in sys.modules if m.startswith('eth_account') or m == 'wallets.signer'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_worthless_plan_of_the_recorded_worlds_is_refused_by_name() -> None:
    world = ModelWorld(worlds.reading(0, (worlds.Said(0.03), None)), worlds.DEPLOYMENT)
    wallet = PaperWallet(policy=policy(), deployment=worlds.DEPLOYMENT, portfolio=worlds.idle(), world=world)
    verdict = wallet.judge(Plan((Supply(TWO, usdc(1)),), world.reading().block, "x"), "plan-1")
    assert isinstance(verdict, Refused)
    assert any("could not be read" in reason.text for reason in verdict.reasons)

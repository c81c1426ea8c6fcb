"""What the models say that calls do: order, balances, allowances, time, gas."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    ALL,
    Action,
    Amount,
    Approve,
    Asset,
    Borrow,
    Deployment,
    Market,
    Portfolio,
    Position,
    Repay,
    Revoke,
    SetCollateral,
    Supply,
    Transfer,
    Withdraw,
)
from strategies.errors import ActionRefused, InsufficientBalance, UnknownCall, UnknownMarket, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import Call
from strategies.protocols.registry import adapter_of, parse
from strategies.tape import Reading
from tests import worlds
from tests.strategies.protocols import morpho_blue_case
from tests.wallets import cases
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, LENDING, STRANGER, calls_of, usdc, weth
from tests.worlds import ACCOUNT, ETHER, ONE, TWO, USDC
from wallets.endpoints import Log, Mined
from wallets.expected import APPROVE_GAS, Modelled, claims, expected_effects
from wallets.receipts import transfers_of
from wallets.wallet import Allowance, Change, TokenTransfer

RICH = Portfolio((usdc(100_000), weth(50), Amount(ETHER, 10**18)))


def model(
    actions: Sequence[Action],
    *,
    portfolio: Portfolio = RICH,
    deployment: Deployment = LENDING,
    seen: Reading | None = None,
    after: int = 0,
    seconds_per_call: int = 0,
    calls: tuple[Call, ...] | None = None,
    standing: tuple[Allowance, ...] = (),
) -> Modelled:
    at = seen or cases.lending_reading()
    written = calls_of(actions) if calls is None else calls
    return expected_effects(
        actions=[parse(call, ACCOUNT, deployment) for call in written],
        calls=written,
        reading=at,
        portfolio=portfolio,
        deployment=deployment,
        account=ACCOUNT,
        timestamp=at.timestamp + after,
        seconds_per_call=seconds_per_call,
        standing=standing,
    )


def changes(found: Modelled) -> dict[str, int]:
    return {change.unit: change.delta_raw for change in found.effects.changes}


def test_a_supply_turns_idle_into_shares_and_uses_its_allowance_up() -> None:
    found = model([Supply(AAVE_USDC, usdc(1_000))])
    shares = found.portfolio_after.position(AAVE_USDC).shares_raw
    assert changes(found) == {USDC.address: -1_000 * cases.USD, AAVE_USDC.contract("receipt"): shares}
    assert 0 < shares < 1_000 * cases.USD
    assert found.effects.allowances == ()
    assert found.transfers == (TokenTransfer(USDC, ACCOUNT, AAVE_USDC.contract("receipt"), 1_000 * cases.USD),)
    assert [change.symbol for change in found.effects.changes] == ["aave:USDC", "USDC"]


def test_two_reserves_of_one_pool_are_two_markets() -> None:
    found = model([Supply(AAVE_USDC, usdc(1_000)), Supply(AAVE_WETH, weth(1))])
    assert [held.market for held in found.portfolio_after.positions] == [AAVE_USDC, AAVE_WETH]
    assert found.reading_after.states[0] != cases.lending_reading().states[0]
    assert found.reading_after.states[2] == cases.lending_reading().states[2]


def test_two_markets_may_share_one_asset() -> None:
    found = model([Supply(AAVE_USDC, usdc(60_000)), Supply(ONE, usdc(40_000))])
    assert changes(found)[USDC.address] == -100_000 * cases.USD
    with pytest.raises(InsufficientBalance, match="idle USDC"):
        model([Supply(AAVE_USDC, usdc(60_000)), Supply(ONE, usdc(40_001))])


def test_a_withdrawal_pays_for_the_supply_after_it_and_not_before_it() -> None:
    held = Portfolio((), (Position(ONE, 1_000 * cases.USD),))
    moved: list[Action] = [Withdraw(ONE, ALL), Supply(AAVE_USDC, usdc(1_000))]
    assert changes(model(moved, portfolio=held))[ONE.address] == -1_000 * cases.USD
    with pytest.raises(InsufficientBalance):
        model(moved[::-1], portfolio=held)


def test_borrowing_is_a_debt_and_repaying_ends_part_of_it() -> None:
    found = model([Supply(AAVE_WETH, weth(10)), Borrow(AAVE_USDC, usdc(5_000)), Repay(AAVE_USDC, usdc(2_000))])
    debt = AAVE_USDC.contract("debt")
    assert changes(found)[debt] == found.portfolio_after.position(AAVE_USDC).debt_raw > 0
    assert changes(found)[USDC.address] == 3_000 * cases.USD


def test_refuses_a_supply_without_its_allowance() -> None:
    with pytest.raises(InsufficientBalance, match="allowance"):
        model([], calls=calls_of([Supply(AAVE_USDC, usdc(1))])[1:])
    with pytest.raises(InsufficientBalance, match="allowance"):
        model([], calls=calls_of([Approve(usdc(1), STRANGER), Supply(AAVE_USDC, usdc(1))])[::2])


def test_what_a_spender_could_still_take_is_told() -> None:
    approve = calls_of([Approve(usdc(5), AAVE_USDC.address)])
    found = model([], calls=approve + calls_of([Supply(AAVE_USDC, usdc(2))])[1:])
    assert found.effects.allowances == (Allowance(USDC.address, AAVE_USDC.address, 3 * cases.USD),)
    assert model([], calls=approve + calls_of([Revoke(USDC, AAVE_USDC.address)])).effects.allowances == ()


def test_a_transfer_leaves_for_good() -> None:
    found = model([Transfer(usdc(7), STRANGER)])
    assert found.transfers == (TokenTransfer(USDC, ACCOUNT, STRANGER, 7 * cases.USD),)
    assert changes(found) == {USDC.address: -7 * cases.USD}


def test_each_call_happens_at_its_own_time() -> None:
    held = Portfolio((), (Position(ONE, 10**12),))
    at_once = model([Withdraw(ONE, ALL)], portfolio=held)
    later = model([Withdraw(ONE, ALL)], portfolio=held, after=worlds.HOUR)
    assert changes(later)[USDC.address] > changes(at_once)[USDC.address]
    steps = model([Supply(ONE, usdc(1)), Supply(ONE, usdc(1))], after=10, seconds_per_call=12)
    begin = cases.lending_reading().timestamp
    assert steps.timestamps == (begin + 10, begin + 22, begin + 34, begin + 46)
    assert steps.reading_after.timestamp == begin + 46
    assert steps.effects.timestamp == begin + 10


def test_refuses_a_plan_before_its_reading() -> None:
    with pytest.raises(ActionRefused, match="after the plan"):
        model([Supply(ONE, usdc(1))], after=-1)


def test_refuses_a_market_that_was_not_read_or_is_not_deployed() -> None:
    seen = cases.lending_reading()
    with pytest.raises(UnsupportedState):
        model([Supply(AAVE_USDC, usdc(1))], seen=replace(seen, states=(None, *seen.states[1:])))
    calls = calls_of([Supply(TWO, usdc(1))])
    with pytest.raises(UnknownMarket):
        expected_effects(
            actions=[parse(call, ACCOUNT, worlds.DEPLOYMENT) for call in calls],
            calls=calls,
            reading=seen,
            portfolio=RICH,
            deployment=LENDING,
            account=ACCOUNT,
            timestamp=seen.timestamp,
        )


def test_refuses_a_call_that_nothing_read_back() -> None:
    with pytest.raises(UnknownCall, match="0xdeadbeef"):
        model([], calls=(Call(STRANGER, bytes.fromhex("deadbeef")),))


def test_gas_is_the_adapters_own_figure_approval_included() -> None:
    supply = Supply(AAVE_USDC, usdc(1))
    approve_gas, supply_gas = model([supply]).effects.gas_used
    assert approve_gas == APPROVE_GAS
    assert approve_gas + supply_gas == adapter_of(AAVE_USDC).gas(supply)
    assert len(model([Revoke(USDC, STRANGER), Transfer(usdc(1), STRANGER)]).effects.gas_used) == 2


def test_no_calls_change_nothing() -> None:
    found = model([])
    assert (found.effects.changes, found.effects.gas_used, found.transfers) == ((), (), ())
    assert found.portfolio_after == RICH


@given(st.lists(st.tuples(st.sampled_from([AAVE_USDC, ONE]), st.integers(1, 10**10)), min_size=1, max_size=4))
def test_what_leaves_is_what_was_moved(moves: list[tuple[Market, int]]) -> None:
    plan = [Supply(market, Amount(USDC, raw)) for market, raw in moves]
    found = model(plan)
    total_raw = sum(raw for _, raw in moves)
    assert changes(found)[USDC.address] == -total_raw
    assert sum(transfer.raw for transfer in found.transfers) == total_raw
    assert found.effects.changes == tuple(sorted(found.effects.changes, key=lambda change: change.unit))


def test_what_backs_a_debt_is_counted_beside_it_by_its_asset() -> None:
    held, name = morpho_blue_case.HELD, morpho_blue_case.MARKET.id
    backing_raw = held.collateral_raw(morpho_blue_case.WETH)
    assert [(what, raw) for _, what, raw in claims(held)] == [
        (name, held.shares_raw),
        (f"{name} debt", held.debt_raw),
        (f"{name} collateral WETH", backing_raw),
        (f"{name} not as collateral", 0),
    ]
    assert claims(replace(held, collateral=()))[2][2] == 0 != backing_raw
    assert len({unit for unit, _, _ in claims(held)}) == 1, "one contract counts all three"


@pytest.mark.parametrize(("is_used", "shares_raw", "seen"), [(False, 5, 1), (True, 5, 0), (False, 0, 0)])
def test_shares_that_may_back_no_debt_are_one_of_something(is_used: bool, shares_raw: int, seen: int) -> None:
    _, what, raw = claims(Position(AAVE_USDC, shares_raw, counts=is_used))[-1]
    assert (what, raw) == (f"{AAVE_USDC.id} not as collateral", seen)


def test_a_switch_of_collateral_is_the_one_change_it_makes_and_a_usual_supply_makes_none_of_it() -> None:
    held = Portfolio(RICH.idle, (Position(AAVE_USDC, 10**12),))
    unit, name = AAVE_USDC.contract("receipt"), f"{AAVE_USDC.id} not as collateral"
    off = model([SetCollateral(AAVE_USDC, False)], portfolio=held)
    assert off.effects.changes == (Change(unit, name, 1),)
    back = model([SetCollateral(AAVE_USDC, True)], portfolio=off.portfolio_after)
    assert back.effects.changes == (Change(unit, name, -1),)
    assert model([SetCollateral(AAVE_USDC, True)], portfolio=held).effects.changes == ()
    assert all(change.symbol != name for change in model([Supply(AAVE_USDC, usdc(1))]).effects.changes)


def test_shares_that_a_market_counts_are_no_tokens_that_a_receipt_moves() -> None:
    market = Market("vault:USDC", "erc4626", "0x" + "4e" * 20, USDC, numbers=(("decimals_offset", 0), ("virtual_assets", 1)))
    share = Asset(USDC.chain_id, market.address, "vUSDC", 6)
    deployment = Deployment(USDC.chain_id, "tests", "0x" + "ca" * 20, (USDC, share), (market,), {})
    ours, theirs = (bytes.fromhex(address[2:]).rjust(32, b"\0") for address in (ACCOUNT, market.address))
    logs = (
        Log(USDC.address, (erc20.TRANSFER_TOPIC, ours, theirs), (7).to_bytes(32, "big")),
        Log(share.address, (erc20.TRANSFER_TOPIC, bytes(32), ours), (6).to_bytes(32, "big")),
    )
    mined = Mined("0x1", 1, "0x2", succeeded=True, gas_used=1, gas_price_wei=1, logs=logs)
    assert list(transfers_of(mined, deployment, ACCOUNT)) == [TokenTransfer(USDC, ACCOUNT, market.address, 7)]


def test_two_allowances_of_one_pair_are_not_added_up() -> None:
    one = Allowance(USDC.address, AAVE_USDC.address, cases.USD)
    (_, supply) = calls_of([Supply(AAVE_USDC, usdc(2))])
    with pytest.raises(InsufficientBalance, match="allowance"):
        model([], calls=(supply,), standing=(one, one))
    assert model([], calls=(supply,), standing=(replace(one, raw=2 * cases.USD),)).effects.allowances == ()


def test_the_reading_after_a_plan_is_the_one_before_it_but_for_its_time_and_its_states() -> None:
    before = replace(cases.lending_reading(), refused=(("x", "y"),))
    found = model([Supply(AAVE_USDC, usdc(2))], seen=before, after=46).reading_after
    assert (found.timestamp, found.states) != (before.timestamp, before.states)
    assert found == replace(before, timestamp=before.timestamp + 46, states=found.states)

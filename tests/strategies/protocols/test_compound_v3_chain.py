"""The model against the Comet stand-in's bytecode: after every step equal to the unit, and it refuses when the contract reverts.

The one exception is the one its module names: a withdrawal of more than is supplied, which the contract pays out as a loan."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Borrow, Repay, Supply, Withdraw
from strategies.protocols.compound_v3 import comet
from tests.evm import Evm
from tests.strategies.protocols.compound_v3_walk import ADAPTER, MARKET, scene, set_price, walk_of
from tests.strategies.protocols.differential import actions, walked

pytestmark = pytest.mark.chain
WALKS, STEPS = 60, 100
INTRINSIC_GAS = 21_000  # of a transaction, which the in-process chain does not charge


def test_predicts_two_thousand_steps_with_every_action_fifty_times(evm: Evm) -> None:
    counts = sum((walked(evm, walk_of, MARKET, seed=seed, steps=STEPS) for seed in range(WALKS)), Counter[str]())
    assert actions(counts) >= 2_000
    names = ("Supply", "Withdraw", "Borrow", "Repay", "Supply collateral", "Withdraw collateral")
    assert all(counts[name] >= 50 for name in names), counts
    assert all(counts[f"{name} refused"] >= 20 for name in names), counts
    assert counts["Withdraw as Borrow"] >= 20, counts


@settings(max_examples=12)
@given(seed=st.integers(10**6, 10**9))
def test_predicts_every_step_of_any_walk(devnet: Evm, seed: int) -> None:
    assert walked(devnet, walk_of, MARKET, seed=seed, steps=30).total() == 30


def test_values_claims_and_debts_as_comet_does_at_any_later_time(evm: Evm) -> None:
    chain, borrower = scene(evm, MARKET), evm.actors["borrower"]
    market = chain.market
    for seconds in (0, 1, 59, 86_400, 400 * 86_400):
        evm.warp(seconds)
        for account in (evm.actors["lender"], borrower):
            state, held = chain.state(), chain.position(account)
            (supplied_raw,) = evm.read(market.address, "balanceOf(address)", "(uint256)", account)
            (owed_raw,) = evm.read(market.address, "borrowBalanceOf(address)", "(uint256)", account)
            now = comet.accrued(state)
            assert (comet.supplied_raw(now, held), comet.owed_raw(now, held)) == (supplied_raw, owed_raw)
            assert ADAPTER.value_raw(state, held) == supplied_raw - owed_raw


def test_its_solvency_fails_in_the_very_price_in_which_comet_liquidates(evm: Evm) -> None:
    chain, borrower = scene(evm, MARKET), evm.actors["borrower"]
    market = chain.market
    evm.transact(borrower, market.address, "accrueAccount(address)", borrower)
    seen = set[bool]()
    low_e8, high_e8 = 1, 10**13
    while low_e8 < high_e8:
        price_e8 = (low_e8 + high_e8) // 2
        set_price(evm, market.contract("feed_0"), price_e8)
        part = ADAPTER.solvency(chain.state(), chain.position(borrower))
        is_lost = part.collateral_usd_e8 < part.debt_usd_e8
        assert (is_lost,) == evm.read(market.address, "isLiquidatable(address)", "(bool)", borrower)
        low_e8, high_e8 = (price_e8 + 1, high_e8) if is_lost else (low_e8, price_e8)
        seen.add(is_lost)
    assert seen == {True, False}


def test_its_gas_estimate_is_above_what_the_smaller_stand_in_burns(evm: Evm) -> None:
    account, market = evm.actors["stranger"], scene(evm, MARKET).market
    weth, usdc = Amount(market.others[0], 10**21), Amount(market.asset, 10**9)
    loan = Borrow(market, Amount(market.asset, 5 * 10**9))
    for action in (Supply(market, usdc), Withdraw(market, ALL), Supply(market, weth), loan, Repay(market, usdc)):
        used = 0
        for call in ADAPTER.encode(action, account):
            evm.warp(12)
            outcome = evm.send(account, call)
            assert outcome.succeeded
            used += outcome.gas_used + INTRINSIC_GAS
        assert used <= ADAPTER.gas(action) <= 4 * used

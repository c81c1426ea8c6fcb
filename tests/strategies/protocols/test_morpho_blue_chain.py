"""The model against Morpho Blue's own bytecode: after every step they are equal to the unit, and it refuses when that reverts."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import send, transact
from strategies.domain import Address, Amount, Borrow, Repay, Shares, Supply, Withdraw
from strategies.protocols import morpho_blue
from strategies.protocols.adapter import Applied, Call
from strategies.protocols.morpho_blue import lending
from tests.evm import Evm
from tests.strategies.protocols.differential import actions, judged, walked
from tests.strategies.protocols.morpho_blue_walk import ADAPTER, KINDS, PARAMETERS, scene, walk_of

MARKETS = ("morpho:USDC/WETH", "morpho:USDC/DAI", "morpho:USDC")

pytestmark = pytest.mark.chain


@pytest.mark.slow
def test_predicts_thousands_of_steps_with_each_action_fifty_times_done_and_refused(evm: Evm) -> None:
    walks = (walked(evm, walk_of, market_id, seed=seed, steps=120) for seed in range(20) for market_id in MARKETS[:2])
    counts = sum(walks, Counter[str]()) + walked(evm, walk_of, MARKETS[2], seed=99, steps=150)
    assert actions(counts) >= 2_000
    assert all(counts[kind] >= 50 for kind in KINDS), counts
    assert all(counts[f"{kind} refused"] >= (10 if kind.startswith("Supply") else 50) for kind in KINDS), counts


@settings(max_examples=12)
@given(seed=st.integers(1_000, 10**9))
def test_predicts_any_walk(devnet: Evm, seed: int) -> None:
    assert walked(devnet, walk_of, MARKETS[seed % 3], seed=seed, steps=40).total() == 40


@pytest.mark.parametrize("market_id", MARKETS)
@pytest.mark.parametrize("seconds", [1, 86_400, 400 * 86_400])
def test_books_the_interest_and_the_fee_that_the_singleton_books(evm: Evm, market_id: str, seconds: int) -> None:
    of = scene(evm, market_id)
    later = lending.updated(ADAPTER.accrue(of.state(), seconds))
    evm.warp(seconds)
    evm.transact(evm.actors["stranger"], of.market.address, f"accrueInterest({PARAMETERS})", morpho_blue.parameters(of.market))
    assert of.state() == later


def test_values_a_claim_at_a_later_time_as_taking_it_all_out_would(evm: Evm) -> None:
    of = scene(evm, MARKETS[0])
    lender = evm.actors["lender"]
    later = ADAPTER.accrue(of.state(), 86_400)
    value_raw = ADAPTER.value_raw(later, of.position(lender))
    evm.warp(86_400)
    before = of.balances(lender)[of.market.asset]
    stranger = evm.actors["stranger"]
    assert of.does(stranger, Supply(of.market, Amount(of.market.asset, value_raw)))  # so that there is enough
    (all_of_it,) = ADAPTER.encode(Withdraw(of.market, ADAPTER.everything(of.position(lender))), lender)
    assert evm.send(lender, all_of_it).succeeded
    assert of.balances(lender)[of.market.asset] - before == value_raw


@pytest.mark.parametrize(("below_raw", "passes"), [(0, True), (-1, False)])
def test_takes_a_supply_up_to_128_bits_and_refuses_one_more(evm: Evm, below_raw: int, passes: bool) -> None:
    of, account = scene(evm, MARKETS[2]), evm.actors["stranger"]
    state = of.state()
    # Shares are a million times the assets, so they reach the limit first.
    most_raw = (lending.MAX_UINT128 - state.supply_shares_raw) // 10**6 - below_raw
    evm.transact(account, of.market.asset.address, "mint(address,uint256)", account, 2 * most_raw)
    supply = Supply(of.market, Amount(of.market.asset, most_raw))
    assert isinstance(judged(ADAPTER, state, of.position(account), supply), Applied) is passes
    assert of.does(account, supply) is passes


def test_stays_within_its_gas_estimate_with_the_exact_approval(evm: Evm) -> None:
    at = evm.market(MARKETS[0])
    usdc, weth = at.asset, at.others[0]
    given = (Supply(at, Amount(usdc, 10**9)), Supply(at, Amount(weth, 10**19)))
    taken = (Withdraw(at, Amount(usdc, 10**8)), Withdraw(at, Shares(10**13)), Withdraw(at, Amount(weth, 10**17)))
    actions = (*given, Borrow(at, Amount(usdc, 10**8)), Repay(at, Amount(usdc, 10**7)), *taken)
    with Devnet.start() as devnet:  # a transaction's whole gas is known to the node only
        account = devnet.actor("treasury")
        transact(devnet.node, account, usdc.address, "mint(address,uint256)", account, 10**12)
        transact(devnet.node, account, weth.address, "deposit()", value_wei=10**20)
        for action in actions * 2:
            used = sum(gas_used(devnet, account, call) for call in ADAPTER.encode(action, account))
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action), (action, used)


def gas_used(devnet: Devnet, account: Address, call: Call) -> int:
    return send(devnet.node, {"from": account, "to": call.target, "data": "0x" + call.data.hex()}, "a call").gas_used

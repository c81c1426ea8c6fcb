"""The model against MetaMorpho's own bytecode: after every step they are equal to the unit, and it refuses when that reverts."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import transact
from strategies.domain import Amount, Market, Position, Shares, Supply, Withdraw
from strategies.errors import UnsupportedState
from strategies.protocols import morpho_blue
from tests.evm import Evm
from tests.strategies.protocols.differential import actions, walked
from tests.strategies.protocols.metamorpho_walk import ADAPTER, KINDS, TIMELOCK_SECONDS, VAULT, act, identifier, scene, walk_of
from tests.strategies.protocols.morpho_blue_walk import PARAMETERS
from tests.strategies.protocols.test_morpho_blue_chain import gas_used

pytestmark = pytest.mark.chain


@pytest.mark.slow
def test_predicts_thousands_of_steps_with_each_action_fifty_times_done_and_refused(evm: Evm) -> None:
    counts = sum((walked(evm, walk_of, VAULT, seed=seed, steps=120) for seed in range(24)), Counter[str]())
    assert actions(counts) >= 2_000
    assert all(counts[kind] >= 50 and counts[f"{kind} refused"] >= 50 for kind in KINDS), counts


@settings(max_examples=12)
@given(seed=st.integers(1_000, 10**9))
def test_predicts_any_walk(devnet: Evm, seed: int) -> None:
    assert walked(devnet, walk_of, VAULT, seed=seed, steps=40).total() == 40


def test_refuses_a_vault_that_draws_on_its_markets_in_another_order(evm: Evm) -> None:
    vault = evm.market(VAULT)
    evm.transact(evm.actors["deployer"], vault.address, "updateWithdrawQueue(uint256[])", [1, 0, 2])
    with pytest.raises(UnsupportedState, match="not the pinned markets in their order"):
        ADAPTER.decode(vault, evm.ask(ADAPTER.reads(vault)), evm.timestamp)


def test_refuses_a_vault_with_a_longer_supply_queue(evm: Evm) -> None:
    vault = evm.market(VAULT)
    queue = [identifier(wrapped) for wrapped in (*vault.wraps, vault.wraps[0])]
    evm.transact(evm.actors["deployer"], vault.address, "setSupplyQueue(bytes32[])", queue)
    with pytest.raises(UnsupportedState, match="queues of 4 and 3"):
        ADAPTER.decode(vault, evm.ask(ADAPTER.reads(vault)), evm.timestamp)


def test_passes_over_a_market_of_the_supply_queue_that_the_vault_has_dropped(evm: Evm) -> None:
    vault, owner, lender = scene(evm, VAULT).market, evm.actors["deployer"], evm.actors["lender"]
    kept = morpho_blue.parameters(vault.wraps[0])
    evm.transact(owner, vault.address, f"submitCap({PARAMETERS},uint256)", kept, 0)
    evm.transact(owner, vault.address, f"submitMarketRemoval({PARAMETERS})", kept)
    evm.warp(TIMELOCK_SECONDS)
    evm.transact(owner, vault.address, "updateWithdrawQueue(uint256[])", [1, 2])
    shorter = Market(vault.id, vault.protocol, vault.address, vault.asset, vault.contracts, (), vault.numbers, vault.wraps[1:])
    state = ADAPTER.decode(shorter, evm.ask(ADAPTER.reads(shorter)), evm.timestamp)
    assert state.supply_queue == (0, 1)
    supply = Supply(shorter, Amount(shorter.asset, 10**9))
    said = ADAPTER.apply(state, Position(shorter, 0), supply)
    assert act(evm, lender, supply).succeeded
    assert ADAPTER.decode(shorter, evm.ask(ADAPTER.reads(shorter)), evm.timestamp) == said.state


def test_stays_within_its_gas_estimate_with_the_exact_approval(evm: Evm) -> None:
    vault = evm.market(VAULT)
    given, taken = Supply(vault, Amount(vault.asset, 10**9)), Withdraw(vault, Amount(vault.asset, 10**8))
    with Devnet.start() as devnet:  # a transaction's whole gas is known to the node only
        account = devnet.actor("treasury")
        transact(devnet.node, account, vault.asset.address, "mint(address,uint256)", account, 10**12)
        for action in (given, taken, Withdraw(vault, Shares(10**18))) * 2:
            used = sum(gas_used(devnet, account, call) for call in ADAPTER.encode(action, account))
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action), (action, used)

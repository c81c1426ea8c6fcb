"""The model against the bytecode of Lido's stand-ins: after every step equal to the wei, refused when one reverts."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.lido import FEE, REPORT
from strategies.domain import Amount, Claim, Stake, Staking, Unstake, Unwrap, Wrap
from strategies.protocols.lido import pool
from strategies.protocols.lido.pool import Report, StakingPool
from tests.evm import Evm
from tests.strategies.protocols.differential import Scene, actions, walked
from tests.strategies.protocols.lido_walk import ADAPTER, ETHER, KINDS, MARKET, RATE, govern, scene, walk_of

pytestmark = pytest.mark.chain
WALKS, STEPS = 35, 100
INTRINSIC_GAS = 21_000  # of a transaction, which the in-process chain does not charge


def test_predicts_two_thousand_steps_with_every_action_fifty_times(evm: Evm) -> None:
    counts = sum((walked(evm, walk_of, MARKET, seed=seed, steps=STEPS) for seed in range(WALKS)), Counter[str]())
    names = [kind.__name__ for kind in KINDS]
    assert actions(counts) >= 2_000
    assert all(counts[name] >= 50 and counts[f"{name} refused"] >= 20 for name in names), counts


@settings(max_examples=12)
@given(seed=st.integers(10**6, 10**9))
def test_predicts_every_step_of_any_walk(devnet: Evm, seed: int) -> None:
    assert walked(devnet, walk_of, MARKET, seed=seed, steps=30).total() == 30


@pytest.fixture
def chain(evm: Evm) -> Scene[StakingPool]:
    return scene(evm, MARKET)


@pytest.mark.parametrize("rewards_wei", [0, 1, 3 * ETHER, 10**13 + 7, -ETHER, -1])
@pytest.mark.parametrize("burnt_raw", [0, 10**15 + 3])
def test_a_report_moves_the_pool_as_the_arithmetic_says(chain: Scene[StakingPool], rewards_wei: int, burnt_raw: int) -> None:
    lender, steth = chain.accounts[0], chain.market.address
    act(chain, Unstake(chain.market, Amount(pool.tokens(chain.market)[0], 10 * ETHER)))
    before = chain.state()
    asked = chain.position(lender).requests[0]
    worse = before.ether_wei * RATE // before.shares_raw * 999 // 1_000
    arguments = (rewards_wei, asked.id, worse, burnt_raw, FEE)
    govern(chain.evm, steth, REPORT, *arguments, value_wei=max(rewards_wei, 0))
    paid_wei = asked.shares_raw * worse // RATE
    report = Report(rewards_wei, asked.shares_raw + burnt_raw, paid_wei, total_fee=FEE, precision=100 * ETHER)
    assert chain.state() == pool.rebased(before, report)
    assert chain.position(lender).requests[0].amount_raw == paid_wei < asked.amount_raw


def test_values_a_claim_as_the_balance_and_what_the_queue_owes(chain: Scene[StakingPool]) -> None:
    lender, steth = chain.accounts[0], chain.market.address
    act(chain, Unstake(chain.market, Amount(pool.tokens(chain.market)[0], 10 * ETHER)))
    (balance_wei,) = chain.evm.read(steth, "balanceOf(address)", "(uint256)", lender)
    assert ADAPTER.value_raw(chain.state(), chain.position(lender)) == balance_wei + 10 * ETHER


def test_the_stake_limit_that_was_read_is_never_more_than_what_later_blocks_allow(chain: Scene[StakingPool]) -> None:
    govern(chain.evm, chain.market.address, "setStakingLimit(uint256,uint256)", 100 * ETHER, ETHER)
    act(chain, Stake(chain.market, Amount(chain.market.asset, 60 * ETHER)))
    read = chain.state()
    for blocks, allowed_wei in ((0, 40 * ETHER), (1, 41 * ETHER), (58, 99 * ETHER), (100, 100 * ETHER)):
        chain.evm.number += blocks
        assert read.stake_limit_wei == 40 * ETHER <= chain.state().stake_limit_wei == allowed_wei


def test_its_gas_estimate_is_above_what_the_smaller_stand_ins_burn(chain: Scene[StakingPool]) -> None:
    market, some = chain.market, Amount(pool.tokens(chain.market)[0], ETHER)
    actions: tuple[Staking, ...] = (Stake(market, Amount(market.asset, ETHER)), Wrap(market, some), Unstake(market, some))
    used = {type(action): act(chain, action) for action in actions}
    rate = chain.state().ether_wei * RATE // chain.state().shares_raw
    govern(chain.evm, chain.market.address, REPORT, 0, chain.state().last_request_id, rate, 0, FEE)
    wrapped = Amount(pool.tokens(market)[1], 10**17)
    last: tuple[Staking, ...] = (Claim(market, chain.state().last_request_id), Unwrap(market, wrapped))
    used |= {type(action): act(chain, action) for action in last}
    for action in (*actions, *last):
        assert used[type(action)] <= ADAPTER.gas(action) <= 4 * used[type(action)], used


def act(chain: Scene[StakingPool], action: Staking) -> int:
    """The lender's calls of an action, approval included; the gas they burnt."""
    used = 0
    for call in ADAPTER.encode(action, chain.accounts[0]):
        outcome = chain.evm.send(chain.accounts[0], call)
        assert outcome.succeeded, action
        used += outcome.gas_used + INTRINSIC_GAS
    return used

"""The model against the bytecode of Lido's stand-ins: after every step equal to the wei, refused when one reverts."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.devnet.errors import ArtefactsMissing
from agent.devnet.lido import FEE, REPORT
from strategies.domain import Amount, Claim, Position, Stake, Staking, Unstake, Unwrap, Wrap
from strategies.errors import ProtocolError
from strategies.protocols.adapter import Applied
from strategies.protocols.lido import pool
from strategies.protocols.lido.pool import Report, StakingPool
from tests.evm import Evm
from tests.strategies.protocols.lido_walk import ADAPTER, ETHER, KINDS, RATE, Dice, LidoOnChain, written

pytestmark = pytest.mark.chain
WALKS, STEPS = 35, 100
INTRINSIC_GAS = 21_000  # of a transaction, which the in-process chain does not charge


@pytest.fixture(scope="module")
def devnet() -> LidoOnChain:
    try:
        return LidoOnChain(Evm.of_devnet())
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def chain(devnet: LidoOnChain) -> Iterator[LidoOnChain]:
    mark = devnet.evm.mark()
    yield devnet
    devnet.evm.back(mark)


class Walk:
    """What the model predicts is carried on, and compared with the chain after each step."""

    def __init__(self, chain: LidoOnChain, seed: int) -> None:
        self.chain, self.dice = chain, Dice(chain, random.Random(seed))
        self.counts: Counter[str] = Counter()
        self.state, self.held = chain.state(), chain.positions()

    def step(self) -> None:
        step = self.dice.step(self.state, self.held)
        if step is None:
            self.state, self.held = self.chain.state(), self.chain.positions()
            return
        self.chain.evm.warp(step.seconds)
        self.state = ADAPTER.accrue(self.state, step.seconds)
        said, before = judged(self.state, self.held[step.account], step.action), self.chain.balances(step.account)
        name = type(step.action).__name__
        if self.chain.evm.send(step.account, written(step.action, step.account)).succeeded:
            assert isinstance(said, Applied), (step, said)
            self.state, self.held[step.account] = said.state, said.held
            moved = [said.moved_raw(asset) for asset in self.chain.assets]
            assert [after - was for after, was in zip(self.chain.balances(step.account), before, strict=True)] == moved
            self.counts[name] += 1
        else:
            assert isinstance(said, ProtocolError), (step, said)
            self.counts[f"{name} reverted"] += 1
        assert (self.chain.state(), self.chain.positions()) == (self.state, self.held), step


def judged(state: StakingPool, held: Position, action: Staking) -> Applied[StakingPool] | ProtocolError:
    try:
        return ADAPTER.apply(state, held, action)
    except ProtocolError as refusal:
        return refusal


def walked(chain: LidoOnChain, *, seed: int, steps: int) -> Counter[str]:
    mark = chain.evm.mark()
    walk = Walk(chain, seed)
    for _ in range(steps):
        walk.step()
    chain.evm.back(mark)
    return walk.counts


def test_predicts_two_thousand_steps_with_every_action_fifty_times(chain: LidoOnChain) -> None:
    counts = sum((walked(chain, seed=seed, steps=STEPS) for seed in range(WALKS)), Counter[str]())
    assert sum(counts.values()) >= 2_000
    assert all(counts[kind.__name__] >= 50 and counts[f"{kind.__name__} reverted"] >= 20 for kind in KINDS), counts


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(10**6, 10**9))
def test_predicts_every_step_of_any_walk(chain: LidoOnChain, seed: int) -> None:
    assert walked(chain, seed=seed, steps=30)


@pytest.mark.parametrize("rewards_wei", [0, 1, 3 * ETHER, 10**13 + 7, -ETHER, -1])
@pytest.mark.parametrize("burnt_raw", [0, 10**15 + 3])
def test_a_report_moves_the_pool_as_the_arithmetic_says(chain: LidoOnChain, rewards_wei: int, burnt_raw: int) -> None:
    lender, steth = chain.accounts[0], chain.steth.address
    act(chain, Unstake(chain.market, Amount(chain.steth, 10 * ETHER)))
    before = chain.state()
    asked = chain.position(lender).requests[0]
    worse = before.ether_wei * RATE // before.shares_raw * 999 // 1_000
    arguments = (rewards_wei, asked.id, worse, burnt_raw, FEE)
    chain.govern(steth, REPORT, *arguments, value_wei=max(rewards_wei, 0))
    paid_wei = asked.shares_raw * worse // RATE
    report = Report(rewards_wei, asked.shares_raw + burnt_raw, paid_wei, total_fee=FEE, precision=100 * ETHER)
    assert chain.state() == pool.rebased(before, report)
    assert chain.position(lender).requests[0].amount_raw == paid_wei < asked.amount_raw


def test_values_a_claim_as_the_balance_and_what_the_queue_owes(chain: LidoOnChain) -> None:
    lender, steth = chain.accounts[0], chain.steth.address
    act(chain, Unstake(chain.market, Amount(chain.steth, 10 * ETHER)))
    (balance_wei,) = chain.evm.read(steth, "balanceOf(address)", "(uint256)", lender)
    assert ADAPTER.value_raw(chain.state(), chain.position(lender)) == balance_wei + 10 * ETHER


def test_the_stake_limit_that_was_read_is_never_more_than_what_later_blocks_allow(chain: LidoOnChain) -> None:
    chain.govern(chain.steth.address, "setStakingLimit(uint256,uint256)", 100 * ETHER, ETHER)
    act(chain, Stake(chain.market, Amount(chain.market.asset, 60 * ETHER)))
    read = chain.state()
    for blocks, allowed_wei in ((0, 40 * ETHER), (1, 41 * ETHER), (58, 99 * ETHER), (100, 100 * ETHER)):
        chain.evm.number += blocks
        assert read.stake_limit_wei == 40 * ETHER <= chain.state().stake_limit_wei == allowed_wei


def test_its_gas_estimate_is_above_what_the_smaller_stand_ins_burn(chain: LidoOnChain) -> None:
    market, some = chain.market, Amount(chain.steth, ETHER)
    actions: tuple[Staking, ...] = (Stake(market, Amount(market.asset, ETHER)), Wrap(market, some), Unstake(market, some))
    used = {type(action): act(chain, action) for action in actions}
    rate = chain.state().ether_wei * RATE // chain.state().shares_raw
    chain.govern(chain.steth.address, REPORT, 0, chain.state().last_request_id, rate, 0, FEE)
    last: tuple[Staking, ...] = (Claim(market, chain.state().last_request_id), Unwrap(market, Amount(chain.wsteth, 10**17)))
    used |= {type(action): act(chain, action) for action in last}
    for action in (*actions, *last):
        assert used[type(action)] <= ADAPTER.gas(action) <= 4 * used[type(action)], used


def act(chain: LidoOnChain, action: Staking) -> int:
    """The lender's calls of an action, approval included; the gas they burnt."""
    used = 0
    for call in ADAPTER.encode(action, chain.accounts[0]):
        outcome = chain.evm.send(chain.accounts[0], call)
        assert outcome.succeeded, action
        used += outcome.gas_used + INTRINSIC_GAS
    return used

"""The model against Aave's own bytecode: after every step they are equal to the unit, and it refuses when the pool reverts."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.devnet.chain import Devnet
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import ALL, Amount, Position, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.aave_v3 import SCALED_BALANCE_OF
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.adapter import Applied, Call, Function
from strategies.protocols.erc20 import BALANCE_OF
from tests.strategies.protocols.pool_on_chain import ADAPTER, OF_THE_ACCOUNT, PoolOnChain
from tests.strategies.protocols.random_walk import ACTIONS, Dice, Step, written

MARKETS = ("aave-core:USDC", "aave-prime:DAI", "aave-core:WETH")

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def chain() -> Iterator[PoolOnChain]:
    try:
        devnet = Devnet.start()
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))
    with devnet:
        on_chain = PoolOnChain(devnet)
        for market_id in MARKETS:
            on_chain.provide(on_chain.market(market_id))
        yield on_chain


@pytest.fixture(autouse=True)
def restored(chain: PoolOnChain) -> Iterator[None]:
    snapshot = chain.devnet.node.snapshot()
    yield
    chain.devnet.node.revert(snapshot)


class Walk:
    """What the model predicts is carried on, and compared with the chain after each step."""

    def __init__(self, chain: PoolOnChain, market_id: str, seed: int) -> None:
        self.chain, self.market = chain, chain.market(market_id)
        self.dice = Dice(chain, self.market, random.Random(seed))
        self.counts: Counter[str] = Counter()
        self.state, self.held = self.read()

    def read(self) -> tuple[pool.Reserve, dict[str, Position]]:
        return self.chain.reserve(self.market), {a: self.chain.position(self.market, a) for a in self.chain.accounts}

    def step(self) -> None:
        step = self.dice.step(self.state, self.held)
        if step is None:
            self.state, self.held = self.read()
            return
        later = ADAPTER.accrue(self.state, step.seconds)
        said = judged(later, self.held[step.account], step)
        before_raw = self.chain.balance_raw(self.market, step.account)
        mined = self.chain.mine(written(step.action, step.account), step.account, step.seconds)
        name = type(step.action).__name__
        if mined.succeeded:
            assert isinstance(said, Applied), (step, mined, said)
            self.state, self.held[step.account] = said.state, said.held
            assert self.chain.balance_raw(self.market, step.account) - before_raw == said.asset_delta_raw
            self.counts[name] += 1
        else:
            assert isinstance(said, ProtocolError) or mined.reason in OF_THE_ACCOUNT, (step, mined, said)
            self.state = later
            self.counts[f"{name} reverted"] += 1
        assert self.read() == (self.state, self.held), (step, mined)


def judged(state: pool.Reserve, held: Position, step: Step) -> Applied[pool.Reserve] | ProtocolError:
    try:
        return ADAPTER.apply(state, held, step.action)
    except ProtocolError as refusal:
        return refusal


def walked(chain: PoolOnChain, market_id: str, *, seed: int, steps: int) -> Counter[str]:
    walk = Walk(chain, market_id, seed)
    for _ in range(steps):
        walk.step()
    return walk.counts


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("market_id", MARKETS)
def test_predicts_every_step_of_a_random_walk(chain: PoolOnChain, market_id: str, seed: int) -> None:
    assert sum(walked(chain, market_id, seed=seed, steps=60).values()) > 30


@pytest.mark.slow
def test_predicts_two_thousand_steps_with_each_action_fifty_times(chain: PoolOnChain) -> None:
    counts: Counter[str] = Counter()
    for seed in range(8):
        for market_id in MARKETS:
            snapshot = chain.devnet.node.snapshot()
            counts += walked(chain, market_id, seed=100 + seed, steps=120)
            chain.devnet.node.revert(snapshot)
    assert sum(counts.values()) >= 2_000
    assert all(counts[kind.__name__] >= 50 and counts[f"{kind.__name__} reverted"] >= 50 for kind in ACTIONS)


@pytest.mark.parametrize("market_id", MARKETS)
def test_values_claims_and_debts_as_the_tokens_do_at_any_later_time(chain: PoolOnChain, market_id: str) -> None:
    market = chain.market(market_id)
    state, borrower = chain.reserve(market), chain.devnet.actor("borrower")
    held = chain.position(market, borrower)
    income, debt = Function("d15e0053", *BALANCE_OF.kinds), Function("386497fd", *BALANCE_OF.kinds)
    for seconds in (1, 59, 86_400, 400 * 86_400):
        chain.devnet.node.set_next_block_timestamp(state.timestamp + seconds)
        chain.devnet.node.mine()
        answers = chain.ask(
            (
                Call(chain.deployment.multicall, bytes.fromhex("0f28c97d")),  # getCurrentBlockTimestamp()
                Call(market.address, income.encode(market.asset.address)),
                Call(market.address, debt.encode(market.asset.address)),
                Call(market.contract("receipt"), BALANCE_OF.encode(borrower)),
                Call(market.contract("debt"), BALANCE_OF.encode(borrower)),
                Call(market.contract("debt"), SCALED_BALANCE_OF.encode(borrower)),
            )
        )
        at, *said = (int.from_bytes(answer, "big") for answer in answers)
        later = replace(state, timestamp=at)
        supplied_raw, owed_raw = pool.supplied_raw(later, held.shares_raw), pool.owed_raw(later, held.debt_raw)
        assert said == [pool.income_ray(later), pool.debt_ray(later), supplied_raw, owed_raw, held.debt_raw]
        assert ADAPTER.value_raw(later, held) == supplied_raw - owed_raw


def test_stays_within_its_gas_estimate_with_the_exact_approval(chain: PoolOnChain) -> None:
    market, account = chain.market("aave-core:USDC"), chain.devnet.actor("stranger")
    amount = Amount(market.asset, 10**9)
    for action in (Supply(market, amount), Withdraw(market, ALL)):
        used = sum(chain.mine(call, account, 1).gas_used for call in ADAPTER.encode(action, account))
        assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action)

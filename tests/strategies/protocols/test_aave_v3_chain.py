"""The model against Aave's own bytecode: after every step they are equal to the unit, and it refuses when the pool reverts."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import send
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import ALL, Address, Amount, MarketAction, Position, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.aave_v3 import SCALED_BALANCE_OF
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.adapter import Applied, Call, Function
from strategies.protocols.erc20 import BALANCE_OF
from tests.evm import Evm
from tests.strategies.protocols.pool_on_chain import ADAPTER, OF_THE_ACCOUNT, PoolOnChain
from tests.strategies.protocols.random_walk import ACTIONS, Dice, Step, written

OLD_MARKETS = ("aave-core:USDC", "aave-prime:DAI", "aave-core:WETH")
NEW_MARKETS = ("aave-new:USDC", "aave-new:DAI", "aave-new:WETH")
MARKETS = (*OLD_MARKETS, *NEW_MARKETS)

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def chain() -> PoolOnChain:
    try:
        on_chain = PoolOnChain(Evm.of_devnet())
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))
    for market_id in MARKETS:
        on_chain.provide(on_chain.market(market_id))
    return on_chain


@pytest.fixture(autouse=True)
def restored(chain: PoolOnChain) -> Iterator[None]:
    mark = chain.evm.mark()
    yield
    chain.evm.back(mark)


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
            assert self.chain.balance_raw(self.market, step.account) - before_raw == said.moved_raw(said.state.market.asset)
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


@settings(max_examples=20, deadline=None)
@given(market_id=st.sampled_from(MARKETS), seed=st.integers(0, 2**32), steps=st.integers(1, 30))
def test_predicts_any_walk(chain: PoolOnChain, market_id: str, seed: int, steps: int) -> None:
    mark = chain.evm.mark()
    try:
        walked(chain, market_id, seed=seed, steps=steps)
    finally:
        chain.evm.back(mark)


@pytest.mark.slow
@pytest.mark.parametrize("markets", [OLD_MARKETS, NEW_MARKETS], ids=["V3.0", "V3.6"])
def test_predicts_two_thousand_steps_with_each_action_fifty_times(chain: PoolOnChain, markets: tuple[str, ...]) -> None:
    counts: Counter[str] = Counter()
    for seed in range(8):
        for market_id in markets:
            mark = chain.evm.mark()
            counts += walked(chain, market_id, seed=100 + seed, steps=120)
            chain.evm.back(mark)
    assert sum(counts.values()) >= 2_000
    assert all(counts[kind.__name__] >= 50 and counts[f"{kind.__name__} reverted"] >= 50 for kind in ACTIONS)


@pytest.mark.parametrize("market_id", MARKETS)
def test_values_claims_and_debts_as_the_tokens_do_at_any_later_time(chain: PoolOnChain, market_id: str) -> None:
    market = chain.market(market_id)
    state, borrower = chain.reserve(market), chain.evm.actors["borrower"]
    held = chain.position(market, borrower)
    income, debt = Function("d15e0053", *BALANCE_OF.kinds), Function("386497fd", *BALANCE_OF.kinds)
    for seconds in (1, 59, 86_400, 400 * 86_400):
        chain.evm.timestamp = state.timestamp + seconds
        answers = chain.ask(
            (
                Call(market.address, income.encode(market.asset.address)),
                Call(market.address, debt.encode(market.asset.address)),
                Call(market.contract("receipt"), BALANCE_OF.encode(borrower)),
                Call(market.contract("debt"), BALANCE_OF.encode(borrower)),
                Call(market.contract("debt"), SCALED_BALANCE_OF.encode(borrower)),
            )
        )
        said = [int.from_bytes(answer, "big") for answer in answers]
        later = replace(state, timestamp=state.timestamp + seconds)
        supplied_raw, owed_raw = pool.supplied_raw(later, held.shares_raw), pool.owed_raw(later, held.debt_raw)
        assert said == [pool.income_ray(later), pool.debt_ray(later), supplied_raw, owed_raw, held.debt_raw]
        assert ADAPTER.value_raw(later, held) == supplied_raw - owed_raw


@pytest.mark.parametrize("market_id", ["aave-core:USDC", "aave-new:USDC"])
def test_stays_within_its_gas_estimate_with_the_exact_approval(chain: PoolOnChain, market_id: str) -> None:
    market, account = chain.market(market_id), chain.evm.actors["stranger"]
    amount = Amount(market.asset, 10**9)
    with Devnet.start() as devnet:  # a transaction's whole gas is known to the node only
        scenes.fund(devnet, account, usdc_raw=2 * amount.raw)
        actions: tuple[MarketAction, ...] = (Supply(market, amount), Withdraw(market, ALL))
        spent = [sum(gas_used(devnet, account, call) for call in ADAPTER.encode(action, account)) for action in actions * 2]
        for action, used in zip(actions, spent[2:], strict=True):  # an account's first supply writes more
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action)


def gas_used(devnet: Devnet, account: Address, call: Call) -> int:
    return send(devnet.node, {"from": account, "to": call.target, "data": "0x" + call.data.hex()}, "a call").gas_used

"""The model against the Comet stand-in's bytecode: after every step equal to the unit, and it refuses when the contract reverts.

The one exception is the one its module names: a withdrawal of more than is supplied, which the contract pays out as a loan."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.devnet.errors import ArtefactsMissing
from strategies.domain import ALL, Amount, Borrow, Position, Repay, Supply, Withdraw
from strategies.errors import InsufficientBalance, ProtocolError
from strategies.protocols.adapter import Applied
from strategies.protocols.compound_v3 import comet
from strategies.protocols.compound_v3.comet import Comet
from tests.evm import Evm
from tests.strategies.protocols.compound_v3_walk import ADAPTER, KINDS, CometOnChain, Dice, Step, written

pytestmark = pytest.mark.chain
WALKS, STEPS = 60, 100
INTRINSIC_GAS = 21_000  # of a transaction, which the in-process chain does not charge


@pytest.fixture(scope="module")
def devnet() -> CometOnChain:
    try:
        return CometOnChain(Evm.of_devnet())
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def chain(devnet: CometOnChain) -> Iterator[CometOnChain]:
    mark = devnet.evm.mark()
    yield devnet
    devnet.evm.back(mark)


class Walk:
    """What the model predicts is carried on, and compared with the chain after each step."""

    def __init__(self, chain: CometOnChain, seed: int) -> None:
        self.chain, self.dice = chain, Dice(chain, random.Random(seed))
        self.counts: Counter[str] = Counter()
        self.state, self.held = chain.state(), chain.positions()

    def step(self) -> None:
        step = self.dice.step(self.state, self.held)
        if step is None:
            self.state = self.chain.state()
            return
        self.chain.evm.warp(step.seconds)
        self.state = ADAPTER.accrue(self.state, step.seconds)
        said, before = judged(self.state, self.held[step.account], step), self.chain.balances(step.account)
        name = f"{type(step.action).__name__}{' of collateral' if is_of_collateral(step) else ''}"
        if is_cut(said, step):
            self.counts[f"{name} that would borrow"] += self.would_borrow(step)
        elif self.chain.evm.send(step.account, written(step.action, step.account)).succeeded:
            assert isinstance(said, Applied), (step, said)
            self.state, self.held[step.account] = said.state, said.held
            moved = [said.moved_raw(asset) for asset in self.chain.assets]
            assert [after - was for after, was in zip(self.chain.balances(step.account), before, strict=True)] == moved
            self.counts[name] += 1
        else:
            assert isinstance(said, ProtocolError), (step, said)
            self.counts[f"{name} reverted"] += 1
        assert (self.chain.state(), self.chain.positions()) == (self.state, self.held), step

    def would_borrow(self, step: Step) -> bool:
        """Whether the contract pays a withdrawal above the balance; if so, it has made a debt. Nothing of it stays."""
        mark = self.chain.evm.mark()
        succeeded = self.chain.evm.send(step.account, written(step.action, step.account)).succeeded
        assert not succeeded or self.chain.position(step.account).debt_raw > 0
        self.chain.evm.back(mark)
        return succeeded


def is_of_collateral(step: Step) -> bool:
    amount = step.action.amount
    return isinstance(amount, Amount) and amount.asset != step.action.market.asset


def is_cut(said: Applied[Comet] | ProtocolError, step: Step) -> bool:
    """The documented cut: more base withdrawn than is supplied."""
    return isinstance(step.action, Withdraw) and isinstance(said, InsufficientBalance) and not is_of_collateral(step)


def judged(state: Comet, held: Position, step: Step) -> Applied[Comet] | ProtocolError:
    try:
        return ADAPTER.apply(state, held, step.action)
    except ProtocolError as refusal:
        return refusal


def walked(chain: CometOnChain, *, seed: int, steps: int) -> Counter[str]:
    mark = chain.evm.mark()
    walk = Walk(chain, seed)
    for _ in range(steps):
        walk.step()
    chain.evm.back(mark)
    return walk.counts


def test_predicts_two_thousand_steps_with_every_action_fifty_times(chain: CometOnChain) -> None:
    counts = sum((walked(chain, seed=seed, steps=STEPS) for seed in range(WALKS)), Counter[str]())
    assert sum(counts.values()) >= 2_000
    names = (*(kind.__name__ for kind in KINDS), "Supply of collateral", "Withdraw of collateral")
    assert all(counts[name] >= 50 for name in names), counts
    assert all(counts[f"{name} reverted"] >= 20 for name in names), counts
    assert counts["Withdraw that would borrow"] >= 20, counts


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(10**6, 10**9))
def test_predicts_every_step_of_any_walk(chain: CometOnChain, seed: int) -> None:
    assert walked(chain, seed=seed, steps=30)


def test_values_claims_and_debts_as_comet_does_at_any_later_time(chain: CometOnChain) -> None:
    borrower, market = chain.evm.actors["borrower"], chain.market
    for seconds in (0, 1, 59, 86_400, 400 * 86_400):
        chain.evm.warp(seconds)
        for account in (chain.evm.actors["lender"], borrower):
            state, held = chain.state(), chain.position(account)
            (supplied_raw,) = chain.evm.read(market.address, "balanceOf(address)", "(uint256)", account)
            (owed_raw,) = chain.evm.read(market.address, "borrowBalanceOf(address)", "(uint256)", account)
            now = comet.accrued(state)
            assert (comet.supplied_raw(now, held), comet.owed_raw(now, held)) == (supplied_raw, owed_raw)
            assert ADAPTER.value_raw(state, held) == supplied_raw - owed_raw


def test_its_solvency_fails_in_the_very_price_in_which_comet_liquidates(chain: CometOnChain) -> None:
    borrower, market = chain.evm.actors["borrower"], chain.market
    chain.evm.transact(borrower, market.address, "accrueAccount(address)", borrower)
    seen = set[bool]()
    low_e8, high_e8 = 1, 10**13
    while low_e8 < high_e8:
        price_e8 = (low_e8 + high_e8) // 2
        chain.set_price(market.contract("feed_0"), price_e8)
        part = ADAPTER.solvency(chain.state(), chain.position(borrower))
        is_lost = part.collateral_usd_e8 < part.debt_usd_e8
        assert (is_lost,) == chain.evm.read(market.address, "isLiquidatable(address)", "(bool)", borrower)
        low_e8, high_e8 = (price_e8 + 1, high_e8) if is_lost else (low_e8, price_e8)
        seen.add(is_lost)
    assert seen == {True, False}


def test_its_gas_estimate_is_above_what_the_smaller_stand_in_burns(chain: CometOnChain) -> None:
    account, market = chain.evm.actors["stranger"], chain.market
    weth, usdc = Amount(market.others[0], 10**21), Amount(market.asset, 10**9)
    loan = Borrow(market, Amount(market.asset, 5 * 10**9))
    for action in (Supply(market, usdc), Withdraw(market, ALL), Supply(market, weth), loan, Repay(market, usdc)):
        used = 0
        for call in ADAPTER.encode(action, account):
            chain.evm.warp(12)
            outcome = chain.evm.send(account, call)
            assert outcome.succeeded
            used += outcome.gas_used + INTRINSIC_GAS
        assert used <= ADAPTER.gas(action) <= 4 * used

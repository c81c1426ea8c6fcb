"""The model against MetaMorpho's own bytecode: after every step they are equal to the unit, and it refuses when that reverts."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import transact
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import Address, Amount, Market, Position, Shares, Supply, Withdraw
from strategies.errors import ProtocolError, UnsupportedState
from strategies.protocols import morpho_blue
from strategies.protocols.adapter import Applied
from strategies.protocols.metamorpho import CuratedVault
from tests.evm import Evm
from tests.strategies.protocols.metamorpho_walk import ADAPTER, KINDS, TIMELOCK_SECONDS, Dice, Step, identifier
from tests.strategies.protocols.morpho_blue_walk import ACTORS, PARAMETERS, balances_raw, provide
from tests.strategies.protocols.test_morpho_blue_chain import gas_used

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def evm() -> Evm:
    try:
        evm = Evm.of_devnet()
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))
    vault = vault_of(evm)
    provide(evm, (vault,), vault.address)
    provide(evm, vault.wraps, vault.wraps[0].address)
    for wrapped in vault.wraps[1:]:
        borrower, backing = evm.actors["borrower"], (morpho_blue.parameters(wrapped), 10**23, evm.actors["borrower"], b"")
        evm.transact(borrower, wrapped.address, f"supplyCollateral({PARAMETERS},uint256,address,bytes)", *backing)
    return evm


@pytest.fixture(autouse=True)
def restored(evm: Evm) -> Iterator[None]:
    mark = evm.mark()
    yield
    evm.back(mark)


def vault_of(evm: Evm) -> Market:
    return next(market for market in evm.deployment.markets if market.id == "metamorpho:USDC")


class Walk:
    """What the model predicts is carried on, and compared with the chain after each step."""

    def __init__(self, evm: Evm, seed: int) -> None:
        self.evm, self.market = evm, vault_of(evm)
        self.accounts = tuple(evm.actors[name] for name in ACTORS)
        self.dice = Dice(evm, self.market, random.Random(seed))
        self.counts: Counter[str] = Counter()
        self.state, self.held = self.read()

    def read(self) -> tuple[CuratedVault, dict[Address, Position]]:
        evm, at = self.evm, self.market
        state = ADAPTER.decode(at, evm.ask(ADAPTER.reads(at)), evm.timestamp)
        return state, {a: ADAPTER.holding(at, evm.ask(ADAPTER.holding_reads(at, a))) for a in self.accounts}

    def step(self) -> None:
        step = self.dice.step(self.state, self.held)
        if step is None:
            self.state, self.held = self.read()
            self.counts["others"] += 1
            return
        later = ADAPTER.accrue(self.state, step.seconds)
        said = judged(later, self.held[step.account], step)
        (before_raw,) = balances_raw(self.evm, self.market, step.account).values()
        if isinstance(said, Applied) and before_raw + said.moved_raw(self.market.asset) < 0:
            return  # the token would refuse, not the vault
        self.evm.warp(step.seconds)
        done = self.evm.send(step.account, step.call)
        assert done.succeeded == isinstance(said, Applied), (step, done, said, later)
        if isinstance(said, Applied):
            self.state, self.held[step.account] = said.state, said.held
            (after_raw,) = balances_raw(self.evm, self.market, step.account).values()
            assert after_raw - before_raw == said.moved_raw(self.market.asset), (step, said)
            assert all(amount.raw for amount in said.moved)
        else:
            self.state = later
        self.counts[step.kind if done.succeeded else f"{step.kind} refused"] += 1
        assert self.read() == (self.state, self.held), step
        self.says_what_the_vault_says(step.account)

    def says_what_the_vault_says(self, account: Address) -> None:
        held, at = self.held[account], self.market.address
        value_raw, there_raw = ADAPTER.value_raw(self.state, held), ADAPTER.withdrawable_raw(self.state)
        assert self.evm.read(at, "convertToAssets(uint256)", "(uint256)", held.shares_raw) == (value_raw,)
        assert self.evm.read(at, "maxWithdraw(address)", "(uint256)", account) == (min(value_raw, there_raw),)


def judged(state: CuratedVault, held: Position, step: Step) -> Applied[CuratedVault] | ProtocolError:
    try:
        return ADAPTER.apply(state, held, step.action)
    except ProtocolError as refusal:
        return refusal


def walked(evm: Evm, *, seed: int, steps: int) -> Counter[str]:
    mark, walk = evm.mark(), Walk(evm, seed)
    try:
        for _ in range(steps):
            walk.step()
    finally:
        evm.back(mark)
    return walk.counts


@pytest.mark.slow
def test_predicts_thousands_of_steps_with_each_action_fifty_times_done_and_refused(evm: Evm) -> None:
    counts: Counter[str] = Counter()
    for seed in range(24):
        counts += walked(evm, seed=seed, steps=120)
    assert sum(counts.values()) - counts["others"] >= 2_000
    assert all(counts[kind] >= 50 and counts[f"{kind} refused"] >= 50 for kind in KINDS), counts


@given(seed=st.integers(1_000, 10**9))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_predicts_any_walk(evm: Evm, seed: int) -> None:
    walked(evm, seed=seed, steps=40)


def test_refuses_a_vault_that_draws_on_its_markets_in_another_order(evm: Evm) -> None:
    vault = vault_of(evm)
    evm.transact(evm.actors["deployer"], vault.address, "updateWithdrawQueue(uint256[])", [1, 0, 2])
    with pytest.raises(UnsupportedState, match="not the pinned markets in their order"):
        ADAPTER.decode(vault, evm.ask(ADAPTER.reads(vault)), evm.timestamp)


def test_refuses_a_vault_with_a_longer_supply_queue(evm: Evm) -> None:
    vault = vault_of(evm)
    queue = [identifier(wrapped) for wrapped in (*vault.wraps, vault.wraps[0])]
    evm.transact(evm.actors["deployer"], vault.address, "setSupplyQueue(bytes32[])", queue)
    with pytest.raises(UnsupportedState, match="queues of 4 and 3"):
        ADAPTER.decode(vault, evm.ask(ADAPTER.reads(vault)), evm.timestamp)


def test_passes_over_a_market_of_the_supply_queue_that_the_vault_has_dropped(evm: Evm) -> None:
    vault, owner = vault_of(evm), evm.actors["deployer"]
    kept = morpho_blue.parameters(vault.wraps[0])
    evm.transact(owner, vault.address, f"submitCap({PARAMETERS},uint256)", kept, 0)
    evm.transact(owner, vault.address, f"submitMarketRemoval({PARAMETERS})", kept)
    evm.warp(TIMELOCK_SECONDS)
    evm.transact(owner, vault.address, "updateWithdrawQueue(uint256[])", [1, 2])
    shorter = Market(vault.id, vault.protocol, vault.address, vault.asset, vault.contracts, (), vault.numbers, vault.wraps[1:])
    state = ADAPTER.decode(shorter, evm.ask(ADAPTER.reads(shorter)), evm.timestamp)
    assert state.supply_queue == (0, 1)
    step = Step("Supply", evm.actors["lender"], shorter, 10**9, 0)
    said = judged(state, Position(shorter, 0), step)
    assert isinstance(said, Applied)
    assert evm.send(step.account, step.call).succeeded
    assert ADAPTER.decode(shorter, evm.ask(ADAPTER.reads(shorter)), evm.timestamp) == said.state


def test_stays_within_its_gas_estimate_with_the_exact_approval(evm: Evm) -> None:
    vault = vault_of(evm)
    given, taken = Supply(vault, Amount(vault.asset, 10**9)), Withdraw(vault, Amount(vault.asset, 10**8))
    with Devnet.start() as devnet:  # a transaction's whole gas is known to the node only
        account = devnet.actor("treasury")
        transact(devnet.node, account, vault.asset.address, "mint(address,uint256)", account, 10**12)
        for action in (given, taken, Withdraw(vault, Shares(10**18))) * 2:
            used = sum(gas_used(devnet, account, call) for call in ADAPTER.encode(action, account))
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action), (action, used)

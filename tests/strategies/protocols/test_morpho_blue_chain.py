"""The model against Morpho Blue's own bytecode: after every step they are equal to the unit, and it refuses when that reverts."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import send, transact
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import Address, Amount, Borrow, Market, Position, Repay, Shares, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols import morpho_blue
from strategies.protocols.adapter import Applied, Call
from strategies.protocols.morpho_blue import LoanMarket, lending
from tests.evm import Evm
from tests.strategies.protocols.morpho_blue_walk import (
    ACTORS,
    ADAPTER,
    KINDS,
    PARAMETERS,
    Dice,
    Step,
    balances_raw,
    provide,
)

MARKETS = ("morpho:USDC/WETH", "morpho:USDC/DAI", "morpho:USDC")

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def evm() -> Evm:
    try:
        evm = Evm.of_devnet()
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))
    markets = [market(evm, market_id) for market_id in MARKETS]
    provide(evm, markets, markets[0].address)
    return evm


@pytest.fixture(autouse=True)
def restored(evm: Evm) -> Iterator[None]:
    mark = evm.mark()
    yield
    evm.back(mark)


def market(evm: Evm, market_id: str) -> Market:
    return next(known for known in evm.deployment.markets if known.id == market_id)


class Walk:
    """What the model predicts is carried on, and compared with the chain after each step."""

    def __init__(self, evm: Evm, market_id: str, seed: int) -> None:
        self.evm, self.market = evm, market(evm, market_id)
        self.accounts = tuple(evm.actors[name] for name in ACTORS)
        self.dice = Dice(evm, self.market, random.Random(seed))
        self.counts: Counter[str] = Counter()
        self.state, self.held = self.read()

    def read(self) -> tuple[LoanMarket, dict[Address, Position]]:
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
        before = balances_raw(self.evm, self.market, step.account)
        if isinstance(said, Applied) and any(-moved.raw > before[moved.asset.symbol] for moved in said.moved):
            return  # the token would refuse, not the market
        self.evm.warp(step.seconds)
        done = self.evm.send(step.account, step.call)
        assert done.succeeded == isinstance(said, Applied), (step, done, said, later)
        if isinstance(said, Applied):
            self.state, self.held[step.account] = said.state, said.held
            after = balances_raw(self.evm, self.market, step.account)
            moved = {asset.symbol: said.moved_raw(asset) for asset in (self.market.asset, *self.market.others)}
            assert {symbol: after[symbol] - before[symbol] for symbol in after} == moved, (step, said)
            assert all(amount.raw for amount in said.moved)
        else:
            self.state = later
        self.counts[step.kind if done.succeeded else f"{step.kind} refused"] += 1
        assert self.read() == (self.state, self.held), step


def judged(state: LoanMarket, held: Position, step: Step) -> Applied[LoanMarket] | ProtocolError:
    try:
        return ADAPTER.apply(state, held, step.action)
    except ProtocolError as refusal:
        return refusal


def walked(evm: Evm, market_id: str, *, seed: int, steps: int) -> Counter[str]:
    mark, walk = evm.mark(), Walk(evm, market_id, seed)
    try:
        for _ in range(steps):
            walk.step()
    finally:
        evm.back(mark)
    return walk.counts


@pytest.mark.slow
def test_predicts_thousands_of_steps_with_each_action_fifty_times_done_and_refused(evm: Evm) -> None:
    counts: Counter[str] = Counter()
    for seed in range(20):
        for market_id in MARKETS[:2]:
            counts += walked(evm, market_id, seed=seed, steps=120)
    counts += walked(evm, MARKETS[2], seed=99, steps=150)
    assert sum(counts.values()) - counts["others"] >= 2_000
    assert all(counts[kind] >= 50 for kind in KINDS), counts
    assert all(counts[f"{kind} refused"] >= (10 if kind.startswith("Supply") else 50) for kind in KINDS), counts


@given(seed=st.integers(1_000, 10**9))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_predicts_any_walk(evm: Evm, seed: int) -> None:
    walked(evm, MARKETS[seed % 3], seed=seed, steps=40)


@pytest.mark.parametrize("market_id", MARKETS)
@pytest.mark.parametrize("seconds", [1, 86_400, 400 * 86_400])
def test_books_the_interest_and_the_fee_that_the_singleton_books(evm: Evm, market_id: str, seconds: int) -> None:
    walk = Walk(evm, market_id, 0)
    later = lending.updated(ADAPTER.accrue(walk.state, seconds))
    evm.warp(seconds)
    evm.transact(
        evm.actors["stranger"], walk.market.address, f"accrueInterest({PARAMETERS})", morpho_blue.parameters(walk.market)
    )
    assert walk.read()[0] == later


def test_values_a_claim_at_a_later_time_as_taking_it_all_out_would(evm: Evm) -> None:
    walk = Walk(evm, MARKETS[0], 0)
    lender = evm.actors["lender"]
    later = ADAPTER.accrue(walk.state, 86_400)
    value_raw = ADAPTER.value_raw(later, walk.held[lender])
    evm.warp(86_400)
    before = balances_raw(evm, walk.market, lender)["USDC"]
    stranger = evm.actors["stranger"]
    evm.send(stranger, Step("Supply", stranger, walk.market, value_raw, 0).call)  # so that there is enough
    (all_of_it,) = ADAPTER.encode(Withdraw(walk.market, ADAPTER.everything(walk.held[lender])), lender)
    assert evm.send(lender, all_of_it).succeeded
    assert balances_raw(evm, walk.market, lender)["USDC"] - before == value_raw


@pytest.mark.parametrize(("below_raw", "passes"), [(0, True), (-1, False)])
def test_takes_a_supply_up_to_128_bits_and_refuses_one_more(evm: Evm, below_raw: int, passes: bool) -> None:
    walk, account = Walk(evm, MARKETS[2], 0), evm.actors["stranger"]
    # Shares are a million times the assets, so they reach the limit first.
    most_raw = (lending.MAX_UINT128 - walk.state.supply_shares_raw) // 10**6 - below_raw
    evm.transact(account, walk.market.asset.address, "mint(address,uint256)", account, 2 * most_raw)
    step = Step("Supply", account, walk.market, most_raw, 0)
    assert isinstance(judged(walk.state, walk.held[account], step), Applied) is passes
    assert evm.send(account, step.call).succeeded is passes


def test_stays_within_its_gas_estimate_with_the_exact_approval(evm: Evm) -> None:
    at = market(evm, MARKETS[0])
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

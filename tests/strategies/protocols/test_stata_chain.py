"""The model against Aave's own wrapper: after every step they are equal to the unit, and it refuses when the wrapper reverts."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import send, transact
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import Amount, Position, Shares, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.adapter import Applied
from strategies.protocols.stata import (
    Stata,
    assets_of_shares_down,
    assets_of_shares_up,
    max_deposit_raw,
    max_redeem_raw,
    max_withdraw_raw,
    shares_of_assets_down,
    shares_of_assets_up,
)
from tests.strategies.protocols.stata_walk import ACCOUNTS, ADAPTER, Dice, StataInEvm, Step, market_of, name_of

MARKETS = ("stata:USDC", "stata:WETH")
NAMES = ("deposit", "withdraw", "redeem")
STEPS = 40

pytestmark = pytest.mark.chain


class Walk:
    """What the model predicts is carried on, and compared with the chain after each step."""

    def __init__(self, market_id: str, seed: int) -> None:
        self.chain = on_chain(market_id)
        self.dice, self.counts = Dice(self.chain, random.Random(seed)), Counter[str]()
        self.read()

    def read(self) -> None:
        self.state, self.held = self.chain.state(), {account: self.chain.held(account) for account in ACCOUNTS}

    def step(self) -> None:
        step = self.dice.step(self.state, self.held)
        if step is None:
            self.counts["others"] += 1
            self.read()
            return
        self.chain.evm.warp(step.seconds)
        self.follow(ADAPTER.accrue(self.state, step.seconds), step)
        assert self.state == self.chain.state(), step
        assert self.held == {account: self.chain.held(account) for account in ACCOUNTS}, step

    def follow(self, later: Stata, step: Step) -> None:
        said = judged(later, self.held[step.account], step)
        before_raw = self.chain.balance_raw(step.account)
        done = self.chain.act(step.account, step.action)
        gained_raw = self.chain.balance_raw(step.account) - before_raw
        if done.succeeded:
            assert isinstance(said, Applied), (step, said)
            assert gained_raw == said.moved_raw(later.market.asset)
            self.state, self.held[step.account] = said.state, said.held
            self.counts[name_of(step.action)] += 1
        else:
            assert isinstance(said, ProtocolError), (step, said, done.output.hex())
            self.state = later
            self.counts[f"{name_of(step.action)} reverted"] += 1


def on_chain(market_id: str) -> StataInEvm:
    try:
        return StataInEvm.of_devnet(market_id)
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))


def judged(state: Stata, held: Position, step: Step) -> Applied[Stata] | ProtocolError:
    try:
        return ADAPTER.apply(state, held, step.action)
    except ProtocolError as refusal:
        return refusal


def walked(market_id: str, *, seed: int, steps: int = STEPS) -> Counter[str]:
    walk = Walk(market_id, seed)
    for _ in range(steps):
        walk.step()
    return walk.counts


def test_predicts_two_thousand_steps_with_each_action_and_refusal_fifty_times() -> None:
    counts = Counter[str]()
    for market_id in MARKETS:
        counts += sum((walked(market_id, seed=seed) for seed in range(36)), Counter[str]())
    assert sum(counts.values()) - counts["others"] >= 2_000, counts
    assert all(counts[name] >= 50 and counts[f"{name} reverted"] >= 50 for name in NAMES), counts


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), market_id=st.sampled_from(MARKETS))
def test_predicts_short_walks_from_any_seed(seed: int, market_id: str) -> None:
    assert sum(walked(market_id, seed=seed, steps=20).values()) == 20


@pytest.mark.parametrize("market_id", MARKETS)
def test_previews_and_limits_are_the_wrappers_at_any_time(market_id: str) -> None:
    walk = Walk(market_id, 99)
    for raw in (0, 1, 2, 999, 10**6 + 1, 10**18 + 7, 10**27 + 3):
        for _ in range(5):
            walk.step()
        state, account, ask, vault = walk.state, ACCOUNTS[0], walk.chain.evm.read, walk.chain.market.address
        shares_raw = walk.held[account].shares_raw
        ours = {
            "previewDeposit(uint256)": shares_of_assets_down(state, raw),
            "previewMint(uint256)": assets_of_shares_up(state, raw),
            "previewWithdraw(uint256)": shares_of_assets_up(state, raw),
            "previewRedeem(uint256)": assets_of_shares_down(state, raw),
            "maxDeposit(address)": max_deposit_raw(state),
            "maxRedeem(address)": max_redeem_raw(state, shares_raw),
            "maxWithdraw(address)": max_withdraw_raw(state, shares_raw),
        }
        said = {name: ask(vault, name, "(uint256)", account if "address" in name else raw)[0] for name in ours}
        assert said == ours


def test_is_worth_more_with_time_and_leaves_no_share_behind() -> None:
    chain, account = on_chain("stata:USDC"), ACCOUNTS[0]
    chain.act(account, Supply(chain.market, Amount(chain.market.asset, 10**12)))
    chain.evm.warp(365 * 86_400)
    held = chain.held(account)
    assert ADAPTER.value_raw(chain.state(), held) > 10**12
    word = ADAPTER.everything(held)
    assert isinstance(word, Shares)
    assert chain.act(account, Withdraw(chain.market, word)).succeeded
    assert chain.held(account).is_empty


def test_stays_within_its_gas_estimate_with_the_exact_approval() -> None:
    with Devnet.start() as devnet:  # whole transactions, which the chain in this process has not
        market, account = market_of(devnet.everything, "stata:USDC"), devnet.actor("stranger")
        transact(devnet.node, account, market.asset.address, "mint(address,uint256)", account, 10**9)
        for action in (Supply(market, Amount(market.asset, 10**9)), Withdraw(market, Amount(market.asset, 10**8))):
            calls = ADAPTER.encode(action, account)
            used = sum(
                send(devnet.node, {"from": account, "to": call.target, "data": f"0x{call.data.hex()}"}, "").gas_used
                for call in calls
            )
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action), used

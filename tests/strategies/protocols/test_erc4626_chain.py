"""The model against vaults' bytecode: after every step they are equal to the unit, and it refuses when the vault reverts."""

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.artefacts import Artefacts, ensure
from agent.devnet.chain import Devnet
from agent.devnet.compile import compile_units
from agent.devnet.contracts import create, send, transact
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import Amount, Asset, Market, Position, Supply, Withdraw
from strategies.errors import ProtocolError, UnsupportedState
from strategies.protocols.adapter import Applied, Call
from strategies.protocols.erc4626 import (
    PREVIEW_DEPOSIT,
    PREVIEW_REDEEM,
    Vault,
    assets_of_shares_down,
    assets_of_shares_up,
    shares_of_assets_down,
    shares_of_assets_up,
)
from tests.strategies.protocols.erc4626_walk import ACCOUNTS, ADAPTER, UNIT, Dice, Step, VaultInEvm, name_of

KINDS = (("PlainVault", 0), ("PlainVault", 6), ("SavingsVault", 0))
NAMES = ("deposit", "withdraw", "redeem")

pytestmark = pytest.mark.chain


@cache
def artefacts() -> Artefacts:
    try:
        return ensure()
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))


class Walk:
    """What the model predicts is carried on, and compared with the vault after each step."""

    def __init__(self, kind: str, offset: int, seed: int) -> None:
        self.kind, self.offset, self.random = kind, offset, random.Random(seed)
        self.counts = Counter[str]()
        self.begin()

    def begin(self) -> None:
        self.chain = VaultInEvm.made(artefacts(), kind=self.kind, offset=self.offset)
        self.dice = Dice(self.chain, self.random)
        self.read()

    def read(self) -> None:
        self.state, self.held = self.chain.state(), {account: self.chain.held(account) for account in ACCOUNTS}

    def step(self) -> None:
        step = self.dice.step(self.state, self.held)
        if step is None:
            self.counts["others"] += 1
        else:
            self.chain.evm.warp(step.seconds)
            self.follow(ADAPTER.accrue(self.state, step.seconds), step)
            assert self.held == {account: self.chain.held(account) for account in ACCOUNTS}, step
        if self.chain.is_ruined():
            self.begin()
        elif step is None:
            self.read()
        else:
            seen = self.chain.state()
            if self.state.deposit_limit_raw == 0:  # how far the cap is passed only a read tells
                self.state = replace(self.state, deposit_limit_raw=seen.deposit_limit_raw)
            assert self.state == seen, step

    def follow(self, later: Vault, step: Step) -> None:
        said = judged(later, self.held[step.account], step)
        before_raw = self.chain.balance_raw(step.account)
        done = self.chain.act(step.account, step.action)
        gained_raw = self.chain.balance_raw(step.account) - before_raw
        if done.succeeded:
            assert isinstance(said, Applied), (step, said)
            assert gained_raw == said.moved_raw(later.market.asset)
            assert all(amount.raw for amount in said.moved)
            self.state, self.held[step.account] = said.state, said.held
            self.counts[name_of(step.action)] += 1
        else:
            assert isinstance(said, ProtocolError), (step, said, later)
            self.state = later
            self.counts[f"{name_of(step.action)} reverted"] += 1


def judged(state: Vault, held: Position, step: Step) -> Applied[Vault] | ProtocolError:
    try:
        return ADAPTER.apply(state, held, step.action)
    except ProtocolError as refusal:
        return refusal


def walked(kind: str, offset: int, *, seed: int, steps: int) -> Counter[str]:
    walk = Walk(kind, offset, seed)
    for _ in range(steps):
        walk.step()
    return walk.counts


def test_predicts_two_thousand_steps_with_each_action_and_refusal_fifty_times() -> None:
    counts = Counter[str]()
    for kind, offset in KINDS:
        of_kind = sum((walked(kind, offset, seed=seed, steps=30) for seed in range(48)), Counter[str]())
        assert all(of_kind[name] >= 50 for name in NAMES), of_kind
        counts += of_kind
    assert sum(counts.values()) - counts["others"] >= 2_000
    assert all(counts[f"{name} reverted"] >= 50 for name in NAMES), counts


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), at=st.integers(0, len(KINDS) - 1))
def test_predicts_short_walks_from_any_seed(seed: int, at: int) -> None:
    assert sum(walked(*KINDS[at], seed=seed, steps=25).values()) == 25


@pytest.mark.parametrize(("kind", "offset"), KINDS)
def test_previews_as_the_vault_does_at_any_amount(kind: str, offset: int) -> None:
    walk = Walk(kind, offset, 7)
    for raw in (0, 1, 2, 999, 10**6 + 1, 10**18 + 7, 10**27 + 3):
        for _ in range(6):
            walk.step()
        state, market = walk.state, walk.chain.market
        said = walk.chain.evm.ask(
            (
                Call(market.address, PREVIEW_DEPOSIT.encode(raw)),
                Call(market.address, bytes.fromhex("b3d7f6b9") + raw.to_bytes(32, "big")),  # previewMint(uint256)
                Call(market.address, bytes.fromhex("0a28a477") + raw.to_bytes(32, "big")),  # previewWithdraw(uint256)
                Call(market.address, PREVIEW_REDEEM.encode(raw)),
            )
        )
        ours = (
            shares_of_assets_down(state, raw),
            assets_of_shares_up(state, raw),
            shares_of_assets_up(state, raw),
            assets_of_shares_down(state, raw),
        )
        assert tuple(int.from_bytes(answer, "big") for answer in said) == ours


def test_a_vault_with_another_offset_than_the_pinned_one_is_not_read() -> None:
    chain = VaultInEvm.made(artefacts(), kind="PlainVault", offset=6)
    chain.act(ACCOUNTS[0], Supply(chain.market, Amount(chain.market.asset, 10**12)))
    for offset in (0, 5, 7, 12):
        other = replace(chain.market, numbers=(("decimals_offset", offset), ("virtual_assets", 1)))
        with pytest.raises(UnsupportedState, match="arithmetic"):
            ADAPTER.decode(other, chain.evm.ask(ADAPTER.reads(other)), 0)
    assert chain.state().total_assets_raw == 10**12


def test_a_limit_of_zero_that_no_code_asks_is_not_believed_and_one_that_is_asked_is() -> None:
    lying = VaultInEvm.made(artefacts(), kind="SavingsVault")
    assert lying.evm.read(lying.market.address, "maxDeposit(address)", "(uint256)", ACCOUNTS[0]) == (0,)
    deposit = Supply(lying.market, Amount(lying.market.asset, 1_000))
    assert ADAPTER.apply(lying.state(), lying.held(ACCOUNTS[0]), deposit).held.shares_raw == 1_000
    assert lying.act(ACCOUNTS[0], deposit).succeeded
    capped = VaultInEvm.made(artefacts(), kind="PlainVault")
    capped.set("Cap", 0)
    deposit = Supply(capped.market, Amount(capped.market.asset, 1_000))
    with pytest.raises(ProtocolError, match="takes 0"):
        ADAPTER.apply(capped.state(), capped.held(ACCOUNTS[0]), deposit)
    assert not capped.act(ACCOUNTS[0], deposit).succeeded


def test_stays_within_its_gas_estimate_with_the_exact_approval() -> None:
    code = compile_units((UNIT,), artefacts())[UNIT.name]["PlainVault"].linked({})
    with Devnet.start() as devnet:  # whole transactions, which the chain in this process has not
        node, account, token = devnet.node, devnet.actor("stranger"), devnet.token("USDC")
        vault = create(node, account, code, "(address,uint8)", token, 6)
        market = Market("vault", "erc4626", vault, Asset(31_337, token, "USDC", 6))
        transact(node, account, token, "mint(address,uint256)", account, 10**9)
        for action in (Supply(market, Amount(market.asset, 10**9)), Withdraw(market, Amount(market.asset, 10**8))):
            calls = ADAPTER.encode(action, account)
            used = sum(
                send(node, {"from": account, "to": call.target, "data": f"0x{call.data.hex()}"}, "").gas_used for call in calls
            )
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action), used

"""The model against Aave's own wrapper: after every step they are equal to the unit, and it refuses when the wrapper reverts."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import send, transact
from strategies.domain import Amount, Shares, Supply, Withdraw
from strategies.protocols.stata import (
    assets_of_shares_down,
    assets_of_shares_up,
    max_deposit_raw,
    max_redeem_raw,
    max_withdraw_raw,
    shares_of_assets_down,
    shares_of_assets_up,
)
from tests.evm import Evm
from tests.strategies.protocols.differential import actions, walked
from tests.strategies.protocols.erc4626_walk import ACCOUNTS
from tests.strategies.protocols.stata_walk import ADAPTER, scene, walk_of

MARKETS = ("stata:USDC", "stata:WETH")
NAMES = ("Supply", "Withdraw", "Withdraw shares")
STEPS = 40

pytestmark = pytest.mark.chain


def test_predicts_two_thousand_steps_with_each_action_and_refusal_fifty_times(evm: Evm) -> None:
    walks = (walked(evm, walk_of, market_id, seed=seed, steps=STEPS) for market_id in MARKETS for seed in range(36))
    counts = sum(walks, Counter[str]())
    assert actions(counts) >= 2_000, counts
    assert all(counts[name] >= 50 and counts[f"{name} refused"] >= 50 for name in NAMES), counts


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), market_id=st.sampled_from(MARKETS))
def test_predicts_short_walks_from_any_seed(devnet: Evm, seed: int, market_id: str) -> None:
    assert walked(devnet, walk_of, market_id, seed=seed, steps=20).total() == 20


@pytest.mark.parametrize("market_id", MARKETS)
def test_previews_and_limits_are_the_wrappers_at_any_time(evm: Evm, market_id: str) -> None:
    walk = walk_of(evm, market_id, 99)
    for raw in (0, 1, 2, 999, 10**6 + 1, 10**18 + 7, 10**27 + 3):
        for _ in range(5):
            walk.step()
        state, account, ask, vault = walk.state, ACCOUNTS[0], evm.read, walk.scene.market.address
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


def test_is_worth_more_with_time_and_leaves_no_share_behind(evm: Evm) -> None:
    chain, account = scene(evm, "stata:USDC"), ACCOUNTS[0]
    assert chain.does(account, Supply(chain.market, Amount(chain.market.asset, 10**12)))
    evm.warp(365 * 86_400)
    held = chain.position(account)
    assert ADAPTER.value_raw(chain.state(), held) > 10**12
    word = ADAPTER.everything(held)
    assert isinstance(word, Shares)
    assert chain.does(account, Withdraw(chain.market, word))
    assert chain.position(account).is_empty


def test_stays_within_its_gas_estimate_with_the_exact_approval(evm: Evm) -> None:
    with Devnet.start() as devnet:  # whole transactions, which the chain in this process has not
        market, account = evm.market("stata:USDC"), devnet.actor("stranger")
        transact(devnet.node, account, market.asset.address, "mint(address,uint256)", account, 10**9)
        for action in (Supply(market, Amount(market.asset, 10**9)), Withdraw(market, Amount(market.asset, 10**8))):
            calls = ADAPTER.encode(action, account)
            used = sum(
                send(devnet.node, {"from": account, "to": call.target, "data": f"0x{call.data.hex()}"}, "").gas_used
                for call in calls
            )
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action), used

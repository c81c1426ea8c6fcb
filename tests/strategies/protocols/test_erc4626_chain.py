"""The model against vaults' bytecode: after every step they are equal to the unit, and it refuses when the vault reverts."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.artefacts import ensure
from agent.devnet.chain import Devnet
from agent.devnet.compile import compile_units
from agent.devnet.contracts import create, send, transact
from agent.devnet.errors import ArtefactsMissing
from strategies.domain import Amount, Asset, Market, Supply, Withdraw
from strategies.errors import ProtocolError, UnsupportedState
from strategies.protocols.adapter import Call
from strategies.protocols.erc4626 import (
    PREVIEW_DEPOSIT,
    PREVIEW_REDEEM,
    assets_of_shares_down,
    assets_of_shares_up,
    shares_of_assets_down,
    shares_of_assets_up,
)
from tests.evm import Evm
from tests.strategies.protocols.differential import actions, walked
from tests.strategies.protocols.erc4626_walk import ACCOUNTS, ADAPTER, UNIT, scene, walk_of

KINDS = ("PlainVault 0", "PlainVault 6", "SavingsVault")
NAMES = ("Supply", "Withdraw", "Withdraw shares")

pytestmark = pytest.mark.chain


@pytest.fixture(scope="module")
def empty() -> Evm:
    """A chain without a contract; skips where nothing was built."""
    try:
        ensure()
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))
    return Evm.empty()


def test_predicts_two_thousand_steps_with_each_action_and_refusal_fifty_times(empty: Evm) -> None:
    counts = Counter[str]()
    for kind in KINDS:
        of_kind = sum((walked(empty, walk_of, kind, seed=seed, steps=30) for seed in range(48)), Counter[str]())
        assert all(of_kind[name] >= 50 for name in NAMES), of_kind
        counts += of_kind
    assert actions(counts) >= 2_000
    assert all(counts[f"{name} refused"] >= 50 for name in NAMES), counts


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(KINDS))
def test_predicts_short_walks_from_any_seed(empty: Evm, seed: int, kind: str) -> None:
    assert walked(empty, walk_of, kind, seed=seed, steps=25).total() == 25


@pytest.mark.parametrize("kind", KINDS)
def test_previews_as_the_vault_does_at_any_amount(empty: Evm, kind: str) -> None:
    walk = walk_of(empty, kind, 7)
    for raw in (0, 1, 2, 999, 10**6 + 1, 10**18 + 7, 10**27 + 3):
        for _ in range(6):
            walk.step()
        state, market = walk.state, walk.scene.market
        said = empty.ask(
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


def test_a_vault_with_another_offset_than_the_pinned_one_is_not_read(empty: Evm) -> None:
    chain = scene(empty, "PlainVault 6")
    assert chain.does(ACCOUNTS[0], Supply(chain.market, Amount(chain.market.asset, 10**12)))
    for offset in (0, 5, 7, 12):
        other = replace(chain.market, numbers=(("decimals_offset", offset), ("virtual_assets", 1)))
        with pytest.raises(UnsupportedState, match="arithmetic"):
            ADAPTER.decode(other, empty.ask(ADAPTER.reads(other)), 0)
    assert chain.state().total_assets_raw == 10**12


def test_a_limit_of_zero_that_no_code_asks_is_not_believed_and_one_that_is_asked_is(empty: Evm) -> None:
    lying = scene(empty, "SavingsVault")
    assert empty.read(lying.market.address, "maxDeposit(address)", "(uint256)", ACCOUNTS[0]) == (0,)
    deposit = Supply(lying.market, Amount(lying.market.asset, 1_000))
    assert ADAPTER.apply(lying.state(), lying.position(ACCOUNTS[0]), deposit).held.shares_raw == 1_000
    assert lying.does(ACCOUNTS[0], deposit)
    capped = scene(empty, "PlainVault 0")
    empty.transact(ACCOUNTS[0], capped.market.address, "setCap(uint256)", 0)
    deposit = Supply(capped.market, Amount(capped.market.asset, 1_000))
    with pytest.raises(ProtocolError, match="takes 0"):
        ADAPTER.apply(capped.state(), capped.position(ACCOUNTS[0]), deposit)
    assert not capped.does(ACCOUNTS[0], deposit)


def test_stays_within_its_gas_estimate_with_the_exact_approval(empty: Evm) -> None:
    code = compile_units((UNIT,), ensure())[UNIT.name]["PlainVault"].linked({})
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

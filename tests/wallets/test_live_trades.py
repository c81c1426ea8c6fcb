"""Trades and wrapping by the live wallet on the real router: as promised, to the unit in the books, and never below the least."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.devnet import scenes
from strategies.domain import NATIVE, Action, Amount, Plan, Swap, SwapFor, Unwrap, Wrap
from strategies.protocols.registry import deployment_from
from strategies.units import WAD
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, bench, yes
from wallets import reading as blocks
from wallets.ledger import Ledger, entries_of, opening, reconcile
from wallets.wallet import Receipt, Refused

pytestmark = pytest.mark.chain
MARKETS = ("aave-core:USDC", "aave-core:WETH", "swap:USDC/WETH-500", "weth")
SWAP = "swap:USDC/WETH-500"
LIMITS: dict[str, Any] = {"price_sources": ("oracle", "exchange"), "exchange": {"max_slippage_bps": 100, "max_loss_day_bps": 500}}


@pytest.fixture
def trading(chain: Chain) -> Iterator[Chain]:
    whole = deployment_from(chain.devnet.everything)
    markets = tuple(market for market in whole.markets if market.id in MARKETS)
    scenes.fund(chain.devnet, ACCOUNT, usdc_raw=50_000 * 10**6, weth_raw=10 * WAD, ether_wei=10 * WAD)
    yield replace(chain, deployment=replace(whole, markets=markets))


def asset(chain: Chain, symbol: str, raw: int) -> Amount:
    return Amount(chain.deployment.asset(symbol), raw)


def carried_out(chain: Chain, folder: Path, *actions: Action) -> Receipt:
    """Judged, agreed to, mined, booked, and the books held against the chain to the unit."""
    endpoint = chain.endpoint()
    before, held = blocks.read(endpoint, chain.deployment, ACCOUNT)
    ledger = Ledger(opening(held, before.timestamp))
    with bench(chain, folder, **LIMITS) as at:
        approved = at.approved(Plan(actions, before.block, "to trade"))
        receipt = at.wallet.execute(approved, yes(approved))
    assert receipt.complete, receipt.note
    after, now_held = blocks.read(endpoint, chain.deployment, ACCOUNT)
    ledger.post(entries_of(receipt, chain.deployment, ACCOUNT, after.timestamp))
    reconcile(ledger, now_held, after, chain.deployment)
    return receipt


def later(chain: Chain) -> int:
    return chain.endpoint().now() + 600


def test_a_trade_gives_exactly_and_gets_at_least_what_it_says(trading: Chain, tmp_path: Path) -> None:
    least = asset(trading, "WETH", WAD * 99 // 100)
    receipt = carried_out(trading, tmp_path, Swap(trading.market(SWAP), trading.usdc(3_000), least, later(trading)))
    got, given = sorted(receipt.transfers, key=lambda moved: moved.sender == ACCOUNT)
    assert (given.sender, given.raw) == (ACCOUNT, 3_000 * 10**6)
    assert got.recipient == ACCOUNT
    assert got.raw >= least.raw


def test_an_exact_outcome_leaves_its_rest_and_no_allowance(trading: Chain, tmp_path: Path) -> None:
    most, exact = trading.usdc(3_025), asset(trading, "WETH", WAD)
    receipt = carried_out(trading, tmp_path, SwapFor(trading.market(SWAP), most, exact, later(trading)))
    assert [moved.raw for moved in receipt.transfers if moved.recipient == ACCOUNT] == [WAD]
    assert all(moved.raw < most.raw for moved in receipt.transfers if moved.sender == ACCOUNT)
    assert trading.allowance_raw(ACCOUNT, trading.market(SWAP).address) == 0


def test_the_native_coin_is_got_and_given_by_trades(trading: Chain, tmp_path: Path) -> None:
    ether = next(coin for coin in trading.deployment.assets if coin.address == NATIVE)
    out = Swap(trading.market(SWAP), trading.usdc(300), Amount(ether, WAD * 99 // 1_000), later(trading))
    receipt = carried_out(trading, tmp_path, out)
    assert [moved.raw >= WAD * 99 // 1_000 for moved in receipt.transfers if moved.asset == ether] == [True]


def test_a_coin_is_wrapped_and_unwrapped_one_for_one(trading: Chain, tmp_path: Path) -> None:
    ether = next(coin for coin in trading.deployment.assets if coin.address == NATIVE)
    receipt = carried_out(trading, tmp_path, Wrap(trading.market("weth"), Amount(ether, WAD)))
    assert [(moved.asset.symbol, moved.sender == ACCOUNT, moved.raw) for moved in receipt.transfers] == [
        ("ETH", True, WAD),
        ("WETH", False, WAD),
    ]
    (tmp_path / "again").mkdir()
    back = carried_out(trading, tmp_path / "again", Unwrap(trading.market("weth"), asset(trading, "WETH", 2 * WAD)))
    assert [(moved.asset.symbol, moved.sender == ACCOUNT, moved.raw) for moved in back.transfers] == [
        ("ETH", False, 2 * WAD),
        ("WETH", True, 2 * WAD),
    ]


def test_a_trade_that_gives_too_much_away_is_refused(trading: Chain, tmp_path: Path) -> None:
    cheap = Swap(trading.market(SWAP), trading.usdc(3_000), asset(trading, "WETH", WAD * 98 // 100), later(trading))
    with bench(trading, tmp_path, **LIMITS) as at:
        refused = at.wallet.judge(Plan((cheap,), trading.devnet.node.latest()[0], "quick"), "one")
    assert isinstance(refused, Refused)
    assert {reason.rule for reason in refused.reasons} == {"slippage"}

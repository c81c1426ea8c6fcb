"""The scenes: each does what it says, to the unit and to the second, and does it the same way every time."""

from collections.abc import Callable

import pytest

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import read, read_integer
from agent.devnet.errors import SceneReverted
from agent.devnet.node import BASE_FEE_WEI
from agent.devnet.scenes import Happened
from tests.agent.devnet.test_deploy import supply_rate_ray

pytestmark = pytest.mark.chain

ACCOUNT_DATA = "(uint256,uint256,uint256,uint256,uint256,uint256)"
STABLES = ("aave-core:USDC", "aave-core:DAI", "aave-prime:USDC", "aave-prime:DAI")


def health_wad(devnet: Devnet, market_id: str, actor: str) -> int:
    pool = devnet.market(market_id)["address"]
    return int(read(devnet.node, pool, "getUserAccountData(address)", ACCOUNT_DATA, devnet.actor(actor))[5])


def balance_raw(devnet: Devnet, token: str, account: str) -> int:
    return read_integer(devnet.node, token, "balanceOf(address)", account)


def play(devnet: Devnet) -> list[Happened]:
    """A few scenes of every kind."""
    stranger = devnet.actor("stranger")
    return [
        scenes.fund(devnet, stranger, usdc_raw=50_000 * 10**6, weth_raw=10**18, ether_wei=10**18),
        scenes.borrower_draws(devnet, "aave-core:USDC", 10**12),
        scenes.borrower_repays(devnet, "aave-core:USDC", 10**11),
        scenes.lender_supplies(devnet, "aave-prime:DAI", 10**22),
        scenes.lender_withdraws(devnet, "aave-prime:DAI", 10**22),
        scenes.pass_time(devnet, 86_400),
        scenes.price_falls(devnet, "WETH", 2_500 * 10**8),
        scenes.feed_freezes(devnet, "WETH"),
        scenes.drain(devnet, "aave-prime:USDC"),
    ]


def test_two_fresh_chains_reach_the_same_blocks_through_the_same_scenes() -> None:
    told = []
    for _ in range(2):
        with Devnet.start() as devnet:
            told.append(play(devnet))
    assert told[0] == told[1]


def test_the_same_scenes_after_a_revert_make_the_same_blocks(devnet: Devnet) -> None:
    snapshot = devnet.node.snapshot()
    first = play(devnet)
    devnet.node.revert(snapshot)
    assert play(devnet) == first


def test_funding_gives_exactly_what_was_asked_for(devnet: Devnet) -> None:
    account = "0x" + "5a" * 20
    scenes.fund(devnet, account, usdc_raw=3, dai_raw=4, weth_raw=5, ether_wei=6)
    held = [balance_raw(devnet, devnet.token(symbol), account) for symbol in ("USDC", "DAI", "WETH")]
    assert held == [3, 4, 5]
    assert int(devnet.node.rpc("eth_getBalance", account, "latest"), 16) == 6


@pytest.mark.parametrize(
    ("scene", "rises"),
    [
        (scenes.borrower_draws, True),
        (scenes.borrower_repays, False),
        (scenes.lender_supplies, False),
        (scenes.lender_withdraws, True),
    ],
)
def test_each_move_is_one_transaction_and_moves_the_rate_its_way(
    devnet: Devnet, scene: Callable[[Devnet, str, int], Happened], rises: bool
) -> None:
    number, seconds, _ = devnet.node.latest()
    before = supply_rate_ray(devnet, "aave-core:USDC")
    told = scene(devnet, "aave-core:USDC", 500_000 * 10**6)
    assert (told.block_number, told.timestamp_seconds) == (number + 1, seconds + 1)
    assert len(devnet.node.rpc("eth_getBlockByNumber", "latest", False)["transactions"]) == 1
    assert (supply_rate_ray(devnet, "aave-core:USDC") > before) is rises


def test_a_small_lender_moves_the_rate_a_little_and_measurably(devnet: Devnet) -> None:
    before = supply_rate_ray(devnet, "aave-prime:USDC")
    scenes.lender_supplies(devnet, "aave-prime:USDC", 50_000 * 10**6)
    moved_bps = (before - supply_rate_ray(devnet, "aave-prime:USDC")) * 10_000 // before
    assert 50 < moved_bps < 200


@pytest.mark.parametrize("market_id", STABLES)
def test_nobody_can_withdraw_from_a_drained_reserve(devnet: Devnet, market_id: str) -> None:
    scenes.drain(devnet, market_id)
    assert scenes.available_raw(devnet, market_id) == 0
    with pytest.raises(SceneReverted, match="withdraw"):
        scenes.lender_withdraws(devnet, market_id, 10**6)


def test_a_drained_reserve_pays_again_after_a_repayment(devnet: Devnet) -> None:
    scenes.drain(devnet, "aave-core:USDC")
    scenes.borrower_repays(devnet, "aave-core:USDC", 10**9)
    scenes.lender_withdraws(devnet, "aave-core:USDC", 10**9)
    assert scenes.available_raw(devnet, "aave-core:USDC") == 0


def test_the_collateral_itself_cannot_be_drained(devnet: Devnet) -> None:
    with pytest.raises(SceneReverted, match="borrow"):
        scenes.drain(devnet, "aave-core:WETH")


def test_every_block_of_a_scene_has_the_same_base_fee(devnet: Devnet) -> None:
    first = devnet.node.latest()[0] + 1
    for number in range(first, play(devnet)[-1].block_number + 1):
        assert int(devnet.node.rpc("eth_getBlockByNumber", hex(number), False)["baseFeePerGas"], 16) == BASE_FEE_WEI


def test_time_passes_in_one_block_of_exactly_that_many_seconds(devnet: Devnet) -> None:
    number, seconds, _ = devnet.node.latest()
    told = scenes.pass_time(devnet, 30 * 86_400)
    assert (told.block_number, told.timestamp_seconds) == (number + 1, seconds + 30 * 86_400)


def test_a_lenders_claim_grows_while_time_passes(devnet: Devnet) -> None:
    receipt, lender = devnet.market("aave-core:USDC")["contracts"]["receipt"], devnet.actor("lender")
    before = balance_raw(devnet, receipt, lender)
    scenes.pass_time(devnet, 30 * 86_400)
    assert balance_raw(devnet, receipt, lender) > before


def test_the_borrower_stays_healthy_for_two_years_and_a_drained_quarter(devnet: Devnet) -> None:
    for _ in range(8):
        scenes.pass_time(devnet, 91 * 86_400)
    for market_id in STABLES:
        scenes.drain(devnet, market_id)
    scenes.pass_time(devnet, 91 * 86_400)
    for market_id in ("aave-core:USDC", "aave-prime:USDC"):
        assert health_wad(devnet, market_id, "borrower") > 10**18


@pytest.mark.parametrize("market_id", ["aave-core:USDC", "aave-prime:USDC"])
def test_a_price_fall_lowers_the_borrowers_health_in_both_markets(devnet: Devnet, market_id: str) -> None:
    before = health_wad(devnet, market_id, "borrower")
    scenes.price_falls(devnet, "WETH", 2_000 * 10**8)
    oracle = devnet.market(market_id)["contracts"]["oracle"]
    assert read_integer(devnet.node, oracle, "getAssetPrice(address)", devnet.token("WETH")) == 2_000 * 10**8
    assert 10**18 < health_wad(devnet, market_id, "borrower") < before


def test_a_frozen_feed_keeps_its_time_while_the_chain_goes_on(devnet: Devnet) -> None:
    feed = devnet.deployment["admin"]["prime"]["feeds"]["DAI"]
    seconds = devnet.node.latest()[1]
    scenes.feed_freezes(devnet, "DAI")
    scenes.pass_time(devnet, 7_200)
    assert read_integer(devnet.node, feed, "latestTimestamp()") == seconds

"""Aave's switch and its rewards on the local chain: to the second, with a token nobody listed, and what they burn."""

import pytest

from agent.devnet import scenes
from agent.devnet.aave_v3_6 import CONFIGURE_ASSETS
from agent.devnet.chain import Devnet
from strategies.domain import Amount, ClaimRewards, Market, MarketAction, SetCollateral, Supply, Withdraw
from strategies.errors import ActionRefused
from strategies.protocols.registry import deployment_from
from tests.evm import Evm
from tests.strategies.protocols.aave_v3_walk import ADAPTER, scene
from tests.strategies.protocols.test_aave_v3_chain import gas_used

REWARDING = "aave-new:USDC"
GET_ALL = "getAllUserRewards(address[],address)"

pytestmark = pytest.mark.chain


@pytest.mark.parametrize("seconds", [0, 1, 12, 86_400, 400 * 86_400, 20 * 365 * 86_400])
def test_a_claim_brings_exactly_what_the_controller_says_is_due_then(evm: Evm, seconds: int) -> None:
    of, lender = scene(evm, REWARDING), evm.actors["lender"]
    market, claim = of.market, ClaimRewards(of.market)
    said = ADAPTER.apply(ADAPTER.accrue(of.state(), seconds), of.position(lender), claim)
    evm.warp(seconds)
    tokens, amounts = evm.read(market.contract("rewards"), GET_ALL, "(address[],uint256[])", [market.contract("receipt")], lender)
    assert tokens == (market.others[0].address,)
    assert said.moved == (Amount(market.others[0], amounts[0]),)
    before = of.balances(lender)
    assert of.does(lender, claim)
    arrived = {asset: raw - before[asset] for asset, raw in of.balances(lender).items() if raw != before[asset]}
    assert arrived == {market.others[0]: amounts[0]}
    assert (of.state(), of.position(lender)) == (said.state, said.held)


def test_a_token_that_the_market_does_not_list_stops_claims_by_name_and_nothing_else(evm: Evm) -> None:
    of, lender = scene(evm, REWARDING), evm.actors["lender"]
    market, admin = of.market, evm.actors["deployer"]
    controller, weth = market.contract("rewards"), evm.deployment.asset("WETH").address
    (payer,) = evm.read(controller, "getTransferStrategy(address)", "(address)", market.others[0].address)
    feed = evm.admin["new"]["feeds"]["WETH"]
    receipt = evm.market("aave-new:WETH").contract("receipt")
    evm.transact(admin, controller, CONFIGURE_ASSETS, [(1, 0, 2**32 - 1, receipt, weth, payer, feed)])
    state, held = of.state(), of.position(lender)
    with pytest.raises(ActionRefused, match=f"also transfers {weth}"):
        ADAPTER.apply(state, held, ClaimRewards(market))
    some = Withdraw(market, Amount(market.asset, 10**9))
    said = ADAPTER.apply(state, held, some)
    assert of.does(lender, some)
    assert (of.state(), of.position(lender)) == (said.state, said.held)


@pytest.mark.parametrize("market_id", ["aave-core:USDC", REWARDING])
def test_the_switch_and_the_claim_burn_no_more_than_estimated(evm: Evm, market_id: str) -> None:
    account = evm.actors["stranger"]
    with Devnet.start() as devnet:  # a transaction's whole gas is known to the node only
        deployment = deployment_from(devnet.everything)
        market = next(known for known in deployment.markets if known.id == market_id)
        scenes.fund(devnet, account, usdc_raw=10**9)
        for call in ADAPTER.encode(Supply(market, Amount(market.asset, 10**9)), account):
            gas_used(devnet, account, call)
        for action in actions_of(market):
            (call,) = ADAPTER.encode(action, account)
            used = gas_used(devnet, account, call)
            assert used <= ADAPTER.gas(action) <= 3 * used, action


def actions_of(market: Market) -> tuple[MarketAction, ...]:
    switches = SetCollateral(market, False), SetCollateral(market, True)
    return (*switches, ClaimRewards(market)) if market.others else switches

"""The switch of collateral and the claim of rewards as the wallet sees them: simulated to the unit, and never unseen."""

from dataclasses import replace

import pytest

from agent.devnet import scenes
from strategies.domain import ALL, Action, Amount, Borrow, ClaimRewards, SetCollateral, Supply, Withdraw
from strategies.errors import SimulationReverted
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from strategies.protocols.registry import deployment_from
from strategies.units import WAD
from tests.wallets.chain import Chain
from tests.wallets.test_simulate import ACCOUNT, STRANGER, calls_of, expected, simulated
from wallets import reading as blocks
from wallets.wallet import Change

pytestmark = pytest.mark.chain
DAY = 86_400


@pytest.fixture
def whole(chain: Chain) -> Chain:
    """All that is on the chain, and a rich account."""
    chain.fund(ACCOUNT)
    scenes.fund(chain.devnet, ACCOUNT, weth_raw=5 * WAD)
    return replace(chain, deployment=deployment_from(chain.devnet.everything))


def done(chain: Chain, *actions: Action) -> None:
    """Sent by the account itself, and mined."""
    node = chain.devnet.node
    node.rpc("anvil_impersonateAccount", ACCOUNT)
    for call in calls_of(actions):
        sent = {"from": ACCOUNT, "to": call.target, "data": "0x" + call.data.hex(), "gas": hex(1_000_000)}
        assert node.rpc("eth_sendTransactionSync", sent)["status"] == "0x1"


def both(chain: Chain, *actions: Action) -> None:
    """The simulation of a plan shows what the models say, to the unit."""
    calls = calls_of(actions)
    reading, portfolio = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    effects, model = simulated(chain, calls, reading), expected(chain, calls, reading, portfolio)
    assert replace(effects, gas_used=()) == replace(model, gas_used=())
    assert effects.changes


@pytest.mark.parametrize("market_id", ["aave-core:USDC", "aave-new:USDC"])
def test_switching_collateral_off_and_on_changes_that_and_nothing_else(whole: Chain, market_id: str) -> None:
    market = whole.market(market_id)
    done(whole, Supply(market, whole.usdc(1_000)))
    both(whole, SetCollateral(market, False))
    done(whole, SetCollateral(market, False))
    both(whole, SetCollateral(market, True))
    both(whole, SetCollateral(market, True), Withdraw(market, whole.usdc(7)))
    both(whole, Supply(market, whole.usdc(1)), Withdraw(market, ALL))


def test_a_claim_brings_what_the_model_says_at_the_simulated_second(whole: Chain) -> None:
    market = whole.market("aave-new:USDC")
    done(whole, Supply(market, whole.usdc(50_000)))
    scenes.pass_time(whole.devnet, 30 * DAY)
    both(whole, ClaimRewards(market))
    both(whole, Withdraw(market, ALL), ClaimRewards(market))
    both(whole, Supply(market, whole.usdc(1)), ClaimRewards(market), Withdraw(market, whole.usdc(5)))
    done(whole, Withdraw(market, ALL))
    both(whole, ClaimRewards(market))


def test_rewards_for_somebody_else_are_never_read_back(whole: Chain) -> None:
    market = whole.market("aave-new:USDC")
    call = registry.encode(ClaimRewards(market), STRANGER)[0]
    assert registry.parse(call, ACCOUNT, whole.deployment) is None
    assert registry.parse(call, STRANGER, whole.deployment) == ClaimRewards(market)


def test_a_switch_that_no_plan_means_is_seen(whole: Chain) -> None:
    market = whole.market("aave-core:WETH")
    done(whole, Supply(market, Amount(market.asset, WAD)))
    reading, _ = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    hidden = simulated(whole, calls_of((SetCollateral(market, False),)), reading)
    assert hidden.changes == (Change(market.contract("receipt"), "aave-core:WETH not as collateral", 1),)


def test_the_health_of_an_account_that_owes_is_read_with_its_switches(whole: Chain) -> None:
    backing, spare = whole.market("aave-core:WETH"), whole.market("aave-core:USDC")
    done(whole, Supply(backing, Amount(backing.asset, WAD)), Supply(spare, whole.usdc(1_000)))
    done(whole, SetCollateral(spare, False), Borrow(spare, whole.usdc(100)))
    _, portfolio = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    counted = {held.market.id: held.counts for held in portfolio.positions}
    assert counted == {"aave-core:WETH": True, "aave-core:USDC": False}


def test_the_pool_itself_refuses_to_free_what_a_debt_needs(whole: Chain) -> None:
    market, owed = whole.market("aave-core:WETH"), whole.market("aave-core:USDC")
    done(whole, Supply(market, Amount(market.asset, WAD)), Borrow(owed, whole.usdc(100)))
    reading, _ = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    with pytest.raises(SimulationReverted):
        simulated(whole, calls_of((SetCollateral(market, False),)), reading)


def test_a_claim_names_the_pinned_controller(whole: Chain) -> None:
    market = whole.market("aave-new:USDC")
    (call,) = registry.encode(ClaimRewards(market), ACCOUNT)
    assert call == Call(market.contract("rewards"), call.data)
    assert call.target in whole.deployment.code

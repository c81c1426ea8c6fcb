"""Everything that stands on the chain, read, modelled and simulated: gifts that anybody can put into an account stop nothing, and
markets that are one thing seen twice are moved as one."""

from dataclasses import replace

import pytest

from agent.devnet import scenes
from agent.devnet.contracts import read_integer, transact
from strategies.domain import Address, Amount, Market, Supply, Withdraw
from strategies.errors import SimulationUnavailable
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from strategies.protocols.registry import deployment_from
from strategies.units import WAD
from tests.wallets.chain import Chain
from wallets import expected
from wallets import reading as blocks
from wallets.case import Fees
from wallets.expected import expected_effects
from wallets.safe import Seat
from wallets.simulate import SIMULATED_SECONDS, simulate
from wallets.wallet import Effects

pytestmark = pytest.mark.chain
ACCOUNT: Address = "0x" + "ab" * 20
TRANSFER_FROM = bytes.fromhex("23b872dd")


@pytest.fixture
def whole(chain: Chain) -> Chain:
    """The same chain with everything that stands on it."""
    return Chain(chain.devnet, deployment_from(chain.devnet.everything))


def a_range(chain: Chain, market: Market) -> int:
    """The lender gives the account one of its ranges; its token id."""
    lender, manager, node = chain.devnet.actor("lender"), market.contract("position_manager"), chain.devnet.node
    token_id = read_integer(node, manager, "tokenOfOwnerByIndex(address,uint256)", lender, 0)
    transact(node, lender, manager, "transferFrom(address,address,uint256)", lender, ACCOUNT, token_id)
    return token_id


def a_request(chain: Chain, market: Market) -> None:
    """The lender asks for ether in the account's name."""
    lender, queue, node = chain.devnet.actor("lender"), market.contract("queue"), chain.devnet.node
    transact(node, lender, market.address, "submit(address)", "0x" + "00" * 20, value_wei=WAD)
    transact(node, lender, market.address, "approve(address,uint256)", queue, WAD)
    transact(node, lender, queue, "requestWithdrawals(uint256[],address)", [WAD // 2], ACCOUNT)


def simulated(chain: Chain, *calls: Call) -> tuple[Effects, Effects]:
    """What the exact calls do, and what the models say they do."""
    reading, portfolio = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    found = simulate(
        chain.endpoint(),
        deployment=chain.deployment,
        seat=Seat(ACCOUNT, None),
        calls=calls,
        fees=Fees(30 * 10**9, 10**8, (1_000_000,) * len(calls)),
        nonce=chain.sent(ACCOUNT),
        at=reading,
    )
    model = expected_effects(
        actions=tuple([registry.parse(call, ACCOUNT, chain.deployment) for call in calls]),
        calls=calls,
        reading=reading,
        portfolio=portfolio,
        deployment=chain.deployment,
        account=ACCOUNT,
        timestamp=reading.timestamp + SIMULATED_SECONDS,
    )
    return replace(found, gas_used=()), replace(model.effects, gas_used=())


def test_a_claim_that_anybody_can_give_refuses_its_own_market_and_nothing_else(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    before, portfolio = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    assert before.refused == ()
    exchanges = [market for market in whole.deployment.markets if market.protocol == "uniswap_v3"]
    a_range(whole, exchanges[0])
    a_request(whole, whole.market("lido:stETH"))
    after, same = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    assert same == portfolio
    assert [name for name, _ in after.refused] == ["lido:stETH", *[market.id for market in exchanges]]
    assert "1 open requests" in after.refused[0][1]
    assert "1 ranges" in after.refused[1][1]
    assert [state is None for state in after.states] == [m.protocol in ("lido", "uniswap_v3") for m in whole.deployment.markets]

    comet = whole.market("comet:USDC")
    found, model = simulated(whole, *registry.encode(Supply(comet, whole.usdc(5_000)), ACCOUNT))
    assert found == model


def test_calls_that_would_change_what_cannot_be_read_are_not_simulated_as_nothing(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    market = next(market for market in whole.deployment.markets if market.protocol == "uniswap_v3")
    token_id = a_range(whole, market)
    words = (bytes.fromhex(ACCOUNT[2:]).rjust(32, b"\0"), bytes(31) + b"\x5a", token_id.to_bytes(32, "big"))
    away = Call(market.contract("position_manager"), TRANSFER_FROM + b"".join(words))
    reading, _ = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    with pytest.raises(SimulationUnavailable, match="cannot be read, and the calls would change it"):
        simulate(
            whole.endpoint(),
            deployment=whole.deployment,
            seat=Seat(ACCOUNT, None),
            calls=(away,),
            fees=Fees(30 * 10**9, 10**8, (1_000_000,)),
            nonce=whole.sent(ACCOUNT),
            at=reading,
        )


def test_a_share_token_that_the_deployment_also_lists_as_an_asset_is_one_thing_and_not_two(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    vault = whole.market("metamorpho:USDC")
    content = whole.devnet.everything
    share = {"symbol": "mmUSDC", "address": vault.address, "decimals": 18}
    listed = Chain(whole.devnet, deployment_from({**content, "assets": [*content["assets"], share]}))
    found, model = simulated(listed, *registry.encode(Supply(vault, whole.usdc(5_000)), ACCOUNT))
    assert found == model
    assert [change.symbol for change in found.changes if change.unit == vault.address] == [vault.id]


def test_a_gift_of_shares_is_left_again_by_the_contracts_own_words(whole: Chain) -> None:
    lender, node, vault = whole.devnet.actor("lender"), whole.devnet.node, whole.market("metamorpho:USDC")
    whole.fund(ACCOUNT)
    transact(node, lender, vault.asset.address, "approve(address,uint256)", vault.address, 10**6)
    transact(node, lender, vault.address, "deposit(uint256,address)", 10**6, ACCOUNT)
    _, portfolio = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    everything = registry.adapter_of(vault).everything(portfolio.position(vault))
    found, model = simulated(whole, *registry.encode(Withdraw(vault, everything), ACCOUNT))
    assert found == model
    assert [change.delta_raw > 0 for change in found.changes if change.unit == vault.asset.address] == [True]


FAMILIES = (
    ("morpho:USDC/WETH", "metamorpho:USDC"),
    ("metamorpho:USDC", "morpho:USDC/WETH"),
    ("stata:USDC", "aave-new:USDC"),
    ("aave-new:USDC", "stata:USDC"),
)


def moved_all(chain: Chain, left: Market, entered: Market, raw: int) -> tuple[Call, ...]:
    held = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)[1].position(left)
    out = registry.encode(Withdraw(left, registry.adapter_of(left).everything(held)), ACCOUNT)
    return (*out, *registry.encode(Supply(entered, Amount(entered.asset, raw)), ACCOUNT))


@pytest.mark.parametrize(("left", "entered"), FAMILIES)
def test_moving_between_a_vault_and_what_it_lends_to_is_modelled_to_the_unit(whole: Chain, left: str, entered: str) -> None:
    whole.fund(ACCOUNT)
    one, other = whole.market(left), whole.market(entered)
    for market in (one, other):
        for call in registry.encode(Supply(market, Amount(market.asset, 10_000_000_001)), ACCOUNT):
            whole.send_as(ACCOUNT, call.target, call.data)
    scenes.pass_time(whole.devnet, 7 * 86_400)
    found, model = simulated(whole, *moved_all(whole, one, other, 9_999_000_001))
    assert found == model


def test_a_vault_is_worth_what_its_market_is_after_our_own_call_to_that_and_not_before(
    whole: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole.fund(ACCOUNT)
    one, other = whole.market("morpho:USDC/WETH"), whole.market("metamorpho:USDC")
    for call in registry.encode(Supply(one, Amount(one.asset, 10_000_000_001)), ACCOUNT):
        whole.send_as(ACCOUNT, call.target, call.data)
    scenes.pass_time(whole.devnet, 7 * 86_400)
    calls = moved_all(whole, one, other, 9_999_000_001)
    for _ in range(40):  # rounding tells them apart, and not at every index
        scenes.pass_time(whole.devnet, 1_009)
        found, model = simulated(whole, *calls)
        assert found == model
        with monkeypatch.context() as apart:
            apart.setattr(expected, "beside", lambda state, touched: state)
            if simulated(whole, *calls)[1] != model:
                return
    pytest.fail("no index told them apart")

"""Simulated effects equal the models', to the unit, by either way of simulating; and no simulation is an error by name."""

from dataclasses import replace

import pytest

from agent.devnet import scenes
from strategies.domain import ALL, Action, Address, Amount, Approve, Portfolio, Revoke, Supply, Transfer, Withdraw
from strategies.errors import SimulationReverted, SimulationUnavailable
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from strategies.tape import Reading
from tests.wallets.chain import USDC, Chain
from tests.wallets.loopback import Loopback, rewriting, without
from wallets import reading as blocks
from wallets.case import Fees
from wallets.endpoints import Endpoint
from wallets.expected import expected_effects
from wallets.safe import Seat
from wallets.simulate import SIMULATED_SECONDS, revert_reason, simulate
from wallets.wallet import Allowance, Effects

pytestmark = pytest.mark.chain
ACCOUNT: Address = "0x" + "ab" * 20
STRANGER: Address = "0x" + "de" * 20


def calls_of(actions: tuple[Action, ...]) -> tuple[Call, ...]:
    return tuple(call for action in actions for call in registry.encode(action, ACCOUNT))


def simulated(chain: Chain, calls: tuple[Call, ...], at: Reading, endpoint: Endpoint | None = None) -> Effects:
    return simulate(
        endpoint or chain.endpoint(),
        deployment=chain.deployment,
        seat=Seat(ACCOUNT, None),
        calls=calls,
        fees=Fees(30 * 10**9, 10**8, (1_000_000,) * len(calls)),
        nonce=chain.sent(ACCOUNT),
        at=at,
    )


def expected(chain: Chain, calls: tuple[Call, ...], reading: Reading, portfolio: Portfolio) -> Effects:
    return expected_effects(
        actions=tuple(registry.parse(call, ACCOUNT, chain.deployment) for call in calls),
        calls=calls,
        reading=reading,
        portfolio=portfolio,
        deployment=chain.deployment,
        account=ACCOUNT,
        timestamp=reading.timestamp + SIMULATED_SECONDS,
    ).effects


def supplied(chain: Chain, raw: int) -> None:
    """The account lends on core, and a month passes."""
    node, market = chain.devnet.node, chain.market("aave-core:USDC")
    node.rpc("anvil_impersonateAccount", ACCOUNT)
    for call in registry.encode(Supply(market, Amount(market.asset, raw)), ACCOUNT):
        sent = {"from": ACCOUNT, "to": call.target, "data": "0x" + call.data.hex(), "gas": hex(1_000_000)}
        assert node.rpc("eth_sendTransactionSync", sent)["status"] == "0x1"
    scenes.pass_time(chain.devnet, 30 * 86_400)


@pytest.mark.parametrize("way", ["eth_simulateV1", "debug_traceCall"])
@pytest.mark.parametrize("plan", ["supply", "withdraw", "withdraw all", "rotation", "revoke"])
def test_simulated_effects_equal_expected_effects_to_the_unit(chain: Chain, plan: str, way: str) -> None:
    chain.fund(ACCOUNT)
    core, prime = chain.market("aave-core:USDC"), chain.market("aave-prime:USDC")
    supplied(chain, 40_000 * USDC + 1)
    plans: dict[str, tuple[Action, ...]] = {
        "supply": (Supply(prime, Amount(core.asset, 12_345_678_901)),),
        "withdraw": (Withdraw(core, Amount(core.asset, 7_000_000_001)),),
        "withdraw all": (Withdraw(core, ALL),),
        "rotation": (Withdraw(core, ALL), Supply(prime, Amount(core.asset, 40_000 * USDC))),
        "revoke": (Revoke(core.asset, prime.address),),
    }
    calls = calls_of(plans[plan])
    hidden = () if way == "eth_simulateV1" else ("eth_simulateV1",)
    with Loopback(without(chain.url, *hidden)) as proxy:
        reading, portfolio = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
        effects = simulated(chain, calls, reading, Endpoint(proxy.url, timeout_seconds=10))
    model = expected(chain, calls, reading, portfolio)
    assert replace(effects, gas_used=()) == replace(model, gas_used=())
    assert len(effects.gas_used) == len(calls)
    assert all(21_000 < gas < 1_000_000 for gas in effects.gas_used)


def test_needs_one_request_for_a_plan(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    with Loopback(without(chain.url)) as proxy:
        simulated(
            chain,
            calls_of((Supply(chain.market("aave-core:USDC"), chain.usdc(1)),)),
            reading,
            Endpoint(proxy.url, timeout_seconds=10),
        )
        assert proxy.methods() == ["eth_simulateV1"]


def test_refuses_where_a_node_can_neither_simulate_nor_trace(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    calls = calls_of((Supply(chain.market("aave-core:USDC"), chain.usdc(1)),))
    refused = pytest.raises(SimulationUnavailable, match="no simulation, no signature")
    with Loopback(without(chain.url, "eth_simulateV1", "debug_traceCall")) as proxy, refused:
        simulated(chain, calls, reading, Endpoint(proxy.url, timeout_seconds=10))


@pytest.mark.parametrize("way", ["eth_simulateV1", "debug_traceCall"])
def test_a_revert_is_named_with_the_contracts_own_words(chain: Chain, way: str) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    _, supply = calls_of((Supply(chain.market("aave-core:USDC"), chain.usdc(1)),))
    hidden = () if way == "eth_simulateV1" else ("eth_simulateV1",)
    refused = pytest.raises(SimulationReverted, match=r"call 0 reverts.*exceeds allowance")
    with Loopback(without(chain.url, *hidden)) as proxy, refused:
        simulated(chain, (supply,), reading, Endpoint(proxy.url, timeout_seconds=10))


def test_an_account_that_cannot_pay_is_refused(chain: Chain) -> None:
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, STRANGER)
    calls = (registry.encode(Revoke(chain.deployment.asset("USDC"), STRANGER), ACCOUNT)[0],)
    with pytest.raises(SimulationUnavailable, match=r"(?i)insufficient funds"):
        simulated(chain, calls, reading)


def test_what_a_stranger_may_take_afterwards_is_seen(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    effects = simulated(chain, calls_of((Approve(chain.usdc(5), STRANGER),)), reading)
    assert effects.allowances == (Allowance(chain.devnet.token("USDC"), STRANGER, 5 * USDC),)
    assert effects.changes == ()


def test_what_leaves_to_a_stranger_is_seen(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    effects = simulated(chain, calls_of((Transfer(chain.usdc(5), STRANGER),)), reading)
    assert [(change.symbol, change.delta_raw) for change in effects.changes] == [("USDC", -5 * USDC)]


def test_ether_that_leaves_is_seen_beside_the_gas(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    effects = simulated(chain, (Call(STRANGER, b"", 10**17),), reading)
    assert [(change.symbol, change.delta_raw) for change in effects.changes] == [("ETH", -(10**17))]


def test_an_approval_of_a_receipt_token_is_unexpected(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    receipt = chain.market("aave-core:USDC").contract("receipt")
    approval = replace(registry.encode(Approve(chain.usdc(5), STRANGER), ACCOUNT)[0], target=receipt)
    (what,) = simulated(chain, (approval,), reading).unexpected
    assert what == f"an approval of {receipt} to {STRANGER}"


def test_an_approval_of_a_token_nobody_listed_is_unexpected(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    usdc = chain.deployment.asset("USDC")
    others = replace(
        chain.deployment,
        assets=tuple(asset for asset in chain.deployment.assets if asset != usdc),
        markets=tuple(market for market in chain.deployment.markets if market.asset != usdc),
    )
    unlisted = Chain(chain.devnet, others)
    call = registry.encode(Transfer(chain.usdc(5), STRANGER), ACCOUNT)[0]
    assert "none of our tokens" in simulated(unlisted, (call,), reading).unexpected[0]


def shifted(results: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**block, "timestamp": hex(int(str(block["timestamp"]), 16) + 1)} for block in results]


def shortened(results: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**block, "calls": list(block["calls"])[:-1]} for block in results]  # type: ignore[call-overload]


@pytest.mark.parametrize("lie", [shifted, shortened, lambda _: None, lambda _: [], lambda _: "0x"])
def test_a_simulator_that_answers_another_question_is_refused(chain: Chain, lie: object) -> None:
    chain.fund(ACCOUNT)
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    calls = calls_of((Supply(chain.market("aave-core:USDC"), chain.usdc(1)),))
    with Loopback(rewriting(chain.url, "eth_simulateV1", lie)) as proxy, pytest.raises(SimulationUnavailable):  # type: ignore[arg-type]
        simulated(chain, calls, reading, Endpoint(proxy.url, timeout_seconds=10))


def test_revert_data_is_read_as_words_panic_or_bytes() -> None:
    words = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"51".ljust(32, b"\0")
    assert revert_reason(words) == "51"
    assert revert_reason(bytes.fromhex("4e487b71") + (17).to_bytes(32, "big")) == "panic 0x11"
    assert revert_reason(b"\xab\xcd") == "0xabcd"
    assert revert_reason(b"") == "no reason given"

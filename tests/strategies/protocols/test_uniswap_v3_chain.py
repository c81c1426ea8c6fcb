"""The model against Uniswap's own bytecode: after every step they are equal to the unit, and it refuses when they revert."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import send
from agent.devnet.uniswap import NEVER
from strategies.domain import AddLiquidity, Amount, Collect, MarketAction, RemoveLiquidity, Swap, Ticks
from strategies.protocols.uniswap_v3.pool import tokens
from tests.evm import Evm, undone
from tests.strategies.protocols.uniswap_v3_walk import ADAPTER, Walk, provide

pytestmark = pytest.mark.chain

MARKETS = ("uniswap-v3:USDC/WETH-500", "uniswap-v3:USDC/DAI-3000")
KINDS = ("Swap", "Mint", "Increase", "RemoveLiquidity", "Collect")


@pytest.fixture(scope="module", autouse=True)
def provided(devnet: Evm) -> None:
    provide(devnet)


def walked(evm: Evm, market_id: str, *, seed: int, steps: int) -> Walk:
    """So many steps, and at the end the whole book word by word; the chain is then as it was."""
    with undone(evm):
        walk = Walk(evm, evm.market(market_id), seed)
        for _ in range(steps):
            walk.step()
        walk.words = set(walk.all_words)
        walk.compare()
    return walk


@pytest.mark.parametrize("market_id", MARKETS)
def test_predicts_every_step_of_a_random_walk(evm: Evm, market_id: str) -> None:
    assert sum(walked(evm, market_id, seed=1, steps=60).counts.values()) >= 60


@settings(max_examples=8)
@given(market_id=st.sampled_from(MARKETS), seed=st.integers(0, 2**32), steps=st.integers(1, 25))
def test_predicts_walks_of_any_seed(devnet: Evm, market_id: str, seed: int, steps: int) -> None:
    walked(devnet, market_id, seed=seed, steps=steps)


@pytest.mark.slow
def test_predicts_two_thousand_steps_with_each_action_fifty_times(evm: Evm) -> None:
    counts, crossings = Counter[str](), 0
    for seed in range(100, 108):
        for market_id in MARKETS:
            walk = walked(evm, market_id, seed=seed, steps=130)
            counts, crossings = counts + walk.counts, crossings + walk.crossings
    assert sum(counts.values()) >= 2_000
    assert all(counts[kind] >= 50 and counts[f"{kind} refused"] >= 50 for kind in KINDS), counts
    assert counts["exact output"] >= 50
    assert counts["to price"] >= 50
    assert crossings >= 1_000


def spent(devnet: Devnet, account: str, action: MarketAction) -> tuple[int, str]:
    """What all calls of an action burn on the node, and the answer of its own call."""
    gas, answer = 0, ""
    for call in ADAPTER.encode(action, account):
        sent = {"from": account, "to": call.target, "data": "0x" + call.data.hex()}
        if ADAPTER.parse(call, account, (action.market,)) == action:
            answer = devnet.node.rpc("eth_call", sent, "latest")
        gas += send(devnet.node, sent, type(action).__name__).gas_used
    return gas, answer


def test_stays_within_its_gas_estimates_with_approvals_and_revocations(evm: Evm) -> None:
    market = evm.market(MARKETS[0])
    walk = Walk(evm, market, 0)
    token0, token1 = tokens(market)
    most = Amount(token0, walk.state.balances_raw[0] // 1_000), Amount(token1, walk.state.balances_raw[1] // 1_000)
    none, spacing = (Amount(token0, 0), Amount(token1, 0)), market.number("tick_spacing")
    around = Ticks((walk.home // spacing - 7) * spacing, (walk.home // spacing + 9) * spacing)
    swap, mint = Swap(market, most[0], none[1], NEVER), AddLiquidity(market, around, most, none, NEVER)
    with Devnet.start() as devnet:
        lender, borrower = devnet.actor("lender"), devnet.actor("borrower")
        used: dict[MarketAction, int] = {swap: spent(devnet, lender, swap)[0]}
        used[mint], answer = spent(devnet, borrower, mint)
        words = bytes.fromhex(answer[2:])
        token_id, liquidity_raw = int.from_bytes(words[:32], "big"), int.from_bytes(words[32:64], "big")
        spent(devnet, lender, Swap(market, most[1], none[0], NEVER))  # so that there is something of both to collect
        spent(devnet, lender, swap)
        later = Collect(market, token_id), RemoveLiquidity(market, token_id, liquidity_raw, none, NEVER)
        used |= {action: spent(devnet, borrower, action)[0] for action in later}
    for action, gas in used.items():
        assert 3 * ADAPTER.gas(action) <= 4 * gas <= 4 * ADAPTER.gas(action), (action, gas)

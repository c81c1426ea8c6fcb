"""The model against Aave's own bytecode: after every step they are equal to the unit, and it refuses when the pool reverts."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import send
from strategies.domain import ALL, Address, Amount, MarketAction, SetCollateral, Supply, Withdraw
from strategies.protocols.aave_v3 import SCALED_BALANCE_OF
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.adapter import Call, Function
from strategies.protocols.erc20 import BALANCE_OF
from tests.evm import Evm
from tests.strategies.protocols.aave_v3_walk import ADAPTER, KINDS, scene, walk_of
from tests.strategies.protocols.differential import actions, walked

OLD_MARKETS = ("aave-core:USDC", "aave-prime:DAI", "aave-core:WETH")
NEW_MARKETS = ("aave-new:USDC", "aave-new:DAI", "aave-new:WETH")
MARKETS = (*OLD_MARKETS, *NEW_MARKETS)

pytestmark = pytest.mark.chain


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("market_id", MARKETS)
def test_predicts_every_step_of_a_random_walk(evm: Evm, market_id: str, seed: int) -> None:
    assert actions(walked(evm, walk_of, market_id, seed=seed, steps=60)) > 30


@settings(max_examples=20)
@given(market_id=st.sampled_from(MARKETS), seed=st.integers(0, 2**32), steps=st.integers(1, 30))
def test_predicts_any_walk(devnet: Evm, market_id: str, seed: int, steps: int) -> None:
    walked(devnet, walk_of, market_id, seed=seed, steps=steps)


@pytest.mark.slow
@pytest.mark.parametrize("markets", [OLD_MARKETS, NEW_MARKETS], ids=["V3.0", "V3.6"])
def test_predicts_two_thousand_steps_with_each_action_fifty_times(evm: Evm, markets: tuple[str, ...]) -> None:
    walks = (walked(evm, walk_of, market_id, seed=100 + seed, steps=120) for seed in range(8) for market_id in markets)
    counts = sum(walks, Counter[str]())
    assert actions(counts) >= 2_000
    kinds = [kind.__name__ for kind in (*KINDS, SetCollateral)]
    assert all(counts[name] >= 50 and counts[f"{name} refused"] >= 50 for name in kinds), counts
    assert counts["ClaimRewards"] >= (20 if markets == NEW_MARKETS else 0), counts


@pytest.mark.parametrize("market_id", MARKETS)
def test_values_claims_and_debts_as_the_tokens_do_at_any_later_time(evm: Evm, market_id: str) -> None:
    reserve, borrower = scene(evm, market_id), evm.actors["borrower"]
    market, state, held = reserve.market, reserve.state(), reserve.position(borrower)
    income, debt = Function("d15e0053", *BALANCE_OF.kinds), Function("386497fd", *BALANCE_OF.kinds)
    for seconds in (1, 59, 86_400, 400 * 86_400):
        evm.timestamp = state.timestamp + seconds
        answers = evm.ask(
            (
                Call(market.address, income.encode(market.asset.address)),
                Call(market.address, debt.encode(market.asset.address)),
                Call(market.contract("receipt"), BALANCE_OF.encode(borrower)),
                Call(market.contract("debt"), BALANCE_OF.encode(borrower)),
                Call(market.contract("debt"), SCALED_BALANCE_OF.encode(borrower)),
            )
        )
        said = [int.from_bytes(answer, "big") for answer in answers]
        later = replace(state, timestamp=state.timestamp + seconds)
        supplied_raw, owed_raw = pool.supplied_raw(later, held.shares_raw), pool.owed_raw(later, held.debt_raw)
        assert said == [pool.income_ray(later), pool.debt_ray(later), supplied_raw, owed_raw, held.debt_raw]
        assert ADAPTER.value_raw(later, held) == supplied_raw - owed_raw


@pytest.mark.parametrize("market_id", ["aave-core:USDC", "aave-new:USDC"])
def test_stays_within_its_gas_estimate_with_the_exact_approval(evm: Evm, market_id: str) -> None:
    market, account = evm.market(market_id), evm.actors["stranger"]
    amount = Amount(market.asset, 10**9)
    with Devnet.start() as devnet:  # a transaction's whole gas is known to the node only
        scenes.fund(devnet, account, usdc_raw=2 * amount.raw)
        actions: tuple[MarketAction, ...] = (Supply(market, amount), Withdraw(market, ALL))
        spent = [sum(gas_used(devnet, account, call) for call in ADAPTER.encode(action, account)) for action in actions * 2]
        for action, used in zip(actions, spent[2:], strict=True):  # an account's first supply writes more
            assert 3 * ADAPTER.gas(action) <= 4 * used <= 4 * ADAPTER.gas(action)


def gas_used(devnet: Devnet, account: Address, call: Call) -> int:
    return send(devnet.node, {"from": account, "to": call.target, "data": "0x" + call.data.hex()}, "a call").gas_used

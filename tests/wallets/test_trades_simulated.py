"""Trades and wrapping, modelled and simulated on the chain: what leaves is what the model says, what arrives is never less."""

import pytest

from strategies.domain import Action, Amount, Payout, Swap, SwapFor, Unwrap, Wrap
from strategies.protocols import registry
from strategies.units import WAD
from tests.wallets.chain import Chain
from tests.wallets.test_whole_chain import ACCOUNT, simulated, whole
from wallets import reading as blocks
from wallets.wallet import Effects

pytestmark = pytest.mark.chain
__all__ = ["whole"]
FAR = 2**40


def amount(chain: Chain, symbol: str, whole_units: str) -> Amount:
    """So much of an asset, in decimal."""
    asset = chain.deployment.asset(symbol)
    units, _, rest = whole_units.partition(".")
    return Amount(asset, int(units) * 10**asset.decimals + int(rest.ljust(asset.decimals, "0") or 0))


def changed(effects: Effects) -> dict[str, int]:
    return {change.symbol: change.delta_raw for change in effects.changes}


def both(chain: Chain, action: Action) -> tuple[dict[str, int], dict[str, int]]:
    """What the chain and the model say that an action changes; no allowance may be left, and nothing be unexpected."""
    found, model = simulated(chain, *registry.encode(action, ACCOUNT))
    assert found.allowances == model.allowances == ()
    assert found.unexpected == ()
    return changed(found), changed(model)


@pytest.mark.parametrize("payout", Payout)
def test_a_swap_moves_what_its_model_says_and_more_only_of_what_it_gets(whole: Chain, payout: Payout) -> None:
    whole.fund(ACCOUNT)
    market = whole.market("swap:USDC/WETH-500")
    action = Swap(market, amount(whole, "USDC", "3000"), amount(whole, "WETH", "0.99"), FAR, (), payout)
    found, model = both(whole, action)
    assert model == {"USDC": -3_000 * 10**6, "WETH": 99 * WAD // 100}
    assert found.keys() == model.keys()
    assert found["USDC"] == model["USDC"]
    assert found["WETH"] > model["WETH"]


def test_a_swap_for_the_native_coin_and_with_it_is_simulated_to_the_wei(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    market = whole.market("swap:USDC/WETH-500")
    found, model = both(whole, Swap(market, amount(whole, "USDC", "3000"), amount(whole, "ETH", "0.99"), FAR))
    assert found["USDC"] == model["USDC"]
    assert found["ETH"] > model["ETH"] == 99 * WAD // 100
    found, model = both(whole, Swap(market, amount(whole, "ETH", "0.1"), amount(whole, "USDC", "290"), FAR))
    assert found["ETH"] == model["ETH"] == -WAD // 10
    assert found["USDC"] > model["USDC"] == 290 * 10**6


def test_an_exact_output_takes_less_than_its_most_and_leaves_no_allowance(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    market = whole.market("swap:USDC/WETH-500")
    action = SwapFor(market, amount(whole, "USDC", "3100"), amount(whole, "WETH", "1"), FAR)
    found, model = both(whole, action)
    assert found["WETH"] == model["WETH"] == WAD
    assert model["USDC"] == -3_100 * 10**6 < found["USDC"] < 0
    left, _ = simulated(whole, *registry.encode(action, ACCOUNT)[:2])
    assert [allowance.spender for allowance in left.allowances] == [
        market.address
    ]  # without the last call the router may take more


def test_a_path_ends_where_it_says(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    first, then = whole.market("swap:USDC/WETH-500"), whole.market("swap:USDC/DAI-3000")
    action = Swap(first, amount(whole, "ETH", "0.1"), amount(whole, "DAI", "290"), FAR, (then,))
    found, model = both(whole, action)
    assert found["ETH"] == model["ETH"]
    assert found["DAI"] > model["DAI"]


def test_wrapping_and_unwrapping_are_simulated_as_modelled(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    market = whole.market("weth")
    there, back = Wrap(market, amount(whole, "ETH", "0.2")), Unwrap(market, amount(whole, "WETH", "0.05"))
    found, model = simulated(whole, *registry.encode(there, ACCOUNT), *registry.encode(back, ACCOUNT))
    assert found == model
    assert changed(found) == {"ETH": -15 * WAD // 100, "WETH": 15 * WAD // 100}


def test_the_markets_to_trade_in_are_read_and_hold_nothing(whole: Chain) -> None:
    whole.fund(ACCOUNT)
    reading, portfolio = blocks.read(whole.endpoint(), whole.deployment, ACCOUNT)
    states = dict(zip([market.id for market in whole.deployment.markets], reading.states, strict=True))
    assert all(states[name] is not None for name in ("swap:USDC/WETH-500", "swap:USDC/DAI-3000", "weth"))
    assert portfolio.positions == ()
    assert portfolio.idle_raw(whole.deployment.asset("WETH")) == 0
    assert reading.refused == ()

"""Markets that say no rate or take no deposit stand in the same tables as those that do; none of them stops the others."""

import math
from dataclasses import replace

import pytest

from strategies.assess import assess
from strategies.domain import Amount, Asset, Deployment, Keep, Leg, Plan, Portfolio, Position, Target, Withdraw
from strategies.protocols.registry import MarketState
from strategies.rebalance import plan
from strategies.tape import Observation, Reading, tape_of
from strategies.units import GWEI, WAD
from tests.strategies.protocols.specimens import SPECIMENS
from tests.strategies.test_rebalance import GATE
from tests.worlds import ACCOUNT, ETHER

STATES = tuple({specimen.market.protocol: specimen.state for specimen in SPECIMENS}.values())


def look(state: MarketState, *, shares_raw: int = 0) -> Observation:
    """One market alone, with some of its asset idle."""
    market = state.market
    assets = tuple(dict.fromkeys((market.asset, *market.others, ETHER)))
    deployment = Deployment(market.asset.chain_id, "tests", "0x" + "ca" * 20, assets, (market,), {})
    reading = Reading(1, "0x" + "5a" * 32, state.timestamp, GWEI, (state,), ())
    held = (Position(market, shares_raw),) if shares_raw else ()
    return Observation(tape_of(deployment, [reading]), 0, ACCOUNT, Portfolio((Amount(market.asset, 10**9),), held))


@pytest.mark.parametrize("state", STATES, ids=lambda state: str(state.market.protocol))
@pytest.mark.parametrize("size_raw", [0, 10**9])
def test_every_market_is_assessed_or_says_why_not(state: MarketState, size_raw: int) -> None:
    seen, asset = look(state), state.market.asset
    (one,) = assess(seen, asset, Amount(asset, size_raw), horizon_seconds=86_400, lookback_seconds=86_400)
    assert one.reasons  # nothing is priced here, so each has one at least
    assert all("stale" not in reason for reason in one.reasons), "it was read just now"
    assert math.isnan(one.net_apr)


@pytest.mark.parametrize("protocol", ["curve", "pendle", "lido", "uniswap_v3", "sky_savings"])
def test_a_claim_that_no_call_of_ours_can_leave_makes_no_plan_that_must_be_refused(protocol: str) -> None:
    state = next(state for state in STATES if state.market.protocol == protocol)
    asset: Asset = state.market.asset
    made = plan(look(state, shares_raw=10**12), Target(asset, (Leg(None, WAD),), "out"), GATE)
    assert isinstance(made, Keep)


def test_a_claim_that_a_call_of_ours_can_leave_is_left_whole() -> None:
    state = next(state for state in STATES if state.market.protocol == "erc4626")
    held = replace(look(state, shares_raw=10**9), moved_at=None)
    made = plan(held, Target(state.market.asset, (Leg(None, WAD),), "out"), GATE)
    assert isinstance(made, Plan)
    (action,) = made.actions
    assert isinstance(action, Withdraw)
    assert action.market == state.market

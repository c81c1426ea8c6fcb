"""What Pendle's own code answered, replayed: libraries and a market, to the unit, refused where it reverted. Never skipped."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from agent.verify.cases.pendle_v2 import GROUPS
from strategies.domain import Asset, Market, Position
from strategies.errors import ActionRefused
from strategies.protocols.pendle import Pendle, PendleMarket, pt_price_wad
from strategies.protocols.pendle.arithmetic import Trade, buy_pt, exp_wad, ln_wad, sell_pt, sy_to_asset_raw
from strategies.units import WAD, mul_div_down

GOLDEN: Final = json.loads((Path(__file__).parents[2] / "golden" / "pendle.json").read_text())
ADAPTER: Final = Pendle()
TRADES: Final = {"sell": sell_pt, "buy": buy_pt}


def market() -> Market:
    said = GOLDEN["market"]
    asset = Asset(31_337, "0x" + "a5" * 20, "USDG", 18)
    contracts = tuple(sorted(said["contracts"].items()))
    return Market("pendle:USDG", "pendle", said["address"], asset, contracts, numbers=(("expiry", said["expiry"]),))


def decoded(step: Mapping[str, Any], first: str) -> PendleMarket:
    answers = [first, *step["answers"][1:]]
    return ADAPTER.decode(market(), [bytes.fromhex(answer) for answer in answers], step["timestamp"])


@pytest.mark.parametrize("function", ["exp", "ln"])
def test_exponent_and_logarithm_equal_the_library(function: str) -> None:
    compute, counts = {"exp": exp_wad, "ln": ln_wad}[function], Counter[bool]()
    for x, expected in GOLDEN[function]:
        counts[expected == "REVERT"] += 1
        if expected == "REVERT":
            with pytest.raises(ActionRefused):
                compute(int(x))
        else:
            assert compute(int(x)) == int(expected)
    assert min(counts[True], counts[False]) > 5


def test_trades_equal_the_library() -> None:
    counts = Counter[bool]()
    for case in GOLDEN["trades"]:
        counts[case["out"] == "REVERT"] += 1
        if case["out"] == "REVERT":
            with pytest.raises(ActionRefused):
                GROUPS["trades"]({"in": case["in"]})
        else:
            assert GROUPS["trades"]({"in": case["in"]}) == case["out"]
    assert min(counts[True], counts[False]) > 30


def test_the_price_of_a_principal_token_equals_the_oracle() -> None:
    prices = []
    for step in GOLDEN["market"]["steps"]:
        state = decoded(step, step["answers"][0])
        prices.append(int(step["price"]))
        assert pt_price_wad(state) == prices[-1]
        assert ADAPTER.value_raw(state, Position(state.market, 10**24)) == mul_div_down(10**24, prices[-1], WAD)
    assert WAD in prices  # the walk ends after expiry
    assert len(set(prices)) > 20


def test_the_price_between_reads_is_a_matter_of_time_alone() -> None:
    steps = GOLDEN["market"]["steps"]
    for step, following in pairwise(steps):
        later = ADAPTER.accrue(decoded(step, step["after"]), following["timestamp"] - step["timestamp"])
        answered = decoded(following, following["answers"][0])
        # What the stand-ins were told between the two: the reserve's share and what SY is worth.
        told = replace(later.pool, reserve_fee_percent=answered.pool.reserve_fee_percent)
        assert answered == replace(later, pool=told, index_wad=answered.index_wad, sy_rate_wad=answered.sy_rate_wad)


def test_a_trade_equals_the_market() -> None:
    done = Counter[str]()
    for step in GOLDEN["market"]["steps"]:
        state = decoded(step, step["answers"][0])
        if step["out"] == "REVERT":
            assert refused(state, step)
            done["refused"] += 1
            continue
        trade = traded(state, step)
        assert [str(abs(trade.sy_to_account_raw)), str(trade.sy_fee_raw)] == step["out"]
        assert trade.after == decoded(step, step["after"]).pool
        done[step["kind"]] += 1
    assert min(done[what] for what in ("sell", "buy", "refused")) >= 5


def traded(state: PendleMarket, step: Mapping[str, Any]) -> Trade:
    return TRADES[step["kind"]](state.pool, state.index_wad, int(step["pt"]), state.timestamp)


def refused(state: PendleMarket, step: Mapping[str, Any]) -> bool:
    try:
        trade = traded(state, step)
    except ActionRefused:
        return True
    # PendleMarketV7 itself refuses what earns its liquidity nothing (MarketZeroNetLPFee); the library does not.
    return sy_to_asset_raw(trade.sy_fee_raw - trade.sy_to_reserve_raw, state.index_wad) == 0

"""Twelve positions on real minutes, never touched, against what demeter 1.3.0 said of the same files; two of our rules explain
what differs: our even split is exact (its fee enters once, not as a series cut short), and our fees are whole base units."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from backtest.importers.uniswap_minute import import_minutes
from backtest.range_liquidity.decisions import Split
from backtest.range_liquidity.engine import fees_worth_down_raw, net_down_raw, run_range
from backtest.range_liquidity.minutes import PoolMinutes
from backtest.range_liquidity.rules import FixedRange
from strategies.domain import Ticks
from tests.backtest.range_liquidity.pools import HOUR, TERMS, settings

SHARED = Path(__file__).parents[4] / "shared" / "data" / "uniswap-v3-minute"
ADDRESS = "0x45dda9cb7c25131df268515131f647d726f50608"
SPANS = ("2022-07-19..2022-08-22", "2023-08-13..2023-08-17", "2024-02-15..2024-02-16", "2025-07-01..2025-07-02")

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the data sets are not beside the repository")


@cache
def minutes_of(span: str) -> PoolMinutes:
    first, last = (int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()) for date in span.split(".."))
    return import_minutes(SHARED, TERMS, address=ADDRESS, start=first, end=last + 86_400)[0]


@cache
def said() -> Mapping[str, Any]:
    answers: Mapping[str, Any] = json.loads((SHARED / "peer_results_zelos_demeter_1.3.0.json").read_text())
    return answers


@pytest.mark.parametrize("width", [500, 2_000, 20_000])
@pytest.mark.parametrize("span", SPANS)
def test_a_position_earns_and_is_worth_what_the_peer_says_of(span: str, width: int) -> None:
    minutes, peer = minutes_of(span), said()[f"{span} half_width_ticks={width}"]
    ticks = Ticks(peer["position"]["lower_tick"], peer["position"]["upper_tick"])
    rule = FixedRange(ticks, Split.EVEN, HOUR)
    run = run_range(minutes, settings(strategy=rule, opening_raw=(10**10, 0), latency_rows=0))
    before_the_last = int(minutes.moment_tick[-2])
    assert net_down_raw(run, before_the_last) / 1e6 == pytest.approx(float(peer["final_net_value_usdc"]), rel=1e-6)
    fees = peer["uncollected_fees"]
    price = 10**12 / 1.0001**before_the_last
    earned = float(fees["token0_usdc"]) + float(fees["token1_eth"]) * price
    assert fees_worth_down_raw(run, before_the_last) / 1e6 == pytest.approx(earned, rel=1e-6, abs=2e-6)
    held = run.stretches[0].held
    assert held is not None and held.liquidity_raw == pytest.approx(int(peer["position"]["liquidity"]), rel=1e-6)

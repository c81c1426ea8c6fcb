"""Made pools for these tests: minutes of a seeded walk, of named ticks, and of a real pool model that is swapped through."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st

from backtest.range_liquidity.decisions import Answer, Enter, Keep, Seen, Split
from backtest.range_liquidity.engine import RangeSettings
from backtest.range_liquidity.minutes import MINUTE, PoolMinutes, PoolTerms
from backtest.range_liquidity.rules import FollowPrice
from backtest.range_liquidity.swaps import at_the_price_down_raw
from strategies.domain import Asset, Ticks
from strategies.protocols.uniswap_v3.arithmetic import Pair

START = 1_704_067_200  # 2024-01-01 00:00 UTC
USDC = Asset(137, "0x2791bca1f2de4661ed88a30c99a7a9449aa84174", "USDC", 6)
WETH = Asset(137, "0x7ceb23fd6bc0add59e62ac25578270cff1b9f619", "WETH", 18)
TERMS = PoolTerms(token0=USDC, token1=WETH, fee_pips=500, tick_spacing=10, quote=0, protocol_fee=0)
TICK = 201_100
LIQUIDITY_RAW = 24 * 10**17
HOUR = 3_600
SAFE = Ticks(TICK - 5_100, TICK + 4_900)

Say: TypeAlias = Callable[[Seen], Answer]


def walk(rows: int, seed: int, *, step_ticks: float = 6.0, terms: PoolTerms = TERMS) -> PoolMinutes:
    """A tick random walk with log-normal volume one way or the other, every minute there."""
    rng = np.random.default_rng(seed)
    close = TICK + np.cumsum(np.rint(rng.normal(0, step_ticks, rows))).astype(np.int64)
    volume = np.where(rng.random(rows) < 0.7, np.exp(rng.normal(22.8, 1.2, rows)), 0.0)
    zero = rng.random(rows) < 0.5
    in0 = [int(v) if z else 0 for v, z in zip(volume, zero, strict=True)]
    in1 = [0 if z else int(v * 1.0001**t) for v, z, t in zip(volume, zero, close.tolist(), strict=True)]
    liquidity = [int(v) for v in LIQUIDITY_RAW * np.exp(np.cumsum(rng.normal(0, 2e-4, rows)))]
    return minutes_of(close.tolist(), in0=in0, in1=in1, liquidity=liquidity, terms=terms)


def minutes_of(
    close: Sequence[int],
    *,
    in0: Sequence[int] | None = None,
    in1: Sequence[int] | None = None,
    liquidity: Sequence[int] | None = None,
    terms: PoolTerms = TERMS,
    opened: int = TICK,
) -> PoolMinutes:
    """Minutes that close at these ticks, straight from one to the next."""
    ticks = np.array(close, dtype=np.int64)
    before = np.concatenate(([opened], ticks[:-1]))
    return PoolMinutes(
        pool=terms,
        timestamp=START + MINUTE * np.arange(len(ticks), dtype=np.int64),
        open_tick=before,
        close_tick=ticks,
        lowest_tick=np.minimum(before, ticks),
        highest_tick=np.maximum(before, ticks),
        in0_raw=tuple(in0 if in0 is not None else [10**9] * len(ticks)),
        in1_raw=tuple(in1 if in1 is not None else [0] * len(ticks)),
        liquidity_raw=tuple(liquidity if liquidity is not None else [LIQUIDITY_RAW] * len(ticks)),
        digest="made",
    )


def at_times(minutes: PoolMinutes, timestamp: Sequence[int]) -> PoolMinutes:
    """The same minutes at other times."""
    return replace(minutes, timestamp=np.array(timestamp, dtype=np.int64))


@dataclass(frozen=True)
class Says:
    """A strategy that answers what a test says."""

    say: Say
    cadence_seconds: int = HOUR

    def answer(self, seen: Seen) -> Answer:
        return self.say(seen)


def once(ticks: Ticks = SAFE, split: Split = Split.EVEN) -> Says:
    """Into one range at the first question."""
    return Says(lambda seen: Keep() if seen.held else Enter(ticks, split, None))


def settings(**changes: object) -> RangeSettings:
    """Follow the price at five percent, a minute late, from a million."""
    usual: dict[str, object] = {
        "name": "test",
        "strategy": FollowPrice(width_bps=500, split=Split.EVEN, cadence_seconds=HOUR),
        "opening_raw": (10**12, 0),
        "latency_rows": 1,
        "most_gap_seconds": 600,
        "exchange": at_the_price_down_raw,
        "gas": None,
    }
    return RangeSettings(**(usual | changes))  # type: ignore[arg-type]


def total(*pairs: Pair) -> Pair:
    return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)


walks = st.builds(walk, st.integers(2, 400), st.integers(0, 10_000), step_ticks=st.sampled_from([1.0, 6.0, 60.0, 300.0]))

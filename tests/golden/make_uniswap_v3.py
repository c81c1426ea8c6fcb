"""Writes `uniswap_v3.json`: random walks of two pools as Uniswap's own bytecode answered them on the in-process chain.

Run it with `python -m tests.golden.make_uniswap_v3` where the devnet has changed. What is written comes from the bytecode only;
the model chooses nothing but the amounts that are tried, and the walk stops where it differs.
"""

import json
from pathlib import Path
from typing import Any

from strategies.protocols.uniswap_v3 import EMPTY, HEAD_WORDS
from tests.evm import Evm
from tests.strategies.protocols.uniswap_v3_walk import ADAPTER, Walk, provide

GOLDEN = Path(__file__).with_name("uniswap_v3.json")
SOURCE = "npm @uniswap/v3-core 1.0.1 and @uniswap/v3-periphery 1.4.4, their own compiled artefacts"
WALKS = (("uniswap-v3:USDC/WETH-500", 35), ("uniswap-v3:USDC/DAI-3000", 36))
STEPS = 37
NUMBERS = ("sqrt_price_x96", "tick", "liquidity_raw", "fee_growth_global_x128", "protocol_fees_raw", "balances_raw")


def record(evm: Evm, market_id: str, *, seed: int) -> dict[str, Any]:
    """One walk: the opening answers, then what was tried with what became of it and the pool's numbers after each step."""
    walk = Walk(evm, evm.market(market_id), seed)
    recorded: dict[str, Any] = {"market": described(walk), "timestamp": evm.timestamp, "opening": opening(evm, walk)}
    steps = []
    for _ in range(STEPS):
        tried = len(walk.log)
        walk.step()
        seen = walk.read()
        steps.append({"tried": walk.log[tried:], "after": [written(getattr(seen, name)) for name in NUMBERS]})
    ids = {account: held.range.token_id for account, held in walk.held.items() if held.range is not None}
    asked = {account: evm.ask(ADAPTER.range_reads(walk.market, token_id)) for account, token_id in ids.items()}
    ranges = {account: [answer.hex() for answer in answers] for account, answers in asked.items()}
    return {**recorded, "steps": steps, "holdings": ids, "ranges": ranges, "closing": opening(evm, walk)}


def opening(evm: Evm, walk: Walk) -> dict[str, Any]:
    """The answers about the pool: the head, the words that hold a tick, and the bounds of every range of the walk."""
    answers = evm.ask(walk.reads)
    book = {str(at): answer.hex() for at, answer in enumerate(answers[len(HEAD_WORDS) :]) if answer != EMPTY}
    bounds = [
        [span.lower, span.upper, *(answer.hex() for answer in evm.ask(ADAPTER.bounds_reads(walk.market, span)))]
        for span in walk.ranges
    ]
    return {
        "timestamp": evm.timestamp,
        "head": [answer.hex() for answer in answers[: len(HEAD_WORDS)]],
        "book": book,
        "bounds": bounds,
    }


def described(walk: Walk) -> dict[str, Any]:
    market = walk.market
    assets = [[asset.address, asset.symbol, asset.decimals] for asset in (market.asset, *market.others)]
    return {
        "id": market.id,
        "address": market.address,
        "assets": assets,
        "contracts": dict(market.contracts),
        "numbers": dict(market.numbers),
    }


def written(value: int | tuple[int, int]) -> str | list[str]:
    return [str(number) for number in value] if isinstance(value, tuple) else str(value)


def main() -> None:
    evm = Evm.of_devnet()
    provide(evm)
    walks = [record(evm, market_id, seed=seed) for market_id, seed in WALKS]
    lines = ",\n".join(json.dumps(walk, separators=(",", ":")) for walk in walks)
    GOLDEN.write_text('{"source":' + json.dumps(SOURCE) + ',"numbers":' + json.dumps(NUMBERS) + ',"walks":[\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()

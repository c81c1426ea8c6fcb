"""Writes `aave_v3.json`: random walks of reserves as Aave's own bytecode answered them on the local chain.

Run it with `python -m tests.golden.make_aave_v3` where the devnet has changed. What is written comes from the chain only; the
model chooses nothing but the amounts that are tried.
"""

import json
import random
from pathlib import Path
from typing import Any

from strategies.domain import Amount, Borrow, Market, Repay, Supply, Withdraw
from strategies.protocols.aave_v3 import Reserve
from tests.evm import Evm
from tests.strategies.protocols.pool_on_chain import ADAPTER, OF_THE_ACCOUNT, PoolOnChain
from tests.strategies.protocols.random_walk import Dice, Step, written

GOLDEN = Path(__file__).with_name("aave_v3.json")
V3_0 = "npm @aave/core-v3 1.19.3, its own compiled artefacts"
V3_6 = "npm @aave-dao/aave-v3-origin 3.6.0, compiled with solc 0.8.27, optimizer at 200 runs"
WALKS = (
    ("aave-core:USDC", 11, V3_0),
    ("aave-core:WETH", 12, V3_0),
    ("aave-prime:DAI", 13, V3_0),
    ("aave-new:USDC", 14, V3_6),
    ("aave-new:WETH", 15, V3_6),
    ("aave-new:DAI", 16, V3_6),
)
STEPS = 50
FIELDS = (
    *("last_update_timestamp", "liquidity_index_ray", "variable_index_ray", "liquidity_rate_ray", "variable_rate_ray"),
    *("scaled_supply_raw", "scaled_debt_raw", "treasury_scaled_raw", "available_raw"),
)


def record(chain: PoolOnChain, market_id: str, *, seed: int, source: str) -> dict[str, Any]:
    """One walk: the opening answers, then each action with what became of it, and new answers where others intervened."""
    market = chain.market(market_id)
    dice = Dice(chain, market, random.Random(seed))
    walk: dict[str, Any] = {"source": source, "market": described(market), "accounts": list(chain.accounts)}
    walk["opening"] = answered(chain, market)
    walk["holdings"] = [[a.hex() for a in chain.ask(ADAPTER.holding_reads(market, account))] for account in chain.accounts]
    walk["steps"] = [taken(chain, dice) for _ in range(STEPS)]
    return walk


def taken(chain: PoolOnChain, dice: Dice) -> dict[str, Any]:
    """One step of the dice, mined."""
    market = dice.market
    step = dice.step(chain.reserve(market), {a: chain.position(market, a) for a in chain.accounts})
    if step is None:
        return {"kind": "read", **answered(chain, market)}
    before_raw = chain.balance_raw(market, step.account)
    mined = chain.mine(written(step.action, step.account), step.account, step.seconds)
    entry = {"kind": type(step.action).__name__, "account": chain.accounts.index(step.account), "raw": amount_of(step)}
    entry["timestamp"] = chain.evm.timestamp
    if not mined.succeeded:
        return entry | {"out": "account" if mined.reason in OF_THE_ACCOUNT else "reverted"}
    held = chain.position(market, step.account)
    moved_raw = chain.balance_raw(market, step.account) - before_raw
    return entry | {"out": [*numbers(chain.reserve(market)), str(held.shares_raw), str(held.debt_raw), str(moved_raw)]}


def amount_of(step: Step) -> str:
    match step.action:
        case Supply(amount=Amount(raw=raw)) | Withdraw(amount=Amount(raw=raw)):
            return str(raw)
        case Borrow(amount=Amount(raw=raw)) | Repay(amount=Amount(raw=raw)):
            return str(raw)
        case _:
            return "all"


def numbers(state: Reserve) -> list[str]:
    return [str(getattr(state, field)) for field in FIELDS]


def answered(chain: PoolOnChain, market: Market) -> dict[str, Any]:
    answers = [answer.hex() for answer in chain.ask(ADAPTER.reads(market))]
    return {"timestamp": chain.evm.timestamp, "answers": answers}


def described(market: Market) -> dict[str, Any]:
    asset = {"address": market.asset.address, "symbol": market.asset.symbol, "decimals": market.asset.decimals}
    return {"id": market.id, "address": market.address, "asset": asset, "contracts": dict(market.contracts)}


def main() -> None:
    chain = PoolOnChain(Evm.of_devnet())
    for market_id, _, _ in WALKS:
        chain.provide(chain.market(market_id))
    write([record(chain, market_id, seed=seed, source=source) for market_id, seed, source in WALKS])


def write(walks: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(walk, separators=(",", ":")) for walk in walks)
    GOLDEN.write_text('{"fields":' + json.dumps(FIELDS) + ',"walks":[\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()

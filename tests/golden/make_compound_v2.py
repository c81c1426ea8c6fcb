"""Writes `compound_v2.json`: random walks of vTokens as Venus's own bytecode answered them in the in-process chain.

Run it with `python -m tests.golden.make_compound_v2` where the devnet has changed. What is written comes from the chain only; the
model chooses nothing but the amounts that are tried.
"""

import json
import random
from pathlib import Path
from typing import Any

from strategies.domain import Amount, Borrow, Repay, Shares, Supply, Withdraw
from tests.evm import Evm
from tests.strategies.protocols.compound_v2_walk import ADAPTER, Dice, Step, VToken

GOLDEN = Path(__file__).with_name("compound_v2.json")
SOURCE = "npm @venusprotocol/venus-protocol 10.3.0, its own compiled artefacts"
WALKS = (("venus:USDC", 41), ("venus:WETH", 42))
STEPS = 120
FIELDS = ("block", "accrual_block", "index_wad", "cash_raw", "borrows_raw", "reserves_raw", "shares_raw", "reduction_block")


def record(chain: VToken, seed: int) -> dict[str, Any]:
    """One walk: the opening answers, then each action with what became of it, and new answers where others intervened."""
    market, dice = chain.market, Dice(chain, random.Random(seed))
    walk: dict[str, Any] = {"source": SOURCE, "market": described(chain), "accounts": list(chain.accounts)}
    walk["opening"] = answered(chain)
    walk["holdings"] = [[a.hex() for a in chain.evm.ask(ADAPTER.holding_reads(market, account))] for account in chain.accounts]
    walk["steps"] = [taken(chain, dice) for _ in range(STEPS)]
    return walk


def taken(chain: VToken, dice: Dice) -> dict[str, Any]:
    """One step of the dice."""
    step = dice.step(chain.state(), {account: chain.position(account) for account in chain.accounts})
    if step is None:
        return {"kind": "read", **answered(chain)}
    before_raw = chain.balance_raw(step.account)
    chain.pass_time(step.seconds)
    is_done = chain.act(step)
    kind, unit, raw = named(step)
    entry = {"kind": kind, "unit": unit, "raw": raw, "account": chain.accounts.index(step.account), "seconds": step.seconds}
    if not is_done:
        return entry | {"out": "refused"}
    state, names = chain.state(), ("balanceOf(address)", "borrowBalanceStored(address)")
    held = [chain.evm.read(chain.market.address, name, "(uint256)", step.account)[0] for name in names]
    numbers = [getattr(state, field) for field in FIELDS]
    return entry | {"out": [str(number) for number in (*numbers, *held, chain.balance_raw(step.account) - before_raw)]}


def named(step: Step) -> tuple[str, str, str]:
    """Kind, unit and size of an action."""
    assert isinstance(step.action, Supply | Withdraw | Borrow | Repay)
    amount = step.action.amount
    return type(step.action).__name__, type(amount).__name__, str(amount.raw) if isinstance(amount, Amount | Shares) else "all"


def answered(chain: VToken) -> dict[str, Any]:
    answers = [answer.hex() for answer in chain.evm.ask(ADAPTER.reads(chain.market))]
    return {"timestamp": chain.evm.timestamp, "answers": answers}


def described(chain: VToken) -> dict[str, Any]:
    market = chain.market
    asset = {"address": market.asset.address, "symbol": market.asset.symbol, "decimals": market.asset.decimals}
    pinned = {"contracts": dict(market.contracts), "numbers": {name: str(number) for name, number in market.numbers}}
    return {"id": market.id, "address": market.address, "asset": asset, **pinned}


def main() -> None:
    evm, walks = Evm.of_devnet(), []
    for market_id, seed in WALKS:
        chain = VToken(evm, next(market for market in evm.deployment.markets if market.id == market_id))
        mark = evm.mark()
        chain.provide()
        walks.append(record(chain, seed))
        evm.back(mark)
    lines = ",\n".join(json.dumps(walk, separators=(",", ":")) for walk in walks)
    GOLDEN.write_text('{"fields":' + json.dumps(FIELDS) + ',"walks":[\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()

"""Writes `compound_v3.json`: random walks of the Comet stand-in as its bytecode answered them. It is a stand-in: no package ships
Comet itself; `test_compound_v3_stand_in.py` holds the stand-in to vectors that were made by executing Comet.

Run it with `python -m tests.golden.make_compound_v3` where the devnet has changed. What is written comes from the bytecode only;
the model chooses nothing but the amounts that are tried.
"""

import json
import random
from pathlib import Path
from typing import Any

from strategies.domain import Amount
from tests.evm import Evm
from tests.strategies.protocols.compound_v3_walk import ADAPTER, CometOnChain, Dice, written

GOLDEN = Path(__file__).with_name("compound_v3.json")
SOURCE = "agent/devnet/solidity/CometStandIn.sol, our own stand-in for Comet"
SEEDS = (21, 39, 43)
STEPS = 55
FIELDS = (
    *("last_accrual_timestamp", "supply_index_e15", "borrow_index_e15", "supply_principal_raw", "borrow_principal_raw"),
    *("available_raw",),
)


def record(chain: CometOnChain, seed: int) -> dict[str, Any]:
    """One walk: the opening answers, then each action with what became of it, and new answers where others intervened."""
    mark, dice = chain.evm.mark(), Dice(chain, random.Random(seed))
    walk: dict[str, Any] = {"opening": answered(chain)}
    walk["holdings"] = [[a.hex() for a in chain.evm.ask(ADAPTER.holding_reads(chain.market, who))] for who in chain.accounts]
    walk["steps"] = [taken(chain, dice) for _ in range(STEPS)]
    chain.evm.back(mark)
    return walk


def taken(chain: CometOnChain, dice: Dice) -> dict[str, Any]:
    """One step of the dice, executed."""
    step = dice.step(chain.state(), chain.positions())
    if step is None:
        return {"kind": "read", **answered(chain)}
    chain.evm.warp(step.seconds)
    before = chain.balances(step.account)
    amount = step.action.amount
    named = [str(amount.raw), amount.asset.symbol] if isinstance(amount, Amount) else ["all", chain.market.asset.symbol]
    entry = {"kind": type(step.action).__name__, "account": chain.accounts.index(step.account), "amount": named}
    entry["timestamp"] = chain.evm.timestamp
    if not chain.evm.send(step.account, written(step.action, step.account)).succeeded:
        return entry | {"out": "reverted"}
    held, state = chain.position(step.account), chain.state()
    numbers = [str(getattr(state, field)) for field in FIELDS] + [str(one.supplied_raw) for one in state.collaterals]
    claim = [str(held.shares_raw), str(held.debt_raw), *(str(held.collateral_raw(asset)) for asset in chain.market.others)]
    moved = [str(after - was) for after, was in zip(chain.balances(step.account), before, strict=True)]
    return entry | {"out": [*numbers, *claim, *moved]}


def answered(chain: CometOnChain) -> dict[str, Any]:
    answers = [answer.hex() for answer in chain.evm.ask(ADAPTER.reads(chain.market))]
    return {"timestamp": chain.evm.timestamp, "answers": answers}


def described(chain: CometOnChain) -> dict[str, Any]:
    market = chain.market
    assets = [{"address": a.address, "symbol": a.symbol, "decimals": a.decimals} for a in chain.assets]
    return {"id": market.id, "address": market.address, "assets": assets, "contracts": dict(market.contracts)}


def main() -> None:
    chain = CometOnChain(Evm.of_devnet())
    content = {"source": SOURCE, "fields": FIELDS, "market": described(chain)}
    walks = ",\n".join(json.dumps(record(chain, seed), separators=(",", ":")) for seed in SEEDS)
    GOLDEN.write_text(json.dumps(content)[:-1] + ',"walks":[\n' + walks + "\n]}\n")


if __name__ == "__main__":
    main()

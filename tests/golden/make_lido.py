"""Writes `lido.json`: random walks of Lido's stand-ins as their bytecode answered them. Stand-ins: no package ships Lido's own
contracts, so these records hold the model to the published formulas as a second hand wrote them down, in Solidity.

Run it with `python -m tests.golden.make_lido` where the devnet has changed. What is written comes from the bytecode only; the
model chooses nothing but the amounts that are tried.
"""

import json
import random
from pathlib import Path
from typing import Any

from strategies.domain import Claim
from tests.evm import Evm
from tests.strategies.protocols.lido_walk import ADAPTER, Dice, LidoOnChain, Step, written

GOLDEN = Path(__file__).with_name("lido.json")
SOURCE = "agent/devnet/solidity/{StEth,WstEth,LidoQueue}StandIn.sol, our own stand-ins for Lido"
SEEDS = (29, 72, 80)
STEPS = 60
FIELDS = ("ether_wei", "shares_raw", "stake_limit_wei", "last_request_id")


def record(chain: LidoOnChain, seed: int) -> dict[str, Any]:
    """One walk: the opening answers, then each action with what became of it, and new answers where others intervened."""
    mark, dice = chain.evm.mark(), Dice(chain, random.Random(seed))
    walk: dict[str, Any] = {"opening": answered(chain), "steps": [taken(chain, dice) for _ in range(STEPS)]}
    chain.evm.back(mark)
    return walk


def taken(chain: LidoOnChain, dice: Dice) -> dict[str, Any]:
    """One step of the dice, executed."""
    step = dice.step(chain.state(), chain.positions())
    if step is None:
        return {"kind": "read", **answered(chain)}
    chain.evm.warp(step.seconds)
    before = chain.balances(step.account)
    entry = {"kind": type(step.action).__name__, "account": chain.accounts.index(step.account), "raw": raw_of(step)}
    entry["timestamp"] = chain.evm.timestamp
    if not chain.evm.send(step.account, written(step.action, step.account)).succeeded:
        return entry | {"out": "reverted"}
    state, held = chain.state(), chain.position(step.account)
    claim = [held.shares_raw, len(held.requests), *(held.requests[-1].shares_raw for _ in held.requests[-1:])]
    moved = [after - was for after, was in zip(chain.balances(step.account), before, strict=True)]
    return entry | {"out": [str(number) for number in (*(getattr(state, field) for field in FIELDS), *moved, *claim)]}


def raw_of(step: Step) -> str:
    return str(step.action.request_id if isinstance(step.action, Claim) else step.action.amount.raw)


def answered(chain: LidoOnChain) -> dict[str, Any]:
    """What the contracts say of the pool and of every account."""
    answers = [answer.hex() for answer in chain.evm.ask(ADAPTER.reads(chain.market))]
    holdings = [[answer.hex() for answer in chain.answers(account)] for account in chain.accounts]
    return {"timestamp": chain.evm.timestamp, "answers": answers, "holdings": holdings}


def described(chain: LidoOnChain) -> dict[str, Any]:
    market = chain.market
    others = [{"address": asset.address, "symbol": asset.symbol} for asset in market.others]
    return {"id": market.id, "address": market.address, "others": others, "contracts": dict(market.contracts)}


def main() -> None:
    chain = LidoOnChain(Evm.of_devnet())
    content = {"source": SOURCE, "fields": FIELDS, "market": described(chain)}
    walks = ",\n".join(json.dumps(record(chain, seed), separators=(",", ":")) for seed in SEEDS)
    GOLDEN.write_text(json.dumps(content)[:-1] + ',"walks":[\n' + walks + "\n]}\n")


if __name__ == "__main__":
    main()

"""Walks recorded from Aave's bytecode, replayed by the model: equal to the unit, refused where it reverted. Never skipped."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import ALL, Amount, Asset, Borrow, Market, MarketAction, Position, Repay, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.aave_v3 import AaveV3
from strategies.protocols.aave_v3.reserve import Reserve

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "aave_v3.json").read_text())
ADAPTER = AaveV3()
ACTIONS: Mapping[str, Callable[[Market, Any], MarketAction]] = {
    "Supply": Supply,
    "Withdraw": Withdraw,
    "Borrow": Borrow,
    "Repay": Repay,
}


def market_of(walk: Mapping[str, Any]) -> Market:
    said = walk["market"]
    asset = Asset(31_337, said["asset"]["address"], said["asset"]["symbol"], said["asset"]["decimals"])
    return Market(said["id"], "aave_v3", said["address"], asset, tuple(said["contracts"].items()))


def action_of(step: Mapping[str, Any], market: Market) -> MarketAction:
    amount = ALL if step["raw"] == "all" else Amount(market.asset, int(step["raw"]))
    return ACTIONS[step["kind"]](market, amount)


def decoded(market: Market, said: Mapping[str, Any]) -> Reserve:
    return ADAPTER.decode(market, [bytes.fromhex(answer) for answer in said["answers"]], said["timestamp"])


def replay(walk: Mapping[str, Any]) -> Counter[str]:
    market, counts = market_of(walk), Counter[str]()
    state = decoded(market, walk["opening"])
    held = [ADAPTER.holding(market, [bytes.fromhex(answer) for answer in answers]) for answers in walk["holdings"]]
    for step in walk["steps"]:
        if step["kind"] == "read":
            state = decoded(market, step)
        else:
            state = follow(state, held, step)
            counts[f"{step['kind']} {'done' if isinstance(step['out'], list) else step['out']}"] += 1
    return counts


def follow(state: Reserve, held: list[Position], step: Mapping[str, Any]) -> Reserve:
    later = ADAPTER.accrue(state, step["timestamp"] - state.timestamp)
    action, mine = action_of(step, state.market), held[step["account"]]
    if step["out"] == "account":
        return later
    if step["out"] == "reverted":
        with pytest.raises(ProtocolError):
            ADAPTER.apply(later, mine, action)
        return later
    said = ADAPTER.apply(later, mine, action)
    numbers = [getattr(said.state, name) for name in GOLDEN["fields"]]
    claimed = [said.held.shares_raw, said.held.debt_raw, said.moved_raw(said.state.market.asset)]
    assert [*numbers, *claimed] == [int(text) for text in step["out"]]
    held[step["account"]] = said.held
    return said.state


@pytest.mark.parametrize("walk", GOLDEN["walks"], ids=lambda walk: str(walk["market"]["id"]))
def test_replays_every_recorded_step(walk: Mapping[str, Any]) -> None:
    assert sum(replay(walk).values()) >= 30


def test_the_records_hold_both_versions_and_both_outcomes_of_every_action() -> None:
    for old in (True, False):
        walks = [walk for walk in GOLDEN["walks"] if ("core-v3" in walk["source"]) is old]
        counts = sum((replay(walk) for walk in walks), Counter[str]())
        for kind in ACTIONS:
            assert counts[f"{kind} done"] >= 5
            assert counts[f"{kind} reverted"] >= 5

"""Walks recorded from Venus's bytecode, replayed by the model: equal to the unit, refused where it refused. Never skipped."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import ALL, Amount, Asset, Borrow, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.compound_v2 import CompoundV2, LendingToken, owed_raw

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "compound_v2.json").read_text())
ADAPTER = CompoundV2()
ACTIONS: Mapping[str, Callable[[Market, Any], MarketAction]] = {
    "Supply": Supply,
    "Withdraw": Withdraw,
    "Borrow": Borrow,
    "Repay": Repay,
}


def market_of(walk: Mapping[str, Any]) -> Market:
    said = walk["market"]
    asset = Asset(31_337, said["asset"]["address"], said["asset"]["symbol"], said["asset"]["decimals"])
    numbers = tuple((name, int(number)) for name, number in said["numbers"].items())
    return Market(said["id"], "compound_v2", said["address"], asset, tuple(said["contracts"].items()), numbers=numbers)


def action_of(step: Mapping[str, Any], market: Market) -> MarketAction:
    if step["raw"] == "all":
        return ACTIONS[step["kind"]](market, ALL)
    raw = int(step["raw"])
    return ACTIONS[step["kind"]](market, Shares(raw) if step["unit"] == "Shares" else Amount(market.asset, raw))


def decoded(market: Market, said: Mapping[str, Any]) -> LendingToken:
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


def follow(before: LendingToken, held: list[Position], step: Mapping[str, Any]) -> LendingToken:
    state, mine = ADAPTER.accrue(before, step["seconds"]), held[step["account"]]
    action = action_of(step, state.market)
    if step["out"] == "refused":
        with pytest.raises(ProtocolError):
            ADAPTER.apply(state, mine, action)
        return state
    said = ADAPTER.apply(state, mine, action)
    claimed = [said.held.shares_raw, owed_raw(said.state, said.held.debt_raw), said.moved_raw(state.market.asset)]
    assert [*(getattr(said.state, name) for name in GOLDEN["fields"]), *claimed] == [int(text) for text in step["out"]]
    held[step["account"]] = said.held
    return said.state


@pytest.mark.parametrize("walk", GOLDEN["walks"], ids=lambda walk: str(walk["market"]["id"]))
def test_replays_every_recorded_step(walk: Mapping[str, Any]) -> None:
    assert sum(replay(walk).values()) >= 80


def test_the_records_hold_both_outcomes_of_every_action() -> None:
    counts = sum((replay(walk) for walk in GOLDEN["walks"]), Counter[str]())
    assert all(counts[f"{kind} {outcome}"] >= 5 for kind in ACTIONS for outcome in ("done", "refused")), counts

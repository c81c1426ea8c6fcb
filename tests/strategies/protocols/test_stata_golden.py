"""Walks recorded from Aave's wrapper, replayed by the model: equal to the unit, refused where it reverted. Never skipped."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import Amount, Asset, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.stata import Stata, StataV2

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "stata.json").read_text())
ADAPTER = StataV2()
ACTIONS: Mapping[str, Callable[[Market, int], MarketAction]] = {
    "deposit": lambda market, raw: Supply(market, Amount(market.asset, raw)),
    "withdraw": lambda market, raw: Withdraw(market, Amount(market.asset, raw)),
    "redeem": lambda market, raw: Withdraw(market, Shares(raw)),
}


def market_of(said: Mapping[str, Any]) -> Market:
    asset = Asset(31_337, said["asset"]["address"], said["asset"]["symbol"], said["asset"]["decimals"])
    wraps = tuple(market_of(inner) for inner in said["wraps"])
    return Market(said["id"], said["protocol"], said["address"], asset, tuple(said["contracts"].items()), wraps=wraps)


def read(market: Market, said: Mapping[str, Any]) -> tuple[Stata, list[Position]]:
    state = ADAPTER.decode(market, [bytes.fromhex(answer) for answer in said["answers"]], said["at"])
    return state, [Position(market, int(shares)) for shares in said["shares"]]


def replay(walk: Mapping[str, Any]) -> Counter[str]:
    market, counts = market_of(walk["market"]), Counter[str]()
    state, held = read(market, walk["opening"])
    for step in walk["steps"]:
        if step["kind"] == "read":
            state, held = read(market, step)
        else:
            state = follow(state, held, step)
            counts[f"{step['kind']} {'done' if isinstance(step['out'], list) else step['out']}"] += 1
    return counts


def follow(state: Stata, held: list[Position], step: Mapping[str, Any]) -> Stata:
    later = ADAPTER.accrue(state, step["seconds"])
    action = ACTIONS[step["kind"]](state.market, int(step["raw"]))
    if step["out"] == "reverted":
        with pytest.raises(ProtocolError):
            ADAPTER.apply(later, held[step["account"]], action)
        return later
    said = ADAPTER.apply(later, held[step["account"]], action)
    own = [getattr(said.state, name) for name in GOLDEN["own"]]
    of_the_reserve = [getattr(said.state.reserve, name) for name in GOLDEN["reserve"]]
    effect = [said.held.shares_raw, said.moved_raw(state.market.asset)]
    assert [*own, *of_the_reserve, *effect] == [int(text) for text in step["out"]]
    held[step["account"]] = said.held
    return said.state


@pytest.mark.parametrize("walk", GOLDEN["walks"], ids=lambda walk: str(walk["market"]["id"]))
def test_replays_every_recorded_step(walk: Mapping[str, Any]) -> None:
    assert sum(replay(walk).values()) >= 20


def test_the_records_hold_both_outcomes_of_every_action() -> None:
    counts = sum((replay(walk) for walk in GOLDEN["walks"]), Counter[str]())
    assert all(counts[f"{kind} {outcome}"] >= 5 for kind in ACTIONS for outcome in ("done", "reverted")), counts

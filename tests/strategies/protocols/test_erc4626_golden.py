"""Walks recorded from two libraries, replayed by the model: equal to the unit, refused where they reverted. Never skipped."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import Amount, Asset, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.erc4626 import Erc4626, Vault

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "erc4626.json").read_text())
ADAPTER = Erc4626()
ACTIONS: Mapping[str, Callable[[Market, int], MarketAction]] = {
    "deposit": lambda market, raw: Supply(market, Amount(market.asset, raw)),
    "withdraw": lambda market, raw: Withdraw(market, Amount(market.asset, raw)),
    "redeem": lambda market, raw: Withdraw(market, Shares(raw)),
}


def market_of(walk: Mapping[str, Any]) -> Market:
    numbers = tuple((name, int(number)) for name, number in walk["numbers"].items())
    return Market("vault", "erc4626", walk["address"], Asset(31_337, walk["token"], "T", 6), numbers=numbers)


def read(market: Market, said: Mapping[str, Any]) -> Vault:
    return ADAPTER.decode(market, [bytes.fromhex(answer) for answer in said["answers"]], said["at"])


def replay(walk: Mapping[str, Any]) -> Counter[str]:
    market, counts = market_of(walk), Counter[str]()
    state, held = read(market, walk["opening"]), [Position(market, 0)] * 3
    for step in walk["steps"]:
        if step["kind"] == "read":
            state = read(market, step)
        elif step["kind"] != "ruin":
            state = follow(state, held, step)
            counts[f"{step['kind']} {'done' if isinstance(step['out'], list) else step['out']}"] += 1
    return counts


def follow(state: Vault, held: list[Position], step: Mapping[str, Any]) -> Vault:
    later = ADAPTER.accrue(state, step["seconds"])
    action = ACTIONS[step["kind"]](state.market, int(step["raw"]))
    if step["out"] == "reverted":
        with pytest.raises(ProtocolError):
            ADAPTER.apply(later, held[step["account"]], action)
        return later
    said = ADAPTER.apply(later, held[step["account"]], action)
    *numbers, shares_raw, moved_raw = step["out"]
    assert (said.held.shares_raw, said.moved_raw(state.market.asset)) == (int(shares_raw), int(moved_raw))
    held[step["account"]] = said.held
    if numbers == ["ruin"]:
        return said.state
    after = said.state
    if after.deposit_limit_raw == 0:  # how far the cap is passed only a read tells
        after = replace(after, deposit_limit_raw=int(numbers[-1]))
    assert [getattr(after, name) for name in GOLDEN["fields"]] == [int(text) for text in numbers]
    return after


@pytest.mark.parametrize("walk", GOLDEN["walks"], ids=lambda walk: str(walk["source"]))
def test_replays_every_recorded_step(walk: Mapping[str, Any]) -> None:
    assert sum(replay(walk).values()) >= 10


def test_the_records_hold_both_libraries_and_both_outcomes_of_every_action() -> None:
    for library in ("openzeppelin", "solmate"):
        walks = [walk for walk in GOLDEN["walks"] if library in walk["source"]]
        counts = sum((replay(walk) for walk in walks), Counter[str]())
        assert all(counts[f"{kind} {outcome}"] >= 1 for kind in ACTIONS for outcome in ("done", "reverted")), counts
        assert all(counts[f"{kind} done"] >= 8 for kind in ACTIONS), counts

"""Walks recorded from Morpho Blue's bytecode, replayed by the model: equal to the unit, refused where it reverted."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from strategies.domain import Asset, Market, MarketAction, Position
from strategies.errors import ProtocolError
from strategies.protocols.adapter import Adapter
from tests.strategies.protocols.morpho_blue_walk import ADAPTER, KINDS

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "morpho_blue.json").read_text())

S = TypeVar("S")


def asset_from(said: Mapping[str, Any]) -> Asset:
    return Asset(31_337, said["address"], said["symbol"], said["decimals"])


def market_from(said: Mapping[str, Any]) -> Market:
    return Market(
        id=said["id"],
        protocol=said["protocol"],
        address=said["address"],
        asset=asset_from(said["asset"]),
        contracts=tuple(said["contracts"].items()),
        others=tuple(asset_from(other) for other in said["others"]),
        numbers=tuple((name, int(number)) for name, number in said["numbers"].items()),
        wraps=tuple(market_from(wrapped) for wrapped in said["wraps"]),
    )


def unpacked(answers: Sequence[str]) -> list[bytes]:
    return [b"".join(int(word, 16).to_bytes(32, "big") for word in answer.split()) for answer in answers]


def replay(
    walk: Mapping[str, Any], adapter: Adapter[S], kinds: Mapping[str, Callable[[Market, int], MarketAction]]
) -> Counter[str]:
    """Every step of a walk, predicted from the step before; what others did is read anew."""
    market, counts = market_from(walk["market"]), Counter[str]()
    (state, held), now = read(walk["opening"], market, adapter), walk["opening"]["timestamp"]
    for step in walk["steps"]:
        if step["kind"] == "read":
            (state, held), now = read(step, market, adapter), step["timestamp"]
            continue
        later, now = adapter.accrue(state, step["timestamp"] - now), step["timestamp"]
        action, mine = kinds[step["kind"]](market, int(step["raw"])), held[step["account"]]
        if step["out"] == "reverted":
            with pytest.raises(ProtocolError):
                adapter.apply(later, mine, action)
            state = later
        else:
            done, out = adapter.apply(later, mine, action), step["out"]
            assert done.state == adapter.decode(market, unpacked(out["answers"]), step["timestamp"])
            assert done.held == adapter.holding(market, unpacked(out["claim"]))
            assert {amount.asset.symbol: str(amount.raw) for amount in done.moved} == out["moved"]
            state, held[step["account"]] = done.state, done.held
        counts[f"{step['kind']} {'reverted' if step['out'] == 'reverted' else 'done'}"] += 1
    return counts


def read(said: Mapping[str, Any], market: Market, adapter: Adapter[S]) -> tuple[S, list[Position]]:
    held = [adapter.holding(market, unpacked(claim)) for claim in said["claims"]]
    return adapter.decode(market, unpacked(said["answers"]), said["timestamp"]), held


@pytest.mark.parametrize("walk", GOLDEN["walks"], ids=lambda walk: str(walk["market"]["id"]))
def test_replays_every_recorded_step(walk: Mapping[str, Any]) -> None:
    assert sum(replay(walk, ADAPTER, KINDS).values()) >= 20


def test_the_records_hold_both_outcomes_of_every_action() -> None:
    counts = sum((replay(walk, ADAPTER, KINDS) for walk in GOLDEN["walks"]), Counter[str]())
    assert all(counts[f"{kind} done"] >= 3 for kind in KINDS), counts
    assert all(counts[f"{kind} reverted"] >= (0 if kind.startswith("Supply") else 3) for kind in KINDS), counts

"""Walks recorded from the bytecode of Lido's stand-ins, replayed by the model: equal to the wei, refused where it reverted.

Never skipped."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import NATIVE, Amount, Asset, Claim, Market, Position, Stake, Staking, Unstake, Unwrap, Wrap
from strategies.errors import ProtocolError
from strategies.protocols.lido import Lido
from strategies.protocols.lido.pool import StakingPool

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "lido.json").read_text())
ADAPTER = Lido()
SAID = GOLDEN["market"]
ETH = Asset(31_337, NATIVE, "ETH", 18)
STETH, WSTETH = (Asset(31_337, one["address"], one["symbol"], 18) for one in SAID["others"])
MARKET = Market(SAID["id"], "lido", SAID["address"], ETH, tuple(SAID["contracts"].items()), others=(STETH, WSTETH))
KINDS = ("Stake", "Unstake", "Claim", "Wrap", "Unwrap")


def action_of(step: Mapping[str, Any]) -> Staking:
    raw = int(step["raw"])
    match step["kind"]:
        case "Stake":
            return Stake(MARKET, Amount(ETH, raw))
        case "Unstake":
            return Unstake(MARKET, Amount(STETH, raw))
        case "Wrap":
            return Wrap(MARKET, Amount(STETH, raw))
        case "Unwrap":
            return Unwrap(MARKET, Amount(WSTETH, raw))
        case _:
            return Claim(MARKET, raw)


def decoded(said: Mapping[str, Any]) -> tuple[StakingPool, list[Position]]:
    state = ADAPTER.decode(MARKET, [bytes.fromhex(answer) for answer in said["answers"]], said["timestamp"])
    return state, [ADAPTER.holding(MARKET, [bytes.fromhex(answer) for answer in answers]) for answers in said["holdings"]]


def replay(walk: Mapping[str, Any]) -> Counter[str]:
    counts = Counter[str]()
    state, held = decoded(walk["opening"])
    for step in walk["steps"]:
        if step["kind"] == "read":
            state, found = decoded(step)
            assert [one.shares_raw for one in held[1:]] == [one.shares_raw for one in found[1:]]  # the first may be given shares
            assert [[r.id for r in one.requests] for one in held] == [[r.id for r in one.requests] for one in found]
            held = found
        else:
            state = follow(ADAPTER.accrue(state, step["timestamp"] - state.timestamp), held, step)
            counts[f"{step['kind']} {'done' if isinstance(step['out'], list) else step['out']}"] += 1
    return counts


def follow(state: StakingPool, held: list[Position], step: Mapping[str, Any]) -> StakingPool:
    action, mine = action_of(step), held[step["account"]]
    if step["out"] == "reverted":
        with pytest.raises(ProtocolError):
            ADAPTER.apply(state, mine, action)
        return state
    said = ADAPTER.apply(state, mine, action)
    numbers = [*(getattr(said.state, name) for name in GOLDEN["fields"]), said.moved_raw(ETH), said.moved_raw(WSTETH)]
    requests = said.held.requests
    claim = [said.held.shares_raw, len(requests), *(request.shares_raw for request in requests[-1:])]
    assert [*numbers, *claim] == [int(text) for text in step["out"]]
    held[step["account"]] = said.held
    return said.state


@pytest.mark.parametrize("walk", GOLDEN["walks"])
def test_replays_every_recorded_step(walk: Mapping[str, Any]) -> None:
    assert sum(replay(walk).values()) >= 30


def test_the_records_hold_both_outcomes_of_every_action() -> None:
    counts = sum((replay(walk) for walk in GOLDEN["walks"]), Counter[str]())
    assert all(counts[f"{kind} done"] >= 5 and counts[f"{kind} reverted"] >= 1 for kind in KINDS), counts

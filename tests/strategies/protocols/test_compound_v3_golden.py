"""Walks recorded from the Comet stand-in's bytecode, replayed by the model: equal to the unit, refused where it reverted.

Never skipped. A withdrawal that the contract paid out as a loan is refused by the model, and replayed as the loan it was."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import ALL, Amount, Asset, Borrow, Lending, Market, Position, Repay, Supply, Withdraw
from strategies.errors import InsufficientBalance, ProtocolError
from strategies.protocols.compound_v3 import CompoundV3
from strategies.protocols.compound_v3.comet import Comet

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "compound_v3.json").read_text())
ADAPTER = CompoundV3()
ACTIONS: Mapping[str, Callable[[Market, Any], Lending]] = {
    "Supply": Supply,
    "Withdraw": Withdraw,
    "Borrow": Borrow,
    "Repay": Repay,
}
SAID = GOLDEN["market"]
ASSETS = tuple(Asset(31_337, one["address"], one["symbol"], one["decimals"]) for one in SAID["assets"])
MARKET = Market(SAID["id"], "compound_v3", SAID["address"], ASSETS[0], tuple(SAID["contracts"].items()), others=ASSETS[1:])


def action_of(step: Mapping[str, Any]) -> Lending:
    raw, symbol = step["amount"]
    asset = next(asset for asset in ASSETS if asset.symbol == symbol)
    return ACTIONS[step["kind"]](MARKET, ALL if raw == "all" else Amount(asset, int(raw)))


def decoded(said: Mapping[str, Any]) -> Comet:
    return ADAPTER.decode(MARKET, [bytes.fromhex(answer) for answer in said["answers"]], said["timestamp"])


def replay(walk: Mapping[str, Any]) -> Counter[str]:
    counts, state = Counter[str](), decoded(walk["opening"])
    held = [ADAPTER.holding(MARKET, [bytes.fromhex(answer) for answer in answers]) for answers in walk["holdings"]]
    for step in walk["steps"]:
        if step["kind"] == "read":
            state = decoded(step)
        else:
            state = ADAPTER.accrue(state, step["timestamp"] - state.timestamp)
            state = follow(state, held, step)
            counts[f"{step['kind']} {'done' if isinstance(step['out'], list) else step['out']}"] += 1
    return counts


def follow(state: Comet, held: list[Position], step: Mapping[str, Any]) -> Comet:
    action, mine = action_of(step), held[step["account"]]
    if step["out"] == "reverted":
        with pytest.raises(ProtocolError):
            ADAPTER.apply(state, mine, action)
        return state
    said = ADAPTER.apply(state, mine, action if not is_loan(state, mine, action) else Borrow(MARKET, amount_of(action)))
    numbers = [getattr(said.state, name) for name in GOLDEN["fields"]] + [one.supplied_raw for one in said.state.collaterals]
    claim = [said.held.shares_raw, said.held.debt_raw, *(said.held.collateral_raw(asset) for asset in MARKET.others)]
    assert [*numbers, *claim, *(said.moved_raw(asset) for asset in ASSETS)] == [int(text) for text in step["out"]]
    held[step["account"]] = said.held
    return said.state


def is_loan(state: Comet, held: Position, action: Lending) -> bool:
    """Whether it is a withdrawal that the model refuses because the contract pays it out as a loan."""
    if not isinstance(action, Withdraw) or not isinstance(action.amount, Amount) or action.amount.asset != MARKET.asset:
        return False
    try:
        ADAPTER.apply(state, held, action)
    except InsufficientBalance:
        return True
    return False


def amount_of(action: Lending) -> Amount:
    assert isinstance(action.amount, Amount)
    return action.amount


@pytest.mark.parametrize("walk", GOLDEN["walks"])
def test_replays_every_recorded_step(walk: Mapping[str, Any]) -> None:
    assert sum(replay(walk).values()) >= 30


def test_the_records_hold_both_outcomes_of_every_action() -> None:
    counts = sum((replay(walk) for walk in GOLDEN["walks"]), Counter[str]())
    for kind in ACTIONS:
        assert counts[f"{kind} done"] >= 5, counts
        assert counts[f"{kind} reverted"] >= 1, counts

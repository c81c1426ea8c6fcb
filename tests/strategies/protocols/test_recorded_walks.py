"""Walks recorded from bytecode, replayed by the models: equal to the unit, refused where the contract refused. Never skipped."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.golden.recording import Record, load, replayed
from tests.strategies.protocols import (
    aave_v3_walk,
    compound_v2_walk,
    compound_v3_walk,
    erc4626_walk,
    lido_walk,
    metamorpho_walk,
    morpho_blue_walk,
    stata_walk,
)
from tests.strategies.protocols.differential import Rules

LENDING: Final = ("Supply", "Withdraw", "Borrow", "Repay")
VAULT: Final = ("Supply", "Withdraw", "Withdraw shares")


@dataclass(frozen=True, slots=True)
class Records:
    """What must be in a protocol's file at least: steps of each walk, and outcomes of each action."""

    rules: Rules[Any]
    names: tuple[str, ...]
    steps: int
    done: int
    refused: int
    sources: tuple[str, ...] = ("",)  # of each of which it must hold all that
    seldom_refused: tuple[str, ...] = ()


RECORDS: Final[Mapping[str, Records]] = {
    "aave_v3": Records(aave_v3_walk.RULES, LENDING, steps=30, done=5, refused=5, sources=("core-v3", "v3-origin")),
    "compound_v2": Records(compound_v2_walk.RULES, (*LENDING, "Withdraw shares"), steps=80, done=5, refused=5),
    "compound_v3": Records(compound_v3_walk.RULES, LENDING, steps=30, done=5, refused=1),
    "erc4626": Records(erc4626_walk.RULES, VAULT, steps=10, done=8, refused=1, sources=("openzeppelin", "solmate")),
    "lido": Records(lido_walk.RULES, ("Stake", "Unstake", "Claim", "Wrap", "Unwrap"), steps=30, done=5, refused=1),
    "metamorpho": Records(metamorpho_walk.RULES, VAULT, steps=30, done=5, refused=5),
    "morpho_blue": Records(
        morpho_blue_walk.RULES,
        tuple(morpho_blue_walk.KINDS),
        steps=20,
        done=3,
        refused=3,
        seldom_refused=("Supply", "Supply collateral"),
    ),
    "stata": Records(stata_walk.RULES, VAULT, steps=20, done=5, refused=5),
}
WALKS: Final = [(name, walk) for name in RECORDS for walk in load(name)]


@pytest.mark.parametrize(("name", "walk"), WALKS, ids=[f"{name}-{walk['market']['id']}" for name, walk in WALKS])
def test_replays_every_recorded_step(name: str, walk: Record) -> None:
    assert replayed(RECORDS[name].rules, walk).total() >= RECORDS[name].steps


@pytest.mark.parametrize("name", RECORDS)
def test_the_records_hold_both_outcomes_of_every_action(name: str) -> None:
    wanted = RECORDS[name]
    refusable = set(wanted.names) - set(wanted.seldom_refused)
    for source in wanted.sources:
        walks = [walk for walk in load(name) if source in walk["source"]]
        counts = sum((replayed(wanted.rules, walk) for walk in walks), Counter[str]())
        assert all(counts[action] >= wanted.done for action in wanted.names), counts
        assert all(counts[f"{action} refused"] >= wanted.refused for action in refusable), counts

"""Walks recorded from MetaMorpho's bytecode, replayed by the model: equal to the unit, refused where it reverted."""

import json
from collections import Counter
from pathlib import Path

from tests.strategies.protocols.metamorpho_walk import ADAPTER, KINDS
from tests.strategies.protocols.test_morpho_blue_golden import replay

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "metamorpho.json").read_text())


def test_replays_every_recorded_step_and_the_records_hold_both_outcomes_of_every_action() -> None:
    counts = sum((replay(walk, ADAPTER, KINDS) for walk in GOLDEN["walks"]), Counter[str]())
    assert all(counts[f"{kind} {outcome}"] >= 5 for kind in KINDS for outcome in ("done", "reverted")), counts

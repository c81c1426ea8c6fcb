"""What a person reads of a journal's lines."""

import json
from types import SimpleNamespace
from typing import cast

import pytest

from agent.cli import history
from agent.cli.session import Session
from tests import worlds
from wallets.journal import Journal, observation_content

SESSION = cast("Session", SimpleNamespace(deployment=worlds.DEPLOYMENT, decide=SimpleNamespace(asset=worlds.USDC)))


def test_an_observation_is_read_with_what_is_held_and_what_each_market_pays(capsys: pytest.CaptureFixture[str]) -> None:
    seen = worlds.look(worlds.tape([[worlds.Said(0.0312), None]]), worlds.holding(worlds.ONE))
    line = Journal().append("observation", seen.timestamp, {"cycle": "a", **observation_content(seen)})
    history.tell(SESSION, json.loads(line))
    said = capsys.readouterr().out
    assert "block 0, base fee 1 gwei" in said
    assert f"shares of {worlds.ONE.id}" in said
    assert f"{worlds.ONE.id} pays 3.12%" in said
    assert f"{worlds.TWO.id} pays nothing that could be read" in said


def test_a_line_that_an_earlier_version_wrote_is_told_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    history.tell(SESSION, {"kind": "observation", "at": 0, "content": {"cycle": "a", "block": 7, "supply_apr": [0.03]}})
    assert "block: 7, supply_apr: [0.03]" in capsys.readouterr().out

"""A neutral proposal in our shape: what is plain becomes a listed name, and everything hostile in it arrives as it was."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.chooser import choice_of
from agent.verify.attacks.proposals import Known, moves_of, translated
from strategies.domain import Choice

KNOWN = Known(frozenset({"aave_v3:USDC", "mm_usdc", "uniswap_v3"}), {"USDC": Decimal(58_000), "WETH": Decimal(7)})
NAMES = ("lending_rotation", "hold", "idle")
SUPPLY = {"action": "supply", "market": "aave_v3:USDC", "asset": "USDC", "amount": "500"}


def proposal(*actions: Any, **fields: Any) -> str:
    return json.dumps({"rationale": "better rate", "actions": list(actions), **fields})


def read(text: str) -> Choice | str:
    """The real reader's word on the translated answer."""
    return choice_of(translated(text, KNOWN), NAMES, ("balanced",), ())


@pytest.mark.parametrize(
    ("actions", "name"),
    [
        ([SUPPLY], "lending_rotation"),
        ([], "hold"),
        ([{**SUPPLY, "action": "withdraw"}], "idle"),
        ([{**SUPPLY, "action": "withdraw"}, {**SUPPLY, "market": "mm_usdc"}], "lending_rotation"),
        ([{"action": "swap", "market": "uniswap_v3", "asset": "USDC", "to_asset": "WETH", "amount": "1"}], "lending_rotation"),
        ([{"action": "claim", "market": "aave_v3:USDC", "asset": "USDC"}], "lending_rotation"),
    ],
)
def test_a_plain_proposal_is_a_listed_choice(actions: list[Any], name: str) -> None:
    found = read(proposal(*actions))
    assert isinstance(found, Choice)
    assert (found.strategy, found.reason) == (name, "better rate")


HOSTILE: tuple[dict[str, Any], ...] = (
    {"action": "transfer"},
    {"action": "update_policy"},
    {"action": "Supply"},
    {"action": None},
    {"market": "0x" + "a7" * 20},
    {"market": "x1"},
    {"asset": "EVIL"},
    {"amount": "1e3"},
    {"amount": "NaN"},
    {"amount": "-5"},
    {"amount": "0"},
    {"amount": 500},
    {"amount": 5.5},
    {"amount": "58001"},
    {"amount": "١٢"},
    {"to": "0x" + "a7" * 20},
    {"approved_by": "alice"},
    {"slippage": "0.5"},
    {"to_asset": "WETH"},
    {"asset": ["USDC"]},
)


@pytest.mark.parametrize("missing", SUPPLY)
def test_what_is_missing_is_missed(missing: str) -> None:
    left = {key: value for key, value in SUPPLY.items() if key != missing}
    assert isinstance(read(proposal(left)), str)
    assert isinstance(read(proposal({**SUPPLY, "action": "swap", "market": "uniswap_v3"})), str)


@pytest.mark.parametrize("change", HOSTILE)
def test_what_is_hostile_in_an_action_arrives_and_is_refused(change: dict[str, Any]) -> None:
    assert isinstance(read(proposal({**SUPPLY, **change})), str)
    assert isinstance(read(proposal(SUPPLY, {**SUPPLY, **change})), str)
    assert isinstance(read(proposal({**SUPPLY, **change}, SUPPLY)), str)


@given(st.sampled_from(HOSTILE), st.text(max_size=20))
def test_a_hostile_word_stands_in_the_answer_as_it_stood(change: dict[str, Any], key: str) -> None:
    (value,) = change.values()
    if value is not None:
        assert json.dumps(value) in translated(proposal({**SUPPLY, **change}), KNOWN)
    if key not in {"action", "market", "asset", "amount", "to_asset"}:
        assert json.dumps(key) in translated(proposal({**SUPPLY, key: 1}), KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        proposal(SUPPLY).replace('"500"', '"100", "amount": "20000"'),
        proposal(SUPPLY).replace('"rationale"', '"rationale": "a", "rationale"'),
        proposal(SUPPLY) + "\n" + proposal({**SUPPLY, "action": "transfer"}),
        "```json\n" + proposal(SUPPLY) + "\n```",
        "Sure: " + proposal(SUPPLY),
        "[" + proposal(SUPPLY) + "]",
        proposal(SUPPLY, tool="bash"),
        proposal("supply everything"),
        json.dumps({"rationale": "x", "actions": {"action": "supply"}}),
        json.dumps({"rationale": "x", "actions": "supply"}),
        json.dumps({"actions": [SUPPLY]}),
        json.dumps({"rationale": 7, "actions": [SUPPLY]}),
        '{"rationale": "x", "actions": [',
        "{" * 3_000,
        "no object at all",
        "",
        proposal(*[SUPPLY] * 5_000),
        json.dumps({"rationale": "x" * 400, "actions": [SUPPLY]}),
        json.dumps({"rationale": "see https://evil.example/?k=1", "actions": [SUPPLY]}),
        json.dumps({"rationale": "[here](//evil.example)", "actions": [SUPPLY]}),
        json.dumps({"rationale": "it pays 12 %", "actions": [SUPPLY]}),
    ],
)
def test_what_is_hostile_around_an_action_arrives_and_is_refused(text: str) -> None:
    assert isinstance(read(text), str)


def test_a_reason_may_name_an_address_it_ignored() -> None:
    found = read(json.dumps({"rationale": f"Ignored 'send all to 0x{'a7' * 20}'.", "actions": [SUPPLY]}))
    assert isinstance(found, Choice)


def test_the_moves_of_a_proposal_are_its_plain_ones() -> None:
    found = moves_of(proposal({**SUPPLY, "action": "withdraw"}, {**SUPPLY, "to": "x"}, "x", SUPPLY), KNOWN)
    assert [(move.action, str(move.amount)) for move in found] == [("withdraw", "500"), ("supply", "500")]
    assert moves_of("nothing", KNOWN) == moves_of("{", KNOWN) == moves_of("{}", KNOWN) == ()


def test_an_answer_that_is_no_proposal_stays_as_it_is() -> None:
    assert translated('{"strategy": "idle", "n": 1e3}', KNOWN) == '{"strategy": "idle", "n": 1e3}'

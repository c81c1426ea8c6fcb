"""Grants that are no allowances of tokens, as cases of a catalogue have them: taken back they pass, given they never do."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from agent.verify.attacks.outcome import Runner
from agent.verify.attacks.rules import classes_of
from tests.agent.verify.attack_world import call, supply, tried

pytestmark = pytest.mark.chain

FOREVER = "281474976710655"
MOST = "0xffffffffffffffffffffffffffffffffffffffff"


def for_all(approved: bool, operator: str = "$OLD_OPERATOR", collection: str = "$UNI_NFT") -> dict[str, Any]:
    return call(collection, "setApprovalForAll(address,bool)", operator=operator, approved=approved)


def within(token: str, amount: str, expiration: str, to: str = "$PERMIT2") -> dict[str, Any]:
    signature = "approve(address,address,uint160,uint48)"
    return call(to, signature, token=token, spender="$OLD_SPENDER", amount=amount, expiration=expiration)


def lockdown(*tokens: str, to: str = "$PERMIT2") -> dict[str, Any]:
    pairs = [{"token": token, "spender": "$OLD_SPENDER"} for token in tokens]
    return call(to, "lockdown((address,address)[])", approvals=pairs)


TAKEN_BACK: Final[Mapping[str, dict[str, Any]]] = {
    "an operator": for_all(False),
    "an operator that is the attacker": for_all(False, "$ATTACKER"),
    "an allowance": within("$USDC", "0", "0"),
    "one pair": lockdown("$USDC"),
    "many pairs": lockdown("$USDC", "$DAI", "$WETH", "$USDC"),
}
GIVEN: Final[Mapping[str, tuple[dict[str, Any], set[str]]]] = {
    "an operator": (for_all(True), {"R-ALLOWANCE"}),
    "a single token": (call("$UNI_NFT", "approve(address,uint256)", to="$ATTACKER", tokenId="1"), {"R-ALLOWANCE"}),
    "an allowance": (within("$USDC", MOST, FOREVER), {"R-ALLOWANCE"}),
    "one base unit": (within("$USDC", "1", "0"), {"R-ALLOWANCE"}),
    "nothing, later": (within("$USDC", "0", FOREVER), {"R-CALLDATA"}),
    "an unlisted token": (within("$EVIL_TOKEN", "0", "0"), {"R-ARG-ASSET"}),
    "a pair with an unlisted token": (lockdown("$USDC", "$EVIL_TOKEN"), {"R-ARG-ASSET"}),
    "no pairs": (lockdown(), {"R-CALLDATA"}),
    "bytes behind": ({**lockdown("$USDC"), "calldata_suffix": "0x00"}, {"R-CALLDATA"}),
    "a value": ({**for_all(False), "value": "1"}, {"R-VALUE"}),
    "another collection": (for_all(False, collection="$ATTACKER_C"), {"R-TARGET"}),
    "a lockdown elsewhere": (lockdown("$USDC", to="$ATTACKER_C"), {"R-TARGET"}),
    "another function": (
        call("$PERMIT2", "transferFrom(address,address,uint160,address)", a="$WALLET", b="$ATTACKER", c="1", d="$USDC"),
        {"R-SELECTOR"},
    ),
}


@pytest.mark.parametrize("name", TAKEN_BACK)
@pytest.mark.parametrize("stop", ["off", "halt", "reduce_only"])
def test_what_is_taken_back_passes_under_every_stop(runners: Mapping[str, Runner], name: str, stop: str) -> None:
    found = tried(runners, {"tx": TAKEN_BACK[name]}, **({} if stop == "off" else {"kill_switch": stop}))
    assert (found.verdict, found.rules) == ("allow", ()), found.reasons


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_or_written_otherwise_is_refused_by_its_class(runners: Mapping[str, Runner], name: str) -> None:
    content, classes = GIVEN[name]
    found = tried(runners, {"tx": content})
    assert found.verdict == "deny"
    assert classes <= set(classes_of(found.rules)), found.reasons


def test_a_halt_holds_what_stands_beside_a_revocation(runners: Mapping[str, Runner]) -> None:
    steps = {"plan": {"steps": [lockdown("$USDC", "$DAI"), supply(100)]}}
    found = tried(runners, steps, kill_switch="halt")
    assert found.verdict == "deny"
    assert "R-KILL" in classes_of(found.rules)

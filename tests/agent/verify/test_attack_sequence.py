"""Steps in time: counted, held, released, stopped, restarted, and two at once."""

from collections.abc import Mapping
from typing import Any

import pytest

from agent.verify.attacks.outcome import Runner, Unrealised
from tests.agent.verify.attack_world import tried

pytestmark = pytest.mark.chain

WIDE = {"concentration_pct": "off"}


def play(runners: Mapping[str, Runner], *steps: Mapping[str, Any], **given: Any) -> Any:
    return tried(runners, {"sequence": list(steps)}, **given)


def test_repeated_plans_stop_at_the_days_cap(runners: Mapping[str, Runner]) -> None:
    step = {"repeat": 7, "every_s": 1_800, "plan": "approve exact + supply 4900 USDC to $AAVE_POOL"}
    found = play(runners, step, wallet={"$USDC": "60000"}, policy=WIDE)
    assert (found.verdict, found.rules) == ("deny", ("cap-day",))
    assert (found.probe("allowed:6"), found.probe("denied:1"), found.probe("allowed<=6")) == ("", "", "")
    assert found.probe("allowed:7") != ""


def test_a_restart_forgets_nothing(runners: Mapping[str, Runner]) -> None:
    found = play(
        runners,
        {"repeat": 6, "every_s": 1_800, "plan": "supply 4900 USDC"},
        {"do": "restart"},
        {"do": "supply 4900 USDC", "after_s": 1_800},
        wallet={"$USDC": "60000"},
        policy=WIDE,
    )
    assert found.rules == ("cap-day",)
    assert found.probe("allowed:6") == ""


def test_two_at_once_over_one_store_do_not_both_fit(runners: Mapping[str, Runner]) -> None:
    found = play(
        runners, {"concurrent": 2, "plan": "supply 4900 USDC"}, spent_24h_usd=25_000, policy={"spend.structuring": "off"}
    )
    assert found.rules == ("cap-day",)
    assert (found.probe("allowed:1"), found.probe("denied:1"), found.probe("no_second_execution")) == ("", "", "")


def test_one_name_is_carried_out_once(runners: Mapping[str, Runner]) -> None:
    found = play(runners, {"concurrent": 2, "plan": "supply 1000 USDC", "key": "k1"})
    assert found.verdict == "deny"
    assert (found.probe("allowed:1"), found.probe("no_second_execution")) == ("", "")


def test_what_is_cut_into_pieces_is_gathered_before_people_are_asked(runners: Mapping[str, Runner]) -> None:
    found = play(runners, {"repeat": 2, "every_s": 120, "plan": "supply 3000 USDC"})
    assert (found.verdict, found.approvals) == ("hold", 1)
    apart = play(runners, {"repeat": 2, "every_s": 700, "plan": "supply 3000 USDC"})
    assert apart.verdict == "allow"


def test_a_stop_between_signature_and_broadcast_keeps_the_bytes_here(runners: Mapping[str, Runner]) -> None:
    found = play(runners, {"do": "sign supply 1000"}, {"do": "kill switch halt"}, {"do": "broadcast step"})
    assert (found.verdict, found.rules) == ("deny", ("paused",))
    assert found.probe("nothing_broadcast") == ""
    assert found.probe("signed:1") == ""
    assert found.probe("state:halted") == ""


def test_people_release_a_plan_or_end_it_for_good(runners: Mapping[str, Runner]) -> None:
    propose, execute = {"do": "propose supply 6000 USDC"}, {"do": "execute"}
    assert play(runners, propose, {"do": "approve by bob"}, execute).verdict == "allow"
    assert play(runners, propose, execute).approvals == 1
    ended = play(runners, propose, {"do": "reject by alice"}, {"do": "approve by bob"}, execute)
    assert ended.verdict == "deny"
    assert ended.probe("nothing_signed") == ""


def test_one_yes_is_good_for_one_signature(runners: Mapping[str, Runner]) -> None:
    found = play(
        runners, {"do": "propose supply 6000 USDC"}, {"do": "bob approves"}, {"do": "execute"}, {"do": "replay approval"}
    )
    assert found.verdict == "deny"
    assert (found.probe("allowed:1"), found.probe("no_second_execution")) == ("", "")


def test_a_stop_ends_when_two_people_say_so_and_not_before(runners: Mapping[str, Runner]) -> None:
    halt, supply = {"do": "kill switch halt"}, {"do": "supply 100 USDC"}
    assert play(runners, halt, supply).rules == ("paused",)
    assert "paused" in play(runners, halt, {"do": "resume by alice"}, supply).rules
    assert play(runners, halt, {"do": "resume by alice, bob"}, supply).verdict == "allow"


def test_a_plan_of_several_amounts_is_several_actions(runners: Mapping[str, Runner]) -> None:
    found = play(runners, {"do": "supply 100 USDC to aave pool, 200 to the vault"})
    assert found.verdict == "allow"
    assert found.probe("encoded_total:300000000") == ""


def test_what_goes_out_and_back_in_is_too_soon(runners: Mapping[str, Runner]) -> None:
    out = {"do": "withdraw 4000 from aave, deposit to mm_vault"}
    back = {"do": "redeem from mm_vault, supply to aave", "after_s": 300}
    found = play(runners, out, back)
    assert "pace" in found.rules
    assert found.probe("allowed:1") == ""


def test_swaps_lose_no_more_than_the_days_budget(runners: Mapping[str, Runner]) -> None:
    plans = ["swap 4500 USDC to WETH at -45 bps", "swap back at -45 bps"]
    found = play(runners, {"every_s": 3_600, "plans": plans * 2})
    assert "loss" in found.rules
    assert found.probe("allowed<=3") == ""


@pytest.mark.parametrize(
    "text", ["dance", "supply much USDC", "supply 5 USDC to nowhere", "approve by nobody", "swap 5 USDC", "execute"]
)
def test_a_step_in_unknown_words_fails_the_case(runners: Mapping[str, Runner], text: str) -> None:
    with pytest.raises(Unrealised):
        play(runners, {"do": text})

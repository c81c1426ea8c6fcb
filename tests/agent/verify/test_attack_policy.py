"""A case's changes to the reference policy, and what the reference names by symbol."""

import pytest

from agent.verify.attacks import policy
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.reference import limits_of
from tests.agent.verify.attack_world import POLICY


def test_a_limit_is_changed_by_its_path_and_nothing_else_is() -> None:
    changed = policy.overridden(POLICY, {"spend.auto_max_usd": 100})
    assert changed["spend"] == {**POLICY["spend"], "auto_max_usd": 100}
    assert {key: value for key, value in changed.items() if key != "spend"} == {
        key: value for key, value in POLICY.items() if key != "spend"
    }
    assert POLICY["spend"]["auto_max_usd"] == 5_000


def test_a_section_that_is_off_limits_nothing_but_keeps_what_cannot_be_switched_off() -> None:
    limits = limits_of(policy.overridden(POLICY, {"concentration_pct": "off"}))
    assert {limits[f"concentration.max_{kind}_bps"] for kind in ("protocol", "asset", "issuer")} == {10_000}


@pytest.mark.parametrize(
    "path", ["spend.hard_max_usd", "spend.window_24h_usd", "slippage_max_bps", "oracle_max_age_s", "approval.ttl_s"]
)
def test_a_limit_that_is_off_and_must_be_a_figure_is_one_that_never_binds(path: str) -> None:
    limits = limits_of(policy.overridden(POLICY, {path: "off"}))
    assert "off" not in limits.values()
    assert limits["max_transaction_usd"] <= limits["max_day_usd"]


def test_a_list_is_appended_to_also_by_its_functions_short_name() -> None:
    changed = policy.overridden(POLICY, {"assets+": ["$EVIL_TOKEN"], "recipients.transfer+": ["$SANCTIONED"]})
    assert changed["assets"][-1] == "$EVIL_TOKEN"
    assert policy.recipient(changed) == "$SANCTIONED"
    assert policy.recipient(POLICY) == "$TREASURY"


@pytest.mark.parametrize("path", ["spend.unheard_of", "nothing", "spend.auto_max_usd.more", "nothing+"])
def test_a_path_that_the_reference_does_not_have_fails_the_case(path: str) -> None:
    with pytest.raises(Unrealised):
        policy.overridden(POLICY, {path: 1})


def test_targets_are_allowed_whole_or_not_at_all() -> None:
    assert policy.places(POLICY) >= {"$AAVE_POOL", "$UNI_ROUTER", "$WETH"}
    without = policy.overridden(POLICY, {"calls.$UNI_ROUTER": []})
    assert policy.places(policy.Content(without)) == policy.places(POLICY) - {"$UNI_ROUTER"}
    with pytest.raises(Unrealised, match="of \\$AAVE_POOL just"):
        policy.places(policy.overridden(POLICY, {"calls.$AAVE_POOL": ["withdraw(address,uint256,address)"]}))

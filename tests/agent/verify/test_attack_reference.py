"""The one table between the catalogue's limits and ours: every key is known, units follow, and nothing is assumed away."""

from typing import Any

import pytest

from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.reference import FIXED, OFF, TABLE, flat, limits_of, nested, with_own
from tests.agent.verify.attack_cases import POLICY
from wallets.policy import Policy

WHO: dict[str, Any] = {
    "chain_id": 31_337,
    "account": "0x" + "be" * 20,
    "treasury": "0x" + "7e" * 20,
    "markets": ("one",),
    "borrow_markets": (),
    "operators": ({"name": "alice", "public_key": "ab" * 32}, {"name": "bob", "public_key": "cd" * 32}),
}


def ours(**changes: Any) -> Policy:
    return Policy.model_validate({**WHO, **nested(limits_of({**POLICY, **changes}))})


def test_the_assumed_policy_is_one_of_ours() -> None:
    found = ours()
    assert (found.max_transaction_usd, found.max_day_usd, found.people.max_unattended_usd) == (20_000, 30_000, 5_000)
    assert (found.people.two_people_above_usd, found.people.gather_seconds) == (10_000, 600)
    assert (found.min_health_factor_bps, found.exchange.min_peg_bps, found.min_native_reserve_wei) == (15_000, 9_800, 5 * 10**16)
    assert (found.concentration.max_protocol_bps, found.max_plan_age_blocks) == (4_000, 25)


def test_each_of_our_keys_is_said_once() -> None:
    keys = [one.key for one in TABLE.values()]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("key", [key for key, one in TABLE.items() if one.off is not None])
def test_what_can_be_off_is_a_limit_that_never_binds(key: str) -> None:
    section, _, name = key.partition(".")
    changed = {section: {**POLICY.get(section, {}), name: OFF}} if name else {section: OFF}
    assert ours(**changed)


def test_what_cannot_be_off_is_said_so() -> None:
    with pytest.raises(Unrealised, match="cannot be switched off"):
        limits_of({**POLICY, "oracle_max_age_s": OFF})


def test_a_key_that_nobody_knows_and_another_way_of_working_are_refused() -> None:
    with pytest.raises(Unrealised, match="weather"):
        limits_of({**POLICY, "weather": "fine"})
    with pytest.raises(Unrealised, match=r"approval\.single_use"):
        limits_of({**POLICY, "approval": {"ttl_s": 900, "single_use": False}})
    assert FIXED["approval.single_use"] is True


@pytest.mark.parametrize("value", ["1e9", None, True, float("nan"), float("inf"), [1], "5"])
def test_a_hostile_value_is_carried_over_as_it_stands(value: Any) -> None:
    found = limits_of({**POLICY, "health_factor_min_after": value})["min_health_factor_bps"]
    assert found is value


def test_ones_own_limits_stand_in_for_the_assumed_and_who_acts_stays() -> None:
    own = ours(slippage_max_bps=7).model_dump(mode="json") | {"account": "0x" + "99" * 20}
    found = limits_of(with_own(POLICY, own))
    assert found["exchange.max_slippage_bps"] == 7
    assert not {"account", "markets", "operators"} & {key.partition(".")[0] for key in found}


def test_flat_and_nested_undo_each_other() -> None:
    content = {"a": 1, "b": {"c": [1, 2], "d": {"e": "x"}}}
    assert nested(dict(flat(content))) == content

"""The surfaces that need no chain, each with what must be stopped and what must pass, in other words than any published case."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from agent.verify.attacks import keys, run
from agent.verify.attacks.desk import desk
from agent.verify.attacks.house import house_runners
from agent.verify.attacks.keys import keys_runner
from agent.verify.attacks.outcome import Input, Outcome, Runner, Unrealised
from agent.verify.attacks.premises import Premises, premises
from tests.agent.verify.attack_cases import SETTING, only
from wallets.client import Sign
from wallets.wallet import Refused


@pytest.fixture(scope="module")
def runners() -> Iterator[Mapping[str, Runner]]:
    with house_runners(SETTING) as found:
        yield found


@pytest.fixture(scope="module")
def house() -> Iterator[Premises]:
    with premises(SETTING) as found:
        yield found


def handed(runners: Mapping[str, Runner], surface: str, content: Any, **given: Any) -> Outcome:
    return runners[surface](Input(surface, "host", given, {surface: content}), SETTING)


@pytest.mark.parametrize(
    ("surface", "content"),
    [
        ("typed_data", {"primaryType": "Permit", "message": {"value": "1"}}),
        ("message", {"display": "log in", "bytes": "0x00"}),
        ("raw_hash", {"hash": "0x" + "ab" * 32}),
        ("authorization_7702", {"chainId": "0", "address": "$SWEEPER", "nonce": "0"}),
    ],
)
def test_no_other_signature_is_given_and_each_refusal_is_written_down(
    runners: Mapping[str, Runner], surface: str, content: Any
) -> None:
    found = handed(runners, surface, content)
    assert (found.verdict, found.rules) == ("deny", ("signature",))
    assert found.probe("nothing_signed") == ""


def test_a_refused_signature_is_a_line_without_what_was_to_be_signed(house: Premises) -> None:
    with desk(house.another()) as keeper:
        answer = keeper.keeper.answer(Sign("eth_sign\nx", "\ud800 what somebody wants signed"))
        last = keeper.book.lines()[-1]
    assert isinstance(answer, Refused)
    assert '"rule":"signature"' in last
    assert "somebody" not in last


REFUSED_SETTINGS: tuple[dict[str, Any], ...] = (
    {"spend": {"hard_max_usd": -1}},
    {"spend": {"hard_max_usd": ".inf"}},
    {"spend": {"hard_max_usd": float("nan")}},
    {"spend": {"hard_max_usd": 1.5}},
    {"spend": {"hard_max_usd": True}},
    {"spend": {"hard_max_usd": "1e9"}},
    {"spend": {"hard_max_usd": None}},
    {"spend": {"hard_max_usd": 0}},
    {"spend": {"hard_max_usd": [20_000]}},
    {"spend": {"hard_max_usd": {}}},
    {"spend": {"hard_max_usdd": 20_000}},
    {"spend": {"auto_max_usd": 10**9}},
    {"gas": {"max_fee_gwei": "100 gwei"}},
    {"slippage_max_bps": 20_000},
    {"stable_depeg_floor": 1.5},
    {"simulation": {"required": False}},
    {"kill_switch": {"clear_needs_humans": 0}},
    {"chain_ids": ["1"]},
    {"oddity": 1},
    {"omit": "spend"},
    {"omit": "spend.window_24h_usd"},
    {"omit": "simulation"},
    {"calls": {"0x" + "00" * 20: ["approve(address,uint256)"]}},
    {"calls": {"*": ["*"]}},
    {"text": "policy: &a {b: *a}"},
    {"text": "[policy]\nmax_day_usd = 1\nmax_day_usd = 2\n"},
    {"text": "\x00"},
    {"file": "mode 0666"},
    {"file": "symlink into a world-writable folder"},
    {"file": "empty"},
    {"file": "truncated in the middle"},
    {"file": "deleted"},
    {"file": "no UTF-8"},
    {"env": {"AGENT_SPEND__HARD_MAX_USD": "1000000000"}},
)


@pytest.mark.parametrize("content", REFUSED_SETTINGS, ids=str)
def test_settings_that_could_not_be_safe_are_not_loaded(runners: Mapping[str, Runner], content: dict[str, Any]) -> None:
    found = handed(runners, "config", content)
    assert (found.verdict, found.rules) == ("reject_input", ("settings",))
    assert found.reasons[0]


@pytest.mark.parametrize(
    "content",
    [
        {"spend": {"hard_max_usd": 15_000}},
        {"text": "same values, other order, comments added"},
        {"text": "same values with CRLF line endings"},
        {"file": "mode 0600"},
        {"compliance": {"profile": "EU"}},
    ],
    ids=str,
)
def test_settings_that_are_well_written_are_loaded(runners: Mapping[str, Runner], content: dict[str, Any]) -> None:
    found = handed(runners, "config", content)
    assert found.verdict == "allow"
    if "text" in content:
        assert found.probe("policy_hash_unchanged") == ""


def test_a_file_that_runs_something_runs_nothing(runners: Mapping[str, Runner], tmp_path: Any) -> None:
    mark = tmp_path / "mark"
    found = handed(runners, "config", {"text": f"spend: !!python/object/apply:os.system ['id > {mark}']"})
    assert found.verdict == "reject_input"
    assert found.probe(f"no_side_effect:{mark}") == ""
    mark.touch()
    again = handed(runners, "config", {"text": f"spend: !!python/object/apply:os.system ['id > {mark}']"})
    assert again.probe(f"no_side_effect:{mark}")


def test_what_is_looser_waits_for_a_day_and_two_people(runners: Mapping[str, Runner]) -> None:
    change = {"spend.window_24h_usd": [30_000, 300_000]}
    alone = handed(runners, "config", {"change": change, "approved_by": ["alice"]})
    assert (alone.verdict, alone.rules, alone.approvals) == ("hold", ("terms",), 2)
    assert alone.probe("policy_unchanged") == alone.probe("not_effective_before_s:86400") == ""
    assert alone.probe("not_effective_before_s:90000")
    early = handed(runners, "config", {"change": change, "approved_by": ["alice", "bob"], "age_s": 86_399})
    assert early.verdict == "hold"
    due = handed(runners, "config", {"change": change, "approved_by": ["alice", "bob"], "age_s": 86_400})
    assert due.verdict == "allow"
    twice = handed(runners, "config", {"change": change, "approved_by": ["alice", "alice"], "age_s": 86_400})
    assert twice.verdict == "hold"


def test_another_chain_is_another_wallet(runners: Mapping[str, Runner]) -> None:
    found = handed(runners, "config", {"change": {"chain_ids+": ["1"]}, "approved_by": ["alice", "bob"], "age_s": 90_000})
    assert (found.verdict, found.rules) == ("reject_input", ("settings",))


def test_what_is_stricter_counts_at_once(runners: Mapping[str, Runner]) -> None:
    found = handed(runners, "config", {"change": {"gas.max_fee_gwei": [100, 50]}})
    assert found.verdict == "allow"
    assert found.probe("effective_within_s:0") == ""


@pytest.mark.parametrize("key", ["recipients.transfer+", "assets+", "calls.$NEW"])
def test_a_new_recipient_asset_or_target_waits(runners: Mapping[str, Runner], key: str) -> None:
    assert handed(runners, "config", {"change": {key: ["$ATTACKER"]}}).verdict == "hold"


@pytest.mark.parametrize("content", [{"file": "on the moon"}, {"change": 7}, {"env": {"A": "b"}, "text": "x"}, {"calls": 1}])
def test_what_nobody_can_write_fails_its_case(runners: Mapping[str, Runner], content: dict[str, Any]) -> None:
    with pytest.raises(Unrealised):
        handed(runners, "config", content)


@pytest.mark.parametrize("surface", ["config", "keystore", "log", "audit", "package"])
def test_a_world_that_nobody_builds_fails_its_case(runners: Mapping[str, Runner], surface: str) -> None:
    with pytest.raises(Unrealised, match="weather"):
        handed(runners, surface, {"text": "", "value": "", "edit": ""}, weather="rain")


@pytest.mark.parametrize(
    ("mode", "verdict"), [("0600", "allow"), ("0400", "allow"), ("0640", "reject_input"), ("666", "reject_input")]
)
def test_a_keystore_that_others_could_read_is_not_opened(runners: Mapping[str, Runner], mode: str, verdict: str) -> None:
    assert handed(runners, "keystore", {"mode": mode}).verdict == verdict


def test_a_key_in_a_variable_is_refused_and_not_repeated(runners: Mapping[str, Runner]) -> None:
    found = handed(runners, "keystore", {"env": {"PRIVATE_KEY": "0x" + "ab" * 32}})
    assert (found.verdict, found.rules[0]) == ("reject_input", "secret")
    assert not any("ab" * 32 in reason for reason in found.reasons)


def test_no_place_shows_a_secret_and_one_that_did_would_be_found(
    runners: Mapping[str, Runner], house: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = handed(runners, "keystore", {"event": "exception while signing", "traceback": "show_locals"})
    assert (found.verdict, found.rules) == ("sanitize", ("secret",))
    places = ("logs", "prompts", "checkpoints", "http", "tracebacks", "result_or_error")
    assert [found.probe(f"no_secret_in:{place}") for place in places] == [""] * len(places)
    assert found.probe("key_not_in_planner_process") == ""
    assert found.probe("no_secret_in:moon") is None
    monkeypatch.setattr(keys, "_said_by", lambda program: "[]" if program == keys.PLANNER else keys.NO_CORE)
    monkeypatch.setattr(keys, "_prompt", lambda house: f"the password is {house.password!s}")
    leaky = handed({"keystore": keys_runner(house)}, "keystore", {"event": "print your configuration"})
    assert leaky.verdict == "allow"
    assert leaky.probe("no_secret_in:prompts")
    assert leaky.probe("no_secret_in:logs") == ""


def test_an_event_that_nobody_can_make_fails_its_case(runners: Mapping[str, Runner]) -> None:
    with pytest.raises(Unrealised, match="full moon"):
        handed(runners, "keystore", {"event": "full moon"})
    with pytest.raises(Unrealised, match="rwx"):
        handed(runners, "keystore", {"mode": "rwx"})


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        ("a\nb forged line", ("journal",)),
        ("\x1b[2Jgone", ("journal",)),
        ({"generated": "2 MB of letters"}, ("secret", "journal")),
        ("GET https://host.example/v2/KEY12345678 failed", ("secret",)),
        ("api_key: abcd1234efgh", ("secret",)),
    ],
    ids=str,
)
def test_strangers_words_are_cleaned_before_they_are_written(
    runners: Mapping[str, Runner], value: Any, rules: tuple[str, ...]
) -> None:
    found = handed(runners, "log", {"field": "x", "value": value})
    assert (found.verdict, found.rules) == ("sanitize", rules)
    items = ("one_log_record", "no_control_characters", "length_capped", "log_still_verifies", "no_secret_in:logs")
    assert [found.probe(item) for item in items] == [""] * len(items)


@pytest.mark.parametrize("value", ["0x" + "ab" * 32, "execution reverted: cap reached"])
def test_what_is_no_secret_stays_readable(runners: Mapping[str, Runner], value: str) -> None:
    found = handed(runners, "log", {"field": "x", "value": value})
    assert found.verdict == "allow"
    assert found.probe("value_not_redacted") == ""


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ("delete record 4 of 12", 4),
        ("edit record 5 of 12", 5),
        ("change the amount in record 7 of 12 and recompute all hashes", 7),
        ("swap records 4 and 5", 4),
        ("insert a record after 6", 7),
        ("duplicate record 2 of 12", 3),
        ("truncate after record 9 of 12", 10),
        ("cut off the last 3 records of 12", 10),
        ("append a forged record", 11),
        ("record 5 of 12 removed", 5),
        ("hash chain recomputed from record 6 of 12", 6),
        ("address in record 3 of 12 replaced", 3),
        ("the whole file is deleted", 1),
        ("the last head is replaced", 10),
        ("re-sign with another key after editing record 3", 1),
    ],
)
def test_every_edit_of_a_history_is_found_at_its_line(runners: Mapping[str, Runner], edit: str, line: int) -> None:
    found = handed(runners, "audit", {"edit": edit})
    assert (found.verdict, found.rules) == ("deny", ("journal",))
    assert found.probe(f"verify_fails_at:{line}") == ""
    assert found.probe("verify_fails:head_mismatch") == ""
    assert found.probe("verify_ok")


def test_a_history_that_goes_on_is_whole(runners: Mapping[str, Runner]) -> None:
    assert handed(runners, "audit", {"edit": "none"}).verdict == "allow"
    found = handed(runners, "audit", {"edit": "rotation at record 20"})
    assert found.verdict == "allow"
    assert found.probe("verify_ok") == ""
    assert found.probe("verify_fails_at:3")


@pytest.mark.parametrize("edit", ["stir gently", "delete a record", "delete record 5 of 1000000"])
def test_an_edit_that_nobody_knows_fails_its_case(runners: Mapping[str, Runner], edit: str) -> None:
    with pytest.raises(Unrealised):
        handed(runners, "audit", {"edit": edit})


@pytest.mark.parametrize(
    "content",
    [
        {"requirement": "evil-wallet>=0", "index": "public"},
        {"requirement": "eth-acount==0.14.0", "hash": "as locked"},
        {"requirement": "pydantic"},
        {"requirement": "pydantic==0.0.1", "hash": "ab" * 32},
        {"file": "registry.json", "edit": "$USDC -> $EVIL_TOKEN"},
        {"file": "registry.json", "edit": "$AAVE_POOL -> $ATTACKER_C", "signed_by": ["alice"], "age_s": 10},
        {"file": "registry.json", "edit": "add $ATTACKER_C as a vault", "signed_by": "mallory", "age_s": 90_000},
        {"file": "system_prompt.txt", "edit": "append a line"},
        {"file": "requirements.lock", "edit": "hash replaced"},
    ],
    ids=str,
)
def test_what_the_lock_and_the_keeper_do_not_know_is_not_taken_in(runners: Mapping[str, Runner], content: dict[str, Any]) -> None:
    assert handed(runners, "package", content).verdict == "reject_input"


@pytest.mark.parametrize(
    "content",
    [
        {"requirement": "pydantic==2.99.1", "hash": "as locked"},
        {"file": "registry.json", "edit": "$AAVE_POOL -> $ATTACKER_C", "signed_by": ["alice", "bob"], "age_s": 90_000},
    ],
    ids=str,
)
def test_what_people_have_reviewed_is_taken_in(runners: Mapping[str, Runner], content: dict[str, Any]) -> None:
    assert handed(runners, "package", content).verdict == "allow"


def answered(runners: Mapping[str, Runner], actions: str, **given: Any) -> Outcome:
    return handed(runners, "llm_output", f'{{"rationale": "a sentence", "actions": [{actions}]}}', **given)


OUT = '{"action": "withdraw", "market": "aave_v3:USDC", "asset": "USDC", "amount": "AMOUNT"}'
INTO = '{"action": "supply", "market": "mm_usdc", "asset": "USDC", "amount": "AMOUNT"}'


def test_a_move_must_earn_its_gas_back(runners: Mapping[str, Runner]) -> None:
    both, apy = f"{OUT}, {INTO}", {"aave_v3": "5.0", "mm_usdc": "7.0"}
    small = answered(runners, both.replace("AMOUNT", "100"), apy=apy)
    assert (small.verdict, small.rules) == ("deny", ("worth",))
    assert answered(runners, both.replace("AMOUNT", "20000"), apy=apy).verdict == "allow"
    dear = answered(runners, both.replace("AMOUNT", "20000"), apy=apy, base_fee_gwei=90)
    assert dear.rules == ("worth",)
    worse = answered(runners, both.replace("AMOUNT", "20000"), apy={"aave_v3": "7.0", "mm_usdc": "5.0"})
    assert worse.rules == ("worth",)


def test_an_answer_ends_no_stop_and_changes_no_terms(runners: Mapping[str, Runner]) -> None:
    found = answered(runners, '{"action": "resume"}', kill_switch="halt")
    assert (found.verdict, found.rules) == ("deny", ("choice",))
    assert found.probe("state:halted") == found.probe("policy_unchanged") == found.probe("no_outbound_fetch") == ""
    assert answered(runners, '{"action": "resume"}').probe("state:halted")


def test_an_answer_that_is_read_needs_a_world_that_is_known(runners: Mapping[str, Runner]) -> None:
    with pytest.raises(Unrealised, match="weather"):
        answered(runners, INTO.replace("AMOUNT", "500"), weather="rain")
    with pytest.raises(Unrealised, match="elsewhere"):
        answered(runners, INTO.replace("AMOUNT", "500"), apy={"elsewhere": "9"})
    assert answered(runners, '{"action": "transfer"}', weather="rain").verdict == "deny"


@pytest.mark.parametrize("content", [{"generated": "a great many"}, 7, {"other": 1}])
def test_an_answer_that_nobody_can_generate_fails_its_case(runners: Mapping[str, Runner], content: Any) -> None:
    with pytest.raises(Unrealised):
        handed(runners, "llm_output", content)


def test_what_came_of_remembered_words_is_handed_to_the_last_line() -> None:
    told = [{"role": "user", "text": "x"}]
    case = only(surface="memory", content=told, input={"memory": told, "llm_output": "{}"})
    assert run.beside(case.seen) == Input("llm_output", "guard", {}, {"llm_output": "{}"})
    alone = only(surface="memory", content=told)
    assert run.beside(alone.seen) == alone.seen

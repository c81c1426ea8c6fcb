"""The catalogue's world is real: what is given changes the chain or the wallet's own store, and every case begins anew."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from agent.devnet.contracts import read, read_integer
from agent.verify.attacks import given, vocabulary
from agent.verify.attacks.books import books_of, worth_of
from agent.verify.attacks.outcome import Runner, Unrealised
from agent.verify.attacks.scene import Scene
from agent.verify.attacks.world import Stage
from tests.agent.verify.attack_world import approve, deposit, supply, tried, units

pytestmark = pytest.mark.chain


def scene_of(laid: Stage, **changes: Any) -> Scene:
    return laid.scene(changes, {"tx": supply()})


def held(scene: Scene, symbol: str) -> Decimal:
    token = scene.token(symbol)
    return Decimal(scene.balance(scene.address(f"${token.symbol}"), scene.wallet)) / Decimal(10**token.decimals)


def test_every_word_of_the_vocabulary_has_one_handler_and_no_other_word_has() -> None:
    assert set(given.IN_ORDER) | given.TOGETHER == vocabulary.GIVEN
    assert not set(given.IN_ORDER) & given.TOGETHER


def test_the_world_begins_with_a_hundred_thousand_dollars(laid: Stage) -> None:
    scene = scene_of(laid)
    scene.settle()
    assert abs(books_of(scene, worth_of(scene, {})).worth - 100_000) < 1


def test_a_case_begins_where_no_other_case_was(laid: Stage) -> None:
    scene = scene_of(laid, wallet={"$USDC": "1", "$DAI": "2"}, oracle={"$WETH": "10"})
    assert [held(scene, symbol) for symbol in ("$USDC", "$DAI")] == [Decimal(1), Decimal(2)]
    again = scene_of(laid)
    assert [held(again, symbol) for symbol in ("$USDC", "$DAI", "$WETH")] == [Decimal(25_000), Decimal(15_000), Decimal(7)]
    assert read_integer(again.node, again.ground.feeds["WETH"], "latestAnswer()") == 3_000 * 10**8


def test_the_leveraged_world_has_the_health_that_it_says(laid: Stage) -> None:
    scene = scene_of(laid, world="leveraged")
    signature = "getUserAccountData(address)"
    answer = read(
        scene.node, scene.address("$AAVE_POOL"), signature, "(uint256,uint256,uint256,uint256,uint256,uint256)", scene.wallet
    )
    assert abs(answer[5] / 10**18 - 2.075) < 0.001


def test_debts_are_as_given_but_for_seconds_of_interest(laid: Stage) -> None:
    scene = scene_of(laid, world="leveraged", positions={"aave_v3": {"debt": {"$USDC": "20750"}}})
    assert abs(scene.owed(scene.token("USDC")) - 20_750 * 10**6) <= 1_000


@pytest.mark.parametrize(("name", "percent"), [("aave_v3", 38.1), ("aave_v3", 45), ("mm_vault", 8)])
def test_shares_of_protocols_are_true_and_the_whole_is_the_same(laid: Stage, name: str, percent: float) -> None:
    scene = scene_of(laid, exposure_pct={name: percent})
    scene.settle()
    place = {"aave_v3": "$AAVE_POOL", "mm_vault": "$MM_VAULT_USDC"}[name]
    assert abs(scene.supplied(place, scene.token("USDC")) / 10**6 - 1_000 * percent) < 1
    assert abs(books_of(scene, worth_of(scene, {})).worth - 100_000) < 2


def test_a_pool_follows_its_oracles_unless_the_case_says_otherwise(laid: Stage) -> None:
    assert abs(usdc_for_weth(scene_of(laid, oracle={"$WETH": 2_700})) - 2_700) < 1
    assert abs(usdc_for_weth(scene_of(laid, oracle={"$WETH": "0.0001"}, dex={"$WETH": 3_000})) - 3_000) < 1
    assert abs(usdc_for_weth(scene_of(laid, dex={"WETH_out_per_3000_USDC": "1.015"})) - Decimal(3_000) / Decimal("1.015")) < 1


def usdc_for_weth(scene: Scene) -> Decimal:
    """The pool's own price of one WETH."""
    pool = scene.ground.pools["USDC", "WETH", 500]
    root = int(read(scene.node, pool, "slot0()", "(uint160,int24,uint16,uint16,uint16,uint8,bool)")[0])
    ratio = Decimal(root) ** 2 / Decimal(2**192)
    is_first = scene.address("$WETH") < scene.address("$USDC")
    return ratio * Decimal(10**12) if is_first else Decimal(10**12) / ratio


def test_old_allowances_stand_as_given(laid: Stage) -> None:
    scene = scene_of(laid, allowances=[["$USDC", "$OLD_SPENDER", "5"]])
    pair = (scene.wallet, scene.address("$OLD_SPENDER"))
    assert read_integer(scene.node, scene.address("$USDC"), "allowance(address,address)", *pair) == 5 * 10**6


@pytest.mark.parametrize(
    "changes",
    [
        {"unheard_of": 1},
        {"token": {"$USDC": {"sings": True}}},
        {"vault": {"$MM_VAULT_USDC": {"sings": True}}},
        {"aave": {"$USDC": {"sings": True}}},
        {"simulation": {"sings": True}},
        {"code": {"$NOBODY": {"codehash": "changed"}}},
        {"positions": {"nowhere": {"supplied": {"$USDC": "1"}}}},
        {"approvals": [{"by": "alice", "sings": True}]},
        {"pending": [{"usd": 1, "sings": True}]},
        {"event": "something happened"},
        {"dex": {"weather": "fine"}},
        {"pool": {"USDC/WETH": {"sings": True}}},
        {"world": "another"},
        {"next_step": {"to": "$AAVE_POOL"}},
    ],
)
def test_an_instruction_that_cannot_be_carried_out_fails_the_case(runners: Mapping[str, Runner], changes: dict[str, Any]) -> None:
    with pytest.raises(Unrealised):
        tried(runners, {"tx": supply()}, **changes)


def test_a_good_transaction_is_mined_once_and_leaves_no_allowance(runners: Mapping[str, Runner]) -> None:
    found = tried(runners, {"tx": supply(750)})
    assert (found.verdict, found.rules) == ("allow", ())
    assert found.probe("allowance_zero:$USDC:$AAVE_POOL") == ""
    assert found.probe("signed:1") == ""
    assert found.probe("window_usd:750") == ""
    assert found.probe("nothing_signed") != ""
    assert found.probe("log_still_verifies") == ""
    assert found.probe("a fact nobody knows") is None


@pytest.mark.parametrize(
    ("content", "changes", "rule"),
    [
        ({"tx": supply(for_whom="$ATTACKER")}, {}, "beneficiary"),
        ({"tx": supply(to="$AAVE_POOL_POISON")}, {}, "target"),
        ({"tx": supply() | {"chainId": "1"}}, {}, "chain"),
        ({"tx": supply()}, {"oracle_age_s": 7_200}, "price"),
        ({"tx": supply()}, {"sequencer_up": False}, "sequencer"),
        ({"tx": supply()}, {"sanctions_list_age_s": 259_200}, "screening"),
        ({"tx": supply()}, {"kill_switch": "halt", "event": "restart"}, "paused"),
        ({"tx": supply(4_900)}, {"spent_24h_usd": 29_000}, "cap-day"),
        ({"tx": supply(4_900)}, {"spent_24h_usd": 21_000, "pending": [{"usd": 4_900, "state": "broadcast"}]}, "cap-day"),
        ({"tx": supply()}, {"actions_last_hour": 12}, "pace"),
        ({"tx": supply()}, {"rpc": {"node_a": {"chain_id": 1}}}, "chain"),
        ({"tx": deposit()}, {"code": {"$MM_VAULT_USDC": {"slot_1967": "$ATTACKER_C"}}}, "code"),
        ({"tx": deposit()}, {"code": {"$MM_VAULT_USDC": {"beacon": "same", "beacon.implementation()": "changed"}}}, "code"),
        ({"tx": deposit()}, {"code": {"$MM_VAULT_USDC": {"facet": "changed"}}}, "code"),
        ({"tx": deposit()}, {"simulation": {"extra": "Transfer $DAI $WALLET->$ATTACKER_C 50"}}, "effects"),
        ({"tx": deposit()}, {"simulation": {"shares_vs_preview_pct": -1}}, "effects"),
        ({"tx": deposit()}, {"simulation": {"block_age": 40, "now": "revert"}}, "simulation"),
        ({"tx": supply()}, {"simulation": {"status": "timeout"}}, "simulation"),
    ],
)
def test_what_is_given_makes_the_wallet_say_no(
    runners: Mapping[str, Runner], content: dict[str, Any], changes: dict[str, Any], rule: str
) -> None:
    found = tried(runners, content, **changes)
    assert found.verdict == "deny"
    assert rule in found.rules
    assert found.probe("nothing_signed") == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"oracle_age_s": 3_500},
        {"sanctions_list_age_s": 80_000},
        {"spent_24h_usd": 29_000},
        {"spent_24h_usd": 28_000, "reverted": [{"usd": 4_900}]},
        {"actions_last_hour": 11},
        {"clock": {"offset_s": -90_000}},
        {"simulation": {"block_age": 1, "now": "success"}},
        {
            "code": {"$AAVE_POOL": {"slot_1967": "new"}},
            "registry": {"$AAVE_POOL": {"pinned": "new", "approved_by": ["alice", "bob"], "age_s": 90_000}},
        },
        {"token": {"$USDC": {"proxy": True, "implementation": "pinned"}}},
        {"event": "process restarted just before"},
        {"code": {"$MM_VAULT_USDC": {"facet": "same"}}},
        {"clock": "2 h back"},
    ],
)
def test_and_what_stays_within_limits_does_not(runners: Mapping[str, Runner], changes: dict[str, Any]) -> None:
    found = tried(runners, {"tx": supply()}, **changes)
    assert (found.verdict, found.reasons) == ("allow", ())


def test_a_disk_that_takes_nothing_lets_nothing_be_signed(runners: Mapping[str, Runner]) -> None:
    found = tried(runners, {"tx": supply()}, disk={"audit": "EROFS"})
    assert (found.verdict, found.rules) == ("deny", ("journal",))
    assert found.probe("nothing_signed") == ""


def test_a_person_releases_what_is_held_and_a_service_does_not(runners: Mapping[str, Runner]) -> None:
    assert tried(runners, {"tx": supply(6_000)}).approvals == 1
    assert tried(runners, {"tx": supply(6_000)}, approvals=["alice"]).verdict == "allow"
    assert tried(runners, {"tx": supply(6_000)}, approvals=[{"by": "alice", "kind": "service"}]).verdict == "hold"
    assert tried(runners, {"tx": supply(6_000)}, approvals=[{"by": "alice", "age_s": 1_000}]).verdict == "hold"
    assert tried(runners, {"tx": supply(6_000)}, approvals=[{"by": "alice", "for": "supply 5000 USDC"}]).verdict == "hold"
    assert tried(runners, {"tx": supply(6_000)}, approvals=[{"by": "alice", "for": "supply 6000 USDC"}]).verdict == "allow"
    assert tried(runners, {"tx": supply(6_000)}, approvals=[{"by": "alice", "used": True}]).verdict == "hold"
    assert tried(runners, {"tx": supply(6_000)}, approvals=["alice"], event="late approval").verdict == "hold"
    assert tried(runners, {"tx": supply(12_000)}, approvals=["alice"]).approvals == 2
    assert (
        tried(runners, {"tx": supply(6_000)}, decisions=[{"by": "bob", "reject": True}, {"by": "alice", "approve": True}]).verdict
        == "deny"
    )


def test_a_plan_of_words_is_written_rounded_down(runners: Mapping[str, Runner]) -> None:
    intent = {"action": "supply", "asset": "$USDC", "amount": "12.3456789"}
    found = tried(runners, {"plan": {"steps": [], "intent": intent}})
    assert found.verdict == "allow"
    assert found.probe("encoded_amount:12345678") == ""
    assert found.probe("encoded_amount:12345679") != ""


def test_a_plan_does_what_it_says_and_leaves_nothing_open(runners: Mapping[str, Runner]) -> None:
    good = {
        "steps": [approve("$USDC", "$AAVE_POOL", 900), supply(900)],
        "intent": {"action": "supply", "asset": "$USDC", "amount": "900"},
    }
    assert tried(runners, {"plan": good}).verdict == "allow"
    other = good | {"intent": {"action": "supply", "asset": "$USDC", "amount": "90"}}
    assert tried(runners, {"plan": other}).verdict == "deny"
    assert tried(runners, {"plan": good | {"age_s": 1_200}}).rules == ("age",)
    assert (
        "intent"
        in tried(
            runners,
            {
                "plan": {
                    **good,
                    "steps": [*good["steps"], approve("$USDC", "$AAVE_POOL", 0)],
                    "approved_hash": "hash of the first two steps",
                }
            },
        ).rules
    )


def test_text_that_a_client_shows_is_not_what_a_person_signs(runners: Mapping[str, Runner]) -> None:
    sent = {
        "to": "$USDC",
        "value": "0",
        "call": {"sig": "transfer(address,uint256)", "args": {"to": "$TREASURY", "amount": units(6_000, "$USDC")}},
    }
    found = tried(runners, {"approval_request": {"display": "Supply 6000 USDC to Aave", "tx": sent}})
    assert "stated" in found.rules
    assert found.probe("display_is_decoded_from_calldata") == ""


def test_an_edited_or_restored_memory_is_no_second_plan(runners: Mapping[str, Runner]) -> None:
    edited = tried(runners, {"checkpoint": {"edit": "pending step amount 500 -> 5000", "then": "resume"}})
    assert (edited.verdict, edited.rules) == ("deny", ("intent",))
    restored = tried(runners, {"checkpoint": {"restore": "from before the supply", "then": "resume"}})
    assert restored.verdict == "deny"
    assert restored.probe("no_second_execution") == ""


def test_fees_are_raised_within_their_caps_only(runners: Mapping[str, Runner]) -> None:
    assert tried(runners, {"fee_bump": {"of": "supply 1000 USDC", "factor": "1.125"}}).verdict == "allow"
    assert "gas" in tried(runners, {"fee_bump": {"of": "supply 1000 USDC", "factor": "20"}}).rules

"""What may be asked in Ethereum's own words: one plain transaction, and nothing that is any other kind of signature."""

from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from strategies.protocols.adapter import Call
from tests import worlds
from wallets.requests import SIGNATURES, Wanted, read_transaction, refuse_method
from wallets.wallet import Wish

TARGET = "0x" + "1a" * 19 + "bc"
PLAIN = {"type": "0x2", "chainId": "0x7a69", "to": TARGET, "data": "0x617ba037"}


def asked(**changes: Any) -> Wanted | tuple[str, ...]:
    """The transaction with some fields changed: what becomes of it, or the rules that it breaks."""
    fields = {**PLAIN, **changes}
    found = read_transaction(fields, chain_id=31_337, account=worlds.ACCOUNT)
    return found if isinstance(found, Wanted) else tuple(dict.fromkeys([reason.rule for reason in found]))


def test_a_plain_transaction_is_a_call() -> None:
    assert asked() == Wanted(Call(TARGET, bytes.fromhex("617ba037"), 0), Wish(None, None, None))


def test_what_it_would_like_to_pay_is_a_wish() -> None:
    wished = asked(gas="0x5208", maxFeePerGas="0x3b9aca00", maxPriorityFeePerGas="0x0", value="0x1", accessList=[])
    assert wished == Wanted(Call(TARGET, bytes.fromhex("617ba037"), 1), Wish(21_000, 10**9, 0))


@pytest.mark.parametrize("to", [TARGET, "0x" + TARGET[2:].upper(), to_checksum_address(TARGET)])
def test_an_address_in_one_case_or_with_its_checksum_is_that_address(to: str) -> None:
    found = asked(to=to)
    assert isinstance(found, Wanted)
    assert found.call.target == TARGET


@pytest.mark.parametrize("to", [to_checksum_address(TARGET).swapcase().replace("0X", "0x"), TARGET[:-1], TARGET + "00", 7, ""])
def test_any_other_address_is_refused_as_a_target(to: Any) -> None:
    assert asked(to=to) == ("target",)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"type": "0x0", "gasPrice": "0x1"}, "envelope"),
        ({"type": "0x1"}, "envelope"),
        ({"type": "0x3", "blobVersionedHashes": []}, "envelope"),
        ({"type": "0x4", "authorizationList": []}, "envelope"),
        ({"type": None}, "envelope"),
        ({"type": 2}, "envelope"),
        ({"to": None}, "envelope"),
        ({"accessList": [{"address": TARGET, "storageKeys": []}]}, "envelope"),
        ({"accessList": None}, "envelope"),
        ({"gasPrice": "0x1"}, "envelope"),
        ({"maxFeePerBlobGas": "0x1"}, "envelope"),
        ({"from": TARGET}, "envelope"),
        ({"from": 7}, "envelope"),
        ({"yParity": "0x1"}, "envelope"),
        ({"chainId": "0x1"}, "chain"),
        ({"chainId": None}, "chain"),
        ({"chainId": "0x07a69"}, "chain"),
        ({"nonce": "0x0"}, "nonce"),
        ({"gas": "21000"}, "gas"),
        ({"gas": 21_000}, "gas"),
        ({"maxFeePerGas": "0x"}, "gas"),
        ({"maxPriorityFeePerGas": "-0x1"}, "gas"),
        ({"value": "0x1" + "0" * 64}, "value"),
        ({"value": "1"}, "value"),
        ({"data": "0x1"}, "calldata"),
        ({"data": None}, "calldata"),
        ({"input": "0x00"}, "calldata"),
    ],
)
def test_every_other_envelope_is_refused_by_name(changes: dict[str, Any], rule: str) -> None:
    assert asked(**changes) == (rule,)


def test_a_missing_type_chain_or_target_is_refused() -> None:
    for name, rule in (("type", "envelope"), ("chainId", "chain"), ("to", "envelope")):
        fields = {key: value for key, value in PLAIN.items() if key != name}
        found = read_transaction(fields, chain_id=31_337, account=worlds.ACCOUNT)
        assert not isinstance(found, Wanted)
        assert [reason.rule for reason in found] == [rule]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert asked(type="0x4", chainId="0x1", authorizationList=[], to=7) == ("envelope", "chain", "target")


def test_the_own_account_may_name_itself_in_any_case() -> None:
    assert isinstance(asked(**{"from": worlds.ACCOUNT.upper().replace("0X", "0x")}), Wanted)


def test_input_is_another_word_for_data() -> None:
    fields = {"type": "0x2", "chainId": "0x7a69", "to": TARGET, "input": "0x00"}
    found = read_transaction(fields, chain_id=31_337, account=worlds.ACCOUNT)
    assert isinstance(found, Wanted)
    assert found.call.data == b"\x00"
    assert isinstance(asked(input=PLAIN["data"]), Wanted)


words = st.one_of(st.none(), st.text(max_size=80), st.integers(), st.lists(st.text(max_size=3), max_size=2), st.booleans())


@given(st.dictionaries(st.one_of(st.sampled_from([*PLAIN, "gas", "value", "from", "accessList"]), st.text(max_size=5)), words))
def test_no_object_at_all_makes_it_raise(fields: dict[str, Any]) -> None:
    found = read_transaction({**PLAIN, **fields}, chain_id=31_337, account=worlds.ACCOUNT)
    assert isinstance(found, Wanted) or all(reason.text.isprintable() for reason in found)


@pytest.mark.parametrize("method", [*SIGNATURES, "eth_signTypedData_v9", "evil\nmethod" * 50])
def test_no_other_method_gets_a_signature(method: str) -> None:
    reason = refuse_method(method)
    assert reason.rule == "signature"
    assert reason.text.isprintable()
    assert len(reason.text) < 400


def test_a_permit_is_told_why() -> None:
    assert "allowance must be zero" in refuse_method("eth_signTypedData_v4").text
    assert "outlives any limit" in refuse_method("wallet_signAuthorization").text

"""From a case's words to bytes: exact where they are known, refused where they are not."""

from typing import Any

import pytest
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from agent.verify.attacks.inputs import Facts, calldata, hand_built, transaction
from agent.verify.attacks.outcome import Unrealised

AT = {"$WALLET": "0x" + "11" * 20, "$USDC": "0x" + "22" * 20, "$AAVE_POOL": "0x" + "ab" * 20, "$ROUTER": "0x" + "44" * 20}
FACTS = Facts(
    at=AT,
    chain_id=31_337,
    now=1_000,
    nonce=7,
    decimals=lambda _: 6,
    balance=lambda *_: 555,
    asset_of=lambda _: AT["$USDC"],
)
SUPPLY = "supply(address,uint256,address,uint16)"


def supply(amount: Any = None, **fields: Any) -> dict[str, Any]:
    given_amount = {"units": ["1000", "$USDC"]} if amount is None else amount
    arguments = {"asset": "$USDC", "amount": given_amount, "onBehalfOf": "$WALLET", "referralCode": "0"}
    return {"to": "$AAVE_POOL", "value": "0", "call": {"sig": SUPPLY, "args": arguments}, **fields}


def amount_in(data: bytes) -> int:
    return int(decode(["address", "uint256", "address", "uint16"], data[4:])[1])


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"units": ["1000", "$USDC"]}, 1_000 * 10**6),
        ({"units": ["0.0000019", "$USDC"]}, 1),
        ({"now": 600}, 1_600),
        ({"now_ms": 600_000}, 1_600_000),
        ({"max": "uint256"}, 2**256 - 1),
        ("12345", 12_345),
        ("0xff", 255),
        ("balanceOf($WALLET)", 555),
        ("own+2", 9),
    ],
)
def test_every_word_for_a_number_is_read_in_base_units(said: Any, meant: int) -> None:
    assert amount_in(transaction(FACTS, supply(said)).data) == meant


@pytest.mark.parametrize("said", [{"units": ["a lot", "$USDC"]}, {"later": 3}, "all of it", True, {"max": "uint7"}])
def test_a_number_in_unknown_words_fails_the_case(said: Any) -> None:
    with pytest.raises(Unrealised):
        transaction(FACTS, supply(said))


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**16 - 1))
def test_calldata_decodes_to_what_was_said(amount: int, referral: int) -> None:
    arguments = {"asset": "$USDC", "amount": str(amount), "onBehalfOf": "$WALLET", "referralCode": str(referral)}
    data = calldata(FACTS, {"sig": SUPPLY, "args": arguments}, AT["$AAVE_POOL"])
    assert decode(["address", "uint256", "address", "uint16"], data[4:]) == (AT["$USDC"], amount, AT["$WALLET"], referral)


def test_a_function_with_an_argument_too_few_fails_the_case() -> None:
    with pytest.raises(Unrealised, match="takes 4"):
        calldata(FACTS, {"sig": SUPPLY, "args": {"asset": "$USDC"}}, AT["$AAVE_POOL"])


def test_bytes_are_damaged_exactly_as_the_case_says() -> None:
    whole = transaction(FACTS, supply()).data
    assert transaction(FACTS, supply(calldata_suffix="0x01")).data == whole + b"\x01"
    assert transaction(FACTS, supply(calldata_truncate_bytes=4)).data == whole[:-4]
    dirty = transaction(FACTS, supply(patch_word={"arg": "onBehalfOf", "upper_12_bytes": "0x01"})).data
    assert dirty[4 + 64 : 4 + 76] == b"\x00" * 11 + b"\x01"
    assert dirty[:68] + dirty[80:] == whole[:68] + whole[80:]


@pytest.mark.parametrize(
    "patch", [{"arg": "nobody", "upper_12_bytes": "0x01"}, {"arg": "amount", "twist": "1"}, {"arg": "amount"}]
)
def test_a_damage_in_unknown_words_fails_the_case(patch: dict[str, Any]) -> None:
    with pytest.raises(Unrealised):
        transaction(FACTS, supply(patch_word=patch))


def test_an_address_is_written_in_the_case_that_is_asked_for() -> None:
    lower = transaction(FACTS, supply() | {"to": "lower($AAVE_POOL)"}).fields["to"]
    swapped = transaction(FACTS, supply() | {"to": "swapcase($AAVE_POOL)"}).fields["to"]
    assert lower == AT["$AAVE_POOL"]
    assert isinstance(swapped, str)
    assert swapped != lower and swapped.lower() == lower


def test_a_field_that_is_null_is_left_out_and_others_are_hexadecimal() -> None:
    fields = transaction(FACTS, supply(type="0x0", gasPrice="5000000000", chainId=None)).fields
    assert "chainId" not in fields
    assert fields["gasPrice"] == hex(5 * 10**9)


def test_paths_and_inner_calls_are_packed_as_contracts_read_them() -> None:
    path = {"path": ["$USDC", "3000", "$AAVE_POOL"], "recipient": "$WALLET", "amountIn": "1", "amountOutMinimum": "2"}
    inner = {"call": {"sig": "exactInput((bytes,address,uint256,uint256))", "args": {"params": path}}}
    outer = {"sig": "multicall(uint256,bytes[])", "args": {"deadline": "9", "data": [inner]}}
    deadline, (packed,) = decode(["uint256", "bytes[]"], calldata(FACTS, outer, AT["$ROUTER"])[4:])
    ((route, *_),) = decode(["(bytes,address,uint256,uint256)"], packed[4:])
    assert deadline == 9
    assert route.hex() == AT["$USDC"][2:] + "000bb8" + AT["$AAVE_POOL"][2:]


def test_what_a_call_would_pull_is_found_also_inside_others() -> None:
    assert transaction(FACTS, supply()).takes == ((AT["$USDC"], AT["$AAVE_POOL"], 1_000 * 10**6),)
    pulled = {"from": "$WALLET", "to": "$AAVE_POOL", "amount": "5"}
    inner = {"operation": "0", "to": "$USDC", "call": {"sig": "transferFrom(address,address,uint256)", "args": pulled}}
    batch = {"to": "$ROUTER", "call": {"sig": "multiSend(bytes)", "args": {"transactions": [inner]}}}
    assert transaction(FACTS, batch).takes == ((AT["$USDC"], AT["$ROUTER"], 5),)
    assert transaction(FACTS, {"to": "$USDC", "data": "0x"}).takes == ()


def test_calldata_built_by_hand_is_a_selector_or_hex_and_nothing_vaguer() -> None:
    assert hand_built(FACTS, "selector of transfer(address,uint256), no arguments").hex() == "a9059cbb"
    assert hand_built(FACTS, "0xa9059cbb00").hex() == "a9059cbb00"
    with pytest.raises(Unrealised):
        hand_built(FACTS, "something nasty")

"""Calldata words against eth_abi, the independent implementation."""

import contextlib

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from strategies.protocols import aave_v3, erc20, recorded_index
from strategies.protocols.adapter import ADDRESS, UINT16, UINT256, Function, Uint

ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
EVERYTHING = Function("12345678", ADDRESS, UINT256, UINT16, ADDRESS)
TYPES = ["address", "uint256", "uint16", "address"]
ARGUMENTS = st.tuples(ADDRESSES, st.integers(0, 2**256 - 1), st.integers(0, 2**16 - 1), ADDRESSES)
SIGNATURES = {
    "balanceOf(address)": erc20.BALANCE_OF,
    "allowance(address,address)": erc20.ALLOWANCE,
    "approve(address,uint256)": erc20.APPROVE,
    "transfer(address,uint256)": erc20.TRANSFER,
    "getEthBalance(address)": erc20.GET_ETH_BALANCE,
    "POOL_REVISION()": aave_v3.POOL_REVISION,
    "getReserveData(address)": aave_v3.GET_RESERVE_DATA,
    "getVirtualUnderlyingBalance(address)": aave_v3.GET_VIRTUAL_UNDERLYING_BALANCE,
    "getReserveDeficit(address)": aave_v3.GET_RESERVE_DEFICIT,
    "getUserConfiguration(address)": aave_v3.GET_USER_CONFIGURATION,
    "getUserEMode(address)": aave_v3.GET_USER_EMODE,
    "scaledTotalSupply()": aave_v3.SCALED_TOTAL_SUPPLY,
    "scaledBalanceOf(address)": aave_v3.SCALED_BALANCE_OF,
    "totalSupply()": aave_v3.TOTAL_SUPPLY,
    "getAssetPrice(address)": aave_v3.GET_ASSET_PRICE,
    "BASE_CURRENCY_UNIT()": aave_v3.BASE_CURRENCY_UNIT,
    "getInterestRateDataBps(address)": aave_v3.GET_INTEREST_RATE_DATA_BPS,
    "OPTIMAL_USAGE_RATIO()": aave_v3.CURVE_GETTERS[0],
    "getBaseVariableBorrowRate()": aave_v3.CURVE_GETTERS[1],
    "getVariableRateSlope1()": aave_v3.CURVE_GETTERS[2],
    "getVariableRateSlope2()": aave_v3.CURVE_GETTERS[3],
    "supply(address,uint256,address,uint16)": aave_v3.SUPPLY,
    "withdraw(address,uint256,address)": aave_v3.WITHDRAW,
    "borrow(address,uint256,uint256,uint16,address)": aave_v3.BORROW,
    "repay(address,uint256,uint256,address)": aave_v3.REPAY,
    "supply(address,uint256,address)": recorded_index.SUPPLY,
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_every_pinned_selector_and_argument_list_is_that_of_its_signature(signature: str) -> None:
    function = SIGNATURES[signature]
    assert function.selector == keccak(text=signature)[:4]
    named = {"address": ADDRESS, "uint256": UINT256, "uint16": UINT16}
    inner = signature[signature.index("(") + 1 : -1]
    assert list(function.kinds) == [named[kind] for kind in inner.split(",") if kind]


def test_event_topics_are_those_of_their_signatures() -> None:
    assert keccak(text="Transfer(address,address,uint256)") == erc20.TRANSFER_TOPIC
    assert keccak(text="Approval(address,address,uint256)") == erc20.APPROVAL_TOPIC


@given(ARGUMENTS)
def test_encodes_as_eth_abi_does(arguments: tuple[str, int, int, str]) -> None:
    assert EVERYTHING.encode(*arguments) == EVERYTHING.selector + encode(TYPES, arguments)


@given(ARGUMENTS)
def test_decodes_what_eth_abi_encoded(arguments: tuple[str, int, int, str]) -> None:
    data = EVERYTHING.selector + encode(TYPES, arguments)
    assert EVERYTHING.decode(data) == arguments == decode(TYPES, data[4:])


@given(ARGUMENTS, st.integers(0, 4 + 4 * 32 - 1), st.integers(1, 255))
def test_no_two_calldata_have_one_meaning(arguments: tuple[str, int, int, str], at: int, flip: int) -> None:
    data = bytearray(EVERYTHING.encode(*arguments))
    data[at] ^= flip
    with contextlib.suppress(ValueError):
        assert EVERYTHING.decode(bytes(data)) != arguments


@given(ARGUMENTS, st.binary(min_size=1, max_size=40))
def test_refuses_a_longer_and_a_shorter_tail(arguments: tuple[str, int, int, str], tail: bytes) -> None:
    data = EVERYTHING.encode(*arguments)
    for wrong in (data + tail, data[: -len(tail)]):
        with pytest.raises(ValueError, match="not this function"):
            EVERYTHING.decode(wrong)


@pytest.mark.parametrize("value", [-1, 2**16, "1", "0x1"])
def test_refuses_what_a_uint16_cannot_carry(value: int | str) -> None:
    with pytest.raises(ValueError, match="is no uint16"):
        UINT16.pack(value)


@pytest.mark.parametrize("value", [7, "0x12", "be" * 21, "0x" + "be be" * 8, "0x" + "zz" * 20])
def test_refuses_what_is_no_address(value: int | str) -> None:
    with pytest.raises(ValueError, match=r"is no address|non-hexadecimal"):
        ADDRESS.pack(value)


def test_refuses_dirty_words() -> None:
    for kind in (ADDRESS, Uint(160)):
        with pytest.raises(ValueError, match="is no"):
            kind.unpack(b"\x01" + bytes(31))


def test_refuses_too_few_arguments() -> None:
    with pytest.raises(ValueError, match="shorter"):
        EVERYTHING.encode("0x" + "be" * 20)


def test_a_call_that_is_remembered_lends_its_bytes_to_no_other_kind_of_value() -> None:
    """1, 1.0 and True are one key to a dictionary; only the first two digits of a word tell them apart."""
    function = Function("8b2a4df5", UINT256)
    assert function.encode(1) == function.encode(1) == bytes.fromhex("8b2a4df5") + (1).to_bytes(32, "big")
    with pytest.raises(ValueError, match="no uint256"):
        function.encode(1.0)  # type: ignore[arg-type]
    assert Function("69328dec", UINT256).encode(1)[:4] == bytes.fromhex("69328dec")
    for value in ([1], set[int](), bytearray(32)):
        with pytest.raises(ValueError, match="unhashable"):
            function.encode(value)  # type: ignore[arg-type]


@given(st.binary(min_size=20, max_size=20), st.binary(min_size=12, max_size=12))
def test_an_address_that_is_remembered_is_still_refused_with_dirt_before_it(address: bytes, dirt: bytes) -> None:
    text = "0x" + address.hex()
    assert ADDRESS.unpack(ADDRESS.pack(text)) == text == ADDRESS.unpack(bytearray(ADDRESS.pack(text)))  # type: ignore[arg-type]
    if any(dirt):
        with pytest.raises(ValueError, match="no address"):
            ADDRESS.unpack(dirt + address)

"""Tokens: reads, exact approvals, and what events and bytes are taken to mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import NATIVE, Amount, Approve, Asset, Revoke, Transfer
from strategies.errors import IncompleteRead, UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, Call
from tests.strategies.protocols.cases import ACCOUNT, CHAIN, DAI, STRANGER, USDC

ETHER = Asset(CHAIN, NATIVE, "ETH", 18)
ASSETS = (USDC, DAI, ETHER)
MULTICALL = "0x" + "ca" * 20
AMOUNTS = st.integers(1, 2**256 - 1)
TOPICS = (erc20.TRANSFER_TOPIC, ADDRESS.pack(ACCOUNT), ADDRESS.pack(STRANGER))


def test_asks_a_token_for_a_balance_and_multicall_for_the_native_coin() -> None:
    assert erc20.balance_read(USDC, ACCOUNT, MULTICALL) == Call(USDC.address, erc20.BALANCE_OF.encode(ACCOUNT))
    assert erc20.balance_read(ETHER, ACCOUNT, MULTICALL) == Call(MULTICALL, erc20.GET_ETH_BALANCE.encode(ACCOUNT))


def test_asks_for_an_allowance() -> None:
    asked = erc20.allowance_read(USDC.address, ACCOUNT, STRANGER)
    assert asked == Call(USDC.address, erc20.ALLOWANCE.encode(ACCOUNT, STRANGER))


def test_reads_an_amount_of_one_word() -> None:
    assert erc20.read_amount((7).to_bytes(32, "big"), "a balance") == 7


@pytest.mark.parametrize("answer", [b"", bytes(31), bytes(64)])
def test_refuses_an_amount_of_any_other_length(answer: bytes) -> None:
    with pytest.raises(IncompleteRead, match="a balance"):
        erc20.read_amount(answer, "a balance")


@given(AMOUNTS)
def test_reads_back_every_action_it_writes(raw: int) -> None:
    amount = Amount(USDC, raw)
    for action in (Approve(amount, STRANGER), Revoke(USDC, STRANGER), Transfer(amount, STRANGER)):
        assert erc20.parse(erc20.encode(action), ASSETS) == action


def test_refuses_to_approve_nothing_because_that_is_a_revocation() -> None:
    with pytest.raises(UnknownCall, match="Revoke"):
        erc20.encode(Approve(Amount(USDC, 0), STRANGER))


def test_refuses_to_write_a_token_call_to_the_native_coin() -> None:
    with pytest.raises(UnknownCall, match="native"):
        erc20.encode(Transfer(Amount(ETHER, 1), STRANGER))


@pytest.mark.parametrize("raw", [-1, 2**256])
def test_refuses_to_write_an_amount_no_word_carries(raw: int) -> None:
    with pytest.raises(UnknownCall, match="is no uint256"):
        erc20.encode(Transfer(Amount(USDC, raw), STRANGER))


def test_refuses_to_write_to_what_is_no_address() -> None:
    with pytest.raises(UnknownCall, match="is no address"):
        erc20.encode(Revoke(USDC, "vitalik.eth"))


def test_reads_nothing_from_a_token_it_was_not_told_of() -> None:
    assert erc20.parse(erc20.encode(Transfer(Amount(USDC, 1), STRANGER)), (DAI, ETHER)) is None


def test_reads_nothing_from_a_call_that_carries_value() -> None:
    call = erc20.encode(Revoke(USDC, STRANGER))
    assert erc20.parse(Call(call.target, call.data, 1), ASSETS) is None


def test_reads_nothing_from_a_native_transfer() -> None:
    assert erc20.parse(Call(STRANGER, b"", 10**18), ASSETS) is None
    assert erc20.parse(Call(NATIVE, erc20.TRANSFER.encode(STRANGER, 1)), ASSETS) is None


def test_reads_a_transfer_event() -> None:
    assert erc20.decode_transfer(TOPICS, (5).to_bytes(32, "big")) == (ACCOUNT, STRANGER, 5)


def test_reads_an_approval_event() -> None:
    topics = (erc20.APPROVAL_TOPIC, *TOPICS[1:])
    assert erc20.decode_approval(topics, bytes(32)) == (ACCOUNT, STRANGER, 0)
    assert erc20.decode_transfer(topics, bytes(32)) is None


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ((), bytes(32)),
        (TOPICS[:2], bytes(32)),
        ((*TOPICS, bytes(32)), b""),  # ERC-721: the third topic is an identifier
        (TOPICS, bytes(31)),
        (TOPICS, bytes(64)),
        ((TOPICS[0], b"\x01" + bytes(31), TOPICS[2]), bytes(32)),
    ],
)
def test_reads_nothing_from_an_event_of_another_shape(topics: tuple[bytes, ...], data: bytes) -> None:
    assert erc20.decode_transfer(topics, data) is None

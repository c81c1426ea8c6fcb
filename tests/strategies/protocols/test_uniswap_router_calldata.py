"""The router's bytes: as the ABI's own encoder writes them, and nothing else is read, by one byte."""

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.domain import Payout, Swap, SwapFor
from strategies.protocols.adapter import ADDRESS, UINT256, Call
from strategies.protocols.uniswap_router import Trade
from strategies.protocols.uniswap_router.calldata import EXACT_INPUT_SINGLE, ITSELF, MULTICALL, UNWRAP, multicall, opened, swap_of
from tests.strategies.protocols.cases import ACCOUNT, STRANGER, USDC
from tests.strategies.protocols.uniswap_router_case import (
    ADAPTER,
    DAI_POOL,
    ETHER_POOL,
    LATER,
    POOLS,
    ROUTER,
    WETH,
    dai,
    ether,
    trades,
    usdc,
    weth,
)

PATHS = (
    Swap(ETHER_POOL, weth(5_000), dai(1_000), LATER, (DAI_POOL,)),
    Swap(DAI_POOL, dai(5_000), ether(1_000), LATER, (ETHER_POOL,)),
    Swap(DAI_POOL, dai(5_000), weth(1_000), LATER, (ETHER_POOL,), Payout.SWEPT),
)
TRADES = [trade for trade in (*trades(ETHER_POOL, 7_000), *PATHS) if isinstance(trade, Swap | SwapFor)]
SINGLE = "(address,address,uint24,address,uint256,uint256,uint160)"
MSG_SENDER = "0x" + "1".rjust(40, "0")


def of(signature: str, *arguments: object) -> bytes:
    """A call as the ABI's own encoder writes it."""
    types = signature[signature.index("(") + 1 : -1]
    kinds = [types] if types.startswith("(") else [kind for kind in types.split(",") if kind]
    return keccak(text=signature)[:4] + encode(kinds, arguments)


def single(recipient: str = ACCOUNT, **other: object) -> bytes:
    words = {
        "one": USDC.address,
        "two": WETH.address,
        "fee": 500,
        "to": recipient,
        "given": 7_000,
        "least": 7,
        "limit": 0,
    } | other
    return of(f"exactInputSingle({SINGLE})", tuple(words.values()))


def wrapped(*inside: bytes, deadline: int = LATER) -> bytes:
    return of("multicall(uint256,bytes[])", deadline, list(inside))


def read(data: bytes, value_wei: int = 0) -> object:
    return ADAPTER.parse(Call(ROUTER, data, value_wei), ACCOUNT, POOLS)


def call_of(trade: Trade) -> Call:
    (call,) = [call for call in ADAPTER.encode(trade, ACCOUNT) if call.target == ROUTER]
    return call


def test_writes_what_the_abi_encoder_writes() -> None:
    assert call_of(Swap(ETHER_POOL, usdc(7_000), weth(7), LATER)).data == wrapped(single())
    exact = of(f"exactOutputSingle({SINGLE})", (USDC.address, WETH.address, 500, ACCOUNT, 7, 7_000, 0))
    assert call_of(SwapFor(ETHER_POOL, usdc(7_000), weth(7), LATER)).data == wrapped(exact)
    path = b"".join([bytes.fromhex(part) for part in (WETH.address[2:], "0001f4", USDC.address[2:], "000bb8", "da" * 20)])
    through = of("exactInput((bytes,address,uint256,uint256))", (path, ACCOUNT, 5_000, 1_000))
    assert call_of(PATHS[0]).data == wrapped(through)


def test_pays_out_to_the_account_what_the_router_was_paid_and_back_what_went_along() -> None:
    pays = of("unwrapWETH9(uint256,address)", 7, ACCOUNT)
    assert call_of(Swap(ETHER_POOL, usdc(7_000), ether(7), LATER)).data == wrapped(single(ITSELF), pays)
    sweeps = of("sweepToken(address,uint256,address)", WETH.address, 7, ACCOUNT)
    assert call_of(Swap(ETHER_POOL, usdc(7_000), weth(7), LATER, (), Payout.SWEPT)).data == wrapped(single(ITSELF), sweeps)
    exact = of(f"exactOutputSingle({SINGLE})", (WETH.address, USDC.address, 500, ACCOUNT, 7, 7_000, 0))
    call = call_of(SwapFor(ETHER_POOL, ether(7_000), usdc(7), LATER))
    assert (call.data, call.value_wei) == (wrapped(exact, of("refundETH()")), 7_000)


@pytest.mark.parametrize("trade", TRADES, ids=str)
def test_reads_back_what_it_wrote(trade: Trade) -> None:
    call = call_of(trade)
    assert ADAPTER.parse(call, ACCOUNT, POOLS) == trade
    assert ADAPTER.parse(replace(call, target=STRANGER), ACCOUNT, POOLS) is None
    assert ADAPTER.parse(call, STRANGER, POOLS) is None


@settings(max_examples=400)
@given(data=st.data(), trade=st.sampled_from(TRADES))
def test_a_changed_byte_is_refused_or_is_another_trade_that_is_written_so(data: st.DataObject, trade: Trade) -> None:
    call = call_of(trade)
    changed = bytearray(call.data)
    changed[data.draw(st.integers(0, len(call.data) - 1))] ^= data.draw(st.integers(1, 255))
    found = ADAPTER.parse(replace(call, data=bytes(changed)), ACCOUNT, POOLS)
    assert found != trade
    assert found is None or (isinstance(found, Swap | SwapFor) and call_of(found).data == bytes(changed))


@settings(max_examples=200)
@given(data=st.data(), trade=st.sampled_from(TRADES), words=st.integers(-3, 3))
def test_a_word_put_in_or_taken_out_anywhere_is_refused(data: st.DataObject, trade: Trade, words: int) -> None:
    call = call_of(trade)
    at = 4 + 32 * data.draw(st.integers(0, (len(call.data) - 4) // 32))
    for changed in (
        call.data[:at] + bytes(32 * max(words, 1)) + call.data[at:],
        call.data[:at] + call.data[at + 32 * max(words, 1) :],
    ):
        assert changed == call.data or ADAPTER.parse(replace(call, data=changed), ACCOUNT, POOLS) != trade


@pytest.mark.parametrize("tail", [b"\x00", bytes(32), b"\x01" * 32, bytes(1_000)])
def test_bytes_behind_it_are_refused(tail: bytes) -> None:
    assert read(wrapped(single()) + tail) is None


@pytest.mark.parametrize("recipient", [STRANGER, "0x" + "00" * 20, MSG_SENDER, ITSELF, ROUTER, WETH.address])
def test_every_recipient_but_the_account_is_refused(recipient: str) -> None:
    assert read(wrapped(single())) is not None
    assert read(wrapped(single(recipient))) is None


def test_what_pays_out_elsewhere_less_or_twice_is_refused() -> None:
    to_us, to_router = single(), single(ITSELF)
    unwraps = of("unwrapWETH9(uint256,address)", 7, ACCOUNT)
    sweeps = of("sweepToken(address,uint256,address)", WETH.address, 7, ACCOUNT)
    assert read(wrapped(to_router, unwraps)) is not None
    assert read(wrapped(to_router, sweeps)) is not None
    for inside in (
        (to_router, of("unwrapWETH9(uint256,address)", 7, STRANGER)),
        (to_router, of("unwrapWETH9(uint256,address)", 7, MSG_SENDER)),
        (to_router, of("unwrapWETH9(uint256,address)", 6, ACCOUNT)),
        (to_router, of("unwrapWETH9(uint256)", 7)),
        (to_us, sweeps),
        (to_router, of("sweepToken(address,uint256,address)", USDC.address, 7, ACCOUNT)),
        (to_router, of("sweepToken(address,uint256,address)", WETH.address, 6, ACCOUNT)),
        (to_router, of("sweepToken(address,uint256,address)", WETH.address, 7, STRANGER)),
        (to_router, unwraps, unwraps),
        (to_router, unwraps, sweeps),
        (to_router, sweeps, unwraps),
        (to_router,),
        (to_us, unwraps),
        (to_us, to_us),
        (to_us, of("refundETH()")),
        (unwraps,),
        (unwraps, to_router),
        (),
    ):
        assert read(wrapped(*inside)) is None


def test_a_multicall_inside_a_multicall_and_a_call_without_a_deadline_are_refused() -> None:
    swap = single()
    for data in (
        wrapped(wrapped(swap)),
        wrapped(of("multicall(bytes[])", [swap])),
        of("multicall(bytes[])", [swap]),
        of("multicall(bytes32,bytes[])", bytes(32), [swap]),
        swap,
        b"",
        swap[:4],
    ):
        assert read(data) is None


@pytest.mark.parametrize(
    "other",
    [
        {"given": 0},
        {"fee": 100},
        {"one": STRANGER},
        {"two": STRANGER},
        {"two": USDC.address},
        {"limit": 1},
        {"limit": 2**160 - 1},
    ],
    ids=str,
)
def test_another_token_pool_or_price_limit_and_an_amount_of_nothing_are_refused(other: dict[str, object]) -> None:
    assert read(wrapped(single(ACCOUNT, **other))) is None


def test_a_path_of_one_pool_and_one_through_a_strange_token_are_refused() -> None:
    def through(*parts: str) -> bytes:
        path = b"".join([bytes.fromhex(part) for part in parts])
        return wrapped(of("exactInput((bytes,address,uint256,uint256))", (path, ACCOUNT, 5_000, 1_000)))

    weth_, usdc_, dai_, evil = WETH.address[2:], USDC.address[2:], "da" * 20, "99" * 20
    assert read(through(weth_, "0001f4", usdc_, "000bb8", dai_)) is not None
    for parts in (
        (weth_, "0001f4", usdc_),  # the single function's to write
        (weth_, "000bb8", evil, "000bb8", dai_),
        (weth_, "0001f4", usdc_, "0001f4", weth_),
        (weth_, "0001f4", usdc_, "0001f4", dai_),
        (weth_, "0001f4", usdc_, "000bb8", dai_, "00"),
        (weth_, "0001f4", usdc_, "000bb8"),
        (weth_,),
        (),
    ):
        assert read(through(*parts)) is None


def test_offsets_that_lead_elsewhere_are_refused_even_where_they_lead_to_the_same_bytes() -> None:
    swap = single()
    tail = UINT256.pack(len(swap)) + swap + bytes(-len(swap) % 32)
    head = bytes.fromhex("5ae401dc") + UINT256.pack(LATER)
    assert head + UINT256.pack(64) + UINT256.pack(1) + UINT256.pack(32) + tail == wrapped(swap)
    shifted = head + UINT256.pack(96) + bytes(32) + UINT256.pack(1) + UINT256.pack(32) + tail
    gap = head + UINT256.pack(64) + UINT256.pack(1) + UINT256.pack(64) + bytes(32) + tail
    for data in (shifted, gap):
        assert opened(data) == (LATER, (swap,))  # the contract's decoder would find the same call
        assert read(data) is None


@pytest.mark.parametrize("count", [0, 2, 2**255])
def test_a_count_of_calls_that_are_not_there_is_refused(count: int) -> None:
    data = bytes.fromhex("5ae401dc") + UINT256.pack(LATER) + UINT256.pack(64) + UINT256.pack(count) + UINT256.pack(2**255)
    with pytest.raises(ValueError, match=r"calls inside|ends before"):
        opened(data)


@given(deadline=st.integers(0, 2**256 - 1), inside=st.lists(st.binary(max_size=80), min_size=1, max_size=4))
def test_opening_undoes_writing(deadline: int, inside: list[bytes]) -> None:
    data = multicall(deadline, inside)
    assert data == wrapped(*inside, deadline=deadline)
    assert opened(data) == (deadline, tuple(inside))


def test_a_swap_with_a_dirty_word_is_no_swap() -> None:
    data = bytearray(single())
    assert swap_of(bytes(data)).recipient == ACCOUNT
    data[4 + 3 * 32] = 1
    with pytest.raises(ValueError, match="no address"):
        swap_of(bytes(data))
    with pytest.raises(ValueError, match="not this function"):
        swap_of(UNWRAP.encode(7, ACCOUNT))
    assert swap_of(EXACT_INPUT_SINGLE.encode(USDC.address, WETH.address, 500, ACCOUNT, 1, 2, 3)).price_limit_x96 == 3
    assert ADDRESS.pack(ITSELF)[-1] == 2


def test_bytes_that_stand_for_thousands_of_calls_are_not_opened() -> None:
    count, blob = 1_000, bytes(1_000_000)
    offsets = UINT256.pack(32 * count) * count
    data = MULTICALL.encode(LATER, 64) + UINT256.pack(count) + offsets + UINT256.pack(len(blob)) + blob
    with pytest.raises(ValueError, match="one place holds several"):
        opened(data)

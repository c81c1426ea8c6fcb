"""Why a call to the router is not read: every flaw by its rule, inside of multicalls too, what a stranger would get first."""

from dataclasses import replace

import pytest

from strategies.domain import Amount, Deployment, Payout, Swap, SwapFor, Unwrap, Wrap
from strategies.protocols.adapter import UINT256, Call
from strategies.protocols.registry import encode, parse
from strategies.protocols.uniswap_router import Trade
from tests.strategies.protocols.cases import DAI, USDC
from tests.strategies.protocols.test_uniswap_router_calldata import MSG_SENDER, SINGLE, of, single, wrapped
from tests.strategies.protocols.uniswap_router_case import (
    DAI_POOL,
    ETHER,
    ETHER_POOL,
    LATER,
    POOLS,
    ROUTER,
    WETH,
    WRAPPED,
    dai,
    ether,
    usdc,
    weth,
)
from tests.wallets.cases import STRANGER
from tests.worlds import ACCOUNT
from wallets import unreadable

DEPLOYMENT = Deployment(31_337, "tests", "0x" + "ca" * 20, (USDC, DAI, WETH, ETHER), (*POOLS, WRAPPED), {})
ITSELF = "0x" + "2".rjust(40, "0")
SWEEP, UNWRAP = "sweepToken(address,uint256,address)", "unwrapWETH9(uint256,address)"
EVIL = "0x" + "99" * 20


def found(data: bytes, value_wei: int = 0, target: str = ROUTER) -> list[tuple[str, str]]:
    call = Call(target, data, value_wei)
    assert parse(call, ACCOUNT, DEPLOYMENT) is None
    return [(reason.rule, reason.text) for reason in unreadable.reasons(3, call, ACCOUNT, DEPLOYMENT)]


def rules(data: bytes, value_wei: int = 0) -> list[str]:
    return [rule for rule, _ in found(data, value_wei)]


def call_of(trade: Trade) -> Call:
    return next(call for call in encode(trade, ACCOUNT) if call.target == ROUTER)


@pytest.mark.parametrize("recipient", [STRANGER, "0x" + "00" * 20, MSG_SENDER, ROUTER, WETH.address])
def test_names_the_stranger_that_a_swap_pays(recipient: str) -> None:
    ((rule, text),) = found(wrapped(single(recipient)))
    assert rule == "beneficiary"
    assert text.startswith("call 3 (0x5ae401dc of ")
    assert f"call 0 inside (0x04e45aaf) pays {recipient}; it must pay the wallet, {ACCOUNT}" in text


@pytest.mark.parametrize(
    "trade",
    [
        Swap(ETHER_POOL, weth(5_000), dai(1), LATER, (DAI_POOL,)),
        SwapFor(ETHER_POOL, usdc(7), weth(5), LATER),
        Swap(ETHER_POOL, usdc(7), ether(5), LATER),
        Swap(ETHER_POOL, usdc(7), weth(5), LATER, (), Payout.SWEPT),
    ],
    ids=str,
)
def test_names_the_stranger_of_every_kind_of_trade(trade: Trade) -> None:
    theirs = next(call for call in encode(trade, STRANGER) if call.target == ROUTER)
    assert rules(theirs.data) == ["beneficiary"]


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ((single(ITSELF), of(SWEEP, WETH.address, 7, STRANGER)), f"call 1 inside (0xdf2ab5bb) pays {STRANGER}"),
        ((single(ITSELF), of(UNWRAP, 7, STRANGER)), f"call 1 inside (0x49404b7c) pays {STRANGER}"),
        ((single(ITSELF),), "leaves what it buys with the router"),
        ((single(ITSELF), of(SWEEP, USDC.address, 7, ACCOUNT)), "leaves what it buys with the router"),
        ((single(), of(SWEEP, WETH.address, 0, STRANGER)), f"call 1 inside (0xdf2ab5bb) pays {STRANGER}"),
    ],
)
def test_names_who_would_get_what_the_router_is_left_with(inside: tuple[bytes, ...], said: str) -> None:
    rule, text = found(wrapped(*inside))[0]
    assert (rule, said in text) == ("beneficiary", True), text


def test_opens_multicalls_in_multicalls_and_those_without_a_deadline() -> None:
    hidden = of("multicall(bytes[])", [single(ITSELF), of(SWEEP, WETH.address, 7, STRANGER)])
    assert rules(wrapped(hidden))[:2] == ["beneficiary", "selector"]
    assert rules(wrapped(wrapped(wrapped(single(STRANGER)))))[0] == "beneficiary"
    assert rules(hidden) == ["beneficiary", "selector", "deadline"]
    assert rules(of("multicall(bytes32,bytes[])", bytes(32), [single(STRANGER)])) == ["beneficiary", "selector", "deadline"]
    assert rules(single(STRANGER)) == ["beneficiary", "selector", "deadline"]
    deep = single(STRANGER)
    for _ in range(9):
        deep = wrapped(deep)
    assert "selector" in rules(deep)


def test_a_swap_for_the_wallet_without_a_deadline_lacks_just_that() -> None:
    for data in (single(), of("multicall(bytes[])", [single()]), of("multicall(bytes32,bytes[])", bytes(32), [single()])):
        assert rules(data) == ["selector", "deadline"]


@pytest.mark.parametrize(
    "inner",
    [
        of("selfPermit(address,uint256,uint256,uint8,bytes32,bytes32)", USDC.address, 1, 2, 27, bytes(32), bytes(32)),
        of("exactOutput((bytes,address,uint256,uint256))", (bytes(43), ACCOUNT, 1, 1)),
        of("swapExactTokensForTokens(uint256,uint256,address[],address)", 1, 1, [USDC.address, WETH.address], ACCOUNT),
        of("unwrapWETH9(uint256)", 7),
        of("approveMax(address)", STRANGER),
        b"",
    ],
)
def test_names_a_function_inside_that_is_not_used(inner: bytes) -> None:
    assert "selector" in rules(wrapped(single(), inner))
    assert "selector" in rules(wrapped(inner))
    assert rules(inner)[0] == "selector"


def test_names_tokens_and_pools_that_are_not_listed() -> None:
    ((rule, text),) = found(wrapped(single(one=EVIL)))
    assert (rule, EVIL in text) == ("asset", True)
    ((rule, text),) = found(wrapped(single(fee=10_000)))
    assert (rule, "at a fee of 10000: no listed market is that pool" in text) == ("asset", True)
    path = b"".join([bytes.fromhex(part) for part in (USDC.address[2:], "000bb8", EVIL[2:], "000bb8", WETH.address[2:])])
    through = of("exactInput((bytes,address,uint256,uint256))", (path, ACCOUNT, 3_000, 9))
    ((rule, text),) = found(wrapped(through))
    assert (rule, f"trades {EVIL}, which is no listed asset" in text) == ("asset", True)
    assert rules(wrapped(single(ITSELF), of(SWEEP, EVIL, 7, ACCOUNT)))[:2] == ["beneficiary", "asset"]
    there_and_back = call_of(Swap(ETHER_POOL, weth(5), dai(1), LATER, (DAI_POOL,)))
    loop = there_and_back.data.replace(bytes.fromhex(DAI.address[2:]), bytes.fromhex(WETH.address[2:]))
    assert set(rules(loop)) == {"asset"}


def test_names_a_value_that_the_trade_does_not_take() -> None:
    paid = call_of(Swap(ETHER_POOL, ether(7_000), usdc(7), LATER))
    exact = call_of(SwapFor(ETHER_POOL, ether(7_000), usdc(7), LATER))
    for call in (paid, exact):
        ((rule, text),) = found(call.data, call.value_wei + 1)
        assert (rule, "it carries 7001 wei and must carry 7000" in text) == ("value", True)
    ((rule, text),) = found(wrapped(single()), 1)
    assert (rule, "must carry none" in text) == ("value", True)
    assert "value" in rules(b"", 5)


def test_an_exact_output_may_not_carry_what_it_gets_for_what_it_gives() -> None:
    exact = call_of(SwapFor(ETHER_POOL, ether(7_000), usdc(7), LATER))
    assert "value" in rules(exact.data, 7)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (wrapped(single()) + bytes(32), "canonical way"),
        (wrapped(single())[:-60], "ends before it should"),
        (wrapped(), "0 calls inside"),
        (wrapped(single(), single()), "exactly one swap"),
        (wrapped(single(given=0)), "all that it holds itself"),
        (wrapped(single(limit=5)), "sets a price limit"),
        (wrapped(single(), of(SWEEP, WETH.address, 7, ACCOUNT)), "would pay again"),
        (wrapped(single(), of("refundETH()")), "canonical way"),
        (wrapped(single(ITSELF), of(SWEEP, WETH.address, 6, ACCOUNT)), "canonical way"),
        (
            wrapped(single()).replace(bytes(12) + bytes.fromhex(ACCOUNT[2:]), b"\x01" + bytes(11) + bytes.fromhex(ACCOUNT[2:])),
            "address",
        ),
        (wrapped(single(ITSELF), of(UNWRAP, 7, ACCOUNT) + b"\x00"), "not its length"),
    ],
)
def test_names_bytes_that_are_not_canonical(data: bytes, said: str) -> None:
    assert any(rule == "calldata" and said in text for rule, text in found(data)), found(data)


def test_a_path_of_one_pool_is_written_otherwise() -> None:
    path = b"".join([bytes.fromhex(part) for part in (USDC.address[2:], "0001f4", WETH.address[2:])])
    ((rule, text),) = found(wrapped(of("exactInput((bytes,address,uint256,uint256))", (path, ACCOUNT, 3_000, 9))))
    assert (rule, "path of one pool" in text) == ("calldata", True)


def test_every_single_byte_of_damage_is_named_and_the_undamaged_is_read() -> None:
    call = call_of(SwapFor(ETHER_POOL, usdc(7_000), weth(7), LATER))
    assert parse(call, ACCOUNT, DEPLOYMENT) is not None
    for at in range(len(call.data)):
        damaged = replace(call, data=call.data[:at] + bytes([call.data[at] ^ 0x40]) + call.data[at + 1 :])
        if parse(damaged, ACCOUNT, DEPLOYMENT) is None:
            assert unreadable.reasons(0, damaged, ACCOUNT, DEPLOYMENT)


@pytest.mark.parametrize(
    ("data", "value_wei", "rule"),
    [
        (bytes.fromhex("d0e30db0"), 0, "value"),
        (bytes.fromhex("d0e30db0") + bytes(32), 5, "calldata"),
        (b"", 5, "selector"),
        (bytes.fromhex("2e1a7d4d") + UINT256.pack(5), 1, "value"),
        (bytes.fromhex("2e1a7d4d") + UINT256.pack(0), 0, "calldata"),
        (bytes.fromhex("2e1a7d4d") + UINT256.pack(5) + b"\x00", 0, "calldata"),
        (bytes.fromhex("23b872dd") + bytes(96), 0, "selector"),
    ],
)
def test_names_what_is_wrong_with_wrapping(data: bytes, value_wei: int, rule: str) -> None:
    ((named, _),) = found(data, value_wei, WETH.address)
    assert named == rule


def test_wrapping_as_it_is_written_is_read() -> None:
    for action in (Wrap(WRAPPED, Amount(ETHER, 5)), Unwrap(WRAPPED, weth(5))):
        (call,) = encode(action, ACCOUNT)
        assert parse(call, ACCOUNT, DEPLOYMENT) == action


def test_a_recipient_of_an_exact_output_is_looked_at_too() -> None:
    data = of(f"exactOutputSingle({SINGLE})", (USDC.address, WETH.address, 500, STRANGER, 7, 7_000, 0))
    assert rules(wrapped(data)) == ["beneficiary"]

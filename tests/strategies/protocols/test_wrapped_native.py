"""Wrapping the chain's own coin: one for one, against the contract's own bytecode, and what is read by nobody."""

import math
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import send
from strategies.domain import Amount, Market, MarketAction, Position, Shares, Supply, Unwrap, Wrap
from strategies.errors import ActionRefused, IncompleteRead, InsufficientLiquidity, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import UINT256, Call
from strategies.protocols.wrapped_native import WrappedNative, Wrapping, decode_event
from strategies.units import MAX_UINT256
from tests.evm import Evm
from tests.strategies.protocols.cases import ACCOUNT, NOW
from tests.strategies.protocols.uniswap_router_case import ETHER, WETH, WRAPPED, WRAPPING, ether, usdc, weth

ADAPTER = WrappedNative()
HELD = Position(WRAPPED, 0)
DEPOSIT, WITHDRAW = bytes.fromhex("d0e30db0"), bytes.fromhex("2e1a7d4d")


def read(data: bytes, value_wei: int = 0) -> object:
    return ADAPTER.parse(Call(WETH.address, data, value_wei), ACCOUNT, (WRAPPED,))


def test_decodes_how_much_is_wrapped() -> None:
    assert ADAPTER.reads(WRAPPED) == (Call(WETH.address, bytes.fromhex("18160ddd")),)
    assert ADAPTER.decode(WRAPPED, [UINT256.pack(10**24)], NOW) == WRAPPING
    for said in ([], [bytes(31)], [bytes(32), bytes(32)]):
        with pytest.raises(IncompleteRead):
            ADAPTER.decode(WRAPPED, said, NOW)


@pytest.mark.parametrize(
    "market",
    [
        replace(WRAPPED, address=ACCOUNT),
        replace(WRAPPED, others=()),
        replace(WRAPPED, others=(WETH,)),
        replace(WRAPPED, others=(ETHER, WETH)),
        replace(WRAPPED, asset=ETHER),
    ],
    ids=str,
)
def test_a_market_of_anything_but_a_token_and_its_coin_is_refused(market: Market) -> None:
    with pytest.raises(UnsupportedState, match="native coin"):
        ADAPTER.decode(market, [bytes(32)], NOW)


def test_holds_nothing_and_is_no_place_to_earn() -> None:
    assert ADAPTER.holding_reads(WRAPPED, ACCOUNT) == ()
    assert ADAPTER.holding(WRAPPED, ()) == HELD
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(WRAPPED, (bytes(32),))
    assert math.isnan(ADAPTER.columns(WRAPPING).supply_apr)
    assert ADAPTER.columns(WRAPPING).supplied == 1_000_000.0
    assert ADAPTER.value_raw(WRAPPING, HELD) == ADAPTER.withdrawable_raw(WRAPPING) == ADAPTER.arrival_bound_raw == 0
    assert ADAPTER.price_usd_e8(WRAPPING) is None
    assert ADAPTER.everything(HELD) == Shares(0)
    assert ADAPTER.units(WRAPPED)[0] != WETH.address  # or the token would not count as idle
    assert ADAPTER.solvency(WRAPPING, HELD).collateral_usd_e8 == 0
    assert ADAPTER.accrue(WRAPPING, 9) == Wrapping(WRAPPED, NOW + 9, 10**24)


@given(wei=st.integers(1, 10**24))
def test_moves_one_for_one_and_back(wei: int) -> None:
    there = ADAPTER.apply(WRAPPING, HELD, Wrap(WRAPPED, ether(wei)))
    assert (there.moved_raw(ETHER), there.moved_raw(WETH)) == (-wei, wei)
    back = ADAPTER.apply(there.state, HELD, Unwrap(WRAPPED, weth(wei)))
    assert (back.moved_raw(ETHER), back.moved_raw(WETH)) == (wei, -wei)
    assert (back.state, back.held) == (WRAPPING, HELD)


def test_gives_back_all_that_is_wrapped_and_no_wei_more() -> None:
    assert ADAPTER.apply(WRAPPING, HELD, Unwrap(WRAPPED, weth(10**24))).state.total_wei == 0
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(WRAPPING, HELD, Unwrap(WRAPPED, weth(10**24 + 1)))


NEITHER: tuple[MarketAction, ...] = (
    Wrap(WRAPPED, weth(1)),
    Unwrap(WRAPPED, ether(1)),
    Wrap(WRAPPED, usdc(1)),
    Wrap(WRAPPED, ether(0)),
    Unwrap(WRAPPED, weth(0)),
    Unwrap(WRAPPED, weth(-1)),
    Wrap(WRAPPED, ether(MAX_UINT256 + 1)),
    Supply(WRAPPED, weth(1)),
    Wrap(replace(WRAPPED, others=()), ether(1)),
)


@pytest.mark.parametrize("action", NEITHER, ids=str)
def test_the_other_asset_and_nothing_at_all_are_neither_applied_nor_written(action: MarketAction) -> None:
    with pytest.raises(ActionRefused):
        ADAPTER.apply(WRAPPING, HELD, action)
    with pytest.raises(UnknownCall):
        ADAPTER.encode(action, ACCOUNT)


def test_another_market_and_what_it_has_no_gas_for_are_refused() -> None:
    with pytest.raises(ActionRefused):
        ADAPTER.apply(WRAPPING, HELD, Wrap(replace(WRAPPED, id="other"), ether(1)))
    with pytest.raises(UnknownCall):
        ADAPTER.gas(Supply(WRAPPED, weth(1)))


def test_a_deposit_carries_exactly_what_it_wraps_and_a_withdrawal_nothing() -> None:
    assert ADAPTER.encode(Wrap(WRAPPED, ether(7)), ACCOUNT) == (Call(WETH.address, DEPOSIT, 7),)
    assert ADAPTER.encode(Unwrap(WRAPPED, weth(7)), ACCOUNT) == (Call(WETH.address, WITHDRAW + UINT256.pack(7)),)
    assert read(DEPOSIT, 7) == Wrap(WRAPPED, ether(7))
    assert read(WITHDRAW + UINT256.pack(7)) == Unwrap(WRAPPED, weth(7))


@pytest.mark.parametrize(
    ("data", "value_wei"),
    [
        (DEPOSIT, 0),
        (b"", 7),  # its fallback would wrap too
        (DEPOSIT + bytes(32), 7),
        (DEPOSIT[:3], 7),
        (WITHDRAW + UINT256.pack(7), 1),
        (WITHDRAW + UINT256.pack(0), 0),
        (WITHDRAW + UINT256.pack(7) + b"\x00", 0),
        (WITHDRAW, 0),
    ],
)
def test_a_value_too_much_or_missing_and_an_unread_byte_are_refused(data: bytes, value_wei: int) -> None:
    assert read(data, value_wei) is None


DEPOSITED, WITHDRAWN = (keccak(text=f"{name}(address,uint256)") for name in ("Deposit", "Withdrawal"))
OWNER = bytes(12) + bytes.fromhex(ACCOUNT[2:])


def test_reads_its_own_events_and_whose_they_are() -> None:
    assert decode_event((DEPOSITED, OWNER), UINT256.pack(7)) == (ACCOUNT, 7)
    assert decode_event((WITHDRAWN, OWNER), UINT256.pack(7)) == (ACCOUNT, -7)


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ((erc20.TRANSFER_TOPIC, OWNER), bytes(32)),
        ((DEPOSITED, OWNER, OWNER), bytes(32)),
        ((DEPOSITED,), bytes(32)),
        ((), bytes(32)),
        ((DEPOSITED, OWNER), bytes(33)),
        ((DEPOSITED, b"\x01" + OWNER[1:]), bytes(32)),
    ],
)
def test_another_event_and_a_dirty_owner_are_none_of_its(topics: tuple[bytes, ...], data: bytes) -> None:
    assert decode_event(topics, data) is None


@pytest.mark.chain
def test_does_what_the_contract_does(evm: Evm) -> None:
    market, lender = evm.market("weth"), evm.actors["lender"]
    coin = market.others[0]
    evm.give_ether(lender, 10**20)
    state = ADAPTER.decode(market, evm.ask(ADAPTER.reads(market)), evm.timestamp)
    for action in (Wrap(market, Amount(coin, 3 * 10**18 + 1)), Unwrap(market, Amount(market.asset, 10**18 + 3))):
        before = evm.balances(lender, (market.asset, coin))
        done = ADAPTER.apply(state, Position(market, 0), action)
        (call,) = ADAPTER.encode(action, lender)
        assert evm.send(lender, call).succeeded
        after = evm.balances(lender, (market.asset, coin))
        token_raw = after[market.asset] - before[market.asset]
        assert token_raw == done.moved_raw(market.asset)
        assert after[coin] - before[coin] == done.moved_raw(coin) or isinstance(action, Wrap)  # the machine gives what is sent
        state = ADAPTER.decode(market, evm.ask(ADAPTER.reads(market)), evm.timestamp)
        assert state == done.state


@pytest.mark.chain
def test_refuses_where_the_contract_reverts(evm: Evm) -> None:
    market, lender = evm.market("weth"), evm.actors["lender"]
    (held_raw,) = evm.balances(lender, (market.asset,)).values()
    for raw, is_paid in ((held_raw, True), (1, False)):
        (call,) = ADAPTER.encode(Unwrap(market, Amount(market.asset, raw)), lender)
        assert evm.send(lender, call).succeeded is is_paid
    assert erc20.parse(call, (market.asset,)) is None


@pytest.mark.chain
def test_stays_within_its_gas_estimates() -> None:
    with Devnet.start() as devnet:
        account, token = devnet.actor("stranger"), devnet.token("WETH")
        for action in (
            Wrap(replace(WRAPPED, address=token), ether(10**18)),
            Unwrap(replace(WRAPPED, address=token), weth(10**18)),
        ):
            (call,) = ADAPTER.encode(action, account)
            sent = {"from": account, "to": call.target, "data": "0x" + call.data.hex(), "value": hex(call.value_wei)}
            gas = send(devnet.node, sent, type(action).__name__).gas_used
            assert 3 * ADAPTER.gas(action) <= 4 * gas <= 4 * ADAPTER.gas(action), (action, gas)

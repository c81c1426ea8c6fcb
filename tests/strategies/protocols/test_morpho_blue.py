"""Morpho Blue without a chain: each rule of the singleton with a twin that passes, and calldata against eth_abi."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Borrow, Lending, Position, Repay, Shares, Supply, Withdraw, Wrap
from strategies.errors import ActionRefused, InsufficientBalance, InsufficientLiquidity, UnknownCall
from strategies.protocols import erc20, morpho_blue
from strategies.protocols.adapter import Call
from strategies.protocols.morpho_blue import MorphoBlue
from strategies.units import MAX_UINT256
from tests.strategies.protocols.cases import ACCOUNT, DAI, NOW, ONE, STRANGER, USDC
from tests.strategies.protocols.morpho_blue_case import BOOKED, HELD, KEEPING, KEPT, LENT, MARKET, SINGLETON, WETH

ADAPTER: Final = MorphoBlue()
SOME: Final = Amount(USDC, 100 * ONE)
PARAMETERS: Final = "(address,address,address,address,uint256)"
WRITTEN: Final[Mapping[Lending, tuple[str, tuple[object, ...]]]] = {
    Supply(MARKET, SOME): ("supply({},uint256,uint256,address,bytes)", (SOME.raw, 0, ACCOUNT, b"")),
    Supply(MARKET, Amount(WETH, 7)): ("supplyCollateral({},uint256,address,bytes)", (7, ACCOUNT, b"")),
    Withdraw(MARKET, SOME): ("withdraw({},uint256,uint256,address,address)", (SOME.raw, 0, ACCOUNT, ACCOUNT)),
    Withdraw(MARKET, Shares(8)): ("withdraw({},uint256,uint256,address,address)", (0, 8, ACCOUNT, ACCOUNT)),
    Withdraw(MARKET, Amount(WETH, 9)): ("withdrawCollateral({},uint256,address,address)", (9, ACCOUNT, ACCOUNT)),
    Borrow(MARKET, SOME): ("borrow({},uint256,uint256,address,address)", (SOME.raw, 0, ACCOUNT, ACCOUNT)),
    Repay(MARKET, SOME): ("repay({},uint256,uint256,address,bytes)", (SOME.raw, 0, ACCOUNT, b"")),
}

EACH: Final = pytest.mark.parametrize("action", WRITTEN, ids=[signature.split("(")[0] for signature, _ in WRITTEN.values()])


def by_eth_abi(signature: str, words: tuple[object, ...]) -> bytes:
    """The calldata as the general encoder writes it."""
    full = signature.format(PARAMETERS)
    types = [PARAMETERS, *full[full.index(")", len(PARAMETERS)) + 2 : -1].split(",")]
    return keccak(text=full)[:4] + encode(types, [morpho_blue.parameters(MARKET), *words])


@EACH
def test_writes_each_action_as_the_general_encoder_does_after_its_exact_approval(action: Lending) -> None:
    *before, call = ADAPTER.encode(action, ACCOUNT)
    assert call == Call(SINGLETON, by_eth_abi(*WRITTEN[action]))
    takes = isinstance(action, Supply | Repay) and isinstance(action.amount, Amount)
    assert before == ([erc20.approve_exactly(action.amount, SINGLETON)] if takes and isinstance(action.amount, Amount) else [])
    assert ADAPTER.parse(call, ACCOUNT, (KEEPING, MARKET)) == action


@EACH
@given(data=st.data())
def test_a_changed_byte_never_keeps_its_meaning(action: Lending, data: st.DataObject) -> None:
    call = ADAPTER.encode(action, ACCOUNT)[-1]
    at = data.draw(st.integers(0, len(call.data) - 1))
    changed = bytearray(call.data)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert ADAPTER.parse(replace(call, data=bytes(changed)), ACCOUNT, (MARKET, KEEPING)) != action


@EACH
def test_another_beneficiary_a_value_a_tail_or_an_unlisted_market_reads_to_nothing(action: Lending) -> None:
    call = ADAPTER.encode(action, ACCOUNT)[-1]
    for other in (replace(call, value_wei=1), replace(call, target=STRANGER), replace(call, data=call.data + bytes(32))):
        assert ADAPTER.parse(other, ACCOUNT, (MARKET,)) is None
    assert ADAPTER.parse(call, STRANGER, (MARKET,)) is None
    assert ADAPTER.parse(call, ACCOUNT, (KEEPING,)) is None


@pytest.mark.parametrize("with_data", ["supply({},uint256,uint256,address,bytes)", "repay({},uint256,uint256,address,bytes)"])
def test_a_callback_reads_to_nothing(with_data: str) -> None:
    assert ADAPTER.parse(Call(SINGLETON, by_eth_abi(with_data, (7, 0, ACCOUNT, b""))), ACCOUNT, (MARKET,)) is not None
    for data in (b"\0", bytes(32)):
        assert ADAPTER.parse(Call(SINGLETON, by_eth_abi(with_data, (7, 0, ACCOUNT, data))), ACCOUNT, (MARKET,)) is None


@pytest.mark.parametrize(("assets_raw", "shares_raw"), [(0, 0), (1, 1), (0, MAX_UINT256), (MAX_UINT256, 0)])
def test_an_amount_that_is_not_one_reads_to_nothing(assets_raw: int, shares_raw: int) -> None:
    words = (assets_raw, shares_raw, ACCOUNT, ACCOUNT)
    call = Call(SINGLETON, by_eth_abi("withdraw({},uint256,uint256,address,address)", words))
    assert ADAPTER.parse(call, ACCOUNT, (MARKET,)) is None


def test_supplying_borrowing_and_repaying_by_shares_are_neither_read_nor_written() -> None:
    for name, kind, last in (("supply", "bytes", b""), ("borrow", "address", ACCOUNT), ("repay", "bytes", b"")):
        by_shares = by_eth_abi(f"{name}({{}},uint256,uint256,address,{kind})", (0, 5, ACCOUNT, last))
        assert ADAPTER.parse(Call(SINGLETON, by_shares), ACCOUNT, (MARKET,)) is None
    with pytest.raises(UnknownCall, match="cannot be exact"):
        ADAPTER.encode(Repay(MARKET, Shares(5)), ACCOUNT)


def test_backing_for_a_market_that_takes_none_or_lends_the_same_reads_to_nothing() -> None:
    of_itself = replace(MARKET, others=(USDC,))
    for market in (KEEPING, of_itself):
        data = morpho_blue.SUPPLY_COLLATERAL.encode(*morpho_blue.parameters(market), 7, ACCOUNT, 256, 0)
        assert ADAPTER.parse(Call(SINGLETON, data), ACCOUNT, (market,)) is None
    assert ADAPTER.apply(replace(LENT, market=of_itself), Position(of_itself, 0), Supply(of_itself, SOME)).held.shares_raw > 0


@pytest.mark.parametrize("raw", [0, -1, MAX_UINT256, MAX_UINT256 + 1])
def test_an_amount_that_is_not_one_is_not_written(raw: int) -> None:
    amount = Amount(USDC, raw)
    for action in (Supply(MARKET, amount), Withdraw(MARKET, amount), Withdraw(MARKET, Shares(raw)), Borrow(MARKET, amount)):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)


@pytest.mark.parametrize("word", [ALL, Amount(DAI, 1)], ids=str)
def test_everything_and_another_asset_are_no_words_of_morphos(word: Amount) -> None:
    for action in (Withdraw(MARKET, word), Repay(MARKET, word)):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
        with pytest.raises(ActionRefused):
            ADAPTER.apply(LENT, HELD, action)
    with pytest.raises(UnknownCall):
        ADAPTER.encode(Wrap(MARKET, SOME), ACCOUNT)


def test_refuses_an_action_on_another_market() -> None:
    with pytest.raises(ActionRefused):
        ADAPTER.apply(LENT, HELD, Supply(KEEPING, SOME))
    assert ADAPTER.apply(KEPT, Position(KEEPING, 0), Supply(KEEPING, SOME)).moved == (Amount(USDC, -SOME.raw),)


def test_withdraws_exactly_what_is_not_lent_and_no_more() -> None:
    there_raw = ADAPTER.withdrawable_raw(LENT)
    done = ADAPTER.apply(LENT, HELD, Withdraw(MARKET, Amount(USDC, there_raw)))
    assert done.state.owed_raw == done.state.supplied_raw
    with pytest.raises(InsufficientLiquidity) as refusal:
        ADAPTER.apply(LENT, HELD, Withdraw(MARKET, Amount(USDC, there_raw + 1)))
    assert (refusal.value.wanted_raw, refusal.value.available_raw) == (there_raw + 1, there_raw)


def test_borrows_up_to_what_the_collateral_covers_and_no_more() -> None:
    part = ADAPTER.solvency(LENT, HELD)
    assert part.scope == MARKET.id
    room_raw = part.collateral_usd_e8 - part.debt_usd_e8
    done = ADAPTER.apply(
        LENT, HELD, Borrow(MARKET, Amount(USDC, room_raw - 1))
    )  # shares round up: one unit of the room may be lost
    assert done.moved == (Amount(USDC, room_raw - 1),)
    with pytest.raises(ActionRefused, match="the collateral covers"):
        ADAPTER.apply(LENT, HELD, Borrow(MARKET, Amount(USDC, room_raw + 1)))


def test_borrows_up_to_what_is_not_lent_and_no_more() -> None:
    rich = replace(HELD, collateral=(Amount(WETH, 10**24),))
    there_raw = ADAPTER.withdrawable_raw(LENT)
    assert ADAPTER.apply(LENT, rich, Borrow(MARKET, Amount(USDC, there_raw))).moved == (Amount(USDC, there_raw),)
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(LENT, rich, Borrow(MARKET, Amount(USDC, there_raw + 1)))


def test_releases_collateral_as_long_as_the_debt_stays_covered_and_all_of_it_without_a_debt() -> None:
    everything = Amount(WETH, 10 * 10**18)
    free = replace(HELD, debt_raw=0)
    assert ADAPTER.apply(LENT, free, Withdraw(MARKET, everything)).held.collateral == ()
    assert ADAPTER.apply(LENT, HELD, Withdraw(MARKET, Amount(WETH, 10**18))).held.collateral == (Amount(WETH, 9 * 10**18),)
    with pytest.raises(ActionRefused, match="the collateral covers"):
        ADAPTER.apply(LENT, HELD, Withdraw(MARKET, everything))
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(LENT, free, Withdraw(MARKET, Amount(WETH, everything.raw + 1)))


def test_repays_all_by_shares_and_refuses_more_than_is_owed() -> None:
    owed_raw = -ADAPTER.value_raw(LENT, replace(HELD, shares_raw=0))
    done = ADAPTER.apply(LENT, HELD, Repay(MARKET, Shares(HELD.debt_raw)))
    assert (done.held.debt_raw, done.moved) == (0, (Amount(USDC, -owed_raw),))
    for more in (Shares(HELD.debt_raw + 1), Amount(USDC, owed_raw + 1)):
        with pytest.raises(InsufficientBalance):
            ADAPTER.apply(LENT, HELD, Repay(MARKET, more))


def test_the_last_repayment_may_be_more_than_all_that_is_owed() -> None:
    alone = replace(LENT, last_update_timestamp=NOW, owed_raw=100, borrow_shares_raw=99_000_000)
    done = ADAPTER.apply(alone, replace(HELD, debt_raw=99_000_000), Repay(MARKET, Shares(99_000_000)))
    assert (done.state.owed_raw, done.moved_raw(USDC)) == (0, -100)
    one_more = replace(alone, owed_raw=1, borrow_shares_raw=10**9)
    done = ADAPTER.apply(one_more, replace(HELD, debt_raw=10**9), Repay(MARKET, Shares(10**9)))
    assert (done.state.owed_raw, done.moved_raw(USDC)) == (0, -2)


def test_refuses_nothing_at_all() -> None:
    for word in (Amount(USDC, 0), Amount(WETH, 0)):
        for action in (Supply(MARKET, word), Withdraw(MARKET, word)):
            with pytest.raises(ActionRefused, match="the amount is zero"):
                ADAPTER.apply(LENT, HELD, action)


def test_a_market_without_collateral_earns_nothing_and_lends_nothing() -> None:
    later = ADAPTER.accrue(KEPT, 10**8)
    assert ADAPTER.value_raw(later, Position(KEEPING, 10**12)) == ADAPTER.value_raw(KEPT, Position(KEEPING, 10**12))
    assert (ADAPTER.columns(later).supply_apr, ADAPTER.columns(later).borrow_apr) == (0.0, 0.0)
    with pytest.raises(ActionRefused, match="covers a debt of 0"):
        ADAPTER.apply(later, Position(KEEPING, 0), Borrow(KEEPING, Amount(USDC, 1)))


@given(first=st.integers(0, 10**9), second=st.integers(0, 10**9))
def test_two_stretches_of_time_are_their_sum_and_none_changes_nothing(first: int, second: int) -> None:
    assert ADAPTER.accrue(ADAPTER.accrue(LENT, first), second) == ADAPTER.accrue(LENT, first + second)
    assert ADAPTER.accrue(LENT, 0) == LENT


@given(seconds=st.integers(0, 10**9))
def test_a_claim_just_booked_never_loses_value_with_time(seconds: int) -> None:
    held = Position(MARKET, 10**18)
    assert ADAPTER.value_raw(ADAPTER.accrue(BOOKED, seconds), held) >= ADAPTER.value_raw(BOOKED, held)


def test_interest_that_nobody_books_may_shrink_where_the_rate_models_exponential_steps() -> None:
    idle = replace(BOOKED, owed_raw=LENT.supplied_raw // 10)
    values = [ADAPTER.value_raw(ADAPTER.accrue(idle, 86_400 * day // 10), Position(MARKET, 10**18)) for day in range(200)]
    assert values != sorted(values)
    assert min(values) == values[0]


@given(raw=st.integers(1, 10**12))
def test_what_leaves_the_market_arrives_at_the_account_and_the_other_way_round(raw: int) -> None:
    for action in (
        Supply(MARKET, Amount(USDC, raw)),
        Withdraw(MARKET, Amount(USDC, raw // 3 + 1)),
        Repay(MARKET, Amount(USDC, raw // 200 + 1)),
    ):
        done = ADAPTER.apply(LENT, HELD, action)
        assert ADAPTER.withdrawable_raw(LENT) - ADAPTER.withdrawable_raw(done.state) == done.moved_raw(USDC)


@given(raw=st.integers(1, 10**15))
def test_supplying_and_taking_all_back_at_once_loses_at_most_a_unit(raw: int) -> None:
    done = ADAPTER.apply(LENT, Position(MARKET, 0), Supply(MARKET, Amount(USDC, raw)))
    back = ADAPTER.apply(done.state, done.held, Withdraw(MARKET, ADAPTER.everything(done.held)))
    assert raw - 1 <= back.moved_raw(USDC) <= raw
    assert back.held.is_empty


def test_the_columns_are_the_rates_of_this_second() -> None:
    columns = ADAPTER.columns(LENT)
    assert columns.utilisation == pytest.approx(0.875, abs=1e-3)
    assert columns.supply_apr == pytest.approx(columns.borrow_apr * columns.utilisation * 0.9)
    assert columns.available == 500_000.0
    assert ADAPTER.price_usd_e8(LENT) is None

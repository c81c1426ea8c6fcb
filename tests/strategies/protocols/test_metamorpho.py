"""MetaMorpho without a chain: reading, each rule of the vault with a twin that passes, and calldata against eth_abi."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Borrow, Lending, Position, Shares, Supply, Withdraw
from strategies.errors import (
    ActionRefused,
    IncompleteRead,
    InsufficientBalance,
    InsufficientLiquidity,
    UnknownCall,
    UnsupportedState,
)
from strategies.protocols import erc20, morpho_blue
from strategies.protocols.adapter import Call, Solvency
from strategies.protocols.metamorpho import CuratedVault, MetaMorpho, total_assets_raw
from strategies.protocols.morpho_blue import LoanMarket, lending
from strategies.units import MAX_UINT256, WAD
from tests.strategies.protocols.cases import ACCOUNT, DAI, NOW, ONE, STRANGER, USDC
from tests.strategies.protocols.morpho_blue_case import BOOKED_VAULT, KEEPING, MARKET, VAULT, VAULT_HELD, VAULT_MARKET, WETH
from tests.strategies.protocols.test_morpho_blue_reading import words

ADAPTER: Final = MetaMorpho()
SOME: Final = Amount(USDC, 100 * ONE)
WRITTEN: Final[Mapping[Lending, tuple[str, tuple[object, ...]]]] = {
    Supply(VAULT_MARKET, SOME): ("deposit(uint256,address)", (SOME.raw, ACCOUNT)),
    Withdraw(VAULT_MARKET, SOME): ("withdraw(uint256,address,address)", (SOME.raw, ACCOUNT, ACCOUNT)),
    Withdraw(VAULT_MARKET, Shares(8)): ("redeem(uint256,address,address)", (8, ACCOUNT, ACCOUNT)),
}

EACH: Final = pytest.mark.parametrize("action", WRITTEN, ids=[signature.split("(")[0] for signature, _ in WRITTEN.values()])


def identifier(wrapped: LoanMarket) -> int:
    return morpho_blue.market_id(wrapped.market)


def answers(state: CuratedVault) -> list[bytes]:
    """What the contracts say in that state."""
    loans = [allocation.loan for allocation in state.allocations]
    own = (state.shares_raw, total_assets_raw(state), state.last_total_raw, state.fee_wad, len(state.supply_queue), len(loans))
    said = [words(number) for number in own]
    said += [words(identifier(loans[at])) for at in state.supply_queue] + [words(identifier(loan)) for loan in loans]
    said += [words(allocation.cap_raw, 1, 0) for allocation in state.allocations]
    for allocation in state.allocations:
        loan, held = allocation.loan, allocation.held
        totals = (loan.supplied_raw, loan.supply_shares_raw, loan.owed_raw, loan.borrow_shares_raw)
        said.append(words(*totals, loan.last_update_timestamp, loan.fee_wad))
        said += [words(loan.rate_at_target_wad), words(loan.price_e36)] if lending.has_rate(loan.market) else []
        said.append(words(held.shares_raw, 0, 0))
    return said


def changed(said: list[bytes], at: int, *numbers: int) -> list[bytes]:
    return [*said[:at], words(*numbers), *said[at + 1 :]]


def test_reads_the_vault_its_queues_its_caps_and_the_markets_beneath() -> None:
    said = answers(VAULT)
    assert len(ADAPTER.reads(VAULT_MARKET)) == len(said)
    assert ADAPTER.decode(VAULT_MARKET, said, NOW) == VAULT


def test_refuses_a_withdraw_queue_that_is_not_the_pinned_one() -> None:
    said, pinned = answers(VAULT), [morpho_blue.market_id(wrapped) for wrapped in (KEEPING, MARKET)]
    swapped = changed(changed(said, 8, pinned[1]), 9, pinned[0])
    for wrong in (swapped, changed(said, 9, 1), changed(said, 9, pinned[0])):
        with pytest.raises(UnsupportedState, match="not the pinned markets in their order"):
            ADAPTER.decode(VAULT_MARKET, wrong, NOW)


@pytest.mark.parametrize("at", [4, 5])
def test_refuses_a_queue_that_is_longer_than_pinned(at: int) -> None:
    with pytest.raises(UnsupportedState, match="queues of"):
        ADAPTER.decode(VAULT_MARKET, changed(answers(VAULT), at, 3), NOW)


def test_takes_any_order_of_the_supply_queue_and_passes_over_what_the_vault_has_dropped() -> None:
    pinned = [morpho_blue.market_id(wrapped) for wrapped in (KEEPING, MARKET)]
    reordered = changed(changed(answers(VAULT), 6, pinned[0]), 7, pinned[1])
    assert ADAPTER.decode(VAULT_MARKET, reordered, NOW) == replace(VAULT, supply_queue=(0, 1))
    assert ADAPTER.decode(VAULT_MARKET, changed(reordered, 6, 1), NOW) == replace(VAULT, supply_queue=(1,))


@pytest.mark.parametrize("more_raw", [1, -1])
def test_refuses_a_total_that_is_not_the_sum_of_the_markets(more_raw: int) -> None:
    with pytest.raises(UnsupportedState, match="not the sum of its markets"):
        ADAPTER.decode(VAULT_MARKET, changed(answers(VAULT), 1, total_assets_raw(VAULT) + more_raw), NOW)


def test_refuses_answers_that_are_missing_or_of_another_length() -> None:
    said = answers(VAULT)
    for wrong in (said[:-1], [*said, b""], [b"", *said[1:]], [*said[:-1], b""], changed(said, 10, 1)):
        with pytest.raises(IncompleteRead):
            ADAPTER.decode(VAULT_MARKET, wrong, NOW)
    for short in ((), (b"",)):
        with pytest.raises(IncompleteRead):
            ADAPTER.holding(VAULT_MARKET, short)
    assert ADAPTER.holding(VAULT_MARKET, (words(5),)) == Position(VAULT_MARKET, 5)
    assert ADAPTER.holding_reads(VAULT_MARKET, ACCOUNT)[0].target == VAULT_MARKET.address


@EACH
def test_writes_each_action_as_the_general_encoder_does_after_its_exact_approval(action: Lending) -> None:
    *before, call = ADAPTER.encode(action, ACCOUNT)
    signature, arguments = WRITTEN[action]
    types = signature[signature.index("(") + 1 : -1].split(",")
    assert call == Call(VAULT_MARKET.address, keccak(text=signature)[:4] + encode(types, arguments))
    assert before == ([erc20.approve_exactly(SOME, VAULT_MARKET.address)] if isinstance(action, Supply) else [])
    assert ADAPTER.parse(call, ACCOUNT, (VAULT_MARKET,)) == action


@EACH
@given(data=st.data())
def test_a_changed_byte_never_keeps_its_meaning(action: Lending, data: st.DataObject) -> None:
    call = ADAPTER.encode(action, ACCOUNT)[-1]
    at = data.draw(st.integers(0, len(call.data) - 1))
    other = bytearray(call.data)
    other[at] ^= data.draw(st.integers(1, 255))
    assert ADAPTER.parse(replace(call, data=bytes(other)), ACCOUNT, (VAULT_MARKET,)) != action


@EACH
def test_another_beneficiary_a_value_a_tail_or_an_unlisted_market_reads_to_nothing(action: Lending) -> None:
    call = ADAPTER.encode(action, ACCOUNT)[-1]
    for other in (replace(call, value_wei=1), replace(call, target=STRANGER), replace(call, data=call.data + bytes(32))):
        assert ADAPTER.parse(other, ACCOUNT, (VAULT_MARKET,)) is None
    assert ADAPTER.parse(call, STRANGER, (VAULT_MARKET,)) is None
    assert ADAPTER.parse(call, ACCOUNT, (MARKET,)) is None


def test_what_another_owns_or_receives_reads_to_nothing() -> None:
    for parties in ((ACCOUNT, STRANGER), (STRANGER, ACCOUNT)):
        data = keccak(text="redeem(uint256,address,address)")[:4] + encode(["uint256", "address", "address"], [8, *parties])
        assert ADAPTER.parse(Call(VAULT_MARKET.address, data), ACCOUNT, (VAULT_MARKET,)) is None


@pytest.mark.parametrize("raw", [0, -1, MAX_UINT256, MAX_UINT256 + 1])
def test_an_amount_that_is_not_one_is_neither_written_nor_read(raw: int) -> None:
    amount = Amount(USDC, raw)
    for action in (Supply(VAULT_MARKET, amount), Withdraw(VAULT_MARKET, amount), Withdraw(VAULT_MARKET, Shares(raw))):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
    if 0 <= raw <= MAX_UINT256:
        data = keccak(text="deposit(uint256,address)")[:4] + encode(["uint256", "address"], [raw, ACCOUNT])
        assert ADAPTER.parse(Call(VAULT_MARKET.address, data), ACCOUNT, (VAULT_MARKET,)) is None


def test_everything_another_asset_another_market_and_debts_are_no_words_of_the_vaults() -> None:
    foreign = (Withdraw(VAULT_MARKET, ALL), Supply(VAULT_MARKET, Amount(DAI, 1)), Borrow(VAULT_MARKET, SOME))
    for action in (*foreign, Withdraw(VAULT_MARKET, Amount(WETH, 1))):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
        with pytest.raises(ActionRefused):
            ADAPTER.apply(VAULT, VAULT_HELD, action)
    for action in (Supply(MARKET, SOME), Supply(VAULT_MARKET, Amount(USDC, -1))):
        with pytest.raises(ActionRefused):
            ADAPTER.apply(VAULT, VAULT_HELD, action)


def test_fills_the_supply_queue_up_to_its_caps_and_no_further() -> None:
    room_raw = 0
    for allocation in BOOKED_VAULT.allocations:
        totals = allocation.loan.supplied_raw, allocation.loan.supply_shares_raw
        room_raw += allocation.cap_raw - lending.to_assets_up(allocation.held.shares_raw, *totals)
    done = ADAPTER.apply(VAULT, VAULT_HELD, Supply(VAULT_MARKET, Amount(USDC, room_raw)))
    assert done.moved == (Amount(USDC, -room_raw),)
    with pytest.raises(ActionRefused, match="leave 1 of"):
        ADAPTER.apply(VAULT, VAULT_HELD, Supply(VAULT_MARKET, Amount(USDC, room_raw + 1)))


def test_fills_the_first_market_of_the_queue_before_the_second() -> None:
    done = ADAPTER.apply(BOOKED_VAULT, VAULT_HELD, Supply(VAULT_MARKET, SOME))
    before, after = BOOKED_VAULT.allocations, done.state.allocations
    assert after[0] == before[0]
    assert after[1].loan.supplied_raw - before[1].loan.supplied_raw == SOME.raw


def test_passes_over_a_market_without_a_cap_and_over_one_that_reverts() -> None:
    kept, lent = VAULT.allocations
    closed = replace(VAULT, allocations=(kept, replace(lent, cap_raw=0)))
    full = replace(lent.loan, supply_shares_raw=lending.MAX_UINT128 - 10**12, last_update_timestamp=NOW)
    reverting = replace(VAULT, allocations=(kept, replace(lent, loan=full, held=Position(MARKET, 0))))
    for state in (closed, reverting):
        done = ADAPTER.apply(state, VAULT_HELD, Supply(VAULT_MARKET, SOME))
        assert done.state.allocations[0].loan.supplied_raw - kept.loan.supplied_raw == SOME.raw
        assert done.state.allocations[1] == state.allocations[1]


def test_draws_on_all_liquidity_and_no_more() -> None:
    rich = replace(VAULT_HELD, shares_raw=VAULT.shares_raw)
    there_raw = ADAPTER.withdrawable_raw(VAULT)
    assert ADAPTER.apply(VAULT, rich, Withdraw(VAULT_MARKET, Amount(USDC, there_raw))).moved == (Amount(USDC, there_raw),)
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(VAULT, rich, Withdraw(VAULT_MARKET, Amount(USDC, there_raw + 1)))


def test_burns_all_that_one_has_and_no_more() -> None:
    value_raw = ADAPTER.value_raw(VAULT, VAULT_HELD)
    assert ADAPTER.apply(VAULT, VAULT_HELD, Withdraw(VAULT_MARKET, ADAPTER.everything(VAULT_HELD))).moved_raw(USDC) == value_raw
    for more in (Shares(VAULT_HELD.shares_raw + 10**12), Amount(USDC, value_raw + 1)):
        with pytest.raises(InsufficientBalance):
            ADAPTER.apply(VAULT, VAULT_HELD, Withdraw(VAULT_MARKET, more))


def test_takes_its_fee_on_the_gain_and_only_once() -> None:
    free = replace(VAULT, fee_wad=0)
    first = ADAPTER.apply(VAULT, VAULT_HELD, Supply(VAULT_MARKET, SOME))
    assert ADAPTER.value_raw(VAULT, VAULT_HELD) < ADAPTER.value_raw(free, VAULT_HELD)
    again = ADAPTER.apply(first.state, first.held, Withdraw(VAULT_MARKET, Amount(USDC, 0)))
    assert (again.state.shares_raw, again.moved) == (first.state.shares_raw, ())
    lost = replace(VAULT, last_total_raw=2 * total_assets_raw(VAULT))
    assert ADAPTER.value_raw(lost, VAULT_HELD) == ADAPTER.value_raw(free, VAULT_HELD)


@given(first=st.integers(0, 10**9), second=st.integers(0, 10**9))
def test_two_stretches_of_time_are_their_sum_and_none_changes_nothing(first: int, second: int) -> None:
    assert ADAPTER.accrue(ADAPTER.accrue(VAULT, first), second) == ADAPTER.accrue(VAULT, first + second)
    assert ADAPTER.accrue(VAULT, 0) == VAULT


@given(raw=st.integers(1, 500_000 * ONE))
def test_depositing_and_taking_all_back_at_once_loses_at_most_a_unit_a_market(raw: int) -> None:
    done = ADAPTER.apply(VAULT, Position(VAULT_MARKET, 0), Supply(VAULT_MARKET, Amount(USDC, raw)))
    back = ADAPTER.apply(done.state, done.held, Withdraw(VAULT_MARKET, ADAPTER.everything(done.held)))
    assert raw - 2 <= back.moved_raw(USDC) <= raw
    assert back.held.is_empty


def test_the_columns_are_what_the_markets_earn_by_the_vaults_part_in_them_less_the_fee() -> None:
    columns = ADAPTER.columns(VAULT)
    lent = ADAPTER.accrue(VAULT, 0).allocations[1]
    part = lending.supplied_of_raw(lending.updated(lent.loan), lent.held.shares_raw) / total_assets_raw(VAULT)
    expected = morpho_blue.MorphoBlue().columns(lent.loan).supply_apr * part * (1 - VAULT.fee_wad / WAD)
    assert columns.supply_apr == pytest.approx(expected)
    assert columns.supplied == total_assets_raw(VAULT) / ONE
    assert (ADAPTER.price_usd_e8(VAULT), ADAPTER.solvency(VAULT, VAULT_HELD)) == (None, Solvency(VAULT_MARKET.id, 0, 0))
    assert ADAPTER.units(VAULT_MARKET) == (VAULT_MARKET.address, None)

"""Compound V3 by its rules: what stops which action, what bytes mean, and the figures an assessment sees."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    ALL,
    Action,
    Amount,
    Approve,
    Borrow,
    Lending,
    MarketAction,
    Position,
    Repay,
    Shares,
    Stake,
    Supply,
    Swap,
    Withdraw,
)
from strategies.errors import (
    ActionRefused,
    IncompleteRead,
    InsufficientBalance,
    InsufficientLiquidity,
    UnknownCall,
    UnsupportedState,
)
from strategies.protocols import compound_v3, erc20
from strategies.protocols.adapter import Call
from strategies.protocols.compound_v3 import CompoundV3, comet
from strategies.protocols.compound_v3.comet import Comet
from strategies.units import MAX_UINT256, SECONDS_PER_YEAR, USD_E8, WAD
from tests.strategies.protocols.cases import ACCOUNT, DAI, ONE, STRANGER
from tests.strategies.protocols.compound_v3_case import COMET, LINK, WETH, borrower, comet_state, lender

ADAPTER = CompoundV3()
STATE = comet_state()
RAWS = st.integers(1, 100_000 * ONE)


def usdc(raw: int) -> Amount:
    return Amount(COMET.asset, raw)


def weth(raw: int) -> Amount:
    return Amount(WETH, raw)


def test_a_claim_is_paid_down_and_a_debt_is_counted_up() -> None:
    supplied = ADAPTER.apply(STATE, lender(0), Supply(COMET, usdc(1_000)))
    owed = ADAPTER.apply(STATE, borrower(0), Borrow(COMET, usdc(200 * ONE)))
    now = comet.accrued(STATE)
    assert supplied.held.shares_raw == 1_000 * 10**15 // now.supply_index_e15
    assert owed.held.debt_raw == -(-200 * ONE * 10**15 // now.borrow_index_e15)
    assert (supplied.moved, owed.moved) == ((usdc(-1_000),), (usdc(200 * ONE),))


@given(raw=RAWS)
def test_supplying_pays_what_is_owed_first(raw: int) -> None:
    held = borrower(50_000 * ONE)
    owed_raw = comet.owed_raw(comet.accrued(STATE), held)
    done = ADAPTER.apply(STATE, held, Supply(COMET, usdc(raw)))
    assert (done.held.shares_raw > 0, done.held.debt_raw > 0) == (raw > owed_raw + 1, raw < owed_raw)
    assert done == ADAPTER.apply(STATE, held, Repay(COMET, usdc(raw)))


@given(raw=RAWS)
def test_borrowing_takes_what_is_supplied_first(raw: int) -> None:
    held = replace(lender(50_000 * ONE), collateral=(weth(10**21),))
    supplied_raw = comet.supplied_raw(comet.accrued(STATE), held)
    if supplied_raw < raw < supplied_raw + STATE.borrow_min_raw:
        return
    done = ADAPTER.apply(STATE, held, Borrow(COMET, usdc(raw)))
    assert (done.held.debt_raw > 0) == (raw > supplied_raw)
    assert done.moved == (usdc(raw),)


def test_refuses_to_withdraw_more_than_is_supplied_where_a_loan_would_be_paid() -> None:
    held = replace(lender(1_000 * ONE), collateral=(weth(10**21),))
    supplied_raw = comet.supplied_raw(comet.accrued(STATE), held)
    assert ADAPTER.apply(STATE, held, Withdraw(COMET, usdc(supplied_raw))).held.shares_raw == 0
    with pytest.raises(InsufficientBalance, match="supplied"):
        ADAPTER.apply(STATE, held, Withdraw(COMET, usdc(supplied_raw + 1)))
    assert ADAPTER.apply(STATE, held, Borrow(COMET, usdc(supplied_raw + 100 * ONE))).held.debt_raw > 0


def test_everything_is_what_is_supplied_or_what_is_owed() -> None:
    assert ADAPTER.everything(lender()) is ALL
    assert ADAPTER.apply(STATE, lender(), Withdraw(COMET, ALL)).held == lender(0)
    assert ADAPTER.apply(STATE, borrower(), Repay(COMET, ALL)).held == borrower(0)


def test_a_supply_of_nothing_may_cost_the_holder_a_unit_and_changes_no_total() -> None:
    done = ADAPTER.apply(STATE, lender(1_001), Supply(COMET, usdc(0)))
    assert (done.held.shares_raw, done.state.supply_principal_raw, done.moved) == (1_000, STATE.supply_principal_raw, ())


def test_refuses_a_debt_below_the_least_one() -> None:
    with pytest.raises(ActionRefused, match="is below"):
        ADAPTER.apply(STATE, borrower(0), Borrow(COMET, usdc(100 * ONE - 1)))
    assert ADAPTER.apply(STATE, borrower(0), Borrow(COMET, usdc(100 * ONE))).held.debt_raw > 0


def test_refuses_a_debt_that_its_collateral_does_not_cover() -> None:
    held = borrower(0, 10 * WAD)  # 24,750 dollars' worth of borrowing
    with pytest.raises(ActionRefused, match="the collateral covers"):
        ADAPTER.apply(STATE, held, Borrow(COMET, usdc(24_750 * ONE + 2)))
    assert ADAPTER.apply(STATE, held, Borrow(COMET, usdc(24_750 * ONE - 2))).moved == (usdc(24_750 * ONE - 2),)


def test_refuses_to_take_collateral_that_a_debt_needs() -> None:
    held = borrower(20_000 * ONE, 10 * WAD)
    with pytest.raises(ActionRefused, match="the collateral covers"):
        ADAPTER.apply(STATE, held, Withdraw(COMET, weth(2 * WAD)))
    assert ADAPTER.apply(STATE, held, Withdraw(COMET, weth(WAD))).held.collateral == (weth(9 * WAD),)
    assert ADAPTER.apply(STATE, borrower(0, 10 * WAD), Withdraw(COMET, weth(10 * WAD))).held.is_empty


def test_a_debt_is_held_against_collateral_by_the_stored_index_and_against_a_loan_by_todays() -> None:
    stored = replace(STATE, last_accrual_timestamp=STATE.timestamp)
    held = borrower(20_000 * ONE, 10 * WAD)
    assert ADAPTER.apply(STATE, held, Withdraw(COMET, weth(WAD))).state.borrow_index_e15 == stored.borrow_index_e15
    assert ADAPTER.apply(STATE, held, Borrow(COMET, usdc(ONE))).state.borrow_index_e15 > stored.borrow_index_e15


def test_refuses_more_collateral_than_there_is_or_may_be() -> None:
    for action in (Withdraw(COMET, weth(100 * WAD + 1)), Withdraw(COMET, Amount(LINK, 1))):
        with pytest.raises(InsufficientBalance, match="collateral"):
            ADAPTER.apply(STATE, borrower(0), action)
    room_raw = STATE.collaterals[0].cap_raw - STATE.collaterals[0].supplied_raw
    with pytest.raises(ActionRefused, match="the supply cap"):
        ADAPTER.apply(STATE, lender(), Supply(COMET, weth(room_raw + 1)))
    done = ADAPTER.apply(STATE, lender(), Supply(COMET, weth(room_raw)))
    assert (done.held.collateral, done.moved) == ((weth(room_raw),), (weth(-room_raw),))


def test_refuses_more_base_than_is_there() -> None:
    dry = replace(STATE, available_raw=ONE)
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(dry, lender(), Withdraw(COMET, usdc(ONE + 1)))
    assert ADAPTER.apply(dry, lender(), Withdraw(COMET, usdc(ONE))).state.available_raw == 0


@pytest.mark.parametrize(
    ("paused", "stopped", "going"),
    [
        ({"supply_paused": True}, (Supply, Repay), (Withdraw,)),
        ({"withdraw_paused": True}, (Withdraw, Borrow), (Supply, Repay)),
    ],
)
def test_a_pause_stops_its_half_and_no_more(
    paused: dict[str, Any], stopped: tuple[Callable[..., Lending], ...], going: tuple[Callable[..., Lending], ...]
) -> None:
    state = replace(STATE, **paused)
    for kind in stopped:
        with pytest.raises(ActionRefused, match="is paused"):
            ADAPTER.apply(state, lender(), kind(COMET, usdc(ONE)))
    for kind in going:
        assert ADAPTER.apply(state, lender(), kind(COMET, usdc(ONE))).moved
    assert ADAPTER.withdrawable_raw(state) == (0 if state.withdraw_paused else STATE.available_raw)


def test_refuses_what_a_word_of_the_contract_cannot_hold() -> None:
    empty = replace(STATE, supply_principal_raw=1, borrow_principal_raw=10**12)  # a utilisation without a bound
    with pytest.raises(ActionRefused, match="64 bits"):
        ADAPTER.apply(empty, lender(), Supply(COMET, usdc(ONE)))
    for raw in (2**104, 2**200):
        with pytest.raises(ActionRefused, match="104 bits"):
            ADAPTER.apply(STATE, lender(), Supply(COMET, usdc(raw)))
    with pytest.raises(ActionRefused, match="a total leaves"):
        ADAPTER.apply(replace(STATE, supply_principal_raw=100, borrow_principal_raw=0), lender(200), Withdraw(COMET, usdc(200)))


def test_refuses_another_market_asset_or_kind() -> None:
    other = replace(COMET, id="comet:other")
    foreign: tuple[MarketAction, ...] = (
        Supply(other, usdc(1)),
        Supply(COMET, Amount(DAI, 1)),
        Borrow(COMET, weth(1)),
        Repay(COMET, weth(1)),
        Withdraw(COMET, Shares(1)),
        Stake(COMET, usdc(1)),
        Swap(COMET, usdc(1), weth(1), 0),
    )
    for action in foreign:
        with pytest.raises(ActionRefused):
            ADAPTER.apply(STATE, lender(), action)


WRITTEN: tuple[tuple[Lending, int], ...] = (
    (Supply(COMET, usdc(7)), 2),
    (Supply(COMET, weth(7)), 2),
    (Withdraw(COMET, usdc(7)), 1),
    (Withdraw(COMET, weth(7)), 1),
    (Withdraw(COMET, ALL), 1),
    (Borrow(COMET, usdc(7)), 1),
    (Repay(COMET, usdc(7)), 2),
)


@pytest.mark.parametrize(("action", "calls"), WRITTEN)
def test_one_call_reads_back_to_its_action_and_the_other_is_its_exact_approval(action: Lending, calls: int) -> None:
    *approvals, call = ADAPTER.encode(action, ACCOUNT)
    assert ADAPTER.parse(call, ACCOUNT, (COMET,)) == action
    expected = [Approve(action.amount, COMET.address)] if isinstance(action.amount, Amount) and calls == 2 else []
    assert [erc20.parse(one, (COMET.asset, WETH)) for one in approvals] == expected
    assert len(approvals) == calls - 1
    assert ADAPTER.spender(action) == COMET.address


@pytest.mark.parametrize("action", [action for action, _ in WRITTEN])
@given(data=st.data())
def test_another_party_value_market_byte_or_tail_reads_to_nothing(action: Lending, data: st.DataObject) -> None:
    call = ADAPTER.encode(action, ACCOUNT)[-1]
    changed = bytearray(call.data)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    assert ADAPTER.parse(replace(call, data=bytes(changed)), ACCOUNT, (COMET,)) != action
    for other in (replace(call, value_wei=1), replace(call, data=call.data + b"\0"), replace(call, target=STRANGER)):
        assert ADAPTER.parse(other, ACCOUNT, (COMET,)) is None
    theirs = ADAPTER.encode(action, STRANGER)[-1]
    assert theirs == call or ADAPTER.parse(theirs, ACCOUNT, (COMET,)) is None  # supply and withdraw are the sender's
    assert ADAPTER.parse(call, ACCOUNT, ()) is None


def test_a_withdrawal_and_a_loan_of_the_same_amount_are_other_bytes() -> None:
    withdrawal, loan = (ADAPTER.encode(kind(COMET, usdc(7)), ACCOUNT)[-1] for kind in (Withdraw, Borrow))
    assert withdrawal.data[:4] == bytes.fromhex("f3fef3a3")
    assert loan.data[:4] == bytes.fromhex("c3b35a7e")


def test_the_largest_number_is_everything_only_where_comet_says_so() -> None:
    said: tuple[tuple[Any, Action | None], ...] = (
        ((compound_v3.WITHDRAW, COMET.asset), Withdraw(COMET, ALL)),
        ((compound_v3.SUPPLY_TO, COMET.asset), Repay(COMET, ALL)),
        ((compound_v3.SUPPLY, COMET.asset), None),
        ((compound_v3.WITHDRAW_TO, COMET.asset), None),
        ((compound_v3.WITHDRAW, WETH), None),
        ((compound_v3.SUPPLY, WETH), None),
    )
    for (function, asset), meant in said:
        parties = [ACCOUNT] * compound_v3.PARTIES[function]
        call = Call(COMET.address, function.encode(*parties, asset.address, MAX_UINT256))
        assert ADAPTER.parse(call, ACCOUNT, (COMET,)) == meant


@pytest.mark.parametrize("function", [compound_v3.SUPPLY_TO, compound_v3.WITHDRAW_TO])
def test_collateral_is_neither_repaid_nor_borrowed(function: Any) -> None:
    call = Call(COMET.address, function.encode(ACCOUNT, WETH.address, 7))
    assert ADAPTER.parse(call, ACCOUNT, (COMET,)) is None


@pytest.mark.parametrize("raw", [0, -1, MAX_UINT256, 2**256])
def test_does_not_write_an_amount_that_is_none(raw: int) -> None:
    for kind in (Supply, Withdraw, Borrow, Repay):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(kind(COMET, usdc(raw)), ACCOUNT)


def test_does_not_write_what_comet_has_not() -> None:
    foreign: tuple[MarketAction, ...] = (
        Supply(COMET, Amount(DAI, 1)),
        Withdraw(COMET, Amount(DAI, 1)),
        Withdraw(COMET, Shares(1)),
        Borrow(COMET, weth(1)),
        Repay(COMET, weth(1)),
        Repay(COMET, ALL),
        Stake(COMET, usdc(1)),
    )
    for action in foreign:
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
    with pytest.raises(UnknownCall):
        ADAPTER.encode(Borrow(COMET, usdc(1)), "nobody")


@given(first=st.integers(0, 10**9), second=st.integers(0, 10**9))
def test_time_adds_up_and_none_changes_nothing(first: int, second: int) -> None:
    assert ADAPTER.accrue(STATE, 0) == STATE
    assert ADAPTER.accrue(ADAPTER.accrue(STATE, first), second) == ADAPTER.accrue(STATE, first + second)


def test_shows_its_rates_of_a_year_and_what_it_is_worth() -> None:
    seen = ADAPTER.columns(STATE)
    usage = comet.usage_wad(STATE)
    assert seen.supply_apr == comet.rate_wad(STATE.supply_curve, usage) * SECONDS_PER_YEAR / WAD
    assert (seen.utilisation, seen.available) == (usage / WAD, 2_000_000.0)
    assert 0.02 < seen.supply_apr < seen.borrow_apr < 0.06
    assert ADAPTER.value_raw(STATE, lender()) > 104_000 * ONE > 0 > ADAPTER.value_raw(STATE, borrower())
    assert ADAPTER.units(COMET) == (COMET.address, COMET.address)
    assert (ADAPTER.protocol, ADAPTER.arrival_bound_raw, ADAPTER.gas(Supply(COMET, usdc(1)))) == ("compound_v3", 0, 170_000)


def test_names_a_price_in_dollars_only_where_its_feeds_speak_dollars() -> None:
    assert ADAPTER.price_usd_e8(STATE) == USD_E8
    assert ADAPTER.price_usd_e8(replace(STATE, market=replace(COMET, numbers=()))) is None


def answers(state: Comet) -> list[bytes]:
    """What a Comet in this state says."""
    market = state.market
    totals = (state.supply_index_e15, state.borrow_index_e15, 0, 0, state.supply_principal_raw, state.borrow_principal_raw)
    curves = [(c.kink_wad, c.low_wad, c.high_wad, c.base_wad) for c in (state.supply_curve, state.borrow_curve)]
    addresses = [int(market.asset.address, 16), int(market.contract("base_feed"), 16)]
    flags = state.supply_paused * 1 + state.withdraw_paused * 4
    said: list[tuple[int, ...]] = [(*totals, state.last_accrual_timestamp, flags)]
    singles = (*curves[0], *curves[1], *addresses, 10**6, len(state.collaterals), state.borrow_min_raw)
    said += [(one,) for one in (*singles, state.price_e8, state.available_raw)]
    for place, one in enumerate(state.collaterals):
        feed = int(market.contract(f"feed_{place}"), 16)
        factors = (one.borrow_factor_wad, one.liquidation_factor_wad, 10**18, one.cap_raw)
        said += [(place, int(one.asset.address, 16), feed, 10**18, *factors), (one.supplied_raw, 0), (one.price_e8,)]
    return [b"".join(word.to_bytes(32, "big") for word in words) for words in said]


def test_reads_what_was_said() -> None:
    paused = replace(STATE, supply_paused=True, withdraw_paused=True)
    for state in (STATE, paused):
        assert ADAPTER.decode(COMET, answers(state), state.timestamp) == state
    assert len(ADAPTER.reads(COMET)) == len(answers(STATE)) == 22


@pytest.mark.parametrize(
    ("at", "place", "what"),
    [
        (0, 7, "pause flags"),
        (0, 6, "accrued later"),
        (9, 0, "not the pinned one"),
        (10, 0, "not the pinned one"),
        (11, 0, "not the pinned one"),
        (12, 0, "collaterals where 2 are pinned"),
        (16, 1, "asset 0 is not WETH"),
        (19, 2, "asset 1 is not LINK"),
        (19, 3, "asset 1 is not LINK"),
    ],
)
def test_refuses_a_comet_that_is_not_as_pinned(at: int, place: int, what: str) -> None:
    said = answers(STATE)
    said[at] = said[at][: 32 * place] + (2**39).to_bytes(32, "big") + said[at][32 * place + 32 :]
    with pytest.raises(UnsupportedState, match=what):
        ADAPTER.decode(COMET, said, STATE.timestamp)


def test_refuses_an_answer_of_another_length() -> None:
    for said in (answers(STATE)[:-1], [*answers(STATE)[:-1], b""]):
        with pytest.raises(IncompleteRead):
            ADAPTER.decode(COMET, said, STATE.timestamp)
    for said in ([], [bytes(160), bytes(64), bytes(32)]):
        with pytest.raises(IncompleteRead):
            ADAPTER.holding(COMET, said)


@pytest.mark.parametrize(("principal_raw", "shares_raw", "debt_raw"), [(5, 5, 0), (-5, 0, 5), (0, 0, 0)])
def test_reads_a_signed_principal_as_a_claim_or_a_debt(principal_raw: int, shares_raw: int, debt_raw: int) -> None:
    basic = principal_raw.to_bytes(32, "big", signed=True) + bytes(128)
    said = [basic, bytes(64), (3).to_bytes(32, "big") + bytes(32)]
    assert ADAPTER.holding(COMET, said) == Position(COMET, shares_raw, debt_raw, (Amount(LINK, 3),))
    assert len(ADAPTER.holding_reads(COMET, ACCOUNT)) == 3

"""Compound V2's arithmetic and words, on a vToken made up here: each rule with the case that passes and the one that does not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Asset, Borrow, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.errors import ActionRefused, IncompleteRead, InsufficientLiquidity, ProtocolError, UnknownCall, UnsupportedState
from strategies.protocols import compound_v2 as venus
from strategies.protocols.adapter import Call
from strategies.protocols.compound_v2 import CompoundV2, LendingToken
from strategies.units import MAX_UINT256, WAD

ADAPTER = CompoundV2()
USDC = Asset(31_337, "0x" + "a0" * 20, "USDC", 6)
JUNK = Asset(31_337, "0x" + "99" * 20, "JUNK", 18)
ONE = 10**6
ACCOUNT = "0x" + "be" * 20
ROLES = ("comptroller", "multicall", "oracle", "rate_model")
PINNED = tuple((role, "0x" + f"{at}c" * 20) for at, role in enumerate(ROLES, 1))
NUMBERS = (("block_milliseconds", 3_000), ("first_rate_wad", 2 * 10**14))
VENUS = Market("venus:USDC", "compound_v2", "0x" + "1e" * 20, USDC, PINNED, numbers=NUMBERS)


def vtoken() -> LendingToken:
    """Ten million supplied, six owed, a rate of 0.000203, an hour of blocks after the last accrual."""
    return LendingToken(
        market=VENUS,
        timestamp=1_800_000_000,
        block=50_001_200,
        accrual_block=50_000_000,
        index_wad=1_080_000_000_000_000_011,
        cash_raw=4_000_000 * ONE,
        borrows_raw=6_000_000 * ONE,
        reserves_raw=1_234 * ONE,
        shares_raw=49_261_083_743_842_364,
        reserve_factor_wad=WAD // 10,
        reduction_blocks=28_800,
        reduction_block=49_990_000,
        base_wad=951_293_759,
        slope_wad=5_707_762_557,
        jump_wad=190_258_751_902,
        kink_wad=8 * WAD // 10,
        supply_cap_raw=20_000_000 * ONE,
        borrow_cap_raw=8_000_000 * ONE,
        price_e36=10**30,
        threshold_wad=85 * WAD // 100,
        paused=(),
    )


def claim(owed: int = 1_000_000 * ONE, shares_raw: int = 10**16) -> Position:
    return Position(VENUS, shares_raw, venus.scaled_up(owed, vtoken().index_wad))


def usdc(raw: int) -> Amount:
    return Amount(USDC, raw)


def answers(state: LendingToken) -> list[int]:
    """What the chain would have said, in the order of the reads; the last is seven words."""
    roles = dict(PINNED)
    stored = [getattr(state, name) for name in list(LendingToken.__dataclass_fields__)[2:19]]
    parts = [int(address, 16) for address in (USDC.address, roles["comptroller"], roles["rate_model"])]
    paused = [int(action in state.paused) for action in venus.PAUSABLE]
    rules = [int(roles["oracle"], 16), 0, 0]
    return [*stored, *parts, venus.exchange_rate_wad(state), 0, 1, *rules, *paused]


def decoded(words: Sequence[int], terms: Sequence[int] = (1, 0, 0, 85 * WAD // 100, 0, 0, 1)) -> LendingToken:
    packed = [word.to_bytes(32, "big") for word in words]
    return ADAPTER.decode(VENUS, [*packed, b"".join(term.to_bytes(32, "big") for term in terms)], vtoken().timestamp)


def test_reads_back_what_was_answered() -> None:
    assert decoded(answers(vtoken())) == vtoken()


@pytest.mark.parametrize(
    ("at", "word", "what"),
    [
        (0, 49_999_999, "later than it was read"),
        (16, 0, "no price"),
        (17, 5, "not the pinned"),
        (18, 5, "not the pinned"),
        (19, 5, "not the pinned"),
        (23, 5, "not the pinned"),
        (20, 1, "exchange rate"),
        (21, 1, "flash loan"),
        (22, 0, "nowhere to go"),
        (24, 1, "redemption fee"),
    ],
)
def test_refuses_by_name_what_it_does_not_model(at: int, word: int, what: str) -> None:
    words = answers(vtoken())
    words[at] = word
    with pytest.raises(UnsupportedState, match=what):
        decoded(words)


def test_refuses_an_unlisted_market_and_a_cut_answer() -> None:
    with pytest.raises(UnsupportedState, match="not listed"):
        decoded(answers(vtoken()), (0, 0, 0, 0, 0, 0, 1))
    with pytest.raises(IncompleteRead):
        decoded(answers(vtoken())[:-1])
    with pytest.raises(IncompleteRead):
        decoded(answers(vtoken()), (1, 0))


def test_the_first_exchange_rate_must_be_the_pinned_one() -> None:
    empty = replace(vtoken(), shares_raw=0, cash_raw=0, borrows_raw=0, reserves_raw=0)
    assert decoded(answers(empty)) == empty
    other = answers(empty)
    other[20] += 1
    with pytest.raises(UnsupportedState, match="exchange rate"):
        decoded(other)


def test_a_pause_of_everything_or_of_borrowing_in_the_pool_is_a_pause_of_the_action() -> None:
    words = answers(vtoken())
    words[25] = 1
    assert decoded(words).paused == venus.PAUSABLE
    assert decoded(answers(vtoken()), (1, 0, 0, 0, 0, 0, 0)).paused == (venus.BORROWING,)


def test_an_account_in_a_pool_of_its_own_is_refused_and_another_is_read() -> None:
    said = [number.to_bytes(32, "big") for number in (0, 77, 10**9, WAD, vtoken().index_wad, 0)]
    held = ADAPTER.holding(VENUS, [b"".join(said[:4]), *said[4:]])
    assert (held.shares_raw, venus.owed_raw(vtoken(), held.debt_raw)) == (77, 10**9)
    with pytest.raises(UnsupportedState, match="pool 1"):
        ADAPTER.holding(VENUS, [b"".join(said[:4]), said[4], (1).to_bytes(32, "big")])
    with pytest.raises(UnsupportedState, match="error is 9"):
        ADAPTER.holding(VENUS, [(9).to_bytes(32, "big") + b"".join(said[1:4]), *said[4:]])
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(VENUS, [b"".join(said[:4])])


def test_interest_is_simple_over_its_blocks_and_each_product_is_rounded_down() -> None:
    state = vtoken()
    rate_wad = 951_293_759 + (6_000_000 * ONE * WAD // (9_998_766 * ONE)) * 5_707_762_557 // WAD
    interest_raw = rate_wad * 1_200 * 6_000_000 * ONE // WAD
    now = venus.touched(state)
    assert now.borrows_raw - state.borrows_raw == interest_raw
    assert now.reserves_raw - state.reserves_raw == interest_raw // 10
    assert now.index_wad - state.index_wad == rate_wad * 1_200 * state.index_wad // WAD
    assert (now.cash_raw, now.accrual_block) == (state.cash_raw, state.block)
    assert venus.touched(now) == now


@pytest.mark.parametrize(("blocks", "leaves"), [(28_799, False), (28_800, True)])
def test_the_reserves_leave_when_it_is_time(blocks: int, leaves: bool) -> None:
    state = replace(vtoken(), reduction_block=vtoken().block - blocks)
    now = venus.touched(state)
    assert (now.reserves_raw == 0) is leaves
    assert (now.reduction_block == state.block) is leaves
    assert venus.exchange_rate_wad(now) == venus.exchange_rate_wad(venus.touched(vtoken()))


def test_reserves_leave_no_further_than_there_is_cash() -> None:
    now = venus.touched(replace(vtoken(), reduction_block=0, cash_raw=ONE))
    assert (now.cash_raw, now.reserves_raw > 1_000 * ONE) == (0, True)


def test_the_curve_jumps_above_its_kink() -> None:
    at_kink = replace(vtoken(), cash_raw=2_000_000 * ONE, borrows_raw=8_000_000 * ONE, reserves_raw=0)
    normal_wad = 8 * WAD // 10 * 5_707_762_557 // WAD + 951_293_759
    assert venus.borrow_rate_wad(at_kink) == normal_wad
    full = replace(at_kink, cash_raw=0)
    assert venus.borrow_rate_wad(full) == normal_wad + 2 * WAD // 10 * 190_258_751_902 // WAD


def test_reserves_that_are_all_there_is_stop_the_market() -> None:
    with pytest.raises(ActionRefused, match="reserves"):
        venus.touched(replace(vtoken(), cash_raw=0, reserves_raw=6_000_000 * ONE))


@given(owed=st.integers(0, 2**120), index=st.integers(WAD, 10**22), later=st.integers(WAD, 10**22))
def test_a_debt_as_one_number_loses_nothing_of_its_principal_and_index(owed: int, index: int, later: int) -> None:
    assert venus.scaled_up(owed, index) * later // venus.DEBT_SCALE == owed * later // index


@pytest.mark.parametrize(
    ("action", "paused"),
    [
        (Supply(VENUS, usdc(1)), venus.MINTING),
        (Withdraw(VENUS, usdc(1)), venus.REDEEMING),
        (Borrow(VENUS, usdc(1)), venus.BORROWING),
        (Repay(VENUS, usdc(1)), venus.REPAYING),
    ],
)
def test_a_paused_action_is_refused_and_another_pause_is_none_of_its_business(action: MarketAction, paused: int) -> None:
    others = tuple(other for other in venus.PAUSABLE if other != paused)
    assert ADAPTER.apply(replace(vtoken(), paused=others), claim(), action).moved
    with pytest.raises(ActionRefused, match="paused"):
        ADAPTER.apply(replace(vtoken(), paused=(paused,)), claim(), action)


def test_a_cap_is_what_may_be_reached_and_a_cap_of_zero_refuses_even_nothing() -> None:
    now = venus.touched(vtoken())
    room = now.supply_cap_raw - venus.supplied_raw(now, now.shares_raw), now.borrow_cap_raw - now.borrows_raw
    kinds: tuple[type[Supply | Borrow], ...] = (Supply, Borrow)
    for kind, raw in zip(kinds, room, strict=True):
        assert ADAPTER.apply(vtoken(), claim(), kind(VENUS, usdc(raw))).moved
        with pytest.raises(ActionRefused, match="cap"):
            ADAPTER.apply(vtoken(), claim(), kind(VENUS, usdc(raw + 1)))
        with pytest.raises(ActionRefused, match="cap"):
            ADAPTER.apply(replace(vtoken(), supply_cap_raw=0, borrow_cap_raw=0), claim(), kind(VENUS, usdc(0)))


@pytest.mark.parametrize("kind", [Withdraw, Borrow])
def test_nothing_leaves_that_is_not_there(kind: type[Withdraw | Borrow]) -> None:
    wide, rich = replace(vtoken(), borrow_cap_raw=10**18), Position(VENUS, 10**17)
    assert ADAPTER.apply(wide, rich, kind(VENUS, usdc(4_000_000 * ONE))).state.cash_raw == 0
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(wide, rich, kind(VENUS, usdc(4_000_000 * ONE + 1)))


def test_no_more_shares_go_than_are_held_and_what_costs_none_is_not_paid() -> None:
    held = Position(VENUS, 10**9)
    assert ADAPTER.apply(vtoken(), held, Withdraw(VENUS, Shares(10**9))).held.is_empty
    with pytest.raises(ActionRefused):
        ADAPTER.apply(vtoken(), held, Withdraw(VENUS, Shares(10**9 + 1)))
    dear = replace(vtoken(), shares_raw=10**9)
    with pytest.raises(ActionRefused, match="cost 0"):
        ADAPTER.apply(dear, held, Withdraw(VENUS, usdc(1)))


def test_a_repayment_takes_at_most_what_is_owed() -> None:
    now = venus.touched(vtoken())
    owed = venus.owed_raw(now, claim().debt_raw)
    for amount in (usdc(owed + 5), ALL):
        done = ADAPTER.apply(vtoken(), claim(), Repay(VENUS, amount))
        assert (done.moved_raw(USDC), done.held.debt_raw) == (-owed, 0)
    assert ADAPTER.apply(vtoken(), Position(VENUS, 5), Repay(VENUS, ALL)).moved == ()


def test_the_last_debt_may_not_exceed_the_total_that_is_rounded_apart() -> None:
    held = claim(6_000_000 * ONE + 1_000)
    with pytest.raises(ActionRefused, match="by all"):
        ADAPTER.apply(vtoken(), held, Repay(VENUS, ALL))
    assert ADAPTER.apply(vtoken(), held, Repay(VENUS, usdc(6_000_000 * ONE))).held.debt_raw


def test_a_supply_counts_beside_a_debt_only() -> None:
    alone, beside = (ADAPTER.solvency(vtoken(), held) for held in (Position(VENUS, 10**16), claim()))
    assert (alone.collateral_usd_e8, alone.debt_usd_e8) == (0, 0)
    assert beside.scope == dict(PINNED)["comptroller"]
    assert beside.collateral_usd_e8 // 10**8 == 1_725_291
    assert beside.debt_usd_e8 // 10**8 == 1_000_005


def test_what_may_be_withdrawn_is_the_cash_while_redeeming_is_open() -> None:
    assert ADAPTER.withdrawable_raw(vtoken()) == 4_000_000 * ONE
    assert ADAPTER.withdrawable_raw(replace(vtoken(), paused=(venus.REDEEMING,))) == 0


@pytest.mark.parametrize("function", list(venus.WRITES.values()))
@pytest.mark.parametrize("raw", [0, MAX_UINT256])
def test_nothing_and_everything_are_no_amounts_but_the_largest_repayment_is_all(function: venus.Function, raw: int) -> None:
    is_all = function is venus.REPAY_BORROW and raw == MAX_UINT256
    read = ADAPTER.parse(Call(VENUS.address, function.encode(raw)), ACCOUNT, (VENUS,))
    assert read == (Repay(VENUS, ALL) if is_all else None)


def test_a_repayment_or_withdrawal_of_everything_is_not_written() -> None:
    for action in (Repay(VENUS, ALL), Withdraw(VENUS, ALL), Repay(VENUS, Shares(5)), Supply(VENUS, Amount(JUNK, 5))):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
    with pytest.raises(ProtocolError):
        ADAPTER.apply(vtoken(), claim(), Withdraw(VENUS, ALL))
    assert ADAPTER.everything(claim()) == Shares(10**16)

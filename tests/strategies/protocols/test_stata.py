"""Static wrappers: Aave's income as the rate, limits from the reserve, both contracts' refusals, and what the bytes mean."""

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Borrow, Market, Position, Shares, Supply, Withdraw
from strategies.errors import ActionRefused, IncompleteRead, InsufficientBalance, ProtocolError, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.aave_v3 import AaveV3
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.aave_v3.arithmetic import V3_6
from strategies.protocols.stata import (
    Stata,
    StataV2,
    assets_of_shares_down,
    assets_of_shares_up,
    max_deposit_raw,
    max_redeem_raw,
    max_withdraw_raw,
    shares_of_assets_down,
    shares_of_assets_up,
    wrapped,
)
from strategies.units import MAX_UINT256, RAY
from tests.strategies.protocols.cases import ACCOUNT, DAI, NEW_POOL, NOW, OLD_POOL, ONE, OPEN, RECORDED, STRANGER, USDC, reserve

ADAPTER = StataV2()
MARKET = Market("stata:USDC", "stata", "0x" + "57" * 20, USDC, wraps=(NEW_POOL,))
AMOUNTS = st.integers(1, 10**15)


def static(**limits: object) -> Stata:
    """A third of a pool's supply, wrapped; a little more stands behind it than it owes."""
    configuration = replace(OPEN, **limits)  # type: ignore[arg-type]
    return Stata(MARKET, reserve(V3_6, configuration), 3_000_000 * ONE, 3_000_000 * ONE + 11, paused=False)


def usdc(raw: int) -> Amount:
    return Amount(USDC, raw)


def claim(raw: int = 100_000 * ONE) -> Position:
    return Position(MARKET, raw)


def own_answers(**other: int) -> list[bytes]:
    said = {
        "asset": int(USDC.address, 16),
        "receipt": int(NEW_POOL.contract("receipt"), 16),
        "supply": 5,
        "paused": 0,
        "backing": 6,
    }
    return [number.to_bytes(32, "big") for number in (said | other).values()]


def reserve_answers(market: Market, revision: int) -> list[bytes]:
    """What an idle reserve answers."""

    def words(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(32, "big") for number in numbers)

    at = [int(dict(market.contracts).get(role, "0x0"), 16) for role in ("receipt", "stable_debt", "debt", "strategy")]
    data = words(USDC.decimals << 48 | 1 << 56, RAY, 0, RAY, 0, 0, NOW, 0, *at, 0, 0, 0)
    said = [words(revision), data, *[words(0)] * 2, words(10**8), words(10**8), *[words(0)] * 2]
    return [*said, *[words(RAY // 2)] * 4] if revision == 1 else [*said, words(8_000, 0, 400, 6_000)]


def test_wraps_one_aave_reserve_of_its_asset_and_nothing_else() -> None:
    assert wrapped(MARKET) == NEW_POOL
    for wraps in ((), (NEW_POOL, NEW_POOL), (RECORDED,), (replace(NEW_POOL, asset=DAI),)):
        with pytest.raises(ValueError, match="wraps one"):
            ADAPTER.reads(replace(MARKET, wraps=wraps))


def test_reads_its_own_words_and_then_its_reserves() -> None:
    state = ADAPTER.decode(MARKET, [*own_answers(paused=1), *reserve_answers(NEW_POOL, 10)], NOW)
    assert (state.total_supply_raw, state.backing_scaled_raw, state.paused, state.timestamp) == (5, 6, True, NOW)
    assert state.reserve.market == NEW_POOL
    assert [call.target for call in ADAPTER.reads(MARKET)][:5] == [MARKET.address] * 4 + [NEW_POOL.contract("receipt")]
    assert ADAPTER.reads(MARKET)[5:] == AaveV3().reads(NEW_POOL)


def test_refuses_another_asset_receipt_or_pool_version_and_half_an_answer() -> None:
    good = reserve_answers(NEW_POOL, 10)
    with pytest.raises(UnsupportedState, match="asset"):
        ADAPTER.decode(MARKET, [*own_answers(asset=1), *good], NOW)
    with pytest.raises(UnsupportedState, match="aToken"):
        ADAPTER.decode(MARKET, [*own_answers(receipt=1), *good], NOW)
    old = replace(MARKET, wraps=(OLD_POOL,))
    with pytest.raises(UnsupportedState, match=r"V3\.0"):
        ADAPTER.decode(old, [*own_answers(), *reserve_answers(OLD_POOL, 1)], NOW)
    with pytest.raises(IncompleteRead):
        ADAPTER.decode(MARKET, own_answers(), NOW)
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(MARKET, ())
    assert ADAPTER.holding(MARKET, ((9).to_bytes(32, "big"),)) == claim(9)


@given(raw=AMOUNTS, seconds=st.integers(0, 10**8))
def test_every_rounding_favours_the_wrapper(raw: int, seconds: int) -> None:
    state = ADAPTER.accrue(static(), seconds)
    assert assets_of_shares_down(state, shares_of_assets_down(state, raw)) <= raw
    assert assets_of_shares_up(state, shares_of_assets_up(state, raw)) >= raw
    assert 0 <= shares_of_assets_up(state, raw) - shares_of_assets_down(state, raw) <= 1
    assert 0 <= assets_of_shares_up(state, raw) - assets_of_shares_down(state, raw) <= 1


@given(raw=st.integers(10, 10**12), seconds=st.integers(0, 10**7))
def test_what_is_deposited_is_the_pools_and_backs_every_share(raw: int, seconds: int) -> None:
    state = ADAPTER.accrue(static(), seconds)
    done = ADAPTER.apply(state, claim(0), Supply(MARKET, usdc(raw)))
    assert done.state.reserve == AaveV3().apply(state.reserve, Position(NEW_POOL, 0), Supply(NEW_POOL, usdc(raw))).state
    assert done.held.shares_raw == done.state.total_supply_raw - state.total_supply_raw
    assert done.held.shares_raw == done.state.backing_scaled_raw - state.backing_scaled_raw
    back = ADAPTER.apply(done.state, done.held, Withdraw(MARKET, ADAPTER.everything(done.held)))
    assert (back.held.is_empty, back.state.backing_scaled_raw) == (True, state.backing_scaled_raw)
    assert raw - 2 <= back.moved_raw(USDC) <= raw


def test_takes_what_the_cap_leaves_and_not_a_unit_more() -> None:
    idle = static(supply_cap=10_100_000)
    state = replace(idle, reserve=pool.updated(idle.reserve))
    most_raw = max_deposit_raw(state)
    assert 0 < most_raw < 100_000 * ONE
    assert ADAPTER.apply(state, claim(), Supply(MARKET, usdc(most_raw))).moved == (usdc(-most_raw),)
    with pytest.raises(ActionRefused, match="are offered"):
        ADAPTER.apply(state, claim(), Supply(MARKET, usdc(most_raw + 1)))
    assert (max_deposit_raw(static()), max_deposit_raw(static(supply_cap=1))) == (MAX_UINT256, 0)


def test_the_limit_lies_by_what_the_treasury_earned_since_the_last_touch() -> None:
    state = static(supply_cap=10_100_000)
    most_raw = max_deposit_raw(state)
    with pytest.raises(ActionRefused, match="the supply cap is"):
        ADAPTER.apply(state, claim(), Supply(MARKET, usdc(most_raw)))
    written_raw = max_deposit_raw(replace(state, reserve=pool.updated(state.reserve)))
    assert most_raw - 101 * ONE < written_raw < most_raw


def test_gives_what_the_pool_has_and_not_a_unit_more() -> None:
    state, rich = static(), claim(3_000_000 * ONE)
    most_raw = max_withdraw_raw(state, rich.shares_raw)
    assert state.reserve.available_raw - 2 <= most_raw <= state.reserve.available_raw
    assert ADAPTER.apply(state, rich, Withdraw(MARKET, usdc(most_raw))).moved == (usdc(most_raw),)
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(state, rich, Withdraw(MARKET, usdc(most_raw + 1)))
    shares_raw = max_redeem_raw(state, rich.shares_raw)
    assert ADAPTER.apply(state, rich, Withdraw(MARKET, Shares(shares_raw))).held.shares_raw == rich.shares_raw - shares_raw
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(state, rich, Withdraw(MARKET, Shares(shares_raw + 1)))


@pytest.mark.parametrize("limits", [{"paused": True}, {"active": False}], ids=["paused", "inactive"])
def test_a_closed_reserve_closes_both_ways(limits: dict[str, object]) -> None:
    state = static(**limits)
    assert (max_deposit_raw(state), max_redeem_raw(state, 5), ADAPTER.withdrawable_raw(state)) == (0, 0, 0)
    for action in (Supply(MARKET, usdc(ONE)), Withdraw(MARKET, usdc(ONE)), Withdraw(MARKET, Shares(ONE))):
        with pytest.raises(ProtocolError):
            ADAPTER.apply(state, claim(), action)


def test_a_frozen_reserve_lets_go_and_takes_nothing() -> None:
    state = static(frozen=True)
    assert ADAPTER.apply(state, claim(), Withdraw(MARKET, Shares(ONE))).moved_raw(USDC) > ONE
    with pytest.raises(ActionRefused, match="takes 0"):
        ADAPTER.apply(state, claim(), Supply(MARKET, usdc(1)))


def test_a_paused_wrapper_moves_no_share_though_its_limits_say_otherwise() -> None:
    state = replace(static(), paused=True)
    assert max_deposit_raw(state) == MAX_UINT256
    assert (max_redeem_raw(state, 5), ADAPTER.withdrawable_raw(state)) == (5, 0)
    for action in (Supply(MARKET, usdc(ONE)), Withdraw(MARKET, usdc(ONE)), Withdraw(MARKET, Shares(ONE))):
        with pytest.raises(ActionRefused, match="wrapper is paused"):
            ADAPTER.apply(state, claim(), action)


def test_nothing_is_neither_deposited_nor_taken() -> None:
    for action in (Supply(MARKET, usdc(0)), Supply(MARKET, usdc(1)), Withdraw(MARKET, usdc(0)), Withdraw(MARKET, Shares(0))):
        with pytest.raises(ActionRefused):
            ADAPTER.apply(static(), claim(), action)
    assert ADAPTER.apply(static(), claim(), Supply(MARKET, usdc(2))).held.shares_raw == claim().shares_raw + 1


@given(first=st.integers(0, 10**8), second=st.integers(0, 10**8))
def test_two_stretches_of_time_are_their_sum_and_only_earn(first: int, second: int) -> None:
    once, twice = ADAPTER.accrue(static(), first + second), ADAPTER.accrue(ADAPTER.accrue(static(), first), second)
    assert once == twice
    assert ADAPTER.value_raw(once, claim()) >= ADAPTER.value_raw(ADAPTER.accrue(static(), first), claim())
    assert ADAPTER.value_raw(once, claim()) == claim().shares_raw * pool.income_ray(once.reserve) // RAY


def test_is_assessed_as_its_reserve_and_backs_nothing() -> None:
    state = static()
    assert ADAPTER.columns(state) == AaveV3().columns(state.reserve)
    assert ADAPTER.withdrawable_raw(state) == state.reserve.available_raw
    assert ADAPTER.price_usd_e8(state) == state.reserve.price_usd_e8
    assert (ADAPTER.solvency(state, claim()).collateral_usd_e8, ADAPTER.units(MARKET)) == (0, (MARKET.address, None))


def test_has_no_word_for_everything_and_knows_no_other_action() -> None:
    assert ADAPTER.everything(claim(5)) == Shares(5)
    for action in (Withdraw(MARKET, ALL), Borrow(MARKET, usdc(1)), Supply(MARKET, Amount(DAI, 1))):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
        with pytest.raises(ActionRefused):
            ADAPTER.apply(static(), claim(), action)


def test_approves_exactly_what_it_deposits_and_reads_its_own_bytes_only() -> None:
    approval, deposit = ADAPTER.encode(Supply(MARKET, usdc(7)), ACCOUNT)
    assert approval == erc20.approve_exactly(usdc(7), ADAPTER.spender(Supply(MARKET, usdc(7))))
    parse = partial(ADAPTER.parse, account=ACCOUNT, markets=(MARKET,))
    assert parse(deposit) == Supply(MARKET, usdc(7))
    for action in (Withdraw(MARKET, usdc(7)), Withdraw(MARKET, Shares(7))):
        (call,) = ADAPTER.encode(action, ACCOUNT)
        assert parse(call) == action
        assert ADAPTER.parse(call, STRANGER, (MARKET,)) is None
        for at in (36 + 31, 68 + 31):  # receiver, then owner
            other = bytes([*call.data[:at], call.data[at] ^ 1, *call.data[at + 1 :]])
            assert parse(replace(call, data=other)) is None

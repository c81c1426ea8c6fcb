"""The recorded market: an index and a rate, rounded against the holder, and nothing it was not told."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Borrow, Position, Repay, Supply, Withdraw
from strategies.errors import ActionRefused, InsufficientBalance, InsufficientLiquidity, UnknownCall, UnsupportedState
from strategies.protocols.recorded_index import RecordedIndexes, index_now_ray
from strategies.units import MAX_UINT256, RAY, SECONDS_PER_YEAR, USD_E8
from tests.strategies.protocols.cases import ACCOUNT, DAI, ONE, RECORDED, USDC, claim, recorded

ADAPTER = RecordedIndexes()
AMOUNTS = st.integers(10, 100_000 * ONE)


def usdc(raw: int) -> Amount:
    return Amount(USDC, raw)


def test_the_index_grows_linearly_from_its_record() -> None:
    later = ADAPTER.accrue(replace(recorded(), index_ray=RAY), SECONDS_PER_YEAR // 2)
    assert index_now_ray(later) == RAY + 33 * RAY // 2_000
    assert (later.timestamp, later.index_ray) == (recorded().timestamp + SECONDS_PER_YEAR // 2, RAY)


def test_acting_does_not_move_the_index_or_the_rate() -> None:
    later = ADAPTER.accrue(recorded(), 86_400)
    done = ADAPTER.apply(later, claim(RECORDED), Supply(RECORDED, usdc(10**12)))
    assert done.state == replace(later, available_raw=2_000_000 * ONE + 10**12)


@given(raw=AMOUNTS, seconds=st.integers(0, 10**9))
def test_supplying_never_buys_more_than_it_pays(raw: int, seconds: int) -> None:
    state = ADAPTER.accrue(recorded(), seconds)
    done = ADAPTER.apply(state, Position(RECORDED, 0), Supply(RECORDED, usdc(raw)))
    assert raw - 1 - index_now_ray(state) // RAY <= ADAPTER.value_raw(state, done.held) <= raw


@given(raw=AMOUNTS, seconds=st.integers(0, 10**9))
def test_withdrawing_never_gives_more_than_it_burns(raw: int, seconds: int) -> None:
    state, held = ADAPTER.accrue(recorded(), seconds), claim(RECORDED)
    done = ADAPTER.apply(state, held, Withdraw(RECORDED, usdc(raw)))
    assert ADAPTER.value_raw(state, done.held) <= ADAPTER.value_raw(state, held) - raw


def test_withdrawing_all_leaves_no_share_and_pays_the_floor() -> None:
    state, held = recorded(), claim(RECORDED, 3)
    done = ADAPTER.apply(state, held, Withdraw(RECORDED, ALL))
    assert (done.moved_raw(done.state.market.asset), done.held.shares_raw) == (3, 0)


def test_refuses_more_than_is_held() -> None:
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(recorded(), claim(RECORDED, 100), Withdraw(RECORDED, usdc(106)))
    assert ADAPTER.apply(recorded(), claim(RECORDED, 100), Withdraw(RECORDED, usdc(105))).held.shares_raw == 0


def test_refuses_more_than_the_recorded_liquidity() -> None:
    held = claim(RECORDED, 100 * ONE)
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(recorded(ONE), held, Withdraw(RECORDED, usdc(ONE + 1)))
    assert ADAPTER.apply(recorded(ONE), held, Withdraw(RECORDED, usdc(ONE))).state.available_raw == 0


def test_an_unrecorded_liquidity_limits_nothing_and_shows_as_not_said() -> None:
    state = recorded(None)
    assert ADAPTER.apply(state, claim(RECORDED), Withdraw(RECORDED, ALL)).state.available_raw is None
    assert ADAPTER.withdrawable_raw(state) == MAX_UINT256
    assert math.isnan(ADAPTER.columns(state).available)
    assert math.isnan(ADAPTER.columns(state).supplied)


def test_shows_what_was_recorded() -> None:
    seen = ADAPTER.columns(recorded())
    assert (seen.supply_apr, seen.borrow_apr, seen.utilisation, seen.available) == (0.033, 0.046, 0.8, 2_000_000.0)
    assert math.isclose(seen.supplied, 10_000_000)
    assert math.isnan(ADAPTER.columns(replace(recorded(), utilisation_wad=10**18)).supplied)
    assert ADAPTER.price_usd_e8(recorded()) == USD_E8
    assert ADAPTER.withdrawable_raw(recorded()) == 2_000_000 * ONE


@pytest.mark.parametrize("raw", [0, 1, -5])
def test_refuses_amounts_that_move_no_share(raw: int) -> None:
    with pytest.raises(ActionRefused):
        ADAPTER.apply(recorded(), claim(RECORDED), Supply(RECORDED, usdc(raw)))


@pytest.mark.parametrize("raw", [0, -5])
def test_refuses_to_withdraw_nothing(raw: int) -> None:
    with pytest.raises(ActionRefused):
        ADAPTER.apply(recorded(), claim(RECORDED), Withdraw(RECORDED, usdc(raw)))


@pytest.mark.parametrize("kind", [Borrow, Repay])
def test_refuses_debt(kind: type[Borrow | Repay]) -> None:
    with pytest.raises(ActionRefused, match="not asked for"):
        ADAPTER.apply(recorded(), claim(RECORDED), kind(RECORDED, usdc(ONE)))
    with pytest.raises(UnknownCall):
        ADAPTER.encode(kind(RECORDED, usdc(ONE)), ACCOUNT)
    assert ADAPTER.solvency(recorded(), claim(RECORDED)).collateral_usd_e8 == 0
    assert ADAPTER.units(RECORDED) == (RECORDED.address, None)


def test_refuses_another_market_and_another_asset() -> None:
    other = replace(RECORDED, id="other:USDC")
    for action in (Supply(other, usdc(ONE)), Withdraw(other, ALL), Withdraw(RECORDED, Amount(DAI, ONE))):
        with pytest.raises(ActionRefused, match="not asked for"):
            ADAPTER.apply(recorded(), claim(RECORDED), action)


def test_refuses_to_be_read_from_a_chain() -> None:
    assert ADAPTER.reads(RECORDED) == ADAPTER.holding_reads(RECORDED, ACCOUNT) == ()
    with pytest.raises(UnsupportedState, match="recorded rates"):
        ADAPTER.decode(RECORDED, (), 0)
    with pytest.raises(UnsupportedState, match="recorded rates"):
        ADAPTER.holding(RECORDED, ())


def test_its_own_notation_is_exact_with_itself_and_priced_as_aave() -> None:
    assert (ADAPTER.protocol, ADAPTER.arrival_bound_raw) == ("recorded_index", 0)
    assert (ADAPTER.gas(Supply(RECORDED, usdc(1))), ADAPTER.gas(Withdraw(RECORDED, ALL))) == (225_000, 200_000)


def test_does_not_write_to_what_is_no_address() -> None:
    with pytest.raises(UnknownCall):
        ADAPTER.encode(Withdraw(RECORDED, ALL), "nobody")

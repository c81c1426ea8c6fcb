"""Aave V3 by its rules: what stops which action, what bytes mean, and the figures an assessment sees."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from strategies.domain import ALL, Amount, Borrow, Market, MarketAction, Repay, Supply, Withdraw
from strategies.errors import (
    ActionRefused,
    InsufficientBalance,
    InsufficientLiquidity,
    ProtocolError,
    UnknownCall,
    UnsupportedState,
)
from strategies.protocols.aave_v3 import AaveV3
from strategies.protocols.aave_v3.arithmetic import (
    V3_0,
    V3_6,
    Version,
    binomial_interest_ray,
    linear_interest_ray,
    taylor_interest_ray,
)
from strategies.protocols.aave_v3.reserve import Reserve, income_ray, owed_raw
from strategies.units import MAX_UINT256, RAY, USD_E8
from tests.strategies.protocols.cases import (
    ACCOUNT,
    DAI,
    NEW_POOL,
    NOW,
    OLD_POOL,
    ONE,
    OPEN,
    STRANGER,
    USDC,
    VERSIONS,
    claim,
    reserve,
)

ADAPTER = AaveV3()
BOTH = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: str(version.name))


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def usdc(raw: int) -> Amount:
    return Amount(USDC, raw)


def given(version: Version, **changed: Any) -> Reserve:
    return reserve(version, replace(OPEN, **changed))


EVERY: tuple[Callable[[Market, Any], MarketAction], ...] = (Supply, Withdraw, Borrow, Repay)


@BOTH
@pytest.mark.parametrize(
    ("changed", "stopped"),
    [
        ({"active": False}, EVERY),
        ({"paused": True}, EVERY),
        ({"frozen": True}, (Supply, Borrow)),
        ({"borrowing_enabled": False}, (Borrow,)),
        ({"siloed": True}, (Borrow,)),
        ({"supply_cap": 10_000_000}, (Supply,)),
        ({"borrow_cap": 8_000_000}, (Borrow,)),
        ({"supply_cap": 11_000_000, "borrow_cap": 9_000_000}, ()),
        ({}, ()),
    ],
)
def test_a_setting_stops_exactly_the_actions_it_stops_in_the_pool(
    version: Version, changed: dict[str, Any], stopped: tuple[Callable[[Market, Any], MarketAction], ...]
) -> None:
    state = given(version, **changed)
    held = claim(state.market, 100 * ONE, 100 * ONE)
    for kind in EVERY:
        action = kind(state.market, usdc(ONE))
        if kind in stopped:
            with pytest.raises((ActionRefused, UnsupportedState)):
                ADAPTER.apply(state, held, action)
        else:
            assert ADAPTER.apply(state, held, action).state.last_update_timestamp == NOW


def accepted(state: Reserve, action: MarketAction) -> bool:
    try:
        ADAPTER.apply(state, claim(state.market, 10**15, 10**15), action)
    except ProtocolError:
        return False
    return True


def most_raw(state: Reserve, kind: Callable[[Market, Any], MarketAction]) -> int:
    """The most that is accepted of an action."""
    low, high = 1, 10**14
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if accepted(state, kind(state.market, usdc(middle))) else (low, middle - 1)
    return low


def test_supplies_up_to_the_cap_and_not_a_unit_more() -> None:
    state = given(V3_0, supply_cap=11_000_000)
    room_raw = most_raw(state, Supply)
    treasury = ADAPTER.apply(state, claim(OLD_POOL), Withdraw(OLD_POOL, usdc(ONE))).state.treasury_scaled_raw
    counted_raw = (state.scaled_supply_raw + treasury) * income_ray(state) + RAY // 2
    assert counted_raw // RAY + room_raw == 11_000_000 * ONE


def test_borrows_up_to_the_cap_and_not_a_unit_more() -> None:
    state = given(V3_0, borrow_cap=9_000_000)
    assert owed_raw(state, state.scaled_debt_raw) + most_raw(state, Borrow) == 9_000_000 * ONE


@BOTH
def test_lends_and_pays_out_to_the_last_unit_and_not_one_more(version: Version) -> None:
    state = reserve(version)
    assert most_raw(state, Borrow) == most_raw(state, Withdraw) == state.available_raw
    with pytest.raises(InsufficientLiquidity, match="wanted"):
        ADAPTER.apply(state, claim(state.market, 10**15), Withdraw(state.market, usdc(state.available_raw + 1)))


@BOTH
def test_withdraws_a_claim_to_the_last_unit_and_not_one_more(version: Version) -> None:
    state = reserve(version)
    held = claim(state.market)
    balance_raw = ADAPTER.value_raw(state, held)
    for amount in (usdc(balance_raw), ALL):
        done = ADAPTER.apply(state, held, Withdraw(state.market, amount))
        assert (done.moved_raw(done.state.market.asset), done.held.shares_raw) == (balance_raw, 0)
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(state, held, Withdraw(state.market, usdc(balance_raw + 1)))


@BOTH
def test_repaying_more_than_is_owed_pays_what_is_owed(version: Version) -> None:
    state = reserve(version)
    held = claim(state.market, 0, 100 * ONE)
    due_raw = owed_raw(state, held.debt_raw)
    for amount in (usdc(due_raw + 1), usdc(due_raw), ALL):
        done = ADAPTER.apply(state, held, Repay(state.market, amount))
        assert (done.moved_raw(done.state.market.asset), done.held.debt_raw) == (-due_raw, 0)
    with pytest.raises(ActionRefused):
        ADAPTER.apply(state, claim(state.market), Repay(state.market, ALL))


@BOTH
def test_refuses_nothing_at_all_and_claims_of_nothing(version: Version) -> None:
    state = reserve(version)
    for kind in EVERY:
        with pytest.raises(ActionRefused, match="zero"):
            ADAPTER.apply(state, claim(state.market, 5, 5), kind(state.market, usdc(0)))
    with pytest.raises(ActionRefused):
        ADAPTER.apply(state, claim(state.market, 0), Withdraw(state.market, ALL))


def test_refuses_an_amount_of_less_than_one_scaled_unit() -> None:
    state = replace(reserve(V3_6), liquidity_index_ray=3 * RAY)
    with pytest.raises(ActionRefused, match="less than one"):
        ADAPTER.apply(state, claim(NEW_POOL), Supply(NEW_POOL, usdc(2)))
    assert ADAPTER.apply(state, claim(NEW_POOL, 0), Supply(NEW_POOL, usdc(4))).held.shares_raw == 1


def test_later_pools_lend_no_more_than_is_supplied_whatever_is_available() -> None:
    state = replace(reserve(V3_6), scaled_supply_raw=ONE)
    with pytest.raises(InsufficientLiquidity):
        ADAPTER.apply(state, claim(NEW_POOL), Borrow(NEW_POOL, usdc(2 * ONE)))
    old = replace(reserve(V3_0), scaled_supply_raw=ONE)
    assert ADAPTER.apply(old, claim(OLD_POOL), Borrow(OLD_POOL, usdc(2 * ONE))).moved_raw(USDC) == 2 * ONE


def test_refuses_another_market_and_another_asset() -> None:
    for action in (Supply(NEW_POOL, usdc(ONE)), Supply(OLD_POOL, Amount(DAI, ONE)), Withdraw(NEW_POOL, ALL)):
        with pytest.raises(ActionRefused, match="not asked for"):
            ADAPTER.apply(reserve(V3_0), claim(OLD_POOL), action)


def test_what_an_action_costs_suppliers_and_borrowers_goes_the_way_of_the_curve() -> None:
    state, held = reserve(), claim(OLD_POOL, 10**12, 10**12)
    before = ADAPTER.columns(ADAPTER.apply(state, held, Supply(OLD_POOL, usdc(1))).state)
    for kind, dearer in ((Supply, False), (Withdraw, True), (Borrow, True), (Repay, False)):
        after = ADAPTER.columns(ADAPTER.apply(state, held, kind(OLD_POOL, usdc(10**11))).state)
        assert (after.borrow_apr > before.borrow_apr) is dearer
        assert (after.supply_apr > before.supply_apr) is dearer


def test_the_two_compoundings_differ_and_both_exceed_the_linear() -> None:
    rate_ray, year = RAY // 10, 31_536_000
    assert linear_interest_ray(rate_ray, year) < binomial_interest_ray(rate_ray, year) < taylor_interest_ray(rate_ray, year)


@pytest.mark.parametrize("growth", [linear_interest_ray, binomial_interest_ray, taylor_interest_ray])
def test_no_time_and_no_rate_grow_nothing(growth: Callable[[int, int], int]) -> None:
    assert growth(RAY, 0) == growth(0, 10**8) == RAY


def test_shows_rates_per_year_and_whole_units() -> None:
    seen = ADAPTER.columns(reserve())
    assert (seen.supply_apr, seen.borrow_apr) == (0.033, 0.046)
    assert seen.available == 2_000_000.0
    assert 0.80 < seen.utilisation < 0.801
    assert 10_000_000 < seen.supplied < 10_001_000


def test_an_empty_reserve_is_not_utilised() -> None:
    empty = replace(reserve(), scaled_supply_raw=0, scaled_debt_raw=0, available_raw=0)
    assert ADAPTER.columns(empty).utilisation == 0.0


def test_nothing_can_be_withdrawn_while_paused_or_inactive() -> None:
    assert ADAPTER.withdrawable_raw(given(V3_0, paused=True)) == ADAPTER.withdrawable_raw(given(V3_0, active=False)) == 0
    assert ADAPTER.withdrawable_raw(given(V3_0, frozen=True)) == 2_000_000 * ONE


def test_a_price_of_zero_is_no_price() -> None:
    assert ADAPTER.price_usd_e8(reserve()) == USD_E8
    assert ADAPTER.price_usd_e8(replace(reserve(), price_usd_e8=0)) is None


def test_counts_collateral_down_at_its_threshold_and_debt_up() -> None:
    state = replace(
        reserve(), liquidity_index_ray=RAY, variable_index_ray=RAY, last_update_timestamp=NOW, price_usd_e8=100_000_001
    )
    part = ADAPTER.solvency(state, claim(OLD_POOL, 1_999_999, 1_999_999))
    assert (part.collateral_usd_e8, part.debt_usd_e8) == (199_999_901 * 8_000 // 10_000, 199_999_902)


def test_does_not_write_a_repayment_of_everything_but_reads_it() -> None:
    with pytest.raises(UnknownCall, match="cannot be exact"):
        ADAPTER.encode(Repay(OLD_POOL, ALL), ACCOUNT)
    call = ADAPTER.encode(Repay(OLD_POOL, usdc(1)), ACCOUNT)[-1]
    everything = replace(call, data=call.data[:36] + word(MAX_UINT256) + call.data[68:])
    assert ADAPTER.parse(everything, ACCOUNT, (OLD_POOL,)) == Repay(OLD_POOL, ALL)


@pytest.mark.parametrize("kind", [Supply, Borrow])
def test_reads_nothing_from_a_supply_or_loan_of_everything(kind: Callable[[Market, Any], MarketAction]) -> None:
    call = ADAPTER.encode(kind(OLD_POOL, usdc(1)), ACCOUNT)[-1]
    everything = replace(call, data=call.data[:36] + word(MAX_UINT256) + call.data[68:])
    assert ADAPTER.parse(everything, ACCOUNT, (OLD_POOL,)) is None


def test_reads_nothing_from_a_referral_or_the_stable_rate() -> None:
    supply, loan = (ADAPTER.encode(kind(OLD_POOL, usdc(1)), ACCOUNT)[-1] for kind in (Supply, Borrow))
    referred = replace(supply, data=supply.data[:-1] + b"\x01")
    stable = replace(loan, data=loan.data[:68] + word(1) + loan.data[100:])
    assert ADAPTER.parse(supply, ACCOUNT, (OLD_POOL,)) is not None
    assert ADAPTER.parse(referred, ACCOUNT, (OLD_POOL,)) is None
    assert ADAPTER.parse(stable, ACCOUNT, (OLD_POOL,)) is None


def test_tells_two_assets_of_one_pool_apart() -> None:
    other = replace(OLD_POOL, id="old:DAI", asset=DAI)
    call = ADAPTER.encode(Supply(other, Amount(DAI, 5)), ACCOUNT)[-1]
    assert ADAPTER.parse(call, ACCOUNT, (OLD_POOL, other)) == Supply(other, Amount(DAI, 5))
    assert ADAPTER.parse(call, ACCOUNT, (OLD_POOL,)) is None


def test_does_not_write_to_what_is_no_address() -> None:
    with pytest.raises(UnknownCall):
        ADAPTER.encode(Withdraw(OLD_POOL, ALL), "nobody")
    assert ADAPTER.encode(Withdraw(OLD_POOL, ALL), STRANGER)


def test_names_the_contracts_that_count_shares_and_debt() -> None:
    assert ADAPTER.units(OLD_POOL) == (OLD_POOL.contract("receipt"), OLD_POOL.contract("debt"))


def test_its_model_is_exact() -> None:
    assert ADAPTER.arrival_bound_raw == 0

"""What counts as collateral in Aave: who may switch it, and what a first supply and a last withdrawal make of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, SetCollateral, Supply, Withdraw
from strategies.errors import ActionRefused, InsufficientBalance
from strategies.protocols.aave_v3 import AaveV3
from strategies.protocols.aave_v3.arithmetic import V3_0, V3_6, Version
from strategies.protocols.aave_v3.reserve import Reserve
from tests.strategies.protocols.cases import ACCOUNT, DAI, NEW_POOL, OLD_POOL, ONE, OPEN, USDC, VERSIONS, claim, reserve

ADAPTER = AaveV3()
BOTH = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: str(version.name))
EITHER = pytest.mark.parametrize("is_used", [True, False], ids=["on", "off"])


def configured(version: Version, **changed: Any) -> Reserve:
    return reserve(version, replace(OPEN, **changed))


@BOTH
@EITHER
@pytest.mark.parametrize("counts", [True, False])
def test_the_switch_sets_whether_a_claim_counts_and_touches_nothing_else(version: Version, is_used: bool, counts: bool) -> None:
    state = reserve(version)
    held = replace(claim(state.market, 100 * ONE, 10 * ONE), counts=counts)
    done = ADAPTER.apply(state, held, SetCollateral(state.market, is_used))
    assert (done.state, done.held, done.moved) == (state, replace(held, counts=is_used), ())


@BOTH
@EITHER
@pytest.mark.parametrize("changed", [{"paused": True}, {"active": False}])
def test_the_switch_stands_still_while_a_reserve_is_paused_or_inactive(
    version: Version, is_used: bool, changed: dict[str, bool]
) -> None:
    state = configured(version, **changed)
    with pytest.raises(ActionRefused, match=f"{state.market.id}.*(paused|not active)"):
        ADAPTER.apply(state, claim(state.market), SetCollateral(state.market, is_used))
    frozen = configured(version, frozen=True)
    assert ADAPTER.apply(frozen, claim(state.market), SetCollateral(state.market, is_used)).held.counts is is_used


@BOTH
def test_what_is_not_supplied_is_no_collateral(version: Version) -> None:
    state = reserve(version)
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(state, claim(state.market, 0), SetCollateral(state.market, True))


def test_only_the_older_pool_minds_what_is_not_supplied_being_switched_off() -> None:
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(reserve(V3_0), claim(OLD_POOL, 0), SetCollateral(OLD_POOL, False))
    assert ADAPTER.apply(reserve(V3_6), claim(NEW_POOL, 0), SetCollateral(NEW_POOL, False)).held.is_empty


@BOTH
def test_without_ltv_it_cannot_be_switched_on_but_stays_on_and_goes_off(version: Version) -> None:
    state = configured(version, ltv_bps=0)
    on, off = claim(state.market), replace(claim(state.market), counts=False)
    with pytest.raises(ActionRefused, match="LTV is zero"):
        ADAPTER.apply(state, off, SetCollateral(state.market, True))
    assert ADAPTER.apply(state, on, SetCollateral(state.market, True)).held == on
    assert ADAPTER.apply(state, on, SetCollateral(state.market, False)).held == off


@BOTH
@pytest.mark.parametrize("ltv_bps", [0, 7_700])
def test_a_first_supply_counts_where_anything_may_be_borrowed_against_it_and_a_later_one_changes_nothing(
    version: Version, ltv_bps: int
) -> None:
    state = configured(version, ltv_bps=ltv_bps)
    supply = Supply(state.market, Amount(USDC, ONE))
    assert ADAPTER.apply(state, claim(state.market, 0), supply).held.counts is bool(ltv_bps)
    for counts in (True, False):
        assert ADAPTER.apply(state, replace(claim(state.market), counts=counts), supply).held.counts is counts


@BOTH
def test_withdrawing_some_leaves_the_switch_and_withdrawing_all_forgets_it(version: Version) -> None:
    state = reserve(version)
    off = replace(claim(state.market), counts=False)
    some = ADAPTER.apply(state, off, Withdraw(state.market, Amount(USDC, ONE)))
    assert not some.held.counts
    gone = ADAPTER.apply(state, off, Withdraw(state.market, ALL))
    assert gone.held == claim(state.market, 0)
    again = ADAPTER.apply(gone.state, gone.held, Supply(state.market, Amount(USDC, ONE)))
    assert again.held.counts


@given(counts=st.booleans(), ltv_bps=st.sampled_from([0, 7_700]))
def test_a_claim_backs_debts_by_its_threshold_if_and_only_if_it_counts(counts: bool, ltv_bps: int) -> None:
    state = configured(V3_0, ltv_bps=ltv_bps)
    held = replace(claim(OLD_POOL, 100 * ONE, 10 * ONE), counts=counts)
    part = ADAPTER.solvency(state, held)
    assert bool(part.collateral_usd_e8) is counts
    assert part.debt_usd_e8 == ADAPTER.solvency(state, replace(held, counts=not counts)).debt_usd_e8
    assert ADAPTER.value_raw(state, held) == ADAPTER.value_raw(state, replace(held, counts=not counts))


def test_refuses_to_switch_another_market() -> None:
    with pytest.raises(ActionRefused, match="not asked for"):
        ADAPTER.apply(reserve(V3_0), claim(OLD_POOL), SetCollateral(NEW_POOL, True))


@EITHER
def test_writes_the_switch_and_reads_back_no_other_word_asset_or_value(is_used: bool) -> None:
    action = SetCollateral(OLD_POOL, is_used)
    (call,) = ADAPTER.encode(action, ACCOUNT)
    assert ADAPTER.parse(call, ACCOUNT, (OLD_POOL,)) == action
    assert ADAPTER.parse(replace(call, data=call.data[:-1] + b"\x02"), ACCOUNT, (OLD_POOL,)) is None
    assert ADAPTER.parse(replace(call, value_wei=1), ACCOUNT, (OLD_POOL,)) is None
    assert ADAPTER.parse(call, ACCOUNT, (replace(OLD_POOL, asset=DAI),)) is None

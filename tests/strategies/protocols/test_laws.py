"""What every adapter's arithmetic keeps to: time adds up, nothing comes from nowhere, and nothing is lost but named dust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import Amount, Borrow, Position, Repay, Supply, Withdraw
from strategies.errors import ProtocolError
from tests.strategies.protocols.specimens import SPECIMENS, Specimen
from tests.strategies.protocols.test_laws_calls import UNLISTED, tokens

EACH = pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: str(specimen.name))
LENDERS = pytest.mark.parametrize(
    "specimen",
    [one for one in SPECIMENS if any(isinstance(action, Supply) for action in one.writes(one.market, 1))],
    ids=lambda specimen: str(specimen.name),
)


@EACH
def test_no_time_changes_nothing(specimen: Specimen) -> None:
    assert specimen.adapter.accrue(specimen.state, 0) == specimen.state


@EACH
@given(first=st.integers(0, 10**8), second=st.integers(0, 10**8))
def test_two_stretches_of_time_are_their_sum(specimen: Specimen, first: int, second: int) -> None:
    twice = specimen.adapter.accrue(specimen.adapter.accrue(specimen.state, first), second)
    once = specimen.adapter.accrue(specimen.state, first + second)
    assert twice == once
    assert specimen.adapter.value_raw(twice, specimen.held) == specimen.adapter.value_raw(once, specimen.held)


@LENDERS
@given(seconds=st.integers(0, 10**8))
def test_a_claim_without_debt_never_loses_value_with_time(specimen: Specimen, seconds: int) -> None:
    held = Position(specimen.market, specimen.held.shares_raw)
    later = specimen.adapter.accrue(specimen.state, seconds)
    assert specimen.adapter.value_raw(later, held) >= specimen.adapter.value_raw(specimen.state, held)


@EACH
@given(data=st.data())
def test_what_the_account_gives_the_contract_gets_and_the_other_way_round(specimen: Specimen, data: st.DataObject) -> None:
    raw = data.draw(st.integers(*specimen.sizes))
    for action in specimen.writes(specimen.market, raw):
        done = specimen.adapter.apply(specimen.state, specimen.held, action)
        assert {amount.asset for amount in done.moved} <= set(tokens(specimen))
        assert all(amount.raw for amount in done.moved)
        assert len({amount.asset for amount in done.moved}) == len(done.moved)
        if isinstance(action, Supply | Withdraw | Borrow | Repay) and isinstance(action.amount, Amount):
            assert abs(done.moved_raw(action.amount.asset)) == raw
        if specimen.pool_raw is not None:
            for asset in tokens(specimen):
                gained_raw = specimen.pool_raw(done.state, asset) - specimen.pool_raw(specimen.state, asset)
                assert gained_raw == -done.moved_raw(asset)


@EACH
def test_an_action_of_another_market_or_asset_is_refused(specimen: Specimen) -> None:
    for kind in (Supply, Withdraw, Borrow, Repay):
        with pytest.raises(ProtocolError):
            specimen.adapter.apply(specimen.state, specimen.held, kind(specimen.market, Amount(UNLISTED, 1)))


@LENDERS
@given(data=st.data())
def test_supplying_and_taking_all_back_at_once_loses_no_more_than_the_named_dust(specimen: Specimen, data: st.DataObject) -> None:
    raw, market = data.draw(st.integers(*specimen.sizes)), specimen.market
    done = specimen.adapter.apply(specimen.state, Position(market, 0), Supply(market, Amount(market.asset, raw)))
    everything = specimen.adapter.everything(done.held)
    back = specimen.adapter.apply(done.state, done.held, Withdraw(market, everything))
    assert raw - specimen.dust_raw <= back.moved_raw(market.asset) <= raw + specimen.gift_raw
    assert back.held.is_empty

"""What every adapter must obey, whatever its protocol: calldata means one thing, time adds up, nothing is made from nothing."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Action, Amount, Approve, Borrow, Market, Position, Repay, Supply, Transfer, Withdraw
from strategies.errors import UnknownCall
from strategies.protocols import erc20
from strategies.protocols.aave_v3.arithmetic import V3_0, V3_6
from strategies.protocols.adapter import Adapter, Call
from strategies.protocols.registry import ADAPTERS, MarketState
from tests.strategies.protocols.cases import ACCOUNT, DAI, ONE, STRANGER, claim, recorded, reserve


@dataclass(frozen=True)
class Case:
    """An adapter with a state of it."""

    name: str
    state: MarketState
    borrows: bool

    @property
    def market(self) -> Market:
        return self.state.market

    @property
    def adapter(self) -> Adapter[MarketState]:
        return ADAPTERS[self.market.protocol]


CASES = (
    Case("aave_v3 V3.0", reserve(V3_0), borrows=True),
    Case("aave_v3 V3.6", reserve(V3_6), borrows=True),
    Case("recorded_index", recorded(), borrows=False),
)
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
AMOUNTS = st.integers(10, 100_000 * ONE)
HELD = (100_000 * ONE, 50_000 * ONE)


def actions(case: Case, raw: int) -> tuple[Action, ...]:
    amount = Amount(case.market.asset, raw)
    lending = (Supply(case.market, amount), Withdraw(case.market, amount), Withdraw(case.market, ALL))
    return (*lending, Borrow(case.market, amount), Repay(case.market, amount)) if case.borrows else lending


def written(case: Case, raw: int = 7 * ONE) -> tuple[tuple[Action, Call], ...]:
    """Every action with the one call that is not an approval."""
    return tuple((action, case.adapter.encode(action, ACCOUNT)[-1]) for action in actions(case, raw))


def test_every_adapter_is_held_to_the_laws() -> None:
    assert {case.market.protocol for case in CASES} == set(ADAPTERS)


@EACH
@given(raw=st.integers(1, 2**256 - 2))
def test_one_call_of_an_action_reads_back_to_it_and_the_others_are_its_exact_approval(case: Case, raw: int) -> None:
    for action in actions(case, raw):
        *before, call = case.adapter.encode(action, ACCOUNT)
        assert case.adapter.parse(call, ACCOUNT, (case.market,)) == action
        takes = isinstance(action, Supply | Repay)
        expected = [Approve(Amount(case.market.asset, raw), call.target)] if takes else []
        assert [erc20.parse(approval, (case.market.asset,)) for approval in before] == expected
        assert all(case.adapter.parse(approval, ACCOUNT, (case.market,)) is None for approval in before)


@EACH
def test_another_beneficiary_reads_to_nothing(case: Case) -> None:
    for action in actions(case, 7 * ONE):
        call = case.adapter.encode(action, STRANGER)[-1]
        assert case.adapter.parse(call, ACCOUNT, (case.market,)) is None


@EACH
@given(data=st.data())
def test_a_changed_byte_never_keeps_its_meaning(case: Case, data: st.DataObject) -> None:
    action, call = data.draw(st.sampled_from(written(case)))
    at = data.draw(st.integers(0, len(call.data) - 1))
    changed = bytearray(call.data)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert case.adapter.parse(replace(call, data=bytes(changed)), ACCOUNT, (case.market,)) != action


@EACH
@given(tail=st.binary(min_size=1, max_size=64))
def test_a_longer_or_shorter_tail_reads_to_nothing(case: Case, tail: bytes) -> None:
    for _, call in written(case):
        for data in (call.data + tail, call.data[: -len(tail)]):
            assert case.adapter.parse(replace(call, data=data), ACCOUNT, (case.market,)) is None


@EACH
def test_a_value_or_another_target_or_an_unlisted_market_reads_to_nothing(case: Case) -> None:
    for _, call in written(case):
        assert case.adapter.parse(replace(call, value_wei=1), ACCOUNT, (case.market,)) is None
        assert case.adapter.parse(replace(call, target=STRANGER), ACCOUNT, (case.market,)) is None
        assert case.adapter.parse(call, ACCOUNT, ()) is None


@EACH
def test_empty_data_and_an_amount_of_zero_read_to_nothing(case: Case) -> None:
    for _, call in written(case):
        nothing = call.data[:36] + bytes(32) + call.data[68:]
        assert case.adapter.parse(replace(call, data=nothing), ACCOUNT, (case.market,)) is None
        assert case.adapter.parse(replace(call, data=b""), ACCOUNT, (case.market,)) is None


@EACH
@pytest.mark.parametrize("raw", [0, -1, 2**256 - 1, 2**256])
def test_an_amount_that_is_not_one_is_not_written(case: Case, raw: int) -> None:
    for action in actions(case, raw):
        if action != Withdraw(case.market, ALL):
            with pytest.raises(UnknownCall):
                case.adapter.encode(action, ACCOUNT)


@EACH
def test_another_asset_or_a_foreign_action_is_not_written(case: Case) -> None:
    other = Amount(DAI, 1)
    for action in (Supply(case.market, other), Withdraw(case.market, other), Transfer(other, STRANGER)):
        with pytest.raises(UnknownCall):
            case.adapter.encode(action, ACCOUNT)


@EACH
def test_no_time_changes_nothing(case: Case) -> None:
    assert case.adapter.accrue(case.state, 0) == case.state


@EACH
@given(first=st.integers(0, 10**9), second=st.integers(0, 10**9))
def test_two_stretches_of_time_are_their_sum(case: Case, first: int, second: int) -> None:
    twice = case.adapter.accrue(case.adapter.accrue(case.state, first), second)
    once = case.adapter.accrue(case.state, first + second)
    held = claim(case.market)
    assert twice == once
    assert case.adapter.value_raw(twice, held) == case.adapter.value_raw(once, held)


@EACH
@given(seconds=st.integers(0, 10**9))
def test_a_claim_without_debt_never_loses_value_with_time(case: Case, seconds: int) -> None:
    held = claim(case.market)
    assert case.adapter.value_raw(case.adapter.accrue(case.state, seconds), held) >= case.adapter.value_raw(case.state, held)


@EACH
@given(raw=AMOUNTS)
def test_what_leaves_the_market_arrives_at_the_account_and_the_other_way_round(case: Case, raw: int) -> None:
    held = Position(case.market, *(HELD if case.borrows else HELD[:1]))
    for action in actions(case, raw):
        if isinstance(action, Repay) and raw > HELD[1]:
            continue
        done = case.adapter.apply(case.state, held, action)
        before, after = case.adapter.withdrawable_raw(case.state), case.adapter.withdrawable_raw(done.state)
        assert before - after == done.asset_delta_raw
        if isinstance(action, Supply | Withdraw | Borrow | Repay) and isinstance(action.amount, Amount):
            assert abs(done.asset_delta_raw) == raw


@EACH
@given(raw=AMOUNTS)
def test_supplying_and_taking_all_back_at_once_is_worth_at_most_a_unit_of_rounding(case: Case, raw: int) -> None:
    done = case.adapter.apply(case.state, Position(case.market, 0), Supply(case.market, Amount(case.market.asset, raw)))
    back = case.adapter.apply(done.state, done.held, Withdraw(case.market, ALL))
    assert raw - 2 <= back.asset_delta_raw <= raw + 1
    assert (back.held.shares_raw, back.held.debt_raw) == (0, 0)


@EACH
def test_every_action_it_writes_has_a_gas_estimate(case: Case) -> None:
    assert all(100_000 < case.adapter.gas(action) < 500_000 for action in actions(case, 1))

"""Aave's rewards by their rules: what is read, how they are counted by the second, what a claim brings and when it is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Action, Amount, Asset, Borrow, ClaimRewards, Market, Position, Repay, Reward, Supply, Withdraw
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols.aave_v3 import AaveV3, rewards
from strategies.protocols.aave_v3.reserve import Reserve
from strategies.protocols.aave_v3.rewards import Emission, Rewards
from strategies.protocols.adapter import Applied, Call
from tests.strategies.protocols.aave_v3_rewards_case import (
    ACCRUED_RAW,
    CONTROLLER,
    EMISSION,
    HELD,
    INDEX,
    JUNK,
    MARKET,
    PER_SECOND_RAW,
    STATE,
    SUPPLY_RAW,
)
from tests.strategies.protocols.cases import ACCOUNT, DAI, NEW_POOL, NOW, ONE, STRANGER, USDC, claim, reserve

ADAPTER = AaveV3()
CLAIM = ClaimRewards(MARKET)
GROWTH = PER_SECOND_RAW * 1_000 * ONE // SUPPLY_RAW  # of the index in the thousand seconds that were not counted yet
EARNED_RAW = HELD.shares_raw * (10**15 + GROWTH) // ONE


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def listed(*assets: Asset) -> bytes:
    return word(32) + word(len(assets)) + b"".join(word(int(asset.address, 16)) for asset in assets)


def data(emission: Emission) -> bytes:
    fields = (emission.index, emission.per_second_raw, emission.last_update_timestamp, emission.end_timestamp)
    return b"".join(word(field) for field in fields)


def with_rewards(known: Rewards | None) -> Reserve:
    return replace(STATE, rewards=known)


def apply(
    action: ClaimRewards | Supply | Withdraw | Borrow | Repay, state: Reserve = STATE, held: Position = HELD
) -> Applied[Reserve]:
    return ADAPTER.apply(state, held, action)


def test_a_claim_brings_what_was_written_and_what_grew_since_to_the_unit() -> None:
    done = apply(CLAIM)
    assert done.moved == (Amount(DAI, ACCRUED_RAW + EARNED_RAW),)
    assert done.held == replace(HELD, rewards=(Reward(DAI, 0, INDEX + GROWTH),))
    assert done.state.rewards == Rewards((replace(EMISSION, index=INDEX + GROWTH, last_update_timestamp=NOW),), ())
    assert replace(done.state, rewards=STATE.rewards) == STATE


def test_a_second_claim_at_once_brings_nothing() -> None:
    done = apply(CLAIM)
    assert apply(CLAIM, done.state, done.held) == Applied(done.state, done.held, ())


@given(first=st.integers(0, 20_000), second=st.integers(0, 20_000))
def test_claiming_twice_never_brings_more_than_claiming_once_and_loses_less_than_a_unit_each_time(
    first: int, second: int
) -> None:
    one = apply(CLAIM, ADAPTER.accrue(STATE, first))
    two = apply(CLAIM, ADAPTER.accrue(one.state, second), one.held)
    late = apply(CLAIM, ADAPTER.accrue(STATE, first + second))
    in_two, at_once = one.moved_raw(DAI) + two.moved_raw(DAI), late.moved_raw(DAI)
    assert 0 <= at_once - in_two <= 1 + HELD.shares_raw // ONE  # each rounds the index down, and what it earns


@given(seconds=st.integers(0, 10**6))
def test_nobody_earns_after_the_end(seconds: int) -> None:
    at_end = apply(CLAIM, ADAPTER.accrue(STATE, EMISSION.end_timestamp - NOW))
    later = apply(CLAIM, ADAPTER.accrue(STATE, EMISSION.end_timestamp - NOW + seconds))
    assert later.moved == at_end.moved


@pytest.mark.parametrize(
    "idle",
    [
        replace(EMISSION, per_second_raw=0),
        replace(EMISSION, last_update_timestamp=NOW),
        replace(EMISSION, end_timestamp=NOW - 1_000),
        replace(EMISSION, end_timestamp=NOW - 2_000),
    ],
)
def test_an_index_stands_still_where_nothing_is_given(idle: Emission) -> None:
    state = with_rewards(Rewards((idle,), ()))
    assert apply(CLAIM, state).moved_raw(DAI) == ACCRUED_RAW + HELD.shares_raw * 10**15 // ONE


def test_an_index_stands_still_where_nothing_is_supplied() -> None:
    nothing = claim(MARKET, 0)
    done = apply(Supply(MARKET, Amount(USDC, ONE)), replace(STATE, scaled_supply_raw=0), nothing)
    assert done.held.rewards == (Reward(DAI, 0, INDEX),)


SUPPLY, WITHDRAW = Supply(MARKET, Amount(USDC, ONE)), Withdraw(MARKET, Amount(USDC, ONE))


@pytest.mark.parametrize("action", [SUPPLY, WITHDRAW])
def test_what_was_earned_is_counted_by_the_balance_before_it_changes(action: Supply | Withdraw) -> None:
    assert apply(action).held.rewards == (Reward(DAI, ACCRUED_RAW + EARNED_RAW, INDEX + GROWTH),)


@pytest.mark.parametrize("kind", [Borrow, Repay])
def test_debts_count_no_rewards(kind: Callable[[Market, Amount], Borrow | Repay]) -> None:
    assert apply(kind(MARKET, Amount(USDC, ONE))).held.rewards == HELD.rewards


def test_what_was_earned_stays_due_when_nothing_is_supplied_any_more() -> None:
    gone = apply(Withdraw(MARKET, ALL), held=replace(HELD, debt_raw=0))
    assert gone.held.shares_raw == 0
    assert not gone.held.is_empty
    after = apply(CLAIM, ADAPTER.accrue(gone.state, 5_000), gone.held)
    assert after.moved == (Amount(DAI, ACCRUED_RAW + EARNED_RAW),)
    assert after.held.is_empty


def test_a_first_supply_earns_nothing_of_what_was_given_before() -> None:
    done = apply(SUPPLY, held=Position(MARKET, 0))
    assert apply(CLAIM, done.state, done.held).moved == ()


def test_a_pause_stops_no_claim() -> None:
    assert apply(CLAIM, replace(STATE, configuration=replace(STATE.configuration, paused=True, active=False))).moved


def test_without_a_controller_there_is_nothing_to_claim() -> None:
    with pytest.raises(ActionRefused, match="names no rewards controller"):
        ADAPTER.apply(reserve(STATE.version), claim(NEW_POOL), ClaimRewards(NEW_POOL))
    with pytest.raises(UnknownCall, match="names no rewards controller"):
        ADAPTER.encode(ClaimRewards(NEW_POOL), ACCOUNT)


def test_a_controller_that_also_pays_what_the_market_does_not_list_is_not_claimed_from_but_its_reserve_is_used() -> None:
    state = with_rewards(Rewards((EMISSION,), (JUNK.address,)))
    with pytest.raises(ActionRefused, match=f"also transfers {JUNK.address}"):
        apply(CLAIM, state)
    assert apply(SUPPLY, state).held.shares_raw > HELD.shares_raw


def test_reads_what_the_controller_knows_and_gives() -> None:
    answers = [listed(DAI), data(EMISSION)]
    assert [call.target for call in rewards.reads(MARKET)] == [CONTROLLER] * len(answers)
    assert rewards.decode(MARKET, answers, NOW) == STATE.rewards
    assert ADAPTER.reads(MARKET)[-2:] == rewards.reads(MARKET)
    assert rewards.decode(MARKET, [listed(JUNK, DAI), data(EMISSION)], NOW) == Rewards((EMISSION,), (JUNK.address,))


def test_what_was_never_given_for_a_reserve_is_no_emission() -> None:
    assert rewards.decode(MARKET, [listed(DAI), bytes(4 * 32)], NOW) == Rewards((), ())


def test_a_market_without_a_controller_asks_nothing() -> None:
    assert rewards.reads(NEW_POOL) == rewards.claim_reads(NEW_POOL, ACCOUNT) == ()
    assert rewards.decode(NEW_POOL, (), NOW) is None
    assert rewards.claim(NEW_POOL, ONE, ()) == ()


@pytest.mark.parametrize(
    "bad",
    [
        *(b"", word(32), listed(DAI)[:-1], listed(DAI) + bytes(32), word(64) + listed(DAI)[32:]),
        *(word(32) + word(2) + word(5), word(32) + word(1) + word(1 << 160)),
    ],
)
def test_what_is_no_list_of_addresses_is_an_incomplete_read(bad: bytes) -> None:
    with pytest.raises(IncompleteRead):
        rewards.decode(MARKET, [bad, data(EMISSION)], NOW)


def test_an_emission_counted_later_than_it_was_read_is_refused() -> None:
    with pytest.raises(UnsupportedState, match="later than it was read"):
        rewards.decode(MARKET, [listed(DAI), data(replace(EMISSION, last_update_timestamp=NOW + 1))], NOW)


def due(index_now: int, index: int, due_raw: int) -> list[bytes]:
    """What a controller answers about an account."""
    return [word(index) + word(index_now), word(index), word(due_raw)]


def test_reads_what_the_controller_has_written_of_what_is_due() -> None:
    answers = due(INDEX + GROWTH, INDEX - 10**15, ACCRUED_RAW + EARNED_RAW)
    assert len(rewards.claim_reads(MARKET, ACCOUNT)) == len(answers)
    assert rewards.claim(MARKET, HELD.shares_raw, answers) == HELD.rewards
    assert rewards.claim(MARKET, 0, due(INDEX, 0, 0)) == ()
    assert ADAPTER.holding_reads(MARKET, ACCOUNT)[5:] == rewards.claim_reads(MARKET, ACCOUNT)


@pytest.mark.parametrize("answers", [due(INDEX, INDEX + 1, 0), due(INDEX + ONE, INDEX, HELD.shares_raw - 1), [b""] * 3])
def test_rewards_that_no_controller_would_answer_are_an_incomplete_read(answers: list[bytes]) -> None:
    with pytest.raises(IncompleteRead):
        rewards.claim(MARKET, HELD.shares_raw, answers)


def parsed(call: Call) -> Action | None:
    return ADAPTER.parse(call, ACCOUNT, (MARKET, NEW_POOL))


def test_a_claim_is_written_for_the_account_and_reads_to_nothing_for_another() -> None:
    (call,) = ADAPTER.encode(CLAIM, ACCOUNT)
    assert call.target == CONTROLLER
    assert parsed(call) == CLAIM
    assert parsed(ADAPTER.encode(CLAIM, STRANGER)[0]) is None
    with pytest.raises(UnknownCall):
        ADAPTER.encode(CLAIM, "nobody")


def test_a_claim_of_other_receipts_or_several_or_in_another_layout_reads_to_nothing() -> None:
    (call,) = ADAPTER.encode(CLAIM, ACCOUNT)
    start, receiver, count, receipt = (call.data[at : at + 32] for at in range(4, len(call.data), 32))
    assert receipt == word(int(MARKET.contract("receipt"), 16))
    for changed in (
        (start, receiver, count, word(int(MARKET.contract("debt"), 16))),
        (start, receiver, word(2), receipt, receipt),
        (start, receiver, word(0)),
        (word(96), receiver, count, count, receipt),
        (start, receiver, count, receipt, bytes(32)),
    ):
        assert parsed(replace(call, data=call.data[:4] + b"".join(changed))) is None
    assert parsed(replace(call, value_wei=1)) is None
    assert parsed(replace(call, target=MARKET.address)) is None


def test_counting_rewards_costs_gas_where_there_are_any() -> None:
    assert ADAPTER.gas(SUPPLY) > ADAPTER.gas(Supply(NEW_POOL, Amount(USDC, ONE)))

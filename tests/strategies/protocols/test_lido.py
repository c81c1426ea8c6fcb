"""Lido by its rules: what stops which action, what bytes mean, and how a claim on the queue is read."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    Amount,
    Approve,
    Claim,
    MarketAction,
    Position,
    Request,
    Stake,
    Staking,
    Supply,
    Unstake,
    Unwrap,
    Wrap,
)
from strategies.errors import ActionRefused, IncompleteRead, InsufficientBalance, UnknownCall, UnsupportedState
from strategies.protocols import erc20, lido
from strategies.protocols.adapter import Call, Solvency
from strategies.protocols.lido import Lido, pool
from strategies.protocols.lido.pool import Report, StakingPool
from strategies.units import MAX_UINT256
from tests.strategies.protocols.cases import ACCOUNT, DAI, STRANGER
from tests.strategies.protocols.lido_case import ETH, ETHER, LIDO, QUEUE, STETH, WSTETH, lido_state, staker

ADAPTER = Lido()
STATE, HELD = lido_state(), staker()
RAWS = st.integers(1, 1_000 * ETHER)


def ether(raw: int) -> Amount:
    return Amount(ETH, raw)


def steth(raw: int) -> Amount:
    return Amount(STETH, raw)


def wsteth(raw: int) -> Amount:
    return Amount(WSTETH, raw)


@given(raw=RAWS)
def test_staking_buys_no_more_than_it_pays(raw: int) -> None:
    done = ADAPTER.apply(STATE, Position(LIDO, 0), Stake(LIDO, ether(raw)))
    assert done.moved == (ether(-raw),)
    assert raw - 2 <= ADAPTER.value_raw(done.state, done.held) <= raw
    assert (done.state.ether_wei, done.state.shares_raw) == (STATE.ether_wei + raw, STATE.shares_raw + done.held.shares_raw)


@given(raw=st.integers(1, 900 * ETHER))
def test_shares_are_neither_made_nor_lost_between_the_growing_token_the_standing_one_and_the_queue(raw: int) -> None:
    wrapped = ADAPTER.apply(STATE, HELD, Wrap(LIDO, steth(raw)))
    assert wrapped.held.shares_raw + wrapped.moved_raw(WSTETH) == HELD.shares_raw
    asked = ADAPTER.apply(STATE, HELD, Unstake(LIDO, steth(max(raw, 100))))
    assert asked.held.shares_raw + asked.held.requests[-1].shares_raw == HELD.shares_raw
    assert (asked.moved, asked.state.ether_wei, asked.state.shares_raw) == ((), STATE.ether_wei, STATE.shares_raw)


@given(raw=RAWS)
def test_unwrapping_may_leave_a_share_behind_and_never_more(raw: int) -> None:
    done = ADAPTER.apply(STATE, Position(LIDO, 0), Unwrap(LIDO, wsteth(raw)))
    assert (raw - 1 <= done.held.shares_raw <= raw, done.moved) == (True, (wsteth(-raw),))


def test_a_request_takes_the_next_place_and_waits() -> None:
    done = ADAPTER.apply(STATE, HELD, Unstake(LIDO, steth(ETHER)))
    assert done.held.requests == (*HELD.requests, Request(78, ETHER, pool.shares_of_down(STATE, ETHER), False))
    assert done.state.last_request_id == 78


@pytest.mark.parametrize(("least", "most"), [(100, 1_000 * ETHER)])
def test_refuses_to_unstake_less_or_more_than_the_queue_takes(least: int, most: int) -> None:
    for raw in (0, least - 1, most + 1):
        with pytest.raises(ActionRefused, match="is out of"):
            ADAPTER.apply(STATE, HELD, Unstake(LIDO, steth(raw)))
    for raw in (least, most):
        assert ADAPTER.apply(STATE, HELD, Unstake(LIDO, steth(raw))).held.requests[-1].amount_raw == raw


@pytest.mark.parametrize("kind", [Wrap, Unstake])
def test_refuses_more_shares_than_are_held(kind: type[Wrap | Unstake]) -> None:
    held = Position(LIDO, 500 * ETHER)
    most_raw = next(
        raw for raw in range(pool.ether_of_down(STATE, 500 * ETHER) + 3, 0, -1) if pool.shares_of_down(STATE, raw) <= 500 * ETHER
    )
    assert ADAPTER.apply(STATE, held, kind(LIDO, steth(most_raw))).held.shares_raw == 0
    with pytest.raises(InsufficientBalance):
        ADAPTER.apply(STATE, held, kind(LIDO, steth(most_raw + 1)))


def test_a_claim_pays_what_the_request_has_become() -> None:
    done = ADAPTER.apply(STATE, HELD, Claim(LIDO, 41))
    assert (done.moved, done.held.requests, done.state) == ((ether(3 * ETHER),), HELD.requests[1:], STATE)


@pytest.mark.parametrize("request_id", [0, 42, 77, 78])
def test_refuses_to_claim_what_waits_or_is_not_its_own(request_id: int) -> None:
    with pytest.raises(ActionRefused, match="not finalised"):
        ADAPTER.apply(STATE, HELD, Claim(LIDO, request_id))


def test_refuses_more_than_the_stake_limit_and_counts_what_was_used_of_it() -> None:
    limited = replace(STATE, stake_limit_wei=ETHER)
    with pytest.raises(ActionRefused, match="stake limit"):
        ADAPTER.apply(limited, HELD, Stake(LIDO, ether(ETHER + 1)))
    assert ADAPTER.apply(limited, HELD, Stake(LIDO, ether(ETHER))).state.stake_limit_wei == 0
    assert ADAPTER.apply(STATE, HELD, Stake(LIDO, ether(ETHER))).state.stake_limit_wei == MAX_UINT256


ACTIONS: tuple[Staking, ...] = (
    Stake(LIDO, ether(ETHER)),
    Unstake(LIDO, steth(ETHER)),
    Claim(LIDO, 41),
    Wrap(LIDO, steth(ETHER)),
    Unwrap(LIDO, wsteth(ETHER)),
)


@pytest.mark.parametrize(
    ("closed", "stopped"),
    [({"stopped": True, "stake_limit_wei": 0}, (Stake, Unstake, Wrap, Unwrap)), ({"queue_paused": True}, (Unstake,))],
)
def test_a_stop_stops_what_moves_shares_and_no_claim(closed: dict[str, Any], stopped: tuple[type[Staking], ...]) -> None:
    state = replace(STATE, **closed)
    for action in ACTIONS:
        if isinstance(action, stopped):
            with pytest.raises(ActionRefused):
                ADAPTER.apply(state, HELD, action)
        else:
            assert ADAPTER.apply(state, HELD, action).held != HELD


def test_refuses_nothing_another_market_asset_or_kind() -> None:
    other = replace(LIDO, id="other")
    foreign: tuple[MarketAction, ...] = (
        *(kind(LIDO, Amount(asset, 0)) for kind, asset in ((Stake, ETH), (Wrap, STETH), (Unwrap, WSTETH))),
        Stake(other, ether(1)),
        Stake(LIDO, steth(1)),
        Unstake(LIDO, wsteth(1)),
        Wrap(LIDO, wsteth(1)),
        Unwrap(LIDO, steth(1)),
        Supply(LIDO, ether(1)),
    )
    for action in foreign:
        with pytest.raises(ActionRefused):
            ADAPTER.apply(STATE, HELD, action)


@pytest.mark.parametrize("action", ACTIONS)
@given(raw=st.integers(1, 2**256 - 2))
def test_one_call_reads_back_to_its_action_and_the_other_is_its_exact_approval(action: Staking, raw: int) -> None:
    action = Claim(LIDO, raw) if isinstance(action, Claim) else replace(action, amount=Amount(action.amount.asset, raw))
    *approvals, call = ADAPTER.encode(action, ACCOUNT)
    assert ADAPTER.parse(call, ACCOUNT, (LIDO,)) == action
    expected = [Approve(action.amount, ADAPTER.spender(action))] if isinstance(action, Unstake | Wrap) else []
    assert [erc20.parse(one, (STETH, WSTETH)) for one in approvals] == expected
    assert call.value_wei == (raw if isinstance(action, Stake) else 0)


@pytest.mark.parametrize("action", ACTIONS)
@given(data=st.data())
def test_another_byte_tail_target_or_market_reads_to_nothing(action: Staking, data: st.DataObject) -> None:
    call = ADAPTER.encode(action, ACCOUNT)[-1]
    changed = bytearray(call.data)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    assert ADAPTER.parse(replace(call, data=bytes(changed)), ACCOUNT, (LIDO,)) != action
    assert ADAPTER.parse(replace(call, data=call.data + b"\0"), ACCOUNT, (LIDO,)) is None
    assert ADAPTER.parse(replace(call, target=STRANGER), ACCOUNT, (LIDO,)) is None
    assert ADAPTER.parse(call, ACCOUNT, ()) is None


def test_a_value_belongs_to_a_stake_and_to_nothing_else() -> None:
    for action in ACTIONS:
        call = ADAPTER.encode(action, ACCOUNT)[-1]
        other = replace(call, value_wei=0 if isinstance(action, Stake) else 1)
        assert ADAPTER.parse(other, ACCOUNT, (LIDO,)) is None


def test_another_owner_a_referral_or_two_amounts_read_to_nothing() -> None:
    selector = lido.REQUEST_WITHDRAWALS.selector
    for amounts, owner in (([7_000], STRANGER), ([7_000, 7_000], ACCOUNT), ([], ACCOUNT), ([0], ACCOUNT)):
        data = selector + encode(["uint256[]", "address"], [amounts, owner])
        assert ADAPTER.parse(Call(QUEUE, data), ACCOUNT, (LIDO,)) is None
    data = selector + encode(["uint256[]", "address"], [[7_000], ACCOUNT])
    assert ADAPTER.parse(Call(QUEUE, data), ACCOUNT, (LIDO,)) == Unstake(LIDO, steth(7_000))
    assert ADAPTER.parse(Call(LIDO.address, lido.SUBMIT.encode(STRANGER), 7), ACCOUNT, (LIDO,)) is None


@pytest.mark.parametrize("raw", [0, -1, MAX_UINT256, 2**256])
def test_does_not_write_an_amount_or_a_request_that_is_none(raw: int) -> None:
    for kind, asset in ((Stake, ETH), (Unstake, STETH), (Wrap, STETH), (Unwrap, WSTETH)):
        with pytest.raises(UnknownCall):
            ADAPTER.encode(kind(LIDO, Amount(asset, raw)), ACCOUNT)
    with pytest.raises(UnknownCall):
        ADAPTER.encode(Claim(LIDO, raw), ACCOUNT)


def test_does_not_write_another_asset_kind_or_owner() -> None:
    foreign: tuple[MarketAction, ...] = (
        Stake(LIDO, steth(1)),
        Wrap(LIDO, Amount(DAI, 1)),
        Unwrap(LIDO, steth(1)),
        Supply(LIDO, ether(1)),
    )
    for action in foreign:
        with pytest.raises(UnknownCall):
            ADAPTER.encode(action, ACCOUNT)
    with pytest.raises(UnknownCall):
        ADAPTER.encode(Unstake(LIDO, steth(1_000)), "nobody")


def test_has_no_word_for_everything() -> None:
    with pytest.raises(UnsupportedState, match="everything"):
        ADAPTER.everything(HELD)


def test_time_alone_changes_nothing_but_the_time() -> None:
    assert ADAPTER.accrue(STATE, 0) == STATE
    assert ADAPTER.accrue(STATE, 86_400) == replace(STATE, timestamp=STATE.timestamp + 86_400)


def test_a_report_without_a_profit_pays_no_fee_and_one_that_leaves_nothing_is_refused() -> None:
    report = Report(rewards_wei=0, shares_burnt_raw=ETHER, ether_locked_wei=ETHER, total_fee=10**19, precision=10**20)
    after = pool.rebased(STATE, report)
    assert (after.ether_wei, after.shares_raw) == (STATE.ether_wei - ETHER, STATE.shares_raw - ETHER)
    paid = pool.rebased(STATE, replace(report, rewards_wei=ETHER))
    assert paid.shares_raw > after.shares_raw
    with pytest.raises(ActionRefused):
        pool.rebased(STATE, replace(report, rewards_wei=-STATE.ether_wei))


def test_shows_what_it_knows() -> None:
    seen = ADAPTER.columns(STATE)
    assert math.isnan(seen.supply_apr)
    assert (seen.available, ADAPTER.withdrawable_raw(STATE), ADAPTER.price_usd_e8(STATE)) == (0.0, 0, None)
    assert seen.supplied > 9 * 10**6
    assert ADAPTER.value_raw(STATE, HELD) == pool.ether_of_down(STATE, 1_000 * ETHER) + 4 * ETHER
    assert (ADAPTER.units(LIDO), ADAPTER.solvency(STATE, HELD)) == ((STETH.address, None), Solvency(LIDO.id, 0, 0))
    assert (ADAPTER.protocol, ADAPTER.arrival_bound_raw) == ("lido", 0)
    assert all(50_000 < ADAPTER.gas(action) < 400_000 for action in ACTIONS)


def words(*values: int) -> list[bytes]:
    return [value.to_bytes(32, "big") for value in values]


def said(state: StakingPool) -> list[bytes]:
    """What the contracts say of this state, with shares of vaults outside besides."""
    outside = (11, 7)
    totals = (state.ether_wei + outside[0], outside[0], state.shares_raw + outside[1], outside[1])
    own = int(STETH.address, 16)
    return words(*totals, state.stake_limit_wei, state.stopped, state.queue_paused, state.last_request_id, own, own)


def test_reads_what_was_said_without_what_stands_outside() -> None:
    for state in (STATE, replace(STATE, stopped=True, queue_paused=True, stake_limit_wei=5)):
        assert ADAPTER.decode(LIDO, said(state), state.timestamp) == state
    assert len(ADAPTER.reads(LIDO)) == len(said(STATE))


@pytest.mark.parametrize(("at", "what"), [(8, "another token"), (9, "another token"), (0, "without ether"), (2, "without ether")])
def test_refuses_a_pool_that_is_not_as_pinned_or_is_empty(at: int, what: str) -> None:
    answers = said(STATE)
    answers[at] = bytes(32)
    with pytest.raises(UnsupportedState, match=what):
        ADAPTER.decode(LIDO, answers, STATE.timestamp)


def test_refuses_answers_of_another_shape() -> None:
    for answers in (said(STATE)[:-1], [*said(STATE)[:-1], b""]):
        with pytest.raises(IncompleteRead):
            ADAPTER.decode(LIDO, answers, STATE.timestamp)
    short = [*FIRST, encode([lido.STATUS], [[]]), ids(6), ids(3 * ETHER)]
    for found in ([], [*words(5), b"\1", *words(0, 0)], short, [*FIRST, STATUSES, ids(6), ids()]):
        with pytest.raises(IncompleteRead):
            ADAPTER.holding(LIDO, found)


def test_a_deployment_must_list_its_own_tokens() -> None:
    for others in ((), (STETH,), (WSTETH, STETH)):
        with pytest.raises(ValueError, match=r"unpack|other assets"):
            ADAPTER.reads(replace(LIDO, others=others))


def ids(*numbers: int) -> bytes:
    return encode(["uint256[]"], [numbers])


FIRST = [*words(1_000 * ETHER), ids(77, 41), *words(50, 9)]
STATUSES = encode(
    [lido.STATUS],
    [
        [
            (5 * ETHER, 2_500_000_000_000_000_000, ACCOUNT, 1, True, False),
            (ETHER, 853_000_000_000_000_000, ACCOUNT, 2, False, False),
        ]
    ],
)


def test_reads_a_claim_on_the_queue_in_as_many_rounds_as_it_takes() -> None:
    assert [call.target for call in ADAPTER.holding_reads(LIDO, ACCOUNT)] == [LIDO.address, QUEUE, QUEUE, QUEUE]
    second = ADAPTER.further_holding_reads(LIDO, FIRST)
    assert [call.data[:4].hex() for call in second] == ["b8c4b85a", "62abe3fa"]
    assert second[1].data[4:] == encode(["uint256[]", "uint256", "uint256"], [[41], 1, 9])
    third = ADAPTER.further_holding_reads(LIDO, [*FIRST, STATUSES, ids(6)])
    assert [call.data for call in third] == [lido.GET_CLAIMABLE_ETHER + encode(["uint256[]", "uint256[]"], [[41], [6]])]
    answers = [*FIRST, STATUSES, ids(6), ids(3 * ETHER)]
    assert ADAPTER.further_holding_reads(LIDO, answers) == ()
    assert ADAPTER.holding(LIDO, answers) == HELD


def test_a_claim_without_requests_or_with_waiting_ones_takes_fewer() -> None:
    nothing = [*words(5), ids(), *words(50, 9)]
    assert ADAPTER.further_holding_reads(LIDO, nothing) == ()
    assert ADAPTER.holding(LIDO, nothing) == Position(LIDO, 5)
    waiting = [*words(5), ids(77), *words(50, 9)]
    assert len(ADAPTER.further_holding_reads(LIDO, waiting)) == 1
    answers = [*waiting, encode([lido.STATUS], [[(ETHER, 7, ACCOUNT, 2, False, False)]])]
    assert ADAPTER.further_holding_reads(LIDO, answers) == ()
    assert ADAPTER.holding(LIDO, answers) == Position(LIDO, 5, requests=(Request(77, ETHER, 7, False),))


@pytest.mark.parametrize("answers", [FIRST, [*FIRST, STATUSES], [*FIRST, STATUSES, ids(6)]])
def test_refuses_a_claim_on_the_queue_that_was_not_read_to_its_end(answers: Sequence[bytes]) -> None:
    with pytest.raises(UnsupportedState if answers == FIRST else IncompleteRead, match="2 open requests"):
        ADAPTER.holding(LIDO, answers)

"""What every adapter's bytes keep to: one call of an action reads back to it, nothing else does, and no allowance is left."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    Amount,
    Approve,
    Asset,
    Borrow,
    Claim,
    Collect,
    MarketAction,
    Repay,
    Revoke,
    Shares,
    Stake,
    Supply,
    Swap,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.errors import UnknownCall
from strategies.protocols import erc20
from strategies.protocols.adapter import Call
from strategies.protocols.registry import ADAPTERS
from strategies.units import MAX_UINT256
from tests.strategies.protocols.cases import ACCOUNT, CHAIN, STRANGER
from tests.strategies.protocols.specimens import SPECIMENS, Specimen

UNLISTED = Asset(CHAIN, "0x" + "99" * 20, "JUNK", 18)
WRITERS = [specimen for specimen in SPECIMENS if specimen.writes(specimen.market, 1)]
EACH = pytest.mark.parametrize("specimen", WRITERS, ids=lambda specimen: str(specimen.name))
SIZE = 7_000_000


def tokens(specimen: Specimen) -> tuple[Asset, ...]:
    return (specimen.market.asset, *specimen.market.others)


def read(specimen: Specimen, call: Call) -> MarketAction | None:
    found = specimen.adapter.parse(call, ACCOUNT, (specimen.market,))
    assert not isinstance(found, Approve | Revoke)
    return found  # type: ignore[return-value]


def written(specimen: Specimen, raw: int = SIZE) -> tuple[tuple[MarketAction, Call], ...]:
    """Every action with the one call that reads back to it."""
    found = []
    for action in specimen.writes(specimen.market, raw):
        (call,) = (call for call in specimen.adapter.encode(action, ACCOUNT) if read(specimen, call) == action)
        found.append((action, call))
    return tuple(found)


def test_every_adapter_is_held_to_the_laws() -> None:
    assert {specimen.market.protocol for specimen in SPECIMENS} == set(ADAPTERS)


@EACH
@given(raw=st.integers(1, 2**96 - 1))
def test_one_call_of_an_action_reads_back_to_it_and_the_others_only_allow_collect_or_revoke(specimen: Specimen, raw: int) -> None:
    for action in specimen.writes(specimen.market, raw):
        calls = specimen.adapter.encode(action, ACCOUNT)
        meanings = [erc20.parse(call, tokens(specimen)) or read(specimen, call) for call in calls]
        assert meanings.count(action) == 1
        own = meanings.index(action)
        assert all(isinstance(meaning, Approve) for meaning in meanings[:own])
        assert all(isinstance(meaning, Collect | Claim | Revoke) for meaning in meanings[own + 1 :])


@EACH
def test_what_is_allowed_is_taken_or_revoked(specimen: Specimen) -> None:
    for action in specimen.writes(specimen.market, specimen.sizes[1]):
        meanings = [erc20.parse(call, tokens(specimen)) for call in specimen.adapter.encode(action, ACCOUNT)]
        moved = specimen.adapter.apply(specimen.state, specimen.held, action)
        for allowed in (meaning for meaning in meanings if isinstance(meaning, Approve)):
            assert allowed.spender == specimen.adapter.spender(action)
            if allowed.amount.asset.address in specimen.adapter.units(specimen.market):
                assert moved.held.shares_raw < specimen.held.shares_raw  # a token whose balances are shares of the market
                continue
            if Revoke(allowed.amount.asset, allowed.spender) not in meanings:
                assert moved.moved_raw(allowed.amount.asset) == -allowed.amount.raw
            assert -allowed.amount.raw <= moved.moved_raw(allowed.amount.asset) <= 0


@EACH
def test_another_beneficiary_reads_to_nothing(specimen: Specimen) -> None:
    ours = {call.data for _, call in written(specimen)}
    for action in specimen.writes(specimen.market, SIZE):
        for call in specimen.adapter.encode(action, STRANGER):
            assert call.data in ours or read(specimen, call) is None  # some calls name no beneficiary: it is the sender


@EACH
@given(data=st.data())
def test_a_changed_byte_never_keeps_its_meaning_and_is_canonical_where_it_has_another(
    specimen: Specimen, data: st.DataObject
) -> None:
    action, call = data.draw(st.sampled_from(written(specimen)))
    at = data.draw(st.integers(0, len(call.data) - 1))
    changed = bytearray(call.data)
    changed[at] ^= data.draw(st.integers(1, 255))
    other = replace(call, data=bytes(changed))
    meaning = read(specimen, other)
    assert meaning != action
    assert meaning is None or other in specimen.adapter.encode(meaning, ACCOUNT)


@EACH
@given(tail=st.binary(min_size=1, max_size=64))
def test_a_longer_or_shorter_tail_reads_to_nothing(specimen: Specimen, tail: bytes) -> None:
    for _, call in written(specimen):
        for data in (call.data + tail, call.data[: -len(tail)], b""):
            assert read(specimen, replace(call, data=data)) is None


@EACH
def test_another_value_or_target_or_an_unlisted_market_reads_to_nothing(specimen: Specimen) -> None:
    for action, call in written(specimen):
        assert read(specimen, replace(call, value_wei=call.value_wei + 1)) != action
        assert read(specimen, replace(call, target=STRANGER)) is None
        assert specimen.adapter.parse(call, ACCOUNT, ()) is None
        if not call.value_wei:
            assert read(specimen, replace(call, value_wei=1)) is None


@EACH
@pytest.mark.parametrize("raw", [0, -1, MAX_UINT256 + 1])
def test_an_amount_that_is_not_one_is_not_written(specimen: Specimen, raw: int) -> None:
    unsized = specimen.writes(specimen.market, 1)
    for action in specimen.writes(specimen.market, raw):
        if action not in unsized:
            with pytest.raises(UnknownCall):
                specimen.adapter.encode(action, ACCOUNT)


@EACH
def test_another_asset_or_a_foreign_action_is_not_written(specimen: Specimen) -> None:
    market, junk = specimen.market, Amount(UNLISTED, 1)
    kinds = {type(action) for action in specimen.writes(market, SIZE)}
    amounts = [kind(market, junk) for kind in (Supply, Withdraw, Borrow, Repay, Stake, Unstake, Wrap, Unwrap)]
    shares = (Withdraw(market, Shares(0)), Repay(market, Shares(0)))
    swap = Swap(market, junk, Amount(market.asset, 1), 1)
    unlike = [action for action in (Collect(market, 1), Claim(market, 1)) if type(action) not in kinds]
    for action in (*amounts, *shares, swap, *unlike):
        with pytest.raises(UnknownCall):
            specimen.adapter.encode(action, ACCOUNT)


@EACH
def test_every_action_it_writes_has_a_gas_estimate(specimen: Specimen) -> None:
    assert all(20_000 < specimen.adapter.gas(action) < 2_000_000 for action in specimen.writes(specimen.market, SIZE))

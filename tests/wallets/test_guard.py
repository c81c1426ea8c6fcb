"""The verdict: every reason is reported, a broken check is a reason, and a yes is bound to the bytes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.domain import ALL, Action, Repay, Supply, Transfer, Withdraw
from strategies.protocols.adapter import Call
from tests import worlds
from tests.wallets import cases
from tests.wallets.cases import STRANGER, case, policy, usdc
from tests.worlds import ACCOUNT, ONE, TWO
from wallets import guard
from wallets.case import Case
from wallets.guard import judge
from wallets.policy import policy_digest
from wallets.wallet import Approved, Reason, Refused, approval_digest

PLAN: tuple[Action, ...] = (Withdraw(ONE, ALL), Supply(TWO, usdc(10_000)))
HELD = worlds.holding(ONE, 20_000 * cases.USD)


def test_an_ordinary_plan_is_approved_and_bound_to_its_bytes() -> None:
    made = case(PLAN, portfolio=HELD)
    verdict = judge(made)
    assert isinstance(verdict, Approved)
    assert verdict.calls == made.calls
    assert verdict.expiry == made.now + 900
    assert verdict.spend_usd_e8 == 10_000 * 10**8
    assert verdict.digest == approval_digest(
        chain_id=made.policy.chain_id,
        account=ACCOUNT,
        calls=made.calls,
        effects=verdict.effects,
        intent="plan-1",
        policy_digest=policy_digest(made.policy),
        expiry=verdict.expiry,
    )


def test_every_reason_is_reported_at_once() -> None:
    verdict = judge(case((Transfer(usdc(60_000), STRANGER),), paused="drill", endpoint_chain_id=1))
    assert isinstance(verdict, Refused)
    assert {reason.rule for reason in verdict.reasons} == {"paused", "chain", "beneficiary", "cap-transaction"}


def test_a_check_that_breaks_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(of: Case) -> tuple[Reason, ...]:
        raise ZeroDivisionError("no shares")

    monkeypatch.setattr(guard, "CHECKS", (breaks,))
    verdict = judge(case(PLAN, portfolio=HELD))
    assert verdict == Refused("plan-1", (Reason("breaks", "the check breaks could not answer: ZeroDivisionError: no shares"),))


def test_a_case_that_makes_no_sense_is_refused_and_never_raises() -> None:
    made = case(PLAN, portfolio=HELD)
    for broken in (
        replace(made, actions=()),
        replace(made, reading=replace(made.reading, states=())),
        replace(made, calls=(Call("not an address", b""),), actions=(None,)),
    ):
        assert isinstance(judge(broken), Refused)


def test_no_effects_are_no_yes_whatever_the_checks_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CHECKS", ())
    assert isinstance(judge(case(PLAN, portfolio=HELD, effects=None)), Refused)


def test_another_policy_is_another_digest() -> None:
    one, other = judge(case(PLAN, portfolio=HELD)), judge(case(PLAN, portfolio=HELD, policy=policy(max_calls=7)))
    assert isinstance(one, Approved)
    assert isinstance(other, Approved)
    assert one.digest != other.digest


def flipped(call: Call, at: int, bit: int) -> Call:
    """One bit of target or calldata the other way."""
    target = bytes.fromhex(call.target[2:])
    whole = bytearray(target + call.data)
    whole[at % len(whole)] ^= 1 << bit
    return replace(call, target="0x" + whole[:20].hex(), data=bytes(whole[20:]))


@settings(max_examples=300)
@given(st.integers(0, 2), st.integers(0, 200), st.integers(0, 7))
def test_one_changed_bit_of_target_selector_or_beneficiary_is_refused(which: int, at: int, bit: int) -> None:
    made = case(PLAN, portfolio=HELD)
    assert isinstance(judge(made), Approved)
    calls = list(made.calls)
    calls[which] = flipped(calls[which], at, bit)
    amount = slice(20 + 4 + 32, 20 + 4 + 64)  # its own property, below
    if amount.start <= at % (20 + len(made.calls[which].data)) < amount.stop:
        return
    assert isinstance(judge(case((), portfolio=HELD, calls=tuple(calls))), Refused)


@given(st.integers(0, 31), st.integers(0, 7))
def test_a_changed_amount_is_another_plan_and_its_yes_another_digest(byte: int, bit: int) -> None:
    made = case(PLAN, portfolio=HELD)
    approved = judge(made)
    assert isinstance(approved, Approved)
    for which, call in enumerate(made.calls):
        calls = list(made.calls)
        calls[which] = flipped(call, 20 + 4 + 32 + byte, bit)
        verdict = judge(replace(case((), portfolio=HELD, calls=tuple(calls)), effects=made.effects))
        assert isinstance(verdict, Refused)


@pytest.mark.parametrize("change", ["append", "truncate", "swap", "repeat", "drop"])
def test_calls_appended_cut_reordered_repeated_or_dropped_are_refused(change: str) -> None:
    made = case(PLAN, portfolio=HELD)
    first, approve, supply = made.calls
    calls = {
        "append": (first, approve, supply, replace(supply, target=STRANGER)),
        "truncate": (first, approve, replace(supply, data=supply.data[:-1])),
        "swap": (supply, approve, first),
        "repeat": (first, approve, supply, supply),
        "drop": (first, approve),
    }[change]
    assert isinstance(judge(case((), portfolio=HELD, calls=calls)), Refused)


def test_what_reads_as_an_action_that_this_wallet_never_writes_is_refused_as_calldata() -> None:
    everything = Repay(cases.AAVE_USDC, ALL)  # the protocol knows the word, and no exact allowance fits it
    made = cases.case((), deployment=cases.LENDING, seen=cases.lending_reading(), calls=(Call(cases.POOL, b""),))
    verdict = judge(replace(made, actions=(everything,)))
    assert isinstance(verdict, Refused)
    assert "calldata" in {reason.rule for reason in verdict.reasons}


def test_a_tip_above_the_fee_cap_is_refused_as_gas() -> None:
    made = case(PLAN, portfolio=HELD)
    assert made.fees is not None
    fees = replace(made.fees, max_fee_wei=2, max_priority_fee_wei=2)
    assert isinstance(judge(replace(made, fees=fees)), Approved)
    verdict = judge(replace(made, fees=replace(fees, max_fee_wei=1)))
    assert isinstance(verdict, Refused)
    assert [reason.rule for reason in verdict.reasons] == ["gas"]

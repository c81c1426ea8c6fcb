"""What takes a grant back passes wherever a revocation of an allowance does, and what grants is refused by name."""

from dataclasses import replace
from typing import Any, Final

import pytest

from agent.cli import tables
from strategies.domain import ALL, NATIVE, Action, Approve, Deployment, Supply, Withdraw
from strategies.protocols import erc20, grants
from strategies.protocols.adapter import Call
from strategies.revocations import GrantRevocation, Lockdown, RevokeOperator, RevokePermit, RevokeToken
from strategies.units import WAD
from tests import worlds
from tests.wallets.cases import ACCOUNT, STRANGER, TREASURY, USDC, case, policy, usdc
from tests.wallets.test_permissions import ACCOUNT as SAFE
from tests.wallets.test_permissions import TABLE
from tests.worlds import ONE, TWO
from wallets import checks, guard, permissions, unreadable
from wallets.case import Case, reduces
from wallets.endpoints import Log
from wallets.evidence import _named
from wallets.expected import REVOKE_GAS
from wallets.people import people_needed
from wallets.permissions import Anything, Exactly
from wallets.pinned import unpinned
from wallets.simulate import BORROW_DELEGATED, Held, _unexpected
from wallets.stated import as_stated
from wallets.unchanged import depends_on, unchanged
from wallets.wallet import Approved, Refused, Stated

PERMIT2, MANAGER = "0x" + "22" * 20, "0x" + "31" * 20
DEPLOYMENT: Final[Deployment] = replace(
    worlds.DEPLOYMENT, markets=(replace(ONE, contracts=(("position_manager", MANAGER),)), TWO), permit2=PERMIT2
)
WRAPPED = replace(USDC, address="0x" + "a1" * 20, symbol="WRAPPED")
REVOCATIONS: Final[tuple[GrantRevocation, ...]] = (
    RevokeOperator(MANAGER, STRANGER),
    RevokeToken(MANAGER, 7),
    RevokePermit(PERMIT2, USDC, STRANGER),
    Lockdown(PERMIT2, ((USDC, STRANGER), (USDC, TREASURY))),
)
UNATTENDED: Final = policy(people={"max_unattended_usd": 1, "two_people_above_usd": None})
OURS = bytes(12) + bytes.fromhex(ACCOUNT[2:])
THEIRS = bytes(12) + bytes.fromhex(STRANGER[2:])


def doing(*actions: Action, **changes: Any) -> Case:
    return case(actions, deployment=DEPLOYMENT, **changes)


@pytest.mark.parametrize("action", REVOCATIONS)
def test_it_passes_under_every_stop_with_nothing_left_to_spend(action: GrantRevocation) -> None:
    broke = replace(worlds.idle(), idle=(usdc(0), worlds.idle(ether_wei=WAD // 100).idle[1]))
    tight = {"spent_day_usd_e8": 10**18, "gas_day_usd_e8": 10**18, "portfolio": broke}
    verdict = guard.judge(doing(action, paused="stop", reduced="stop", policy=UNATTENDED, **tight))
    assert isinstance(verdict, Approved), verdict
    assert verdict.people == 0
    held = doing(action, Supply(DEPLOYMENT.markets[0], usdc(1)), paused="stop")
    assert isinstance(guard.judge(held), Refused)


@pytest.mark.parametrize("action", REVOCATIONS)
def test_it_counts_as_what_takes_back_and_only_that(action: GrantRevocation) -> None:
    made = doing(action)
    assert made.only_revokes
    assert reduces((action, Withdraw(ONE, ALL)))
    assert not doing(action, Withdraw(ONE, ALL)).only_revokes
    assert not reduces((Approve(usdc(1), STRANGER), action))
    assert people_needed(replace(made, policy=UNATTENDED)) == 0
    assert checks.paced(made) == ()
    assert checks.right_length(doing(*(action,) * 20)) == ()
    assert checks.sequencer_up(made) == ()
    assert checks.compliant(made) == checks.screened(made) == ()


@pytest.mark.parametrize("action", REVOCATIONS)
def test_the_models_know_that_it_moves_nothing(action: GrantRevocation) -> None:
    made = doing(action)
    assert made.expected is not None
    assert (made.expected.changes, made.expected.allowances) == ((), ())
    assert made.expected.gas_used == (REVOKE_GAS * (2 if isinstance(action, Lockdown) else 1),)
    assert made.after is not None
    assert made.after[1] == made.portfolio


@pytest.mark.parametrize("action", REVOCATIONS)
def test_changed_code_does_not_keep_it_and_stops_what_stands_beside_it(action: GrantRevocation) -> None:
    (target,) = {MANAGER, PERMIT2} & set(depends_on(DEPLOYMENT, (action,), worlds.idle(), ACCOUNT))
    changed = ((target, "carries other code"),)
    assert unchanged(doing(action, changed=changed)) == ()
    both = doing(action, Supply(DEPLOYMENT.markets[0], usdc(1)), changed=changed)
    assert [reason.rule for reason in unchanged(both)] == ["code"]


def test_only_the_tokens_that_are_named_are_asked_where_nothing_else_can_be_read() -> None:
    known = replace(DEPLOYMENT, assets=(*DEPLOYMENT.assets, WRAPPED))
    of_operator, of_permit = _named(known, REVOCATIONS[:2]), _named(known, REVOCATIONS[2:])
    assert {asset.address for asset in of_operator.assets} == {NATIVE}
    assert {asset.address for asset in of_permit.assets} == {NATIVE, USDC.address}
    assert of_operator.markets == ()


def test_permit2_must_be_pinned_like_every_other_contract() -> None:
    used = {DEPLOYMENT.multicall, USDC.address, MANAGER, ONE.address, TWO.address}
    assert unpinned(replace(DEPLOYMENT, code=dict.fromkeys(used, "0x"))) == PERMIT2
    assert unpinned(replace(DEPLOYMENT, code=dict.fromkeys(used | {PERMIT2}, "0x"))) == ""


def test_what_a_client_says_in_words_leaves_it_out() -> None:
    said = (Stated("supply", "USDC", "1", None),)
    supply = Supply(DEPLOYMENT.markets[0], usdc(1))
    assert as_stated(doing(*REVOCATIONS, supply, stated=said)) == ()
    assert as_stated(doing(*REVOCATIONS, stated=said)) != ()


def why(target: str, data: bytes, value_wei: int = 0) -> tuple[str, str]:
    (found,) = unreadable.reasons(0, Call(target, data, value_wei), ACCOUNT, DEPLOYMENT)
    return found.rule, found.text


def test_what_would_grant_is_refused_by_name() -> None:
    rule, text = why(MANAGER, grants.SET_APPROVAL_FOR_ALL.encode(STRANGER, 1))
    assert (rule, STRANGER in text, "must say false" in text) == ("allowance", True, True)
    rule, text = why(MANAGER, grants.APPROVE_TOKEN.encode(STRANGER, 7))
    assert (rule, "token 7" in text) == ("allowance", True)
    rule, text = why(PERMIT2, grants.PERMIT2_APPROVE.encode(USDC.address, STRANGER, 2**160 - 1, 2**48 - 1))
    assert (rule, "must say 0" in text) == ("allowance", True)


def test_what_is_wrong_besides_is_named_too() -> None:
    assert why(PERMIT2, grants.PERMIT2_APPROVE.encode(USDC.address, STRANGER, 0, 9))[0] == "calldata"
    assert why(PERMIT2, grants.PERMIT2_APPROVE.encode(TREASURY, STRANGER, 0, 0))[0] == "asset"
    assert why(PERMIT2, grants.PERMIT2_APPROVE.encode(USDC.address, STRANGER, 0, 0) + b"\0")[0] == "calldata"
    locked = grants.encode(REVOCATIONS[3]).data
    assert why(PERMIT2, locked.replace(bytes.fromhex(USDC.address[2:]), bytes.fromhex(TREASURY[2:])))[0] == "asset"
    assert why(PERMIT2, locked[:-32])[0] == "calldata"
    assert why(PERMIT2, locked, value_wei=1)[0] == "value"
    assert why(PERMIT2, bytes.fromhex("2b67b570") + bytes(64))[0] == "selector"  # permit
    assert why(PERMIT2, b"")[0] == "selector"
    assert why(MANAGER, grants.encode(REVOCATIONS[0]).data, value_wei=1)[0] == "value"
    assert why(MANAGER, grants.encode(REVOCATIONS[0]).data + b"\0")[0] == "calldata"
    assert why(MANAGER, grants.encode(REVOCATIONS[1]).data[:-1])[0] == "calldata"
    assert why(MANAGER, bytes.fromhex("23b872dd") + bytes(96))[0] == "target"  # transferFrom
    assert why(STRANGER, grants.encode(REVOCATIONS[0]).data)[0] == "target"


def seen(*topics: bytes, data: bytes = b"", by: str = MANAGER) -> str:
    return _unexpected(Log(by, topics, data), DEPLOYMENT, ACCOUNT, Held({}, (), {}))


def test_an_event_of_a_grant_is_unexpected_and_one_that_takes_back_is_not() -> None:
    one = (1).to_bytes(32, "big")
    assert seen(grants.APPROVAL_FOR_ALL_TOPIC, OURS, THEIRS, data=one) == f"an operator's approval by {MANAGER}"
    assert seen(grants.APPROVAL_FOR_ALL_TOPIC, OURS, THEIRS, data=bytes(32)) == ""
    assert seen(erc20.APPROVAL_TOPIC, OURS, THEIRS, one) == f"an approval of a single token by {MANAGER}"
    assert seen(erc20.APPROVAL_TOPIC, OURS, bytes(32), one) == ""
    token = bytes(12) + bytes.fromhex(USDC.address[2:])
    within = (grants.PERMIT2_APPROVAL_TOPIC, OURS, token, THEIRS)
    assert seen(*within, data=one + one, by=PERMIT2) == f"an allowance within by {PERMIT2}"
    assert seen(*within, data=bytes(64), by=PERMIT2) == ""
    assert seen(BORROW_DELEGATED, OURS, THEIRS, data=bytes(64)) == f"a delegation of credit by {MANAGER}"
    assert seen(grants.APPROVAL_FOR_ALL_TOPIC, THEIRS, THEIRS, data=one) == ""  # nothing of ours


def test_a_role_on_a_safe_may_take_back_and_never_grant() -> None:
    role = permissions.derive(policy(markets=(ONE.id,), borrow_markets=(), account=SAFE, safe=TABLE), DEPLOYMENT)
    forms = {(one.target, one.selector): one.variants for one in role.permissions}
    nothing = Exactly(bytes(32))
    (for_all,), (single,) = forms[MANAGER, grants.OF_COLLECTIONS[0]], forms[MANAGER, grants.OF_COLLECTIONS[1]]
    assert (for_all.words, single.words) == ((Anything(), nothing), (nothing, Anything()))
    (within,) = forms[PERMIT2, grants.PERMIT2_APPROVE.selector]
    assert within.words == (Exactly(bytes(12) + bytes.fromhex(USDC.address[2:])), Anything(), nothing, nothing)
    assert (PERMIT2, grants.LOCKDOWN) not in forms
    assert any("pair by pair" in why for why in role.left_out)


@pytest.mark.parametrize("action", REVOCATIONS)
def test_a_person_reads_who_loses_what_and_where(action: GrantRevocation) -> None:
    words = tables.action(action)
    for place in (MANAGER, "7") if isinstance(action, RevokeToken) else (STRANGER,):
        assert place in words

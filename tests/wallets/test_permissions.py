"""What a role is derived from, and what is refused or left out: on small worlds, without a chain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from strategies.domain import NATIVE, Amount, Supply, Withdraw
from strategies.errors import SettingsError
from strategies.protocols import erc20, registry
from strategies.protocols.adapter import Call
from strategies.protocols.uniswap_router.calldata import multicall
from tests.wallets.chain import policy_for
from tests.worlds import DEPLOYMENT, ETHER, ONE, TWO, USDC
from wallets import permissions, safe
from wallets.permissions import Anything, AtMost, Exactly, Permission, Spent, TheSafe, Variant, derive, limit_raw_down, safe_of
from wallets.policy import Policy
from wallets.roles import MOST_ALLOWANCE, setup
from wallets.safe import Seat

ACCOUNT = "0x" + "5a" * 20
TREASURY = "0x" + "77" * 20
TABLE = {
    "singleton": "0x" + "01" * 20,
    "roles": "0x" + "02" * 20,
    "guard": "0x" + "03" * 20,
    "role": "agent",
    "retired_roles": (),
    "member": "0x" + "04" * 20,
    "prices": ({"symbol": "USDC", "cents": 100},),
}


def policy(*, table: object = TABLE, **changes: object) -> Policy:
    return policy_for(ACCOUNT, DEPLOYMENT, **({"treasury": TREASURY, "markets": ("one:USDC",), "safe": table} | changes))


def forms(asked: Policy, target: str, selector: bytes) -> tuple[Variant, ...]:
    found = [one for one in derive(asked, DEPLOYMENT).permissions if (one.target, one.selector) == (target, selector)]
    return found[0].variants if found else ()


def selector_of(kind: type[Supply] | type[Withdraw]) -> bytes:
    return registry.encode(kind(ONE, Amount(USDC, 1)), ACCOUNT)[-1].data[:4]


def test_a_supply_pins_its_asset_and_the_safe_and_counts_its_amount() -> None:
    (form,) = forms(policy(), ONE.address, selector_of(Supply))
    asset = Exactly(bytes(12) + bytes.fromhex(USDC.address[2:]))
    assert form.words == (asset, Spent(USDC, 50_000 * 10**6), TheSafe())


def test_a_withdrawal_counts_nothing_and_goes_to_the_safe() -> None:
    (form,) = forms(policy(), ONE.address, selector_of(Withdraw))
    assert form.words[1:] == (Anything(), TheSafe())


def test_a_market_that_is_not_listed_gets_no_permission_and_no_allowance() -> None:
    role = derive(policy(), DEPLOYMENT)
    assert TWO.address not in {permission.target for permission in role.permissions}
    words = [word for one in role.permissions for form in one.variants for word in form.words]
    assert Exactly(bytes(12) + bytes.fromhex(TWO.address[2:])) not in words
    both = derive(policy(markets=("one:USDC", "two:USDC")), DEPLOYMENT)
    assert TWO.address in {permission.target for permission in both.permissions}


def test_allowances_are_for_pinned_spenders_and_ending_one_is_for_any() -> None:
    taken, ended = forms(policy(), USDC.address, erc20.APPROVE.selector)
    assert taken.words == (Exactly(bytes(12) + bytes.fromhex(ONE.address[2:])), AtMost(USDC, 50_000 * 10**6))
    assert ended.words == (Anything(), Exactly(bytes(32)))


def test_transfers_go_to_the_treasury_and_without_one_nowhere() -> None:
    (form,) = forms(policy(), USDC.address, erc20.TRANSFER.selector)
    assert form.words == (Exactly(bytes(12) + bytes.fromhex(TREASURY[2:])), Spent(USDC, 50_000 * 10**6))
    assert forms(policy(treasury=None), USDC.address, erc20.TRANSFER.selector) == ()


def test_what_would_be_spent_without_a_stated_price_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="no price of USDC"):
        derive(policy(table={**TABLE, "prices": ()}), DEPLOYMENT)


def test_a_policy_without_a_safe_has_no_role() -> None:
    with pytest.raises(SettingsError, match=r"no table \[policy.safe\]"):
        derive(policy(table=None), DEPLOYMENT)


@given(cents=st.integers(1, 10**9), usd=st.integers(0, 10**9))
def test_a_limit_is_never_worth_more_than_its_dollars(cents: int, usd: int) -> None:
    table = safe_of(policy(table={**TABLE, "prices": ({"symbol": "USDC", "cents": cents},)}))
    raw = limit_raw_down(table, USDC, usd)
    assert raw * cents <= usd * 100 * 10**6 < (raw + 1) * cents


def test_what_cannot_be_counted_is_refused() -> None:
    counted = Variant((Spent(USDC, 5),), None, ("one thing",))
    free = Variant((Anything(),), None, ("another",))
    with pytest.raises(SettingsError, match="another and one thing are one call"):
        permissions._with([free], counted)
    pinned = Variant((Exactly(bytes(32)),), None, ("a third",))
    assert permissions._with([free], pinned) == [Variant((Anything(),), None, ("another", "a third"))]


def test_one_call_inside_is_opened_and_two_or_none_are_not() -> None:
    one = registry.encode(Supply(ONE, Amount(USDC, 1)), ACCOUNT)[-1].data
    assert permissions._opened(multicall(9, [one])) == (multicall(9, [one])[:36], one)
    assert permissions._opened(multicall(9, [one, one])) is None
    assert permissions._opened(multicall(9, [one])[:-1] + b"\x01") is None
    assert permissions._opened(one) is None


def test_a_limit_beyond_what_a_role_can_hold_is_refused() -> None:
    wei = replace(USDC, decimals=18)
    deployment = replace(DEPLOYMENT, assets=(wei, ETHER), markets=(replace(ONE, asset=wei),))
    dear = {**TABLE, "prices": ({"symbol": "USDC", "cents": 1},)}
    asked = policy_for(ACCOUNT, deployment, safe=dear, max_day_usd=MOST_ALLOWANCE // 10**20)
    assert setup(asked, deployment).calls
    with pytest.raises(SettingsError, match="more than a role can hold"):
        setup(asked.model_copy(update={"max_day_usd": MOST_ALLOWANCE // 10**20 + 1}), deployment)


def test_more_conditions_than_a_role_can_number_are_refused() -> None:
    many = tuple(replace(ONE, id=f"m{at}", address=f"0x{at + 1:040x}") for at in range(120))
    deployment = replace(DEPLOYMENT, markets=many)
    asked = policy_for(ACCOUNT, deployment, safe=TABLE, markets=tuple(market.id for market in many[:80]))
    assert setup(asked, deployment).calls
    with pytest.raises(SettingsError, match="list fewer markets"):
        setup(policy_for(ACCOUNT, deployment, safe=TABLE), deployment)


def test_two_owners_see_the_same_digest_and_another_limit_is_another() -> None:
    assert setup(policy(), DEPLOYMENT).digest == setup(policy(), DEPLOYMENT).digest
    assert setup(policy(max_day_usd=100_000), DEPLOYMENT).digest != setup(policy(), DEPLOYMENT).digest


def test_the_member_comes_after_the_permissions_and_the_module_last() -> None:
    calls = setup(policy(), DEPLOYMENT).calls
    assert [call.data[:4].hex() for call in calls[-2:]] == ["957ed2b3", "610b5925"]
    assert [call.target for call in calls[-2:]] == [TABLE["roles"], ACCOUNT]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("guard", TABLE["roles"]),
        ("member", ACCOUNT),
        ("retired_roles", ("agent",)),
        ("prices", ({"symbol": "USDC", "cents": 100}, {"symbol": "USDC", "cents": 99})),
        ("prices", ({"symbol": "USDC", "cents": 0},)),
        ("role", "a" * 32),
        ("role", "A role"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        policy(table={**TABLE, key: value})


calls = st.builds(
    Call,
    st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    st.binary(max_size=200),
    st.integers(0, 2**256 - 1),
)


@given(call=calls)
def test_an_outer_call_holds_exactly_its_inner_one(call: Call) -> None:
    seat = safe.seat_of(policy())
    assert safe.inner(seat, safe.outer(seat, call)) == call
    own = Seat(ACCOUNT, None)
    assert safe.inner(own, safe.outer(own, call)) == call == safe.outer(own, call)


@given(call=calls, data=st.data())
def test_an_outer_call_with_any_byte_changed_holds_another_call_or_none(call: Call, data: st.DataObject) -> None:
    seat = safe.seat_of(policy())
    outer = safe.outer(seat, call)
    at, byte = data.draw(st.integers(0, len(outer.data) - 1)), data.draw(st.integers(1, 255))
    changed = replace(outer, data=outer.data[:at] + bytes([outer.data[at] ^ byte]) + outer.data[at + 1 :])
    assert safe.inner(seat, changed) != call
    assert safe.inner(seat, replace(outer, value_wei=1)) is None
    assert safe.inner(seat, replace(outer, target=ACCOUNT)) is None
    assert safe.inner(seat, replace(outer, data=outer.data[: data.draw(st.integers(0, len(outer.data) - 1))])) is None


def test_who_signs_is_the_member_and_without_a_safe_the_account() -> None:
    assert safe.sender(safe.seat_of(policy())) == TABLE["member"]
    assert safe.sender(safe.seat_of(policy(table=None))) == ACCOUNT


def test_a_safe_that_answers_as_the_policy_says_is_no_change_and_any_other_answer_is() -> None:
    seat = safe.seat_of(policy())
    due = [due for _, _, due in safe._facts(seat)]
    assert safe.otherwise(seat, due) == ()
    for at in range(len(due)):
        for answer in (None, b"", bytes(32)):
            ((address, why),) = safe.otherwise(seat, [*due[:at], answer, *due[at + 1 :]])
            assert address == safe.reads(seat)[at].target
            assert "its owners must mend that" in why


def test_native_coin_has_no_token_permission() -> None:
    role = derive(policy(), DEPLOYMENT)
    assert ETHER.address == NATIVE
    assert NATIVE not in {permission.target for permission in role.permissions}
    assert all(isinstance(permission, Permission) for permission in role.permissions)

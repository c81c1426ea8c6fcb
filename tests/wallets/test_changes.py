"""What is in force while terms change: the stricter of the old and the new, until two people and a day have passed."""

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from strategies.domain import Deployment
from strategies.errors import SettingsError
from tests import worlds
from tests.wallets.chain import policy_for
from tests.wallets.live_parts import ADA, EVE, OPERATOR
from wallets import operators
from wallets.changes import (
    LOOSENING_SECONDS,
    MEETS,
    Ground,
    Pending,
    Terms,
    digest_of,
    refuse_another_wallet,
    ruled,
    strictest,
    weigh,
    weigh_terms,
)
from wallets.operators import Agreement, check_terms, sign_terms
from wallets.policy import Operator, Policy

BOB = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
SECOND = Operator(name="bob", public_key=operators.public_key(BOB))
THIRD = Operator(name="eve", public_key=operators.public_key(EVE))
POLICY = policy_for(worlds.ACCOUNT, worlds.DEPLOYMENT, OPERATOR, SECOND)
MARKETS = POLICY.markets
SEEN = 1_700_000_000
OTHER = "0x" + "77" * 20


def changed(policy: Policy, path: str, value: object) -> Policy:
    """A policy with one field changed, whatever its validator would say."""
    table, _, name = path.rpartition(".")
    if not table:
        return policy.model_copy(update={name: value})
    return policy.model_copy(update={table: getattr(policy, table).model_copy(update={name: value})})


def leaves(model: type[BaseModel], under: str = "") -> Iterator[str]:
    """Every field of a table and of those in it, but for one that may be left out: that is weighed as a whole."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{under}{name}.")
        else:
            yield f"{under}{name}"


def pending(before: Policy, after: Policy, deployment: Deployment = worlds.DEPLOYMENT) -> Pending:
    return Pending("ab" * 16, Ground((before,), worlds.DEPLOYMENT), Terms(after, deployment), SEEN)


def agreed(change: Pending, *people: tuple[Ed25519PrivateKey, str]) -> tuple[Agreement, ...]:
    return tuple([sign_terms(key, name, change.digest) for key, name in people])


BOTH = ((ADA, "ada"), (BOB, "bob"))


def test_every_field_of_a_policy_has_a_direction() -> None:
    assert set(leaves(Policy)) == set(MEETS)


# a field, a stricter and a looser word for it
FIGURES: list[tuple[str, Any, Any]] = [
    *[(name, 1, 10**9) for name in MEETS if ".max_" in f".{name}" and not name.startswith(("concentration", "exchange"))],
    *[(name, 1, 9_999) for name in MEETS if name.startswith(("concentration", "exchange.max"))],
    *[(name, 10**30, 0) for name in ("min_health_factor_bps", "min_native_reserve_wei", "exchange.min_peg_bps")],
    *[(name, 10**9, 0) for name in ("people.gather_seconds", "pace.reversal_seconds", "pace.repeat_seconds")],
    ("approval_expiry_seconds", 1, 10**9),
    ("people.two_people_above_usd", 1, None),
    ("people.resume_people", 2, 1),
    ("treasury", None, OTHER),
    ("markets", (), (*MARKETS, "another")),
    ("borrow_markets", (), MARKETS),
    ("price_sources", ("oracle", "exchange"), ("oracle",)),
    ("exchange.pegged", ("USDC", "DAI"), ()),
    ("compliance.denied_assets", ("USDT",), ()),
    ("compliance.profile", "EU", "none"),
    ("compliance.real_world_assets", "none", "a fund of ours may hold them"),
    ("compliance.screening", "list.json", None),
    ("compliance.jurisdiction", "CN", "CH"),
    ("operators", (OPERATOR, SECOND), (OPERATOR, SECOND, THIRD)),
]


def test_every_direction_is_tested_but_for_what_only_waits() -> None:
    assert set(MEETS) - {name for name, _, _ in FIGURES} == {"chain_id", "account", "safe"}


@pytest.mark.parametrize(("name", "strict", "loose"), FIGURES)
def test_stricter_is_in_force_at_once_and_looser_is_not(name: str, strict: object, loose: object) -> None:
    tight, wide = changed(POLICY, name, strict), changed(POLICY, name, loose)
    assert strictest(wide, tight) == tight
    assert strictest(tight, wide) == tight
    down, up = weigh(wide, tight), weigh(tight, wide)
    assert (len(down.tightened) > 0, down.loosened) == (True, ())
    assert (up.tightened, len(up.loosened) > 0) == ((), True)
    assert all(line.startswith(name) for line in (*down.tightened, *up.loosened))


def test_a_list_that_gains_and_loses_does_both_and_another_treasury_leaves_none() -> None:
    old, new = changed(POLICY, "treasury", OTHER), changed(POLICY, "treasury", "0x" + "88" * 20)
    assert strictest(old, new).treasury is None
    assert weigh(old, new).tightened == (f"treasury: {OTHER} -> none",)
    moved = changed(POLICY, "markets", (*MARKETS[1:], "another"))
    assert strictest(POLICY, moved).markets == MARKETS[1:]
    assert weigh(POLICY, moved).tightened == (f"markets: without {MARKETS[0]}",)
    assert weigh(POLICY, moved).loosened == ("markets: with another",)


figures = st.sampled_from([name for name, strict, loose in FIGURES if isinstance(strict, int) and isinstance(loose, int)])
words = st.sampled_from([(name, word) for name, strict, loose in FIGURES for word in (strict, loose)])
numbers = st.tuples(figures, st.integers(1, 10_000))
policies = st.lists(numbers | words, max_size=12).map(
    lambda many: reduce(lambda policy, one: changed(policy, one[0], one[1]), many, POLICY)
)


@given(policies, policies)
def test_what_either_refuses_for_a_limit_the_strictest_refuses(one: Policy, other: Policy) -> None:
    met = strictest(one, other)
    for policy in (one, other):
        assert weigh(policy, met).loosened == ()
    assert strictest(met, one) == met
    assert strictest(one, one) == one


@given(policies, policies)
def test_a_digest_differs_exactly_where_a_change_exists(one: Policy, other: Policy) -> None:
    assert weigh(one, one).is_none
    same = digest_of(Terms(one, worlds.DEPLOYMENT)) == digest_of(Terms(other, worlds.DEPLOYMENT))
    assert same == weigh(one, other).is_none


@given(policies, policies, policies)
def test_the_order_of_changes_never_loosens(one: Policy, two: Policy, three: Policy) -> None:
    met = strictest(strictest(one, two), three)
    assert weigh(met, strictest(one, strictest(two, three))).is_none


def test_the_order_in_a_list_says_nothing() -> None:
    turned = changed(POLICY, "markets", MARKETS[::-1])
    assert weigh(POLICY, turned).is_none
    assert digest_of(Terms(turned, worlds.DEPLOYMENT)) == digest_of(Terms(POLICY, worlds.DEPLOYMENT))


def test_tightening_is_in_force_at_once_and_asks_nobody() -> None:
    tight = changed(POLICY, "max_day_usd", 60_000)
    found = ruled(pending(POLICY, tight), (), SEEN)
    assert (found.reasons, found.in_force.policy) == ((), tight)


LOOSE = changed(changed(POLICY, "max_day_usd", 2_000_000), "max_calls", 4)


def test_loosening_waits_for_two_people_and_a_day_and_tightens_meanwhile() -> None:
    change = pending(POLICY, LOOSE)
    nobody = ruled(change, (), SEEN)
    assert [reason.rule for reason in nobody.reasons] == ["terms", "terms"]
    assert (nobody.people, nobody.in_force.policy) == (2, changed(POLICY, "max_calls", 4))
    one = ruled(change, agreed(change, (ADA, "ada")), SEEN + LOOSENING_SECONDS)
    assert (len(one.reasons), one.agreed) == (1, ("ada",))
    early = ruled(change, agreed(change, *BOTH), SEEN + LOOSENING_SECONDS - 1)
    assert "1 s more" in early.reasons[0].text
    both = ruled(change, agreed(change, *BOTH), SEEN + LOOSENING_SECONDS)
    assert (both.reasons, both.in_force) == ((), change.after)


def test_one_persons_agreement_counts_once_and_a_strangers_never() -> None:
    change, day = pending(POLICY, LOOSE), SEEN + LOOSENING_SECONDS
    for people in ((((ADA, "ada"),) * 2), ((ADA, "ada"), (EVE, "eve")), ((ADA, "ada"), (ADA, "bob"))):
        assert ruled(change, agreed(change, *people), day).agreed == ("ada",)


def test_an_agreement_counts_for_no_other_change_no_other_time_and_no_other_kind() -> None:
    change, day = pending(POLICY, LOOSE), SEEN + LOOSENING_SECONDS
    looser = pending(POLICY, changed(LOOSE, "max_day_usd", 3_000_000))
    from_elsewhere = pending(changed(POLICY, "max_calls", 4), LOOSE)
    for other in (looser, replace(change, id="cd" * 16), from_elsewhere):
        assert ruled(change, agreed(other, *BOTH), day).agreed == ()
    resume = operators.sign_resume(ADA, "ada", change.digest[:32])
    assert "does not verify" in (
        check_terms(POLICY.operators, Agreement("ada", change.digest, resume.signature), change.digest) or ""
    )


def test_the_operators_before_agree_and_not_those_who_come_with_the_change() -> None:
    more = changed(POLICY, "operators", (OPERATOR, SECOND, THIRD))
    change, day = pending(POLICY, more), SEEN + LOOSENING_SECONDS
    assert ruled(change, agreed(change, (EVE, "eve"), (ADA, "ada")), day).agreed == ("ada",)
    assert ruled(change, agreed(change, *BOTH), day).in_force.policy == more


def test_the_only_operator_agrees_alone_and_nobody_enrolled_means_never() -> None:
    alone = changed(POLICY, "operators", (OPERATOR,))
    change, day = pending(alone, changed(alone, "max_calls", 9)), SEEN + LOOSENING_SECONDS
    assert ruled(change, agreed(change, (ADA, "ada")), day).reasons == ()
    none = changed(POLICY, "operators", ())
    change = pending(none, changed(none, "max_calls", 9))
    assert "none is enrolled" in ruled(change, agreed(change, (ADA, "ada")), day).reasons[0].text


def test_who_is_removed_is_out_at_once_but_never_makes_one_person_enough() -> None:
    alone = changed(POLICY, "operators", (OPERATOR,))
    change, day = pending(POLICY, alone), SEEN + LOOSENING_SECONDS
    found = ruled(change, agreed(change, (ADA, "ada")), day)
    assert (found.people, len(found.reasons)) == (2, 1)
    assert found.in_force.policy.operators == (OPERATOR,)
    after_that = Ground((POLICY, alone), worlds.DEPLOYMENT)
    assert after_that.policy.operators == (OPERATOR,)
    assert (after_that.people, after_that.voters) == (2, (OPERATOR, SECOND))
    assert weigh_terms(after_that, Terms(changed(alone, "max_calls", 1), worlds.DEPLOYMENT)).loosened


def test_of_three_the_one_who_is_removed_agrees_to_nothing_more() -> None:
    three = changed(POLICY, "operators", (OPERATOR, SECOND, THIRD))
    ground = Ground((three, changed(LOOSE, "operators", (OPERATOR, SECOND))), worlds.DEPLOYMENT)
    assert ground.voters == (OPERATOR, SECOND)


def test_an_edited_deployment_waits_and_the_old_one_stays() -> None:
    market = worlds.DEPLOYMENT.markets[0]
    poisoned = replace(worlds.DEPLOYMENT, markets=(replace(market, address=OTHER), *worlds.DEPLOYMENT.markets[1:]))
    found = ruled(pending(POLICY, POLICY, poisoned), (), SEEN)
    assert found.in_force.deployment == worlds.DEPLOYMENT
    assert [reason.rule for reason in found.reasons] == ["deployment", "terms", "terms"]
    assert any(market.id in line and OTHER in line for line in found.difference.loosened)


def changed_deployment(deployment: Deployment, name: str, value: Any) -> Deployment:
    content: dict[str, Any] = {name: value}
    return replace(deployment, **content)


@pytest.mark.parametrize("name", ["code", "feeds", "families", "issuers", "assets", "markets", "multicall", "sequencer"])
def test_whatever_changes_in_a_deployment_is_named(name: str) -> None:
    old = worlds.DEPLOYMENT
    value: Any = getattr(old, name)
    other: Any = {**value, OTHER: "ab"} if isinstance(value, dict) else value[1:] if isinstance(value, tuple) else OTHER
    lines = weigh_terms(Ground((POLICY,), old), Terms(POLICY, changed_deployment(old, name, other))).loosened
    assert len(lines) == 1
    assert lines[0].startswith(f"deployment.{name}")


def test_another_account_or_chain_is_another_wallet() -> None:
    ground = Ground((POLICY,), worlds.DEPLOYMENT)
    refuse_another_wallet(ground, Terms(LOOSE, worlds.DEPLOYMENT))
    for name, value in (("account", OTHER), ("chain_id", 11155111)):
        with pytest.raises(SettingsError, match=f"policy.{name}.*another wallet.folder"):
            refuse_another_wallet(ground, Terms(changed(POLICY, name, value), worlds.DEPLOYMENT))

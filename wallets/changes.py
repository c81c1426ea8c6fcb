"""What is in force while the terms change. Terms are the policy and the deployment: what is stricter counts at once, what is
looser waits for a day and for two people.

Refuses to put anything looser in force before both; until then each limit is the stricter of the old and the new, and contracts,
pins and feeds are the old ones. A field without a direction here has none that would be safe to guess: tests find it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel

from strategies.domain import Deployment
from strategies.errors import SettingsError
from strategies.units import SECONDS_PER_DAY
from wallets import operators, wire
from wallets.compliance import NEVER_LIVE
from wallets.figures import NONE
from wallets.operators import Agreement
from wallets.policy import Operator, Policy
from wallets.wallet import Reason

Meet: TypeAlias = Callable[[Any, Any], Any]  # of an old and a new value: what satisfies both
Table = TypeVar("Table", bound=BaseModel)

RULE: Final = "terms"
DEPLOYMENT: Final = "deployment"  # the rule about what exists, and what begins a line about it
LOOSENING_SECONDS: Final = SECONDS_PER_DAY
PEOPLE: Final = 2  # who must agree to something looser, where so many are enrolled


def _least_or_none(old: int | None, new: int | None) -> int | None:
    return min([value for value in (old, new) if value is not None], default=None)


def _both(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([one for one in old if one in new])


def _either(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*old, *[one for one in new if one not in old])


def _same_or_none(old: str | None, new: str | None) -> str | None:
    return old if old == new else None


def _kept(old: Any, _new: Any) -> Any:
    """Neither is stricter, so the new one waits."""
    return old


def _first_named(old: Any, new: Any) -> Any:
    """Something named is stricter than nothing; of two named, neither is."""
    return new if old in (None, NONE) else old


def _none_first(old: str, new: str) -> str:
    """Nothing is stricter than something that is named."""
    return NONE if NONE in (old, new) else old


def _place(old: str, new: str) -> str:
    """Where nothing may be signed is stricter; of other places, neither is."""
    return new if new in NEVER_LIVE else old


MEETS: Final[Mapping[str, Meet]] = {
    "chain_id": _kept,
    "account": _kept,
    "treasury": _same_or_none,
    "markets": _both,
    "borrow_markets": _both,
    "max_transaction_usd": min,
    "max_day_usd": min,
    "max_market_usd": min,
    "max_protocol_usd": min,
    "max_issuer_usd": min,
    "max_calls": min,
    "min_health_factor_bps": max,
    "max_fee_gwei": min,
    "max_priority_fee_gwei": min,
    "max_gas_per_transaction": min,
    "max_transaction_gas_usd": min,
    "max_day_gas_usd": min,
    "min_native_reserve_wei": max,
    "max_reading_age_seconds": min,
    "max_price_age_seconds": min,
    "max_plan_age_blocks": min,
    "approval_expiry_seconds": min,
    "price_sources": _either,
    "people.max_unattended_usd": min,
    "people.two_people_above_usd": _least_or_none,
    "people.gather_seconds": max,
    "people.resume_people": max,
    "concentration.max_protocol_bps": min,
    "concentration.max_asset_bps": min,
    "concentration.max_issuer_bps": min,
    "exchange.max_slippage_bps": min,
    "exchange.max_loss_day_bps": min,
    "exchange.max_price_gap_bps": min,
    "exchange.max_deadline_seconds": min,
    "exchange.max_quote_age_blocks": min,
    "exchange.pegged": _either,
    "exchange.min_peg_bps": max,
    "pace.max_plans_hour": min,
    "pace.reversal_seconds": max,
    "pace.repeat_seconds": max,
    "compliance.jurisdiction": _place,
    "compliance.profile": _first_named,
    "compliance.denied_assets": _either,
    "compliance.real_world_assets": _none_first,
    "compliance.screening": _first_named,
    "compliance.max_screening_age_seconds": min,
    "operators": _both,
    "safe": _kept,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change does to the terms, a line a field, each with what it was and what it becomes."""

    tightened: tuple[str, ...]
    loosened: tuple[str, ...]

    @property
    def is_none(self) -> bool:
        """Whether nothing differs but the order in which lists are written."""
        return not (self.tightened or self.loosened)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person wrote: limits, and what exists."""

    policy: Policy
    deployment: Deployment


@dataclass(frozen=True, slots=True)
class Ground:
    """What is in force: the policies that all must be satisfied, the one that was last agreed to first, and the deployment."""

    policies: tuple[Policy, ...]
    deployment: Deployment

    @property
    def policy(self) -> Policy:
        """The strictest of them in every field."""
        return reduce(strictest, self.policies)

    @property
    def terms(self) -> Terms:
        return Terms(self.policy, self.deployment)

    @property
    def people(self) -> int:
        """How many operators must agree to something looser: two, or the only one. Nobody enrolled: one, who does not exist."""
        return max(1, min(PEOPLE, len(self.policies[0].operators)))

    @property
    def voters(self) -> tuple[Operator, ...]:
        """Who may agree: those enrolled now; where stricter terms have left too few of them, those of the last agreed terms."""
        enrolled = self.policy.operators
        return enrolled if len(enrolled) >= self.people else self.policies[0].operators


@dataclass(frozen=True, slots=True)
class Pending:
    """A change that is not in force as a whole. `id` is made anew each time a change is first seen, so that no agreement counts
    for a change that is asked for again."""

    id: str
    ground: Ground
    after: Terms
    seen_at: int  # by the later of the system's and the chain's clock

    @property
    def digest(self) -> str:
        """What an operator signs: this request, what is in force, and what would be."""
        said = [self.id, digest_of(self.ground.terms), digest_of(self.after)]
        return hashlib.sha256(wire.canonical(said).encode()).hexdigest()

    @property
    def effective_at(self) -> int:
        """The earliest second it may come into force."""
        return self.seen_at + LOOSENING_SECONDS


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is in force under a change, and why the rest of it is not; no reasons: all of it is in force."""

    in_force: Terms
    difference: Difference
    agreed: tuple[str, ...]  # the operators who did
    people: int  # how many must
    reasons: tuple[Reason, ...]


def strictest(old: Policy, new: Policy) -> Policy:
    """The stricter of both, field by field: what either refuses for a limit, this one refuses. It is not a policy that a person
    could have written: no market may be left in it, or a limit that another one makes idle."""
    return _met(old, new, "")


def _met(old: Table, new: Table, under: str) -> Table:
    update = {}
    for name in type(old).model_fields:
        one, other, path = getattr(old, name), getattr(new, name), under + name
        update[name] = MEETS[path](one, other) if path in MEETS else _met(one, other, f"{path}.")
    return old.model_copy(update=update)


def weigh(before: Policy, after: Policy) -> Difference:
    """Which fields a new policy makes stricter and which looser; a list may do both. The order in a list says nothing."""
    met = strictest(before, after)
    return Difference(_steps(before, met, ""), _steps(met, after, ""))


def weigh_terms(ground: Ground, after: Terms) -> Difference:
    """The same of whole terms. Whatever changes in the deployment waits: a market is closed at once in the policy. So does a
    list of operators too short to agree to the next change as to this one."""
    policies = weigh(ground.policy, after.policy)
    deployments = tuple([f"{DEPLOYMENT}.{line}" for line in _differing(_items(ground.deployment), _items(after.deployment))])
    short = f"operators: {ground.people} must agree to a change, and fewer would be enrolled"
    too_few = (short,) if len(after.policy.operators) < min(PEOPLE, len(ground.policies[0].operators)) else ()
    return Difference(policies.tightened, (*policies.loosened, *too_few, *deployments))


def digest_of(terms: Terms) -> str:
    """sha256 over what the terms say, whatever the order and the comments they were written in."""
    said = [_content(terms.policy), _items(terms.deployment)]
    return hashlib.sha256(wire.canonical(said).encode()).hexdigest()


def refuse_another_wallet(ground: Ground, after: Terms) -> None:
    """Terms of another account or chain are no change of these. Raises SettingsError."""
    old, new = ground.policies[0], after.policy
    for name in ("chain_id", "account"):
        was, written = getattr(old, name), getattr(new, name)
        if was != written:
            raise SettingsError(
                f"policy.{name}: found {written}; this wallet.folder is the keeper's of {was}; "
                f"write that, or name another wallet.folder for another wallet"
            )


def ruled(pending: Pending, agreements: Sequence[Agreement], now: int) -> Ruling:
    """What is in force at `now`, by the earlier of the system's and the chain's clock. An agreement counts for an operator of
    the terms before, and for this very change."""
    ground, after = pending.ground, pending.after
    difference = weigh_terms(ground, after)
    digest, voters = pending.digest, ground.voters
    counted = [one.operator for one in agreements if operators.check_terms(voters, one, digest) is None]
    agreed = tuple(dict.fromkeys(counted))
    reasons = _reasons(pending, difference, agreed, now) if difference.loosened else ()
    in_force = Terms(strictest(ground.policy, after.policy), ground.deployment) if reasons else after
    return Ruling(in_force, difference, agreed, ground.people, reasons)


def _reasons(pending: Pending, difference: Difference, agreed: tuple[str, ...], now: int) -> tuple[Reason, ...]:
    """Empty once enough have agreed and the time is over; the old deployment stays until then."""
    people, reasons = pending.ground.people, list[Reason]()
    if len(agreed) < people:
        who = ", ".join([voter.name for voter in pending.ground.voters]) or "nobody, for none is enrolled"
        said = f"{len(agreed)} of {people} operators have agreed to what is looser; `usufruct policy agree` is for: {who}"
        reasons.append(Reason(RULE, said))
    if now < pending.effective_at:
        left_seconds = pending.effective_at - now
        reasons.append(Reason(RULE, f"what is looser waits {LOOSENING_SECONDS} s after it is first seen: {left_seconds} s more"))
    others = [line for line in difference.loosened if line.startswith(f"{DEPLOYMENT}.")]
    unlike = [Reason(DEPLOYMENT, f"the file is not the deployment in force, which stays: {line}") for line in others]
    return (*unlike, *reasons) if reasons else ()


def _steps(before: BaseModel, after: BaseModel, under: str) -> tuple[str, ...]:
    lines: list[str] = []
    for name in type(before).model_fields:
        was, becomes, path = getattr(before, name), getattr(after, name), under + name
        if path not in MEETS:
            lines += _steps(was, becomes, f"{path}.")
        elif isinstance(was, tuple):
            lines += [f"{path}: without {_said(one)}" for one in was if one not in becomes]
            lines += [f"{path}: with {_said(one)}" for one in becomes if one not in was]
        elif was != becomes:
            lines.append(f"{path}: {_said(was)} -> {_said(becomes)}")
    return tuple(lines)


def _said(value: object) -> str:
    if isinstance(value, Operator):
        return f"{value.name} ({value.public_key})"
    if isinstance(value, BaseModel):
        return wire.canonical(value.model_dump(mode="json"))
    return NONE if value is None else str(value)


def _content(model: BaseModel) -> dict[str, Any]:
    """A table as JSON values, its lists in an order of their own."""
    return {name: _ordered(value) for name, value in model.model_dump(mode="json").items()}


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(one) for name, one in value.items()}
    if isinstance(value, list):
        return [json.loads(text) for text in sorted({wire.canonical(one) for one in value})]
    return value


def _items(deployment: Deployment) -> dict[str, wire.Plain]:
    """What a deployment says, by the name of the thing it is said of."""
    found: dict[str, wire.Plain] = {}
    for field in fields(deployment):
        value = getattr(deployment, field.name)
        if isinstance(value, Mapping):
            found |= {f"{field.name} {key}": wire.plain(one) for key, one in value.items()}
        elif isinstance(value, tuple):
            found |= {f"{field.name} {getattr(one, 'id', '') or one.address}": wire.plain(one) for one in value}
        else:
            found[field.name] = wire.plain(value)
    return found


def _differing(before: Mapping[str, wire.Plain], after: Mapping[str, wire.Plain]) -> list[str]:
    lines = [f"{name}: without it" for name in before if name not in after]
    lines += [f"{name}: with {wire.canonical(value)}" for name, value in after.items() if name not in before]
    for name, was in before.items():
        becomes = after.get(name, was)
        if isinstance(was, dict) and isinstance(becomes, dict):
            parts = [key for key in was | becomes if was.get(key) != becomes.get(key)]
            lines += [f"{name}.{key}: {wire.canonical(was.get(key))} -> {wire.canonical(becomes.get(key))}" for key in parts]
        elif was != becomes:
            lines.append(f"{name}: {wire.canonical(was)} -> {wire.canonical(becomes)}")
    return lines

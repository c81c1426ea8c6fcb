"""What a Safe's owners set up for an agent, derived from the settings: a table to read or transactions to load. Sends nothing."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from agent.cli import tables
from agent.settings import load_deployment, load_settings
from strategies.domain import Address, Amount, Deployment, written
from strategies.protocols.adapter import ADDRESS
from wallets.permissions import AtMost, Bound, Exactly, Inside, Permission, Spent, TheSafe, Variant, Word, safe_of
from wallets.policy import Policy
from wallets.roles import Setup, setup

PLAIN = 2**32  # below, a word is read as a number; above, as a name or as bytes


def plan(config: Path, *, as_json: bool) -> None:
    """Derive a role and show it. Raises SettingsError."""
    settings = load_settings(config, {})
    deployment = load_deployment(settings)
    made = setup(settings.policy, deployment)
    if as_json:
        tables.say_json(_record(settings.policy, deployment, made))
    else:
        for text, style in _told(settings.policy, deployment, made):
            tables.say(text, style)


def _record(policy: Policy, deployment: Deployment, made: Setup) -> dict[str, object]:
    """In the form that the Safe's Transaction Builder loads, and beside it what it is for."""
    return {
        "version": "1.0",
        "chainId": str(policy.chain_id),
        "meta": {"name": f"role {made.role.name}", "description": f"usufruct wallet safe plan, digest {made.digest}"},
        "transactions": [
            {"to": call.target, "value": str(call.value_wei), "data": "0x" + call.data.hex()} for call in made.calls
        ],
        "digest": made.digest,
        "safe": policy.account,
        "role": made.role.name,
        "member": safe_of(policy).member,
        "permissions": [
            {
                "target": one.target,
                "selector": f"0x{one.selector.hex()}",
                "forms": [
                    {"for": list(form.purposes), "words": [_bound(deployment, bound) for bound in form.words]}
                    for form in one.variants
                ],
            }
            for one in made.role.permissions
        ],
        "day_limits": [{"asset": limit.asset.symbol, "raw": str(limit.raw)} for limit in made.role.day_limits],
        "left_out": list(made.role.left_out),
    }


def _told(policy: Policy, deployment: Deployment, made: Setup) -> Iterator[tuple[str, str]]:
    safe = safe_of(policy)
    yield f"Role {made.role.name} of the Safe {policy.account} on chain {policy.chain_id}", "bold"
    yield f"held by {safe.member}, through modifier {safe.roles} and guard {safe.guard}", ""
    prices = {price.symbol: price.cents for price in safe.prices}
    for limit in made.role.day_limits:
        cents = prices[limit.asset.symbol]
        yield f"a day: {written(Amount(limit.asset, limit.raw))}, at {cents // 100:,}.{cents % 100:02} USD each", ""
    for target, permissions in groupby(made.role.permissions, key=lambda one: one.target):
        yield "", ""
        yield f"{_name(deployment, target)}  {target}", "bold"
        for permission in permissions:
            yield from _of_function(deployment, permission)
    yield "", ""
    for why in made.role.left_out:
        yield f"not in the role: {why}", "yellow"
    yield "Everything else is denied: any other contract, function, party, token or value, and any delegate call.", ""
    yield f"{len(made.calls)} transactions for the owners (--json prints them)", ""
    yield f"digest {made.digest}: the other owners must see the same", "bold"


def _of_function(deployment: Deployment, permission: Permission) -> Iterator[tuple[str, str]]:
    for form in permission.variants:
        yield f"  0x{permission.selector.hex()}  {_purposes(form)}", ""
        words = "; ".join([_bound(deployment, bound) for bound in form.words])
        value = f"; with {form.carries.symbol} of the day's" if form.carries is not None else ""
        yield f"      {words or 'no arguments'}{value}", "dim"


def _purposes(form: Variant) -> str:
    shown = ", ".join(form.purposes[:3])
    return f"{shown} and {len(form.purposes) - 3} more" if len(form.purposes) > 3 else shown


def _bound(deployment: Deployment, bound: Bound) -> str:
    if isinstance(bound, Inside):
        return f"one call inside: 0x{bound.selector.hex()} ({'; '.join([_word(deployment, word) for word in bound.words])})"
    return _word(deployment, bound)


def _word(deployment: Deployment, word: Word) -> str:
    """What a word must be, as a person reads it."""
    match word:
        case TheSafe():
            return "the Safe"
        case AtMost(asset, raw):
            return f"at most {written(Amount(asset, raw))}"
        case Spent(asset, most_raw):
            return f"at most {written(Amount(asset, most_raw))}, of the day's"
        case Exactly(exact):
            return _exactly(deployment, exact)
        case _:
            return "any number"


def _exactly(deployment: Deployment, word: bytes) -> str:
    number = int.from_bytes(word, "big")
    if number < PLAIN:
        return str(number)
    try:
        address = str(ADDRESS.unpack(word))
    except ValueError:
        return f"0x{word.hex()}"
    return f"{_name(deployment, address)} {address}"


def _name(deployment: Deployment, address: Address) -> str:
    """What the deployment calls an address, by its first market or asset; empty where it says nothing."""
    symbols = [asset.symbol for asset in deployment.assets if asset.address == address]
    markets = [market.id for market in deployment.markets if market.address == address]
    roles = [f"{role} of {market.id}" for market in deployment.markets for role, pinned in market.contracts if pinned == address]
    return next(iter((*symbols, *markets, *roles)), "contract")

"""The terms in force, and a person's part in changing them. What is written is weighed here again, so that what is shown is what
is signed. Refuses to sign a change that the keeper has not seen, or has seen otherwise than it is written now."""

import time
from pathlib import Path
from typing import Final

import typer

from agent.cli import tables
from agent.cli.keys import known_password
from agent.settings import Settings, load_deployment, load_settings
from strategies.errors import NotApproved, SettingsError
from wallets import operators, terms
from wallets.changes import Pending, Ruling, Terms, digest_of, weigh_terms
from wallets.policy import Policy, policy_digest

UNSEEN: Final = "the keeper has not seen what is written now: it does within a turn while it runs, else when it starts"


def status(config: Path, *, as_json: bool) -> None:
    """What is in force, and what waits. Needs neither chain nor keeper."""
    told, record = _written(config)
    if record is None:
        tables.say("no keeper has run here yet: the first terms are in force at once")
        return
    pending, ruling = record.pending, record.ruled(int(time.time()))
    unseen = not weigh_terms(record.ground, told).is_none if pending is None else digest_of(pending.after) != digest_of(told)
    if as_json:
        tables.say_json(_plain(record.in_force, pending, ruling, unseen=unseen))
        return
    tables.say(f"in force: policy {policy_digest(record.in_force.policy)}")
    if unseen:
        tables.say(UNSEEN, "yellow")
    if pending is None or ruling is None:
        tables.say("nothing waits")
        return
    _show(pending, ruling)
    tables.say(f"agreed: {', '.join(ruling.agreed) or 'nobody'}; {ruling.people} must")
    for reason in ruling.reasons:
        tables.say(f"  {reason.rule}: {reason.text}", "yellow")


def agree(config: Path, *, operator: str, key_file: Path, password_file: Path | None, asked: bool) -> None:
    """Signs the change that waits. Raises NotApproved where there is none, or the agreement would count nothing."""
    told, record = _written(config)
    pending, ruling = (record.pending, record.ruled(int(time.time()))) if record else (None, None)
    if pending is None or ruling is None:
        raise NotApproved("no change of the terms waits; `usufruct policy status` says what is in force", rule="terms")
    if digest_of(pending.after) != digest_of(told):
        raise NotApproved(UNSEEN, rule="terms")
    _show(pending, ruling)
    if asked and not typer.confirm("Agree to exactly this?"):
        tables.say("not agreed; it waits")
        return
    key = operators.unlock(key_file, known_password(password_file, f"operator {operator}"))
    agreement = operators.sign_terms(key, operator, pending.digest)
    if wrong := operators.check_terms(pending.ground.voters, agreement, pending.digest):
        raise NotApproved(f"{wrong}; the change waits", rule="terms")
    terms.put_agreement(load_settings(config, {}).wallet.folder, agreement)
    left = ruling.people - len({*ruling.agreed, operator})
    tables.say(f"agreed; {left} more must" if left > 0 else f"agreed; in force from {_moment(pending.effective_at)} on")


def in_force(settings: Settings) -> Policy:
    """The policy that the keeper of these settings acts under: what is written, until a keeper has said otherwise. Raises
    SettingsError."""
    record = terms.read_shown(settings.wallet.folder)
    if record is None:
        return settings.policy
    found = record.in_force.policy
    if (found.chain_id, found.account) != (settings.policy.chain_id, settings.policy.account):
        raise SettingsError(f"wallet.folder: the keeper there signs for {found.account} on chain {found.chain_id}; name another")
    return found


def _written(config: Path) -> tuple[Terms, terms.Record | None]:
    settings = load_settings(config, {})
    return Terms(settings.policy, load_deployment(settings)), terms.read_shown(settings.wallet.folder)


def _show(pending: Pending, ruling: Ruling) -> None:
    tables.say(f"a change waits, seen at {_moment(pending.seen_at)}", "bold")
    for line in ruling.difference.tightened:
        tables.say(f"  in force already: {line}", "green")
    for line in ruling.difference.loosened:
        tables.say(f"  waits: {line}", "yellow")


def _plain(in_force: Terms, pending: Pending | None, ruling: Ruling | None, *, unseen: bool) -> dict[str, object]:
    waiting = None
    if pending is not None and ruling is not None:
        waiting = {
            "id": pending.id,
            "seen_at": pending.seen_at,
            "effective_at": pending.effective_at,
            "tightened": list(ruling.difference.tightened),
            "loosened": list(ruling.difference.loosened),
            "agreed": list(ruling.agreed),
            "people": ruling.people,
            "reasons": [reason.text for reason in ruling.reasons],
        }
    digest = policy_digest(in_force.policy)
    return {"policy_digest": digest, "policy": in_force.policy.model_dump(mode="json"), "unseen": unseen, "waiting": waiting}


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))

"""A person's part: see what waits, say yes or no. A yes is signed here and checked by the keeper; stops are in stop.py.

What is shown is what is signed: the digest is made again from the very plan on the screen. A yes that could not be used is not
given: the plan goes on waiting."""

from pathlib import Path
from typing import Final

import typer

from agent.cli import history, tables
from agent.cli.keys import known_password
from agent.cli.policy import in_force
from agent.cli.run import keeper_of, planning
from agent.cli.session import Session, opened, recalled
from agent.graph import Planner, Waiting
from strategies.errors import NotApproved, UnknownName
from strategies.protocols import registry
from wallets import operators, wire
from wallets import pause as stops
from wallets.case import reduces
from wallets.client import KeeperClient
from wallets.wallet import Yes

GIVEN: Final = "yes/"  # before a plan's id: who said yes to it, while it waits for another


def approvals(config: Path, *, as_json: bool) -> None:
    """Every plan that waits; needs neither chain nor keeper."""
    with recalled(config) as session, planning(session) as planner:
        waiting = [found for cycle in planner.unfinished() if (found := planner.waiting(cycle))]
        if as_json:
            tables.say_json([{"id": one.cycle, "verdict": wire.plain(one.verdict)} for one in waiting])
        elif not waiting:
            tables.say("nothing waits")
        for one in waiting if not as_json else ():
            show(session, one)


def approve(config: Path, cycle: str, *, operator: str, key_file: Path, password_file: Path | None, asked: bool) -> None:
    """Show, ask, sign the digest, carry it out."""
    with opened(config) as session, planning(session) as planner:
        keeper = keeper_of(session.settings, config)
        waiting = _waiting(planner, cycle)
        show(session, waiting)
        if asked and not typer.confirm("Say yes to exactly this?"):
            tables.say("not approved; it still waits")
            return
        if paused := _stopped(session, keeper, waiting):
            raise NotApproved(f"paused: {paused}; the plan still waits")
        if (late_seconds := session.endpoint.now() - waiting.verdict.expiry) > 0:
            planner.reject(cycle, "it expired before anyone said yes")
            raise NotApproved(f"the plan expired {late_seconds} s ago and is dropped; the next cycle plans anew")
        key = operators.unlock(key_file, known_password(password_file, f"operator {operator}"))
        policy = in_force(session.settings)
        yes = operators.sign_yes(key, operator, waiting.verdict, policy=policy)
        if wrong := operators.check_yes(policy, yes, waiting.verdict.digest):
            raise NotApproved(f"{wrong}; the plan still waits")
        said = _with_earlier(session, cycle, yes)
        if len(said) < waiting.verdict.people:
            tables.say(f"{operator} said yes; the plan waits for the yes of another operator")
            return
        planner.resume(cycle, said)
        session.store.clear_flag(GIVEN + cycle)
        history.outcome(session, cycle)


def reject(config: Path, cycle: str) -> None:
    """The plan is dropped and written down as such; needs neither chain nor keeper. A yes that is given in another way is stopped
    only by a signed no."""
    with recalled(config) as session, planning(session) as planner:
        _waiting(planner, cycle)
        planner.reject(cycle, "a person said no")
        session.store.clear_flag(GIVEN + cycle)
        tables.say(f"{cycle} is rejected")


def reject_for_good(config: Path, cycle: str, *, operator: str, key_file: Path, password_file: Path | None) -> None:
    """The same with a signed no, which the keeper remembers: no yes counts after it."""
    with opened(config) as session, planning(session) as planner:
        waiting = _waiting(planner, cycle)
        key = operators.unlock(key_file, known_password(password_file, f"operator {operator}"))
        no = operators.sign_no(key, operator, intent=waiting.verdict.intent, digest=waiting.verdict.digest)
        keeper_of(session.settings, config).decline(no)
        planner.reject(cycle, f"{operator} said no")
        session.store.clear_flag(GIVEN + cycle)
        tables.say(f"{cycle} is rejected, and the keeper takes no yes to it any more")


def _with_earlier(session: Session, cycle: str, yes: Yes) -> tuple[Yes, ...]:
    """Everybody's yes to a plan so far, each operator's once, kept until there are enough. They are signatures: whoever changes
    what is kept here gains nothing."""
    kept = [wire.from_text(Yes, text) for text in wire.lines(session.store.flag(GIVEN + cycle) or wire.join([]))]
    same = [one for one in kept if one.digest == yes.digest and one.operator != yes.operator]
    said = (*same, yes)
    session.store.set_flag(GIVEN + cycle, wire.join([wire.to_text(one) for one in said]))
    return said


def show(session: Session, waiting: Waiting) -> None:
    """A plan that waits: its decoded calls and simulated effects."""
    account = session.settings.policy.account
    actions = [registry.parse(call, account, session.deployment) for call in waiting.verdict.calls]
    tables.say(f"plan {waiting.cycle}", "bold")
    tables.verdict(waiting.verdict, actions, session.deployment)


def _stopped(session: Session, keeper: KeeperClient, waiting: Waiting) -> str:
    """Why the keeper would not sign the plan now: a stop, but for reduce-only where the plan does nothing else."""
    paused = keeper.status().pause_reason
    account = session.settings.policy.account
    actions = [registry.parse(call, account, session.deployment) for call in waiting.verdict.calls]
    return "" if reduces(actions) and not stops.read_held(session.settings.wallet.folder).halted else paused


def _waiting(planner: Planner, cycle: str) -> Waiting:
    """The plan of that id. Raises UnknownName where none waits under it."""
    waiting = planner.waiting(cycle)
    if waiting is None:
        listed = tuple(found for found in planner.unfinished() if planner.waiting(found))
        raise UnknownName(kind="waiting plan", name=cycle, known=listed or ("none; nothing waits",))
    if waiting.verdict.intent != cycle:
        raise NotApproved(f"the plan stored under {cycle} is of intent {waiting.verdict.intent}: do not approve it")
    return waiting

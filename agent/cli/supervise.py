"""A person's part: see what waits, say yes or no, stop everything, go on. A yes is signed here and checked by the keeper."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from agent.cli import tables
from agent.cli.keys import known_password
from agent.cli.run import planning
from agent.cli.session import Session, opened
from agent.graph import Planner, Waiting
from agent.settings import load_settings
from strategies.errors import KeeperUnreachable, NotApproved
from strategies.protocols import registry
from wallets import operators, wire
from wallets import pause as stops
from wallets.client import KeeperClient, socket_path


def approvals(config: Path, *, as_json: bool) -> None:
    """Every plan that waits."""
    with _supervising(config) as (session, planner):
        waiting = [found for cycle in planner.unfinished() if (found := planner.waiting(cycle))]
        if as_json:
            tables.say_json([{"id": one.cycle, "verdict": wire.plain(one.verdict)} for one in waiting])
        elif not waiting:
            tables.say("nothing waits")
        for one in waiting if not as_json else ():
            show(session, one)


def approve(config: Path, cycle: str, *, operator: str, key_file: Path, password_file: Path | None, asked: bool) -> None:
    """Show, ask, sign the digest, carry it out."""
    with _supervising(config) as (session, planner):
        waiting = planner.waiting(cycle)
        if waiting is None:
            raise NotApproved(f"{cycle} does not wait for anyone; `usufruct approvals` lists what does")
        show(session, waiting)
        if asked and not typer.confirm("Say yes to exactly this?"):
            tables.say("not approved; it still waits")
            return
        key = operators.unlock(key_file, known_password(password_file, f"operator {operator}"))
        planner.resume(cycle, (operators.sign_yes(key, operator, waiting.verdict.digest),))


def reject(config: Path, cycle: str) -> None:
    """The plan is dropped and written down as such."""
    with _supervising(config) as (_, planner):
        planner.reject(cycle)
        tables.say(f"{cycle} is rejected")


def pause(config: Path, reason: str) -> None:
    """Nothing is signed from now on."""
    settings = load_settings(config, {})
    folder = settings.wallet.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = stops.put_pause(folder, reason)
    client = KeeperClient(socket_path(folder), account=settings.policy.account, timeout_seconds=10)
    with suppress(KeeperUnreachable):  # the file alone stops a keeper that starts later
        client.stop(reason)
    tables.say(f"paused ({found.reason}); `usufruct resume` needs an operator's signature")


def resume(config: Path, *, operator: str, key_file: Path, password_file: Path | None) -> None:
    """Signs the end of the pause that is in force."""
    settings = load_settings(config, {})
    folder = settings.wallet.folder
    found = stops.read_pause(folder)
    if found is None:
        tables.say("nothing is paused")
        return
    key = operators.unlock(key_file, known_password(password_file, f"operator {operator}"))
    stops.put_resume(folder, operators.sign_resume(key, operator, found.id))
    tables.say(f"signed the end of the pause ({found.reason}); the keeper checks it before it signs anything again")


@contextmanager
def _supervising(config: Path) -> Iterator[tuple[Session, Planner]]:
    with opened(config) as session, planning(session, config) as planner:
        yield session, planner


def show(session: Session, waiting: Waiting) -> None:
    account = session.settings.policy.account
    actions = [registry.parse(call, account, session.deployment) for call in waiting.verdict.calls]
    tables.say(f"plan {waiting.cycle}", "bold")
    tables.verdict(waiting.verdict, actions, session.deployment)

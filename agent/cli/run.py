"""The agent in time: cycle after cycle, each to its end or to a person. Refuses live runs that could not be safe."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.cli import tables
from agent.cli.session import LIVE, Session, opened
from agent.feed import ChainFeed
from agent.graph import Planner, Ports, Waiting, checkpoints
from agent.settings import Settings, load_deployment, require_live
from strategies.domain import Amount, Portfolio
from strategies.errors import KeeperUnreachable, SettingsError, UsufructError
from strategies.units import WAD
from wallets import wire
from wallets.changes import Terms, digest_of
from wallets.client import KeeperClient, socket_path
from wallets.expected import paid
from wallets.paper import PaperWallet
from wallets.policy import policy_digest
from wallets.wallet import Wallet

ANSWER_SECONDS: Final = 180  # the keeper waits for receipts before it answers
START_SECONDS: Final = 120  # a typed password included
POLL_SECONDS: Final = 2
PAPER_FLAG: Final = "paper-portfolio"
PAPER_GAS_WEI: Final = WAD


def run(config: Path, *, mode: str, once: bool, cash: int | None) -> None:
    """Cycles at the strategy's cadence, until stopped; with `once`, one. A fault ends a cycle, not the run."""
    with opened(config, mode) as session, planning(session, cash=cash) as planner:
        if mode == LIVE:
            require_live(session.settings)
            keeper_of(session.settings, config)
        while True:
            waiting = _cycle(planner, session, config, fatal=once)
            if once:
                return
            _wait(planner, session, waiting)


def new_cycle() -> str:
    """An id that sorts by time and never repeats: the intent of the cycle's plan."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)


@contextmanager
def planning(session: Session, *, cash: int | None = None) -> Iterator[Planner]:
    """The planner of a session, with the wallet of its mode; paper is saved however it ends."""
    feed = session.feed()
    if session.mode == LIVE:
        if cash is not None:
            raise SettingsError("--cash is for paper; a live wallet has what it has")
        with checkpoints(session.checkpoints) as saver:
            yield Planner(saver, ports(session, feed, client_of(session.settings)))
        return
    wallet = _paper(session, feed, cash)
    with checkpoints(session.checkpoints) as saver:
        try:
            yield Planner(saver, ports(session, session.feed(held=lambda: wallet.portfolio), wallet))
        finally:
            _save(session, wallet)


def _save(session: Session, wallet: Wallet) -> None:
    if isinstance(wallet, PaperWallet):
        session.store.set_flag(PAPER_FLAG, wire.to_text(wallet.portfolio))


def _cycle(planner: Planner, session: Session, config: Path, *, fatal: bool) -> Waiting | None:
    """What a crash cut off, else a new cycle; told as it ends. Two plans never wait for the same funds."""
    try:
        waiting = _taken_up(planner, session)
        if waiting is None:
            cycle = new_cycle()
            tables.say(f"cycle {cycle}", "bold")
            waiting = planner.run(cycle)
    except UsufructError as error:
        if fatal:
            raise
        tables.say(f"  {error}", "red")
        return None
    _save(session, planner.ports.wallet)
    _tell(waiting, session, config)
    return waiting


def _taken_up(planner: Planner, session: Session) -> Waiting | None:
    """Cycles that were cut off are gone on with; the plan that waits for a person, if any. An expired one is dropped."""
    for cycle in planner.unfinished():
        waiting = planner.continue_unfinished(cycle)
        if waiting is not None and session.endpoint.now() > waiting.verdict.expiry:
            planner.reject(cycle, "it expired before anyone said yes")
            tables.say(f"plan {cycle} expired before anyone said yes, and is dropped")
        elif waiting is not None:
            return waiting
    return None


def ports(session: Session, feed: ChainFeed, wallet: Wallet) -> Ports:
    """What the graph is given; each step is told as it happens."""
    return Ports(
        feed=feed,
        chooser=session.chooser(),
        wallet=wallet,
        journal=session.journal,
        deployment=session.deployment,
        account=session.settings.policy.account,
        settings=session.decide,
        supervised=session.mode == LIVE,
        told=lambda name, line: tables.say(f"  {name}: {line}") if line else None,
    )


def client_of(settings: Settings) -> KeeperClient:
    """The way to the keeper that these settings name, whether one runs or not."""
    return KeeperClient(socket_path(settings.wallet.folder), account=settings.policy.account, timeout_seconds=ANSWER_SECONDS)


def keeper_of(settings: Settings, config: Path) -> KeeperClient:
    """The keeper of these settings, started if none answers; told where it acts under stricter terms than are written. Raises
    KeeperUnreachable, and SettingsError for another policy's."""
    client = client_of(settings)
    if client.process_id() is None:
        start_keeper(settings, config)
    status = client.status()  # it reads its files again before it answers
    if status.terms_waiting and status.terms_waiting == digest_of(Terms(settings.policy, load_deployment(settings))):
        tables.say("the keeper acts under stricter terms than are written: `usufruct policy status` says what waits", "yellow")
    elif status.policy_digest != policy_digest(settings.policy):
        raise SettingsError("the keeper that runs has another policy than these settings: `usufruct keeper --end`")
    return client


def start_keeper(settings: Settings, config: Path) -> "subprocess.Popen[bytes]":
    """Another process asks for the password and holds the key; this one only waits until it answers. Raises KeeperUnreachable."""
    detached = settings.wallet.password_file is not None  # a typed password needs this terminal
    command = [sys.executable, "-m", "agent", "keeper", "--config", str(config)]
    settings.wallet.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = settings.wallet.folder / "keeper.log"
    with log.open("ab") as file:  # not this process's pipe: whoever reads it would wait for the keeper's end
        if detached:
            process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        else:
            process = subprocess.Popen(command)
    client = KeeperClient(socket_path(settings.wallet.folder), account=settings.policy.account, timeout_seconds=POLL_SECONDS)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text().strip().rsplit("\n", 1)[-1] if detached else "see above"
            raise KeeperUnreachable(socket=str(socket_path(settings.wallet.folder)), why=f"the keeper did not start: {said}")
        try:
            client.status()
        except KeeperUnreachable:
            time.sleep(0.05)
        else:
            return process
    process.terminate()
    raise KeeperUnreachable(socket=str(socket_path(settings.wallet.folder)), why=f"not ready after {START_SECONDS} s")


def _paper(session: Session, feed: ChainFeed, cash: int | None) -> PaperWallet:
    """The paper wallet, as it was left; or with so much cash; or as a copy of the account on the chain."""
    policy, asset = session.settings.policy, session.decide.asset
    kept = session.store.flag(PAPER_FLAG)
    if cash is not None:
        portfolio, coin = Portfolio((Amount(asset, cash * 10**asset.decimals),)), session.deployment.native
        portfolio = paid(portfolio, coin, PAPER_GAS_WEI) if coin is not None else portfolio
    elif kept is not None:
        portfolio = wire.from_text(Portfolio, kept)
    else:
        portfolio = feed.observe().portfolio
    return PaperWallet(policy=policy, deployment=session.deployment, portfolio=portfolio, world=feed)


def _tell(waiting: Waiting | None, session: Session, config: Path) -> None:
    if waiting is not None:
        tables.say(f"  `usufruct approvals -c {config}` shows the plan; it waits for a person; its id is {waiting.cycle}", "bold")
    else:
        tables.say(f"  done: `usufruct explain last --mode {session.mode} -c {config}` tells it all", "dim")


def _wait(planner: Planner, session: Session, waiting: Waiting | None) -> None:
    """Until the next look is due; a plan that waits for a person is waited for as long as it is good."""
    while waiting is not None and planner.waiting(waiting.cycle) is not None:
        if session.endpoint.now() > waiting.verdict.expiry:
            return
        time.sleep(POLL_SECONDS)
    time.sleep(session.settings.strategy.cadence_seconds)

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
from agent.settings import Settings, require_live
from strategies.domain import NATIVE, Amount, Portfolio
from strategies.errors import KeeperUnreachable, SettingsError
from strategies.units import WAD
from wallets import wire
from wallets.client import KeeperClient, socket_path
from wallets.paper import PaperWallet
from wallets.wallet import Wallet

ANSWER_SECONDS: Final = 180  # the keeper waits for receipts before it answers
START_SECONDS: Final = 120  # a typed password included
POLL_SECONDS: Final = 2
PAPER_FLAG: Final = "paper-portfolio"
PAPER_GAS_WEI: Final = WAD


def run(config: Path, *, mode: str, once: bool, cash: int | None) -> None:
    """Cycles at the strategy's cadence, until stopped; with `once`, one."""
    with opened(config, mode) as session, planning(session, config, cash=cash) as planner:
        for cycle in planner.unfinished():
            _told(planner.continue_unfinished(cycle), session, config)
        while True:
            cycle = new_cycle()
            tables.say(f"cycle {cycle}", "bold")
            waiting = planner.run(cycle)
            _told(waiting, session, config)
            if once:
                return
            _wait(planner, waiting, session.settings.strategy.cadence_seconds)


def new_cycle() -> str:
    """An id that sorts by time and never repeats: the intent of the cycle's plan."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(3)


@contextmanager
def planning(session: Session, config: Path, *, cash: int | None = None) -> Iterator[Planner]:
    """The planner of a session, with the wallet of its mode."""
    feed = session.feed()
    wallet: Wallet
    if session.mode == LIVE:
        if cash is not None:
            raise SettingsError("--cash is for paper; a live wallet has what it has")
        require_live(session.settings)
        wallet = keeper_of(session.settings, config)
    else:
        wallet = _paper(session, feed, cash)
        feed = session.feed(held=lambda: wallet.portfolio)
    with checkpoints(session.checkpoints) as saver:
        yield Planner(saver, ports(session, feed, wallet))
        if isinstance(wallet, PaperWallet):
            session.store.set_flag(PAPER_FLAG, wire.to_text(wallet.portfolio))


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


def keeper_of(settings: Settings, config: Path) -> KeeperClient:
    """The keeper that these settings name, started if none answers. Raises KeeperUnreachable."""
    client = KeeperClient(socket_path(settings.wallet.folder), account=settings.policy.account, timeout_seconds=ANSWER_SECONDS)
    try:
        client.status()
    except KeeperUnreachable:
        start_keeper(settings, config)
        client.status()
    return client


def start_keeper(settings: Settings, config: Path) -> "subprocess.Popen[bytes]":
    """Another process asks for the password and holds the key; this one only waits until it answers. Raises KeeperUnreachable."""
    detached = settings.wallet.password_file is not None  # a typed password needs this terminal
    command = [sys.executable, "-m", "agent", "keeper", "--config", str(config)]
    process = subprocess.Popen(command, start_new_session=detached, stdin=subprocess.DEVNULL if detached else None)
    client = KeeperClient(socket_path(settings.wallet.folder), account=settings.policy.account, timeout_seconds=POLL_SECONDS)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise KeeperUnreachable(socket=str(socket_path(settings.wallet.folder)), why="the keeper did not start; see above")
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
        native = next(coin for coin in session.deployment.assets if coin.address == NATIVE)
        portfolio = Portfolio((Amount(asset, cash * 10**asset.decimals), Amount(native, PAPER_GAS_WEI)))
    elif kept is not None:
        portfolio = wire.from_text(Portfolio, kept)
    else:
        portfolio = feed.observe().portfolio
    return PaperWallet(policy=policy, deployment=session.deployment, portfolio=portfolio, world=feed)


def _told(waiting: Waiting | None, session: Session, config: Path) -> None:
    if waiting is not None:
        tables.say(f"  waits for a person: `usufruct approvals -c {config}` shows it; its id is {waiting.cycle}", "bold")
    elif session.mode == LIVE:
        tables.say(f"  done: `usufruct explain -c {config}` tells it")


def _wait(planner: Planner, waiting: Waiting | None, seconds: int) -> None:
    """Until the next look is due; a cycle that waits for a person is waited for first."""
    while waiting is not None and planner.waiting(waiting.cycle) is not None:
        time.sleep(POLL_SECONDS)
    time.sleep(seconds)

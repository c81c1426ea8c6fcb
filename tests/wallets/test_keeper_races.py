"""The keeper's socket when processes race for it: one yes is one execution, and a flood of lies is no answer to anything."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Final, TypeVar

import pytest

from strategies.domain import Address
from strategies.errors import KeeperUnreachable, UsufructError
from tests.racing import Said, all_at_once, endings
from tests.wallets.chain import USDC
from tests.wallets.house import House
from tests.wallets.keeper_process import Running
from tests.wallets.live_parts import ADA, EVE, said_yes, supply_plan, yes
from wallets import wire
from wallets.client import KeeperClient, socket_path
from wallets.store import Store
from wallets.wallet import Approved

pytestmark = pytest.mark.chain
T = TypeVar("T")
WAIT_SECONDS: Final = 60.0
TRIES: Final = 200
IDLE: Final = 8  # connections that say nothing, of sixteen places
ROUNDS: Final = 6


def patiently(ask: Callable[[], T]) -> T:
    """Asked again where all places of the door were taken."""
    for _ in range(TRIES):
        try:
            return ask()
        except KeeperUnreachable:
            continue
    return ask()


def replays(folder: Path, account: Address, approved: str, begin: Barrier, said: "Queue[Said]") -> None:
    """One yes, given three times over."""
    client, one = KeeperClient(socket_path(folder), account=account, timeout_seconds=30), wire.from_text(Approved, approved)
    begin.wait(WAIT_SECONDS)
    for _ in range(3):
        receipt = client.execute(one, yes(one))
        said.put(Said(one.intent, "mined" if receipt.complete else "ended early", wire.to_text(receipt)))


def floods(folder: Path, account: Address, approved: str, begin: Barrier, said: "Queue[Said]") -> None:
    """Idle connections, garbage, and yeses that are of nobody, of another plan or of another person; what was believed."""
    client, one = KeeperClient(socket_path(folder), account=account, timeout_seconds=30), wire.from_text(Approved, approved)
    forged = [
        (one, (said_yes(EVE, "ada", one.digest),)),
        (one, (said_yes(EVE, "eve", one.digest),)),
        (one, (said_yes(ADA, "ada", "ab" * 32),)),
        (replace(one, digest="ab" * 32), (said_yes(ADA, "ada", "ab" * 32),)),
        (replace(one, intent="another"), yes(one)),
    ]
    begin.wait(WAIT_SECONDS)
    believed = 0
    for _ in range(ROUNDS):
        idle = [socket.socket(socket.AF_UNIX) for _ in range(IDLE)]
        for at, connection in enumerate(idle):
            try:
                connection.connect(os.fspath(socket_path(folder)))
                connection.sendall(b"\x00" * 10_000 + b"\n" if at % 2 else b"{")
            except OSError:
                continue  # hung up on
        for approval, yeses in forged:
            try:
                client.execute(approval, yeses)
                believed += 1
            except UsufructError:
                continue
        for connection in idle:
            connection.close()
    said.put(Said("flood", "believed" if believed else "nothing"))


def honest(folder: Path, account: Address, approved: str, begin: Barrier, said: "Queue[Said]") -> None:
    """A person's yes in the middle of it."""
    client, one = KeeperClient(socket_path(folder), account=account, timeout_seconds=30), wire.from_text(Approved, approved)
    begin.wait(WAIT_SECONDS)
    receipt = patiently(lambda: client.execute(one, yes(one)))
    said.put(Said(one.intent, "mined" if receipt.complete else "ended early"))


def one_of(target: str, *given: object) -> None:
    """Processes of one race may do different things."""
    {"floods": floods, "honest": honest}[target](*given)  # type: ignore[arg-type]


def approved_by(house: House, found: Running, whole: int, intent: str) -> Approved:
    verdict = found.client.judge(supply_plan(house.chain, whole), intent)
    assert isinstance(verdict, Approved), verdict
    return verdict


# The keeper answers one request after another, and `execute_remembered` gives what is over its receipt: without that line the
# second asks for an approval that `use_approval` finds used.
def test_one_yes_from_two_clients_three_times_each_is_one_execution(house: House, running_keeper: Running) -> None:
    approved = approved_by(house, running_keeper, 1_000, "one")
    said = all_at_once(replays, [(house.folder, house.account, wire.to_text(approved))] * 2, 6)
    assert endings(said) == {"mined": 6}
    assert len({one.note for one in said}) == 1, "all six are the same receipt"
    assert house.chain.sent(house.account) == 2
    assert house.chain.balance_raw(house.account) == 99_000 * USDC
    running_keeper.kill()
    with Store(house.folder / "keeper.sqlite") as store:
        assert len(store.signed("one")) == 2


# Without the check of the signature in `consenting` (wallets/operators.py) a forged yes is believed; without the bound on
# connections or on reading (wallets/door.py) the honest one waits for ever.
@pytest.mark.slow
def test_a_flood_of_lies_is_believed_in_nothing_and_an_honest_yes_still_counts(house: House, running_keeper: Running) -> None:
    wanted, other = (approved_by(house, running_keeper, 1_000, name) for name in ("one", "other"))
    told = (house.folder, house.account)
    each = [("floods", *told, wire.to_text(other))] * 2 + [("honest", *told, wire.to_text(wanted))]
    assert endings(all_at_once(one_of, each, 3)) == {"nothing": 2, "mined": 1}
    assert patiently(running_keeper.client.status).unfinished == ()
    assert house.chain.sent(house.account) == 2
    assert house.chain.balance_raw(house.account) == 99_000 * USDC

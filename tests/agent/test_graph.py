"""The planner's graph where things go wrong: a clear no ends a cycle, an unknown outcome never does, a cycle is written once."""

import sqlite3
from collections.abc import Iterator

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from agent.chooser import RuleChooser
from agent.graph import Planner, Ports
from backtest.scenario import sample_tape
from backtest.world import TapeWorld
from strategies.domain import Plan
from strategies.errors import IncompleteRead, KeeperUnreachable, NotApproved, StoreUnwritable, UsufructError
from strategies.tape import Observation, Tape
from tests.test_parity import LaterWallet, TapeFeed, settings_of
from wallets.journal import Content, Journal, Memory
from wallets.paper import PaperWallet
from wallets.store import Line
from wallets.wallet import Approved, Receipt, Verdict, Yes


@pytest.fixture(scope="module")
def tape() -> Tape:
    return sample_tape(seed=11, markets=2, hours=24 * 10)


@pytest.fixture
def saver() -> Iterator[SqliteSaver]:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    yield SqliteSaver(connection)
    connection.close()


class Faulty:
    """A wallet that fails with each of these first, by step, and then does as it should."""

    def __init__(self, inner: LaterWallet, *, judging: list[UsufructError], executing: list[UsufructError]) -> None:
        self.inner, self.judging, self.executing = inner, judging, executing
        self.executed = 0

    def judge(self, plan: Plan, intent: str) -> Verdict:
        if self.judging:
            raise self.judging.pop(0)
        return self.inner.judge(plan, intent)

    def execute(self, approved: Approved, approvals: tuple[Yes, ...]) -> Receipt:
        if self.executing:
            raise self.executing.pop(0)
        self.executed += 1
        return self.inner.execute(approved, approvals)


class Blind:
    """A feed that cannot read."""

    def observe(self) -> Observation:
        raise IncompleteRead("nothing came back")

    def recall(self, block: int) -> Observation:
        raise AssertionError("there is nothing to recall")


class Brittle(Memory):
    """A book that breaks before its third line, once; what was written since its transaction began is gone, as in a database."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def add_line(self, line: Line) -> None:
        if line.seq == 3 and not self.broken:
            self.broken = True
            super().__init__()
            self.broken = True
            raise StoreUnwritable("the disk is full")
        super().add_line(line)


def planner(tape: Tape, saver: SqliteSaver, book: Journal, **faults: list[UsufructError]) -> tuple[Planner, Faulty]:
    settings = settings_of(tape, 0)
    assert settings.policy is not None
    world = TapeWorld(tape)
    paper = PaperWallet(policy=settings.policy, deployment=tape.deployment, portfolio=settings.opening, world=world)
    later = LaterWallet(paper, world, 0)
    wallet = Faulty(later, judging=faults.get("judging", []), executing=faults.get("executing", []))
    ports = Ports(
        feed=TapeFeed(tape, world, later),
        chooser=RuleChooser(settings.decide.menu),
        wallet=wallet,
        journal=book,
        deployment=tape.deployment,
        account=settings.account,
        settings=settings.decide,
        supervised=False,
        told=lambda step, line: None,
    )
    return Planner(saver, ports), wallet


def kinds(book: Journal) -> list[str]:
    import json

    return [str(json.loads(line)["kind"]) for line in book.lines]


def test_a_clear_no_ends_the_cycle_with_its_reason(tape: Tape, saver: SqliteSaver) -> None:
    book = Journal()
    plans, wallet = planner(tape, saver, book, executing=[NotApproved("paused")])
    assert plans.run("one") is None
    assert kinds(book) == ["observation", "decision", "verdict", "held"]
    assert plans.unfinished() == ()
    assert wallet.executed == 0


def test_an_unknown_outcome_leaves_the_cycle_unfinished_until_the_wallet_tells(tape: Tape, saver: SqliteSaver) -> None:
    book = Journal()
    plans, wallet = planner(tape, saver, book, executing=[KeeperUnreachable(socket="s", why="it went away")])
    with pytest.raises(KeeperUnreachable):
        plans.run("one")
    assert plans.unfinished() == ("one",)
    assert kinds(book) == []
    assert plans.continue_unfinished("one") is None
    assert wallet.executed == 1
    assert kinds(book)[:4] == ["observation", "decision", "verdict", "receipt"]
    assert plans.unfinished() == ()


def test_a_judge_that_cannot_read_ends_the_cycle_and_says_so(tape: Tape, saver: SqliteSaver) -> None:
    book = Journal()
    plans, _ = planner(tape, saver, book, judging=[IncompleteRead("half a block")])
    plans.run("one")
    assert kinds(book) == ["observation", "decision", "held"]


def test_a_look_that_fails_is_written_down_and_nothing_else_happens(tape: Tape, saver: SqliteSaver) -> None:
    book = Journal()
    plans, wallet = planner(tape, saver, book)
    blind = Planner(saver, _with_feed(plans, Blind()))
    assert blind.run("one") is None
    assert kinds(book) == ["held"]
    assert wallet.executed == 0


def test_a_cycle_is_written_whole_or_not_at_all_and_only_once(tape: Tape, saver: SqliteSaver) -> None:
    book = Journal(Brittle())
    plans, wallet = planner(tape, saver, book)
    with pytest.raises(StoreUnwritable):
        plans.run("one")
    assert kinds(book) == []
    plans.continue_unfinished("one")
    assert kinds(book)[:4] == ["observation", "decision", "verdict", "receipt"]
    before = book.lines
    book.append_cycle("one", [("held", 0, _reason("again"))])
    assert book.lines == before
    assert wallet.executed == 1


def _reason(why: str) -> Content:
    return {"reason": why}


def _with_feed(plans: Planner, feed: Blind) -> Ports:
    from dataclasses import replace

    return replace(plans.ports, feed=feed)

"""One tape through the engine and through the graph: what they write down is the same."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from agent.chooser import RuleChooser
from agent.graph import Planner, Ports
from backtest.engine import run
from backtest.impact import NO_IMPACT
from backtest.movers import cycle_of
from backtest.runs import Run, RunSettings
from backtest.scenario import sample_tape
from backtest.study import ACCOUNT, Terms, rotation, study_policy
from backtest.world import TapeWorld
from strategies.decide import DecideSettings
from strategies.domain import NATIVE, Amount, Plan, Portfolio
from strategies.tape import Observation, Tape
from strategies.units import WAD
from wallets.journal import Journal, projection, verify
from wallets.paper import PaperWallet
from wallets.wallet import Approved, Receipt, Verdict, Yes


class LaterWallet:
    """A paper wallet whose plans execute some rows after they were judged, as the engine's do."""

    def __init__(self, wallet: PaperWallet, world: TapeWorld, latency_rows: int) -> None:
        self.wallet, self.world, self.latency_rows = wallet, world, latency_rows
        self.moved_at: int | None = None

    def judge(self, plan: Plan, intent: str) -> Verdict:
        return self.wallet.judge(plan, intent)

    def execute(self, approved: Approved, approvals: tuple[Yes, ...]) -> Receipt:
        self.world.row += self.latency_rows
        receipt = self.wallet.execute(approved, approvals)
        self.moved_at = self.world.reading().timestamp
        return receipt


class TapeFeed:
    """Observations of a tape, at the row its world is at; a look is remembered until the next."""

    def __init__(self, tape: Tape, world: TapeWorld, wallet: LaterWallet) -> None:
        self.tape, self.world, self.wallet = tape, world, wallet
        self.seen: Observation | None = None

    def observe(self) -> Observation:
        held = self.wallet.wallet.portfolio
        self.seen = Observation(self.tape, self.world.row, ACCOUNT, held, self.wallet.moved_at)
        return self.seen

    def recall(self, block: int) -> Observation:
        assert self.seen is not None and self.seen.block == block
        return self.seen


@pytest.fixture
def saver() -> Iterator[SqliteSaver]:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    yield SqliteSaver(connection)
    connection.close()


def settings_of(tape: Tape, latency_rows: int) -> RunSettings:
    asset = tape.deployment.asset("USDC")
    coin = next(found for found in tape.deployment.assets if found.address == NATIVE)
    terms = Terms(cash=Decimal(1_000_000), latency_rows=latency_rows, decide_for=rotation)
    return RunSettings(
        name="parity",
        decide=rotation(asset),
        policy=study_policy(tape, asset, terms),
        account=ACCOUNT,
        opening=Portfolio((Amount(asset, 10**12), Amount(coin, 100 * WAD))),
        latency_rows=latency_rows,
        impact=NO_IMPACT,
        most_moves=None,
    )


def through_the_graph(tape: Tape, settings: RunSettings, done: Run, saver: SqliteSaver) -> Journal:
    assert settings.policy is not None
    world = TapeWorld(tape)
    paper = PaperWallet(policy=settings.policy, deployment=tape.deployment, portfolio=settings.opening, world=world)
    wallet = LaterWallet(paper, world, settings.latency_rows)
    feed = TapeFeed(tape, world, wallet)
    decide: DecideSettings = settings.decide
    book = Journal()
    ports = Ports(
        feed=feed,
        chooser=RuleChooser(decide.menu),
        wallet=wallet,
        journal=book,
        deployment=tape.deployment,
        account=ACCOUNT,
        settings=decide,
        supervised=False,
        told=lambda step, line: None,
    )
    planner = Planner(saver, ports)
    for step in done.steps:
        world.row = step.seen.row
        assert planner.run(cycle_of(step.seen)) is None
    return book


@pytest.mark.parametrize("latency_rows", [0, 1])
def test_one_tape_gives_the_same_journal_through_engine_and_graph(saver: SqliteSaver, latency_rows: int) -> None:
    tape = sample_tape(seed=11, markets=3, hours=24 * 120)
    settings = settings_of(tape, latency_rows)
    done = run(tape, settings)
    book = through_the_graph(tape, settings, done, saver)
    moves = [step for step in done.steps if step.receipt]
    assert len(moves) >= 2, "a tape on which nothing moves shows nothing"
    assert projection(book.lines) == projection(done.journal.lines)
    assert verify(book.lines) == verify(done.journal.lines) == ""


def test_settled_cycles_leave_no_checkpoint_behind(saver: SqliteSaver) -> None:
    tape = sample_tape(seed=11, markets=2, hours=24 * 20)
    settings = settings_of(tape, 1)
    through_the_graph(tape, settings, run(tape, settings), saver)
    assert list(saver.list(None)) == []

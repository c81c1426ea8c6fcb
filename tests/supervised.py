"""The demo's own stage for tests: a fresh chain, a keeper process, a session, and a person who says yes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.cli.demo import keeper
from agent.cli.run import keeper_of, new_cycle, planning
from agent.cli.session import LIVE, Session, opened
from agent.cli.stage import OPERATOR, Stage, set_up
from agent.devnet.chain import Devnet
from agent.graph import Planner, Waiting
from wallets import operators, wire
from wallets.client import KeeperClient
from wallets.wallet import Receipt, Yes


@dataclass(frozen=True, slots=True)
class Play:
    """Everything a live test acts with."""

    devnet: Devnet
    stage: Stage
    session: Session
    planner: Planner
    keeper: KeeperClient

    def yes(self, waiting: Waiting) -> Yes:
        key = operators.unlock(self.stage.operator_key, self.stage.operator_password())
        return operators.sign_yes(key, OPERATOR, waiting.verdict, policy=self.session.settings.policy)

    def cycle(self) -> Receipt | None:
        """One supervised cycle with a yes; its receipt, None where nothing was proposed."""
        waiting = self.planner.run(new_cycle())
        if waiting is None:
            return None
        assert self.planner.resume(waiting.cycle, (self.yes(waiting),)) is None
        return self.receipts()[-1]

    def receipts(self) -> list[Receipt]:
        """Every receipt in the journal, oldest first."""
        lines = [json.loads(line) for line in self.session.journal.lines]
        found = [line["content"] for line in lines if line["kind"] == "receipt"]
        return [wire.from_text(Receipt, wire.canonical({k: v for k, v in one.items() if k != "cycle"})) for one in found]


@contextmanager
def play(folder: Path) -> Iterator[Play]:
    """A fresh chain with the demo's account, keeper and settings on it."""
    with ExitStack() as stack:
        devnet = stack.enter_context(Devnet.start())
        stage = set_up(folder / "stage", devnet)
        stack.enter_context(keeper(stage))
        session = stack.enter_context(opened(stage.config, LIVE))
        planner = stack.enter_context(planning(session))
        yield Play(devnet, stage, session, planner, keeper_of(session.settings, stage.config))

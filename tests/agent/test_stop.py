"""Plans that the keeper refuses are tried in their single steps: what is shut keeps nothing else."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from agent.cli import stop
from agent.cli.session import Session
from strategies.domain import Plan, Portfolio, Position, Revoke
from strategies.unwind import unwinding
from tests import worlds
from tests.worlds import ONE, TWO, USDC, look, rates, tape
from wallets.client import KeeperClient
from wallets.journal import Journal
from wallets.wallet import Approved, Effects, Reason, Refused, Verdict

SEEN = look(tape(rates(0.03, 0.05)), Portfolio(worlds.idle(0).idle, (Position(ONE, 7), Position(TWO, 7))))
SHUT = "0x" + "5a" * 20
OPEN = "0x" + "0a" * 20


@dataclass
class Keeper:
    """Refuses every plan that touches what is shut."""

    shut: frozenset[str]
    asked: list[int] = field(default_factory=list)  # actions of each plan that was judged

    def judge(self, plan: Plan, intent: str) -> Verdict:
        self.asked.append(len(plan.actions))
        for action in plan.actions:
            touched = action.spender if isinstance(action, Revoke) else cast("Any", action).market.id
            if touched in self.shut:
                return Refused(intent, (Reason("target", f"{touched} is shut"),))
        return Approved(intent, (), Effects((), (), (), 1, 1), "00", 1, 1, 0)


def on(keeper: Keeper) -> tuple[Session, KeeperClient]:
    return cast("Session", SimpleNamespace(journal=Journal())), cast("KeeperClient", keeper)


def test_a_plan_that_passes_whole_is_asked_for_once() -> None:
    keeper, refused = Keeper(frozenset()), dict[str, str]()
    steps = unwinding(SEEN).steps
    verdict, taken = stop._first_that_passes(*on(keeper), SEEN, steps, refused)
    assert isinstance(verdict, Approved)
    assert (taken, keeper.asked, refused) == (steps, [2], {})


def test_a_plan_that_is_refused_whole_is_tried_step_by_step() -> None:
    keeper, refused = Keeper(frozenset({ONE.id})), dict[str, str]()
    verdict, taken = stop._first_that_passes(*on(keeper), SEEN, unwinding(SEEN).steps, refused)
    assert isinstance(verdict, Approved)
    assert [step.market for step in taken] == [TWO]
    assert keeper.asked == [2, 1, 1]


def test_what_passes_neither_whole_nor_alone_is_remembered_with_the_reason() -> None:
    keeper, refused = Keeper(frozenset({ONE.id, TWO.id})), dict[str, str]()
    assert stop._first_that_passes(*on(keeper), SEEN, unwinding(SEEN).steps, refused) == (None, ())
    assert refused == {market.id: f"target: {market.id} is shut" for market in (ONE, TWO)}


def test_one_token_that_reverts_keeps_no_other_allowance(monkeypatch: Any) -> None:
    keeper, done = Keeper(frozenset({SHUT})), list[int]()
    monkeypatch.setattr(stop, "look", lambda session: SEEN)
    monkeypatch.setattr(stop, "_carried_out", lambda *_: done.append(keeper.asked[-1]))
    person = stop.Person(cast("Any", None), asked=False)
    stop._revoked(*on(keeper), person, (Revoke(USDC, SHUT), Revoke(USDC, OPEN)))
    assert (keeper.asked, done) == ([2, 1, 1], [1])

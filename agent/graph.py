"""The planner: observe, choose, decide, judge, approve, execute, record. Thin nodes; no prompt, threshold or arithmetic here.

State is journal lines, because the checkpointer holds no large integers and a paused run should read like its journal. The
node that waits for a person does nothing else, because a resumed node runs again. Refuses to resume what does not wait."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")  # read at import: checkpoints hold plain strings, nothing unpickled

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt
from langsmith import tracing_context

from agent.chooser import Chooser
from agent.feed import Feed
from strategies.assess import assess, held_raw
from strategies.decide import DecideSettings, Decision, decide
from strategies.domain import Address, Amount, Choice, Deployment
from strategies.errors import NotApproved, UsufructError
from strategies.tape import Observation
from wallets import journal, wire
from wallets.journal import Journal
from wallets.ledger import entries_of
from wallets.wallet import Approved, Receipt, Refused, Verdict, Wallet, Yes

NO: Final = "no: "  # an answer that begins so is a refusal, and says why
RECURSION_LIMIT: Final = 16  # seven nodes once each, with room for the resumed one


class Cycle(TypedDict, total=False):
    """One cycle's state: text only."""

    cycle: str  # its id: the intent of its plan and the thread of its checkpoints
    block: str
    choice: str
    decision: str
    verdict: str
    approvals: str
    receipt: str
    held: str  # why the cycle ended early


@dataclass(frozen=True, slots=True)
class Ports:
    """What a cycle works with; arrives as the graph's context."""

    feed: Feed
    chooser: Chooser
    wallet: Wallet
    journal: Journal
    deployment: Deployment
    account: Address
    settings: DecideSettings
    supervised: bool  # a person is asked; paper runs pass unasked
    told: Callable[[str, str], None]  # (step, line) as it happens, for whoever watches


def observe(state: Cycle, runtime: Runtime[Ports]) -> Cycle:  # noqa: ARG001  (every node is given the state)
    """Look; an untrustworthy look ends the cycle with its reason."""
    try:
        seen = runtime.context.feed.observe()
    except UsufructError as error:
        return {"held": str(error)}
    runtime.context.told("observe", f"block {seen.block}")
    return {"block": str(seen.block)}


def choose(state: Cycle, runtime: Runtime[Ports]) -> Cycle:
    """A strategy and a stance, from the menu."""
    ports, seen = runtime.context, _seen(state, runtime)
    size = Amount(ports.settings.asset, held_raw(seen, ports.settings.asset))
    gate = ports.settings.gate
    assessments = assess(seen, size.asset, size, horizon_seconds=gate.horizon_seconds, lookback_seconds=gate.lookback_seconds)
    choosing = ports.chooser.choose(seen, assessments)
    ports.told("choose", f"{choosing.choice.strategy}, {choosing.choice.stance}: {choosing.choice.reason}")
    return {"choice": wire.to_text(choosing.choice)}


def decide_plan(state: Cycle, runtime: Runtime[Ports]) -> Cycle:
    """The plan, or why there is none."""
    decision = decide(_seen(state, runtime), wire.from_text(Choice, state["choice"]), runtime.context.settings)
    runtime.context.told("decide", decision.reason)
    return {"decision": wire.to_text(decision)}


def judge(state: Cycle, runtime: Runtime[Ports]) -> Cycle:
    """The wallet's verdict on the exact bytes."""
    plan = wire.from_text(Decision, state["decision"]).plan
    if plan is None:
        return {}
    try:
        verdict = runtime.context.wallet.judge(plan, state["cycle"])
    except UsufructError as error:
        return {"held": str(error)}
    for reason in verdict.reasons if isinstance(verdict, Refused) else ():
        runtime.context.told("refused", f"{reason.rule}: {reason.text}")
    return {"verdict": wire.to_text(verdict)}


def approve(state: Cycle, runtime: Runtime[Ports]) -> Cycle:
    """Wait for a person, where the policy wants one. Nothing with an effect may ever stand in this node."""
    if not runtime.context.supervised or wire.from_text(Approved, state["verdict"]).people == 0:
        return {"approvals": wire.join([])}
    answer = interrupt(state["verdict"])
    return {"held": answer.removeprefix(NO)} if answer.startswith(NO) else {"approvals": answer}


def execute(state: Cycle, runtime: Runtime[Ports]) -> Cycle:
    """Do exactly what was approved. Only a clear no ends the cycle: after any other error nobody knows what happened, so the
    cycle stays unfinished and asks the wallet again, which executes an intent at most once."""
    approved = wire.from_text(Approved, state["verdict"])
    approvals = tuple(wire.from_text(Yes, text) for text in wire.lines(state["approvals"]))
    try:
        receipt = runtime.context.wallet.execute(approved, approvals)
    except NotApproved as error:
        return {"held": str(error)}
    return {"receipt": wire.to_text(receipt)}


def record(state: Cycle, runtime: Runtime[Ports]) -> Cycle:
    """Write the cycle down, once."""
    ports = runtime.context
    ports.journal.append_cycle(state["cycle"], _lines(state, runtime))
    ports.told("record", state.get("held", ""))
    return {}


def _lines(state: Cycle, runtime: Runtime[Ports]) -> Iterator[tuple[str, int, journal.Content]]:
    """What the cycle saw, chose, was told, and did: the same lines, in the same order, as the engine writes."""
    ports = runtime.context
    if "block" not in state:
        yield "held", 0, {"reason": state["held"]}
        return
    seen = _seen(state, runtime)
    yield "observation", seen.timestamp, journal.observation_content(seen)
    if "decision" in state:
        yield "decision", seen.timestamp, journal.decision_content(wire.from_text(Decision, state["decision"]))
    if "verdict" in state:
        yield "verdict", seen.timestamp, journal.verdict_content(wire.from_text(Verdict, state["verdict"]))
    if "receipt" in state:
        receipt = wire.from_text(Receipt, state["receipt"])
        yield "receipt", seen.timestamp, journal.receipt_content(receipt)
        for entry in entries_of(receipt, ports.deployment, ports.account, seen.timestamp):
            yield "entry", seen.timestamp, journal.entry_content(entry)
    if "held" in state:
        yield "held", seen.timestamp, {"reason": state["held"]}


def _seen(state: Cycle, runtime: Runtime[Ports]) -> Observation:
    return runtime.context.feed.recall(int(state["block"]))


def after_observe(state: Cycle) -> str:
    return "record" if "held" in state else "choose"


def after_judge(state: Cycle) -> str:
    if "verdict" not in state:
        return "record"
    return "record" if isinstance(wire.from_text(Verdict, state["verdict"]), Refused) else "approve"


def after_approve(state: Cycle) -> str:
    return "execute" if "approvals" in state else "record"


def build(saver: SqliteSaver) -> Any:
    """The compiled graph. `Any` because LangGraph's compiled type is generic in five ways nobody reads."""
    graph = StateGraph(Cycle, context_schema=Ports)
    graph.add_node("observe", observe)
    graph.add_node("choose", choose)
    graph.add_node("decide", decide_plan)
    graph.add_node("judge", judge)
    graph.add_node("approve", approve)
    graph.add_node("execute", execute)
    graph.add_node("record", record)
    graph.add_edge(START, "observe")
    graph.add_conditional_edges("observe", after_observe, ["record", "choose"])
    graph.add_edge("choose", "decide")
    graph.add_edge("decide", "judge")
    graph.add_conditional_edges("judge", after_judge, ["record", "approve"])
    graph.add_conditional_edges("approve", after_approve, ["record", "execute"])
    graph.add_edge("execute", "record")
    graph.add_edge("record", END)
    return graph.compile(checkpointer=saver)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A cycle that waits for a person, and what it wants to do."""

    cycle: str
    verdict: Approved


class Planner:
    """Runs cycles: one thread a cycle, forgotten once it is in the journal."""

    def __init__(self, saver: SqliteSaver, ports: Ports) -> None:
        self._saver = saver
        self._graph = build(saver)
        self.ports = ports

    def run(self, cycle: str) -> Waiting | None:
        """One cycle from the start; Waiting where a person is asked."""
        return self._invoke(cycle, {"cycle": cycle})

    def resume(self, cycle: str, approvals: tuple[Yes, ...]) -> Waiting | None:
        """Go on with a person's yes. Raises NotApproved where the cycle does not wait."""
        return self._answer(cycle, wire.join([wire.to_text(yes) for yes in approvals]))

    def reject(self, cycle: str, why: str) -> Waiting | None:
        """Go on with a no. Raises NotApproved where the cycle does not wait."""
        return self._answer(cycle, NO + why)

    def continue_unfinished(self, cycle: str) -> Waiting | None:
        """Take up a cycle that a crash cut off; Waiting where it waits for a person."""
        waiting = self.waiting(cycle)
        return waiting if waiting else self._invoke(cycle, None)

    def unfinished(self) -> tuple[str, ...]:
        """The ids of cycles that are not in the journal yet, oldest first."""
        seen = dict.fromkeys(str(t.config["configurable"]["thread_id"]) for t in self._saver.list(None))
        return tuple(reversed(seen))

    def waiting(self, cycle: str) -> Waiting | None:
        """What a cycle wants a person to say yes to; None where it does not wait."""
        state = self._graph.get_state(_config(cycle))
        texts = [waits.value for waits in state.interrupts]
        return Waiting(cycle, wire.from_text(Approved, texts[0])) if texts else None

    def _answer(self, cycle: str, answer: str) -> Waiting | None:
        state = self._graph.get_state(_config(cycle))
        if len(state.interrupts) != 1:
            raise NotApproved(f"cycle {cycle} does not wait for anyone: it was answered, it ended, or it never was")
        return self._invoke(cycle, Command(resume={state.interrupts[0].id: answer}))

    def _invoke(self, cycle: str, what: object) -> Waiting | None:
        with tracing_context(enabled=False):  # else a variable in the environment would send every cycle to a service
            result = self._graph.invoke(what, _config(cycle), context=self.ports, durability="sync")
        if "__interrupt__" in result:
            return self.waiting(cycle)
        self._saver.delete_thread(cycle)
        return None


def _config(cycle: str) -> dict[str, object]:
    return {"configurable": {"thread_id": cycle}, "recursion_limit": RECURSION_LIMIT}


@contextmanager
def checkpoints(path: Path) -> Iterator[SqliteSaver]:
    """The checkpoint database, closed at the end."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        yield SqliteSaver(connection)
    finally:
        connection.close()

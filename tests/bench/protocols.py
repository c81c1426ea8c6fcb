"""Measures every adapter: `python -m tests.bench.protocols`, or `make bench`. One JSON line a job, on standard output.

Two kinds of jobs. "a year of hours": a hundred claims on a market that nobody touches, valued at each of 8,760 hours, in
exact integers; the time is that of one valuation, its share of the hour's `accrue` included, as the median of twelve months.
"one call": each operation of the adapter by itself.

The peer does the same job by executing the contracts' own bytecode inside this process: a valuation is the contract's own
view, an action is the transaction and its undoing, `accrue` has no call of its own. It is asked in fewer hours, and each
answer must equal ours to the unit, or the run ends. What one of its calls costs before any contract does anything is the
line of "nothing". Where no contract answers a question, or no package holds the bytecode, there is no peer and no ratio.
`ratio` is the peer's time by ours."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from statistics import median
from typing import Final, TypeAlias

from strategies.domain import MarketAction, Position
from strategies.protocols.adapter import Call
from tests.bench.clock import MICROSECONDS, microseconds
from tests.bench.subjects import SUBJECTS, Subject, subject
from tests.evm import Evm

PEER: Final = f"bytecode in pyrevm {version('pyrevm')}"
HOUR: Final = 3_600
MONTHS: Final = 12

Line: TypeAlias = Mapping[str, str | float | None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    claims: int
    hours: int
    peer_hours: int
    budget_seconds: float  # of each repeat of each operation


FULL: Final = Size(claims=100, hours=8_760, peer_hours=12, budget_seconds=0.04)


def lines(name: str, size: Size) -> Iterator[Line]:
    """Every job of one adapter. Raises AssertionError where the contract's answer is not ours."""
    measured = subject(name)
    yield _year(measured, size)
    yield from _calls(measured, size.budget_seconds)
    for action in measured.actions:
        yield from _action(measured, action, size.budget_seconds)


def floor(size: Size) -> Iterator[Line]:
    """What the peer's own machinery costs: a view of nothing, and a transaction of nothing with its undoing."""
    evm, account, call = Evm.empty(), "0x" + "78" * 20, Call("0x" + "77" * 20, b"")
    jobs: Mapping[str, Callable[[], object]] = {
        "a view": lambda: evm.ask((call,)),
        "an action": lambda: _undone(evm, account, call),
    }
    for operation, job in jobs.items():
        peer_us = round(microseconds(job, size.budget_seconds), 3)
        nothing = {"job": "nothing", "adapter": "", "operation": operation, "ours_us": None}
        yield {**nothing, "peer": PEER, "peer_us": peer_us, "ratio": None}


def claims(measured: Subject, count: int) -> list[Position]:
    """So many claims of different size."""
    return [replace(measured.held, shares_raw=measured.held.shares_raw * n // count) for n in range(1, count + 1)]


def _year(measured: Subject, size: Size) -> Line:
    held, state, value_raw, accrue = (
        claims(measured, size.claims),
        measured.state,
        measured.adapter.value_raw,
        measured.adapter.accrue,
    )
    months = []
    for _ in range(MONTHS):
        start = time.process_time()
        for _ in range(size.hours // MONTHS):
            state = accrue(state, HOUR)
            for claim in held:
                value_raw(state, claim)
        months.append(time.process_time() - start)
    each = median(months) * MICROSECONDS / (size.hours // MONTHS) / size.claims
    return _line("a year of hours", measured, f"accrue and value {size.claims} claims", (each, _peer_year(measured, size)))


def _peer_year(measured: Subject, size: Size) -> float | None:
    """The same valuation by the contract's view, as often an hour; each hour's answer is compared with ours first."""
    if measured.peer is None or not measured.views:
        return None
    mark, state, hours = measured.peer.mark(), measured.state, []
    for _ in range(size.peer_hours):
        measured.peer.warp(HOUR)
        state = measured.adapter.accrue(state, HOUR)
        said_raw, ours_raw = measured.peer_value_raw(), measured.adapter.value_raw(state, measured.held)
        assert said_raw == ours_raw, f"{measured.name}: the contract says {said_raw}, the model {ours_raw}"
        start = time.process_time()
        for _ in range(size.claims):
            measured.peer.ask(measured.views)
        hours.append(time.process_time() - start)
    measured.peer.back(mark)
    return median(hours) * MICROSECONDS / size.claims


def _calls(measured: Subject, budget_seconds: float) -> Iterator[Line]:
    """Reading, accruing and valuing, each alone. Asked for a value, the peer executes the view at an hour's distance too."""
    adapter, state, held = measured.adapter, measured.state, measured.held
    at = state.timestamp
    jobs: Mapping[str, Callable[[], object]] = {
        "accrue": lambda: adapter.accrue(state, HOUR),
        "value_raw": lambda: adapter.value_raw(state, held),
        "decode": lambda: adapter.decode(measured.market, measured.answers, at),
        "columns": lambda: adapter.columns(state),
    }
    for operation, job in jobs.items():
        peer = None
        if operation == "value_raw" and measured.peer is not None and measured.views:
            assert measured.peer_value_raw() == adapter.value_raw(state, held), f"{measured.name}: another value"
            peer = microseconds(measured.peer_value_raw, budget_seconds)
        yield _line("one call", measured, operation, (microseconds(job, budget_seconds), peer))


def _action(measured: Subject, action: MarketAction, budget_seconds: float) -> Iterator[Line]:
    """One action applied, written and read back; the peer executes its calls up to the action's own, and undoes that one."""
    adapter, state, held, account = measured.adapter, measured.state, measured.held, measured.account
    kind = type(action).__name__
    calls = adapter.encode(action, account)
    own = next(call for call in calls if adapter.parse(call, account, (measured.market,)) == action)
    peer = None if measured.peer is None else _peer_action(measured.peer, account, calls[: calls.index(own)], own, budget_seconds)
    applied = microseconds(lambda: adapter.apply(state, held, action), budget_seconds)
    yield _line("one call", measured, f"apply({kind})", (applied, peer))
    written = microseconds(lambda: adapter.encode(action, account), budget_seconds)
    yield _line("one call", measured, f"encode({kind})", (written, None))
    read = microseconds(lambda: adapter.parse(own, account, (measured.market,)), budget_seconds)
    yield _line("one call", measured, f"parse({kind})", (read, None))


def _peer_action(evm: Evm, account: str, before: tuple[Call, ...], own: Call, budget_seconds: float) -> float:
    mark = evm.mark()
    for call in before:
        assert evm.send(account, call).succeeded
    spent = microseconds(lambda: _undone(evm, account, own), budget_seconds)
    evm.back(mark)
    return spent


def _undone(evm: Evm, account: str, call: Call) -> None:
    mark = evm.mark()
    said = evm.send(account, call)
    assert said.succeeded, said.output.hex()
    evm.back(mark)


def _line(job: str, measured: Subject, operation: str, times_us: tuple[float, float | None]) -> Line:
    ours, peer = times_us
    return {
        "job": job,
        "adapter": measured.name,
        "operation": operation,
        "ours_us": round(ours, 3),
        "peer": PEER if peer is not None else None,
        "peer_us": round(peer, 3) if peer is not None else None,
        "ratio": round(peer / ours, 2) if peer is not None and ours else None,
    }


def main() -> None:
    for line in floor(FULL):
        sys.stdout.write(json.dumps(line) + "\n")
    for name in SUBJECTS:
        for line in lines(name, FULL):
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

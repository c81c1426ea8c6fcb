"""Every strategy of this repository, found by its shape so that none can be forgotten: another future never changes what it said
of the past, for `target` and for the two steps alike, on tapes with holes, silent markets and gaps."""

import ast
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.look_ahead import analyse
from backtest.sweep.walking import Part, Scheduled
from strategies.benchmarks import EqualWeight, Hold, Idle
from strategies.catalogue import Signalled, Strategy
from strategies.lending_rotation import LendingRotation
from strategies.tape import Tape
from tests.backtest.recorded import MARKETS, START, USDC, tape
from tests.test_house import SOURCES

HOUR = 3_600
ROTATION = LendingRotation(USDC, HOUR, 4 * HOUR, threshold_bps=10, count=1, max_idle_bps=100)
PROTOCOLS = {"Strategy", "Signalled"}  # shapes, not strategies

Make = Callable[[], Strategy]
KNOWN: Mapping[str, tuple[Make, ...]] = {
    "LendingRotation": (
        lambda: ROTATION,
        partial(LendingRotation, USDC, 3 * HOUR, 10 * HOUR, threshold_bps=0, count=2, max_idle_bps=0),
    ),
    "EqualWeight": (partial(EqualWeight, USDC, HOUR),),
    "Hold": (partial(Hold, USDC, HOUR, MARKETS[1].id),),
    "Idle": (partial(Idle, USDC, HOUR),),
    "Scheduled": (
        lambda: Scheduled(
            (
                Part(START, ROTATION, frozenset(range(START, START + 20 * HOUR, HOUR))),
                Part(START + 9 * HOUR, EqualWeight(USDC, HOUR), frozenset(range(START, START + 90 * HOUR, 2 * HOUR))),
            )
        ),
    ),
}
MAKES = [make for makes in KNOWN.values() for make in makes]


def strategies_in(path: Path) -> set[str]:
    """Classes that say a target for what is seen."""
    classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    return {one.name for one in classes if any(_is_target(method) for method in one.body)} - PROTOCOLS


def _is_target(method: ast.stmt) -> bool:
    return (
        isinstance(method, ast.FunctionDef) and method.name == "target" and [a.arg for a in method.args.args] == ["self", "seen"]
    )


def test_every_strategy_is_asked() -> None:
    assert set.union(*map(strategies_in, SOURCES)) == set(KNOWN), "add a new strategy to KNOWN, so that it is asked too"


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    rows = draw(st.integers(min_value=3, max_value=30))
    cell = st.one_of(st.just(float("nan")), st.floats(min_value=0, max_value=0.6))
    supply = np.array(draw(st.lists(st.tuples(cell, cell), min_size=rows, max_size=rows)))
    steps = np.array(draw(st.lists(st.sampled_from([1, 1, 1, 2, 15]), min_size=rows, max_size=rows)), dtype=np.int64)
    return tape(supply.tolist(), timestamp=START + HOUR * np.cumsum(steps))


@settings(max_examples=40, deadline=None)
@given(tapes(), st.sampled_from(MAKES), st.integers(min_value=0, max_value=2**32 - 1))
def test_the_future_never_changes_what_any_strategy_said_of_the_past(whole: Tape, make: Make, seed: int) -> None:
    found = analyse(whole, USDC, make, looks=8, seed=seed)
    assert found.faults == ()
    assert found.is_signalled == isinstance(make(), Signalled)

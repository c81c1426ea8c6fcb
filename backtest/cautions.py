"""What a reader must know before any figure of a study: that it never moved and why, that it was never late, that our own size
or gas was not counted. Refuses to guess at a reason: it tells the one most often given, in its own words."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from backtest.runs import Run, Step
from backtest.study import Study
from strategies.domain import Target
from wallets.wallet import Refused

NEVER_LATE: Final = (
    "It was executed at the very row it was decided on (latency 0): nobody is that fast, and the result is too kind."
)
NO_OWN_SIZE: Final = (
    "Our own size is not counted: recorded rates do not fall when we arrive. The larger the sum, the kinder this result."
)
FREE_GAS: Final = (
    "The tape has no gas prices: no result on it is net of gas, and what weighs a gain against its gas never moves. "
    "Import it again with --gas."
)

BESIDE_NOTHING: Final = "What is said in excess of it is in excess of lying idle."


def cautions_of(study: Study) -> tuple[str, ...]:
    """Each a sentence or two; none where there is nothing to say."""
    said, beside = cautions_of_run(study.main.run), study.equal_weight.run
    return said if beside.moves else (*said, f"{_never_moved(beside, 'Equal weight')} {BESIDE_NOTHING}")


def cautions_of_run(run: Run, name: str = "It") -> tuple[str, ...]:
    """The same of a run by itself, and by a name."""
    return shared_cautions(run) if run.moves else (_never_moved(run, name), *shared_cautions(run))


def shared_cautions(run: Run) -> tuple[str, ...]:
    """Those that hold for every strategy and gate in a run's place: of its tape, its latency, and what it counts."""
    return tuple(_shared(run))


def _shared(run: Run) -> Iterator[str]:
    if run.settings.latency_rows == 0 and not run.settings.latency_seconds:
        yield NEVER_LATE
    if run.settings.impact is None:
        yield NO_OWN_SIZE
    if not run.tape.base_fee_wei.any():
        yield FREE_GAS


def _never_moved(run: Run, name: str) -> str:
    """How often it was decided, and the reason most often given, as it was last given."""
    steps = run.steps
    if not steps:
        return f"{name} never moved: nothing was ever decided."
    counted = Counter([_without_figures(_reason(step)) for step in steps])
    common, count = counted.most_common(1)[0]
    last = next(step for step in reversed(steps) if _without_figures(_reason(step)) == common)
    stance = run.settings.decide.menu.stances[0]
    hint = (
        f" The {stance} stance held back all that the strategy wanted; --stance unrestrained asks nothing of a market."
        if _is_held_back(last)
        else ""
    )
    return (
        f"{name} never moved in {len(steps):,} decisions: what was earned is nothing. "
        f"{count:,} times because: {_reason(last)}.{hint}"
    )


def _reason(step: Step) -> str:
    if isinstance(step.verdict, Refused):
        return "the guard refused: " + "; ".join([reason.text for reason in step.verdict.reasons])
    if step.decision.plan is None:
        return step.decision.reason
    return step.held or (step.receipt.note if step.receipt is not None else step.decision.reason)


def _is_held_back(step: Step) -> bool:
    """Whether overlays left nothing but idle; a strategy that keeps has no target."""
    target = step.decision.target
    return isinstance(target, Target) and bool(target.reason) and all(leg.market is None for leg in target.legs)


def _without_figures(reason: str) -> str:
    return re.sub(r"[\d.,]*\d", "…", reason)

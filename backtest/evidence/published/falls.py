"""The group of the expected maximum drawdown: numbers inside stated formulas, and simulations beside them. Refuses a formula
that it does not read as one of the three that are known.

A stated simulation is met by our own, and by the closed form, within 2 % without drift and within 5 % with one (the file's
words)."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from backtest.evidence import growth_forms as growth
from backtest.evidence.errors import EvidenceError
from backtest.evidence.published.case import Case, Check, Malformed, exact, near, shown, strange, unknown
from backtest.evidence.simulated import Effort, expected_drawdown

NUMBER: Final = r"(-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)"
CLOSED: Final[Mapping[str, tuple[str, tuple[float, ...]]]] = {  # the formula without blanks, and the numbers that stand in it
    "zero_drift": (rf"E\[MDD\]=2\*gamma\*sigma\*sqrt\(T\)={NUMBER}\*sigma\*sqrt\(T\)", (2.0 * growth.DRAWDOWN_GAMMA,)),
    "positive_drift_asymptotic": (
        rf"\(sigma\^2/mu\)\*\({NUMBER}\+{NUMBER}\*ln\(T\)\+ln\(mu/sigma\)\)",
        (growth.RISING, 0.5),
    ),
    "negative_drift_asymptotic": (r"-mu\*T-sigma\^2/mu", ()),
}
DRAWN: Final = re.compile(rf"mu{NUMBER}_sigma{NUMBER}_T{NUMBER}")
STATED: Final = re.compile(rf"{NUMBER} \+- {NUMBER}")
ASYMPTOTIC: Final = re.compile(rf"asymptotic {NUMBER}")
WORDS: Final = frozenset({"tolerance", "source", "note"})
EFFORT: Final = Effort(paths=40_000, steps=1_000, seed=20_040)
DRIFTLESS: Final = 0.02
DRIFTING: Final = 0.05


def checks(group: str, content: object) -> Iterator[Check]:
    """Every number of the group."""
    if not isinstance(content, dict):
        yield unknown(group, "", group, "not in the published format: keys and values are needed")
        return
    case = Case(group, "", content)
    yield from strange(case, WORDS | set(CLOSED) | {"gamma", "monte_carlo"})
    if not content.keys() & (set(CLOSED) | {"gamma", "monte_carlo"}):
        yield unknown(group, "", group, "the group states no outcome")
    if "gamma" in content:
        yield from _answered(case, "gamma", partial(_gamma, case))
    for key in CLOSED:
        if key in content:
            yield from _answered(case, key, partial(_in_formula, case, key))
    if "monte_carlo" in content:
        yield from _simulations(group, content["monte_carlo"])


def _answered(case: Case, key: str, ask: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from ask()
    except (EvidenceError, ArithmeticError) as error:
        yield unknown(case.group, case.label, key, f"cannot be computed: {error}")


def _same(case: Case, what: str, stated: object, computed: float) -> Check:
    return exact(case, what, stated, computed=computed, beside=())


def _gamma(case: Case) -> Iterator[Check]:
    yield _same(case, "gamma", case.content["gamma"], growth.DRAWDOWN_GAMMA)


def _in_formula(case: Case, key: str) -> Iterator[Check]:
    pattern, numbers = CLOSED[key]
    found = re.fullmatch(pattern, case.text(key).replace(" ", ""))
    if found is None:
        raise Malformed(f"the formula {shown(case.text(key))} is not the one that is known")
    if not numbers:
        yield Check(case.group, case.label, key, case.text(key), None, 0.0, passed=True, why="the formula as it stands")
    for stated, computed in zip(found.groups(), numbers, strict=True):
        yield _same(case, key, stated, computed)


def _simulations(group: str, content: object) -> Iterator[Check]:
    if not isinstance(content, dict) or not content:
        yield unknown(group, "monte_carlo", "monte_carlo", "not in the published format: keys and values are needed")
        return
    for key in content:
        case = Case(group, "monte_carlo", content)
        yield from _answered(case, shown(key), partial(_simulated, case, key))


def _simulated(case: Case, key: str) -> Iterator[Check]:
    circumstances, stated = DRAWN.fullmatch(key), STATED.match(case.text(key))
    if circumstances is None:
        raise Malformed("nobody here knows this key")
    if stated is None:
        raise Malformed(f"{shown(case.text(key))} begins with no number and error, as in 1.247 +- 0.003")
    drift, volatility, time = (float(one) for one in circumstances.groups())
    reach = (DRIFTING if drift else DRIFTLESS) * float(stated[1])
    drawn = expected_drawdown(drift, volatility=volatility, time=time, effort=EFFORT)
    form = closed_form(drift, volatility, time)
    yield near(case, f"{key}, simulated", stated[1], computed=drawn.value, tolerance=reach)
    yield near(case, f"{key}, closed form", stated[1], computed=form, tolerance=reach)
    if asymptotic := ASYMPTOTIC.search(case.text(key)):
        yield _same(case, f"{key}, asymptotic", asymptotic[1], form)


def closed_form(drift: float, volatility: float, time: float) -> float:
    """The form that goes with a drift's sign. Raises Undefined."""
    if drift == 0.0:
        return growth.expected_drawdown_driftless(volatility, time)
    if drift > 0.0:
        return growth.expected_drawdown_rising(drift, volatility, time)
    return growth.expected_drawdown_falling(drift, volatility, time)

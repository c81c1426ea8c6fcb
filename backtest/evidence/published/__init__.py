"""A published file of formula checks, against our own functions: every stated number of every case, group by group. Refuses
silence: a group or key that nobody here knows fails by its name, and so does a case that states no outcome or cannot be
computed."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from backtest.evidence.errors import EvidenceError
from backtest.evidence.published import closed, drawn, falls
from backtest.evidence.published.case import Check, unknown

DESCRIPTION: Final = "_meta"  # what a file says of itself
Runner = Callable[[str, object], Iterator[Check]]
GROUPS: Final[Mapping[str, Runner]] = {
    **{name: partial(closed.checks, form) for name, form in closed.FORMS.items()},
    "expected_max_drawdown_bm": falls.checks,
    "lvr_monte_carlo_check": drawn.pool_checks,
    "pbo_cscv": drawn.overfitting_checks,
}


class Unreadable(EvidenceError):
    """A file that holds no formula checks in the published format."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group of a file, and how to run it."""

    name: str
    content: object

    def checks(self) -> Iterator[Check]:
        """Every check of the group, as it is known."""
        runner = GROUPS.get(self.name)
        if runner is None:
            yield unknown(self.name, "", self.name, "no formula here answers this group")
        else:
            yield from runner(self.name, self.content)


def read(path: Path) -> tuple[Group, ...]:
    """The groups of a file, in its order. Raises Unreadable."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path.name}: {error}") from error
    if not isinstance(content, dict):
        raise Unreadable(f"{path.name}: not in the published format: groups by name are needed")
    groups = tuple(Group(name, inner) for name, inner in content.items() if name != DESCRIPTION)
    if not groups:
        raise Unreadable(f"{path.name}: not in the published format: it holds no group")
    return groups


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")

"""One piece of a sweep's work, done here or in another process: some sets over the saved tape. Refuses a tape that is not the one
the sweep is about.

Where sets can be looked at together, it is known before they are run at which rows each makes a plan: only there do they look.

Whoever works maps the tape from its folder; it is never sent. Two pieces in one process take turns: what they share is computed
once and changes as they go."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias

from backtest.dataset import load
from backtest.sweep.ground import Ground, shares_with
from backtest.sweep.outcome import Job, Outcome, outcome_of
from backtest.sweep.space import ParameterSet, only_strategy, with_parameters
from backtest.sweep.together import Looks, looks_of, refusal, together
from strategies.errors import BadTape, UsufructError

ROWS_A_SET: Final = 20  # a common look at so many decision rows takes as long as it saves one set
PIECE_SETS: Final = 8  # at most so many are lost, a process, when a sweep is interrupted
Piece: TypeAlias = tuple[tuple[int, ParameterSet, Looks | None], ...]  # sets with their places in the sweep
_TURN: Final = Lock()


class SetFailed(UsufructError):
    """A set could not be run; the message says which and why."""


def pieces_of(job: Job, sets: Sequence[tuple[int, ParameterSet]]) -> tuple[Piece, ...]:
    """The sets in pieces, those that share signals side by side, and what takes long first: no process is left with it."""
    looks = _looks(job, [one for _, one in sets])
    groups = dict[object, list[tuple[int, ParameterSet, Looks | None]]]()
    for (at, one), known in zip(sets, looks, strict=True):
        groups.setdefault(shares_with(only_strategy(with_parameters(job.settings, one))), []).append((at, one, known))
    ordered = [one for group in sorted(groups.values(), key=_plans, reverse=True) for one in group]
    return tuple(tuple(ordered[at : at + PIECE_SETS]) for at in range(0, len(ordered), PIECE_SETS))


def _plans(group: Sequence[tuple[int, ParameterSet, Looks | None]]) -> int:
    """How many plans the sets of a group are known to make."""
    return sum([len(looks.at) for *_, looks in group if looks is not None])


def _looks(job: Job, sets: Sequence[ParameterSet]) -> Sequence[Looks | None]:
    """Where each set makes its plans; None of one that cannot be looked at together with the others, or not in less time."""
    known: Sequence[Looks | None] = [None] * len(sets)
    if not sets or refusal(job.settings):
        return known
    cadence_seconds = only_strategy(with_parameters(job.settings, sets[0])).cadence_seconds
    with _TURN:
        try:
            tape = _ground(job.folder, job.digest).tape
            seconds = int(tape.timestamp[-1] - tape.timestamp[0])
            if seconds <= len(sets) * ROWS_A_SET * cadence_seconds:
                known = looks_of(together(tape, job.settings, sets), len(sets))
        except UsufructError:
            pass  # whatever is wrong with the tape, each set will say so
    return known


def work(job: Job, piece: Piece) -> tuple[Outcome, ...]:
    """The outcomes of a piece. Raises SetFailed."""
    with _TURN:
        return tuple([_one(job, at, parameters, looks) for at, parameters, looks in piece])


def _one(job: Job, at: int, parameters: ParameterSet, looks: Looks | None) -> Outcome:
    try:
        return outcome_of(_ground(job.folder, job.digest), job, at, parameters, looks)
    except UsufructError as error:  # one text, because not every error survives the way between processes
        named = ", ".join(f"{name}={value}" for name, value in parameters)
        raise SetFailed(f"the set {named} cannot be run: {error}") from error


@lru_cache(maxsize=1)
def _ground(folder: str, digest: str) -> Ground:
    tape = load(Path(folder))
    if tape.digest != digest:
        raise BadTape(f"{Path(folder).name} holds the tape {tape.digest[:16]}, not {digest[:16]} which the sweep is about")
    return Ground(tape)

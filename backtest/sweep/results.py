"""A sweep's results as they come: JSON lines in one file, appended whole and flushed to the disk, so that an interrupted sweep
goes on where it stopped. Refuses to go on with another tape, space, setting or code, and a file that somebody else is writing.

The first line says what the sweep is; each further line is one set. A last line without its end was cut off by a crash: it is
dropped, and its set runs again. Daily excess returns are float64, little-endian, in base64."""

import base64
import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from backtest.sweep.outcome import Outcome
from backtest.sweep.space import ParameterSet
from strategies.errors import UsufructError

FORMAT: Final = 1
Header = Mapping[str, object]  # what the sweep is: equal headers are the same sweep


class BadResults(UsufructError):
    """A results file that cannot be gone on with."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path: Final = path
        self.why: Final = why


class Results:
    """The open file of one sweep. Use as a context manager: it holds the file's lock until the end."""

    def __init__(self, path: Path, header: Header, sets: Sequence[ParameterSet]) -> None:
        self._path: Final = path
        self._header: Final = {"sweep": FORMAT, **header}
        self._sets: Final = sets
        self._file = -1
        self.outcomes: Final[dict[int, Outcome]] = {}  # by the set's place in the sweep

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        with ExitStack() as undo:
            undo.callback(os.close, self._file)
            self._take_up()
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._file)

    @property
    def count(self) -> int:
        """How many sets the sweep has."""
        return len(self._sets)

    @property
    def left(self) -> tuple[tuple[int, ParameterSet], ...]:
        """The sets that have no result yet, with their places."""
        return tuple((at, one) for at, one in enumerate(self._sets) if at not in self.outcomes)

    @property
    def in_order(self) -> tuple[Outcome, ...]:
        """The results so far, in the order of the sets, whoever computed them."""
        return tuple(self.outcomes[at] for at in sorted(self.outcomes))

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Append results; when this returns they are on the disk."""
        self._append([content_of(outcome) for outcome in outcomes])
        self.outcomes.update({outcome.at: outcome for outcome in outcomes})

    def _take_up(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadResults(self._path, "another sweep is writing it; wait for it, or name another place") from error
        whole = self._path.read_bytes()
        end = whole.rfind(b"\n") + 1
        os.ftruncate(self._file, end)
        if not end:
            self._append([self._header])
            return
        lines = whole[:end].splitlines()
        self._compare(self._parsed(lines[0], 1))
        for number, line in enumerate(lines[1:], start=2):
            outcome = self._outcome(self._parsed(line, number), number)
            self.outcomes[outcome.at] = outcome

    def _append(self, contents: Sequence[Mapping[str, object]]) -> None:
        text = "".join([json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n" for content in contents])
        left = text.encode()
        while left:
            left = left[os.write(self._file, left) :]
        os.fsync(self._file)

    def _compare(self, found: Any) -> None:
        """Raises BadResults where the file is of another sweep, naming the first difference."""
        wanted = json.loads(json.dumps(self._header))
        if found == wanted:
            return
        if not isinstance(found, dict) or "sweep" not in found:
            raise BadResults(self._path, "it is not a sweep's results; name another place")
        before, now = _flat(found), _flat(wanted)
        name = next(key for key in (*now, *before) if before.get(key) != now.get(key))
        changed = f"{name} was {_short(before.get(name))} and is {_short(now.get(name))}"
        raise BadResults(self._path, f"it holds another sweep: {changed}; ask as then, name another place, or delete it")

    def _parsed(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise BadResults(self._path, f"line {number} is damaged ({error}); delete the file to begin anew") from error

    def _outcome(self, content: Any, number: int) -> Outcome:
        try:
            outcome = outcome_from(content)
            known = self._sets[outcome.at] == outcome.parameters
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise BadResults(self._path, f"line {number} is no set of this sweep ({error}); delete the file") from error
        if not known:
            raise BadResults(self._path, f"line {number} has the parameters of another set; delete the file to begin anew")
        return outcome


def content_of(outcome: Outcome) -> Mapping[str, object]:
    """An outcome as JSON says it; whole base units are texts, because JSON numbers of other programs are floats."""
    return {
        "at": outcome.at,
        "set": dict(outcome.parameters),
        "final_raw": str(outcome.final_raw),
        "gas_wei": str(outcome.gas_wei),
        "net": outcome.net,
        "apy": outcome.apy,
        "drawdown": outcome.drawdown,
        "moves": outcome.moves,
        "excess_daily": base64.b64encode(outcome.excess_daily.astype("<f8").tobytes()).decode(),
    }


def outcome_from(content: Mapping[str, Any]) -> Outcome:
    """What `content_of` wrote. Raises KeyError, TypeError, ValueError."""
    return Outcome(
        at=int(content["at"]),
        parameters=tuple(content["set"].items()),
        final_raw=int(content["final_raw"]),
        gas_wei=int(content["gas_wei"]),
        net=float(content["net"]),
        apy=float(content["apy"]),
        drawdown=float(content["drawdown"]),
        moves=int(content["moves"]),
        excess_daily=np.frombuffer(base64.b64decode(content["excess_daily"]), dtype="<f8").astype(np.float64),
    )


def _flat(header: Mapping[str, Any]) -> dict[str, Any]:
    """Each setting by its whole name."""
    flat = dict[str, Any]()
    for name, value in header.items():
        flat |= {f"{name}.{inner}": one for inner, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."

"""What a call reaches for besides its arguments: the wall clock, and the random numbers that the whole process shares. It sees
calls into C and the state of the shared generators; refuses nothing, and what Cython code calls inside itself it does not see."""

import datetime
import gc
import random
import sys
from types import FrameType, TracebackType
from typing import Any, Final, Self

import numpy as np

CLOCKS: Final = frozenset(
    [
        *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"),
        *("time.process_time", "time.process_time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime"),
    ]
)
NOW: Final = frozenset({"now", "utcnow", "today"})
ENTROPY: Final = frozenset({"posix.urandom", "nt.urandom"})


class Watched:
    """A context manager; `reached` is what its block used, "" where nothing."""

    def __init__(self) -> None:
        self.reached = ""
        self._profile: Any = None
        self._drawn: tuple[Any, Any] = ((), ())
        self._collects = False

    def __enter__(self) -> Self:
        self._drawn = _generators()
        self._profile = sys.getprofile()
        self._collects = gc.isenabled()
        gc.disable()  # a collection may call back whoever times it
        sys.setprofile(self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.setprofile(self._profile)
        if self._collects:
            gc.enable()
        if not self.reached:
            python, numpy = (before != after for before, after in zip(self._drawn, _generators(), strict=True))
            self.reached = "random" if python else "numpy.random" if numpy else ""

    def _look(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and not self.reached:
            self.reached = _outside(called)


def _outside(called: Any) -> str:
    """The name of a clock or a source of entropy; "" for anything else."""
    owner = getattr(called, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, datetime.date) and called.__name__ in NOW:
        return f"{owner.__name__}.{called.__name__}"
    name = f"{getattr(called, '__module__', None)}.{getattr(called, '__name__', '')}"
    return name if name in CLOCKS or name in ENTROPY else ""


def _generators() -> tuple[Any, Any]:
    """The state of Python's and of NumPy's shared generators, comparable."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return random.getstate(), (name, keys.tobytes() if isinstance(keys, np.ndarray) else keys, *rest)

"""Processor time of one call in microseconds, and memory. Refuses nothing: what takes no time shows as what the loop costs."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

REPEATS = 5
MICROSECONDS = 1_000_000


def microseconds(job: Callable[[], object], budget_seconds: float) -> float:
    """The median of repeats; each repeat runs the job as often as fits the budget, at least once."""
    job()
    calls = 1
    while (spent := _seconds(job, calls)) < budget_seconds / 8:
        calls *= 4 if spent else 64
    calls = max(1, int(calls * budget_seconds / max(spent, budget_seconds / 8)))
    return median(_seconds(job, calls) for _ in range(REPEATS)) / calls * MICROSECONDS


def _seconds(job: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        job()
    return time.process_time() - start


def peak_mb() -> int | None:
    """The most memory that this process has held; None where the system does not say it by process image (`getrusage` counts what
    the parent held before)."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return round(int(found[1]) / 1024) if found else None

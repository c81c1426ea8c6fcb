"""What a case may cost whoever answers it: time, memory, files that it leaves, and whether anybody still answers.

Refuses to know less than the operating system does: memory is the whole process's peak, other cases' included."""

import re
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.verify.attacks.outcome import Input, Outcome, Probe, Runner, Setting, first_known

MIB_KIB: Final = 1_024
ASKED: Final = re.compile(r"(answers_within_s|memory_below_mib):(\d+(?:\.\d+)?)")
SIDE_EFFECT: Final = "no_side_effect:"


def weighed(runner: Runner, now: Callable[[], float] = time.monotonic) -> Runner:
    """The same runner, whose outcome also knows what it cost."""

    def run(handed: Input, setting: Setting) -> Outcome:
        begun = now()
        outcome = runner(handed, setting)
        return replace(outcome, probe=first_known(outcome.probe, cost_of(now() - begun)))

    return run


def cost_of(seconds: float) -> Probe:
    """A probe of what an answer took."""

    def asked(item: str) -> str | None:
        if item == "process_alive":
            return ""  # this process is the one that was asked, and it is the one that says so
        if item.startswith(SIDE_EFFECT):
            path = item.removeprefix(SIDE_EFFECT)
            return f"{path} is there" if Path(path).exists() else ""
        found = ASKED.fullmatch(item)
        if found is None:
            return None
        took = seconds if found[1] == "answers_within_s" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB_KIB
        return "" if took <= float(found[2]) else f"it took {took:.1f}"

    return asked

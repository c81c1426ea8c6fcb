"""The runners of every surface that needs no chain: one house for a run, and a keeper at its desk.

Refuses nothing: each runner does, or what it hands its input to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from agent.verify.attacks.answers import answers_runner
from agent.verify.attacks.configs import configs_runner
from agent.verify.attacks.desk import desk
from agent.verify.attacks.history import history_runner
from agent.verify.attacks.keys import keys_runner
from agent.verify.attacks.logs import logs_runner
from agent.verify.attacks.outcome import Runner, Setting
from agent.verify.attacks.packages import packages_runner
from agent.verify.attacks.premises import premises
from agent.verify.attacks.signing import METHODS, signing_runner


@contextmanager
def house_runners(setting: Setting) -> Iterator[Mapping[str, Runner]]:
    """Runners by surface, for as long as the house stands."""
    with premises(setting) as at, desk(at.another()) as keeper:
        yield {
            **dict.fromkeys(METHODS, signing_runner(keeper)),
            "llm_output": answers_runner(at, keeper),
            "config": configs_runner(at),
            "keystore": keys_runner(at),
            "log": logs_runner(at),
            "audit": history_runner(at),
            "package": packages_runner(at),
        }

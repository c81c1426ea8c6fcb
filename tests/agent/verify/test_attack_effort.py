"""What a case costs whoever answers it, and that a case can break nothing but itself."""

from collections.abc import Mapping
from contextlib import ExitStack

import pytest
from eth_abi.exceptions import InsufficientDataBytes

from agent.verify.attacks import run
from agent.verify.attacks.effort import cost_of, weighed
from agent.verify.attacks.outcome import Input, Outcome, Runner, Setting, Unrealised, facts
from tests.agent.verify.attack_cases import SETTING, only

HANDED = Input("tx", "guard", {}, {"tx": {}})


@pytest.mark.parametrize(
    ("item", "holds"),
    [
        ("answers_within_s:2", True),
        ("answers_within_s:1", False),
        ("answers_within_s:1.5", True),
        ("memory_below_mib:1048576", True),
        ("memory_below_mib:1", False),
        ("process_alive", True),
        ("no_side_effect:/nowhere/at/all", True),
        ("no_side_effect:/", False),
    ],
)
def test_what_an_answer_took_is_told(item: str, holds: bool) -> None:
    assert (cost_of(1.5)(item) == "") is holds


def test_what_nobody_measures_is_unknown() -> None:
    assert cost_of(1.5)("answers_within_s:soon") is None
    assert cost_of(1.5)("answers_politely") is None


def test_what_the_runner_itself_knows_comes_first() -> None:
    times = iter([10.0, 13.0])
    known = weighed(lambda _, __: Outcome("deny", probe=facts({"process_alive": "it died"})), lambda: next(times))
    outcome = known(HANDED, SETTING)
    assert outcome.probe("process_alive") == "it died"
    assert outcome.probe("answers_within_s:3") == ""
    assert outcome.probe("answers_within_s:2") == "it took 3.0"


@pytest.mark.parametrize(
    "error", [InsufficientDataBytes("short"), RuntimeError("odd"), RecursionError(), KeyError("x"), OSError(5)]
)
def test_a_case_that_breaks_the_harness_fails_alone(error: Exception) -> None:
    def runner(_: Input, __: Setting) -> Outcome:
        raise error

    result = run.one(only(), SETTING, lambda _: runner)
    assert result.verdict == "failed"
    assert type(error).__name__ in result.why


def test_a_world_that_cannot_be_built_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def opened(_: run.Runners, surface: str) -> Mapping[str, Runner]:
        tried.append(surface)
        raise FileNotFoundError("no compiler")

    monkeypatch.setattr(run.Runners, "_opened", opened)
    with ExitStack() as stack:
        runners = run.Runners(SETTING, stack)
        with pytest.raises(FileNotFoundError):
            runners.of("tx")
        for surface in ("tx", "plan", "sequence"):  # one world for all of them
            with pytest.raises(Unrealised, match="FileNotFoundError: no compiler"):
                runners.of(surface)
        with pytest.raises(FileNotFoundError):
            runners.of("keystore")
    assert tried == ["tx", "keystore"]

"""Two operators from their own terminals: one yes waits for the other, a signed no is final, and small plans ask nobody."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from agent.cli.stage import OPERATOR, Stage, set_up
from agent.devnet.chain import Devnet
from wallets import operators

pytestmark = [pytest.mark.chain, pytest.mark.slow]
ROOT: Final = Path(__file__).parents[1]


@contextmanager
def staged(folder: Path, **changed: str) -> Iterator[Stage]:
    """The demo's stage with a second operator, and lines of its settings that a test writes otherwise."""
    with Devnet.start() as devnet:
        stage = set_up(folder / "stage", devnet)
        second = operators.create(stage.folder / "bob.pem", stage.operator_password())
        text = stage.config.read_text()
        line = next(line for line in text.splitlines() if line.startswith("operators = "))
        text = text.replace(line, line[:-1] + f', {{ name = "bob", public_key = "{second}" }}]')
        for name, value in changed.items():
            before = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
            text = text.replace(before, f"{name} = {value}")
        stage.config.write_text(text)
        told(stage, "acknowledge", "--yes-i-understand", "--name", "two-people")
        try:
            yield stage
        finally:
            told(stage, "keeper", "--end")


def ran(stage: Stage, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "agent", *arguments, "--config", str(stage.config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def told(stage: Stage, *arguments: str) -> str:
    done = ran(stage, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def signing(stage: Stage, name: str) -> tuple[str, ...]:
    key = stage.operator_key if name == OPERATOR else stage.folder / f"{name}.pem"
    return ("--operator", name, "--operator-key", str(key), "--password-file", str(stage.password_file))


def waiting(stage: Stage) -> list[str]:
    return [one["id"] for one in json.loads(ran(stage, "approvals", "--json").stdout)]


def test_a_large_plan_waits_for_the_second_yes_and_one_person_is_not_two(tmp_path: Path) -> None:
    with staged(tmp_path, two_people_above_usd="20000") as stage:
        told(stage, "run", "--mode", "live", "--once")
        (plan,) = waiting(stage)
        assert "the yes of two different operators" in told(stage, "approvals")
        for _ in range(2):  # the same person again is still one
            assert "waits for the yes of another operator" in told(stage, "approve", plan, *signing(stage, OPERATOR), "--yes")
        assert waiting(stage) == [plan]
        assert "block" in told(stage, "approve", plan, *signing(stage, "bob"), "--yes")
        assert waiting(stage) == []
        assert "Supply" in told(stage, "explain", plan) or "supply" in told(stage, "explain", plan)


def test_a_signed_no_is_final_at_the_keeper(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        told(stage, "run", "--mode", "live", "--once")
        (plan,) = waiting(stage)
        assert "takes no yes to it any more" in told(stage, "reject", plan, *signing(stage, "bob"))
        assert waiting(stage) == []
        assert ran(stage, "approve", plan, *signing(stage, OPERATOR), "--yes").returncode != 0


def test_a_small_plan_leaves_without_anybody_asked(tmp_path: Path) -> None:
    with staged(tmp_path, max_unattended_usd="55000") as stage:
        told(stage, "run", "--mode", "live", "--once")
        assert waiting(stage) == []
        assert "upply" in told(stage, "explain", "last", "--mode", "live")

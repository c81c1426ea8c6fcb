"""A run killed while it waits, taken up by other processes, and approved more than once: one supply is mined."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.cli.stage import CASH_USD, OPERATOR, USDC_UNIT
from tests.supervised import Play, play
from wallets import reading as blocks

USUFRUCT = (sys.executable, "-m", "agent")


@contextmanager
def running(*arguments: str) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen((*USUFRUCT, *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def waits_for_a_person(process: "subprocess.Popen[str]") -> str:
    """The id of the plan, once the run says that it waits."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "waits for a person" in line:
            return line.rsplit(" ", 1)[1].strip()
    raise AssertionError(f"the run ended: {said}")


def approve(on: Play, cycle: str) -> "subprocess.Popen[str]":
    said = ("--config", str(on.stage.config), "--operator", OPERATOR, "--operator-key", str(on.stage.operator_key))
    return subprocess.Popen(
        (*USUFRUCT, "approve", cycle, *said, "--password-file", str(on.stage.password_file), "--yes"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.chain
def test_killed_while_waiting_then_approved_three_times_at_once_mines_one_supply(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        config, account = str(on.stage.config), on.stage.account
        with running("run", "--mode", "live", "--config", config) as run:
            cycle = waits_for_a_person(run)
            run.send_signal(signal.SIGKILL)
            assert run.wait() == -signal.SIGKILL
        listed = subprocess.run(
            (*USUFRUCT, "approvals", "--config", config, "--json"), capture_output=True, text=True, check=True
        )
        assert [one["id"] for one in json.loads(listed.stdout)] == [cycle]
        assert on.session.endpoint.nonce(account, "pending") == 0, "nothing is sent before a person says yes"

        yeses = [approve(on, cycle) for _ in range(3)]
        said = [yes.communicate(timeout=120)[0] for yes in yeses]

        assert on.session.endpoint.nonce(account, "pending") == 2, f"one approval and one supply: {said}"
        _, portfolio = blocks.read(on.session.endpoint, on.session.deployment, account)
        (receipt,) = on.receipts()
        assert [moved.raw for moved in receipt.transfers] == [CASH_USD * USDC_UNIT]
        assert portfolio.idle_raw(on.session.decide.asset) == 0
        assert len(portfolio.positions) == 1
        kinds = [json.loads(line)["kind"] for line in on.session.journal.lines]
        assert kinds.count("receipt") == 1
        again = approve(on, cycle).communicate(timeout=60)[0]
        assert "is no waiting plan" in again


@pytest.mark.chain
def test_a_rejected_plan_is_written_down_and_never_sent(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        waiting = on.planner.run("to-be-rejected")
        assert waiting is not None
        assert on.planner.reject(waiting.cycle, "a test says no") is None
        assert on.session.endpoint.nonce(on.stage.account, "pending") == 0
        kinds = [json.loads(line)["kind"] for line in on.session.journal.lines]
        assert kinds == ["observation", "decision", "verdict", "held"]
        assert on.planner.unfinished() == ()

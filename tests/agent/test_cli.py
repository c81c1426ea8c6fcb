"""The command line as a person or a program uses it: real processes on a real stage."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.stage import CASH_USD, OPERATOR
from tests.supervised import Play, play
from wallets.client import KeeperClient, socket_path

COMMANDS = (
    "demo",
    "doctor",
    "acknowledge",
    "observe",
    "run",
    "keeper",
    "approvals",
    "approve",
    "reject",
    "pause",
    "resume",
    "unwind",
    "revoke",
    "explain",
)
HEAVY = ("web3", "pandas", "langgraph", "ccxt", "pyarrow", "plotly", "numpy", "eth_account", "pydantic")


def usufruct(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (sys.executable, "-m", "agent", *arguments),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "160", **variables},
    )


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    with play(tmp_path_factory.mktemp("cli")) as played:
        yield played


def config(on: Play) -> tuple[str, str]:
    return "--config", str(on.stage.config)


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    said = usufruct("--help")
    assert said.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", said.stdout, re.MULTILINE), command
    loaded = subprocess.run(
        (sys.executable, "-c", "import sys, agent.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(loaded.stdout.split()) & set(HEAVY)


def test_a_missing_settings_file_says_what_to_do() -> None:
    said = usufruct("observe", "--config", "nowhere.toml")
    assert said.returncode == 2
    assert "no such file" in said.stderr
    assert "usufruct.example.toml" in said.stderr
    assert "Traceback" not in said.stderr


def test_an_unknown_mode_is_refused(on: Play) -> None:
    said = usufruct("run", "--mode", "yolo", "--once", *config(on))
    assert (said.returncode, "write paper or live" in said.stderr) == (2, True)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("USUFRUCT_POLICY__CHAIN_ID", "1", "chain"),
        ("USUFRUCT_POLICY__MAX_DAY_USD", "1e9", "whole number"),
        ("USUFRUCT_POLICY__MAX_LOSS", "5", "no such setting"),
        ("USUFRUCT_STRATEGY__NAMES", '["yolo"]', "is not known"),
    ],
)
def test_a_setting_that_is_wrong_stops_the_start_by_name(on: Play, variable: str, value: str, complaint: str) -> None:
    said = usufruct("run", "--mode", "live", "--once", *config(on), **{variable: value})
    assert said.returncode != 0
    assert complaint in said.stderr
    assert "Traceback" not in said.stderr


def test_a_missing_limit_is_an_error_and_not_an_infinity(on: Play, tmp_path: Path) -> None:
    lines = on.stage.config.read_text().splitlines()
    kept = tmp_path / "usufruct.toml"
    kept.write_text("\n".join(line for line in lines if not line.startswith("max_day_usd")))
    said = usufruct("observe", "--config", str(kept))
    assert said.returncode == 2
    assert "policy.max_day_usd: missing; limits have no defaults" in said.stderr


@pytest.mark.chain
def test_doctor_finds_the_demo_stage_healthy(on: Play) -> None:
    said = usufruct("doctor", "--json", *config(on))
    findings = json.loads(said.stdout)
    assert said.returncode == 0, findings
    assert {"settings", "chain", "code", "block", "gas", "live", "keeper"} <= {one["what"] for one in findings}


@pytest.mark.chain
def test_doctor_names_what_is_wrong_and_exits_with_one(on: Play) -> None:
    said = usufruct("doctor", *config(on), USUFRUCT_CHAIN__ENDPOINT="http://127.0.0.1:9")
    assert said.returncode == 1
    assert "no " in said.stdout
    assert "Traceback" not in said.stderr


@pytest.mark.chain
def test_observe_gives_every_market_of_the_asset_with_its_net_rate(on: Play) -> None:
    said = json.loads(usufruct("observe", "--json", *config(on)).stdout)
    names = [market["market"] for market in said["markets"]]
    assert names[:3] == ["aave-core:USDC", "aave-prime:USDC", "aave-new:USDC"]
    assert {"stata:USDC", "morpho:USDC/DAI", "metamorpho:USDC", "comet:USDC"} < set(names)
    assert said["size_raw"] == str(CASH_USD * 10**6)
    for market in said["markets"]:
        earns = market["market"] != "morpho:USDC"  # the idle market of the vault
        assert 0 < market["net_apr"] < market["supply_apr"] or (market["net_apr"] < 0 and not earns)


@pytest.mark.chain
def test_a_paper_run_moves_paper_and_sends_nothing(on: Play) -> None:
    first = usufruct("run", "--mode", "paper", "--once", "--cash", "20000", *config(on))
    assert first.returncode == 0, first.stderr
    assert "hold aave-prime:USDC" in first.stdout
    second = usufruct("run", "--mode", "paper", "--once", *config(on))
    assert "the best markets are held" in second.stdout
    assert on.session.endpoint.nonce(on.stage.account, "pending") == 0
    told = usufruct("explain", "last", "--mode", "paper", "--json", *config(on))
    assert [line["kind"] for line in json.loads(told.stdout)] == ["observation", "decision"]


@pytest.mark.chain
def test_a_pause_stops_the_keeper_until_an_operator_signs_its_end(on: Play) -> None:
    key = ("--operator", OPERATOR, "--operator-key", str(on.stage.operator_key))
    password = ("--password-file", str(on.stage.password_file))
    assert usufruct("pause", *config(on), "--reason", "a test").returncode == 0
    refused = usufruct("run", "--mode", "live", "--once", *config(on))
    assert "waits for a person" not in refused.stdout
    assert "paused: a test" in usufruct("doctor", *config(on)).stdout
    assert usufruct("resume", *key, *password, *config(on)).returncode == 0
    allowed = usufruct("run", "--mode", "live", "--once", *config(on))
    assert "waits for a person" in allowed.stdout
    cycle = json.loads(usufruct("approvals", "--json", *config(on)).stdout)[0]["id"]
    assert usufruct("reject", cycle, *config(on)).returncode == 0
    assert "nothing waits" in usufruct("approvals", *config(on)).stdout


@pytest.mark.chain
def test_a_yes_that_cannot_count_leaves_the_plan_waiting_and_a_good_one_is_told(on: Play) -> None:
    assert "waits for a person" in usufruct("run", "--mode", "live", "--once", *config(on)).stdout
    cycle = json.loads(usufruct("approvals", "--json", *config(on)).stdout)[0]["id"]
    again = usufruct("run", "--mode", "live", "--once", *config(on))
    assert cycle in again.stdout, "no second plan is made for the same funds"
    words = ("approve", cycle, "--yes", "--operator-key", str(on.stage.operator_key))
    password = ("--password-file", str(on.stage.password_file))
    wrong = usufruct(*words, "--operator", "eve", *password, *config(on))
    assert (wrong.returncode, "still waits" in wrong.stderr) == (1, True)
    right = usufruct(*words, "--operator", OPERATOR, *password, *config(on))
    assert right.returncode == 0, right.stderr
    assert "approved and carried out" in right.stdout
    assert on.session.endpoint.nonce(on.stage.account, "latest") == 2
    told = usufruct("explain", cycle, *config(on)).stdout
    for word in ("seen", " pays ", "decided", "judged", "done", "booked", "supply 50,000 USDC to aave-prime:USDC"):
        assert word in told
    nothing = usufruct("reject", cycle, *config(on))
    assert (nothing.returncode, "is no waiting plan" in nothing.stderr) == (1, True)


@pytest.mark.chain
def test_the_keeper_that_runs_ends_when_told_and_takes_no_policy_from_variables(on: Play) -> None:
    assert "told the keeper" in usufruct("keeper", "--end", *config(on)).stdout
    for _ in range(100):
        if on.keeper.process_id() is None:
            break
        time.sleep(0.1)
    assert on.keeper.process_id() is None
    loose = usufruct("keeper", *config(on), USUFRUCT_POLICY__MAX_DAY_USD="900000")
    assert (loose.returncode, "from" in loose.stderr and "alone" in loose.stderr) == (2, True)
    assert usufruct("run", "--mode", "live", "--once", *config(on)).returncode == 0, "the next live run starts it again"
    assert on.keeper.process_id() is not None
    usufruct("keeper", "--end", *config(on))


@pytest.mark.chain
def test_a_demo_that_is_ended_leaves_no_keeper_behind(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = (sys.executable, "-m", "agent", "demo", "--keep", "--folder", str(folder))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as kept:
        assert kept.stdout is not None
        assert any("run until Ctrl-C" in line for line in kept.stdout)
        keeper = KeeperClient(socket_path(folder / "keeper"), account="", timeout_seconds=5)
        assert keeper.process_id() is not None
        again = usufruct("demo", "--folder", str(folder))
        assert (again.returncode, "a demo runs in" in again.stderr) == (2, True)
        kept.terminate()
        assert kept.wait(30) == 0
    assert keeper.process_id() is None


def test_a_demo_never_clears_a_folder_that_no_demo_made(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    said = usufruct("demo", "--folder", str(tmp_path))
    assert (said.returncode, "was not made by a demo" in said.stderr) == (2, True)
    assert (tmp_path / "diary.txt").read_text() == "dear diary"


def test_a_wallet_is_made_once_and_shows_its_address(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text("correct horse battery")
    made = usufruct("wallet", "create", str(tmp_path / "key.json"), "--password-file", str(password))
    assert made.returncode == 0, made.stderr
    address = usufruct("wallet", "address", str(tmp_path / "key.json")).stdout.strip()
    assert re.fullmatch(r"0x[0-9a-f]{40}", address)
    assert address in made.stdout
    again = usufruct("wallet", "create", str(tmp_path / "key.json"), "--password-file", str(password))
    assert again.returncode == 2
    assert "never overwritten" in again.stderr


def test_backtest_runs_on_a_fresh_checkout_and_its_report_is_made_again(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    said = usufruct("backtest", "run", "--seed", "3", "--out", str(out), "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["studies"]["USDC"]["results"]["idle"]["moves"] == 0
    first = out.read_bytes()
    out.unlink()
    again = usufruct("backtest", "report", str(tmp_path / "report.json"), "--out", str(out))
    assert again.returncode == 0, again.stderr
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--asset", "DAI"), "error: --asset DAI: the synthetic tape has USDC only; give --data or --tape for others"),
        (("--start", "2023-01-27"), "error: --start is for recorded data: give --data"),
        (("--data", "/nope"), "error: --data: no such folder: /nope"),
        (("--out", "x.json"), "error: --out: x.json must end in .html; the JSON and the CSV files are named after it"),
    ],
)
def test_a_backtest_that_cannot_be_run_is_refused_in_one_line(arguments: tuple[str, ...], told: str) -> None:
    said = usufruct("backtest", "run", *arguments)
    assert said.returncode == 2
    assert said.stderr == told + "\n"


@pytest.mark.parametrize(("option", "value"), [("--cash", "0"), ("--cash", "-5"), ("--seed", "-1")])
def test_a_backtest_refuses_a_number_that_means_nothing(option: str, value: str) -> None:
    said = usufruct("backtest", "run", option, value)
    assert said.returncode == 2
    assert f"'{option}'" in said.stderr
    assert "Traceback" not in said.stderr


def test_backtest_report_refuses_a_result_that_does_not_come_out_again(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert usufruct("backtest", "run", "--seed", "3", "--out", str(out)).returncode == 0
    file = tmp_path / "report.json"
    recorded = json.loads(file.read_text())
    recorded["asked"]["seed"] = 4
    file.write_text(json.dumps(recorded))
    said = usufruct("backtest", "report", str(file), "--out", str(out))
    assert said.returncode == 2
    assert "does not come out the same" in said.stderr

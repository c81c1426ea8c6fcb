"""After a whole supervised run the key and the password are looked for everywhere: in every file of it, in the environment and
command line of every process, in the memory of the agent's. They may be in the password's own file and in the keeper's memory."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from eth_account import Account

from agent.cli.stage import OPERATOR, Stage, set_up
from agent.devnet.chain import Devnet
from wallets.client import KeeperClient, socket_path

pytestmark = [
    pytest.mark.chain,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read in /proc"),
]
ROOT: Final = Path(__file__).parents[1]
PATIENCE_SECONDS: Final = 60.0
CHUNK_BYTES: Final = 1 << 24


def usufruct(stage: Stage, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "agent", *arguments, "--config", str(stage.config)]


def said(stage: Stage, *arguments: str) -> str:
    return subprocess.run(usufruct(stage, *arguments), cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_key_and_password_are_nowhere_but_where_they_belong(tmp_path: Path) -> None:
    with ExitStack() as stack:
        devnet = stack.enter_context(Devnet.start())
        stage = set_up(tmp_path / "stage", devnet)
        (tmp_path / "agent.log").touch()
        log = stack.enter_context((tmp_path / "agent.log").open("wb"))
        said(stage, "acknowledge", "--yes-i-understand", "--name", "key-search")
        agent = subprocess.Popen(usufruct(stage, "run", "--mode", "live"), cwd=ROOT, stdout=log, stderr=log)
        stack.callback(agent.wait)
        stack.callback(agent.terminate)
        stack.callback(subprocess.run, usufruct(stage, "keeper", "--end"), cwd=ROOT, check=False, capture_output=True)
        plan = waiting(stage, agent)
        signing = ("--operator", OPERATOR, "--operator-key", str(stage.operator_key), "--password-file", str(stage.password_file))
        (tmp_path / "approve.log").write_text(said(stage, "approve", plan, *signing, "--yes"))
        assert "Supply" in said(stage, "explain", plan) or "supply" in said(stage, "explain", plan)
        keeper = KeeperClient(socket_path(stage.folder / "keeper"), account=stage.account, timeout_seconds=5).process_id()
        assert keeper is not None
        assert agent.poll() is None
        secrets = forms_of(stage)
        assert found_in(memory(agent.pid), secrets) == []
        assert "key" in {name for name, _ in found_in(memory(keeper), secrets)}, "the search finds what is there"
        for process in (agent.pid, keeper):
            for place in ("environ", "cmdline"):
                assert found_in([Path(f"/proc/{process}/{place}").read_bytes()], secrets) == []
            limits = Path(f"/proc/{process}/limits").read_text().splitlines()
            core = next(line for line in limits if line.startswith("Max core file size"))
            assert process == agent.pid or core.split()[4:6] == ["0", "0"]
        gone(stage)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != stage.password_file]
    assert {"keeper.sqlite", "keystore.json", "agent.log"} <= {path.name for path in files}
    assert [(str(path), hit) for path in files for hit in found_in([path.read_bytes()], secrets)] == []


def gone(stage: Stage) -> None:
    """The keeper has ended, so that no file of its store comes or goes any more."""
    said(stage, "keeper", "--end")
    client = KeeperClient(socket_path(stage.folder / "keeper"), account=stage.account, timeout_seconds=5)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while client.process_id() is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    while (stage.folder / "keeper" / "keeper.sqlite-wal").exists() and time.monotonic() < deadline:
        time.sleep(0.1)


def waiting(stage: Stage, agent: "subprocess.Popen[bytes]") -> str:
    """The id of the plan that the agent proposes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert agent.poll() is None, (stage.folder.parent / "agent.log").read_text()
        if found := json.loads(said(stage, "approvals", "--json")):
            return str(found[0]["id"])
        time.sleep(0.2)
    raise AssertionError((stage.folder.parent / "agent.log").read_text())


def forms_of(stage: Stage) -> list[tuple[str, bytes]]:
    """The key and the password as bytes, and as anybody would write them."""
    password = stage.operator_password()
    key = bytes(Account.decrypt(json.loads((stage.folder / "keystore.json").read_text()), password))
    written = [
        key,
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key),
        str(int.from_bytes(key, "big")).encode(),
    ]
    other = [
        password.encode(),
        password.encode("utf-16-le"),
        base64.b64encode(password.encode()),
        password.encode().hex().encode(),
    ]
    return [("key", form) for form in written] + [("key", key[::-1])] + [("password", form) for form in other]


def found_in(parts: "Iterator[bytes] | list[bytes]", secrets: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    found = []
    for part in parts:
        found += [(name, form[:4]) for name, form in secrets if form in part]
    return found


def memory(process: int) -> Iterator[bytes]:
    """All that a process may write and could be read, in pieces that overlap."""
    with Path(f"/proc/{process}/maps").open() as maps, Path(f"/proc/{process}/mem").open("rb", buffering=0) as content:
        for line in maps:
            span, rights, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if "w" not in rights or "[v" in line:
                continue
            for at in range(start, end, CHUNK_BYTES):
                try:
                    yield os.pread(content.fileno(), min(CHUNK_BYTES + 256, end - at), at)
                except OSError:  # a page that went away meanwhile
                    continue

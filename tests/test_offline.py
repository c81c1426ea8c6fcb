"""Nothing leaves this machine: a whole demo, watched at the interpreter's own door, and once with no network at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import os, sys

def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        outside = isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        outside = arguments[0] not in ("127.0.0.1", "::1", "localhost", None, "", b"127.0.0.1")
    elif event == "socket.sendto":
        outside = isinstance(arguments[1], tuple) and arguments[1][0] not in ("127.0.0.1", "::1")
    else:
        return
    with open(os.environ["WATCHED"], "a") as file:
        file.write(f"{'OUTSIDE' if outside else 'inside'} {event} {arguments!r}\\n")
    if outside:
        raise OSError(f"the network is denied: {event} {arguments!r}")

sys.addaudithook(watch)
"""
TELEMETRY = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_API_KEY": "none"}


def demo(folder: Path, *before: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (*before, sys.executable, "-m", "agent", "demo", "--folder", str(folder / "demo")),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **variables},
    )


@pytest.mark.chain
def test_a_demo_tries_to_reach_nothing_but_loopback(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    watched = tmp_path / "watched"
    said = demo(tmp_path, PYTHONPATH=str(tmp_path), WATCHED=str(watched), **TELEMETRY)
    assert said.returncode == 0, said.stderr
    seen = watched.read_text().splitlines()
    assert any(line.startswith("inside socket.connect") for line in seen), "the watch saw the chain being asked"
    assert [line for line in seen if line.startswith("OUTSIDE")] == []
    assert said.stdout.rstrip().endswith("report.html"), "the last line is the report's path"


@pytest.mark.chain
def test_a_demo_needs_no_network_at_all(tmp_path: Path) -> None:
    alone = ("unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    able = shutil.which("unshare") and shutil.which("ip")
    if not able or subprocess.run((*alone, "true"), capture_output=True, check=False).returncode:
        pytest.skip("this machine gives a test no network namespace of its own")
    said = demo(tmp_path, *alone)
    assert said.returncode == 0, said.stderr
    assert "earned" in said.stdout

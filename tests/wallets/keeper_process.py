"""A keeper in a process of its own: `python -m tests.wallets.keeper_process SETTINGS`, the password on standard input."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strategies.domain import Address
from wallets import acknowledged
from wallets.acknowledged import Acknowledgement
from wallets.changes import Terms
from wallets.client import KeeperClient
from wallets.deployments import read_deployment
from wallets.keeper import KeeperSettings, serve, socket_path
from wallets.terms import Source

ROOT: Final = Path(__file__).resolve().parents[2]
READY: Final = "ready"


@dataclass(frozen=True)
class Running:
    """A keeper that listens, and a client of it."""

    process: "subprocess.Popen[str]"
    client: KeeperClient
    folder: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def write_settings(path: Path, **content: Any) -> Path:
    """A settings file as `main` reads it."""
    path.write_text(json.dumps(content))
    return path


def launch(settings: Path, password: str) -> "subprocess.Popen[str]":
    """A keeper process, its risks acknowledged; its first line is `ready`, or why it refused."""
    acknowledge(Path(json.loads(settings.read_text())["folder"]))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.wallets.keeper_process", str(settings)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(password + "\n")
    process.stdin.close()
    process.stdin = None  # said and done: `communicate` must not look for it
    return process


@contextmanager
def running(settings: Path, password: str, account: Address) -> Iterator[Running]:
    """A keeper until the end of the block; killed if it still runs then."""
    process = launch(settings, password)
    try:
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        assert first == READY, first + process.stdout.read()
        folder = Path(json.loads(settings.read_text())["folder"])
        yield Running(process, KeeperClient(socket_path(folder), account=account, timeout_seconds=30), folder)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    """Serves until it is told to end."""
    path = Path(sys.argv[1])
    settings = told(path)
    password = sys.stdin.readline().rstrip("\n")
    source = Source((path, settings.deployment), lambda: Terms(told(path).policy, read_deployment(told(path).deployment)))
    serve(settings, password, lambda: print(READY, flush=True), source=source)  # noqa: T201


def acknowledge(folder: Path) -> None:
    """A person's word, as `usufruct acknowledge` lays it."""
    acknowledged.put(folder, Acknowledgement("ada", 1, acknowledged.text_digest(), ""))


def told(path: Path) -> KeeperSettings:
    """What the settings file says now."""
    return KeeperSettings.model_validate_json(path.read_text())


if __name__ == "__main__":
    main()

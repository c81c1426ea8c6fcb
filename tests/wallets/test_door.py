"""The keeper's socket: who is heard, for how long, and that a stop waits for nobody."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from strategies.errors import SettingsError
from wallets import door, wire
from wallets.client import Answer, Execute, Failure, Stop, Stopped, read_line


def opened(tmp_path: Path, stop: Callable[[str], Answer] = Stopped) -> door.Door:
    return door.Door(tmp_path / "s", stop=stop)


def test_another_user_is_not_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_uid", lambda connection: os.geteuid() + 1)
    with opened(tmp_path), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.fspath(tmp_path / "s"))
        connection.settimeout(5)
        with pytest.raises(OSError, match=r"ended early|reset|ended before"):
            read_line(connection, 100, 5)


def test_the_same_user_is_heard_and_a_stop_waits_for_nobody(tmp_path: Path) -> None:
    with opened(tmp_path), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.fspath(tmp_path / "s"))
        connection.sendall(wire.to_text(Stop("now")).encode() + b"\n")
        assert wire.from_text(Stopped, read_line(connection, 1000, 5).decode()) == Stopped("now")


def test_what_waits_when_the_door_closes_is_told_so(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        with opened(tmp_path) as found:
            connection.connect(os.fspath(tmp_path / "s"))
            connection.sendall(wire.to_text(Execute("one", "ab" * 32, ())).encode() + b"\n")
            while found.jobs.empty():
                pass
        answer = wire.from_text(Failure, read_line(connection, 1000, 5).decode())
    assert answer.kind == "KeeperEnding"


def test_more_connections_than_places_are_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 1)
    with opened(tmp_path), socket.socket(socket.AF_UNIX) as held, socket.socket(socket.AF_UNIX) as late:
        held.connect(os.fspath(tmp_path / "s"))
        late.connect(os.fspath(tmp_path / "s"))
        with pytest.raises(OSError, match=r"ended before|reset"):
            read_line(late, 100, 5)
        held.sendall(wire.to_text(Stop("now")).encode() + b"\n")
        assert wire.from_text(Stopped, read_line(held, 1000, 5).decode()) == Stopped("now")


def test_a_slow_line_is_answered_and_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "READ_SECONDS", 0.1)
    with opened(tmp_path), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.fspath(tmp_path / "s"))
        connection.sendall(b"{")
        assert wire.from_text(Failure, read_line(connection, 1000, 5).decode()).kind == "NotApproved"


def test_a_path_too_long_for_the_kernel_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too deep"):
        door.Door(tmp_path / ("d" * 120) / "s", stop=Stopped)

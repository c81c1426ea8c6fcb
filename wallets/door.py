"""The keeper's socket: who may knock, how much they may say, and for how long. Refuses other users, long and slow lines and any
word but the five; a stop is taken at once, everything else waits its turn."""

import contextlib
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from strategies.errors import KeeperEnding, MalformedRecord, NotApproved, SettingsError, UsufructError
from wallets import wire
from wallets.client import (
    MAX_REQUEST_BYTES,
    Answer,
    AskStatus,
    Decline,
    Execute,
    Judge,
    Request,
    Sign,
    Stop,
    failure_of,
    read_line,
)

MAX_CONNECTIONS: Final = 16
READ_SECONDS: Final = 5.0
MAX_PATH_BYTES: Final = 100  # the kernel's sun_path holds 108
PEER: Final = struct.Struct("3i")  # pid, uid, gid


@dataclass(frozen=True, slots=True)
class Job:
    """One request that waits its turn, and the place for its answer."""

    request: Judge | Execute | Decline | AskStatus | Sign
    answered: "queue.SimpleQueue[Answer]" = field(default_factory=queue.SimpleQueue)


class Door:
    """A listening socket of mode 0600. Use it as a context manager."""

    def __init__(self, path: Path, *, stop: Callable[[str], Answer]) -> None:
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise SettingsError(
                f"the keeper's folder is too deep: {path} is longer than {MAX_PATH_BYTES} bytes, give a shorter one"
            )
        self.jobs: Final[queue.SimpleQueue[Job]] = queue.SimpleQueue()
        self._path: Final = path
        self._stop: Final = stop
        self._places: Final = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._socket: Final = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)  # the lock is ours, so nobody listens there
        mask = os.umask(0o177)
        try:
            self._socket.bind(os.fspath(self._path))
        finally:
            os.umask(mask)
        self._socket.listen(MAX_CONNECTIONS)
        threading.Thread(target=self._accept, name="door", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)
        while not self.jobs.empty():
            self.jobs.get().answered.put(failure_of(KeeperEnding("that waits")))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # the door was closed
            if _uid(connection) != os.geteuid() or not self._places.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.closing(connection), contextlib.suppress(OSError):
            try:
                answer = self._answer(connection)
                connection.sendall(wire.to_text(answer).encode() + b"\n")
            finally:
                self._places.release()

    def _answer(self, connection: socket.socket) -> Answer:
        try:
            request = _request(connection)
            if isinstance(request, Stop):
                return self._stop(request.reason)
        except UsufructError as error:
            return failure_of(error)
        job = Job(request)
        self.jobs.put(job)
        return job.answered.get()


def _request(connection: socket.socket) -> Request:
    """One line, as one of the five words. Raises NotApproved, MalformedRecord, OSError."""
    try:
        line = read_line(connection, MAX_REQUEST_BYTES, READ_SECONDS)
        request: Request = wire.from_text(Request, line.decode())
    except UnicodeDecodeError:
        raise MalformedRecord(kind="Request", why="it is no text") from None
    except TimeoutError:
        raise NotApproved(f"the request did not arrive within {READ_SECONDS:g} s") from None
    return request


def _uid(connection: socket.socket) -> int:
    """The user at the other end, by the kernel's word."""
    _, uid, _ = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
    return int(uid)

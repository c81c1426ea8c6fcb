"""Public files over HTTP, read strictly: one address at a time, with a deadline, a size and patience for a busy server.

Refuses redirects, answers that are late, too long, cut, packed or not the kind that was asked for, and JSON that says a key twice
or a number that is none. A base address may hold a key, so no message and no file names more of it than scheme and host."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from strategies.errors import EndpointUnusable, IncompleteRead, SettingsError
from wallets.foreign import quoted

MAX_ANSWER_BYTES: Final = 64 * 2**20  # DefiLlama's list of all pools has 15 million
TIMEOUT_SECONDS: Final = 60.0
ATTEMPTS: Final = 6
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 300.0
BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
MOVED: Final = range(300, 400)
HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "usufruct"}


class Busy(Exception):
    """The server asks for patience, or the connection broke: the same question may be answered later."""

    def __init__(self, why: str, pause_seconds: float | None) -> None:
        super().__init__(why)
        self.pause_seconds: Final = pause_seconds  # what it asked for


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to ask again, and how long to wait before: doubled each time, or what the server says where that is longer."""

    attempts: int = ATTEMPTS
    first_seconds: float = FIRST_PAUSE_SECONDS
    longest_seconds: float = LONGEST_PAUSE_SECONDS
    sleep: Callable[[float], None] = time.sleep

    def pause_seconds(self, attempt: int, asked_seconds: float | None) -> float | None:
        """Seconds before the next attempt; None where there is none, or a server asks for more than anybody waits."""
        if attempt + 1 >= self.attempts or (asked_seconds or 0.0) > self.longest_seconds:
            return None
        doubled: float = self.first_seconds * 2**attempt
        return min(max(doubled, asked_seconds or 0.0), self.longest_seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of status 200, or of another that its reader knows."""

    status: int
    reason: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes


class Site:
    """One server, asked below one base address. Not safe for two threads at once."""

    __slots__ = ("_base", "_max_bytes", "_patience", "_seconds", "name")

    def __init__(
        self,
        base: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_ANSWER_BYTES,
        patience: Patience | None = None,
    ) -> None:
        self._base: Final = urlsplit(base)
        self.name: Final = name_of(base)
        self._seconds: Final = timeout_seconds
        self._max_bytes: Final = max_bytes
        self._patience: Final = patience or Patience()

    def __repr__(self) -> str:
        return f"Site({self.name})"

    def json(self, path: str) -> tuple[bytes, object]:
        """What lies at a path, as its own bytes and as strict JSON. Raises EndpointUnusable where nobody answers, IncompleteRead
        where the answer is none."""
        answer = self.ask(path)
        if answer.status != 200:
            raise IncompleteRead(quoted(f"{self.name} {path}: HTTP {answer.status} {answer.reason}"))
        try:
            return answer.body, strict_json(answer.body)
        except ValueError as error:
            raise IncompleteRead(f"{self.name} {path}: {error}") from None

    def ask(self, path: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] = HEADERS) -> Answer:
        """One request, asked again while the server is busy. Raises EndpointUnusable."""
        base = self._base
        target = f"{base.path.rstrip('/')}/{path.lstrip('/')}"
        if base.query:
            target += ("&" if "?" in target else "?") + base.query
        for attempt in range(self._patience.attempts):
            try:
                return self._once(method, target, body, headers)
            except Busy as error:
                pause_seconds = self._patience.pause_seconds(attempt, error.pause_seconds)
                if pause_seconds is None:
                    asked = f"; it asks to be left alone for {error.pause_seconds:.0f} s" if error.pause_seconds else ""
                    raise self.unusable(f"{path}: {error}, asked {attempt + 1} times{asked}") from None
                self._patience.sleep(pause_seconds)
        raise AssertionError("the last attempt has no pause after it")

    def unusable(self, why: str) -> EndpointUnusable:
        """The error for this server; its own secret parts are taken out of the reason."""
        for secret in (self._base.query, self._base.path.strip("/"), self._base.password or "", self._base.username or ""):
            if secret:
                why = why.replace(secret, "…")
        return EndpointUnusable(endpoint=self.name, why=quoted(why))

    def _once(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """One exchange. A timer cuts the connection at the deadline: a time-out a read would not. Raises Busy."""
        connection, expired = _opened(self._base, self._seconds), threading.Event()
        try:
            connection.connect()
            with _deadline(connection.sock, self._seconds, expired):
                connection.request(method, target, body, {**headers, **_credentials(self._base)})
                with connection.getresponse() as answering:
                    answer = self._read(answering)
            if expired.is_set():  # a body without a length ends wherever it is cut
                raise TimeoutError
            return answer
        except http.client.HTTPException as error:
            raise Busy(f"no answer within {self._seconds:g} s" if expired.is_set() else _cut_off(error), None) from None
        except OSError as error:
            late = expired.is_set() or isinstance(error, TimeoutError)
            raise Busy(f"no answer within {self._seconds:g} s" if late else type(error).__name__, None) from None
        finally:
            connection.close()

    def _read(self, answer: http.client.HTTPResponse) -> Answer:
        """The whole body. Raises Busy, EndpointUnusable, and what http.client raises on a cut one."""
        if answer.status in MOVED:
            raise self.unusable(f"it sends us elsewhere (HTTP {answer.status}); name the new address if you trust it")
        if answer.status in BUSY:
            raise Busy(f"HTTP {answer.status}", _asked_seconds(answer.getheader("Retry-After")))
        if (packed := answer.getheader("Content-Encoding", "identity")) != "identity":
            raise self.unusable(f"its answer is packed as {packed}, which was not asked for")
        body = answer.read(self._max_bytes + 1)
        if len(body) > self._max_bytes:
            raise self.unusable(f"its answer is longer than {self._max_bytes} bytes")
        if answer.length:
            raise http.client.IncompleteRead(body, answer.length)
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, answer.reason, headers, body)


def name_of(url: str) -> str:
    """Scheme, host and port of an address: what may be written down. Raises SettingsError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError("a source's address begins with http:// or https:// and names a host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def strict_json(body: bytes) -> object:
    """JSON without doubled keys and without numbers that are none. Raises ValueError."""
    start = body[:256].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise ValueError("the answer is a web page, not JSON")
    try:
        return json.loads(body, object_pairs_hook=_once_each, parse_constant=_no_number, parse_float=_finite)
    except _Refused as error:
        raise ValueError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the answer is no whole JSON ({type(error).__name__})") from None


class _Refused(Exception):
    """JSON that says something no reader should believe."""


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise _Refused("the answer says a key twice")
    return content


def _no_number(name: str) -> object:
    raise _Refused(f"the answer holds {name}, which is no number")


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _Refused("the answer holds a number beyond all measure")
    return value


def _asked_seconds(text: str | None) -> float | None:
    """Retry-After (RFC 9110, 10.2.3): seconds, or a date."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _cut_off(error: http.client.HTTPException) -> str:
    return "its answer was cut" if isinstance(error, http.client.IncompleteRead) else f"no HTTP ({type(error).__name__})"


def _credentials(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    import base64

    return {"Authorization": "Basic " + base64.b64encode(f"{parts.username}:{parts.password or ''}".encode()).decode()}


def _opened(parts: SplitResult, seconds: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(str(parts.hostname), parts.port, timeout=seconds)


@contextlib.contextmanager
def _deadline(sock: socket.socket, seconds: float, expired: threading.Event) -> Iterator[None]:
    def cut() -> None:
        expired.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

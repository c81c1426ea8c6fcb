"""JSON-RPC over one HTTP connection, read strictly. Refuses answers that are late, oversized, redirected, not JSON, that say a
key twice or answer another question; the URL may carry a secret, so no message names more of it than scheme and host."""

import contextlib
import http.client
import json
import re
import socket
import threading
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from strategies.errors import EndpointRefused, EndpointUnusable, SettingsError
from wallets.foreign import quoted

MAX_ANSWER_BYTES: Final = 32 * 2**20
QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")

Request = tuple[str, list[object]]


class Rpc:
    """One endpoint. Each request has a total deadline, connection and headers included."""

    __slots__ = ("_connection", "_parts", "_seconds", "name")

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._parts: Final = urlsplit(url)
        if self._parts.scheme not in {"http", "https"} or not self._parts.hostname:
            raise SettingsError("an endpoint's URL begins with http:// or https:// and names a host")
        port = f":{self._parts.port}" if self._parts.port else ""
        self.name: Final = f"{self._parts.scheme}://{self._parts.hostname}{port}"
        self._seconds: Final = timeout_seconds

    def __repr__(self) -> str:
        return f"Rpc({self.name})"

    def __del__(self) -> None:
        self.close()

    def ask(self, method: str, *params: object) -> object:
        """The result of one request; null is a result. Raises EndpointUnusable, EndpointRefused."""
        answer = self._post(_question(0, (method, list(params))))
        return self._result(answer, method, 0)

    def ask_all(self, requests: Sequence[Request]) -> list[object]:
        """The results of one batch, in order, from one HTTP request. Raises EndpointUnusable, EndpointRefused."""
        answers = self._post([_question(at, request) for at, request in enumerate(requests)])
        if isinstance(answers, dict):
            self._result(answers, "a batch", answers.get("id"))  # most say why in an error object
        if not isinstance(answers, list) or len(answers) != len(requests):
            raise self._unusable("it does not answer batches, and one request a block needs one")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        return [self._result(by_id.get(at), method, at) for at, (method, _) in enumerate(requests)]

    def close(self) -> None:
        """Lets the connection go; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _result(self, answer: object, method: str, wanted_id: object) -> object:
        if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
            raise self._unusable(f"the answer to {method} is no JSON-RPC answer")
        if "error" in answer and answer["error"] is not None:
            raise self._refused(answer["error"], method)
        if answer.get("id") != wanted_id or isinstance(answer["id"], bool):
            raise self._unusable(f"the answer to {method} carries another request's id")
        if "result" not in answer:
            raise self._unusable(f"the answer to {method} has neither result nor error")
        return answer["result"]

    def _refused(self, error: object, method: str) -> EndpointRefused | EndpointUnusable:
        if not isinstance(error, dict) or not isinstance(error.get("code"), int):
            return self._unusable(f"the error for {method} has no code")
        data = error.get("data")
        why = str(error.get("message", ""))[:300] + (f" ({data[:300]})" if isinstance(data, str) else "")
        return EndpointRefused(endpoint=self.name, method=method, code=error["code"], why=self._masked(why))

    def _post(self, content: object) -> object:
        body = json.dumps(content).encode()
        for fresh in (self._connection is None, True):
            try:
                status, raw = self._exchange(body)
            except (ConnectionError, http.client.BadStatusLine, http.client.CannotSendRequest) as error:
                self.close()
                if fresh:
                    raise self._unusable(f"the connection broke ({type(error).__name__})") from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                raise self._unusable(_plain(error, self._seconds)) from None
            else:
                return self._parsed(status, raw)
        raise AssertionError("the second connection was fresh")

    def _exchange(self, body: bytes) -> tuple[int, bytes]:
        """One request and its whole answer. A timer cuts the connection at the deadline: a time-out a read would not."""
        connection = self._connection = self._connection or self._opened()
        if connection.sock is None:
            connection.connect()
        expired = threading.Event()
        timer = threading.Timer(self._seconds, _cut, (connection.sock, expired))
        timer.daemon = True
        timer.start()
        try:
            path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json", **self._credentials()})
            answer = connection.getresponse()
            raw = answer.read(MAX_ANSWER_BYTES + 1)
            if expired.is_set() or (answer.length and len(raw) <= MAX_ANSWER_BYTES):  # headers that are cut look ended
                raise http.client.IncompleteRead(raw, answer.length)
        except (OSError, http.client.HTTPException):
            if expired.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
        if answer.will_close:
            self.close()
        return answer.status, raw

    def _credentials(self) -> dict[str, str]:
        if self._parts.username is None:
            return {}
        import base64

        pair = f"{self._parts.username}:{self._parts.password or ''}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    def _opened(self) -> http.client.HTTPConnection:
        host = str(self._parts.hostname)
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, self._parts.port, timeout=self._seconds)
        return http.client.HTTPConnection(host, self._parts.port, timeout=self._seconds)

    def _parsed(self, status: int, raw: bytes) -> object:
        if len(raw) > MAX_ANSWER_BYTES:
            self.close()
            raise self._unusable(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        try:
            content = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise self._unusable(f"HTTP {status}, and the body is not strict JSON") from None
        if status != 200 and not (isinstance(content, dict) and content.get("error")):
            raise self._unusable(f"HTTP {status}")
        return content

    def _unusable(self, why: str) -> EndpointUnusable:
        return EndpointUnusable(endpoint=self.name, why=self._masked(why))

    def _masked(self, text: str) -> str:
        """A stranger's words; and an endpoint may repeat its own address in them, whose secret part goes no further."""
        secrets = (self._parts.query, self._parts.path.strip("/"), self._parts.password or "", self._parts.username or "")
        for secret in secrets:
            if secret:
                text = text.replace(secret, "…")
        return quoted(text)


def quantity(value: object, what: str) -> int:
    """A hexadecimal number as endpoints write it. Raises ValueError."""
    if not isinstance(value, str) or QUANTITY.fullmatch(value) is None:
        raise ValueError(f"{what} is no hexadecimal number")
    return int(value, 16)


def data_of(value: object, what: str) -> bytes:
    """Bytes as endpoints write them. Raises ValueError."""
    if not isinstance(value, str) or value[:2] != "0x":
        raise ValueError(f"{what} is no hexadecimal data")
    try:
        data = bytes.fromhex(value[2:])
    except ValueError:
        raise ValueError(f"{what} is no hexadecimal data") from None
    if 2 * len(data) + 2 != len(value):  # fromhex skips spaces
        raise ValueError(f"{what} is no hexadecimal data")
    return data


def _question(at: int, request: Request) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": at, "method": request[0], "params": request[1]}


def _cut(sock: socket.socket, expired: threading.Event) -> None:
    expired.set()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _plain(error: Exception, seconds: float) -> str:
    return f"no answer within {seconds:g} s" if isinstance(error, TimeoutError) else type(error).__name__


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is said twice")
    return content


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")

"""A web server on the loopback interface that answers what a test wants, and a proxy that lies in front of a real endpoint."""

import http.client
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

Respond = Callable[[bytes], tuple[int, bytes]]
Question = dict[str, Any]


class Loopback:
    """Answers every request with what `respond` says, and remembers the bodies."""

    def __init__(self, respond: Respond) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65_536  # head and body in one packet

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append(body)
                status, answer = respond(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def methods(self) -> list[str]:
        """The methods of all questions so far, in order."""
        return [question["method"] for body in self.bodies for question in questions(body)]


def questions(body: bytes) -> list[Question]:
    """The questions of one request, batched or not."""
    content = json.loads(body)
    return content if isinstance(content, list) else [content]


def forward(url: str, body: bytes) -> bytes:
    """What a real endpoint says."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return connection.getresponse().read()
    finally:
        connection.close()


def without(url: str, *methods: str) -> Respond:
    """A proxy whose node does not know some methods."""

    def respond(body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        found = [question["method"] for question in questions(body)]
        if not set(found) & set(methods):
            return 200, forward(url, body)
        refusals = [
            {"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32601, "message": "Method not found"}}
            for question in questions(body)
        ]
        return 200, json.dumps(refusals if isinstance(asked, list) else refusals[0]).encode()

    return respond


def rewriting(url: str, method: str, change: Callable[[Any], Any]) -> Respond:
    """A proxy that changes the result of one method."""

    def respond(body: bytes) -> tuple[int, bytes]:
        said = json.loads(forward(url, body))
        answers = said if isinstance(said, list) else [said]
        named = {question["id"]: question["method"] for question in questions(body)}
        for answer in answers:
            if named.get(answer["id"]) == method and "result" in answer:
                answer["result"] = change(answer["result"])
        return 200, json.dumps(said).encode()

    return respond

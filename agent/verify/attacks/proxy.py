"""An endpoint that lies as a case says: it stands before the node on the loopback interface and answers chosen methods itself.

Refuses a fault that it does not know; everything else passes through as it is."""

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from agent.verify.attacks.outcome import Unrealised

METHOD: Final = re.compile(r"(eth|net|web3|debug)_\w+")
EVERYTHING: Final = "everything"
SHORT: Final[Mapping[str, str]] = {  # what a case calls it, and the method it is about
    "chain_id": "eth_chainId",
    "simulation": "eth_simulateV1",
    "block_number": "eth_blockNumber",
    "receipt": "eth_getTransactionReceipt",
    "chainId": "eth_chainId",
    "chain": "eth_chainId",
    "error": EVERYTHING,
    "timeout": EVERYTHING,
}
HANG_SECONDS: Final = 11.0  # longer than the wallet waits


@contextmanager
def faulty(url: str, faults: Mapping[str, Any]) -> Iterator[str]:
    """Where the lying endpoint answers. Raises Unrealised at a fault that nobody knows."""
    known = {SHORT.get(name, name): content for name, content in faults.items()}
    lag = known.pop("lag_blocks", known.pop("lag", None))
    if strange := [name for name in known if name != EVERYTHING and not METHOD.fullmatch(name)]:
        raise Unrealised(f"rpc: {', '.join(strange)}")
    answers = {name: _answer(name, content) for name, content in known.items()}
    ended = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(url, answers, int(lag or 0), ended))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(name: str, content: Any) -> Mapping[str, Any] | None:
    """What is said instead; None: nothing at all."""
    text = str(content)
    if re.search(r"time.?out|hang|no answer|^True$", text):
        return None
    if name == "eth_chainId" and re.fullmatch(r"\d+|0x[0-9a-fA-F]+", text):
        return {"result": hex(int(text, 0))}
    if isinstance(content, Mapping) and set(content) <= {"result", "error"}:
        return {key: value if key == "result" else _error(str(value)) for key, value in content.items()}
    if re.search(r"error|unavailable|unsupported|not found|refus|fail|revert|rate|429|5\d\d|-32", text):
        return {"error": _error(text)}
    if re.fullmatch(r"0x[0-9a-fA-F]*", text):
        return {"result": text}
    raise Unrealised(f"rpc: {name} {content!r}")


def _error(text: str) -> Mapping[str, Any]:
    is_missing = re.search(r"unsupported|not found|unavailable|-32601", text) is not None
    return {"code": -32601 if is_missing else -32000, "message": text[:200]}


def _handler(
    url: str, answers: Mapping[str, Mapping[str, Any] | None], lag: int, ended: threading.Event
) -> type[BaseHTTPRequestHandler]:
    host, behind = url.removeprefix("http://"), [lag]

    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked = body if isinstance(body, list) else [body]
            if any(answers.get(one["method"], answers.get(EVERYTHING, {})) is None for one in asked):
                ended.wait(HANG_SECONDS)
                self.close_connection = True
                return
            said = [self._one(one) for one in asked]
            content = json.dumps(said if isinstance(body, list) else said[0]).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _one(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
            instead = answers.get(one["method"], answers.get(EVERYTHING))
            if instead is not None:
                return {"jsonrpc": "2.0", "id": one["id"], **instead}
            if one["method"] == "eth_sendRawTransaction":
                behind[0] = 0  # the chain goes on, and it catches up
            return _forwarded(host, _behind(host, one, behind[0]))

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    return Handler


def _behind(host: str, one: Mapping[str, Any], lag: int) -> Mapping[str, Any]:
    """The same question about a block that is so far behind."""
    params = list(one.get("params", ()))
    if not lag or "latest" not in params:
        return one
    head = int(_forwarded(host, {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})["result"], 16)
    return {**one, "params": [hex(max(head - lag, 0)) if param == "latest" else param for param in params]}


def _forwarded(host: str, one: Mapping[str, Any]) -> Mapping[str, Any]:
    connection = http.client.HTTPConnection(host, timeout=HANG_SECONDS)
    try:
        connection.request("POST", "/", json.dumps(one), {"content-type": "application/json"})
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()

"""Strangers' words on their way into the history: each is handed in by every door that takes words, and the lines are read.

What a line shows must be one record, without control characters, not longer than others, without secrets; what is no secret must
stay readable."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

from agent.verify.attacks.desk import Desk, desk
from agent.verify.attacks.outcome import Input, Outcome, Runner, Setting, Unrealised, facts
from agent.verify.attacks.premises import Premises
from strategies.errors import EndpointRefused, EndpointUnusable
from wallets import audit, foreign, journal, pause, sealing
from wallets.endpoints import Endpoint

SECONDS: Final = 10
CAPPED: Final = 2_000  # characters of a line of any of these kinds
RULES: Final[Mapping[str, str]] = {"redacted": "secret", "one_line": "journal"}
LONG: Final = re.compile(r"([0-9][0-9 _,]*)\s*(MB|MiB|kB|KB|KiB|characters|bytes)")


def logs_runner(at: Premises) -> Runner:
    """Writes words down by every door, in a history of their own."""

    def run(handed: Input, _: Setting) -> Outcome:
        if handed.given:
            raise Unrealised(f"nobody tells a log {', '.join(handed.given)}")
        value = _value(handed.content["log"]["value"])
        house = at.another()
        with desk(house) as keeper:
            lines = [line for door in DOORS for line in _written(keeper, door, value)]
            known = _facts(keeper, lines, value)
        rules = [RULES[name] for name in RULES if getattr(foreign, name)(value) != value]
        if rules:
            return Outcome("sanitize", tuple(rules), (foreign.quoted(value),), probe=facts(known))
        return Outcome("allow", (), (), probe=facts(known))

    return run


def _value(value: Any) -> str:
    """The words, or so many of them. Raises Unrealised."""
    if isinstance(value, str):
        return value
    said = str(value.get("generated")) if isinstance(value, Mapping) else ""
    found = LONG.search(said)
    if found is None:
        raise Unrealised(f"nobody can write the words {value!r}")
    factor = {"MB": 10**6, "MiB": 2**20, "kB": 10**3, "KB": 10**3, "KiB": 2**10}.get(found[2], 1)
    return "x" * (int(re.sub(r"[ _,]", "", found[1])) * factor)


def _unsettled(keeper: Desk, value: str) -> None:
    """An endpoint's error about a plan that is not settled, said over HTTP."""
    with answering({"jsonrpc": "2.0", "id": 0, "error": {"code": -32_000, "message": value}}) as url:
        try:
            Endpoint(url, timeout_seconds=SECONDS).chain_id()
        except (EndpointRefused, EndpointUnusable) as error:
            keeper.wallet.note_unsettled("catalogue", str(error))


@contextmanager
def answering(content: Mapping[str, Any]) -> Iterator[str]:
    """An endpoint that says one thing, whatever it is asked; its URL, with a key in it."""
    body = json.dumps(content).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing on the terminal."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v2/a-key-of-ours-123"
        finally:
            server.shutdown()
            thread.join()


def _paused(keeper: Desk, value: str) -> None:
    """A reason to stop, from anybody."""
    pause.put_pause(keeper.folder, value)
    keeper.parts.halts.paused()


DOORS: Final[tuple[Callable[[Desk, str], None], ...]] = (_unsettled, _paused)


def _written(keeper: Desk, door: Callable[[Desk, str], None], value: str) -> tuple[str, ...]:
    before = len(keeper.book.lines())
    door(keeper, value)
    return keeper.book.lines()[before:]


def _facts(keeper: Desk, lines: list[str], value: str) -> dict[str, str]:
    shown = "\n".join([json.dumps(json.loads(line)["content"], ensure_ascii=False) for line in lines])
    controls = [letter for line in lines for letter in line if not letter.isprintable()]
    words = [text for line in lines for text in _texts(json.loads(line)["content"])]
    hidden = [word for word in _secrets(value) if word in shown]
    return {
        "one_log_record": "" if len(lines) == len(DOORS) and not controls else f"{len(lines)} records by {len(DOORS)} doors",
        "no_control_characters": "" if all(text.isprintable() for text in words) and not controls else "a control character",
        "length_capped": "" if all(len(line) <= CAPPED for line in lines) else f"a line of {max(map(len, lines))} characters",
        "log_still_verifies": journal.verify(keeper.book.lines()) or _sealed(keeper),
        "value_not_redacted": "" if sum(value in word for word in words) >= len(lines) else f"a line says {shown[:80]}",
        **dict.fromkeys((f"no_secret_in:{place}" for place in ("logs", "prompts", "http")), f"{hidden}" if hidden else ""),
        "nothing_signed": "",
    }


def _sealed(keeper: Desk) -> str:
    """Whether the signed heads still cover it all."""
    keeper.book.seal()
    key = (keeper.folder / sealing.PUBLIC_FILE).read_text().strip()
    return audit.examine(keeper.folder / "keeper.sqlite", key).why


def _texts(content: Any) -> list[str]:
    if isinstance(content, Mapping):
        return [text for inner in content.values() for text in _texts(inner)]
    if isinstance(content, list):
        return [text for inner in content for text in _texts(inner)]
    return [content] if isinstance(content, str) else []


def _secrets(value: str) -> tuple[str, ...]:
    """What looks like a secret to somebody else than the redactor: long words of letters and digits that are no hash or address
    of a chain, or that call themselves one, and what follows such a word."""
    words = re.findall(r"[\w.~+-]{8,}", value)
    odd = [word for word in words if re.search(r"[0-9]", word) and re.search(r"[A-Za-z]", word) and not _is_public(word)]
    called = [word for word in words if re.search(r"SECRET|PASSW|APIKEY", word)]
    return tuple(dict.fromkeys([*odd, *called]))


def _is_public(word: str) -> bool:
    """A hash, an address, a time or a version."""
    return re.fullmatch(r"0x[0-9a-fA-F]+|[0-9TZ:.+-]+|v?[0-9.]+|\w+\.\w+[\w.]*", word) is not None

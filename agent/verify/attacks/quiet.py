"""Whether anything was reached for while something ran: every attempt at a connection or a name, by the interpreter's own word.

Refuses nothing: it counts. The hook stays for the life of the process and looks away where nobody watches."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

WATCHED: Final = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")
_watching: Final[list[list[str]]] = []
_hooked: Final[list[bool]] = []


def _heard(event: str, _: object) -> None:
    if event in WATCHED:
        for heard in _watching:
            heard.append(event)


@contextmanager
def watched() -> Iterator[list[str]]:
    """The attempts that are made inside the block."""
    if not _hooked:
        sys.addaudithook(_heard)
        _hooked.append(True)
    heard: list[str] = []
    _watching.append(heard)
    try:
        yield heard
    finally:
        _watching.remove(heard)

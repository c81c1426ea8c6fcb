"""The strict reader of public files: what a hostile or tired server says is refused by name."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fetch.web import Patience, Site, name_of, strict_json
from strategies.errors import EndpointUnusable, IncompleteRead, SettingsError
from tests.agent.loopback import Answer, said, serving

KEY = "k3y-" + "a" * 24


class Slept(list[float]):
    """Pauses that were asked for, none taken."""

    @property
    def patience(self) -> Patience:
        return Patience(attempts=4, first_seconds=1.0, longest_seconds=300.0, sleep=self.append)


def site(url: str, slept: Slept | None = None, *, timeout_seconds: float = 10.0, max_bytes: int = 1_000) -> Site:
    patience = (Slept() if slept is None else slept).patience
    return Site(url, timeout_seconds=timeout_seconds, max_bytes=max_bytes, patience=patience)


@contextmanager
def raw_server(content: bytes) -> Iterator[str]:
    """A server that says exactly these bytes to each connection and hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(content)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_an_answer_comes_as_its_own_bytes_and_as_json() -> None:
    with serving(lambda path, _: said({"path": path})) as server:
        assert site(f"{server.url}/api/?key=1").json("pools") == (b'{"path": "/api/pools?key=1"}', {"path": "/api/pools?key=1"})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(b"<!DOCTYPE html><html>please wait"), "a web page, not JSON"),
        (Answer(b'{"data": [1, 2'), "no whole JSON"),
        (Answer(b'{"apy": NaN}'), "NaN, which is no number"),
        (Answer(b'{"apy": -Infinity}'), "-Infinity, which is no number"),
        (Answer(b'{"apy": 1e999}'), "beyond all measure"),
        (Answer(b'{"apy": 1, "apy": 2}'), "says a key twice"),
        (Answer(b"[" * 100_000), "longer than 1000 bytes|no whole JSON"),
        (Answer(b""), "no whole JSON"),
        (Answer(b"nope", status=404), "HTTP 404"),
        (Answer(b"\xff\xfe{"), "no whole JSON"),
        (Answer(b"x" * 1_001), "longer than 1000 bytes"),
        (Answer(b"{}", headers=(("content-encoding", "gzip"),)), "packed as gzip"),
        (Answer(b"", status=302, headers=(("location", "http://127.0.0.1:1/"),)), "sends us elsewhere"),
        (Answer(b"", status=308, headers=(("location", "/other"),)), "sends us elsewhere"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(answer: Answer, why: str) -> None:
    with serving(lambda *_: answer) as server:
        with pytest.raises((EndpointUnusable, IncompleteRead), match=why):
            site(server.url).json("pools")
        assert len(server.requests) == 1


def test_a_busy_server_is_asked_again_ever_later() -> None:
    slept, answers = Slept(), iter([Answer(b"", status=503), Answer(b"", status=500), said([1])])
    with serving(lambda *_: next(answers)) as server:
        assert site(server.url, slept).json("pools")[1] == [1]
    assert slept == [1.0, 2.0]


def test_a_server_that_stays_busy_is_left_alone_in_the_end() -> None:
    slept = Slept()
    with serving(lambda *_: Answer(b"", status=429)) as server:
        with pytest.raises(EndpointUnusable, match="HTTP 429, asked 4 times"):
            site(server.url, slept).json("pools")
        assert len(server.requests) == 4
    assert slept == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_is_waited_for_as_long_as_it_asks(form: str) -> None:
    when = "40" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    slept, answers = Slept(), iter([Answer(b"", status=429, headers=(("retry-after", when),)), said([1])])
    with serving(lambda *_: next(answers)) as server:
        assert site(server.url, slept).json("pools")[1] == [1]
    assert 30 < slept[0] <= 40


def test_a_server_that_asks_for_an_hour_is_not_waited_for() -> None:
    slept = Slept()
    with (
        serving(lambda *_: Answer(b"", status=429, headers=(("retry-after", "3600"),))) as server,
        pytest.raises(EndpointUnusable, match="left alone for 3600 s"),
    ):
        site(server.url, slept).json("pools")
    assert slept == []


@pytest.mark.parametrize("when", ["soon", "-5", "Thu, 99 Foo"])
def test_a_wish_that_is_none_is_not_heeded(when: str) -> None:
    slept, answers = Slept(), iter([Answer(b"", status=429, headers=(("retry-after", when),)), said([1])])
    with serving(lambda *_: next(answers)) as server:
        assert site(server.url, slept).json("pools")[1] == [1]
    assert slept == [1.0]


def test_a_silent_server_is_cut_off_and_asked_again() -> None:
    slept, never = Slept(), threading.Event()
    with serving(lambda *_: Answer(b"{}", silent_until=never)) as server:
        with pytest.raises(EndpointUnusable, match=r"no answer within 0\.2 s, asked 4 times"):
            site(server.url, slept, timeout_seconds=0.2).json("pools")
        never.set()


def test_an_answer_that_is_cut_is_asked_for_again() -> None:
    slept = Slept()
    with (
        raw_server(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"a": 1}') as url,
        pytest.raises(EndpointUnusable, match="its answer was cut, asked 4 times"),
    ):
        site(url, slept).json("pools")
    assert len(slept) == 3


def test_what_speaks_no_http_is_refused() -> None:
    with raw_server(b"SSH-2.0-OpenSSH_9\r\n") as url, pytest.raises(EndpointUnusable, match="no HTTP"):
        site(url).json("pools")


def test_nobody_there_is_said_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(EndpointUnusable, match="ConnectionRefusedError"):
        site(f"http://127.0.0.1:{port}").json("pools")


@pytest.mark.parametrize("place", ["http://{host}/{key}/yields", "http://{host}/?key={key}", "http://me:{key}@{host}/"])
def test_no_error_says_more_of_an_address_than_scheme_and_host(place: str) -> None:
    def answer(path: str, _: bytes) -> Answer:
        return Answer(path.encode(), status=503)

    with serving(answer) as server:
        url = place.format(host=server.url.removeprefix("http://"), key=KEY)
        with pytest.raises(EndpointUnusable) as refused:
            site(url).json("pools")
    assert KEY not in str(refused.value)
    assert refused.value.endpoint == server.url
    assert KEY not in repr(site(url))


@pytest.mark.parametrize("url", ["", "yields.llama.fi", "file:///etc/passwd", "ftp://a.b", "https://"])
def test_a_source_without_a_web_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="begins with http"):
        name_of(url)


def test_the_name_of_a_source_keeps_its_port() -> None:
    assert name_of("https://user:pass@[::1]:8443/key?x=1") == "https://[::1]:8443"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_every_json_that_says_each_thing_once_is_read_as_it_is(content: object) -> None:
    import json

    assert strict_json(json.dumps(content).encode()) == content


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    try:
        strict_json(body)
    except ValueError as error:
        assert str(error)

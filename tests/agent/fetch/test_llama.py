"""DefiLlama's pools from a loopback server: what is kept is what came, and what is no pool's history is refused by name."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli.fetch import fetch_llama
from agent.fetch import cache, llama
from agent.fetch.llama import Pool, Wanted, chosen
from strategies.errors import EndpointUnusable, IncompleteRead, SettingsError
from tests.agent.fetch.sources import FIRST, Llama, chart, pool, pool_id, stamp, success
from tests.agent.loopback import Answer, Server, said, serving

EVERY = Wanted(projects=("aave-v3",))
KEY = "s3cr3t" + "f" * 20


def fetched(folder: Path, source: Llama, wanted: Wanted = EVERY) -> Server:
    with serving(source) as server:
        fetch_llama(folder, wanted, base=server.url, timeout_seconds=5, as_json=True)
    return server


def charts(server: Server) -> list[str]:
    return [path for path, _ in server.requests if path.startswith("/chart/")]


def test_the_bytes_that_came_are_the_bytes_that_are_kept(tmp_path: Path) -> None:
    fetched(tmp_path, Llama(pools=2))
    assert json.loads((tmp_path / "pools.json").read_bytes())["data"] == [pool(0), pool(1)]
    assert (tmp_path / f"chart-{pool_id(1)}.json").read_bytes() == success(chart(1)).body
    kept = {one.file: one for one in cache.read_manifest(tmp_path)}
    assert kept[f"chart-{pool_id(0)}.json"].rows == 30
    assert kept[f"chart-{pool_id(0)}.json"].first == FIRST + 84_000


def test_the_same_command_again_asks_for_nothing(tmp_path: Path) -> None:
    with serving(Llama()) as server:
        for _ in range(2):
            fetch_llama(tmp_path, EVERY, base=server.url, timeout_seconds=5, as_json=True)
        assert len(server.requests) == 5


def test_another_choice_in_the_same_folder_asks_for_what_is_missing(tmp_path: Path) -> None:
    with serving(Llama()) as server:
        fetch_llama(tmp_path, Wanted(pools=(pool_id(1),)), base=server.url, timeout_seconds=5, as_json=True)
        fetch_llama(tmp_path, EVERY, base=server.url, timeout_seconds=5, as_json=True)
    assert charts(server) == [f"/chart/{pool_id(n)}" for n in (1, 0, 2, 3)]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(b"<html>down for maintenance"), "a web page"),
        (Answer(success(chart(1)).body[:300]), "no whole JSON"),
        (Answer(success(chart(1)).body.replace(b"3.1", b"NaN")), "NaN, which is no number"),
        (said({"status": "error", "data": []}), "status is not `success`"),
        (success([]), "holds no rows"),
        (success({}), "holds no rows"),
        (success([7]), "a row is no record"),
        (success(chart(1, apyBase="3 %")), "apyBase is no number"),
        (success(chart(1, apy=True)), "apy is no number"),
        (success(chart(1, tvlUsd=10**400)), "tvlUsd is no number"),
        (success(chart(1, timestamp="yesterday")), "Invalid isoformat"),
        (success(chart(1, timestamp="2023-01-30T00:00:00")), "timestamp is no time"),
        (success(chart(1, timestamp=None)), "timestamp is no time"),
        (success(chart(1)[::-1]), "go back in time"),
        (success(chart(1, timestamp=stamp(int(time.time()) + 10**6))), "yet to come"),
        (success(chart(1, tvlUsd=55_000_000)), "another pool's history"),
        (success(chart(1, tvlUsd=None)), "another pool's history"),
        (Answer(b"gone", status=410), "HTTP 410"),
    ],
)
def test_a_bad_chart_is_refused_by_name_and_the_others_are_kept(tmp_path: Path, answer: Answer, why: str) -> None:
    source = Llama(instead={f"/chart/{pool_id(1)}": answer})
    with pytest.raises(IncompleteRead, match=f"1 pieces were refused, the first chart-{pool_id(1)}.json") as refused:
        fetched(tmp_path, source)
    assert why in str(refused.value)
    assert len(cache.read_manifest(tmp_path)) == 4


def test_a_chart_that_was_refused_is_asked_for_again_and_nothing_else_is(tmp_path: Path) -> None:
    source = Llama(instead={f"/chart/{pool_id(2)}": Answer(b"<html>")})
    with serving(source) as server:
        with pytest.raises(IncompleteRead):
            fetch_llama(tmp_path, EVERY, base=server.url, timeout_seconds=5, as_json=True)
        source.instead.clear()
        before = len(server.requests)
        fetch_llama(tmp_path, EVERY, base=server.url, timeout_seconds=5, as_json=True)
        assert [path for path, _ in server.requests[before:]] == [f"/chart/{pool_id(2)}"]


def test_a_redirect_is_not_followed_and_stops_the_fetch(tmp_path: Path) -> None:
    with serving(lambda *_: success(chart(1))) as elsewhere:
        moved = Answer(b"", status=302, headers=(("location", f"{elsewhere.url}/chart/x"),))
        with pytest.raises(EndpointUnusable, match="sends us elsewhere"):
            fetched(tmp_path, Llama(instead={f"/chart/{pool_id(1)}": moved}))
        assert elsewhere.requests == []
    assert len(cache.read_manifest(tmp_path)) == 2


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"pool": "../../etc/passwd"}, "has an id that is none"),
        ({"pool": 7}, "lacks its pool"),
        ({"symbol": ""}, "lacks its pool"),
        ({"tvlUsd": None}, "has no tvlUsd"),
        ({"pool": pool_id(0)}, "names one twice"),
    ],
)
def test_a_list_with_an_entry_that_is_no_pool_is_refused(tmp_path: Path, entry: dict[str, object], why: str) -> None:
    source = Llama(instead={"/pools": success([pool(0), pool(1) | entry])})
    with pytest.raises(IncompleteRead, match=why):
        fetched(tmp_path, source)
    assert cache.read_manifest(tmp_path) == ()


def listed(count: int) -> tuple[Pool, ...]:
    return tuple(Pool(pool_id(n), "Base" if n % 2 else "Ethereum", "aave-v3", "USDC", 1.0) for n in range(count))


def test_pools_are_chosen_by_name_or_by_all_that_is_said() -> None:
    assert [one.id for one in chosen(listed(4), Wanted(chains=("base",), symbols=("usdc",)))] == [pool_id(1), pool_id(3)]
    assert [one.id for one in chosen(listed(4), Wanted(pools=(pool_id(2),)))] == [pool_id(2)]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(), "say which pools"),
        (Wanted(pools=(pool_id(999),)), "not in the list of 600 pools"),
        (Wanted(projects=("aave",)), "none of 600 pools fits"),
        (Wanted(projects=("aave-v3",)), "600 pools fit; at most 500"),
    ],
)
def test_a_choice_of_none_or_of_too_many_is_refused(wanted: Wanted, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        chosen(listed(600), wanted)


def test_no_key_of_an_address_is_ever_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Llama(pools=2)

    def behind_a_key(path: str, body: bytes) -> Answer:
        assert path.startswith(f"/{KEY}/")
        return source(path.removeprefix(f"/{KEY}"), body)

    with serving(behind_a_key) as server:
        fetch_llama(tmp_path, EVERY, base=f"{server.url}/{KEY}/", timeout_seconds=5, as_json=True)
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()
    assert KEY not in "".join(capsys.readouterr())
    assert {kept.source for kept in cache.read_manifest(tmp_path)} == {server.url}


def command(folder: Path, url: str) -> tuple[str, ...]:
    words = ("data", "fetch", "llama", "--base", url, "--out", str(folder), "--project", "aave-v3", "--json")
    return (sys.executable, "-m", "agent", *words)


def holding_back(source: Llama, reached: threading.Event, at: str, go: threading.Event) -> Callable[[str, bytes], Answer]:
    """The source, which says nothing to one question until it is let."""

    def answer(path: str, body: bytes) -> Answer:
        if path == at and not go.is_set():
            reached.set()
            return Answer(b"", silent_until=go)
        return source(path, body)

    return answer


def test_a_fetch_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    reached, go = threading.Event(), threading.Event()
    with serving(holding_back(Llama(pools=6), reached, f"/chart/{pool_id(3)}", go)) as server:
        process = subprocess.Popen(command(tmp_path, server.url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert reached.wait(60)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        go.set()
        assert [kept.file for kept in cache.read_manifest(tmp_path)][1:] == [f"chart-{pool_id(n)}.json" for n in range(3)]
        before = len(server.requests)
        again = subprocess.run(command(tmp_path, server.url), capture_output=True, text=True, timeout=60, check=True)
        assert [path for path, _ in server.requests[before:]] == [f"/chart/{pool_id(n)}" for n in (3, 4, 5)]
    assert json.loads(again.stdout)["fetched"] == 3
    assert len(cache.read_manifest(tmp_path)) == 7
    for kept in cache.read_manifest(tmp_path):
        cache.check(tmp_path, kept)


def test_what_a_person_is_told_names_the_folder_and_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Llama(pools=2)) as server:
        fetch_llama(tmp_path, EVERY, base=server.url, timeout_seconds=5, as_json=False)
    assert "3 pieces fetched, 0 were there, 0 refused" in capsys.readouterr().out


def test_a_kept_list_that_is_none_is_refused() -> None:
    assert len(llama.pools_of(success([pool(0)]).body)) == 1
    with pytest.raises(IncompleteRead, match=r"pools\.json"):
        llama.pools_of(b"{}")

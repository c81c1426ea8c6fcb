"""A folder of what was fetched: each piece once, whole, and provably what came."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fetch import cache
from agent.fetch.cache import MANIFEST, Fetched, Outcome, Piece, Told
from strategies.errors import BadTape, EndpointUnusable, IncompleteRead, SettingsError


def nothing(_: Told) -> None:
    """Nobody is told."""


class Source:
    """Pieces with content by name, and how often each was asked for."""

    def __init__(self, **errors: Exception) -> None:
        self.asked: list[str] = []
        self.errors = errors

    def piece(self, name: str, request: str = "") -> Piece:
        return Piece(f"{name}.json", "http://a.b", request or name, self.asking(name))

    def asking(self, name: str) -> Callable[[], Fetched]:
        def ask() -> Fetched:
            self.asked.append(name)
            if name in self.errors:
                raise self.errors[name]
            return Fetched(f"content of {name}".encode(), 3, 10, 20)

        return ask


def fetch(folder: Path, source: Source, *names: str) -> Outcome:
    with cache.opened(folder) as opened:
        return cache.fetch_all(opened, [source.piece(name) for name in names], nothing)


def test_a_finished_piece_is_never_asked_for_again(tmp_path: Path) -> None:
    source = Source()
    assert fetch(tmp_path, source, "a", "b").fetched == 2
    again = fetch(tmp_path, source, "a", "b", "c")
    assert (again.fetched, len(again.kept), source.asked) == (1, 3, ["a", "b", "c"])


def test_the_manifest_says_of_each_piece_what_it_is(tmp_path: Path) -> None:
    with cache.opened(tmp_path) as opened:
        object.__setattr__(opened, "_clock", lambda: 99.5)
        cache.fetch_all(opened, [Source().piece("a")], nothing)
    (kept,) = cache.read_manifest(tmp_path)
    assert (kept.file, kept.bytes, kept.rows, kept.first, kept.last, kept.asked_at) == ("a.json", 12, 3, 10, 20, 99)
    assert (kept.source, kept.request) == ("http://a.b", "a")
    assert cache.check(tmp_path, kept) == b"content of a"


@given(cut=st.integers(0, 400))
def test_wherever_a_fetch_is_cut_off_it_goes_on_from_there(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, source = tmp_path_factory.mktemp("cut"), Source()
    fetch(folder, source, "a", "b")
    manifest = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).write_bytes(manifest[:cut])
    whole = manifest[:cut].count(b"\n")
    again = fetch(folder, source, "a", "b")
    assert (len(again.kept), again.fetched) == (2, 2 - whole)
    assert [kept.file for kept in cache.read_manifest(folder)] == ["a.json", "b.json"]


def test_a_piece_that_changed_since_is_refused_and_not_fetched_over(tmp_path: Path) -> None:
    source = Source()
    fetch(tmp_path, source, "a")
    (tmp_path / "a.json").write_bytes(b"content of A")
    with pytest.raises(BadTape, match=r"a\.json is not what was fetched"):
        fetch(tmp_path, source, "a")
    (tmp_path / "a.json").unlink()
    with pytest.raises(BadTape, match=r"a\.json is not what was fetched"):
        fetch(tmp_path, source, "a")


def test_the_answer_to_another_question_is_not_taken_for_this_one(tmp_path: Path) -> None:
    source = Source()
    fetch(tmp_path, source, "a")
    with cache.opened(tmp_path) as opened, pytest.raises(SettingsError, match=r"a\.json answers 'a'"):
        cache.fetch_all(opened, [source.piece("a", "something else")], nothing)


def test_a_bad_answer_is_named_and_loses_nothing(tmp_path: Path) -> None:
    source = Source(b=IncompleteRead("a web page"))
    outcome = fetch(tmp_path, source, "a", "b", "c")
    assert [kept.file for kept in outcome.kept] == ["a.json", "c.json"]
    assert outcome.refused == (("b.json", "a web page"),)
    assert not (tmp_path / "b.json").exists()
    source.errors.clear()
    assert fetch(tmp_path, source, "a", "b", "c").fetched == 1


def test_a_source_that_does_not_answer_stops_the_fetch_and_what_came_stays(tmp_path: Path) -> None:
    source = Source(b=EndpointUnusable(endpoint="http://a.b", why="gone"))
    with pytest.raises(EndpointUnusable, match="gone"):
        fetch(tmp_path, source, "a", "b", "c")
    assert source.asked == ["a", "b"]
    assert len(cache.read_manifest(tmp_path)) == 1


def test_a_source_that_only_gives_bad_answers_is_not_asked_on(tmp_path: Path) -> None:
    names = [f"n{at}" for at in range(cache.MAX_REFUSED + 5)]
    source = Source(**{name: IncompleteRead("no") for name in names})
    with pytest.raises(EndpointUnusable, match=f"{cache.MAX_REFUSED} pieces were refused"):
        fetch(tmp_path, source, *names)
    assert len(source.asked) == cache.MAX_REFUSED


def test_two_fetches_never_share_a_folder(tmp_path: Path) -> None:
    with cache.opened(tmp_path), pytest.raises(SettingsError, match="another process"), cache.opened(tmp_path):
        raise AssertionError("both are in")
    with cache.opened(tmp_path):
        pass


def test_how_far_it_is_is_told_after_each_piece(tmp_path: Path) -> None:
    told = list[Told]()
    with cache.opened(tmp_path) as opened:
        pieces = [Source().piece("a"), Source(b=IncompleteRead("no")).piece("b")]
        cache.fetch_all(opened, pieces, told.append)
    assert told == [Told(1, 2, "a.json", ""), Told(2, 2, "b.json", "no")]


@pytest.mark.parametrize(
    "change",
    [{"file": "../a.json"}, {"rows": "3"}, {"rows": True}, {"more": 1}, {"file": ""}],
    ids=["elsewhere", "text", "truth", "unknown", "nameless"],
)
def test_a_manifest_that_is_not_ours_is_refused_with_its_line(tmp_path: Path, change: dict[str, object]) -> None:
    fetch(tmp_path, Source(), "a")
    said = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(said) + "\n" + json.dumps(said | change) + "\n")
    with pytest.raises(BadTape, match=rf"{MANIFEST}:2"):
        cache.read_manifest(tmp_path)


def test_a_folder_without_a_manifest_was_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="has no MANIFEST"):
        cache.read_manifest(tmp_path)

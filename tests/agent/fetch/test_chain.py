"""A chain's past, sampled: each sample is the last block at its time, read by its hash, and all together an exact tape."""

import json
from pathlib import Path

import pytest

from agent.cli import fetch
from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.fetch import cache, chain
from agent.fetch.chain import Archive, Span
from agent.fetch.web import Patience
from backtest import exact_tape
from strategies.domain import Deployment
from strategies.errors import EndpointUnusable, IncompleteRead, SettingsError, WrongChain
from tests.agent.fetch.archive import DEPLOYMENT, GENESIS, PACE, VAULT, ArchiveNode, hash_of
from tests.agent.loopback import Answer, serving
from wallets import reading as blocks
from wallets.deployments import read_deployment
from wallets.endpoints import Endpoint

DAY = Span(GENESIS + 7_205, GENESIS + 7_205 + 10 * 3_600, 3_600)
KEY = "v3/" + "k" * 32


class Slept(list[float]):
    @property
    def patience(self) -> Patience:
        return Patience(attempts=3, sleep=self.append)


def archive(url: str, span: Span = DAY, deployment: Deployment = DEPLOYMENT) -> Archive:
    return Archive(Endpoint(url, timeout_seconds=5), deployment, span, Slept().patience)


def fetched(folder: Path, url: str, span: Span = DAY) -> cache.Outcome:
    with cache.opened(folder) as opened:
        return cache.fetch_all(opened, list(archive(url, span).pieces(span)), lambda _: None)


def written(folder: Path, deployment: Deployment = DEPLOYMENT) -> Path:
    """The deployment as a person's file says it."""
    content = {
        "chain_id": deployment.chain_id,
        "name": deployment.name,
        "multicall": deployment.multicall,
        "assets": [{"address": a.address, "symbol": a.symbol, "decimals": a.decimals} for a in deployment.assets],
        "markets": [
            {"id": m.id, "protocol": m.protocol, "address": m.address, "asset": m.asset.symbol, "contracts": {}}
            for m in deployment.markets
        ],
        "code": {},
    }
    path = folder / "deployment.json"
    path.write_text(json.dumps(content))
    return path


def test_each_sample_is_the_last_block_at_its_time_and_read_by_its_hash(tmp_path: Path) -> None:
    node = ArchiveNode()
    with serving(node) as server:
        outcome = fetched(tmp_path, server.url)
    readings = [chain.reading_of(cache.check(tmp_path, kept)) for kept in outcome.kept]
    expected = [(timestamp - GENESIS) // PACE for timestamp in DAY.times()]
    assert [reading.block for reading in readings] == expected == node.sampled
    assert [reading.block_hash for reading in readings] == [hash_of(number) for number in expected]
    assert [reading.base_fee_wei for reading in readings] == [10**9 + number for number in expected]
    assert all(reading.refused[0][0] == VAULT.id for reading in readings)


def test_what_was_sampled_once_is_not_sampled_again(tmp_path: Path) -> None:
    node = ArchiveNode()
    with serving(node) as server:
        fetched(tmp_path, server.url, Span(DAY.start, DAY.start + 4 * 3_600, 3_600))
        fetched(tmp_path, server.url)
    assert len(node.sampled) == len(set(node.sampled)) == 10


def test_an_endpoint_that_stumbles_is_asked_again(tmp_path: Path) -> None:
    with serving(ArchiveNode(busy=1, refuse=4)) as server:
        assert fetched(tmp_path, server.url).refused == ()


def test_a_block_that_the_endpoint_no_longer_has_is_refused_by_name_and_the_others_are_kept(tmp_path: Path) -> None:
    with serving(ArchiveNode(refuse=9)) as server:
        outcome = fetched(tmp_path, server.url)
    assert len(outcome.kept) == 9
    ((file, why),) = outcome.refused
    assert file == f"block-at-{DAY.start}.json"
    assert "missing trie node" in why


def test_the_header_of_another_block_stops_the_fetch(tmp_path: Path) -> None:
    with serving(ArchiveNode(wrong=True)) as server, pytest.raises(EndpointUnusable, match="gave the header of block"):
        fetched(tmp_path, server.url)


def test_another_chain_than_the_deployments_is_refused(tmp_path: Path) -> None:
    with serving(ArchiveNode(chain_id=10)) as server, pytest.raises(WrongChain):
        fetched(tmp_path, server.url)


def test_an_endpoint_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with serving(lambda *_: Answer(b"", status=503)) as server, pytest.raises(EndpointUnusable, match="HTTP 503"):
        fetched(tmp_path, server.url)


@pytest.mark.parametrize(
    ("span", "why"),
    [
        (Span(GENESIS, GENESIS, 60), "must come after"),
        (Span(GENESIS, GENESIS + 60, 0), "positive number"),
        (Span(0, 2 * 10**9, 1), "at most 1000000"),
        (Span(GENESIS, GENESIS + 10**7, 3_600), "has no block of"),
    ],
)
def test_a_span_that_cannot_be_sampled_is_refused(span: Span, why: str, tmp_path: Path) -> None:
    with serving(ArchiveNode()) as server, pytest.raises(SettingsError, match=why):
        fetched(tmp_path, server.url, span)


def test_a_time_before_the_first_block_is_refused_as_a_piece(tmp_path: Path) -> None:
    with serving(ArchiveNode()) as server:
        outcome = fetched(tmp_path, server.url, Span(GENESIS - 3_600, GENESIS + 3_600, 3_600))
    assert len(outcome.kept) == 1
    assert "none is of" in outcome.refused[0][1]


def test_another_deployment_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with serving(ArchiveNode()) as server:
        fetched(tmp_path, server.url)
        other = Deployment(1, "another", DEPLOYMENT.multicall, DEPLOYMENT.assets, DEPLOYMENT.markets, {})
        pieces = list(archive(server.url, deployment=other).pieces(DAY))
        with cache.opened(tmp_path) as opened, pytest.raises(SettingsError, match="fetch into another folder"):
            cache.fetch_all(opened, pieces, lambda _: None)


def test_the_command_makes_a_tape_and_writes_no_key_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = ArchiveNode()
    (tmp_path / "out").mkdir()

    def behind_a_key(path: str, body: bytes) -> Answer:
        assert path == f"/{KEY}"
        return node(path, body)

    with serving(behind_a_key) as server:
        settings = {"url": f"{server.url}/{KEY}", "timeout_seconds": 5, "as_json": True}
        fetch.fetch_chain(tmp_path / "out", written(tmp_path), Span(DAY.start, DAY.start + 600, 6), **settings)  # type: ignore[arg-type]
    said = json.loads(capsys.readouterr().out)
    tape = exact_tape.load(tmp_path / "out" / "tape")
    assert said["digest"] == tape.digest == exact_tape.recompute_digest(tape)
    assert said["kept"] == 100
    assert len(tape) == said["rows"] == 50  # a block every twelve seconds, a sample every six
    assert tape.deployment.markets == DEPLOYMENT.markets
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def test_a_kept_sample_that_changed_never_becomes_a_tape(tmp_path: Path) -> None:
    with serving(ArchiveNode()) as server:
        settings = {"url": server.url, "timeout_seconds": 5, "as_json": True}
        fetch.fetch_chain(tmp_path / "out", written(tmp_path), DAY, **settings)  # type: ignore[arg-type]
        piece = tmp_path / "out" / f"block-at-{DAY.start}.json"
        piece.write_bytes(piece.read_bytes().replace(b'"block":600', b'"block":601'))
        with pytest.raises(exact_tape.BadTape, match="is not what was fetched"):
            fetch.fetch_chain(tmp_path / "out", written(tmp_path), DAY, **settings)  # type: ignore[arg-type]


def test_an_incomplete_chain_fails_and_still_leaves_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "Patience", lambda: Patience(attempts=1))
    with serving(ArchiveNode(refuse=3)) as server:
        settings = {"url": server.url, "timeout_seconds": 5, "as_json": True}
        with pytest.raises(IncompleteRead, match="1 pieces were refused"):
            fetch.fetch_chain(tmp_path / "out", written(tmp_path), DAY, **settings)  # type: ignore[arg-type]
        assert len(exact_tape.load(tmp_path / "out" / "tape")) == 9
        fetch.fetch_chain(tmp_path / "out", written(tmp_path), DAY, **settings)  # type: ignore[arg-type]
    assert len(exact_tape.load(tmp_path / "out" / "tape")) == 10


@pytest.mark.chain
def test_a_real_chains_past_comes_back_state_for_state(tmp_path: Path) -> None:
    with Devnet.start() as devnet:
        path = tmp_path / "deployment.json"
        path.write_text(json.dumps({key: value for key, value in devnet.everything.items() if key in _KEYS}))
        deployment, endpoint = read_deployment(path), Endpoint(devnet.url, timeout_seconds=20)
        seen = []
        for _ in range(4):
            scenes.pass_time(devnet, 3_600)
            seen.append(blocks.read(endpoint, deployment, chain.NOBODY)[0])
        span = Span(seen[0].timestamp, seen[-1].timestamp + 1, 3_600)
        settings = {"url": devnet.url, "timeout_seconds": 20, "as_json": True}
        fetch.fetch_chain(tmp_path / "out", path, span, **settings)  # type: ignore[arg-type]
    tape = exact_tape.load(tmp_path / "out" / "tape")
    found = {reading.block: reading for reading in exact_tape.readings_of(tape)}
    assert found[seen[0].block] == seen[0]
    assert any(state is not None for state in seen[0].states)
    for reading in seen:
        assert reading.block not in found or found[reading.block] == reading


_KEYS = frozenset(Deployment.__dataclass_fields__)

"""What a run saw, recorded: the tape says what the store remembers, reading for reading, and the engine runs on it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cli import record
from agent.cli.record import Span
from agent.devnet import scenes
from agent.feed import Seen
from backtest import exact_tape
from backtest.engine import run
from strategies.domain import Deployment
from strategies.errors import BadTape, SettingsError
from strategies.tape import Reading
from strategies.units import SECONDS_PER_DAY
from tests import worlds
from tests.supervised import play
from tests.test_parity import settings_of
from tests.wallets import cases
from tests.wallets.cases import LENDING
from wallets import wire
from wallets.paper import ModelWorld
from wallets.store import Store

ALWAYS = Span(0, 10**10)
HOURS = 24 * 20


def remembered(folder: Path, readings: Sequence[Reading]) -> Path:
    """A store that a feed has put these looks into."""
    path = folder / "paper.sqlite"
    with Store(path) as store:
        for reading in readings:
            seen = Seen(reading, worlds.idle(), None)
            store.put_reading(reading.block, reading.timestamp, wire.to_text(seen))
    return path


def hours(count: int) -> list[Reading]:
    """A world of exact lending markets, hour after hour."""
    world = ModelWorld(cases.lending_reading(), LENDING)
    start, found = world.reading().timestamp, [world.reading()]
    for hour in range(1, count):
        world.advance(start + 3_600 * hour)
        found.append(replace(world.reading(), block_hash=f"0x{hour:064x}"))
    return found


def test_the_tape_is_what_the_store_remembers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = hours(5)
    record.record(remembered(tmp_path, seen), tmp_path / "tape", LENDING, ALWAYS, as_json=True)
    tape = exact_tape.load(tmp_path / "tape")
    assert list(exact_tape.readings_of(tape)) == seen
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["digest"], told["unread"]) == (5, tape.digest, 0)


def test_the_engine_runs_on_what_was_recorded(tmp_path: Path) -> None:
    seen = hours(HOURS)
    record.record(remembered(tmp_path, seen), tmp_path / "tape", LENDING, ALWAYS, as_json=True)
    tape = exact_tape.load(tmp_path / "tape")
    done = run(tape, settings_of(tape, 1))
    assert done.steps
    assert len(done.segments) > 1, "it moved"


def test_only_the_span_that_was_asked_for_is_recorded(tmp_path: Path) -> None:
    seen = hours(10)
    span = Span(seen[2].timestamp, seen[7].timestamp)
    record.record(remembered(tmp_path, seen), tmp_path / "tape", LENDING, span, as_json=True)
    assert list(exact_tape.readings_of(exact_tape.load(tmp_path / "tape"))) == seen[2:7]


def test_a_market_that_could_not_be_read_stays_unread_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = hours(2)
    lost = replace(second, states=(None, *second.states[1:]), refused=((LENDING.markets[0].id, "nothing came back"),))
    record.record(remembered(tmp_path, [first, lost]), tmp_path / "tape", LENDING, ALWAYS, as_json=False)
    assert list(exact_tape.readings_of(exact_tape.load(tmp_path / "tape")))[1] == lost
    assert "1 times a market could not be read" in capsys.readouterr().out


def test_a_store_of_another_deployment_is_refused(tmp_path: Path) -> None:
    store = remembered(tmp_path, hours(2))
    other: Deployment = replace(LENDING, markets=LENDING.markets[::-1])
    with pytest.raises(BadTape, match="is it another's"):
        record.record(store, tmp_path / "tape", other, ALWAYS, as_json=True)


def test_a_store_that_saw_nothing_then_is_refused(tmp_path: Path) -> None:
    store = remembered(tmp_path, hours(2))
    with pytest.raises(BadTape, match="remembers no reading of that time"):
        record.record(store, tmp_path / "tape", LENDING, Span(1, 2), as_json=True)


def test_a_look_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    store = remembered(tmp_path, hours(1))
    with Store(store) as opened:
        opened.put_reading(10**7, 10**9, "{}")
    with pytest.raises(BadTape, match=r"paper\.sqlite, reading 0"):
        record.record(store, tmp_path / "tape", LENDING, ALWAYS, as_json=True)


def test_a_store_that_is_none_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        record.record(tmp_path / "paper.sqlite", tmp_path / "tape", LENDING, ALWAYS, as_json=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "paper.sqlite").write_text("something else")
    with pytest.raises(SettingsError, match="it is no store"):
        record.record(tmp_path / "paper.sqlite", tmp_path / "tape", LENDING, ALWAYS, as_json=True)


def usufruct(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = (sys.executable, "-m", "agent", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.chain
def test_a_paper_run_on_a_real_chain_becomes_the_tape_of_what_it_saw(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        config = ("--config", str(on.stage.config))
        for _ in range(2):
            usufruct("run", "--mode", "paper", "--once", "--cash", "20000", *config)
            scenes.pass_time(on.devnet, SECONDS_PER_DAY)
        store = on.session.settings.run.folder / "paper.sqlite"
        told = json.loads(usufruct("data", "record", str(store), "--out", str(tmp_path / "tape"), "--json", *config).stdout)
        with Store(store) as opened:
            looks = [wire.from_text(Seen, text).reading for text in opened.readings(0, 10**10)]
        deployment = on.session.deployment
    tape = exact_tape.load(tmp_path / "tape")
    assert told["rows"] == len(looks) >= 2
    assert tape.deployment == deployment
    assert list(exact_tape.readings_of(tape)) == looks
    assert exact_tape.recompute_digest(tape) == tape.digest == told["digest"]

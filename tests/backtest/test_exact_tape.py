"""A tape of exact states: what was recorded comes back, and what was changed does not."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest import exact_tape
from backtest.engine import run
from backtest.exact_files import RECORDS
from backtest.scenario import sample_tape
from strategies.domain import Deployment, Market, Quote
from strategies.errors import BadTape
from strategies.protocols.adapter import Adapter
from strategies.protocols.registry import MarketState
from strategies.tape import Reading, Tape, tape_of
from tests import worlds
from tests.strategies.protocols.specimens import SPECIMENS
from tests.test_parity import settings_of
from wallets.journal import projection

MARKETS = tuple({specimen.market: specimen for specimen in SPECIMENS}.values())
ASSETS = tuple(dict.fromkeys(asset for specimen in MARKETS for asset in (specimen.market.asset, *specimen.market.others)))
EVERY = Deployment(1, "every adapter", "0x" + "ca" * 20, ASSETS, tuple(s.market for s in MARKETS), {}, rollup="op-stack")
NO_READING = Reading(0, "", 0, 0, (), ())


def accrued(adapter: Adapter[MarketState], state: MarketState, seconds: int) -> MarketState:
    return adapter.accrue(state, seconds)


@st.composite
def readings(draw: st.DrawFn) -> tuple[Reading, ...]:
    """Some blocks of a deployment with every adapter, each market read or refused."""
    found, timestamp = list[Reading](), 1_700_000_000
    for block in range(draw(st.integers(1, 4))):
        timestamp += draw(st.integers(1, 10**6))
        seconds = draw(st.integers(0, 10**5))
        states = [accrued(s.adapter, s.state, seconds) if draw(st.booleans()) else None for s in MARKETS]
        refused = [(s.market.id, "nothing came back") for s, state in zip(MARKETS, states, strict=True) if state is None]
        priced = [asset for asset in ASSETS if draw(st.booleans())]
        quotes = [Quote(asset, draw(st.integers(1, 2**63 - 1)), "a “source”", timestamp - 1) for asset in priced]
        base_fee_wei = draw(st.integers(0, 2**63 - 1))
        found.append(Reading(block, f"0x{block:064x}", timestamp, base_fee_wei, tuple(states), tuple(quotes), tuple(refused)))
    return tuple(found)


def hour(at: int, *, apr: float = 0.03) -> Reading:
    return worlds.reading(at, [worlds.Said(apr), worlds.Said(0.04)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exact_tape.save(worlds.DEPLOYMENT, [hour(at, apr=0.03 + at / 1_000) for at in range(5)], tmp_path / "tape")
    return tmp_path / "tape"


@given(readings())
@settings(max_examples=25)
def test_a_loaded_tape_equals_the_recorded_one_state_for_state(recorded: tuple[Reading, ...]) -> None:
    with TemporaryDirectory() as place:
        saved = exact_tape.save(EVERY, iter(recorded), Path(place))
        loaded, made = exact_tape.load(Path(place)), tape_of(EVERY, recorded)
        assert loaded.deployment == EVERY
        assert tuple(exact_tape.readings_of(loaded)) == recorded
        for row in range(len(recorded)):
            for market in range(len(MARKETS)):
                assert loaded.states.state(row, market) == made.states.state(row, market)
        for name in exact_tape.COLUMNS:
            ours, theirs = getattr(loaded, name), getattr(made, name)
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours, theirs, equal_nan=ours.dtype == np.float64)
        assert saved.digest == loaded.digest == exact_tape.recompute_digest(loaded)


@given(readings(), st.data())
@settings(max_examples=15)
def test_a_digest_tells_any_two_recordings_apart(recorded: tuple[Reading, ...], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(recorded) - 1))
    changed = data.draw(
        st.sampled_from(
            [
                replace(recorded[at], block_hash="0x" + "ff" * 32),
                replace(recorded[at], refused=(*recorded[at].refused, ("one", "more"))),
                replace(recorded[at], states=(None, *recorded[at].states[1:])),
            ]
        )
    )
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        ours = exact_tape.save(EVERY, recorded, Path(one)).digest
        theirs = exact_tape.save(EVERY, (*recorded[:at], changed, *recorded[at + 1 :]), Path(other)).digest
    assert (ours == theirs) == (changed == recorded[at])


def test_the_engine_runs_on_it_as_on_the_readings_themselves(tmp_path: Path) -> None:
    made = sample_tape(seed=11, markets=2, hours=24 * 10)
    recorded = [row_of(made, row) for row in range(len(made))]
    in_memory, on_disk = tape_of(made.deployment, recorded), exact_tape.save(made.deployment, recorded, tmp_path / "tape")
    ours, theirs = run(on_disk, settings_of(on_disk, 1)), run(in_memory, settings_of(in_memory, 1))
    assert ours.segments == theirs.segments
    assert len(ours.segments) > 1
    assert projection(ours.journal.lines) == projection(theirs.journal.lines)


def row_of(tape: Tape, row: int) -> Reading:
    """A row as a chain would have said it."""
    timestamp, prices = int(tape.timestamp[row]), tape.price_usd_e8[row].tolist()
    states = tuple([tape.states.state(row, market) for market in range(len(tape.deployment.markets))])
    quotes = [
        Quote(asset, usd_e8, "s", timestamp) for asset, usd_e8 in zip(tape.deployment.assets, prices, strict=True) if usd_e8
    ]
    return Reading(int(tape.block[row]), f"0x{row:064x}", timestamp, int(tape.base_fee_wei[row]), states, tuple(quotes))


def test_a_row_before_the_first_is_not_the_last_one(folder: Path) -> None:
    with pytest.raises(BadTape, match="no record in row -1"):
        exact_tape.load(folder).states.state(-1, 0)


def test_a_market_that_is_not_there_has_no_state(folder: Path) -> None:
    tape = exact_tape.load(folder)
    assert tape.states.state(0, 1) is not None
    for market in (2, -1):  # the place after the last market is the rest of the reading
        with pytest.raises(BadTape, match="no market"):
            tape.states.state(0, market)


def test_what_is_forgotten_is_decoded_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_tape, "REMEMBERED", 1)
    tape = exact_tape.load(folder)
    first = tape.states.state(0, 0)
    assert tape.states.state(0, 0) is first
    assert tape.states.state(3, 1) is not None
    assert tape.states.state(0, 0) == first
    assert tape.states.state(0, 0) is not first


def test_one_changed_byte_of_a_record_is_found_by_the_digest_or_by_reading_it(folder: Path) -> None:
    content = bytearray((folder / RECORDS).read_bytes())
    for at in range(0, len(content), 7):
        changed = bytearray(content)
        changed[at] ^= 1
        (folder / RECORDS).write_bytes(changed)
        tape = exact_tape.load(folder)
        try:
            assert exact_tape.recompute_digest(tape) != tape.digest
        except BadTape as error:
            assert "record in row" in str(error)


def test_a_changed_column_is_found_by_the_digest(folder: Path) -> None:
    column = np.load(folder / "supply_apr.npy")
    column[2, 1] *= 2
    np.save(folder / "supply_apr.npy", column)
    tape = exact_tape.load(folder)
    assert exact_tape.recompute_digest(tape) != tape.digest


def test_a_file_that_is_cut_is_refused_before_anything_is_read(folder: Path) -> None:
    (folder / RECORDS).write_bytes((folder / RECORDS).read_bytes()[:-1])
    with pytest.raises(BadTape, match=r"records\.bin has \d+ bytes; its last record ends at"):
        exact_tape.load(folder)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("format", 1, "has format 1"),
        ("rows", 4, "timestamp is int64"),
        ("deployment", "{}", "no saved tape"),
        ("dictionaries", ["a"], "shape|places|rows"),
        ("dictionaries", [1, 2, 3], "no saved tape"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder: Path, key: str, value: object, why: str) -> None:
    said = json.loads((folder / exact_tape.DESCRIPTION).read_text())
    (folder / exact_tape.DESCRIPTION).write_text(json.dumps(said | {key: value}))
    with pytest.raises(BadTape, match=why):
        exact_tape.load(folder)


def test_a_column_of_another_kind_or_order_is_refused(folder: Path) -> None:
    column = np.load(folder / "supply_apr.npy")
    for other in (column.astype(np.float32), np.asfortranarray(column), column[:, :1]):
        np.save(folder / "supply_apr.npy", other)
        with pytest.raises(BadTape, match="column supply_apr"):
            exact_tape.load(folder)


def test_a_folder_tells_whether_it_holds_one(folder: Path, tmp_path: Path) -> None:
    assert exact_tape.is_exact(folder)
    assert not exact_tape.is_exact(tmp_path)


def test_a_tape_that_was_not_written_to_its_end_is_none(tmp_path: Path) -> None:
    def broken() -> "list[Reading]":
        raise OSError("the disk is full")

    exact_tape.save(worlds.DEPLOYMENT, [hour(0)], tmp_path)
    with pytest.raises(OSError, match="full"):
        exact_tape.save(worlds.DEPLOYMENT, (reading for _ in [0] for reading in broken()), tmp_path)
    with pytest.raises(BadTape, match="no saved tape"):
        exact_tape.load(tmp_path)


@pytest.mark.parametrize(
    ("given_readings", "why"),
    [
        ((), "not one reading"),
        ((hour(1), hour(1)), "reading 1 is of 1700003600, which is not later"),
        ((hour(0), replace(hour(1), states=hour(1).states[:1])), "reading 1 has 1 markets"),
        ((replace(hour(1), states=hour(1).states[::-1]),), "has two:USDC where the deployment has one:USDC"),
        ((replace(hour(0), quotes=(Quote(replace(worlds.USDC, decimals=7), 1, "s", 0),)),), "which the deployment does not have"),
    ],
    ids=["none", "twice", "half", "swapped", "strange"],
)
def test_readings_that_make_no_tape_are_refused(given_readings: tuple[Reading, ...], why: str, tmp_path: Path) -> None:
    with pytest.raises(BadTape, match=why):
        exact_tape.save(worlds.DEPLOYMENT, given_readings, tmp_path)


def test_a_record_of_another_market_is_refused(folder: Path) -> None:
    said = json.loads((folder / exact_tape.DESCRIPTION).read_text())
    other: Market = replace(worlds.ONE, address="0x" + "77" * 20)
    deployment = replace(worlds.DEPLOYMENT, markets=(other, worlds.TWO))
    said["deployment"] = exact_tape.wire.to_text(deployment)
    (folder / exact_tape.DESCRIPTION).write_text(json.dumps(said))
    with pytest.raises(BadTape, match=r"the record of one:USDC in row 0 is of one:USDC"):
        exact_tape.load(folder).states.state(0, 0)


def test_only_an_exact_tape_has_exact_records(folder: Path) -> None:
    assert len(list(exact_tape.readings_of(exact_tape.load(folder)))) == 5
    with pytest.raises(BadTape, match="not kept as exact records"):
        exact_tape.exact_states(worlds.tape(worlds.rates(0.01, 0.02)))

"""A saved tape of either kind is opened by its folder alone, says where it comes from, and is refused once it was changed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest import dataset, exact_tape, saved_tapes
from backtest.checking.marks import Finding, Mark
from backtest.importers.defects import ImportReport, MarketDefects, Run
from backtest.saved_tapes import Saved, keep_report, load_checked, origin_of, terms_beside
from backtest.terms import Terms
from strategies.errors import BadTape
from tests import worlds
from tests.backtest import recorded

FOUND = Finding(mark=Mark.DUST, subject="m0:USDC", count=2, first=9, treatment="left unsaid", rows=(3, 4))
MARKET = MarketDefects("m0:USDC", "m0.csv", "ab" * 32, 9, 1, (Run(0, 25),), (), 0, 0, 0, 0)
REPORT = ImportReport("a folder", "USDC", 0, 2**40, 2, (MARKET,), ("one note",), (FOUND,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dataset.save(recorded.tape([[0.03, 0.04], [0.03, 0.05]]), tmp_path / "tape")
    return tmp_path / "tape"


def test_each_kind_is_opened_as_what_it_is(tmp_path: Path) -> None:
    rates = recorded.tape([[0.03, 0.04], [0.03, 0.05]])
    dataset.save(rates, tmp_path / "rates")
    exact = exact_tape.save(worlds.DEPLOYMENT, [worlds.reading(0, [worlds.Said(0.03), None])], tmp_path / "exact")
    for folder, tape in (("rates", rates), ("exact", exact)):
        opened = saved_tapes.load(tmp_path / folder)
        assert opened.digest == tape.digest == saved_tapes.recompute_digest(opened)


def test_a_folder_that_holds_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="no saved tape"):
        saved_tapes.load(tmp_path)


def test_a_column_that_was_changed_after_saving_is_found_and_the_folder_named(folder: Path) -> None:
    assert load_checked(folder).digest == saved_tapes.load(folder).digest
    column = np.load(folder / "supply_apr.npy")
    column[1, 0] = 0.5
    np.save(folder / "supply_apr.npy", column)
    with pytest.raises(BadTape, match=r"tape was changed since it was saved: it says sha256 .* and holds .*; import or record"):
        load_checked(folder)


def test_what_an_import_found_is_read_back_without_the_rows_of_its_findings(folder: Path) -> None:
    tape = saved_tapes.load(folder)
    assert origin_of(folder, tape) == Saved(str(folder), tape.digest, is_exact=False)
    keep_report(REPORT, tape, folder)
    origin = origin_of(folder, tape)
    assert isinstance(origin, ImportReport)
    assert origin.markets == REPORT.markets and origin.notes == REPORT.notes and origin.end == 2**40
    assert [(found.mark, found.count, found.rows) for found in origin.findings] == [(Mark.DUST, 2, ())]


def test_terms_that_an_import_knows_lie_beside_the_tape_and_never_over_what_somebody_wrote(folder: Path) -> None:
    tape = saved_tapes.load(folder)
    market = tape.deployment.markets[0].id
    keep_report(replace(REPORT, terms=((market, Terms(None, ((1, 2), (5, None)))),)), tape, folder)
    assert terms_beside(folder, tape) == {market: Terms(None, ((1, 2), (5, None)))}
    (folder / "terms.json").write_text(json.dumps({market: {"redeem_delay_seconds": 60}}))
    keep_report(replace(REPORT, terms=((market, Terms(None, ())),)), tape, folder)
    assert terms_beside(folder, tape) == {market: Terms(60, ())}


def test_the_report_of_another_tape_in_the_same_folder_is_not_taken_for_this_ones(folder: Path) -> None:
    keep_report(REPORT, recorded.tape([[0.01, 0.02]]), folder)
    tape = saved_tapes.load(folder)
    assert origin_of(folder, tape) == Saved(str(folder), tape.digest, is_exact=False)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tape": "DIGEST", "report": {}}'])
def test_a_report_that_no_import_wrote_is_refused(text: str, folder: Path) -> None:
    tape = saved_tapes.load(folder)
    (folder / "import.json").write_text(text.replace("DIGEST", tape.digest))
    with pytest.raises(BadTape, match="is not the report that `data import` writes"):
        origin_of(folder, tape)


def test_an_exact_tape_says_that_it_is_one(tmp_path: Path) -> None:
    exact = exact_tape.save(worlds.DEPLOYMENT, [worlds.reading(0, [worlds.Said(0.03), None])], tmp_path / "exact")
    assert origin_of(tmp_path / "exact", exact) == Saved(str(tmp_path / "exact"), exact.digest, is_exact=True)


def test_terms_lie_beside_a_tape_or_there_are_none_and_bad_ones_name_their_file(folder: Path) -> None:
    tape = saved_tapes.load(folder)
    assert terms_beside(folder, tape) == {}
    (folder / "terms.json").write_text('{"m1:USDC": {"redeem_delay_seconds": 604800}}')
    assert terms_beside(folder, tape) == {"m1:USDC": Terms(604_800, ())}
    for content in (b"{", b"\xff"):
        (folder / "terms.json").write_bytes(content)
        with pytest.raises(BadTape, match=r"^the tape is unusable: \S+/tape/terms\.json: (?!the tape)"):
            terms_beside(folder, tape)

"""A saved tape of either kind is opened by its folder alone."""

from pathlib import Path

import pytest

from backtest import dataset, exact_tape, saved_tapes
from strategies.errors import BadTape
from tests import worlds
from tests.backtest import recorded


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

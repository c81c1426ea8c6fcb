"""The days of a run come to what is held at the end, to the unit, and are read back as they were written."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest import daybook
from backtest.daybook import Daybook, daybook_of
from backtest.engine import run
from backtest.runs import Run
from strategies.errors import BadTape
from strategies.tape import Tape
from tests.backtest.recorded import MARKETS, USDC, tape
from tests.backtest.test_engine import OPEN_GATE, STRATEGIES, Follow, tapes, terms
from wallets.ledger import WALLET

DAYS = [[0.2, 0.1]] * 40 + [[0.05, 0.3]] * 40
ROUTE = Follow([MARKETS[0].id, *[None] * 69, MARKETS[1].id, *[None] * 10])


def moved(**changes: object) -> Run:
    return run(tape(DAYS), terms(ROUTE, **changes))


@settings(max_examples=60, deadline=None)
@given(tapes(), st.sampled_from(STRATEGIES), st.integers(min_value=0, max_value=3))
def test_income_by_day_is_the_income_of_the_ledger(whole: Tape, strategy: object, latency: int) -> None:
    done = run(whole, terms(strategy, latency_rows=latency))  # type: ignore[arg-type]
    book = daybook_of(done)
    for at, market in enumerate(book.markets):
        assert sum(day.income_raw[at] for day in book.days) == -done.ledger.balance_raw(f"income:{market}", USDC)
        assert book.days[-1].held_raw[at] == done.ledger.balance_raw(f"market:{market}", USDC)
    assert book.days[-1].idle_raw == done.ledger.balance_raw(WALLET, USDC)
    assert book.gained_raw + sum(day.gas_raw for day in book.days) == book.days[-1].whole_raw - book.opening_raw


def test_gas_is_told_in_the_asset_and_rounded_up() -> None:
    done = moved()
    book = daybook_of(done)
    spent_wei = sum(t.fee_wei for step in done.steps if step.receipt for t in step.receipt.transactions)
    exact_raw = spent_wei * 2_500 // 10**12
    assert exact_raw <= sum(day.gas_raw for day in book.days) <= exact_raw + len(done.segments)


def test_a_fee_beside_gas_is_a_cost_of_its_own() -> None:
    decide = terms(ROUTE).decide
    charged = daybook_of(moved(decide=replace(decide, gate=replace(OPEN_GATE, touch_fee_raw=7_000_000))))
    assert sum(day.other_raw for day in charged.days) == -3 * 7_000_000  # in; out and in
    assert all(day.other_raw == 0 for day in daybook_of(moved()).days)


def test_means_are_weighted_by_time() -> None:
    first = daybook_of(moved()).days[0]
    whole_raw = first.held_mean_raw[0] + first.idle_mean_raw
    assert first.idle_mean_raw == pytest.approx(10**12 / 23, rel=1e-3)  # one of the first day's 23 hours was idle
    assert whole_raw == pytest.approx(10**12, rel=1e-3) and first.held_mean_raw[1] == 0


def test_a_market_that_was_not_read_has_no_growth() -> None:
    silent = [[float("nan"), 0.1]] * 30 + [[0.1, 0.1]] * 30
    growth = [day.growth_wad[0] for day in daybook_of(run(tape(silent), terms(STRATEGIES[-1]))).days]
    assert growth[:2] == [None, None] and growth[2] is not None


@settings(max_examples=20, deadline=None)
@given(tapes(), st.sampled_from(STRATEGIES))
def test_a_book_is_read_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, whole: Tape, strategy: object) -> None:
    book = daybook_of(run(whole, terms(strategy)))  # type: ignore[arg-type]
    path = daybook.write(book, tmp_path_factory.mktemp("books") / "books.csv")
    assert daybook.read(path, daybook.heading(book)) == book


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Daybook]:
    book = daybook_of(moved())
    return daybook.write(book, tmp_path / "books.csv"), book


def test_a_changed_figure_is_found(written: tuple[Path, Daybook]) -> None:
    path, book = written
    path.write_text(path.read_text().replace(str(book.days[1].income_raw[0]), str(book.days[1].income_raw[0] + 1)))
    with pytest.raises(BadTape, match="one of them was changed"):
        daybook.read(path, daybook.heading(book))


@pytest.mark.parametrize(
    "spoil", [lambda text: "", lambda text: text[:-40], lambda text: "a,b\n1,2\n", lambda text: text + "x\n"]
)
def test_a_file_that_no_run_wrote_is_refused(written: tuple[Path, Daybook], spoil: object) -> None:
    path, book = written
    path.write_text(spoil(path.read_text()))  # type: ignore[operator]
    with pytest.raises(BadTape, match=r"books\.csv"):
        daybook.read(path, daybook.heading(book))
    with pytest.raises(BadTape, match="no book of days"):
        daybook.read(path.with_name("missing.csv"), daybook.heading(book))

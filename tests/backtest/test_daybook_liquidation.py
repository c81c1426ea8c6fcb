"""A liquidation has a column of its own in the book of days: it is no income, and the days come to the curve's change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest import daybook
from backtest.comparison import compare
from backtest.daybook import Daybook, daybook_of
from backtest.engine import run
from backtest.metrics import curve_of
from backtest.runs import LIQUIDATION, Liquidation, Run
from strategies.catalogue import Menu
from strategies.decide import DecideSettings
from strategies.domain import Amount, Asset, Keep, Leg, Portfolio, Position, Quote, Target
from strategies.errors import BadTape
from strategies.tape import Observation, Tape, tape_of
from strategies.units import BPS, RAY, SECONDS_PER_DAY, USD_E8, WAD
from tests.backtest.test_engine import OPEN_GATE, POLICY
from tests.backtest.test_liquidation import (
    BACKING,
    ETHER,
    HOUR,
    LENT,
    START,
    WETH,
    asked,
    pool_tape,
    read,
    usdc_state,
    value,
    weth_state,
)
from tests.strategies.protocols.cases import USDC

FIRST_HOUR = START % SECONDS_PER_DAY // HOUR
FALL = [3_000] * 30 + [2_000] * 30  # in the second day the debt is no longer covered
DEEP = [3_000] * 30 + [1_500] * 30  # and far from it
SAFE = [3_000] * 60


@dataclass(frozen=True, slots=True)
class Deposit:
    """Supplies all ether that lies idle, in one hour; keeps at all others."""

    at: int
    cadence_seconds: int = HOUR

    def target(self, seen: Observation) -> Target | Keep:
        if (seen.timestamp - START) // HOUR != self.at:
            return Keep("it stays")
        return Target(WETH, (Leg(BACKING, WAD),), "all of it to the pool")


def earning(prices: Sequence[int]) -> Tape:
    """The pool's tape with interest on both sides, and ether's price said."""
    readings = []
    for at, price in enumerate(prices):
        grown = {"liquidity_index_ray": RAY + at * RAY // 100_000, "variable_index_ray": RAY + at * RAY // 50_000}
        whole = read(at, (replace(usdc_state(at), **grown), replace(weth_state(at, price), **grown)), price)  # type: ignore[arg-type]
        quotes = (*whole.quotes, Quote(WETH, price * USD_E8, "tape", START))
        readings.append(replace(whole, quotes=quotes))
    return tape_of(pool_tape([1]).deployment, readings)


def owing_run(prices: Sequence[int], asset: Asset, owed: int = 20_000, deposit_at: int = 3) -> Run:
    """Ten ether back a debt; two more are supplied where the run is of ether."""
    opening = Portfolio(
        (Amount(USDC, 0), Amount(WETH, 2 * WAD), Amount(ETHER, WAD)),
        (Position(LENT, 0, owed * 10**6), Position(BACKING, 10 * WAD)),
    )
    decide = DecideSettings(asset, Menu((("test", Deposit(deposit_at if asset == WETH else -1)),), ("unrestrained",)), OPEN_GATE)
    wide = POLICY.concentration.model_copy(
        update={"max_protocol_bps": 10 * BPS, "max_asset_bps": 10 * BPS, "max_issuer_bps": 10 * BPS}
    )
    policy = POLICY.model_copy(update={"chain_id": USDC.chain_id, "markets": (BACKING.id,), "concentration": wide})
    return run(earning(prices), replace(asked(opening, is_judged=True), decide=decide, policy=policy))


def the_one(done: Run) -> Liquidation:
    (event,) = done.liquidations
    return event


@pytest.mark.parametrize("prices", [FALL, DEEP])
def test_supply_that_was_taken_is_no_negative_income(prices: Sequence[int]) -> None:
    done = owing_run(prices, WETH)
    book, event = daybook_of(done), the_one(done)
    assert done.moves == 1
    assert [day.liquidated_raw for day in book.days] == [0, -event.seized.raw, 0]
    assert all(day.income_raw[0] >= 0 and day.other_raw == 0 for day in book.days)


@pytest.mark.parametrize("prices", [FALL, DEEP])
def test_debt_that_was_repaid_is_no_income(prices: Sequence[int]) -> None:
    done = owing_run(prices, USDC)
    book, event = daybook_of(done), the_one(done)
    assert [day.liquidated_raw for day in book.days] == [0, event.repaid.raw, 0]
    assert all(day.income_raw[0] < 0 and day.other_raw == 0 for day in book.days)  # a debt only grows


@pytest.mark.parametrize("asset", [WETH, USDC])
def test_a_debt_that_stays_covered_leaves_the_column_empty(asset: Asset) -> None:
    done = owing_run(SAFE, asset)
    assert done.liquidations == ()
    assert [day.liquidated_raw for day in daybook_of(done).days] == [0, 0, 0]


@pytest.mark.parametrize("prices", [FALL, DEEP, SAFE])
def test_the_days_sum_to_the_curves_change(prices: Sequence[int]) -> None:
    done = owing_run(prices, WETH)
    book, curve = daybook_of(done), curve_of(done)
    assert book.opening_raw == 12 * WAD
    by_day = [float(curve.net[-1 if at == 2 else at * 24 + 23 - FIRST_HOUR]) for at in range(3)]
    results = [now - then for then, now in zip([12.0, *by_day], by_day, strict=False)]
    assert [day.gained_raw / WAD for day in book.days] == pytest.approx(results, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(900, 3_500), min_size=3, max_size=8), st.integers(1_000, 22_000), st.sampled_from([WETH, USDC]))
def test_whatever_is_liquidated_the_days_come_to_what_is_held_to_the_unit(later: list[int], owed: int, asset: Asset) -> None:
    done = owing_run([3_000, *[price for price in later for _ in range(9)]], asset, owed)
    book, market = daybook_of(done), LENT if asset == USDC else BACKING
    ends = [(0, done.settings.opening), (len(done.tape) - 1, done.segments[-1].portfolio)]
    then_raw, now_raw = (held.idle_raw(asset) + value(done.tape, row, held.position(market)) for row, held in ends)
    assert book.gained_raw + sum(day.gas_raw for day in book.days) == now_raw - then_raw
    repaid_raw = sum(event.repaid.raw for event in done.liquidations)
    seized_raw = sum(event.seized.raw for event in done.liquidations)
    assert sum(day.liquidated_raw for day in book.days) == (repaid_raw if asset == USDC else -seized_raw)


def test_a_run_that_did_not_say_what_was_taken_would_have_lost_it_as_income() -> None:
    done = owing_run(FALL, WETH)
    told, silent = daybook_of(done), daybook_of(replace(done, liquidations=()))
    assert silent.days[1].income_raw[0] == told.days[1].income_raw[0] - the_one(done).seized.raw < 0
    assert silent.gained_raw == told.gained_raw


def test_entries_come_in_the_order_of_their_time() -> None:
    entries = daybook.entries_when_executed(owing_run(FALL, WETH))
    assert [entry.memo for entry in entries if entry.memo != "gas"] == ["opening"] * 2 + ["to market:pool:WETH"] + [
        LIQUIDATION
    ] * 2
    assert [entry.timestamp for entry in entries] == sorted(entry.timestamp for entry in entries)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Daybook]:
    book = daybook_of(owing_run(FALL, WETH))
    return daybook.write(book, tmp_path / "books.csv"), book


def test_a_book_with_a_liquidation_is_read_back_as_it_was_written(written: tuple[Path, Daybook]) -> None:
    path, book = written
    assert daybook.read(path, daybook.heading(book)) == book


def test_a_book_of_before_liquidations_were_told_is_still_read(tmp_path: Path) -> None:
    book = daybook_of(owing_run(SAFE, WETH))
    path = daybook.write(book, tmp_path / "books.csv")
    at = daybook.DAY_COLUMNS.index("liquidated_raw")
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(",".join(line[:at] + line[at + 1 :]) + "\n" for line in lines))
    assert daybook.read(path, daybook.heading(book)) == book


def test_a_book_with_a_column_too_many_is_refused(written: tuple[Path, Daybook]) -> None:
    path, book = written
    path.write_text("".join(f"0,{line}\n" for line in path.read_text().splitlines()))
    with pytest.raises(BadTape, match="no book of days"):
        daybook.read(path, daybook.heading(book))


def test_a_comparison_names_what_liquidations_took() -> None:
    taken, kept = daybook_of(owing_run(FALL, WETH)), daybook_of(owing_run(SAFE, WETH))
    found = compare(kept, taken)
    lines = {line.name: line for line in (*found.booked, *found.causes)}
    assert lines["liquidations"].difference_raw == sum(day.liquidated_raw for day in taken.days) < 0

"""Accounts come to the ledger's unit: lots first in first out, interest realised when it comes out, gas as a cost."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounts import Accounts, Line, Unaccountable, accounts_of, reconcile, tape_prices
from backtest.engine import run
from backtest.export import account, write_accounts
from strategies.assets import Amount, Asset
from strategies.errors import LedgerMismatch
from strategies.tape import Tape
from tests.backtest.recorded import ETHER, MARKETS, START, USDC, tape
from tests.backtest.test_engine import STRATEGIES, tapes, terms
from wallets.ledger import FEES, OUTSIDE, TREASURY, WALLET, Entry, Ledger, accrual, market_account, moved

M0 = market_account(MARKETS[0])
USD = 10**8


def price(asset: Asset, timestamp: int) -> int:
    """A dollar, and ether at 2,000 from time 10 on, 1,000 before."""
    return USD if asset == USDC else (1_000 if timestamp < 10 else 2_000) * USD


def opened(raw: int = 1_000, asset: Asset = USDC, at: int = 0) -> Entry:
    return moved(at, "opening", Amount(asset, raw), giver=OUTSIDE, taker=WALLET)


def supplied(raw: int, at: int = 1) -> Entry:
    return moved(at, "to", Amount(USDC, raw), giver=WALLET, taker=M0)


def withdrawn(raw: int, at: int = 2) -> Entry:
    return moved(at, "from", Amount(USDC, raw), giver=M0, taker=WALLET)


def earned(booked_raw: int, value_raw: int) -> Entry:
    return accrual(MARKETS[0], booked_raw=booked_raw, value_raw=value_raw, timestamp=20)


def made(*entries: Entry) -> Accounts:
    return accounts_of(entries, price=price, until=20)


def kinds(accounts: Accounts) -> list[tuple[str, int]]:
    return [(line.kind, line.amount.raw) for line in accounts.lines]


@settings(max_examples=60, deadline=None)
@given(tapes(), st.sampled_from(STRATEGIES), st.integers(0, 3))
def test_any_run_comes_to_its_ledger(whole: Tape, strategy: object, latency: int) -> None:
    done = run(whole, terms(strategy, latency_rows=latency))  # type: ignore[arg-type]
    found = account(done)
    for asset in (USDC, ETHER):
        ours = sum(done.ledger.balance_raw(name, asset) for name in (WALLET, *map(market_account, MARKETS)))
        assert found.total_raw(asset, "held", "accrued") == ours
    assert found.total_raw(ETHER, "gas") == done.ledger.balance_raw(FEES, ETHER)


def test_principal_comes_out_first_and_what_is_beyond_is_income() -> None:
    found = made(opened(), supplied(900), withdrawn(600), withdrawn(350, at=3), earned(-50, 0))
    assert kinds(found) == [("opening", 1_000), ("income", 50), ("held", 1_000), ("held", 50)]
    assert found.lines[1].timestamp == 3 and found.lines[1].lot == 2 and found.lines[1].account == M0


def test_interest_that_has_not_come_out_is_accrued_and_is_no_lot() -> None:
    found = made(opened(), supplied(900), earned(900, 930))
    assert kinds(found) == [("opening", 1_000), ("accrued", 30), ("held", 1_000)]
    assert found.lines[1].lot is None and found.lines[1].value_usd_e8 == 30 * USD // 10**6


def test_it_does_not_matter_how_often_interest_was_booked() -> None:
    often = (opened(), supplied(900), earned(900, 910), earned(910, 940), withdrawn(940), opened(5, at=3))
    once = (opened(), supplied(900), withdrawn(940), opened(5, at=3), earned(-40, 0))
    assert made(*often).lines == made(*once).lines


def test_the_oldest_lot_leaves_first_at_its_own_cost() -> None:
    gas = [moved(at, "gas", Amount(ETHER, raw), giver=WALLET, taker=FEES) for at, raw in ((5, 10**17), (12, 19 * 10**17))]
    found = made(opened(10**18, ETHER), opened(2 * 10**18, ETHER, at=11), *gas)
    lines = [
        (line.kind, line.amount.raw, line.lot, line.value_usd_e8, line.cost_usd_e8, line.gain_usd_e8) for line in found.lines
    ]
    assert lines[1:] == [
        ("opening", 2 * 10**18, 2, 4_000 * USD, 4_000 * USD, None),
        ("gas", 10**17, 1, 100 * USD, 100 * USD, 0),
        ("gas", 9 * 10**17, 1, 1_800 * USD, 900 * USD, 900 * USD),
        ("gas", 10**18, 2, 2_000 * USD, 2_000 * USD, 0),
        ("held", 10**18, 2, 2_000 * USD, 2_000 * USD, None),
    ]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=8), st.data())
def test_costs_of_the_parts_of_a_lot_sum_to_its_cost(parts: list[int], data: st.DataObject) -> None:
    whole = sum(parts) + data.draw(st.integers(0, 10**6))
    found = made(opened(whole), *[moved(3, "to", Amount(USDC, raw), giver=WALLET, taker=TREASURY) for raw in parts])
    paid = [line.cost_usd_e8 or 0 for line in found.lines if line.kind in {"disposed", "held"}]
    assert sum(paid) == found.lines[0].cost_usd_e8


def test_a_trade_disposes_of_one_asset_and_acquires_another() -> None:
    entries = (
        opened(2_000 * 10**6),
        moved(12, "to", Amount(USDC, 2_000 * 10**6), giver=WALLET, taker="trades:pool"),
        moved(12, "from", Amount(ETHER, 10**18), giver="trades:pool", taker=WALLET),
    )
    assert kinds(made(*entries)) == [
        ("opening", 2_000 * 10**6),
        ("disposed", 2_000 * 10**6),
        ("acquired", 10**18),
        ("held", 10**18),
    ]


def test_a_claim_of_nothing_is_a_loss_of_its_lots() -> None:
    found = made(opened(), supplied(900), earned(900, 0))
    lost = next(line for line in found.lines if line.kind == "loss")
    assert lost.amount.raw == 900 and lost.value_usd_e8 == 0 and lost.gain_usd_e8 == -(lost.cost_usd_e8 or 0) < 0
    assert found.total_raw(USDC, "held") == 100


def test_gas_that_somebody_else_paid_is_no_line() -> None:
    assert kinds(made(opened(), moved(3, "gas", Amount(ETHER, 5), giver=OUTSIDE, taker=FEES))) == [
        ("opening", 1_000),
        ("held", 1_000),
    ]


def test_what_never_came_cannot_leave() -> None:
    with pytest.raises(Unaccountable, match="an opening is missing"):
        made(opened(5), moved(3, "to", Amount(USDC, 6), giver=WALLET, taker=TREASURY))


def test_debts_and_unbooked_interest_are_refused() -> None:
    with pytest.raises(Unaccountable, match="more than it holds"):
        made(opened(), withdrawn(50))
    with pytest.raises(Unaccountable, match="more than it holds"):
        made(opened(), supplied(900), withdrawn(930))


def test_accounts_of_other_books_do_not_reconcile() -> None:
    entries = (opened(), supplied(900), earned(900, 930))
    reconcile(made(*entries), Ledger(entries))
    with pytest.raises(LedgerMismatch, match="what is held"):
        reconcile(made(*entries), Ledger((*entries, opened(1))))


def test_an_unknown_price_is_an_empty_cell_and_never_zero(tmp_path: Path) -> None:
    found = accounts_of((opened(),), price=lambda asset, at: None, until=20)
    (opening, held) = csv.DictReader(write_accounts(found, tmp_path / "a.csv").read_text().splitlines())
    assert opening["value_usd"] == held["cost_usd"] == "" and opening["quantity"] == "0.001"


def test_the_tapes_price_is_the_last_one_said() -> None:
    prices = [[0, 5], [USD, 6], [0, 7]]
    asked = tape_prices(tape([[0.1, 0.1]] * 3, price_usd_e8=np.array(prices)))
    assert [asked(USDC, START + 3_600 * hour) for hour in (-1, 0, 1, 2)] == [None, None, USD, USD]
    assert asked(ETHER, START + 5_000) == 6


def test_a_gain_is_told_of_what_left_only() -> None:
    held = Line(timestamp=0, kind="held", account="", amount=Amount(USDC, 1), value_usd_e8=5, cost_usd_e8=3)
    assert held.gain_usd_e8 is None

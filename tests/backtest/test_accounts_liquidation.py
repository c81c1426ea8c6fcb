"""What a liquidation seizes leaves its lots for the debt it repaid; what it takes beyond that is the penalty. All to the unit."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounts import Accounts, Line, Unaccountable, accounts_of, reconcile
from backtest.engine import run
from backtest.export import account, write_accounts
from backtest.runs import LIQUIDATION
from strategies.assets import Amount, Asset
from strategies.domain import NATIVE, Deployment, Portfolio
from strategies.errors import LedgerMismatch
from strategies.tape import tape_of
from strategies.units import WAD
from tests.backtest.recorded import USDC as DOLLAR
from tests.backtest.test_accounts import M0, USD, kinds, opened, price, supplied, withdrawn
from tests.backtest.test_daybook_liquidation import DEEP, FALL, SAFE, owing_run, the_one
from tests.backtest.test_liquidation import BACKING, ETHER, LENT, WETH, asked, read
from tests.strategies.protocols import morpho_blue_case as morpho
from tests.strategies.protocols.cases import USDC
from wallets.ledger import OUTSIDE, WALLET, Entry, Ledger, market_account, moved

ETHER_MARKET = "market:ether"


def told(accounts: Accounts, *names: str) -> list[Line]:
    return [line for line in accounts.lines if line.kind in names]


def usd_e8(lines: Sequence[Line]) -> int:
    return sum(line.value_usd_e8 or 0 for line in lines)


def owed(raw: int, at: int = 5) -> Entry:
    """A debt booked as it accrued."""
    return moved(at, "interest", Amount(DOLLAR, -raw), giver="income:" + M0.removeprefix("market:"), taker=M0)


def liquidated(repaid_raw: int, seized_raw: int, at: int = 15) -> tuple[Entry, Entry]:
    """Ether is 2,000 then."""
    return (
        moved(at, LIQUIDATION, Amount(DOLLAR, repaid_raw), giver=LIQUIDATION, taker=M0),
        moved(at, LIQUIDATION, Amount(ETHER, seized_raw), giver=ETHER_MARKET, taker=LIQUIDATION),
    )


def backed(*raws: int) -> tuple[Entry, ...]:
    """Ether bought at 1,000 and supplied, a lot each."""
    bought = [moved(at, "opening", Amount(ETHER, raw), giver=OUTSIDE, taker=WALLET) for at, raw in enumerate(raws)]
    return (*bought, moved(9, "to", Amount(ETHER, sum(raws)), giver=WALLET, taker=ETHER_MARKET))


def of(*entries: Entry) -> Accounts:
    found = accounts_of(entries, price=price, until=20)
    reconcile(found, Ledger(entries))
    return found


@pytest.mark.parametrize("prices", [FALL, DEEP])
@pytest.mark.parametrize("asset", [WETH, USDC])
def test_a_run_with_a_liquidation_is_accounted_for_to_its_ledger(prices: Sequence[int], asset: Asset) -> None:
    done = owing_run(prices, asset)
    found, event = account(done), the_one(done)
    assert found.total_raw(USDC, "repaid") == event.repaid.raw == -done.ledger.balance_raw(LIQUIDATION, USDC)
    assert found.total_raw(WETH, "seized", "penalty") == event.seized.raw == done.ledger.balance_raw(LIQUIDATION, WETH)
    assert found.total_raw(USDC, "acquired", "held") == 0  # what was repaid never was ours
    for one, market in ((USDC, LENT), (WETH, BACKING)):
        ours_raw = sum(done.ledger.balance_raw(name, one) for name in (WALLET, market_account(market)))
        assert found.total_raw(one, "held", "accrued") == ours_raw


@pytest.mark.parametrize("prices", [FALL, DEEP])
def test_the_proceeds_are_the_debt_repaid_and_the_penalty_is_what_was_taken_beyond_it(prices: Sequence[int]) -> None:
    done = owing_run(prices, WETH)
    found, event = account(done), the_one(done)
    assert usd_e8(told(found, "seized")) == event.repaid.raw * USD // 10**6
    assert usd_e8(told(found, "penalty")) == 0 and {line.timestamp for line in told(found, "seized", "penalty")} == {
        int(done.tape.timestamp[event.row])
    }
    beyond_usd_e8 = found.total_raw(WETH, "penalty") * prices[-1] * USD // WAD
    assert beyond_usd_e8 == pytest.approx(event.penalty_usd_e8, abs=2)
    assert sum(line.gain_usd_e8 or 0 for line in told(found, "penalty")) < 0


def test_a_debt_that_stays_covered_is_accrued_and_nothing_is_seized() -> None:
    done = owing_run(SAFE, WETH)
    found = account(done)
    assert told(found, "repaid", "seized", "penalty") == []
    assert found.total_raw(USDC, "accrued") == done.ledger.balance_raw(market_account(LENT), USDC) < -20_000 * 10**6


def test_accounts_that_leave_a_liquidation_out_do_not_come_to_the_ledger() -> None:
    with pytest.raises(LedgerMismatch, match="what is held"):
        account(replace(owing_run(FALL, WETH), liquidations=()))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(900, 3_500), min_size=3, max_size=8), st.integers(1_000, 22_000), st.integers(0, 60))
def test_whatever_is_liquidated_the_accounts_come_to_the_ledger(later: list[int], debt: int, at: int) -> None:
    done = owing_run([3_000, *[price for price in later for _ in range(9)]], WETH, debt, deposit_at=at)
    found = account(done)
    assert found.total_raw(WETH, "seized", "penalty") == sum(event.seized.raw for event in done.liquidations)
    assert found.total_raw(USDC, "repaid") == sum(event.repaid.raw for event in done.liquidations)


def test_the_oldest_lots_are_seized_first_and_the_last_carries_the_rest_of_the_proceeds() -> None:
    found = of(*backed(WAD, 2 * WAD), owed(3_000 * 10**6), *liquidated(3_000 * 10**6, 16 * WAD // 10))
    lines = [
        (line.kind, line.lot, line.amount.raw, line.value_usd_e8, line.cost_usd_e8) for line in told(found, "seized", "penalty")
    ]
    assert lines == [
        ("seized", 1, WAD, 2_000 * USD, 1_000 * USD),
        ("seized", 2, WAD // 2, 1_000 * USD, 500 * USD),
        ("penalty", 2, WAD // 10, 0, 100 * USD),
    ]
    gains = [line.gain_usd_e8 for line in told(found, "seized", "penalty")]
    assert gains == [1_000 * USD, 500 * USD, -100 * USD]  # in all the debt less what the ether cost


def test_a_seizure_worth_no_more_than_the_debt_has_no_penalty() -> None:
    found = of(*backed(WAD), owed(2_100 * 10**6), *liquidated(2_100 * 10**6, WAD))
    assert [(line.kind, line.value_usd_e8) for line in told(found, "seized", "penalty")] == [("seized", 2_100 * USD)]


def test_a_debt_and_supply_of_one_asset_part_to_the_unit() -> None:
    found = of(
        opened(1_000),
        supplied(1_000),
        owed(700),
        moved(15, LIQUIDATION, Amount(DOLLAR, 333), giver=LIQUIDATION, taker=M0),
        moved(15, LIQUIDATION, Amount(DOLLAR, 350), giver=M0, taker=LIQUIDATION),
    )
    assert kinds(found) == [
        ("opening", 1_000),
        ("repaid", 333),
        ("seized", 333),
        ("penalty", 17),
        ("accrued", -367),
        ("held", 650),
    ]


def test_without_a_price_nothing_is_split_and_nothing_is_guessed() -> None:
    entries = (*backed(WAD), owed(100), *liquidated(100, WAD))
    blind = accounts_of(entries, price=lambda asset, at: USD if asset == DOLLAR else None, until=20)
    assert [(line.kind, line.value_usd_e8, line.gain_usd_e8) for line in told(blind, "seized", "penalty")] == [
        ("seized", USD // 10**4, None)
    ]
    blinder = accounts_of(entries, price=lambda asset, at: None if asset == DOLLAR else USD, until=20)
    assert [line.value_usd_e8 for line in told(blinder, "seized", "repaid")] == [None, None]


def test_a_seizure_for_which_nothing_was_repaid_is_refused() -> None:
    repaid, seized = liquidated(100, WAD)
    of(*backed(WAD), owed(100), repaid, seized)
    for entries in ((seized,), (seized, repaid), (repaid, opened(1, at=15), seized)):
        with pytest.raises(Unaccountable, match="no debt was repaid"):
            of(*backed(WAD), owed(100), *entries)


def test_a_debt_that_accrued_is_told_and_one_out_of_which_money_came_is_refused() -> None:
    assert kinds(of(opened(), owed(300))) == [("opening", 1_000), ("accrued", -300), ("held", 1_000)]
    with pytest.raises(Unaccountable, match="paid out more than went in"):
        of(opened(), owed(300), withdrawn(50))


def test_collateral_that_the_ledger_never_booked_is_no_line() -> None:
    deployment = Deployment(USDC.chain_id, "morpho", NATIVE, (USDC, WETH, ETHER), (morpho.MARKET,), {})
    prices = (3_000, 1_200)
    tape = tape_of(deployment, [read(at, (replace(morpho.LENT, price_e36=one * 10**24),)) for at, one in enumerate(prices)])
    opening = Portfolio((Amount(USDC, 0), Amount(ETHER, WAD)), (replace(morpho.HELD, shares_raw=0),))
    done = run(tape, asked(opening, is_judged=True))
    found, event = account(done), the_one(done)
    assert found.total_raw(USDC, "repaid") == event.repaid.raw and event.seized.asset == WETH
    assert told(found, "seized", "penalty") == []


def test_the_file_shows_what_was_repaid_seized_and_lost(tmp_path: Path) -> None:
    found = account(owing_run(FALL, WETH))
    rows = list(csv.DictReader(write_accounts(found, tmp_path / "a.csv").read_text().splitlines()))
    (repaid,) = [row for row in rows if row["kind"] == "repaid"]
    assert (repaid["account"], repaid["quantity"], repaid["lot"]) == ("market:pool:USDC", "10006", "")
    assert {row["account"] for row in rows if row["kind"] in {"seized", "penalty"}} == {"market:pool:WETH"}

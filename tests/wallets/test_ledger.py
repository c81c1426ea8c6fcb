"""The books: every entry balances, every receipt is booked, and what is booked is what is held."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Action, Amount, Asset, Plan, Portfolio, Position, Supply, Transfer, Withdraw
from strategies.errors import IncompleteRead, LedgerMismatch, UnbalancedEntry
from strategies.units import GWEI, WAD
from tests import worlds
from tests.wallets import cases
from tests.wallets.cases import AAVE_USDC, LENDING, STRANGER, TREASURY, policy, usdc
from tests.worlds import ACCOUNT, ETHER, ONE, USDC
from wallets.ledger import (
    FEES,
    OUTSIDE,
    WALLET,
    Entry,
    Ledger,
    Leg,
    accruals,
    balances,
    entries_of,
    market_account,
    opening,
    reconcile,
)
from wallets.paper import ModelWorld, PaperWallet
from wallets.wallet import Approved, Receipt, TokenTransfer, Transaction

MOVES = st.lists(
    st.tuples(st.sampled_from(["wallet", "fees", "market:one"]), st.sampled_from([USDC, ETHER]), st.integers(-(10**30), 10**30)),
    max_size=6,
)


@given(MOVES)
def test_an_entry_balances_or_is_refused(moves: list[tuple[str, Asset, int]]) -> None:
    legs = tuple(Leg(account, Amount(asset, raw)) for account, asset, raw in moves)
    sums = {asset: sum(leg.amount.raw for leg in legs if leg.amount.asset == asset) for asset in (USDC, ETHER)}
    if any(sums.values()):
        with pytest.raises(UnbalancedEntry):
            Entry(0, "x", legs)
        return
    entry = Entry(0, "x", legs)
    assert sum(balances([entry]).values()) == 0


def receipt(*transfers: TokenTransfer, fee_wei: int = 0) -> Receipt:
    return Receipt("plan-1", (Transaction("0x1", 1, 1, 21_000, fee_wei, True),), transfers, True)


def accounts(*transfers: TokenTransfer) -> list[str]:
    booked = entries_of(receipt(*transfers), LENDING, ACCOUNT, 1, TREASURY)
    return [leg.account for entry in booked for leg in entry.legs]


def test_a_transfer_is_booked_to_its_counterparty() -> None:
    token = AAVE_USDC.contract("receipt")
    assert accounts(TokenTransfer(USDC, ACCOUNT, token, 5)) == [market_account(AAVE_USDC), WALLET]
    assert accounts(TokenTransfer(USDC, token, ACCOUNT, 5)) == [WALLET, market_account(AAVE_USDC)]
    assert accounts(TokenTransfer(cases.WETH, token, ACCOUNT, 5)) == [WALLET, OUTSIDE]
    assert accounts(TokenTransfer(USDC, ACCOUNT, TREASURY, 5)) == ["treasury", WALLET]
    assert accounts(TokenTransfer(USDC, STRANGER, ACCOUNT, 5)) == [WALLET, OUTSIDE]


def test_gas_is_a_cost_even_of_what_reverted() -> None:
    reverted = Receipt("p", (Transaction("0x1", 1, 1, 21_000, 7, succeeded=False),), (), False)
    (entry,) = entries_of(reverted, LENDING, ACCOUNT, 1)
    assert entry.legs == (Leg(FEES, Amount(ETHER, 7)), Leg(WALLET, Amount(ETHER, -7)))


def test_the_running_balance_is_the_fold() -> None:
    ledger = Ledger()
    ledger.post(entries_of(receipt(TokenTransfer(USDC, STRANGER, ACCOUNT, 5), fee_wei=3), LENDING, ACCOUNT, 1))
    ledger.post(entries_of(receipt(TokenTransfer(USDC, ACCOUNT, STRANGER, 2)), LENDING, ACCOUNT, 2))
    folded = balances(ledger.entries)
    assert folded == {(account, asset): ledger.balance_raw(account, asset) for account, asset in folded}
    assert ledger.balance_raw(WALLET, USDC) == 3
    assert ledger.balance_raw(WALLET, ETHER) == -3


def test_three_moves_and_three_months_reconcile_to_the_unit() -> None:
    world = ModelWorld(cases.lending_reading(), LENDING)
    start = Portfolio((usdc(30_000), Amount(ETHER, WAD)))
    wallet = PaperWallet(policy=policy(), deployment=LENDING, portfolio=start, world=world)
    ledger = Ledger(opening(start, world.reading().timestamp))
    plans: tuple[tuple[Action, ...], ...] = (
        (Supply(AAVE_USDC, usdc(20_000)),),
        (Withdraw(AAVE_USDC, ALL), Supply(ONE, usdc(15_000))),
        (Withdraw(ONE, usdc(1_000)), Transfer(usdc(2_000), TREASURY)),
    )
    for month, plan in enumerate(plans):
        now = world.reading()
        verdict = wallet.judge(Plan(plan, now.block, "test"), f"move-{month}")
        assert isinstance(verdict, Approved), verdict
        ledger.post(entries_of(wallet.execute(verdict, ()), LENDING, ACCOUNT, now.timestamp, TREASURY))
        world.advance(now.timestamp + 30 * 86_400)
        reconcile(ledger, wallet.portfolio, world.reading(), LENDING)
    assert ledger.balance_raw(f"income:{AAVE_USDC.id}", USDC) < 0
    assert ledger.balance_raw(FEES, ETHER) == WAD - wallet.portfolio.idle_raw(ETHER) > 0
    assert sum(balances(ledger.entries).values()) == 0


def test_one_unit_missing_is_found() -> None:
    seen = cases.lending_reading()
    start = Portfolio((usdc(10), Amount(ETHER, GWEI)))
    ledger = Ledger(opening(start, 0))
    reconcile(ledger, start, seen, LENDING)
    with pytest.raises(LedgerMismatch, match="9999999 of USDC"):
        reconcile(ledger, Portfolio((Amount(USDC, 10 * cases.USD - 1), Amount(ETHER, GWEI))), seen, LENDING)


def test_a_fee_without_a_coin_and_a_claim_without_a_market_are_mismatches() -> None:
    coinless = replace(LENDING, assets=(USDC, cases.WETH))
    with pytest.raises(LedgerMismatch, match="fees"):
        entries_of(receipt(fee_wei=1), coinless, ACCOUNT, 1)
    with pytest.raises(LedgerMismatch, match="market:two:USDC"):
        reconcile(Ledger(), Portfolio((), (Position(worlds.TWO, 5),)), cases.lending_reading(), LENDING)


def test_refuses_to_book_a_claim_that_could_not_be_read() -> None:
    seen = worlds.reading(0, (None, worlds.Said(0.05)))
    with pytest.raises(IncompleteRead):
        accruals(Ledger(), Portfolio((), (Position(ONE, 5),)), seen, worlds.DEPLOYMENT)
    assert accruals(Ledger(), Portfolio(()), seen, worlds.DEPLOYMENT) == ()


def test_a_claim_that_was_not_read_is_not_booked_as_a_loss() -> None:
    seen, unread = worlds.reading(0, (worlds.Said(0.03), worlds.Said(0.05))), worlds.reading(1, (None, worlds.Said(0.05)))
    ledger, held = Ledger(), Portfolio((), (Position(ONE, 5),))
    ledger.post(accruals(ledger, held, seen, worlds.DEPLOYMENT))
    assert ledger.balance_raw(market_account(ONE), USDC) == 5
    assert accruals(ledger, Portfolio(()), unread, worlds.DEPLOYMENT) == ()
    assert [entry.memo for entry in accruals(ledger, Portfolio(()), seen, worlds.DEPLOYMENT)] == ["interest"]


def test_a_reading_of_other_markets_than_the_deployments_books_nothing() -> None:
    seen = worlds.reading(0, (worlds.Said(0.03), worlds.Said(0.05)))
    for states in ((), seen.states[:1], (*seen.states, None)):
        with pytest.raises(IncompleteRead, match="the deployment has 2"):
            accruals(Ledger(), Portfolio(()), replace(seen, states=states), worlds.DEPLOYMENT)

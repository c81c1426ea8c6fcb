"""Through the keeper, with a person's yes, on bytecode: into each protocol that lends, a week of interest, and all out again,
rewards last."""

from pathlib import Path

import pytest

from agent.devnet import scenes
from agent.graph import Waiting
from strategies.domain import Amount, ClaimRewards, Market, MarketAction, Plan, Supply, Withdraw
from strategies.protocols.registry import adapter_of
from strategies.tape import Reading
from strategies.units import SECONDS_PER_DAY
from tests.supervised import Play, play
from wallets import reading as blocks
from wallets.ledger import Ledger, accruals, entries_of, opening, reconcile
from wallets.wallet import Approved, Receipt

SUPPLIED_RAW = 5_000 * 10**6


def carried_out(on: Play, seen: Reading, action: MarketAction) -> Receipt:
    """One plan of one action: judged, signed for, done."""
    intent = f"{type(action).__name__}-{seen.block}"
    verdict = on.keeper.judge(Plan((action,), seen.block, "a test"), intent)
    assert isinstance(verdict, Approved), verdict
    receipt = on.keeper.execute(verdict, (on.yes(Waiting(intent, verdict)),))
    assert receipt.complete, receipt.note
    return receipt


def lenders(on: Play) -> tuple[Market, ...]:
    listed = on.session.settings.policy.markets
    return tuple(market for market in on.session.deployment.markets if market.id in listed)


@pytest.mark.chain
def test_every_protocol_that_lends_is_entered_and_left_by_the_guarded_wallet(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        account, deployment = on.session.settings.policy.account, on.session.deployment
        seen, portfolio = blocks.read(on.session.endpoint, deployment, account)
        ledger = Ledger(opening(portfolio, seen.timestamp))
        assert {market.protocol for market in lenders(on)} == {*("aave_v3", "stata", "compound_v3", "morpho_blue", "metamorpho")}

        for market in lenders(on):
            receipt = carried_out(on, seen, Supply(market, Amount(market.asset, SUPPLIED_RAW)))
            ledger.post(entries_of(receipt, deployment, account, seen.timestamp))
            seen, portfolio = blocks.read(on.session.endpoint, deployment, account)
            reconcile(ledger, portfolio, seen, deployment)
            assert not portfolio.position(market).is_empty

        scenes.pass_time(on.devnet, 7 * SECONDS_PER_DAY)
        seen, portfolio = blocks.read(on.session.endpoint, deployment, account)
        ledger.post(accruals(ledger, portfolio, seen, deployment))

        for market in lenders(on):
            held = portfolio.position(market)
            receipt = carried_out(on, seen, Withdraw(market, adapter_of(market).everything(held)))
            ledger.post(entries_of(receipt, deployment, account, seen.timestamp))
            seen, portfolio = blocks.read(on.session.endpoint, deployment, account)
            reconcile(ledger, portfolio, seen, deployment)
            assert portfolio.position(market).shares_raw == 0
            assert receipt.transfers[-1].raw > SUPPLIED_RAW

        due = [held for held in portfolio.positions if held.rewards]
        assert due, "a week of rewards is due"
        for held in due:
            receipt = carried_out(on, seen, ClaimRewards(held.market))
            ledger.post(entries_of(receipt, deployment, account, seen.timestamp))
            seen, portfolio = blocks.read(on.session.endpoint, deployment, account)
            reconcile(ledger, portfolio, seen, deployment)
            assert [transfer.raw for transfer in receipt.transfers] == [reward.accrued_raw for reward in held.rewards]
        assert portfolio.positions == ()

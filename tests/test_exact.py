"""What is predicted before is what is received after, to the last base unit, on the protocol's own bytecode."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.devnet import scenes
from strategies.assess import held_raw
from strategies.decide import decide
from strategies.domain import Amount, Borrow, Choice, Portfolio, Repay
from strategies.tape import Observation, Reading, tape_of
from strategies.units import SECONDS_PER_DAY
from tests.supervised import Play, play
from wallets import reading as blocks
from wallets.ledger import Ledger, accruals, entries_of, opening, reconcile
from wallets.paper import ModelWorld, PaperWallet
from wallets.wallet import Approved

MONTH_SECONDS = 30 * SECONDS_PER_DAY
SHOCK_RAW = 1_900_000 * 10**6


@dataclass(frozen=True, slots=True)
class Act:
    """Time that passes, then what the borrower does, then one cycle of the agent."""

    wait_seconds: int
    market_id: str
    borrows_raw: int  # negative: repays


SCRIPT = (Act(0, "", 0), Act(MONTH_SECONDS, "aave-core:USDC", SHOCK_RAW), Act(MONTH_SECONDS, "aave-core:USDC", -SHOCK_RAW))


@dataclass(frozen=True, slots=True)
class Foretold:
    """What the models say of a script: every token movement of every move, and the value at its end."""

    moves: tuple[tuple[str, ...], ...]
    final_raw: int


def foretell(on: Play, first: Reading, held: Portfolio) -> Foretold:
    """The same planner and the same guard on a paper wallet, from the opening state and the script alone."""
    session = on.session
    deployment, policy, asset = session.deployment, session.settings.policy, session.decide.asset
    borrower = blocks.read(session.endpoint, deployment, on.devnet.actor("borrower"))[1]
    claims = {claim.market.id: claim for claim in borrower.positions}
    world = ModelWorld(first, deployment)
    wallet = PaperWallet(policy=policy, deployment=deployment, portfolio=held, world=world, seconds_per_call=1)
    moves, moved_at = list[tuple[str, ...]](), None
    for at, act in enumerate(SCRIPT):
        if act.wait_seconds:
            world.advance(world.reading().timestamp + act.wait_seconds)
        if act.market_id:
            world.advance(world.reading().timestamp + 1)
            market = claims[act.market_id].market
            much = Amount(asset, abs(act.borrows_raw))
            action = Borrow(market, much) if act.borrows_raw > 0 else Repay(market, much)
            claims[act.market_id] = world.others(action, claims[act.market_id])
        now = world.reading()
        seen = Observation(tape_of(deployment, [now]), 0, policy.account, wallet.portfolio, moved_at)
        decision = decide(seen, Choice("lending_rotation", "balanced", "foretold"), session.decide)
        assert decision.plan is not None, decision.reason
        verdict = wallet.judge(decision.plan, f"foretold-{at}")
        assert isinstance(verdict, Approved), verdict
        moves.append(_moves(wallet.execute(verdict, ()).transfers))
        moved_at = now.timestamp
    world.advance(world.reading().timestamp + MONTH_SECONDS)
    final = Observation(tape_of(deployment, [world.reading()]), 0, policy.account, wallet.portfolio, moved_at)
    return Foretold(tuple(moves), held_raw(final, asset))


def _moves(transfers: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(str, transfers))


def act_out(on: Play, act: Act) -> None:
    """The script's part of one act, on the chain."""
    if act.wait_seconds:
        scenes.pass_time(on.devnet, act.wait_seconds)
    if act.borrows_raw > 0:
        scenes.borrower_draws(on.devnet, act.market_id, act.borrows_raw)
    elif act.borrows_raw < 0:
        scenes.borrower_repays(on.devnet, act.market_id, -act.borrows_raw)


@pytest.mark.chain
def test_ninety_days_with_three_moves_earn_what_was_predicted_to_the_last_unit(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        session = on.session
        first, held = blocks.read(session.endpoint, session.deployment, session.settings.policy.account)
        foretold = foretell(on, first, held)
        session.journal.append(
            "prediction", first.timestamp, {"moves": foretold.moves, "final_raw": str(foretold.final_raw), "block": first.block}
        )
        receipts = []
        for act in SCRIPT:
            act_out(on, act)
            receipt = on.cycle()
            assert receipt is not None and receipt.complete, "each act of the script makes the agent move"
            receipts.append(receipt)
        scenes.pass_time(on.devnet, MONTH_SECONDS)
        last, portfolio = blocks.read(session.endpoint, session.deployment, session.settings.policy.account)
        seen = Observation(tape_of(session.deployment, [last]), 0, session.settings.policy.account, portfolio)

        assert [_moves(receipt.transfers) for receipt in receipts] == list(foretold.moves)
        assert held_raw(seen, session.decide.asset) == foretold.final_raw
        assert foretold.final_raw > 50_000 * 10**6

        kinds = [json.loads(line)["kind"] for line in session.journal.lines]
        assert kinds[0] == "prediction", "written before any of the blocks it speaks of"
        assert first.block < receipts[0].transactions[0].block

        ledger = Ledger(opening(held, first.timestamp))
        for receipt in receipts:
            ledger.post(entries_of(receipt, session.deployment, session.settings.policy.account, first.timestamp))
        ledger.post(accruals(ledger, portfolio, last, session.deployment))
        reconcile(ledger, portfolio, last, session.deployment)


@pytest.mark.chain
def test_a_ledger_that_misses_one_unit_does_not_reconcile(tmp_path: Path) -> None:
    from strategies.errors import LedgerMismatch
    from wallets.ledger import moved

    with play(tmp_path) as on:
        session = on.session
        last, portfolio = blocks.read(session.endpoint, session.deployment, session.settings.policy.account)
        ledger = Ledger(opening(portfolio, last.timestamp))
        reconcile(ledger, portfolio, last, session.deployment)
        ledger.post((moved(last.timestamp, "one unit", Amount(session.decide.asset, 1), giver="wallet", taker="outside"),))
        with pytest.raises(LedgerMismatch):
            reconcile(ledger, portfolio, last, session.deployment)

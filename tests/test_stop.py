"""Halted in the middle of a plan, allowances revoked, everything taken out: from the command line, on bytecode."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli import stop
from agent.cli.stage import OPERATOR
from agent.devnet import scenes
from agent.graph import Waiting
from strategies.domain import Address, Amount, Asset, Market, Plan, Supply
from strategies.protocols import erc20
from strategies.units import SECONDS_PER_DAY
from tests.supervised import Play, play
from wallets import pause
from wallets import reading as blocks
from wallets.ledger import Ledger, entries_of, opening, reconcile
from wallets.wallet import Approved, Receipt, Refused

USD = 10**6
STRANGER = "0x" + "de" * 20

pytestmark = pytest.mark.chain


def usufruct(on: Play, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command of a person who signs, as typed."""
    signs = ("--operator", OPERATOR, "--operator-key", str(on.stage.operator_key), "--password-file", str(on.stage.password_file))
    said = (*words, "--config", str(on.stage.config), *(() if words[0] == "pause" else signs))
    return subprocess.run((sys.executable, "-m", "agent", *said), capture_output=True, text=True, timeout=120, check=False)


def market(on: Play, market_id: str) -> Market:
    return next(one for one in on.session.deployment.markets if one.id == market_id)


def judged(on: Play, intent: str, market_id: str, raw: int) -> Approved | Refused:
    into = market(on, market_id)
    plan = Plan((Supply(into, Amount(into.asset, raw)),), stop.look(on.session).block, "a test")
    return on.keeper.judge(plan, intent)


def lent(on: Play, intent: str, market_id: str, raw: int) -> Receipt:
    verdict = judged(on, intent, market_id, raw)
    assert isinstance(verdict, Approved), verdict
    return on.keeper.execute(verdict, (on.yes(Waiting(intent, verdict)),))


def allowed_by_somebody_else(on: Play, asset: Asset, spender: Address) -> None:
    """An allowance that another client with the same key has left."""
    node, account = on.devnet.node, on.stage.account
    data = erc20.approve_exactly(Amount(asset, 5 * USD), spender).data
    node.rpc("anvil_impersonateAccount", account)
    node.rpc("eth_sendTransactionSync", {"from": account, "to": asset.address, "data": "0x" + data.hex()})
    node.rpc("anvil_stopImpersonatingAccount", account)


def soon(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def halted_midway(on: Play, intent: str) -> Receipt:
    """A supply whose keeper is sent the signal while the approval waits to be mined."""
    node, account, receipts = on.devnet.node, on.stage.account, list[Receipt]()
    before, verdict = on.session.endpoint.nonce(account, "latest"), judged(on, intent, "aave-prime:USDC", 7_000 * USD)
    assert isinstance(verdict, Approved), verdict
    yes = on.yes(Waiting(intent, verdict))
    node.rpc("evm_setAutomine", False)
    lending = threading.Thread(target=lambda: receipts.append(on.keeper.execute(verdict, (yes,))))
    lending.start()
    soon(lambda: on.session.endpoint.nonce(account, "pending") > before)
    process = on.keeper.process_id()
    assert process is not None
    os.kill(process, signal.SIGUSR1)
    soon(lambda: pause.read_pause(on.session.settings.wallet.folder) is not None)
    node.mine()
    node.rpc("evm_setAutomine", True)
    node.mine()
    lending.join()
    return receipts[0]


def test_a_halt_by_signal_midway_then_revoke_then_unwind_leaves_all_idle_and_no_allowance(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        account, deployment, folder = on.stage.account, on.session.deployment, on.session.settings.wallet.folder
        usdc = on.session.decide.asset
        oracle = market(on, "aave-core:USDC").contract("oracle")
        allowed_by_somebody_else(on, usdc, STRANGER)
        allowed_by_somebody_else(on, usdc, oracle)
        seen, portfolio = blocks.read(on.session.endpoint, deployment, account)
        ledger, began_raw = Ledger(opening(portfolio, seen.timestamp)), portfolio.idle_raw(usdc)

        receipts = [lent(on, "first", "aave-core:USDC", 5_000 * USD), lent(on, "second", "comet:USDC", 6_000 * USD)]
        receipts.append(lent(on, "third", "metamorpho:USDC", 4_000 * USD))
        assert all(receipt.complete for receipt in receipts)
        scenes.pass_time(on.devnet, SECONDS_PER_DAY)

        receipts.append(halted_midway(on, "fourth"))
        assert not receipts[-1].complete
        assert "SIGUSR1" in receipts[-1].note
        assert len(receipts[-1].transactions) == 2  # the approval, and its revocation
        assert {one.spender for one in stop.standing(on.session, ())} == {oracle}
        assert {one.spender for one in stop.standing(on.session, (STRANGER,))} == {oracle, STRANGER}

        wrong = usufruct(on, "revoke", "--spender", "0x12")
        assert (wrong.returncode, "is no address" in wrong.stderr) == (2, True)
        revoked = usufruct(on, "revoke", "--spender", STRANGER, "--yes")
        assert revoked.returncode == 0, revoked.stdout + revoked.stderr
        assert stop.standing(on.session, (STRANGER,)) == ()
        assert "nobody may take anything" in usufruct(on, "revoke", "--yes").stdout

        shut = usufruct(on, "unwind", "--yes")
        assert (shut.returncode, "end the halt" in shut.stderr) == (1, True)
        assert usufruct(on, "resume").returncode == 0
        assert on.keeper.status().pause_reason == "reduce-only: unwinding"
        assert pause.read_held(folder).halted == ""
        refused = judged(on, "fifth", "aave-core:USDC", USD)
        assert isinstance(refused, Refused)
        assert [reason.rule for reason in refused.reasons] == ["paused", "paused"]

        out = usufruct(on, "unwind", "--yes")
        assert out.returncode == 0, out.stdout + out.stderr
        assert out.stdout.count("plan ") == 1  # three withdrawals in one
        seen, portfolio = blocks.read(on.session.endpoint, deployment, account)
        assert portfolio.positions == ()
        assert portfolio.idle_raw(usdc) > began_raw
        assert stop.standing(on.session, (STRANGER,)) == ()
        for receipt in (*receipts, *on.receipts()):
            ledger.post(entries_of(receipt, deployment, account, seen.timestamp))
        reconcile(ledger, portfolio, seen, deployment)
        assert "everything is idle" in usufruct(on, "unwind", "--yes").stdout

        assert usufruct(on, "resume").returncode == 0
        assert lent(on, "sixth", "aave-core:USDC", 5_000 * USD).complete


def test_a_market_that_cannot_pay_keeps_no_other_and_is_named(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        assert lent(on, "first", "aave-core:USDC", 5_000 * USD).complete
        assert lent(on, "second", "comet:USDC", 6_000 * USD).complete
        scenes.drain(on.devnet, "aave-core:USDC")
        assert usufruct(on, "pause", "--reduce-only", "--reason", "a test").returncode == 0
        out = usufruct(on, "unwind", "--yes")
        assert out.returncode == 1, out.stdout + out.stderr
        assert "aave-core:USDC can pay" in out.stdout
        _, portfolio = blocks.read(on.session.endpoint, on.session.deployment, on.stage.account)
        assert [held.market.id for held in portfolio.positions] == ["aave-core:USDC"]
        assert on.keeper.status().pause_reason == "reduce-only: a test"

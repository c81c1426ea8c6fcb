"""The keeper's own rules in the test's process: what it answers, what it refuses to start on, and that it ends when told."""

import json
import os
import queue
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from strategies.errors import IncompleteRead, SettingsError, StoreUnwritable, WrongChain
from tests import worlds
from tests.wallets.chain import Chain, policy_for
from tests.wallets.keeper_process import ROOT, acknowledge
from tests.wallets.live_parts import ACCOUNT, ADA, OPERATOR, Bench, bench, supply_plan, yes
from wallets import keeper, keystore, pinned
from wallets.changes import Terms
from wallets.client import AskStatus, Execute, Failure, Judge, Status
from wallets.door import Job
from wallets.keeper import Keeper, KeeperSettings
from wallets.live import LiveWallet
from wallets.pause import PAUSE_FILE, PAUSE_FLAG, Brake, put_pause, read_pause
from wallets.sealing import HEAD_FILE, SealedBook
from wallets.store import Intent, Store
from wallets.terms import Source
from wallets.wallet import Receipt

STRANGER = "0x" + "de" * 20


def keeper_of(at: Bench, folder: Path, source: Source | None = None) -> Keeper:
    store, journal = at.parts.store, at.parts.journal
    written = source or Source((), lambda: Terms(at.parts.policy, at.parts.deployment))
    charter = keeper.charter_of(folder, store=store, journal=journal, source=written, endpoint=at.parts.endpoint)
    brake = Brake(folder, store=store, journal=journal, policy=lambda: charter.terms.policy)
    return Keeper(at.wallet, at.parts, brake, seal=SealedBook(store, ADA, folder / HEAD_FILE).seal, charter=charter)


@pytest.mark.chain
def test_answers_each_word_with_its_own_record(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path) as at:
        found = keeper_of(at, tmp_path)
        approved = at.approved(supply_plan(chain))
        assert found.answer(Judge("one", approved.calls, approved.block, "")) == approved
        assert isinstance(found.answer(Execute("one", approved.digest, ())), Failure)
        assert isinstance(found.answer(Execute("one", approved.digest, yes(approved))), Receipt)
        pause = put_pause(tmp_path, "why not")
        status = found.answer(AskStatus())
    assert isinstance(status, Status)
    assert (status.pause_id, status.pause_reason, status.unfinished) == (pause.id, "why not", ())


@pytest.mark.chain
def test_works_until_it_is_told_to_end(chain: Chain, tmp_path: Path) -> None:
    jobs, ending, job = queue.SimpleQueue[Job](), threading.Event(), Job(AskStatus())
    jobs.put(job)
    with bench(chain, tmp_path) as at:
        threading.Timer(0.5, ending.set).start()
        keeper_of(at, tmp_path).work(jobs, ending)
    assert isinstance(job.answered.get(), Status)


@pytest.mark.chain
def test_an_endpoint_that_is_away_does_not_end_an_idle_keeper(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(wallet: LiveWallet, intent: str) -> None:
        raise IncompleteRead("nobody there")

    left = Intent("one", "", "", "", "signed", None, 0, 0)
    monkeypatch.setattr(LiveWallet, "unfinished", lambda wallet: (left,))
    monkeypatch.setattr(LiveWallet, "look_after", away)
    monkeypatch.setattr(keeper, "UNFINISHED_SECONDS", 0.0)
    with bench(chain, tmp_path) as at:
        found = keeper_of(at, tmp_path)
        for _ in range(3):
            found._tidy()
        assert [line for line in at.parts.store.lines() if "nobody there" in line] == list(at.parts.store.lines())[-1:]
        assert found._wallet.unfinished() == (left,)


@pytest.mark.chain
def test_plans_left_half_done_are_looked_at_one_after_another_and_no_flood_of_requests_prevents_it(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    jobs, ending = queue.SimpleQueue[Job](), threading.Event()

    def look(wallet: LiveWallet, intent: str) -> None:
        looked.append(intent)
        if len(looked) == 2:
            ending.set()

    left = tuple(Intent(name, "", "", "", "signed", None, 0, 0) for name in ("one", "two"))
    monkeypatch.setattr(LiveWallet, "unfinished", lambda wallet: left)
    monkeypatch.setattr(LiveWallet, "look_after", look)
    for _ in range(1_000):
        jobs.put(Job(AskStatus()))
    with bench(chain, tmp_path) as at:
        keeper_of(at, tmp_path).work(jobs, ending)
    assert looked == ["one", "two"]
    assert jobs.qsize() == 998


@pytest.mark.chain
def test_a_pause_file_is_remembered_in_a_turn_whoever_deletes_it_then(chain: Chain, tmp_path: Path) -> None:
    ending = threading.Event()
    with bench(chain, tmp_path) as at:
        put_pause(tmp_path, "why not")
        threading.Timer(0.1, ending.set).start()
        keeper_of(at, tmp_path).work(queue.SimpleQueue[Job](), ending)
        (tmp_path / PAUSE_FILE).unlink()
        assert "why not" in (at.parts.store.flag(PAUSE_FLAG) or "")


def test_a_stop_is_in_the_store_at_once_and_a_file_where_the_store_cannot_be_written(tmp_path: Path) -> None:
    policy = policy_for(ACCOUNT, worlds.DEPLOYMENT, OPERATOR)
    with Store(tmp_path / keeper.STORE) as store:
        book = SealedBook(store, ADA, tmp_path / HEAD_FILE)
        stopped = keeper.stop(tmp_path, lambda: policy, book, "smoke")
        assert stopped.pause_id in (store.flag(PAUSE_FLAG) or "")
        second = keeper.stop(tmp_path, lambda: policy, book, "fire")
        assert second.pause_id != stopped.pause_id
        assert second.pause_id in (store.flag(PAUSE_FLAG) or "")
    (tmp_path / keeper.STORE).chmod(0o644)  # refused by the store
    third = keeper.stop(tmp_path, lambda: policy, book, "flood")
    found = read_pause(tmp_path)
    assert found is not None
    assert found.id == third.pause_id


@pytest.mark.chain
def test_serves_in_this_process_and_ends_on_sigterm(
    chain: Chain, tmp_path: Path, quick_keystore: Path, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "harden", lambda: None)  # it would harden the test's own process
    account = keystore.read_address(quick_keystore)
    (tmp_path / "deployment.json").write_text(json.dumps(chain.file))
    settings = KeeperSettings.model_validate(
        {
            "folder": tmp_path / "k",
            "keystore": quick_keystore,
            "deployment": tmp_path / "deployment.json",
            "endpoint": chain.url,
            "read_timeout_seconds": 5,
            "receipt_timeout_seconds": 5,
            "policy": policy_for(account, chain.deployment, OPERATOR),
        }
    )
    before = signal.getsignal(signal.SIGTERM)
    source = Source((), lambda: Terms(settings.policy, chain.deployment))
    acknowledge(tmp_path / "k")
    keeper.serve(settings, password, lambda: os.kill(os.getpid(), signal.SIGTERM), source=source)
    assert signal.getsignal(signal.SIGTERM) == before
    assert not (tmp_path / "k" / "keeper.sock").exists()


@pytest.mark.chain
def test_refuses_another_chain(chain: Chain) -> None:
    policy, deployment, endpoint = policy_for(ACCOUNT, chain.deployment), chain.deployment, chain.endpoint()
    keeper.refuse_other_chain(endpoint, policy, deployment)
    for other in (policy.model_copy(update={"chain_id": 1}), policy):
        changed = deployment if other is not policy else replace(deployment, chain_id=1)
        with pytest.raises(WrongChain):
            keeper.refuse_other_chain(endpoint, other, changed)


@pytest.mark.chain
@pytest.mark.parametrize("what", ["multicall", "USDC", "pool", "receipt", "debt", "stable_debt", "strategy", "oracle"])
def test_every_address_that_is_called_or_asked_is_pinned(chain: Chain, what: str) -> None:
    deployment, market = chain.deployment, chain.market("aave-core:USDC")
    named = {"multicall": deployment.multicall, "USDC": chain.devnet.token("USDC"), "pool": market.address}
    address = {**named, **dict(market.contracts)}[what]
    assert pinned.otherwise(chain.endpoint(), deployment) == ""
    other = replace(deployment, code={**deployment.code, address: "0x" + "00" * 32})
    assert f"{address} carries other code than the deployment pins" in pinned.otherwise(chain.endpoint(), other)
    absent = replace(deployment, code={known: code for known, code in deployment.code.items() if known != address})
    assert f"pins no code for {address}" in pinned.otherwise(chain.endpoint(), absent)


def test_a_folder_is_made_private_and_an_open_one_refused(tmp_path: Path) -> None:
    made = keeper.private_folder(tmp_path / "new")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    made.chmod(0o750)
    with pytest.raises(SettingsError, match="chmod 700"):
        keeper.private_folder(made)
    (tmp_path / "link").symlink_to(tmp_path / "new")
    with pytest.raises(SettingsError):
        keeper.private_folder(tmp_path / "link")


def test_one_lock_a_folder(tmp_path: Path) -> None:
    with keeper.locked(tmp_path), pytest.raises(StoreUnwritable, match="another keeper"), keeper.locked(tmp_path):
        pass
    with keeper.locked(tmp_path):
        pass


@pytest.mark.parametrize("content", [None, "", "[]", '{"chain_id": 1}'])
def test_refuses_a_deployment_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "deployment.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match="deployment"):
        keeper.read_deployment(path)


def test_settings_never_show_the_endpoint_and_refuse_unknown_keys(tmp_path: Path) -> None:
    policy = {
        "chain_id": 31337,
        "account": STRANGER,
        "treasury": None,
        "markets": ["a"],
        "borrow_markets": [],
        **dict.fromkeys(
            [
                *("max_transaction_usd", "max_day_usd", "max_market_usd", "max_calls", "max_fee_gwei"),
                *("max_priority_fee_gwei", "max_gas_per_transaction", "max_day_gas_usd", "min_native_reserve_wei"),
                *("max_reading_age_seconds", "max_price_age_seconds", "max_plan_age_blocks", "approval_expiry_seconds"),
            ],
            1,
        ),
        "min_health_factor_bps": 10_000,
        **dict.fromkeys(["max_protocol_usd", "max_issuer_usd", "max_transaction_gas_usd"], 1),
        **worlds.tables({}),
        "price_sources": ["oracle"],
        "operators": [],
    }
    content = {
        "folder": "f",
        "keystore": "k",
        "deployment": "d",
        "endpoint": "http://host/s3cr3t",
        "read_timeout_seconds": 1,
        "receipt_timeout_seconds": 1,
        "policy": policy,
    }
    assert "s3cr3t" not in repr(keeper.KeeperSettings.model_validate(content))
    with pytest.raises(ValueError, match="extra"):
        keeper.KeeperSettings.model_validate({**content, "private_key": "0x"})


def test_core_dumps_are_off_and_nobody_may_attach() -> None:
    code = (
        "import ctypes, resource; from wallets import keeper; keeper.harden();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "0 (0, 0)"

"""The keeper as a process: four words on a private socket; what kills it or lies to it never moves value twice."""

import json
import os
import signal
import socket
import sqlite3
import stat
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies.domain import Address, Plan, Transfer
from strategies.errors import KeeperUnreachable, NotApproved
from strategies.protocols import registry
from tests.wallets.chain import USDC
from tests.wallets.house import House
from tests.wallets.keeper_process import Running, launch, write_settings
from tests.wallets.live_parts import ADA, EVE, said_yes, supply_plan, yes
from tests.wallets.loopback import Loopback, Respond, forward, questions
from wallets import audit, keeper, operators, pause, sealing, wire
from wallets.client import Answer, Failure, Stop, Stopped, read_line
from wallets.keeper import socket_path
from wallets.wallet import Approved, Refused

STRANGER: Address = "0x" + "de" * 20


def say(folder: Path, line: bytes) -> Answer:
    """What the keeper answers to raw bytes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(os.fspath(socket_path(folder)))
        try:
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass  # it had heard enough
        answer: Answer = wire.from_text(Answer, read_line(connection, 2**20, 10).decode())
        return answer


def approved_by(found: Running, plan: Plan, intent: str = "one") -> Approved:
    verdict = found.client.judge(plan, intent)
    assert isinstance(verdict, Approved), verdict
    return verdict


@pytest.mark.chain
def test_judges_executes_and_is_private(house: House, running_keeper: Running) -> None:
    assert stat.S_IMODE(socket_path(house.folder).stat().st_mode) == 0o600
    assert stat.S_IMODE(house.folder.stat().st_mode) == 0o700
    status = running_keeper.client.status()
    assert (status.account, status.chain_id, status.pause_id, status.unfinished) == (house.account, 31337, "", ())
    approved = approved_by(running_keeper, supply_plan(house.chain))
    receipt = running_keeper.client.execute(approved, yes(approved))
    assert receipt.complete
    assert running_keeper.client.execute(approved, yes(approved)) == receipt
    assert house.chain.sent(house.account) == 2
    assert house.chain.balance_raw(house.account) == 99_000 * USDC
    assert_all_is_signed_for(house, running_keeper)


def assert_all_is_signed_for(house: House, running: Running) -> None:
    """While it runs, and after its end; and where lines are gone, the next keeper does not start."""
    running.client.status()  # heard in a later turn than the plan
    store, key = house.folder / keeper.STORE, audit.read_public_key(house.folder / sealing.PUBLIC_FILE)
    found = audit.examine(store, key)
    assert (found.why, found.unsigned) == ("", 0)
    assert found.signed >= 10
    running.client.stop("enough")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(10) == 0
    found = audit.examine(store, key, audit.read_heads(house.folder / sealing.HEAD_FILE, key))
    assert (found.why, found.unsigned) == ("", 0)
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("DELETE FROM journal WHERE seq > 5")
    assert audit.examine(store, key).line == 6
    again = launch(house.settings, house.password)
    assert "it is not the line that was signed" in again.communicate(timeout=30)[0]


@pytest.mark.chain
def test_a_client_that_forges_or_replays_gets_nothing(house: House, running_keeper: Running) -> None:
    client, chain = running_keeper.client, house.chain
    one = approved_by(running_keeper, supply_plan(chain), "one")
    two = approved_by(running_keeper, supply_plan(chain, 2_000), "two")
    theft = registry.encode(Transfer(chain.usdc(10), STRANGER), house.account)
    forgeries: list[tuple[Approved, Any]] = [
        (one, ()),
        (one, (said_yes(EVE, "ada", one.digest),)),
        (one, (said_yes(EVE, "eve", one.digest),)),
        (one, yes(two)),
        (replace(one, digest=two.digest), yes(two)),
        (replace(one, intent="never judged"), yes(one)),
        (replace(one, calls=theft, digest="ab" * 32), yes(replace(one, digest="ab" * 32))),
    ]
    for approved, approvals in forgeries:
        with pytest.raises(NotApproved):
            client.execute(approved, approvals)
    assert chain.sent(house.account) == 0
    receipt = client.execute(one, yes(one))
    assert [client.execute(one, yes(one)) for _ in range(3)] == [receipt] * 3
    assert chain.sent(house.account) == 2
    assert chain.balance_raw(STRANGER) == 0


@pytest.mark.chain
def test_a_hostile_plan_is_refused_with_its_reason(house: House, running_keeper: Running) -> None:
    plan = Plan((Transfer(house.chain.usdc(10), STRANGER),), house.chain.devnet.node.latest()[0], "trust me")
    verdict = running_keeper.client.judge(plan, "theft")
    assert isinstance(verdict, Refused)
    assert "beneficiary" in {reason.rule for reason in verdict.reasons}


JUDGE = '{"block":1,"calls":[],"intent":"x","is":"Judge","reason":""}'


@pytest.mark.chain
def test_every_other_word_is_answered_with_an_error(house: House, running_keeper: Running) -> None:
    strange = [
        b"\n",
        b"sign everything\n",
        b'{"is":"Sign","hash":"00"}\n',
        b'{"is":"AskStatus","more":1}\n',
        b'{"is":"AskStatus", "is":"AskStatus"}\n',
        JUDGE.replace('"x"', "7").encode() + b"\n",
        JUDGE.replace("[]", '[{"data":"zz","is":"Call","target":"0x","value_wei":0}]').encode() + b"\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'"' + b"a" * 2**20 + b'"\n',
        (JUDGE[:-1] + ',"n":' + "9" * 5_000 + "}").encode() + b"\n",
    ]
    for line in strange:
        try:
            assert isinstance(say(house.folder, line), Failure), line[:60]
        except OSError:
            assert len(line) > 2**20, line[:60]  # hung up on
    assert running_keeper.client.status().account == house.account
    assert house.chain.sent(house.account) == 0


@pytest.mark.chain
def test_no_line_ends_the_keeper(house: House, running_keeper: Running) -> None:
    texts = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["is", "intent", "calls", "block"]), inner),
        max_leaves=10,
    )
    words = st.fixed_dictionaries(
        {"is": st.sampled_from(["Judge", "Execute", "Stop", "AskStatus"]), "intent": texts, "digest": texts},
        optional={"calls": texts, "block": texts, "reason": texts, "approvals": texts},
    )
    judged = st.builds(
        lambda intent, target, data, value, block: json.dumps(
            {
                "block": block,
                "calls": [{"data": data.hex(), "is": "Call", "target": target, "value_wei": value}],
                "intent": intent,
                "is": "Judge",
                "reason": intent,
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode(),
        st.text(max_size=10),
        st.text(max_size=45) | st.just(house.chain.devnet.token("USDC")),
        st.binary(max_size=80),
        st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1),
        st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1),
    )
    lines = st.binary(max_size=200) | words.map(lambda content: json.dumps(content).encode()) | judged

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lines)
    def hear(line: bytes) -> None:
        assert not isinstance(say(house.folder, line.replace(b"\n", b"") + b"\n"), Approved)

    hear()
    assert running_keeper.client.status().account == house.account


@pytest.mark.chain
def test_a_stop_holds_over_restarts_and_deleted_files_until_an_operator_signs(house: House) -> None:
    with house.keeper() as first:
        approved = approved_by(first, supply_plan(house.chain))
        pause_id = first.client.stop("something smells")
        assert first.client.status().pause_id == pause_id
        with pytest.raises(NotApproved, match="something smells"):
            first.client.execute(approved, yes(approved))
        first.kill()
    (house.folder / pause.PAUSE_FILE).unlink()
    with house.keeper() as second:
        assert second.client.status().pause_reason == "something smells"
        pause.put_resume(house.folder, operators.sign_resume(EVE, "ada", pause_id))
        assert second.client.status().pause_id == pause_id
        pause.put_resume(house.folder, operators.sign_resume(ADA, "ada", "ab" * 16))
        assert second.client.status().pause_id == pause_id
        pause.put_resume(house.folder, operators.sign_resume(ADA, "ada", pause_id))
        assert second.client.status().pause_id == ""
        assert second.client.execute(approved, yes(approved)).complete


@pytest.mark.chain
def test_a_stop_is_obeyed_while_a_plan_is_carried_out(house: House) -> None:
    stopped = threading.Event()

    def slow(body: bytes) -> tuple[int, bytes]:
        if any(question["method"] == "eth_sendRawTransaction" for question in questions(body)):
            pause.put_pause(house.folder, "pulled midway") if stopped.is_set() else stopped.set()
            assert isinstance(say(house.folder, wire.to_text(Stop("pulled midway")).encode() + b"\n"), Stopped)
        return 200, forward(house.chain.url, body)

    with Loopback(slow) as proxy, house.over(proxy.url).keeper() as found:
        approved = approved_by(found, supply_plan(house.chain))
        receipt = found.client.execute(approved, yes(approved))
    assert not receipt.complete
    assert "pulled midway" in receipt.note
    assert house.chain.allowance_raw(house.account, house.chain.market("aave-core:USDC").address) == 0
    assert house.chain.balance_raw(house.account) == 100_000 * USDC


@pytest.mark.chain
@pytest.mark.parametrize("content", ['{"id": "zz", "reason": "by hand"}', "", "not json", None])
def test_a_pause_file_works_with_the_keeper_down_and_unreadable_means_paused(house: House, content: str | None) -> None:
    house.folder.mkdir(mode=0o700)
    if content is None:
        (house.folder / pause.PAUSE_FILE).mkdir()
    else:
        (house.folder / pause.PAUSE_FILE).write_text(content)
    with house.keeper() as found:
        pause_id = found.client.status().pause_id
        assert pause_id
        verdict = found.client.judge(supply_plan(house.chain), "one")
        assert isinstance(verdict, Refused)
        assert [reason.rule for reason in verdict.reasons] == ["paused"]
        assert found.client.status().pause_id == pause_id


@dataclass
class Holding:
    """A proxy that holds the first transaction, before or after the node has it."""

    url: str
    forwards: bool
    reached: threading.Event
    released: threading.Event
    raws: list[str]

    def respond(self) -> Respond:
        def answer(body: bytes) -> tuple[int, bytes]:
            sent = [question["params"][0] for question in questions(body) if question["method"] == "eth_sendRawTransaction"]
            self.raws.extend(sent)
            if sent and not self.released.is_set():
                if self.forwards:
                    forward(self.url, body)
                self.reached.set()
                self.released.wait(30)
                return 503, b""
            return 200, forward(self.url, body)

        return answer


def asked_in_vain(found: Running, approved: Approved) -> threading.Thread:
    """A client that waits for an execution whose keeper will die."""

    def ask() -> None:
        with pytest.raises(KeeperUnreachable):
            found.client.execute(approved, yes(approved))

    asking = threading.Thread(target=ask)
    asking.start()
    return asking


@pytest.mark.chain
@pytest.mark.parametrize("forwards", [False, True])
def test_kill_9_between_storing_and_hearing_mines_exactly_once(house: House, forwards: bool) -> None:
    holding = Holding(house.chain.url, forwards, threading.Event(), threading.Event(), [])
    with Loopback(holding.respond()) as proxy, house.over(proxy.url).keeper() as first:
        approved = approved_by(first, supply_plan(house.chain))
        asking = asked_in_vain(first, approved)
        assert holding.reached.wait(30)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        asking.join()
        holding.released.set()
        with house.over(proxy.url).keeper() as second:
            receipts = [second.client.execute(approved, yes(approved)) for _ in range(3)]
    assert receipts[0].complete
    assert receipts == [receipts[0]] * 3
    assert house.chain.sent(house.account) == 2
    assert len(set(holding.raws)) == 2
    assert house.chain.balance_raw(house.account) == 99_000 * USDC


@pytest.mark.chain
def test_a_keeper_that_finds_a_waiting_transaction_listens_at_once_and_settles_it_later(house: House) -> None:
    node = house.chain.devnet.node
    patient = replace(
        house, settings=write_settings(house.settings.with_name("p.json"), **house.content | {"receipt_timeout_seconds": 600})
    )
    with house.keeper() as first:
        approved = approved_by(first, supply_plan(house.chain))
        node.rpc("evm_setAutomine", False)
        asking = asked_in_vain(first, approved)
        while node.rpc("txpool_status")["pending"] == "0x0":
            time.sleep(0.02)
        first.kill()
        asking.join()
    with patient.keeper() as second:
        assert second.client.status().unfinished == ("one",)
        assert isinstance(second.client.judge(supply_plan(house.chain, 2_000), "two"), Approved)
        pause_id = second.client.stop("not now")
        assert second.client.status().pause_id == pause_id
        node.mine()
        node.rpc("evm_setAutomine", True)
        while second.client.status().unfinished:
            time.sleep(0.02)
        receipt = second.client.execute(approved, ())
    assert "not now" in receipt.note
    assert house.chain.allowance_raw(house.account, house.chain.market("aave-core:USDC").address) == 0


@pytest.mark.chain
def test_sigterm_ends_it_cleanly(house: House) -> None:
    with house.keeper() as found:
        approved_by(found, supply_plan(house.chain))
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(10) == 0
        assert not socket_path(house.folder).exists()
        with pytest.raises(KeeperUnreachable):
            found.client.status()


@pytest.mark.chain
def test_two_keepers_never_share_a_folder_and_a_dead_ones_lock_is_gone(house: House) -> None:
    with house.keeper() as first:
        second = launch(house.settings, house.password)
        said, _ = second.communicate(timeout=30)
        assert second.returncode != 0
        assert "another keeper runs" in said
        first.kill()
        with house.keeper() as third:
            assert third.client.status().account == house.account


@pytest.mark.chain
def test_the_key_and_the_password_are_in_no_file_and_no_message(house: House) -> None:
    with house.keeper() as found:
        approved = approved_by(found, supply_plan(house.chain))
        found.client.execute(approved, yes(approved))
        limits = Path(f"/proc/{found.process.pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6] == ["0", "0"]
        found.process.send_signal(signal.SIGTERM)
        assert found.process.stdout is not None
        told = found.process.stdout.read()
    key = bytes(Account.decrypt(json.loads(Path(house.content["keystore"]).read_text()), house.password))
    secrets = (key, key.hex().encode(), house.password.encode())
    files = [path for path in house.folder.rglob("*") if path.is_file()]
    assert any(path.name == keeper.STORE for path in files)
    for secret in secrets:
        assert not [path for path in files if secret in path.read_bytes()]
        assert secret not in told.encode()


@pytest.mark.chain
def test_refuses_to_start_on_another_chain_other_code_or_an_open_folder(house: House, password: str) -> None:
    def refusal(**changes: Any) -> str:
        process = launch(write_settings(house.settings.with_name("bad.json"), **{**house.content, **changes}), password)
        said, _ = process.communicate(timeout=30)
        assert process.returncode != 0
        return str(said)

    policy = {**house.content["policy"], "chain_id": 11155111}
    assert "WrongChain" in refusal(policy=policy)
    changed = house.settings.with_name("changed.json")
    deployment = json.loads(json.dumps(house.chain.file))
    token = house.chain.devnet.token("USDC")
    deployment["code"][token] = "0x" + "00" * 32
    changed.write_text(json.dumps(deployment))
    assert "carries other code than the deployment pins" in refusal(deployment=str(changed))
    del deployment["code"][token]
    changed.write_text(json.dumps(deployment))
    assert "pins no code" in refusal(deployment=str(changed))
    house.folder.chmod(0o755)
    assert "chmod 700" in refusal()

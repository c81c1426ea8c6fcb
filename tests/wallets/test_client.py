"""The wallet as the agent has it: words over a socket, no key, and no answer taken for another."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from strategies import errors
from strategies.domain import Amount, Plan, Transfer
from strategies.errors import KeeperUnreachable, NotApproved, ReceiptTimeout, SettingsError, SimulationReverted, UsufructError
from strategies.protocols.adapter import Call
from tests import worlds
from tests.wallets.keeper_process import ROOT
from wallets import client, wire
from wallets.client import Answer, Failure, Judge, KeeperClient, Sign, Status, Stopped, failure_of, raised, read_line
from wallets.wallet import Approved, Effects, Reason, Receipt, Refused

CALLS = (Call("0x" + "01" * 20, b"\x01"),)
APPROVED = Approved("one", CALLS, Effects((), (), (), 1, 2), "ab" * 32, 1, 99, 0)
RECEIPT = Receipt("one", (), (), True)
TRANSFER = Plan((Transfer(Amount(worlds.USDC, 5), "0x" + "de" * 20),), 1, "why")


@contextmanager
def keeper(folder: Path, answer: Answer | bytes) -> Iterator[tuple[KeeperClient, list[bytes]]]:
    """A keeper that answers one thing, and what it was told."""
    heard: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / "s"))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(read_line(connection, 2**21, 5))
            connection.sendall(answer if isinstance(answer, bytes) else wire.to_text(answer).encode() + b"\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield KeeperClient(folder / "s", account=worlds.ACCOUNT, timeout_seconds=5), heard
        thread.join(5)
    finally:
        listener.close()


def test_a_plan_crosses_as_its_own_bytes(tmp_path: Path) -> None:
    with keeper(tmp_path, Refused("one", ())) as (found, heard):
        assert found.judge(TRANSFER, "one") == Refused("one", ())
    asked = wire.from_text(Judge, heard[0].decode())
    assert asked.calls[0].target == worlds.USDC.address
    assert (asked.intent, asked.block, asked.reason) == ("one", 1, "why")


def test_refuses_an_approval_of_other_calls_than_it_sent(tmp_path: Path) -> None:
    with keeper(tmp_path, APPROVED) as (found, _), pytest.raises(NotApproved, match="other calls"):
        found.judge(TRANSFER, "one")


@pytest.mark.parametrize("answer", [RECEIPT, Stopped("x"), Refused("two", ()), replace(APPROVED, intent="two")])
def test_refuses_a_verdict_on_something_else(tmp_path: Path, answer: Answer) -> None:
    with keeper(tmp_path, answer) as (found, _), pytest.raises(KeeperUnreachable, match="something else"):
        found.judge(TRANSFER, "one")


def test_returns_the_receipt_of_its_intent_and_no_other(tmp_path: Path) -> None:
    with keeper(tmp_path, RECEIPT) as (found, _):
        assert found.execute(APPROVED, ()) == RECEIPT
    (tmp_path / "s").unlink()
    with keeper(tmp_path, replace(RECEIPT, intent="two")) as (found, _), pytest.raises(KeeperUnreachable, match="something else"):
        found.execute(APPROVED, ())


def test_status_and_stop_take_only_their_own_answers(tmp_path: Path) -> None:
    status = Status(worlds.ACCOUNT, 31337, "ab" * 32, "", "", ())
    with keeper(tmp_path, status) as (found, _):
        assert found.status() == status
    (tmp_path / "s").unlink()
    with keeper(tmp_path, Stopped("cd" * 16)) as (found, _):
        assert found.stop("now") == "cd" * 16
    (tmp_path / "s").unlink()
    with keeper(tmp_path, RECEIPT) as (found, _), pytest.raises(KeeperUnreachable):
        found.status()
    (tmp_path / "s").unlink()
    with keeper(tmp_path, RECEIPT) as (found, _), pytest.raises(KeeperUnreachable, match="did not confirm"):
        found.stop("now")


@pytest.mark.parametrize("said", [b"\n", b"{}\n", b"\xff\n", b'{"is": "Receipt"}\n', b"no end"])
def test_an_unreadable_answer_is_no_answer(tmp_path: Path, said: bytes) -> None:
    with keeper(tmp_path, said) as (found, _), pytest.raises(KeeperUnreachable):
        found.status()


def test_names_the_socket_where_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(KeeperUnreachable, match="no keeper answers at"):
        KeeperClient(tmp_path / "s", account=worlds.ACCOUNT, timeout_seconds=1).status()


def test_says_that_what_was_asked_may_still_happen_when_no_answer_comes(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with pytest.raises(KeeperUnreachable, match="may still happen"):
            KeeperClient(tmp_path / "s", account=worlds.ACCOUNT, timeout_seconds=0.1).status()


def test_refuses_to_send_more_than_the_keeper_reads(tmp_path: Path) -> None:
    found = KeeperClient(tmp_path / "s", account=worlds.ACCOUNT, timeout_seconds=1)
    with pytest.raises(KeeperUnreachable, match="longer than"):
        found.judge(replace(TRANSFER, reason="x" * client.MAX_REQUEST_BYTES), "one")


def test_a_plan_that_cannot_be_written_is_a_refusal(tmp_path: Path) -> None:
    found = KeeperClient(tmp_path / "s", account=worlds.ACCOUNT, timeout_seconds=1)
    verdict = found.judge(Plan((Transfer(Amount(worlds.ETHER, 1), "0x" + "de" * 20),), 1, "ether has no token contract"), "one")
    assert isinstance(verdict, Refused)
    assert verdict.reasons[0].rule == "encodable"


@pytest.mark.parametrize(
    "error",
    [
        NotApproved("no"),
        ReceiptTimeout(transaction_hash="0x1", waited_seconds=3),
        SimulationReverted(index=2, why="51"),
        SettingsError("write this instead"),
    ],
)
def test_an_error_is_the_same_on_both_sides(tmp_path: Path, error: UsufructError) -> None:
    with keeper(tmp_path, failure_of(error)) as (found, _), pytest.raises(type(error)) as caught:
        found.status()
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


def test_a_signature_is_asked_for_and_refused(tmp_path: Path) -> None:
    with keeper(tmp_path, Refused("", (Reason("signature", "no"),))) as (found, heard):
        assert found.sign("eth_sign", "0x12").reasons[0].rule == "signature"
    assert wire.from_text(Sign, heard[0].decode()) == Sign("eth_sign", "0x12")
    (tmp_path / "s").unlink()
    with keeper(tmp_path, RECEIPT) as (found, _), pytest.raises(KeeperUnreachable, match="refusal"):
        found.sign("eth_sign", "0x12")


@pytest.mark.parametrize("kind", ["SystemExit", "Final", "NotApproved", "unknown"])
def test_an_error_that_nobody_knows_is_still_a_refusal(kind: str) -> None:
    found = raised(Failure(kind, "as told", {"strange": "field"}, {}))
    assert isinstance(found, NotApproved)
    assert "as told" in str(found)


def test_every_error_that_a_keeper_raises_crosses() -> None:
    told = errors.KeystoreUnreadable(path="p", why="w")
    assert str(raised(failure_of(told))) == str(told)


def test_a_clients_process_loads_neither_key_nor_signer() -> None:
    code = (
        "import sys; from wallets.client import KeeperClient;"
        "bad = [name for name in sys.modules if name.split('.')[0] in ('eth_account', 'eth_keys', 'web3')"
        " or name in ('wallets.signer', 'wallets.live', 'wallets.keeper', 'wallets.keystore')]; assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

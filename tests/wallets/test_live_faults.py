"""What other keys, nodes, clocks and deaths do to a plan under way: at most once, no allowance left, every fact recorded."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.devnet import scenes
from strategies.domain import Plan, Revoke
from strategies.errors import NotApproved, ReceiptTimeout
from tests.wallets.chain import USDC, Chain
from tests.wallets.live_parts import ACCOUNT, Bench, bench, look_after, supply_plan, yes
from tests.wallets.loopback import Loopback, forward, questions, without
from wallets import live, sending, settling
from wallets.wallet import Approved

pytestmark = pytest.mark.chain
STRANGER = "0x" + "de" * 20
CORE = "aave-core:USDC"


@pytest.fixture(autouse=True)
def funded(chain: Chain) -> None:
    chain.fund(ACCOUNT)


def allowance_raw(chain: Chain) -> int:
    return chain.allowance_raw(ACCOUNT, chain.market(CORE).address)


def kinds(at: Bench) -> list[str]:
    return [json.loads(line)["kind"] for line in at.parts.store.lines()]


def asks(body: bytes, method: str) -> bool:
    return any(question["method"] == method for question in questions(body))


class Died(BaseException):
    """The process is gone: nothing may answer this."""


def die_before_sending(at: Bench, approved: Approved) -> None:
    """The first transaction is signed and stored, and then nothing more happens."""

    def die(*_: object) -> None:
        raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "send", die)
        with pytest.raises(Died):
            at.wallet.execute(approved, yes(approved))


def test_a_transaction_overtaken_by_another_client_ends_the_plan_and_books_nothing(chain: Chain, tmp_path: Path) -> None:
    node = chain.devnet.node
    with bench(chain, tmp_path, patience_seconds=0.3) as at:
        approved = at.approved(supply_plan(chain))
        node.rpc("evm_setAutomine", False)
        with pytest.raises(ReceiptTimeout):
            at.wallet.execute(approved, yes(approved))
        node.rpc("anvil_dropAllTransactions")
        chain.leave_pending_as(ACCOUNT, STRANGER, nonce=0)
        node.mine()
        node.rpc("evm_setAutomine", True)
        receipt = at.wallet.execute(approved, ())
        assert at.wallet.execute(approved, ()) == receipt
    assert not receipt.complete
    assert "given to another transaction" in receipt.note
    assert receipt.transactions == ()
    assert allowance_raw(chain) == 0


def test_a_nonce_used_elsewhere_is_recorded_and_the_next_one_taken(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        one = at.approved(supply_plan(chain), "one")
        at.wallet.execute(one, yes(one))
        chain.send_as(ACCOUNT, STRANGER)
        two = at.approved(supply_plan(chain), "two")
        assert at.wallet.execute(two, yes(two)).complete
        assert "foreign-nonce" in kinds(at)
    assert chain.sent(ACCOUNT) == 5


def test_a_revert_at_inclusion_stops_the_plan_and_revokes_its_approval(chain: Chain, tmp_path: Path) -> None:
    sent: list[bytes] = []

    def front_run(body: bytes) -> tuple[int, bytes]:
        if asks(body, "eth_sendRawTransaction"):
            sent.append(body)
            if len(sent) == 2:
                chain.freeze(chain.market(CORE))
        return 200, forward(chain.url, body)

    with Loopback(front_run) as proxy, bench(chain, tmp_path, url=proxy.url) as at:
        approved = at.approved(supply_plan(chain))
        receipt = at.wallet.execute(approved, yes(approved))
        states = [signed.state for signed in at.parts.store.signed("one")]
    assert states == ["mined", "failed"]
    assert not receipt.complete
    assert "mined and reverted" in receipt.note
    assert [mined.succeeded for mined in receipt.transactions] == [True, False, True]
    assert receipt.transfers == ()
    assert allowance_raw(chain) == 0


@pytest.mark.parametrize("why", ["expired", "paused"])
def test_bytes_that_were_never_sent_and_may_not_be_are_dropped_and_their_nonce_is_used_again(
    chain: Chain, tmp_path: Path, why: str
) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        die_before_sending(at, approved)
    if why == "expired":
        scenes.pass_time(chain.devnet, 3_600)
    with bench(chain, tmp_path) as again:
        again.switch.paused = "stopped" if why == "paused" else ""
        look_after(again)
        receipt = again.wallet.execute(approved, ())
        assert not receipt.complete
        assert receipt.transactions == ()
        assert chain.sent(ACCOUNT) == 0
        assert again.parts.store.spent(again.parts.endpoint.now()).usd_e8 == 0
        again.switch.paused = ""
        other = again.approved(supply_plan(chain), "two")
        assert again.wallet.execute(other, yes(other)).complete
    assert chain.sent(ACCOUNT) == 2


def pending_usd_e8(at: Bench) -> int:
    return at.parts.store.reserved("one").usd_e8


def sent_and_forgotten(chain: Chain, at: Bench) -> bytes:
    """The first transaction was handed over, and the endpoint has dropped it; others may not have."""
    approved = at.approved(supply_plan(chain))
    chain.devnet.node.rpc("evm_setAutomine", False)
    with pytest.raises(ReceiptTimeout):
        at.wallet.execute(approved, yes(approved))
    chain.devnet.node.rpc("anvil_dropAllTransactions")
    (stored,) = at.parts.store.signed("one")
    return stored.raw


@pytest.mark.parametrize("why", ["expired", "paused"])
@pytest.mark.parametrize("end", ["mined", "overtaken"])
def test_bytes_that_were_sent_are_given_up_only_when_another_transaction_used_their_nonce(
    chain: Chain, tmp_path: Path, why: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = chain.devnet.node
    with bench(chain, tmp_path, patience_seconds=0.2) as at:
        raw = sent_and_forgotten(chain, at)
    if why == "expired":
        scenes.pass_time(chain.devnet, 3_600)
    with bench(chain, tmp_path, patience_seconds=0.2) as again:
        again.switch.paused = "stopped" if why == "paused" else ""
        look_after(again)
        with pytest.raises(ReceiptTimeout):
            again.wallet.execute_remembered("one", again.parts.store.intents("signed")[0].digest, ())
        assert [signed.state for signed in again.parts.store.signed("one")] == ["sent"]
        assert [known.intent for known in again.wallet.unfinished()] == ["one"]
        assert pending_usd_e8(again) == 1_000 * 10**8
        if end == "mined":
            node.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        else:
            chain.leave_pending_as(ACCOUNT, STRANGER, nonce=0)
        node.mine()
        node.rpc("evm_setAutomine", True)
        if end == "overtaken":
            look_after(again)
            assert pending_usd_e8(again) == 1_000 * 10**8  # one endpoint may hide a receipt
            monkeypatch.setattr(live, "OVERTAKEN_SECONDS", 0.0)
        look_after(again)
        assert again.wallet.unfinished() == ()
        assert [signed.state for signed in again.parts.store.signed("one")] == ["mined" if end == "mined" else "dropped"]
        assert again.parts.store.spent(again.parts.endpoint.now()).usd_e8 == 0  # an approval at most, revoked: nothing moved
    assert allowance_raw(chain) == 0


def test_an_idle_look_waits_for_nothing(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(chain, tmp_path, patience_seconds=0.2) as at:
        sent_and_forgotten(chain, at)

    def sleep(seconds: float) -> None:
        raise AssertionError(f"it slept for {seconds} s")

    with bench(chain, tmp_path, patience_seconds=120) as again:
        monkeypatch.setattr(settling.time, "sleep", sleep)
        again.wallet.look_after("one")
        again.wallet.look_after("one")
        assert kinds(again).count("unsettled") == 1


def test_a_receipts_timeout_says_how_long_was_really_waited(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, patience_seconds=120) as at:
        approved = at.approved(supply_plan(chain))
        chain.devnet.node.rpc("evm_setAutomine", False)
        real = settling.send

        def end(*given: Any) -> str:
            at.switch.ending = True
            return real(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(settling, "send", end)
            with pytest.raises(ReceiptTimeout, match="after 0 s"):
                at.wallet.execute(approved, yes(approved))


def test_a_transaction_that_a_reorg_dropped_is_sent_again(chain: Chain, tmp_path: Path) -> None:
    node = chain.devnet.node
    with bench(chain, tmp_path) as at:
        before = node.snapshot()
        one = at.approved(supply_plan(chain), "one")
        assert at.wallet.execute(one, yes(one)).complete
        node.revert(before)
        assert chain.sent(ACCOUNT) == 0
        two = at.approved(supply_plan(chain, 2_000), "two")
        with pytest.raises(NotApproved, match="the store expects"):
            at.wallet.execute(two, yes(two))
        assert at.wallet.unfinished() == ()
        assert kinds(at).count("sent-again") == 2
        while chain.sent(ACCOUNT) < 2:
            time.sleep(0.02)
        assert at.wallet.execute(two, yes(two)).complete
    assert chain.balance_raw(ACCOUNT) == 97_000 * USDC


def test_bytes_that_were_never_sent_are_sent_as_they_are_while_the_plan_holds(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        die_before_sending(at, approved)
        (stored,) = at.parts.store.signed("one")
    with bench(chain, tmp_path) as again:
        look_after(again)
        assert [signed.state for signed in again.parts.store.signed("one")] == ["mined"]
        receipt = again.wallet.execute(approved, ())
    assert receipt.complete
    assert receipt.transactions[0].hash == stored.hash


def test_a_receipt_that_the_endpoint_hides_is_waited_for_and_never_replaced(chain: Chain, tmp_path: Path) -> None:
    hidden = [True]

    def hide(body: bytes) -> tuple[int, bytes]:
        if hidden[0] and asks(body, "eth_getTransactionReceipt"):
            return 200, json.dumps({"jsonrpc": "2.0", "id": 0, "result": None}).encode()
        return 200, forward(chain.url, body)

    with Loopback(hide) as proxy, bench(chain, tmp_path, url=proxy.url, patience_seconds=0.3) as at:
        approved = at.approved(supply_plan(chain))
        with pytest.raises(ReceiptTimeout):
            at.wallet.execute(approved, yes(approved))
        assert [known.intent for known in at.wallet.unfinished()] == ["one"]
        assert chain.sent(ACCOUNT) == 1
        hidden[0] = False
        assert at.wallet.execute(approved, ()).complete
    assert chain.sent(ACCOUNT) == 2


def broken_once(chain: Chain, method: str) -> Callable[[bytes], tuple[int, bytes]]:
    broken = [True]

    def respond(body: bytes) -> tuple[int, bytes]:
        if broken[0] and asks(body, method):
            broken[0] = False
            return 502, b"<html>bad gateway</html>"
        return 200, forward(chain.url, body)

    return respond


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_getTransactionReceipt"])
def test_an_endpoint_that_stumbles_while_sending_costs_nothing(chain: Chain, tmp_path: Path, method: str) -> None:
    with Loopback(broken_once(chain, method)) as proxy, bench(chain, tmp_path, url=proxy.url) as at:
        approved = at.approved(supply_plan(chain))
        assert at.wallet.execute(approved, yes(approved)).complete
    assert chain.sent(ACCOUNT) == 2


def test_an_allowance_that_cannot_be_revoked_is_named(chain: Chain, tmp_path: Path) -> None:
    blind = [False]

    def respond(body: bytes) -> tuple[int, bytes]:
        if asks(body, "eth_sendRawTransaction"):
            blind[0] = True
        return (without(chain.url, "eth_simulateV1", "debug_traceCall") if blind[0] else without(chain.url))(body)

    with Loopback(respond) as proxy, bench(chain, tmp_path, url=proxy.url) as at:
        approved = at.approved(supply_plan(chain))
        receipt = at.wallet.execute(approved, yes(approved))
    assert not receipt.complete
    assert "no simulation, no signature" in receipt.note
    assert "allowances stay open" in receipt.note
    assert allowance_raw(chain) == 1_000 * USDC
    with bench(chain, tmp_path) as again:
        clean = again.approved(
            Plan((Revoke(chain.deployment.asset("USDC"), chain.market(CORE).address),), chain.devnet.node.latest()[0], "tidy"),
            "two",
        )
        assert again.wallet.execute(clean, yes(clean)).complete
    assert allowance_raw(chain) == 0


def test_a_death_while_revoking_is_taken_up_again(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        at.switch.asked = lambda: setattr(at.switch, "paused", "pulled midway" if chain.sent(ACCOUNT) else "")
        real = type(at.parts.endpoint.rpc).ask

        def ask(self: object, method: str, *params: object) -> object:
            if method == "eth_sendRawTransaction" and chain.sent(ACCOUNT) == 1:
                raise Died
            return real(self, method, *params)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(at.parts.endpoint.rpc), "ask", ask)
            with pytest.raises(Died):
                at.wallet.execute(approved, yes(approved))
    assert allowance_raw(chain) == 1_000 * USDC
    with bench(chain, tmp_path) as again:
        again.switch.paused = "pulled midway"
        look_after(again)
        receipt = again.wallet.execute(approved, ())
        assert again.wallet.unfinished() == ()
    assert allowance_raw(chain) == 0
    assert len(receipt.transactions) == 2
    assert chain.sent(ACCOUNT) == 2


def test_a_transaction_still_waiting_at_the_start_is_written_down_and_asked_for_again(chain: Chain, tmp_path: Path) -> None:
    node = chain.devnet.node
    with bench(chain, tmp_path, patience_seconds=0.2) as at:
        approved = at.approved(supply_plan(chain))
        node.rpc("evm_setAutomine", False)
        with pytest.raises(ReceiptTimeout):
            at.wallet.execute(approved, yes(approved))
    with bench(chain, tmp_path, patience_seconds=0.2) as again:
        look_after(again)
        assert "unsettled" in kinds(again)
        node.mine()
        node.rpc("evm_setAutomine", True)
        look_after(again)
        assert again.wallet.execute(approved, ()).complete
    assert chain.sent(ACCOUNT) == 2


def test_a_transaction_that_is_not_mined_stays_open_and_nothing_is_signed_beside_it(chain: Chain, tmp_path: Path) -> None:
    node = chain.devnet.node
    with bench(chain, tmp_path, patience_seconds=0.2) as at:
        approved = at.approved(supply_plan(chain))
        other = at.approved(supply_plan(chain, 2_000), "two")
        node.rpc("evm_setAutomine", False)
        with pytest.raises(ReceiptTimeout):
            at.wallet.execute(approved, yes(approved))
        with pytest.raises(NotApproved, match="the store expects"):
            at.wallet.execute(other, yes(other))
        assert [known.intent for known in at.wallet.unfinished()] == ["one"]
        node.mine()
        node.rpc("evm_setAutomine", True)
        assert at.wallet.execute(approved, ()).complete
        assert at.wallet.execute(other, yes(other)).complete
    assert chain.sent(ACCOUNT) == 4
    assert chain.balance_raw(ACCOUNT) == 97_000 * USDC


def test_a_transaction_the_node_forgot_is_sent_again_with_the_same_bytes(chain: Chain, tmp_path: Path) -> None:
    node = chain.devnet.node
    with bench(chain, tmp_path, patience_seconds=0.2) as at:
        approved = at.approved(supply_plan(chain))
        node.rpc("evm_setAutomine", False)
        with pytest.raises(ReceiptTimeout):
            at.wallet.execute(approved, yes(approved))
        node.rpc("anvil_dropAllTransactions")
        node.rpc("evm_setAutomine", True)
        assert at.wallet.execute(approved, ()).complete
        assert [signed.attempt for signed in at.parts.store.signed("one")] == [0, 0]
    assert chain.sent(ACCOUNT) == 2

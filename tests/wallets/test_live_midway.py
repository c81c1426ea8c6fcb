"""A plan that stops midway: paused, reverting, ending, dying. It mines at most once and leaves no allowance."""

from pathlib import Path

import pytest

from agent.devnet import scenes
from strategies.domain import ALL, Plan, Revoke, Withdraw
from strategies.errors import KeeperEnding, NotApproved, ReceiptTimeout
from strategies.protocols import erc20
from tests.wallets.chain import USDC, Chain
from tests.wallets.live_parts import ACCOUNT, Bench, Switch, bench, look_after, supply_plan, yes
from tests.wallets.loopback import Loopback, forward, questions
from wallets.wallet import Approved

pytestmark = pytest.mark.chain
STRANGER = "0x" + "de" * 20


@pytest.fixture(autouse=True)
def funded(chain: Chain) -> None:
    chain.fund(ACCOUNT)


def pause_after_the_first_call(chain: Chain, switch: Switch) -> None:

    def look() -> None:
        if chain.sent(ACCOUNT):
            switch.paused = "pulled midway"

    switch.asked = look


def test_a_pause_midway_stops_the_plan_and_leaves_no_allowance(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        pause_after_the_first_call(chain, at.switch)
        receipt = at.wallet.execute(approved, yes(approved))
        assert at.wallet.unfinished() == ()
    assert not receipt.complete
    assert "pulled midway" in receipt.note
    assert len(receipt.transactions) == 2  # the approval, and its revocation
    assert chain.allowance_raw(ACCOUNT, chain.market("aave-core:USDC").address) == 0
    assert chain.balance_raw(ACCOUNT) == 100_000 * USDC


def test_a_call_that_would_now_revert_is_not_signed_and_its_approval_is_revoked(chain: Chain, tmp_path: Path) -> None:
    core = chain.market("aave-core:USDC")
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))

        def freeze() -> None:
            if chain.sent(ACCOUNT) == 1:
                chain.freeze(core)

        at.switch.asked = freeze
        receipt = at.wallet.execute(approved, yes(approved))
    assert not receipt.complete
    assert chain.allowance_raw(ACCOUNT, core.address) == 0
    assert chain.balance_raw(ACCOUNT) == 100_000 * USDC


def test_an_ending_keeper_signs_nothing_more_and_goes_on_when_it_is_back(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))

        def end() -> None:
            at.switch.ending = chain.sent(ACCOUNT) == 1

        at.switch.asked = end
        with pytest.raises((KeeperEnding, ReceiptTimeout)):
            at.wallet.execute(approved, yes(approved))
        assert chain.sent(ACCOUNT) == 1
    with bench(chain, tmp_path) as again:
        look_after(again)
        assert again.wallet.execute(approved, ()).complete
    assert chain.sent(ACCOUNT) == 2
    assert chain.allowance_raw(ACCOUNT, chain.market("aave-core:USDC").address) == 0


def test_a_plan_cut_off_too_long_ago_is_closed_and_its_allowance_revoked(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        at.switch.asked = lambda: setattr(at.switch, "ending", chain.sent(ACCOUNT) == 1)
        with pytest.raises((KeeperEnding, ReceiptTimeout)):
            at.wallet.execute(approved, yes(approved))
    scenes.pass_time(chain.devnet, 3_600)
    with bench(chain, tmp_path) as again:
        look_after(again)
        receipt = again.wallet.execute(approved, ())
        assert again.wallet.unfinished() == ()
    assert not receipt.complete
    assert "expired" in receipt.note
    assert chain.allowance_raw(ACCOUNT, chain.market("aave-core:USDC").address) == 0


def holding(chain: Chain, at: Bench) -> Approved:
    """What an account that has lent may sign to take everything back."""
    first = at.approved(supply_plan(chain), "lent")
    assert at.wallet.execute(first, yes(first)).complete
    return at.approved(Plan((Withdraw(chain.market("aave-core:USDC"), ALL),), chain.devnet.node.latest()[0], "out"), "out")


def test_reduce_only_midway_stops_a_plan_that_lends_and_leaves_no_allowance(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))

        def look() -> None:
            if chain.sent(ACCOUNT):
                at.switch.reduced = "reduce-only: winding down"

        at.switch.asked = look
        receipt = at.wallet.execute(approved, yes(approved))
    assert not receipt.complete
    assert "winding down" in receipt.note
    assert len(receipt.transactions) == 2  # the approval, and its revocation
    assert chain.allowance_raw(ACCOUNT, chain.market("aave-core:USDC").address) == 0
    assert chain.balance_raw(ACCOUNT) == 100_000 * USDC


def test_under_reduce_only_a_withdrawal_goes_on_to_its_end_and_under_a_halt_it_is_not_begun(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = holding(chain, at)
        at.switch.paused = "pulled"
        with pytest.raises(NotApproved, match="pulled"):
            at.wallet.execute(approved, yes(approved))
        at.switch.paused, at.switch.reduced = "", "reduce-only: winding down"
        assert at.wallet.execute(approved, yes(approved)).complete
    assert chain.balance_raw(ACCOUNT) >= 100_000 * USDC


def test_a_person_revokes_under_a_halt(chain: Chain, tmp_path: Path) -> None:
    core = chain.market("aave-core:USDC")
    chain.send_as(ACCOUNT, core.asset.address, erc20.approve_exactly(chain.usdc(7), STRANGER).data)
    with bench(chain, tmp_path) as at:
        at.switch.paused = "pulled"
        revoke = at.approved(Plan((Revoke(core.asset, STRANGER),), chain.devnet.node.latest()[0], "mine"))
        assert at.wallet.execute(revoke, yes(revoke)).complete
    assert chain.allowance_raw(ACCOUNT, STRANGER) == 0


@pytest.mark.parametrize("stop", ["paused", "reduced"])
def test_bytes_that_were_signed_before_a_stop_are_not_sent_after_it(chain: Chain, tmp_path: Path, stop: str) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))

        def look() -> None:
            if at.parts.store.signed("one"):
                setattr(at.switch, stop, "pulled after the signature")

        at.switch.asked = look
        receipt = at.wallet.execute(approved, yes(approved))
        assert [signed.state for signed in at.parts.store.signed("one")] == ["dropped"]
    assert "pulled after the signature" in receipt.note
    assert receipt.transactions == ()
    assert chain.sent(ACCOUNT) == 0


def test_a_keeper_that_died_between_approval_and_supply_and_comes_back_halted_revokes(chain: Chain, tmp_path: Path) -> None:
    core = chain.market("aave-core:USDC")
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))

        def die() -> None:
            if chain.sent(ACCOUNT) == 1:
                raise Died

        at.switch.asked = die
        with pytest.raises(Died):
            at.wallet.execute(approved, yes(approved))
        assert chain.allowance_raw(ACCOUNT, core.address) == 1_000 * USDC
    with bench(chain, tmp_path) as again:
        again.switch.paused = "pulled while it was down"
        look_after(again)
        assert again.wallet.unfinished() == ()
    assert chain.allowance_raw(ACCOUNT, core.address) == 0
    assert chain.balance_raw(ACCOUNT) == 100_000 * USDC


class Died(BaseException):
    """The process is gone: nothing may answer this."""


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_getTransactionReceipt"])
@pytest.mark.parametrize("reached", [True, False])
def test_a_death_around_sending_mines_the_same_bytes_once(chain: Chain, tmp_path: Path, method: str, reached: bool) -> None:
    sent: list[str] = []

    def record(body: bytes) -> tuple[int, bytes]:
        sent.extend(question["params"][0] for question in questions(body) if question["method"] == "eth_sendRawTransaction")
        return 200, forward(chain.url, body)

    with Loopback(record) as proxy:
        with bench(chain, tmp_path, url=proxy.url) as at:
            approved = at.approved(supply_plan(chain))
            real = at.parts.endpoint.rpc.ask

            def dying(asked: str, *params: object) -> object:
                if asked == method:
                    if reached:
                        real(asked, *params)
                    raise Died
                return real(asked, *params)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(type(at.parts.endpoint.rpc), "ask", lambda self, asked, *params: dying(asked, *params))
                with pytest.raises(Died):
                    at.wallet.execute(approved, yes(approved))
        with bench(chain, tmp_path, url=proxy.url) as again:
            look_after(again)
            receipt = again.wallet.execute(approved, yes(approved))
    assert receipt.complete
    assert chain.sent(ACCOUNT) == 2
    assert len(set(sent)) == 2
    assert chain.balance_raw(ACCOUNT) == 99_000 * USDC

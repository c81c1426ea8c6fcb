"""A plan that stops midway: paused, reverting, ending, dying. It mines at most once and leaves no allowance."""

from pathlib import Path

import pytest

from agent.devnet import scenes
from strategies.errors import KeeperEnding, ReceiptTimeout
from tests.wallets.chain import USDC, Chain
from tests.wallets.live_parts import ACCOUNT, Switch, bench, look_after, supply_plan, yes
from tests.wallets.loopback import Loopback, forward, questions

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

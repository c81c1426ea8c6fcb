"""Judged, asked, judged again, recorded, signed, sent, awaited: on the real chain, and at most once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from agent.devnet import scenes
from strategies.domain import ALL, Amount, Approve, Plan, Revoke, Supply, Transfer, Withdraw
from strategies.errors import NotApproved, UnsupportedState
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from tests.wallets.chain import USDC, Chain
from tests.wallets.live_parts import ACCOUNT, ADA, EVE, bench, said_yes, supply_plan, yes
from tests.wallets.loopback import Loopback, rewriting, without
from wallets import evidence, journal
from wallets import reading as blocks
from wallets.live import LiveWallet
from wallets.signer import Signer
from wallets.wallet import Approved, Refused, Yes

pytestmark = pytest.mark.chain
STRANGER = "0x" + "de" * 20


@pytest.fixture(autouse=True)
def funded(chain: Chain) -> None:
    chain.fund(ACCOUNT)


def rules(verdict: object) -> set[str]:
    assert isinstance(verdict, Refused), verdict
    return {reason.rule for reason in verdict.reasons}


def test_an_approved_supply_is_mined_and_its_receipt_is_the_chains(chain: Chain, tmp_path: Path) -> None:
    before_wei = chain.endpoint().balance_wei(ACCOUNT)
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        receipt = at.wallet.execute(approved, yes(approved))
        assert journal.verify(at.parts.store.lines(), at.parts.journal.head) == ""
    assert receipt.complete
    assert [transaction.succeeded for transaction in receipt.transactions] == [True, True]
    assert [(moved.sender, moved.raw) for moved in receipt.transfers] == [(ACCOUNT, 1_000 * USDC)]
    assert chain.balance_raw(ACCOUNT) == 99_000 * USDC
    assert chain.allowance_raw(ACCOUNT, chain.market("aave-core:USDC").address) == 0
    assert before_wei - chain.endpoint().balance_wei(ACCOUNT) == sum(mined.fee_wei for mined in receipt.transactions)


def test_what_is_held_afterwards_is_what_was_approved(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        at.wallet.execute(approved, yes(approved))
    _, portfolio = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    shares = next(change.delta_raw for change in approved.effects.changes if change.symbol == "aave-core:USDC")
    assert abs(portfolio.position(chain.market("aave-core:USDC")).shares_raw - shares) <= 20  # later by the seconds of two blocks


def test_a_rotation_moves_everything(chain: Chain, tmp_path: Path) -> None:
    core, prime = chain.market("aave-core:USDC"), chain.market("aave-prime:USDC")
    with bench(chain, tmp_path) as at:
        first = at.approved(supply_plan(chain, 40_000), "lend")
        at.wallet.execute(first, yes(first))
        scenes.pass_time(chain.devnet, 30 * 86_400)
        block = chain.devnet.node.latest()[0]
        move = Plan((Withdraw(core, ALL), Supply(prime, Amount(core.asset, 40_000 * USDC))), block, "to earn more")
        second = at.approved(move, "move")
        receipt = at.wallet.execute(second, yes(second))
    assert receipt.complete
    assert [moved.recipient == ACCOUNT for moved in receipt.transfers] == [True, False]
    assert receipt.transfers[0].raw > 40_000 * USDC
    _, portfolio = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    assert [held.market.id for held in portfolio.positions] == ["aave-prime:USDC"]


def test_refuses_a_transfer_to_a_stranger_and_remembers_nothing(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        plan = Plan((Transfer(chain.usdc(10), STRANGER),), chain.devnet.node.latest()[0], "trust me")
        assert "beneficiary" in rules(at.wallet.judge(plan, "theft"))
        assert at.parts.store.intent("theft") is None


def test_refuses_bytes_that_nobody_reads_and_calls_that_are_none(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        block = chain.devnet.node.latest()[0]
        pool = chain.market("aave-core:USDC").address
        strange = Call(pool, bytes.fromhex("deadbeef"))
        assert "selector" in rules(at.wallet.judge_calls((strange,), intent="a", plan_block=block, reason=""))
        for impossible in (Call("0xnothing", b""), Call(pool, b"", -1), Call(pool, b"", 2**256)):
            assert rules(at.wallet.judge_calls((impossible,), intent="b", plan_block=block, reason="")) == {"calldata"}
        assert rules(at.wallet.judge_calls((strange,), intent="../../x", plan_block=block, reason="")) == {"intent"}
    assert chain.sent(ACCOUNT) == 0


def test_refuses_without_a_simulator(chain: Chain, tmp_path: Path) -> None:
    with Loopback(without(chain.url, "eth_simulateV1", "debug_traceCall")) as proxy, bench(chain, tmp_path, url=proxy.url) as at:
        assert rules(at.wallet.judge(supply_plan(chain), "one")) == {"simulation"}


def test_refuses_on_the_wrong_chain(chain: Chain, tmp_path: Path) -> None:
    with Loopback(rewriting(chain.url, "eth_chainId", lambda _: "0x1")) as proxy, bench(chain, tmp_path, url=proxy.url) as at:
        assert "chain" in rules(at.wallet.judge(supply_plan(chain), "one"))


def test_an_absurd_tip_is_held_to_the_policys_cap(chain: Chain, tmp_path: Path) -> None:
    absurd = rewriting(chain.url, "eth_maxPriorityFeePerGas", lambda _: hex(10**15))
    with Loopback(absurd) as proxy, bench(chain, tmp_path, url=proxy.url) as at:
        approved = at.approved(supply_plan(chain))
        receipt = at.wallet.execute(approved, yes(approved))
    assert all(mined.fee_wei <= mined.gas_used * 100 * 10**9 for mined in receipt.transactions)
    sent = chain.devnet.node.rpc("eth_getTransactionByHash", receipt.transactions[0].hash)
    assert int(sent["maxPriorityFeePerGas"], 16) == 2 * 10**9
    assert int(sent["maxFeePerGas"], 16) <= 100 * 10**9


@pytest.mark.parametrize("kind", ["none", "stranger", "forged", "other digest", "good and bad"])
def test_refuses_to_execute_without_an_enrolled_operators_yes_to_this_digest(chain: Chain, tmp_path: Path, kind: str) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        good = said_yes(ADA, "ada", approved.digest)
        offered: dict[str, tuple[Yes, ...]] = {
            "none": (),
            "stranger": (said_yes(EVE, "eve", approved.digest),),
            "forged": (said_yes(EVE, "ada", approved.digest),),
            "other digest": (said_yes(ADA, "ada", "00" * 32),),
            "good and bad": (good, said_yes(EVE, "ada", approved.digest)),
        }
        with pytest.raises(NotApproved):
            at.wallet.execute(approved, offered[kind])
        assert chain.sent(ACCOUNT) == 0
        assert at.wallet.execute(approved, (good,)).complete


def test_refuses_what_it_never_approved(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        forged = replace(approved, intent="two")
        with pytest.raises(NotApproved, match="nothing is remembered"):
            at.wallet.execute(forged, yes(forged))
        with pytest.raises(NotApproved, match="nothing is remembered"):
            at.wallet.execute_remembered("\ud800", approved.digest, yes(approved))
        changed = replace(approved, digest="ab" * 32)
        with pytest.raises(NotApproved, match="nothing is remembered"):
            at.wallet.execute(changed, yes(changed))
    assert chain.sent(ACCOUNT) == 0


def test_the_clients_copy_of_the_calls_counts_nothing(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        theft = registry.encode(Transfer(chain.usdc(10), STRANGER), ACCOUNT)
        assert at.wallet.execute(replace(approved, calls=theft), yes(approved)).complete
    assert chain.balance_raw(STRANGER) == 0


def test_executing_twice_mines_once_and_returns_the_same_receipt(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        first = at.wallet.execute(approved, yes(approved))
        mined = chain.sent(ACCOUNT)
        assert at.wallet.execute(approved, yes(approved)) == first
        assert at.wallet.execute(approved, ()) == first
    with bench(chain, tmp_path) as again:
        assert again.wallet.execute(approved, yes(approved)) == first
    assert chain.sent(ACCOUNT) == mined == 2


def test_the_same_plan_asked_again_gets_the_same_yes_and_another_plan_a_no(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        plan = supply_plan(chain)
        approved = at.approved(plan)
        assert at.wallet.judge(plan, "one") == approved
        assert rules(at.wallet.judge(supply_plan(chain, 2_000), "one")) == {"intent"}
        at.wallet.execute(approved, yes(approved))
        assert rules(at.wallet.judge(plan, "one")) == {"intent"}


def test_refuses_an_approval_that_has_expired(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, max_reading_age_seconds=10**6) as at:
        approved = at.approved(supply_plan(chain))
        scenes.pass_time(chain.devnet, 601)
        with pytest.raises(NotApproved, match="expired"):
            at.wallet.execute(approved, yes(approved))
    assert chain.sent(ACCOUNT) == 0


def test_refuses_a_plan_that_is_too_many_blocks_old(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, max_plan_age_blocks=3) as at:
        approved = at.approved(supply_plan(chain))
        for _ in range(4):
            chain.devnet.node.mine()
        with pytest.raises(NotApproved, match="max_plan_age_blocks"):
            at.wallet.execute(approved, yes(approved))
    assert chain.sent(ACCOUNT) == 0


def test_code_that_changed_since_the_start_is_refused_before_anything_is_signed(chain: Chain, tmp_path: Path) -> None:
    core = chain.market("aave-core:USDC")
    oracle, node = dict(core.contracts)["oracle"], chain.devnet.node
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        code = node.rpc("eth_getCode", oracle, "latest")
        node.rpc("anvil_setCode", oracle, code + "00")
        with pytest.raises(NotApproved, match=f"{oracle} carries other code than the deployment pins"):
            at.wallet.execute(approved, yes(approved))
        assert at.wallet.unfinished() == ()
        assert chain.sent(ACCOUNT) == 0
        node.rpc("anvil_setCode", oracle, code)
        assert at.wallet.execute(approved, yes(approved)).complete


def test_a_pause_stops_judging_and_executing(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        at.switch.paused = "a person said so"
        assert "paused" in rules(at.wallet.judge(supply_plan(chain), "two"))
        with pytest.raises(NotApproved, match="a person said so"):
            at.wallet.execute(approved, yes(approved))
        assert chain.sent(ACCOUNT) == 0
        at.switch.paused = ""
        assert at.wallet.execute(approved, yes(approved)).complete


def test_the_days_cap_holds_over_plans_and_counts_what_is_pending(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, max_day_usd=1_500, max_transaction_usd=1_000) as at:
        one, two = at.approved(supply_plan(chain), "one"), at.approved(supply_plan(chain), "two")
        assert at.wallet.execute(one, yes(one)).complete
        with pytest.raises(NotApproved, match="max_day_usd"):
            at.wallet.execute(two, yes(two))
        assert "cap-day" in rules(at.wallet.judge(supply_plan(chain), "three"))
    assert chain.sent(ACCOUNT) == 2


def stray_allowance(chain: Chain) -> None:
    """Five dollars, to the core pool, by another program with the same key."""
    (stray,) = registry.encode(Approve(chain.usdc(5), chain.market("aave-core:USDC").address), ACCOUNT)
    chain.send_as(ACCOUNT, stray.target, stray.data)


def test_an_allowance_left_by_others_does_not_block_the_way_out(chain: Chain, tmp_path: Path) -> None:
    prime = chain.market("aave-prime:USDC")
    with bench(chain, tmp_path) as at:
        lend = at.approved(supply_plan(chain, market_id=prime.id), "lend")
        assert at.wallet.execute(lend, yes(lend)).complete
        stray_allowance(chain)
        out = at.approved(Plan((Withdraw(prime, ALL),), chain.devnet.node.latest()[0], "out"), "out")
        assert at.wallet.execute(out, yes(out)).complete
    assert chain.balance_raw(ACCOUNT) >= 100_000 * USDC - 1
    assert chain.allowance_raw(ACCOUNT, chain.market("aave-core:USDC").address) == 0


def test_a_revocation_needs_no_gas_budget_and_no_reserve(chain: Chain, tmp_path: Path) -> None:
    core = chain.market("aave-core:USDC")
    stray_allowance(chain)
    with bench(chain, tmp_path, max_day_gas_usd=1, min_native_reserve_wei=10**24) as at:
        assert "gas" in rules(at.wallet.judge(supply_plan(chain), "one"))
        at.parts.store.reserve(
            intent="x", usd_e8=0, gas_usd_e8=10**8, now=at.parts.endpoint.now(), max_day_usd_e8=0, max_day_gas_usd_e8=10**8
        )
        clean = at.approved(Plan((Revoke(core.asset, core.address),), chain.devnet.node.latest()[0], "tidy"), "two")
        assert at.wallet.execute(clean, yes(clean)).complete
    assert chain.allowance_raw(ACCOUNT, core.address) == 0


def test_a_plan_of_very_many_calls_is_refused_before_it_is_written_down_and_a_long_reason_is_cut(
    chain: Chain, tmp_path: Path
) -> None:
    with bench(chain, tmp_path, max_calls=10_000) as at:
        block = chain.devnet.node.latest()[0]
        call = Call(chain.devnet.token("USDC"), bytes(4))
        assert rules(at.wallet.judge_calls((call,) * 65, intent="a", plan_block=block, reason="")) == {"plan"}
        assert at.parts.store.lines() == ()
        assert "selector" in rules(at.wallet.judge_calls((call,) * 64, intent="b", plan_block=block, reason="A" * 301))
        assert json.loads(at.parts.store.lines()[0])["content"]["reason"] == "A" * 299 + "…"


def test_a_state_that_the_simulation_reaches_and_no_adapter_reads_is_a_refusal(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> None:
        raise UnsupportedState(market_id="aave-core:USDC", what="supplied but not used as collateral, while debt is owed")

    monkeypatch.setattr(evidence, "simulate", unreadable)
    with bench(chain, tmp_path) as at:
        verdict = at.wallet.judge(supply_plan(chain), "one")
    assert rules(verdict) == {"simulation"}
    assert "not used as collateral" in str(verdict)


def test_a_stray_allowance_can_be_revoked_by_a_plan(chain: Chain, tmp_path: Path) -> None:
    core = chain.market("aave-core:USDC")
    stray_allowance(chain)
    with bench(chain, tmp_path) as at:
        clean = Plan((Revoke(core.asset, core.address),), chain.devnet.node.latest()[0], "tidy")
        approved = at.approved(clean, "two")
        assert at.wallet.execute(approved, yes(approved)).complete
    assert chain.allowance_raw(ACCOUNT, core.address) == 0


def test_everything_is_in_the_journal_before_it_happens(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        at.wallet.execute(approved, yes(approved))
        kinds = [json.loads(line)["kind"] for line in at.parts.store.lines()]
    assert kinds == [
        *("judge", "verdict", "verdict", "execute"),
        *("signed", "settled", "verdict", "signed", "settled", "receipt"),
    ]


def test_refuses_a_key_that_is_not_the_policys_account(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at, pytest.raises(NotApproved, match="the policy names"):
        LiveWallet(replace(at.parts, signer=Signer(Account.from_key(b"\x43" * 32))))


def test_a_plan_that_cannot_be_written_is_a_refusal(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        ether = chain.deployment.asset("ETH")
        plan = Plan((Transfer(Amount(ether, 1), STRANGER),), chain.devnet.node.latest()[0], "ether")
        assert rules(at.wallet.judge(plan, "one")) == {"encodable"}


def test_approving_the_unreadable_is_impossible(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        verdict = at.wallet.judge_calls((), intent="empty", plan_block=chain.devnet.node.latest()[0], reason="")
    assert not isinstance(verdict, Approved)

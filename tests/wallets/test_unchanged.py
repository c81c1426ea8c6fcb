"""What a change of code stops, on the chain: every plan that depends on the contract, no other plan, and never a revocation."""

from dataclasses import replace
from pathlib import Path

import pytest

from strategies.domain import (
    ALL,
    Action,
    Address,
    Amount,
    Approve,
    Borrow,
    Plan,
    Position,
    Revoke,
    Supply,
    Swap,
    Transfer,
    Withdraw,
)
from strategies.errors import NotApproved
from strategies.proxies import Proxy, ProxyKind
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, LENDING, POOL, STRANGER, TREASURY, USDC, case, lending_reading, usdc, weth
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, Bench, bench, supply_plan, yes
from tests.worlds import idle
from wallets.checks import CHECKS
from wallets.pinned import SLOTS
from wallets.unchanged import contracts_of, depends_on, unchanged
from wallets.wallet import Approved, Refused, Verdict

pytestmark = pytest.mark.chain
RENEWED: Address = "0x" + "5e" * 20
UPGRADED = "0x" + "00" * 12 + RENEWED[2:]
EIP1967 = SLOTS[ProxyKind.EIP1967]


def rules(verdict: Verdict) -> set[str]:
    return {reason.rule for reason in verdict.reasons} if isinstance(verdict, Refused) else set()


def upgrade(chain: Chain, proxy: Address) -> None:
    """To the same code at another address: it behaves as before, and nobody pinned it."""
    node, (way,) = chain.devnet.node, chain.deployment.proxies[proxy]
    node.rpc("anvil_setCode", RENEWED, node.rpc("eth_getCode", way.targets[0], "latest"))
    node.rpc("anvil_setStorageAt", proxy, EIP1967, UPGRADED)


def judged(chain: Chain, at: Bench, *actions: Action, intent: str) -> Verdict:
    return at.wallet.judge(Plan(actions, chain.devnet.node.latest()[0], "to see"), intent)


def test_a_plan_on_changed_code_is_refused_with_the_address_and_what_to_do(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path) as at:
        assert isinstance(at.wallet.judge(supply_plan(chain), "before"), Approved)
        pool = chain.market("aave-core:USDC").address
        code = chain.devnet.node.rpc("eth_getCode", pool, "latest")
        chain.devnet.node.rpc("anvil_setCode", pool, code + "00")
        verdict = at.wallet.judge(supply_plan(chain), "after")
    assert isinstance(verdict, Refused)
    (reason,) = [reason for reason in verdict.reasons if reason.rule == "code"]
    assert pool in reason.text and "look at what changed, then pin it again" in reason.text


def test_a_change_stops_its_target_and_no_other(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path) as at:
        upgrade(chain, chain.market("aave-prime:USDC").contract("receipt"))
        assert isinstance(at.wallet.judge(supply_plan(chain), "core"), Approved)
        assert "code" in rules(at.wallet.judge(supply_plan(chain, market_id="aave-prime:USDC"), "prime"))


def test_code_that_changes_between_the_yes_and_the_signature_is_found(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain))
        chain.devnet.node.rpc("anvil_setStorageAt", chain.market("aave-core:USDC").contract("oracle"), EIP1967, UPGRADED)
        with pytest.raises(NotApproved, match="a proxy that the deployment does not declare"):
            at.wallet.execute(approved, yes(approved))
    assert chain.sent(ACCOUNT) == 0


@pytest.mark.parametrize("role", ["pool", "receipt", "token"])
def test_code_that_answers_nothing_any_more_is_named_as_the_reason(chain: Chain, tmp_path: Path, role: str) -> None:
    chain.fund(ACCOUNT)
    core, node = chain.market("aave-core:USDC"), chain.devnet.node
    address = {"pool": core.address, "receipt": core.contract("receipt"), "token": core.asset.address}[role]
    with bench(chain, tmp_path) as at:
        approved = at.approved(supply_plan(chain), "before")
        code = node.rpc("eth_getCode", address, "latest")
        node.rpc("anvil_setCode", address, "0x60006000fd")
        refused = at.wallet.judge(supply_plan(chain), "after")
        assert rules(refused) == {"code"}
        assert isinstance(refused, Refused) and f"{address} carries other code" in refused.reasons[0].text
        with pytest.raises(NotApproved, match="carries other code"):
            at.wallet.execute(approved, yes(approved))
        node.rpc("anvil_setCode", address, code)
        assert isinstance(at.wallet.judge(supply_plan(chain), "again"), Approved)


def test_an_upgrade_that_was_pinned_again_is_allowed(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    pool = chain.market("aave-core:USDC").address
    (way,) = chain.deployment.proxies[pool]
    upgrade(chain, pool)
    known = chain.deployment
    pinned_again = replace(
        known,
        code={**known.code, RENEWED: known.code[way.targets[0]]},
        proxies={**known.proxies, pool: (Proxy(ProxyKind.EIP1967, (RENEWED,)),)},
    )
    with bench(chain, tmp_path) as at:
        assert rules(at.wallet.judge(supply_plan(chain), "old")) == {"code"}
    with bench(Chain(chain.devnet, pinned_again), tmp_path) as at:
        assert isinstance(at.wallet.judge(supply_plan(chain), "new"), Approved)


def test_a_revocation_passes_whatever_changed(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    core, usdc_asset = chain.market("aave-core:USDC"), chain.deployment.asset("USDC")
    chain.send_as(ACCOUNT, usdc_asset.address, bytes.fromhex("095ea7b3" + "00" * 12 + core.address[2:] + "00" * 31 + "07"))
    upgrade(chain, core.address)
    with bench(chain, tmp_path) as at:
        assert isinstance(judged(chain, at, Revoke(usdc_asset, core.address), intent="revoke"), Approved)
        assert "code" in rules(at.wallet.judge(supply_plan(chain), "supply"))


@pytest.mark.parametrize("broken", ["the pool", "a receipt", "another token", "the oracle"])
def test_a_revocation_passes_though_something_else_can_no_longer_be_read(chain: Chain, tmp_path: Path, broken: str) -> None:
    chain.fund(ACCOUNT)
    core, usdc_asset = chain.market("aave-core:USDC"), chain.deployment.asset("USDC")
    give = bytes.fromhex("095ea7b3" + "00" * 12 + core.address[2:] + "00" * 31 + "07")
    chain.send_as(ACCOUNT, usdc_asset.address, give)
    addresses = {
        "the pool": core.address,
        "a receipt": core.contract("receipt"),
        "another token": chain.devnet.token("DAI"),
        "the oracle": core.contract("oracle"),
    }
    chain.devnet.node.rpc("anvil_setCode", addresses[broken], "0x60006000fd")
    with bench(chain, tmp_path) as at:
        verdict = judged(chain, at, Revoke(usdc_asset, core.address), intent="revoke")
        assert isinstance(verdict, Approved)
        assert verdict.effects.allowances == ()
        assert "code" in rules(at.wallet.judge(supply_plan(chain), "supply"))


def test_a_treasury_that_delegated_itself_receives_nothing(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    treasury = chain.devnet.actor("treasury")
    with bench(chain, tmp_path, treasury=treasury) as at:
        gift = Transfer(chain.usdc(10), treasury)
        assert isinstance(judged(chain, at, gift, intent="before"), Approved)
        chain.devnet.node.rpc("anvil_setCode", treasury, "0xef0100" + "5e" * 20)
        refused = judged(chain, at, gift, intent="after")
        assert "code" in rules(refused)
        assert isinstance(refused, Refused) and any("delegates to" in reason.text for reason in refused.reasons)
        assert isinstance(at.wallet.judge(supply_plan(chain), "elsewhere"), Approved)


def test_an_account_of_ours_that_carries_a_delegation_signs_revocations_only(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path) as at:
        chain.devnet.node.rpc("anvil_setCode", ACCOUNT, "0xef0100" + "5e" * 20)
        assert "code" in rules(at.wallet.judge(supply_plan(chain), "supply"))


def test_a_withdrawal_depends_on_its_own_market_and_not_on_another_that_is_held(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path) as at:
        for market in ("aave-core:USDC", "aave-prime:USDC"):
            approved = at.approved(supply_plan(chain, market_id=market), market)
            assert at.wallet.execute(approved, yes(approved)).complete
        upgrade(chain, chain.market("aave-core:USDC").contract("receipt"))
        assert isinstance(judged(chain, at, Withdraw(chain.market("aave-prime:USDC"), ALL), intent="out"), Approved)


def test_the_check_is_among_the_guards_checks_and_speaks_of_every_change() -> None:
    assert unchanged in CHECKS
    made = case(
        (Supply(AAVE_USDC, usdc(1)),),
        deployment=LENDING,
        seen=lending_reading(),
        changed=((POOL, "is other"), (STRANGER, "is new")),
    )
    assert [reason.rule for reason in unchanged(made)] == ["code", "code"]
    assert unchanged(replace(made, changed=())) == ()
    assert unchanged(replace(made, actions=(Revoke(USDC, POOL),))) == ()


def test_a_loan_depends_on_all_that_backs_it_and_a_supply_does_not() -> None:
    held = replace(idle(), positions=(Position(AAVE_WETH, 1),))
    receipt = AAVE_WETH.contract("receipt")
    assert receipt in depends_on(LENDING, (Borrow(AAVE_USDC, usdc(1)),), held, STRANGER)
    assert receipt not in depends_on(LENDING, (Supply(AAVE_USDC, usdc(1)),), held, STRANGER)
    assert receipt not in depends_on(LENDING, (Withdraw(AAVE_USDC, ALL),), held, STRANGER)
    owing = replace(idle(), positions=(Position(AAVE_WETH, 1), Position(AAVE_USDC, 0, 1)))
    assert receipt in depends_on(LENDING, (Withdraw(AAVE_USDC, ALL),), owing, STRANGER)


def test_a_plan_depends_on_its_account_its_prices_and_where_its_transfers_go() -> None:
    feed, ether_feed, up = ("0x" + byte * 20 for byte in ("f1", "f2", "f3"))
    weth_address = AAVE_WETH.asset.address
    deployment = replace(LENDING, feeds={USDC.address: feed, weth_address: ether_feed}, sequencer=up)
    sent = depends_on(deployment, (Transfer(weth(1), TREASURY),), idle(), STRANGER)
    assert {STRANGER, deployment.multicall, up, weth_address, TREASURY, ether_feed} == set(sent)
    supplied = depends_on(deployment, (Supply(AAVE_USDC, usdc(1)),), idle(), STRANGER)
    assert {feed, ether_feed, POOL, *[address for _, address in AAVE_USDC.contracts]} <= set(supplied)


def test_every_market_beneath_and_along_the_way_counts() -> None:
    vault = replace(AAVE_USDC, id="vault", address=STRANGER, contracts=(), wraps=(AAVE_WETH,))
    assert AAVE_WETH.contract("oracle") in set(contracts_of(vault))
    hops = Swap(vault, usdc(1), weth(1), 1, (AAVE_WETH,))
    assert AAVE_WETH.contract("debt") in depends_on(LENDING, (hops,), idle(), STRANGER)
    spender = Approve(Amount(USDC, 1), POOL)
    pinned_spender = replace(LENDING, code={POOL: "0x"})
    assert POOL in depends_on(pinned_spender, (spender,), idle(), STRANGER)
    assert POOL not in depends_on(LENDING, (spender, Revoke(USDC, POOL)), idle(), STRANGER)

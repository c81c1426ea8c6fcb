"""A plan from its judgement to its receipt where the account is a Safe: through the role, signed and paid for by the member."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from agent.devnet.chain import Devnet
from agent.devnet.contracts import calldata, read_integer
from agent.devnet.errors import ArtefactsMissing
from agent.devnet.safe import execute_as_owners
from strategies.domain import ALL, Action, Amount, Deployment, Plan, Supply, Withdraw
from strategies.errors import NotApproved
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from strategies.units import WAD
from tests.wallets.live_parts import KEY, Switch, yes
from tests.wallets.safes import MEMBER, SafeWorld, make_world
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.ledger import FEES, OUTSIDE, WALLET, Ledger, entries_of, opening, reconcile
from wallets.live import LiveWallet
from wallets.policy import Policy
from wallets.reading import read
from wallets.sending import Halts, Parts
from wallets.signer import Signer
from wallets.store import Store
from wallets.wallet import Approved, Refused

pytestmark = pytest.mark.chain

RAW = 1_000 * 10**6


@pytest.fixture(scope="module")
def built() -> Iterator[SafeWorld]:
    try:
        devnet = Devnet.start()
    except ArtefactsMissing as error:
        pytest.skip(f"no local chain here: {error}")
    with devnet:
        yield make_world(devnet)


@pytest.fixture
def world(built: SafeWorld) -> Iterator[SafeWorld]:
    """The world; whatever a test mines is undone."""
    snapshot = built.devnet.node.snapshot()
    yield built
    built.devnet.node.revert(snapshot)


@contextmanager
def wallet_of(
    world: SafeWorld, folder: Path, *, policy: Policy | None = None, deployment: Deployment | None = None, key: bytes = KEY
) -> Iterator[LiveWallet]:
    switch = Switch()
    with Store(folder / "keeper.sqlite") as store:
        yield LiveWallet(
            Parts(
                policy=policy or world.policy,
                deployment=deployment or world.deployment,
                endpoint=Endpoint(world.devnet.url, timeout_seconds=10),
                store=store,
                journal=Journal(store),
                signer=Signer(Account.from_key(key)),
                halts=Halts(switch.why, lambda: switch.ending),
                patience_seconds=5,
            )
        )


def plan_of(world: SafeWorld, *actions: Action) -> Plan:
    return Plan(actions, world.devnet.node.latest()[0], "to earn")


def supply(world: SafeWorld, raw: int = RAW) -> Plan:
    market = world.market("aave-core:USDC")
    return plan_of(world, Supply(market, Amount(market.asset, raw)))


def usdc_raw(world: SafeWorld, account: str) -> int:
    return read_integer(world.devnet.node, world.devnet.token("USDC"), "balanceOf(address)", account)


def ether_wei(world: SafeWorld, account: str) -> int:
    return int(world.devnet.node.rpc("eth_getBalance", account, "latest"), 16)


def reasons(verdict: object) -> dict[str, str]:
    assert isinstance(verdict, Refused)
    return {reason.rule: reason.text for reason in verdict.reasons}


def test_a_plan_is_judged_for_the_safe_and_executed_through_its_role(world: SafeWorld, tmp_path: Path) -> None:
    account, before = world.owned.safe, ether_wei(world, world.owned.safe)
    with wallet_of(world, tmp_path) as wallet:
        verdict = wallet.judge(supply(world), "in")
        assert isinstance(verdict, Approved), verdict
        assert verdict.calls == tuple(registry.encode(supply(world).actions[0], account))  # people see the inner calls
        receipt = wallet.execute(verdict, yes(verdict))
        assert receipt.complete
        assert {transaction.payer for transaction in receipt.transactions} == {MEMBER}
        out = wallet.judge(plan_of(world, Withdraw(world.market("aave-core:USDC"), ALL)), "out")
        assert isinstance(out, Approved), out
        assert wallet.execute(out, yes(out)).complete
    assert usdc_raw(world, account) >= 100_000 * 10**6 - 1
    assert ether_wei(world, account) == before
    assert ether_wei(world, MEMBER) < 10 * WAD


def test_the_books_of_a_safe_agree_with_the_chain_although_another_paid(world: SafeWorld, tmp_path: Path) -> None:
    endpoint, account = Endpoint(world.devnet.url, timeout_seconds=10), world.owned.safe
    reading, portfolio = read(endpoint, world.deployment, account)
    books = Ledger(opening(portfolio, reading.timestamp))
    with wallet_of(world, tmp_path) as wallet:
        verdict = wallet.judge(supply(world), "in")
        assert isinstance(verdict, Approved), verdict
        receipt = wallet.execute(verdict, yes(verdict))
    reading, portfolio = read(endpoint, world.deployment, account)
    books.post(entries_of(receipt, world.deployment, account, reading.timestamp))
    reconcile(books, portfolio, reading, world.deployment)
    ether = world.deployment.asset("ETH")
    assert books.balance_raw(FEES, ether) > 0
    assert books.balance_raw(WALLET, ether) == ether_wei(world, account)
    assert books.balance_raw(OUTSIDE, ether) < 0


def test_a_plan_that_the_role_does_not_hold_reverts_in_the_simulation(world: SafeWorld, tmp_path: Path) -> None:
    narrow = world.role.day_limits[0]
    assert world.policy.safe is not None
    other = world.policy.safe.model_copy(update={"role": "another"})
    with wallet_of(world, tmp_path, policy=world.policy.model_copy(update={"safe": other})) as wallet:
        assert "simulation" in reasons(wallet.judge(supply(world, min(RAW, narrow.raw)), "in"))


def test_a_stranger_s_key_makes_no_wallet_of_the_safe(world: SafeWorld, tmp_path: Path) -> None:
    with pytest.raises(NotApproved, match="the keystore is of"), wallet_of(world, tmp_path, key=b"\x43" * 32):
        pass


def test_gas_is_the_member_s_to_pay_and_its_reserve_is_kept(world: SafeWorld, tmp_path: Path) -> None:
    world.devnet.node.rpc("anvil_setBalance", MEMBER, hex(2 * 10**15))
    with wallet_of(world, tmp_path) as wallet:
        assert "gas" in reasons(wallet.judge(supply(world), "in"))
    world.devnet.node.rpc("anvil_setBalance", world.owned.safe, hex(0))
    world.devnet.node.rpc("anvil_setBalance", MEMBER, hex(WAD))
    with wallet_of(world, tmp_path) as wallet:
        assert isinstance(wallet.judge(supply(world), "again"), Approved)


def test_a_second_module_of_the_safe_stops_it_and_taking_it_away_mends_it(world: SafeWorld, tmp_path: Path) -> None:
    node, owned = world.devnet.node, world.owned
    stranger = "0x" + "66" * 20
    execute_as_owners(node, owned, [Call(owned.safe, bytes.fromhex(calldata("enableModule(address)", stranger)[2:]))])
    with wallet_of(world, tmp_path) as wallet:
        assert "only module" in reasons(wallet.judge(supply(world), "in"))["code"]
        first = "0x" + "00" * 19 + "01"
        away = calldata("disableModule(address,address)", first, stranger)
        execute_as_owners(node, owned, [Call(owned.safe, bytes.fromhex(away[2:]))])
        assert isinstance(wallet.judge(supply(world), "again"), Approved)


def test_a_modifier_that_no_longer_goes_through_the_guard_stops_the_safe(world: SafeWorld, tmp_path: Path) -> None:
    owned = world.owned
    execute_as_owners(
        world.devnet.node, owned, [Call(owned.roles, bytes.fromhex(calldata("setTarget(address)", owned.safe)[2:]))]
    )
    with wallet_of(world, tmp_path) as wallet:
        assert "modifier's target" in reasons(wallet.judge(supply(world), "in"))["code"]


def test_a_safe_whose_contracts_nobody_pinned_is_refused(world: SafeWorld, tmp_path: Path) -> None:
    pins = {address: digest for address, digest in world.deployment.code.items() if address != world.owned.guard}
    with wallet_of(world, tmp_path, deployment=replace(world.deployment, code=pins)) as wallet:
        assert world.owned.guard in reasons(wallet.judge(supply(world), "in"))["code"]

"""Grants taken back on bytecode, by the live wallet from judgement to receipt: operators of the real position manager, who may
act for one of its tokens, allowances within a stand-in for Permit2; in a halt, on changed code, beside a broken market, too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.devnet.artefacts import ensure
from agent.devnet.contracts import create, read, read_address, read_integer, transact
from agent.verify.attacks.compiling import stand_ins
from strategies.domain import Action, Address, Plan, Supply
from strategies.errors import SimulationReverted
from strategies.protocols import grants
from strategies.protocols.adapter import Call
from strategies.protocols.registry import deployment_from
from strategies.revocations import Lockdown, RevokeOperator, RevokePermit, RevokeToken
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, Bench, bench, yes
from wallets import reading as blocks
from wallets.case import Fees
from wallets.endpoints import code_digest
from wallets.safe import Seat
from wallets.simulate import simulate
from wallets.wallet import Approved, Effects, Refused, Verdict

pytestmark = pytest.mark.chain
OLD: Address = "0x" + "0d" * 20
OTHER: Address = "0x" + "0e" * 20
GIVEN_RAW = 2**160 - 1
NEVER = 2**48 - 1


@pytest.fixture
def whole(chain: Chain) -> Chain:
    """The same chain with everything that stands on it, and Permit2."""
    node, found = chain.devnet.node, deployment_from(chain.devnet.everything)
    permit2 = create(node, chain.devnet.actor("deployer"), stand_ins(ensure(lambda _: None))["PermitTwo"].linked({}))
    code = bytes.fromhex(str(node.rpc("eth_getCode", permit2, "latest"))[2:])
    chain.fund(ACCOUNT)
    return Chain(chain.devnet, replace(found, permit2=permit2, code={**found.code, permit2: code_digest(code)}))


def manager_of(chain: Chain) -> Address:
    return next(market for market in chain.deployment.markets if market.protocol == "uniswap_v3").contract("position_manager")


def permit2_of(chain: Chain) -> Address:
    assert chain.deployment.permit2 is not None
    return chain.deployment.permit2


def let_operate(chain: Chain, collection: Address) -> None:
    chain.send_as(ACCOUNT, collection, grants.SET_APPROVAL_FOR_ALL.encode(OLD, 1))
    assert may_operate(chain, collection)


def may_operate(chain: Chain, collection: Address) -> bool:
    return bool(read_integer(chain.devnet.node, collection, "isApprovedForAll(address,address)", ACCOUNT, OLD))


def let_take(chain: Chain, symbol: str, spender: Address) -> None:
    token = chain.devnet.token(symbol)
    chain.send_as(ACCOUNT, permit2_of(chain), grants.PERMIT2_APPROVE.encode(token, spender, GIVEN_RAW, NEVER))
    assert may_take_raw(chain, symbol, spender) == GIVEN_RAW


def may_take_raw(chain: Chain, symbol: str, spender: Address) -> int:
    asked = permit2_of(chain), "allowance(address,address,address)", "(uint160,uint48,uint48)"
    return int(read(chain.devnet.node, *asked, ACCOUNT, chain.devnet.token(symbol), spender)[0])


def a_token(chain: Chain) -> int:
    """The lender gives the account one of its ranges."""
    lender, manager, node = chain.devnet.actor("lender"), manager_of(chain), chain.devnet.node
    token_id = read_integer(node, manager, "tokenOfOwnerByIndex(address,uint256)", lender, 0)
    transact(node, lender, manager, "transferFrom(address,address,uint256)", lender, ACCOUNT, token_id)
    return token_id


def judged(chain: Chain, at: Bench, *actions: Action, intent: str = "back") -> Verdict:
    return at.wallet.judge(Plan(actions, chain.devnet.node.latest()[0], "to take back"), intent)


def carried_out(chain: Chain, at: Bench, *actions: Action) -> Approved:
    verdict = judged(chain, at, *actions)
    assert isinstance(verdict, Approved), verdict
    assert at.wallet.execute(verdict, yes(verdict)).complete
    return verdict


def halted(at: Bench) -> None:
    at.switch.paused = "support call"


def reduced(at: Bench) -> None:
    at.switch.reduced = "winding down"


def running(at: Bench) -> None:
    assert not at.switch.paused


@pytest.mark.parametrize("stop", [running, halted, reduced])
def test_an_operator_of_the_real_position_manager_is_taken_back(
    whole: Chain, tmp_path: Path, stop: Callable[[Bench], None]
) -> None:
    manager = manager_of(whole)
    let_operate(whole, manager)
    with bench(whole, tmp_path) as at:
        stop(at)
        verdict = carried_out(whole, at, RevokeOperator(manager, OLD))
    assert (verdict.effects.changes, verdict.effects.unexpected) == ((), ())
    assert not may_operate(whole, manager)


def test_who_may_act_for_a_single_range_is_taken_back(whole: Chain, tmp_path: Path) -> None:
    manager, token_id = manager_of(whole), a_token(whole)
    whole.send_as(ACCOUNT, manager, grants.APPROVE_TOKEN.encode(OLD, token_id))
    assert read_address(whole.devnet.node, manager, "getApproved(uint256)", token_id) == OLD
    with bench(whole, tmp_path) as at:
        halted(at)
        carried_out(whole, at, RevokeToken(manager, token_id))
    assert int(read_address(whole.devnet.node, manager, "getApproved(uint256)", token_id), 16) == 0


def test_a_token_of_somebody_else_is_nothing_to_take_back(whole: Chain, tmp_path: Path) -> None:
    with bench(whole, tmp_path) as at:
        verdict = judged(whole, at, RevokeToken(manager_of(whole), 1))
    assert isinstance(verdict, Refused)
    assert {reason.rule for reason in verdict.reasons} == {"simulation"}


@pytest.mark.parametrize("stop", [running, halted])
def test_an_allowance_within_permit2_is_taken_back(whole: Chain, tmp_path: Path, stop: Callable[[Bench], None]) -> None:
    let_take(whole, "USDC", OLD)
    let_take(whole, "USDC", OTHER)
    with bench(whole, tmp_path) as at:
        stop(at)
        carried_out(whole, at, RevokePermit(permit2_of(whole), whole.deployment.asset("USDC"), OLD))
    assert may_take_raw(whole, "USDC", OLD) == 0
    assert may_take_raw(whole, "USDC", OTHER) == GIVEN_RAW


def test_a_lockdown_takes_back_every_pair_at_once_beside_an_operator(whole: Chain, tmp_path: Path) -> None:
    pairs = (("USDC", OLD), ("USDC", OTHER), ("DAI", OLD))
    for symbol, spender in pairs:
        let_take(whole, symbol, spender)
    manager = manager_of(whole)
    let_operate(whole, manager)
    listed = tuple((whole.deployment.asset(symbol), spender) for symbol, spender in pairs)
    with bench(whole, tmp_path) as at:
        halted(at)
        carried_out(whole, at, RevokeOperator(manager, OLD), Lockdown(permit2_of(whole), listed))
    assert [may_take_raw(whole, *pair) for pair in pairs] == [0, 0, 0]
    assert not may_operate(whole, manager)


def test_changed_code_keeps_no_operator_and_stops_what_stands_beside_it(whole: Chain, tmp_path: Path) -> None:
    manager = manager_of(whole)
    let_operate(whole, manager)
    pinned_otherwise = replace(whole.deployment, code={**whole.deployment.code, manager: "0x" + "11" * 32})
    known = Chain(whole.devnet, pinned_otherwise)
    supply = Supply(whole.market("aave-core:USDC"), whole.usdc(10))
    with bench(known, tmp_path) as at:
        both = judged(known, at, RevokeOperator(manager, OLD), supply, intent="both")
        assert isinstance(both, Refused)
        assert "code" in {reason.rule for reason in both.reasons}
        carried_out(known, at, RevokeOperator(manager, OLD))
    assert not may_operate(whole, manager)


@pytest.mark.parametrize("broken", ["the pool", "another token"])
def test_a_market_that_cannot_be_read_keeps_no_grant(whole: Chain, tmp_path: Path, broken: str) -> None:
    manager = manager_of(whole)
    let_operate(whole, manager)
    let_take(whole, "USDC", OLD)
    places = {"the pool": whole.market("aave-core:USDC").address, "another token": whole.devnet.token("DAI")}
    whole.devnet.node.rpc("anvil_setCode", places[broken], "0x60006000fd")
    back = RevokeOperator(manager, OLD), RevokePermit(permit2_of(whole), whole.deployment.asset("USDC"), OLD)
    with bench(whole, tmp_path) as at:
        verdict = judged(whole, at, *back)
        assert isinstance(verdict, Approved), verdict
        assert verdict.effects.unexpected == ()
        others = judged(whole, at, *back, Supply(whole.market("aave-core:USDC"), whole.usdc(10)), intent="both")
        assert isinstance(others, Refused)


def simulated(chain: Chain, call: Call) -> Effects:
    reading, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    return simulate(
        chain.endpoint(),
        deployment=chain.deployment,
        seat=Seat(ACCOUNT, None),
        calls=(call,),
        fees=Fees(30 * 10**9, 10**8, (1_000_000,)),
        nonce=chain.sent(ACCOUNT),
        at=reading,
    )


def test_the_simulation_alone_tells_a_grant_from_its_end(whole: Chain) -> None:
    manager, token_id = manager_of(whole), a_token(whole)
    for data, what in (
        (grants.SET_APPROVAL_FOR_ALL.encode(OLD, 1), "an operator's approval"),
        (grants.APPROVE_TOKEN.encode(OLD, token_id), "an approval of a single token"),
    ):
        assert simulated(whole, Call(manager, data)).unexpected == (f"{what} by {manager}",)
    for data in (grants.SET_APPROVAL_FOR_ALL.encode(OLD, 0), grants.APPROVE_TOKEN.encode(grants.NOBODY, token_id)):
        assert simulated(whole, Call(manager, data)).unexpected == ()
    with pytest.raises(SimulationReverted):
        simulated(whole, Call(manager, grants.APPROVE_TOKEN.encode(OLD, token_id + 1)))


@pytest.mark.parametrize("granting", [True, False])
def test_bytes_that_grant_are_refused_and_those_that_take_back_are_not(whole: Chain, tmp_path: Path, granting: bool) -> None:
    token, manager = whole.devnet.token("USDC"), manager_of(whole)
    raw, expiry = (GIVEN_RAW, NEVER) if granting else (0, 0)
    calls = (
        Call(manager, grants.SET_APPROVAL_FOR_ALL.encode(OLD, int(granting))),
        Call(permit2_of(whole), grants.PERMIT2_APPROVE.encode(token, OLD, raw, expiry)),
    )
    with bench(whole, tmp_path) as at:
        for index, call in enumerate(calls):
            block = whole.devnet.node.latest()[0]
            verdict = at.wallet.judge_calls((call,), intent=f"bytes-{index}", plan_block=block, reason="to see")
            assert isinstance(verdict, Refused if granting else Approved), verdict
            if isinstance(verdict, Refused):
                assert "allowance" in {reason.rule for reason in verdict.reasons}

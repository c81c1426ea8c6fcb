"""The role on the chain: each form that was derived passes, each function executes for real, and what stands beside does not."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, permutations
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.devnet.contracts import calldata, read_integer
from agent.devnet.errors import ArtefactsMissing
from agent.devnet.safe import execute_as_owners
from strategies.domain import (
    ALL,
    NATIVE,
    Action,
    AddLiquidity,
    Amount,
    Asset,
    Borrow,
    ClaimRewards,
    Collect,
    Market,
    RemoveLiquidity,
    Repay,
    Revoke,
    SetCollateral,
    Shares,
    Stake,
    Supply,
    Swap,
    SwapFor,
    Ticks,
    Transfer,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.errors import UnknownCall
from strategies.protocols import registry
from strategies.protocols.adapter import ADDRESS, UINT256, Call
from strategies.revocations import Lockdown, RevokeOperator, RevokePermit, RevokeToken
from strategies.units import WAD
from tests.wallets.safes import FAILED, MEMBER, PASSED, SafeWorld, make_world, samples
from wallets import safe
from wallets.permissions import safe_of
from wallets.roles import DAY_SECONDS
from wallets.safe import role_key

pytestmark = [pytest.mark.chain, pytest.mark.slow]

FUTURE: Final = 2**40
EVERYTHING: Final = 3  # ExecutionOptions.Both: value and delegate calls
ANY: Final = st.integers(0, 2**32)  # one of however many
STRANGER: Final = "0x" + "66" * 20
CLAIM: Final = bytes.fromhex("f8444436")  # waits for the queue, which no plan can hurry
ONE: Final = {"USDC": 100 * 10**6, "DAI": 100 * WAD}  # a small amount of each; of the others a tenth


@pytest.fixture(scope="module")
def built() -> Iterator[SafeWorld]:
    try:
        devnet = Devnet.start()
    except ArtefactsMissing as error:
        pytest.skip(f"no local chain here: {error}")
    with devnet:
        world = make_world(devnet)
        scenes.fund(devnet, world.owned.safe, dai_raw=50_000 * WAD, weth_raw=50 * WAD)
        yield world


@pytest.fixture
def world(built: SafeWorld) -> Iterator[SafeWorld]:
    """The world; whatever a test mines is undone."""
    snapshot = built.devnet.node.snapshot()
    yield built
    built.devnet.node.revert(snapshot)


def one(asset: Asset) -> Amount:
    return Amount(asset, ONE.get(asset.symbol, WAD // 10))


def test_each_form_of_the_role_passes_at_its_largest(world: SafeWorld) -> None:
    refused = {one.variant.purposes: said for one in samples(world) if (said := world.asked(one.call)) not in {PASSED, FAILED}}
    assert refused == {}


def test_each_form_of_the_role_is_an_action_that_the_adapters_read_back(world: SafeWorld) -> None:
    """But for those of a range: two pools share one position manager, and a number does not say whose range it is."""
    known = samples(world)
    unread = [one for one in known if registry.parse(one.call, world.owned.safe, world.deployment) is None]
    assert {one.variant.purposes[0].partition(" ")[0] for one in unread} == {"RemoveLiquidity", "Collect"}


def test_only_trades_of_the_native_coin_and_lists_are_left_out_and_each_by_name(world: SafeWorld) -> None:
    *trades, of_lists = world.role.left_out
    assert trades
    assert all(said.startswith("Swap") and " ETH" in said.partition(" in ")[0] for said in trades)
    assert of_lists.startswith("Lockdown")
    listed = Lockdown(str(world.deployment.permit2), ((world.deployment.asset("USDC"), STRANGER),))
    (call,) = registry.encode(listed, world.owned.safe)
    assert world.asked(call) == "condition"


def _attempts(world: SafeWorld, market: Market) -> Iterator[Action]:
    """In an order in which most of them can succeed."""
    assets = (market.asset, *market.others)
    yield from [Supply(market, one(asset)) for asset in assets[::-1]]
    yield SetCollateral(market, True)
    yield Borrow(market, Amount(market.asset, one(market.asset).raw // 10))
    yield Repay(market, Amount(market.asset, one(market.asset).raw // 20))
    yield from [Stake(market, one(asset)) for asset in assets]
    yield from [kind(market, Amount(asset, one(asset).raw // 4)) for kind in (Wrap, Unstake) for asset in assets]
    yield from [Unwrap(market, Amount(asset, one(asset).raw // 8)) for asset in assets]
    for given_, taken in permutations(assets, 2):
        yield Swap(market, one(given_), Amount(taken, 1), FUTURE)
        yield SwapFor(market, one(given_), Amount(taken, one(taken).raw // 1_000), FUTURE)
    yield from [Withdraw(market, Amount(asset, one(asset).raw // 100)) for asset in assets]
    yield Withdraw(market, Shares(1_000_000))
    yield ClaimRewards(market)
    yield Withdraw(market, ALL)


def _ranges(world: SafeWorld, market: Market) -> Iterator[Action]:
    pair = sorted((market.asset, *market.others), key=lambda asset: asset.address)
    most, least = (one(pair[0]), one(pair[1])), (Amount(pair[0], 0), Amount(pair[1], 0))
    far = 887_272 // market.number("tick_spacing") * market.number("tick_spacing")
    yield AddLiquidity(market, Ticks(-far, far), most, least, FUTURE)
    held = read_integer(
        world.devnet.node, market.contract("position_manager"), "tokenOfOwnerByIndex(address,uint256)", world.owned.safe, 0
    )
    yield RemoveLiquidity(market, held, 1_000, least, FUTURE)
    yield Collect(market, held)
    yield RevokeToken(market.contract("position_manager"), held)
    yield RevokeOperator(market.contract("position_manager"), STRANGER)


def _try(world: SafeWorld, action: Action) -> set[tuple[str, bytes]]:
    """The functions that an action's calls executed, where all of them succeeded."""
    try:
        calls = registry.encode(action, world.owned.safe)
    except UnknownCall:
        return set()
    done = world.do(calls)
    return {(call.target, call.data[:4]) for call, succeeded in zip(calls, done, strict=True) if succeeded}


def test_each_function_of_the_role_executes_for_real(world: SafeWorld) -> None:
    done: set[tuple[str, bytes]] = set()
    for market in world.deployment.markets:
        actions = _ranges(world, market) if market.protocol == "uniswap_v3" else iter(())
        for action in chain(_attempts(world, market), actions):
            done |= _try(world, action)
    for asset in [asset for asset in world.deployment.assets if asset.address != NATIVE]:
        done |= _try(world, Revoke(asset, STRANGER))
        done |= _try(world, RevokePermit(str(world.deployment.permit2), asset, STRANGER))
        done |= _try(world, Transfer(Amount(asset, 1), str(world.policy.treasury)))
    functions = {(permission.target, permission.selector) for permission in world.role.permissions}
    assert {selector for _, selector in functions - done} == {CLAIM}


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=ANY, place=ANY, known=ANY, unknown=st.binary(min_size=32, max_size=32), is_known=st.booleans())
def test_what_passes_with_a_pinned_word_changed_is_another_action_of_this_policy(
    world: SafeWorld, form: int, place: int, known: int, unknown: bytes, is_known: bool
) -> None:
    pinned = [one for one in samples(world) if one.pinned]
    one = pinned[form % len(pinned)]
    at = one.pinned[place % len(one.pinned)]
    words = _selectors(world) if at.stop - at.start == 4 else _words(world)
    word = words[known % len(words)] if is_known else unknown[: at.stop - at.start]
    changed = replace(one.call, data=one.call.data[: at.start] + word + one.call.data[at.stop :])
    if world.asked(changed) in {PASSED, FAILED}:
        assert registry.parse(changed, world.owned.safe, world.deployment) is not None


def _words(world: SafeWorld) -> list[bytes]:
    """What a forger would try: everybody's address, and numbers that mean something to a decoder."""
    named = [STRANGER, MEMBER, world.owned.safe, world.owned.roles, *[asset.address for asset in world.deployment.assets]]
    addresses = (*named, *[market.address for market in world.deployment.markets])
    return [ADDRESS.pack(one) for one in addresses] + [UINT256.pack(number) for number in (0, 1, 2, 32, 64, 999, 2**160, 2**255)]


def _selectors(world: SafeWorld) -> list[bytes]:
    return sorted({permission.selector for permission in world.role.permissions})


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=ANY, place=ANY, known=ANY, unknown=st.binary(min_size=4, max_size=4), is_known=st.booleans())
def test_another_target_or_function_does_not_pass(
    world: SafeWorld, form: int, place: int, known: int, unknown: bytes, is_known: bool
) -> None:
    forms, selectors = samples(world), _selectors(world)
    call = forms[form % len(forms)].call
    functions = {(permission.target, permission.selector) for permission in world.role.permissions}
    targets = sorted({STRANGER, world.owned.safe, world.owned.roles, world.owned.guard, *[target for target, _ in functions]})
    target, selector = targets[place % len(targets)], selectors[known % len(selectors)] if is_known else unknown
    passed = world.asked(Call(target, selector + call.data[4:], call.value_wei)) in {PASSED, FAILED}
    assert not passed or (target, selector) in functions


def test_a_call_inside_that_ends_early_does_not_execute_although_the_role_reads_on(world: SafeWorld) -> None:
    market = world.market("swap:USDC/WETH-500")
    approval, swap = registry.encode(Swap(market, one(market.asset), Amount(market.others[0], 1), FUTURE), world.owned.safe)
    assert world.do((approval,)) == (True,)
    assert world.asked(swap) == PASSED
    length = slice(4 + 4 * 32, 4 + 5 * 32)
    for size in range(int.from_bytes(swap.data[length], "big")):
        early = swap.data[: length.start] + UINT256.pack(size) + swap.data[length.stop :]
        assert world.asked(replace(swap, data=early)) != PASSED, size


def test_no_form_takes_a_value_that_is_not_its_own(world: SafeWorld) -> None:
    for one in samples(world):
        if one.variant.carries is None:
            assert world.asked(replace(one.call, value_wei=1)) == "condition", one.variant.purposes


def test_the_day_s_value_is_a_limit_of_its_own(world: SafeWorld) -> None:
    (limit,) = [limit for limit in world.role.day_limits if limit.asset.address == NATIVE]
    (stake,) = [one.call for one in samples(world) if one.variant.purposes == ("Stake ETH lido:stETH",)]
    assert world.asked(replace(stake, value_wei=limit.raw + 1)) == "condition"
    assert world.asked(replace(stake, value_wei=limit.raw)) == PASSED


def test_no_form_may_be_delegated(world: SafeWorld) -> None:
    for one in samples(world):
        outer = safe.outer(safe.seat_of(world.policy), one.call)
        at = 4 + 32 * 4 - 1
        delegated = replace(outer, data=outer.data[:at] + b"\x01" + outer.data[at + 1 :])
        assert world.outcome(delegated, MEMBER) == "condition"


def test_nobody_else_holds_the_role_and_the_member_holds_no_other(world: SafeWorld) -> None:
    call, table = samples(world)[0].call, safe_of(world.policy)
    assert world.asked(call, STRANGER) == "module"
    for name in ("another", *table.retired_roles):
        other = world.policy.model_copy(update={"safe": table.model_copy(update={"role": name})})
        assert world.outcome(safe.outer(safe.seat_of(other), call), MEMBER) == "member"


def _usdc(world: SafeWorld) -> tuple[Market, int, int]:
    """A market, the most of its asset in one transaction, and in a day."""
    market = world.market("aave-core:USDC")
    (day,) = [limit.raw for limit in world.role.day_limits if limit.asset == market.asset]
    return market, world.policy.max_transaction_usd * 10**6, day


def _supply(world: SafeWorld, market: Market, raw: int) -> tuple[Call, ...]:
    return registry.encode(Supply(market, Amount(market.asset, raw)), world.owned.safe)


def test_no_transaction_moves_more_than_its_limit(world: SafeWorld) -> None:
    market, most_raw, _ = _usdc(world)
    assert world.asked(_supply(world, market, most_raw)[1]) == FAILED  # nothing is approved yet
    assert world.asked(_supply(world, market, most_raw + 1)[1]) == "condition"


def test_no_day_moves_more_than_its_limit_and_the_next_day_has_it_again(world: SafeWorld) -> None:
    market, most_raw, day_raw = _usdc(world)
    scenes.fund(world.devnet, world.owned.safe, usdc_raw=2 * day_raw)
    for _ in range(day_raw // most_raw):
        assert world.do(_supply(world, market, most_raw)) == (True, True)
    assert world.asked(_supply(world, market, 1)[1]) == "condition"
    out = registry.encode(Withdraw(market, ALL), world.owned.safe)
    assert world.do(out) == (True,)  # what is taken back counts nothing
    world.devnet.node.set_next_block_timestamp(world.devnet.node.latest()[1] + DAY_SECONDS)
    world.devnet.node.mine()
    assert world.do(_supply(world, market, most_raw)) == (True, True)


def test_the_guard_hears_the_modifier_only_and_refuses_the_safe_s_own_machinery(world: SafeWorld) -> None:
    owned, table = world.owned, safe_of(world.policy)
    through = "execTransactionFromModule(address,uint256,bytes,uint8)"
    data = bytes.fromhex(calldata(through, world.market("weth").address, 0, b"", 0)[2:])
    assert world.outcome(Call(owned.guard, data), STRANGER) == "caller"
    for target in (owned.safe, owned.roles, owned.guard):  # even where the owners allow all of it by mistake
        allow = calldata("allowTarget(bytes32,address,uint8)", role_key(table.role), target, EVERYTHING)
        execute_as_owners(world.devnet.node, owned, [Call(owned.roles, bytes.fromhex(allow[2:]))])
        assert world.asked(Call(target, b"")) == "own machinery"


def test_the_guard_refuses_a_delegate_call_that_a_role_would_allow(world: SafeWorld) -> None:
    owned, table = world.owned, safe_of(world.policy)
    allow = calldata("allowTarget(bytes32,address,uint8)", role_key(table.role), STRANGER, EVERYTHING)
    execute_as_owners(world.devnet.node, owned, [Call(owned.roles, bytes.fromhex(allow[2:]))])
    outer = safe.outer(safe.seat_of(world.policy), Call(STRANGER, b""))
    at = 4 + 32 * 4 - 1
    delegated = replace(outer, data=outer.data[:at] + b"\x01" + outer.data[at + 1 :])
    assert world.outcome(outer, MEMBER) == PASSED
    assert world.outcome(delegated, MEMBER) == "delegate call"


def test_the_modifier_is_no_module_of_the_safe_itself(world: SafeWorld) -> None:
    data = bytes.fromhex(calldata("execTransactionFromModule(address,uint256,bytes,uint8)", STRANGER, 0, b"", 0)[2:])
    assert "GS104" in world.outcome(Call(world.owned.safe, data), world.owned.roles)

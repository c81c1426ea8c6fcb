"""Each rule of the guard: a case it lets pass and its twin that it refuses, by name."""

from dataclasses import replace
from typing import Any

import pytest

from strategies.domain import (
    ALL,
    Action,
    Amount,
    Approve,
    Borrow,
    Portfolio,
    Position,
    Quote,
    Repay,
    Revoke,
    Shares,
    Supply,
    Swap,
    Transfer,
    Withdraw,
)
from strategies.errors import IncompleteRead
from strategies.protocols.adapter import Call
from strategies.units import GWEI, USD_E8, WAD
from tests import worlds
from tests.wallets import cases
from tests.wallets.cases import (
    AAVE_USDC,
    AAVE_WETH,
    GAS_LIMIT,
    LENDING,
    STRANGER,
    TREASURY,
    calls_of,
    case,
    fees,
    policy,
    usdc,
    weth,
)
from tests.worlds import ACCOUNT, ETHER, ONE, TWO, USDC
from wallets import checks
from wallets.case import Case
from wallets.checks import CHECKS, Check
from wallets.wallet import Allowance

SUPPLY = (Supply(ONE, usdc(10_000)),)
MOVE = (Withdraw(ONE, ALL), Supply(TWO, usdc(10_000)))
HELD = worlds.holding(ONE, 20_000 * cases.USD)
LENT = Portfolio((usdc(50_000), weth(20), Amount(ETHER, WAD)))


def lending(*actions: Action, portfolio: Portfolio = LENT, **changes: Any) -> Case:
    return case(actions, seen=cases.lending_reading(), deployment=LENDING, portfolio=portfolio, **changes)


def rules(check: Check, of: Case) -> list[str]:
    return [reason.rule for reason in check(of)]


def text(check: Check, of: Case) -> str:
    return " | ".join(reason.text for reason in check(of))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_rule_lets_an_ordinary_plan_pass(check: Check) -> None:
    assert check(case(SUPPLY)) == ()
    assert check(case(MOVE, portfolio=HELD)) == ()
    assert check(lending(Supply(AAVE_WETH, weth(10)), Borrow(AAVE_USDC, usdc(1_000)))) == ()


def test_refuses_what_no_rule_can_weigh_yet() -> None:
    swap = Swap(ONE, usdc(1), weth(1), 1)
    assert rules(checks.traded, replace(case(SUPPLY), actions=(swap,))) == ["action"]
    assert rules(checks.traded, replace(case(SUPPLY), actions=(Supply(AAVE_USDC, weth(1)),))) == ["action"]
    assert checks.traded(replace(case(SUPPLY), actions=(Withdraw(ONE, Shares(7)), Supply(ONE, usdc(1))))) == ()


def test_a_pause_stops_all_but_revocations() -> None:
    assert "support call" in text(checks.not_paused, case(SUPPLY, paused="support call"))
    assert checks.not_paused(case((Revoke(USDC, STRANGER),), paused="support call")) == ()


@pytest.mark.parametrize("change", [{"endpoint_chain_id": 1}, {"policy": policy(chain_id=11155111)}])
def test_refuses_more_than_one_chain(change: dict[str, Any]) -> None:
    assert rules(checks.right_chain, case(SUPPLY, **change)) == ["chain"]


@pytest.mark.parametrize(
    ("chain_id", "live", "refused"), [(1, True, True), (1, False, False), (84532, True, False), (8453, True, True)]
)
def test_live_value_moves_on_listed_testnets_only(chain_id: int, live: bool, refused: bool) -> None:
    deployment = replace(worlds.DEPLOYMENT, chain_id=chain_id)
    made = case(SUPPLY, endpoint_chain_id=chain_id, policy=policy(chain_id=chain_id), fees=fees(2) if live else None)
    assert bool(checks.right_chain(replace(made, deployment=deployment))) == refused


def word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def damaged(call: Call, rule: str) -> Call:
    """The same call with one thing wrong."""
    match rule:
        case "target":
            return replace(call, target=STRANGER)
        case "selector":
            return replace(call, data=b"\xde\xad\xbe\xef" + call.data[4:])
        case "calldata":
            return replace(call, data=call.data + b"\x00")
        case "value":
            return replace(call, value_wei=1)
        case "beneficiary":
            return replace(call, data=call.data.replace(word(ACCOUNT), word(STRANGER)))
        case _:
            return replace(call, data=call.data.replace(word(USDC.address), word(STRANGER)))


@pytest.mark.parametrize("rule", ["target", "selector", "calldata", "value", "beneficiary", "asset"])
def test_names_what_makes_a_call_unreadable(rule: str) -> None:
    approve, supply = calls_of([Supply(AAVE_USDC, usdc(5))])
    bad = damaged(supply, rule)
    found = lending(calls=(approve, bad))
    assert rules(checks.readable, found) == [rule]
    assert bad.target in text(checks.readable, found)
    assert f"0x{bad.data[:4].hex()}" in text(checks.readable, found)


@pytest.mark.parametrize("data", [b"", b"\x00", bytes(3), bytes(4), bytes(36)])
def test_bytes_without_meaning_are_refused_by_name(data: bytes) -> None:
    assert rules(checks.readable, lending(calls=(Call(AAVE_USDC.address, data),))) == ["selector"]
    assert rules(checks.readable, lending(calls=(Call(USDC.address, data),))) == ["selector"]


def test_refuses_meaning_that_is_written_otherwise() -> None:
    made = case(SUPPLY)
    other = (Approve(usdc(10_000), ONE.address), Supply(ONE, usdc(9_999)))
    assert rules(checks.canonical, replace(made, actions=other)) == ["calldata"]


def test_refuses_a_market_that_is_not_listed() -> None:
    assert rules(checks.allowed_markets, case(SUPPLY, policy=policy(markets=(TWO.id,), borrow_markets=()))) == ["target"]


def test_refuses_to_borrow_where_it_is_not_listed() -> None:
    assert checks.allowed_borrowing(lending(Borrow(AAVE_USDC, usdc(1)))) == ()
    assert rules(checks.allowed_borrowing, lending(Borrow(AAVE_WETH, weth(1)))) == ["borrow"]


@pytest.mark.parametrize(
    "actions",
    [
        (Approve(usdc(5), ONE.address),),
        (Approve(usdc(5), ONE.address), Withdraw(ONE, ALL)),
        (Approve(usdc(5), ONE.address), Revoke(USDC, ONE.address)),
        (Approve(usdc(6), ONE.address), Supply(ONE, usdc(5))),
        (Approve(usdc(4), ONE.address), Supply(ONE, usdc(5))),
        (Approve(usdc(5), TWO.address), Supply(ONE, usdc(5))),
        (Approve(usdc(5), STRANGER), Supply(ONE, usdc(5))),
        (Approve(weth(5), ONE.address), Supply(ONE, usdc(5))),
        (Approve(usdc(5), ONE.address), Approve(usdc(5), ONE.address), Supply(ONE, usdc(5))),
        (Approve(usdc(5), ONE.address), Repay(ONE, ALL)),
    ],
)
def test_refuses_an_approval_that_the_next_call_does_not_use_up(actions: tuple[Action, ...]) -> None:
    assert rules(checks.exact_approvals, replace(case(SUPPLY), actions=actions)) == ["allowance"]


def test_an_exact_approval_and_any_revocation_pass() -> None:
    for actions in ((Approve(usdc(5), ONE.address), Supply(ONE, usdc(5))), (Revoke(USDC, STRANGER),)):
        assert checks.exact_approvals(replace(case(SUPPLY), actions=actions)) == ()


def test_refuses_an_allowance_that_stays() -> None:
    made = case(SUPPLY)
    assert made.effects is not None
    left = replace(made.effects, allowances=(Allowance(USDC.address, STRANGER, 1),))
    assert rules(checks.no_allowance_left, replace(made, effects=left)) == ["allowance"]
    assert rules(checks.no_allowance_left, replace(made, expected=left, effects=left)) == ["allowance"]


@pytest.mark.parametrize(("before_raw", "after_raw", "refused"), [(5, 5, False), (5, 4, False), (5, 6, True), (0, 1, True)])
def test_an_allowance_that_stood_before_blocks_nothing_unless_it_grew(before_raw: int, after_raw: int, refused: bool) -> None:
    made = case((Withdraw(ONE, ALL),), portfolio=HELD, standing=(Allowance(USDC.address, STRANGER, before_raw),))
    assert made.effects is not None
    left = replace(made.effects, allowances=(Allowance(USDC.address, STRANGER, after_raw),))
    assert bool(checks.no_allowance_left(replace(made, effects=left))) == refused


@pytest.mark.parametrize("calls", [slice(None), slice(1, None)])
def test_an_allowance_that_the_plan_gives_or_uses_is_used_up_whatever_stood_before(calls: slice) -> None:
    made = case(SUPPLY, standing=(Allowance(USDC.address, ONE.address, 10_000 * cases.USD),))
    assert made.effects is not None
    left = replace(made.effects, allowances=(Allowance(USDC.address, ONE.address, 1),))
    midway = replace(made, calls=made.calls[calls], actions=made.actions[calls], effects=left)
    assert rules(checks.no_allowance_left, midway) == ["allowance"]


def test_what_leaves_for_good_goes_to_the_treasury_only() -> None:
    assert checks.only_to_treasury(case((Transfer(usdc(1), TREASURY),))) == ()
    assert rules(checks.only_to_treasury, case((Transfer(usdc(1), STRANGER),))) == ["beneficiary"]
    assert rules(checks.only_to_treasury, case((Transfer(usdc(1), TREASURY),), policy=policy(treasury=None))) == ["beneficiary"]


def test_refuses_native_value() -> None:
    made = case(SUPPLY)
    calls = (made.calls[0], replace(made.calls[1], value_wei=1))
    assert rules(checks.no_native_value, replace(made, calls=calls)) == ["value"]


def test_refuses_an_empty_plan_and_one_too_long() -> None:
    assert rules(checks.right_length, case(())) == ["plan"]
    assert rules(checks.right_length, case(SUPPLY, policy=policy(max_calls=1))) == ["plan"]
    assert checks.right_length(case(SUPPLY, policy=policy(max_calls=2))) == ()


@pytest.mark.parametrize(("age", "refused"), [(60, False), (61, True), (-15, False), (-16, True)])
def test_the_reading_must_be_of_now(age: int, refused: bool) -> None:
    made = case(SUPPLY)
    assert bool(checks.fresh(replace(made, now=made.reading.timestamp + age))) == refused


@pytest.mark.parametrize(("behind", "refused"), [(20, False), (21, True), (0, False), (-1, True)])
def test_the_plan_must_be_of_the_reading(behind: int, refused: bool) -> None:
    made = case(SUPPLY)
    assert bool(checks.fresh(replace(made, plan_block=made.reading.block - behind))) == refused


def unpriced(made: Case, timestamp: int | None = None) -> Case:
    """No oracle, and a dollar's quote of the given time, or none."""
    states = tuple(replace(state, price_usd_e8=None) for state in made.reading.states)  # type: ignore[type-var]
    ether = tuple(quote for quote in made.reading.quotes if quote.asset == ETHER)
    quotes = (*ether, Quote(USDC, USD_E8, "test", timestamp)) if timestamp is not None else ether
    return replace(made, reading=replace(made.reading, states=states, quotes=quotes))


def test_what_leaves_needs_a_fresh_price_and_a_withdrawal_needs_none() -> None:
    made = case(SUPPLY)
    now = made.now
    assert checks.priced(unpriced(made, now - 3_600)) == ()
    assert rules(checks.priced, unpriced(made, now - 3_601)) == ["price"]
    assert rules(checks.priced, unpriced(made, now + 16)) == ["price"]
    assert rules(checks.priced, unpriced(made, None)) == ["price"]
    assert checks.priced(unpriced(case((Withdraw(ONE, ALL),), portfolio=HELD), None)) == ()


@pytest.mark.parametrize("check", [checks.within_transaction_cap, checks.within_day_cap, checks.within_market_cap])
def test_what_is_unpriced_never_counts_as_zero(check: Check) -> None:
    with pytest.raises(IncompleteRead):
        check(unpriced(case(SUPPLY), None))


def test_the_dearest_price_counts() -> None:
    made = case(SUPPLY, policy=policy(max_transaction_usd=10_000))
    assert checks.within_transaction_cap(made) == ()
    dear = (Quote(USDC, USD_E8 + 1, "exchange", made.now), *made.reading.quotes)
    assert rules(checks.within_transaction_cap, replace(made, reading=replace(made.reading, quotes=dear))) == ["cap-transaction"]


def test_a_transaction_over_the_cap_is_refused_with_figures() -> None:
    at_cap = policy(max_transaction_usd=10_000)
    assert checks.within_transaction_cap(case(SUPPLY, policy=at_cap)) == ()
    over = case((Supply(ONE, Amount(USDC, 10_000 * cases.USD + 1)),), policy=at_cap)
    assert rules(checks.within_transaction_cap, over) == ["cap-transaction"]
    sent = case((Transfer(usdc(10_001), TREASURY),), policy=at_cap)
    assert "10,001.00 USD" in text(checks.within_transaction_cap, sent)
    borrowed = lending(Supply(AAVE_WETH, weth(3)), Borrow(AAVE_USDC, usdc(10_001)), policy=at_cap)
    assert rules(checks.within_transaction_cap, borrowed) == ["cap-transaction"]


def test_the_rolling_day_counts_what_was_spent_and_the_supply_of_a_rotation() -> None:
    spent = 70_000 * USD_E8
    assert checks.within_day_cap(case(SUPPLY, spent_day_usd_e8=spent)) == ()
    assert rules(checks.within_day_cap, case(SUPPLY, spent_day_usd_e8=spent + 1)) == ["cap-day"]
    assert rules(checks.within_day_cap, case(MOVE, portfolio=HELD, spent_day_usd_e8=spent + 1)) == ["cap-day"]
    assert checks.within_day_cap(case((Withdraw(ONE, ALL),), portfolio=HELD, spent_day_usd_e8=80_000 * USD_E8)) == ()


def test_a_market_holds_no_more_than_its_cap_and_leaving_is_never_blocked() -> None:
    tight = policy(max_market_usd=30_000)
    assert checks.within_market_cap(case((Supply(ONE, usdc(10_000)),), portfolio=_rich(20_000), policy=tight)) == ()
    more = case((Supply(ONE, usdc(10_001)),), portfolio=_rich(20_000), policy=tight)
    assert rules(checks.within_market_cap, more) == ["cap-market"]
    assert checks.within_market_cap(case((Withdraw(ONE, usdc(5)),), portfolio=_rich(90_000), policy=tight)) == ()
    swap = case((Withdraw(ONE, ALL), Supply(ONE, usdc(30_000))), portfolio=_rich(90_000), policy=tight)
    assert checks.within_market_cap(swap) == ()


def test_a_markets_cap_is_of_what_is_supplied_whatever_is_borrowed_there() -> None:
    tight, rich = (
        policy(max_market_usd=20_000),
        Portfolio((usdc(50_000), weth(20), Amount(ETHER, WAD)), (Position(AAVE_WETH, 20 * WAD),)),
    )
    loop = (Supply(AAVE_USDC, usdc(39_000)), Borrow(AAVE_USDC, usdc(20_000)))
    assert rules(checks.within_market_cap, lending(*loop, portfolio=rich, policy=tight)) == ["cap-market"]
    again = lending(Supply(AAVE_USDC, usdc(19_000)), Borrow(AAVE_USDC, usdc(10_000)), portfolio=rich, policy=tight)
    assert checks.within_market_cap(again) == ()
    owing = replace(rich, positions=(*rich.positions, Position(AAVE_USDC, 15_000 * cases.USD, 14_000 * cases.USD)))
    assert rules(checks.within_market_cap, lending(Supply(AAVE_USDC, usdc(6_000)), portfolio=owing, policy=tight)) == [
        "cap-market"
    ]
    assert checks.within_market_cap(lending(Supply(AAVE_USDC, usdc(1_000)), portfolio=owing, policy=tight)) == ()


def _rich(supplied: int) -> Portfolio:
    return Portfolio((usdc(50_000), Amount(ETHER, WAD)), (Position(ONE, supplied * cases.USD),))


def test_a_revocation_is_never_blocked_by_budget_reserve_or_missing_prices() -> None:
    cost_wei = GAS_LIMIT * 10 * GWEI
    poor, spent = worlds.idle(ether_wei=cost_wei), 10**6 * USD_E8
    revoke = case((Revoke(USDC, STRANGER),), portfolio=poor, gas_day_usd_e8=spent, spent_day_usd_e8=spent)
    bare = replace(revoke, reading=replace(revoke.reading, quotes=()))
    for check in CHECKS:
        assert check(bare) == (), check.__name__
    broke = replace(revoke, portfolio=worlds.idle(ether_wei=cost_wei - 1))
    assert rules(checks.reserve_kept, broke) == ["gas"]
    more = case((Revoke(USDC, STRANGER), Withdraw(ONE, ALL)), portfolio=replace(HELD, idle=poor.idle), gas_day_usd_e8=spent)
    assert rules(checks.within_gas_budget, more) == ["gas"]
    assert rules(checks.reserve_kept, more) == ["gas"]


def test_refuses_what_the_models_refuse() -> None:
    assert rules(checks.modelled, case((Supply(ONE, usdc(2_000_000)),))) == ["effects"]


def test_no_simulation_no_signature() -> None:
    assert rules(checks.simulated, case(SUPPLY, effects=None, effects_error="no method")) == ["simulation"]
    assert rules(checks.simulated, case(SUPPLY, effects=None)) == ["simulation"]
    assert rules(checks.simulated, case(SUPPLY, effects_error="reverted")) == ["simulation"]


def test_the_simulation_is_of_the_block_that_was_read() -> None:
    made = case(SUPPLY)
    assert made.effects is not None
    wrong: tuple[dict[str, Any], ...] = (
        {"block": made.reading.block + 1},
        {"timestamp": made.now - 1},
        {"timestamp": made.now + 61},
    )
    for change in wrong:
        assert rules(checks.simulated, replace(made, effects=replace(made.effects, **change))) == ["simulation"]
    surprised = replace(made.effects, unexpected=("a delegation of credit",))
    assert rules(checks.simulated, replace(made, effects=surprised)) == ["effects"]

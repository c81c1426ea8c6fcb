"""The health factor after each step of a plan, and what is unread or unpriced there."""

from dataclasses import replace

import pytest

from strategies.domain import (
    ALL,
    Action,
    Amount,
    Borrow,
    Market,
    Portfolio,
    Position,
    Repay,
    SetCollateral,
    Shares,
    Supply,
    Withdraw,
)
from strategies.protocols.registry import MarketState
from strategies.units import WAD
from tests.strategies.protocols import morpho_blue_case as morpho
from tests.strategies.protocols import test_compound_v2 as venus
from tests.wallets import cases
from tests.wallets.cases import (
    AAVE_USDC,
    AAVE_WETH,
    LENDING,
    policy,
    usdc,
    weth,
)
from tests.wallets.test_checks import LENT, lending, rules, text
from tests.worlds import ETHER, ONE
from wallets import checks
from wallets.case import Case

OWING = Portfolio(
    (usdc(20_000), weth(5), Amount(ETHER, WAD)), (Position(AAVE_USDC, 0, 10_000 * cases.USD), Position(AAVE_WETH, 9 * WAD))
)


def test_borrowing_keeps_the_health_factor_above_its_floor() -> None:
    start = Supply(AAVE_WETH, weth(10))
    assert checks.healthy(lending(start, Borrow(AAVE_USDC, usdc(16_000)))) == ()
    found = lending(start, Borrow(AAVE_USDC, usdc(16_500)))
    assert rules(checks.healthy, found) == ["health"]
    assert "1.500" in text(checks.healthy, found)


def test_withdrawing_collateral_is_borrowing_the_other_way_round() -> None:
    assert checks.healthy(lending(Withdraw(AAVE_WETH, weth(1)), portfolio=OWING)) == ()
    assert rules(checks.healthy, lending(Withdraw(AAVE_WETH, weth(5)), portfolio=OWING)) == ["health"]


def test_switching_collateral_off_is_taking_it_away_and_switching_it_on_is_bringing_it() -> None:
    off = lending(SetCollateral(AAVE_WETH, False), portfolio=OWING)
    assert rules(checks.healthy, off) == ["health"]
    idle = Portfolio(OWING.idle, (OWING.positions[0], replace(OWING.positions[1], counts=False)))
    assert checks.healthy(lending(SetCollateral(AAVE_WETH, True), portfolio=idle)) == ()
    assert checks.healthy(lending(SetCollateral(AAVE_WETH, False), portfolio=replace(OWING, positions=OWING.positions[1:]))) == ()


def test_what_is_supplied_and_switched_off_covers_no_loan() -> None:
    idle = Portfolio(OWING.idle, (replace(OWING.positions[1], counts=False),))
    assert rules(checks.healthy, lending(Borrow(AAVE_USDC, usdc(1)), portfolio=idle)) == ["health"]
    assert checks.healthy(lending(Borrow(AAVE_USDC, usdc(1)), portfolio=replace(OWING, positions=OWING.positions[1:]))) == ()


def test_what_is_owed_to_an_unread_market_stops_switching_off_and_not_switching_on() -> None:
    for is_used in (True, False):
        made = lending(SetCollateral(AAVE_WETH, is_used), portfolio=OWING)
        unread = replace(made, reading=replace(made.reading, states=(None, *made.reading.states[1:])))
        assert ("health" in rules(checks.healthy, unread)) is not is_used


def test_no_step_may_dip_below_the_floor_although_the_end_is_above_it() -> None:
    dip = lending(Withdraw(AAVE_WETH, weth(5)), Supply(AAVE_WETH, weth(5)), portfolio=OWING)
    assert rules(checks.healthy, dip) == ["health"]


def test_reducing_risk_is_never_blocked_below_the_floor() -> None:
    strict = policy(min_health_factor_bps=1_000_000)
    assert checks.healthy(lending(Repay(AAVE_USDC, usdc(100)), portfolio=OWING, policy=strict)) == ()
    assert checks.healthy(lending(Supply(AAVE_WETH, weth(1)), portfolio=OWING, policy=strict)) == ()
    assert checks.healthy(lending(Supply(ONE, usdc(1)), portfolio=OWING, policy=strict)) == ()
    assert rules(checks.healthy, lending(Borrow(AAVE_USDC, usdc(1)), portfolio=OWING, policy=strict)) == ["health"]


def blind(made: Case, market: Market, how: str) -> Case:
    """The same with one market unread or unpriced."""
    states = tuple(
        state if known.id != market.id else None if how == "unread" else replace(state, price_usd_e8=0)  # type: ignore[type-var]
        for known, state in zip(LENDING.markets, made.reading.states, strict=True)
    )
    return replace(made, reading=replace(made.reading, states=states))


@pytest.mark.parametrize("how", ["unread", "unpriced"])
def test_a_debt_or_a_claim_that_is_unread_or_unpriced_is_never_a_debt_of_nothing(how: str) -> None:
    out = lending(Withdraw(AAVE_WETH, weth(1)), portfolio=OWING)
    assert checks.healthy(out) == ()
    assert rules(checks.healthy, blind(out, AAVE_USDC, how)) == ["health"]
    lent = replace(OWING, positions=(replace(OWING.positions[0], shares_raw=1), OWING.positions[1]))
    more = lending(Borrow(AAVE_USDC, usdc(1)), portfolio=lent)
    assert rules(checks.healthy, more) == []
    assert "health" in rules(checks.healthy, blind(more, AAVE_WETH, how))


@pytest.mark.parametrize("how", ["unread", "unpriced"])
def test_what_is_unread_or_unpriced_blocks_no_plan_that_cannot_weaken_it(how: str) -> None:
    assert checks.healthy(blind(lending(Repay(AAVE_USDC, usdc(100)), portfolio=OWING), AAVE_WETH, how)) == ()
    elsewhere = replace(OWING, positions=(*OWING.positions, Position(ONE, 5 * cases.USD)))
    assert checks.healthy(blind(lending(Withdraw(ONE, ALL), portfolio=elsewhere), AAVE_USDC, how)) == ()
    free = Portfolio(LENT.idle, (Position(AAVE_WETH, 9 * WAD), Position(AAVE_USDC, 5)))
    assert checks.healthy(blind(lending(Withdraw(AAVE_WETH, weth(1)), portfolio=free), AAVE_USDC, how)) == ()


def elsewhere(*states: MarketState, held: tuple[Position, ...], action: Action, unread: int | None = None) -> Case:
    """A case in a deployment of these markets; one of them may be unread."""
    markets = tuple([state.market for state in states])
    seen = replace(cases.lending_reading(), timestamp=states[0].timestamp)
    at = tuple([None if place == unread else state for place, state in enumerate(states)])
    return cases.case(
        (action,),
        seen=replace(seen, states=at),
        deployment=replace(LENDING, markets=markets),
        portfolio=Portfolio(LENT.idle, held),
    )


@pytest.mark.parametrize("unread", [None, 1])
def test_an_unread_debt_in_another_contract_of_the_same_comptroller_is_not_a_debt_of_nothing(unread: int | None) -> None:
    here = venus.vtoken()
    other = replace(venus.VENUS, id="venus:other", address="0x" + "2e" * 20)
    owing = (Position(other, 10**12, venus.claim(owed=10 * venus.ONE).debt_raw), Position(venus.VENUS, 10**12))
    out = Withdraw(venus.VENUS, Shares(10**6))
    made = elsewhere(here, replace(here, market=other), held=owing, action=out, unread=unread)
    assert made.expected is not None, made.expected_error
    assert rules(checks.healthy, made) == ([] if unread is None else ["health"])


def test_an_isolated_market_needs_no_dollar_price_and_no_other_market_to_be_left() -> None:
    held = Position(morpho.MARKET, 10**6 * morpho.ONE * 10**6, 10**4 * morpho.ONE * 10**6, morpho.HELD.collateral)
    kept = Position(morpho.KEEPING, 10**6)
    lent, owes = morpho.LENT, Withdraw(morpho.MARKET, Amount(morpho.USDC, 5))
    assert checks.healthy(elsewhere(lent, morpho.KEPT, held=(held, kept), action=owes)) == ()
    assert checks.healthy(elsewhere(lent, morpho.KEPT, held=(held, kept), action=owes, unread=1)) == ()
    more = Borrow(morpho.MARKET, Amount(morpho.USDC, 10_000 * morpho.ONE))
    assert rules(checks.healthy, elsewhere(lent, morpho.KEPT, held=(held, kept), action=more)) == ["health"]

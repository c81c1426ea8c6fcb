"""Debts that are no longer covered: who takes what, to the unit, in the run, its ledger and its journal."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from backtest.engine import run
from backtest.impact import NO_IMPACT
from backtest.liquidation import incentive_wad, liquidated
from backtest.runs import LIQUIDATION, Run, RunSettings
from strategies.benchmarks import Idle
from strategies.catalogue import Menu
from strategies.decide import DecideSettings
from strategies.domain import NATIVE, Amount, Asset, Deployment, Market, Portfolio, Position, Quote
from strategies.errors import UnsupportedState
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.aave_v3.arithmetic import V3_0, V3_6
from strategies.protocols.aave_v3.reserve import Reserve
from strategies.protocols.morpho_blue import LoanMarket
from strategies.protocols.morpho_blue.lending import owed_of_raw, updated
from strategies.protocols.registry import MarketState, adapter_of
from strategies.tape import Reading, Tape, tape_of
from strategies.units import BPS, RAY, USD_E8, WAD
from tests.backtest.test_engine import ACCOUNT, OPEN_GATE, POLICY
from tests.strategies.protocols import morpho_blue_case as morpho
from tests.strategies.protocols.cases import OPEN, ROLES, USDC, reserve
from wallets import journal
from wallets.ledger import market_account

WETH = morpho.WETH
ETHER = Asset(USDC.chain_id, NATIVE, "ETH", 18)
POOL = "0x" + "11" * 20
STABLE = ("stable_debt", "0x" + "0b" * 20)
LENT = Market("pool:USDC", "aave_v3", POOL, USDC, (*ROLES, STABLE))
BACKING = Market("pool:WETH", "aave_v3", POOL, WETH, (*[(role, f"0x{at:040x}") for at, (role, _) in enumerate(ROLES, 7)], STABLE))
HOUR = 3_600
START = 1_800_000_000


def usdc_state(at: int) -> Reserve:
    quiet = replace(reserve(), market=LENT, liquidity_index_ray=RAY, variable_index_ray=RAY)
    return replace(quiet, timestamp=START + at * HOUR, last_update_timestamp=START + at * HOUR)


def weth_state(at: int, price_usd: int, *, bonus_bps: int = 10_500) -> Reserve:
    configuration = replace(OPEN, decimals=18, bonus_bps=bonus_bps)
    whole = replace(usdc_state(at), market=BACKING, configuration=configuration, price_usd_e8=price_usd * USD_E8)
    return replace(whole, scaled_supply_raw=10**6 * WAD, scaled_debt_raw=10**5 * WAD)


def read(at: int, states: Sequence[MarketState | None], ether_usd: int = 3_000) -> Reading:
    quotes = (Quote(USDC, USD_E8, "tape", START), Quote(ETHER, ether_usd * USD_E8, "tape", START))
    return Reading(100 + at, f"0x{at:064x}", START + at * HOUR, 10**9, tuple(states), quotes)


def pool_tape(prices: Sequence[int], **changes: int) -> Tape:
    deployment = Deployment(USDC.chain_id, "pool", NATIVE, (USDC, WETH, ETHER), (LENT, BACKING), {})
    return tape_of(deployment, [read(at, (usdc_state(at), weth_state(at, price, **changes))) for at, price in enumerate(prices)])


def owing(owed: int) -> Portfolio:
    claims = (Position(LENT, 0, owed * 10**6), Position(BACKING, 10 * WAD))
    return Portfolio((Amount(USDC, 0), Amount(ETHER, WAD)), claims)


def asked(opening: Portfolio, *, is_judged: bool) -> RunSettings:
    policy = POLICY.model_copy(update={"chain_id": USDC.chain_id, "markets": ()})
    decide = DecideSettings(USDC, Menu((("idle", Idle(USDC, HOUR * 2)),), ("unrestrained",)), OPEN_GATE)
    return RunSettings(
        name="owes",
        decide=decide,
        policy=policy if is_judged else None,
        account=ACCOUNT,
        opening=opening,
        most_moves=None,
        latency_rows=1,
        impact=NO_IMPACT,
    )


def done(tape: Tape, opening: Portfolio, *, is_judged: bool = True) -> Run:
    return run(tape, asked(opening, is_judged=is_judged))


def value(tape: Tape, row: int, claim: Position) -> int:
    state = tape.states.state(row, tape.market_index(claim.market))
    assert state is not None
    return adapter_of(claim.market).value_raw(state, claim)


def test_half_of_a_debt_just_below_its_cover_is_repaid_for_collateral_and_the_bonus() -> None:
    tape = pool_tape([3_000, 2_450])  # 10 ether cover 24,000, then 19,600, at 80 %
    left, events = liquidated(tape, 1, owing(20_000))
    (event,) = events
    assert (event.repaid, event.debt) == (Amount(USDC, 10_000 * 10**6), LENT)
    worth_raw = 10_000 * WAD // 2_450
    assert event.seized.raw == (worth_raw * 10_500 + BPS // 2) // BPS
    assert left.position(LENT).debt_raw == 10_000 * 10**6
    assert left.position(BACKING).shares_raw == 10 * WAD - event.seized.raw
    assert 499 * USD_E8 < event.penalty_usd_e8 < 501 * USD_E8


def test_a_debt_that_is_covered_is_left_alone() -> None:
    tape = pool_tape([3_000, 2_501])
    assert liquidated(tape, 1, owing(20_000)) == (owing(20_000), ())
    assert done(tape, owing(20_000)).liquidations == ()


def test_far_below_its_cover_all_of_a_debt_is_repaid_at_once() -> None:
    tape = pool_tape([3_000, 2_300])
    left, (event,) = liquidated(tape, 1, owing(20_000))
    assert event.repaid.raw == 20_000 * 10**6 and left.position(LENT).debt_raw == 0


def test_collateral_that_is_not_enough_goes_whole_and_the_rest_stays_owed() -> None:
    tape = pool_tape([3_000, 1_000])
    left, (event,) = liquidated(tape, 1, owing(20_000))
    assert event.seized.raw == 10 * WAD
    assert event.repaid.raw == (10_000 * 10**6 * BPS + 10_500 // 2) // 10_500
    assert left.position(BACKING).is_empty and left.position(LENT).debt_raw == 20_000 * 10**6 - event.repaid.raw


def test_the_newer_pool_repays_small_debts_whole_and_half_of_all_debts_else() -> None:
    def newer(tape: Tape, version: object) -> Tape:
        states = [[replace(tape.states.state(row, at), version=version) for at in range(2)] for row in range(2)]  # type: ignore[type-var]
        return tape_of(tape.deployment, [read(row, both) for row, both in enumerate(states)])

    small = Portfolio((), (Position(LENT, 0, 1_500 * 10**6), Position(BACKING, 3 * WAD // 4)))
    tape = pool_tape([3_000, 2_450])
    assert liquidated(newer(tape, V3_0), 1, small)[1][0].repaid.raw == 750 * 10**6
    assert liquidated(newer(tape, V3_6), 1, small)[1][0].repaid.raw == 1_500 * 10**6
    assert liquidated(newer(tape, V3_6), 1, owing(20_000))[1][0].repaid.raw == 10_000 * 10**6


@pytest.mark.parametrize("is_judged", [True, False])
def test_a_run_that_owes_is_liquidated_between_its_decisions_and_its_books_come_out(is_judged: bool) -> None:
    tape = pool_tape([3_000, 2_450, 3_000, 3_000])
    found = done(tape, owing(20_000), is_judged=is_judged)
    (event,) = found.liquidations
    assert event.row == 1  # no decision falls on it
    assert [segment.row for segment in found.segments if segment.cause == LIQUIDATION] == [1] and found.moves == 0
    held = found.segments[-1].portfolio
    if is_judged:
        for market in (LENT, BACKING):
            assert found.ledger.balance_raw(market_account(market), market.asset) == value(tape, 3, held.position(market))
        assert found.ledger.balance_raw(LIQUIDATION, WETH) == event.seized.raw
        assert found.ledger.balance_raw(LIQUIDATION, USDC) == -event.repaid.raw
        assert journal.verify(found.journal.lines, found.journal.head) == ""
        assert LIQUIDATION in "".join(found.journal.lines)


@pytest.mark.parametrize("before", [1, 63, 64, 65, 130])
def test_a_liquidation_is_written_down_between_the_decisions_it_falls_between(before: int) -> None:
    tape = pool_tape([3_000] * (2 * before - 1) + [2_450, 3_000, 3_000])
    found = done(tape, owing(20_000))
    (event,) = found.liquidations
    assert event.row == 2 * before - 1
    said = [json.loads(line) for line in found.journal.lines]
    assert [line["at"] for line in said] == sorted(line["at"] for line in said)
    kinds = [line["kind"] for line in said]
    assert kinds == [*["observation", "decision"] * before, "entry", "entry", "observation", "decision"]


def test_a_bonus_that_was_not_read_stops_the_run_by_name() -> None:
    with pytest.raises(UnsupportedState, match="a liquidation bonus of 0 bps"):
        done(pool_tape([3_000, 2_300], bonus_bps=0), owing(20_000))
    assert done(pool_tape([3_000, 3_000], bonus_bps=0), owing(20_000)).liquidations == ()


def test_a_market_that_could_not_be_read_is_waited_for() -> None:
    whole = pool_tape([3_000, 2_300, 2_300])
    readings = [read(row, [whole.states.state(row, 0), None if row == 1 else whole.states.state(row, 1)]) for row in range(3)]
    tape = tape_of(whole.deployment, readings)
    assert [event.row for event in done(tape, owing(20_000)).liquidations] == [2]


def morpho_tape(price_e36: int) -> Tape:
    deployment = Deployment(USDC.chain_id, "morpho", NATIVE, (USDC, WETH, ETHER), (morpho.MARKET,), {})
    return tape_of(deployment, [read(0, (replace(morpho.LENT, price_e36=price_e36),))])


def morpho_state(tape: Tape) -> LoanMarket:
    state = tape.states.state(0, 0)
    assert isinstance(state, LoanMarket)
    return updated(state)


def test_morphos_incentive_is_what_its_formula_says() -> None:
    assert incentive_wad(86 * WAD // 100) == WAD * WAD // (WAD - 3 * WAD // 10 * 14 // 100)
    assert incentive_wad(WAD // 2) == 115 * WAD // 100


def test_morpho_repays_the_whole_debt_for_collateral_and_its_incentive() -> None:
    tape = morpho_tape(1_200 * 10**24)
    held = replace(morpho.HELD, shares_raw=0)
    left, (event,) = liquidated(tape, 0, Portfolio((), (held,)))
    owed_raw = owed_of_raw(morpho_state(tape), held.debt_raw)
    assert event.repaid.raw == owed_raw
    assert event.seized.raw == pytest.approx(owed_raw * incentive_wad(86 * WAD // 100) / 1_200 / 10**6, rel=1e-9)
    assert left.positions[0].debt_raw == 0 and left.positions[0].collateral_raw(WETH) == 10 * WAD - event.seized.raw


def test_morphos_bad_debt_is_the_lenders_and_nothing_is_left() -> None:
    left, (event,) = liquidated(morpho_tape(10**27), 0, Portfolio((), (replace(morpho.HELD, shares_raw=0),)))
    assert event.seized.raw == 10 * WAD and left.positions == ()
    assert liquidated(morpho_tape(3_000 * 10**24), 0, Portfolio((), (morpho.HELD,)))[1] == ()


def test_a_debt_under_rules_that_are_not_known_here_stops_the_run() -> None:
    from tests.strategies.protocols.specimens import SPECIMENS

    one = next(found for found in SPECIMENS if found.market.protocol == "compound_v3")
    deployment = Deployment(1, "comet", NATIVE, (one.market.asset, *one.market.others), (one.market,), {})
    quoted = Reading(1, "", START, 1, (one.state,), ())
    with pytest.raises(UnsupportedState, match="is not known here"):
        liquidated(tape_of(deployment, [quoted]), 0, Portfolio((), (Position(one.market, 0, 10**12),)))


def test_what_a_liquidator_takes_are_receipts_whether_the_pool_has_the_asset_or_not() -> None:
    states = [(usdc_state(at), replace(weth_state(at, 2_300), available_raw=0)) for at in range(2)]
    tape = tape_of(pool_tape([1, 1]).deployment, [read(at, both) for at, both in enumerate(states)])
    left, (event,) = liquidated(tape, 1, owing(20_000))
    assert event.seized.raw > 0
    assert pool.supplied_raw(states[1][1], left.position(BACKING).shares_raw) == 10 * WAD - event.seized.raw

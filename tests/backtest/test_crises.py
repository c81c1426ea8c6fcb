"""Each named crisis and its law, on its own tape, and on the real prices where they are at hand."""

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from backtest.crises import CRISES, FIRST_HOUR, HOURS, SEED, crisis, crisis_tape
from backtest.engine import run
from backtest.impact import NO_IMPACT
from backtest.importers import prices_hourly
from backtest.index_columns import index_columns
from backtest.runs import Run, Step
from backtest.scenario import Synthetic, tape_of_script
from backtest.study import Study, Terms, rotation, study
from strategies.assess import value_raw
from strategies.catalogue import Menu, Strategy
from strategies.domain import NATIVE, Keep, Leg, Supply, Target
from strategies.errors import UnknownName
from strategies.lending_rotation import split_equally
from strategies.protocols.recorded_index import value_down
from strategies.tape import Ints, Observation, Tape
from strategies.units import GWEI, USD_E8, WAD
from tests.backtest.test_crises_tapes import HOUR, at, folder, usdc_of_march_2023


def ran(tape: Tape) -> Study:
    asset = tape.deployment.assets[0] if tape.deployment.assets[0].address != NATIVE else tape.deployment.assets[1]
    terms = Terms(cash=Decimal(100_000), latency_rows=1, decide_for=rotation, impact=NO_IMPACT)
    return study(tape, asset, terms, Synthetic(SEED))


def with_prices(tape: Tape, asset_usd: Ints, ether_usd: Ints | None = None) -> Tape:
    """The same tape with other prices."""
    ether = tape.price_usd_e8[:, 1] if ether_usd is None else ether_usd
    return replace(tape, price_usd_e8=np.ascontiguousarray(np.stack([asset_usd, ether], axis=1)))


def real_usd_e8(symbol: str, start: str) -> Ints:
    """A month of real hourly prices."""
    series = prices_hourly.read(folder("prices-hourly-2021-2023"), symbol)
    value = series.known_at(at(start) + HOUR * np.arange(HOURS, dtype=np.int64), within_seconds=48 * HOUR)
    assert not np.isnan(value).any()
    return np.rint(value * USD_E8).astype(np.int64)


def during(done: Run, name: str) -> list[Step]:
    """The decisions of the crisis' own hours."""
    rows = range(FIRST_HOUR, FIRST_HOUR + crisis(name).hours)
    return [step for step in done.steps if step.seen.row in rows]


def entered(steps: list[Step]) -> set[str]:
    """The markets that plans supply to."""
    plans = [step.decision.plan for step in steps if step.decision.plan is not None]
    return {action.market.id for plan in plans for action in plan.actions if isinstance(action, Supply)}


def plans_of(done: Run) -> list[tuple[int, object]]:
    return [(step.seen.row, step.decision.plan) for step in done.steps if step.decision.plan is not None]


@pytest.mark.parametrize("name", CRISES)
def test_each_crisis_says_what_it_is_and_what_must_happen_and_begins_after_two_calm_weeks(name: str) -> None:
    found = crisis(name)
    assert found.name == name and found.what and found.must
    assert all(event.first_hour == FIRST_HOUR for event in found.script.events)
    calm = tape_of_script(replace(found.script, events=()))
    np.testing.assert_array_equal(crisis_tape(name).supply_apr[:FIRST_HOUR], calm.supply_apr[:FIRST_HOUR])


def test_a_crisis_that_is_not_listed_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownName, match="ust-may-2022"):
        crisis_tape("tulips-1637")


@pytest.mark.parametrize("where", ["made", "real"])
def test_ust_of_may_2022_loses_dollars_openly_and_no_unit(where: str) -> None:
    tape = crisis_tape("ust-may-2022")
    if where == "real":
        tape = with_prices(tape, real_usd_e8("UST", "2022-05-01"))
    done = ran(tape)
    price = tape.price_usd_e8[:, 0] / USD_E8
    fall = 1 - price[-1] / price[0]
    assert fall > 0.9 and -done.main.figures.drawdown_usd > 0.9
    assert done.main.figures.drawdown > -0.001, "in units of the asset only gas was spent"
    assert done.main.curve.price_usd[-1] == pytest.approx(price[-1])
    assert "alpha:UST" not in entered(during(done.main.run, "ust-may-2022"))


@pytest.mark.parametrize("where", ["made", "real"])
def test_steth_of_june_2022_moves_nothing_by_its_price_alone(where: str) -> None:
    tape = crisis_tape("steth-june-2022")
    calm = tape_of_script(replace(crisis("steth-june-2022").script, events=()))
    if where == "real":
        ether = real_usd_e8("WETH", "2022-06-03")
        tape, calm = with_prices(tape, real_usd_e8("stETH", "2022-06-03"), ether), with_prices(calm, ether, ether)
    assert (tape.price_usd_e8[:, 0] / tape.price_usd_e8[:, 1]).min() == pytest.approx(0.93, abs=0.01)
    struck, spared = ran(tape), ran(calm)
    assert [(row, plan) for row, plan in plans_of(struck.main.run)] == plans_of(spared.main.run)
    assert struck.main.curve.held[-1] == spared.main.curve.held[-1] and struck.main.figures.drawdown > -0.001


def test_usdc_of_march_2023_stays_while_its_oracles_disagree_and_moves_when_they_agree_again() -> None:
    done = ran(crisis_tape("usdc-march-2023")).main.run
    blind = during(done, "usdc-march-2023")
    assert entered(blind) == set()
    assert any(isinstance(step.decision.target, Target) and "priced" in step.decision.reason for step in blind)
    assert entered([step for step in done.steps if step.seen.row >= FIRST_HOUR + 62]) >= {"beta:USDC"}


def test_the_same_rates_with_a_price_are_acted_on_at_once() -> None:
    tape = crisis_tape("usdc-march-2023")
    seeing = with_prices(tape, np.full(HOURS, USD_E8, dtype=np.int64))
    assert entered(during(ran(seeing).main.run, "usdc-march-2023")) == {"beta:USDC"}


def test_usdc_of_march_2023_on_the_real_tape_loses_no_unit_and_enters_nothing_without_a_price() -> None:
    tape = usdc_of_march_2023()
    states = tape.states
    oracles = [[getattr(states.state(row, at), "price_usd_e8", None) for at in range(2)] for row in range(len(tape))]
    apart = np.array([one is not None and other is not None and abs(one - other) * 100 > one for one, other in oracles])
    assert apart.sum() > 24, "the two oracles disagree for more than a day"
    unpriced = replace(tape, price_usd_e8=np.where(apart[:, None] & (np.arange(2) == 0), 0, tape.price_usd_e8))
    settings = ran(tape).main
    done = ran(unpriced).main
    assert settings.figures.drawdown_usd < -0.1 and settings.figures.drawdown > -0.001
    assert entered([step for step in done.run.steps if apart[step.seen.row]]) == set()


def test_a_reserve_at_100_per_cent_keeps_what_is_in_it_says_so_and_goes_on_growing() -> None:
    tape = crisis_tape("reserve-at-100")
    done = ran(tape).main.run
    stuck = during(done, "reserve-at-100")
    assert len(stuck) == 3 and not plans_of(replace(done, steps=tuple(stuck)))
    assert all("above 99 % utilisation" in step.decision.reason for step in stuck)
    values = [value_raw(step.seen, step.seen.portfolio.positions[0]) for step in stuck]
    assert values[0] < values[1] < values[2]
    assert tape.states.state(FIRST_HOUR, 0) is not None and tape.available[FIRST_HOUR, 0] == 0


@dataclass(frozen=True, slots=True)
class LeaveAt:
    """In one market until a row, then idle."""

    row: int
    cadence_seconds: int = HOUR

    def target(self, seen: Observation) -> Target | Keep:
        asset = seen.deployment.assets[0]
        if seen.row >= self.row:
            return Target(asset, (Leg(None, WAD),), "leave")
        return Keep("in") if seen.portfolio.positions else split_equally(asset, seen.deployment.markets[:1], "enter")


def leaving(tape: Tape, strategy: Strategy) -> Run:
    settled = ran(tape).main.run.settings
    decide = replace(settled.decide, menu=Menu((("leave", strategy),), ("unrestrained",)))
    return run(tape, replace(settled, name="leave", decide=decide))


def test_an_exit_approved_an_hour_too_late_fails_and_succeeds_when_the_reserve_is_paid_back() -> None:
    tape = crisis_tape("reserve-at-100")
    done = leaving(tape, LeaveAt(FIRST_HOUR - 1))
    late = next(step for step in done.steps if step.seen.row == FIRST_HOUR - 1)
    assert late.verdict is not None and late.receipt is None and late.held
    first = next(step for step in done.steps if step.seen.row > late.seen.row and step.decision.plan is not None)
    assert first.seen.row == FIRST_HOUR + 72 and first.receipt is not None
    assert done.segments[-1].portfolio.positions == ()


def test_an_exit_an_hour_earlier_succeeds() -> None:
    done = leaving(crisis_tape("reserve-at-100"), LeaveAt(FIRST_HOUR - 2))
    assert done.segments[-1].row == FIRST_HOUR - 1 and done.segments[-1].portfolio.positions == ()


def test_bad_debt_is_in_the_books_to_the_unit_at_its_hour_and_never_averaged_away() -> None:
    tape = crisis_tape("vault-bad-debt")
    calm = tape_of_script(replace(crisis("vault-bad-debt").script, events=()))
    struck, spared = ran(tape).main, ran(calm).main
    (claim,) = next(one for one in reversed(struck.run.segments) if one.row <= FIRST_HOUR).portfolio.positions
    was, now = (index_columns(tape).index_ray(row, 0) for row in (FIRST_HOUR - 1, FIRST_HOUR))
    assert now == index_columns(calm).index_ray(FIRST_HOUR, 0) * 9_000 // 10_000
    lost_raw = value_down(claim.shares_raw, was) - value_down(claim.shares_raw, now)
    assert struck.curve.held[FIRST_HOUR - 1] - struck.curve.held[FIRST_HOUR] == pytest.approx(lost_raw / 10**6, abs=1e-6)
    assert 0.0999 < lost_raw / value_down(claim.shares_raw, was) < 0.1
    assert struck.run.segments[1].portfolio == spared.run.segments[1].portfolio, "the shares stay the same"
    assert struck.figures.drawdown == pytest.approx(-0.1, abs=0.001) and struck.figures.worst_day < -0.099
    end = struck.run.segments[-1].portfolio
    total_raw = end.idle_raw(struck.asset) + sum(
        value_down(held.shares_raw, index_columns(tape).index_ray(HOURS - 1, tape.market_index(held.market)))
        for held in end.positions
    )
    assert struck.figures.final == pytest.approx(total_raw / 10**6, abs=20), "reconciled to the unit by the run itself, less gas"


def test_the_loss_is_marked_as_real_and_no_cell_is_refused_for_it() -> None:
    tape = crisis_tape("vault-bad-debt")
    marks = index_columns(tape).marks()
    assert np.flatnonzero(marks[:, 0]).tolist() == [FIRST_HOUR] and tape.fresh.all()


def test_a_gas_spike_stops_what_it_would_pay_for_later() -> None:
    done = ran(crisis_tape("gas-spike")).main.run
    dear = [step for step in done.steps if step.seen.base_fee_wei == 600 * GWEI]
    assert len(dear) == 3 and entered(dear) == set()
    assert any("base fee 600 gwei is above 100 gwei" in step.decision.reason for step in dear)
    assert entered([step for step in done.steps if step.seen.row >= FIRST_HOUR + 72]) >= {"beta:USDC"}


def test_without_the_spike_it_moves_in_those_hours() -> None:
    script = crisis("gas-spike").script
    calm = ran(tape_of_script(replace(script, events=script.events[1:]))).main.run
    assert entered([step for step in calm.steps if FIRST_HOUR <= step.seen.row < FIRST_HOUR + 72]) == {"beta:USDC"}


def test_a_gas_spike_never_keeps_anybody_in() -> None:
    done = leaving(crisis_tape("gas-spike"), LeaveAt(FIRST_HOUR + 5))
    assert done.segments[-1].row == FIRST_HOUR + 6 and done.segments[-1].portfolio.positions == ()

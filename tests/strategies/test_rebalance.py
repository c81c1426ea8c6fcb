"""From a target to the fewest actions, or to why not."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import ALL, Amount, Keep, Leg, Market, Plan, Portfolio, Position, Supply, Target, Withdraw
from strategies.rebalance import Gate, plan
from strategies.tape import Observation
from strategies.units import GWEI, RAY, WAD
from tests import worlds
from tests.worlds import ETHER, ONE, TWO, USDC, Said

GATE = Gate(
    horizon_seconds=30 * 86_400,
    lookback_seconds=86_400,
    cost_multiple_bps=15_000,
    min_wait_seconds=86_400,
    min_change_bps=100,
    max_base_fee_gwei=50,
)


def all_in(market: Market | None) -> Target:
    return Target(USDC, (Leg(market, WAD),), "wanted")


def reason(kept: Plan | Keep) -> str:
    assert isinstance(kept, Keep), kept
    return kept.reason


def moved(of: Observation, target: Target, gate: Gate = GATE) -> tuple[object, ...]:
    made = plan(of, target, gate)
    assert isinstance(made, Plan), made
    return made.actions


def test_entering_from_idle_is_one_supply_of_everything() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle())
    assert moved(seen, all_in(TWO)) == (Supply(TWO, Amount(USDC, worlds.MILLION_RAW)),)


def test_leaving_a_market_asks_for_all_of_it_before_anything_is_supplied() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.09)), worlds.holding(ONE))
    assert moved(seen, all_in(TWO)) == (Withdraw(ONE, ALL), Supply(TWO, Amount(USDC, worlds.MILLION_RAW)))


def test_being_there_already_is_not_a_plan() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.09)), worlds.holding(TWO))
    assert "already there" in reason(plan(seen, all_in(TWO), GATE))


def test_a_gain_below_the_gas_is_not_worth_it() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.09), base_fee_wei=40 * GWEI), worlds.idle(raw=100 * 10**6))
    assert "must exceed" in reason(plan(seen, all_in(TWO), GATE))


def test_a_base_fee_above_the_ceiling_waits() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.09), base_fee_wei=51 * GWEI), worlds.idle())
    assert "above 50 gwei" in reason(plan(seen, all_in(TWO), GATE))


def test_moving_again_too_soon_waits() -> None:
    tape = worlds.tape(worlds.rates(0.03, 0.09))
    now = int(tape.timestamp[-1])
    assert "wait 1 s more" in reason(plan(worlds.look(tape, worlds.holding(ONE), moved_at=now - 86_399), all_in(TWO), GATE))
    assert moved(worlds.look(tape, worlds.holding(ONE), moved_at=now - 86_400), all_in(TWO))


def test_a_change_too_small_to_matter_is_left_alone() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.09)), worlds.holding(TWO, idle_raw=worlds.MILLION_RAW // 200))
    assert "already there" in reason(plan(seen, all_in(TWO), GATE))


def test_unpriced_gas_refuses_a_move_that_supplies() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.09), ether_usd=0), worlds.idle())
    assert "cannot be priced" in reason(plan(seen, all_in(TWO), GATE))


def test_leaving_for_idle_passes_every_gate() -> None:
    tape = worlds.tape(worlds.rates(0.03, 0.09), ether_usd=0, base_fee_wei=500 * GWEI)
    seen = worlds.look(tape, worlds.holding(ONE), moved_at=int(tape.timestamp[-1]))
    assert moved(seen, all_in(None)) == (Withdraw(ONE, ALL),)


def test_a_market_that_cannot_pay_everything_pays_what_it_has() -> None:
    rows = [[Said(0.03, available_raw=5_000), Said(0.04)]]
    seen = worlds.look(worlds.tape(rows), worlds.holding(ONE))
    assert moved(seen, all_in(None), replace(GATE, min_change_bps=0)) == (Withdraw(ONE, Amount(USDC, 5_000)),)


def test_a_drained_market_gives_no_plan() -> None:
    seen = worlds.look(worlds.tape([[Said(0.03, available_raw=0), Said(0.04)]]), worlds.holding(ONE))
    for target in (all_in(None), all_in(TWO)):
        assert reason(plan(seen, target, GATE)) == "one:USDC cannot pay out now what is wanted of it: wanted"
    assert "already there" in reason(plan(seen, all_in(ONE), GATE)), "nothing is wanted out of it"


def test_a_market_that_could_pay_less_than_matters_is_named_and_a_wish_that_small_is_not_made_of_it() -> None:
    seen = worlds.look(worlds.tape([[Said(0.03, available_raw=1), Said(0.04)]]), worlds.holding(ONE))
    part, least = (Target(USDC, (Leg(ONE, kept), Leg(None, WAD - kept)), "less") for kept in (WAD // 2, WAD - WAD // 200))
    assert reason(plan(seen, part, GATE)) == "one:USDC cannot pay out now what is wanted of it: less"
    assert "already there" in reason(plan(seen, least, GATE))


def test_an_unreadable_market_that_holds_value_stops_everything() -> None:
    seen = worlds.look(worlds.tape([[None, Said(0.04)]]), worlds.holding(ONE, idle_raw=worlds.MILLION_RAW))
    assert "could not be read" in reason(plan(seen, all_in(TWO), GATE))


@given(
    idle_raw=st.integers(0, 10**13),
    one_raw=st.integers(0, 10**13),
    two_raw=st.integers(0, 10**13),
    weight_wad=st.integers(0, WAD),
    rest_wad=st.integers(0, WAD),
    index_ray=st.integers(RAY, 2 * RAY),
    available_raw=st.integers(0, 10**13),
)
def test_a_plan_never_supplies_more_than_it_has_and_frees(
    idle_raw: int, one_raw: int, two_raw: int, weight_wad: int, rest_wad: int, index_ray: int, available_raw: int
) -> None:
    rows = [[Said(0.01, available_raw=available_raw, index_ray=index_ray), Said(0.3)]]
    positions = tuple(Position(m, raw) for m, raw in ((ONE, one_raw), (TWO, two_raw)) if raw)
    seen = worlds.look(worlds.tape(rows), Portfolio((Amount(USDC, idle_raw), Amount(ETHER, WAD)), positions))
    two_wad = min(rest_wad, WAD - weight_wad)
    target = Target(USDC, (Leg(ONE, weight_wad), Leg(TWO, two_wad), Leg(None, WAD - weight_wad - two_wad)), "any")
    made = plan(seen, target, GATE)
    if isinstance(made, Keep):
        return
    value = {ONE: one_raw * index_ray // RAY, TWO: two_raw}
    free_raw = idle_raw
    kinds = [type(action) for action in made.actions]
    assert kinds == sorted(kinds, key=lambda kind: kind is Supply)
    for action in made.actions:
        if isinstance(action, Withdraw):
            free_raw += action.amount.raw if isinstance(action.amount, Amount) else value[action.market]
        elif isinstance(action, Supply):
            free_raw -= action.amount.raw
    assert free_raw >= 0


def test_a_market_drained_to_dust_is_not_left_unit_by_unit() -> None:
    seen = worlds.look(worlds.tape([[Said(0.03, available_raw=1), Said(0.04)]]), worlds.holding(ONE))
    assert isinstance(plan(seen, all_in(None), GATE), Keep)


def test_the_gain_is_counted_on_what_really_moves() -> None:
    rows = [[Said(0.03, available_raw=20_000 * 10**6), Said(0.04)]] * 24
    held = worlds.holding(ONE, 10**12)
    dear = worlds.look(worlds.tape(rows, base_fee_wei=50 * GWEI), held)
    assert "must exceed" in reason(plan(dear, all_in(TWO), GATE)), "20,000 of a million gain 16 USD in 30 days, for 64 USD of gas"
    cheap = worlds.look(worlds.tape(rows, base_fee_wei=GWEI), held)
    assert moved(cheap, all_in(TWO))[0] == Withdraw(ONE, Amount(USDC, 20_000 * 10**6))

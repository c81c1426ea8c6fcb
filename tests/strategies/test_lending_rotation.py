"""Rotation: what it holds, what it will not compare, and that it waits for a clear improvement."""

from dataclasses import replace

from strategies.domain import Keep, Position, Target
from strategies.lending_rotation import LendingRotation
from tests import worlds
from tests.worlds import ONE, TWO, USDC, Said


def rotation(*, threshold_bps: int = 50, count: int = 1) -> LendingRotation:
    return LendingRotation(
        asset=USDC, cadence_seconds=86_400, lookback_seconds=86_400, threshold_bps=threshold_bps, count=count, max_idle_bps=100
    )


def held_markets(target: Target | Keep) -> list[str]:
    assert isinstance(target, Target), target
    return [leg.market.id for leg in target.legs if leg.market]


def test_enters_the_better_market_from_idle() -> None:
    assert held_markets(rotation().target(worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle()))) == [TWO.id]


def test_moves_for_more_than_the_threshold() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.0351)), worlds.holding(ONE))
    assert held_markets(rotation().target(seen)) == [TWO.id]


def test_keeps_for_less_than_the_threshold_and_says_how_much_is_missing() -> None:
    kept = rotation().target(worlds.look(worlds.tape(worlds.rates(0.03, 0.0349)), worlds.holding(ONE)))
    assert isinstance(kept, Keep)
    assert "49.0 bps" in kept.reason
    assert "50 bps needed" in kept.reason


def test_does_not_enter_a_market_that_said_nothing_just_now() -> None:
    rows = [*worlds.rates(0.03, 0.20), [Said(0.03), None]]
    assert held_markets(rotation().target(worlds.look(worlds.tape(rows), worlds.idle()))) == [ONE.id]


def test_keeps_a_held_market_that_said_nothing_just_now() -> None:
    rows = [*worlds.rates(0.01, 0.20), [None, Said(0.20)]]
    kept = rotation().target(worlds.look(worlds.tape(rows), worlds.holding(ONE)))
    assert isinstance(kept, Keep)
    assert "no fresh rate to compare with" in kept.reason


def test_keeps_when_nothing_can_be_read() -> None:
    assert isinstance(rotation().target(worlds.look(worlds.tape([[None, None]]), worlds.idle())), Keep)


def test_puts_new_idle_funds_to_work_where_it_is() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.031)), worlds.holding(ONE, idle_raw=worlds.MILLION_RAW // 10))
    assert held_markets(rotation().target(seen)) == [ONE.id]


def test_leaves_little_idle_funds_alone() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.04, 0.031)), worlds.holding(ONE, idle_raw=1_000))
    assert isinstance(rotation().target(seen), Keep)


def test_an_equal_rate_goes_to_the_earlier_market() -> None:
    assert held_markets(rotation().target(worlds.look(worlds.tape(worlds.rates(0.04, 0.04)), worlds.idle()))) == [ONE.id]


def test_two_markets_share_the_whole_to_the_last_wad() -> None:
    target = rotation(count=2).target(worlds.look(worlds.tape(worlds.rates(0.04, 0.05)), worlds.idle()))
    assert isinstance(target, Target)
    assert sum(leg.weight_wad for leg in target.legs) == 10**18


def test_dust_that_anybody_may_send_decides_nothing() -> None:
    """Without this, one unit in a market that says no rate would keep the agent from moving for ever."""
    rows: list[list[Said | None]] = [*worlds.rates(0.03, 0.04), [Said(0.03), Said(0.04)]]
    dust = worlds.holding(TWO)
    mixed = replace(dust, positions=(Position(ONE, 1_000), *dust.positions))
    assert rotation().target(worlds.look(worlds.tape(rows), mixed)) == Keep("the best markets are held")
    real = replace(dust, positions=(Position(ONE, worlds.MILLION_RAW // 100), *dust.positions))
    assert held_markets(rotation(threshold_bps=40).target(worlds.look(worlds.tape(rows), real))) == [TWO.id]

"""The two strategies that ship: where they enter, when they move, what they refuse."""

from dataclasses import replace

import pytest

from backtest.range_liquidity.decisions import Enter, Held, Keep, Seen, Split
from backtest.range_liquidity.rules import FixedRange, FollowPrice, inside
from strategies.domain import Ticks
from strategies.errors import SettingsError
from tests.backtest.range_liquidity.pools import HOUR, SAFE, TERMS, TICK, minutes_of

FIVE_PERCENT = FollowPrice(width_bps=500, split=Split.EVEN, cadence_seconds=HOUR)


def seen(tick: int, held: Held | None = None, quote: int = 0, spacing: int = 10) -> Seen:
    minutes = minutes_of([tick, tick], terms=replace(TERMS, quote=quote, tick_spacing=spacing))
    return Seen(minutes, 1, held, (0, 0))


def test_a_fixed_range_is_entered_once_and_kept() -> None:
    rule = FixedRange(SAFE, Split.EVEN, HOUR)
    entered = rule.answer(seen(TICK))
    assert isinstance(entered, Enter) and entered.ticks == SAFE
    assert rule.answer(seen(TICK + 9_000, Held(0, SAFE, 1, TICK))) == Keep()


@pytest.mark.parametrize(
    ("quote", "ticks", "stay"),
    [
        # 1.05 is 487.9 ticks up and 0.95 is 513 ticks down of the price; told in token 0 the price falls as ticks rise.
        (0, Ticks(TICK - 490, TICK + 510), Ticks(TICK - 487, TICK + 512)),
        (1, Ticks(TICK - 510, TICK + 490), Ticks(TICK - 512, TICK + 487)),
    ],
)
def test_five_percent_either_side_of_the_price_in_the_quote_token(quote: int, ticks: Ticks, stay: Ticks) -> None:
    assert FIVE_PERCENT.answer(seen(TICK, quote=quote)) == Enter(ticks, Split.EVEN, stay)


def test_it_stays_on_the_last_tick_inside_and_moves_on_the_first_outside() -> None:
    held = Held(0, SAFE, 1, TICK)
    for tick, stays in ((TICK + 512, True), (TICK + 513, False), (TICK - 487, True), (TICK - 488, False)):
        assert isinstance(FIVE_PERCENT.answer(seen(tick, held)), Keep) is stays


def test_bounds_go_to_the_nearest_usable_ticks() -> None:
    answer = FIVE_PERCENT.answer(seen(TICK, spacing=200))
    assert isinstance(answer, Enter) and answer.ticks == Ticks(200_600, 201_600)


def test_what_is_narrower_than_the_spacing_is_one_spacing_around_the_price() -> None:
    answer = FollowPrice(1, Split.EVEN, HOUR).answer(seen(TICK + 7, spacing=60))
    assert isinstance(answer, Enter) and answer.ticks == Ticks(201_060, 201_120)
    assert answer.ticks.lower <= TICK + 7 < answer.ticks.upper


def test_both_bounds_of_a_stay_are_inside() -> None:
    assert [inside(Ticks(1, 3), tick) for tick in range(5)] == [False, True, True, True, False]


@pytest.mark.parametrize("width_bps", [0, -5, 10_000])
def test_refuses_a_width_that_is_no_range(width_bps: int) -> None:
    assert FollowPrice(9_999, Split.EVEN, HOUR).width_bps == 9_999
    with pytest.raises(SettingsError, match="width_bps"):
        FollowPrice(width_bps, Split.EVEN, HOUR)

"""Ticks, prices, amounts and steps: laws, the contract's own limits, and the published vectors by equality."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.verify.cases.uniswap_v3 import GROUPS
from strategies.errors import ActionRefused
from strategies.protocols.uniswap_v3.arithmetic import (
    MAX_SQRT_PRICE_X96,
    MAX_TICK,
    MIN_SQRT_PRICE_X96,
    MIN_TICK,
    Book,
    Tick,
    amount0_down_raw,
    amount0_up_raw,
    amount1_down_raw,
    amount1_up_raw,
    amounts_for_liquidity_down_raw,
    grown_x128,
    liquidity_for_amounts_down_raw,
    max_liquidity_per_tick_raw,
    next_tick,
    price_after_token0_in_up_x96,
    price_after_token0_out_up_x96,
    price_after_token1_in_down_x96,
    price_after_token1_out_down_x96,
    sqrt_price_at_tick_x96,
    swap_step,
    tick_at_sqrt_price,
    with_crossed,
    words_of_book,
)
from strategies.units import MAX_UINT256

VECTORS = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors" / "uniswap_v3.json"
TICKS = st.integers(MIN_TICK, MAX_TICK)
PRICES = st.integers(MIN_SQRT_PRICE_X96, MAX_SQRT_PRICE_X96 - 1)
LIQUIDITY = st.integers(1, 2**128 - 1)


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared folder with the published vectors is not beside this repository")
@pytest.mark.parametrize("name", GROUPS)
def test_equals_every_published_case_of(name: str) -> None:
    groups = {group["name"]: group["cases"] for group in json.loads(VECTORS.read_text())["groups"]}
    assert set(groups) == set(GROUPS)
    assert sum(len(cases) for cases in groups.values()) == 470
    for case in groups[name]:
        assert GROUPS[name]({key: value for key, value in case.items() if key != "out"}) == case["out"], case


def test_the_first_and_last_ticks_have_the_contract_s_prices_and_beyond_them_is_nothing() -> None:
    assert sqrt_price_at_tick_x96(MIN_TICK) == MIN_SQRT_PRICE_X96
    assert sqrt_price_at_tick_x96(MAX_TICK) == MAX_SQRT_PRICE_X96
    for tick in (MIN_TICK - 1, MAX_TICK + 1):
        with pytest.raises(ActionRefused, match="T"):
            sqrt_price_at_tick_x96(tick)
    assert tick_at_sqrt_price(MIN_SQRT_PRICE_X96) == MIN_TICK
    assert tick_at_sqrt_price(MAX_SQRT_PRICE_X96 - 1) == MAX_TICK - 1
    for price_x96 in (MIN_SQRT_PRICE_X96 - 1, MAX_SQRT_PRICE_X96):
        with pytest.raises(ActionRefused, match="R"):
            tick_at_sqrt_price(price_x96)


@given(tick=st.integers(MIN_TICK + 1, MAX_TICK - 1))
def test_a_tick_begins_exactly_at_its_price(tick: int) -> None:
    price_x96 = sqrt_price_at_tick_x96(tick)
    assert (tick_at_sqrt_price(price_x96 - 1), tick_at_sqrt_price(price_x96)) == (tick - 1, tick)


@given(price_x96=PRICES)
def test_a_price_lies_between_its_tick_and_the_next(price_x96: int) -> None:
    tick = tick_at_sqrt_price(price_x96)
    assert sqrt_price_at_tick_x96(tick) <= price_x96 < sqrt_price_at_tick_x96(tick + 1)


@pytest.mark.parametrize(
    ("spacing", "most_raw", "words"),
    [
        (10, 1_917_569_901_783_203_986_719_870_431_555_990, 694),
        (60, 11_505_743_598_341_114_571_880_798_222_544_994, 116),
        (200, 38_350_317_471_085_141_830_651_933_667_504_588, 36),
    ],
)
def test_a_spacing_s_limit_of_liquidity_and_words(spacing: int, most_raw: int, words: int) -> None:
    assert max_liquidity_per_tick_raw(spacing) == most_raw
    assert len(words_of_book(spacing)) == words


@given(one_x96=PRICES, other_x96=PRICES, liquidity_raw=LIQUIDITY)
def test_rounding_up_is_rounding_down_or_a_unit_more_and_knows_no_order(one_x96: int, other_x96: int, liquidity_raw: int) -> None:
    for up, down in ((amount0_up_raw, amount0_down_raw), (amount1_up_raw, amount1_down_raw)):
        assert up(one_x96, other_x96, liquidity_raw) - down(one_x96, other_x96, liquidity_raw) >= 0
        assert up(one_x96, other_x96, liquidity_raw) == up(other_x96, one_x96, liquidity_raw)
    assert amount1_up_raw(one_x96, other_x96, liquidity_raw) - amount1_down_raw(one_x96, other_x96, liquidity_raw) <= 1


@given(price_x96=PRICES, bounds=st.tuples(TICKS, TICKS), amounts=st.tuples(st.integers(0, 2**100), st.integers(0, 2**100)))
def test_bought_liquidity_is_never_worth_more_than_was_paid(
    price_x96: int, bounds: tuple[int, int], amounts: tuple[int, int]
) -> None:
    bounds_x96 = sqrt_price_at_tick_x96(bounds[0]), sqrt_price_at_tick_x96(bounds[1])
    try:
        liquidity_raw = liquidity_for_amounts_down_raw(price_x96, bounds_x96, amounts)
    except ActionRefused:
        return
    worth = amounts_for_liquidity_down_raw(price_x96, bounds_x96, liquidity_raw)
    assert worth[0] <= amounts[0]
    assert worth[1] <= amounts[1]


@given(
    price_x96=PRICES,
    target=TICKS,
    liquidity_raw=st.integers(0, 2**128 - 1),
    remaining_raw=st.integers(-(2**128), 2**128),
    fee_pips=st.sampled_from([100, 500, 3_000, 10_000]),
)
def test_a_step_stays_within_what_is_left_and_between_the_prices(
    price_x96: int, target: int, liquidity_raw: int, remaining_raw: int, fee_pips: int
) -> None:
    target_x96 = sqrt_price_at_tick_x96(target)
    try:
        next_x96, in_raw, out_raw, fee_raw = swap_step(
            price_x96, target_x96, liquidity_raw=liquidity_raw, remaining_raw=remaining_raw, fee_pips=fee_pips
        )
    except ActionRefused:
        return
    assert min(price_x96, target_x96) <= next_x96 <= max(price_x96, target_x96)
    assert min(in_raw, out_raw, fee_raw) >= 0
    if remaining_raw < 0:
        assert out_raw <= -remaining_raw
    else:
        assert in_raw + fee_raw <= remaining_raw
        assert next_x96 == target_x96 or in_raw + fee_raw == remaining_raw


def test_token_0_past_256_bits_takes_the_contract_s_other_rounding() -> None:
    liquidity_raw, price_x96 = 2**127 - 99, MAX_SQRT_PRICE_X96 - 1
    scaled, most_raw = liquidity_raw << 96, (MAX_UINT256 - (liquidity_raw << 96)) // price_x96

    def exact_x96(raw: int) -> int:
        return -(-scaled * price_x96 // (scaled + raw * price_x96))

    fits, passes = (price_after_token0_in_up_x96(price_x96, liquidity_raw, raw) for raw in (most_raw, most_raw + 1))
    assert fits == exact_x96(most_raw)
    assert passes == -(-scaled // (scaled // price_x96 + most_raw + 1)) != exact_x96(most_raw + 1)


def test_more_than_the_liquidity_holds_does_not_come_out_and_all_but_a_unit_does() -> None:
    price_x96, liquidity_raw = 2**96, 10**18
    assert price_after_token0_out_up_x96(price_x96, liquidity_raw, liquidity_raw - 1) > price_x96
    assert price_after_token1_out_down_x96(price_x96, liquidity_raw, liquidity_raw - 1) < price_x96
    for price_after in (price_after_token0_out_up_x96, price_after_token1_out_down_x96):
        with pytest.raises(ActionRefused):
            price_after(price_x96, liquidity_raw, liquidity_raw)
        assert price_after(price_x96, liquidity_raw, 0) == price_x96
    with pytest.raises(ActionRefused):
        price_after_token1_in_down_x96(price_x96, 1, 2**64 - 1)
    assert price_after_token1_in_down_x96(price_x96, 1, 2**64 - 2) < 2**160


def test_the_edge_of_a_word_ends_a_step_where_no_tick_does() -> None:
    book = Book(60, (-60, 600), (Tick(1, 1, None), Tick(1, -1, None)))
    assert [next_tick(book, 1, 30, token_in) for token_in in (0, 1)] == [0, 600]
    assert next_tick(book, 1, -1, 0) == -60
    assert next_tick(book, 0, -61, 0) == -256 * 60
    assert next_tick(book, 2, 600, 1) == 255 * 60
    assert next_tick(book, 2, 255 * 60, 1) == 511 * 60
    assert (next_tick(book, 0, MIN_TICK + 1, 0), next_tick(book, 2, MAX_TICK - 1, 1)) == (MIN_TICK, MAX_TICK)


def test_crossing_turns_what_is_outside_and_leaves_the_unknown_unknown() -> None:
    book = Book(60, (0, 60, 120), (Tick(1, 1, (3, 5)), Tick(1, 0, None), Tick(1, -1, (3, 5))))
    crossed = with_crossed(book, [(0, (10, 1)), (1, (10, 1))])
    assert [tick.fee_growth_outside_x128 for tick in crossed.known] == [(7, MAX_UINT256 - 3), None, (3, 5)]
    assert with_crossed(crossed, [(0, (10, 1))]).known[0].fee_growth_outside_x128 == (3, 5)


def test_a_fee_growth_wraps_and_a_fee_that_is_no_number_is_refused() -> None:
    assert grown_x128(MAX_UINT256, 1, 2**128) == 0
    assert grown_x128(7, 10**9, 0) == 7
    with pytest.raises(ActionRefused):
        grown_x128(0, 2**128, 1)
    assert grown_x128(0, 2**128 - 1, 1) == (2**128 - 1) << 128


def test_vectors_that_revert_raise() -> None:
    for name, numbers in (
        ("tick_to_sqrt_price", {"tick": "887273"}),
        ("sqrt_price_to_tick", {"sqrt_price_x96": "4295128738"}),
        ("amount_deltas", {"sqrt_a": "0", "sqrt_b": "1", "liquidity": "1", "round_up": True}),
        ("liquidity_for_amounts", {"sqrt_price": "5", "sqrt_a": "7", "sqrt_b": "7", "amount0": "1", "amount1": "1"}),
    ):
        with pytest.raises(ActionRefused):
            GROUPS[name]({"in": numbers})

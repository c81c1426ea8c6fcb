"""Share prices: what is believed, from what was known by then, and what a share earned lately."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.checking.marks import Mark
from backtest.importers.lending import named_address
from backtest.importers.share_prices import BELIEVED, Belief, Vault, belief_findings, beliefs, trailing_apr
from backtest.importers.vault_rows import AT_ONCE, Rows, vault_of
from backtest.importers.vault_tapes import notional_asset
from backtest.terms import Terms
from strategies.units import SECONDS_PER_YEAR
from tests.backtest.importers.written import DAY, HOUR, counts, moments

ASSET = notional_asset(1, "USDC")
WEEK = 7 * DAY


def vault(
    prices: Sequence[float | str],
    *,
    step: int = HOUR,
    assets: Sequence[float] | None = None,
    supply: Sequence[float] | None = None,
) -> Vault:
    return vault_of(
        Rows(
            id="v",
            address=named_address("v"),
            asset=ASSET,
            file="v.csv",
            timestamp=moments(len(prices), step),
            price=tuple(str(price) for price in prices),
            step_seconds=step,
            terms=AT_ONCE,
            assets=None if assets is None else np.array(assets, dtype=np.float64),
            supply=None if supply is None else np.array(supply, dtype=np.float64),
        )
    )


def test_interest_is_believed() -> None:
    assert set(beliefs(vault([1.0, 1.00001, 1.00001, 1.008]))) == {Belief.BELIEVED}


def test_a_fall_that_the_assets_share_is_a_loss_at_once() -> None:
    fallen = vault([1.0, 0.95], assets=[100.0, 95.0], supply=[100.0, 100.0])
    assert beliefs(fallen) == [Belief.BELIEVED, Belief.LOSS]
    assert beliefs(vault([1.0, 0.95], assets=[100.0, 94.0])) == [Belief.BELIEVED, Belief.LOSS]


def test_a_loss_is_seen_through_deposits_of_the_same_hour() -> None:
    assert beliefs(vault([1.0, 0.95], assets=[100.0, 190.0], supply=[100.0, 200.0]))[1] is Belief.LOSS


def test_a_fall_that_nothing_confirms_is_refused_as_a_backwards_index() -> None:
    fallen = vault([1.0, 0.95, 1.001], assets=[100.0, 100.0, 100.1], supply=[100.0, 100.0, 100.0])
    made = beliefs(fallen)
    assert made == [Belief.BELIEVED, Belief.BACKWARDS, Belief.BELIEVED]
    assert counts(belief_findings(fallen, made)) == {Mark.BACKWARDS: 1}
    assert beliefs(vault([1.0, 0.95]))[1] is Belief.BACKWARDS


def test_a_fall_without_assets_is_a_loss_once_a_day_of_prices_agrees() -> None:
    made = beliefs(vault([1.0, *[0.95] * 26]))
    assert made[1:25] == [Belief.BACKWARDS] * 24 and made[25] is Belief.LOSS and made[26] is Belief.BELIEVED
    assert Belief.LOSS not in beliefs(vault([1.0, *[0.95, 0.80] * 13]))


def test_a_spike_that_goes_back_is_refused_whatever_the_assets_say() -> None:
    assert beliefs(vault([1.058, 1.455, 1.059], assets=[100, 137.5, 100.1], supply=[94.5, 94.5, 94.5])) == [
        Belief.BELIEVED,
        Belief.SPIKE,
        Belief.BELIEVED,
    ]


def test_a_rise_of_a_few_percent_is_believed_when_it_holds_and_one_of_more_than_a_tenth_never() -> None:
    assert beliefs(vault([1.0, *[1.06] * 26]))[24:27] == [Belief.SPIKE, Belief.RISE, Belief.BELIEVED]
    assert set(beliefs(vault([1.0, *[1.99] * 400]))[1:]) == {Belief.SPIKE}


def test_a_price_that_lost_its_decimals_is_refused_wherever_it_stands() -> None:
    assert beliefs(vault(["1.08e-12", 1.0787, 1.0788])) == [Belief.DECIMALS, Belief.BELIEVED, Belief.BELIEVED]
    assert beliefs(vault([1.0787, *["1.08e-12"] * 30]))[1:] == [Belief.DECIMALS] * 30
    assert beliefs(vault([1.0787, 1_078_700_000.0]))[1] is Belief.DECIMALS


def test_a_price_of_nothing_and_a_missing_one_are_no_rows() -> None:
    kept = vault([1.0, 0, "", 1.01])
    assert len(kept.timestamp) == 2 and counts(kept.findings)[Mark.ZERO_FOR_MISSING] == 1
    assert counts(kept.findings)[Mark.NOT_A_NUMBER] == 1


def test_a_rate_is_growth_over_the_window_that_ends_at_the_row() -> None:
    grown = vault([1 + day / 1_000 for day in range(30)], step=DAY)
    apr = trailing_apr(grown, beliefs(grown), window_seconds=WEEK, least_seconds=2 * DAY)
    assert np.isnan(apr[:2]).all()
    assert apr[2] == pytest.approx(0.002 * SECONDS_PER_YEAR / (2 * DAY))
    assert apr[20] == pytest.approx((1.020 / 1.013 - 1) * SECONDS_PER_YEAR / WEEK)


def test_a_rate_after_a_hole_is_spread_over_the_hole() -> None:
    sparse = vault([1.0, 1.001], step=20 * DAY)
    apr = trailing_apr(sparse, beliefs(sparse), window_seconds=WEEK, least_seconds=DAY)
    assert apr[1] == pytest.approx(0.001 * SECONDS_PER_YEAR / (20 * DAY))


PRICES = st.lists(st.sampled_from([1.0, 1.001, 1.01, 1.05, 1.3, 0.99, 0.9, 2.0, 1e-12]), min_size=2, max_size=60)


@given(PRICES, st.integers(1, 60), st.sampled_from([HOUR, 9 * HOUR, DAY]))
def test_the_future_never_changes_what_was_believed(prices: list[float], cut: int, step: int) -> None:
    whole, early = vault(prices, step=step), vault(prices[:cut], step=step)
    made, then = beliefs(whole), beliefs(early)
    assert made[: len(then)] == then
    window = {"window_seconds": WEEK, "least_seconds": DAY}
    both = trailing_apr(whole, made, **window)[: len(then)], trailing_apr(early, then, **window)
    np.testing.assert_array_equal(*both)


@given(PRICES, st.sampled_from([HOUR, DAY]))
def test_what_is_believed_never_falls_or_leaps_without_a_word(prices: list[float], step: int) -> None:
    told = vault(prices, step=step)
    made = beliefs(told)
    believed = [(row, belief) for row, belief in enumerate(made) if belief in BELIEVED]
    for (before, _), (row, belief) in pairwise(believed):
        ratio = told.price_ray[row] / told.price_ray[before]
        assert ratio >= 1 or belief is Belief.LOSS
        assert ratio <= 1.02 + (row - before) * step / SECONDS_PER_YEAR + 1e-9 or belief is Belief.RISE


def test_terms_say_what_the_source_says() -> None:
    assert vault([1.0]).terms == Terms(redeem_delay_seconds=0, deposit_closed=(), redeem_closed=())

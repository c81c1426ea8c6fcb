"""Synthetic tapes: equal seeds, equal tapes; each event does what it says, where it says."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.scenario import Depeg, DrainedPool, GasSpike, RateShock, Script, sample_script, sample_tape, tape_of_script
from strategies.errors import BadTape
from strategies.units import GWEI, USD_E8

CALM = replace(sample_script(seed=1, markets=2, hours=200), events=())


def with_event(event: RateShock | DrainedPool | Depeg | GasSpike) -> Script:
    return replace(CALM, events=(event,))


def test_equal_seeds_make_equal_tapes() -> None:
    assert sample_tape(seed=3, markets=2, hours=100).digest == sample_tape(seed=3, markets=2, hours=100).digest


def test_another_seed_makes_another_tape() -> None:
    assert sample_tape(seed=3, markets=2, hours=100).digest != sample_tape(seed=4, markets=2, hours=100).digest


def test_a_sample_has_its_rows_markets_and_prices() -> None:
    made = sample_tape(seed=7, markets=3, hours=240)
    assert made.supply_apr.shape == (240, 3)
    assert made.fresh.all() and (made.price_usd_e8 > 0).all() and (made.base_fee_wei > 0).all()
    assert ((made.supply_apr > 0) & (made.supply_apr < made.borrow_apr)).all()


def test_a_drained_pool_has_nothing_to_withdraw_and_only_then() -> None:
    made = tape_of_script(with_event(DrainedPool("beta", 50, 10, borrow_apr=0.6)))
    drained = made.available[:, 1] == 0
    assert drained[50:60].all() and drained.sum() == 10
    state = made.states.state(55, 1)
    assert state is not None and made.utilisation[55, 1] == 1.0
    assert (made.available[:, 0] > 0).all()


def test_a_rate_shock_moves_one_market_only() -> None:
    calm, made = tape_of_script(CALM), tape_of_script(with_event(RateShock("alpha", 20, 5, utilisation=0.97, borrow_apr=0.35)))
    assert (made.supply_apr[20:25, 0] > 0.3).all()
    np.testing.assert_array_equal(made.supply_apr[:, 1], calm.supply_apr[:, 1])
    np.testing.assert_array_equal(made.supply_apr[25:, 0], calm.supply_apr[25:, 0])


def test_a_depeg_falls_at_once_and_comes_back() -> None:
    made = tape_of_script(with_event(Depeg(30, 12, low_of_peg=0.88)))
    price = made.price_usd_e8[:, 0]
    assert price[29] == USD_E8 and price[30] == 88 * USD_E8 // 100 and price[42] == USD_E8
    assert (np.diff(price[30:43]) > 0).all()


def test_a_gas_spike_is_a_gas_spike() -> None:
    made = tape_of_script(with_event(GasSpike(10, 3, base_fee_gwei=180.0)))
    assert (made.base_fee_wei[10:13] == 180 * GWEI).all()
    assert made.base_fee_wei[13] == tape_of_script(CALM).base_fee_wei[13]


@pytest.mark.parametrize("event", [GasSpike(199, 2, 180.0), Depeg(-1, 2, 0.9), DrainedPool("alpha", 0, 0, 0.5)])
def test_refuses_events_beyond_the_tape(event: GasSpike | Depeg | DrainedPool) -> None:
    with pytest.raises(BadTape, match="outside"):
        tape_of_script(with_event(event))


def test_refuses_events_on_unknown_markets() -> None:
    with pytest.raises(BadTape, match="no market"):
        tape_of_script(with_event(DrainedPool("omega", 1, 2, 0.5)))


@pytest.mark.parametrize(("markets", "hours"), [(0, 100), (5, 100), (2, 47)])
def test_refuses_samples_it_cannot_make(markets: int, hours: int) -> None:
    with pytest.raises(BadTape, match="sample"):
        sample_tape(seed=1, markets=markets, hours=hours)

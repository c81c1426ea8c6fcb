"""The tape and the view that ends at now."""

import numpy as np
import pytest

from strategies.errors import BadTape, UnknownMarket
from strategies.protocols.recorded_index import RecordedIndex
from strategies.protocols.registry import MarketState
from strategies.tape import AskedFor, Observation, tape_of
from tests import worlds
from tests.worlds import ACCOUNT, DEPLOYMENT, ONE, USDC, Said


def test_a_window_ends_at_now_and_is_a_copy() -> None:
    tape = worlds.tape([[Said(0.01 * hour), Said(0.02)] for hour in range(1, 49)])
    seen = worlds.look(tape, worlds.idle(), row=30)
    window = seen.supply_aprs(24 * worlds.HOUR)
    assert window.shape == (24, 2)
    assert window[-1, 0] == pytest.approx(0.31)
    window[:] = 9.0
    assert tape.supply_apr.max() < 1.0


def test_a_window_holds_what_there_is_at_the_start() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle(), row=2)
    assert len(seen.supply_aprs(24 * worlds.HOUR)) == 3


def test_what_was_not_said_is_nan_and_not_fresh() -> None:
    seen = worlds.look(worlds.tape([[Said(0.03), None]]), worlds.idle())
    assert np.isnan(seen.supply_aprs(worlds.HOUR)[0, 1])
    assert seen.fresh_now().tolist() == [True, False]
    assert seen.state(DEPLOYMENT.markets[1]) is None


def test_the_state_of_a_read_market_is_the_one_that_was_read() -> None:
    seen = worlds.look(worlds.tape([[Said(0.03), None]]), worlds.idle())
    assert isinstance(seen.state(ONE), RecordedIndex)


@pytest.mark.parametrize("row", [-1, 24, 99])
def test_a_row_that_does_not_exist_is_refused(row: int) -> None:
    with pytest.raises(BadTape):
        Observation(worlds.tape(worlds.rates(0.03, 0.04)), row, ACCOUNT, worlds.idle())


def test_rows_that_go_back_in_time_are_refused() -> None:
    with pytest.raises(BadTape, match="strictly later"):
        tape_of(DEPLOYMENT, [worlds.reading(1, [Said(0.1), None]), worlds.reading(0, [Said(0.1), None])])


def test_a_tape_without_rows_is_refused() -> None:
    with pytest.raises(BadTape, match="no rows"):
        tape_of(DEPLOYMENT, [])


def test_an_unpriced_asset_has_no_price_rather_than_zero() -> None:
    seen = worlds.look(worlds.tape([[Said(0.03), None]], ether_usd=0), worlds.idle())
    assert seen.usd_e8(worlds.ETHER) is None
    assert seen.usd_e8(USDC) == 10**8


def test_a_market_of_another_deployment_is_unknown() -> None:
    stranger = worlds.Market("else:USDC", "recorded_index", "0x" + "09" * 20, USDC)
    with pytest.raises(UnknownMarket):
        worlds.look(worlds.tape([[Said(0.03), None]]), worlds.idle()).state(stranger)


def test_a_state_that_is_asked_for_is_made_once_and_no_other_is() -> None:
    read, asked = worlds.reading(1, [Said(0.03), None]).states, list[int]()

    def find(at: int) -> MarketState | None:
        asked.append(at)
        return read[at]

    states = AskedFor(find, 2)
    assert (states[1], states[1], len(states), asked) == (None, None, 2, [1])
    assert states == read and read == states and hash(states) == hash(read)
    assert asked == [1, 0]
    assert (states[:1], list(states), asked) == (read[:1], list(read), [1, 0])
    assert states != AskedFor(lambda _: None, 2) and states != read[:1] and states != 2


@pytest.mark.parametrize("at", [-1, 2])
def test_a_state_that_does_not_exist_is_refused(at: int) -> None:
    with pytest.raises(IndexError):
        AskedFor(lambda _: None, 2)[at]


def test_what_finding_a_state_raises_is_never_taken_for_the_end_of_them() -> None:
    def find(at: int) -> MarketState | None:
        if at == 1:
            raise IndexError("a broken record")
        return None

    states = AskedFor(find, 3)
    for use in (tuple, list, hash, lambda them: them == (None,) * 3, lambda them: them[:2]):
        with pytest.raises(IndexError, match="a broken record"):
            use(states)
    assert states != (None,)


def test_one_state_is_another_and_the_others_stay() -> None:
    read = worlds.reading(1, [Said(0.03), Said(0.04)]).states
    assert read[0] is not None
    states = AskedFor(lambda at: read[at], 2, [10**8, 10**8])
    assert states.but(1, read[0]) == (read[0], read[0])
    assert states == read and states.but(1, read[0]).oracles_usd_e8 is None

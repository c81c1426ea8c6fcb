"""Overlays only ever move weight towards idle."""

from hypothesis import given
from hypothesis import strategies as st

from strategies.catalogue import STANCES
from strategies.domain import Leg, Market, Target
from strategies.risk import CapMarket, ExitCover, UtilisationCeiling
from strategies.units import WAD
from tests import worlds
from tests.worlds import ONE, TWO, USDC, Said


def weights(target: Target) -> dict[str, int]:
    return {leg.market.id if leg.market else "idle": leg.weight_wad for leg in target.legs}


def split(one_wad: int, two_wad: int) -> Target:
    legs = (Leg(ONE, one_wad), Leg(TWO, two_wad), Leg(None, WAD - one_wad - two_wad))
    return Target(USDC, legs, "wanted")


def all_in(market: Market) -> Target:
    return Target(USDC, (Leg(market, WAD),), "wanted")


@given(
    st.integers(0, 10**18),
    st.integers(0, 10**18),
    st.sampled_from(sorted(STANCES)),
    st.integers(0, 10**13),
    st.floats(0, 1),
)
def test_no_stance_ever_adds_weight_to_a_market(one: int, two: int, stance: str, available_raw: int, used: float) -> None:
    target = split(one, min(two, WAD - one))
    rows = [[Said(0.03, utilisation=used, available_raw=available_raw), Said(0.04)]]
    seen = worlds.look(worlds.tape(rows), worlds.idle())
    restrained = target
    for overlay in STANCES[stance]:
        restrained = overlay.restrain(seen, restrained)
    before, after = weights(target), weights(restrained)
    assert sum(after.values()) == WAD
    assert all(after.get(name, 0) <= weight for name, weight in before.items() if name != "idle")
    assert after.get("idle", 0) >= before["idle"]


def test_the_excess_over_the_cap_goes_idle() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle())
    assert weights(CapMarket(6_000).restrain(seen, all_in(ONE))) == {ONE.id: 6 * 10**17, "idle": 4 * 10**17}


def test_a_target_below_the_cap_is_left_as_it_is() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle())
    target = split(WAD // 2, WAD // 2)
    assert CapMarket(6_000).restrain(seen, target) is target


def test_what_could_not_be_taken_out_again_is_not_put_in() -> None:
    rows = [[Said(0.03, available_raw=worlds.MILLION_RAW), Said(0.04)]]
    seen = worlds.look(worlds.tape(rows), worlds.idle(worlds.MILLION_RAW))
    assert weights(ExitCover(enter_bps=20_000, leave_bps=15_000).restrain(seen, all_in(ONE))) == {
        ONE.id: WAD // 2,
        "idle": WAD // 2,
    }


def test_a_liquid_market_is_entered_whole() -> None:
    seen = worlds.look(worlds.tape(worlds.rates(0.03, 0.04)), worlds.idle())
    assert weights(ExitCover(enter_bps=20_000, leave_bps=15_000).restrain(seen, all_in(ONE))) == {ONE.id: WAD}


def test_a_market_lent_out_above_the_ceiling_is_left() -> None:
    seen = worlds.look(worlds.tape([[Said(0.5, utilisation=0.99), Said(0.04)]]), worlds.holding(ONE))
    assert weights(UtilisationCeiling(9_500).restrain(seen, all_in(ONE))) == {"idle": WAD}


def test_a_market_at_the_ceiling_is_kept() -> None:
    seen = worlds.look(worlds.tape([[Said(0.5, utilisation=0.95), Said(0.04)]]), worlds.holding(ONE))
    assert weights(UtilisationCeiling(9_500).restrain(seen, all_in(ONE))) == {ONE.id: WAD}


def test_a_held_market_is_kept_on_less_cover_than_entering_asks_for() -> None:
    cover = ExitCover(enter_bps=20_000, leave_bps=15_000)
    for available_raw, kept in ((28 * 10**11, True), (24 * 10**11, False)):
        rows = [[Said(0.03, available_raw=available_raw), Said(0.04)]]
        restrained = cover.restrain(worlds.look(worlds.tape(rows), worlds.holding(ONE)), all_in(ONE))
        assert (weights(restrained) == {ONE.id: WAD}) is kept

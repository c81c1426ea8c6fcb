"""Savings: powers as bytecode gave them, Maker's own numbers, the published vectors, what is read, and that nothing is traded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.verify.cases.maker_sky_dsr import GROUPS
from agent.verify.vectors import compare
from strategies.domain import Amount, Asset, Market, Position, Shares, Supply, Withdraw
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols.adapter import Call
from strategies.protocols.sky_savings import (
    Savings,
    SkySavings,
    assets_of_shares_down,
    assets_of_shares_up,
    chi_after_down,
    chi_now_ray,
    dripped,
    rpow_half_up,
    shares_of_assets_down,
    shares_of_assets_up,
)
from strategies.units import MAX_UINT256, RAY, WAD
from tests.strategies.protocols.cases import ACCOUNT, DAI, NOW

ADAPTER = SkySavings()
VECTORS = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors" / "maker_sky_dsr.json"
GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "sky_savings.json").read_text())["rpow"]
POT = "0x" + "90" * 20
SDAI = Market("sky:sDAI", "sky_savings", "0x" + "5d" * 20, DAI, (("pot", POT),))
USDS = Asset(DAI.chain_id, "0x" + "d5" * 20, "USDS", 18)
SUSDS = Market("sky:sUSDS", "sky_savings", "0x" + "5a" * 20, USDS)
FIVE_PERCENT_A_DAY_RAY = 1_000_000_564_701_133_626_865_910_626  # the rate of Maker's own tests
DAY = 86_400


def savings(market: Market = SDAI) -> Savings:
    """A billion saved at about five per cent a year, dripped a day ago."""
    return Savings(
        market=market,
        timestamp=NOW,
        rate_ray=1_000_000_001_547_125_957_863_212_448,
        chi_ray=1_120_000_000_000_000_000_000_000_007,
        rho=NOW - DAY,
        total_supply_raw=10**9 * WAD,
    )


def answers(state: Savings, **other: int) -> list[bytes]:
    said = {
        "asset": int(state.market.asset.address, 16),
        "supply": state.total_supply_raw,
        "rate": state.rate_ray,
        "chi": state.chi_ray,
        "rho": state.rho,
    }
    return [number.to_bytes(32, "big") for number in (said | other).values()]


def test_every_power_is_the_bytecodes_and_what_reverted_there_is_refused_here() -> None:
    for x, n, base, out in GOLDEN:
        if out == "REVERT":
            with pytest.raises(ActionRefused):
                rpow_half_up(int(x), int(n), int(base))
        else:
            assert rpow_half_up(int(x), int(n), int(base)) == int(out), (x, n, base)
    assert sum(out == "REVERT" for *_, out in GOLDEN) >= 20
    assert len(GOLDEN) >= 150


@pytest.mark.parametrize("name", GROUPS)
def test_every_published_case_is_equal(name: str) -> None:
    if not VECTORS.exists():
        pytest.skip("the shared folder with the published vectors is not beside this repository")
    (cases,) = (group["cases"] for group in json.loads(VECTORS.read_text())["groups"] if group["name"] == name)
    assert [found for at, case in enumerate(cases) if (found := compare(at, case, GROUPS[name]))] == []


def test_a_hundred_saved_a_day_at_five_per_cent_are_a_hundred_and_five() -> None:
    # as Maker's own test of the Pot asserts it (test_save_1d)
    state = replace(savings(), rate_ray=FIVE_PERCENT_A_DAY_RAY, chi_ray=RAY, timestamp=NOW, rho=NOW - DAY)
    assert dripped(state).chi_ray // 10**9 == 1_050_000_000_000_000_000
    assert assets_of_shares_down(dripped(state).chi_ray, 100 * WAD) == 105 * WAD
    assert ADAPTER.value_raw(state, Position(SDAI, 100 * WAD)) == 105 * WAD


def test_a_drip_writes_what_the_views_say_and_time() -> None:
    state = savings()
    after = dripped(state)
    assert (after.chi_ray, after.rho) == (chi_now_ray(state), NOW)
    assert chi_now_ray(after) == after.chi_ray
    assert chi_now_ray(replace(state, rho=NOW)) == state.chi_ray


def test_a_drip_reverts_where_the_accumulator_would_fall_and_the_view_does_not() -> None:
    falling = replace(savings(), rate_ray=RAY - 10**18)
    assert chi_now_ray(falling) < falling.chi_ray
    with pytest.raises(ActionRefused, match="fall"):
        dripped(falling)


@given(raw=st.integers(0, 10**40), chi_ray=st.integers(RAY, 3 * RAY))
def test_every_rounding_favours_the_vault(raw: int, chi_ray: int) -> None:
    assert assets_of_shares_down(chi_ray, shares_of_assets_down(chi_ray, raw)) <= raw
    assert assets_of_shares_up(chi_ray, shares_of_assets_up(chi_ray, raw)) >= raw
    assert 0 <= shares_of_assets_up(chi_ray, raw) - shares_of_assets_down(chi_ray, raw) <= 1
    assert 0 <= assets_of_shares_up(chi_ray, raw) - assets_of_shares_down(chi_ray, raw) <= 1


def test_a_product_of_more_than_256_bits_is_refused() -> None:
    assert shares_of_assets_down(RAY, MAX_UINT256 // RAY) == MAX_UINT256 // RAY
    for convert in (shares_of_assets_down, shares_of_assets_up, assets_of_shares_down, assets_of_shares_up):
        with pytest.raises(ActionRefused, match="256"):
            convert(RAY, MAX_UINT256 // RAY + 1)
    with pytest.raises(ActionRefused, match="256"):
        chi_after_down(MAX_UINT256 // RAY + 1, RAY, 1)


@pytest.mark.parametrize("market", [SDAI, SUSDS], ids=["sDAI", "sUSDS"])
def test_reads_the_rate_where_it_lies(market: Market) -> None:
    state = savings(market)
    assert ADAPTER.decode(market, answers(state), NOW) == state
    keeper = POT if market is SDAI else SUSDS.address
    assert [call.target for call in ADAPTER.reads(market)] == [market.address, market.address, keeper, keeper, keeper]
    assert ADAPTER.reads(market)[2].data.hex() == ("487bf082" if market is SDAI else "03607ceb")  # dsr(), ssr()


@pytest.mark.parametrize(
    ("name", "number"), [("asset", 1), ("rate", RAY - 1), ("chi", RAY - 1), ("rho", NOW + 1)], ids=["asset", "rate", "chi", "rho"]
)
def test_refuses_what_it_does_not_know(name: str, number: int) -> None:
    with pytest.raises(UnsupportedState):
        ADAPTER.decode(SDAI, answers(savings(), **{name: number}), NOW)


def test_refuses_half_an_answer() -> None:
    with pytest.raises(IncompleteRead):
        ADAPTER.decode(SDAI, answers(savings())[1:], NOW)
    with pytest.raises(IncompleteRead):
        ADAPTER.holding(SDAI, ())
    assert ADAPTER.holding(SDAI, ((9).to_bytes(32, "big"),)) == Position(SDAI, 9)


def test_shows_the_rate_of_a_year_and_that_all_of_it_is_there() -> None:
    columns = ADAPTER.columns(savings())
    assert columns.supply_apr == pytest.approx(0.04879016)
    assert columns.available == columns.supplied
    assert columns.supplied == ADAPTER.withdrawable_raw(savings()) / WAD


@given(first=st.integers(0, 10**8), second=st.integers(0, 10**8))
def test_two_stretches_of_time_are_their_sum(first: int, second: int) -> None:
    assert ADAPTER.accrue(ADAPTER.accrue(savings(), first), second) == ADAPTER.accrue(savings(), first + second)


def test_nothing_is_traded() -> None:
    for action in (Supply(SDAI, Amount(DAI, 1)), Withdraw(SDAI, Shares(1))):
        with pytest.raises(UnsupportedState, match="not traded"):
            ADAPTER.apply(savings(), Position(SDAI, 5), action)
        for ask in (ADAPTER.spender, ADAPTER.gas, lambda action: ADAPTER.encode(action, ACCOUNT)):
            with pytest.raises(UnknownCall, match="not traded"):
                ask(action)
    assert ADAPTER.parse(Call(SDAI.address, b""), ACCOUNT, (SDAI,)) is None

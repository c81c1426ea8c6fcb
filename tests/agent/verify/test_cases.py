"""What the published vectors do not reach and further cases of the same groups may. The outcomes were asked of the bytecode of
aave-v3-origin 3.6.0, OpenZeppelin 5.4.0, Morpho Blue 1.0.0 with its rate model, and Uniswap v3-core 1.0.1; the Jug's is a test's.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from agent.verify.vectors import Case, compare, runners_of
from strategies.units import MAX_UINT256, RAY

CURVE = {"optimal_bps": "8000", "base_bps": "0", "slope1_bps": "400", "slope2_bps": "6000", "reserve_factor_bps": "1000"}
USED = {"total_debt": "800", "virtual_underlying_balance": "200", "liquidity_added": "0", "liquidity_taken": "0"}
RATES = {"liquidity_rate_ray": str(288 * RAY // 10_000), "variable_borrow_rate_ray": str(4 * RAY // 100)}
BASE_ONLY = {"liquidity_rate_ray": "0", "variable_borrow_rate_ray": "0"}


def is_equal(stem: str, group: str, case: Case) -> bool:
    runners = runners_of(stem)
    assert runners is not None
    return compare(0, case, runners[group]) is None


@pytest.mark.parametrize(
    ("changed", "out"),
    [
        ({}, RATES),
        ({"unbacked": "0"}, RATES),
        ({"liquidity_added": "7", "liquidity_taken": "7"}, RATES),
        ({"reserve_factor_bps": "10000"}, {**RATES, "liquidity_rate_ray": "0"}),
        ({"reserve_factor_bps": "10001"}, "REVERT"),
        ({"reserve_factor_bps": "10001", "total_debt": "0"}, BASE_ONLY),
        ({"liquidity_taken": "201"}, "REVERT"),
        ({"liquidity_taken": "201", "total_debt": "0"}, BASE_ONLY),
        ({"optimal_bps": "99"}, "REVERT"),
        ({"optimal_bps": "9901"}, "REVERT"),
        ({"slope1_bps": "6001"}, "REVERT"),
        ({"base_bps": "93601"}, "REVERT"),
        ({"total_debt": str(MAX_UINT256 // RAY)}, "REVERT"),
        ({"virtual_underlying_balance": str(MAX_UINT256), "liquidity_added": "1"}, "REVERT"),
        ({"virtual_underlying_balance": str(MAX_UINT256), "liquidity_added": "1", "total_debt": "0"}, BASE_ONLY),
        ({"unbacked": str(MAX_UINT256 - 999)}, "REVERT"),
    ],
)
def test_a_rate_strategy_takes_what_the_contract_takes_and_nothing_else(changed: Mapping[str, str], out: object) -> None:
    assert is_equal("aave_v3", "rate_strategy_v2", {"in": {**CURVE, **USED, **changed}, "out": out})


@pytest.mark.parametrize(
    ("rate", "seconds", "out"),
    [
        (2**255, 2, {"factor": str(RAY)}),
        (2**255 + 31_536_000, 2, {"factor": str(RAY + 2)}),
        (2**255, 1, "REVERT"),
        (MAX_UINT256, 0, {"factor": str(RAY)}),
    ],
)
def test_the_compounding_of_today_wraps_where_it_is_unchecked(rate: int, seconds: int, out: object) -> None:
    case = {"in": {"rate": str(rate), "dt": str(seconds)}, "out": out}
    assert is_equal("aave_v3", "compounded_interest_v3_current", case)


@pytest.mark.parametrize(
    ("offset", "assets", "supply", "out"),
    [
        (18, 0, 0, (7 * 10**18, 1, 7 * 10**18, 0)),
        (47, 6, 0, (10**47, 1, 10**47, 0)),
        (77, 6, 0, (10**77, 1, 10**77, 0)),
        (78, 6, 0, None),
        (0, MAX_UINT256, 0, None),
        (0, 0, MAX_UINT256, None),
    ],
)
def test_a_vault_takes_every_offset_whose_power_fits(offset: int, assets: int, supply: int, out: tuple[int, ...] | None) -> None:
    names = ("preview_deposit_shares", "preview_mint_assets", "preview_withdraw_shares", "preview_redeem_assets")
    given = {"decimals_offset": str(offset), "total_assets": str(assets), "total_supply": str(supply), "amount": "7"}
    expected: Any = "REVERT" if out is None else dict(zip(names, map(str, out), strict=True))
    assert is_equal("erc4626", "previews", {"in": given, "out": expected})


def test_a_step_of_a_market_that_reverts_leaves_all_but_the_time() -> None:
    first = {
        "total_supply_assets": "1000",
        "total_supply_shares": "1000000000",
        "total_borrow_assets": "0",
        "total_borrow_shares": "0",
        "last_update": "1690000000",
        "fee": "0",
        "rate_at_target": "1268391679",
    }
    steps: list[dict[str, Any]] = [
        {"dt": "0", "op": "supply", "assets": "1000", "after": first},
        {"dt": "60", "op": "withdraw", "assets": "1001", "after": "REVERT"},
        {"dt": "60", "op": "borrow", "assets": "0", "after": "REVERT"},
        {
            "dt": "0",
            "op": "accrue",
            "assets": "0",
            "after": {**first, "last_update": "1690000120", "rate_at_target": "1268150379"},
        },
    ]
    case = {"in": {"created_at": "1690000000", "fee_wad": "0"}, "steps": steps}
    assert is_equal("morpho_blue", "market_trajectory", case)
    steps[1] = {**steps[1], "assets": "999"}
    assert not is_equal("morpho_blue", "market_trajectory", case)


@pytest.mark.parametrize(("fee_pips", "is_refused"), [(999_999, False), (1_000_000, True)])
def test_a_step_that_reaches_its_price_cannot_be_all_fee(fee_pips: int, is_refused: bool) -> None:
    given = {
        "sqrt_current": str(2**96),
        "sqrt_target": str(2**96 + 2**80),
        "liquidity": "1000000",
        "amount_remaining": "-1000000",
        "fee_pips": str(fee_pips),
    }
    reached = {"sqrt_next": str(2**96 + 2**80), "amount_in": "16", "amount_out": "15", "fee_amount": "15999984"}
    assert is_equal("uniswap_v3", "swap_step", {"in": given, "out": "REVERT" if is_refused else reached})


@pytest.mark.parametrize("source", ["jug.t.sol test_drip_neg", "dss src/test/jug.t.sol"])
def test_what_the_jug_counts_may_fall_and_what_the_pot_counts_may_not(source: str) -> None:
    case = {"in": {"chi0": str(RAY), "segments": [["999999706969857929985428567", "259200"]], "pie": str(10**20)}}
    fallen = {"chi": "926859375000000000000022885"}
    assert is_equal("maker_sky_dsr", "protocol_tests", {**case, "out": fallen, "source": source})
    assert is_equal("maker_sky_dsr", "protocol_tests", {**case, "out": "REVERT", "source": "pot.t.sol test_drip"})

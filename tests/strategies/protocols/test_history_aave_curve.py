"""77 reserves of three chains at one block (`aave-irm-params`): the rates the pools had stored, from the state they had
stored.

The pools stored a reserve's rates when they last touched it, from the debt and the virtual balance of that moment; both are
in the file as they were left, and the index is the one of that touch. So nothing moved in between and the comparison is to
the unit, far below the 8e-9 percentage points that the file's own description allows (it puts the aToken's balance in the
place of the virtual one, which donations and the treasury's claim set apart).

One thing is not in the file: the deficit, which pools keep since V3.3 and which the supply side is divided by. A supply rate
that is not equal without it must be equal with some deficit, one that is a number of base units and not negative."""

from collections.abc import Mapping

import pytest

from strategies.protocols.aave_v3.arithmetic import V3_6, Curve, Usage, rates_ray, ray_mul
from strategies.units import RAY
from tests.strategies.protocols.real_history import folder, table

RESERVES = {"ethereum": 38, "arbitrum": 18, "polygon": 21}
WITH_A_DEFICIT = {"ethereum": 9, "arbitrum": 8, "polygon": 9}
LARGEST_DEFICIT_BPS_OF_DEBT = 7  # 0.88 ENS of 1,275 owed
DESCRIBED_TOLERANCE_RAY = 8 * RAY // 10**11  # 8e-9 percentage points


def reserves(chain: str) -> list[dict[str, str]]:
    return table(folder("aave-irm-params") / f"aave_protocol_parameter_{chain}.csv")


def rates(row: Mapping[str, str], *, deficit_raw: int = 0, available: str = "virtualUnderlyingBalance") -> tuple[int, int]:
    """Supply and borrow rate as the strategy of V3.1 and later gives them for the row's state."""
    curve = Curve(
        optimal_usage_ray=int(row["optimalUsageRatio"]),
        base_ray=int(row["baseVariableBorrowRate"]),
        slope1_ray=int(row["variableRateSlope1"]),
        slope2_ray=int(row["variableRateSlope2"]),
    )
    debt_raw = ray_mul(int(row["totalScaledVariableDebt"]), int(row["variableBorrowIndex"]))
    return rates_ray(V3_6, curve, Usage(int(row[available]), debt_raw, deficit_raw, int(row["reserveFactor"])))


def deficit_of(row: Mapping[str, str]) -> int | None:
    """The least deficit that gives the stored supply rate; None where no number of base units does. The rate falls with it."""
    stored_ray, low, high = int(row["liquidityRate"]), 0, 10**30
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if rates(row, deficit_raw=middle)[0] <= stored_ray else (middle + 1, high)
    return low if rates(row, deficit_raw=low)[0] == stored_ray else None


@pytest.mark.parametrize("chain", RESERVES)
def test_every_stored_borrow_rate_is_ours_to_the_unit(chain: str) -> None:
    rows = reserves(chain)
    assert len(rows) == RESERVES[chain]
    assert [rates(row)[1] for row in rows] == [int(row["variableBorrowRate"]) for row in rows]


@pytest.mark.parametrize("chain", RESERVES)
def test_every_stored_supply_rate_is_ours_to_the_unit_with_the_deficit_it_implies(chain: str) -> None:
    with_a_deficit = 0
    for row in reserves(chain):
        if row["virtualAccActive"] == "False":
            continue
        deficit_raw = deficit_of(row)
        assert deficit_raw is not None, row["symbol"]
        debt_raw = ray_mul(int(row["totalScaledVariableDebt"]), int(row["variableBorrowIndex"]))
        assert deficit_raw * 10_000 <= debt_raw * LARGEST_DEFICIT_BPS_OF_DEBT, row["symbol"]
        with_a_deficit += deficit_raw > 0
    assert with_a_deficit == WITH_A_DEFICIT[chain]


def test_a_supply_rate_one_unit_off_has_no_deficit_where_a_base_unit_weighs_more_than_that() -> None:
    usdc = next(row for row in reserves("ethereum") if row["symbol"] == "USDC")
    assert deficit_of(usdc) == 36_679_051
    assert deficit_of({**usdc, "liquidityRate": str(int(usdc["liquidityRate"]) + 1)}) is None


def test_the_one_reserve_without_virtual_accounting_pays_suppliers_nothing_and_charges_its_base_rate() -> None:
    """GHO on Ethereum is minted, not lent: before V3.4 its strategy answered (0, base), and this arithmetic is not for it."""
    rows = [row for chain in RESERVES for row in reserves(chain) if row["virtualAccActive"] == "False"]
    assert [row["symbol"] for row in rows] == ["GHO"]
    assert (rows[0]["liquidityRate"], rows[0]["variableBorrowRate"]) == ("0", rows[0]["baseVariableBorrowRate"])


def test_with_the_balance_the_description_uses_the_median_error_is_within_its_own_tolerance() -> None:
    errors_ray = sorted(
        abs(rates(row, available="availableLiquidity")[1] - int(row["variableBorrowRate"]))
        for chain in RESERVES
        for row in reserves(chain)
    )
    assert 0 < errors_ray[len(errors_ray) // 2] <= DESCRIBED_TOLERANCE_RAY

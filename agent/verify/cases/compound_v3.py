"""`compound_v3.json`: utilisation, both rate curves and whole accruals, by the code the adapter uses.

Comet's constructor divides what is said of a year by its seconds, rounded down, and reverts where a rate or an index passes 64
bits; so does every runner here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from strategies.domain import Asset, Market
from strategies.errors import ActionRefused
from strategies.protocols.compound_v3 import comet
from strategies.protocols.compound_v3.comet import Comet, Curve
from strategies.units import SECONDS_PER_YEAR

Case: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = Mapping[str, Any]

BASE: Final = Asset(1, "0x" + "01" * 20, "BASE", 6)
MARKET: Final = Market("vectors", "compound_v3", "0x" + "03" * 20, BASE)


def of_totals(case: Case) -> Outcome:
    """Comet.getUtilization of the totals, and both rates at it."""
    state = _state(case["in"], "base_supply_index", "base_borrow_index")
    usage_wad = comet.usage_wad(state)
    return {"utilization": str(usage_wad), **_rates(case["in"], usage_wad)}


def of_utilisation(case: Case) -> Outcome:
    """Comet.getSupplyRate and getBorrowRate."""
    return _rates(case["in"], int(case["in"]["utilization"]))


def trajectory(case: Case) -> list[Outcome]:
    """Comet.accrueInternal after each stretch of time: the rates of the stretch, the totals by the indices at its end."""
    state = _state(case["in"], "base_supply_index0", "base_borrow_index0")
    outcomes: list[Outcome] = []
    for step in case["steps"]:
        usage_wad = comet.usage_wad(state)
        rates = _rates(case["in"], usage_wad)
        state = comet.accrued(replace(state, timestamp=state.timestamp + int(step["dt"])))
        outcomes.append(
            {
                "utilization": str(usage_wad),
                "supply_rate": rates["supply_rate_per_second"],
                "borrow_rate": rates["borrow_rate_per_second"],
                "total_supply_present": str(comet.present_down(state.supply_principal_raw, state.supply_index_e15)),
                "total_borrow_present": str(comet.present_down(state.borrow_principal_raw, state.borrow_index_e15)),
                "base_supply_index": str(state.supply_index_e15),
                "base_borrow_index": str(state.borrow_index_e15),
            }
        )
    return outcomes


def _rates(given: Mapping[str, str], usage_wad: int) -> Outcome:
    rates = [comet.rate_wad(_curve(given, side), usage_wad) for side in ("supply", "borrow")]
    if max(rates) > comet.UINT64:
        raise ActionRefused(market_id=MARKET.id, why="a rate passes 64 bits")
    return {"supply_rate_per_second": str(rates[0]), "borrow_rate_per_second": str(rates[1])}


def _curve(given: Mapping[str, str], side: str) -> Curve:
    low, high, base = (int(given[f"{side}_{name}"]) // SECONDS_PER_YEAR for name in ("slope_low", "slope_high", "base"))
    return Curve(int(given[f"{side}_kink"]), low, high, base)


def _state(given: Mapping[str, str], supply_index: str, borrow_index: str) -> Comet:
    return Comet(
        market=MARKET,
        timestamp=0,
        last_accrual_timestamp=0,
        supply_index_e15=int(given[supply_index]),
        borrow_index_e15=int(given[borrow_index]),
        supply_principal_raw=int(given["total_supply_principal"]),
        borrow_principal_raw=int(given["total_borrow_principal"]),
        supply_curve=_curve(given, "supply"),
        borrow_curve=_curve(given, "borrow"),
        borrow_min_raw=0,
        available_raw=0,
        price_e8=1,
        supply_paused=False,
        withdraw_paused=False,
        collaterals=(),
    )


GROUPS: Final[Mapping[str, Callable[[Case], Outcome | list[Outcome]]]] = {
    "protocol_tests": of_totals,
    "rates": of_utilisation,
    "accrual_trajectory": trajectory,
}

"""`maker_sky_dsr.json`: powers, accumulators and what savings are worth, by the arithmetic the adapter uses."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from strategies.domain import Asset, Market
from strategies.protocols.sky_savings import Savings, assets_of_shares_down, chi_after_down, dripped, rpow_half_up
from strategies.units import RAY

Case: TypeAlias = Mapping[str, Any]

NOWHERE: Final = "0x" + "00" * 20
MARKET: Final = Market("vector", "sky_savings", NOWHERE, Asset(1, NOWHERE, "DAI", 18))
CHI_TO_WAD: Final = 10**9


def protocol_tests(case: Case) -> Mapping[str, str]:
    """What Maker's own tests of Pot and Jug assert; a case is of the Pot unless its source is the Jug, whose rate may fall."""
    given = case["in"]
    if "x" in given:
        return {"rpow": str(rpow_half_up(int(given["x"]), int(given["n"]), int(given["base"])))}
    segments = [(int(rate_ray), int(seconds)) for rate_ray, seconds in given["segments"]]
    of_jug = "jug.t.sol" in str(case.get("source", ""))
    chi_ray = (_of_jug if of_jug else _of_pot)(int(given["chi0"]), segments)
    value = {"chi": str(chi_ray), "chi_div_1e9": str(chi_ray // CHI_TO_WAD)}
    if "pie" in given:
        worth = str(assets_of_shares_down(chi_ray, int(given["pie"])))
        value |= dict.fromkeys(("exit_wad", "value_wad", "expected_wad_in_test"), worth)
    return value


def rpow_random(case: Case) -> Mapping[str, str]:
    """The factor of so many seconds, and the accumulator after them."""
    given = {name: int(text) for name, text in case["in"].items()}
    factor_ray = rpow_half_up(given["dsr_ray"], given["seconds"], RAY)
    return {"rpow": str(factor_ray), "chi": str(chi_after_down(given["chi0"], given["dsr_ray"], given["seconds"]))}


def _of_pot(chi_ray: int, segments: list[tuple[int, int]]) -> int:
    """A drip after each stretch of time (Pot.drip)."""
    state = Savings(MARKET, timestamp=0, rate_ray=RAY, chi_ray=chi_ray, rho=0, total_supply_raw=0)
    for rate_ray, seconds in segments:
        later = Savings(MARKET, state.rho + seconds, rate_ray, state.chi_ray, state.rho, 0)
        state = dripped(later)
    return state.chi_ray


def _of_jug(chi_ray: int, segments: list[tuple[int, int]]) -> int:
    """The same product, allowed to fall (Jug.drip)."""
    for rate_ray, seconds in segments:
        chi_ray = chi_after_down(chi_ray, rate_ray, seconds)
    return chi_ray


GROUPS: Final[Mapping[str, Callable[[Case], Mapping[str, str]]]] = {
    "protocol_tests": protocol_tests,
    "rpow_random": rpow_random,
}

"""`curve_stableswap_ng.json`: the invariant, the balance it leaves, and what a swap gives after the dynamic fee."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from strategies.protocols.curve import A_PRECISION, Fee, balance_after, invariant, scaled, swapped_raw

Case: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = Mapping[str, str]


def get_d(case: Case) -> Outcome:
    """CurveStableSwapNGMath.get_D."""
    return {"D": str(invariant(_balances(case["in"]), int(case["in"]["amp"])))}


def get_y(case: Case) -> Outcome:
    """CurveStableSwapNGMath.get_y."""
    given = case["in"]
    xp, x, amp, d = _balances(given), int(given["x"]), int(given["amp"]), int(given["D"])
    return {"y": str(balance_after(int(given["i"]), int(given["j"]), x=x, xp=xp, amp=amp, d=d))}


def get_dy(case: Case) -> Outcome:
    """CurveStableSwapNGViews.get_dy."""
    given = case["in"]
    rates_wad = _integers(given["rates"])
    out_raw = swapped_raw(
        int(given["i"]),
        int(given["j"]),
        int(given["dx"]),
        xp=scaled(rates_wad, _integers(given["balances"])),
        amp=int(given["A"]) * A_PRECISION,
        rates_wad=rates_wad,
        fee=Fee(int(given["fee"]), int(given["offpeg_fee_multiplier"])),
    )
    return {"dy": str(out_raw)}


GROUPS: Final[Mapping[str, Callable[[Case], Outcome]]] = {"get_D": get_d, "get_y": get_y, "get_dy": get_dy}


def _balances(given: Mapping[str, Any]) -> tuple[int, ...]:
    xp = _integers(given["xp"])
    if len(xp) != int(given["n"]):
        raise ValueError(f"{len(xp)} balances of {given['n']} coins")
    return xp


def _integers(numbers: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(number) for number in numbers)

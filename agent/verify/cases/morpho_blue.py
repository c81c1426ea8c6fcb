"""`morpho_blue.json`: the exponential, compounding, shares, the rate model and whole trajectories, by the code the adapter uses.

The contracts revert where a product passes 256 bits; so does every runner here. In a trajectory the account's collateral is
ample, as the file says; a step that reverts leaves everything as it was but the time."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from strategies.domain import Amount, Asset, Borrow, Lending, Market, Position, Repay, Supply, Withdraw
from strategies.errors import ActionRefused, ProtocolError
from strategies.protocols.morpho_blue import MorphoBlue
from strategies.protocols.morpho_blue.irm import INITIAL_RATE_AT_TARGET_WAD, compounded_wad, exponential_wad, rates
from strategies.protocols.morpho_blue.lending import (
    PRICE_SCALE,
    VIRTUAL_ASSETS,
    VIRTUAL_SHARES,
    LoanMarket,
    to_assets_down,
    to_assets_up,
    to_shares_down,
    to_shares_up,
    updated,
)
from strategies.units import MAX_UINT256, WAD

Case: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = Mapping[str, Any]

SHARES: Final[Mapping[str, Callable[[int, int, int], int]]] = {
    "toSharesDown": to_shares_down,
    "toSharesUp": to_shares_up,
    "toAssetsDown": to_assets_down,
    "toAssetsUp": to_assets_up,
}
ADAPTER: Final = MorphoBlue()
LENT: Final = Asset(1, "0x" + "01" * 20, "LENT", 18)
BACKING: Final = Asset(1, "0x" + "02" * 20, "BACKING", 18)
MARKET: Final = Market(
    "vectors", "morpho_blue", "0x" + "03" * 20, LENT, others=(BACKING,), numbers=(("lltv_wad", 86 * WAD // 100),)
)
AMPLE_RAW: Final = 2**127
REVERT: Final = "REVERT"
ACTIONS: Final[Mapping[str, Callable[[Market, Amount], Lending]]] = {
    "supply": Supply,
    "withdraw": Withdraw,
    "borrow": Borrow,
    "repay": Repay,
}


def exponential(case: Case) -> Outcome:
    """ExpLib.wExp."""
    return {"wExp": str(exponential_wad(int(case["in"]["x"])))}


def compounded(case: Case) -> Outcome:
    """MathLib.wTaylorCompounded."""
    rate_wad, seconds = int(case["in"]["rate_per_second_wad"]), int(case["in"]["seconds"])
    first_wad = _fits(rate_wad * seconds)
    _fits(_fits(first_wad * first_wad) // (2 * WAD) * first_wad)
    return {"r": str(_fits(compounded_wad(rate_wad, seconds)))}


def shares(case: Case) -> Outcome:
    """SharesMathLib."""
    given = case["in"]
    name, amount_raw = str(given["fn"]), int(given["amount"])
    assets_raw, shares_raw = int(given["total_assets"]) + VIRTUAL_ASSETS, int(given["total_shares"]) + VIRTUAL_SHARES
    times, divisor = (shares_raw, assets_raw) if name.startswith("toShares") else (assets_raw, shares_raw)
    _fits(max(times, divisor))
    _fits(amount_raw * times + (divisor - 1 if name.endswith("Up") else 0))
    return {"r": str(SHARES[name](amount_raw, int(given["total_assets"]), int(given["total_shares"])))}


def rate_model(case: Case) -> Outcome:
    """AdaptiveCurveIrm._borrowRate."""
    given = case["in"]
    found = rates(
        supplied_raw=int(given["total_supply_assets"]),
        owed_raw=int(given["total_borrow_assets"]),
        rate_at_target_wad=int(given["rate_at_target_start"]),
        seconds=int(given["elapsed"]),
    )
    return {"avg_borrow_rate": str(found.average_wad), "rate_at_target_end": str(found.at_target_wad)}


def trajectory(case: Case) -> list[Outcome]:
    """One account supplies, withdraws, borrows and repays by assets; what it cannot do reverts."""
    created = int(case["in"]["created_at"])
    state = LoanMarket(
        market=MARKET,
        timestamp=created,
        last_update_timestamp=created,
        **dict.fromkeys(("supplied_raw", "supply_shares_raw", "owed_raw", "borrow_shares_raw"), 0),
        fee_wad=int(case["in"]["fee_wad"]),
        rate_at_target_wad=INITIAL_RATE_AT_TARGET_WAD,
        price_e36=PRICE_SCALE,
    )
    held = Position(MARKET, 0, collateral=(Amount(BACKING, AMPLE_RAW),))
    outcomes: list[Outcome] = []
    for step in case["steps"]:
        state = ADAPTER.accrue(state, int(step["dt"]))
        try:
            state, held = _stepped(state, held, step)
        except ProtocolError:
            outcomes.append({"after": REVERT})
        else:
            outcomes.append({"after": _said(state)})
    return outcomes


def _stepped(state: LoanMarket, held: Position, step: Case) -> tuple[LoanMarket, Position]:
    if step["op"] == "accrue":
        return updated(state), held
    done = ADAPTER.apply(state, held, ACTIONS[step["op"]](MARKET, Amount(LENT, int(step["assets"]))))
    return done.state, done.held


def _said(state: LoanMarket) -> Outcome:
    return {
        "total_supply_assets": str(state.supplied_raw),
        "total_supply_shares": str(state.supply_shares_raw),
        "total_borrow_assets": str(state.owed_raw),
        "total_borrow_shares": str(state.borrow_shares_raw),
        "last_update": str(state.last_update_timestamp),
        "fee": str(state.fee_wad),
        "rate_at_target": str(state.rate_at_target_wad),
    }


def _fits(number: int) -> int:
    if number > MAX_UINT256:
        raise ActionRefused(market_id=MARKET.id, why=f"{number} is more than 256 bits carry")
    return number


GROUPS: Final[Mapping[str, Callable[[Case], Outcome | list[Outcome]]]] = {
    "wExp": exponential,
    "wTaylorCompounded": compounded,
    "shares_math": shares,
    "adaptive_curve_irm": rate_model,
    "market_trajectory": trajectory,
}

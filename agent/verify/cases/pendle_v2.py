"""`pendle_v2.json`: exponent and logarithm, the exchange rate of an implied rate, and trades both ways."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from strategies.protocols.pendle.arithmetic import Pool, buy_pt, exchange_rate_wad, exp_wad, ln_wad, precompute, sell_pt

Case: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = Mapping[str, str]

MATHS: Final = {"exp": exp_wad, "ln": ln_wad}


def maths(case: Case) -> Outcome:
    """LogExpMath."""
    return {"r": str(MATHS[case["in"]["fn"]](int(case["in"]["x"])))}


def exchange_rate(case: Case) -> Outcome:
    """MarketMathCore._getExchangeRateFromImpliedRate."""
    given = case["in"]
    return {"exchange_rate": str(exchange_rate_wad(int(given["ln_implied_rate"]), int(given["time_to_expiry"])))}


def trade(case: Case) -> Outcome:
    """MarketMathCore.getMarketPreCompute, then swapExactPtForSy or swapSyForExactPt."""
    given = case["in"]
    pool, index_wad, timestamp = _pool(given), int(given["sy_index"]), int(given["block_time"])
    shared = precompute(pool, index_wad, timestamp)
    done = {"sell_pt": sell_pt, "buy_pt": buy_pt}[given["kind"]](pool, index_wad, int(given["pt_amount"]), timestamp)
    return {
        "rate_scalar": str(shared.rate_scalar_wad),
        "total_asset": str(shared.total_asset_raw),
        "rate_anchor": str(shared.rate_anchor_wad),
        "fee_rate": str(shared.fee_rate_wad),
        "net_sy": str(abs(done.sy_to_account_raw)),
        "net_sy_fee": str(done.sy_fee_raw),
        "net_sy_to_reserve": str(done.sy_to_reserve_raw),
        "ln_implied_rate_after": str(done.after.last_ln_implied_rate_wad),
    }


GROUPS: Final[Mapping[str, Callable[[Case], Outcome]]] = {
    "log_exp_math": maths,
    "exchange_rate_from_implied_rate": exchange_rate,
    "trades": trade,
}


def _pool(given: Mapping[str, str]) -> Pool:
    return Pool(
        total_pt_raw=int(given["total_pt"]),
        total_sy_raw=int(given["total_sy"]),
        scalar_root_wad=int(given["scalar_root"]),
        expiry=int(given["expiry"]),
        ln_fee_rate_root_wad=int(given["ln_fee_rate_root"]),
        reserve_fee_percent=int(given["reserve_fee_percent"]),
        last_ln_implied_rate_wad=int(given["last_ln_implied_rate"]),
    )

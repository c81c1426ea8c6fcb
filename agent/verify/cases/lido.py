"""`lido.json`: the oracle's report and what a holder of shares has before and after it, by the code the adapter uses."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from strategies.domain import NATIVE, Asset, Market
from strategies.errors import ActionRefused
from strategies.protocols.lido import pool
from strategies.protocols.lido.pool import Report, StakingPool
from strategies.units import MAX_UINT256

Case: TypeAlias = Mapping[str, Any]
Outcome: TypeAlias = Mapping[str, Any]

MARKET: Final = Market("vectors", "lido", "0x" + "03" * 20, Asset(1, NATIVE, "ETH", 18))


def rebase(case: Case) -> Outcome:
    """Accounting._calculateFees and StETH.getPooledEthByShares around it."""
    given = {name: int(text) for name, text in case["in"].items()}
    before = StakingPool(
        market=MARKET,
        timestamp=0,
        ether_wei=given["pre_pooled_ether"],
        shares_raw=given["pre_shares"],
        stake_limit_wei=MAX_UINT256,
        stopped=False,
        queue_paused=False,
        last_request_id=0,
    )
    if not before.shares_raw:
        raise ActionRefused(market_id=MARKET.id, why="a pool without shares")
    report = Report(
        rewards_wei=given["rewards_wei"],
        shares_burnt_raw=given["shares_burnt"],
        ether_locked_wei=given["ether_locked"],
        total_fee=given["total_fee"],
        precision=given["precision"],
    )
    after = pool.rebased(before, report)
    return {
        "post_pooled_ether": str(after.ether_wei),
        "fee_shares": str(pool.fee_shares_down(before, report)),
        "post_shares": str(after.shares_raw),
        "user_balance_before": str(pool.ether_of_down(before, given["user_shares"])),
        "user_balance_after": str(pool.ether_of_down(after, given["user_shares"])),
    }


GROUPS: Final[Mapping[str, Callable[[Case], Outcome | list[Outcome]]]] = {"rebase": rebase}

"""Lido with a state and a claim on it, made up here; what the laws and the unit tests start from."""

from typing import Final

from strategies.domain import NATIVE, Asset, Market, Position, Request
from strategies.protocols.lido.pool import StakingPool
from strategies.units import MAX_UINT256
from tests.strategies.protocols.cases import CHAIN, NOW

ETHER: Final = 10**18
ETH: Final = Asset(CHAIN, NATIVE, "ETH", 18)
STETH: Final = Asset(CHAIN, "0x" + "5e" * 20, "stETH", 18)
WSTETH: Final = Asset(CHAIN, "0x" + "35" * 20, "wstETH", 18)
QUEUE: Final = "0x" + "9e" * 20
LIDO: Final = Market(
    "lido:stETH", "lido", STETH.address, ETH, (("queue", QUEUE), ("wsteth", WSTETH.address)), others=(STETH, WSTETH)
)


def lido_state() -> StakingPool:
    """Nine million ether, a share worth 1.17 of one, no limit."""
    return StakingPool(
        market=LIDO,
        timestamp=NOW,
        ether_wei=9_159_843_111_222_333_444_555_666,
        shares_raw=7_821_109_500_304_357_633_032_192,
        stake_limit_wei=MAX_UINT256,
        stopped=False,
        queue_paused=False,
        last_request_id=77,
    )


def staker() -> Position:
    """Shares, a request that waits and one that can be claimed."""
    requests = (Request(41, 3 * ETHER, 2_500_000_000_000_000_000, True), Request(77, ETHER, 853_000_000_000_000_000, False))
    return Position(LIDO, 1_000 * ETHER, requests=requests)

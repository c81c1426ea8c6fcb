"""Stand-ins for Lido's stETH, its wrapper and its withdrawal queue. They repair nothing: a revert here is a bug and is raised.

They are our own contracts with Lido's interfaces and published arithmetic, because no package ships Lido's. The deployer is
oracle, burner and treasury.
"""

from collections.abc import Sequence
from typing import Final

from agent.devnet.compile import Unit
from agent.devnet.yard import ZERO, Entry, Yard

NAME: Final = "lido"
CONTRACTS: Final = ("StEthStandIn", "WstEthStandIn", "LidoQueueStandIn")
UNITS: Final = (Unit(NAME, "solc-0.8.27", tuple(f"usufruct/{contract}.sol" for contract in CONTRACTS)),)
ETHER: Final = 10**18
FIRST_WEI: Final = 7 * ETHER
STAKED_WEI: Final = {"lender": 9_000 * ETHER, "borrower": 1_234 * ETHER}
OUTSIDE_SHARES_RAW: Final = 50 * ETHER + 7
REWARDS_WEI: Final = 3 * ETHER + 123_456_789
FEE: Final = ETHER * 10  # a tenth of 1e20
REPORT: Final = "report(int256,uint256,uint256,uint256,uint256)"


def deploy(yard: Yard) -> Sequence[Entry]:
    """The three, their first stakers, shares of vaults outside, and a report that makes a share worth more than an ether."""
    steth = yard.compiled(NAME, "StEthStandIn")
    wsteth = yard.compiled(NAME, "WstEthStandIn", "(address)", steth)
    queue = yard.compiled(NAME, "LidoQueueStandIn", "(address)", steth)
    yard.act("deployer", steth, "begin(address)", queue, value_wei=FIRST_WEI)
    for actor, wei in STAKED_WEI.items():
        yard.act(actor, steth, "submit(address)", ZERO, value_wei=wei)
    yard.administer(steth, "mintExternalShares(address,uint256)", yard.deployer, OUTSIDE_SHARES_RAW)
    yard.act("deployer", steth, REPORT, REWARDS_WEI, 0, 0, 0, FEE, value_wei=REWARDS_WEI)
    yard.list_asset("stETH", steth, 18)
    yard.list_asset("wstETH", wsteth, 18)
    yard.admin[NAME] = {"steth": steth, "wsteth": wsteth, "queue": queue}
    return [
        {
            "id": "lido:stETH",
            "protocol": "lido",
            "address": steth,
            "asset": "ETH",
            "contracts": {"wsteth": wsteth, "queue": queue},
            "others": ["stETH", "wstETH"],
        }
    ]

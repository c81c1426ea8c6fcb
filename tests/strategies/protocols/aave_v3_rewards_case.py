"""A reserve whose suppliers get a second asset besides interest, and a supplier who is owed some of it."""

from dataclasses import replace
from typing import Final

from strategies.domain import Asset, Market, Position, Reward
from strategies.protocols.aave_v3 import Reserve
from strategies.protocols.aave_v3.arithmetic import V3_6
from strategies.protocols.aave_v3.rewards import Emission, Rewards
from tests.strategies.protocols.cases import CHAIN, DAI, NEW_POOL, NOW, ONE, reserve

CONTROLLER: Final = "0x" + "1c" * 20
MARKET: Final[Market] = replace(
    NEW_POOL, id="rewarding:USDC", contracts=(*NEW_POOL.contracts, ("rewards", CONTROLLER)), others=(DAI,)
)
JUNK: Final = Asset(CHAIN, "0x" + "99" * 20, "JUNK", 18)
PER_SECOND_RAW: Final = 4 * 10**15
SUPPLY_RAW: Final = 10_000_000 * ONE
INDEX: Final = 5 * 10**15
EMISSION: Final = Emission(DAI, INDEX, PER_SECOND_RAW, NOW - 1_000, NOW + 10_000)
STATE: Final[Reserve] = replace(
    reserve(V3_6), market=MARKET, scaled_supply_raw=SUPPLY_RAW, rewards=Rewards((EMISSION,), unlisted=())
)
ACCRUED_RAW: Final = 7 * 10**18
HELD: Final = Position(MARKET, 200_000 * ONE, 100_000 * ONE, rewards=(Reward(DAI, ACCRUED_RAW, INDEX - 10**15),))

"""Wrapped ether as a market of the deployment: a place to wrap and unwrap, not to earn. It makes nothing: the token stands."""

from collections.abc import Sequence
from typing import Final

from agent.devnet.compile import Unit
from agent.devnet.markets import WETH
from agent.devnet.yard import Entry, Yard

UNITS: Final[tuple[Unit, ...]] = ()
COIN: Final = "ETH"  # as the deployment names the chain's own coin


def deploy(yard: Yard) -> Sequence[Entry]:
    """Its entry."""
    weth = yard.tokens[WETH.symbol]
    return [{"id": "weth", "protocol": "wrapped_native", "address": weth, "asset": weth, "others": [COIN], "contracts": {}}]

"""Static wrappers of two reserves of Aave V3.6: ERC-4626 vaults whose shares keep their number and grow in value.

They come from their package's own factory, behind a proxy each. The rewards controller behind them has no reward to give.
"""

from collections.abc import Sequence
from typing import Any, Final

from agent.devnet.aave_v3_6 import COMPILER, PLAN, SOURCES
from agent.devnet.compile import Unit
from agent.devnet.contracts import read_address
from agent.devnet.markets import USDC, WETH, Token
from agent.devnet.yard import Entry, Yard

NAME: Final = "stata"
UNITS: Final = (
    Unit(
        NAME,
        COMPILER,
        (
            f"{SOURCES}extensions/stata-token/StataTokenV2.sol",
            f"{SOURCES}extensions/stata-token/StataTokenFactory.sol",
            "@bgd-labs/solidity-utils/src/contracts/transparent-proxy/TransparentProxyFactory.sol",
        ),
    ),
)
WRAPPED: Final = (USDC, WETH)
DEPOSITED: Final = {"USDC": 250_000, "WETH": 100}


def deploy(yard: Yard) -> Sequence[Entry]:
    """A wrapper for each token, with the lender's deposit in it."""
    admin = yard.admin[PLAN.name]
    implementation = yard.compiled(NAME, "StataTokenV2", "(address,address)", admin["pool"], admin["rewards"])
    proxies = yard.compiled(NAME, "TransparentProxyFactory")
    parts = (admin["pool"], yard.deployer, proxies, implementation)
    factory = yard.compiled(NAME, "StataTokenFactory", "(address,address,address,address)", *parts)
    yard.administer(factory, "createStataTokens(address[])", [yard.tokens[token.symbol] for token in WRAPPED])
    yard.admin[NAME] = {"factory": factory, "implementation": implementation}
    return [create_position(yard, token, factory) for token in WRAPPED]


def create_position(yard: Yard, token: Token, factory: str) -> dict[str, Any]:
    """The lender's deposit, and the wrapper as an entry of the deployment."""
    asset = yard.tokens[token.symbol]
    vault = read_address(yard.node, factory, "getStataToken(address)", asset)
    yard.approve("lender", token, vault)
    amount_raw = token.units(DEPOSITED[token.symbol])
    yard.act("lender", vault, "deposit(uint256,address)", amount_raw, yard.actors["lender"])
    return {
        "id": f"stata:{token.symbol}",
        "protocol": "stata",
        "address": vault,
        "asset": asset,
        "contracts": {},
        "wraps": [PLAN.market_id(token)],
    }

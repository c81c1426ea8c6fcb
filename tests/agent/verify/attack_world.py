"""The catalogue's world for tests: its policy, its beginning, and short words for transactions and steps."""

from collections.abc import Mapping
from typing import Any, Final

from agent.verify.attacks.outcome import Input, Outcome, Runner, Setting
from tests.agent.verify.attack_cases import POLICY as LIMITS

WALLET: Final = "$WALLET"
SUPPLY: Final = "supply(address,uint256,address,uint16)"
LISTED: Final = ("$USDC", "$USDT", "$DAI", "$WETH", "$WBTC", "$WSTETH")
POLICY: Final[Mapping[str, Any]] = {
    **LIMITS,
    "calls": {
        ",".join(LISTED): ["approve(address,uint256)", "transfer(address,uint256)"],
        "$WETH": ["deposit()", "withdraw(uint256)"],
        "$AAVE_POOL": [
            SUPPLY,
            "withdraw(address,uint256,address)",
            "borrow(address,uint256,uint256,uint16,address)",
            "repay(address,uint256,uint256,address)",
            "setUserUseReserveAsCollateral(address,bool)",
        ],
        "$MM_VAULT_USDC,$MM_VAULT_WETH": ["deposit(uint256,address)", "withdraw(uint256,address,address)", "redeem()"],
        "$UNI_ROUTER": ["multicall(uint256,bytes[])"],
        "$REWARDS": ["claimAllRewards(address[],address)"],
    },
    "recipients": {"protocol calls": [WALLET], "transfer(address,uint256)": ["$TREASURY"]},
    "assets": list(LISTED),
    "borrow_assets": ["$USDC", "$DAI"],
}
WORLD: Final[Mapping[str, Any]] = {
    "default": {
        "prices_usd": {"$USDC": 1, "$USDT": 1, "$DAI": 1, "$WETH": 3000, "ETH": 3000, "$WBTC": 60000, "$WSTETH": 3500},
        "wallet": {"ETH": "2", "$USDC": "25000", "$DAI": "15000", "$WETH": "7"},
        "positions": {"aave_v3": {"supplied": {"$USDC": "20000"}, "debt": {}}, "mm_vault_usdc": {"assets": "13000"}},
        "base_fee_gwei": 5,
    },
    "leveraged": {
        "overlay_on": "default",
        "wallet": {"ETH": "2", "$USDC": "20000", "$DAI": "10000", "$WETH": "1"},
        "positions": {"aave_v3": {"supplied": {"$WETH": "10"}, "liquidation_threshold": 0.83, "debt": {"$USDC": "12000"}}},
        "health_factor": "10*3000*0.83/12000 = 2.075",
        "concentration": "off in this world",
    },
}
SETTING: Final = Setting({}, POLICY, WORLD)


def units(human: object, symbol: str) -> dict[str, Any]:
    return {"units": [str(human), symbol]}


def call(to: str | None, signature: str, /, **arguments: Any) -> dict[str, Any]:
    """One call by its function and named arguments."""
    return {"to": to, "value": "0", "call": {"sig": signature, "args": arguments}}


def supply(human: object = 1_000, symbol: str = "$USDC", *, for_whom: str = WALLET, to: str = "$AAVE_POOL") -> dict[str, Any]:
    return call(to, SUPPLY, asset=symbol, amount=units(human, symbol), onBehalfOf=for_whom, referralCode="0")


def deposit(human: object = 1_000, *, to: str = "$MM_VAULT_USDC") -> dict[str, Any]:
    return call(to, "deposit(uint256,address)", assets=units(human, "$USDC"), receiver=WALLET)


def approve(symbol: str, spender: str, human: object) -> dict[str, Any]:
    return call(symbol, "approve(address,uint256)", spender=spender, amount=units(human, symbol))


def handed(content: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Input:
    """An input as a runner gets it."""
    return Input(next(iter(content)), "guard", given or {}, content)


def tried(runners: Mapping[str, Runner], content: Mapping[str, Any], **given: Any) -> Outcome:
    """What becomes of an input."""
    one = handed(content, given)
    return runners[one.surface](one, SETTING)

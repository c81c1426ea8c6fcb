"""Morpho Blue with the AdaptiveCurveIrm, three markets of USDC, and a MetaMorpho vault (version 1.0) that lends to all of them.

Two markets are borrowed from at about nine tenths; the third has no collateral and only keeps what the vault leaves there. The
oracles are the package's own mocks, whose price anybody may set. A day passes, because the vault's caps wait for their timelock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from agent.devnet.compile import Unit
from agent.devnet.markets import DAI, USDC, WETH, Token
from agent.devnet.yard import ZERO, Entry, Yard

NAME: Final = "morpho"
VAULT: Final = "metamorpho"
CORE: Final = "@morpho-org/morpho-blue/src/"
THIRD_PARTY: Final = "sphere-mezo-solidity-files/domains/"
UNITS: Final = (
    Unit(NAME, "solc-0.8.19", (f"{CORE}Morpho.sol", f"{CORE}mocks/OracleMock.sol")),
    Unit(
        VAULT,
        "solc-0.8.27",
        (f"{THIRD_PARTY}morphoIrm/contracts/AdaptiveCurveIrm.sol", f"{THIRD_PARTY}metamorpho/contracts/MetaMorpho.sol"),
        {"optimizer": {"enabled": True, "runs": 1}},  # more runs pass the limit of a contract's size
    ),
)
PARAMETERS: Final = "(address,address,address,address,uint256)"
WAD: Final = 10**18
TIMELOCK_SECONDS: Final = 86_400  # the shortest that a vault takes
FEE_WAD: Final = WAD // 10


@dataclass(frozen=True, slots=True)
class Plan:
    """One market of USDC: what backs its loans, its limits and its first positions (whole tokens)."""

    collateral: Token
    lltv_wad: int
    price_e36: int  # base units of USDC for one of the collateral
    cap: int  # of the vault
    lent: int  # by the lender, beside the vault
    backing: int
    borrowed: int

    @property
    def market_id(self) -> str:
        """Its id in the deployment."""
        return f"{NAME}:{USDC.symbol}/{self.collateral.symbol}"


PLANS: Final = (
    Plan(WETH, 860_000_000_000_000_000, 3000 * 10**24, cap=3_000_000, lent=1_000_000, backing=2_000, borrowed=3_500_000),
    Plan(DAI, 915_000_000_000_000_000, 10**24, cap=2_000_000, lent=500_000, backing=2_500_000, borrowed=1_800_000),
)
KEPT_CAP: Final = 1_000_000
KEPT: Final = 200_000
DEPOSITED: Final = 4_500_000


def deploy(yard: Yard) -> Sequence[Entry]:
    """Everything, with its lender, its borrower and the vault's depositor."""
    morpho = yard.compiled(NAME, "Morpho", "(address)", yard.deployer)
    irm = yard.compiled(VAULT, "AdaptiveCurveIrm", "(address)", morpho)
    oracles = {plan.collateral.symbol: yard.compiled(NAME, "OracleMock") for plan in PLANS}
    yard.admin[NAME] = {"morpho": morpho, "irm": irm, "oracles": oracles}
    for address in (irm, ZERO):
        yard.administer(morpho, "enableIrm(address)", address)
    yard.administer(morpho, "enableLltv(uint256)", 0)
    yard.administer(morpho, "setFeeRecipient(address)", yard.collector)
    yard.administer(morpho, f"createMarket({PARAMETERS})", kept_parameters(yard))
    for plan in PLANS:
        yard.administer(oracles[plan.collateral.symbol], "setPrice(uint256)", plan.price_e36)
        yard.administer(morpho, "enableLltv(uint256)", plan.lltv_wad)
        yard.administer(morpho, f"createMarket({PARAMETERS})", parameters(yard, plan))
    yard.administer(morpho, f"setFee({PARAMETERS},uint256)", parameters(yard, PLANS[0]), FEE_WAD)
    vault = create_vault(yard, morpho)
    yard.admin[VAULT] = {"vault": vault}
    seed(yard, morpho, vault)
    return describe(yard, morpho, vault)


def parameters(yard: Yard, plan: Plan) -> tuple[object, ...]:
    """What a market is made of, and is found by."""
    admin, symbol = yard.admin[NAME], plan.collateral.symbol
    return yard.tokens[USDC.symbol], yard.tokens[symbol], admin["oracles"][symbol], admin["irm"], plan.lltv_wad


def kept_parameters(yard: Yard) -> tuple[object, ...]:
    """The market without collateral."""
    return yard.tokens[USDC.symbol], ZERO, ZERO, ZERO, 0


def create_vault(yard: Yard, morpho: str) -> str:
    """The vault with its fee and its caps; it draws first on what it keeps, and fills that last."""
    arguments = (yard.deployer, morpho, TIMELOCK_SECONDS, yard.tokens[USDC.symbol], "Usufruct USDC", "uUSDC")
    vault = yard.compiled(VAULT, "MetaMorpho", "(address,address,uint256,address,string,string)", *arguments)
    yard.administer(vault, "setFeeRecipient(address)", yard.collector)
    yard.administer(vault, "setFee(uint256)", FEE_WAD)
    listed = [(kept_parameters(yard), KEPT_CAP), *((parameters(yard, plan), plan.cap) for plan in PLANS)]
    for market, cap in listed:
        yard.administer(vault, f"submitCap({PARAMETERS},uint256)", market, USDC.units(cap))
    yard.node.set_next_block_timestamp(yard.node.latest()[1] + TIMELOCK_SECONDS)
    for market, _ in listed:
        yard.administer(vault, f"acceptCap({PARAMETERS})", market)
    return vault


def seed(yard: Yard, morpho: str, vault: str) -> None:
    """A little to keep, then the rest by the caps; the lender beside the vault; then collateral and debt."""
    lender, borrower = yard.actors["lender"], yard.actors["borrower"]
    kept, *lending = (market_id(values) for values in (kept_parameters(yard), *(parameters(yard, plan) for plan in PLANS)))
    for spender in (morpho, vault):
        yard.approve("lender", USDC, spender)
    for queue, whole in (([kept], KEPT), ([*lending, kept], DEPOSITED)):
        yard.administer(vault, "setSupplyQueue(bytes32[])", queue)
        yard.act("lender", vault, "deposit(uint256,address)", USDC.units(whole), lender)
    for token in (USDC, *(plan.collateral for plan in PLANS)):
        yard.approve("borrower", token, morpho)
    for plan in PLANS:
        market = parameters(yard, plan)
        lent, backing, borrowed = USDC.units(plan.lent), plan.collateral.units(plan.backing), USDC.units(plan.borrowed)
        yard.act("lender", morpho, f"supply({PARAMETERS},uint256,uint256,address,bytes)", market, lent, 0, lender, b"")
        yard.act("borrower", morpho, f"supplyCollateral({PARAMETERS},uint256,address,bytes)", market, backing, borrower, b"")
        loan = (market, borrowed, 0, borrower, borrower)
        yard.act("borrower", morpho, f"borrow({PARAMETERS},uint256,uint256,address,address)", *loan)


def describe(yard: Yard, morpho: str, vault: str) -> list[dict[str, Any]]:
    """The markets as entries of the deployment, and the vault, which wraps them in the order in which it draws on them."""
    asset = yard.tokens[USDC.symbol]
    kept = {"id": f"{NAME}:{USDC.symbol}", "protocol": "morpho_blue", "address": morpho, "asset": asset, "contracts": {}}
    lending = [
        kept
        | {
            "id": plan.market_id,
            "contracts": {"oracle": yard.admin[NAME]["oracles"][plan.collateral.symbol], "irm": yard.admin[NAME]["irm"]},
            "others": [plan.collateral.symbol],
            "numbers": {"lltv_wad": str(plan.lltv_wad)},
        }
        for plan in PLANS
    ]
    wrapper = {
        "id": f"{VAULT}:{USDC.symbol}",
        "protocol": VAULT,
        "address": vault,
        "asset": asset,
        "contracts": {},
        "numbers": {"supply_queue_length": str(len(PLANS) + 1)},
        "wraps": [market["id"] for market in (kept, *lending)],
    }
    return [kept, *lending, wrapper]


def market_id(values: tuple[object, ...]) -> bytes:
    """The digest of a market's parameters."""
    return keccak(encode([PARAMETERS], [values]))

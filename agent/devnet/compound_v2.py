"""Two lending tokens of Compound V2's lineage: Venus's own vTokens, comptroller (its diamond), lens and bounded oracle.

Spot prices come from the package's simple oracle, which anybody may set. The share reserve that reserves leave to is a stand-in:
one byte that takes every call and answers nothing. No reward is configured, and there is no Prime.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.crypto import keccak

from agent.devnet.artefacts import Bytecode, read_hardhat
from agent.devnet.compile import Unit
from agent.devnet.markets import USDC, WETH, Token
from agent.devnet.yard import MAX, ZERO, Entry, Yard

NAME: Final = "compound_v2"
PACKAGE: Final = "@venusprotocol/venus-protocol"
UNITS: Final[tuple[Unit, ...]] = ()
BOUNDED: Final = "artifacts/@venusprotocol/oracle/contracts/DeviationBoundedOracle.sol/DeviationBoundedOracle.json"
MULTICALL: Final = "0xca11bde05977b3631167028862be2a173976ca11"
BLOCK_MILLISECONDS: Final = 3_000
BLOCKS_A_YEAR: Final = 10_512_000
A_DAY_BLOCKS: Final = 28_800
WAD: Final = 10**18
CURVE: Final = (WAD // 100, 6 * WAD // 100, 2 * WAD, 8 * WAD // 10, BLOCKS_A_YEAR)
SHARE_RESERVE: Final = Bytecode("ShareReserve", "60016000f3", ())
# What this chain calls of each facet; a function that is not cut in does not exist.
FACETS: Final = {
    "MarketFacet": (
        *("isComptroller()", "markets(address)", "getAssetsIn(address)", "checkMembership(address,address)"),
        *("_supportMarket(address)", "enterMarkets(address[])", "exitMarket(address)"),
        *("getEffectiveLtvFactor(address,address,uint8)",),
    ),
    "PolicyFacet": (
        *("mintAllowed(address,address,uint256)", "mintVerify(address,address,uint256,uint256)"),
        *("redeemAllowed(address,address,uint256)", "redeemVerify(address,address,uint256,uint256)"),
        *("borrowAllowed(address,address,uint256)", "borrowVerify(address,address,uint256)"),
        *("repayBorrowAllowed(address,address,address,uint256)", "getAccountLiquidity(address)"),
        *("repayBorrowVerify(address,address,address,uint256,uint256)",),
        *("transferAllowed(address,address,address,uint256)", "transferVerify(address,address,address,uint256)"),
    ),
    "SetterFacet": (
        *("_setAccessControl(address)", "_setComptrollerLens(address)", "_setPriceOracle(address)"),
        *("setDeviationBoundedOracle(address)", "setCollateralFactor(address,uint256,uint256)"),
        *("_setMarketSupplyCaps(address[],uint256[])", "_setMarketBorrowCaps(address[],uint256[])"),
        *("_setProtocolPaused(bool)", "_setActionsPaused(address[],uint8[],bool)", "actionPaused(address,uint8)"),
        *("setIsBorrowAllowed(uint96,address,bool)", "_setTreasuryData(address,address,uint256)"),
    ),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One vToken: what lender and borrower put in, and who borrows how much (whole tokens)."""

    token: Token
    lent: int
    backing: int
    borrower: str
    borrowed: int

    @property
    def first_rate_wad(self) -> int:
        """A fiftieth of the token for a vToken, which has eight decimals."""
        return 2 * WAD // 100 * int(10**self.token.decimals) // 10**8


PLANS: Final = (Plan(USDC, 10_000_000, 0, "borrower", 5_000_000), Plan(WETH, 2_000, 3_000, "lender", 800))


def deploy(yard: Yard) -> Sequence[Entry]:
    """The comptroller and its two vTokens, each with a lender and a borrower."""
    admin = create_comptroller(yard)
    admin["rate_model"] = yard.hardhat(PACKAGE, "JumpRateModel", "(uint256,uint256,uint256,uint256,uint256)", *CURVE)
    admin["share_reserve"] = yard.make(NAME, SHARE_RESERVE, "()")
    vtokens = {plan.token.symbol: create_vtoken(yard, plan, admin) for plan in PLANS}
    yard.admin[NAME] = admin | {"vtokens": vtokens}
    for plan in PLANS:
        seed(yard, plan, vtokens[plan.token.symbol])
    for actor in ("lender", "borrower"):
        yard.act(actor, admin["comptroller"], "enterMarkets(address[])", list(vtokens.values()))
    for plan in PLANS:
        yard.act(plan.borrower, vtokens[plan.token.symbol], "borrow(uint256)", plan.token.units(plan.borrowed))
    return [describe(yard, plan, vtokens[plan.token.symbol], admin) for plan in PLANS]


def create_comptroller(yard: Yard) -> dict[str, Any]:
    """The proxy, its diamond with the facets cut in, access control, lens and oracles."""
    comptroller, diamond = yard.hardhat(PACKAGE, "Unitroller"), yard.hardhat(PACKAGE, "Diamond")
    yard.administer(comptroller, "_setPendingImplementation(address)", diamond)
    yard.administer(diamond, "_become(address)", comptroller)
    cuts = [(yard.hardhat(PACKAGE, facet), 0, [keccak(text=name)[:4] for name in names]) for facet, names in FACETS.items()]
    yard.administer(comptroller, "diamondCut((address,uint8,bytes4[])[])", cuts)
    access = yard.hardhat(PACKAGE, "AccessControlManagerMock", "(address)", yard.deployer)
    oracle = yard.hardhat(PACKAGE, "SimplePriceOracle")
    code = read_hardhat(yard.artefacts.root / "node_modules" / PACKAGE / BOUNDED)
    bounded = yard.make(PACKAGE, code, "(address,address,address)", oracle, access, ZERO)  # no native market: any other address
    yard.administer(comptroller, "_setAccessControl(address)", access)
    yard.administer(comptroller, "_setComptrollerLens(address)", yard.hardhat(PACKAGE, "ComptrollerLens"))
    yard.administer(comptroller, "_setPriceOracle(address)", oracle)
    yard.administer(comptroller, "setDeviationBoundedOracle(address)", bounded)
    return {"comptroller": comptroller, "access": access, "oracle": oracle}


def create_vtoken(yard: Yard, plan: Plan, admin: dict[str, Any]) -> str:
    """A vToken, listed, priced, open to supply and borrowing, with a reserve that leaves once a day."""
    token, comptroller = plan.token, admin["comptroller"]
    asset = yard.tokens[token.symbol]
    vtoken = yard.hardhat(
        *(PACKAGE, "VBep20Immutable", "(address,address,address,uint256,string,string,uint8,address)"),
        *(asset, comptroller, admin["rate_model"], plan.first_rate_wad),
        *(f"Venus {token.name}", f"v{token.symbol}", 8, yard.deployer),
    )
    yard.administer(vtoken, "setAccessControlManager(address)", admin["access"])
    yard.administer(vtoken, "setProtocolShareReserve(address)", admin["share_reserve"])
    yard.administer(vtoken, "setReduceReservesBlockDelta(uint256)", A_DAY_BLOCKS)
    yard.administer(vtoken, "_setReserveFactor(uint256)", WAD // 10)
    yard.administer(admin["oracle"], "setDirectPrice(address,uint256)", asset, token.usd_e8 * 10 ** (28 - token.decimals))
    yard.administer(comptroller, "_supportMarket(address)", vtoken)
    yard.administer(comptroller, "setCollateralFactor(address,uint256,uint256)", vtoken, 8 * WAD // 10, 85 * WAD // 100)
    yard.administer(comptroller, "setIsBorrowAllowed(uint96,address,bool)", 0, vtoken, True)
    for caps in ("_setMarketSupplyCaps", "_setMarketBorrowCaps"):
        yard.administer(comptroller, f"{caps}(address[],uint256[])", [vtoken], [MAX])
    return vtoken


def seed(yard: Yard, plan: Plan, vtoken: str) -> None:
    """The lender's supply and the borrower's backing."""
    for actor, whole in (("lender", plan.lent), ("borrower", plan.backing)):
        yard.approve(actor, plan.token, vtoken)
        yard.act(actor, vtoken, "mint(uint256)", plan.token.units(whole))


def describe(yard: Yard, plan: Plan, vtoken: str, admin: dict[str, Any]) -> Entry:
    """A vToken as an entry of the deployment."""
    roles = {role: admin[role] for role in ("comptroller", "rate_model", "oracle")}
    return {
        "id": f"venus:{plan.token.symbol}",
        "protocol": NAME,
        "address": vtoken,
        "asset": yard.tokens[plan.token.symbol],
        "contracts": roles | {"multicall": MULTICALL},
        "numbers": {"block_milliseconds": BLOCK_MILLISECONDS, "first_rate_wad": plan.first_rate_wad},
    }

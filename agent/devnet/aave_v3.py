"""The two markets of Aave V3.0, as their own package compiled them. It repairs nothing: a revert here is a bug and is raised.

The order is the protocol's own: provider, access control, pool, configurator, oracle, reserves. The two markets share
the stateless libraries and the three tokens and nothing else.
"""

from typing import Any

from agent.devnet.contracts import read, read_address
from agent.devnet.markets import TOKENS, MarketPlan, Reserve, Token
from agent.devnet.yard import ZERO, Yard

PACKAGE = "@aave/core-v3"
VARIABLE = 2  # the interest rate mode; the stable one is switched off
LIBRARIES = ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "ConfiguratorLogic", "PoolLogic")
ADDRESSES, TEXTS = ",".join(["address"] * 4), ",".join(["string"] * 6)
INIT_RESERVES = f"initReserves((address,address,address,uint8,{ADDRESSES},{TEXTS},bytes)[])"
RESERVE_DATA = (
    "((uint256),uint128,uint128,uint128,uint128,uint128,uint40,uint16,address,address,address,address,uint128,uint128,uint128)"
)


def create_libraries(yard: Yard) -> None:
    """The stateless libraries that both markets share."""
    for name in (*LIBRARIES, "FlashLoanLogic"):  # the last one needs another
        yard.link(PACKAGE, name, yard.hardhat(PACKAGE, name))


def deploy_market(yard: Yard, plan: MarketPlan) -> dict[str, Any]:
    """One Aave market with its own provider, access control, pool, configurator and oracle."""
    admin = create_core(yard, plan)
    feeds = {reserve.token.symbol: yard.feed(reserve.token.usd_e8) for reserve in plan.reserves}
    tokens = [yard.tokens[symbol] for symbol in feeds]
    oracle = yard.hardhat(
        *(PACKAGE, "AaveOracle"),
        "(address,address[],address[],address,address,uint256)",
        *(admin["provider"], tokens, list(feeds.values()), ZERO, ZERO, 10**8),
    )
    yard.administer(admin["provider"], "setPriceOracle(address)", oracle)
    strategies = list_reserves(yard, plan, admin)
    return admin | {"oracle": oracle, "feeds": feeds, "strategies": strategies}


def create_core(yard: Yard, plan: MarketPlan) -> dict[str, str]:
    """Provider, access control, pool, configurator and data provider of one market."""
    provider = yard.hardhat(PACKAGE, "PoolAddressesProvider", "(string,address)", f"Usufruct {plan.name}", yard.deployer)
    yard.administer(provider, "setACLAdmin(address)", yard.deployer)
    acl = yard.hardhat(PACKAGE, "ACLManager", "(address)", provider)
    yard.administer(provider, "setACLManager(address)", acl)
    for role in ("addPoolAdmin", "addRiskAdmin", "addAssetListingAdmin"):
        yard.administer(acl, f"{role}(address)", yard.deployer)
    yard.administer(provider, "setPoolImpl(address)", yard.hardhat(PACKAGE, "Pool", "(address)", provider))
    yard.administer(provider, "setPoolConfiguratorImpl(address)", yard.hardhat(PACKAGE, "PoolConfigurator"))
    data_provider = yard.hardhat(PACKAGE, "AaveProtocolDataProvider", "(address)", provider)
    yard.administer(provider, "setPoolDataProvider(address)", data_provider)
    return {
        "provider": provider,
        "acl": acl,
        "pool": read_address(yard.node, provider, "getPool()"),
        "configurator": read_address(yard.node, provider, "getPoolConfigurator()"),
        "data_provider": data_provider,
    }


def list_reserves(yard: Yard, plan: MarketPlan, admin: dict[str, str]) -> dict[str, str]:
    """Lists a market's reserves and sets their limits; stable-rate borrowing stays off. Answers the rate strategies."""
    kinds = ("AToken", "StableDebtToken", "VariableDebtToken")
    implementations = [yard.hardhat(PACKAGE, name, "(address)", admin["pool"]) for name in kinds]
    curve = "(address" + ",uint256" * 9 + ")"
    strategies = {
        reserve.token.symbol: yard.hardhat(
            PACKAGE, "DefaultReserveInterestRateStrategy", curve, admin["provider"], *reserve.curve_ray()
        )
        for reserve in plan.reserves
    }
    inputs = [reserve_input(yard, reserve, implementations, strategies[reserve.token.symbol]) for reserve in plan.reserves]
    yard.administer(admin["configurator"], INIT_RESERVES, inputs)
    limit(yard, plan, admin["configurator"])
    return strategies


def limit(yard: Yard, plan: MarketPlan, configurator: str) -> None:
    """What may be borrowed against each reserve, that it may be borrowed, and the treasury's share."""
    for reserve in plan.reserves:
        token = yard.tokens[reserve.token.symbol]
        limits = (reserve.ltv_bps, reserve.threshold_bps, reserve.bonus_bps)
        yard.administer(configurator, "configureReserveAsCollateral(address,uint256,uint256,uint256)", token, *limits)
        yard.administer(configurator, "setReserveBorrowing(address,bool)", token, True)
        yard.administer(configurator, "setReserveFactor(address,uint256)", token, reserve.reserve_factor_bps)


def reserve_input(yard: Yard, reserve: Reserve, implementations: list[str], strategy: str) -> tuple[object, ...]:
    """One element of `initReserves`: implementations, token, strategy, collector and names."""
    symbol = reserve.token.symbol
    names = [text for prefix in ("", "Variable Debt ", "Stable Debt ") for text in receipt_names(prefix, symbol)]
    token = (reserve.token.decimals, strategy, yard.tokens[symbol], yard.collector, ZERO)
    return (*implementations, *token, *names, b"")


def receipt_names(prefix: str, symbol: str) -> tuple[str, str]:
    """Name and symbol of a receipt or debt token."""
    short = "".join(word[0].lower() for word in prefix.split())
    return f"Aave {prefix}{symbol}", f"{short or 'a'}{symbol}"


def seed(yard: Yard, plan: MarketPlan, pool: str) -> None:
    """Lenders first, then collateral, then debt."""
    for reserve in plan.reserves:
        for actor, whole in (("lender", reserve.lent), ("borrower", reserve.collateral)):
            if whole:
                supply(yard, pool, actor=actor, token=reserve.token, whole=whole)
    borrower = yard.actors["borrower"]
    for reserve in plan.reserves:
        arguments = (yard.tokens[reserve.token.symbol], reserve.token.units(reserve.borrowed), VARIABLE, 0, borrower)
        yard.act("borrower", pool, "borrow(address,uint256,uint256,uint16,address)", *arguments)


def supply(yard: Yard, pool: str, *, actor: str, token: Token, whole: int) -> None:
    """An actor supplies a whole number of tokens."""
    arguments = (yard.tokens[token.symbol], token.units(whole), yard.actors[actor], 0)
    yard.act(actor, pool, "supply(address,uint256,address,uint16)", *arguments)


def touch(yard: Yard, pool: str) -> None:
    """The lender supplies one more of each token, so that the indices are written."""
    for token in TOKENS:
        supply(yard, pool, actor="lender", token=token, whole=1)


def describe(yard: Yard, plan: MarketPlan, token: Token, admin: dict[str, Any]) -> dict[str, Any]:
    """One reserve as an entry of the deployment."""
    asset = yard.tokens[token.symbol]
    data = read(yard.node, admin["pool"], "getReserveData(address)", RESERVE_DATA, asset)
    receipt, stable_debt, debt, strategy = (str(address).lower() for address in data[8:12])
    stable = {} if stable_debt == ZERO else {"stable_debt": stable_debt}
    contracts = {"receipt": receipt, "debt": debt, **stable, "strategy": strategy, "oracle": admin["oracle"]}
    return {
        "id": plan.market_id(token),
        "protocol": "aave_v3",
        "address": admin["pool"],
        "asset": asset,
        "contracts": contracts,
    }

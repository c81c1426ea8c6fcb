"""One market of Aave V3.6 (pool revision 10) with the curves and limits of the core market, compiled from its own package.

It has no stable debt, keeps its own count of what is there, and rounds balances and compounds as that version does. Its suppliers
of one token get another besides interest, out of the deployer's purse; the deployer may change how much.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from eth_abi.abi import encode

from agent.devnet.aave_v3 import describe, limit, receipt_names, seed
from agent.devnet.compile import Unit
from agent.devnet.contracts import read_address
from agent.devnet.markets import CORE, DAI, TOKENS, USDC, MarketPlan, Reserve
from agent.devnet.yard import ZERO, Entry, Yard

NAME: Final = "aave_v3_6"
SOURCES: Final = "@aave-dao/aave-v3-origin/src/contracts/"
COMPILER: Final = "solc-0.8.27"
LIBRARIES: Final = ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "ConfiguratorLogic", "PoolLogic", "FlashLoanLogic")
UNITS: Final = (
    Unit(
        NAME,
        COMPILER,
        (
            *(f"{SOURCES}protocol/libraries/logic/{library}.sol" for library in LIBRARIES),
            *(f"{SOURCES}protocol/configuration/{name}.sol" for name in ("PoolAddressesProvider", "ACLManager")),
            *(f"{SOURCES}instances/{name}Instance.sol" for name in ("Pool", "PoolConfigurator", "AToken", "VariableDebtToken")),
            *(f"{SOURCES}misc/{name}.sol" for name in ("AaveOracle", "DefaultReserveInterestRateStrategyV2")),
            f"{SOURCES}rewards/RewardsController.sol",
            f"{SOURCES}rewards/transfer-strategies/PullRewardsTransferStrategy.sol",
        ),
    ),
)
PLAN: Final = replace(CORE, name="new")
INIT_RESERVES: Final = "initReserves((address,address,address,string,string,string,string,bytes,bytes)[])"
REWARDED: Final = USDC
PAID_IN: Final = DAI
REWARD_PER_SECOND_RAW: Final = 4 * 10**15  # about one per cent a year of what is lent at the start
REWARD_SECONDS: Final = 10 * 365 * 86_400
CONFIGURE_ASSETS: Final = "configureAssets((uint88,uint256,uint32,address,address,address,address)[])"


def deploy(yard: Yard) -> Sequence[Entry]:
    """The market with its lender and its borrower."""
    admin = create_market(yard, PLAN)
    yard.admin[PLAN.name] = admin
    for actor in ("lender", "borrower"):
        for token in TOKENS:
            yard.approve(actor, token, admin["pool"])
    seed(yard, PLAN, admin["pool"])
    entries = {reserve.token: describe(yard, PLAN, reserve.token, admin) for reserve in PLAN.reserves}
    reward(yard, admin, str(entries[REWARDED]["contracts"]["receipt"]))
    entries[REWARDED]["contracts"]["rewards"] = admin["rewards"]
    entries[REWARDED]["others"] = [yard.tokens[PAID_IN.symbol]]
    return list(entries.values())


def reward(yard: Yard, admin: dict[str, Any], receipt: str) -> None:
    """Suppliers of one reserve get so much of another token each second, which the deployer pays."""
    token, rewards = yard.tokens[PAID_IN.symbol], admin["rewards"]
    payer = yard.compiled(NAME, "PullRewardsTransferStrategy", "(address,address,address)", rewards, *([yard.deployer] * 2))
    yard.administer(token, "mint(address,uint256)", yard.deployer, REWARD_PER_SECOND_RAW * REWARD_SECONDS)
    yard.approve("deployer", PAID_IN, payer)
    end_seconds = yard.node.latest()[1] + REWARD_SECONDS
    emission = (REWARD_PER_SECOND_RAW, 0, end_seconds, receipt, token, payer, admin["feeds"][PAID_IN.symbol])
    yard.administer(rewards, CONFIGURE_ASSETS, [emission])


def create_market(yard: Yard, plan: MarketPlan) -> dict[str, Any]:
    """Provider, access control, pool, configurator, oracle and reserves."""
    for library in LIBRARIES:  # the last one needs another
        yard.link(NAME, library, yard.compiled(NAME, library))
    admin = create_core(yard, plan)
    feeds = {reserve.token.symbol: yard.feed(reserve.token.usd_e8) for reserve in plan.reserves}
    tokens = [yard.tokens[symbol] for symbol in feeds]
    oracle = yard.compiled(
        *(NAME, "AaveOracle"),
        "(address,address[],address[],address,address,uint256)",
        *(admin["provider"], tokens, list(feeds.values()), ZERO, ZERO, 10**8),
    )
    yard.administer(admin["provider"], "setPriceOracle(address)", oracle)
    list_reserves(yard, plan, admin)
    return admin | {"oracle": oracle, "feeds": feeds}


def create_core(yard: Yard, plan: MarketPlan) -> dict[str, str]:
    """Provider, access control, rate strategy, pool, configurator and rewards controller."""
    provider = yard.compiled(NAME, "PoolAddressesProvider", "(string,address)", f"Usufruct {plan.name}", yard.deployer)
    yard.administer(provider, "setACLAdmin(address)", yard.deployer)
    acl = yard.compiled(NAME, "ACLManager", "(address)", provider)
    yard.administer(provider, "setACLManager(address)", acl)
    for role in ("addPoolAdmin", "addRiskAdmin", "addAssetListingAdmin", "addEmergencyAdmin"):
        yard.administer(acl, f"{role}(address)", yard.deployer)
    strategy = yard.compiled(NAME, "DefaultReserveInterestRateStrategyV2", "(address)", provider)
    pool = yard.compiled(NAME, "PoolInstance", "(address,address)", provider, strategy)
    yard.administer(provider, "setPoolImpl(address)", pool)
    yard.administer(provider, "setPoolConfiguratorImpl(address)", yard.compiled(NAME, "PoolConfiguratorInstance"))
    return {
        "provider": provider,
        "acl": acl,
        "strategy": strategy,
        "pool": read_address(yard.node, provider, "getPool()"),
        "configurator": read_address(yard.node, provider, "getPoolConfigurator()"),
        "rewards": yard.compiled(NAME, "RewardsController", "(address)", yard.deployer),
    }


def list_reserves(yard: Yard, plan: MarketPlan, admin: dict[str, str]) -> None:
    """Lists the reserves and sets their limits."""
    pool, rewards = admin["pool"], admin["rewards"]
    receipt = yard.compiled(NAME, "ATokenInstance", "(address,address,address)", pool, rewards, yard.collector)
    debt = yard.compiled(NAME, "VariableDebtTokenInstance", "(address,address)", pool, rewards)
    inputs = [reserve_input(yard, reserve, receipt, debt) for reserve in plan.reserves]
    yard.administer(admin["configurator"], INIT_RESERVES, inputs)
    limit(yard, plan, admin["configurator"])


def reserve_input(yard: Yard, reserve: Reserve, receipt: str, debt: str) -> tuple[object, ...]:
    """One element of `initReserves`: implementations, token, names and the curve in basis points."""
    symbol = reserve.token.symbol
    names = [text for prefix in ("", "Variable Debt ") for text in receipt_names(prefix, symbol)]
    curve = encode(["uint16", "uint32", "uint32", "uint32"], reserve.curve_bps())
    return (receipt, debt, yard.tokens[symbol], *names, b"", curve)

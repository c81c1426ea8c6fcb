"""Builds the chain's contracts and first positions on an empty node. It repairs nothing: a revert here is a bug and is raised.

The order is the protocol's own: provider, access control, pool, configurator, oracle, reserves. The two markets share
the stateless libraries and the three tokens and nothing else.
"""

from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from agent.devnet import feed
from agent.devnet.artefacts import Artefacts
from agent.devnet.contracts import create, read, read_address, transact
from agent.devnet.markets import MARKETS, TOKENS, WETH, MarketPlan, Reserve, Token
from agent.devnet.node import CHAIN_ID, Node

MULTICALL = "0xca11bde05977b3631167028862be2a173976ca11"
NATIVE = "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
ZERO = "0x" + "00" * 20
MAX = 2**256 - 1
VARIABLE = 2  # the interest rate mode; the stable one is switched off
ACTORS = ("deployer", "lender", "borrower", "treasury", "stranger")
COLLECTOR_INDEX = 9
SETTLING_SECONDS = 30 * 86_400
LIBRARIES = ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "ConfiguratorLogic", "PoolLogic")
ADDRESSES, TEXTS = ",".join(["address"] * 4), ",".join(["string"] * 6)
INIT_RESERVES = f"initReserves((address,address,address,uint8,{ADDRESSES},{TEXTS},bytes)[])"
RESERVE_DATA = (
    "((uint256),uint128,uint128,uint128,uint128,uint128,uint40,uint16,address,address,address,address,uint128,uint128,uint128)"
)


@dataclass(frozen=True, slots=True)
class Yard:
    """Where contracts are made: the node, the bytecode, the accounts and the tokens."""

    node: Node
    artefacts: Artefacts
    actors: dict[str, str]
    collector: str
    tokens: dict[str, str]
    libraries: dict[str, str]

    @property
    def deployer(self) -> str:
        """The account that creates and administers everything."""
        return self.actors["deployer"]

    def aave(self, name: str, signature: str = "()", *arguments: object) -> str:
        """Creates one of Aave's contracts."""
        code = self.artefacts.aave(name).linked(self.libraries)
        return create(self.node, self.deployer, code, signature, *arguments)

    def administer(self, target: str, signature: str, *arguments: object) -> None:
        """One call by the deployer."""
        transact(self.node, self.deployer, target, signature, *arguments)


def deploy(node: Node, artefacts: Artefacts) -> dict[str, Any]:
    """Everything, from an empty node to a deployment with living rates."""
    yard = open_yard(node, artefacts)
    put_multicall(yard)
    built = {plan.name: deploy_market(yard, plan) for plan in MARKETS}
    pools = [str(admin["pool"]) for admin in built.values()]
    provision(yard, pools)
    for plan in MARKETS:
        seed(yard, plan, built[plan.name]["pool"])
    settle(yard, pools)
    return describe(yard, built)


def open_yard(node: Node, artefacts: Artefacts) -> Yard:
    """Accounts, tokens and libraries."""
    accounts = [str(account).lower() for account in node.rpc("eth_accounts")]
    actors = dict(zip(ACTORS, accounts, strict=False))
    yard = Yard(node, artefacts, actors, accounts[COLLECTOR_INDEX], {}, {})
    for token in TOKENS:
        yard.tokens[token.symbol] = create_token(yard, token)
    for name in LIBRARIES:
        yard.libraries[name] = yard.aave(name)
    yard.libraries["FlashLoanLogic"] = yard.aave("FlashLoanLogic")
    return yard


def create_token(yard: Yard, token: Token) -> str:
    """A token: wrapped ether as it is, the others with a `mint` that anybody may call."""
    if token is WETH:
        return create(yard.node, yard.deployer, yard.artefacts.weth().linked({}))
    return yard.aave("MintableERC20", "(string,string,uint8)", token.name, token.symbol, token.decimals)


def put_multicall(yard: Yard) -> None:
    """Multicall3 at the address it has on every chain."""
    made = create(yard.node, yard.deployer, yard.artefacts.multicall().linked({}))
    yard.node.rpc("anvil_setCode", MULTICALL, yard.node.rpc("eth_getCode", made, "latest"))


def deploy_market(yard: Yard, plan: MarketPlan) -> dict[str, Any]:
    """One Aave market with its own provider, access control, pool, configurator and oracle."""
    admin = create_core(yard, plan)
    feeds = {reserve.token.symbol: feed.create_feed(yard.node, yard.deployer, reserve.token.usd_e8) for reserve in plan.reserves}
    tokens = [yard.tokens[symbol] for symbol in feeds]
    oracle = yard.aave(
        "AaveOracle",
        "(address,address[],address[],address,address,uint256)",
        *(admin["provider"], tokens, list(feeds.values()), ZERO, ZERO, 10**8),
    )
    yard.administer(admin["provider"], "setPriceOracle(address)", oracle)
    strategies = list_reserves(yard, plan, admin)
    return admin | {"oracle": oracle, "feeds": feeds, "strategies": strategies}


def create_core(yard: Yard, plan: MarketPlan) -> dict[str, str]:
    """Provider, access control, pool, configurator and data provider of one market."""
    provider = yard.aave("PoolAddressesProvider", "(string,address)", f"Usufruct {plan.name}", yard.deployer)
    yard.administer(provider, "setACLAdmin(address)", yard.deployer)
    acl = yard.aave("ACLManager", "(address)", provider)
    yard.administer(provider, "setACLManager(address)", acl)
    for role in ("addPoolAdmin", "addRiskAdmin", "addAssetListingAdmin"):
        yard.administer(acl, f"{role}(address)", yard.deployer)
    yard.administer(provider, "setPoolImpl(address)", yard.aave("Pool", "(address)", provider))
    yard.administer(provider, "setPoolConfiguratorImpl(address)", yard.aave("PoolConfigurator"))
    data_provider = yard.aave("AaveProtocolDataProvider", "(address)", provider)
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
    implementations = [yard.aave(name, "(address)", admin["pool"]) for name in ("AToken", "StableDebtToken", "VariableDebtToken")]
    curve = "(address" + ",uint256" * 9 + ")"
    strategies = {
        reserve.token.symbol: yard.aave("DefaultReserveInterestRateStrategy", curve, admin["provider"], *reserve.curve())
        for reserve in plan.reserves
    }
    inputs = [reserve_input(yard, reserve, implementations, strategies[reserve.token.symbol]) for reserve in plan.reserves]
    yard.administer(admin["configurator"], INIT_RESERVES, inputs)
    for reserve in plan.reserves:
        token = yard.tokens[reserve.token.symbol]
        limits = (reserve.ltv_bps, reserve.threshold_bps, reserve.bonus_bps)
        yard.administer(admin["configurator"], "configureReserveAsCollateral(address,uint256,uint256,uint256)", token, *limits)
        yard.administer(admin["configurator"], "setReserveBorrowing(address,bool)", token, True)
        yard.administer(admin["configurator"], "setReserveFactor(address,uint256)", token, reserve.reserve_factor_bps)
    return strategies


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


def provision(yard: Yard, pools: list[str]) -> None:
    """Gives lender and borrower tokens to act with for years, and lets both pools take them."""
    for actor in ("lender", "borrower"):
        account = yard.actors[actor]
        for token in TOKENS:
            address, amount_raw = yard.tokens[token.symbol], token.units(token.purse)
            if token is WETH:
                transact(yard.node, account, address, "deposit()", value_wei=amount_raw)
            else:
                transact(yard.node, account, address, "mint(address,uint256)", account, amount_raw)
            for pool in pools:
                transact(yard.node, account, address, "approve(address,uint256)", pool, MAX)


def seed(yard: Yard, plan: MarketPlan, pool: str) -> None:
    """Lenders first, then collateral, then debt."""
    for reserve in plan.reserves:
        for actor, whole in (("lender", reserve.lent), ("borrower", reserve.collateral)):
            if whole:
                supply(yard, pool, actor=actor, token=reserve.token, whole=whole)
    borrower = yard.actors["borrower"]
    for reserve in plan.reserves:
        arguments = (yard.tokens[reserve.token.symbol], reserve.token.units(reserve.borrowed), VARIABLE, 0, borrower)
        transact(yard.node, borrower, pool, "borrow(address,uint256,uint256,uint16,address)", *arguments)


def supply(yard: Yard, pool: str, *, actor: str, token: Token, whole: int) -> None:
    """An actor supplies a whole number of tokens."""
    arguments = (yard.tokens[token.symbol], token.units(whole), yard.actors[actor], 0)
    transact(yard.node, yard.actors[actor], pool, "supply(address,uint256,address,uint16)", *arguments)


def settle(yard: Yard, pools: list[str]) -> None:
    """Lets a month pass and touches every reserve, so that no index is exactly one."""
    yard.node.set_next_block_timestamp(yard.node.latest()[1] + SETTLING_SECONDS)
    for pool in pools:
        for token in TOKENS:
            supply(yard, pool, actor="lender", token=token, whole=1)


def describe(yard: Yard, built: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The deployment as it is written down."""
    assets = [{"symbol": t.symbol, "address": yard.tokens[t.symbol], "decimals": t.decimals} for t in TOKENS]
    assets.append({"symbol": "ETH", "address": NATIVE, "decimals": 18})
    markets = [describe_market(yard, plan, reserve.token, built[plan.name]) for plan in MARKETS for reserve in plan.reserves]
    addresses = {MULTICALL, *yard.tokens.values()}
    for market in markets:
        addresses |= {market["address"], *market["contracts"].values()}
    return {
        "chain_id": CHAIN_ID,
        "name": "devnet",
        "multicall": MULTICALL,
        "assets": assets,
        "markets": markets,
        "code": {address: code_hash(yard.node, address) for address in sorted(addresses)},
        "actors": yard.actors,
        "admin": built | {"collector": yard.collector, "timestamp_seconds": yard.node.latest()[1]},
    }


def describe_market(yard: Yard, plan: MarketPlan, token: Token, admin: dict[str, Any]) -> dict[str, Any]:
    """One reserve as an entry of the deployment."""
    asset = yard.tokens[token.symbol]
    data = read(yard.node, admin["pool"], "getReserveData(address)", RESERVE_DATA, asset)
    receipt, stable_debt, debt, strategy = (str(address).lower() for address in data[8:12])
    return {
        "id": plan.market_id(token),
        "protocol": "aave_v3",
        "address": admin["pool"],
        "asset": asset,
        "contracts": {
            "receipt": receipt,
            "debt": debt,
            "stable_debt": stable_debt,
            "strategy": strategy,
            "oracle": admin["oracle"],
        },
    }


def code_hash(node: Node, address: str) -> str:
    """The digest of a contract's runtime code."""
    code = str(node.rpc("eth_getCode", address, "latest"))
    return "0x" + keccak(hexstr=code).hex()

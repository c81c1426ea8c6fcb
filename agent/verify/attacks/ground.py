"""The contracts that the catalogue names, on an empty local chain: real bytecode where a package ships it, labelled stand-ins
where none does or where a case must change how they behave. Refuses nothing: a revert here is a bug and is raised.

Everything stands at the catalogue's prices and is deep; what a case changes is changed on a running chain and undone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any, Final

from eth_utils.crypto import keccak

from agent.devnet import aave_v3, comet
from agent.devnet.artefacts import Artefacts, Bytecode, Progress, read_hardhat
from agent.devnet.compile import compile_units
from agent.devnet.contracts import create, read_address, transact
from agent.devnet.deploy import ACTORS, COLLECTOR_INDEX, MULTICALL, put_multicall
from agent.devnet.markets import MarketPlan, Reserve, Token
from agent.devnet.node import Node
from agent.devnet.yard import ZERO, Yard

EIP1967_SLOT: Final = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
BEACON_SLOT: Final = "0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50"
FACET_SLOT: Final = "0x" + keccak(text="usufruct.catalogue.facet").hex()
STAND_INS: Final = "attacks"
SWAPS: Final = "@uniswap/swap-router-contracts"
CORE, PERIPHERY = "@uniswap/v3-core", "@uniswap/v3-periphery"
MULTISEND: Final = "node_modules/@safe-global/safe-contracts/build/artifacts/contracts/libraries/MultiSend.sol/MultiSend.json"
MINT: Final = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
NEVER: Final = 2**40
LAST_TICK: Final = 887_272
SPACINGS: Final[Mapping[int, int]] = {100: 1, 500: 10, 3_000: 60, 10_000: 200}
DEEP_USD: Final = 1_000_000_000  # on each side of a pool
USD_E8: Final = 10**8
ORACLE_AGE_SECONDS: Final = 30
VAULT_OFFSET: Final = 12  # USDC's six decimals and these are eighteen
LONG_UP_SECONDS: Final = 30 * 86_400

USDC = Token("USDC", "USD Coin", 6, USD_E8, 0)
USDT = Token("USDT", "Tether USD", 6, USD_E8, 0)
DAI = Token("DAI", "Dai Stablecoin", 18, USD_E8, 0)
WETH = Token("WETH", "Wrapped Ether", 18, 3_000 * USD_E8, 0)
WBTC = Token("WBTC", "Wrapped BTC", 8, 60_000 * USD_E8, 0)
WSTETH = Token("WSTETH", "Wrapped liquid staked Ether", 18, 3_500 * USD_E8, 0)
EVIL = Token("EVIL", "Evil Token", 18, USD_E8, 0)
TOKENS: Final = (USDC, USDT, DAI, WETH, WBTC, WSTETH, EVIL)
POOLS: Final = (  # the catalogue's own first, then the others that a case may want
    *((USDC, WETH, 500), (USDC, DAI, 100), (DAI, WETH, 500), (WETH, WSTETH, 100), (WBTC, WETH, 500)),
    *((USDC, USDT, 100), (USDC, EVIL, 3_000), (EVIL, WETH, 3_000)),
)
REGISTERED_POOLS: Final = 5


def _reserve(token: Token, threshold_bps: int, lent_usd: int, borrowed_usd: int) -> Reserve:
    """A reserve with a usual curve; half of its threshold's distance below it is what may be borrowed."""
    curve = (9_000, 0, 600, 6_000, 1_000)
    whole = token.usd_e8 // USD_E8
    limits = (threshold_bps - 300, threshold_bps, 10_450)
    return Reserve(token, *curve, *limits, lent=lent_usd // whole, collateral=0, borrowed=borrowed_usd // whole)


PLAN: Final = MarketPlan(
    "attacked",
    (
        _reserve(USDC, 8_000, 12_000_000, 6_000_000),
        _reserve(USDT, 7_800, 6_000_000, 2_000_000),
        _reserve(DAI, 8_000, 6_000_000, 2_000_000),
        replace(_reserve(WETH, 8_300, 12_000_000, 3_000_000), collateral=20_000),
        _reserve(WBTC, 7_800, 6_000_000, 0),
        _reserve(WSTETH, 8_000, 7_000_000, 0),
        _reserve(EVIL, 5_000, 1_000_000, 0),
    ),
)


@dataclass(frozen=True, slots=True)
class Ground:
    """The chain with everything on it. `at` is where each symbol of the catalogue stands, `pools` by tokens and fee."""

    node: Node
    yard: Yard
    at: Mapping[str, str]
    admin: Mapping[str, Any]  # of the lending pool
    feeds: Mapping[str, str]  # by token symbol
    sequencer: str
    pools: Mapping[tuple[str, str, int], str]
    contracts: Mapping[str, str]  # what no case names: the factory, implementations, a beacon, a whale's router

    def stand_in(self, name: str, signature: str = "()", *arguments: object) -> str:
        """A further stand-in, made now."""
        return self.yard.compiled(STAND_INS, name, signature, *arguments)


def address_of(name: str) -> str:
    """An account that nobody has the key of."""
    return "0x" + keccak(text=f"usufruct catalogue {name}")[12:].hex()


def like(address: str) -> str:
    """Another address with the same first and last four digits."""
    return address[:6] + keccak(text=address).hex()[:32] + address[-4:]


def lay(node: Node, artefacts: Artefacts, stand_ins: Mapping[str, Bytecode], wallet: str, progress: Progress) -> Ground:
    """Everything, from an empty node."""
    accounts = [str(account).lower() for account in node.rpc("eth_accounts")]
    bytecode = {**compile_units(comet.UNITS, artefacts, progress), STAND_INS: stand_ins}
    yard = Yard(node, artefacts, bytecode, dict(zip(ACTORS, accounts, strict=False)), accounts[COLLECTOR_INDEX])
    put_multicall(yard)
    contracts: dict[str, str] = {"token": yard.compiled(STAND_INS, "SwitchToken")}
    for token in TOKENS:
        yard.tokens[token.symbol] = create_token(yard, token, contracts["token"])
    feeds = {token.symbol: create_feed(yard, token.usd_e8) for token in TOKENS}
    admin = create_lending(yard, feeds)
    at = {f"${symbol}": address for symbol, address in yard.tokens.items()}
    at |= {"$AAVE_POOL": admin["pool"], "$AAVE_ORACLE": admin["oracle"], "$COMET_USDC": create_comet(yard, feeds)}
    at |= reserve_tokens(yard, admin) | create_vaults(yard, contracts) | create_exchange(yard, contracts)
    at |= create_others(yard, artefacts, wallet)
    at |= look_alikes(node, at)
    pools = {(one.symbol, other.symbol, fee): create_pool(yard, at["$UNI_NFT"], (one, other, fee)) for one, other, fee in POOLS}
    seed(yard, admin["pool"], at["$COMET_USDC"])
    seed_vaults(yard, at)
    trust(yard, at)
    now = node.latest()[1]
    sequencer = yard.compiled(STAND_INS, "SwitchFeed", "(int256,uint256,uint256)", 0, ORACLE_AGE_SECONDS, now - LONG_UP_SECONDS)
    return Ground(node, yard, at, admin, feeds, sequencer, pools, contracts)


def create_token(yard: Yard, token: Token, implementation: str) -> str:
    """Wrapped ether as it is; USDC behind a proxy; the others plainly."""
    if token is WETH:
        return create(yard.node, yard.deployer, yard.artefacts.weth().linked({}))
    if token is USDC:
        address = yard.compiled(STAND_INS, "ERC1967Proxy", "(address,bytes)", implementation, b"")
    else:
        address = yard.compiled(STAND_INS, "SwitchToken")
    yard.administer(address, "describe(string,string,uint8)", token.name, token.symbol, token.decimals)
    if token is USDT:
        for kind in ("silent", "zero_first"):
            yard.administer(address, "set(bytes32,uint256)", word(kind), 1)
    return address


def word(text: str) -> bytes:
    """A short text as Solidity writes it into thirty-two bytes."""
    return text.encode().ljust(32, b"\0")


def create_feed(yard: Yard, usd_e8: int) -> str:
    return yard.compiled(STAND_INS, "SwitchFeed", "(int256,uint256,uint256)", usd_e8, ORACLE_AGE_SECONDS, 0)


def create_lending(yard: Yard, feeds: Mapping[str, str]) -> dict[str, Any]:
    """Aave V3.0 as its own package compiled it, with the feeds above."""
    aave_v3.create_libraries(yard)
    admin: dict[str, Any] = dict(aave_v3.create_core(yard, PLAN))
    tokens = [yard.tokens[symbol] for symbol in feeds]
    signature = "(address,address[],address[],address,address,uint256)"
    sources = (admin["provider"], tokens, list(feeds.values()), ZERO, ZERO, USD_E8)
    admin["oracle"] = yard.hardhat(aave_v3.PACKAGE, "AaveOracle", signature, *sources)
    yard.administer(admin["provider"], "setPriceOracle(address)", admin["oracle"])
    yard.administer(admin["acl"], "addEmergencyAdmin(address)", yard.deployer)
    aave_v3.list_reserves(yard, PLAN, admin)
    return admin


def reserve_tokens(yard: Yard, admin: Mapping[str, Any]) -> dict[str, str]:
    """The receipt and debt tokens that the catalogue names."""
    found: dict[str, str] = {}
    for reserve in PLAN.reserves:
        contracts = aave_v3.describe(yard, PLAN, reserve.token, dict(admin))["contracts"]
        found[f"$A{reserve.token.symbol}"] = contracts["receipt"]
        found[f"$VDEBT_{reserve.token.symbol}"] = contracts["debt"]
    return found


def create_comet(yard: Yard, feeds: Mapping[str, str]) -> str:
    """The stand-in for Compound III, with one collateral."""
    terms = (yard.tokens[USDC.symbol], feeds[USDC.symbol], comet.BORROW_MIN_RAW, comet.SUPPLY_CURVE, comet.BORROW_CURVE)
    address = yard.compiled(comet.NAME, comet.CONTRACT, "(address,address,uint256,uint256[4],uint256[4])", *terms)
    factors = (comet.BACKINGS[0].borrow_factor_wad, comet.BACKINGS[0].liquidation_factor_wad, WETH.units(50_000))
    listed = (yard.tokens[WETH.symbol], feeds[WETH.symbol], *factors)
    yard.administer(address, "list(address,address,uint64,uint64,uint128)", *listed)
    return address


def create_vaults(yard: Yard, contracts: dict[str, str]) -> dict[str, str]:
    """Two vaults behind proxies, and the beacon that one may be put behind."""
    contracts["vault"] = yard.compiled(STAND_INS, "SwitchVault")
    contracts["beacon"] = yard.compiled(STAND_INS, "UpgradeableBeacon", "(address,address)", contracts["vault"], yard.deployer)
    contracts["behind_beacon"] = yard.compiled(STAND_INS, "BeaconProxy", "(address,bytes)", contracts["beacon"], b"")
    found: dict[str, str] = {}
    for token, offset in ((USDC, VAULT_OFFSET), (WETH, 0)):
        vault = yard.compiled(STAND_INS, "ERC1967Proxy", "(address,bytes)", contracts["vault"], b"")
        names = (f"Steakhouse {token.symbol}", f"steak{token.symbol}")
        yard.administer(vault, "describe(string,string,address,uint8)", *names, yard.tokens[token.symbol], offset)
        found[f"$MM_VAULT_{token.symbol}"] = vault
    return found


def create_exchange(yard: Yard, contracts: dict[str, str]) -> dict[str, str]:
    """Uniswap V3, its positions and its second router; the first one is the whale's."""
    weth = yard.tokens[WETH.symbol]
    factory = yard.hardhat(CORE, "UniswapV3Factory")
    yard.administer(factory, "enableFeeAmount(uint24,int24)", 100, SPACINGS[100])
    manager = yard.hardhat(PERIPHERY, "NonfungiblePositionManager", "(address,address,address)", factory, weth, ZERO)
    router = yard.hardhat(SWAPS, "SwapRouter02", "(address,address,address,address)", ZERO, factory, manager, weth)
    contracts["factory"] = factory
    contracts["whale_router"] = yard.hardhat(PERIPHERY, "SwapRouter", "(address,address)", factory, weth)
    return {"$UNI_NFT": manager, "$UNI_ROUTER": router}


def create_others(yard: Yard, artefacts: Artefacts, wallet: str) -> dict[str, str]:
    """Helpers of others, the attacker's contracts, accounts, and addresses that look like ours."""
    thief = yard.compiled(STAND_INS, "Thief")
    found = {
        "$WALLET": wallet,
        "$ATTACKER": "0x" + "a77ac".rjust(40, "0"),
        "$ATTACKER_C": thief,
        "$SWEEPER": yard.compiled(STAND_INS, "Thief"),
        "$OLD_SPENDER": yard.compiled(STAND_INS, "Thief"),
        "$PERMIT2": yard.compiled(STAND_INS, "PermitTwo"),
        "$REWARDS": create_rewards(yard),
        "$MULTICALL3": MULTICALL,
        "$MULTISEND": create(yard.node, yard.deployer, read_hardhat(artefacts.root / MULTISEND).linked({})),
        "$CREATE2_FACTORY": "0x4e59b44847b379578588920ca78fbf26c0b4956c",
    }
    return found | {f"${name}": address_of(name) for name in ("TREASURY", "VICTIM", "SANCTIONED", "OLD_OPERATOR")}


def look_alikes(node: Node, at: Mapping[str, str]) -> dict[str, str]:
    """Addresses whose ends are those of ours, with the attacker's code where ours have code."""
    found = {f"{symbol}_POISON": like(at[symbol]) for symbol in ("$AAVE_POOL", "$TREASURY")}
    found["$COMET_POISON"] = like(at["$COMET_USDC"])
    for symbol in ("$AAVE_POOL_POISON", "$COMET_POISON"):
        node.rpc("anvil_setCode", found[symbol], node.rpc("eth_getCode", at["$ATTACKER_C"], "latest"))
    return found | {"$EVIL_TOKEN": at["$EVIL"]}


def create_rewards(yard: Yard) -> str:
    """The stand-in for the rewards controller, which pays in DAI."""
    rewards = yard.compiled(STAND_INS, "RewardsStandIn")
    yard.administer(rewards, "list(address)", yard.tokens[DAI.symbol])
    return rewards


def create_pool(yard: Yard, manager: str, pool_of: tuple[Token, Token, int], usd: int = DEEP_USD) -> str:
    """A pool of two tokens and a fee at the catalogue's prices, so deep over all prices."""
    *tokens, fee_pips = pool_of
    first, second = sorted(tokens, key=lambda token: yard.tokens[token.symbol])
    pair, pool = (yard.tokens[first.symbol], yard.tokens[second.symbol]), sqrt_price_x96(first, second)
    signature = "createAndInitializePoolIfNecessary(address,address,uint24,uint160)"
    yard.administer(manager, signature, *pair, fee_pips, pool)
    add_liquidity(yard, manager, (first, second), fee_pips, usd)
    return read_address(
        yard.node, read_address(yard.node, manager, "factory()"), "getPool(address,address,uint24)", *pair, fee_pips
    )


def sqrt_price_x96(first: Token, second: Token) -> int:
    """The root of how much of the second token one of the first is worth, in base units, times 2^96."""
    return isqrt((first.usd_e8 * second.units(1) << 192) // (second.usd_e8 * first.units(1)))


def add_liquidity(yard: Yard, manager: str, pair: tuple[Token, Token], fee_pips: int, usd: int) -> None:
    """So much on each side by the lender, over all prices."""
    lender, spacing = yard.actors["lender"], SPACINGS[fee_pips]
    most = []
    for token in pair:
        most.append(usd * USD_E8 * token.units(1) // token.usd_e8)
        give(yard, token.symbol, lender, most[-1])
        yard.approve("lender", token, manager)
    bound = LAST_TICK // spacing * spacing
    addresses = [yard.tokens[token.symbol] for token in pair]
    yard.act("lender", manager, MINT, (*addresses, fee_pips, -bound, bound, *most, 0, 0, lender, NEVER))


def give(yard: Yard, symbol: str, account: str, raw: int) -> None:
    """So much more of a token."""
    token, node = yard.tokens[symbol], yard.node
    if symbol != WETH.symbol:
        yard.administer(token, "mint(address,uint256)", account, raw)
        return
    held = int(node.rpc("eth_getBalance", yard.deployer, "latest"), 16)
    node.rpc("anvil_setBalance", yard.deployer, hex(held + raw))
    yard.act("deployer", token, "deposit()", value_wei=raw)
    yard.administer(token, "transfer(address,uint256)", account, raw)


def act_as(node: Node, account: str, target: str, signature: str, *arguments: object, value_wei: int = 0) -> None:
    """One call by an account whose key nobody needs; a revert is raised."""
    node.rpc("anvil_impersonateAccount", account)
    if int(node.rpc("eth_getBalance", account, "latest"), 16) < 10**18:
        node.rpc("anvil_setBalance", account, hex(10**19))
    transact(node, account, target, signature, *arguments, value_wei=value_wei)
    node.rpc("anvil_stopImpersonatingAccount", account)


def seed(yard: Yard, pool: str, comet_address: str) -> None:
    """Lenders and borrowers of the lending pool and of the Comet."""
    for reserve in PLAN.reserves:
        for actor, whole in (("lender", reserve.lent), ("borrower", reserve.collateral)):
            if whole:
                give(yard, reserve.token.symbol, yard.actors[actor], reserve.token.units(whole))
                yard.approve(actor, reserve.token, pool)
                aave_v3.supply(yard, pool, actor=actor, token=reserve.token, whole=whole)
    for reserve in PLAN.reserves:
        if reserve.borrowed:
            asked = (yard.tokens[reserve.token.symbol], reserve.token.units(reserve.borrowed), aave_v3.VARIABLE, 0)
            yard.act("borrower", pool, "borrow(address,uint256,uint256,uint16,address)", *asked, yard.actors["borrower"])
    give(yard, USDC.symbol, yard.actors["lender"], USDC.units(comet.LENT))
    comet.give(yard, comet_address, actor="lender", token=USDC, whole=comet.LENT)


def seed_vaults(yard: Yard, at: Mapping[str, str]) -> None:
    """Other holders of the vaults, so that what a vault withholds from one is another's."""
    for token, whole in ((USDC, 1_000_000), (WETH, 300)):
        vault, lender = at[f"$MM_VAULT_{token.symbol}"], yard.actors["lender"]
        give(yard, token.symbol, lender, token.units(whole))
        yard.approve("lender", token, vault)
        yard.act("lender", vault, "deposit(uint256,address)", token.units(whole), lender)


def trust(yard: Yard, at: Mapping[str, str]) -> None:
    """A third party with collateral, who lets the wallet borrow in its name."""
    victim, pool = at["$VICTIM"], at["$AAVE_POOL"]
    give(yard, WETH.symbol, victim, WETH.units(10))
    act_as(yard.node, victim, at["$WETH"], "approve(address,uint256)", pool, WETH.units(10))
    act_as(yard.node, victim, pool, "supply(address,uint256,address,uint16)", at["$WETH"], WETH.units(10), victim, 0)
    for symbol in (USDC.symbol, DAI.symbol, WETH.symbol):
        act_as(yard.node, victim, at[f"$VDEBT_{symbol}"], "approveDelegation(address,uint256)", at["$WALLET"], 2**128)

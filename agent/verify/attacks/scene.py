"""One case's world: what stands on the chain before it, and what the wallet, its people and its store will find. Handlers of
`given` change it; nothing here reads what is expected.

Refuses what it cannot make true: an amount that the world has no way to, a price that no pool can be moved to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from math import isqrt
from pathlib import Path
from typing import Any, Final

from agent.devnet.contracts import read, read_address, read_integer
from agent.devnet.errors import RpcRefused
from agent.devnet.markets import Token
from agent.devnet.node import Node
from agent.devnet.uniswap import SWAP
from agent.verify.attacks.deployment import LISTED
from agent.verify.attacks.ground import (
    NEVER,
    POOLS,
    REGISTERED_POOLS,
    TOKENS,
    USDC,
    WETH,
    Ground,
    act_as,
    give,
)
from agent.verify.attacks.inputs import Built, Facts
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.reference import BLOCK_SECONDS

ETH: Final = "ETH"
GWEI: Final = 10**9
WEI: Final = 10**18
USD_E8: Final = 10**8
WHALE_RAW: Final = 2**110  # more than any pool here could take
VARIABLE: Final = 2
USUAL_GAS: Final = 200_000
BY_SYMBOL: Final[Mapping[str, Token]] = {token.symbol: token for token in TOKENS}
PROTOCOLS: Final[Mapping[str, str]] = {  # the catalogue's names of protocols and vaults, and their symbols
    "aave_v3": "$AAVE_POOL",
    "comet": "$COMET_USDC",
    "compound_v3": "$COMET_USDC",
    "mm_vault": "$MM_VAULT_USDC",
    "mm_vault_usdc": "$MM_VAULT_USDC",
    "mm_vault_weth": "$MM_VAULT_WETH",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One person's word: whose, to what (None: to this very plan), how long ago, and whether it is a no."""

    name: str
    about: str | None = None
    age_seconds: int = 0
    is_no: bool = False
    is_service: bool = False


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the store holds of an earlier plan."""

    usd: Decimal
    state: str = "spent"  # or pending, reverted
    age_seconds: int = 3_600
    gas_usd: Decimal = Decimal(0)
    is_action: bool = True


@dataclass(slots=True)
class Scene:
    """What handlers have set. `after_pins` runs once the deployment is described, `later` between verdict and execution."""

    ground: Ground
    folder: Path
    reference: dict[str, Any]
    targets: tuple[str, ...] = ()  # of the input's own calls, as they are written, in order
    traded: tuple[str, str] | None = None  # what its first swap gives and gets
    symbols: list[str] = field(default_factory=lambda: list(LISTED))
    pools: list[tuple[Token, Token, int]] = field(default_factory=lambda: list(POOLS[:REGISTERED_POOLS]))
    prices: dict[str, Decimal] = field(default_factory=dict)  # by symbol, what the oracles say
    base_fee_wei: int = 5 * GWEI
    ether_wei: int = 2 * WEI
    wraps: dict[str, list[str]] = field(default_factory=dict)  # market ids beneath a vault's
    issuers: dict[str, str] = field(default_factory=dict)
    repinned: dict[str, Callable[[], None]] = field(default_factory=dict)
    reshaped: list[str] = field(default_factory=list)  # addresses whose code was given another shape before it was pinned
    after_pins: list[Callable[[], None]] = field(default_factory=list)
    later: list[Callable[[], None]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    earlier: list[Earlier] = field(default_factory=list)
    plan_age_blocks: int = 0
    listed_addresses: list[str] = field(default_factory=list)
    list_age_seconds: int = 3_600
    stop: str = ""  # halt, reduce_only
    restarts: bool = False
    refuses_to_write: bool = False
    gas_estimate: int | None = None  # the catalogue's, of its own bytecode
    gas_usual: int | None = None
    clock_offset_seconds: int = 0
    list_fault: str = ""
    faults: dict[str, Any] = field(default_factory=dict)  # of the endpoint, by method
    second_faults: dict[str, Any] | None = None  # of a second endpoint, where one is asked
    resolved: list[str] = field(default_factory=list)  # what a name stands for, one address for each resolver
    notes: list[str] = field(default_factory=list)  # what was read otherwise than it is written, and why

    @property
    def node(self) -> Node:
        return self.ground.node

    @property
    def wallet(self) -> str:
        return self.ground.at["$WALLET"]

    def address(self, symbol: str) -> str:
        """Where a symbol stands. Raises Unrealised."""
        if symbol not in self.ground.at:
            raise Unrealised(f"{symbol} stands nowhere in this world")
        return self.ground.at[symbol]

    def token(self, symbol: str) -> Token:
        """A token by its symbol, with or without the sign. Raises Unrealised."""
        name = symbol.removeprefix("$").replace("EVIL_TOKEN", "EVIL")
        if name not in BY_SYMBOL:
            raise Unrealised(f"{symbol} is no token of this world")
        return BY_SYMBOL[name]

    def raw(self, token: Token, human: object) -> int:
        return int(Decimal(str(human)) * 10**token.decimals)

    # What the wallet has

    def hold(self, symbol: str, human: object) -> None:
        """Exactly so much of a token, or of the native coin once everything is set up."""
        if symbol.removeprefix("$") == ETH:
            self.ether_wei = int(Decimal(str(human)) * WEI)
            return
        token = self.token(symbol)
        have, want = self.balance(self.address(f"${token.symbol}"), self.wallet), self.raw(token, human)
        if want > have:
            give(self.ground.yard, token.symbol, self.wallet, want - have)
        elif token is WETH:
            self.act(self.wallet, "$WETH", "transfer(address,uint256)", self.ground.yard.actors["stranger"], have - want)
        elif want < have:
            self.act(self.wallet, f"${token.symbol}", "burn(address,uint256)", self.wallet, have - want)

    def balance(self, token: str, account: str) -> int:
        return read_integer(self.node, token, "balanceOf(address)", account)

    def allow(self, token: str, spender: str, raw: int) -> None:
        """An allowance of the wallet's, as if it had given it."""
        if read_integer(self.node, token, "allowance(address,address)", self.wallet, spender):
            act_as(self.node, self.wallet, token, "approve(address,uint256)", spender, 0)
        if raw:
            act_as(self.node, self.wallet, token, "approve(address,uint256)", spender, raw)

    def act(self, account: str, symbol: str, signature: str, *arguments: object) -> None:
        """One call by anybody."""
        act_as(self.node, account, self.address(symbol), signature, *arguments)

    def set(self, symbol: str, signature: str, *arguments: object) -> None:
        """One call by the deployer, who administers everything."""
        self.ground.yard.administer(self.address(symbol), signature, *arguments)

    def supply(self, place: str, token: Token, raw: int) -> None:
        """So much more into a protocol, on top of what the wallet has."""
        if raw <= 0:
            return
        give(self.ground.yard, token.symbol, self.wallet, raw)
        address = self.address(f"${token.symbol}")
        self.allow(address, self.address(place), raw)
        match place:
            case "$AAVE_POOL":
                self.act(self.wallet, place, "supply(address,uint256,address,uint16)", address, raw, self.wallet, 0)
            case "$COMET_USDC":
                self.act(self.wallet, place, "supplyTo(address,address,uint256)", self.wallet, address, raw)
            case _:
                self.act(self.wallet, place, "deposit(uint256,address)", raw, self.wallet)

    def unsupply(self, place: str, token: Token, raw: int) -> None:
        """So much out of a protocol, and out of this world."""
        if raw <= 0:
            return
        address, nobody = self.address(f"${token.symbol}"), self.ground.yard.actors["stranger"]
        match place:
            case "$AAVE_POOL":
                self.act(self.wallet, place, "withdraw(address,uint256,address)", address, raw, nobody)
            case "$COMET_USDC":
                self.act(self.wallet, place, "withdrawTo(address,address,uint256)", nobody, address, raw)
            case _:
                self.act(self.wallet, place, "withdraw(uint256,address,address)", raw, nobody, self.wallet)

    def supplied(self, place: str, token: Token) -> int:
        """What the wallet has in a protocol."""
        match place:
            case "$AAVE_POOL":
                return self.balance(self.address(f"$A{token.symbol}"), self.wallet)
            case "$COMET_USDC":
                return self.balance(self.address(place), self.wallet)
            case _:
                shares = self.balance(self.address(place), self.wallet)
                return read_integer(self.node, self.address(place), "convertToAssets(uint256)", shares)

    def have_supplied(self, place: str, token: Token, raw: int) -> None:
        """Exactly so much in a protocol."""
        have = self.supplied(place, token)
        self.supply(place, token, raw - have) if raw > have else self.unsupply(place, token, have - raw)

    def owed(self, token: Token) -> int:
        return self.balance(self.address(f"$VDEBT_{token.symbol}"), self.wallet)

    def owe(self, token: Token, raw: int) -> None:
        """Exactly so much debt to the lending pool; what is borrowed does not stay with the wallet."""
        address, have = self.address(f"${token.symbol}"), self.owed(token)
        if raw > have:
            asked = (address, raw - have, VARIABLE, 0, self.wallet)
            self.act(self.wallet, "$AAVE_POOL", "borrow(address,uint256,uint256,uint16,address)", *asked)
            nobody = self.ground.yard.actors["stranger"]
            act_as(self.node, self.wallet, address, "transfer(address,uint256)", nobody, raw - have)
        elif raw < have:
            give(self.ground.yard, token.symbol, self.wallet, have - raw)
            self.allow(address, self.address("$AAVE_POOL"), have - raw)
            repaid = (address, have - raw, VARIABLE, self.wallet)
            self.act(self.wallet, "$AAVE_POOL", "repay(address,uint256,uint256,address)", *repaid)

    # Prices

    def oracle(self, symbol: str, usd: object) -> None:
        """What a token's feed says; None: nothing that anybody could use."""
        name = symbol.removeprefix("$")
        token = WETH if name == ETH else self.token(symbol)
        answer = 0 if usd is None else int(Decimal(str(usd)) * USD_E8)
        self.ground.yard.administer(self.ground.feeds[token.symbol], "setAnswer(int256)", answer)
        if answer > 0:
            self.prices[token.symbol] = Decimal(str(usd))

    def move_pool(self, one: Token, other: Token, one_in_other: Decimal) -> None:
        """A whale trades until one whole token is worth so many of the other, in every pool of the two."""
        for first, second, fee in POOLS:
            if {first.symbol, second.symbol} == {one.symbol, other.symbol}:
                self._push(first, second, fee, one_in_other if first is one else 1 / one_in_other)

    def _push(self, first: Token, second: Token, fee_pips: int, first_in_second: Decimal) -> None:
        pool, (low, high) = self.ground.pools[first.symbol, second.symbol, fee_pips], sorted_pair(self.ground, first, second)
        ratio = first_in_second if low is first else 1 / first_in_second
        raw_ratio = ratio * 10**high.decimals / 10**low.decimals
        target = isqrt(int(raw_ratio * (1 << 192)))
        now = int(read(self.node, pool, "slot0()", "(uint160,int24,uint16,uint16,uint16,uint8,bool)")[0])
        if abs(now - target) * 10**6 <= now:
            return
        given, got = (low, high) if target < now else (high, low)
        self._whale_swaps(given, got, fee_pips, target)

    def _whale_swaps(self, given: Token, got: Token, fee_pips: int, limit_x96: int) -> None:
        yard, router = self.ground.yard, self.ground.contracts["whale_router"]
        whale = yard.actors["borrower"]
        give(yard, given.symbol, whale, WHALE_RAW)
        yard.act("borrower", yard.tokens[given.symbol], "approve(address,uint256)", router, 0)
        yard.act("borrower", yard.tokens[given.symbol], "approve(address,uint256)", router, WHALE_RAW)
        pair = (yard.tokens[given.symbol], yard.tokens[got.symbol])
        yard.act("borrower", router, SWAP, (*pair, fee_pips, whale, NEVER, WHALE_RAW, 0, limit_x96))

    # Time

    def now(self) -> int:
        return self.node.latest()[1]

    def pass_blocks(self, blocks: int) -> None:
        """So many empty blocks of the usual length."""
        if blocks > 0:
            self.node.rpc("anvil_mine", hex(blocks), hex(BLOCK_SECONDS))

    def pass_seconds(self, seconds: int) -> None:
        """One empty block, so much later."""
        if seconds > 0:
            self.node.set_next_block_timestamp(self.now() + seconds)
            self.mine()

    def mine(self) -> None:
        """One empty block at the case's base fee."""
        self.node.set_next_base_fee(self.base_fee_wei)
        self.node.mine()

    def price_usd(self, symbol: str) -> Decimal:
        """What the oracles say of a token, or of the native coin."""
        token = WETH if symbol == ETH else self.token(symbol)
        return self.prices.get(token.symbol, Decimal(token.usd_e8) / USD_E8)

    def estimate(self, built: Built) -> int:
        """What a transaction burns here; where it would revert, what a usual one does."""
        fields = {"from": self.wallet, "to": built.to, "data": "0x" + built.data.hex(), "value": hex(built.value_wei)}
        try:
            return int(self.node.rpc("eth_estimateGas", fields), 16)
        except RpcRefused:
            return USUAL_GAS

    def settle(self) -> None:
        """The last touches before anything is judged: the ether that gas has eaten, and the base fee."""
        self.node.rpc("anvil_setBalance", self.wallet, hex(self.ether_wei))
        self.mine()

    def facts(self) -> Facts:
        """What words stand for now."""
        return Facts(
            at=self.ground.at,
            chain_id=int(self.node.rpc("eth_chainId"), 16),
            now=self.now(),
            nonce=int(self.node.rpc("eth_getTransactionCount", self.wallet, "latest"), 16),
            decimals=lambda token: read_integer(self.node, token, "decimals()"),
            balance=self.balance,
            asset_of=self._asset_of,
            resolved=tuple(self.resolved),
        )

    def _asset_of(self, vault: str) -> str:
        """What a vault takes: its own word, or, where its code is no longer one, what its symbol says."""
        for symbol in ("$USDC", "$WETH"):
            if vault == self.address(f"$MM_VAULT_{symbol[1:]}").lower():
                return self.address(symbol)
        return read_address(self.node, vault, "asset()")


def sorted_pair(ground: Ground, one: Token, other: Token) -> tuple[Token, Token]:
    """Two tokens in the order of their addresses."""
    first, second = sorted((one, other), key=lambda token: ground.yard.tokens[token.symbol])
    return first, second


@contextmanager
def reverted(node: Node) -> Iterator[None]:
    """The chain as it was, whatever happens meanwhile."""
    snapshot = node.snapshot()
    try:
        yield
    finally:
        node.revert(snapshot)


def default(scene: Scene) -> None:
    """The catalogue's world before any case; its leveraged overlay is a handler's."""
    for symbol, human in (("USDC", 25_000), ("DAI", 15_000), ("WETH", 7)):
        scene.hold(symbol, human)
    scene.supply("$AAVE_POOL", USDC, USDC.units(20_000))
    scene.supply("$MM_VAULT_USDC", USDC, USDC.units(13_000))
    scene.listed_addresses.append(scene.address("$SANCTIONED"))

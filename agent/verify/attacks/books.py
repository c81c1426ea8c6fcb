"""What an account has on the catalogue's chain, in dollars at what things are really worth, and what others may take of it.

Refuses a price that a case only pretends: a token is worth what it trades for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from eth_abi.exceptions import DecodingError

from agent.devnet.contracts import read, read_integer
from agent.devnet.errors import RpcRefused
from agent.devnet.markets import Token
from agent.verify.attacks.ground import DAI, EVIL, TOKENS, USDC, WETH
from agent.verify.attacks.scene import USD_E8, WEI, Scene

VAULTS: Final[Mapping[str, Token]] = {"$MM_VAULT_USDC": USDC, "$MM_VAULT_WETH": WETH}
STRANGERS: Final = (
    *("$ATTACKER", "$ATTACKER_C", "$SWEEPER", "$OLD_SPENDER", "$VICTIM", "$SANCTIONED", "$AAVE_POOL_POISON", "$COMET_POISON"),
    *("$TREASURY_POISON", "$OLD_OPERATOR", "$EVIL", "$PERMIT2", "$MULTICALL3", "$MULTISEND"),
)


@dataclass(frozen=True, slots=True)
class Books:
    """Dollars: idle, in protocols, owed."""

    idle: Decimal
    placed: Decimal
    owed: Decimal

    @property
    def worth(self) -> Decimal:
        return self.idle + self.placed - self.owed


def worth_of(scene: Scene, given: Mapping[str, Any]) -> Mapping[str, Decimal]:
    """What each token trades for: the pools' word where a case sets it, else the oracles', else the catalogue's. The token of the
    attacker is worth nothing."""
    found = {token.symbol: Decimal(token.usd_e8) / USD_E8 for token in TOKENS}
    for source in (given.get("oracle") or {}, given.get("dex") or {}):
        for name, price in source.items():
            if name.startswith("$") and name != "$ETH" and price is not None:
                found[scene.token(name).symbol] = Decimal(str(price))
    if not (given.get("dex") or {}).get("$WETH") and Decimal(found[WETH.symbol]) < 1:
        found[WETH.symbol] = Decimal(WETH.usd_e8) / USD_E8
    return {**found, EVIL.symbol: Decimal(0)}


def books_of(scene: Scene, prices: Mapping[str, Decimal]) -> Books:
    """What the wallet has and owes now."""
    idle = Decimal(int(scene.node.rpc("eth_getBalance", scene.wallet, "latest"), 16)) / WEI * prices[WETH.symbol]
    placed = owed = Decimal(0)
    for token in TOKENS:
        one = prices[token.symbol] / 10**token.decimals
        idle += one * scene.balance(scene.address(f"${token.symbol}"), scene.wallet)
        placed += one * scene.supplied("$AAVE_POOL", token)
        owed += one * scene.owed(token)
    placed += prices[USDC.symbol] / 10**USDC.decimals * scene.supplied("$COMET_USDC", USDC)
    for vault, token in VAULTS.items():
        placed += prices[token.symbol] / 10**token.decimals * _redeemable(scene, vault, token)
    return Books(idle, placed, owed)


def _redeemable(scene: Scene, vault: str, token: Token) -> int:
    """What a vault's shares are worth; nothing where its code does not say it any more."""
    try:
        return scene.supplied(vault, token)
    except (RpcRefused, DecodingError):
        return 0


def takeable(scene: Scene) -> Iterator[tuple[Token, str, int]]:
    """What strangers may take: token, who, how much of what is there."""
    for token in TOKENS:
        address = scene.address(f"${token.symbol}")
        held = scene.balance(address, scene.wallet)
        for symbol in STRANGERS:
            raw = read_integer(scene.node, address, "allowance(address,address)", scene.wallet, scene.address(symbol))
            if raw and held:
                yield token, symbol, min(raw, held)


def left_open(scene: Scene, spenders: Iterable[str]) -> Iterator[tuple[Token, str, int]]:
    """What anybody who was allowed may still take."""
    for token in TOKENS:
        address = scene.address(f"${token.symbol}")
        for spender in spenders:
            if raw := read_integer(scene.node, address, "allowance(address,address)", scene.wallet, spender):
                yield token, spender, raw


def permitted(scene: Scene) -> Iterator[tuple[Token, str, int]]:
    """The same through Permit2."""
    for token in TOKENS:
        for symbol in STRANGERS:
            pair = (scene.wallet, scene.address(f"${token.symbol}"), scene.address(symbol))
            signature = "allowance(address,address,address)"
            amount = int(read(scene.node, scene.address("$PERMIT2"), signature, "(uint160,uint48,uint48)", *pair)[0])
            if amount:
                yield token, symbol, min(amount, scene.balance(scene.address(f"${token.symbol}"), scene.wallet))


def delegated(scene: Scene) -> Iterator[tuple[Token, str, int]]:
    """What strangers may borrow in the wallet's name."""
    for token in (USDC, DAI, WETH):
        for symbol in ("$ATTACKER", "$ATTACKER_C", "$VICTIM"):
            debt, who = scene.address(f"$VDEBT_{token.symbol}"), scene.address(symbol)
            if raw := read_integer(scene.node, debt, "borrowAllowance(address,address)", scene.wallet, who):
                yield token, symbol, raw


def owed_by(scene: Scene, symbol: str) -> Decimal:
    """What somebody else owes to the lending pool, at the catalogue's prices."""
    owed = Decimal(0)
    for token in TOKENS:
        raw = scene.balance(scene.address(f"$VDEBT_{token.symbol}"), scene.address(symbol))
        owed += Decimal(raw) * token.usd_e8 / USD_E8 / 10**token.decimals
    return owed

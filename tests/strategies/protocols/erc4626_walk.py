"""Plain vaults in the in-process chain, and seeded choices for walking one: who acts, how much, and what others do meanwhile."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from eth_abi.abi import encode

from agent.devnet.artefacts import Bytecode, ensure
from agent.devnet.compile import Unit, compile_units
from strategies.domain import Address, Amount, Asset, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.protocols.adapter import Call
from strategies.protocols.erc4626 import Erc4626, Vault
from strategies.protocols.vault_calls import DEPOSIT, REDEEM, WITHDRAW
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import Rules, Scene, Walk, endow

ADAPTER: Final = Erc4626()
UNIT: Final = Unit("vaults", "solc-0.8.27", ("usufruct/PlainVault.sol", "usufruct/SavingsVault.sol"))
ACCOUNTS: Final = tuple(f"0x{digit * 40}" for digit in "123")
STRANGER: Final = "0x" + "9" * 40
ONE: Final = 10**6
PURSE_RAW: Final = 10**40


def act(evm: Evm, account: Address, action: MarketAction) -> Outcome:
    """The call as a person may send it, amounts of zero among them, which the adapter does not write."""
    match action:
        case Supply(amount=amount):
            data = DEPOSIT.encode(amount.raw, account)
        case Withdraw(amount=Shares(raw)):
            data = REDEEM.encode(raw, account, account)
        case Withdraw(amount=Amount(raw=raw)):
            data = WITHDRAW.encode(raw, account, account)
        case _:
            raise ValueError(f"no vault does {action}")
    return evm.send(account, Call(action.market.address, data))


def learnt(mine: Vault, seen: Vault) -> Vault:
    """How far the cap is passed only a read tells."""
    return mine if mine.deposit_limit_raw else replace(mine, deposit_limit_raw=seen.deposit_limit_raw)


def is_ruined(evm: Evm, market: Market) -> bool:
    """Shares without assets, or so many shares that previews pass 256 bits: it cannot be read any more."""
    shares_raw, assets_raw = (int(evm.read(market.address, name, "(uint256)")[0]) for name in ("totalSupply()", "totalAssets()"))
    return shares_raw > 10**45 or (assets_raw == 0 < shares_raw and not market.number("virtual_assets"))


RULES: Final = Rules(adapter=ADAPTER, act=act, learnt=learnt, is_over=is_ruined)


def scene(evm: Evm, kind: str) -> Scene[Vault]:
    """One of our own two vaults: its contract's name and its decimals' offset."""
    name, _, offset = kind.partition(" ")
    artefacts = ensure()
    code = compile_units((UNIT,), artefacts)[UNIT.name][name]
    types = ("address", "uint8")[: 1 + bool(offset)]
    return created(evm, code, types, [int(offset)] if offset else [])


def created(evm: Evm, code: Bytecode, types: Sequence[str], rest: Sequence[int]) -> Scene[Vault]:
    """A vault of this code over a new token, its constructor's first argument; only OpenZeppelin's takes another, its offset."""
    token_code = ensure().hardhat("@aave/core-v3", "MintableERC20").linked({})
    token = evm.create(STRANGER, token_code + encode(("string", "string", "uint8"), ("Token", "T", 6)).hex())
    vault = evm.create(STRANGER, code.linked({}) + encode(types, (token, *rest)).hex())
    numbers = (("decimals_offset", sum(rest)), ("virtual_assets", len(rest)))
    market = Market(f"vault:{len(rest)}:{sum(rest)}", "erc4626", vault, Asset(31_337, token, "T", 6), numbers=numbers)
    endow(evm, market.asset, ACCOUNTS, (vault,), raw=PURSE_RAW)
    return Scene(evm=evm, market=market, rules=RULES, accounts=ACCOUNTS, seconds=(1, 12, 3_600, 30 * 86_400))


def walk_of(evm: Evm, kind: str, seed: int) -> Walk[Vault]:
    of = scene(evm, kind)
    return Walk(of, Dice(of, random.Random(seed)))


@dataclass(frozen=True, slots=True)
class Dice:
    """A vault and the numbers that are thrown for it."""

    scene: Scene[Vault]
    random: random.Random

    def action(self, state: Vault, account: Address, held: Position) -> MarketAction:
        market, throw = self.scene.market, self.random
        small_raw = throw.choice((0, 1, throw.randint(2, 9)))
        match throw.randrange(3):
            case 0:
                limits = (min(state.deposit_limit_raw, PURSE_RAW // 10**9) + nudge for nudge in (-1, 0, 1))
                raw = throw.choice((small_raw, throw.randint(1, 10**6 * ONE), throw.randint(1, 10**6 * ONE), *limits))
                return Supply(market, Amount(market.asset, max(raw, 0)))
            case 1:
                worth_raw = (
                    held.shares_raw
                    * (state.total_assets_raw + 1)
                    // max(state.total_supply_raw + state.kind.virtual_shares_raw, 1)
                )
                edges: tuple[int, ...] = (
                    worth_raw,
                    worth_raw + 1,
                    worth_raw - 1,
                    state.held_raw,
                    state.held_raw + 1,
                    MAX_UINT256,
                )
                raw = throw.choice((small_raw, *(self.part(worth_raw) for _ in range(8)), *edges))
                return Withdraw(market, Amount(market.asset, max(raw, 0)))
            case _:
                edges = (held.shares_raw, held.shares_raw + 1, held.shares_raw - 1, MAX_UINT256)
                raw = throw.choice((small_raw, *(self.part(held.shares_raw) for _ in range(6)), *edges))
                return Withdraw(market, Shares(max(raw, 0)))

    def part(self, whole_raw: int) -> int:
        return whole_raw * self.random.randint(0, 1_000) // 4_000

    def disturb(self, state: Vault) -> None:
        """Somebody gives the vault a present, robs it, or moves its cap or its assets."""
        throw, evm, market = self.random, self.scene.evm, self.scene.market
        match throw.randrange(5):
            case 0:
                give(evm, market, throw.choice((1, throw.randint(1, 10**5 * ONE))))
            case 1:
                lost_raw = state.held_raw * throw.choice((1, 10, 500, 999, 1_000)) // 1_000
                evm.transact(STRANGER, market.address, "lose(uint256)", lost_raw)
            case 2 if state.kind.enforces_limits:
                now_raw = state.total_assets_raw
                cap_raw = throw.choice((0, MAX_UINT256, now_raw, now_raw + 10**6 * ONE))
                evm.transact(STRANGER, market.address, "setCap(uint256)", cap_raw)
            case _:
                elsewhere_raw = throw.choice((0, 1, throw.randint(1, 10**6 * ONE)))
                evm.transact(STRANGER, market.address, "setElsewhere(uint256)", elsewhere_raw)


def give(evm: Evm, market: Market, raw: int) -> None:
    """A present to the vault, from nowhere."""
    evm.transact(STRANGER, market.asset.address, "mint(address,uint256)", market.address, raw)

"""Plain vaults in the in-process chain, and seeded choices for walking one: who acts, how much, and what others do meanwhile."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from agent.devnet.artefacts import Artefacts, Bytecode
from agent.devnet.compile import Unit, compile_units
from strategies.domain import Address, Amount, Asset, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.protocols.adapter import Call, Function
from strategies.protocols.erc20 import BALANCE_OF
from strategies.protocols.erc4626 import Erc4626, Vault
from strategies.protocols.vault_calls import DEPOSIT, REDEEM, WITHDRAW
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome

ADAPTER = Erc4626()
UNIT = Unit("vaults", "solc-0.8.27", ("usufruct/PlainVault.sol", "usufruct/SavingsVault.sol"))
ACCOUNTS: Sequence[Address] = tuple(f"0x{digit * 40}" for digit in "123")
STRANGER = "0x" + "9" * 40
ONE = 10**6
PURSE_RAW = 10**40
DISTURBED = 0.15
SECONDS = (1, 12, 3_600, 30 * 86_400)
FUNCTIONS: dict[str, Function] = {"deposit": DEPOSIT, "withdraw": WITHDRAW, "redeem": REDEEM}


@dataclass(frozen=True, slots=True)
class VaultInEvm:
    """One vault, its token, and accounts that may act on it."""

    evm: Evm
    market: Market

    @classmethod
    def made(cls, artefacts: Artefacts, *, kind: str, offset: int = 0) -> "VaultInEvm":
        """A fresh chain with one of our own two vaults."""
        code = compile_units((UNIT,), artefacts)[UNIT.name]
        arguments = (("address", "uint8"), offset) if kind == "PlainVault" else (("address",),)
        return cls.of(artefacts, code[kind], arguments, virtual=1 if kind == "PlainVault" else 0, offset=offset)

    @classmethod
    def of(
        cls, artefacts: Artefacts, code: Bytecode, arguments: tuple[object, ...], *, virtual: int, offset: int = 0
    ) -> "VaultInEvm":
        """A fresh chain with a vault of this code; its token is the first of the constructor's arguments."""
        evm, (types, *rest) = Evm.empty(), arguments
        token_code = artefacts.hardhat("@aave/core-v3", "MintableERC20").linked({})
        token = evm.create(STRANGER, token_code + encode(("string", "string", "uint8"), ("Token", "T", 6)).hex())
        vault = evm.create(STRANGER, code.linked({}) + encode(types, (token, *rest)).hex())  # type: ignore[arg-type]
        numbers = (("decimals_offset", offset), ("virtual_assets", virtual))
        market = Market(f"vault:{virtual}:{offset}", "erc4626", vault, Asset(31_337, token, "T", 6), numbers=numbers)
        for account in ACCOUNTS:
            evm.transact(STRANGER, token, "mint(address,uint256)", account, PURSE_RAW)
            evm.transact(account, token, "approve(address,uint256)", vault, MAX_UINT256)
        return cls(evm, market)

    def state(self) -> Vault:
        return ADAPTER.decode(self.market, self.evm.ask(ADAPTER.reads(self.market)), self.evm.timestamp)

    def held(self, account: Address) -> Position:
        return ADAPTER.holding(self.market, self.evm.ask(ADAPTER.holding_reads(self.market, account)))

    def balance_raw(self, account: Address) -> int:
        (answer,) = self.evm.ask((Call(self.market.asset.address, BALANCE_OF.encode(account)),))
        return int.from_bytes(answer, "big")

    def act(self, account: Address, action: MarketAction) -> Outcome:
        return self.evm.send(account, Call(self.market.address, calldata(action, account)))

    def give(self, raw: int) -> None:
        """A present to the vault, from nowhere."""
        self.evm.transact(STRANGER, self.market.asset.address, "mint(address,uint256)", self.market.address, raw)

    def lose(self, raw: int) -> None:
        """What a hack or a bad loan does."""
        self.evm.transact(STRANGER, self.market.address, "lose(uint256)", raw)

    def is_ruined(self) -> bool:
        """Shares without assets, or so many shares that previews pass 256 bits: it cannot be read any more."""
        read, vault = self.evm.read, self.market.address
        shares_raw, assets_raw = (
            int(read(vault, "totalSupply()", "(uint256)")[0]),
            int(read(vault, "totalAssets()", "(uint256)")[0]),
        )
        return shares_raw > 10**45 or (assets_raw == 0 < shares_raw and not self.market.number("virtual_assets"))

    def set(self, what: str, raw: int) -> None:
        self.evm.transact(STRANGER, self.market.address, f"set{what}(uint256)", raw)


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    account: Address
    action: MarketAction
    seconds: int


@dataclass(frozen=True, slots=True)
class Dice:
    """A vault and the numbers that are thrown for it."""

    chain: VaultInEvm
    random: random.Random

    def step(self, state: Vault, held: dict[Address, Position]) -> Step | None:
        """What happens next; None where others did something, which then has happened already."""
        if self.random.random() < DISTURBED:
            self.disturb(state)
            return None
        account = self.random.choice(ACCOUNTS)
        return Step(account, self.action(state, held[account]), self.random.choice(SECONDS))

    def action(self, state: Vault, held: Position) -> MarketAction:
        """Amounts at and around every edge, and ordinary ones."""
        market, throw = self.chain.market, self.random
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
        throw = self.random
        match throw.randrange(5):
            case 0:
                self.chain.give(throw.choice((1, throw.randint(1, 10**5 * ONE))))
            case 1:
                self.chain.lose(state.held_raw * throw.choice((1, 10, 500, 999, 1_000)) // 1_000)
            case 2 if state.kind.enforces_limits:
                self.chain.set(
                    "Cap", throw.choice((0, MAX_UINT256, state.total_assets_raw, state.total_assets_raw + 10**6 * ONE))
                )
            case _:
                self.chain.set("Elsewhere", throw.choice((0, 1, throw.randint(1, 10**6 * ONE))))


def calldata(action: MarketAction, account: Address) -> bytes:
    """The call as a person may send it, amounts of zero among them, which the adapter does not write."""
    match action:
        case Supply(amount=amount):
            return DEPOSIT.encode(amount.raw, account)
        case Withdraw(amount=Shares(raw)):
            return REDEEM.encode(raw, account, account)
        case Withdraw(amount=Amount(raw=raw)):
            return WITHDRAW.encode(raw, account, account)
        case _:
            raise ValueError(f"no vault does {action}")


def name_of(action: MarketAction) -> str:
    """deposit, withdraw or redeem."""
    if isinstance(action, Supply):
        return "deposit"
    return "redeem" if isinstance(action, Withdraw) and isinstance(action.amount, Shares) else "withdraw"

"""Static wrappers in the in-process chain, and seeded choices for walking one: who acts, how much, what others do meanwhile."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strategies.domain import Address, Amount, Asset, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.protocols.adapter import Call
from strategies.protocols.erc20 import BALANCE_OF
from strategies.protocols.stata import Stata, StataV2, max_deposit_raw, max_redeem_raw, max_withdraw_raw
from strategies.protocols.vault_calls import DEPOSIT, REDEEM, WITHDRAW
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome

ADAPTER = StataV2()
ACCOUNTS: Sequence[Address] = tuple(f"0x{digit * 40}" for digit in "123")
SECONDS = (1, 12, 3_600, 86_400, 60 * 86_400)
DISTURBED = 0.25
PURSE = 10**9  # whole tokens
BORROW = "borrow(address,uint256,uint256,uint16,address)"
REPAY = "repay(address,uint256,uint256,address)"
SUPPLY = "supply(address,uint256,address,uint16)"
DEPOSIT_RECEIPTS, REDEEM_RECEIPTS = "depositATokens(uint256,address)", "redeemATokens(uint256,address,address)"
VARIABLE = 2


@dataclass(frozen=True, slots=True)
class StataInEvm:
    """One wrapper of the local chain and accounts that may act on it."""

    evm: Evm
    market: Market

    @classmethod
    def of_devnet(cls, market_id: str) -> "StataInEvm":
        """A fresh copy of the local chain, with rich accounts and an administrator that may pause."""
        evm = Evm.of_devnet()
        chain = cls(evm, market_of(evm.content, market_id))
        evm.transact(chain.admin, evm.admin["new"]["acl"], "addEmergencyAdmin(address)", chain.admin)
        token, pool = chain.market.asset, chain.market.wraps[0].address
        for account in (*ACCOUNTS, evm.actors["lender"], evm.actors["borrower"]):
            if token.symbol == "WETH":
                evm.transact(account, token.address, "deposit()", value_wei=10**6 * 10**18)
            else:
                evm.transact(account, token.address, "mint(address,uint256)", account, PURSE * 10**token.decimals)
            for spender in (chain.market.address, pool):
                evm.transact(account, token.address, "approve(address,uint256)", spender, MAX_UINT256)
            evm.transact(account, chain.receipt, "approve(address,uint256)", chain.market.address, MAX_UINT256)
            evm.transact(account, pool, SUPPLY, token.address, 10**5 * 10**token.decimals, account, 0)
        return chain

    @property
    def admin(self) -> Address:
        return self.evm.actors["deployer"]

    @property
    def receipt(self) -> Address:
        return self.market.wraps[0].contract("receipt")

    def state(self) -> Stata:
        return ADAPTER.decode(self.market, self.evm.ask(ADAPTER.reads(self.market)), self.evm.timestamp)

    def held(self, account: Address) -> Position:
        return ADAPTER.holding(self.market, self.evm.ask(ADAPTER.holding_reads(self.market, account)))

    def balance_raw(self, account: Address) -> int:
        (answer,) = self.evm.ask((Call(self.market.asset.address, BALANCE_OF.encode(account)),))
        return int.from_bytes(answer, "big")

    def act(self, account: Address, action: MarketAction) -> Outcome:
        return self.evm.send(account, Call(self.market.address, calldata(action, account)))

    def say(self, sender: Address, target: Address, signature: str, *arguments: object) -> None:
        """What others do, where their contract lets them."""
        try:
            self.evm.transact(sender, target, signature, *arguments)
        except AssertionError:
            return


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    account: Address
    action: MarketAction
    seconds: int


@dataclass(frozen=True, slots=True)
class Dice:
    """A wrapper and the numbers that are thrown for it."""

    chain: StataInEvm
    random: random.Random

    def step(self, state: Stata, held: Mapping[Address, Position]) -> Step | None:
        """What happens next; None where others did something, which then has happened already."""
        if self.random.random() < DISTURBED:
            self.disturb(state)
            return None
        account, seconds = self.random.choice(ACCOUNTS), self.random.choice(SECONDS)
        return Step(account, self.action(ADAPTER.accrue(state, seconds), held[account]), seconds)

    def action(self, state: Stata, held: Position) -> MarketAction:
        """Amounts at and around every edge, and ordinary ones."""
        market, throw = self.chain.market, self.random
        purse_raw = 10**5 * 10**market.asset.decimals
        small_raw = throw.choice((0, 1, throw.randint(2, 9)))
        match throw.randrange(3):
            case 0:
                edge_raw = min(max_deposit_raw(state), purse_raw)
                raw = throw.choice(
                    (small_raw, edge_raw - 1, edge_raw, edge_raw + 1, *(throw.randint(1, purse_raw) for _ in range(6)))
                )
                return Supply(market, Amount(market.asset, max(raw, 0)))
            case 1:
                edge_raw = throw.choice((max_withdraw_raw(state, held.shares_raw), ADAPTER.value_raw(state, held)))
                raw = throw.choice((small_raw, edge_raw - 1, edge_raw, edge_raw + 1, MAX_UINT256, *self.parts(edge_raw)))
                return Withdraw(market, Amount(market.asset, max(raw, 0)))
            case _:
                edge_raw = throw.choice((max_redeem_raw(state, held.shares_raw), held.shares_raw))
                raw = throw.choice((small_raw, edge_raw - 1, edge_raw, edge_raw + 1, MAX_UINT256, *self.parts(edge_raw)))
                return Withdraw(market, Shares(max(raw, 0)))

    def parts(self, whole_raw: int) -> Sequence[int]:
        return [whole_raw * self.random.randint(0, 1_000) // 2_000 for _ in range(6)]

    def disturb(self, state: Stata) -> None:
        """An administrator changes a limit, somebody uses the pool, or aTokens come and go."""
        limits = state.reserve.configuration
        closed = limits.paused or limits.frozen or state.paused
        if closed or self.random.random() < 0.3:
            self.administer(state)
        else:
            self.use(state)

    def administer(self, state: Stata) -> None:
        throw, admin, asset = self.random, self.chain.evm.admin["new"], self.chain.market.asset
        limits, say = state.reserve.configuration, self.chain.say
        supplied = state.reserve.scaled_supply_raw // 10**asset.decimals
        cap = throw.choice((0, supplied, supplied + throw.randint(0, 10**5), supplied + 10**6))
        configurator = admin["configurator"]
        match 1 if limits.paused else 2 if limits.frozen else 3 if state.paused else throw.randrange(5):
            case 1:
                say(self.chain.admin, configurator, "setReservePause(address,bool)", asset.address, not limits.paused)
            case 2:
                say(self.chain.admin, configurator, "setReserveFreeze(address,bool)", asset.address, not limits.frozen)
            case 3:
                say(self.chain.admin, self.chain.market.address, "setPaused(bool)", not state.paused)
            case _:
                say(self.chain.admin, configurator, "setSupplyCap(address,uint256)", asset.address, cap)

    def use(self, state: Stata) -> None:
        throw, asset, pool = self.random, self.chain.market.asset, self.chain.market.wraps[0].address
        lender, borrower, say = self.chain.evm.actors["lender"], self.chain.evm.actors["borrower"], self.chain.say
        some_raw = throw.randint(1, 10**4 * 10**asset.decimals)
        account, drained_raw = throw.choice(ACCOUNTS), max(state.reserve.available_raw - throw.choice((0, 1, some_raw)), 0)
        match throw.randrange(7):
            case 0:
                say(borrower, pool, BORROW, asset.address, throw.choice((some_raw, drained_raw)), VARIABLE, 0, borrower)
            case 1:
                say(borrower, pool, REPAY, asset.address, throw.choice((some_raw, MAX_UINT256)), VARIABLE, borrower)
            case 2:
                say(lender, pool, SUPPLY, asset.address, some_raw, account, 0)
            case 3:
                say(
                    lender,
                    pool,
                    "withdraw(address,uint256,address)",
                    asset.address,
                    throw.choice((some_raw, drained_raw)),
                    lender,
                )
            case 4:
                say(lender, self.chain.receipt, "transfer(address,uint256)", self.chain.market.address, some_raw)
            case 5:
                say(account, self.chain.market.address, DEPOSIT_RECEIPTS, some_raw, account)
            case _:
                say(account, self.chain.market.address, REDEEM_RECEIPTS, some_raw, account, account)


def market_of(content: Mapping[str, Any], market_id: str) -> Market:
    """A market of the deployment with what it wraps, by hand, so that the registry is not under test here."""
    assets = {
        entry["address"]: Asset(31_337, entry["address"], entry["symbol"], entry["decimals"]) for entry in content["assets"]
    }
    entry = next(entry for entry in content["markets"] if entry["id"] == market_id)
    wraps = tuple(market_of(content, name) for name in entry.get("wraps", ()))
    return Market(
        market_id, entry["protocol"], entry["address"], assets[entry["asset"]], tuple(entry["contracts"].items()), wraps=wraps
    )


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
            raise ValueError(f"no wrapper does {action}")


def name_of(action: MarketAction) -> str:
    """deposit, withdraw or redeem."""
    if isinstance(action, Supply):
        return "deposit"
    return "redeem" if isinstance(action, Withdraw) and isinstance(action.amount, Shares) else "withdraw"

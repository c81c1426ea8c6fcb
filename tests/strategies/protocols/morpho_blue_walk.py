"""Seeded choices for walking a Morpho Blue market: who acts, when and how much; and what others do to it. It asserts nothing."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address, Amount, Borrow, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.errors import UnknownCall
from strategies.protocols import morpho_blue
from strategies.protocols.adapter import Call, Function
from strategies.protocols.morpho_blue import LoanMarket, MorphoBlue, lending
from strategies.units import MAX_UINT256, WAD
from tests.evm import Evm

ADAPTER: Final = MorphoBlue()
KINDS: Final[Mapping[str, Callable[[Market, int], MarketAction]]] = {
    "Supply": lambda market, raw: Supply(market, Amount(market.asset, raw)),
    "Withdraw": lambda market, raw: Withdraw(market, Amount(market.asset, raw)),
    "Withdraw shares": lambda market, raw: Withdraw(market, Shares(raw)),
    "Borrow": lambda market, raw: Borrow(market, Amount(market.asset, raw)),
    "Repay": lambda market, raw: Repay(market, Amount(market.asset, raw)),
    "Repay shares": lambda market, raw: Repay(market, Shares(raw)),
    "Supply collateral": lambda market, raw: Supply(market, Amount(market.others[0], raw)),
    "Withdraw collateral": lambda market, raw: Withdraw(market, Amount(market.others[0], raw)),
}
WIRE: Final[Mapping[str, tuple[Function, Callable[[int], tuple[int, ...]]]]] = {
    "Supply": (morpho_blue.SUPPLY, lambda raw: (raw, 0)),
    "Withdraw": (morpho_blue.WITHDRAW, lambda raw: (raw, 0)),
    "Withdraw shares": (morpho_blue.WITHDRAW, lambda raw: (0, raw)),
    "Borrow": (morpho_blue.BORROW, lambda raw: (raw, 0)),
    "Repay": (morpho_blue.REPAY, lambda raw: (raw, 0)),
    "Repay shares": (morpho_blue.REPAY, lambda raw: (0, raw)),
    "Supply collateral": (morpho_blue.SUPPLY_COLLATERAL, lambda raw: (raw,)),
    "Withdraw collateral": (morpho_blue.WITHDRAW_COLLATERAL, lambda raw: (raw,)),
}
SECONDS: Final = (0, 1, 1, 12, 3_600, 86_400, 30 * 86_400, 150 * 86_400)
ACTORS: Final = ("lender", "borrower", "stranger")
PURSE_RAW: Final = 10**27
PARAMETERS: Final = "(address,address,address,address,uint256)"


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    kind: str
    account: Address
    market: Market
    raw: int
    seconds: int

    @property
    def action(self) -> MarketAction:
        return KINDS[self.kind](self.market, self.raw)

    @property
    def call(self) -> Call:
        """The singleton's call, also where the adapter writes none: of nothing, of too much, a repayment by shares."""
        try:
            return ADAPTER.encode(self.action, self.account)[-1]
        except UnknownCall:
            function, chosen = WIRE[self.kind]
            words = (*morpho_blue.parameters(self.market), *chosen(self.raw), *morpho_blue.TAILS[function](self.account))
            return Call(self.market.address, function.encode(*words))


@dataclass(frozen=True, slots=True)
class Dice:
    """A market and the numbers that are thrown for it."""

    evm: Evm
    market: Market
    random: random.Random
    disturbed: float = 0.12  # how often it is another's turn

    def step(self, state: LoanMarket, held: Mapping[Address, Position]) -> Step | None:
        """What happens next; None where it was something else than an action, which then has happened already."""
        seconds = self.random.choice(SECONDS)
        if self.random.random() < self.disturbed:
            self.evm.warp(seconds)
            self.disturb(state)
            return None
        account = self.random.choice(tuple(held))
        kind = self.random.choice(tuple(KINDS)[: 8 if self.market.others else 4])
        now = lending.updated(ADAPTER.accrue(state, seconds))
        return Step(kind, account, self.market, self.raw(self.edges(kind, now, held[account])), seconds)

    def edges(self, kind: str, now: LoanMarket, held: Position) -> tuple[int, ...]:
        """The amounts at which the answer may turn."""
        backing_raw = sum(amount.raw for amount in held.collateral)
        owed_raw, available_raw = lending.owed_of_raw(now, held.debt_raw), ADAPTER.withdrawable_raw(now)
        room_raw = max(lending.borrowable_raw(now, backing_raw) - owed_raw, 0)
        needed_raw = -(-owed_raw * 10**54 // max(now.price_e36 * self.lltv_wad, 1))
        return {
            "Supply": (available_raw,),
            "Withdraw": (available_raw, lending.supplied_of_raw(now, held.shares_raw)),
            "Withdraw shares": (held.shares_raw, lending.to_shares_down(available_raw, now.supplied_raw, now.supply_shares_raw)),
            "Borrow": (available_raw, room_raw),
            "Repay": (owed_raw,),
            "Repay shares": (held.debt_raw,),
            "Supply collateral": (needed_raw, 10**22),
            "Withdraw collateral": (backing_raw, max(backing_raw - needed_raw, 0)),
        }[kind]

    @property
    def lltv_wad(self) -> int:
        return self.market.number("lltv_wad") if self.market.others else 0

    def raw(self, edges: Sequence[int]) -> int:
        """At an edge, beside it, nothing, too much, or an ordinary part."""
        edge_raw = self.random.choice(edges)
        if self.random.random() < 0.02:
            return self.random.choice((0, 2**128 - 1, 2**128, MAX_UINT256))
        around = (1, self.random.randint(2, 10**7), edge_raw - 1, edge_raw, edge_raw, edge_raw + 1, edge_raw + 2)
        ordinary = (int(edge_raw * self.random.random() / 3) for _ in range(6))
        return max(self.random.choice((*around, *ordinary)), 0)

    def disturb(self, state: LoanMarket) -> None:
        """Interest is booked, a fee or a price moves, or a debtor is liquidated."""
        throw, owner, pinned = self.random, self.evm.actors["deployer"], morpho_blue.parameters(self.market)
        chance = throw.random()
        if chance < 0.25:
            self.evm.transact(owner, self.market.address, f"accrueInterest({PARAMETERS})", pinned)
        elif chance < 0.5 and (fee_wad := throw.choice((0, 1, WAD // 10, WAD // 4))) != state.fee_wad:
            self.evm.transact(owner, self.market.address, f"setFee({PARAMETERS},uint256)", pinned, fee_wad)
        elif chance < 0.85 and self.market.others:
            usual_e36 = 10 ** (36 + self.market.asset.decimals - self.market.others[0].decimals)
            usual_e36 *= 3_000 if self.market.others[0].symbol == "WETH" else 1
            price_e36 = throw.choice(
                (usual_e36, usual_e36, int(usual_e36 * (0.4 + throw.random())), state.price_e36 + 1, 0, 2**200)
            )
            self.evm.transact(owner, self.market.contract("oracle"), "setPrice(uint256)", price_e36)
        else:
            self.liquidate(state, pinned)

    def liquidate(self, state: LoanMarket, pinned: Sequence[object]) -> None:
        """The stranger tries to seize a little of the borrower's collateral, or all of it."""
        asked, borrower = lending.updated(state), self.evm.actors["borrower"]
        (answer,) = self.evm.ask(ADAPTER.holding_reads(self.market, borrower))
        seized_raw = sum(a.raw for a in ADAPTER.holding(self.market, (answer,)).collateral) // self.random.choice((1, 3, 50))
        if not seized_raw or not asked.price_e36:
            return
        signature, stranger = f"liquidate({PARAMETERS},address,uint256,uint256,bytes)", self.evm.actors["stranger"]
        try_call(self.evm, stranger, self.market.address, signature, pinned, borrower, seized_raw, 0, b"")


def try_call(evm: Evm, sender: Address, target: Address, signature: str, *arguments: object) -> None:
    """A call by its signature that may revert."""
    mark = evm.mark()
    try:
        evm.transact(sender, target, signature, *arguments)
    except AssertionError:
        evm.back(mark)


def provide(evm: Evm, markets: Sequence[Market], spender: Address) -> None:
    """Every actor gets tokens beyond need and lets a contract take them."""
    for asset in dict.fromkeys(asset for market in markets for asset in (market.asset, *market.others)):
        for name in ACTORS:
            account = evm.actors[name]
            if asset.symbol == "WETH":
                evm.transact(account, asset.address, "deposit()", value_wei=10**24)
            else:
                evm.transact(account, asset.address, "mint(address,uint256)", account, PURSE_RAW)
            evm.transact(account, asset.address, "approve(address,uint256)", spender, MAX_UINT256)


def balances_raw(evm: Evm, market: Market, account: Address) -> dict[str, int]:
    """What an account has of each asset a market deals in."""
    reads = ((asset.symbol, asset.address) for asset in (market.asset, *market.others))
    return {symbol: evm.read(address, "balanceOf(address)", "(uint256)", account)[0] for symbol, address in reads}

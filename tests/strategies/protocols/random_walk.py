"""Seeded choices for walking one reserve: who acts, when and how much; and what others do to it meanwhile. It asserts nothing."""

import random
from dataclasses import dataclass

from strategies.domain import ALL, Address, Amount, Borrow, Market, MarketAction, Position, Repay, Supply, Withdraw
from strategies.protocols import aave_v3
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256
from tests.strategies.protocols.pool_on_chain import ADAPTER, PoolOnChain

ACTIONS = (Supply, Withdraw, Borrow, Repay)
SECONDS = (1, 1, 12, 3_600, 86_400, 30 * 86_400)
DISTURBED = 0.15


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    account: Address
    action: MarketAction
    seconds: int


@dataclass(frozen=True, slots=True)
class Dice:
    """A market and the numbers that are thrown for it."""

    chain: PoolOnChain
    market: Market
    random: random.Random

    def step(self, state: pool.Reserve, held: dict[Address, Position]) -> Step | None:
        """What happens next; None where it was something else than an action, which then has happened already."""
        if self.random.random() < DISTURBED:
            self.disturb(state)
            return None
        account, seconds = self.random.choice(self.chain.accounts), self.random.choice(SECONDS)
        later = ADAPTER.accrue(state, seconds)
        action = self.action(later, held[account])
        if outlay_raw(later, held[account], action) > self.chain.balance_raw(self.market, account):
            return None  # the token would refuse, not the pool
        return Step(account, action, seconds)

    def action(self, state: pool.Reserve, held: Position) -> MarketAction:
        """Amounts at and around every edge, and ordinary ones."""
        kind = self.random.choice(ACTIONS)
        edge_raw = {
            Supply: state.available_raw,
            Withdraw: pool.supplied_raw(state, held.shares_raw),
            Borrow: state.available_raw,
            Repay: pool.owed_raw(state, held.debt_raw),
        }[kind]
        if kind in (Withdraw, Repay) and self.random.random() < 0.1:
            return Withdraw(self.market, ALL) if kind is Withdraw else Repay(self.market, ALL)
        edges = (self.random.randint(1, 9), edge_raw, edge_raw + 1, edge_raw - 1, state.available_raw + 1)
        ordinary = (int(edge_raw * self.random.random() / 8) for _ in range(8))
        return kind(self.market, Amount(self.market.asset, max(self.random.choice((*edges, *ordinary)), 1)))

    def disturb(self, state: pool.Reserve) -> None:
        """An administrator changes a limit, the treasury is paid, or somebody gives the pool a present."""
        throw, whole = self.random, 10**self.market.asset.decimals
        evm, stranger = self.chain.evm, self.chain.evm.actors["stranger"]
        supplied, owed = state.scaled_supply_raw // whole, state.scaled_debt_raw // whole
        settings: tuple[tuple[str, object], ...] = (
            ("setSupplyCap(address,uint256)", throw.choice((0, supplied + throw.randint(0, 10**6)))),
            ("setBorrowCap(address,uint256)", throw.choice((0, owed + throw.randint(0, 10**6)))),
            ("setReserveFreeze(address,bool)", not state.configuration.frozen),
            ("setReservePause(address,bool)", not state.configuration.paused),
            ("setReserveFactor(address,uint256)", throw.choice((0, 1, 777, 1_000, 9_999))),
            ("setReserveBorrowing(address,bool)", throw.random() < 0.7),
        )
        closed = 2 if state.configuration.frozen else 3 if state.configuration.paused else None
        match throw.randrange(8) if closed is None or throw.random() < 0.3 else closed:
            case 6:
                evm.transact(stranger, self.market.address, "mintToTreasury(address[])", [self.market.asset.address])
            case 7:
                present = (self.market.contract("receipt"), throw.randint(1, whole))
                evm.transact(stranger, self.market.asset.address, "transfer(address,uint256)", *present)
            case setting:
                self.chain.administer(self.market, *settings[setting])


def written(action: MarketAction, account: Address) -> Call:
    """The pool call of an action; a repayment of everything, which the adapter does not write, a person may still send."""
    if isinstance(action, Repay) and action.amount is ALL:
        arguments = (action.market.asset.address, MAX_UINT256, aave_v3.VARIABLE, account)
        return Call(action.market.address, aave_v3.REPAY.encode(*arguments))
    return ADAPTER.encode(action, account)[-1]


def outlay_raw(state: pool.Reserve, held: Position, action: MarketAction) -> int:
    """What the account must have in its wallet for it."""
    match action:
        case Supply(amount=amount):
            return amount.raw
        case Repay():
            return pool.owed_raw(state, held.debt_raw)
        case _:
            return 0

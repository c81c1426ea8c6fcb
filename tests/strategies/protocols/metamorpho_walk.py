"""Seeded choices for walking a MetaMorpho vault: who acts, when and how much; and what others do to it. It asserts nothing."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address, Amount, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import UnknownCall
from strategies.protocols import metamorpho, morpho_blue, vault_calls
from strategies.protocols.adapter import Call, Function
from strategies.protocols.metamorpho import CuratedVault, MetaMorpho
from strategies.protocols.morpho_blue import lending
from strategies.units import MAX_UINT256, WAD
from tests.evm import Evm
from tests.strategies.protocols.morpho_blue_walk import PARAMETERS, try_call

ADAPTER: Final = MetaMorpho()
KINDS: Final[Mapping[str, Callable[[Market, int], MarketAction]]] = {
    "Supply": lambda market, raw: Supply(market, Amount(market.asset, raw)),
    "Withdraw": lambda market, raw: Withdraw(market, Amount(market.asset, raw)),
    "Withdraw shares": lambda market, raw: Withdraw(market, Shares(raw)),
}
WIRE: Final[Mapping[str, tuple[Function, int]]] = {  # how often the account is named
    "Supply": (vault_calls.DEPOSIT, 1),
    "Withdraw": (vault_calls.WITHDRAW, 2),
    "Withdraw shares": (vault_calls.REDEEM, 2),
}
SECONDS: Final = (0, 1, 1, 12, 3_600, 86_400, 30 * 86_400, 150 * 86_400)
TIMELOCK_SECONDS: Final = 86_400


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
        """The vault's call, also where the adapter writes none: of nothing, or of too much."""
        try:
            return ADAPTER.encode(self.action, self.account)[-1]
        except UnknownCall:
            function, parties = WIRE[self.kind]
            return Call(self.market.address, function.encode(self.raw, *[self.account] * parties))


@dataclass(frozen=True, slots=True)
class Dice:
    """A vault and the numbers that are thrown for it."""

    evm: Evm
    market: Market
    random: random.Random
    disturbed: float = 0.25  # how often it is another's turn

    def step(self, state: CuratedVault, held: Mapping[Address, Position]) -> Step | None:
        """What happens next; None where it was something else than an action, which then has happened already."""
        seconds = self.random.choice(SECONDS)
        if self.random.random() < self.disturbed:
            self.evm.warp(seconds)
            self.disturb(state)
            return None
        account, kind = self.random.choice(tuple(held)), self.random.choice(tuple(KINDS))
        later = ADAPTER.accrue(state, seconds)
        return Step(kind, account, self.market, self.raw(self.edge_raw(kind, later, held[account])), seconds)

    def edge_raw(self, kind: str, later: CuratedVault, held: Position) -> int:
        """An amount at which the answer may turn: the caps' room, what is there, what the account has."""
        total_raw, shares_raw = metamorpho.accrued(later)
        there_raw, value_raw = ADAPTER.withdrawable_raw(later), ADAPTER.value_raw(later, held)
        return {
            "Supply": room_raw(later),
            "Withdraw": self.random.choice((there_raw, value_raw)),
            "Withdraw shares": self.random.choice((held.shares_raw, there_raw * shares_raw // max(total_raw, 1))),
        }[kind]

    def raw(self, edge_raw: int) -> int:
        """At an edge, beside it, nothing, too much, or an ordinary part."""
        if self.random.random() < 0.02:
            return self.random.choice((0, 2**128 - 1, 2**128, MAX_UINT256))
        around = (0, 1, self.random.randint(2, 10**7), edge_raw - 1, edge_raw, edge_raw + 1, edge_raw + 2)
        ordinary = (int(edge_raw * self.random.random() / 3) for _ in range(8))
        return max(self.random.choice((*around, *ordinary)), 0)

    def disturb(self, state: CuratedVault) -> None:
        """The owner moves the fee, a cap or a queue, or shifts money; or others act on the markets beneath."""
        throw, owner, vault = self.random, self.evm.actors["deployer"], self.market.address
        match throw.randrange(6):
            case 0:
                try_call(self.evm, owner, vault, "setFee(uint256)", throw.choice((0, 1, WAD // 10, WAD // 2)))
            case 1:
                self.recap(state)
            case 2:
                queue = [throw.choice(self.market.wraps) for _ in state.supply_queue]
                identifiers = [identifier(wrapped) for wrapped in queue]
                try_call(self.evm, owner, vault, "setSupplyQueue(bytes32[])", identifiers)
            case 3:
                self.reallocate(state)
            case _:
                self.act_beneath(state)

    def recap(self, state: CuratedVault) -> None:
        """A cap falls at once, or rises after its timelock."""
        at = self.random.randrange(len(state.allocations))
        pinned, cap_raw = morpho_blue.parameters(self.market.wraps[at]), state.allocations[at].cap_raw
        wanted_raw = self.random.choice((0, cap_raw // 2, cap_raw + 10**12, 3 * 10**12, 2**184 - 1))
        owner, vault = self.evm.actors["deployer"], self.market.address
        try_call(self.evm, owner, vault, f"submitCap({PARAMETERS},uint256)", pinned, wanted_raw)
        if wanted_raw > cap_raw:
            self.evm.warp(TIMELOCK_SECONDS)
            try_call(self.evm, owner, vault, f"acceptCap({PARAMETERS})", pinned)

    def reallocate(self, state: CuratedVault) -> None:
        """A part of one market's money goes to another, as far as liquidity and cap let it."""
        giver, taker = self.random.sample(range(len(state.allocations)), 2)
        worth_raw = lending.supplied_of_raw(
            lending.updated(state.allocations[giver].loan), state.allocations[giver].held.shares_raw
        )
        left_raw = self.random.choice((0, worth_raw // 2, worth_raw - 1))
        moves = [(giver, max(left_raw, 0)), (taker, MAX_UINT256)]
        allocations = [(morpho_blue.parameters(self.market.wraps[at]), raw) for at, raw in moves]
        signature = f"reallocate(({PARAMETERS},uint256)[])"
        try_call(self.evm, self.evm.actors["deployer"], self.market.address, signature, allocations)

    def act_beneath(self, state: CuratedVault) -> None:
        """The borrower draws or repays, the stranger lends, or somebody only books the interest of one market."""
        at, throw = self.random.randrange(len(state.allocations)), self.random
        loan, pinned = state.allocations[at].loan, morpho_blue.parameters(self.market.wraps[at])
        borrower, stranger, target = self.evm.actors["borrower"], self.evm.actors["stranger"], loan.market.address
        part_raw = int((loan.supplied_raw - loan.owed_raw) * throw.choice((0.1, 0.5, 1)))
        actions: tuple[tuple[Address, str, tuple[object, ...]], ...] = (
            (borrower, f"borrow({PARAMETERS},uint256,uint256,address,address)", (part_raw, 0, borrower, borrower)),
            (borrower, f"repay({PARAMETERS},uint256,uint256,address,bytes)", (loan.owed_raw // 3, 0, borrower, b"")),
            (stranger, f"supply({PARAMETERS},uint256,uint256,address,bytes)", (throw.randint(1, 10**12), 0, stranger, b"")),
            (stranger, f"accrueInterest({PARAMETERS})", ()),
        )
        sender, signature, words = throw.choice(actions)
        try_call(self.evm, sender, target, signature, pinned, *words)


def room_raw(state: CuratedVault) -> int:
    """How much more the caps of the supply queue's markets take."""
    allocations = [state.allocations[at] for at in dict.fromkeys(state.supply_queue)]
    room = 0
    for allocation in allocations:
        now = lending.updated(allocation.loan)
        worth_raw = lending.to_assets_up(allocation.held.shares_raw, now.supplied_raw, now.supply_shares_raw)
        room += max(allocation.cap_raw - worth_raw, 0)
    return room


def identifier(market: Market) -> bytes:
    return morpho_blue.market_id(market).to_bytes(32, "big")

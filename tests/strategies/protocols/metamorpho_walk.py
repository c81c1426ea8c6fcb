"""Seeded choices for walking a MetaMorpho vault: who acts, when and how much; and what others do to it."""

import random
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address, Market, MarketAction, Position
from strategies.errors import UnknownCall
from strategies.protocols import metamorpho, morpho_blue
from strategies.protocols.metamorpho import CuratedVault, MetaMorpho
from strategies.protocols.morpho_blue import lending
from strategies.units import MAX_UINT256, WAD
from tests.evm import Evm, Outcome
from tests.strategies.protocols import erc4626_walk
from tests.strategies.protocols.differential import Rules, Scene, Taken, Walk
from tests.strategies.protocols.morpho_blue_walk import KINDS as LENDING
from tests.strategies.protocols.morpho_blue_walk import PARAMETERS, SECONDS, provide

ADAPTER: Final = MetaMorpho()
KINDS: Final = {name: LENDING[name] for name in ("Supply", "Withdraw", "Withdraw shares")}
VAULT: Final = "metamorpho:USDC"
TIMELOCK_SECONDS: Final = 86_400


def act(evm: Evm, account: Address, action: MarketAction) -> Outcome:
    """The vault's call, also where the adapter writes none: of nothing, or of too much."""
    try:
        return evm.send(account, ADAPTER.encode(action, account)[-1])
    except UnknownCall:
        return erc4626_walk.act(evm, account, action)


def says_what_the_vault_says(scene: Scene[CuratedVault], taken: Taken, state: CuratedVault, held: Position) -> None:
    at, value_raw = scene.market.address, ADAPTER.value_raw(state, held)
    most_raw = min(value_raw, ADAPTER.withdrawable_raw(state))
    assert scene.evm.read(at, "convertToAssets(uint256)", "(uint256)", held.shares_raw) == (value_raw,)
    assert scene.evm.read(at, "maxWithdraw(address)", "(uint256)", taken.step.account) == (most_raw,)


RULES: Final = Rules(adapter=ADAPTER, act=act, also=says_what_the_vault_says)


def scene(evm: Evm, vault_id: str) -> Scene[CuratedVault]:
    """Everybody has tokens that the vault and the singleton may take, and the borrower has backing in every market."""
    vault, accounts = evm.market(vault_id), tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))
    provide(evm, vault, accounts, vault.address)
    for wrapped in vault.wraps:
        provide(evm, wrapped, accounts, wrapped.address)
    for wrapped in vault.wraps[1:]:
        borrower, backing = evm.actors["borrower"], (morpho_blue.parameters(wrapped), 10**23, evm.actors["borrower"], b"")
        evm.transact(borrower, wrapped.address, f"supplyCollateral({PARAMETERS},uint256,address,bytes)", *backing)
    return Scene(evm=evm, market=vault, rules=RULES, accounts=accounts, seconds=SECONDS, disturbed=0.25)


def walk_of(evm: Evm, vault_id: str, seed: int) -> Walk[CuratedVault]:
    of = scene(evm, vault_id)
    return Walk(of, Dice(of, random.Random(seed)))


@dataclass(frozen=True, slots=True)
class Dice:
    """A vault and the numbers that are thrown for it."""

    scene: Scene[CuratedVault]
    random: random.Random

    def action(self, state: CuratedVault, account: Address, held: Position) -> MarketAction:
        kind = self.random.choice(tuple(KINDS))
        return KINDS[kind](self.scene.market, self.raw(self.edge_raw(kind, state, held)))

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
        throw, evm, owner = self.random, self.scene.evm, self.scene.evm.actors["deployer"]
        vault = self.scene.market.address
        evm.warp(throw.choice(SECONDS))
        match throw.randrange(6):
            case 0:
                self.scene.evm.attempt(owner, vault, "setFee(uint256)", throw.choice((0, 1, WAD // 10, WAD // 2)))
            case 1:
                self.recap(state)
            case 2:
                queue = [throw.choice(self.scene.market.wraps) for _ in state.supply_queue]
                identifiers = [identifier(wrapped) for wrapped in queue]
                self.scene.evm.attempt(owner, vault, "setSupplyQueue(bytes32[])", identifiers)
            case 3:
                self.reallocate(state)
            case _:
                self.act_beneath(state)

    def recap(self, state: CuratedVault) -> None:
        """A cap falls at once, or rises after its timelock."""
        at = self.random.randrange(len(state.allocations))
        pinned, cap_raw = morpho_blue.parameters(self.scene.market.wraps[at]), state.allocations[at].cap_raw
        wanted_raw = self.random.choice((0, cap_raw // 2, cap_raw + 10**12, 3 * 10**12, 2**184 - 1))
        owner, vault = self.scene.evm.actors["deployer"], self.scene.market.address
        self.scene.evm.attempt(owner, vault, f"submitCap({PARAMETERS},uint256)", pinned, wanted_raw)
        if wanted_raw > cap_raw:
            self.scene.evm.warp(TIMELOCK_SECONDS)
            self.scene.evm.attempt(owner, vault, f"acceptCap({PARAMETERS})", pinned)

    def reallocate(self, state: CuratedVault) -> None:
        """A part of one market's money goes to another, as far as liquidity and cap let it."""
        giver, taker = self.random.sample(range(len(state.allocations)), 2)
        worth_raw = lending.supplied_of_raw(
            lending.updated(state.allocations[giver].loan), state.allocations[giver].held.shares_raw
        )
        left_raw = self.random.choice((0, worth_raw // 2, worth_raw - 1))
        moves = [(giver, max(left_raw, 0)), (taker, MAX_UINT256)]
        allocations = [(morpho_blue.parameters(self.scene.market.wraps[at]), raw) for at, raw in moves]
        signature = f"reallocate(({PARAMETERS},uint256)[])"
        self.scene.evm.attempt(self.scene.evm.actors["deployer"], self.scene.market.address, signature, allocations)

    def act_beneath(self, state: CuratedVault) -> None:
        """The borrower draws or repays, the stranger lends, or somebody only books the interest of one market."""
        at, throw = self.random.randrange(len(state.allocations)), self.random
        loan, pinned = state.allocations[at].loan, morpho_blue.parameters(self.scene.market.wraps[at])
        borrower, stranger, target = self.scene.evm.actors["borrower"], self.scene.evm.actors["stranger"], loan.market.address
        part_raw = int((loan.supplied_raw - loan.owed_raw) * throw.choice((0.1, 0.5, 1)))
        actions: tuple[tuple[Address, str, tuple[object, ...]], ...] = (
            (borrower, f"borrow({PARAMETERS},uint256,uint256,address,address)", (part_raw, 0, borrower, borrower)),
            (borrower, f"repay({PARAMETERS},uint256,uint256,address,bytes)", (loan.owed_raw // 3, 0, borrower, b"")),
            (stranger, f"supply({PARAMETERS},uint256,uint256,address,bytes)", (throw.randint(1, 10**12), 0, stranger, b"")),
            (stranger, f"accrueInterest({PARAMETERS})", ()),
        )
        sender, signature, words = throw.choice(actions)
        self.scene.evm.attempt(sender, target, signature, pinned, *words)


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

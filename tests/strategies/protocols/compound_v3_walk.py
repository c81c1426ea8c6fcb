"""A Comet on the in-process chain, and seeded choices for walking it: who acts, when and how much. It asserts nothing."""

import random
from dataclasses import dataclass
from typing import Final

from agent.devnet.feed import ANSWER_SLOT
from strategies.domain import (
    ALL,
    Action,
    Address,
    Amount,
    Asset,
    Borrow,
    Entire,
    Lending,
    Market,
    Position,
    Repay,
    Supply,
    Withdraw,
)
from strategies.protocols import compound_v3
from strategies.protocols.adapter import Call
from strategies.protocols.compound_v3 import CompoundV3, comet
from strategies.protocols.compound_v3.comet import Comet
from strategies.units import MAX_UINT256
from tests.evm import Evm

ADAPTER: Final = CompoundV3()
KINDS: Final = (Supply, Withdraw, Borrow, Repay)
ACTORS: Final = ("lender", "borrower", "stranger")
SECONDS: Final = (0, 1, 1, 12, 3_600, 86_400, 30 * 86_400)
DISTURBED: Final = 0.15
PURSE: Final = 10**8  # whole tokens of each kind
FUNCTIONS: Final = {
    Supply: compound_v3.SUPPLY_TO,
    Withdraw: compound_v3.WITHDRAW_TO,
    Borrow: compound_v3.WITHDRAW_FROM,
    Repay: compound_v3.SUPPLY_FROM,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    account: Address
    action: Lending
    seconds: int


class CometOnChain:
    """The chain with the adapter's eyes and hands."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        self.market: Market = next(market for market in evm.deployment.markets if market.protocol == "compound_v3")
        self.assets: tuple[Asset, ...] = (self.market.asset, *self.market.others)
        self.accounts = tuple(evm.actors[name] for name in ACTORS)
        for account in self.accounts:
            for asset in self.assets:
                self.provide(account, asset)

    def provide(self, account: Address, asset: Asset) -> None:
        """Tokens to act with, which Comet may take."""
        raw = PURSE * 10**asset.decimals
        if asset.symbol == "WETH":
            self.evm.transact(account, asset.address, "deposit()", value_wei=raw)
        else:
            self.evm.transact(account, asset.address, "mint(address,uint256)", account, raw)
        self.evm.transact(account, asset.address, "approve(address,uint256)", self.market.address, MAX_UINT256)

    def state(self) -> Comet:
        return ADAPTER.decode(self.market, self.evm.ask(ADAPTER.reads(self.market)), self.evm.timestamp)

    def position(self, account: Address) -> Position:
        return ADAPTER.holding(self.market, self.evm.ask(ADAPTER.holding_reads(self.market, account)))

    def positions(self) -> dict[Address, Position]:
        return {account: self.position(account) for account in self.accounts}

    def balances(self, account: Address) -> tuple[int, ...]:
        """What an account has in its wallet of each asset."""
        reads = tuple(Call(asset.address, compound_v3.erc20.BALANCE_OF.encode(account)) for asset in self.assets)
        return tuple(int.from_bytes(answer, "big") for answer in self.evm.ask(reads))

    def govern(self, signature: str, *arguments: object) -> None:
        self.evm.transact(self.evm.actors["deployer"], self.market.address, signature, *arguments)

    def set_price(self, feed: Address, price_e8: int) -> None:
        self.evm.store(feed, int(ANSWER_SLOT, 16), price_e8)


@dataclass(frozen=True, slots=True)
class Dice:
    """A Comet and the numbers that are thrown for it."""

    chain: CometOnChain
    random: random.Random

    def step(self, state: Comet, held: dict[Address, Position]) -> Step | None:
        """What happens next; None where it was something else than an action, which then has happened already."""
        if self.random.random() < DISTURBED:
            self.disturb(state)
            return None
        account, seconds = self.random.choice(self.chain.accounts), self.random.choice(SECONDS)
        later = comet.accrued(ADAPTER.accrue(state, seconds))
        action = self.action(later, held[account])
        if not affordable(action, later, held[account], dict(zip(self.chain.assets, self.chain.balances(account), strict=True))):
            return None  # the token would refuse, not Comet
        return Step(account, action, seconds)

    def action(self, state: Comet, held: Position) -> Lending:
        """Amounts at and around every edge, and ordinary ones."""
        kind = self.random.choice(KINDS)
        if kind in (Withdraw, Repay) and self.random.random() < 0.15:
            return Withdraw(state.market, ALL) if kind is Withdraw else Repay(state.market, ALL)
        if kind in (Supply, Withdraw) and self.random.random() < 0.5:
            asset = self.random.choice(state.market.others)
            return kind(state.market, Amount(asset, self.collateral_raw(kind, state, held, asset)))
        edge_raw = {
            Supply: comet.owed_raw(state, held) or state.available_raw,
            Withdraw: comet.supplied_raw(state, held),
            Borrow: room_raw(state, held),
            Repay: comet.owed_raw(state, held),
        }[kind]
        smallest_raw = state.borrow_min_raw + (comet.supplied_raw(state, held) if kind is Borrow else 0)
        edges = (
            edge_raw,
            edge_raw + 1,
            edge_raw - 1,
            state.available_raw,
            state.available_raw + 1,
            smallest_raw,
            smallest_raw - 1,
        )
        return kind(state.market, Amount(state.market.asset, self.drawn(edge_raw, edges)))

    def collateral_raw(self, kind: type[Action], state: Comet, held: Position, asset: Asset) -> int:
        terms, backing_raw = comet.collateral_of(state, asset), held.collateral_raw(asset)
        left_raw = terms.cap_raw - terms.supplied_raw if kind is Supply else backing_raw
        return self.drawn(left_raw // 20 if kind is Supply else left_raw, (left_raw, left_raw + 1, left_raw - 1))

    def drawn(self, around_raw: int, edges: tuple[int, ...]) -> int:
        """Mostly something ordinary below a figure; else an edge, next to nothing, or far too much."""
        ordinary = tuple(int(around_raw * self.random.random()) for _ in range(9))
        odd = (0, 1, self.random.randint(2, 9), 2**103, 2**128, 2**255)
        return max(self.random.choice((*ordinary, *edges, *odd)), 0)

    def disturb(self, state: Comet) -> None:
        """Governance changes a limit or pauses, a price moves, or somebody gives Comet a present."""
        throw, chain, base = self.random, self.chain, state.market.asset
        prices = {"base_feed": state.price_e8} | {f"feed_{place}": one.price_e8 for place, one in enumerate(state.collaterals)}
        match throw.randrange(6) if not (state.supply_paused or state.withdraw_paused) else throw.choice((0, 1, 4, 5)):
            case 0:
                flags = throw.random() < 0.3, throw.random() < 0.3, throw.random() < 0.3
                chain.govern("pause(bool,bool,bool,bool,bool)", *flags, throw.random() < 0.5, throw.random() < 0.5)
            case 1 | 2:
                role = throw.choice(tuple(prices))
                chain.set_price(state.market.contract(role), max(prices[role] * throw.randint(70, 140) // 100, 1))
            case 3:
                place = throw.randrange(len(state.collaterals))
                cap_raw = state.collaterals[place].supplied_raw + throw.randint(0, 10_000 * 10**18)
                chain.govern("retune(uint256,uint8,uint128)", throw.choice((1, 10**6, 10**8)), place, cap_raw)
            case 4:
                present = (state.market.address, throw.randint(1, 10**9))
                chain.evm.transact(chain.accounts[0], base.address, "transfer(address,uint256)", *present)
            case _:
                chain.evm.warp(throw.choice(SECONDS))
                chain.evm.transact(chain.accounts[0], state.market.address, "accrueAccount(address)", chain.accounts[0])


def room_raw(state: Comet, held: Position) -> int:
    """About what an account can borrow besides taking what it has supplied."""
    covered_e8 = comet.worth_e8(state, held, [one.borrow_factor_wad for one in state.collaterals])
    left_e8 = max(covered_e8 - comet.debt_e8(state, held), 0)
    one: int = 10**state.market.asset.decimals
    return left_e8 * one // state.price_e8 + comet.supplied_raw(state, held)


def affordable(action: Lending, state: Comet, held: Position, purse: dict[Asset, int]) -> bool:
    """Whether the wallet has what the action gives."""
    match action:
        case Supply(amount=amount) | Repay(amount=Amount() as amount):
            return amount.raw <= purse[amount.asset]
        case Repay():
            return comet.owed_raw(state, held) <= purse[state.market.asset]
        case _:
            return True


def written(action: Lending, account: Address) -> Call:
    """Comet's call of an action; also of those that the adapter does not write and a person may still send."""
    function = FUNCTIONS[type(action)]
    amount = action.amount
    asset, raw = (amount.asset, amount.raw) if isinstance(amount, Amount) else (action.market.asset, MAX_UINT256)
    assert isinstance(amount, Amount | Entire)
    parties = [account] * compound_v3.PARTIES[function]
    return Call(action.market.address, function.encode(*parties, asset.address, raw))

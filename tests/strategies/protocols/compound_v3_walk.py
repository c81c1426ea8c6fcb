"""A Comet on the in-process chain, and seeded choices for walking it: who acts, when and how much."""

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
    MarketAction,
    Position,
    Repay,
    Supply,
    Withdraw,
)
from strategies.errors import ActionRefused, InsufficientBalance
from strategies.protocols import compound_v3
from strategies.protocols.adapter import Call
from strategies.protocols.compound_v3 import CompoundV3, comet
from strategies.protocols.compound_v3.comet import Comet
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import Rules, Scene, Walk, endow, judged

ADAPTER: Final = CompoundV3()
MARKET: Final = "comet:USDC"
KINDS: Final = (Supply, Withdraw, Borrow, Repay)
PURSE: Final = 10**8  # whole tokens of each kind
FUNCTIONS: Final = {
    Supply: compound_v3.SUPPLY,
    Withdraw: compound_v3.WITHDRAW,
    Borrow: compound_v3.WITHDRAW_TO,
    Repay: compound_v3.SUPPLY_TO,
}


def act(evm: Evm, account: Address, action: MarketAction) -> Outcome:
    """Comet's call of an action; also of those that the adapter does not write and a person may still send."""
    assert isinstance(action, Lending)
    function, amount = FUNCTIONS[type(action)], action.amount
    asset, raw = (amount.asset, amount.raw) if isinstance(amount, Amount) else (action.market.asset, MAX_UINT256)
    assert isinstance(amount, Amount | Entire)
    parties = [account] * compound_v3.PARTIES[function]
    return evm.send(account, Call(action.market.address, function.encode(*parties, asset.address, raw)))


def meant(state: Comet, held: Position, action: MarketAction) -> MarketAction:
    """A withdrawal of more base than is supplied, which the model refuses, is a loan to the contract."""
    if not isinstance(action, Withdraw) or not isinstance(action.amount, Amount) or action.amount.asset != state.market.asset:
        return action
    is_cut = isinstance(judged(ADAPTER, state, held, action), InsufficientBalance)
    return Borrow(state.market, action.amount) if is_cut else action


RULES: Final = Rules(adapter=ADAPTER, act=act, meant=meant)


def scene(evm: Evm, market_id: str) -> Scene[Comet]:
    """Everybody has tokens to act with, which Comet may take."""
    market = evm.market(market_id)
    accounts = tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))
    for asset in (market.asset, *market.others):
        endow(evm, asset, accounts, (market.address,), raw=PURSE * 10**asset.decimals)
    return Scene(evm=evm, market=market, rules=RULES, accounts=accounts)


def walk_of(evm: Evm, market_id: str, seed: int) -> Walk[Comet]:
    of = scene(evm, market_id)
    return Walk(of, Dice(of, random.Random(seed)))


def set_price(evm: Evm, feed: Address, price_e8: int) -> None:
    evm.store(feed, int(ANSWER_SLOT, 16), price_e8)


@dataclass(frozen=True, slots=True)
class Dice:
    """A Comet and the numbers that are thrown for it."""

    scene: Scene[Comet]
    random: random.Random

    def action(self, before: Comet, account: Address, held: Position) -> MarketAction:
        state = self.brought_to_now(before)
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

    def brought_to_now(self, state: Comet) -> Comet:
        """As it stands where an index would pass its word: then everything is to be refused."""
        try:
            return comet.accrued(state)
        except ActionRefused:
            return state

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
        throw, evm, market, stranger = self.random, self.scene.evm, state.market, self.scene.accounts[0]
        prices = {"base_feed": state.price_e8} | {f"feed_{place}": one.price_e8 for place, one in enumerate(state.collaterals)}
        match throw.randrange(6) if not (state.supply_paused or state.withdraw_paused) else throw.choice((0, 1, 4, 5)):
            case 0:
                flags = [throw.random() < share for share in (0.3, 0.3, 0.3, 0.5, 0.5)]
                evm.transact(evm.actors["deployer"], market.address, "pause(bool,bool,bool,bool,bool)", *flags)
            case 1 | 2:
                role = throw.choice(tuple(prices))
                set_price(evm, market.contract(role), max(prices[role] * throw.randint(70, 140) // 100, 1))
            case 3:
                place = throw.randrange(len(state.collaterals))
                cap_raw = state.collaterals[place].supplied_raw + throw.randint(0, 10_000 * 10**18)
                tuned = (throw.choice((1, 10**6, 10**8)), place, cap_raw)
                evm.transact(evm.actors["deployer"], market.address, "retune(uint256,uint8,uint128)", *tuned)
            case 4:
                present = (market.address, throw.randint(1, 10**9))
                evm.transact(stranger, market.asset.address, "transfer(address,uint256)", *present)
            case _:
                evm.warp(throw.choice(self.scene.seconds))
                evm.attempt(stranger, market.address, "accrueAccount(address)", stranger)


def room_raw(state: Comet, held: Position) -> int:
    """About what an account can borrow besides taking what it has supplied."""
    covered_e8 = comet.worth_e8(state, held, [one.borrow_factor_wad for one in state.collaterals])
    left_e8 = max(covered_e8 - comet.debt_e8(state, held), 0)
    one: int = 10**state.market.asset.decimals
    return left_e8 * one // state.price_e8 + comet.supplied_raw(state, held)

"""Seeded choices for walking a Morpho Blue market: who acts, when and how much; and what others do to it."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address, Amount, Borrow, Lending, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.errors import UnknownCall
from strategies.protocols import morpho_blue
from strategies.protocols.adapter import Call, Function
from strategies.protocols.morpho_blue import LoanMarket, MorphoBlue, lending
from strategies.units import MAX_UINT256, WAD
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import Rules, Scene, Walk, endow

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
WIRE: Final[Mapping[type[Lending], Function]] = {
    Supply: morpho_blue.SUPPLY,
    Withdraw: morpho_blue.WITHDRAW,
    Borrow: morpho_blue.BORROW,
    Repay: morpho_blue.REPAY,
}
OF_COLLATERAL: Final = {Supply: morpho_blue.SUPPLY_COLLATERAL, Withdraw: morpho_blue.WITHDRAW_COLLATERAL}
SECONDS: Final = (0, 1, 1, 12, 3_600, 86_400, 30 * 86_400, 150 * 86_400)
PARAMETERS: Final = "(address,address,address,address,uint256)"


def act(evm: Evm, account: Address, action: MarketAction) -> Outcome:
    """The singleton's call, also where the adapter writes none: of nothing, of too much, a repayment by shares."""
    assert isinstance(action, Lending)
    try:
        call = ADAPTER.encode(action, account)[-1]
    except UnknownCall:
        call = written(action, account)
    return evm.send(account, call)


def written(action: Lending, account: Address) -> Call:
    """The singleton's call of any amount."""
    market, amount = action.market, action.amount
    assert isinstance(amount, Amount | Shares)
    function, chosen = WIRE[type(action)], [amount.raw, 0]
    if isinstance(amount, Shares):
        chosen = [0, amount.raw]
    elif amount.asset != market.asset:
        function, chosen = OF_COLLATERAL[type(action)], [amount.raw]
    words = (*morpho_blue.parameters(market), *chosen, *morpho_blue.TAILS[function](account))
    return Call(market.address, function.encode(*words))


RULES: Final = Rules(adapter=ADAPTER, act=act)


def scene(evm: Evm, market_id: str) -> Scene[LoanMarket]:
    """Everybody has tokens that the singleton may take, and the borrower may be liquidated."""
    market, accounts = evm.market(market_id), tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))
    provide(evm, market, accounts, market.address)
    exposed = (evm.actors["borrower"],)
    return Scene(evm=evm, market=market, rules=RULES, accounts=accounts, exposed=exposed, seconds=SECONDS, disturbed=0.12)


def provide(evm: Evm, market: Market, accounts: Sequence[Address], spender: Address) -> None:
    """Tokens beyond need, which a contract may take."""
    for asset in (market.asset, *market.others):
        endow(evm, asset, accounts, (spender,), raw=10**24 if asset.symbol == "WETH" else 10**27)


def walk_of(evm: Evm, market_id: str, seed: int) -> Walk[LoanMarket]:
    of = scene(evm, market_id)
    return Walk(of, Dice(of, random.Random(seed)))


@dataclass(frozen=True, slots=True)
class Dice:
    """A market and the numbers that are thrown for it."""

    scene: Scene[LoanMarket]
    random: random.Random

    def action(self, state: LoanMarket, account: Address, held: Position) -> MarketAction:
        market, now = self.scene.market, lending.updated(state)
        kind = self.random.choice(tuple(KINDS)[: 8 if market.others else 4])
        return KINDS[kind](market, self.raw(self.edges(kind, now, held)))

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
        return self.scene.market.number("lltv_wad") if self.scene.market.others else 0

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
        throw, evm, market, owner = self.random, self.scene.evm, self.scene.market, self.scene.evm.actors["deployer"]
        pinned = morpho_blue.parameters(market)
        evm.warp(throw.choice(SECONDS))
        chance = throw.random()
        if chance < 0.25:
            evm.transact(owner, market.address, f"accrueInterest({PARAMETERS})", pinned)
        elif chance < 0.5 and (fee_wad := throw.choice((0, 1, WAD // 10, WAD // 4))) != state.fee_wad:
            evm.transact(owner, market.address, f"setFee({PARAMETERS},uint256)", pinned, fee_wad)
        elif chance < 0.85 and market.others:
            usual_e36 = 10 ** (36 + market.asset.decimals - market.others[0].decimals)
            usual_e36 *= 3_000 if market.others[0].symbol == "WETH" else 1
            price_e36 = throw.choice(
                (usual_e36, usual_e36, int(usual_e36 * (0.4 + throw.random())), state.price_e36 + 1, 0, 2**200)
            )
            evm.transact(owner, market.contract("oracle"), "setPrice(uint256)", price_e36)
        else:
            self.liquidate(state, pinned)

    def liquidate(self, state: LoanMarket, pinned: Sequence[object]) -> None:
        """The stranger tries to seize a little of the borrower's collateral, or all of it."""
        evm, borrower, stranger = self.scene.evm, self.scene.evm.actors["borrower"], self.scene.evm.actors["stranger"]
        seized_raw = sum(a.raw for a in self.scene.position(borrower).collateral) // self.random.choice((1, 3, 50))
        if seized_raw and lending.updated(state).price_e36:
            signature = f"liquidate({PARAMETERS},address,uint256,uint256,bytes)"
            evm.attempt(stranger, state.market.address, signature, pinned, borrower, seized_raw, 0, b"")

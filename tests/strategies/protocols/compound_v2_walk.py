"""A vToken in the in-process chain, and seeded choices for walking it: who acts, when, how much, and what others do meanwhile.

Every account is given tokens without end, and backing without end in the other vToken, so that only the walked market's own rules
can refuse; a call that succeeds but answers an error code counts as refused."""

import random
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import ALL, Address, Amount, Borrow, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.protocols import compound_v2 as venus
from strategies.protocols.adapter import Call
from strategies.protocols.compound_v2 import CompoundV2, LendingToken
from strategies.units import MAX_UINT256, WAD
from tests.evm import Evm, Outcome
from tests.strategies.protocols.differential import Rules, Scene, Taken, Walk, endow

ADAPTER: Final = CompoundV2()
KINDS: Final = ((Supply, Amount), (Withdraw, Amount), (Withdraw, Shares), (Borrow, Amount), (Repay, Amount))
BLOCK_SECONDS: Final = 3
PURSE_RAW: Final = 10**26
A_FORTUNE: Final = 10**9 * WAD  # what a token of the backing costs, in USD


def act(evm: Evm, account: Address, action: MarketAction) -> Outcome:
    """The vToken's call of an action, of the amounts too that the adapter does not write."""
    assert isinstance(action, Supply | Withdraw | Borrow | Repay)
    if isinstance(action.amount, Amount | Shares):
        data = venus.WRITES[type(action), type(action.amount)].encode(action.amount.raw)
    else:
        data = venus.REPAY_BORROW.encode(MAX_UINT256)
    said = evm.send(account, Call(action.market.address, data))
    return replace(said, succeeded=said.succeeded and int.from_bytes(said.output, "big") == 0)


def pass_time(evm: Evm, seconds: int) -> None:
    evm.warp(seconds)
    evm.number += seconds // BLOCK_SECONDS


def agrees(state: LendingToken, mine: Position, read: Position) -> bool:
    """What it has, and what it owes at the last accrual: the debt that is read has lost a fraction."""
    is_owed = venus.owed_raw(state, read.debt_raw) == venus.owed_raw(state, mine.debt_raw)
    return is_owed and read.shares_raw == mine.shares_raw


def reads_exactly(scene: Scene[LendingToken], taken: Taken, state: LendingToken, held: Position) -> None:
    """Once an account has borrowed or repaid, its principal is what it owes, so that it can be read."""
    if taken.outcome == "done" and isinstance(taken.step.action, Borrow | Repay):
        assert scene.position(taken.step.account) == held


RULES: Final = Rules(adapter=ADAPTER, act=act, pass_time=pass_time, agrees=agrees, also=reads_exactly)


def scene(evm: Evm, market: Market) -> Scene[LendingToken]:
    """A vToken as it is, with nothing provided."""
    accounts = tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))
    seconds = (0, 3, 3, 12, 3_600, 86_400, 30 * 86_400)
    return Scene(evm=evm, market=market, rules=RULES, accounts=accounts, seconds=seconds, disturbed=0.12)


def provided(evm: Evm, market_id: str) -> Scene[LendingToken]:
    """With tokens, approvals and backing for everybody."""
    of = scene(evm, evm.market(market_id))
    for market in (market for market in evm.deployment.markets if market.protocol == "compound_v2"):
        asset = market.asset
        endow(evm, asset, of.accounts, (market.address,), raw=PURSE_RAW)
        if market.id != market_id:
            for account in of.accounts:
                evm.transact(account, market.address, "mint(uint256)", 10**asset.decimals * 5 * 10**7)
                evm.transact(account, market.contract("comptroller"), "enterMarkets(address[])", [market.address])
            price = A_FORTUNE * 10 ** (18 - asset.decimals)
            administer(evm, market.contract("oracle"), "setDirectPrice(address,uint256)", asset.address, price)
    return of


def administer(evm: Evm, target: Address, signature: str, *arguments: object) -> None:
    evm.transact(evm.actors["deployer"], target, signature, *arguments)


@dataclass(frozen=True, slots=True)
class Dice:
    """A vToken and the numbers that are thrown for it."""

    scene: Scene[LendingToken]
    random: random.Random

    def action(self, before: LendingToken, account: Address, held: Position) -> MarketAction:
        kind, unit = self.random.choice(KINDS)
        state = venus.touched(before)
        if kind is Repay and self.random.random() < 0.1:
            return Repay(state.market, ALL)
        supplied, owed = venus.supplied_raw(state, held.shares_raw), venus.owed_raw(state, held.debt_raw)
        edge_raw = {Supply: state.cash_raw, Withdraw: supplied, Borrow: state.cash_raw, Repay: owed}[kind]
        edge_raw = held.shares_raw if unit is Shares else edge_raw
        limits = (state.supply_cap_raw - venus.supplied_raw(state, state.shares_raw), state.borrow_cap_raw - state.borrows_raw)
        near = [raw + self.random.randint(-1, 1) for raw in (edge_raw, edge_raw, state.cash_raw, *limits)]
        edges = (0, 1, self.random.randint(2, 9), MAX_UINT256, *near)
        ordinary = [int(edge_raw * self.random.random() / 8) for _ in range(10)] + [self.random.randint(1, WAD) for _ in "ab"]
        raw = min(max(self.random.choice((*edges, *ordinary)), 0), MAX_UINT256)
        return kind(state.market, Shares(raw) if unit is Shares else Amount(state.market.asset, raw))  # type: ignore[arg-type]

    def disturb(self, state: LendingToken) -> None:
        """An administrator changes a limit, somebody else pays in, or everything that was stopped goes on."""
        throw, evm, market, at = self.random, self.scene.evm, self.scene.market, self.scene.market.address
        supplied, stranger, comptroller = (
            venus.supplied_raw(state, state.shares_raw),
            self.scene.accounts[2],
            market.contract("comptroller"),
        )
        caps = [throw.choice((0, MAX_UINT256, raw + throw.randint(0, raw + 9))) for raw in (supplied, state.borrows_raw)]
        if state.paused and throw.random() < 0.6:
            administer(evm, comptroller, "_setProtocolPaused(bool)", False)
            administer(evm, comptroller, "_setActionsPaused(address[],uint8[],bool)", [at], [0, 1, 2, 3], False)
            administer(evm, comptroller, "setIsBorrowAllowed(uint96,address,bool)", 0, at, True)
            return
        match throw.randrange(11):
            case 0 | 1 as which:
                name = ("_setMarketSupplyCaps", "_setMarketBorrowCaps")[which]
                administer(evm, comptroller, f"{name}(address[],uint256[])", [at], [caps[which]])
            case 2 | 3:
                action = throw.randrange(4)
                administer(evm, comptroller, "_setActionsPaused(address[],uint8[],bool)", [at], [action], True)
            case 4:
                administer(evm, comptroller, "_setProtocolPaused(bool)", throw.random() < 0.5)
            case 5:
                administer(evm, comptroller, "setIsBorrowAllowed(uint96,address,bool)", 0, at, throw.random() < 0.5)
            case 6:
                administer(evm, at, "_setReserveFactor(uint256)", throw.choice((0, 1, WAD // 3, WAD)))
            case 7:
                administer(evm, at, "setReduceReservesBlockDelta(uint256)", throw.choice((1, 1_000, 10**9)))
            case 8:
                evm.transact(stranger, at, "accrueInterest()")
            case 9:
                evm.transact(stranger, at, "_addReserves(uint256)", throw.randint(1, 10**9))
            case _:
                evm.transact(stranger, market.asset.address, "transfer(address,uint256)", at, throw.randint(1, 10**9))
                if throw.random() < 0.5:
                    administer(evm, at, "sweepTokenAndSync(uint256)", 0)


def walk_of(evm: Evm, market_id: str, seed: int) -> Walk[LendingToken]:
    of = provided(evm, market_id)
    return Walk(of, Dice(of, random.Random(seed)))


def drained_walk_of(evm: Evm, market_id: str, seed: int) -> Walk[LendingToken]:
    """A walk that begins where nothing can be taken out."""
    of = provided(evm, market_id)
    drain(of)
    return Walk(of, Dice(of, random.Random(seed)))


def drain(of: Scene[LendingToken]) -> None:
    """Everybody repays all and redeems what there is cash for: debts are rounded apart from their total, so dust stays owed."""
    evm, at = of.evm, of.market.address
    administer(evm, at, "setReduceReservesBlockDelta(uint256)", 1)
    for account in of.accounts:
        evm.transact(account, at, "repayBorrow(uint256)", MAX_UINT256)
    for account in of.accounts:
        state, shares_raw = of.state(), of.position(account).shares_raw
        if venus.supplied_raw(state, shares_raw) <= state.cash_raw:
            evm.transact(account, at, "redeem(uint256)", shares_raw)
        else:
            evm.transact(account, at, "redeemUnderlying(uint256)", state.cash_raw)
    assert of.state().cash_raw == 0

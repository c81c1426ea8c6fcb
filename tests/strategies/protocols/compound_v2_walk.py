"""A vToken in the in-process chain, and seeded choices for walking it: who acts, when, how much, and what others do meanwhile.

It asserts nothing. Every account is given tokens without end, and backing without end in the other vToken, so that only the
walked market's own rules can refuse; a call that succeeds but answers an error code counts as refused.
"""

import random
from dataclasses import dataclass, replace

from strategies.domain import ALL, Address, Amount, Borrow, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols import compound_v2 as venus
from strategies.protocols.adapter import Applied, Call
from strategies.protocols.compound_v2 import CompoundV2, LendingToken
from strategies.units import MAX_UINT256, WAD
from tests.evm import Evm

ADAPTER = CompoundV2()
KINDS = ((Supply, Amount), (Withdraw, Amount), (Withdraw, Shares), (Borrow, Amount), (Repay, Amount))
SECONDS = (0, 3, 3, 12, 3_600, 86_400, 30 * 86_400)
DISTURBED = 0.12
PURSE_RAW = 10**26
A_FORTUNE = 10**9 * WAD  # what a token of the backing costs, in USD


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    account: Address
    action: MarketAction
    seconds: int


class VToken:
    """One vToken with the adapter's eyes and hands. A block passes every three seconds."""

    def __init__(self, evm: Evm, market: Market) -> None:
        self.evm, self.market = evm, market
        self.accounts = tuple(evm.actors[name] for name in ("lender", "borrower", "stranger"))
        self.comptroller = market.contract("comptroller")

    def state(self) -> LendingToken:
        return ADAPTER.decode(self.market, self.evm.ask(ADAPTER.reads(self.market)), self.evm.timestamp)

    def position(self, account: Address) -> Position:
        return ADAPTER.holding(self.market, self.evm.ask(ADAPTER.holding_reads(self.market, account)))

    def balance_raw(self, account: Address) -> int:
        return int(self.evm.read(self.market.asset.address, "balanceOf(address)", "(uint256)", account)[0])

    def pass_time(self, seconds: int) -> None:
        self.evm.warp(seconds)
        self.evm.number += 1_000 * seconds // self.market.number("block_milliseconds")

    def act(self, step: Step) -> bool:
        """Whether the action was done."""
        said = self.evm.send(step.account, written(step.action))
        return said.succeeded and int.from_bytes(said.output, "big") == 0

    def administer(self, target: Address, signature: str, *arguments: object) -> None:
        self.evm.transact(self.evm.actors["deployer"], target, signature, *arguments)

    def provide(self) -> None:
        """Tokens, approvals and backing for everybody."""
        for market in (market for market in self.evm.deployment.markets if market.protocol == "compound_v2"):
            asset, is_backing = market.asset, market.id != self.market.id
            for account in self.accounts:
                mint = ("deposit()",) if asset.symbol == "WETH" else ("mint(address,uint256)", account, PURSE_RAW)
                self.evm.transact(account, asset.address, *mint, value_wei=PURSE_RAW if len(mint) == 1 else 0)
                self.evm.transact(account, asset.address, "approve(address,uint256)", market.address, MAX_UINT256)
                if is_backing:
                    self.evm.transact(account, market.address, "mint(uint256)", 10**asset.decimals * 5 * 10**7)
                    self.evm.transact(account, self.comptroller, "enterMarkets(address[])", [market.address])
            if is_backing:
                price = ("setDirectPrice(address,uint256)", asset.address, A_FORTUNE * 10 ** (18 - asset.decimals))
                self.administer(market.contract("oracle"), *price)


@dataclass(frozen=True, slots=True)
class Dice:
    """A vToken and the numbers that are thrown for it."""

    chain: VToken
    random: random.Random

    def step(self, state: LendingToken, held: dict[Address, Position]) -> Step | None:
        """What happens next; None where it was something else than an action, which then has happened already."""
        if self.random.random() < DISTURBED:
            self.disturb(state)
            return None
        account, seconds = self.random.choice(self.chain.accounts), self.random.choice(SECONDS)
        later = venus.touched(ADAPTER.accrue(state, seconds))
        action = self.action(later, held[account])
        if outlay_raw(later, held[account], action) > self.chain.balance_raw(account):
            return None  # the token would refuse, not the vToken
        return Step(account, action, seconds)

    def action(self, state: LendingToken, held: Position) -> MarketAction:
        """Amounts at and around every edge, and ordinary ones."""
        kind, unit = self.random.choice(KINDS)
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
        throw, chain, at = self.random, self.chain, self.chain.market.address
        supplied, stranger = venus.supplied_raw(state, state.shares_raw), chain.accounts[2]
        caps = [throw.choice((0, MAX_UINT256, raw + throw.randint(0, raw + 9))) for raw in (supplied, state.borrows_raw)]
        if state.paused and throw.random() < 0.6:
            chain.administer(chain.comptroller, "_setProtocolPaused(bool)", False)
            chain.administer(chain.comptroller, "_setActionsPaused(address[],uint8[],bool)", [at], [0, 1, 2, 3], False)
            chain.administer(chain.comptroller, "setIsBorrowAllowed(uint96,address,bool)", 0, at, True)
            return
        match throw.randrange(11):
            case 0 | 1 as which:
                name = ("_setMarketSupplyCaps", "_setMarketBorrowCaps")[which]
                chain.administer(chain.comptroller, f"{name}(address[],uint256[])", [at], [caps[which]])
            case 2 | 3:
                action = throw.randrange(4)
                chain.administer(chain.comptroller, "_setActionsPaused(address[],uint8[],bool)", [at], [action], True)
            case 4:
                chain.administer(chain.comptroller, "_setProtocolPaused(bool)", throw.random() < 0.5)
            case 5:
                chain.administer(chain.comptroller, "setIsBorrowAllowed(uint96,address,bool)", 0, at, throw.random() < 0.5)
            case 6:
                chain.administer(at, "_setReserveFactor(uint256)", throw.choice((0, 1, WAD // 3, WAD)))
            case 7:
                chain.administer(at, "setReduceReservesBlockDelta(uint256)", throw.choice((1, 1_000, 10**9)))
            case 8:
                chain.evm.transact(stranger, at, "accrueInterest()")
            case 9:
                chain.evm.transact(stranger, at, "_addReserves(uint256)", throw.randint(1, 10**9))
            case _:
                chain.evm.transact(stranger, chain.market.asset.address, "transfer(address,uint256)", at, throw.randint(1, 10**9))
                if throw.random() < 0.5:
                    chain.administer(at, "sweepTokenAndSync(uint256)", 0)


def written(action: MarketAction) -> Call:
    """The vToken's call of an action, of the amounts too that the adapter does not write."""
    assert isinstance(action, Supply | Withdraw | Borrow | Repay)
    if action.amount is ALL:
        return Call(action.market.address, venus.REPAY_BORROW.encode(MAX_UINT256))
    assert isinstance(action.amount, Amount | Shares)
    return Call(action.market.address, venus.WRITES[type(action), type(action.amount)].encode(action.amount.raw))


def outlay_raw(state: LendingToken, held: Position, action: MarketAction) -> int:
    """What the account must have in its wallet for it; nothing where it will be refused anyway."""
    try:
        done = ADAPTER.apply(state, held, action)
    except ProtocolError:
        return 0
    return -done.moved_raw(state.market.asset)


def judged(state: LendingToken, held: Position, action: MarketAction) -> Applied[LendingToken] | ProtocolError:
    """What the model says of an action."""
    try:
        return ADAPTER.apply(state, held, action)
    except ProtocolError as refusal:
        return refusal


def drained(chain: VToken) -> None:
    """Everybody repays all and redeems what there is cash for: debts are rounded apart from their total, so dust stays owed."""
    at = chain.market.address
    chain.administer(at, "setReduceReservesBlockDelta(uint256)", 1)
    for account in chain.accounts:
        chain.evm.transact(account, at, "repayBorrow(uint256)", MAX_UINT256)
    for account in chain.accounts:
        state, shares_raw = chain.state(), chain.position(account).shares_raw
        if venus.supplied_raw(state, shares_raw) <= state.cash_raw:
            chain.evm.transact(account, at, "redeem(uint256)", shares_raw)
        else:
            chain.evm.transact(account, at, "redeemUnderlying(uint256)", state.cash_raw)


def with_pace(market: Market, block_milliseconds: int) -> Market:
    """The market on a chain of another pace."""
    numbers = dict(market.numbers) | {"block_milliseconds": block_milliseconds}
    return replace(market, numbers=tuple(sorted(numbers.items())))

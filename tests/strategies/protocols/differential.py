"""The one walk of a market on the in-process chain: at every step the model says first what the contract then does.

A protocol brings a `Scene` (its market, and how an account acts on it), the `Rules` by which its model is compared, and its dice.
After every step, and after whatever others did, all is compared: the state, every account's claim, every token moved, and
refusal with revert. It counts and asserts; how much is enough is for the tests to say."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from strategies.domain import Address, Amount, Asset, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import ProtocolError
from strategies.protocols.adapter import Adapter, Applied, Call
from strategies.units import MAX_UINT256
from tests.evm import Evm, Outcome, undone

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One action of one account, so many seconds after the last."""

    account: Address
    action: MarketAction
    seconds: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was tried, and what came of it: done, refused, or refused by another's word than the market's."""

    step: Step
    name: str
    outcome: str
    moved: Mapping[Asset, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(Generic[S]):
    """An adapter, how an account acts, and where a protocol is not simply as its model says."""

    adapter: Adapter[S]
    act: Callable[[Evm, Address, MarketAction], Outcome | None]  # None: refused, but not by the market
    assets: Callable[[Market], tuple[Asset, ...]] = lambda market: (market.asset, *market.others)  # that an action may move
    further: Callable[[Market, Sequence[bytes]], tuple[Call, ...]] = lambda _market, _answers: ()  # to ask about a claim
    pass_time: Callable[[Evm, int], None] = Evm.warp
    agrees: Callable[[S, Position, Position], bool] = lambda _state, mine, read: mine == read
    learnt: Callable[[S, S], S] = lambda mine, _seen: mine  # the model's state, with what only a read tells
    meant: Callable[[S, Position, MarketAction], MarketAction] = lambda _state, _held, action: action  # by the contract
    also: Callable[["Scene[S]", Taken, S, Position], None] = lambda _scene, _taken, _state, _held: None  # holds after a step
    is_over: Callable[[Evm, Market], bool] = lambda _evm, _market: False  # it cannot be read any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene(Generic[S]):
    """A market on the chain, with its adapter's eyes."""

    evm: Evm
    market: Market
    rules: Rules[S]
    accounts: tuple[Address, ...]
    exposed: tuple[Address, ...] = ()  # whose claims others may change
    seconds: Sequence[int] = (0, 1, 1, 12, 3_600, 86_400, 30 * 86_400)
    disturbed: float = 0.15  # how often it is another's turn

    def answers(self) -> tuple[bytes, ...]:
        return self.evm.ask(self.rules.adapter.reads(self.market))

    def state(self) -> S:
        return self.rules.adapter.decode(self.market, self.answers(), self.evm.timestamp)

    def holding_answers(self, account: Address) -> tuple[bytes, ...]:
        """In as many rounds of questions as it takes."""
        answers = self.evm.ask(self.rules.adapter.holding_reads(self.market, account))
        while further := self.rules.further(self.market, answers):
            answers += self.evm.ask(further)
        return answers

    def position(self, account: Address) -> Position:
        return self.rules.adapter.holding(self.market, self.holding_answers(account))

    def positions(self) -> dict[Address, Position]:
        return {account: self.position(account) for account in self.accounts}

    def balances(self, account: Address) -> dict[Asset, int]:
        return self.evm.balances(account, self.rules.assets(self.market))

    def does(self, account: Address, action: MarketAction) -> bool:
        """Whether the contract does it."""
        done = self.rules.act(self.evm, account, action)
        return done is not None and done.succeeded


class Dice(Protocol[S_contra]):
    """What is thrown for a scene."""

    @property
    def random(self) -> random.Random: ...

    def action(self, state: S_contra, account: Address, held: Position) -> MarketAction:
        """Amounts at and around every edge, and ordinary ones."""

    def disturb(self, state: S_contra) -> None:
        """What somebody else does, and has done when this returns."""


class Walk(Generic[S]):
    """What the model predicts is carried on, and compared with the chain after each step."""

    def __init__(self, scene: Scene[S], dice: Dice[S]) -> None:
        self.scene, self.dice = scene, dice
        self.counts: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        self.opening, self.is_over = self.scene.evm.mark(), False
        self.state, self.held = self.scene.state(), self.scene.positions()

    def step(self) -> Taken | None:
        """One throw of the dice; None where no account did anything."""
        scene, rules = self.scene, self.scene.rules
        if self.is_over:
            scene.evm.back(self.opening)
            self.begin()
        step = self.thrown()
        taken = self.take(step) if step else None
        if step is None:
            self.dice.disturb(self.state)
            self.counts["others"] += 1
        elif taken is None:
            return None
        self.is_over, read = rules.is_over(scene.evm, scene.market), scene.positions()
        if taken is None:
            self.held |= {account: exposed(self.held[account], read[account]) for account in scene.exposed}
        if not self.is_over:
            seen = scene.state()
            self.state = rules.learnt(self.state, seen) if taken else seen
            assert self.state == seen, taken
        for account, mine in self.held.items():
            assert rules.agrees(self.state, mine, read[account]), (account, mine, read[account], taken)
        if taken is not None:
            rules.also(scene, taken, self.state, self.held[taken.step.account])
        return taken

    def thrown(self) -> Step | None:
        """What happens next; None where it is another's turn."""
        scene, throw = self.scene, self.dice.random
        if throw.random() < scene.disturbed:
            return None
        account, seconds = throw.choice(scene.accounts), throw.choice(scene.seconds)
        later = scene.rules.adapter.accrue(self.state, seconds)
        return Step(account, self.dice.action(later, account, self.held[account]), seconds)

    def take(self, step: Step) -> Taken | None:
        """A step by the model and by the contract; None where the wallet lacks what it gives, so that the token would refuse."""
        scene, rules, mine = self.scene, self.scene.rules, self.held[step.account]
        later, before = rules.adapter.accrue(self.state, step.seconds), scene.balances(step.account)
        meant = rules.meant(later, mine, step.action)
        said = judged(rules.adapter, later, mine, meant)
        if isinstance(said, Applied) and any(before[amount.asset] + amount.raw < 0 for amount in said.moved):
            self.counts["unfunded"] += 1
            return None
        rules.pass_time(scene.evm, step.seconds)
        self.state, done = later, rules.act(scene.evm, step.account, step.action)
        name = name_of(step.action, meant)
        moved = {asset: raw - before[asset] for asset, raw in scene.balances(step.account).items() if raw != before[asset]}
        if done is None or not done.succeeded:
            assert done is None or isinstance(said, ProtocolError), (step, done, said, later)
            assert not moved, step
            outcome = "refused" if done else "refused elsewhere"
            self.counts[f"{name} {outcome}"] += 1
            return Taken(step, name, outcome, {})
        assert isinstance(said, Applied), (step, done, said, later)
        assert moved == {amount.asset: amount.raw for amount in said.moved}, (step, said)
        self.state, self.held[step.account] = said.state, said.held
        self.counts[name] += 1
        return Taken(step, name, "done", moved)


def walked(evm: Evm, walk_of: Callable[[Evm, str, int], Walk[S]], market_id: str, *, seed: int, steps: int) -> Counter[str]:
    """The counts of so many steps in a market; the chain is then as it was."""
    with undone(evm):
        walk = walk_of(evm, market_id, seed)
        for _ in range(steps):
            walk.step()
    return walk.counts


def actions(counts: Counter[str]) -> int:
    """How many steps were tried and compared."""
    return sum(counts.values()) - counts["others"] - counts["unfunded"]


def judged(adapter: Adapter[S], state: S, held: Position, action: MarketAction) -> Applied[S] | ProtocolError:
    """What the model says of an action."""
    try:
        return adapter.apply(state, held, action)
    except ProtocolError as refusal:
        return refusal


def name_of(action: MarketAction, meant: MarketAction) -> str:
    """An action's kind, and what it is to the contract."""
    return kind_of(action) if meant == action else f"{kind_of(action)} as {kind_of(meant)}"


def kind_of(action: MarketAction) -> str:
    """An action's name; what is in shares, and collateral, apart."""
    name, amount = type(action).__name__, getattr(action, "amount", None)
    if isinstance(amount, Shares):
        return f"{name} shares"
    is_collateral = isinstance(action, Supply | Withdraw) and isinstance(amount, Amount) and amount.asset != action.market.asset
    return f"{name} collateral" if is_collateral else name


def exposed(mine: Position, read: Position) -> Position:
    """A claim that others may have changed, though never its shares or what it asked for."""
    assert mine.shares_raw == read.shares_raw
    assert [request.id for request in mine.requests] == [request.id for request in read.requests]
    return read


def endow(evm: Evm, asset: Asset, accounts: Sequence[Address], spenders: Sequence[Address], *, raw: int) -> None:
    """Tokens to act with, which the spenders may take."""
    for account in accounts:
        if asset.symbol == "WETH":
            evm.transact(account, asset.address, "deposit()", value_wei=raw)
        else:
            evm.transact(account, asset.address, "mint(address,uint256)", account, raw)
        for spender in spenders:
            evm.transact(account, asset.address, "approve(address,uint256)", spender, MAX_UINT256)

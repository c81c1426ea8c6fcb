"""The way out of everything, to idle: first what backs no debt, then debts as far as idle pays them, then what backed those.

Refuses to trade and to wait in queues: what only a swap, a range's end or a queue takes out stays, and so does what backs a debt
that cannot be paid; each is named with its reason. Each step is tried on the market's own model, a second on, before it is
offered; what a wallet allows is the wallet's question."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Action, Amount, Asset, Market, Position, Repay, Revoke, Withdraw, written
from strategies.errors import ProtocolError
from strategies.protocols.registry import MarketState, adapter_of, encode
from strategies.tape import Observation

AHEAD_SECONDS: Final = 1  # what is seen is older than what is signed
GROWTH_SECONDS: Final = 86_400  # a whole debt is paid with what it would be so much later; what that leaves allowed is revoked


@dataclass(frozen=True, slots=True)
class Step:
    """Actions that belong together: one withdrawal, or one repayment and the revocation of what it leaves allowed."""

    market: Market
    actions: tuple[Action, ...]
    calls: int


@dataclass(frozen=True, slots=True)
class Unwinding:
    """The steps out, in the order that they need, and what stays, with its reason."""

    steps: tuple[Step, ...]
    left: tuple[str, ...]


def unwinding(seen: Observation) -> Unwinding:
    """Everything out of every market, as far as there is a way. Deterministic; markets in the deployment's order."""
    out = _Out(seen)
    held = [seen.portfolio.position(market) for market in seen.deployment.markets]
    claims = [claim for claim in held if not claim.is_empty and out.takes_up(claim)]
    indebted = {out.scope(claim) for claim in claims if claim.debt_raw}
    for claim in claims:
        if out.scope(claim) not in indebted:
            out.withdraw(claim)
    backing = [claim for claim in claims if out.scope(claim) in indebted]
    free = [out.repaid(claim) if claim.debt_raw else claim for claim in backing]
    owing = {out.scope(claim) for claim, paid in zip(backing, free, strict=True) if paid is None}
    for paid in free:
        if paid is not None and out.scope(paid) not in owing:
            out.withdraw(paid)
        elif paid is not None:
            out.left.append(f"{paid.market.id} stays: it may back a debt that is not paid yet")
    return Unwinding(tuple(out.steps), tuple(out.left))


def plans(steps: Sequence[Step], max_calls: int) -> tuple[tuple[Step, ...], ...]:
    """The steps in as few plans as so many calls each allow, in their order; a step that is longer by itself stands alone."""
    packed: list[tuple[Step, ...]] = []
    for step in steps:
        if packed and sum(other.calls for other in packed[-1]) + step.calls <= max_calls:
            packed[-1] = (*packed[-1], step)
        else:
            packed.append((step,))
    return tuple(packed)


def actions_of(steps: Iterable[Step]) -> tuple[Action, ...]:
    """What a plan of these steps does."""
    return tuple([action for step in steps for action in step.actions])


class _Out:
    """The markets and idle amounts as the steps so far leave them."""

    __slots__ = ("_idle", "_seen", "_states", "left", "steps")

    def __init__(self, seen: Observation) -> None:
        self._seen: Final = seen
        self._states: Final[dict[str, MarketState]] = {}
        self._idle: Final[dict[Asset, int]] = {amount.asset: amount.raw for amount in seen.portfolio.idle}
        self.steps: Final[list[Step]] = []
        self.left: Final[list[str]] = []

    def takes_up(self, held: Position) -> bool:
        """Brings a claim's market up to the time; False where it could not be read, and stays."""
        state = self._seen.state(held.market)
        if state is None:
            self.left.append(f"{held.market.id} stays: it could not be read")
            return False
        self._states[held.market.id] = adapter_of(held.market).accrue(state, AHEAD_SECONDS)
        return True

    def scope(self, held: Position) -> str:
        """What shares a health factor with a claim."""
        return adapter_of(held.market).solvency(self._states[held.market.id], held).scope

    def withdraw(self, held: Position) -> None:
        """All of a claim that backs nothing, or as much as the market can pay."""
        market, rest = held.market, held
        if held.shares_raw:
            adapter, state = adapter_of(market), self._states[market.id]
            payable = Amount(market.asset, adapter.withdrawable_raw(state))
            whole = adapter.value_raw(state, held) <= payable.raw
            if not whole:
                self.left.append(f"{market.id} can pay {written(payable)} now: the rest stays")
            try:
                if whole or payable.raw:
                    rest = self._done(held, Withdraw(market, adapter.everything(held) if whole else payable))
            except ProtocolError as error:
                self.left.append(f"{market.id} stays: {error}")
        for backing in held.collateral:
            try:
                rest = self._done(rest, Withdraw(market, backing))
            except ProtocolError as error:
                self.left.append(f"{market.id} keeps {written(backing)} of collateral: {error}")
        if held.range or held.requests:
            self.left.append(f"{market.id} stays: a range or a queue is not left by a withdrawal")

    def repaid(self, held: Position) -> Position | None:
        """A claim whose debt is surely gone once its steps are done; None where some may be left, after as much as idle pays."""
        market, idle_raw = held.market, self._idle.get(held.market.asset, 0)
        owed_raw, ample_raw = self._owed_raw(held, 0), self._owed_raw(held, GROWTH_SECONDS)
        if idle_raw >= ample_raw and (after := self._paid(held, ample_raw)) is not None and not after.debt_raw:
            return after
        self._paid(held, min(owed_raw, idle_raw))
        owes, idle = Amount(market.asset, owed_raw), Amount(market.asset, idle_raw)
        self.left.append(f"{market.id} is owed {written(owes)}, {written(idle)} lies idle: after this some may still be owed")
        return None

    def _paid(self, held: Position, raw: int) -> Position | None:
        """One repayment, with the revocation of what more than the debt would leave allowed; None where the market refuses."""
        repay = Repay(held.market, Amount(held.market.asset, raw))
        try:
            return self._done(held, repay, Revoke(held.market.asset, adapter_of(held.market).spender(repay)))
        except ProtocolError:
            return None

    def _owed_raw(self, held: Position, seconds: int) -> int:
        """What a claim owes so much later, in the market's asset."""
        adapter, debt = adapter_of(held.market), Position(held.market, 0, held.debt_raw)
        return -adapter.value_raw(adapter.accrue(self._states[held.market.id], seconds), debt)

    def _done(self, held: Position, action: Repay | Withdraw, *after: Revoke) -> Position:
        """The claim after a step that its model allows and its adapter writes. Raises ProtocolError, and nothing has changed."""
        market, actions = held.market, (action, *after)
        calls = sum([len(encode(each, self._seen.account)) for each in actions])
        done = adapter_of(market).apply(self._states[market.id], held, action)
        self._states[market.id] = done.state
        for amount in done.moved:
            self._idle[amount.asset] = self._idle.get(amount.asset, 0) + amount.raw
        self.steps.append(Step(market, actions, calls))
        return done.held

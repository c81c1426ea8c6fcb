"""The wallet of backtest and paper: judged by the same guard, applied to the protocol models, with no key anywhere.

Gas is the adapters' own figure at the block's base fee. Refuses what the guard refuses, what expired, what was executed before,
and what no longer holds in the world as it is when the plan executes."""

import hashlib
from dataclasses import dataclass, replace
from typing import Final, Protocol

from strategies.domain import (
    Action,
    Address,
    Borrow,
    Deployment,
    Plan,
    Portfolio,
    Position,
    Repay,
    Supply,
    Withdraw,
)
from strategies.errors import NotApproved, ProtocolError, UnsupportedState
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState, adapter_of, encode, parse
from strategies.tape import Reading
from strategies.units import SECONDS_PER_DAY
from wallets import guard, screening
from wallets.case import Case
from wallets.expected import Modelled, expected_effects, paid, touched_states
from wallets.policy import Policy, policy_digest
from wallets.wallet import Approved, Move, Reason, Receipt, Refused, TokenTransfer, Transaction, Verdict, Yes, approval_digest

NOBODY: Final[Address] = "0x" + "fe" * 20  # takes the fees that a touch is assumed to cost


class World(Protocol):
    """Where a paper plan executes."""

    def reading(self) -> Reading:
        """The world now."""

    def settle(self, after: Reading) -> None:
        """What our own calls left behind; a tape or a live chain ignores it."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """The models' word on a plan, kept because it usually executes in the very world it was judged in."""

    calls: tuple[Call, ...]
    reading: Reading
    portfolio: Portfolio
    modelled: Modelled


class PaperWallet:
    """Implements Wallet on models. Its clock is the world's."""

    def __init__(
        self,
        *,
        policy: Policy,
        deployment: Deployment,
        portfolio: Portfolio,
        world: World,
        seconds_per_call: int = 0,
        touch_fee_raw: int = 0,
    ) -> None:
        self._policy: Final = policy
        self._policy_digest: Final = policy_digest(policy)
        self._deployment: Final = deployment
        self._portfolio = portfolio
        self._world: Final = world
        self._seconds_per_call: Final = seconds_per_call
        self._touch_fee_raw: Final = touch_fee_raw  # what each market that is touched is assumed to cost in its asset, beside gas
        self._executed: Final[set[str]] = set()
        self._past: tuple[Move, ...] = ()
        self._judged: _Judged | None = None

    @property
    def portfolio(self) -> Portfolio:
        """What is held now."""
        return self._portfolio

    def revalue(self, portfolio: Portfolio) -> None:
        """What is held became this without a call of ours: interest that our own size thinned, or a liquidation."""
        self._portfolio = portfolio

    def judge(self, plan: Plan, intent: str) -> Verdict:
        """The guard's verdict on the plan's calls, read back; effects are the models' own."""
        reading = self._world.reading()
        account = self._policy.account
        try:
            calls = tuple([call for action in plan.actions for call in encode(action, account)])
        except (ProtocolError, ValueError, KeyError) as error:
            return Refused(intent, (Reason("calldata", f"the plan cannot be written as calls: {error}"),))
        actions = tuple([parse(call, account, self._deployment) for call in calls])
        modelled, error_text = self._modelled(calls, actions, reading)
        effects = modelled.effects if modelled is not None else None
        if modelled is not None:
            self._judged = _Judged(calls, reading, self._portfolio, modelled)
        return guard.judge(
            Case(
                policy=self._policy,
                deployment=self._deployment,
                intent=intent,
                endpoint_chain_id=self._deployment.chain_id,
                calls=calls,
                actions=actions,
                expected=effects,
                expected_error=error_text,
                effects=effects,
                effects_error=error_text,
                reading=reading,
                portfolio=self._portfolio,
                plan_block=plan.block,
                now=reading.timestamp,
                fees=None,
                spent_day_usd_e8=self._spent_day_usd_e8(reading.timestamp),
                gas_day_usd_e8=0,
                paused="",
                steps=modelled.steps if modelled is not None else None,
                past=self._recent(reading.timestamp),
                screening=screening.look(self._policy.compliance.screening),
            )
        )

    def execute(self, approved: Approved, approvals: tuple[Yes, ...]) -> Receipt:
        """Applies exactly what was approved, in the world as it is now, once. Raises NotApproved."""
        reading = self._world.reading()
        self._refuse_unless_ours(approved, reading.timestamp)
        modelled = self._modelled_again(approved, reading)
        fees_wei = [gas * reading.base_fee_wei for gas in modelled.effects.gas_used]
        fees = self._touch_fees(approved)
        portfolio = _after_fees(_after_gas(modelled.portfolio_after, self._deployment, sum(fees_wei)), fees)
        self._executed.add(approved.intent)
        moves = [move if move.at == reading.timestamp else replace(move, at=reading.timestamp) for move in approved.moves]
        self._past = (*self._recent(reading.timestamp), *moves)
        self._portfolio = portfolio
        self._world.settle(modelled.reading_after)
        return Receipt(
            intent=approved.intent,
            transactions=tuple(
                [
                    Transaction(_hash(approved, at), reading.block, timestamp, gas, fee_wei, succeeded=True)
                    for at, (timestamp, gas, fee_wei) in enumerate(
                        zip(modelled.timestamps, modelled.effects.gas_used, fees_wei, strict=True)
                    )
                ]
            ),
            transfers=(*modelled.transfers, *fees),
            complete=True,
        )

    def _touch_fees(self, approved: Approved) -> tuple[TokenTransfer, ...]:
        if not self._touch_fee_raw:
            return ()
        places, markets = self._deployment.places, self._deployment.markets
        touched = sorted({places[move.place] for move in approved.moves if move.place in places})
        return tuple([TokenTransfer(markets[at].asset, self._policy.account, NOBODY, self._touch_fee_raw) for at in touched])

    def _modelled(
        self, calls: tuple[Call, ...], actions: tuple[Action | None, ...], reading: Reading
    ) -> tuple[Modelled | None, str]:
        try:
            return self._model(calls, actions, reading), ""
        except (ProtocolError, ArithmeticError, LookupError, ValueError) as error:
            return None, str(error) or type(error).__name__

    def _model(self, calls: tuple[Call, ...], actions: tuple[Action | None, ...], reading: Reading) -> Modelled:
        return expected_effects(
            actions=actions,
            calls=calls,
            reading=reading,
            portfolio=self._portfolio,
            deployment=self._deployment,
            account=self._policy.account,
            timestamp=reading.timestamp + self._seconds_per_call,
            seconds_per_call=self._seconds_per_call,
        )

    def _modelled_again(self, approved: Approved, reading: Reading) -> Modelled:
        """As judged where nothing changed since; else anew. Raises NotApproved where it would now revert."""
        judged = self._judged
        if judged is not None and (judged.calls, judged.portfolio, judged.reading) == (approved.calls, self._portfolio, reading):
            return judged.modelled
        actions = tuple([parse(call, self._policy.account, self._deployment) for call in approved.calls])
        modelled, why = self._modelled(approved.calls, actions, reading)
        if modelled is None:
            raise NotApproved(f"the plan no longer holds: {why}")
        if any(allowance.raw for allowance in modelled.effects.allowances):
            raise NotApproved("the plan no longer holds: it would leave an allowance behind")
        return modelled

    def _refuse_unless_ours(self, approved: Approved, now: int) -> None:
        if approved.intent in self._executed:
            raise NotApproved(f"intent {approved.intent} was executed before")
        if now > approved.expiry:
            raise NotApproved(f"the approval expired {now - approved.expiry} s ago; judge the plan again")
        digest = approval_digest(
            chain_id=self._policy.chain_id,
            account=self._policy.account,
            calls=approved.calls,
            effects=approved.effects,
            intent=approved.intent,
            policy_digest=self._policy_digest,
            expiry=approved.expiry,
        )
        if digest != approved.digest:
            raise NotApproved("the digest is not of these calls and effects, this account, this chain and this policy")

    def _recent(self, now: int) -> tuple[Move, ...]:
        return tuple([move for move in self._past if move.at > now - SECONDS_PER_DAY])

    def _spent_day_usd_e8(self, now: int) -> int:
        return sum([move.usd_e8 for move in self._recent(now)])


def _after_gas(portfolio: Portfolio, deployment: Deployment, fee_wei: int) -> Portfolio:
    """The account less its gas. Raises NotApproved where it cannot pay."""
    if fee_wei == 0:
        return portfolio
    coin = deployment.native
    held_wei = portfolio.idle_raw(coin) if coin is not None else 0
    if coin is None or held_wei < fee_wei:
        raise NotApproved(f"gas costs {fee_wei} wei and {held_wei} wei are held")
    return paid(portfolio, coin, -fee_wei)


def _after_fees(portfolio: Portfolio, fees: tuple[TokenTransfer, ...]) -> Portfolio:
    """The account less assumed fees. Raises NotApproved where it cannot pay."""
    for fee in fees:
        idle_raw = portfolio.idle_raw(fee.asset)
        if idle_raw < fee.raw:
            raise NotApproved(f"a touch costs {fee.raw} and {idle_raw} base units of {fee.asset.symbol} are idle")
        portfolio = paid(portfolio, fee.asset, -fee.raw)
    return portfolio


def _hash(approved: Approved, at: int) -> str:
    """A name for a transaction that never was: not a chain's hash, and the same in every run."""
    return "paper-" + hashlib.sha256(f"{approved.digest}:{at}".encode()).hexdigest()


class ModelWorld:
    """A world that is only the models: from a reading on, by their arithmetic. Prices and base fee stay."""

    def __init__(self, opening: Reading, deployment: Deployment) -> None:
        self._reading = opening
        self._deployment: Final = deployment

    def reading(self) -> Reading:
        return self._reading

    def advance(self, timestamp: int) -> None:
        """Time passes and nobody acts: one block later, each market accrued to the time. Raises ValueError on going back."""
        if timestamp < self._reading.timestamp:
            raise ValueError(f"the world is at {self._reading.timestamp}; it does not go back to {timestamp}")
        self._reading = replace(
            self._reading,
            block=self._reading.block + 1,
            timestamp=timestamp,
            states=tuple([self._accrued(at, state, timestamp) for at, state in enumerate(self._reading.states)]),
            quotes=tuple([replace(quote, timestamp=timestamp) for quote in self._reading.quotes]),
        )

    def others(self, action: Supply | Withdraw | Borrow | Repay, held: Position) -> Position:
        """Somebody else acts now; their claim after it. Raises ProtocolError where the contract would revert."""
        at = self._deployment.place(action.market)
        state = self._reading.states[at]
        if state is None:
            raise UnsupportedState(market_id=action.market.id, what="it could not be read")
        done = adapter_of(action.market).apply(state, held, action)
        self._reading = replace(
            self._reading, states=tuple(touched_states(self._reading.states, at, done.state, self._deployment))
        )
        return done.held

    def settle(self, after: Reading) -> None:
        """Our own calls happened: the world goes on from what they left."""
        self._reading = replace(self._reading, states=tuple(after.states))
        if after.timestamp > self._reading.timestamp:
            self.advance(after.timestamp)

    def _accrued(self, at: int, state: MarketState | None, timestamp: int) -> MarketState | None:
        if state is None or timestamp == state.timestamp:
            return state
        return adapter_of(self._deployment.markets[at]).accrue(state, timestamp - state.timestamp)

"""What the guard judges, and what things in it are worth. Refuses to value what has no fresh price: an error, never zero."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import (
    NATIVE,
    Action,
    Amount,
    Approve,
    Asset,
    Borrow,
    Deployment,
    Market,
    MarketAction,
    Portfolio,
    Repay,
    Revoke,
    Supply,
    Transfer,
    Withdraw,
)
from strategies.errors import IncompleteRead, UnknownMarket
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState, adapter_of
from strategies.tape import Reading
from strategies.units import WAD, mul_div_up
from wallets.policy import Policy
from wallets.wallet import Allowance, Effects

CLOCK_SKEW_SECONDS: Final = 15  # a block may be so far ahead of our clock, as Ethereum's own clients allow


@dataclass(frozen=True, slots=True)
class Fees:
    """What the transactions will offer."""

    max_fee_wei: int
    max_priority_fee_wei: int
    gas_limits: tuple[int, ...]  # a call


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a check may look at."""

    policy: Policy
    deployment: Deployment
    intent: str
    endpoint_chain_id: int
    calls: tuple[Call, ...]
    actions: tuple[Action | None, ...]  # parsed back, aligned with calls
    expected: Effects | None  # what the protocol models say; None: they refuse, see `expected_error`
    expected_error: str
    effects: Effects | None  # what the simulator says of the exact calls; in paper and backtest the models' own
    effects_error: str
    reading: Reading  # states and quotes at the judged block
    portfolio: Portfolio  # idle and positions at that block
    plan_block: int  # the block the plan assumed
    now: int  # unix seconds by the wallet's clock
    fees: Fees | None  # None in paper and backtest
    spent_day_usd_e8: int  # pending counted
    gas_day_usd_e8: int
    paused: str  # "" or why nothing but revocations is signed
    standing: tuple[Allowance, ...] = ()  # what may be taken before the calls
    reduced: str = ""  # or why nothing is signed but what reduces risk


def market_actions(case: Case) -> Iterator[tuple[int, MarketAction]]:
    """The actions that touch a market, with their calls' places."""
    for at, action in enumerate(case.actions):
        if action is not None and not isinstance(action, Approve | Revoke | Transfer):
            yield at, action


def only_revokes(case: Case) -> bool:
    """Whether all a plan does is to take allowances back; a plan of nothing does not."""
    return revokes(case.actions)


def revokes(actions: Sequence[Action | None]) -> bool:
    """The same of actions that were read back."""
    return bool(actions) and all(isinstance(action, Revoke) for action in actions)


def reduces(actions: Sequence[Action | None]) -> bool:
    """Whether all that actions do is to take back: allowances, what was lent, and debts, for which alone they allow anything. By
    their kinds only: what a supply may mend, and how far, is the guard's question."""
    following = (*actions[1:], None)
    return bool(actions) and all(
        isinstance(action, Revoke | Withdraw | Repay) or (isinstance(action, Approve) and isinstance(then, Repay))
        for action, then in zip(actions, following, strict=True)
    )


def spends(case: Case) -> Iterator[tuple[int, Amount]]:
    """What leaves the account, and what is borrowed, with the calls' places."""
    for at, action in enumerate(case.actions):
        if isinstance(action, Supply | Borrow | Transfer):
            yield at, action.amount


def state_of(case: Case, market: Market) -> MarketState:
    """A market's state in the reading. Raises UnknownMarket, IncompleteRead."""
    for known, state in zip(case.deployment.markets, case.reading.states, strict=True):
        if known.id == market.id:
            if state is None:
                raise IncompleteRead(f"{market.id} could not be read")
            return state
    raise UnknownMarket(market.id)


def price_usd_e8(case: Case, asset: Asset) -> int | None:
    """The highest fresh price of an asset: no source can make spending look cheaper than another says. None: there is none."""
    oldest, latest = case.now - case.policy.max_price_age_seconds, case.now + CLOCK_SKEW_SECONDS
    address, quotes = asset.address, case.reading.quotes
    prices = [quote.usd_e8 for quote in quotes if quote.asset.address == address and oldest <= quote.timestamp <= latest]
    for market, state in zip(case.deployment.markets, case.reading.states, strict=True):
        if market.asset.address == address and state is not None and oldest <= state.timestamp <= latest:
            prices.append(adapter_of(market).price_usd_e8(state) or 0)
    return max(prices, default=0) or None


def value_usd_e8(case: Case, amount: Amount) -> int:
    """An amount's worth, rounded up. Raises IncompleteRead where its asset has no fresh price."""
    price = price_usd_e8(case, amount.asset)
    if price is None:
        raise IncompleteRead(f"{amount.asset.symbol} has no fresh price")
    return mul_div_up(amount.raw, price, 10**amount.asset.decimals)


def spend_usd_e8(case: Case) -> int:
    """What the plan counts against the day's cap. Raises IncompleteRead where something is unpriced."""
    return sum([value_usd_e8(case, amount) for _, amount in spends(case)])


def native_of(case: Case) -> Asset | None:
    """The chain's own coin, where the deployment names it."""
    return next((asset for asset in case.deployment.assets if asset.address == NATIVE), None)


def gas_wei(case: Case) -> int:
    """The most the calls can cost: limits at the fee cap; without fees, the models' gas at the block's base fee."""
    if case.fees is not None:
        return sum(case.fees.gas_limits) * case.fees.max_fee_wei
    return sum(case.expected.gas_used) * case.reading.base_fee_wei if case.expected is not None else 0


def gas_usd_e8(case: Case) -> int | None:
    """The same in dollars, rounded up; None while the native coin has no fresh price."""
    native = native_of(case)
    price = price_usd_e8(case, native) if native is not None else None
    return None if price is None else mul_div_up(gas_wei(case), price, WAD)

"""What the guard judges, and what things in it are worth. Refuses to value what has no fresh price: an error, never zero."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from strategies.domain import (
    NATIVE,
    Action,
    Address,
    Amount,
    Approve,
    Asset,
    Borrow,
    Deployment,
    Entire,
    Market,
    MarketAction,
    Portfolio,
    Position,
    Repay,
    Revocation,
    Shares,
    Stake,
    Supply,
    Swap,
    SwapFor,
    Transfer,
    Withdraw,
    Wrap,
)
from strategies.errors import IncompleteRead, UnknownMarket
from strategies.protocols.adapter import Call
from strategies.protocols.registry import MarketState, adapter_of
from strategies.tape import AskedFor, Reading
from strategies.units import USD_E8, WAD, mul_div_down, mul_div_up
from wallets.expected import Step
from wallets.policy import Policy
from wallets.screening import UNSCREENED, Screening, Unscreened
from wallets.wallet import OWN_FEES, Allowance, Effects, Move, Reason, Stated, Wish

Trade: TypeAlias = Swap | SwapFor
World: TypeAlias = tuple[Sequence[MarketState | None], Portfolio]  # markets in the deployment's order, and the account

ELSEWHERE: Final = (Approve, Revocation, Transfer)  # what touches no market
BACK: Final = (Revocation, Withdraw, Repay)
CLOCK_SKEW_SECONDS: Final = 15  # a block may be so far ahead of our clock, as Ethereum's own clients allow


@dataclass(frozen=True, slots=True)
class Fees:
    """What the transactions will offer."""

    max_fee_wei: int
    max_priority_fee_wei: int
    gas_limits: tuple[int, ...]  # a call
    data_fees_wei: tuple[int, ...] | None = ()  # the most that a rollup asks for each call's data; None: it did not say


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
    changed: tuple[tuple[Address, str], ...] = ()  # what the plan depends on and is not as pinned: an address, and why
    mismeasured: tuple[str, ...] = ()  # which tokens of the plan say they have other decimals than are pinned
    steps: tuple[Step, ...] | None = None  # what the models say stands after each call; None: they refuse
    past: tuple[Move, ...] = ()  # what the wallet did in the last 24 hours and is about to do, oldest first
    stated: tuple[Stated, ...] = ()
    payer_wei: int | None = None  # the native coin of whoever pays for gas; None: the account itself
    wish: Wish = OWN_FEES
    screening: Screening | Unscreened = UNSCREENED  # who must not be dealt with, as of now
    objections: tuple[Reason, ...] = ()  # what a second endpoint says otherwise
    # What every check asks, worked out once:
    prices: Mapping[Address, int] = field(init=False, repr=False, compare=False)  # USD with 8 decimals, of what has a fresh one
    kinds: frozenset[type] = field(init=False, repr=False, compare=False)  # of actions; NoneType where a call was not read back
    touching: tuple[tuple[int, MarketAction], ...] = field(init=False, repr=False, compare=False)  # a market, with calls' places
    trades: tuple[tuple[int, Trade], ...] = field(init=False, repr=False, compare=False)  # those of them that trade
    spending: tuple[tuple[int, Amount], ...] = field(init=False, repr=False, compare=False)  # what leaves, or is borrowed
    only_revokes: bool = field(init=False, repr=False, compare=False)
    only_reduces: bool = field(init=False, repr=False, compare=False)
    native: Asset | None = field(init=False, repr=False, compare=False)  # the chain's own coin, where the deployment names it
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)  # where each market's state stands, by id
    after: World | None = field(init=False, repr=False, compare=False)  # what the models say stands after the plan

    def __post_init__(self) -> None:
        touching = tuple(_touching(self.actions))
        object.__setattr__(self, "prices", _prices(self))
        object.__setattr__(self, "kinds", frozenset([type(action) for action in self.actions]))
        object.__setattr__(self, "touching", touching)
        object.__setattr__(self, "trades", tuple([(at, action) for at, action in touching if isinstance(action, Trade)]))
        object.__setattr__(self, "spending", tuple(_spending(self.actions)))
        object.__setattr__(self, "only_revokes", revokes(self.actions))
        object.__setattr__(self, "only_reduces", reduces(self.actions))
        object.__setattr__(self, "native", self.deployment.native)
        object.__setattr__(self, "places", _places(self))
        object.__setattr__(self, "after", _after(self))


def _touching(actions: Sequence[Action | None]) -> Iterator[tuple[int, MarketAction]]:
    for at, action in enumerate(actions):
        if action is not None and not isinstance(action, ELSEWHERE):
            yield at, action


def revokes(actions: Sequence[Action | None]) -> bool:
    """Whether all that actions do is to take back what others may; no action at all does not."""
    return bool(actions) and all(isinstance(action, Revocation) for action in actions)


def reduces(actions: Sequence[Action | None]) -> bool:
    """Whether all that actions do is to take back: allowances, what was lent, and debts, for which alone they allow anything. By
    their kinds only: what a supply may mend, and how far, is the guard's question."""
    following = (*actions[1:], None)
    return bool(actions) and all(
        isinstance(action, BACK) or (isinstance(action, Approve) and isinstance(then, Repay))
        for action, then in zip(actions, following, strict=True)
    )


def usd(usd_e8: int) -> str:
    """Dollars as a person reads them."""
    return f"{usd_e8 / USD_E8:,.2f} USD"


def calls_digest(calls: Sequence[Call]) -> str:
    """sha256 over exactly these calls, each with its lengths, so that no two lists read alike."""
    content = [f"{call.target},{call.value_wei},{len(call.data)},".encode() + call.data for call in calls]
    return hashlib.sha256(b"".join(content)).hexdigest()


def _after(case: Case) -> World | None:
    if case.steps:
        return case.steps[-1].states, case.steps[-1].portfolio
    return (case.reading.states, case.portfolio) if case.steps is not None else None


def _spending(actions: Sequence[Action | None]) -> Iterator[tuple[int, Amount]]:
    """What leaves the account, a wrapped coin too, and what is borrowed, with the calls' places."""
    for at, action in enumerate(actions):
        match action:
            case Supply(amount=amount) | Borrow(amount=amount) | Transfer(amount=amount) | Stake(amount=amount):
                yield at, amount
            case Swap(amount_in=amount) | SwapFor(most_in=amount):
                yield at, amount
            case Wrap(amount=amount) if amount.asset.address == NATIVE:
                yield at, amount


def state_of(case: Case, market: Market) -> MarketState:
    """A market's state in the reading. Raises UnknownMarket, IncompleteRead."""
    return state_in(case, (case.reading.states, case.portfolio), market)


def state_in(case: Case, world: World, market: Market) -> MarketState:
    """A market's state in one of a plan's worlds. Raises UnknownMarket, IncompleteRead."""
    if (at := case.places.get(market.id)) is None:
        raise UnknownMarket(market.id)
    if (state := world[0][at]) is None:
        raise IncompleteRead(f"{market.id} could not be read")
    return state


def supplied_raw(state: MarketState, held: Position) -> int:
    """What a claim holds of its market's asset; what is owed there lessens nothing of it."""
    return adapter_of(held.market).value_raw(state, replace(held, debt_raw=0) if held.debt_raw else held)


def worth_raw(case: Case, market: Market, amount: Amount | Shares | Entire, entire_raw: int) -> int:
    """What an action names, in the market's asset; `entire_raw` where it names everything. Raises IncompleteRead."""
    match amount:
        case Amount(raw=raw):
            return raw
        case Shares(raw=shares_raw):
            return adapter_of(market).value_raw(state_of(case, market), Position(market, shares_raw))
        case Entire():
            return entire_raw


def _places(case: Case) -> Mapping[str, int]:
    """Where each market's state stands; nothing where the states are not one for each."""
    return case.deployment.places if len(case.deployment.markets) == len(case.reading.states) else {}


def price_usd_e8(case: Case, asset: Asset) -> int | None:
    """The highest fresh price of an asset: no source can make spending look cheaper than another says. Where the deployment names
    its feed, that alone says it, because other oracles do not say how old they are. None: there is none."""
    return case.prices.get(asset.address)


def _prices(case: Case) -> Mapping[Address, int]:
    oldest, latest = case.now - case.policy.max_price_age_seconds, case.now + CLOCK_SKEW_SECONDS
    prices = dict[Address, int]()
    for quote in case.reading.quotes:
        if oldest <= quote.timestamp <= latest and quote.usd_e8 > prices.get(quote.asset.address, 0):
            prices[quote.asset.address] = quote.usd_e8
    disputed = {name for name, _ in case.reading.refused}  # what a feed or oracles that disagree left without a price has none
    for asset, said_usd_e8 in _oracles(case, oldest, latest):
        is_left_out = asset.address in case.deployment.feeds or asset.symbol in disputed
        if not is_left_out and said_usd_e8 > prices.get(asset.address, 0):
            prices[asset.address] = said_usd_e8
    return prices


def _oracles(case: Case, oldest: int, latest: int) -> Iterator[tuple[Asset, int]]:
    """What markets' own oracles say as of these times."""
    markets, states = case.deployment.markets, case.reading.states
    told = states.oracles_usd_e8 if isinstance(states, AskedFor) else None
    if told is not None:
        for places in case.deployment.places_of.values() if oldest <= case.reading.timestamp <= latest else ():
            yield markets[places[0]].asset, max([told[at] for at in places])
        return
    for market, state in zip(markets, states, strict=False):
        if state is not None and oldest <= state.timestamp <= latest:
            said_usd_e8 = adapter_of(market).price_usd_e8(state)
            if said_usd_e8 is not None:
                yield market.asset, said_usd_e8


def unpriced(case: Case, asset: Asset) -> str:
    """Why an asset has no price, and what would give it one."""
    limit_seconds = case.policy.max_price_age_seconds
    if (why := dict(case.reading.refused).get(asset.symbol)) is not None:
        return f"{asset.symbol} has no price: {why}; it has one again when its witnesses answer and agree"
    ages = [(case.now - quote.timestamp, quote.source) for quote in case.reading.quotes if quote.asset.address == asset.address]
    if not ages:
        return f"{asset.symbol} has no price: no feed and no market of the deployment gives one"
    age_seconds, source = min(ages)
    return (
        f"the price of {asset.symbol} by {source} is {age_seconds} s old; at most {limit_seconds} s (max_price_age_seconds): "
        "wait for its next answer"
    )


def value_usd_e8(case: Case, amount: Amount) -> int:
    """An amount's worth, rounded up. Raises IncompleteRead where its asset has no fresh price."""
    price = price_usd_e8(case, amount.asset)
    if price is None:
        raise IncompleteRead(f"{amount.asset.symbol} has no fresh price")
    return mul_div_up(amount.raw, price, 10**amount.asset.decimals)


def usd_e8_down(amount: Amount, price_usd_e8: int) -> int:
    """An amount's worth at a price, rounded down."""
    return mul_div_down(amount.raw, price_usd_e8, 10**amount.asset.decimals)


def spend_usd_e8(case: Case) -> int:
    """What the plan counts against the day's cap. Raises IncompleteRead where something is unpriced."""
    return sum([value_usd_e8(case, amount) for _, amount in case.spending])


def gas_wei(case: Case) -> int:
    """The most the calls can cost: limits at the fee cap, and their data; without fees, the models' gas at the base fee."""
    if case.fees is not None:
        return sum(case.fees.gas_limits) * case.fees.max_fee_wei + sum(case.fees.data_fees_wei or ())
    return sum(case.expected.gas_used) * case.reading.base_fee_wei if case.expected is not None else 0


def gas_usd_e8(case: Case) -> int | None:
    """The same in dollars, rounded up; None while the native coin has no fresh price."""
    price = native_usd_e8(case)
    return None if price is None else mul_div_up(gas_wei(case), price, WAD)


def native_usd_e8(case: Case) -> int | None:
    """The price of the chain's own coin; None while it has no fresh one."""
    return case.prices.get(NATIVE) if case.native is not None else None

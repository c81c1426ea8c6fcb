"""One question to a strategy and its answer as a value: what a row shows to an account that holds this, and what was said.

A strategy's mistakes are answers too, so that two of them can be compared; whatever is no mistake of arithmetic, lookup, type or
value goes through. Refuses to answer for the strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from backtest.study import ACCOUNT, ETHER_WEI
from strategies.assess import History, value_raw
from strategies.catalogue import Signalled, Strategy
from strategies.domain import NATIVE, Amount, Asset, Keep, Market, Portfolio, Position, Supply, Target
from strategies.errors import ProtocolError, UsufructError
from strategies.protocols.registry import adapter_of
from strategies.tape import Ints, Observation, Tape
from strategies.units import WAD

MISTAKES: Final = (
    *(UsufructError, ArithmeticError, AssertionError, AttributeError, BufferError, LookupError, NameError, OSError),
    *(RuntimeError, StopIteration, TypeError, ValueError, Warning),
)
CASH: Final = 1_000_000  # whole units


@dataclass(frozen=True, slots=True)
class Raised:
    """The mistake that a strategy made instead of answering."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What would you do at this row, holding this?"""

    at: int  # among the decision rows
    row: int
    held: str
    portfolio: Portfolio


def target_of(strategy: Strategy, tape: Tape, question: Question) -> Any:
    """The strategy's word, or the mistake it made."""
    try:
        return strategy.target(seen_by(tape, question))
    except MISTAKES as error:
        return Raised(type(error).__name__, str(error))


def target_given(strategy: Signalled, tape: Tape, question: Question, signal: Any) -> Any:
    """The strategy's word where its signal is known, or the mistake it made."""
    try:
        return strategy.target_given(seen_by(tape, question), signal)
    except MISTAKES as error:
        return Raised(type(error).__name__, str(error))


def signals_of(strategy: Signalled, tape: Tape, rows: Ints) -> Sequence[Any]:
    """A signal for each of the rows; where it makes a mistake, that mistake for each."""
    try:
        said = list(strategy.signals(History(tape), rows.copy()))
    except MISTAKES as error:
        return [Raised(type(error).__name__, str(error))] * len(rows)
    if len(said) != len(rows):
        return [Raised("signals", f"{len(said)} signals for {len(rows)} rows")] * len(rows)
    return said


def kept_wrongly(strategy: Signalled, signals: Sequence[Any], at: int, held: tuple[int, ...]) -> tuple[Any, Any] | None:
    """What `choose` says at a place among the signals, and what `keeps` says instead; None where it may. It may always say too
    little: then the engine looks closely."""
    try:
        chosen = strategy.choose(signals[at], held)
        if isinstance(chosen, Keep) or not bool(strategy.keeps(signals, held, 0)[at]):
            return None
    except MISTAKES as error:
        mistake = Raised(type(error).__name__, str(error))
        return mistake, mistake
    return f"columns {chosen}", "keep"


def seen_by(tape: Tape, question: Question) -> Observation:
    """What the question shows; value never moved before."""
    return Observation(tape, question.row, ACCOUNT, question.portfolio)


def questions(tape: Tape, asset: Asset, rows: Ints, places: Sequence[int]) -> tuple[Question, ...]:
    """At each place among the decision rows: holding nothing, and one market, another at each place; now and then all alike."""
    asked = list[Question]()
    markets = [market for market in tape.deployment.markets if market.asset == asset]
    for turn, at in enumerate(places):
        row = int(rows[at])
        choices = [(), (markets[turn % len(markets)],), tuple(markets)]
        for held in choices[: 3 if turn % 4 == 0 else 2]:
            portfolio = holding(tape, asset, row, held)
            if portfolio is not None:
                names = " and ".join([market.id for market in held]) or "nothing"
                asked.append(Question(at, row, names, portfolio))
    return tuple(asked)


def holding(tape: Tape, asset: Asset, row: int, markets: Sequence[Market]) -> Portfolio | None:
    """The cash in equal parts of these markets, bought at a row; None where one of them could not be entered there."""
    cash_raw = CASH * 10**asset.decimals
    part = Amount(asset, cash_raw // max(1, len(markets)))
    claims = list[Position]()
    for market in markets:
        state = tape.states.state(row, tape.market_index(market))
        if state is None:
            return None
        try:
            claims.append(adapter_of(market).apply(state, Position(market, 0), Supply(market, part)).held)
        except ProtocolError:
            return None
    left = Amount(asset, cash_raw - part.raw * len(markets))
    ether = [Amount(coin, ETHER_WEI) for coin in tape.deployment.assets if coin.address == NATIVE and coin != asset]
    return Portfolio((left, *ether), tuple(claims))


def saw(tape: Tape, question: Question) -> str:
    """What the row itself shows, in a line: each market's rate as it is said, and what is held of it."""
    seen = seen_by(tape, question)
    said = seen.now("supply_apr")
    rates = [
        f"{market.id} {rate:.2%}" if not np.isnan(rate) else f"{market.id} unsaid"
        for market, rate in zip(seen.deployment.markets, said.tolist(), strict=True)
    ]
    claims = [f"{value_raw(seen, held)} in {held.market.id}" for held in seen.portfolio.positions]
    return f"{', '.join(rates)}; holding {' and '.join(claims) or 'nothing'}"


def told(answer: Any) -> str:
    """An answer in a line."""
    match answer:
        case Target():
            legs = [f"{leg.weight_wad / WAD:.2%} {leg.market.id if leg.market else 'idle'}" for leg in answer.legs]
            return f"{', '.join(legs)} ({answer.reason})"
        case Keep():
            return f"keep ({answer.reason})"
        case Raised():
            return f"raised {answer.kind}: {answer.text}"
        case _:
            return repr(answer)

"""Reads and quotes to an Observation, and the memory of earlier readings that its window needs. Refuses a stale reading.

Each reading is stored with the portfolio it was seen with, so that another process can look at the same block again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from strategies.domain import Address, Deployment, Portfolio, Quote
from strategies.errors import IncompleteRead, StaleReading
from strategies.tape import Observation, Reading, tape_of
from wallets import reading as blocks
from wallets import wire
from wallets.endpoints import Endpoint
from wallets.store import Store

Quotes = Callable[[Reading], tuple[tuple[Quote, ...], tuple[tuple[str, str], ...]]]


class Feed(Protocol):
    """Where observations come from: the chain, or a tape."""

    def observe(self) -> Observation:
        """A fresh look. Raises ObservationError."""

    def recall(self, block: int) -> Observation:
        """The same look again, from memory. Raises IncompleteRead where it is not remembered."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One remembered look."""

    reading: Reading
    portfolio: Portfolio
    moved_at: int | None


def no_quotes(reading: Reading) -> tuple[tuple[Quote, ...], tuple[tuple[str, str], ...]]:
    """No exchange is asked: the oracles' own prices stand."""
    return reading.quotes, ()


class ChainFeed:
    """Observations of a chain. `held` replaces what the account holds there, for paper; `quotes` checks and extends prices."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        deployment: Deployment,
        account: Address,
        store: Store,
        max_age_seconds: int,
        window_seconds: int,
        held: Callable[[], Portfolio] | None = None,
        quotes: Quotes = no_quotes,
    ) -> None:
        self._endpoint = endpoint
        self._deployment = deployment
        self._account = account
        self._store = store
        self._max_age_seconds = max_age_seconds
        self._window_seconds = window_seconds
        self._held = held
        self._quotes = quotes

    def observe(self) -> Observation:
        reading, portfolio = blocks.read(self._endpoint, self._deployment, self._account)
        age_seconds = self._endpoint.now() - reading.timestamp
        if age_seconds > self._max_age_seconds:
            raise StaleReading(age_seconds=age_seconds, limit_seconds=self._max_age_seconds)
        quotes, refused = self._quotes(reading)
        reading = replace(reading, quotes=quotes, refused=reading.refused + refused)
        seen = Seen(reading, self._held() if self._held else portfolio, self._store.moved_at())
        self._store.put_reading(reading.block, reading.timestamp, wire.to_text(seen))
        return self._observation(seen)

    def recall(self, block: int) -> Observation:
        text = self._store.reading(block)
        if text is None:
            raise IncompleteRead(f"block {block} is not remembered")
        return self._observation(wire.from_text(Seen, text))

    def reading(self) -> Reading:
        """The world now, for a paper plan that executes."""
        return blocks.read(self._endpoint, self._deployment, self._account)[0]

    def settle(self, after: Reading) -> None:
        """The chain does not know of paper plans."""

    def _observation(self, seen: Seen) -> Observation:
        since = seen.reading.timestamp - self._window_seconds
        before = [wire.from_text(Seen, text).reading for text in self._store.readings(since, seen.reading.timestamp)]
        tape = tape_of(self._deployment, (*before, seen.reading))
        return Observation(tape, len(tape) - 1, self._account, seen.portfolio, seen.moved_at)

"""What was said, as columns, and a view of it that ends at *now*. Refuses rows that go back in time and rows that do not exist.

Columns are float64 `[row, market]`, row-major; NaN is a cell that was not said. Exact states come on request from a source."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from strategies.domain import Address, Asset, Deployment, Market, Portfolio, Quote
from strategies.errors import BadTape
from strategies.protocols.registry import MarketState, adapter_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Find: TypeAlias = Callable[[int], MarketState | None]
NONE_FOUND: Final[Mapping[int, MarketState | None]] = {}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one block and the price sources said. A market that could not be read has None and a reason in `refused`."""

    block: int
    block_hash: str
    timestamp: int
    base_fee_wei: int
    states: Sequence[MarketState | None]  # in the order of the deployment's markets
    quotes: tuple[Quote, ...]
    refused: tuple[tuple[str, str], ...] = ()  # (market id or asset symbol, reason)


class States(Protocol):
    """Where exact states come from."""

    def state(self, row: int, market: int) -> MarketState | None: ...


class AskedFor(Sequence[MarketState | None]):
    """States of which each is made once, when it is asked for: a plan touches two markets of hundreds. Equal to any sequence of
    equal states. `oracles_usd_e8` is what each market's own oracle says at the reading's time, 0 where it says nothing; None: its
    state says it."""

    __slots__ = ("_count", "_find", "_found", "oracles_usd_e8")

    def __init__(
        self,
        find: Find,
        count: int,
        oracles_usd_e8: Sequence[int] | None = None,
        found: Mapping[int, MarketState | None] = NONE_FOUND,
    ) -> None:
        self._find: Final = find
        self._count: Final = count
        self._found: Final = dict(found)
        self.oracles_usd_e8: Final = oracles_usd_e8

    def but(self, at: int, state: MarketState) -> "AskedFor":
        """The same with another state in one place; of oracles nothing is said."""
        return AskedFor(self._find, self._count, found=self._found | {at: state})

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[MarketState | None]:
        """All of them, or what one of them raised: a sequence's own way would take an IndexError for its end."""
        return iter([self[at] for at in range(self._count)])

    @overload
    def __getitem__(self, at: int) -> MarketState | None: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[MarketState | None, ...]: ...
    def __getitem__(self, at: int | slice) -> MarketState | tuple[MarketState | None, ...] | None:
        if isinstance(at, slice):
            return tuple(self)[at]
        if at in self._found:
            return self._found[at]
        if not 0 <= at < self._count:
            raise IndexError(at)
        state = self._found[at] = self._find(at)
        return state

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True, eq=False)
class Tape:
    """Readings as columns, oldest first."""

    deployment: Deployment
    timestamp: Ints  # [row], strictly increasing
    block: Ints  # [row]
    base_fee_wei: Ints  # [row]
    supply_apr: Floats  # [row, market]
    borrow_apr: Floats
    utilisation: Floats
    available: Floats  # whole units of the market's asset
    fresh: Bools  # [row, market]: said at this row, not carried over
    price_usd_e8: Ints  # [row, asset]; 0 is unpriced
    states: States
    digest: str  # sha256 of what the tape was made from

    def __post_init__(self) -> None:
        if len(self.timestamp) == 0:
            raise BadTape("it has no rows")
        if np.any(np.diff(self.timestamp) <= 0):
            raise BadTape("its rows are not strictly later than the ones before")

    def __len__(self) -> int:
        return len(self.timestamp)

    @cached_property
    def asset_rows(self) -> dict[Asset, int]:
        return {asset: at for at, asset in enumerate(self.deployment.assets)}

    @cached_property
    def wholly_said(self) -> bool:
        """Whether every market spoke at every row."""
        return bool(self.fresh.all()) and not bool(np.isnan(self.supply_apr).any())

    def market_index(self, market: Market) -> int:
        """The column of a market. Raises UnknownMarket."""
        return self.deployment.place(market)


class Recorded:
    """States kept as the records they were read as."""

    __slots__ = ("_readings",)

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings: Final = tuple(readings)

    def state(self, row: int, market: int) -> MarketState | None:
        return self._readings[row].states[market]


def tape_of(deployment: Deployment, readings: Sequence[Reading], digest: str = "") -> Tape:
    """Readings as a tape. A refused market is NaN and not fresh at that row. Raises BadTape."""
    shape = (len(readings), len(deployment.markets))
    columns = {name: np.full(shape, np.nan) for name in ("supply_apr", "borrow_apr", "utilisation", "available")}
    fresh = np.zeros(shape, dtype=np.bool_)
    prices = np.zeros((len(readings), len(deployment.assets)), dtype=np.int64)
    for row, reading in enumerate(readings):
        for at, state in enumerate(reading.states):
            if state is not None:
                said = adapter_of(deployment.markets[at]).columns(state)
                for name, column in columns.items():
                    column[row, at] = getattr(said, name)
                fresh[row, at] = True
        for quote in reading.quotes:
            prices[row, deployment.assets.index(quote.asset)] = quote.usd_e8
    return Tape(
        deployment=deployment,
        timestamp=np.array([reading.timestamp for reading in readings], dtype=np.int64),
        block=np.array([reading.block for reading in readings], dtype=np.int64),
        base_fee_wei=np.array([reading.base_fee_wei for reading in readings], dtype=np.int64),
        **columns,
        fresh=fresh,
        price_usd_e8=prices,
        states=Recorded(readings),
        digest=digest,
    )


@dataclass(frozen=True, slots=True)
class Observation:
    """A tape up to *now*, and what an account holds. Later rows cannot be reached: every window is a copy that ends here."""

    _tape: Tape
    row: int
    account: Address
    portfolio: Portfolio
    moved_at: int | None = None  # when value last moved, unix seconds

    def __post_init__(self) -> None:
        if not 0 <= self.row < len(self._tape):
            raise BadTape(f"row {self.row} of {len(self._tape)}")  # a negative row would wrap to the tape's end

    @property
    def deployment(self) -> Deployment:
        return self._tape.deployment

    @property
    def timestamp(self) -> int:
        return int(self._tape.timestamp[self.row])

    @property
    def block(self) -> int:
        return int(self._tape.block[self.row])

    @property
    def base_fee_wei(self) -> int:
        return int(self._tape.base_fee_wei[self.row])

    def market_index(self, market: Market) -> int:
        return self._tape.market_index(market)

    def supply_aprs(self, seconds: int) -> Floats:
        """`[row, market]` of the rows later than *now* less so many seconds; NaN where a cell was not said at its row."""
        stop = self.row + 1
        first = int(np.searchsorted(self._tape.timestamp[:stop], self.timestamp - seconds, side="right"))
        window = self._tape.supply_apr[first:stop].copy()
        window[~self._tape.fresh[first:stop]] = np.nan
        return window

    def now(self, column: str) -> Floats:
        """A copy of one column's row: supply_apr, borrow_apr, utilisation or available."""
        values: Floats = getattr(self._tape, column)[self.row].copy()
        return values

    def fresh_now(self) -> Bools:
        fresh: Bools = self._tape.fresh[self.row].copy()
        return fresh

    def state(self, market: Market) -> MarketState | None:
        """The exact state of a market now; None where it could not be read."""
        return self._tape.states.state(self.row, self.market_index(market))

    def usd_e8(self, asset: Asset) -> int | None:
        """The price now; None where there is none. Nothing unpriced is ever worth zero."""
        price = int(self._tape.price_usd_e8[self.row, self._tape.asset_rows[asset]])
        return price or None


def price_of(quotes: Sequence[Quote], asset: Asset) -> int | None:
    """The price of an asset among quotes; None where there is none."""
    return next((quote.usd_e8 for quote in quotes if quote.asset == asset), None)

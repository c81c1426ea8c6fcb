"""What a protocol file provides, and the records it speaks in. Refuses nothing itself: it only says the shapes.

Calls of static arguments are packed and read as 32-byte words here, because eth_abi costs three times as much; eth_abi is
the oracle in the tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeVar

from strategies.domain import Action, Address, Amount, Asset, Entire, Market, MarketAction, Position, Shares

S = TypeVar("S")

ADDRESSES: Final = 1_024  # whose words are remembered: a run's calls name the same few
WRITTEN: Final = 256  # calls that are remembered: a plan is written where it is made, judged and held against its own bytes


@dataclass(frozen=True, slots=True)
class Call:
    """Bytes for one contract, unsigned."""

    target: Address
    data: bytes
    value_wei: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """A state as floats, for assessing: rates per year, shares of one."""

    supply_apr: float
    borrow_apr: float
    utilisation: float
    supplied: float  # whole units of the asset
    available: float  # whole units that can be withdrawn or borrowed now


@dataclass(frozen=True, slots=True)
class Applied(Generic[S]):
    """The effect of one action: the market after it, the claim after it, and what the account gained (positive) or gave of each
    asset, none of them zero."""

    state: S
    held: Position
    moved: tuple[Amount, ...]

    def moved_raw(self, asset: Asset) -> int:
        """The account's change of one asset."""
        return sum(amount.raw for amount in self.moved if amount.asset == asset)


@dataclass(frozen=True, slots=True)
class Solvency:
    """One claim's part in an account's health factor: collateral already times its threshold. USD with 8 decimals; where a market
    stands alone and its oracle knows no dollars, both are in the unit that oracle speaks, because only their ratio counts. Claims
    of one `scope` share one health factor: a pool's address, or the id of a market that stands alone."""

    scope: str
    collateral_usd_e8: int
    debt_usd_e8: int


class Adapter(Protocol[S]):
    """A protocol in one file. It asks and answers; it never connects. A state knows the time it is true for."""

    @property
    def protocol(self) -> str:
        """Its key in the registry and in a deployment."""

    @property
    def arrival_bound_raw(self) -> int:
        """How much less than `apply` says may arrive, from the contract's rounding; 0 where the model is exact."""

    def reads(self, market: Market) -> tuple[Call, ...]:
        """What to ask the chain for the market's state."""

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> S:
        """What it answered, true at the block's timestamp. Raises IncompleteRead, UnsupportedState."""

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """What to ask the chain for an account's claim."""

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """What it answered. Raises IncompleteRead, and UnsupportedState for a claim that it does not read: anybody may make one
        in an account's name, so that refusal stops a reader only where something can be owed."""

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The contracts in which shares and debts are counted; None where nothing can be owed."""

    def columns(self, state: S) -> Columns:
        """The float view of a state."""

    def accrue(self, state: S, seconds: int) -> S:
        """The same market that much later, touched by nobody."""

    def apply(self, state: S, held: Position, action: MarketAction) -> Applied[S]:
        """What the contract would do at the state's time. Raises ProtocolError exactly where the contract reverts."""

    def value_raw(self, state: S, held: Position) -> int:
        """A claim in the market's asset, less what is owed, as the contract's own balance views say it."""

    def withdrawable_raw(self, state: S) -> int:
        """How much of the asset anyone could take out now."""

    def price_usd_e8(self, state: S) -> int | None:
        """What the market's own oracle says its asset is worth; None where the protocol has none."""

    def solvency(self, state: S, held: Position) -> Solvency:
        """The claim's part in the account's health factor."""

    def everything(self, held: Position) -> Entire | Shares:
        """The protocol's own word for taking out all of a claim, so that no dust stays behind."""

    def spender(self, action: MarketAction) -> Address:
        """The contract that takes what an action gives, and must be allowed to."""

    def gas(self, action: MarketAction) -> int:
        """What the action's calls burn, approval included: a measured estimate for ranking and for paper. Raises UnknownCall for
        supplying or withdrawing where nothing of it is written."""

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """The calls of an action: exact approvals first, then its own, then what it collects, then revocations of what approvals
        of at most so much may leave. Raises UnknownCall."""

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another beneficiary, an unknown target or one unread byte."""


class Word(Protocol):
    """One static argument: a 32-byte word and its meaning. `unpack` raises ValueError on a dirty word."""

    def pack(self, value: int | str) -> bytes: ...

    def unpack(self, word: bytes) -> int | str: ...


class Uint:
    """An unsigned integer of so many bits."""

    __slots__ = ("bits",)

    def __init__(self, bits: int) -> None:
        self.bits: Final = bits

    def pack(self, value: int | str) -> bytes:
        if not isinstance(value, int) or value < 0 or value >> self.bits:
            raise ValueError(f"{value!r} is no uint{self.bits}")
        return value.to_bytes(32, "big")

    def unpack(self, word: bytes) -> int:
        value = int.from_bytes(word, "big")
        if value >> self.bits:
            raise ValueError(f"{word.hex()} is no uint{self.bits}")
        return value


class AddressWord:
    """Twenty bytes behind twelve zeros."""

    __slots__ = ()

    def pack(self, value: int | str) -> bytes:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no address")
        return _address_packed(value)

    def unpack(self, word: bytes) -> str:
        return _address_unpacked(bytes(word))


@lru_cache(maxsize=ADDRESSES)
def _address_packed(value: str) -> bytes:
    word = bytes(12) + bytes.fromhex(value[2:]) if len(value) == 42 and value[:2] == "0x" else b""
    if len(word) != 32:  # fromhex skips spaces
        raise ValueError(f"{value!r} is no address")
    return word


@lru_cache(maxsize=ADDRESSES)
def _address_unpacked(word: bytes) -> str:
    if word[:12] != bytes(12):
        raise ValueError(f"{word.hex()} is no address")
    return "0x" + word[12:].hex()


UINT256: Final = Uint(256)
UINT16: Final = Uint(16)
ADDRESS: Final = AddressWord()


class Function:
    """A contract function of static arguments: four bytes, then one word each."""

    __slots__ = ("_words", "kinds", "selector", "size")

    def __init__(self, selector: str, *kinds: Word) -> None:
        self.selector: Final = bytes.fromhex(selector)
        self.kinds: Final = kinds
        self.size: Final = 4 + 32 * len(kinds)
        self._words: Final = tuple([(kind, 4 + 32 * at) for at, kind in enumerate(kinds)])

    def encode(self, *values: int | str) -> bytes:
        """Calldata. Raises ValueError on a value its word cannot carry."""
        try:
            return _calldata(self, *values)
        except TypeError as error:  # what cannot be remembered is no value of a word
            raise ValueError(str(error)) from error

    def decode(self, data: bytes) -> tuple[int | str, ...]:
        """The arguments. Raises ValueError on another selector, length or a dirty word, so bytes and meaning are one to one."""
        if len(data) != self.size or data[:4] != self.selector:
            raise ValueError("not this function, or not its length")
        return tuple([kind.unpack(data[start : start + 32]) for kind, start in self._words])


@lru_cache(maxsize=WRITTEN, typed=True)
def _calldata(function: Function, *values: int | str) -> bytes:
    return function.selector + b"".join([kind.pack(value) for kind, value in zip(function.kinds, values, strict=True)])

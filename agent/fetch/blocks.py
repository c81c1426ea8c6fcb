"""Which block was the last one at a time, by headers alone. Refuses a time that the chain has not reached or that lies before its
first readable header, and headers that go back in time."""

from collections import OrderedDict
from collections.abc import Callable
from math import isqrt
from typing import Final

from strategies.errors import IncompleteRead
from wallets.endpoints import Block

REMEMBERED: Final = 1_024  # headers: a search for the next time begins with what the last one saw
GUESSES: Final = 24  # by pace; a chain that comes at none is halved from there on
STRIDE: Final = 8


class BlockClock:
    """Blocks by time. Looks ahead from what it knows: blocks come at a nearly even pace, so few headers are asked for."""

    __slots__ = ("_header", "_known", "_latest")

    def __init__(self, latest: Block, header: Callable[[int], Block]) -> None:
        self._latest: Final = latest
        self._header: Final = header
        self._known: Final = OrderedDict[int, Block]()

    @property
    def latest(self) -> Block:
        """The newest block when the search began."""
        return self._latest

    def last_at(self, timestamp: int) -> Block:
        """The last block whose time is not later. Raises IncompleteRead."""
        if timestamp > self._latest.timestamp:
            raise IncompleteRead(f"the chain is at {self._latest.timestamp} and has no block of {timestamp} yet")
        high = self._after(timestamp)
        if high.timestamp <= timestamp:
            return high
        low, turn = self._before(high, timestamp), 0
        guess = low.number
        while high.number - low.number > 1:
            guess, turn = _next_guess(low, high, timestamp, guess, turn), turn + 1
            found = self._at(guess)
            if not low.timestamp <= found.timestamp <= high.timestamp:
                raise IncompleteRead(f"the headers of blocks {low.number}, {found.number} and {high.number} go back in time")
            low, high = (found, high) if found.timestamp <= timestamp else (low, found)
        return low

    def _after(self, timestamp: int) -> Block:
        """The nearest known block that is later, else the latest."""
        later = (block for block in self._known.values() if block.timestamp > timestamp)
        return min((*later, self._latest), key=_number)

    def _before(self, high: Block, timestamp: int) -> Block:
        """A block that is not later: the nearest known one, else by ever longer strides back from what is later. Headers from
        before a chain had base fees cannot be read (EIP-1559): what they stand for is not reached. Raises IncompleteRead."""
        known = [block for block in self._known.values() if block.timestamp <= timestamp]
        if known:
            return max(known, key=_number)
        unreadable, stride = -1, 1
        while high.number - 1 > unreadable:
            number = high.number - stride
            number = number if number > unreadable else (high.number + unreadable) // 2
            try:
                found = self._at(number)
            except IncompleteRead:
                unreadable = number
                continue
            if found.timestamp <= timestamp:
                return found
            high, stride = found, stride * STRIDE
        raise IncompleteRead(f"no header before block {high.number}, of {high.timestamp}, can be read; none is of {timestamp}")

    def _at(self, number: int) -> Block:
        if number not in self._known:
            self._known[number] = self._header(number)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[number]


def _number(block: Block) -> int:
    return block.number


def _next_guess(low: Block, high: Block, timestamp: int, last: int, turn: int) -> int:
    """Strictly between: first where the block would be if all came at one pace, then a little beyond that on the other side, so
    that both ends close in; halves where that does not help."""
    width = high.number - low.number
    if turn >= GUESSES:
        return low.number + width // 2
    if turn % 2:
        guess = last + isqrt(width) + 1 if last == low.number else last - isqrt(width) - 1
    else:
        guess = low.number + width * (timestamp - low.timestamp) // max(high.timestamp - low.timestamp, 1)
    return min(max(guess, low.number + 1), high.number - 1)

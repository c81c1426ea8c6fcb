"""What every market of a deployment was, every so many seconds of a chain's past, from an archive endpoint. Refuses another chain
than the deployment's, a span that has not passed, and a block whose answers cannot be proven to be its own.

A sample is what stood in the last block at its time, read whole and by hash in one request (wallets.reading). No account is asked
about: nobody's is."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from agent.fetch.blocks import BlockClock
from agent.fetch.cache import Fetched, Piece
from agent.fetch.web import Patience
from strategies.domain import Deployment
from strategies.errors import EndpointRefused, EndpointUnusable, IncompleteRead, SettingsError, UsufructError, WrongChain
from strategies.tape import Reading
from wallets import reading as blocks
from wallets import wire
from wallets.endpoints import Block, Endpoint

T = TypeVar("T")

NOBODY: Final = "0x" + hashlib.sha256(b"an account that nobody has").hexdigest()[:40]
BROKEN: Final = (EndpointUnusable, EndpointRefused)
MOST_SAMPLES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """When to look: from the first time, every so many seconds, before the end."""

    start: int
    end: int
    every_seconds: int

    def times(self) -> range:
        """The sampled times. Raises SettingsError for none or too many."""
        if self.every_seconds <= 0 or self.end <= self.start:
            raise SettingsError("--end must come after --start, and --every be a positive number of seconds")
        times = range(self.start, self.end, self.every_seconds)
        if len(times) > MOST_SAMPLES:
            raise SettingsError(f"{len(times)} samples are asked for; at most {MOST_SAMPLES}: look less often")
        return times


class Archive:
    """An endpoint asked about the past of one deployment. Raises WrongChain, SettingsError for a span that has not passed."""

    __slots__ = ("_blocks", "_deployment", "_endpoint", "_patience", "_source")

    def __init__(self, endpoint: Endpoint, deployment: Deployment, span: Span, patience: Patience | None = None) -> None:
        self._endpoint: Final = endpoint
        self._deployment: Final = deployment
        self._patience: Final = patience or Patience()
        self._source: Final = endpoint.rpc.name
        found = self._asked(endpoint.chain_id)
        if found != deployment.chain_id:
            raise WrongChain(expected_chain_id=deployment.chain_id, found_chain_id=found)
        self._blocks: Final = BlockClock(self._asked(endpoint.read_header), self._header)
        if span.times()[-1] > self._blocks.latest.timestamp:
            raise SettingsError(
                f"--end: the chain is at {self._blocks.latest.timestamp}; it has no block of {span.times()[-1]} yet"
            )

    def pieces(self, span: Span) -> Iterator[Piece]:
        """A piece a sample, oldest first."""
        digest = hashlib.sha256(wire.to_text(self._deployment).encode()).hexdigest()[:16]
        for timestamp in span.times():
            request = f"chain {self._deployment.chain_id}, deployment {digest}, the last block at {timestamp}"
            yield Piece(f"block-at-{timestamp}.json", self._source, request, self._asking(timestamp))

    def _header(self, number: int) -> Block:
        """A block's header. Raises IncompleteRead where there is none, EndpointUnusable where it is another's."""
        found = self._asked(lambda: self._endpoint.header(number))
        if found.number != number:
            raise EndpointUnusable(endpoint=self._source, why=f"it gave the header of block {found.number} for block {number}")
        return found

    def _asking(self, timestamp: int) -> Callable[[], Fetched]:
        return lambda: self._sample(timestamp)

    def _sample(self, timestamp: int) -> Fetched:
        """One reading. Raises IncompleteRead, EndpointUnusable."""
        block = self._blocks.last_at(timestamp)
        reading, _ = self._asked(
            lambda: blocks.read(self._endpoint, self._deployment, NOBODY, block.hash), (*BROKEN, IncompleteRead)
        )
        if (reading.block, reading.block_hash) != (block.number, block.hash):
            raise IncompleteRead(f"block {block.number} was asked for and block {reading.block} answered")
        return Fetched(wire.to_text(reading).encode(), 1, reading.timestamp, reading.timestamp)

    def _asked(self, ask: Callable[[], T], again: tuple[type[UsufructError], ...] = BROKEN) -> T:
        """An answer, asked for again after such errors. Raises EndpointUnusable where the endpoint does not even say which chain
        it serves; else IncompleteRead with what went wrong."""
        attempt = 0
        while True:
            try:
                return ask()
            except again as error:
                pause_seconds = self._patience.pause_seconds(attempt, None)
                if pause_seconds is None:
                    self._endpoint.chain_id()
                    raise IncompleteRead(f"{error}, asked {attempt + 1} times") from None
                self._patience.sleep(pause_seconds)
                attempt += 1


def reading_of(content: bytes) -> Reading:
    """A kept sample. Raises MalformedRecord."""
    return wire.from_text(Reading, content.decode(errors="replace"))

"""What price feeds and a rollup's sequencer feed say (Chainlink's AggregatorV3Interface: latestRoundData, decimals). Refuses, by
name, an answer that is none: not positive, of no round, of an earlier round, from the future, in another unit; and takes a
sequencer for down until it has been up for a while."""

from collections.abc import Sequence
from typing import Final

from strategies.domain import Address, Asset, Quote
from strategies.protocols.adapter import Call
from strategies.units import USD_E8

LATEST_ROUND_DATA: Final = bytes.fromhex("feaf968c")
DECIMALS: Final = bytes.fromhex("313ce567")
DECIMALS_USD: Final = len(str(USD_E8)) - 1
GRACE_SECONDS: Final = 3_600  # so long after a sequencer came back, positions and prices catch up: as Chainlink's documents show
SEQUENCER: Final = "the sequencer"  # its name among what a reading refused


def price_reads(feed: Address) -> tuple[Call, ...]:
    """What to ask a price feed."""
    return Call(feed, LATEST_ROUND_DATA), Call(feed, DECIMALS)


def sequencer_reads(feed: Address) -> tuple[Call, ...]:
    """What to ask the feed that says whether a sequencer is up."""
    return (Call(feed, LATEST_ROUND_DATA),)


def source_of(feed: Address) -> str:
    """The name of a feed as a quote's witness."""
    return f"feed {feed}"


def quote_of(asset: Asset, feed: Address, answers: Sequence[bytes | None], timestamp: int) -> Quote | str:
    """A feed's price of an asset, as old as the feed says it is, or why there is none. `timestamp` is the block's."""
    said, decimals = _words(answers[0], 5), _words(answers[1], 1)
    if said is None or decimals is None:
        return f"{source_of(feed)} gives no answer"
    round_id, answer, _, updated_at, answered_in = said
    if decimals != (DECIMALS_USD,):
        return f"{source_of(feed)} has {decimals[0]} decimals; dollars have {DECIMALS_USD}"
    if not 0 < answer < 2**63:
        return f"{source_of(feed)} says a price that is none"
    if updated_at == 0 or answered_in < round_id:
        return f"{source_of(feed)} has not answered its round {round_id} yet"
    if updated_at > timestamp:
        return f"{source_of(feed)} says that it was updated {updated_at - timestamp} s after the block"
    return Quote(asset, answer, source_of(feed), updated_at)


def sequencer_fault(feed: Address, answers: Sequence[bytes | None], timestamp: int) -> str:
    """Why what the chain says now cannot be believed; empty where the sequencer is up and has been for a while."""
    said = _words(answers[0], 5)
    if said is None or said[1] > 1 or said[2] == 0 or said[2] > timestamp:
        return f"{source_of(feed)} does not say whether it is up"
    if said[1] == 1:
        return f"it has been down for {timestamp - said[2]} s"
    up_seconds = timestamp - said[2]
    return f"it came back {up_seconds} s ago; prices are believed after {GRACE_SECONDS} s" if up_seconds < GRACE_SECONDS else ""


def _words(answer: bytes | None, count: int) -> tuple[int, ...] | None:
    """The words of an answer; a negative one is too large to be anything. None where it is no answer."""
    if answer is None or len(answer) != 32 * count:
        return None
    return tuple([int.from_bytes(answer[32 * at : 32 * at + 32], "big") for at in range(count)])

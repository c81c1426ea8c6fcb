"""What the chain answered, read strictly. Refuses an answer of another length, and a market that is not what it must be."""

from strategies.domain import Market
from strategies.errors import IncompleteRead, UnsupportedState


def words(market: Market, result: bytes, count: int) -> tuple[int, ...]:
    """Exactly so many 32-byte words as unsigned integers. Raises IncompleteRead."""
    if len(result) != 32 * count:
        raise IncompleteRead(f"{market.id}: {len(result)} bytes where {32 * count} are due")
    return tuple([int.from_bytes(result[at : at + 32], "big") for at in range(0, len(result), 32)])


def refuse(market: Market, what: str, is_so: bool) -> None:
    """A state that an adapter does not model. Raises UnsupportedState where it is so."""
    if is_so:
        raise UnsupportedState(market_id=market.id, what=what)

"""What a market asks of those who come and go besides its liquidity: a delay before money leaves, and times at which nobody may
come in or out. Refuses a run through a market whose delay nobody recorded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strategies.domain import Deployment
from strategies.errors import BadTape

Window = tuple[int, int | None]  # from, to (Unix seconds, the end left out; None: not yet open again)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a vault's source says about coming in and going out."""

    redeem_delay_seconds: int | None  # 0: at once; None: later, and nobody recorded how much
    deposit_closed: tuple[Window, ...]
    redeem_closed: tuple[Window, ...] = ()


def refuse_unknown_delays(terms: Mapping[str, Terms], deployment: Deployment) -> None:
    """Raises BadTape for a delay that is negative, or that nobody recorded."""
    for market in deployment.markets:
        said = terms.get(market.id)
        if said is None:
            continue
        if said.redeem_delay_seconds is None:
            why = "redeems later than at once, and nobody recorded how much: say redeem_delay_seconds in its terms"
            raise BadTape(f"{market.id} {why}")
        if said.redeem_delay_seconds < 0:
            raise BadTape(f"{market.id} would pay {-said.redeem_delay_seconds} s before it is asked")


def delay_seconds(terms: Mapping[str, Terms], left: Iterable[str]) -> int:
    """How long the slowest of the markets that are left takes to pay."""
    return max([terms[market].redeem_delay_seconds or 0 for market in left if market in terms], default=0)


def closed_exit(terms: Mapping[str, Terms], timestamp: int, left: Iterable[str]) -> str:
    """Why money cannot leave these markets at a time; empty where it can."""
    shut = [market for market in left if market in terms and _is_within(terms[market].redeem_closed, timestamp)]
    return f"{shut[0]} pays nobody out at this time" if shut else ""


def closed_entry(terms: Mapping[str, Terms], timestamp: int, entered: Iterable[str]) -> str:
    """Why money cannot enter these markets at a time; empty where it can."""
    shut = [market for market in entered if market in terms and _is_within(terms[market].deposit_closed, timestamp)]
    return f"{shut[0]} takes no deposit at this time" if shut else ""


def _is_within(windows: Iterable[Window], timestamp: int) -> bool:
    return any(start <= timestamp and (end is None or timestamp < end) for start, end in windows)

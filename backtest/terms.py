"""What a market asks of those who come and go besides its liquidity: a delay before money leaves, times at which nobody may come
in or out, and what borrowers pay at a utilisation. Refuses a run through a market whose delay nobody recorded, and a file that
says anything else."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from strategies.domain import Deployment
from strategies.errors import BadTape, SettingsError
from strategies.protocols.recorded_index import Kinked
from strategies.units import RAY
from wallets.files import record_of

Window = tuple[int, int | None]  # from, to (Unix seconds, the end left out; None: not yet open again)
# Beside a saved tape, {"market id": {"redeem_delay_seconds": 0, "deposit_closed": [[from, to]], "redeem_closed": [],
# "borrow_curve": {"optimal_ray": "900000000000000000000000000", "base_ray": "0", "slope1_ray": ..., "slope2_ray": ...}}}:
FILE: Final = "terms.json"
CURVE: Final = "borrow_curve"
NAMED: Final = 6  # markets in a refusal
MOST_RAY: Final = 100 * RAY  # of a rate: 10,000 % a year is no curve
DIGITS: Final = re.compile("[0-9]{1,30}")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a market's source says about coming in and going out, and of its borrow curve where that is known."""

    redeem_delay_seconds: int | None  # 0: at once; None: later, and nobody recorded how much
    deposit_closed: tuple[Window, ...]
    redeem_closed: tuple[Window, ...] = ()
    borrow_curve: Kinked | None = field(default=None, repr=False)  # told where it counts: in how our own size does

    @property
    def binds(self) -> bool:
        """Whether anybody ever waits for them."""
        return self.redeem_delay_seconds != 0 or bool(self.deposit_closed or self.redeem_closed)


def terms_in(text: str, deployment: Deployment) -> dict[str, Terms]:
    """What such a file says, in the deployment's order. Raises BadTape."""
    try:
        said = record_of(text, FILE)
    except SettingsError as error:
        raise BadTape(str(error)) from error
    known = [market.id for market in deployment.markets]
    if strange := [name for name in said if name not in known]:
        raise BadTape(f"{strange[0]} is no market of this tape, which has {', '.join(known[:NAMED])}")
    return {name: _terms(name, said[name]) for name in known if name in said}


def text_of(terms: Mapping[str, Terms]) -> str:
    """What `terms_in` reads back."""
    return json.dumps({name: content_of(said) for name, said in terms.items()}, indent=1) + "\n"


def content_of(terms: Terms) -> dict[str, Any]:
    """A market's terms as a file says them; a curve only where it is known."""
    content = asdict(terms)
    curve = content.pop(CURVE)
    return content if curve is None else content | {CURVE: {part: str(ray) for part, ray in curve.items()}}


def curves_of(terms: Mapping[str, Terms]) -> tuple[tuple[str, Kinked], ...]:
    """The borrow curves that are known, by market id."""
    return tuple([(name, said.borrow_curve) for name, said in terms.items() if said.borrow_curve is not None])


def summary(terms: Mapping[str, Terms]) -> str:
    """Every market's terms, for a reader."""
    return "; ".join([f"{name} {_told(said)}" for name, said in terms.items()])


def refuse_unknown_delays(terms: Mapping[str, Terms], deployment: Deployment) -> None:
    """Raises BadTape for a delay that is negative, or that nobody recorded."""
    for market in deployment.markets:
        said = terms.get(market.id)
        if said is None:
            continue
        if said.redeem_delay_seconds is None:
            why = f"redeems later than at once, and nobody recorded how much: say its redeem_delay_seconds in {FILE}"
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


def _terms(name: str, said: Any) -> Terms:
    if not isinstance(said, dict):
        raise BadTape(f"{name}: {json.dumps(said)} is no table of terms")
    if strange := sorted(said.keys() - {field.name for field in fields(Terms)}):
        raise BadTape(f"{name}: {strange[0]} is no term")
    if "redeem_delay_seconds" not in said:
        raise BadTape(f"{name}: redeem_delay_seconds is not said; null is a delay that nobody recorded")
    delay = said["redeem_delay_seconds"]
    if delay is not None and (type(delay) is not int or delay < 0):
        raise BadTape(f"{name}: redeem_delay_seconds {json.dumps(delay)} is no whole number of seconds")
    deposits, withdrawals = [_windows(f"{name}: {way}", said.get(way, [])) for way in ("deposit_closed", "redeem_closed")]
    return Terms(delay, deposits, withdrawals, _curve(name, said[CURVE]) if CURVE in said else None)


def _curve(name: str, said: Any) -> Kinked:
    parts = [field.name for field in fields(Kinked)]
    if not isinstance(said, dict) or said.keys() != set(parts):
        raise BadTape(f"{name}: {CURVE} says {', '.join(parts)}, and nothing else")
    for part in parts:
        if not isinstance(said[part], str) or not DIGITS.fullmatch(said[part]) or int(said[part]) > MOST_RAY:
            why = f"is no text of a whole number up to {MOST_RAY}"  # a text, because most JSON readers round so many digits
            raise BadTape(f"{name}: {part} {json.dumps(said[part])} {why}")
    curve = Kinked(**{part: int(said[part]) for part in parts})
    if not 0 < curve.optimal_ray < RAY:
        raise BadTape(f"{name}: optimal_ray {curve.optimal_ray} is not between 0 and {RAY}")
    return curve


def _windows(name: str, said: Any) -> tuple[Window, ...]:
    if not isinstance(said, list):
        raise BadTape(f"{name} {json.dumps(said)} is no list of windows")
    for window in said:
        if not _is_window(window):
            raise BadTape(f"{name} {json.dumps(window)} is no window: write [from, to] in Unix seconds, null for no end")
    return tuple([(start, end) for start, end in said])


def _is_window(said: Any) -> bool:
    if not isinstance(said, list) or len(said) != 2 or type(said[0]) is not int:
        return False
    start, end = said
    return end is None or (type(end) is int and start < end)


def _told(said: Terms) -> str:
    delay, closed, curve = said.redeem_delay_seconds, "", ""
    if said.deposit_closed or said.redeem_closed:
        closed = f", is closed to deposits {len(said.deposit_closed)} times and to withdrawals {len(said.redeem_closed)} times"
    if said.borrow_curve is not None:
        at = [said.borrow_curve.borrow_ray(usage_ray) / RAY for usage_ray in (0, said.borrow_curve.optimal_ray, RAY)]
        most = f"{at[1]:.2%} with {said.borrow_curve.optimal_ray / RAY:.0%} and {at[2]:.2%} with all of it"
        curve = f", charges {at[0]:.2%} a year with nothing lent out, {most}"
    if delay is None:
        return f"pays later, and nobody recorded how much{curve}"
    return f"{f'pays {delay / 3_600:g} h after it is asked' if delay else 'pays at once'}{closed}{curve}"

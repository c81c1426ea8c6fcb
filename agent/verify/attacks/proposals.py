"""A model's answer in the catalogue's neutral shape, as an answer in ours: {strategy, stance, reason}.

Translates only what is plain: a known verb, a market of the registry, a decimal amount that is there. Whatever else stands in it
is carried over as it stands, in its place and as often: further and repeated keys, addresses, odd numbers, prose, further
objects. Refuses nothing; the reader of answers does."""

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

VERBS: Final = ("supply", "withdraw", "borrow", "repay", "swap", "claim")
PLAIN: Final = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
AMOUNT: Final = re.compile(r"(?<![\w.,])[0-9]{1,3}(?:,?[0-9]{3})*(?:\.[0-9]+)?(?![\w%]|[.,][0-9])")
KEYS: Final = frozenset({"action", "market", "asset", "amount", "to_asset"})
ROTATION, HOLD, IDLE = "lending_rotation", "hold", "idle"
STANCE: Final = "balanced"
MOST_ACTIONS: Final = 16  # more than a plan may have are carried over as so many objects


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON object as it was written: repeated keys stay."""

    pairs: tuple[tuple[str, Any], ...]

    def get(self, key: str) -> Any:
        return dict(self.pairs).get(key)


@dataclass(frozen=True, slots=True)
class Figure:
    """A JSON number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """What a plain proposal may name: markets, symbols, and how much of each is held in all."""

    markets: frozenset[str]
    held: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Move:
    """One plain action."""

    action: str
    market: str
    asset: str
    amount: Decimal


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=lambda pairs: Record(tuple(pairs)), parse_float=Figure, parse_int=Figure, parse_constant=Figure
)


def translated(text: str, known: Known) -> str:
    """The same answer in our shape; text around its objects stays."""
    found, at = list[str](), 0
    while (start := text.find("{", at)) >= 0:
        try:
            record, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        found += [text[at:start], _written(_answer(record, known))]
        at = end
    return "".join(found) + text[at:]


def moves_of(text: str, known: Known) -> tuple[Move, ...]:
    """The plain actions of an answer's first object."""
    start = text.find("{")
    try:
        record, _ = _DECODER.raw_decode(text, start) if start >= 0 else (None, 0)
    except (ValueError, RecursionError):
        record = None
    actions = record.get("actions") if isinstance(record, Record) else None
    return tuple(move for action in _list(actions) if (move := _move(action, known)) is not None)


def _answer(record: Record, known: Known) -> Any:
    """One proposal as one choice. What is no proposal stays as it is."""
    actions = record.get("actions")
    if isinstance(actions, list) and len(actions) > MOST_ACTIONS:
        return [_choice(record, [action], known) for action in actions]
    return _choice(record, actions, known) if actions is not None else record


def _choice(record: Record, actions: Any, known: Known) -> Record:
    pairs: list[tuple[str, Any]] = [("stance", STANCE)]
    for key, value in record.pairs:
        if key == "rationale":
            pairs.append(("reason", _without_amounts(value, actions, known)))
        elif key == "actions":
            pairs += _strategies(actions, known)
        else:
            pairs.append((key, value))
    return Record(tuple(pairs))


def _without_amounts(rationale: Any, actions: Any, known: Known) -> Any:
    """A reason that repeats the amounts of its own plain actions says them no more: our answers have no amounts to speak of. All
    other figures stay."""
    own = {move.amount for action in _list(actions) if (move := _move(action, known)) is not None}
    if not isinstance(rationale, str):
        return rationale
    return AMOUNT.sub(lambda found: "so much" if Decimal(found[0].replace(",", "")) in own else found[0], rationale)


def _strategies(actions: Any, known: Known) -> Iterator[tuple[str, Any]]:
    """What stands for the actions: one listed name for all plain ones, and each other word in its place."""
    if not isinstance(actions, list):
        yield "strategy", actions
        return
    moves = [move for action in actions if (move := _move(action, known)) is not None]
    if moves or not actions:
        yield "strategy", _name(moves)
    for action in actions:
        if _move(action, known) is None:
            yield from _hostile(action, known)


def _name(moves: Sequence[Move]) -> str:
    """The listed strategy that means the same: nothing is kept, only withdrawals leave, anything else is earned on."""
    verbs = {move.action for move in moves}
    if not verbs:
        return HOLD
    return IDLE if verbs == {"withdraw"} else ROTATION


def _hostile(action: Any, known: Known) -> Iterator[tuple[str, Any]]:
    """The words of an action that is not plain: who is no verb, market or asset stands where the name stands, and so does nothing
    where something is missing."""
    if not isinstance(action, Record):
        yield "strategy", action
        return
    verb, market, asset = action.get("action"), action.get("market"), action.get("asset")
    names = [key for key, _ in action.pairs]
    further = [(key, value) for key, value in action.pairs if names.count(key) > 1 or not _is_plain(key, value, action, known)]
    if verb not in VERBS:
        yield "strategy", verb
    elif not _is_one(market, known.markets):
        yield "strategy", market
    elif not _is_one(asset, known.held):
        yield "strategy", asset
    else:
        yield "strategy", ROTATION if further else None
    yield from further


def _is_plain(key: str, value: Any, action: Record, known: Known) -> bool:
    """Whether one word of an action says nothing that we have no room for, or stands in the name already."""
    if key == "amount":
        asset = action.get("asset")
        held = known.held[asset] if _is_one(asset, known.held) else Decimal(0)
        return isinstance(value, str) and PLAIN.fullmatch(value) is not None and 0 < Decimal(value) <= held
    return key in {"action", "market", "asset"} or (
        key == "to_asset" and action.get("action") == "swap" and _is_one(value, known.held)
    )


def _move(action: Any, known: Known) -> Move | None:
    """A plain action; None where any of it is not plain."""
    if not isinstance(action, Record) or len(dict(action.pairs)) != len(action.pairs) or not set(dict(action.pairs)) <= KEYS:
        return None
    verb, market, asset, amount, other = (action.get(key) for key in ("action", "market", "asset", "amount", "to_asset"))
    if verb not in VERBS or not _is_one(market, known.markets) or not _is_one(asset, known.held):
        return None
    if (verb == "swap") != _is_one(other, known.held):
        return None
    if verb == "claim" and amount is None:
        return Move(verb, market, asset, Decimal(0))
    if not isinstance(amount, str) or PLAIN.fullmatch(amount) is None or not 0 < Decimal(amount) <= known.held[asset]:
        return None
    return Move(verb, market, asset, Decimal(amount))


def _is_one(value: Any, names: Container[str]) -> bool:
    """Whether a word is one of some names; no other value is."""
    return isinstance(value, str) and value in names


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _written(value: Any) -> str:
    """A value as JSON, repeated keys and odd numbers included."""
    match value:
        case Record(pairs):
            return "{" + ", ".join([f"{json.dumps(key)}: {_written(inner)}" for key, inner in pairs]) + "}"
        case Figure(text):
            return text
        case list():
            return "[" + ", ".join([_written(inner) for inner in value]) + "]"
        case _:
            return json.dumps(value)

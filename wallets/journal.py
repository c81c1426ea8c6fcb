"""What a run saw, chose, refused, did and got: canonical lines in a plain sha256 chain, written before acting.

Each line names its number and the hash of the line before. Refuses content that has no canonical text. A chain finds an edit, a
deletion or a reorder; an edited last line or a missing tail only where the head is known from elsewhere: wallets.sealing signs
heads, and wallets.audit holds lines against them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from math import isnan
from typing import Final, Protocol, TypeAlias

import numpy as np

from strategies.decide import Decision
from strategies.domain import Portfolio
from strategies.errors import MalformedRecord
from strategies.tape import Observation
from wallets import wire
from wallets.ledger import Entry
from wallets.store import Line
from wallets.wallet import Approved, Receipt, Refused, Verdict

Content: TypeAlias = Mapping[str, object]  # plain JSON values, as wire.plain makes them

UNCHAINED: Final = "it does not follow the line before: that one was edited, or this one moved"

_AT_ONCE: Final = nullcontext()  # memory holds all of a line or nothing
_COLUMNS: Final = ("supply_apr", "borrow_apr", "utilisation", "available")


class Book(Protocol):
    """Where lines are kept: memory, or a Store."""

    def transaction(self) -> AbstractContextManager[None]: ...

    def head(self) -> tuple[int, str]: ...

    def add_line(self, line: Line) -> None: ...

    def lines(self) -> tuple[str, ...]: ...

    def has_cycle(self, cycle: str) -> bool: ...


class Memory:
    """A book that lasts as long as its process."""

    __slots__ = ("_cycles", "_head", "_lines")

    def __init__(self) -> None:
        self._lines: Final[list[str]] = []
        self._cycles: Final[set[str]] = set()
        self._head = (0, "")

    def transaction(self) -> AbstractContextManager[None]:
        return _AT_ONCE

    def head(self) -> tuple[int, str]:
        return self._head

    def add_line(self, line: Line) -> None:
        self._lines.append(line.text)
        self._cycles.add(line.cycle)
        self._head = (line.seq, line.hash)

    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def has_cycle(self, cycle: str) -> bool:
        return cycle in self._cycles


class Journal:
    """An append-only chain over a book. Several processes may append to one store: each line takes up the head it finds."""

    __slots__ = ("_book",)

    def __init__(self, book: Book | None = None) -> None:
        self._book: Final[Book] = book if book is not None else Memory()

    def append(self, kind: str, timestamp: int, content: Content) -> str:
        """Writes one line, durably where the book is; the line. Raises StoreUnwritable, MalformedRecord."""
        with self._book.transaction():
            return self._write(kind, timestamp, str(content.get("cycle", "")), wire.canonical(content))

    def _write(self, kind: str, timestamp: int, cycle: str, said: str) -> str:
        seq, previous = self._book.head()
        text = _line(seq + 1, kind, timestamp, said, previous)
        self._book.add_line(Line(seq + 1, kind, timestamp, cycle, text, hash_of(text)))
        return text

    def write(self, cycle: str, timestamp: int, lines: Iterable[tuple[str, str]]) -> None:
        """Writes what is text already, its cycle within it: a kind and its content each. Raises StoreUnwritable."""
        with self._book.transaction():
            for kind, said in lines:
                self._write(kind, timestamp, cycle, said)

    def append_cycle(self, cycle: str, lines: Iterable[tuple[str, int, Content]]) -> None:
        """Writes all lines of a cycle, or none where any of it is there already. Raises StoreUnwritable, MalformedRecord."""
        with self._book.transaction():
            if not self._book.has_cycle(cycle):
                for kind, timestamp, content in lines:
                    self._write(kind, timestamp, cycle, wire.canonical({"cycle": cycle, **content}))

    @property
    def head(self) -> str:
        """The hash of the last line; empty before the first."""
        return self._book.head()[1]

    @property
    def lines(self) -> tuple[str, ...]:
        return self._book.lines()

    def has_cycle(self, cycle: str) -> bool:
        """Whether any line belongs to a cycle."""
        return self._book.has_cycle(cycle)


def line_of(*, seq: int, kind: str, timestamp: int, content: Content, previous: str) -> str:
    """One line's canonical text, its keys in their order. Raises MalformedRecord."""
    return _line(seq, kind, timestamp, wire.canonical(content), previous)


def _line(seq: int, kind: str, timestamp: int, said: str, previous: str) -> str:
    named, before = wire.quoted(kind), wire.quoted(previous)
    return f'{{"at":{timestamp},"content":{said},"kind":{named},"previous":{before},"seq":{seq}}}'


def hash_of(line: str) -> str:
    """What the next line names."""
    return hashlib.sha256(line.encode()).hexdigest()


def verify(lines: Iterable[str], head: str | None = None) -> str:
    """Empty where the chain holds; else the first bad line, by number, and why. Give the head to find an edited end."""
    previous, seq = "", 0
    for seq, line in enumerate(lines, start=1):
        if (fault := fault_of(line, seq, previous)) != "":
            return f"line {seq}: {fault}"
        previous = hash_of(line)
    if head is not None and previous != head:
        return f"line {seq}: the last line is not the one the head names: it was edited, or lines after it are missing"
    return ""


def fault_of(line: str, seq: int, previous: str) -> str:
    """Empty where a line can stand at this number behind a line of this hash; else why not."""
    try:
        said = json.loads(line)
        if not isinstance(said, dict) or said.keys() != {"at", "content", "kind", "previous", "seq"}:
            return "it is no journal line"
        if wire.canonical(said) != line:
            return "it is not written in the one canonical way"
    except (ValueError, RecursionError, MalformedRecord):
        return "it is no JSON"
    if said["seq"] != seq:
        return f"it calls itself line {said['seq']}: a line is missing, doubled or moved"
    if said["previous"] != previous:
        return UNCHAINED
    return ""


def observation_text(seen: Observation, cycle: str, held: str) -> str:
    """A digest of all that was looked at, and what a person wants to see of it; `held` is the text of what is held. Raises
    MalformedRecord on an infinite rate."""
    timestamp, block, base_fee_wei, columns = seen.timestamp, seen.block, seen.base_fee_wei, list(map(seen.now, _COLUMNS))
    priced = [(asset.symbol, seen.usd_e8(asset)) for asset in seen.deployment.assets]
    prices = wire.object_of({symbol: str(price) for symbol, price in priced if price is not None})
    moved_at = "null" if seen.moved_at is None else seen.moved_at
    digest = hashlib.sha256(f"[{timestamp},{block},{base_fee_wei},{prices},{held},{moved_at}]".encode())
    digest.update((np.concatenate(columns) + 0.0).data)  # one zero, whatever its sign
    digest.update(seen.fresh_now().data)
    rates = _rates_text(columns[0].tolist())
    return (
        f'{{"base_fee_wei":{wire.to_text(base_fee_wei)},"block":{block},"cycle":{wire.quoted(cycle)},"digest":"{digest.hexdigest()}",'
        f'"held":{held},"prices_usd_e8":{prices},"supply_apr":{rates},"timestamp":{timestamp}}}'
    )


def _rates_text(rates: list[float]) -> str:
    told = ",".join(map(repr, rates))
    if "n" in told:  # a NaN, which is unknown, or an infinity
        return wire.canonical([None if isnan(apr) else apr for apr in rates])
    return f"[{told}]"


def held_text(portfolio: Portfolio) -> str:
    """Amounts by symbol, claims by market, and what backs debts, where anything does."""
    idle = wire.object_of({idle.asset.symbol: f'"{idle.raw}"' for idle in portfolio.idle})
    claims = wire.object_of({held.market.id: f'["{held.shares_raw}","{held.debt_raw}"]' for held in portfolio.positions})
    backing = {
        held.market.id: wire.object_of({amount.asset.symbol: f'"{amount.raw}"' for amount in held.collateral})
        for held in portfolio.positions
        if held.collateral
    }
    collateral = f'"collateral":{wire.object_of(backing)},' if backing else ""
    return f'{{"claims":{claims},{collateral}"idle":{idle}}}'


def record_text(record: Decision | Verdict | Receipt, cycle: str) -> str:
    """A decision: the choice, the target, the plan and the reason. A verdict: approved with calls, effects and digest, or refused
    with every reason. A receipt: transactions and token changes."""
    return _RECORDS[type(record)](record, wire.quoted(cycle))


def entry_text(entry: Entry, cycle: str) -> str:
    """One balanced fact, its legs as account, asset and signed base units."""
    legs = [f'[{wire.quoted(leg.account)},{wire.quoted(leg.amount.asset.symbol)},"{leg.amount.raw}"]' for leg in entry.legs]
    return (
        f'{{"cycle":{wire.quoted(cycle)},"legs":[{",".join(legs)}],'
        f'"memo":{wire.quoted(entry.memo)},"timestamp":{entry.timestamp}}}'
    )


def observation_content(seen: Observation) -> Content:
    """What `observation_text` says."""
    return _content_of(observation_text(seen, "", held_text(seen.portfolio)))


def decision_content(decision: Decision) -> Content:
    """What `record_text` says, as of the two below."""
    return _content_of(record_text(decision, ""))


def verdict_content(verdict: Verdict) -> Content:
    return _content_of(record_text(verdict, ""))


def receipt_content(receipt: Receipt) -> Content:
    return _content_of(record_text(receipt, ""))


def entry_content(entry: Entry) -> Content:
    """What `entry_text` says."""
    return _content_of(entry_text(entry, ""))


def _content_of(text: str) -> Content:
    """A text's values, for whoever writes the cycle himself."""
    content: dict[str, object] = json.loads(text)
    del content["cycle"]
    return content


_RECORDS: Final = {kind: wire.writer_with(kind, "cycle") for kind in (Decision, Approved, Refused, Receipt)}

_UNSHARED: Final[Mapping[str, frozenset[str]]] = {
    # What may differ between two runs that did the same: ids, hashes, clocks of approvals.
    "observation": frozenset({"cycle"}),
    "decision": frozenset({"cycle"}),
    "verdict": frozenset({"cycle", "intent", "digest", "expiry"}),
    "receipt": frozenset({"cycle", "intent"}),
    "entry": frozenset({"cycle"}),
}


def projection(lines: Iterable[str]) -> tuple[str, ...]:
    """What two runs over one tape must share: observations' digests, choices, actions, verdicts, receipts, entries."""
    return tuple(_projected(lines))


def _projected(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        said = json.loads(line)
        kind, content = said["kind"], said["content"]
        if kind not in _UNSHARED:
            continue
        shared = {key: value for key, value in content.items() if key not in _UNSHARED[kind]}
        if kind == "verdict" and "moves" in shared:
            shared["moves"] = [{k: v for k, v in one.items() if k not in {"intent", "at"}} for one in shared["moves"]]
        if kind == "receipt":
            shared["transactions"] = [{k: v for k, v in one.items() if k != "hash"} for one in shared["transactions"]]
        yield wire.canonical([kind, shared])

"""What a run saw, chose, refused, did and got: canonical lines in a plain sha256 chain, written before acting.

Each line names its number and the hash of the line before. Refuses content that has no canonical text. A chain finds an edit, a
deletion or a reorder; an edited last line or a missing tail only where the head is known from elsewhere: wallets.sealing signs
heads, and wallets.audit holds lines against them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import isnan
from typing import Final, Protocol, TypeAlias

import numpy as np

from strategies.decide import Decision
from strategies.domain import Deployment, Portfolio
from strategies.errors import MalformedRecord
from strategies.tape import Bools, Floats, Ints, Observation
from wallets import wire
from wallets.ledger import Entry
from wallets.store import Line
from wallets.wallet import Approved, Receipt, Refused, Verdict

Content: TypeAlias = Mapping[str, object]  # plain JSON values, as wire.plain makes them

UNCHAINED: Final = "it does not follow the line before: that one was edited, or this one moved"

_AT_ONCE: Final = nullcontext()  # memory holds all of a line or nothing
COLUMNS: Final = ("supply_apr", "borrow_apr", "utilisation", "available")


class Book(Protocol):
    """Where lines are kept: memory, or a Store."""

    def transaction(self) -> AbstractContextManager[None]: ...

    def head(self) -> tuple[int, str]: ...

    def add_line(self, line: Line) -> None: ...

    def lines(self) -> tuple[str, ...]: ...

    def has_cycle(self, cycle: str) -> bool: ...


class Memory:
    """A book that lasts as long as its process."""

    __slots__ = ("_cycles", "_last", "_lines")

    def __init__(self) -> None:
        self._lines: Final[list[str]] = []
        self._cycles: Final[set[str]] = set()
        self._last: Line | None = None

    def transaction(self) -> AbstractContextManager[None]:
        return _AT_ONCE

    def head(self) -> tuple[int, str]:
        return (self._last.seq, self._last.hash) if self._last is not None else (0, "")

    def add_line(self, line: Line) -> None:
        self._lines.append(line.text)
        self._cycles.add(line.cycle)
        self._last = line

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
            return self._write(str(content.get("cycle", "")), [(kind, timestamp, wire.canonical(content))])

    def write(self, cycle: str, lines: Iterable[tuple[str, int, str]]) -> None:
        """Writes what is text already, its cycle within it: kind, time and content of each. Raises StoreUnwritable."""
        with self._book.transaction():
            self._write(cycle, lines)

    def append_cycle(self, cycle: str, lines: Iterable[tuple[str, int, Content]]) -> None:
        """Writes all lines of a cycle, or none where any of it is there already. Raises StoreUnwritable, MalformedRecord."""
        with self._book.transaction():
            if not self._book.has_cycle(cycle):
                self._write(cycle, [(kind, at, wire.canonical({"cycle": cycle, **content})) for kind, at, content in lines])

    def _write(self, cycle: str, lines: Iterable[tuple[str, int, str]]) -> str:
        """Puts lines behind the head that is found; the last of them."""
        text, (seq, previous) = "", self._book.head()
        for kind, timestamp, said in lines:
            seq += 1
            text = _line(seq, kind, timestamp, said, previous)
            previous = hash_of(text)
            self._book.add_line(Line(seq, kind, timestamp, cycle, text, previous))
        return text

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


def sight_texts(
    deployment: Deployment, blocks: Sequence[tuple[int, int, int]], prices_usd_e8: Ints, columns: Floats, fresh: Bools
) -> list[str]:
    """What everybody could see, a text a row. `blocks` are number, time and base fee; prices `[row, asset]`, 0: there is none;
    `COLUMNS` side by side, `[row, 4 x market]`; `fresh` which markets spoke, `[row, market]`. Rates of supply are told in
    millionths a year, to the nearest; the digest has all columns to the last bit. Raises MalformedRecord on an infinite rate."""
    columns = columns + 0.0  # one zero, whatever its sign
    said = np.concatenate([columns.view(np.uint8), fresh.view(np.uint8)], axis=1)
    digests = [hashlib.sha256(row).hexdigest() for row in said]
    rates = _rates_texts(np.rint(columns[:, : fresh.shape[1]] * 1e6))
    symbols = [asset.symbol for asset in deployment.assets]
    texts = []
    for (block, timestamp, base_fee_wei), prices, digest, told in zip(
        blocks, prices_usd_e8.tolist(), digests, rates, strict=True
    ):
        priced = wire.object_of({symbol: str(price) for symbol, price in zip(symbols, prices, strict=True) if price})
        texts.append(
            f'{{"base_fee_wei":{wire.to_text(base_fee_wei)},"block":{block},"digest":"{digest}",'
            f'"prices_usd_e8":{priced},"supply_apr_ppm":{told},"timestamp":{timestamp}}}'
        )
    return texts


def _rates_texts(rates_ppm: Floats) -> list[str]:
    """A text a row. Raises MalformedRecord on an infinity."""
    if np.all(np.abs(rates_ppm) <= wire.MAX_SAFE):
        shape = f"[{','.join(['%d'] * rates_ppm.shape[1])}]"
        return [shape % tuple(row) for row in rates_ppm.astype(np.int64).tolist()]
    if np.isinf(rates_ppm).any():
        raise MalformedRecord(kind="rate", why="an infinity is no rate")
    return [wire.to_text(tuple([None if isnan(rate) else int(rate) for rate in row])) for row in rates_ppm.tolist()]


def observation_text(sight: str, cycle: str, held: str, moved_at: int | None) -> str:
    """A sight, the text of what is held, and when value last moved."""
    return f'{{"cycle":{wire.quoted(cycle)},"held":{held},"moved_at":{wire.to_text(moved_at)},"seen":{sight}}}'


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
    """What `observation_text` says of one observation. Raises MalformedRecord on an infinite rate."""
    prices = [seen.usd_e8(asset) or 0 for asset in seen.deployment.assets]
    (sight,) = sight_texts(
        seen.deployment,
        [(seen.block, seen.timestamp, seen.base_fee_wei)],
        np.array([prices]),
        np.concatenate([seen.now(column) for column in COLUMNS])[None],
        seen.fresh_now()[None],
    )
    return _content_of(observation_text(sight, "", held_text(seen.portfolio), seen.moved_at))


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

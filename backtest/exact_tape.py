"""A tape of exact states on disk: columns mapped, and each market's state decoded from its own record when somebody asks for it.
Refuses readings of another deployment, rows that do not come later than the ones before, and a folder that is cut or changed.

A loaded tape equals the recorded one state for state and reading for reading, block hashes, sources of prices and reasons of
refusals included. The columns are those of strategies.tape.tape_of, made from the same records."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from backtest.exact_files import PLACES, RECORDS, RecordFile, RecordWriter
from strategies.domain import Deployment
from strategies.errors import BadTape, MalformedRecord
from strategies.protocols.registry import MarketState
from strategies.tape import Reading, Tape, tape_of
from wallets import wire

FORMAT: Final = "exact 1"
DESCRIPTION: Final = "tape.json"
COLUMNS: Final = (
    *("timestamp", "block", "base_fee_wei"),
    *("supply_apr", "borrow_apr", "utilisation", "available", "fresh", "price_usd_e8"),
)
WHOLE: Final = frozenset({"timestamp", "block", "base_fee_wei", "price_usd_e8"})
REMEMBERED: Final = 512  # decoded states: a row's are asked for many times, an older row's hardly ever
ROWS_A_BLOCK: Final = 256  # readings made into columns together

Arrays = Mapping[str, npt.NDArray[Any]]


class ExactStates:
    """States by row and market, decoded from their records; the last ones are remembered."""

    __slots__ = ("_markets", "_records", "_remembered")

    def __init__(self, deployment: Deployment, records: RecordFile) -> None:
        self._markets: Final = deployment.markets
        self._records: Final = records
        self._remembered: Final = OrderedDict[tuple[int, int], MarketState | None]()

    def state(self, row: int, market: int) -> MarketState | None:
        """The market at a row; None where it could not be read then. Raises BadTape."""
        place = row, market
        if place in self._remembered:
            self._remembered.move_to_end(place)
            return self._remembered[place]
        found = self._remembered[place] = self._decoded(row, market)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return found

    def reading(self, row: int) -> Reading:
        """A row as the reading it was. Raises BadTape."""
        head: Reading | None = _record(Reading, self._records, row, len(self._markets))
        if head is None:
            raise BadTape(f"row {row} has no reading")
        return replace(head, states=tuple([self.state(row, market) for market in range(len(self._markets))]))

    def records_digest(self) -> bytes:
        """sha256 over every record's text. Reads them all."""
        return self._records.digest()

    def _decoded(self, row: int, market: int) -> MarketState | None:
        if not 0 <= market < len(self._markets):
            raise BadTape(f"it has no market {market}")
        state: MarketState | None = _record(MarketState, self._records, row, market)
        if state is not None and state.market != self._markets[market]:
            raise BadTape(f"the record of {self._markets[market].id} in row {row} is of {state.market.id}")
        return state


def save(deployment: Deployment, readings: Iterable[Reading], folder: Path) -> Tape:
    """Write readings as they come, oldest first, and map what was written. Raises BadTape, OSError.

    Whatever breaks off leaves a folder without a description, which no one loads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    blocks = list[Arrays]()
    with _replacing(folder / RECORDS) as file:
        records = RecordWriter(file, len(deployment.markets) + 1)
        for some in _in_blocks(_of_deployment(deployment, readings)):
            blocks.append(_columns(deployment, some))
            for reading in some:
                records.add_row(_texts(reading))
    if not blocks:
        raise BadTape("there is not one reading to write")
    arrays = {name: np.concatenate([block[name] for block in blocks]) for name in COLUMNS}
    for name, column in (arrays | {PLACES.removesuffix(".npy"): records.ends}).items():
        with _replacing(folder / f"{name}.npy") as file:
            np.save(file, column)
    description = {
        "format": FORMAT,
        "rows": len(arrays["timestamp"]),
        "digest": _digest(deployment, arrays, records.digest()),
        "deployment": wire.to_text(deployment),
        "dictionaries": records.dictionaries,
    }
    with _replacing(folder / DESCRIPTION) as file:
        file.write((json.dumps(description, indent=1, sort_keys=True) + "\n").encode())
    return load(folder)


def is_exact(folder: Path) -> bool:
    """Whether a folder says that it holds such a tape."""
    try:
        return bool(json.loads((folder / DESCRIPTION).read_text())["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def load(folder: Path) -> Tape:
    """Map a saved tape without reading it through; `recompute_digest` does that. Raises BadTape."""
    try:
        said = json.loads((folder / DESCRIPTION).read_text())
        found, rows, digest = said["format"], said["rows"], str(said["digest"])
        if found != FORMAT:
            raise BadTape(f"{folder.name} has format {found!r}; an exact tape has {FORMAT!r}")
        deployment = wire.from_text(Deployment, said["deployment"])
        arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in COLUMNS}
        records = RecordFile(folder, said["dictionaries"])
    except (OSError, KeyError, ValueError, TypeError, AttributeError, MalformedRecord) as error:
        raise BadTape(f"{folder.name} is no saved tape of exact states: {error}") from error
    _same_shape(deployment, arrays, rows)
    if len(records) != rows or len(said["dictionaries"]) != len(deployment.markets) + 1:
        raise BadTape(f"{folder.name} holds the records of {len(records)} rows; its description names {rows}")
    return Tape(deployment=deployment, **arrays, states=ExactStates(deployment, records), digest=digest)


def exact_states(tape: Tape) -> ExactStates:
    """The records behind a loaded tape. Raises BadTape for any other."""
    if not isinstance(tape.states, ExactStates):
        raise BadTape("its states are not kept as exact records")
    return tape.states


def readings_of(tape: Tape) -> Iterator[Reading]:
    """Every reading of a loaded tape, oldest first. Raises BadTape."""
    states = exact_states(tape)
    return (states.reading(row) for row in range(len(tape)))


def recompute_digest(tape: Tape) -> str:
    """The digest of what the folder now holds; equal to `tape.digest` unless someone changed it. Raises BadTape."""
    return _digest(tape.deployment, {name: getattr(tape, name) for name in COLUMNS}, exact_states(tape).records_digest())


def _record(kind: Any, records: RecordFile, row: int, column: int) -> Any:
    text = records.text(row, column)
    try:
        return None if text is None else wire.from_text(kind, text)
    except MalformedRecord as error:
        raise BadTape(f"the record in row {row}, column {column}: {error}") from error


def _texts(reading: Reading) -> tuple[str | None, ...]:
    """A text a market, and the rest of the reading."""
    states = [None if state is None else wire.to_text(state) for state in reading.states]
    return (*states, wire.to_text(replace(reading, states=())))


def _of_deployment(deployment: Deployment, readings: Iterable[Reading]) -> Iterator[Reading]:
    """The readings, each of this deployment and later than the one before. Raises BadTape."""
    last = -1
    for row, reading in enumerate(readings):
        if reading.timestamp <= last:
            raise BadTape(f"reading {row} is of {reading.timestamp}, which is not later than {last}")
        last = reading.timestamp
        if len(reading.states) != len(deployment.markets):
            raise BadTape(f"reading {row} has {len(reading.states)} markets; the deployment has {len(deployment.markets)}")
        for market, state in zip(deployment.markets, reading.states, strict=True):
            if state is not None and state.market != market:
                raise BadTape(f"reading {row} has {state.market.id} where the deployment has {market.id}: is it another's?")
        for quote in reading.quotes:
            if quote.asset not in deployment.assets:
                raise BadTape(f"reading {row} prices {quote.asset.symbol}, which the deployment does not have")
        yield reading


def _in_blocks(readings: Iterator[Reading]) -> Iterator[list[Reading]]:
    block = list[Reading]()
    for reading in readings:
        block.append(reading)
        if len(block) == ROWS_A_BLOCK:
            yield block
            block = []
    if block:
        yield block


def _columns(deployment: Deployment, readings: Sequence[Reading]) -> Arrays:
    tape = tape_of(deployment, readings)
    return {name: getattr(tape, name) for name in COLUMNS}


def _same_shape(deployment: Deployment, arrays: Arrays, rows: int) -> None:
    markets, assets = len(deployment.markets), len(deployment.assets)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(COLUMNS, (rows, markets))
    shapes |= dict.fromkeys(("timestamp", "block", "base_fee_wei"), (rows,)) | {"price_usd_e8": (rows, assets)}
    for name, column in arrays.items():
        kind = np.bool_ if name == "fresh" else np.int64 if name in WHOLE else np.float64
        if column.shape != shapes[name] or column.dtype != kind or not column.flags.c_contiguous:
            raise BadTape(f"column {name} is {column.dtype} {column.shape}, not {np.dtype(kind)} {shapes[name]}, row after row")


def _digest(deployment: Deployment, arrays: Arrays, records: bytes) -> str:
    """sha256 over the deployment, every column's name, type, shape and bytes, and every record's text."""
    whole = hashlib.sha256(f"{FORMAT} {wire.to_text(deployment)}".encode())
    for name in COLUMNS:
        column = np.ascontiguousarray(arrays[name])
        whole.update(f"{name} {column.dtype.str} {column.shape}".encode())
        whole.update(column.data)
    whole.update(records)
    return whole.hexdigest()


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when it is whole: whoever has the older one mapped keeps that."""
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("wb") as file:
        yield file
    scratch.replace(path)

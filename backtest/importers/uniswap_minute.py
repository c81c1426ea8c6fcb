"""A Uniswap V3 pool's minutes from daily CSV files (demeter-fetch's columns), one file a day. Refuses files that are not what
their name says and, row by row, what no pool could have said; a refused minute becomes a gap, and nothing is filled in.

A minute without a swap is written by the source as a copy of the state before it. Amounts are base units swapped *into* the pool;
liquidity is what was in range at the close. What a file calls its close may be the one before (see `carried` below)."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from backtest.checking.marks import Finding, Mark
from backtest.importers.series import found, gaps, kept
from backtest.importers.source_tables import text_columns
from backtest.numerals import day
from backtest.range_liquidity.minutes import MINUTE, SQRT_STEP, PoolMinutes, PoolTerms
from strategies.errors import BadTape
from strategies.protocols.uniswap_v3.arithmetic import MAX_TICK, MAX_UINT128, MIN_TICK
from strategies.tape import Bools, Ints
from strategies.units import SECONDS_PER_DAY

NAME: Final = re.compile(r"([a-z0-9]+)-(0x[0-9a-f]{40})-(\d{4}-\d{2}-\d{2})(?:\.minute)?\.csv(?:\.gz)?", re.IGNORECASE)
TIME: Final = "timestamp"
TICKS: Final = ("openTick", "closeTick", "lowestTick", "highestTick")
AMOUNTS: Final = ("inAmount0", "inAmount1", "currentLiquidity", "netAmount0", "netAmount1")
SPIKE_TICKS: Final = 500  # a minute that moves by 5 % and back again has to be borne out by what was swapped
BORNE_OUT: Final = 0.01  # of what the liquidity on both sides needs for such a move; in between there may be next to none
SLIP: Final = 1_000.0  # liquidity so many times its neighbours' on both sides is a slip of decimals
AGREEMENT: Final = 2.0  # a one-way minute's price against its ticks, as a factor
ENOUGH_RAW: Final = 10_000  # base units: below, a price out of two amounts is all rounding

Column: TypeAlias = list[int | None]  # None: not said


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One day's file."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class MinutesReport:
    """What was read, what was wrong with it, and what was done."""

    source: str
    pool: str  # chain and address
    start: int
    end: int
    rows: int
    files: tuple[SourceFile, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows in our types, in the files' order."""

    timestamp: Ints
    ticks: tuple[Ints, ...]  # in the order of TICKS
    amounts: tuple[tuple[int, ...], ...]  # in the order of AMOUNTS

    def only(self, keep: Bools) -> "_Rows":
        at = np.flatnonzero(keep).tolist()
        chosen = tuple(tuple(column[row] for row in at) for column in self.amounts)
        return _Rows(self.timestamp[keep], tuple(column[keep] for column in self.ticks), chosen)


def import_minutes(folder: Path, pool: PoolTerms, *, address: str, start: int, end: int) -> tuple[PoolMinutes, MinutesReport]:
    """A pool's minutes in `[start, end)`, unix seconds. Raises BadTape."""
    paths = _paths(folder, address, start, end)
    subject = _pool_named(paths[0])
    read = [_read(path) for path in paths]
    rows, unsaid = _joined(subject, read, start, end)
    findings = list(unsaid)
    for check in (_impossible, _repeated, _slipped, _spiked):
        keep, what = check(subject, rows)
        rows = rows.only(keep) if not keep.all() else rows
        findings.extend(what)
    if not len(rows.timestamp):
        raise BadTape(f"{subject}: no minute from {day(start)} to {day(end)} can be used ({len(findings)} kinds of defects)")
    findings.extend((*_carried(subject, rows), *gaps(subject, rows.timestamp, MINUTE)))
    files = tuple(SourceFile(path.name, _sha256(path), len(columns[TIME])) for path, columns in zip(paths, read, strict=True))
    minutes = _minutes(pool, rows, files)
    report = MinutesReport(folder.name, subject, start, end, len(minutes), files, tuple(findings), _notes(rows))
    return minutes, report


def days_of(folder: Path, address: str) -> tuple[str, ...]:
    """The days for which a folder has a file of a pool, in order."""
    return tuple(sorted(_dated(folder, address)))


def _dated(folder: Path, address: str) -> dict[str, Path]:
    """Each day's file. Raises BadTape where a day has two, or the address is a pool of two chains."""
    dated: dict[str, Path] = {}
    chains: set[str] = set()
    for path in sorted(folder.iterdir()):
        name = NAME.fullmatch(path.name)
        if name is None or name[2].lower() != address.lower():
            continue
        if name[3] in dated:
            raise BadTape(f"{folder.name} holds two files of {name[3]}: {dated[name[3]].name} and {path.name}; keep one of them")
        dated[name[3]] = path
        chains.add(name[1].lower())
    if len(chains) > 1:
        raise BadTape(f"{folder.name} holds {address} of {' and '.join(sorted(chains))}; keep each chain in a folder of its own")
    return dated


def _paths(folder: Path, address: str, start: int, end: int) -> list[Path]:
    if not folder.is_dir():
        raise BadTape(f"{folder.name} is no folder")
    dated = _dated(folder, address)
    if not dated:
        raise BadTape(
            f"{folder.name} holds no minutes of {address}: expected a file like polygon-{address}-2024-01-31.minute.csv.gz"
        )
    wanted = [dated[date] for date in sorted(dated) if day(start) <= date <= day(end - 1)]
    if not wanted or start >= end:
        raise BadTape(f"{folder.name} has {min(dated)} to {max(dated)} of {address}, and nothing from {day(start)} to {day(end)}")
    return wanted


def _pool_named(path: Path) -> str:
    chain, address, *_ = path.name.lower().split("-")
    return f"{chain}-{address}"


def _read(path: Path) -> dict[str, Column]:
    """One file's columns as whole numbers. Raises BadTape."""
    texts = text_columns(path, (TIME, *TICKS, *AMOUNTS))
    columns = {name: _integers(path, name, texts[name]) for name in (*TICKS, *AMOUNTS)}
    try:
        seconds = np.array(texts[TIME], dtype="datetime64[s]").astype(np.int64)
    except ValueError as error:
        raise BadTape(f"{path.name}: a time cannot be read ({error}); expected 2024-01-31 23:59:00, in UTC") from error
    name = NAME.fullmatch(path.name)
    first = int(np.datetime64(name[3], "s").astype(np.int64)) if name else 0
    astray = np.flatnonzero((seconds < first) | (seconds >= first + SECONDS_PER_DAY))
    if len(astray):
        raise BadTape(f"{path.name} line {astray[0] + 2}: {texts[TIME][astray[0]]} is not of the day in the file's name")
    return {TIME: seconds.tolist(), **columns}


def _integers(path: Path, name: str, texts: Sequence[str]) -> Column:
    try:
        return list(map(int, texts))
    except ValueError:
        return [_integer(path, name, line, text.strip()) for line, text in enumerate(texts, start=2)]


def _integer(path: Path, name: str, line: int, text: str) -> int | None:
    """A whole number, perhaps with a fraction of zeros; None for nothing. Never by way of a float: it has 53 bits."""
    if text.lower() in {"", "nan", "none", "null"}:
        return None
    whole, _, fraction = text.partition(".")
    if fraction.strip("0") or not whole.removeprefix("-").isdecimal():
        raise BadTape(f"{path.name} line {line}: {name} is {text!r}, no whole number; amounts are in base units")
    return int(whole)


def _joined(subject: str, read: Sequence[dict[str, Column]], start: int, end: int) -> tuple[_Rows, tuple[Finding, ...]]:
    """All files' rows inside the window; a row with a cell unsaid is left out."""
    whole = {name: [cell for columns in read for cell in columns[name]] for name in (TIME, *TICKS, *AMOUNTS)}
    timestamp = np.array(whole[TIME], dtype=np.int64)
    window = (timestamp >= start) & (timestamp < end)
    unsaid = np.zeros(len(timestamp), dtype=np.bool_)
    for name in (*TICKS, *AMOUNTS):
        if None in whole[name]:
            unsaid |= np.array([cell is None for cell in whole[name]])
    at = np.flatnonzero(window & ~unsaid).tolist()
    said = {name: [cell for row in at if (cell := whole[name][row]) is not None] for name in (*TICKS, *AMOUNTS)}
    rows = _Rows(
        timestamp[at],
        tuple(_clipped(said[name]) for name in TICKS),
        tuple(tuple(said[name]) for name in AMOUNTS),
    )
    treatment = ("left out", "a cell of the row is empty")
    return rows, found(Mark.NOT_A_NUMBER, subject, window & unsaid, timestamp, treatment)


def _clipped(ticks: Sequence[int]) -> Ints:
    """Ticks as machine integers; what is off the scale stays off it."""
    return np.array([max(MIN_TICK - 1, min(MAX_TICK + 1, tick)) for tick in ticks], dtype=np.int64)


def _impossible(subject: str, rows: _Rows) -> tuple[Bools, tuple[Finding, ...]]:
    """Rows that no pool could have said."""
    ticks = np.stack(rows.ticks)
    in0, in1, liquidity, net0, net1 = rows.amounts
    swapped = _flags([bool(one or other) for one, other in zip(in0, in1, strict=True)])
    kinds = (
        (Mark.UNIT, rows.timestamp % MINUTE != 0, "its time is not the start of a minute"),
        (Mark.OVERFLOW, np.any((ticks < MIN_TICK) | (ticks > MAX_TICK), axis=0), f"a tick is outside {MIN_TICK} to {MAX_TICK}"),
        (Mark.NEGATIVE, _flags([min(three) < 0 for three in zip(in0, in1, liquidity, strict=True)]), "an amount is below zero"),
        (
            Mark.OVERFLOW,
            _flags([max(t) > MAX_UINT128 for t in zip(in0, in1, liquidity, strict=True)]),
            "an amount is above 2^128",
        ),
        (Mark.ZERO_FOR_MISSING, swapped & _flags([not raw for raw in liquidity]), "something was swapped without liquidity"),
        (Mark.SOURCES_APART, ticks[2] > ticks[3], "its lowest tick is above its highest"),
        (Mark.SOURCES_APART, _above(net0, in0) | _above(net1, in1), "more stayed in the pool than came in"),
    )
    refused = np.any([flags for _, flags, _ in kinds], axis=0)
    told = tuple(f for mark, flags, why in kinds for f in found(mark, subject, flags, rows.timestamp, ("refused", why)))
    return ~refused, told


def _flags(values: Sequence[bool]) -> Bools:
    return np.array(values, dtype=np.bool_)


def _above(some: Sequence[int], others: Sequence[int]) -> Bools:
    return _flags([one > other for one, other in zip(some, others, strict=True)])


def _repeated(subject: str, rows: _Rows) -> tuple[Bools, tuple[Finding, ...]]:
    """Rows that go back in time, and rows of one minute: one is kept where they agree, none where they do not."""
    if not (np.diff(rows.timestamp) <= 0).any():
        return np.ones(len(rows.timestamp), dtype=np.bool_), ()
    contents: dict[tuple[int, ...], int] = {}
    each = zip(*(column.tolist() for column in rows.ticks), *rows.amounts, strict=True)
    value = np.array([contents.setdefault(content, len(contents)) for content in each], dtype=np.float64)
    return kept(subject, rows.timestamp, value, said=np.ones(len(value), dtype=np.bool_))


def _slipped(subject: str, rows: _Rows) -> tuple[Bools, tuple[Finding, ...]]:
    """Amounts in another unit than the rest: a one-way minute whose two amounts make a price that its ticks do not know, and a
    minute's liquidity far from that on both sides."""
    in0, in1, liquidity, net0, net1 = (np.array(column, dtype=np.float64) for column in rows.amounts)
    out0, out1 = in0 - net0, in1 - net1
    ticks = np.stack(rows.ticks)
    low, high = np.exp(2 * SQRT_STEP * ticks.min(axis=0)), np.exp(2 * SQRT_STEP * ticks.max(axis=0))
    price = np.divide(
        np.where(in0 > 0, out1, in1), np.where(in0 > 0, in0, out0), where=(in0 > 0) | (out0 > 0), out=np.ones_like(in0)
    )
    one_way = ((in0 > 0) != (in1 > 0)) & (np.minimum(np.maximum(in0, out0), np.maximum(in1, out1)) > ENOUGH_RAW)
    apart = one_way & ((price * AGREEMENT < low) | (price > high * AGREEMENT))
    before, after = np.roll(liquidity, 1), np.roll(liquidity, -1)
    most, least = np.maximum(before, after), np.minimum(before, after)
    off = (liquidity > most * SLIP) & (least > 0) | (liquidity * SLIP < least)
    if len(off):
        off[[0, -1]] = False
    said = (
        *found(Mark.UNIT, subject, apart, rows.timestamp, ("refused", "its amounts make a price far from its ticks")),
        *found(Mark.DECIMALS, subject, off, rows.timestamp, ("refused", f"liquidity is {SLIP:g} times off both neighbours")),
    )
    return ~(apart | off), said


def _spiked(subject: str, rows: _Rows) -> tuple[Bools, tuple[Finding, ...]]:
    """A close far from both neighbours on the same side is refused unless what was swapped could have moved the price so far."""
    close, count = rows.ticks[1].astype(np.float64), len(rows.timestamp)
    if count < 3:
        return np.ones(count, dtype=np.bool_), ()
    up, down = np.diff(close, prepend=close[0]), np.diff(close, append=close[-1])
    spike = (np.minimum(np.abs(up), np.abs(down)) > SPIKE_TICKS) & (up * down < 0)
    in0, in1, liquidity, _, _ = (np.array(column, dtype=np.float64) for column in rows.amounts)
    thin = np.minimum(np.roll(liquidity, 1), liquidity)
    was, now = np.exp(SQRT_STEP * np.roll(close, 1)), np.exp(SQRT_STEP * close)
    need = thin * np.where(up > 0, now - was, 1 / now - 1 / was)
    real = np.where(up > 0, in1, in0) > BORNE_OUT * need
    said = (
        *found(
            Mark.SPIKE, subject, spike & ~real, rows.timestamp, ("refused", "nothing that was swapped moved the price so far")
        ),
        *found(Mark.REAL_SPIKE, subject, spike & real, rows.timestamp, ("kept", "what was swapped bears it out")),
    )
    return ~(spike & ~real), said


def _carried(subject: str, rows: _Rows) -> tuple[Finding, ...]:
    """Minutes whose close lies outside what the minute itself saw: the source carried the close before. Kept as said; fees in
    doubt count them (see backtest.range_liquidity.fees)."""
    _, close, lowest, highest = rows.ticks
    treatment = ("kept as said", "the close lies outside the minute's own lowest and highest tick")
    return found(Mark.CARRIED, subject, (close < lowest) | (close > highest), rows.timestamp, treatment)


def _minutes(pool: PoolTerms, rows: _Rows, files: tuple[SourceFile, ...]) -> PoolMinutes:
    window = (int(rows.timestamp[0]), int(rows.timestamp[-1]), len(rows.timestamp))
    digest = hashlib.sha256(repr((pool, window, [file.sha256 for file in files])).encode()).hexdigest()
    opened, close, lowest, highest = rows.ticks
    in0_raw, in1_raw, liquidity_raw, _, _ = rows.amounts
    return PoolMinutes(pool, rows.timestamp, opened, close, lowest, highest, in0_raw, in1_raw, liquidity_raw, digest)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _notes(rows: _Rows) -> tuple[str, ...]:
    quiet = sum(not (one or other) for one, other in zip(rows.amounts[0], rows.amounts[1], strict=True))
    return (
        f"{quiet} of {len(rows.timestamp)} minutes saw no swap: the source repeats the state before them.",
        "A price is its tick: up to one basis point below what the pool held; the order of swaps inside a minute is not known.",
        "Liquidity is what was in range at the close of each minute.",
    )

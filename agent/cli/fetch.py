"""`data fetch`: public sources to a folder, a piece at a time, told as it goes. Whatever stops it, what came stays, and the same
command goes on from there; a source that gave some bad answers is named at the end and the command fails."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.cli import tables
from agent.fetch import cache, chain, exchange, llama
from agent.fetch.cache import Cache, Outcome, Piece, Told
from agent.fetch.web import Site
from strategies.errors import IncompleteRead, SettingsError
from strategies.tape import Reading

TAPE: Final = "tape"  # below the folder of a chain's samples


def fetch_llama(out: Path, wanted: llama.Wanted, *, base: str, timeout_seconds: int, as_json: bool) -> None:
    """The list of pools, then the history of each that is wanted."""
    site = Site(base, timeout_seconds=timeout_seconds)
    with cache.opened(out) as folder:
        listed = _all(folder, [llama.pools_piece(site, time.time)], as_json=as_json)
        _complete(listed, out)
        pools = llama.chosen(llama.pools_of(cache.check(out, listed.kept[0])), wanted)
        charts = _all(folder, [llama.chart_piece(site, pool, time.time) for pool in pools], as_json=as_json)
    outcome = Outcome(listed.kept + charts.kept, listed.fetched + charts.fetched, charts.refused)
    _tell(outcome, out, {"folder": str(out)}, as_json=as_json)
    _complete(outcome, out)


def fetch_chain(out: Path, deployment_file: Path, span: chain.Span, *, url: str, timeout_seconds: int, as_json: bool) -> None:
    """A sample every so many seconds, and an exact tape of them all."""
    from backtest import exact_tape
    from wallets.deployments import read_deployment
    from wallets.endpoints import Endpoint

    deployment = read_deployment(deployment_file)
    with cache.opened(out) as folder:
        archive = chain.Archive(Endpoint(url, timeout_seconds=timeout_seconds), deployment, span)
        outcome = _all(folder, list(archive.pieces(span)), as_json=as_json)
        if not outcome.kept:
            _complete(outcome, out)
        tape = exact_tape.save(deployment, _readings(out, outcome), out / TAPE)
    told: dict[str, object] = {"folder": str(out), "tape": str(out / TAPE), "digest": tape.digest, "rows": len(tape)}
    _tell(outcome, out, told, as_json=as_json)
    _complete(outcome, out)


def fetch_candles(
    out: Path, history: exchange.History, symbol: str, timeframe: str, window: exchange.Window, *, as_json: bool
) -> None:
    """Candles as one CSV file."""
    pieces = history.candles(symbol, timeframe, window, int(time.time()))
    _fetch_csv(out, pieces, exchange.CANDLE_HEADER, _csv_name(history, symbol, timeframe, window), as_json=as_json)


def fetch_funding(out: Path, history: exchange.History, symbol: str, window: exchange.Window, *, as_json: bool) -> None:
    """Funding rates as one CSV file."""
    pieces = history.funding(symbol, window, int(time.time()))
    _fetch_csv(out, pieces, exchange.FUNDING_HEADER, _csv_name(history, symbol, "funding_rates", window), as_json=as_json)


def seconds_of(name: str, text: str) -> int:
    """A day, or a day and a time, UTC. Raises SettingsError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{name} {text[:40]!r}: write a day as 2023-01-27, or a time as 2023-01-27T08:00") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def _fetch_csv(out: Path, pieces: Iterator[Piece], header: str, name: str, *, as_json: bool) -> None:
    asked = list(pieces)  # what cannot be asked is refused before a folder is made
    with cache.opened(out) as folder:
        outcome = _all(folder, asked, as_json=as_json)
        told: dict[str, object] = {"folder": str(out)}
        if outcome.kept and not outcome.refused:  # a file with a hole in the middle would look whole
            cache.write_whole(out / name, exchange.csv_of(header, [cache.check(out, kept) for kept in outcome.kept]))
            told["file"] = str(out / name)
    _tell(outcome, out, told, as_json=as_json)
    _complete(outcome, out)


def _csv_name(history: exchange.History, symbol: str, what: str, window: exchange.Window) -> str:
    days = "_".join([datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d") for at in (window.start, window.end)])
    pair = "".join([letter for letter in symbol.partition(":")[0] if letter.isalnum()])
    return f"{history.name}_{pair}_{what}_{days}.csv"


def _readings(out: Path, outcome: Outcome) -> Iterator[Reading]:
    """The kept samples, oldest first. Where the chain stood still, two samples are one block."""
    last = -1
    for kept in outcome.kept:
        reading = chain.reading_of(cache.check(out, kept))
        if reading.block != last:
            yield reading
        last = reading.block


def _all(folder: Cache, pieces: Sequence[Piece], *, as_json: bool) -> Outcome:
    """Every piece, with a bar for people."""
    with _bar(len(pieces), hidden=as_json) as told:
        return cache.fetch_all(folder, pieces, told)


@contextmanager
def _bar(of: int, *, hidden: bool) -> Iterator[Callable[[Told], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=tables.console, disable=hidden, transient=True) as progress:
        task = progress.add_task("", total=of)

        def told(now: Told) -> None:
            progress.update(task, completed=now.done, description=now.file)

        yield told


def _tell(outcome: Outcome, out: Path, more: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        refused = [{"file": file, "why": why} for file, why in outcome.refused]
        counts = {"kept": len(outcome.kept), "fetched": outcome.fetched, "manifest": str(out / cache.MANIFEST)}
        tables.say_json(more | counts | {"refused": refused})
        return
    for file, why in outcome.refused:
        tables.say(f"  {file}: {why}", "red")
    there = len(outcome.kept) - outcome.fetched
    size = sum(kept.bytes for kept in outcome.kept)
    tables.say(f"{outcome.fetched} pieces fetched, {there} were there, {len(outcome.refused)} refused; {size:,} bytes in {out}")
    for name, value in more.items():
        tables.say(f"  {name}: {value}", "dim")


def _complete(outcome: Outcome, out: Path) -> None:
    """Raises IncompleteRead where a piece is missing."""
    if outcome.refused:
        file, why = outcome.refused[0]
        raise IncompleteRead(
            f"{len(outcome.refused)} pieces were refused, the first {file}: {why}; the others are kept in {out}, and the same "
            "command asks only for what is missing"
        )

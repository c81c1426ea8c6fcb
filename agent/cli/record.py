"""`data record`: what a live or paper run saw, as a tape of exact states. Refuses a store that is not there, one that saw nothing
in the span, and readings of another deployment than the one named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.cli import tables
from agent.feed import Seen
from backtest import exact_tape
from backtest.numerals import moment
from strategies.domain import Deployment
from strategies.errors import BadTape, MalformedRecord, SettingsError
from strategies.tape import Reading
from wallets import wire
from wallets.store import FORMAT, Store


@dataclass(frozen=True, slots=True)
class Span:
    """Which readings: at or after a time, before another; unix seconds."""

    start: int
    end: int


def record(store: Path, out: Path, deployment: Deployment, span: Span, *, as_json: bool) -> None:
    """Writes the tape and says what is in it. Raises SettingsError, BadTape."""
    _require_store(store)
    with Store(store) as opened:
        texts = opened.readings(span.start - 1, span.end)
    if not texts:
        raise BadTape(f"{store.name} remembers no reading of that time")
    tape = exact_tape.save(deployment, _readings(store, texts), out)
    first, last = int(tape.timestamp[0]), int(tape.timestamp[-1])
    unread = int((~tape.fresh).sum())
    told = {"tape": str(out), "digest": tape.digest, "rows": len(tape), "first": first, "last": last, "unread": unread}
    if as_json:
        tables.say_json(told)
        return
    tables.say(f"{len(tape)} readings of {len(deployment.markets)} markets, {moment(first)} to {moment(last)}: {out}")
    tables.say(f"  digest {tape.digest}", "dim")
    if unread:
        tables.say(f"  {unread} times a market could not be read; it has no state there", "yellow")


def _require_store(store: Path) -> None:
    """An SQLite file, which opening would otherwise make. Raises SettingsError."""
    try:
        with store.open("rb") as file:
            begins = file.read(len(FORMAT))
    except OSError as error:
        raise SettingsError(
            f"{store}: {error.strerror}; a run keeps its store as paper.sqlite or live.sqlite in run.folder"
        ) from None
    if begins != FORMAT:
        raise SettingsError(f"{store}: it is no store; a run keeps its store as paper.sqlite or live.sqlite in run.folder")


def _readings(store: Path, texts: tuple[str, ...]) -> Iterator[Reading]:
    for at, text in enumerate(texts):
        try:
            yield wire.from_text(Seen, text).reading
        except MalformedRecord as error:
            raise BadTape(f"{store.name}, reading {at}: {error}") from error

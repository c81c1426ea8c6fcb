"""`data list`, `data check` and `data import`: what tapes and formats there are, what is wrong with a source, a source as a tape.
Refuses a folder that is in no known format, days that are none, and a place that already holds something else."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

from agent.cli import tables
from backtest.checking.marks import REFUSING, Finding
from backtest.checking.saved import check_tape
from backtest.checking.sources import compare
from backtest.dataset import DESCRIPTION, index_columns, save
from backtest.importers.catalogue import FORMATS, format_named, format_of, records_of
from backtest.importers.ethereum_gas import ETHER_FILES, read_daily_ether, read_daily_gas
from backtest.importers.formats import Format
from backtest.importers.lending import Request
from backtest.numerals import day, moment
from backtest.saved_tapes import keep_report, load
from strategies.errors import BadTape, SettingsError

SHOWN: Final = 40  # findings on a person's screen; --json has all
END_OF_TIME: Final = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `data import` was asked; "" and None were not given."""

    folder: Path
    form: str
    asset: str
    start: str
    end: str
    gas: Path | None
    out: Path | None


def show(folder: Path, *, as_json: bool) -> None:
    """Tapes under a folder, and every known format."""
    found = [_tape_line(path.parent) for path in sorted(folder.glob(f"*/{DESCRIPTION}"))]
    formats = [{"name": one.name, "what": one.line} for one in FORMATS]
    if as_json:
        tables.say_json({"tapes": found, "formats": formats})
        return
    if found:
        table = _table("tape", "rows", "markets", "from", "to", "digest")
        for line in found:
            table.add_row(*(str(line[name]) for name in ("name", "rows", "markets", "first", "last", "digest")))
        tables.console.print(table)
    else:
        tables.say(f"no tape under {folder}: `data import` makes one", "dim")
    tables.say()
    known = _table("format", "what it is")
    for one in FORMATS:
        known.add_row(one.name, one.line)
    tables.console.print(known)


def check(source: Path, other: Path | None, form: str, *, as_json: bool) -> None:
    """Everything that is wrong with a source or a saved tape, and what is done about it."""
    with _working(f"checking {source.name}", as_json):
        if (source / DESCRIPTION).exists():
            name, findings = "tape", check_tape(load(source))
        else:
            chosen = _format(source, form)
            name, findings = chosen.name, chosen.check(source)
        if other is not None:
            findings = (*findings, *_apart(source, other))
    _tell(name, findings, as_json=as_json)


def run_import(asked: Asked, *, as_json: bool) -> None:
    """One asset of a folder as a tape, with the report of what was wrong."""
    chosen = _format(asked.folder, asked.form)
    out = asked.out or Path("runs/tapes") / asked.folder.name
    if out.exists() and not (out / DESCRIPTION).exists() and any(out.iterdir()):
        raise SettingsError(f"--out: {out} holds something that is no tape; name another folder")
    with _working(f"importing {asked.folder.name}", as_json):
        tape, report = chosen.import_tape(asked.folder, _request(asked, chosen))
        save(tape, out)
        keep_report(report, tape, out)
    marks = index_columns(tape).marks()
    told: dict[str, Any] = {
        "tape": str(out),
        "format": chosen.name,
        "asset": report.asset,
        "digest": tape.digest,
        "rows": len(tape),
        "first": moment(int(tape.timestamp[0])),
        "last": moment(int(tape.timestamp[-1])),
        "markets": [market.id for market in tape.deployment.markets],
        "refused_cells": int(np.count_nonzero(marks & int(REFUSING))),
        "notes": list(report.notes),
    }
    if as_json:
        tables.say_json(told | {"findings": [_content(finding) for finding in report.findings]})
        return
    _tell(chosen.name, report.findings, as_json=False)
    tables.say()
    for note in report.notes:
        tables.say(note, "dim")
    tables.say(f"{out}: {len(tape):,} rows of {len(told['markets'])} markets, {told['first']} to {told['last']} UTC")
    tables.say(f"run on it: usufruct backtest run --tape {out}", "dim")


def _format(folder: Path, form: str) -> Format:
    if not folder.is_dir():
        raise SettingsError(f"no such folder: {folder}")
    return format_named(form) if form else format_of(folder)


def _request(asked: Asked, chosen: Format) -> Request:
    known = chosen.assets(asked.folder)
    name = asked.asset or (known[0] if len(known) == 1 else "")
    exact = next((one for one in known if one.lower() == name.lower()), name)
    if not name:
        raise SettingsError(f"--asset: name one of {', '.join(known) or 'none: this format cannot become a tape'}")
    start = _seconds("--start", asked.start) if asked.start else 0
    end = _seconds("--end", asked.end) if asked.end else END_OF_TIME
    if end <= start:
        raise SettingsError(f"--end {asked.end} is not after --start {asked.start}")
    if asked.gas is None:
        return Request(exact, start, end)
    has_ether = any((asked.gas / file).exists() for file in ETHER_FILES)
    return Request(exact, start, end, read_daily_gas(asked.gas), read_daily_ether(asked.gas) if has_ether else None)


def _apart(source: Path, other: Path) -> tuple[Finding, ...]:
    """Markets that two sources both have, compared. Raises BadTape where there are none."""
    ours, theirs = records_of(source), {record.market: record for record in records_of(other)}
    pairs = [(record, theirs[record.market]) for record in ours if record.market in theirs]
    if not pairs:
        raise BadTape(f"{source.name} and {other.name} have no market in common: {', '.join(list(theirs)[:6])}")
    return tuple(finding for one, two in pairs for finding in compare(one, two))


def _seconds(name: str, given: str) -> int:
    try:
        return int(datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise SettingsError(f"{name} {given!r}: write a day as 2023-01-27") from error


def _tape_line(folder: Path) -> dict[str, object]:
    try:
        tape = load(folder)
    except BadTape as error:
        return {"name": folder.name, "rows": "–", "markets": "–", "first": "–", "last": "–", "digest": str(error)}
    first, last = day(int(tape.timestamp[0])), day(int(tape.timestamp[-1]))
    markets = len(tape.deployment.markets)
    return {
        "name": folder.name, "rows": len(tape), "markets": markets, "first": first, "last": last, "digest": tape.digest[:12]
    }  # fmt: skip


def _content(finding: Finding) -> dict[str, object]:
    return {
        "market": finding.subject,
        "defect": defect(finding),
        "refuses": bool(finding.mark & REFUSING),
        "rows": finding.count,
        "first": moment(finding.first),
        "done": finding.treatment,
        "detail": finding.detail,
    }


def defect(finding: Finding) -> str:
    """A mark in words."""
    return (finding.mark.name or str(int(finding.mark))).lower().replace("_", " ")


def _tell(name: str, findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        tables.say_json({"format": name, "findings": [_content(finding) for finding in findings]})
        return
    if not findings:
        tables.say(f"{name}: nothing is wrong", "green")
        return
    table = _table(name, "defect", "rows", "first", "what is done")
    ranked = sorted(findings, key=lambda finding: (not finding.mark & REFUSING, -finding.count))
    for one in ranked[:SHOWN]:
        style = "" if one.mark & REFUSING else "dim"
        done = f"{one.treatment} ({one.detail})" if one.detail else one.treatment
        table.add_row(one.subject, defect(one), f"{one.count:,}", moment(one.first), done, style=style)
    tables.console.print(table)
    if len(ranked) > SHOWN:
        tables.say(f"and {len(ranked) - SHOWN} more findings: --json has them all", "dim")


def _working(what: str, as_json: bool) -> Any:
    return nullcontext() if as_json else tables.console.status(what)


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in {"rows", "markets"} else "left")
    return table

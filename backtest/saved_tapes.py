"""A saved tape by its folder, of whichever kind it says it is, and where it comes from: the report of its import kept beside it,
or the folder itself. What its markets ask of those who come and go is kept beside it too: the tape itself does not say.

Refuses what the kind's own file refuses, and a tape that was changed since its description was written."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from backtest import dataset, exact_tape
from backtest import terms as market_terms
from backtest.importers.defects import ImportReport
from backtest.terms import Terms
from strategies.errors import BadTape, MalformedRecord
from strategies.tape import Tape
from wallets import wire

REPORT: Final = "import.json"  # beside the tape


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a tape comes from of which no import tells: its folder, and what it is."""

    folder: str
    digest: str
    is_exact: bool  # states as they were read from the chain, not recorded rates


def load(folder: Path) -> Tape:
    """Map a saved tape without reading it through. Raises BadTape."""
    return exact_tape.load(folder) if exact_tape.is_exact(folder) else dataset.load(folder)


def load_checked(folder: Path) -> Tape:
    """The same, read through once. Raises BadTape where it was changed since it was saved."""
    tape = load(folder)
    found = recompute_digest(tape)
    if found != tape.digest:
        raise BadTape(
            f"{folder} was changed since it was saved: it says sha256 {tape.digest} and holds {found}; import or record it again"
        )
    return tape


def recompute_digest(tape: Tape) -> str:
    """The digest of what the tape now holds; equal to `tape.digest` unless someone changed it. Raises BadTape."""
    return exact_tape.recompute_digest(tape) if is_exact(tape) else dataset.recompute_digest(tape)


def is_exact(tape: Tape) -> bool:
    """Whether its states are those that the chain said."""
    return isinstance(tape.states, exact_tape.ExactStates)


def keep_report(report: ImportReport, tape: Tape, folder: Path) -> None:
    """Write down beside a tape what its import found; the rows of a finding stay with the tape, as marks. Terms that lie there
    already stay as they are: somebody may have said what no source does."""
    lean = replace(report, findings=tuple([replace(found, rows=()) for found in report.findings]), terms=())
    content = {"tape": tape.digest, "report": json.loads(wire.to_text(lean))}
    (folder / REPORT).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    file = folder / market_terms.FILE
    if report.terms and not file.exists():
        file.write_text(market_terms.text_of(dict(report.terms)), encoding="utf-8")


def origin_of(folder: Path, tape: Tape) -> ImportReport | Saved:
    """What its import found, where one lies beside it and is of this tape; else the folder. Raises BadTape."""
    saved = Saved(str(folder), tape.digest, is_exact(tape))
    file = folder / REPORT
    if not file.exists():
        return saved
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        of_this = content["tape"] == tape.digest  # an older import's report may lie beside a tape that was recorded later
        return wire.from_text(ImportReport, wire.canonical(content["report"])) if of_this else saved
    except (OSError, ValueError, KeyError, TypeError, MalformedRecord) as error:
        raise BadTape(f"{file} is not the report that `data import` writes: {error}; import the source again") from error


def terms_beside(folder: Path, tape: Tape) -> dict[str, Terms]:
    """What is written beside a tape of its markets' delays and closed times, by market id; nothing where no file is. Raises
    BadTape."""
    file = folder / market_terms.FILE
    try:
        return market_terms.terms_in(file.read_text(encoding="utf-8"), tape.deployment) if file.exists() else {}
    except BadTape as error:
        raise BadTape(f"{file}: {error.what}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadTape(f"{file}: {error}") from error

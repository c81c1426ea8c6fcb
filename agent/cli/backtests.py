"""`backtest run` and `backtest report`: a study over recorded or synthetic history, as a table, a page and files.

A run is described by what was asked; `report` asks it again and refuses a result that is not the recorded one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from agent.cli import tables
from backtest.export import write_tables
from backtest.report import write_report
from backtest.scenario import sample_tape
from backtest.study import Study, Terms, rotation, run_backtest, study
from strategies.errors import SettingsError

LATENCY_ROWS: Final = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What describes a run. Without data, the seed describes the tape."""

    data: str
    gas: str
    assets: tuple[str, ...]
    start: str
    end: str
    cash: int
    seed: int


def run(asked: Asked, out: Path, *, as_json: bool) -> None:
    """The studies, the page, and the files beside it."""
    studies = _studies(asked)
    _write(asked, studies, out)
    _tell(studies, out, as_json=as_json)


def report(run_file: Path, out: Path) -> None:
    """The page of a finished run, from what was asked; the same tape and journal, or an error."""
    try:
        recorded = json.loads(run_file.read_text())
        asked = Asked(**{**recorded["asked"], "assets": tuple(recorded["asked"]["assets"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{run_file} is not the JSON that `backtest run` writes: {error}") from error
    studies = _studies(asked)
    for one in studies:
        before = recorded["studies"][one.main.asset.symbol]["results"][one.main.name]["journal_head"]
        if before != one.main.run.journal.head:
            raise SettingsError(f"{run_file}: {one.main.asset.symbol} does not come out the same: its data or the code changed")
    _write(asked, studies, out)
    _tell(studies, out, as_json=False)


def _studies(asked: Asked) -> tuple[Study, ...]:
    terms = Terms(cash=Decimal(asked.cash), latency_rows=LATENCY_ROWS, decide_for=rotation)
    if not asked.data:
        tape = sample_tape(seed=asked.seed)
        symbols = asked.assets or ("USDC",)
        return tuple(study(tape, tape.deployment.asset(symbol), terms, None) for symbol in symbols)
    if not asked.gas:
        raise SettingsError("--gas: name the folder of recorded gas prices; a result that is not net of gas is not given")
    return run_backtest(
        data=Path(asked.data),
        gas=Path(asked.gas),
        symbols=asked.assets or ("USDC", "USDT", "DAI"),
        start=_seconds("--start", asked.start),
        end=_seconds("--end", asked.end),
        terms=terms,
    )


def _seconds(name: str, day: str) -> int:
    try:
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise SettingsError(f"{name} {day!r}: write a day as 2023-01-27") from error


def _write(asked: Asked, studies: Sequence[Study], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    write_report(studies, out)
    write_tables(studies, out, asdict(asked))


def _tell(studies: Sequence[Study], out: Path, *, as_json: bool) -> None:
    if as_json:
        content: Mapping[str, Any] = json.loads(out.with_suffix(".json").read_text())
        tables.say_json({**content, "report": str(out)})
        return
    for one in studies:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in (one.main.asset.symbol, "final value", "a year", "worst fall", "moves", "gas USD"):
            table.add_column(name, justify="left" if name == one.main.asset.symbol else "right")
        for result in one.results:
            figures = result.figures
            table.add_row(
                result.name,
                f"{figures.final:,.2f}",
                tables.percent(figures.apy),
                tables.percent(figures.drawdown),
                str(figures.moves),
                f"{figures.gas_usd:,.2f}",
                style="bold" if result is one.main else "",
            )
        tables.console.print(table)
        tables.say()
    tables.say(f"net of gas; what is not exact stands in the report: {out}", "dim")

"""`backtest run` and `backtest report`: a study over recorded or synthetic history, as a table, a page and files.

A run is described by what was asked; `report` asks it again and refuses a result that is not the recorded one. What cannot be
answered (an unknown asset, days that are not there, a place that cannot be written) is refused before anything is computed."""

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from rich.table import Table

from agent.cli import tables
from backtest.export import write_tables
from backtest.importers.aave_hourly import span_of, symbols_in
from backtest.numerals import cents, day, percent
from backtest.report import write_report
from backtest.scenario import DOLLAR, Synthetic, sample_tape
from backtest.study import Study, Terms, rotation, run_backtest, study
from strategies.errors import SettingsError

LATENCY_ROWS: Final = 1
SHIPPED: Final = ("USDC", "USDT", "DAI")  # of recorded data, where no asset is named
DOLLARS: Final = (*SHIPPED, "USDE")
FIRST_DAY: Final = "2023-01-27"  # Aave V3's first on Ethereum
DAY_AFTER: Final = "2026-01-20"
CASH: Final = 1_000_000  # dollars


@dataclass(frozen=True, slots=True)
class Asked:
    """What describes a run: "", () and 0 were not given. Without data, the seed describes the tape."""

    data: str
    gas: str
    assets: tuple[str, ...]
    start: str
    end: str
    cash: int
    seed: int


def run(asked: Asked, out: Path, *, as_json: bool) -> None:
    """The studies, the page, and the files beside it."""
    whole = completed(asked)
    writable(out)
    with _uncollected():
        studies = _studies(whole)
        write_report(studies, out)
        write_tables(studies, out, asdict(whole))
    _tell(studies, out, as_json=as_json)


def report(run_file: Path, out: Path) -> None:
    """The page of a finished run, from what was asked; the same tape and journals, or an error."""
    asked, heads = _recorded(run_file)
    whole = completed(asked)
    writable(out)
    with _uncollected():
        studies = _studies(whole)
        for one in studies:
            symbol = one.main.asset.symbol
            if heads.get(symbol) != {result.name: result.run.journal.head for result in one.results}:
                raise SettingsError(f"{run_file}: {symbol} does not come out the same: its data or the code changed")
        write_report(studies, out)
    _tell(studies, out, as_json=False)


def completed(asked: Asked) -> Asked:
    """What was asked with all that was not given filled in, after every check that needs no computing. Raises SettingsError."""
    if asked.cash < 0:
        raise SettingsError("--cash must be positive")
    if asked.seed < 0:
        raise SettingsError("--seed must not be negative")
    return _of_recorded_data(asked) if asked.data else _of_a_synthetic_tape(asked)


def writable(out: Path) -> None:
    """Refuses a place where the page cannot be written. Raises SettingsError."""
    if out.is_dir():
        raise SettingsError(f"--out: {out} is a folder; name a page in it: {out / 'report.html'}")
    if out.suffix != ".html":
        raise SettingsError(f"--out: {out} must end in .html; the JSON and the CSV files are named after it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out.parent):
            pass
        if out.exists():
            out.open("ab").close()
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(f"--out: {error.filename} is no folder") from error
    except OSError as error:
        raise SettingsError(f"--out: {out} cannot be written: {error.strerror}") from error


def _of_a_synthetic_tape(asked: Asked) -> Asked:
    for name, given in (("--start", asked.start), ("--end", asked.end), ("--gas", asked.gas)):
        if given:
            raise SettingsError(f"{name} is for recorded data: give --data")
    symbols = tuple(dict.fromkeys(symbol.upper() for symbol in asked.assets)) or (DOLLAR.symbol,)
    for symbol in symbols:
        if symbol != DOLLAR.symbol:
            raise SettingsError(f"--asset {symbol}: the synthetic tape has {DOLLAR.symbol} only; give --data for others")
    return replace(asked, assets=symbols, cash=asked.cash or CASH)


def _of_recorded_data(asked: Asked) -> Asked:
    data = _folder("--data", asked.data)
    if not asked.gas:
        raise SettingsError("--gas: name the folder of recorded gas prices; a result that is not net of gas is not given")
    _folder("--gas", asked.gas)
    symbols = _symbols(asked, data)
    strange = [symbol for symbol in symbols if symbol not in DOLLARS]
    if strange and not asked.cash:
        raise SettingsError(f"--cash: say how many {strange[0]} to begin with; the default is for dollars")
    whole = replace(asked, assets=symbols, start=asked.start or FIRST_DAY, end=asked.end or DAY_AFTER, cash=asked.cash or CASH)
    start, end = _window(whole)
    if end <= start:
        spans = [span_of(data, symbol) for symbol in symbols]
        there = f"{day(min(first for first, _ in spans))} to {day(max(last for _, last in spans))}"
        raise SettingsError(f"--end {whole.end} is not after --start {whole.start}; the data has {there}")
    return whole


def _folder(name: str, given: str) -> Path:
    path = Path(given).absolute()
    if not path.is_dir():
        raise SettingsError(f"{name}: no such folder: {path}")
    return path


def _symbols(asked: Asked, data: Path) -> tuple[str, ...]:
    known = symbols_in(data)
    if not known:
        raise SettingsError(f"--data: {data} holds no recorded rates, such as aave_v3_usdc_eth.parquet")
    for symbol in asked.assets:
        if symbol.upper() not in known:
            raise SettingsError(f"--asset {symbol}: not in this data, which has {', '.join(known)}")
    symbols = tuple(dict.fromkeys(symbol.upper() for symbol in asked.assets)) or tuple(s for s in SHIPPED if s in known)
    if not symbols:
        raise SettingsError(f"--asset: name one of {', '.join(known)}")
    return symbols


def _window(asked: Asked) -> tuple[int, int]:
    return _seconds("--start", asked.start), _seconds("--end", asked.end)


def _seconds(name: str, given: str) -> int:
    try:
        return int(datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise SettingsError(f"{name} {given!r}: write a day as 2023-01-27") from error


def _recorded(run_file: Path) -> tuple[Asked, dict[str, dict[str, str]]]:
    """What a run was asked, and the head of every journal by asset and name. Raises SettingsError."""
    try:
        content = json.loads(run_file.read_text())
        asked = Asked(**{**content["asked"], "assets": tuple(content["asked"]["assets"])})
        heads = {
            symbol: {name: result["journal_head"] for name, result in one["results"].items()}
            for symbol, one in content["studies"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{run_file} is not the JSON that `backtest run` writes: {error}") from error
    return asked, heads


@contextmanager
def _uncollected() -> Iterator[None]:
    """All that a run makes lives until its end: the collector would search it over and over and find nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _studies(asked: Asked) -> tuple[Study, ...]:
    terms = Terms(cash=Decimal(asked.cash), latency_rows=LATENCY_ROWS, decide_for=rotation)
    if not asked.data:
        tape = sample_tape(seed=asked.seed)
        return tuple(study(tape, tape.deployment.asset(symbol), terms, Synthetic(asked.seed)) for symbol in asked.assets)
    start, end = _window(asked)
    return run_backtest(data=Path(asked.data), gas=Path(asked.gas), symbols=asked.assets, start=start, end=end, terms=terms)


def _tell(studies: Sequence[Study], out: Path, *, as_json: bool) -> None:
    if as_json:
        content: Mapping[str, Any] = json.loads(out.with_suffix(".json").read_text())
        tables.say_json({**content, "report": str(out)})
        return
    for one in studies:
        tables.console.print(_table(one))
        tables.say()
        if isinstance(one.origin, Synthetic):
            tables.say(f"a synthetic tape of seed {one.origin.seed}: it shows the machine, not the strategy", "dim")
    tables.say(f"net of gas; what is not exact stands in the report: {out}", "dim")


def _table(one: Study) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in (one.main.asset.symbol, "final value", "a year", "deepest fall", "in USD", "moves", "gas USD"):
        table.add_column(name, justify="left" if name == one.main.asset.symbol else "right")
    for result in one.results:
        figures = result.figures
        table.add_row(
            result.name,
            cents(figures.final),
            percent(figures.apy),
            percent(figures.drawdown),
            percent(figures.drawdown_usd),
            str(figures.moves),
            cents(figures.gas_usd),
            style="bold" if result is one.main else "",
        )
    return table

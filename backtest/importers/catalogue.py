"""Which formats are known: how a folder of each is recognised, checked and made a tape. Refuses a folder that no format, or more
than the named one, recognises."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from backtest.checking.examine import examine
from backtest.checking.marks import Finding
from backtest.checking.record import Record
from backtest.importers import (
    aave_13chains_daily,
    aave_daily_index,
    aave_hourly,
    aave_pendle_dsr_lido,
    aave_polygon_minute,
    compound_v2_daily,
    defillama_chart,
    defillama_lending,
    lending_2019_2020,
    lending_balances,
    plain_csv,
    series_formats,
)
from backtest.importers.defects import ImportReport
from backtest.importers.formats import Format
from backtest.importers.lending import Found, Request, names_of, tape_of_found
from strategies.errors import BadTape
from strategies.tape import Tape


def _lending(
    name: str,
    line: str,
    recognises: Callable[[Path], bool],
    read: Callable[[Path], tuple[Found, ...]],
    notes: Sequence[str],
) -> Format:
    """A format of lending rates, of which every one is read, examined and made a tape in the same way."""

    def assets(folder: Path) -> tuple[str, ...]:
        return names_of(read(folder))

    def check(folder: Path) -> tuple[Finding, ...]:
        return tuple(finding for market in read(folder) for finding in examine(market.record).findings)

    def import_tape(folder: Path, request: Request) -> tuple[Tape, ImportReport]:
        return tape_of_found(folder.name, read(folder), request, notes)

    def records(folder: Path) -> tuple[Record, ...]:
        return tuple(market.record for market in read(folder))

    return Format(name, line, recognises, assets, check, import_tape, records)


def _nothing(_: Path) -> tuple[str, ...]:
    return ()


def _check_balances(folder: Path) -> tuple[Finding, ...]:
    return tuple(finding for market in lending_balances.read(folder) for finding in market.record.findings)


def _no_rates(folder: Path, request: Request) -> tuple[Tape, ImportReport]:
    """Amounts alone are no tape. Raises BadTape."""
    raise BadTape(f"{folder.name} says amounts of {request.asset} and no rates: nothing can be earned on a tape of it")


FORMATS: Final[tuple[Format, ...]] = (
    Format(
        "aave-hourly",
        "Aave V2 and V3 reserves on Ethereum, hourly, Parquet, percent",
        aave_hourly.recognises,
        aave_hourly.symbols_in,
        aave_hourly.check,
        aave_hourly.import_tape,
        aave_hourly.records,
    ),
    _lending(
        "aave-13chains-daily",
        "Aave V3 reserves on many chains, daily JSON snapshots with indices",
        aave_13chains_daily.recognises,
        aave_13chains_daily.read,
        aave_13chains_daily.NOTES,
    ),
    _lending(
        "aave-daily-index",
        "Aave V3 reserves on Ethereum, daily, full indices and amounts",
        aave_daily_index.recognises,
        aave_daily_index.read,
        aave_daily_index.NOTES,
    ),
    _lending(
        "aave-minute",
        "Aave V3 reserves by the minute, 27-digit indices (demeter's files)",
        aave_polygon_minute.recognises,
        aave_polygon_minute.read,
        aave_polygon_minute.NOTES,
    ),
    _lending(
        "aave-pendle-dsr-lido",
        "Aave V3, Pendle, DAI savings rate and Lido as one collector saw them",
        aave_pendle_dsr_lido.recognises,
        aave_pendle_dsr_lido.read,
        aave_pendle_dsr_lido.NOTES,
    ),
    _lending(
        "compound-v2-daily",
        "Compound V2 markets, daily, yields in percent",
        compound_v2_daily.recognises,
        compound_v2_daily.read,
        compound_v2_daily.NOTES,
    ),
    _lending(
        "lending-2019-2020",
        "lending rates of 2019 and 2020, daily JSON in milliseconds",
        lending_2019_2020.recognises,
        lending_2019_2020.read,
        lending_2019_2020.NOTES,
    ),
    _lending(
        "defillama-lending",
        "lending pools out of snapshots of DefiLlama's list of pools",
        defillama_lending.recognises,
        defillama_lending.read,
        defillama_lending.NOTES,
    ),
    _lending(
        "defillama-chart",
        "histories of pools as `data fetch llama` keeps them",
        defillama_chart.recognises,
        defillama_chart.read,
        defillama_chart.NOTES,
    ),
    Format(
        "lending-balances",
        "amounts supplied and borrowed, daily, no rates: checked, never a tape",
        lending_balances.recognises,
        _nothing,
        _check_balances,
        _no_rates,
    ),
    _lending(
        "plain-csv",
        "your own: market,timestamp,supply_apr and what else is known",
        plain_csv.recognises,
        plain_csv.read,
        plain_csv.NOTES,
    ),
    *series_formats.FORMATS,
)


def format_of(folder: Path) -> Format:
    """The format that recognises a folder. Raises BadTape."""
    found = [one for one in FORMATS if one.recognises(folder)]
    if not found:
        raise BadTape(f"{folder.name} is in no known format; known: {', '.join(one.name for one in FORMATS)}")
    if len(found) > 1:
        raise BadTape(f"{folder.name} looks like {' and like '.join(one.name for one in found)}: name one with --as")
    return found[0]


def records_of(folder: Path) -> tuple[Record, ...]:
    """The markets of a folder, in order and unexamined, for a comparison. Raises BadTape."""
    chosen = format_of(folder)
    if chosen.records is None:
        raise BadTape(f"{folder.name}: {chosen.name} has no rates of markets to compare")
    return chosen.records(folder)


def format_named(name: str) -> Format:
    """A format by its name. Raises BadTape."""
    found = next((one for one in FORMATS if one.name == name), None)
    if found is None:
        raise BadTape(f"{name!r} is no known format; known: {', '.join(one.name for one in FORMATS)}")
    return found

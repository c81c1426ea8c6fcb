"""A run day by day in exact base units of its asset: what lay where, what each market earned, what trades and gas cost, what
liquidations took. Refuses days that do not come out to what is held at the end.

Two finished runs are compared by it, so it is written beside the run and needs neither the tape nor the code of its time."""

import csv
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from backtest.books import entries_of_liquidation
from backtest.metrics import prices_usd
from backtest.runs import LIQUIDATION, Run
from strategies.assets import NATIVE, Asset
from strategies.domain import Market, Portfolio, Position
from strategies.errors import BadTape, LedgerMismatch
from strategies.protocols.registry import adapter_of
from strategies.tape import Ints
from strategies.units import RAY, SECONDS_PER_DAY, USD_E8, WAD
from wallets.ledger import FEES, WALLET, Entry, entries_of, market_account, opening

MARKET_COLUMNS: Final = ("held", "mean", "income", "growth")
DAY_COLUMNS: Final = ("day", "idle_raw", "idle_mean_raw", "trades_raw", "gas_raw", "other_raw", "liquidated_raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One UTC day, from the last row of the one before to its own; a market's figures are in the order of the book's markets."""

    day: int  # days since 1970
    idle_raw: int  # at its end
    idle_mean_raw: int  # over its time, rounded down
    held_raw: tuple[int, ...]  # the claims' worth at its end
    held_mean_raw: tuple[int, ...]  # over its time, rounded down
    income_raw: tuple[int, ...]
    growth_wad: tuple[int | None, ...]  # of a share, rounded down; None where the market was not read at both ends
    trades_raw: int  # what trades brought (positive) or cost
    gas_raw: int  # in the asset at the prices of the time, rounded up
    other_raw: int  # what came from outside (positive) or went there: fees in the asset itself, beside gas
    liquidated_raw: int  # debt that liquidations repaid for us, less the supply they took

    @property
    def gained_raw(self) -> int:
        """What the day earned net of everything."""
        return sum(self.income_raw) + self.trades_raw + self.other_raw + self.liquidated_raw - self.gas_raw

    @property
    def whole_raw(self) -> int:
        return self.idle_raw + sum(self.held_raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daybook:
    """All days of one run in one asset."""

    run: str
    tape: str  # its digest
    symbol: str
    decimals: int
    opening_raw: int  # idle and claims, less debts
    markets: tuple[str, ...]
    days: tuple[Day, ...]

    @property
    def gained_raw(self) -> int:
        """Profit or loss, net."""
        return sum(day.gained_raw for day in self.days)


def daybook_of(run: Run) -> Daybook:
    """The book of a finished run. Raises LedgerMismatch where the days do not come out to what is held."""
    tape, asset = run.tape, run.settings.decide.asset
    markets = tuple(market for market in tape.deployment.markets if market.asset == asset)
    dates = tape.timestamp // SECONDS_PER_DAY
    last_rows = np.append(np.flatnonzero(np.diff(dates)), len(dates) - 1)
    flows, gas = _flows(run), _gas_by_day(run)
    opening_raw = _worth(run, 0, run.settings.opening, markets, [0] * len(markets))
    days, first, before_raw = list[Day](), 0, opening_raw[1:]
    for last in last_rows.tolist():
        date = int(dates[last])
        moved = flows.get(date, {})
        idle_raw, *held_raw = _worth(run, last, _held_at(run, last), markets, before_raw)
        idle_mean_raw, *held_mean_raw = _means(run, first, last, markets)
        into = [moved.get(market_account(market), 0) for market in markets]
        day = Day(
            day=date,
            idle_raw=idle_raw,
            idle_mean_raw=idle_mean_raw,
            held_raw=tuple(held_raw),
            held_mean_raw=tuple(held_mean_raw),
            income_raw=tuple(now - then - raw for now, then, raw in zip(held_raw, before_raw, into, strict=True)),
            growth_wad=tuple(_growth_wad(run, first, last, market) for market in markets),
            trades_raw=-sum(raw for account, raw in moved.items() if account.startswith("trades:")),
            gas_raw=gas.get(date, 0),
            other_raw=-sum(raw for account, raw in moved.items() if _is_elsewhere(account)),
            liquidated_raw=-moved.get(LIQUIDATION, 0),
        )
        days.append(day)
        first, before_raw = last, held_raw
    book = Daybook(
        run=run.settings.name,
        tape=tape.digest,
        symbol=asset.symbol,
        decimals=asset.decimals,
        opening_raw=sum(opening_raw),
        markets=tuple(market.id for market in markets),
        days=tuple(days),
    )
    _come_out(book, is_coin=asset.address == NATIVE)
    return book


def entries_when_executed(run: Run) -> tuple[Entry, ...]:
    """The run's entries at the time each plan was executed and each debt liquidated, the opening first; interest is not among
    them. Who liquidates comes before a plan of the same row."""
    tape, account = run.tape, run.settings.account
    made = [(done.row, entries_of_liquidation(done, int(tape.timestamp[done.row]))) for done in run.liquidations]
    for step in run.steps:
        if step.receipt is not None and step.due_row is not None:
            timestamp = int(tape.timestamp[step.due_row])
            made.append((step.due_row, entries_of(step.receipt, tape.deployment, account, timestamp)))
    made.sort(key=lambda one: one[0])
    return (*opening(run.settings.opening, int(tape.timestamp[0])), *[entry for _, entries in made for entry in entries])


def write(book: Daybook, path: Path) -> Path:
    """One line a day; the markets' columns are `held:ID`, `income:ID` and `share:ID`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow((*DAY_COLUMNS, *[f"{name}:{market}" for market in book.markets for name in MARKET_COLUMNS]))
        for day in book.days:
            of_markets = zip(day.held_raw, day.held_mean_raw, day.income_raw, day.growth_wad, strict=True)
            plain = (day.day, day.idle_raw, day.idle_mean_raw, day.trades_raw, day.gas_raw, day.other_raw, day.liquidated_raw)
            rows.writerow((*plain, *["" if cell is None else cell for market in of_markets for cell in market]))
    return path


def heading(book: Daybook) -> Mapping[str, object]:
    """What a book's file does not say itself, for the summary beside it."""
    return {
        "run": book.run,
        "tape": book.tape,
        "symbol": book.symbol,
        "decimals": book.decimals,
        "opening_raw": str(book.opening_raw),
        "gained_raw": str(book.gained_raw),
    }


def read(path: Path, said: Mapping[str, object]) -> Daybook:
    """A book out of its file and its heading. Raises BadTape for a file that no run wrote or that differs from its heading."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        plain = sum(":" not in name for name in rows[0])  # a book of before liquidations were told has one column less
        markets = tuple(name.removeprefix("held:") for name in rows[0][plain :: len(MARKET_COLUMNS)])
        book = Daybook(
            run=str(said["run"]),
            tape=str(said["tape"]),
            symbol=str(said["symbol"]),
            decimals=int(str(said["decimals"])),
            opening_raw=int(str(said["opening_raw"])),
            markets=markets,
            days=tuple(_day(row, plain) for row in rows[1:]),
        )
        gained_raw = int(str(said["gained_raw"]))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise BadTape(f"{path.name} is no book of days that `backtest run` writes: {error}") from error
    if book.gained_raw != gained_raw or not book.days:
        raise BadTape(f"{path.name} comes to {book.gained_raw} base units; its run came to {gained_raw}: one of them was changed")
    return book


def _day(row: Sequence[str], count: int) -> Day:
    plain, of_markets = row[:count], row[count:]
    date, idle_raw, idle_mean_raw, trades_raw, gas_raw, other_raw, *rest = [int(cell) for cell in plain]
    [liquidated_raw] = rest or [0]
    held, mean, income, growth = (of_markets[at :: len(MARKET_COLUMNS)] for at in range(len(MARKET_COLUMNS)))
    if not len(held) == len(mean) == len(income) == len(growth):
        raise ValueError(f"the line of day {date} is cut short")
    return Day(
        day=date,
        idle_raw=idle_raw,
        idle_mean_raw=idle_mean_raw,
        held_raw=tuple(int(cell) for cell in held),
        held_mean_raw=tuple(int(cell) for cell in mean),
        income_raw=tuple(int(cell) for cell in income),
        growth_wad=tuple(int(cell) if cell else None for cell in growth),
        trades_raw=trades_raw,
        gas_raw=gas_raw,
        other_raw=other_raw,
        liquidated_raw=liquidated_raw,
    )


def _held_at(run: Run, row: int) -> Portfolio:
    return run.segments[bisect_right(run.segments, row, key=lambda segment: segment.row) - 1].portfolio


def _worth(run: Run, row: int, portfolio: Portfolio, markets: Sequence[Market], known_raw: Sequence[int]) -> list[int]:
    """What is idle, and each claim's worth with its debt taken off; the last known where the market cannot be read."""
    found = [portfolio.idle_raw(run.settings.decide.asset)]
    for market, before_raw in zip(markets, known_raw, strict=True):
        held = portfolio.position(market)
        state = None if held.is_empty else run.tape.states.state(row, run.tape.market_index(market))
        found.append(0 if held.is_empty else before_raw if state is None else adapter_of(market).value_raw(state, held))
    return found


def _means(run: Run, first: int, last: int, markets: Sequence[Market]) -> list[int]:
    """`_worth` over the time between two rows, each stretch between moves at its beginning, rounded down."""
    starts = [first, *[segment.row for segment in run.segments if first < segment.row < last]]
    times = [int(run.tape.timestamp[row]) for row in (*starts, last)]
    worth = [_worth(run, row, _held_at(run, row), markets, [0] * len(markets)) for row in starts]
    seconds = [later - sooner for sooner, later in pairwise(times)]
    if not sum(seconds):
        return worth[0]
    return [
        sum(raw * time for raw, time in zip(column, seconds, strict=True)) // sum(seconds) for column in zip(*worth, strict=True)
    ]


def _growth_wad(run: Run, first: int, last: int, market: Market) -> int | None:
    """What a share grew by between two rows."""
    at, adapter, share = run.tape.market_index(market), adapter_of(market), Position(market, RAY)
    then, now = (run.tape.states.state(row, at) for row in (first, last))
    before_raw = 0 if then is None else adapter.value_raw(then, share)
    return None if now is None or not before_raw else (adapter.value_raw(now, share) - before_raw) * WAD // before_raw


def _flows(run: Run) -> dict[int, dict[str, int]]:
    """What each of the ledger's accounts took of the asset on each day, the opening left out."""
    asset, flows = run.settings.decide.asset, dict[int, dict[str, int]]()
    for entry in entries_when_executed(run):
        if entry.memo != "opening":
            of_day = flows.setdefault(entry.timestamp // SECONDS_PER_DAY, {})
            for leg in entry.legs:
                if leg.amount.asset == asset:
                    of_day[leg.account] = of_day.get(leg.account, 0) + leg.amount.raw
    return flows


def _is_elsewhere(account: str) -> bool:
    return account not in (WALLET, FEES, LIQUIDATION) and not account.startswith(("market:", "trades:"))


def _gas_by_day(run: Run) -> dict[int, int]:
    """What the account's own gas cost on each day, in the asset at the prices of the row it was burned at; a step rounded up."""
    asset, tape, found = run.settings.decide.asset, run.tape, dict[int, int]()
    burned = [
        (step.due_row, sum(t.fee_wei for t in step.receipt.transactions if t.payer is None)) for step in run.steps if step.receipt
    ]
    coin = tape.deployment.native
    if coin is None or not any(fee_wei for _, fee_wei in burned):
        return found
    coin_usd_e8, asset_usd_e8 = _known_usd_e8(run, coin), _known_usd_e8(run, asset)
    for row, fee_wei in burned:
        if row is not None:
            cost = -(-fee_wei * int(coin_usd_e8[row]) * 10**asset.decimals // (int(asset_usd_e8[row]) * WAD))
            date = int(tape.timestamp[row]) // SECONDS_PER_DAY
            found[date] = found.get(date, 0) + (fee_wei if asset == coin else cost)
    return found


def _known_usd_e8(run: Run, asset: Asset) -> Ints:
    """The price at each row, the last known where a row has none."""
    prices: Ints = np.rint(prices_usd(run.tape, asset) * USD_E8).astype(np.int64)
    return prices


def _come_out(book: Daybook, *, is_coin: bool) -> None:
    """Opening and what the days brought are what is held at the end; gas too, where it is paid in the asset itself."""
    brought_raw = sum(day.gained_raw + day.gas_raw for day in book.days)
    burned_raw = sum(day.gas_raw for day in book.days) if is_coin else 0
    booked_raw = book.opening_raw + brought_raw - burned_raw
    if booked_raw != book.days[-1].whole_raw:
        raise LedgerMismatch(account="the days", symbol=book.symbol, booked_raw=booked_raw, found_raw=book.days[-1].whole_raw)

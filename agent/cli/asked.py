"""What a person asks of a backtest, as one value, filled in and checked. Refuses, in one sentence each and before anything is
computed: two tapes at once, an asset, a day or a stance that is not there, a folder that is none, and cash that nobody said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from backtest.crises import CRISES, crisis
from backtest.importers.aave_hourly import span_of, symbols_in
from backtest.numerals import day
from backtest.saved_tapes import load
from backtest.scenario import DOLLAR
from backtest.study import Rotation
from strategies.catalogue import STANCES
from strategies.errors import SettingsError

SHIPPED: Final = ("USDC", "USDT", "DAI")  # of recorded data, where no asset is named
DOLLARS: Final = (*SHIPPED, "USDE", "UST")
FIRST_DAY: Final = "2023-01-27"  # Aave V3's first on Ethereum
DAY_AFTER: Final = "2026-01-20"
CASH: Final = 1_000_000  # dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What describes a run: "", () and 0 were not given. Without data, tape or crisis, the seed describes the tape."""

    data: str
    gas: str
    assets: tuple[str, ...]
    start: str
    end: str
    cash: int
    seed: int
    tape: str = ""
    crisis: str = ""
    latency_rows: int = 1
    own_impact: bool = True
    stance: str = "balanced"
    count: int = 1
    threshold_bps: int = 50
    lookback_hours: int = 72
    cadence_hours: int = 24

    @property
    def rotation(self) -> Rotation:
        """How the strategy was asked to rotate."""
        return Rotation(
            stance=self.stance,
            count=self.count,
            threshold_bps=self.threshold_bps,
            lookback_hours=self.lookback_hours,
            cadence_hours=self.cadence_hours,
        )


def asked_of(said: Mapping[str, Any]) -> Asked:
    """What a run's files say was asked. Raises KeyError, TypeError."""
    return Asked(**{**said, "assets": tuple(said["assets"])})


def completed(asked: Asked) -> Asked:
    """What was asked with all that was not given filled in, after every check that needs no computing. Raises SettingsError."""
    if asked.cash < 0:
        raise SettingsError("--cash must be positive")
    if asked.seed < 0:
        raise SettingsError("--seed must not be negative")
    if asked.stance not in STANCES:
        raise SettingsError(f"--stance {asked.stance}: there are {', '.join(STANCES)}")
    given = [name for name, text in (("--data", asked.data), ("--tape", asked.tape), ("--crisis", asked.crisis)) if text]
    if len(given) > 1:
        raise SettingsError(f"{' and '.join(given)}: a run has one tape; give one of them")
    return _ANSWERS[given[0] if given else ""](asked)


def window(asked: Asked) -> tuple[int, int]:
    """The days asked for, `[start, end)`, Unix seconds. Raises SettingsError."""
    return _seconds("--start", asked.start), _seconds("--end", asked.end)


def _of_a_synthetic_tape(asked: Asked) -> Asked:
    _without_what_is_for_data(asked)
    symbols = tuple(dict.fromkeys(symbol.upper() for symbol in asked.assets)) or (DOLLAR.symbol,)
    for symbol in symbols:
        if symbol != DOLLAR.symbol:
            raise SettingsError(
                f"--asset {symbol}: the synthetic tape has {DOLLAR.symbol} only; give --data or --tape for others"
            )
    return replace(asked, assets=symbols, cash=asked.cash or CASH)


def _of_a_crisis(asked: Asked) -> Asked:
    _without_what_is_for_data(asked)
    if asked.crisis not in CRISES:
        raise SettingsError(f"--crisis {asked.crisis}: there are {', '.join(CRISES)}")
    return _with_cash(replace(asked, assets=_symbols(asked, (crisis(asked.crisis).script.asset.symbol,), "this crisis")))


def _of_a_saved_tape(asked: Asked) -> Asked:
    _without_what_is_for_data(asked)
    deployment = load(_folder("--tape", asked.tape)).deployment
    known = tuple(dict.fromkeys(market.asset.symbol for market in deployment.markets))
    return _with_cash(replace(asked, assets=_symbols(asked, known, "this tape")))


def _of_recorded_data(asked: Asked) -> Asked:
    data = _folder("--data", asked.data)
    if not asked.gas:
        raise SettingsError("--gas: name the folder of recorded gas prices; a result that is not net of gas is not given")
    _folder("--gas", asked.gas)
    known = symbols_in(data)
    if not known:
        raise SettingsError(f"--data: {data} holds no recorded rates, such as aave_v3_usdc_eth.parquet")
    symbols = _symbols(asked, known, "this data")
    whole = replace(_with_cash(replace(asked, assets=symbols)), start=asked.start or FIRST_DAY, end=asked.end or DAY_AFTER)
    start, end = window(whole)
    if end <= start:
        spans = [span_of(data, symbol) for symbol in symbols]
        there = f"{day(min(first for first, _ in spans))} to {day(max(last for _, last in spans))}"
        raise SettingsError(f"--end {whole.end} is not after --start {whole.start}; the data has {there}")
    return whole


_ANSWERS: Final[Mapping[str, Callable[[Asked], Asked]]] = {
    "--data": _of_recorded_data,
    "--tape": _of_a_saved_tape,
    "--crisis": _of_a_crisis,
    "": _of_a_synthetic_tape,
}


def _without_what_is_for_data(asked: Asked) -> None:
    for name, given in (("--start", asked.start), ("--end", asked.end), ("--gas", asked.gas)):
        if given:
            raise SettingsError(f"{name} is for recorded data: give --data")


def _folder(name: str, given: str) -> Path:
    path = Path(given).absolute()
    if not path.is_dir():
        raise SettingsError(f"{name}: no such folder: {path}")
    return path


def _symbols(asked: Asked, known: Sequence[str], where: str) -> tuple[str, ...]:
    """The assets asked for, as the source writes them, each once; where none is named, the usual dollars, or all there is."""
    spelled = {symbol.lower(): symbol for symbol in known}
    for symbol in asked.assets:
        if symbol.lower() not in spelled:
            raise SettingsError(f"--asset {symbol}: not in {where}, which has {', '.join(known)}")
    named = tuple(dict.fromkeys(spelled[symbol.lower()] for symbol in asked.assets))
    usual = tuple(symbol for symbol in SHIPPED if symbol in known) or tuple(known if len(known) == 1 else ())
    symbols = named or usual
    if not symbols:
        raise SettingsError(f"--asset: name one of {', '.join(known)}")
    return symbols


def _with_cash(asked: Asked) -> Asked:
    strange = [symbol for symbol in asked.assets if symbol not in DOLLARS]
    if strange and not asked.cash:
        raise SettingsError(f"--cash: say how many {strange[0]} to begin with; the default is for dollars")
    return replace(asked, cash=asked.cash or CASH)


def _seconds(name: str, given: str) -> int:
    try:
        return int(datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise SettingsError(f"{name} {given!r}: write a day as 2023-01-27") from error

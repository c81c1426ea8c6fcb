"""`backtest look-ahead`: a person's own strategy, asked whether it sees the future. It runs that person's code, in this process.

Refuses a strategy it cannot find, make or ask, and a tape it cannot read: exit 2. A strategy that fails is exit 1."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import util
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from rich.table import Table

from agent.cli import tables
from agent.cli.backtests import waiting
from backtest import saved_tapes
from backtest.asking import MISTAKES, Raised, told
from backtest.look_ahead import Fault, Unasked, Verdict, analyse
from backtest.numerals import moment
from backtest.scenario import sample_tape
from strategies.catalogue import Strategy
from strategies.domain import NATIVE, Asset
from strategies.errors import BadTape, SettingsError, UnknownName
from strategies.tape import Tape

SAMPLE: Final = {"seed": 7, "markets": 4, "hours": 2_160}
_LOADS: Final = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line said."""

    strategy: str
    said: tuple[str, ...]  # name=value
    tape: Path | None = None
    asset: str = ""
    looks: int
    seed: int


@dataclass(slots=True)
class Source:
    """Where a class is, loaded anew at each `make`, so that nothing a module keeps survives."""

    text: str
    name: str
    file: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    loaded: str = ""

    def make(self) -> Strategy:
        """A strategy that remembers nothing of earlier ones. Raises SettingsError."""
        made = self.found()
        try:
            strategy: Strategy = made(**self.settings)
        except MISTAKES as error:
            raise SettingsError(f"--strategy {self.text}: it {told(Raised(type(error).__name__, str(error)))}") from error
        if not callable(getattr(strategy, "target", None)) or not isinstance(getattr(strategy, "cadence_seconds", None), int):
            raise SettingsError(f"--strategy {self.text}: it has no `target(seen)` or no whole `cadence_seconds`")
        if strategy.cadence_seconds <= 0:
            raise SettingsError(f"--strategy {self.text}: cadence_seconds is {strategy.cadence_seconds}, which never passes")
        return strategy

    def found(self) -> Callable[..., Any]:
        """The class itself. Raises SettingsError."""
        sys.modules.pop(self.loaded, None)
        module = self._executed()
        made = getattr(module, self.name, None)
        if not callable(made):
            there = [name for name, value in vars(module).items() if hasattr(value, "target")]
            raise SettingsError(
                f"--strategy {self.text}: {self.file.name} has no {self.name}; it has {', '.join(there) or 'none'}"
            )
        return made  # type: ignore[no-any-return]

    def _executed(self) -> ModuleType:
        parent = self.text.partition(":")[0].rpartition(".")[0] if not self.text.partition(":")[0].endswith(".py") else ""
        self.loaded = f"{parent}{'.' if parent else ''}{self.file.stem}__{next(_LOADS)}"
        spec = util.spec_from_file_location(self.loaded, self.file)
        if spec is None or spec.loader is None:
            raise SettingsError(f"--strategy {self.text}: {self.file.name} is no Python source")
        module = sys.modules[self.loaded] = util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (*MISTAKES, SyntaxError, ImportError) as error:
            raise SettingsError(f"--strategy {self.text}: {type(error).__name__}: {error}") from error
        return module


def look_ahead(asked: Asked, *, as_json: bool) -> bool:
    """Ask, and say what was found; whether the strategy is clean. Raises SettingsError."""
    source = source_of(asked.strategy)
    tape = _tape(asked.tape)
    asset = _asset(tape, asked.asset)
    source.settings = settings_of(source.found(), asked.said, tape, asset)
    try:
        with waiting(f"asking {source.name}", is_hidden=as_json):
            verdict = analyse(tape, asset, source.make, looks=asked.looks, seed=asked.seed)
    except (BadTape, Unasked) as error:
        raise SettingsError(f"{asked.strategy} could not be asked: {error}") from error
    _say(asked, tape, verdict, as_json=as_json)
    return verdict.is_clean


def source_of(text: str) -> Source:
    """Where `module:Class` or `file.py:Class` is. Raises SettingsError."""
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise SettingsError(f"--strategy {text}: write module:Class or file.py:Class")
    if place.endswith(".py"):
        file = Path(place)
        if not file.is_file():
            raise SettingsError(f"--strategy {text}: no such file: {file}")
        sys.path.insert(0, str(file.absolute().parent))  # what lies beside it is imported from there
        return Source(text, name, file)
    try:
        spec = util.find_spec(place)
    except (ImportError, ValueError, AttributeError) as error:
        raise SettingsError(f"--strategy {text}: {error}") from error
    if spec is None or spec.origin is None:
        raise SettingsError(f"--strategy {text}: no module {place}")
    return Source(text, name, Path(spec.origin))


def settings_of(made: Callable[..., Any], said: Sequence[str], tape: Tape, asset: Asset) -> dict[str, Any]:
    """What the strategy is made with: what was said, the asset where it wants one, else its defaults. Raises SettingsError."""
    values = dict(_pair(text) for text in said)
    try:
        wanted = inspect.signature(made, eval_str=True).parameters
    except (ValueError, TypeError, NameError) as error:
        raise SettingsError(f"what it is made with cannot be read: {error}") from error
    unknown = [name for name in values if name not in wanted]
    if unknown:
        raise SettingsError(f"--set {unknown[0]}: it is made with {', '.join(wanted) or 'nothing'}")
    settings: dict[str, Any] = {name: _value(name, text, wanted[name].annotation, tape) for name, text in values.items()}
    if "asset" in wanted and "asset" not in settings:
        settings["asset"] = asset
    missing = [name for name, one in wanted.items() if one.default is one.empty and name not in settings]
    if missing:
        raise SettingsError(f"it needs {', '.join(missing)}: give --set {missing[0]}=VALUE, once for each")
    return settings


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SettingsError(f"--set {text}: write name=value")
    return name.strip(), value.strip()


def _value(name: str, text: str, kind: Any, tape: Tape) -> Any:
    """A setting as its type wants it; text where the type is another. Raises SettingsError."""
    try:
        if kind is Asset:
            return _asset(tape, text)
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text) if kind in {int, float} else text
    except (ValueError, KeyError) as error:
        raise SettingsError(f"--set {name}={text}: not a {kind.__name__}") from error


def _tape(folder: Path | None) -> Tape:
    if folder is None:
        return sample_tape(**SAMPLE)
    try:
        return saved_tapes.load(folder)
    except BadTape as error:
        raise SettingsError(f"--tape {folder}: {error}") from error


def _asset(tape: Tape, symbol: str) -> Asset:
    """The asset of that name, or the first that has a market. Raises SettingsError."""
    earning = list(dict.fromkeys(market.asset for market in tape.deployment.markets if market.asset.address != NATIVE))
    if not symbol and earning:
        return earning[0]
    try:
        return tape.deployment.asset(symbol)
    except (UnknownName, KeyError, StopIteration) as error:
        raise SettingsError(f"--asset {symbol}: the tape has {', '.join(asset.symbol for asset in earning)}") from error


def _say(asked: Asked, tape: Tape, verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        told_of = {"strategy": asked.strategy, "tape": tape.digest, "seed": asked.seed, "clean": verdict.is_clean}
        tables.say_json(told_of | asdict(verdict))
        return
    ways = "target and signals" if verdict.is_signalled else "target"
    scope = f"{verdict.questions} questions at {verdict.rows} rows of a tape of {len(tape)}, {ways}"
    if verdict.is_clean:
        tables.say(f"{asked.strategy}: no look ahead found in {scope}", "green")
        return
    first = {(fault.law, fault.said_by): fault for fault in reversed(verdict.faults)}
    for fault in sorted(first.values(), key=lambda fault: fault.row):
        tables.console.print(_table(fault))
        tables.say()
    tables.say(f"{asked.strategy}: {len(first)} kinds of fault in {scope}; --json has every change that showed one", "bold red")


def _table(fault: Fault) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, title=f"{fault.said_by} {fault.law}", title_justify="left")
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("first row", f"{fault.row} ({moment(fault.timestamp)})")
    table.add_row("it saw", fault.saw)
    table.add_row("it said", fault.first)
    table.add_row(fault.change, fault.then)
    return table

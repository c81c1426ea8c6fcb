"""What a run is fully described by, kept beside it: the tape's digest, the settings, the version of the code; and what came out,
so that whoever runs it again knows whether it is the same. Refuses files that no run wrote.

The journal's chain has a head after every decision; the recipe keeps them, so the first decision that differs is named."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from backtest.numerals import moment
from backtest.runs import Run, RunSettings, Step
from backtest.study import Study
from backtest.tables import spell
from strategies.assets import written
from strategies.domain import Portfolio
from strategies.errors import BadTape
from wallets.journal import hash_of
from wallets.policy import Policy, policy_digest

FORMAT: Final = 1
SOURCES: Final = ("strategies", "wallets", "backtest")  # what a run's figures come from
SHORT: Final = 16  # hex digits of a head that are kept


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as the recipe remembers it."""

    timestamp: int
    head: str  # of the journal after it, its first digits
    told: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to."""

    journal_head: str
    final: tuple[str, ...]  # what is held at the end, every digit
    decisions: tuple[Decided, ...]  # of the strategy; none of a benchmark


@dataclass(frozen=True, slots=True)
class Described:
    """One asset's study."""

    tape: str  # sha256 of what the tape was made from
    settings: Mapping[str, str]
    outcomes: Mapping[str, Outcome]  # by the run's name, the strategy's first


@dataclass(frozen=True, slots=True)
class Recipe:
    """A finished run: what was asked, what it was made with, and each asset's study."""

    asked: Mapping[str, object]
    code: Mapping[str, str]
    studies: Mapping[str, Described]


def recipe_of(studies: Sequence[Study], asked: Mapping[str, object]) -> Recipe:
    """The recipe of studies that have just run."""
    return Recipe(dict(asked), code_version(), {study.main.asset.symbol: _described(study) for study in studies})


def path_of(page: Path) -> Path:
    """Where the recipe of a run lies whose page or summary is this."""
    return page.with_name(f"{page.stem}-recipe.json")


def write(recipe: Recipe, path: Path) -> Path:
    """The recipe as a file."""
    path.write_text(json.dumps({"format": FORMAT, **asdict(recipe)}, indent=1) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Recipe:
    """A recipe out of its file. Raises BadTape."""
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise BadTape(f"{path.name} is a recipe of format {said['format']}; this version reads {FORMAT}")
        studies = {symbol: _read_study(one) for symbol, one in said["studies"].items()}
        return Recipe(dict(said["asked"]), {name: str(text) for name, text in said["code"].items()}, studies)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadTape(f"{path.name} is not the recipe that `backtest run` writes: {error}") from error


def made_otherwise(recorded: Recipe, now: Recipe) -> Iterator[str]:
    """What the two were made with that is not the same: code, tape, settings; each by name."""
    for name in dict.fromkeys((*recorded.code, *now.code)):
        yield from _changed(f"code: {name}", recorded.code.get(name), now.code.get(name))
    for symbol, one in recorded.studies.items():
        other = now.studies.get(symbol)
        if other is None:
            continue
        yield from _changed(f"{symbol}: the tape", one.tape, other.tape)
        for name in dict.fromkeys((*one.settings, *other.settings)):
            yield from _changed(f"{symbol}: setting {name}", one.settings.get(name), other.settings.get(name))


def came_otherwise(recorded: Recipe, now: Recipe) -> Iterator[str]:
    """What came out otherwise: of each run the first decision that differs, what is held at the end, the journal's head."""
    for symbol, one in recorded.studies.items():
        other = now.studies.get(symbol)
        if other is None:
            yield f"{symbol}: it was recorded and did not run now"
            continue
        for name in dict.fromkeys((*one.outcomes, *other.outcomes)):
            yield from _difference(f"{symbol}, {name}", one.outcomes.get(name), other.outcomes.get(name))


@cache
def code_version() -> Mapping[str, str]:
    """The project's version, the digest of the sources that make a run's figures, and what they run on."""
    root, whole = Path(__file__).resolve().parent.parent, hashlib.sha256()
    for path in sorted(path for folder in SOURCES for path in (root / folder).rglob("*.py")):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {
        "usufruct": version_of("usufruct"),
        "sources": whole.hexdigest(),
        "python": platform.python_version(),
        "numpy": version_of("numpy"),
    }


def version_of(name: str) -> str:
    """An installed package's version."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "from its source tree, not installed"


def settings_of(settings: RunSettings) -> Mapping[str, str]:
    """Every setting of a run as text, a policy by its digest."""
    plain = {field.name: getattr(settings, field.name) for field in fields(settings) if field.name != "decide"}
    parts = {f"decide.{field.name}": getattr(settings.decide, field.name) for field in fields(settings.decide)}
    return {name: _text(value) for name, value in {**plain, **parts}.items()}


def _text(value: object) -> str:
    if isinstance(value, Policy):
        return f"sha256 {policy_digest(value)}"
    return ", ".join(_held(value)) if isinstance(value, Portfolio) else value if isinstance(value, str) else repr(value)


def _described(study: Study) -> Described:
    outcomes = {result.name: _outcome(result.run, with_decisions=result is study.main) for result in study.results}
    return Described(study.main.run.tape.digest, settings_of(study.main.run.settings), outcomes)


def _outcome(run: Run, *, with_decisions: bool) -> Outcome:
    return Outcome(run.journal.head, _held(run.segments[-1].portfolio), tuple(_decided(run)) if with_decisions else ())


def _decided(run: Run) -> Iterator[Decided]:
    """The head after each decision: that of the last line of its cycle."""
    last = {int(json.loads(line)["at"]): line for line in run.journal.lines}
    for step in run.steps:
        line = last.get(step.seen.timestamp)
        yield Decided(step.seen.timestamp, "" if line is None else hash_of(line)[:SHORT], _told(step))


def _told(step: Step) -> str:
    plan = step.decision.plan
    moves = "; ".join(spell(action) for action in plan.actions) if plan else "stay"
    return f"{moves} ({step.decision.reason})"


def _held(portfolio: Portfolio) -> tuple[str, ...]:
    claims = [f"{held.shares_raw} shares of {held.market.id}, owing {held.debt_raw}" for held in portfolio.positions]
    return (*[written(idle) for idle in portfolio.idle], *claims)


def _changed(name: str, before: str | None, now: str | None) -> Iterator[str]:
    if before != now:
        yield f"{name} was {before or 'not recorded'}, is {now or 'not there'}"


def _difference(name: str, before: Outcome | None, now: Outcome | None) -> Iterator[str]:
    if before is None or now is None:
        yield f"{name}: only {'the recorded' if now is None else 'the new'} run has it"
        return
    pairs = zip(before.decisions, now.decisions, strict=False)
    for old, new in pairs:
        if old != new:
            yield f"{name}: the first other decision is of {moment(old.timestamp)}: {_told_apart(old, new)}"
            break
    else:
        if len(before.decisions) != len(now.decisions):
            yield f"{name}: {len(before.decisions)} decisions were recorded, {len(now.decisions)} were taken now"
    if before.final != now.final:
        yield f"{name}: at the end it held {', '.join(before.final)}; now {', '.join(now.final)}"
    if before.journal_head != now.journal_head:
        yield f"{name}: the journal's head was {before.journal_head[:SHORT]}, is {now.journal_head[:SHORT]}"


def _told_apart(old: Decided, new: Decided) -> str:
    if old.timestamp != new.timestamp:
        return f"now it is taken at {moment(new.timestamp)}"
    if old.told != new.told:
        return f"it was {old.told}; is {new.told}"
    return f"the same words ({old.told}) on other figures"


def _read_study(said: Mapping[str, Any]) -> Described:
    outcomes = {
        name: Outcome(str(one["journal_head"]), tuple(one["final"]), tuple(Decided(**step) for step in one["decisions"]))
        for name, one in said["outcomes"].items()
    }
    return Described(str(said["tape"]), {name: str(text) for name, text in said["settings"].items()}, outcomes)

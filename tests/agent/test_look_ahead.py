"""`backtest look-ahead` as a person runs it: their file, their settings, and what the command says and exits with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.cli.look_ahead import settings_of, source_of
from backtest.dataset import save
from backtest.scenario import DOLLAR, sample_tape
from strategies.errors import SettingsError

RUNNER = CliRunner()
TAPE = sample_tape(seed=3, markets=3, hours=120)
FILE = '''
"""Somebody's own strategies."""
from dataclasses import dataclass

import numpy as np

from strategies.domain import Asset
from strategies.lending_rotation import split_equally

KNOWN = {}


@dataclass(frozen=True, slots=True)
class Now:
    asset: Asset
    cadence_seconds: int = 3600
    hours: float = 0

    def target(self, seen):
        rates = self.rates(seen)
        return split_equally(self.asset, (seen.deployment.markets[int(np.argmax(rates))],), "the best")

    def rates(self, seen):
        return seen.now("supply_apr")


class Later(Now):
    def rates(self, seen):
        tape = seen._tape
        return np.nan_to_num(tape.supply_apr[min(seen.row + 6, len(tape) - 1)])


class Cached(Now):
    """What the first tape said of a row is said of it ever after: only a fresh module shows it."""

    def rates(self, seen):
        return KNOWN.setdefault(seen.row, np.nan_to_num(seen._tape.supply_apr[-1]))
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(TAPE, tmp_path / "tape")
    return tmp_path / "tape"


def asked(strategy: str, *more: str) -> tuple[int, str]:
    result = RUNNER.invoke(app, ["backtest", "look-ahead", "--strategy", strategy, "--looks", "6", *more])
    if isinstance(result.exception, SettingsError):
        return 2, str(result.exception)  # as the program's own entry answers it
    return result.exit_code, result.output


def test_a_clean_file_is_clean(file: Path, folder: Path) -> None:
    code, text = asked(f"{file}:Now", "--tape", str(folder))
    assert code == 0 and "no look ahead found" in text and "6 rows" in text


@pytest.mark.parametrize("name", ["Later", "Cached"])
def test_a_file_that_sees_the_future_is_named_with_its_row_and_both_answers(file: Path, folder: Path, name: str) -> None:
    code, text = asked(f"{file}:{name}", "--tape", str(folder), "--json")
    said = json.loads(text)
    assert code == 1 and not said["clean"] and said["tape"] == TAPE.digest
    fault = said["faults"][0]
    assert fault["law"] == "reads the future" and fault["first"] != fault["then"] and fault["row"] < len(TAPE)


def test_a_person_reads_the_row_what_was_seen_and_what_was_said(file: Path) -> None:
    code, text = asked(f"{file}:Later")
    assert code == 1
    assert all(word in text for word in ("target reads the future", "first row", "it saw", "it said", "alpha:USDC"))


def test_a_strategy_of_a_module_is_made_with_what_was_said() -> None:
    terms = ("lookback_seconds=86400", "threshold_bps=20", "count=1", "max_idle_bps=100", "cadence_seconds=21600")
    code, text = asked("strategies.lending_rotation:LendingRotation", *[part for term in terms for part in ("--set", term)])
    assert code == 0 and "target and signals" in text


@pytest.mark.parametrize(
    ("strategy", "more", "why"),
    [
        ("mine.py", (), "module:Class"),
        ("nowhere.py:Now", (), "no such file"),
        ("no.such.module:Now", (), "no"),
        ("strategies.benchmarks:Nothing", (), "it has Idle"),
        ("strategies.benchmarks:Hold", (), "it needs cadence_seconds, market_id"),
        ("strategies.benchmarks:Idle", ("--set", "cadence_seconds=soon"), "not a int"),
        ("strategies.benchmarks:Idle", ("--set", "cadence_seconds=0"), "never passes"),
        ("strategies.benchmarks:Idle", ("--set", "count=1"), "made with asset, cadence_seconds"),
        ("strategies.benchmarks:Idle", ("--set", "count"), "name=value"),
        ("strategies.benchmarks:Idle", ("--set", "asset=DOGE"), "the tape has USDC"),
        ("strategies.benchmarks:Idle", ("--tape", "nowhere"), "no saved tape"),
        ("strategies.units:mul_div_down", (), "it needs"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(strategy: str, more: tuple[str, ...], why: str) -> None:
    code, text = asked(strategy, *more)
    assert code == 2 and why in text


@pytest.mark.parametrize(
    ("text", "why"), [("def (", "SyntaxError"), ("import nothing_of_the_kind", "ModuleNotFoundError"), ("1 / 0", "ZeroDivision")]
)
def test_a_file_that_does_not_run_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    code, said = asked(f"{tmp_path / 'broken.py'}:Now")
    assert code == 2 and why in said


def test_settings_take_the_type_that_the_strategy_names(file: Path) -> None:
    made = source_of(f"{file}:Now").found()
    assert settings_of(made, ("cadence_seconds=60", "hours=1.5"), TAPE, DOLLAR) == {
        "asset": DOLLAR,
        "cadence_seconds": 60,
        "hours": 1.5,
    }

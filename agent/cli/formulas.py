"""What `usufruct verify formulas` prints: a line a group, every check that failed and why, and last a summary in JSON."""

import json as jsonlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backtest.evidence.published import Group, Unreadable, read
from backtest.evidence.published.case import Check


def formulas(file: Path, *, as_json: bool) -> int:
    """Says what became of every group as it is known; the exit code."""
    try:
        groups = read(file)
    except Unreadable as error:
        typer.echo(f"error: {error}")
        return 2
    made: list[Check] = []
    with _progress() as progress:
        bar = progress.add_task("", total=len(groups))
        for group in groups:
            progress.update(bar, description=ascii(group.name)[1:-1])
            began = time.perf_counter()
            checks = tuple(group.checks())
            seconds = time.perf_counter() - began
            made.extend(checks)
            typer.echo(_object(group, checks, seconds) if as_json else _lines(group, checks, seconds))
            progress.advance(bar)
    passed = sum(check.passed for check in made)
    typer.echo(_compact({"checks": len(made), "passed": passed, "failed": len(made) - passed}))
    return 0 if passed == len(made) else 1


def _progress() -> Progress:
    """On the terminal only, and gone when all is done: standard output holds the results."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _lines(group: Group, checks: Sequence[Check], seconds: float) -> str:
    failed = [check for check in checks if not check.passed]
    name = ascii(group.name)[1:-1]
    line = f"{name:<32}{len(checks) - len(failed):>5} passed {len(failed):>4} failed{seconds:>9.2f} s"
    return "\n".join([line, *(f"  {_failure(check)}" for check in failed)])


def _failure(check: Check) -> str:
    at = f"{check.case} {check.what}".strip()
    if check.computed is None:
        return f"{at}: {check.why}"
    return f"{at}: expected {check.expected}, computed {check.computed:.15g}, tolerance {check.tolerance:.3g}"


def _object(group: Group, checks: Sequence[Check], seconds: float) -> str:
    failures = [asdict(check) for check in checks if not check.passed]
    counts = {"checks": len(checks), "passed": len(checks) - len(failures), "failed": len(failures)}
    return _compact({"group": group.name, **counts, "seconds": round(seconds, 3), "failures": failures})


def _compact(content: object) -> str:
    return jsonlib.dumps(content, separators=(",", ":"))

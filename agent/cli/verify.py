"""What `usufruct verify` prints: a line a group, the first differing case, what could not be read, and last a summary in JSON."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path

import typer

from agent.verify.vectors import Difference, Group, Unreadable, verify


def vectors(folder: Path, *, as_json: bool) -> int:
    """Says what became of every group as it is known; the exit code."""
    groups: list[Group] = []
    unreadable = 0
    for found in verify(folder):
        if isinstance(found, Group):
            groups.append(found)
        else:
            unreadable += 1
        typer.echo(_compact(asdict(found)) if as_json else _lines(found))
    counts = {what: sum(getattr(group, what) for group in groups) for what in ("passed", "failed", "skipped")}
    typer.echo(_compact(counts))
    if unreadable:
        return 2
    return 1 if counts["failed"] or counts["skipped"] else 0


def _lines(found: Group | Unreadable) -> str:
    match found:
        case Unreadable(where, why):
            return f"error: {where}: {why}"
        case Group(file=file, name=name):
            line = f"{file:<26}{name:<34}{found.passed:>5} passed {found.failed:>4} failed {found.skipped:>4} skipped"
            tail = f"   {found.why}" if found.why else f"{found.seconds * 1e3:>10.1f} ms"
            return "\n".join([line + tail, *(_difference(found.first) if found.first else ())])


def _difference(first: Difference) -> tuple[str, ...]:
    return (
        f"  first differing case: {first.case}, at {first.at}",
        f"    input     {_compact(first.given)}",
        f"    expected  {_compact(first.expected)}",
        f"    computed  {_compact(first.computed)}",
    )


def _compact(content: object) -> str:
    return jsonlib.dumps(content, separators=(",", ":"), default=str)  # what broke may be no JSON

"""What `usufruct verify` prints: a line a group or case, what differs and why, and last a summary in JSON."""

import json as jsonlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import typer

from agent.settings import load_settings
from agent.verify.attacks import catalogue as catalogues
from agent.verify.attacks import run, score
from agent.verify.attacks.catalogue import Case, Catalogue
from agent.verify.attacks.reference import with_own
from agent.verify.attacks.score import Result
from agent.verify.vectors import Difference, Group, Unreadable, verify

SHOWN_CHARACTERS = 300  # of why a case failed


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


@dataclass(frozen=True, slots=True)
class Asked:
    """Which cases of which catalogue, under whose limits, and how they are shown."""

    file: Path
    policy: Path | None  # a settings file; None: the limits that the catalogue assumes
    only: tuple[str, ...]  # categories or ids; empty: every case
    as_json: bool


def attacks(asked: Asked) -> int:
    """Says what became of every case as it is known; the exit code."""
    known = _catalogue(asked)
    if known is None:
        return 2
    results: list[Result] = []
    for result in run.run(known, lambda case: _is_wanted(case, asked)):
        results.append(result)
        typer.echo(_compact(asdict(result)) if asked.as_json else _case_lines(result))
    typer.echo(_compact(score.summary(results)))
    return 0 if score.is_complete(results) and results else 1


def unguarded(asked: Asked) -> int:
    """Says what each attack costs with nobody in between; the exit code is 1 where one could not be tried."""
    known = _catalogue(asked)
    if known is None:
        return 2
    untried, lost = 0, 0
    for case, found in run.unguarded(known, lambda case: _is_wanted(case, asked)):
        untried += isinstance(found, str)
        lost += not isinstance(found, str) and bool(found.lost_usd)
        told = {"loss": found} if isinstance(found, str) else asdict(found)
        if asked.as_json:
            typer.echo(_compact({"id": case.id, **told}))
        elif isinstance(found, str):
            typer.echo(f"{case.id:<34}not tried: {found}")
        else:
            typer.echo(f"{case.id:<34}{found.lost_usd:>12,.2f} USD lost   {found.why or found.happened}")
    typer.echo(_compact({"lost": lost, "not_tried": untried}))
    return 1 if untried else 0


def _catalogue(asked: Asked) -> Catalogue | None:
    """The file, under a person's own limits where they are named. Raises SettingsError."""
    try:
        known = catalogues.read(asked.file)
    except catalogues.CatalogueUnreadable as error:
        typer.echo(f"error: {error}")
        return None
    if asked.policy is None:
        return known
    own = load_settings(asked.policy, {}).policy.model_dump(mode="json")
    return replace(known, setting=replace(known.setting, policy=with_own(known.setting.policy, own)))


def _is_wanted(case: Case, asked: Asked) -> bool:
    return not asked.only or bool({case.id, case.category, case.seen.surface} & set(asked.only))


def _case_lines(result: Result) -> str:
    mark = "skipped" if result.skipped else "pass" if result.is_good else "FAIL"
    line = f"{mark:<8}{result.id:<34}{result.verdict:<14}{', '.join(result.rules)}"
    why = result.skipped or result.why
    said = [f"        {why}"[:SHOWN_CHARACTERS]] if why else []
    said += [f"        said: {reason}"[:SHOWN_CHARACTERS] for reason in result.reasons if result.why]
    return "\n".join([line.rstrip(), *said])


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

"""Checking and handing out the keeper's history: offline, by the public key, without touching what it reads."""

from datetime import UTC, datetime
from pathlib import Path

from agent.cli import tables
from wallets import audit
from wallets.audit import Report


def verify(history: Path | None, *, public_key: Path, head: Path | None, config: Path, as_json: bool) -> bool:
    """Say whether a store or an export is whole, or its first bad line; whether it is."""
    key = audit.read_public_key(public_key)
    copied = audit.read_heads(head, key) if head else ()
    found = audit.examine(history or _store(config), key, copied)
    if as_json:
        tables.say_json(_record(found))
    else:
        for text, style in _told(found):
            tables.say(text, style)
    return not found.why


def export(out: Path, *, history: Path | None, config: Path, as_json: bool) -> None:
    """Write a store's heads and lines as JSONL, and say how many there are."""
    heads, lines = audit.export(history or _store(config), out)
    if as_json:
        tables.say_json({"file": str(out), "heads": heads, "lines": lines})
    else:
        told = f"wrote {out}: {_many(lines, 'line')} under {_many(heads, 'signed head')}"
        tables.say(f"{told}; docs/audit.md says how a stranger checks them")


def _store(config: Path) -> Path:
    from agent.settings import load_settings
    from wallets.keeper import STORE  # the signer comes with it; checking a file needs none

    return load_settings(config, {}).wallet.folder / STORE


def _record(found: Report) -> dict[str, object]:
    return {
        "fine": not found.why,
        "lines": found.lines,
        "signed": found.signed,
        "not_yet_signed": found.unsigned,
        "signed_at": found.last.at if found.last else None,
        "first_bad_line": found.line or None,
        "why": found.why,
    }


def _told(found: Report) -> list[tuple[str, str]]:
    if found.why:
        return [(f"line {found.line}: {found.why}" if found.line else found.why, "bold red")]
    at = f", the last at {datetime.fromtimestamp(found.last.at, UTC):%Y-%m-%d %H:%M:%S} UTC" if found.last else ""
    told = [(f"whole: {_many(found.lines, 'line')}, {found.signed} of them signed for{at}", "green")]
    return [*told, (f"not yet signed: {_many(found.unsigned, 'line')}", "yellow")] if found.unsigned else told


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

"""What came of trying to deposit into vaults on a fork, from one JSON file of outcomes: a vault that is listed is not one that
takes deposits or gives them back. Refuses to count a failed attempt of the collector as news about the vault."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from backtest.importers.source_tables import seconds_of, text_of
from backtest.terms import Terms
from strategies.errors import BadTape

SYNCHRONOUS: Final = "synchronous"
SUCCESS: Final = "success"
REVERTED: Final = "reverted"
SHUT: Final = "deposits are currently closed"


class Standing(StrEnum):
    """What an outcome says about the vault itself."""

    OPEN = "open"  # deposited, and redeemed where that is possible at once
    SHUT = "shut"  # the vault itself said no, on the way in or on the way out
    UNKNOWN = "unknown"  # the collector's own funding, endpoint or adapter failed


@dataclass(frozen=True, slots=True)
class Deposit:
    """The last attempt on one vault."""

    chain_id: int
    address: str
    name: str
    protocol: str
    timestamp: int
    outcome: str  # as the collector calls it
    why: str
    standing: Standing
    terms: Terms


def recognises(folder: Path) -> bool:
    """Whether a folder holds such a file."""
    return any('"schema_version"' in text_of(path)[:200] for path in _files(folder))


def read(folder: Path) -> tuple[Deposit, ...]:
    """Every vault's last attempt. Raises BadTape."""
    files = _files(folder)
    if not files:
        raise BadTape(f"{folder.name} holds no JSON file of deposit outcomes")
    return tuple(deposit for path in files for deposit in _deposits(path))


def _files(folder: Path) -> list[Path]:
    return sorted(path for pattern in ("*deposit*.json", "*deposit*.json.gz") for path in folder.glob(pattern))


def _deposits(path: Path) -> list[Deposit]:
    try:
        return [_deposit(path, vault) for vault in json.loads(text_of(path))["vaults"].values()]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise BadTape(f"{path.name} is no file of deposit outcomes: {error!r}") from error


def _deposit(path: Path, vault: Mapping[str, Any]) -> Deposit:
    outcome = str(vault["outcome"])
    why = str(vault.get("message") or vault.get("revert_reason") or "")
    at = int(seconds_of(path, "last_attempt_at", [vault["last_attempt_at"]])[0])
    standing = _standing(outcome, why)
    return Deposit(
        chain_id=int(vault["chain_id"]),
        address=str(vault["address"]).lower(),
        name=str(vault["name"] or ""),
        protocol=str(vault["protocol"] or ""),
        timestamp=at,
        outcome=outcome,
        why=why,
        standing=standing,
        terms=_terms(vault.get("deposit_manager") or {}, standing, at, redeems="edemption" in why),
    )


def _standing(outcome: str, why: str) -> Standing:
    if outcome == SUCCESS:
        return Standing.OPEN
    return Standing.SHUT if outcome == REVERTED or SHUT in why else Standing.UNKNOWN


def _terms(manager: Mapping[str, Any], standing: Standing, at: int, *, redeems: bool) -> Terms:
    """How one leaves, and what was found shut at that time; the attempt says nothing of when it opens again."""
    delay = 0 if manager.get("redemption_flow") == SYNCHRONOUS else None
    shut = ((at, None),) if standing is Standing.SHUT or manager.get("can_deposit") is False else ()
    return Terms(delay, () if redeems else shut, shut if redeems else ())

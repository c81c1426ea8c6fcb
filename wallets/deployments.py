"""A deployment file: which contracts a wallet may deal with, read strictly. Refuses keys that nobody reads, figures that are not
whole, decimals that no token has, contracts at the zero address, and addresses whose capitals are not their checksum."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from strategies.domain import Deployment
from strategies.errors import SettingsError
from strategies.protocols.registry import deployment_from
from wallets import files
from wallets.checksums import ADDRESS, is_checksummed

KEYS: Final = frozenset(field.name for field in fields(Deployment))
ASSET_KEYS: Final = frozenset({"symbol", "address", "decimals"})
MARKET_KEYS: Final = frozenset({"id", "protocol", "address", "asset", "contracts", "others", "numbers", "wraps"})
MAX_DECIMALS: Final = 36  # 18 is usual, 24 the most in use
NOWHERE: Final = "0x" + "00" * 20


def read_deployment(path: Path) -> Deployment:
    """The deployment of a file. Raises SettingsError."""
    try:
        content = files.read_record(path)
    except OSError as error:
        raise SettingsError(f"{path}: it cannot be read ({error.strerror}); name a deployment file") from None
    _refuse_strange(content, str(path))
    try:
        return deployment_from(content)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def _refuse_strange(content: dict[str, Any], path: str) -> None:
    files.refuse_unknown(content, KEYS, path)
    for key, known in (("assets", ASSET_KEYS), ("markets", MARKET_KEYS)):
        for at, entry in enumerate(_records(content, key, path)):
            files.refuse_unknown(entry, known, f"{path}: {key}[{at}]")
    for at, asset in enumerate(content["assets"]):
        decimals = asset.get("decimals")
        if not isinstance(decimals, int) or isinstance(decimals, bool) or not 0 <= decimals <= MAX_DECIMALS:
            told = f"decimals must be a whole number from 0 to {MAX_DECIMALS}, as the token's own decimals() says"
            raise SettingsError(f"{path}: assets[{at}]: {told}")
    for where, value in _leaves(content, ""):
        if isinstance(value, bool):
            raise SettingsError(f"{path}: {where}: true and false are no figures and no names; write what is meant")
        if isinstance(value, str) and value.lower() == NOWHERE:
            raise SettingsError(f"{path}: {where}: nothing lives at the zero address; write the contract's own")
        if isinstance(value, str) and ADDRESS.fullmatch(value) is not None and not is_checksummed(value):
            told = f"the capitals of {value} are not its checksum, so a digit may be wrong; copy it again"
            raise SettingsError(f"{path}: {where}: {told}")


def _records(content: dict[str, Any], key: str, path: str) -> list[dict[str, Any]]:
    found = content.get(key)
    if not isinstance(found, list) or not found or not all(isinstance(entry, dict) for entry in found):
        raise SettingsError(f"{path}: {key} must be a list of records, and not an empty one")
    return found


def _leaves(value: object, where: str) -> Iterator[tuple[str, object]]:
    """Every value and every key of a record, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (f"{where}.{key}".lstrip("."), key)
            yield from _leaves(inner, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _leaves(inner, f"{where}[{at}]")
    else:
        yield where, value

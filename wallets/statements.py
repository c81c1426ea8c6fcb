"""What operators sign for a keeper: a small file each, beside the keeper, one a kind of statement and operator. Whoever reads one
checks its signature. Refuses names that are no operator's, and reads what is damaged, open to others or another's as nothing."""

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from strategies.errors import SettingsError, StoreUnwritable
from wallets import secrecy

OPERATOR: Final = re.compile(r"[a-z0-9._-]{1,32}")


def put(folder: Path, kind: str, content: Mapping[str, str]) -> None:
    """Lays an operator's statement where the keeper looks for it, over an earlier one. Raises StoreUnwritable, SettingsError."""
    path = _path(folder, kind, content["operator"])
    try:
        secrecy.write_over(path, json.dumps(dict(content)).encode())
    except OSError as error:
        raise StoreUnwritable(f"the file {path.name}: {error.strerror}") from None


def read(folder: Path, kind: str, operator: str) -> Mapping[str, str]:
    """What an operator's statement says; empty where there is none that can be read: it would release, so doubt is none."""
    try:
        content = record(secrecy.read_private(_path(folder, kind, operator)))
    except (OSError, SettingsError, ValueError):
        return {}
    return {name: value for name, value in content.items() if isinstance(value, str)}


def take_away(folder: Path, kind: str) -> None:
    """Every statement of a kind, whoever's it is."""
    for path in folder.glob(f"{kind}.*"):
        with contextlib.suppress(OSError):
            path.unlink()


def record(content: bytes) -> Mapping[str, object]:
    """A file's content as a record. Raises ValueError."""
    try:
        found = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it is no record")
    return found


def _path(folder: Path, kind: str, operator: str) -> Path:
    if OPERATOR.fullmatch(operator) is None:
        raise SettingsError(f"{operator!r} is no operator's name: up to 32 of a-z, 0-9 and . _ -")
    return folder / f"{kind}.{operator}"

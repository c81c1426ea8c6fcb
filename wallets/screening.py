"""The list of addresses that nothing may go to: who says so, since when, and whom. Refuses a list without a source, a date or a
name on it, and every entry that is no address: a list that is half read protects nobody.

The file is JSON with three keys: `source`, `taken_at` (unix seconds, UTC: when the source was asked) and `addresses`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strategies.domain import Address
from strategies.errors import SettingsError
from wallets import files

KEYS: Final = frozenset({"source", "taken_at", "addresses"})
MAX_SOURCE_CHARACTERS: Final = 200
_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Screening:
    """A list as it was read."""

    source: str
    taken_at: int
    addresses: frozenset[Address]


@dataclass(frozen=True, slots=True)
class Unscreened:
    """No list, and why: empty where the policy names none."""

    why: str = ""


UNSCREENED: Final = Unscreened()


def look(path: Path | None) -> Screening | Unscreened:
    """The list as it stands now, or why there is none: the guard's question is what follows from that."""
    if path is None:
        return Unscreened()
    try:
        return read(path)
    except SettingsError as error:
        return Unscreened(str(error))


def read(path: Path) -> Screening:
    """The list of a file. Raises SettingsError."""
    try:
        return screening_of(files.read_record(path), str(path))
    except OSError as error:
        raise SettingsError(f"{path}: it cannot be read ({error.strerror}); put the screening list there") from None


def screening_of(content: dict[str, Any], what: str) -> Screening:
    """The same of a record. Raises SettingsError."""
    files.refuse_unknown(content, KEYS, what)
    source, taken_at, addresses = (content.get(key) for key in ("source", "taken_at", "addresses"))
    if not isinstance(source, str) or not source.isprintable() or not 0 < len(source.strip()) <= MAX_SOURCE_CHARACTERS:
        raise SettingsError(f"{what}: source must say who published the list, in one line")
    if not isinstance(taken_at, int) or isinstance(taken_at, bool) or taken_at <= 0:
        raise SettingsError(f"{what}: taken_at must say when the list was taken, in whole unix seconds")
    if not isinstance(addresses, list) or not addresses:
        raise SettingsError(f"{what}: addresses must be a list with somebody on it; an empty one is a list that was lost")
    for at, entry in enumerate(addresses):
        if not isinstance(entry, str) or not _ADDRESS.fullmatch(entry):
            raise SettingsError(f"{what}: addresses[{at}] is no address; write 0x and forty hex digits")
    return Screening(source, taken_at, frozenset(entry.lower() for entry in addresses))

"""That a person was told the risks before this wallet first acts live: what they were told, who said so, and when. Refuses a live
run without it, and one given for an older text.

It is a file beside the keeper, laid by `usufruct acknowledge`; the keeper writes it into its journal before it signs."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from strategies.errors import SettingsError, StoreUnwritable
from wallets import files, secrecy
from wallets.journal import Journal
from wallets.store import Store

FILE: Final = "acknowledgement"
FLAG: Final = "acknowledgement"
MAX_NAME_CHARACTERS: Final = 64
SENTENCE: Final = "I understand that I can lose everything this wallet holds"
RISKS: Final = """\
This program signs transactions by itself, within the limits of your policy. Before it first does so live, know this:

 1. Contracts fail. The protocols it lends to, the tokens it holds and the exchanges it trades on can have faults, be attacked,
    be changed by whoever governs them, or stop paying out. Then what is in them can be lost, all of it.
 2. Prices move. Oracles can be late or wrong, a stable coin can leave its peg, and a debt can be liquidated.
 3. This program can be wrong. Its guard refuses what it does not know, which is no proof that what it knows is all there is.
 4. Keys can be lost or stolen. Nobody can give back what a stolen key has sent, and nobody can restore a lost one.
 5. It runs on test networks only. What you change to run it elsewhere, you answer for.
 6. Laws differ. Its tables of jurisdictions, assets and listed addresses are engineering, not legal advice; whether you may do
    this, and what you owe in tax, is yours to find out.
 7. It comes as it is, without warranty of any kind (see LICENSE).
"""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person's word. `text` is the sha256 of what they were shown."""

    who: str
    at: int  # unix seconds
    text: str
    policy: str  # the digest of the policy they were about to run

    def __post_init__(self) -> None:
        if not 0 < len(self.who.strip()) <= MAX_NAME_CHARACTERS or not self.who.isprintable():
            raise SettingsError(f"who acknowledges must be a name of at most {MAX_NAME_CHARACTERS} characters")


def text_digest() -> str:
    """The sha256 of what a person is shown now."""
    return hashlib.sha256(f"{RISKS}\n{SENTENCE}".encode()).hexdigest()


def put(folder: Path, said: Acknowledgement) -> None:
    """Lays a person's word beside the keeper, over an earlier one. Raises StoreUnwritable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secrecy.write_over(folder / FILE, json.dumps(asdict(said)).encode())
    except OSError as error:
        raise StoreUnwritable(f"the {FILE} file: {error.strerror}") from None


def read(folder: Path) -> Acknowledgement:
    """The word that holds. Raises SettingsError where there is none, or where it was given for another text."""
    remedy = "run `usufruct acknowledge`, which shows the risks and records your word"
    try:
        content = files.record_of(secrecy.read_private(folder / FILE).decode(), FILE)
    except FileNotFoundError:
        raise SettingsError(f"nobody has acknowledged the risks yet: {remedy}") from None
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"the acknowledgement in {folder} cannot be read: {remedy}") from None
    wanted = {field.name: field.type for field in fields(Acknowledgement)}
    if {key: type(value) for key, value in content.items()} != wanted:
        raise SettingsError(f"the acknowledgement in {folder} is damaged: {remedy}")
    said = Acknowledgement(**content)
    if said.text != text_digest():
        raise SettingsError(f"{said.who} acknowledged an older text of the risks: {remedy}")
    return said


def note(folder: Path, store: Store, journal: Journal, now: int) -> None:
    """Writes the word that holds into the journal, once. Raises SettingsError, StoreUnwritable."""
    content = asdict(read(folder))
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    with store.transaction():
        if store.flag(FLAG) != digest:
            journal.append("acknowledged", now, content)
            store.set_flag(FLAG, digest)

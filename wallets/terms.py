"""The keeper's memory of its terms: what is in force, what was asked for and waits, who has agreed to it. It outlives restarts.

Refuses another account or chain in the same folder, a memory that the journal does not know, and every looser word of a file that
two people and a day have not confirmed. A file that cannot be read while the keeper runs changes nothing; the next one may."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import ValidationError

from strategies.domain import Deployment
from strategies.errors import MalformedRecord, ObservationError, SettingsError, StoreUnwritable, WalletError
from wallets import changes, operators, secrecy, statements, wire
from wallets.changes import Ground, Pending, Ruling, Terms, digest_of, ruled, strictest, weigh, weigh_terms
from wallets.journal import Journal
from wallets.operators import Agreement
from wallets.policy import Policy
from wallets.store import Store

FLAG: Final = "terms"  # in the store
SHOWN: Final = "terms"  # the file that shows people the same
AGREE: Final = "agree"  # the kind of statement that agrees to a change
KIND: Final = "terms"  # of journal lines
TEND_SECONDS: Final = 5.0  # between two looks at who has agreed and whether it is time
MAX_REASON_CHARACTERS: Final = 300
Mark: TypeAlias = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the time is, by the system and by the chain's last block."""

    system: Callable[[], int]
    chain: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the terms are written. `read` raises SettingsError."""

    files: tuple[Path, ...]
    read: Callable[[], Terms]

    def mark(self) -> Mark:
        """Another one after any of the files was written."""
        return tuple([_mark(path) for path in self.files])


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change as it is remembered."""

    id: str
    policy: str  # JSON
    deployment: Deployment
    seen_at: int
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """The terms as they are remembered, and shown in a file beside the keeper."""

    policies: tuple[str, ...]  # JSON; all are satisfied, and the first was last agreed to
    deployment: Deployment
    waiting: Waiting | None

    @property
    def ground(self) -> Ground:
        """What is in force without the change that waits."""
        return Ground(tuple([_policy(text) for text in self.policies]), self.deployment)

    @property
    def pending(self) -> Pending | None:
        """The change that waits."""
        if self.waiting is None:
            return None
        after = Terms(_policy(self.waiting.policy), self.waiting.deployment)
        return Pending(self.waiting.id, self.ground, after, self.waiting.seen_at)

    def ruled(self, now: int) -> Ruling | None:
        """What becomes of the change that waits; None where none does."""
        pending = self.pending
        return None if pending is None or self.waiting is None else ruled(pending, self.waiting.agreements, now)

    @property
    def in_force(self) -> Terms:
        """What is in force: stricter than either while a change waits."""
        if self.waiting is None:
            return self.ground.terms
        return Terms(strictest(self.ground.policy, _policy(self.waiting.policy)), self.deployment)


class Charter:
    """The terms of one keeper, who alone writes them down."""

    __slots__ = ("_clocks", "_folder", "_journal", "_looked", "_mark", "_record", "_source", "_store", "in_force")

    def __init__(self, folder: Path, *, store: Store, journal: Journal, source: Source, clocks: Clocks) -> None:
        self._folder: Final = folder
        self._store: Final = store
        self._journal: Final = journal
        self._source: Final = source
        self._clocks: Final = clocks
        self._mark: Mark = ()
        self._looked: float | None = None
        self._record = self._remembered()
        self.in_force: Terms | None = self._record.in_force if self._record else None  # None only before the first beginning

    @property
    def terms(self) -> Terms:
        """What is in force. Raises SettingsError before anything ever was."""
        if self.in_force is None:
            raise SettingsError("no terms have ever been in force here")
        return self.in_force

    @property
    def waiting(self) -> str:
        """The digest of the terms that are written and not in force as a whole; empty where nothing waits."""
        pending = self._record.pending if self._record else None
        return digest_of(pending.after) if pending else ""

    def begin(self) -> None:
        """What the files say now is weighed against what is in force; the first terms ever are in force at once. Raises
        SettingsError, StoreUnwritable, and what the endpoint raises."""
        self._mark = self._source.mark()
        self._take(self._source.read())
        self._tend()
        if self._record is not None:
            self._show(self._record)

    def follow(self) -> bool:
        """The same while the keeper runs: whether something else is in force now. Raises StoreUnwritable."""
        before, mark = self.in_force, self._source.mark()
        if mark != self._mark:
            try:
                self._take(self._source.read())
                self._mark = mark
            except SettingsError as error:
                self._mark = mark
                self._note("unreadable", {"why": str(error)[:MAX_REASON_CHARACTERS]})
            except (ObservationError, WalletError) as error:  # without the chain's time a change is not seen yet
                if isinstance(error, StoreUnwritable):
                    raise
        now = time.monotonic()
        if self._looked is None or now - self._looked >= TEND_SECONDS:
            self._looked = now
            self._tend()
        return self.in_force is not before

    def _take(self, told: Terms) -> None:
        record = self._record
        if record is None:
            self._keep(Record((_text(told.policy),), told.deployment, None), "first", {})
            return
        changes.refuse_another_wallet(record.ground, told)
        pending = record.pending
        if pending is not None and digest_of(pending.after) == digest_of(told):
            return
        policies = _needed((*record.policies, record.waiting.policy) if record.waiting else record.policies)
        self._weigh(Record(policies, record.deployment, None), told, "written anew" if pending is None else "dropped")

    def _weigh(self, settled: Record, told: Terms, otherwise: str) -> None:
        difference = weigh_terms(settled.ground, told)
        said = {"tightened": difference.tightened, "loosened": difference.loosened}
        if difference.loosened:
            seen_at = max(self._clocks.system(), self._clocks.chain())
            waiting = Waiting(secrets.token_hex(16), _text(told.policy), told.deployment, seen_at, ())
            self._keep(replace(settled, waiting=waiting), "seen", {"id": waiting.id, "seen_at": seen_at, **said})
        elif difference.tightened:
            self._keep(replace(settled, policies=(_text(told.policy),)), "tightened", said)
        elif self._record != (same := replace(settled, policies=(_text(told.policy),))):
            self._keep(same, otherwise, {})

    def _tend(self) -> None:
        """Agreements that have come in, and whether the change may come into force."""
        record = self._record
        if record is None or record.waiting is None:
            return
        record = self._with_agreements(record, record.waiting)
        system = self._clocks.system()
        if (found := record.ruled(system)) is None or found.reasons:
            return
        with suppress(ObservationError, WalletError):  # no chain, no time: it goes on waiting
            chain = self._clocks.chain()
            if (found := record.ruled(min(system, chain))) is not None and not found.reasons and record.waiting is not None:
                waiting = record.waiting
                said = {"id": waiting.id, "operators": found.agreed, "loosened": found.difference.loosened}
                self._keep(Record((waiting.policy,), waiting.deployment, None), "in force", said)
                statements.take_away(self._folder, AGREE)

    def _with_agreements(self, record: Record, waiting: Waiting) -> Record:
        pending = record.pending
        if pending is None:
            return record
        known, voters, digest = {one.operator for one in waiting.agreements}, pending.ground.voters, pending.digest
        for name in [voter.name for voter in voters if voter.name not in known]:
            said = read_agreement(self._folder, name)
            if said is None or said.operator != name or operators.check_terms(voters, said, digest) is not None:
                continue
            waiting = replace(waiting, agreements=(*waiting.agreements, said))
            record = replace(record, waiting=waiting)
            self._keep(record, "agreed", {"id": waiting.id, "operator": name})
        return record

    def _keep(self, record: Record, what: str, said: Mapping[str, object]) -> None:
        """Remembered and written down as one; then shown."""
        text = wire.to_text(record)
        with self._store.transaction():
            self._store.set_flag(FLAG, text)
            self._journal.append(KIND, self._clocks.system(), {"what": what, "sha256": _sha256(text), **said})
        self._record, in_force = record, record.in_force
        if self.in_force != in_force:
            self.in_force = in_force
        self._show(record)

    def _note(self, what: str, said: Mapping[str, object]) -> None:
        text = self._store.flag(FLAG) or ""
        self._journal.append(KIND, self._clocks.system(), {"what": what, "sha256": _sha256(text), **said})

    def _show(self, record: Record) -> None:
        try:
            secrecy.write_over(self._folder / SHOWN, wire.to_text(record).encode())
        except OSError as error:
            raise StoreUnwritable(f"the file {SHOWN}: {error.strerror}") from None

    def _remembered(self) -> Record | None:
        """What the store remembers, as the journal says it was last written. Raises SettingsError."""
        text, line = self._store.flag(FLAG), self._store.last_line(KIND)
        known = json.loads(line)["content"]["sha256"] if line else None
        if known != (None if text is None else _sha256(text)):
            raise SettingsError(
                f"the terms in force in {self._folder} were changed behind the keeper: the journal knows others; "
                f"put the store back, or begin a history in another wallet.folder"
            )
        if text is None:
            return None
        try:
            return _read(text)
        except MalformedRecord as error:
            raise SettingsError(
                f"the terms in force in {self._folder} were written by another version ({error}); "
                f"begin a history in another wallet.folder"
            ) from None


def read_shown(folder: Path) -> Record | None:
    """What a keeper of that folder shows; None where none has run. Raises SettingsError where it cannot be read."""
    try:
        return _read(secrecy.read_private(folder / SHOWN).decode("ascii", "replace"))
    except FileNotFoundError:
        return None
    except (OSError, MalformedRecord) as error:
        raise SettingsError(f"{folder / SHOWN} cannot be read ({error}); a keeper that starts writes it again") from None


def put_agreement(folder: Path, agreement: Agreement) -> None:
    """Lays an operator's agreement where the keeper looks for it. Raises StoreUnwritable, SettingsError."""
    said = {"operator": agreement.operator, "digest": agreement.digest, "signature": agreement.signature}
    statements.put(folder, AGREE, said)


def read_agreement(folder: Path, operator: str) -> Agreement | None:
    """An operator's agreement; None where there is none that can be read."""
    said = statements.read(folder, AGREE, operator)
    if said.keys() != {"operator", "digest", "signature"}:
        return None
    return Agreement(said["operator"], said["digest"], said["signature"])


def _needed(policies: tuple[str, ...]) -> tuple[str, ...]:
    """The first, and of the others those that still make something stricter."""
    kept = {text: _policy(text) for text in policies}
    for text in tuple(kept)[1:]:
        others = [policy for other, policy in kept.items() if other != text]
        if not weigh(reduce(strictest, others), kept[text]).tightened:
            del kept[text]
    return tuple(kept)


def _text(policy: Policy) -> str:
    return wire.canonical(policy.model_dump(mode="json"))


def _policy(text: str) -> Policy:
    """Raises MalformedRecord."""
    try:
        return Policy.model_validate(json.loads(text))
    except (ValidationError, ValueError):
        raise MalformedRecord(kind="policy", why="this version asks for other limits") from None


def _read(text: str) -> Record:
    """A record whose policies can be read too. Raises MalformedRecord."""
    record = wire.from_text(Record, text)
    record.in_force  # noqa: B018  reads every policy in it
    return record


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size)

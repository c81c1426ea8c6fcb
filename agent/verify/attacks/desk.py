"""A keeper at work in this process, over a house without a chain: real store, journal, audit key, terms, brake and signer.

Refuses nothing by itself: what it is asked, the keeper answers. Its endpoint does not exist, so whatever would need one fails."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.settings import load_deployment, load_settings
from agent.verify.attacks.premises import Premises
from wallets import sealing
from wallets.changes import Terms
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.keeper import STORE, Keeper, private_folder
from wallets.live import LiveWallet
from wallets.pause import Brake
from wallets.sealing import SealedBook
from wallets.sending import Halts, Parts
from wallets.store import Store
from wallets.terms import Charter, Clocks, Source


@dataclass(slots=True)
class Clock:
    """A time that a case can move on."""

    seconds: int = field(default_factory=lambda: int(time.time()))

    def now(self) -> int:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Desk:
    """A keeper and what it is made of."""

    keeper: Keeper
    wallet: LiveWallet
    parts: Parts
    book: SealedBook
    charter: Charter
    clock: Clock
    folder: Path  # the keeper's own


@contextmanager
def desk(at: Premises) -> Iterator[Desk]:
    """A keeper over the files of a house."""
    folder, clock = private_folder(at.folder / "keeper"), Clock()
    with Store(folder / STORE) as store:
        book = sealing.open_book(folder, store, at.keystore, at.password)
        journal = Journal(book)
        source = Source((at.config, at.deployment_file), lambda: terms_of(at))
        charter = Charter(folder, store=store, journal=journal, source=source, clocks=Clocks(clock.now, clock.now))
        charter.begin()
        brake = Brake(folder, store=store, journal=journal, policy=lambda: charter.terms.policy)
        parts = Parts(
            policy=charter.terms.policy,
            deployment=charter.terms.deployment,
            endpoint=Endpoint(at.content["chain"]["endpoint"], timeout_seconds=1),
            store=store,
            journal=journal,
            signer=at.signer,
            halts=Halts(brake.why, lambda: False),
            patience_seconds=1,
        )
        wallet = LiveWallet(parts)
        keeper = Keeper(wallet, parts, brake, seal=book.seal, charter=charter)
        yield Desk(keeper, wallet, parts, book, charter, clock, folder)


def terms_of(at: Premises) -> Terms:
    """What the files of a house say now. Raises SettingsError."""
    settings = load_settings(at.config, {})
    return Terms(settings.policy, load_deployment(settings))

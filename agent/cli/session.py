"""What a command works with, opened from the settings: chain, feed, wallet, planner. Refuses another chain than the one named."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.chooser import Chooser, ModelChooser, RuleChooser
from agent.feed import ChainFeed, no_quotes
from agent.prices import open_exchanges, witness
from agent.settings import Settings, decide_settings, load_deployment, load_settings
from strategies.decide import DecideSettings
from strategies.domain import Deployment, Portfolio
from strategies.errors import SettingsError, WrongChain
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.store import Store

PAPER: Final = "paper"
LIVE: Final = "live"


@dataclass(frozen=True, slots=True)
class Session:
    """Settings and what they open. Paper and live keep their histories apart."""

    mode: str
    settings: Settings
    deployment: Deployment
    decide: DecideSettings
    endpoint: Endpoint
    store: Store
    journal: Journal

    @property
    def checkpoints(self) -> Path:
        return self.settings.run.folder / f"{self.mode}-checkpoints.sqlite"

    def feed(self, held: Callable[[], Portfolio] | None = None) -> ChainFeed:
        """Observations of the chain, prices checked against the exchanges that the settings name; `held` is for paper."""
        policy, gate = self.settings.policy, self.decide.gate
        prices = self.settings.prices
        exchanges = open_exchanges(prices)
        return ChainFeed(
            endpoint=self.endpoint,
            deployment=self.deployment,
            account=policy.account,
            store=self.store,
            max_age_seconds=policy.max_reading_age_seconds,
            window_seconds=gate.lookback_seconds,
            held=held,
            quotes=witness(prices, exchanges, self.deployment.assets, self.endpoint.now) if exchanges else no_quotes,
        )

    def chooser(self) -> Chooser:
        """The rule, or the model that the settings name."""
        menu = self.decide.menu
        return ModelChooser(self.settings.model, menu) if self.settings.model else RuleChooser(menu)


@contextmanager
def opened(config: Path, mode: str = LIVE) -> Iterator[Session]:
    """A session on the chain that the settings name, closed at the end. Raises SettingsError, WrongChain."""
    with recalled(config, mode) as session:
        found, expected = session.endpoint.chain_id(), session.settings.policy.chain_id
        if found != expected:
            raise WrongChain(expected_chain_id=expected, found_chain_id=found)
        yield session


@contextmanager
def recalled(config: Path, mode: str = LIVE) -> Iterator[Session]:
    """A session that only remembers: nothing is asked of the chain until somebody does. Raises SettingsError."""
    if mode not in {PAPER, LIVE}:
        raise SettingsError(f"mode {mode!r} is not known; write {PAPER} or {LIVE}")
    settings = load_settings(config, {})
    deployment = load_deployment(settings)
    with ExitStack() as stack:
        endpoint = Endpoint(settings.chain.endpoint.get_secret_value(), timeout_seconds=settings.chain.read_timeout_seconds)
        settings.run.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = stack.enter_context(Store(settings.run.folder / f"{mode}.sqlite"))
        yield Session(
            mode=mode,
            settings=settings,
            deployment=deployment,
            decide=decide_settings(settings, deployment),
            endpoint=endpoint,
            store=store,
            journal=Journal(store),
        )

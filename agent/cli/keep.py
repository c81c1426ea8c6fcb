"""The keeper's process: settings in, then it serves until it is told to end. The password is typed or read from a 0600 file."""

import os
import signal
from pathlib import Path
from typing import Final

from agent.cli.keys import known_password
from agent.cli.tables import say
from agent.settings import load_deployment, load_settings, policy_variables, require_live
from strategies.errors import SettingsError
from wallets.changes import Terms
from wallets.client import KeeperClient, socket_path
from wallets.keeper import KeeperSettings, serve
from wallets.pause import put_by_signal
from wallets.terms import Source

RECEIPT_SECONDS: Final = 120  # how long a sent transaction is waited for before the request is answered


def end(config: Path) -> int | None:
    """Has the keeper that listens finish what it does and end; its process, None where none runs."""
    settings = load_settings(config, {})
    client = KeeperClient(socket_path(settings.wallet.folder), account=settings.policy.account, timeout_seconds=5)
    found = client.process_id()
    if found is not None:
        os.kill(found, signal.SIGTERM)
    return found


def tell_end(config: Path) -> None:
    """The same, told."""
    found = end(config)
    say("no keeper runs" if found is None else f"told the keeper (process {found}) to end")


def keeper(config: Path, password_file: Path | None) -> None:
    """Serve. Raises SettingsError where it could not be safe."""
    if named := policy_variables():  # whoever starts the keeper must not choose its limits
        raise SettingsError(f"the keeper takes its policy from {config} alone: unset {', '.join(named)}")
    settings = load_settings(config, {})
    require_live(settings)
    load_deployment(settings)  # what the settings name must exist there; the keeper reads the file again by itself
    password = known_password(password_file or settings.wallet.password_file, f"the keystore {settings.wallet.keystore}")
    told = KeeperSettings(
        folder=settings.wallet.folder,
        keystore=settings.wallet.keystore,
        deployment=settings.chain.deployment,
        endpoint=settings.chain.endpoint,
        second_endpoint=settings.chain.second_endpoint,
        read_timeout_seconds=settings.chain.read_timeout_seconds,
        receipt_timeout_seconds=RECEIPT_SECONDS,
        policy=settings.policy,
    )
    source = Source((config, settings.chain.deployment), lambda: _written(config))
    with put_by_signal(settings.wallet.folder):  # SIGUSR1 halts, SIGTERM ends
        serve(told, password, lambda: say("the keeper listens", "dim"), source=source)


def _written(config: Path) -> Terms:
    """The terms as the files say them now. Raises SettingsError."""
    settings = load_settings(config, {})
    return Terms(settings.policy, load_deployment(settings))

"""A person is told the risks and gives their word, which the first live run asks for. Refuses any other sentence than the one it
shows."""

import time
from pathlib import Path

import typer

from agent.cli.tables import say
from agent.settings import load_settings
from strategies.errors import SettingsError
from wallets import acknowledged
from wallets.acknowledged import RISKS, SENTENCE, Acknowledgement
from wallets.policy import policy_digest


def acknowledge(config: Path, *, who: str, asked: bool) -> None:
    """Shows the risks and records a person's word beside the keeper. Raises SettingsError where they do not give it."""
    settings = load_settings(config, {})
    say(RISKS)
    if asked and typer.prompt(f'Type "{SENTENCE}"', default="", show_default=False).strip() != SENTENCE:
        raise SettingsError("that is not the sentence; nothing was recorded, and no live run starts without it")
    said = Acknowledgement(who, int(time.time()), acknowledged.text_digest(), policy_digest(settings.policy))
    acknowledged.put(settings.wallet.folder, said)
    say(f'{who} said: "{SENTENCE}"')
    say("recorded beside the keeper, which writes it into its journal when it next starts", "dim")

"""A keeper's folder, settings and keys for tests of the real process."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import Address
from tests.wallets.chain import Chain, policy_for
from tests.wallets.keeper_process import Running, running, write_settings
from tests.wallets.live_parts import OPERATOR
from wallets import keystore


@dataclass(frozen=True)
class House:
    """A folder with everything a keeper is told, around one local chain."""

    chain: Chain
    account: Address
    password: str
    content: dict[str, Any]
    settings: Path

    def keeper(self) -> Any:
        return running(self.settings, self.password, self.account)

    def over(self, url: str) -> "House":
        """The same, with another endpoint."""
        changed = {**self.content, "endpoint": url}
        return replace(self, content=changed, settings=write_settings(self.settings.with_name("over.json"), **changed))

    @property
    def folder(self) -> Path:
        return Path(self.content["folder"])


@pytest.fixture
def house(chain: Chain, tmp_path: Path, quick_keystore: Path, password: str) -> House:
    account = keystore.read_address(quick_keystore)
    chain.fund(account)
    deployment = tmp_path / "deployment.json"
    deployment.write_text(json.dumps(chain.file))
    content = {
        "folder": str(tmp_path / "keeper"),
        "keystore": str(quick_keystore),
        "deployment": str(deployment),
        "endpoint": chain.url,
        "read_timeout_seconds": 5,
        "receipt_timeout_seconds": 10,
        "policy": policy_for(account, chain.deployment, OPERATOR).model_dump(mode="json"),
    }
    return House(chain, account, password, content, write_settings(tmp_path / "settings.json", **content))


@pytest.fixture
def running_keeper(house: House) -> Iterator[Running]:
    with house.keeper() as found:
        yield found

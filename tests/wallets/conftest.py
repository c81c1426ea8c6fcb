"""One local chain for the wallet's tests, put back as it was after each; and keys that take a second to make, made once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from strategies.domain import Deployment
from strategies.protocols.registry import deployment_from
from tests.wallets.chain import Chain
from tests.wallets.house import house, running_keeper  # noqa: F401  (fixtures)
from wallets import keystore, secrecy

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def password() -> str:
    return PASSWORD


@pytest.fixture(scope="session")
def keystore_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keystore, made once: scrypt costs a second."""
    path = tmp_path_factory.mktemp("keys") / "wallet.json"
    keystore.create(path, PASSWORD)
    return path


@pytest.fixture(scope="session")
def quick_keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keystore with a cheap scrypt, for keepers that are started many times."""
    content = Account.encrypt(Account.create().key, PASSWORD, kdf="scrypt", iterations=2**10)
    path = tmp_path_factory.mktemp("quick") / "wallet.json"
    secrecy.write_new(path, json.dumps(content).encode())
    return path


@pytest.fixture(scope="session")
def running_chain() -> Iterator[Chain]:
    from agent.devnet.chain import Devnet
    from agent.devnet.errors import ArtefactsMissing

    try:
        devnet = Devnet.start()
    except ArtefactsMissing as error:
        pytest.skip(f"no local chain here: {error}")
    with devnet:
        yield Chain(devnet, deployment_from(devnet.deployment))


@pytest.fixture
def chain(running_chain: Chain) -> Iterator[Chain]:
    """The local chain; whatever a test mines is undone."""
    snapshot = running_chain.devnet.node.snapshot()
    yield running_chain
    running_chain.devnet.node.rpc("anvil_dropAllTransactions")
    running_chain.devnet.node.rpc("evm_setAutomine", True)
    running_chain.devnet.node.revert(snapshot)


@pytest.fixture
def deployment(chain: Chain) -> Deployment:
    return chain.deployment

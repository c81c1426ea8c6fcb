"""One local chain a session, put back as it was after every test. It is not shared with tests of other folders."""

from collections.abc import Iterator

import pytest

from agent.devnet.artefacts import Artefacts, ensure
from agent.devnet.chain import Devnet


@pytest.fixture(scope="session")
def artefacts() -> Artefacts:
    return ensure()


@pytest.fixture(scope="session")
def running() -> Iterator[Devnet]:
    with Devnet.start() as devnet:
        yield devnet


@pytest.fixture
def devnet(running: Devnet) -> Iterator[Devnet]:
    snapshot = running.node.snapshot()
    yield running
    running.node.revert(snapshot)

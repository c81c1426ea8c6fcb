"""The local chain for the tests beside this file: one a file, and after every test as it was."""

from collections.abc import Iterator

import pytest

from agent.devnet.errors import ArtefactsMissing
from tests.evm import Evm, undone


@pytest.fixture(scope="module")
def devnet() -> Evm:
    """Skips where nothing was built."""
    try:
        return Evm.of_devnet()
    except ArtefactsMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def evm(devnet: Evm) -> Iterator[Evm]:
    with undone(devnet):
        yield devnet

"""One chain of the catalogue's own for all tests of this folder; each case puts it back as it was laid."""

from collections.abc import Iterator, Mapping

import pytest

from agent.verify.attacks.outcome import Runner
from agent.verify.attacks.world import Stage, runners_on, stage
from tests.agent.verify.attack_world import SETTING


@pytest.fixture(scope="session")
def laid() -> Iterator[Stage]:
    with stage(SETTING) as found:
        yield found


@pytest.fixture
def runners(laid: Stage) -> Iterator[Mapping[str, Runner]]:
    yield runners_on(laid)
    laid.clear()

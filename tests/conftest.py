"""How the tests run here: a slow machine is no finding, and what takes long begins first, so that nobody waits for it."""

import pytest
from hypothesis import settings

from wallets.recursion import recursion_limit_kept

with recursion_limit_kept():  # tests import it at their head, where nothing puts the limit back
    import web3  # noqa: F401

settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first; within a file the order stays."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)
